//! The feeder: decides, for each of the DAC's frames to come, which frame of which track it is, and
//! fills the ring.
//!
//! It looks ahead by `LOOKAHEAD`. All it knows of the present is passed in: the reading of the raw
//! clock, the map from there to UTC, and what the renderer reported. It reads no files, clocks or
//! devices: the contents of the files come from the loader, and the feeder never blocks on them.
//!
//! Its thread has real-time priority, but 400 ms to spare, and may allocate a little; only the
//! audio callback may not. The loader makes and frees what is large (queues, tables of filters).
//!
//! - `states`: what it does while nothing plays, while a track plays, and while a track is silence;
//! - `hearing`: what the ear hears now, which the feeder planned earlier;
//! - `events` and `stats`: what it reports.

mod events;
mod hearing;
mod states;
mod stats;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jaudiosync_hw::dac::Observed;
use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

pub use self::events::FeederEvent;
pub use self::hearing::Hearing;
use self::hearing::HearingPlan;
use self::states::State;
pub use self::stats::FeederStats;
use super::dac_clock::{Crystal, DacClock, DacLine, Observation, Outcome};
use super::prepared::Prepared;
use super::program::Program;
use super::resampled_voice::ResampledVoice;
use super::ring::FeederEnds;
use super::steered_voice::Target;
use super::voice::Voice;
use crate::timetable::{Place, Start};

/// How far ahead of the DAC the ring is filled.
const LOOKAHEAD: Span = Span::from_ms(400);

/// How long before its beginning a track is opened.
const PRELOAD_S: f64 = 10.0;

/// How often the feeder is stepped: a tenth of what it looks ahead.
pub const STEP: Duration = Duration::from_millis(40);

/// The same while something should be heard as soon as possible.
const BEGIN_STEP: Duration = Duration::from_millis(10);

/// The present, as it is passed in.
#[derive(Clone, Copy)]
struct Now<'a> {
    raw: Instant<Raw>,
    utc: &'a ClockMap<Raw, Utc>,
    /// When the DAC's frames are heard.
    clock: DacLine,
    /// The frame up to which the ring is to be filled.
    until: u64,
}

/// The feeder of one open stream.
pub struct Feeder<V: Voice = ResampledVoice> {
    /// What is to be played; `None` for silence.
    program: Option<Arc<Program>>,
    ends: FeederEnds<V::Samples>,
    rate_hz: u32,
    clock: DacClock,
    state: State<V>,
    hearing: HearingPlan,
    /// Tracks that are being opened, or are open and wait for their slot.
    prepared: Prepared<V>,
    epoch: u32,
    /// The next frame to be filled, while a track plays.
    next_frame: u64,
    /// Frames handed to the device so far.
    handed_over: u64,
    xruns: u64,
    stats: FeederStats,
    /// Events, and the readings of the raw clock at which they are heard.
    pending: Vec<(Instant<Raw>, FeederEvent)>,
    announced: Option<Start>,
    given_up: Option<Start>,
    /// The track that should be heard and is still being opened, since when, and whether that was
    /// reported.
    opening: Option<(Start, Instant<Raw>, bool)>,
    is_finished: bool,
}

impl<V: Voice> Feeder<V> {
    /// Makes the feeder of a stream that was just opened. Its voices are opened with the opener.
    pub fn new(program: Option<Arc<Program>>, ends: FeederEnds<V::Samples>, rate_hz: u32, opener: V::Opener) -> Self {
        // A stream that was opened again begins a new epoch: what the last one left is not for it.
        let epoch = ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        Self {
            program,
            ends,
            rate_hz,
            clock: DacClock::new(rate_hz, None),
            state: State::Idle,
            hearing: HearingPlan::default(),
            prepared: Prepared::new(opener, rate_hz),
            epoch,
            next_frame: 0,
            handed_over: 0,
            xruns: 0,
            stats: FeederStats::default(),
            pending: Vec::new(),
            announced: None,
            given_up: None,
            opening: None,
            is_finished: false,
        }
    }

