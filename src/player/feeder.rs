//! The feeder: decides, for each of the DAC's frames to come, which frame of which track it is, and fills the ring.
//!
//! It looks ahead by `LOOKAHEAD_S`. All it knows of the present is passed in: the reading of the raw clock, the
//! timescale, and what the renderer reported. It reads neither files nor clocks nor devices: what is in the files comes from
//! the loader, and is waited for without waiting.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jaudiosync_hw::dac::CHANNELS;

use super::dac_clock::{DacClock, Observation, Verdict};
use super::library::Library;
use super::loader::OrderLoader;
use super::prepared::Prepared;
use super::ring::{BLOCK_FRAMES, Block, FeederEnds};
use super::voice::{Readiness, Target, Voice};
use crate::timekeeping::Timescale;
use crate::timetable::{Place, Start, Timetable};

/// How far ahead of the DAC the ring is filled.
const LOOKAHEAD_S: f64 = 0.4;

/// How long before its beginning a track is opened.
const PRELOAD_S: f64 = 10.0;

/// How far ahead of the DAC a track is joined that is under way: what the DAC may have taken since it was last heard of, 25 ms,
/// and some time to make the first blocks.
const JOIN_AHEAD_S: f64 = 0.05;

/// A file that could not be read is tried again after this long, for as long as its slot lasts.
const RETRY_S: f64 = 1.0;

/// A track that is still being opened when it should be heard is reported after this long.
const OPENING_REPORTED_S: f64 = 0.5;

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
    /// A track should be heard, and its file is still being opened, or the place in it looked for.
    Opening {
        /// Its slot.
        slot: Start,
    },
    /// A track's file was not read as quickly as it plays; it goes on as soon as there is enough of it.
    Starved {
        /// Its slot.
        slot: Start,
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
    /// Target minus actual place, in ns; positive when the music is late.
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

/// What is heard of the timetable now, or will be as soon as what is buffered has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hearing {
    /// Nothing, and nothing should be.
    #[default]
    Nothing,
    /// Nothing, though this slot's track should be: it is being opened, or the device's clock is being learnt.
    Opening(Start),
    /// This slot's track.
    Music(Start),
    /// Nothing, as this slot's track cannot be played.
    Silence(Start),
}

enum State {
    /// Nothing is heard: waiting for a slot, or for the loader.
    Idle,
    /// A track plays.
    Playing(Box<Voice>),
    /// A track is silence until its slot is over, or until it is tried again.
    Silent { slot: Start, retry_raw_ns: i64 },
}

/// How the feeder goes on with what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There is more to do at once.
    Again,
    /// In the next step.
    Wait,
}

/// The present, as the feeder is told it.
#[derive(Clone, Copy)]
struct Now<'a> {
    raw_ns: i64,
    timescale: &'a Timescale,
    /// Up to which frame the ring is to be filled.
    until: u64,
}

/// The feeder of one open stream.
pub struct Feeder {
    /// What is to be played; none for silence.
    program: Option<Arc<Program>>,
    ends: FeederEnds,
    order_loader: OrderLoader,
    rate_hz: u32,
    clock: DacClock,
    state: State,
    /// Tracks that are being opened, or are open and wait for their slot.
    prepared: Prepared,
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
    /// The track that should be heard and is still being opened, since when, and whether that was reported.
    opening: Option<(Start, i64, bool)>,
    is_finished: bool,
}

