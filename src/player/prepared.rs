//! Tracks that are being opened, or are open and wait for their slot.

use std::sync::Arc;

use super::feeder::Program;
use super::loader::OrderLoader;
use super::voice::Voice;
use crate::timetable::Start;

/// A track that cannot be opened is tried again after this long.
const RETRY_NS: i64 = 1_000_000_000;

/// The voices that wait, of a few slots at most.
#[derive(Default)]
pub(super) struct Prepared(Vec<Waiting>);

struct Waiting {
    voice: Box<Voice>,
    /// When it was asked to be opened, on the raw clock.
    tried_raw_ns: i64,
}

impl Prepared {
    /// Keep a voice that is open.
    pub(super) fn keep(&mut self, voice: Box<Voice>, now_raw_ns: i64) {
        self.0.retain(|waiting| waiting.voice.slot != voice.slot);
        self.0.push(Waiting { voice, tried_raw_ns: now_raw_ns });
    }

    /// Drop the voices of all slots but these.
    pub(super) fn keep_only(&mut self, slots: &[Option<Start>]) {
        self.0.retain(|waiting| slots.contains(&Some(waiting.voice.slot)));
    }

    /// Take the voice of a slot.
    pub(super) fn take(&mut self, slot: Start) -> Option<Box<Voice>> {
        let index = self.0.iter().position(|waiting| waiting.voice.slot == slot)?;
        Some(self.0.swap_remove(index).voice)
    }

    /// The voice of a slot. It is asked to be opened where there is none, and again after a while where it failed; `wanted_s` is
    /// the place that is wanted of it then, in seconds since the track's beginning.
    pub(super) fn voice(
        &mut self,
        slot: Start,
        wanted_s: f64,
        program: &Arc<Program>,
        device_rate_hz: u32,
        order_loader: &OrderLoader,
        now_raw_ns: i64,
    ) -> &mut Voice {
        let open = || {
            let voice =
                Voice::open(slot, Arc::clone(&program.library), device_rate_hz, wanted_s, Arc::clone(order_loader));
            Waiting { voice: Box::new(voice), tried_raw_ns: now_raw_ns }
        };
        let index = match self.0.iter().position(|waiting| waiting.voice.slot == slot) {
            Some(index) => {
                let waiting = &mut self.0[index];
                if waiting.voice.has_failed() && now_raw_ns.saturating_sub(waiting.tried_raw_ns) >= RETRY_NS {
                    *waiting = open();
                }
                index
            }
            None => {
                self.0.push(open());
                self.0.len() - 1
            }
        };
        &mut self.0[index].voice
    }
}