    /// Begins with what is known of the card's crystal from a stream before.
    #[must_use]
    pub fn with_crystal(self, crystal: Option<Crystal>) -> Self {
        Self { clock: DacClock::new(self.rate_hz, crystal), ..self }
    }

    /// Returns what is known of the card's crystal.
    pub fn crystal(&self) -> Option<Crystal> {
        self.clock.crystal()
    }

    /// Plays something else from now on, or nothing. What was prepared is dropped, so the sound
    /// must have faded out before.
    pub fn set_program(&mut self, program: Option<Arc<Program>>) {
        self.epoch = self.ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        self.state = State::Idle;
        self.hearing.set(Hearing::Nothing);
        self.prepared.keep_only(&[]);
        self.next_frame = 0;
        self.pending.clear();
        self.announced = None;
        self.given_up = None;
        self.opening = None;
        self.is_finished = false;
        self.program = program;
    }

    /// Returns the current figures.
    pub fn stats(&self) -> FeederStats {
        self.stats
    }

    /// Returns how long to rest until the next step. Music that waits for the model of the device's
    /// clock, or for the loader, begins sooner if the feeder is stepped more often.
    pub fn rest(&self) -> Duration {
        if self.opening.is_some() { BEGIN_STEP } else { STEP }
    }

    /// Returns what is heard of the timetable, as of the last step.
    pub fn hearing(&self) -> Hearing {
        self.hearing.now()
    }

    /// Returns when one of the stream's frames leaves the device, as far as that is known.
    pub fn heard(&self, frame: u64) -> Option<Instant<Raw>> {
        self.clock.line().map(|line| line.heard(frame))
    }

    /// Returns the stream's frame that the ear hears at an instant; `None` while that is not known.
    pub fn frame_at(&self, at: Instant<Utc>, raw: Instant<Raw>, utc: &ClockMap<Raw, Utc>) -> Option<u64> {
        let now = Now { raw, utc, clock: self.clock.settled()?, until: 0 };
        let frame = self.frame_heard_at(at, now);
        frame.is_finite().then(|| frame.round().max(0.0) as u64)
    }

    /// Does what is due at a reading of the raw clock, and returns the events that are heard by
    /// then. Call it again after [`rest`](Self::rest).
    pub fn step(&mut self, raw: Instant<Raw>, utc: &ClockMap<Raw, Utc>) -> Vec<FeederEvent> {
        self.take_reports(raw);
        let until = self.handed_over + self.frames(LOOKAHEAD.seconds());
        match self.clock.settled() {
            None => self.prepare_early(raw, utc),
            Some(clock) if !self.is_finished => self.fill(Now { raw, utc, clock, until }),
            Some(_) => {}
        }
        self.update_hearing(raw);
        self.update_stats(raw);
        let (due, waiting): (Vec<_>, _) = std::mem::take(&mut self.pending).into_iter().partition(|(at, _)| *at <= raw);
        self.pending = waiting;
        due.into_iter().map(|(_, event)| event).collect()
    }

    fn take_reports(&mut self, now: Instant<Raw>) {
        // The renderer began a new epoch: the device dropped out, and its positions start again
        // from 0.
        if self.ends.shared.epoch.load(Ordering::Acquire) != self.epoch {
            self.clock.restart();
            self.interrupt(now);
        }
        while let Ok(report) = self.ends.reports.pop() {
            self.handed_over = report.first_frame + u64::from(report.frames);
            self.xruns = report.timing.xruns;
            let Some(Observed { frames_before, heard }) = report.timing.observed else { continue };
            let frame = report.first_frame.saturating_sub(frames_before);
            if self.clock.observe(Observation { frame, heard }) == Outcome::Restarted {
                self.interrupt(now);
            }
        }
    }

