//! The feeder: decides, for each of the DAC's frames to come, which frame of which track it is, and fills the ring.
//!
//! It looks ahead by `LOOKAHEAD_S`. All it knows of the present is passed in: the reading of the raw clock, the
//! timescale, and what the renderer reported. It reads neither files nor clocks nor devices: what is in the files comes
//! from the loader, and is waited for without waiting.
//!
//! Its thread has real-time priority, but 400 ms to spare, and may allocate a little; only the audio callback may not.
//! What is large (queues, tables of filters) the loader makes and frees.
//!
//! - `states`: what it does while nothing plays, while a track plays, and while one is silence;
//! - `hearing`: what the ear hears now, which the feeder planned earlier;
//! - `events` and `stats`: what it reports.

mod events;
mod hearing;
mod states;
mod stats;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use self::events::FeederEvent;
pub use self::hearing::Hearing;
use self::hearing::HearingPlan;
use self::states::State;
pub use self::stats::FeederStats;
use super::dac_clock::{DacClock, Observation, Verdict};
use super::library::Library;
use super::prepared::Prepared;
use super::resampled_voice::ResampledVoice;
use super::ring::FeederEnds;
use super::steered_voice::Target;
use super::voice::Voice;
use crate::timekeeping::{InNanoseconds as _, Timescale};
use crate::timetable::{Place, Start, Timetable};

/// How far ahead of the DAC the ring is filled.
const LOOKAHEAD_S: f64 = 0.4;

/// How long before its beginning a track is opened.
const PRELOAD_S: f64 = 10.0;

/// How often the feeder is stepped: a tenth of what it looks ahead.
pub const STEP: Duration = Duration::from_millis(40);

/// The same while something is to be heard as soon as it can be.
const BEGIN_STEP: Duration = Duration::from_millis(10);

/// What is played, and how.
#[derive(Clone)]
pub struct Program {
    /// When.
    pub timetable: Timetable,
    /// Where the tracks come from.
    pub library: Arc<dyn Library>,
    /// Silence before this instant, in ns since the Unix epoch: a timetable that is under way is joined then, on the
    /// exact frame. `i64::MIN` joins it as soon as can be.
    pub heard_from_utc_ns: i64,
    /// How much later than the DAC's frames the sound is heard, in ns (amplifiers, cables, Bluetooth): the music is
    /// played that much earlier. Negative plays it later.
    pub output_latency_ns: i64,
}

/// The present, as it is passed in.
#[derive(Clone, Copy)]
struct Now<'a> {
    raw_ns: i64,
    timescale: &'a Timescale,
    /// Up to which frame the ring is to be filled.
    until: u64,
}

/// The feeder of one open stream.
pub struct Feeder<V: Voice = ResampledVoice> {
    /// What is to be played; none for silence.
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
    pending: Vec<(i64, FeederEvent)>,
    announced: Option<Start>,
    given_up: Option<Start>,
    /// The track that should be heard and is still being opened, since when, and whether that was reported.
    opening: Option<(Start, i64, bool)>,
    is_finished: bool,
}

