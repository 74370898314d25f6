//! Tracks that are being opened, or are open and wait for their slot.

use jaudiosync_time::{Instant, Raw};

use super::program::Program;
use super::steered_voice::SteeredVoice;
use super::voice::Voice;
use crate::timetable::Start;

/// The voices that wait, for a few slots at most.
pub(super) struct Prepared<V: Voice> {
    opener: V::Opener,
    device_rate_hz: u32,
    waiting: Vec<SteeredVoice<V>>,
}

impl<V: Voice> Prepared<V> {
    /// Makes one that is empty, for a stream of this rate.
    pub(super) fn new(opener: V::Opener, device_rate_hz: u32) -> Self {
        Self { opener, device_rate_hz, waiting: Vec::new() }
    }

    /// Stores a voice that is open.
    pub(super) fn keep(&mut self, voice: SteeredVoice<V>) {
        self.waiting.retain(|waiting| waiting.slot != voice.slot);
        self.waiting.push(voice);
    }

    /// Drops the voices of all slots but these.
    pub(super) fn keep_only(&mut self, slots: &[Option<Start>]) {
        self.waiting.retain(|waiting| slots.contains(&Some(waiting.slot)));
    }

    /// Takes the voice of a slot.
    pub(super) fn take(&mut self, slot: Start) -> Option<SteeredVoice<V>> {
        let index = self.waiting.iter().position(|waiting| waiting.slot == slot)?;
        Some(self.waiting.swap_remove(index))
    }

    /// Returns the voice of a slot. A voice that is missing is opened, and one that failed is
    /// opened again after a while; `wanted_s` is the place in it that is wanted first, in seconds
    /// since the track's beginning.
    pub(super) fn voice(&mut self, slot: Start, wanted_s: f64, program: &Program, now: Instant<Raw>) -> &mut V {
        let index = self.waiting.iter().position(|waiting| waiting.slot == slot).unwrap_or_else(|| {
            let voice = V::open(&self.opener, &program.library, slot, self.device_rate_hz, wanted_s, now);
            self.waiting.push(SteeredVoice::new(slot, voice));
            self.waiting.len() - 1
        });
        let voice = &mut self.waiting[index].voice;
        voice.retry_if_failed(now);
        voice
    }
}
