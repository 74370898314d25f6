//! The feeder: decides, for each of the DAC's frames to come, which frame of which track it is, and fills the ring.
//!
//! It looks ahead by `LOOKAHEAD_S`. All it knows of the present is passed in: the reading of the raw clock, the
//! timescale, and what the renderer reported. It reads files, but neither clocks nor devices.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jaudiosync_hw::dac::CHANNELS;

use super::dac_clock::{DacClock, Observation, Verdict};
use super::library::Library;
use super::ring::{BLOCK_FRAMES, Block, FeederEnds};
use super::voice::{Target, Voice};
use crate::timekeeping::Timescale;
use crate::timetable::{Place, Start, Timetable};

/// How far ahead of the DAC the ring is filled.
const LOOKAHEAD_S: f64 = 0.4;

/// How long before its beginning a track is opened.
const PRELOAD_S: f64 = 2.0;

/// How far ahead of the DAC a track is joined that is under way: time to open the file and to find the place.
const JOIN_AHEAD_S: f64 = 0.1;

/// A file that could not be read is tried again after this long, for as long as its slot lasts.
const RETRY_S: f64 = 1.0;

/// What is played, and how.
#[derive(Clone)]
pub struct Program {
    /// When.
    pub timetable: Timetable,
    /// Where the tracks come from.
    pub library: Arc<dyn Library>,
    /// Silence before this instant, in ns since the Unix epoch: a timetable that is under way is joined then, on the exact
    /// frame. `i64::MIN` joins it as soon as can be.
    pub heard_from_utc_ns: i64,
    /// How much later than the DAC's frames the sound is heard, in ns (amplifiers, cables, Bluetooth): the music is
    /// played that much earlier. Negative plays it later.
    pub output_latency_ns: i64,
}

/// What the feeder tells, with the reading of the raw clock at which it is heard.
#[derive(Debug, Clone, PartialEq)]
pub enum FeederEvent {
    /// A track's slot begins, or was joined.
    Track {
        /// Its slot.
        slot: Start,
        /// The track plays from here, in seconds; 0 at its beginning.
        offset_s: f64,
    },
    /// A track cannot be played; its slot is silence.
    Silent {
        /// Its slot.
        slot: Start,
        /// Why, if that was not known when the playlist was loaded.
        reason: Option<String>,
    },
    /// Playing was interrupted by the device (an xrun, a stopped process) and goes on at the timetable's place.
    Interrupted,
    /// The phase error was too large to slew: the place was taken anew.
    Reseeked {
        /// The phase error, in ns.
        phase_error_ns: f64,
    },
    /// The last slot is over.
    Finished,
}

/// Numbers of the moment, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FeederStats {
    /// The rate of the device's stream, in frames a second.
    pub rate_hz: u32,
    /// The track and its offset that the newest block holds; none in silence.
    pub playing: Option<(Start, f64)>,
    /// Where the music should be less where it is, in ns.
    pub phase_error_ns: f64,
    /// Standard deviation of the model of the DAC's clock, in ns.
    pub phase_sigma_ns: f64,
    /// Speed relative to nominal, less one, in ppb.
    pub speed_ppb: f64,
    /// By how much the DAC is slower than nominal, in ppb.
    pub dac_rate_ppb: f64,
    /// Standard deviation of one observation of the DAC, in ns.
    pub observation_noise_ns: f64,
    /// Audio that waits in the ring and in the device, in ns.
    pub buffered_ns: i64,
    /// Drop-outs of the device.
    pub xruns: u64,
    /// Frames that came too late to be heard.
    pub late_frames: u64,
    /// Re-seeks since the beginning.
    pub reseeks: u64,
    /// Times the device's clock had to be learnt anew.
    pub restarts: u64,
}

enum State {
    /// Nothing is to be heard: waiting for a slot, whose track may be open already.
    Idle { prepared: Option<(Start, Voice)> },
    /// A track plays.
    Playing { slot: Start, voice: Voice },
    /// A track is silence until its slot is over, or until it is tried again.
    Silent { slot: Start, retry_raw_ns: i64 },
}

/// The feeder of one open stream.
pub struct Feeder {
    /// What is to be played; none for silence.
    program: Option<Arc<Program>>,
    ends: FeederEnds,
    rate_hz: u32,
    clock: DacClock,
    state: State,
    epoch: u32,
    /// The next frame to be filled, while a track plays.
    next_frame: u64,
    /// Frames handed to the device so far.
    handed_over: u64,
    xruns: u64,
    stats: FeederStats,
    /// Told when they are heard.
    pending: Vec<(i64, FeederEvent)>,
    announced: Option<Start>,
    given_up: Option<Start>,
    is_finished: bool,
}

