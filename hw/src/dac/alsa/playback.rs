//! Plays on an opened device: waits for room, observes the position, has the renderer fill the
//! room. Knows of the device only what [`Pcm`] says, and of time what the device's clock says.

use jaudiosync_time::{Instant, Raw, Span};

use super::encoding::Encoder;
use super::observer::{FrameHeard, Observer};
use super::pcm::{Granted, HardwarePosition, Pcm, PcmError, Position};
use crate::dac::{BufferTiming, CHANNELS, Observed, Renderer};

/// A device that has not moved for this long, and for three periods, does not play. Cards whose
/// driver gives no interrupts are asked twice a period and move all the same.
const STALLED: Span = Span::from_ms(250);
const STALLED_PERIODS: i64 = 3;

/// Longer than any buffer: a stamp that is further from the raw clock than this is of another
/// clock, as from a plugin that counts from the Unix epoch.
const FAR: Span = Span::from_seconds(2);

/// Why a stream ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaybackError {
    /// The device reports an error.
    #[error(transparent)]
    Pcm(#[from] PcmError),
    /// The device says that it plays, and does not.
    #[error("it stopped moving")]
    Stalled,
    /// The device starts, and runs out of frames at once, again and again.
    #[error("it runs out of frames as soon as it is started")]
    NeverRuns,
    /// The device takes sound much faster than it can be heard, such as ALSA's `null`.
    #[error("it takes sound faster than it can play it, so nothing is heard there")]
    TooFast,
}

/// Xruns in a row, each soon after the start, after which a device is given up.
const XRUNS_AT_ONCE: u32 = 5;

/// A device that has run for so many periods does run; its buffer has fewer.
const RUNS_AFTER_PERIODS: i64 = 50;

/// A device takes sound too fast if it is half as fast again as its rate, and a second ahead.
const TOO_FAST: f64 = 1.5;
const AHEAD: Span = Span::SECOND;

/// A stream that plays.
pub struct Playback<P> {
    pcm: P,
    granted: Granted,
    renderer: Box<dyn Renderer>,
    encoder: Encoder,
    observer: Observer,
    floats: Vec<f32>,
    bytes: Vec<u8>,
    /// Frames put into the buffer, or lost, since the stream was opened.
    written: u64,
    /// What of `bytes` the device did not take yet.
    left: usize,
    xruns: u64,
    xruns_at_once: u32,
    /// Frames that had left the buffer, and when that last changed.
    left_buffer: u64,
    moved: Instant<Raw>,
    /// When the device was started, and how many frames had been written by then.
    started: (Instant<Raw>, u64),
    fresh: Option<FrameHeard>,
}

impl<P: Pcm> Playback<P> {
    /// Makes a stream that does not play yet. `latency` is what the device's hardware holds and its
    /// driver does not report.
    pub fn new(pcm: P, renderer: Box<dyn Renderer>, latency: Span) -> Self {
        let granted = pcm.granted();
        let samples = granted.period_frames * CHANNELS;
        Self {
            renderer,
            encoder: Encoder::new(granted.encoding, granted.period_frames as u64),
            observer: Observer::new(granted.rate_hz, latency),
            floats: vec![0.0; samples],
            bytes: vec![0; samples * granted.encoding.bytes()],
            written: 0,
            left: 0,
            xruns: 0,
            xruns_at_once: 0,
            left_buffer: 0,
            moved: pcm.now(),
            started: (pcm.now(), 0),
            fresh: None,
            granted,
            pcm,
        }
    }

    /// Returns the device.
    pub fn pcm(&self) -> &P {
        &self.pcm
    }

    /// Returns the device, to change it.
    pub fn pcm_mut(&mut self) -> &mut P {
        &mut self.pcm
    }

    /// Fills the buffer and starts the device.
    ///
    /// # Errors
    /// When the device cannot be started.
    pub fn start(&mut self) -> Result<(), PlaybackError> {
        self.observer.restart();
        self.fresh = None;
        // What was rendered and not taken is lost; it had its numbers all the same.
        self.written += (self.left / (CHANNELS * self.granted.encoding.bytes())) as u64;
        self.left = 0;
        self.left_buffer = self.written;
        // A device may not take the last period before it runs.
        for _ in 0..self.granted.buffer_frames / self.granted.period_frames.max(1) {
            if !self.fill_period(self.granted.buffer_frames)? {
                break;
            }
        }
        self.pcm.start()?;
        self.moved = self.pcm.now();
        self.started = (self.moved, self.written);
        Ok(())
    }

