//! What the loader's thread and the feeder's share of one track: atomics, and two values that are
//! set once.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use jaudiosync_time::Span;

use super::pcm_queue::PcmQueue;
use super::resampler::Resampler;

/// Everything that the feeder plays a track with. The loader makes it, and drops it in the end, as
/// both take time: the queue and the filter's tables are megabytes.
pub struct TrackParts {
    pub(super) rate_hz: u32,
    pub(super) channels: usize,
    pub(super) resampler: Resampler,
    pub(super) queue: PcmQueue,
}

/// The result of opening a track.
pub(super) enum Opening {
    /// It can be played. The feeder takes the parts, once; no thread waits for this lock.
    Opened(Mutex<Option<Box<TrackParts>>>),
    /// It is known to be silence.
    Silent,
}

/// The state that both sides see.
pub struct TrackLink {
    opening: OnceLock<Opening>,
    /// Why the file could not be opened or read the first time.
    failure: OnceLock<String>,
    /// The file cannot be opened or read now.
    is_failing: AtomicBool,
    /// The file is to be opened, or opened again.
    is_opening_wanted: AtomicBool,
    /// The place that is wanted next, in ns since the track's beginning. What lies before it is no
    /// longer needed.
    wanted_ns: AtomicI64,
    /// Counts the commands to go to that place even if it lies earlier in the track.
    generation: AtomicU32,
    /// The feeder no longer needs the track.
    is_abandoned: AtomicBool,
}

impl TrackLink {
    /// Makes the link of a track that is to be opened, of which this place is wanted first.
    pub(super) fn new(wanted: Span) -> Self {
        Self {
            opening: OnceLock::new(),
            failure: OnceLock::new(),
            is_failing: AtomicBool::new(false),
            is_opening_wanted: AtomicBool::new(true),
            wanted_ns: AtomicI64::new(wanted.ns()),
            generation: AtomicU32::new(0),
            is_abandoned: AtomicBool::new(false),
        }
    }
}

/// For the feeder.
impl TrackLink {
    /// Returns the result of opening the track, or `None` while there is none.
    pub(super) fn opening(&self) -> Option<&Opening> {
        self.opening.get()
    }

    /// Takes the parts that the loader has made; `None` if there are none yet, or they were taken.
    pub(super) fn take_parts(&self) -> Option<Box<TrackParts>> {
        let Some(Opening::Opened(parts)) = self.opening.get() else { return None };
        parts.try_lock().ok()?.take()
    }

    /// Returns why the file cannot be opened or read, if that is so now. What was decoded before
    /// can be played all the same.
    pub(super) fn failure(&self) -> Option<&str> {
        let is_failing = self.is_failing.load(Ordering::Acquire);
        self.failure.get().filter(|_| is_failing).map(String::as_str)
    }

    /// Asks for a file that fails to be opened again.
    pub(super) fn retry(&self) {
        self.is_opening_wanted.store(true, Ordering::Relaxed);
    }

    /// Notes which place will be wanted next, since the track's beginning.
    pub(super) fn want(&self, wanted: Span) {
        self.wanted_ns.store(wanted.ns(), Ordering::Relaxed);
    }

    /// Sends the loader to that place even if it lies earlier in the track. What it brings from
    /// there on is of the returned generation.
    pub(super) fn send_back(&self) -> u32 {
        self.generation.fetch_add(1, Ordering::Release).wrapping_add(1)
    }

    /// Notes that the track is no longer needed.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
    }
}

/// For the loader.
impl TrackLink {
    /// Sets the result of opening. Only the first one counts.
    pub(super) fn set_opening(&self, opening: Opening) {
        let _ = self.opening.set(opening);
    }

    /// Notes that the file cannot be opened or read.
    pub(super) fn fail(&self, reason: String) {
        let _ = self.failure.set(reason);
        self.is_failing.store(true, Ordering::Release);
    }

    /// Notes that the file can be read again.
    pub(super) fn recover(&self) {
        self.is_failing.store(false, Ordering::Relaxed);
    }

    /// Returns whether the file is to be opened, and clears that request.
    pub(super) fn take_opening_wanted(&self) -> bool {
        self.is_opening_wanted.swap(false, Ordering::Relaxed)
    }

    /// Returns the generation of the newest command to go elsewhere, and the place that is wanted.
    pub(super) fn wanted(&self) -> (u32, Span) {
        let generation = self.generation.load(Ordering::Acquire);
        (generation, Span::from_ns(self.wanted_ns.load(Ordering::Relaxed)))
    }

    /// Returns whether the track is no longer needed.
    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }
}