impl Feeder {
    /// The feeder of a stream that was opened just now.
    pub fn new(program: Option<Arc<Program>>, ends: FeederEnds, rate_hz: u32, order_loader: OrderLoader) -> Self {
        // A stream opened anew begins a new epoch: what the last one left is not for it.
        let epoch = ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        Self {
            program,
            ends,
            order_loader,
            rate_hz,
            clock: DacClock::new(rate_hz),
            state: State::Idle,
            prepared: Prepared::default(),
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

    /// Play something else from now on, or nothing. What was prepared is dropped, so the sound must have faded out before.
    pub fn set_program(&mut self, program: Option<Arc<Program>>) {
        self.epoch = self.ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        self.state = State::Idle;
        self.prepared = Prepared::default();
        self.next_frame = 0;
        self.pending.clear();
        self.announced = None;
        self.given_up = None;
        self.opening = None;
        self.is_finished = false;
        self.program = program;
    }

    /// Numbers of the moment.
    pub fn stats(&self) -> FeederStats {
        self.stats
    }

    /// Whether something is to be played that waits for the device's clock to be known, or for the loader: it is begun the
    /// sooner, the more often the feeder is stepped.
    pub fn is_about_to_begin(&self) -> bool {
        self.opening.is_some()
    }

    /// What is heard of the timetable.
    pub fn hearing(&self) -> Hearing {
        match (&self.state, self.opening) {
            (State::Playing(voice), _) => Hearing::Music(voice.slot),
            (State::Silent { slot, .. }, _) => Hearing::Silence(*slot),
            (State::Idle, Some((slot, ..))) => Hearing::Opening(slot),
            (State::Idle, None) => Hearing::Nothing,
        }
    }

    /// When one of the stream's frames is heard, on the raw clock.
    pub fn heard_raw_ns(&self, frame: u64) -> i64 {
        self.clock.heard_raw_ns(frame)
    }

    /// Do what is to be done at a reading of the raw clock, and return what is heard by then. To be called every 40 ms or so.
    pub fn step(&mut self, now_raw_ns: i64, timescale: &Timescale) -> Vec<FeederEvent> {
        self.take_reports(now_raw_ns);
        let now = Now { raw_ns: now_raw_ns, timescale, until: self.handed_over + self.frames(LOOKAHEAD_S) };
        if !self.clock.is_settled() {
            self.prepare_early(now);
        } else if !self.is_finished {
            self.fill(now);
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

    /// Drop what was planned: it would be heard at the wrong time. The track stays open.
    fn interrupt(&mut self, now_raw_ns: i64) {
        self.epoch = self.ends.shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Playing(voice) => {
                self.prepared.keep(voice, now_raw_ns);
                self.pending.push((now_raw_ns, FeederEvent::Interrupted));
            }
            State::Silent { .. } => self.pending.push((now_raw_ns, FeederEvent::Interrupted)),
            State::Idle => {}
        }
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
            Place::Gap { next: None } | Place::Finished => return,
        };
        let offset_s = utc_ns.saturating_sub(slot.utc_ns()) as f64 * 1e-9;
        if offset_s > -PRELOAD_S {
            let wanted_s = offset_s.max(0.0);
            let voice = self.prepared.voice(slot, wanted_s, &program, self.rate_hz, &self.order_loader, now.raw_ns);
            voice.want(wanted_s);
            let is_open = voice.is_open();
            if offset_s >= 0.0 && utc_ns > program.heard_from_utc_ns {
                self.wait_for_opening(slot, is_open, now.raw_ns);
            }
        }
    }

    fn fill(&mut self, now: Now<'_>) {
        while !self.is_finished {
            let (state, next) = match std::mem::replace(&mut self.state, State::Idle) {
                State::Idle => self.idle(now),
                State::Playing(voice) => self.play(voice, now),
                State::Silent { slot, retry_raw_ns } => self.stay_silent(slot, retry_raw_ns, now),
            };
            self.state = state;
            if next == Next::Wait {
                break;
            }
        }
    }

    /// Look for what is to be heard next, and begin it once it is ready.
    fn idle(&mut self, now: Now<'_>) -> (State, Next) {
        let Some(program) = self.program.clone() else { return (State::Idle, Next::Wait) };
        let earliest = self.next_frame.max(self.handed_over + self.frames(JOIN_AHEAD_S));
        let earliest_utc_ns = self.heard_utc_ns(earliest, now);
        // What would be heard before it shall be is as if it were not there.
        let utc_ns = earliest_utc_ns.max(program.heard_from_utc_ns);
        let (slot, begins_utc_ns) = match program.timetable.place_at(utc_ns) {
            Place::Playing { slot, .. } => (slot, utc_ns),
            Place::Before { next } | Place::Gap { next: Some(next) } => (next, next.utc_ns()),
            Place::Gap { next: None } => return self.rest(),
            Place::Finished => return self.finish(now),
        };
        let first_frame = if begins_utc_ns == earliest_utc_ns {
            earliest
        } else {
            let first_frame = self.frame_heard_at(begins_utc_ns, now);
            if first_frame.is_finite() { first_frame.round().max(0.0) as u64 } else { u64::MAX }
        };
        if first_frame > now.until.saturating_add(self.frames(PRELOAD_S)) {
            return self.rest();
        }
        let target = self.target(slot, first_frame, now);
        self.prepared.keep_only(&[Some(slot), program.timetable.after(slot)]);
        let voice = self.prepared.voice(slot, target.now_s, &program, self.rate_hz, &self.order_loader, now.raw_ns);
        voice.want(target.now_s);
        let readiness = voice.readiness(target.now_s);
        if first_frame > now.until {
            return self.rest();
        }
        match readiness {
            Readiness::Ready => match self.prepared.take(slot) {
                Some(voice) => self.begin(voice, first_frame, now),
                None => (State::Idle, Next::Wait),
            },
            Readiness::Opening => {
                self.wait_for_opening(slot, false, now.raw_ns);
                self.prepare_next(slot, now);
                (State::Idle, Next::Wait)
            }
            Readiness::Silent => self.give_up(slot, None, now.raw_ns),
            Readiness::Failed(reason) => self.give_up(slot, Some(reason), now.raw_ns),
        }
    }

    /// Nothing is to be heard now.
    fn rest(&mut self) -> (State, Next) {
        self.opening = None;
        (State::Idle, Next::Wait)
    }

    /// A track should be heard, and is not ready. It is joined as soon as it is. `is_open` where only the device's clock is
    /// waited for, which is not reported.
    fn wait_for_opening(&mut self, slot: Start, is_open: bool, now_raw_ns: i64) {
        let (_, since_raw_ns, was_reported) =
            self.opening.filter(|(before, ..)| *before == slot).unwrap_or((slot, now_raw_ns, false));
        let is_due = !is_open && now_raw_ns.saturating_sub(since_raw_ns) as f64 >= OPENING_REPORTED_S * 1e9;
        if is_due && !was_reported {
            self.pending.push((now_raw_ns, FeederEvent::Opening { slot }));
        }
        self.opening = Some((slot, since_raw_ns, was_reported || is_due));
    }

    /// Have the track of the slot that follows opened, once it is near.
    fn prepare_next(&mut self, slot: Start, now: Now<'_>) {
        let Some(program) = self.program.clone() else { return };
        let Some(next) = program.timetable.after(slot) else { return };
        let first_frame = self.frame_heard_at(next.utc_ns(), now);
        if first_frame <= now.until as f64 + PRELOAD_S * f64::from(self.rate_hz) {
            self.prepared.voice(next, 0.0, &program, self.rate_hz, &self.order_loader, now.raw_ns);
        }
    }

    /// Begin to play at exactly this frame, wherever in the track that is.
    fn begin(&mut self, mut voice: Box<Voice>, first_frame: u64, now: Now<'_>) -> (State, Next) {
        let slot = voice.slot;
        let target = self.target(slot, first_frame, now);
        // From the beginning there is nothing to fade: the first frame is up to half a frame from the slot's instant.
        let is_beginning = target.now_s < 1.0 / f64::from(self.rate_hz);
        if let Err(error) = voice.start_at(target.now_s, !is_beginning) {
            return self.give_up(slot, Some(error.to_string()), now.raw_ns);
        }
        self.next_frame = first_frame;
        self.opening = None;
        if let Some(phase_error_ns) = voice.left_at_ns.take() {
            self.stats.reseeks += 1;
            self.pending.push((now.raw_ns, FeederEvent::Reseeked { phase_error_ns }));
        }
        let heard_raw_ns = self.clock.heard_raw_ns(first_frame);
        if self.announced != Some(slot) {
            self.announced = Some(slot);
            let offset_s = if is_beginning { 0.0 } else { target.now_s };
            self.pending.push((heard_raw_ns, FeederEvent::Track { slot, offset_s }));
        }
        (State::Playing(voice), Next::Again)
    }

    /// Make blocks until the ring is full enough, the track is over, or the loader has brought no more.
    fn play(&mut self, mut voice: Box<Voice>, now: Now<'_>) -> (State, Next) {
        let slot = voice.slot;
        let length = self.program.as_ref().and_then(|program| program.timetable.length(slot.track));
        let end_utc_ns = slot.utc_ns() + length.map_or(0, |length| length.ns());
        self.prepare_next(slot, now);
        // Blocks that come too late are of no use: after a long pause of this thread, or of the loader, the place is taken anew.
        if self.next_frame < self.handed_over {
            let is_starved = !voice.has_next_block();
            let event = if is_starved { FeederEvent::Starved { slot } } else { FeederEvent::Interrupted };
            self.pending.push((now.raw_ns, event));
            self.prepared.keep(voice, now.raw_ns);
            return (State::Idle, Next::Again);
        }
        while self.next_frame < now.until {
            if self.ends.blocks.is_full() {
                return (State::Playing(voice), Next::Wait);
            }
            if self.heard_utc_ns(self.next_frame, now) >= end_utc_ns {
                return (State::Idle, Next::Again);
            }
            if let Some(reason) = voice.failure() {
                let reason = reason.to_owned();
                return self.give_up(slot, Some(reason), now.raw_ns);
            }
            let target = self.target(slot, self.next_frame, now);
            voice.want(target.now_s);
            if !voice.has_next_block() {
                return (State::Playing(voice), Next::Wait);
            }
            let mut block =
                Block { first_frame: self.next_frame, epoch: self.epoch, samples: [0.0; BLOCK_FRAMES * CHANNELS] };
            match voice.next_block(target, &mut block.samples) {
                Ok(report) => {
                    self.stats.phase_error_ns = report.phase_error_ns;
                    self.stats.speed_ppb = (report.speed - 1.0) * 1e9;
                    self.stats.playing = Some((slot, target.now_s));
                }
                Err(error) => return self.give_up(slot, Some(error.to_string()), now.raw_ns),
            }
            // There is room: it was asked above, and nobody else writes.
            let _ = self.ends.blocks.push(block);
            self.next_frame += BLOCK_FRAMES as u64;
            if voice.left_at_ns.is_some() {
                self.prepared.keep(voice, now.raw_ns);
                return (State::Idle, Next::Again);
            }
        }
        (State::Playing(voice), Next::Wait)
    }

    fn stay_silent(&mut self, slot: Start, retry_raw_ns: i64, now: Now<'_>) -> (State, Next) {
        let Some(program) = self.program.clone() else { return (State::Idle, Next::Again) };
        let earliest = self.handed_over + self.frames(JOIN_AHEAD_S);
        let utc_ns = self.heard_utc_ns(earliest, now).max(program.heard_from_utc_ns);
        let is_over = match program.timetable.place_at(utc_ns) {
            Place::Playing { slot: here, .. } => here != slot,
            Place::Before { next } => next != slot,
            Place::Gap { next } => next != Some(slot),
            Place::Finished => true,
        };
        if is_over {
            return (State::Idle, Next::Again);
        }
        self.prepare_next(slot, now);
        if now.raw_ns < retry_raw_ns {
            return (State::Silent { slot, retry_raw_ns }, Next::Wait);
        }
        // The file may have come to be there.
        let place_s = self.target(slot, earliest, now).now_s;
        let voice = self.prepared.voice(slot, place_s, &program, self.rate_hz, &self.order_loader, now.raw_ns);
        voice.want(place_s);
        match voice.readiness(place_s) {
            Readiness::Ready => (State::Idle, Next::Again),
            Readiness::Opening => (State::Silent { slot, retry_raw_ns }, Next::Wait),
            Readiness::Silent | Readiness::Failed(_) => self.give_up(slot, None, now.raw_ns),
        }
    }

    /// Leave a track silent. Each is reported once.
    fn give_up(&mut self, slot: Start, reason: Option<String>, now_raw_ns: i64) -> (State, Next) {
        self.opening = None;
        drop(self.prepared.take(slot));
        if self.given_up != Some(slot) {
            self.given_up = Some(slot);
            self.pending.push((now_raw_ns, FeederEvent::Silent { slot, reason }));
        }
        let retry_raw_ns = now_raw_ns.saturating_add((RETRY_S * 1e9) as i64);
        (State::Silent { slot, retry_raw_ns }, Next::Wait)
    }

    fn finish(&mut self, now: Now<'_>) -> (State, Next) {
        self.is_finished = true;
        self.pending.push((now.raw_ns, FeederEvent::Finished));
        (State::Idle, Next::Wait)
    }

    /// When the ear hears one of the DAC's frames.
    fn heard_utc_ns(&self, frame: u64, now: Now<'_>) -> i64 {
        now.timescale.utc_ns(self.clock.heard_raw_ns(frame)).saturating_add(self.output_latency_ns())
    }

    /// The DAC's frame that the ear hears at an instant.
    fn frame_heard_at(&self, utc_ns: i64, now: Now<'_>) -> f64 {
        self.clock.frame_at(now.timescale.raw_ns(utc_ns.saturating_sub(self.output_latency_ns())))
    }

    /// Where in a slot's track a frame belongs, and how fast that place moves.
    fn target(&self, slot: Start, frame: u64, now: Now<'_>) -> Target {
        let now_s = self.heard_utc_ns(frame, now).saturating_sub(slot.utc_ns()) as f64 * 1e-9;
        let drift = (1.0 + self.clock.rate_ppb() * 1e-9) * (1.0 + now.timescale.rate_ppb * 1e-9) - 1.0;
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
        if matches!(self.state, State::Playing(_)) {
            self.stats.buffered_ns = self.clock.heard_raw_ns(self.next_frame).saturating_sub(now_raw_ns);
        } else {
            self.stats.playing = None;
            self.stats.buffered_ns = 0;
        }
    }
}