impl Feeder {
    /// The feeder of a stream that was opened just now.
    pub fn new(program: Option<Arc<Program>>, ends: FeederEnds, rate_hz: u32) -> Self {
        // A stream opened anew begins a new epoch: what the last one left is not for it.
        let epoch = ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        Self {
            program,
            ends,
            rate_hz,
            clock: DacClock::new(rate_hz),
            state: State::Idle { prepared: None },
            epoch,
            next_frame: 0,
            handed_over: 0,
            xruns: 0,
            stats: FeederStats::default(),
            pending: Vec::new(),
            announced: None,
            given_up: None,
            is_finished: false,
        }
    }

    /// Plays something else from now on, or nothing. What was prepared is dropped, so the sound must have faded out before.
    pub fn set_program(&mut self, program: Option<Arc<Program>>) {
        self.epoch = self.ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        self.state = State::Idle { prepared: None };
        self.next_frame = 0;
        self.pending.clear();
        self.announced = None;
        self.given_up = None;
        self.is_finished = false;
        self.program = program;
    }

    /// Numbers of the moment.
    pub fn stats(&self) -> FeederStats {
        self.stats
    }

    /// When one of the stream's frames is heard, on the raw clock.
    pub fn heard_raw_ns(&self, frame: u64) -> i64 {
        self.clock.heard_raw_ns(frame)
    }

