//! The loader: opens tracks, finds places in them and decodes ahead, at normal priority, so that
//! the feeder never waits for a file.
//!
//! Each step does a little, so that no track waits for another for long, and a track that is no
//! longer wanted is dropped soon. Only a file that does not respond can hold it up. A file that
//! fails is closed, and opened again when the feeder asks for it: it may be on a stick that was
//! pulled out and put back. What was decoded before stays in the queue meanwhile.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rtrb::Producer;

use super::library::{DecodeError, Library, TrackSource};
use super::pcm_queue::{BLOCK_SAMPLES, MARGIN_FRAMES, PcmBlock, pcm_queue};
use super::resampler::Resampler;
use super::track_link::{Opening, TrackLink, TrackParts};
use crate::mp3::reader::Progress;
use crate::panics;
use crate::worker::Task;

/// How far ahead of the wanted place a track is decoded: a card that stalls for less than this is
/// not heard.
const AHEAD_S: f64 = 4.0;

/// If the wanted place is further ahead than this, the loader jumps to it and does not decode up
/// to it.
const LEAP_S: f64 = 3.0;

/// Blocks that are decoded in one step.
const BLOCKS_PER_STEP: usize = 16;

/// How often the loader checks whether a queue has room, or a file is to be opened again: a small
/// part of what a queue holds.
const POLL: Duration = Duration::from_millis(100);

/// What the loader can be commanded to do.
pub enum LoaderCommand {
    /// Open a track and decode it into a queue.
    Open {
        /// Where the track comes from.
        library: Arc<dyn Library>,
        /// Its index in the playlist.
        track: usize,
        /// The rate of the device for which it will be resampled, in frames per second.
        device_rate_hz: u32,
        /// What it shares with the feeder.
        link: Arc<TrackLink>,
    },
    /// Check at once what is wanted: it has changed somewhere.
    Check,
    /// Free what a track was played with.
    Drop(Box<TrackParts>),
}

/// Where the feeder's commands go.
pub type SendToLoader = Arc<dyn Fn(LoaderCommand) + Send + Sync>;

/// The loader's task.
#[derive(Default)]
pub struct LoaderTask {
    tracks: Vec<Loading>,
}

/// A track that is being opened or decoded.
struct Loading {
    library: Arc<dyn Library>,
    track: usize,
    device_rate_hz: u32,
    link: Arc<TrackLink>,
    /// `None` before the file was opened for the first time.
    output: Option<Output>,
    /// `None` while the file is not open.
    source: Option<Box<dyn TrackSource>>,
    generation: u32,
    /// The frame it is on the way to; `None` once it is there.
    aim: Option<i64>,
    /// The next frame to be decoded; before all places until there is one.
    position: i64,
}

/// Where a track's blocks go, and what they are.
struct Output {
    blocks: Producer<PcmBlock>,
    rate_hz: u32,
    channels: usize,
}

/// What there is to do for a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// More, at once.
    Busy,
    /// Nothing for now.
    Waiting,
    /// Nothing any more.
    Over,
}

impl Task for LoaderTask {
    type Command = LoaderCommand;

    fn command(&mut self, command: LoaderCommand) {
        match command {
            LoaderCommand::Open { library, track, device_rate_hz, link } => {
                self.tracks.push(Loading::new(library, track, device_rate_hz, link));
            }
            LoaderCommand::Check => {}
            LoaderCommand::Drop(parts) => drop(parts),
        }
    }

    fn step(&mut self) -> Duration {
        let mut is_busy = false;
        self.tracks.retain_mut(|track| {
            let activity = track.step();
            is_busy |= activity == Activity::Busy;
            activity != Activity::Over
        });
        match (is_busy, self.tracks.is_empty()) {
            (true, _) => Duration::ZERO,
            (false, false) => POLL,
            (false, true) => Duration::from_secs(3600),
        }
    }

    fn end(&mut self) {
        self.tracks.clear();
    }
}

impl Loading {
    fn new(library: Arc<dyn Library>, track: usize, device_rate_hz: u32, link: Arc<TrackLink>) -> Self {
        Self {
            library,
            track,
            device_rate_hz,
            link,
            output: None,
            source: None,
            generation: 0,
            aim: None,
            position: i64::MIN,
        }
    }