    /// Waits for the device once, and fills what room there is.
    ///
    /// # Errors
    /// When the device has failed, or does not play any more. An xrun is no error: the device is
    /// started again.
    pub fn turn(&mut self) -> Result<(), PlaybackError> {
        match self.try_turn() {
            Err(PlaybackError::Pcm(PcmError::Xrun)) => {
                self.xruns += 1;
                // One that has played for longer than its buffer lasts was well until then.
                let has_run = self.pcm.now() - self.started.0 > self.period() * RUNS_AFTER_PERIODS;
                self.xruns_at_once = if has_run { 1 } else { self.xruns_at_once + 1 };
                if self.xruns_at_once >= XRUNS_AT_ONCE {
                    return Err(PlaybackError::NeverRuns);
                }
                self.pcm.prepare()?;
                self.start()
            }
            other => other,
        }
    }

    fn try_turn(&mut self) -> Result<(), PlaybackError> {
        let period = self.period();
        // Half a period more than it should take: a device without interrupts is asked then.
        self.pcm.wait(period + period / 2)?;
        let now = self.pcm.now();
        let position = self.pcm.position()?;
        let buffer_frames = self.granted.buffer_frames as u64;
        // What is behind the buffer of a plugin, such as a second of Bluetooth, says nothing of
        // whether it moves.
        let room_frames = match &position {
            Position::Hardware(HardwarePosition { now, .. }) => buffer_frames.saturating_sub(now.queued_frames),
            Position::Estimate { room_frames, .. } => *room_frames,
        };
        let left_buffer = (self.written + room_frames).saturating_sub(buffer_frames);
        if left_buffer > self.left_buffer {
            self.left_buffer = left_buffer;
            self.moved = now;
        } else if now - self.moved > STALLED.max(period * STALLED_PERIODS) {
            return Err(PlaybackError::Stalled);
        }
        let observed = match position {
            Position::Hardware(position) => self.observer.observe(&on_our_clock(position, now), self.written),
            // Of what may be wrong either way the mean is best, which the player's model takes.
            Position::Estimate { delay_frames, stamp, .. } => {
                let delay = Span::from_seconds_f64(delay_frames as f64 / f64::from(self.granted.rate_hz.max(1)));
                Some(FrameHeard { frame: self.written, heard: stamp + delay + self.observer.latency() })
            }
        };
        self.check_speed(now)?;
        self.fresh = observed.or(self.fresh);
        let mut room = usize::try_from(room_frames).unwrap_or(0);
        let mut has_written = false;
        while room >= self.granted.period_frames && self.fill_period(room)? {
            room -= self.granted.period_frames;
            has_written = true;
        }
        if !has_written {
            // Whatever woke us will do so at once again: a device that takes nothing must not take
            // a processor.
            self.pcm.sleep(period / 4);
        }
        Ok(())
    }

    fn check_speed(&self, now: Instant<Raw>) -> Result<(), PlaybackError> {
        let (started, written) = self.started;
        let taken_s = (self.written - written) as f64 / f64::from(self.granted.rate_hz.max(1));
        let could_be_s = TOO_FAST * (now - started).seconds() + AHEAD.seconds();
        if taken_s > could_be_s { Err(PlaybackError::TooFast) } else { Ok(()) }
    }

    /// Has a period rendered and writes it, or the rest of the last one. Returns whether the device
    /// took all of it.
    fn fill_period(&mut self, room: usize) -> Result<bool, PlaybackError> {
        if room < self.granted.period_frames {
            return Ok(false);
        }
        if self.left == 0 {
            let written = self.written;
            let observed = self
                .fresh
                .take()
                .map(|fresh| Observed { frames_before: written.saturating_sub(fresh.frame), heard: fresh.heard });
            let timing = BufferTiming { raw: self.pcm.now(), observed, xruns: self.xruns };
            self.renderer.render(timing, &mut self.floats);
            self.encoder.encode(&self.floats, &mut self.bytes);
            self.left = self.bytes.len();
        }
        while self.left > 0 {
            let rest = self.bytes.get(self.bytes.len() - self.left..).unwrap_or_default();
            let frames = self.pcm.write(rest)?;
            if frames == 0 {
                return Ok(false);
            }
            self.written += frames as u64;
            self.left = self.left.saturating_sub(frames * CHANNELS * self.granted.encoding.bytes());
        }
        Ok(true)
    }

    fn period(&self) -> Span {
        Span::from_seconds_f64(self.granted.period_frames as f64 / f64::from(self.granted.rate_hz.max(1)))
    }
}

/// Replaces stamps that are not of the raw clock by the present moment.
fn on_our_clock(mut position: HardwarePosition, now: Instant<Raw>) -> HardwarePosition {
    position.noted = position.noted.filter(|noted| (now - noted.stamp).abs() < FAR);
    if (now - position.now.stamp).abs() >= FAR {
        position.now.stamp = now;
    }
    position
}