impl<V: Voice> Feeder<V> {
    /// Make the feeder of a stream that was opened just now. The opener is what its voices are opened with.
    pub fn new(program: Option<Arc<Program>>, ends: FeederEnds<V::Samples>, rate_hz: u32, opener: V::Opener) -> Self {
        // A stream opened anew begins a new epoch: what the last one left is not for it.
        let epoch = ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        Self {
            program,
            ends,
            rate_hz,
            clock: DacClock::new(rate_hz),
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

    /// Play something else from now on, or nothing. What was prepared is dropped, so the sound must have faded out
    /// before.
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

    /// Return the numbers of the moment.
    pub fn stats(&self) -> FeederStats {
        self.stats
    }

    /// Return how long to rest until the next step. What waits for the device's clock to be known, or for the loader,
    /// begins the sooner, the more often the feeder is stepped.
    pub fn rest(&self) -> Duration {
        if self.opening.is_some() { BEGIN_STEP } else { STEP }
    }

    /// Return what is heard of the timetable, as of the last step.
    pub fn hearing(&self) -> Hearing {
        self.hearing.now()
    }

    /// Return when one of the stream's frames leaves the device, on the raw clock.
    pub fn heard_raw_ns(&self, frame: u64) -> i64 {
        self.clock.heard_raw_ns(frame)
    }

    /// Do what is to be done at a reading of the raw clock, and return what is heard by then. To be called again after
    /// [`rest`](Self::rest).
    pub fn step(&mut self, now_raw_ns: i64, timescale: &Timescale) -> Vec<FeederEvent> {
        self.take_reports(now_raw_ns);
        let now = Now { raw_ns: now_raw_ns, timescale, until: self.handed_over + self.frames(LOOKAHEAD_S) };
        if !self.clock.is_settled() {
            self.prepare_early(now);
        } else if !self.is_finished {
            self.fill(now);
        }
        self.update_hearing(now_raw_ns);
        self.update_stats(now_raw_ns);
        let (due, waiting) =
            std::mem::take(&mut self.pending).into_iter().partition(|(raw_ns, _)| *raw_ns <= now_raw_ns);
        self.pending = waiting;
        let due: Vec<(i64, FeederEvent)> = due;
        due.into_iter().map(|(_, event)| event).collect()
    }

    fn take_reports(&mut self, now_raw_ns: i64) {
        // The renderer began a new epoch: the device dropped out, and its positions start afresh.
        if self.ends.shared.epoch.load(Ordering::Acquire) != self.epoch {
            self.clock.restart();
            self.interrupt(now_raw_ns);
        }
        while let Ok(report) = self.ends.reports.pop() {
            self.handed_over = report.first_frame + u64::from(report.frames);
            self.xruns = report.timing.xruns;
            let Some(delay) = report.timing.delay else { continue };
            let heard_raw_ns = (report.timing.raw + delay).ns();
            if self.clock.observe(Observation { frame: report.first_frame, heard_raw_ns }) == Verdict::Restarted {
                self.interrupt(now_raw_ns);
            }
        }
    }

    /// Drop what was planned: it would be heard at the wrong time. The track stays open.
    fn interrupt(&mut self, now_raw_ns: i64) {
        self.epoch = self.ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Playing(voice) => {
                self.prepared.keep(voice);
                self.pending.push((now_raw_ns, FeederEvent::Interrupted));
            }
            State::Silent { .. } => self.pending.push((now_raw_ns, FeederEvent::Interrupted)),
            State::Idle => {}
        }
        self.hearing.set(Hearing::Nothing);
        self.next_frame = 0;
    }

    /// Have the track opened that will be heard once the device's clock is known.
    fn prepare_early(&mut self, now: Now<'_>) {
        let Some(program) = self.program.clone() else { return };
        let soon_raw_ns = now.raw_ns.saturating_add((LOOKAHEAD_S * 1e9) as i64);
        let utc_ns = now.timescale.utc_ns(soon_raw_ns).saturating_add(program.output_latency_ns);
        let utc_ns = utc_ns.max(program.heard_from_utc_ns);
        let slot = match program.timetable.place_at(utc_ns) {
            Place::Playing { slot, .. } => slot,
            Place::Before { next } | Place::Gap { next: Some(next) } => next,
            Place::Gap { next: None } | Place::Finished => {
                self.opening = None;
                return;
            }
        };
        let offset_s = utc_ns.saturating_sub(slot.utc_ns()) as f64 * 1e-9;
        if offset_s > -PRELOAD_S {
            let wanted_s = offset_s.max(0.0);
            let voice = self.prepared.voice(slot, wanted_s, &program, now.raw_ns);
            voice.want(wanted_s);
            let is_open = voice.is_open();
            if offset_s >= 0.0 && utc_ns > program.heard_from_utc_ns {
                self.wait_for_opening(slot, is_open, now.raw_ns);
                self.hearing.set(Hearing::Opening(slot));
            }
        }
    }

    /// Return when the ear hears one of the DAC's frames.
    fn heard_utc_ns(&self, frame: u64, now: Now<'_>) -> i64 {
        now.timescale.utc_ns(self.clock.heard_raw_ns(frame)).saturating_add(self.output_latency_ns())
    }

    /// Return the DAC's frame that the ear hears at an instant.
    fn frame_heard_at(&self, utc_ns: i64, now: Now<'_>) -> f64 {
        self.clock.frame_at(now.timescale.raw_ns(utc_ns.saturating_sub(self.output_latency_ns())))
    }

    /// Return where in a slot's track a frame belongs, and how fast that place moves.
    fn target(&self, slot: Start, frame: u64, now: Now<'_>) -> Target {
        let now_s = self.heard_utc_ns(frame, now).saturating_sub(slot.utc_ns()) as f64 * 1e-9;
        let drift = (1.0 + self.clock.rate_ppb() * 1e-9) * (1.0 + now.timescale.rate.ppb() * 1e-9) - 1.0;
        Target { now_s, drift }
    }

    fn output_latency_ns(&self) -> i64 {
        self.program.as_ref().map_or(0, |program| program.output_latency_ns)
    }

    fn frames(&self, seconds: f64) -> u64 {
        (seconds * f64::from(self.rate_hz)) as u64
    }

    /// Note what the ear hears now. Frames mean nothing before the device's clock is known.
    fn update_hearing(&mut self, now_raw_ns: i64) {
        if self.clock.is_settled() {
            let heard = self.clock.frame_at(now_raw_ns.saturating_sub(self.output_latency_ns()));
            self.hearing.advance_to(heard);
        }
    }

    fn update_stats(&mut self, now_raw_ns: i64) {
        self.stats.rate_hz = self.rate_hz;
        self.stats.phase_sigma_ns = self.clock.sigma_ns();
        self.stats.dac_rate_ppb = self.clock.rate_ppb();
        self.stats.observation_noise_ns = self.clock.noise_ns();
        self.stats.xruns = self.xruns;
        self.stats.restarts = self.clock.restarts();
        self.stats.late_frames = self.ends.shared.late_frames.load(Ordering::Relaxed);
        // What is in the ring plays on after its track was decoded to the end.
        if matches!(self.state, State::Playing(_)) || matches!(self.hearing.now(), Hearing::Music(_)) {
            self.stats.buffered_ns = self.clock.heard_raw_ns(self.next_frame).saturating_sub(now_raw_ns);
        } else {
            self.stats.playing = None;
            self.stats.buffered_ns = 0;
        }
    }
}
