//! The service's voice: resamples what the loader has decoded of a track, so that it fits the DAC
//! exactly.

use std::sync::Arc;

use jaudiosync_hw::dac::CHANNELS;
use jaudiosync_time::{Instant, Raw, Span};

use super::library::Library;
use super::loader::{LoaderCommand, SendToLoader};
use super::pcm_queue::Holds;
use super::ring::{BLOCK_FRAMES, BlockSamples};
use super::track_link::{Opening, TrackLink, TrackParts};
use super::voice::{Fade, Readiness, Voice};
use crate::timetable::Start;

/// By how much earlier than a place the loader is asked to begin: the resampler's filter needs that
/// much before it.
const BEFORE: Span = Span::from_ms(20);

/// A file that cannot be opened or read is tried again after this long.
const RETRY: Span = Span::SECOND;

/// This would be a mistake of this program: it checks first.
const NOT_OPEN: &str = "the track is not open";

/// A track that the loader opens and decodes. It allocates and frees nothing large; the loader does
/// that.
pub struct ResampledVoice {
    link: Arc<TrackLink>,
    send_to_loader: SendToLoader,
    /// `None` before the track is open, and while it is being dropped.
    parts: Option<Box<TrackParts>>,
    /// When the loader was last asked to open the file.
    tried: Instant<Raw>,
    /// The resampler refused; that would be a mistake of this program.
    mistake: Option<String>,
}

impl Voice for ResampledVoice {
    type Opener = SendToLoader;
    type Samples = BlockSamples;

    fn open(
        send_to_loader: &SendToLoader,
        library: &Arc<dyn Library>,
        slot: Start,
        device_rate_hz: u32,
        wanted_s: f64,
        now: Instant<Raw>,
    ) -> Self {
        let link = Arc::new(TrackLink::new(wanted(wanted_s)));
        let library = Arc::clone(library);
        send_to_loader(LoaderCommand::Open { library, track: slot.track, device_rate_hz, link: Arc::clone(&link) });
        let send_to_loader = Arc::clone(send_to_loader);
        Self { link, send_to_loader, parts: None, tried: now, mistake: None }
    }

    fn want(&self, place_s: f64) {
        self.link.want(wanted(place_s));
    }

    fn retry_if_failed(&mut self, now: Instant<Raw>) {
        if self.link.failure().is_some() && now - self.tried >= RETRY {
            self.tried = now;
            self.link.retry();
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.link.opening(), Some(Opening::Opened(_)))
    }

    fn readiness(&mut self, place_s: f64) -> Readiness {
        if let Some(mistake) = &self.mistake {
            return Readiness::Failed(mistake.clone());
        }
        if self.parts.is_none() {
            self.parts = self.link.take_parts();
        }
        if matches!(self.link.opening(), Some(Opening::Silent)) {
            return Readiness::Silent;
        }
        if let Some(parts) = self.parts.as_deref_mut() {
            let needed = parts.resampler.needed_to_start(place_s * f64::from(parts.rate_hz));
            match parts.queue.holds(needed.start, needed.end) {
                // Even if the file has failed meanwhile.
                Holds::All => return Readiness::Ready,
                Holds::NotYet => {}
                Holds::Passed => {
                    parts.queue.generation = self.link.send_back();
                    (self.send_to_loader)(LoaderCommand::Check);
                }
            }
        }
        self.link.failure().map_or(Readiness::Opening, |reason| Readiness::Failed(reason.to_owned()))
    }

    fn failure(&self) -> Option<&str> {
        self.link.failure()
    }

    fn start_at(&mut self, place_s: f64) -> Result<(), String> {
        let Some(parts) = self.parts.as_deref_mut() else { return Err(self.refuse(&NOT_OPEN)) };
        let started = parts.resampler.start_at(place_s * f64::from(parts.rate_hz), &mut parts.queue);
        started.map_err(|error| self.refuse(&error))
    }

    fn place_s(&self) -> f64 {
        self.parts.as_ref().map_or(0.0, |parts| parts.resampler.position() / f64::from(parts.rate_hz))
    }

    fn has_next_block(&mut self) -> bool {
        let Some(parts) = self.parts.as_deref_mut() else { return false };
        parts.queue.has_next(parts.resampler.needed_for_next_block())
    }

    fn next_block(&mut self, speed: f64, fade: Fade) -> Result<BlockSamples, String> {
        let Some(parts) = self.parts.as_deref_mut() else { return Err(self.refuse(&NOT_OPEN)) };
        match parts.resampler.next_block(speed, &mut parts.queue) {
            Ok(block) => Ok(faded(block, parts.channels, fade)),
            Err(error) => Err(self.refuse(&error)),
        }
    }
}

impl ResampledVoice {
    /// Remembers a mistake of this program: the track is silent for good, instead of failing
    /// repeatedly.
    fn refuse(&mut self, error: &dyn std::fmt::Display) -> String {
        self.mistake.insert(error.to_string()).clone()
    }
}

impl Drop for ResampledVoice {
    /// Sends everything large back to the loader, which frees it.
    fn drop(&mut self) {
        self.link.abandon();
        if let Some(parts) = self.parts.take().or_else(|| self.link.take_parts()) {
            (self.send_to_loader)(LoaderCommand::Drop(parts));
        }
    }
}

fn wanted(place_s: f64) -> Span {
    Span::from_ns((place_s * 1e9) as i64) - BEFORE
}

/// Copies a block of one or two channels to both of the device's.
fn faded(block: &[f32], channels: usize, fade: Fade) -> BlockSamples {
    let mut out = [0.0; BLOCK_FRAMES * CHANNELS];
    if channels == CHANNELS {
        out.iter_mut().zip(block).for_each(|(out, sample)| *out = *sample);
    } else {
        let frames = out.as_chunks_mut::<CHANNELS>().0;
        frames.iter_mut().zip(block).for_each(|(frame, sample)| *frame = [*sample; CHANNELS]);
    }
    if fade != Fade::None {
        for (index, frame) in out.as_chunks_mut::<CHANNELS>().0.iter_mut().enumerate() {
            *frame = frame.map(|sample| sample * fade.gain(index));
        }
    }
    out
}
