//! The recording in the memory on the clock module, beside that on a disk which forgets.

use std::collections::VecDeque;

use super::boot::BootId;
use super::event::{Entry, Event};
use super::short::{RING_BYTES, ShortRing, has_short_form};

/// How well the time is known is stored there this often at most, in s of the raw clock: there is
/// room for some hundred entries.
const TIME_INTERVAL_S: f64 = 3600.0;

/// How many entries wait at most until the memory was read: as many as it holds. The oldest are
/// dropped, as the end of a run matters most.
const MOST_WAITING: usize = 128;

/// A memory of 2 KiB that keeps its contents without power. Neither call waits for it.
pub trait ShortMemory: Send {
    /// Returns its contents as they were at the start; `None` while they are read, and without a
    /// memory.
    fn contents(&self) -> Option<Vec<u8>>;

    /// Writes at a byte of it, soon.
    fn write(&self, at: usize, bytes: &[u8]);
}

/// What is recorded in such a memory.
pub(super) struct InModule {
    memory: Box<dyn ShortMemory>,
    /// `None` until the memory was read.
    ring: Option<ShortRing>,
    waiting: VecDeque<Entry>,
    /// When the time was stored last, and as what.
    time: Option<(f64, std::mem::Discriminant<crate::control::protocol::TimeState>)>,
}

impl InModule {
    pub(super) fn new(memory: Box<dyn ShortMemory>) -> Self {
        Self { memory, ring: None, waiting: VecDeque::new(), time: None }
    }

    /// Holds an entry until it is written; nothing that has no short form.
    pub(super) fn hold(&mut self, entry: &Entry) {
        if !has_short_form(&entry.event) {
            return;
        }
        if let Event::Time { state, .. } = &entry.event {
            let state = std::mem::discriminant(state);
            if self.time.is_some_and(|(at_s, before)| before == state && entry.up_s - at_s < TIME_INTERVAL_S) {
                return;
            }
            self.time = Some((entry.up_s, state));
        }
        if self.waiting.len() == MOST_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(entry.clone());
    }

    /// Returns what the memory holds of earlier boots, once: when it was read.
    pub(super) fn take_earlier(&mut self, current: &BootId) -> Option<Vec<Entry>> {
        if self.ring.is_some() {
            return None;
        }
        let contents = self.memory.contents().filter(|contents| contents.len() == RING_BYTES)?;
        let (ring, entries) = ShortRing::read(&contents);
        self.ring = Some(ring);
        Some(entries.into_iter().filter(|entry| entry.boot.short() != current.short()).collect())
    }

    /// Writes what is held.
    pub(super) fn write(&mut self) {
        let Some(ring) = &mut self.ring else { return };
        for (at, bytes) in ring.append(std::mem::take(&mut self.waiting).make_contiguous()) {
            self.memory.write(at, &bytes);
        }
    }
}