    /// Drops what was planned: it would be heard at the wrong time. The track stays open.
    fn interrupt(&mut self, now: Instant<Raw>) {
        self.epoch = self.ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Playing(voice) => {
                self.prepared.keep(voice);
                self.pending.push((now, FeederEvent::Interrupted));
            }
            State::Silent { .. } => self.pending.push((now, FeederEvent::Interrupted)),
            State::Idle => {}
        }
        self.hearing.set(Hearing::Nothing);
        self.next_frame = 0;
    }

    /// Has the track opened that will be heard once the model of the device's clock is settled.
    fn prepare_early(&mut self, raw: Instant<Raw>, utc: &ClockMap<Raw, Utc>) {
        let Some(program) = self.program.clone() else { return };
        let soon = program.audible_from(utc.apply(raw + LOOKAHEAD) + program.output_latency);
        let slot = match program.timetable.place_at(soon) {
            Place::Playing { slot, .. } => slot,
            Place::Before { next } | Place::Gap { next: Some(next) } => next,
            Place::Gap { next: None } | Place::Finished => {
                self.opening = None;
                return;
            }
        };
        let offset_s = (soon - slot.utc()).seconds();
        if offset_s > -PRELOAD_S {
            let wanted_s = offset_s.max(0.0);
            let voice = self.prepared.voice(slot, wanted_s, &program, raw);
            voice.want(wanted_s);
            let is_open = voice.is_open();
            if offset_s >= 0.0 && program.heard_from.is_none_or(|heard_from| soon > heard_from) {
                self.wait_for_opening(slot, is_open, raw);
                self.hearing.set(Hearing::Opening(slot));
            }
        }
    }

    /// Returns when the ear hears one of the DAC's frames.
    fn heard_utc(&self, frame: u64, now: Now<'_>) -> Instant<Utc> {
        now.utc.apply(now.clock.heard(frame)) + self.output_latency()
    }

    /// Returns the DAC's frame that the ear hears at an instant.
    fn frame_heard_at(&self, utc: Instant<Utc>, now: Now<'_>) -> f64 {
        now.clock.frame_at(now.utc.inverse().apply(utc - self.output_latency()))
    }

    /// Returns where in a slot's track a frame belongs, and how fast that place moves.
    fn target(&self, slot: Start, frame: u64, now: Now<'_>) -> Target {
        let now_s = (self.heard_utc(frame, now) - slot.utc()).seconds();
        Target { now_s, drift: now.clock.slower().then(now.utc.rate).fraction() }
    }

    fn output_latency(&self) -> Span {
        self.program.as_ref().map_or(Span::ZERO, |program| program.output_latency)
    }

    fn frames(&self, seconds: f64) -> u64 {
        (seconds * f64::from(self.rate_hz)) as u64
    }

    /// Notes what the ear hears now. Frames mean nothing before the device's clock is known.
    fn update_hearing(&mut self, now: Instant<Raw>) {
        if let Some(clock) = self.clock.settled() {
            self.hearing.advance_to(clock.frame_at(now - self.output_latency()));
        }
    }

    fn update_stats(&mut self, now: Instant<Raw>) {
        self.stats.phase_sigma_ns = self.clock.sigma_ns();
        self.stats.dac_rate_ppb = self.clock.rate_ppb();
        self.stats.observation_noise_ns = self.clock.noise_ns();
        self.stats.xruns = self.xruns;
        self.stats.restarts = self.clock.restarts();
        self.stats.late_frames = self.ends.shared.late_frames.load(Ordering::Relaxed);
        // What is in the ring continues to play after its track was decoded to the end.
        if matches!(self.state, State::Playing(_)) || matches!(self.hearing.now(), Hearing::Music(_)) {
            self.stats.buffered = self.heard(self.next_frame).map_or(Span::ZERO, |heard| heard - now);
        } else {
            self.stats.playing = None;
            self.stats.buffered = Span::ZERO;
        }
    }
}
