//! Tracks that are being opened, or are open and wait for their slot.

use std::sync::Arc;

use super::feeder::Program;
use super::loader::OrderLoader;
use super::voice::Voice;
use crate::timetable::Start;

/// The voices that wait, of a few slots at most.
#[derive(Default)]
pub(super) struct Prepared(Vec<Voice>);

impl Prepared {
    /// Keep a voice that is open.
    pub(super) fn keep(&mut self, voice: Voice) {
        self.0.retain(|waiting| waiting.slot != voice.slot);
        self.0.push(voice);
    }

    /// Drop the voices of all slots but these.
    pub(super) fn keep_only(&mut self, slots: &[Option<Start>]) {
        self.0.retain(|waiting| slots.contains(&Some(waiting.slot)));
    }

    /// Take the voice of a slot.
    pub(super) fn take(&mut self, slot: Start) -> Option<Voice> {
        let index = self.0.iter().position(|waiting| waiting.slot == slot)?;
        Some(self.0.swap_remove(index))
    }

    /// Return the voice of a slot. It is asked to be opened where there is none, and again after a while where it failed;
    /// `wanted_s` is the place that is wanted of it first, in seconds since the track's beginning.
    pub(super) fn voice(
        &mut self,
        slot: Start,
        wanted_s: f64,
        program: &Arc<Program>,
        device_rate_hz: u32,
        order_loader: &OrderLoader,
        now_raw_ns: i64,
    ) -> &mut Voice {
        let index = self.0.iter().position(|waiting| waiting.slot == slot).unwrap_or_else(|| {
            let library = Arc::clone(&program.library);
            let voice = Voice::open(slot, library, device_rate_hz, wanted_s, Arc::clone(order_loader), now_raw_ns);
            self.0.push(voice);
            self.0.len() - 1
        });
        let voice = &mut self.0[index];
        voice.retry_if_failed(now_raw_ns);
        voice
    }
}
