//! The loader: opens tracks, finds places in them and decodes ahead, at normal priority, so that the feeder never waits for a
//! file.
//!
//! Each step does a little, so that no track waits for another for long, and a track that nobody wants any more is let go of
//! soon. Only a file that does not answer can hold it up.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::decoder::DecodeError;
use super::library::{Library, Progress, TrackSource};
use super::pcm_queue::{BLOCK_SAMPLES, LoaderEnd, MARGIN_FRAMES, Opened, Opening, PcmBlock};
use super::resampler::Resampler;
use crate::panics;
use crate::worker::Task;

/// How far ahead of the place that is wanted a track is decoded: a card that stalls for less is not heard.
const AHEAD_S: f64 = 4.0;

/// Where the place that is wanted is further ahead than this, it is leapt to instead of decoded up to.
const LEAP_S: f64 = 3.0;

/// Blocks that are decoded in one step.
const BLOCKS_PER_STEP: usize = 16;

/// How often it is looked whether a queue has room: a small part of what it holds.
const LOOK: Duration = Duration::from_millis(100);

/// What the loader is asked to do.
pub enum Order {
    /// Open a track and decode it into a queue.
    Open {
        /// Where the track comes from.
        library: Arc<dyn Library>,
        /// Its index in the playlist.
        track: usize,
        /// The rate of the device for which it will be resampled, in frames a second.
        device_rate_hz: u32,
        /// Where the blocks go.
        queue: LoaderEnd,
    },
    /// Look at once at what is wanted: somewhere it has changed.
    Look,
}

/// Where the feeder's orders go.
pub type OrderLoader = Arc<dyn Fn(Order) + Send + Sync>;

/// The loader's task.
#[derive(Default)]
pub struct LoaderTask {
    waiting: Vec<Unopened>,
    tracks: Vec<Loading>,
}

struct Unopened {
    library: Arc<dyn Library>,
    track: usize,
    device_rate_hz: u32,
    queue: LoaderEnd,
}

/// A track that is being decoded.
struct Loading {
    source: Box<dyn TrackSource>,
    rate_hz: u32,
    channels: usize,
    queue: LoaderEnd,
    generation: u32,
    /// Where it is on the way to; none once it is there.
    aim: Option<i64>,
    /// The next frame to be decoded.
    position: i64,
}

/// Whether a track has more to do at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Again,
    Wait,
    Over,
}

impl Task for LoaderTask {
    type Order = Order;

    fn order(&mut self, order: Order) {
        match order {
            Order::Open { library, track, device_rate_hz, queue } => {
                self.waiting.push(Unopened { library, track, device_rate_hz, queue });
            }
            Order::Look => {}
        }
    }

    fn step(&mut self) -> Duration {
        self.waiting.retain(|waiting| !waiting.queue.shared.is_abandoned());
        if !self.waiting.is_empty() {
            let opened = self.waiting.remove(0).open();
            self.tracks.extend(opened);
            return Duration::ZERO;
        }
        let mut is_busy = false;
        self.tracks.retain_mut(|track| {
            let next = track.step();
            is_busy |= next == Next::Again;
            next != Next::Over
        });
        match (is_busy, self.tracks.is_empty()) {
            (true, _) => Duration::ZERO,
            (false, false) => LOOK,
            (false, true) => Duration::from_secs(3600),
        }
    }

    fn end(&mut self) {
        self.waiting.clear();
        self.tracks.clear();
    }
}

impl Unopened {
    fn open(self) -> Option<Loading> {
        let Self { library, track, device_rate_hz, queue } = self;
        // A file can make a library panic. It costs that file alone.
        let opened = panics::catch(|| {
            let Some(source) = library.open(track)? else { return Ok(None) };
            let resampler = Resampler::new(source.rate_hz(), device_rate_hz, source.channels());
            let resampler = resampler.map_err(|error| DecodeError::Format(error.to_string()))?;
            Ok::<_, DecodeError>(Some((source, resampler)))
        });
        let opened = opened.unwrap_or_else(|panic| Err(DecodeError::Format(format!("it cannot be read: {panic}"))));
        let (opening, loading) = match opened {
            Ok(Some((source, resampler))) => {
                let (rate_hz, channels) = (source.rate_hz(), source.channels().clamp(1, 2));
                let opened = Opened { rate_hz, channels, resampler: Mutex::new(Some(Box::new(resampler))) };
                (Opening::Opened(opened), Some((source, rate_hz, channels)))
            }
            Ok(None) => (Opening::Silent, None),
            Err(error) => (Opening::Failed(error.to_string()), None),
        };
        let _ = queue.shared.opening.set(opening);
        let (source, rate_hz, channels) = loading?;
        let mut loading = Loading { source, rate_hz, channels, queue, generation: 0, aim: None, position: 0 };
        let (generation, wanted) = loading.wanted();
        (loading.generation, loading.aim) = (generation, Some(wanted - MARGIN_FRAMES));
        Some(loading)
    }
}

impl Loading {
    /// The newest order to go elsewhere, and the frame that is wanted.
    fn wanted(&self) -> (u32, i64) {
        let (generation, wanted_ns) = self.queue.shared.wanted();
        (generation, (wanted_ns as f64 * 1e-9 * f64::from(self.rate_hz)).floor() as i64)
    }

    fn step(&mut self) -> Next {
        if self.queue.shared.is_abandoned() {
            return Next::Over;
        }
        match panics::catch(|| self.try_step()) {
            Ok(Ok(next)) => next,
            Ok(Err(error)) => self.fail(error.to_string()),
            Err(panic) => self.fail(format!("it cannot be read: {panic}")),
        }
    }

    fn fail(&self, reason: String) -> Next {
        let _ = self.queue.shared.failure.set(reason);
        Next::Over
    }

    fn try_step(&mut self) -> Result<Next, DecodeError> {
        let (generation, wanted) = self.wanted();
        let is_far_behind = self.position < wanted - self.frames(LEAP_S);
        if generation != self.generation || (self.aim.is_none() && is_far_behind) {
            (self.generation, self.aim) = (generation, Some(wanted - MARGIN_FRAMES));
        }
        if let Some(aim) = self.aim {
            if self.source.approach(aim)? == Progress::OnTheWay {
                return Ok(Next::Again);
            }
            (self.aim, self.position) = (None, aim);
        }
        for _ in 0..BLOCKS_PER_STEP {
            if self.queue.blocks.is_full() || self.position > wanted + self.frames(AHEAD_S) {
                return Ok(Next::Wait);
            }
            let mut block = PcmBlock {
                first_frame: self.position,
                generation: self.generation,
                frames: BLOCK_SAMPLES / self.channels,
                samples: [0.0; BLOCK_SAMPLES],
            };
            self.source.read(&mut block.samples)?;
            self.position = block.end_frame();
            if block.end_frame() > wanted - MARGIN_FRAMES {
                // There is room: it was asked above, and nobody else writes.
                let _ = self.queue.blocks.push(block);
            }
        }
        Ok(Next::Again)
    }

    fn frames(&self, seconds: f64) -> i64 {
        (seconds * f64::from(self.rate_hz)) as i64
    }
}