    fn step(&mut self) -> Activity {
        if self.link.is_abandoned() {
            return Activity::Over;
        }
        // A file can make a library panic. That costs this file alone.
        let result = panics::catch(|| self.try_step());
        let result = result.unwrap_or_else(|panic| Err(DecodeError::Format(format!("it cannot be read: {panic}"))));
        result.unwrap_or_else(|error| {
            log::debug!("track {}: {error}", self.track);
            // After a panic it may be in no defined state; from a stick that was pulled out nothing
            // more can be read.
            (self.source, self.aim) = (None, None);
            self.link.fail(error.to_string());
            Activity::Waiting
        })
    }

    fn try_step(&mut self) -> Result<Activity, DecodeError> {
        if self.source.is_some() {
            return self.decode();
        }
        if !self.link.take_opening_wanted() {
            return Ok(Activity::Waiting);
        }
        let Some(source) = self.library.open(self.track)? else {
            self.link.set_opening(Opening::Silent);
            return Ok(Activity::Over);
        };
        let (rate_hz, channels) = (source.rate_hz(), source.channels().clamp(1, 2));
        match &self.output {
            None => self.hand_over(rate_hz, channels),
            Some(output) if (output.rate_hz, output.channels) != (rate_hz, channels) => {
                return Err(DecodeError::Format("the file is another one than before".to_owned()));
            }
            Some(_) => {}
        }
        self.source = Some(source);
        // What is in the queue stays: decoding continues after it, or at the place that is wanted
        // by now.
        let (_, wanted) = self.wanted(rate_hz);
        self.aim = Some(self.position.max(wanted - MARGIN_FRAMES));
        Ok(Activity::Busy)
    }

    /// Makes what the feeder plays the track with.
    fn hand_over(&mut self, rate_hz: u32, channels: usize) {
        let resampler = Resampler::new(rate_hz, self.device_rate_hz, channels);
        let (blocks, queue) = pcm_queue(channels);
        self.output = Some(Output { blocks, rate_hz, channels });
        let parts = TrackParts { rate_hz, channels, resampler, queue };
        self.link.set_opening(Opening::Opened(Mutex::new(Some(Box::new(parts)))));
    }

    /// Returns the generation of the newest command to go elsewhere, and the frame that is wanted.
    fn wanted(&self, rate_hz: u32) -> (u32, i64) {
        let (generation, wanted) = self.link.wanted();
        (generation, (wanted.seconds() * f64::from(rate_hz)).floor() as i64)
    }

    /// Goes a step towards the wanted place, or decodes some blocks from there on.
    fn decode(&mut self) -> Result<Activity, DecodeError> {
        let Some((rate_hz, channels)) = self.output.as_ref().map(|output| (output.rate_hz, output.channels)) else {
            return Ok(Activity::Over);
        };
        let (generation, wanted) = self.wanted(rate_hz);
        let (Some(output), Some(source)) = (&mut self.output, &mut self.source) else { return Ok(Activity::Over) };
        let frames = |seconds: f64| (seconds * f64::from(rate_hz)) as i64;
        let is_far_behind = self.position < wanted - frames(LEAP_S);
        if generation != self.generation || (self.aim.is_none() && is_far_behind) {
            (self.generation, self.aim, self.position) = (generation, Some(wanted - MARGIN_FRAMES), i64::MIN);
        }
        if let Some(aim) = self.aim {
            if source.approach(aim)? == Progress::OnTheWay {
                return Ok(Activity::Busy);
            }
            (self.aim, self.position) = (None, aim);
        }
        for _ in 0..BLOCKS_PER_STEP {
            if output.blocks.is_full() || self.position > wanted + frames(AHEAD_S) {
                return Ok(Activity::Waiting);
            }
            let mut block = PcmBlock {
                first_frame: self.position,
                generation: self.generation,
                frames: BLOCK_SAMPLES / channels,
                samples: [0.0; BLOCK_SAMPLES],
            };
            source.read(&mut block.samples)?;
            self.link.recover();
            self.position = block.end_frame();
            if block.end_frame() > wanted - MARGIN_FRAMES {
                // There is room: that was checked above, and no other thread writes.
                let _ = output.blocks.push(block);
            }
        }
        Ok(Activity::Busy)
    }
}