    /// Does what is to be done at a reading of the raw clock, and tells what is heard by then. To be called every
    /// 20 ms or so.
    pub fn step(&mut self, now_raw_ns: i64, timescale: &Timescale) -> Vec<FeederEvent> {
        self.take_reports(now_raw_ns);
        if self.clock.is_settled() && !self.is_finished {
            self.fill(now_raw_ns, timescale);
        }
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
            let Some(delay_ns) = report.timing.delay_ns else { continue };
            let heard_raw_ns = report.timing.raw_ns.saturating_add(delay_ns);
            if self.clock.observe(Observation { frame: report.first_frame, heard_raw_ns }) == Verdict::Restarted {
                self.interrupt(now_raw_ns);
            }
        }
    }

    /// Drops what was planned: it would be heard at the wrong time.
    fn interrupt(&mut self, now_raw_ns: i64) {
        self.epoch = self.ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        if !matches!(self.state, State::Idle { .. }) {
            self.pending.push((now_raw_ns, FeederEvent::Interrupted));
        }
        self.state = State::Idle { prepared: None };
        self.next_frame = 0;
    }

    fn fill(&mut self, now_raw_ns: i64, timescale: &Timescale) {
        let until = self.handed_over + self.frames(LOOKAHEAD_S);
        while !self.is_finished {
            let state = std::mem::replace(&mut self.state, State::Idle { prepared: None });
            let (state, goes_on) = match state {
                State::Idle { prepared } => self.idle(prepared, until, now_raw_ns, timescale),
                State::Playing { slot, voice } => self.play(slot, voice, until, now_raw_ns, timescale),
                State::Silent { slot, retry_raw_ns } => self.stay_silent(slot, retry_raw_ns, now_raw_ns, timescale),
            };
            self.state = state;
            if !goes_on {
                break;
            }
        }
    }

    /// Looks for what is to be heard next. Says whether there is more to do at once.
    fn idle(
        &mut self,
        prepared: Option<(Start, Voice)>,
        until: u64,
        now_raw_ns: i64,
        timescale: &Timescale,
    ) -> (State, bool) {
        let earliest = self.next_frame.max(self.handed_over + self.frames(JOIN_AHEAD_S));
        let Some(program) = &self.program else { return (State::Idle { prepared: None }, false) };
        let earliest_utc_ns = self.heard_utc_ns(earliest, timescale);
        // What would be heard before it shall be is as if it were not there.
        let utc_ns = earliest_utc_ns.max(program.heard_from_utc_ns);
        let (next, begins_utc_ns) = match program.timetable.place_at(utc_ns) {
            Place::Playing { slot, .. } if utc_ns > earliest_utc_ns => (slot, utc_ns),
            Place::Playing { slot, .. } => return self.join(slot, now_raw_ns, timescale),
            Place::Before { next } | Place::Gap { next: Some(next) } => (next, next.utc_ns()),
            Place::Gap { next: None } => return (State::Idle { prepared: None }, false),
            Place::Finished => return self.finish(now_raw_ns),
        };
        let first_frame = self.frame_heard_at(begins_utc_ns, timescale);
        let first_frame = if first_frame.is_finite() { first_frame.round().max(0.0) as u64 } else { u64::MAX };
        if first_frame > until + self.frames(PRELOAD_S) {
            return (State::Idle { prepared: None }, false);
        }
        let prepared = prepared.filter(|(slot, _)| *slot == next);
        let voice = match prepared.map(|(_, voice)| Ok(voice)).or_else(|| self.open(next.track).transpose()) {
            Some(Ok(voice)) => voice,
            Some(Err(reason)) => return self.give_up(next, Some(reason), now_raw_ns),
            None => return self.give_up(next, None, now_raw_ns),
        };
        if first_frame > until {
            return (State::Idle { prepared: Some((next, voice)) }, false);
        }
        self.begin(next, voice, first_frame, now_raw_ns, timescale)
    }

    /// Joins a track that is under way.
    fn join(&mut self, slot: Start, now_raw_ns: i64, timescale: &Timescale) -> (State, bool) {
        let first_frame = self.next_frame.max(self.handed_over + self.frames(JOIN_AHEAD_S));
        match self.open(slot.track) {
            Ok(Some(voice)) => self.begin(slot, voice, first_frame, now_raw_ns, timescale),
            Ok(None) => self.give_up(slot, None, now_raw_ns),
            Err(reason) => self.give_up(slot, Some(reason), now_raw_ns),
        }
    }

    /// Begins to play at exactly this frame, wherever in the track that is.
    fn begin(
        &mut self,
        slot: Start,
        mut voice: Voice,
        first_frame: u64,
        now_raw_ns: i64,
        timescale: &Timescale,
    ) -> (State, bool) {
        let target = self.target(slot, first_frame, timescale);
        // From the beginning there is nothing to fade: the first frame is up to half a frame from the slot's instant.
        let is_beginning = target.now_s < 1.0 / f64::from(self.rate_hz);
        if let Err(error) = voice.start_at(target.now_s, !is_beginning) {
            return self.give_up(slot, Some(error.to_string()), now_raw_ns);
        }
        self.next_frame = first_frame;
        let heard_raw_ns = self.clock.heard_raw_ns(first_frame);
        if self.announced != Some(slot) {
            self.announced = Some(slot);
            let offset_s = if is_beginning { 0.0 } else { target.now_s };
            self.pending.push((heard_raw_ns, FeederEvent::Track { slot, offset_s }));
        }
        (State::Playing { slot, voice }, true)
    }

    /// Makes blocks until the ring is full enough or the track is over.
    fn play(
        &mut self,
        slot: Start,
        mut voice: Voice,
        until: u64,
        now_raw_ns: i64,
        timescale: &Timescale,
    ) -> (State, bool) {
        let length = self.program.as_ref().and_then(|program| program.timetable.length(slot.track));
        let end_utc_ns = slot.utc_ns() + length.map_or(0, |length| length.ns());
        // Blocks that come too late are of no use: after a long pause of this thread the place is taken anew.
        if self.next_frame < self.handed_over {
            self.pending.push((now_raw_ns, FeederEvent::Interrupted));
            return (State::Idle { prepared: None }, true);
        }
        while self.next_frame < until {
            if self.ends.blocks.is_full() {
                return (State::Playing { slot, voice }, false);
            }
            if self.heard_utc_ns(self.next_frame, timescale) >= end_utc_ns {
                return (State::Idle { prepared: None }, true);
            }
            let target = self.target(slot, self.next_frame, timescale);
            let mut block =
                Block { first_frame: self.next_frame, epoch: self.epoch, samples: [0.0; BLOCK_FRAMES * CHANNELS] };
            match voice.next_block(target, &mut block.samples) {
                Ok(report) => {
                    if let Some(phase_error_ns) = report.reseeked_from_ns {
                        self.stats.reseeks += 1;
                        self.pending.push((now_raw_ns, FeederEvent::Reseeked { phase_error_ns }));
                    }
                    self.stats.phase_error_ns = report.phase_error_ns;
                    self.stats.speed_ppb = (report.speed - 1.0) * 1e9;
                    self.stats.playing = Some((slot, target.now_s));
                }
                Err(error) => return self.give_up(slot, Some(error.to_string()), now_raw_ns),
            }
            // There is room: it was asked above, and nobody else writes.
            let _ = self.ends.blocks.push(block);
            self.next_frame += BLOCK_FRAMES as u64;
        }
        (State::Playing { slot, voice }, false)
    }

    fn stay_silent(&mut self, slot: Start, retry_raw_ns: i64, now_raw_ns: i64, timescale: &Timescale) -> (State, bool) {
        let earliest = self.handed_over + self.frames(JOIN_AHEAD_S);
        let utc_ns = self.heard_utc_ns(earliest, timescale);
        let place = |program: &Arc<Program>| program.timetable.place_at(utc_ns.max(program.heard_from_utc_ns));
        let is_over = match self.program.as_ref().map(place) {
            Some(Place::Playing { slot: here, .. }) => here != slot,
            Some(Place::Before { next }) => next != slot,
            Some(Place::Gap { next }) => next != Some(slot),
            Some(Place::Finished) | None => true,
        };
        if is_over || now_raw_ns >= retry_raw_ns {
            (State::Idle { prepared: None }, true)
        } else {
            (State::Silent { slot, retry_raw_ns }, false)
        }
    }

    /// Leaves a track silent. Each is reported once.
    fn give_up(&mut self, slot: Start, reason: Option<String>, now_raw_ns: i64) -> (State, bool) {
        if self.given_up != Some(slot) {
            self.given_up = Some(slot);
            self.pending.push((now_raw_ns, FeederEvent::Silent { slot, reason }));
        }
        let retry_raw_ns = now_raw_ns.saturating_add((RETRY_S * 1e9) as i64);
        (State::Silent { slot, retry_raw_ns }, false)
    }

    fn finish(&mut self, now_raw_ns: i64) -> (State, bool) {
        self.is_finished = true;
        self.pending.push((now_raw_ns, FeederEvent::Finished));
        (State::Idle { prepared: None }, false)
    }

    fn open(&self, track: usize) -> Result<Option<Voice>, String> {
        let Some(program) = &self.program else { return Ok(None) };
        let opened = program.library.open(track).map_err(|error| error.to_string())?;
        let Some(source) = opened else { return Ok(None) };
        Voice::new(source, self.rate_hz).map(Some).map_err(|error| error.to_string())
    }

    /// When the ear hears one of the DAC's frames.
    fn heard_utc_ns(&self, frame: u64, timescale: &Timescale) -> i64 {
        timescale.utc_ns(self.clock.heard_raw_ns(frame)).saturating_add(self.output_latency_ns())
    }

    /// The DAC's frame that the ear hears at an instant.
    fn frame_heard_at(&self, utc_ns: i64, timescale: &Timescale) -> f64 {
        self.clock.frame_at(timescale.raw_ns(utc_ns.saturating_sub(self.output_latency_ns())))
    }

    /// Where in a slot's track a frame belongs, and how fast that place moves.
    fn target(&self, slot: Start, frame: u64, timescale: &Timescale) -> Target {
        let now_s = self.heard_utc_ns(frame, timescale).saturating_sub(slot.utc_ns()) as f64 * 1e-9;
        let drift = (1.0 + self.clock.rate_ppb() * 1e-9) * (1.0 + timescale.rate_ppb * 1e-9) - 1.0;
        Target { now_s, drift }
    }

    fn output_latency_ns(&self) -> i64 {
        self.program.as_ref().map_or(0, |program| program.output_latency_ns)
    }

    fn frames(&self, seconds: f64) -> u64 {
        (seconds * f64::from(self.rate_hz)) as u64
    }

    fn update_stats(&mut self, now_raw_ns: i64) {
        self.stats.rate_hz = self.rate_hz;
        self.stats.phase_sigma_ns = self.clock.sigma_ns();
        self.stats.dac_rate_ppb = self.clock.rate_ppb();
        self.stats.observation_noise_ns = self.clock.noise_ns();
        self.stats.xruns = self.xruns;
        self.stats.restarts = self.clock.restarts();
        self.stats.late_frames = self.ends.shared.late_frames.load(Ordering::Relaxed);
        if matches!(self.state, State::Playing { .. }) {
            self.stats.buffered_ns = self.clock.heard_raw_ns(self.next_frame).saturating_sub(now_raw_ns);
        } else {
            self.stats.playing = None;
            self.stats.buffered_ns = 0;
        }
    }
}
