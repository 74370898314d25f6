//! A sound card by script, behind the thin face of ALSA: in virtual time, with the traits and the
//! illnesses of real ones. True time is the raw clock.

use std::ops::RangeInclusive;

use fastrand::Rng;
use jaudiosync_hw::dac::CHANNELS;
use jaudiosync_hw::dac::alsa::{Encoding, Granted, HardwarePosition, Pair, Pcm, PcmError, Position, Request};
use jaudiosync_time::{Instant, Raw, Span};

/// How a card knows and reports its position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// The DMA's position, to a frame, at any time.
    I2s,
    /// In steps of a bus frame of 1 ms; `IN_FLIGHT` frames are on their way. How much of that is
    /// played already is estimated by a counter of the host's.
    Usb {
        /// How many milliseconds the driver takes 1 ms to be: 8 where it takes 125 µs for 1 ms.
        counter_factor: i64,
    },
    /// In messages of 10 ms.
    Jack,
    /// As I2S, without any interrupt.
    Silent,
    /// As I2S, behind a plugin of ALSA's that mixes and reports a delay alone.
    Dmix,
}

/// Frames on their way over USB.
pub const IN_FLIGHT: u64 = 288;

/// A card and its script.
#[derive(Debug, Clone)]
pub struct Script {
    pub kind: Kind,
    pub rate_error_ppm: f64,
    /// Stamps are up to this late.
    pub late: Span,
    pub granted: Granted,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Illness {
    /// It plays no more, and takes 0 frames.
    TakesNothing,
    /// It is gone.
    Vanished,
    /// It stands still, and reports its interrupts.
    Stands,
    /// The program was stopped for so long.
    Stopped(Span),
}

/// A card that plays.
pub struct ScriptedCard {
    script: Script,
    random: Rng,
    now_ns: f64,
    /// The frame that leaves the output at `phase_ns`, and how long a frame lasts.
    phase_ns: f64,
    phase_frame: f64,
    frame_ns: f64,
    is_running: bool,
    /// Frames since the last start, and what was lost before.
    written: u64,
    /// Frames that were written before the last start: those of the stream are so much more.
    before: u64,
    illness: Option<Illness>,
    interrupt: Option<Pair>,
    /// The first frame of every write since it runs, at 32 bits: when it leaves the output, in ns of
    /// the raw clock, and what it is.
    heard: Vec<(f64, [f32; CHANNELS])>,
}

impl ScriptedCard {
    pub fn new(script: Script, seed: u64) -> Self {
        let frame_ns = 1e9 / (f64::from(script.granted.rate_hz) * (1.0 + script.rate_error_ppm * 1e-6));
        Self {
            script,
            random: Rng::with_seed(seed),
            now_ns: 0.0,
            phase_ns: 0.0,
            phase_frame: 0.0,
            frame_ns,
            is_running: false,
            written: 0,
            before: 0,
            illness: None,
            interrupt: None,
            heard: Vec::new(),
        }
    }

    /// Makes a card that is opened at this reading of the raw clock.
    pub fn opened_at(script: Script, seed: u64, now: Instant<Raw>) -> Self {
        Self { now_ns: now.ns() as f64, ..Self::new(script, seed) }
    }

    /// Returns what was written since the last call, as far as it is kept: see the field.
    pub fn take_heard(&mut self) -> Vec<(f64, [f32; CHANNELS])> {
        std::mem::take(&mut self.heard)
    }

    pub fn fall_ill(&mut self, illness: Illness) {
        self.illness = Some(illness);
    }

    /// Returns when a frame of the present run leaves the output, in ns of the raw clock.
    pub fn heard_ns(&self, frame: u64) -> f64 {
        self.phase_ns + ((frame - self.before) as f64 - self.phase_frame) * self.frame_ns
    }

    fn played(&self, at_ns: f64) -> f64 {
        if self.is_running { self.phase_frame + (at_ns - self.phase_ns) / self.frame_ns } else { 0.0 }
    }

    fn in_flight(&self) -> u64 {
        if matches!(self.script.kind, Kind::Usb { .. }) { IN_FLIGHT } else { 0 }
    }

    /// Returns the frames that have left the buffer, as the driver knows it, and since when it does.
    fn taken(&self, at_ns: f64) -> (u64, f64) {
        let step_ns = match self.script.kind {
            Kind::I2s | Kind::Silent | Kind::Dmix => return (self.played(at_ns) as u64, at_ns),
            Kind::Usb { .. } => 1e6,
            Kind::Jack => 1e7,
        };
        let tick_ns = (at_ns / step_ns).floor() * step_ns;
        (self.played(tick_ns).max(0.0) as u64 + self.in_flight(), tick_ns)
    }

    fn pair(&self, taken: u64, stamp_ns: f64) -> Pair {
        let queued_frames = self.written.saturating_sub(taken);
        Pair { queued_frames, stamp: Instant::from_ns(stamp_ns as i64) }
    }

    fn lateness_ns(&mut self) -> f64 {
        self.random.f64() * self.script.late.ns_f64()
    }

    /// Lets the crystal wander a little.
    fn wander(&mut self) {
        let played = self.played(self.now_ns);
        (self.phase_ns, self.phase_frame) = (self.now_ns, played);
        self.frame_ns *= 1.0 + 2e-9 * (self.random.f64() - 0.5);
    }

    fn check(&self) -> Result<(), PcmError> {
        if self.illness == Some(Illness::Vanished) {
            return Err(PcmError::Failed("No such device".to_owned()));
        }
        let is_dry = self.is_running && self.taken(self.now_ns).0 > self.written;
        if is_dry && !matches!(self.illness, Some(Illness::TakesNothing | Illness::Stands)) {
            return Err(PcmError::Xrun);
        }
        Ok(())
    }
}

impl Pcm for ScriptedCard {
    fn granted(&self) -> Granted {
        self.script.granted
    }

    fn now(&self) -> Instant<Raw> {
        Instant::from_ns(self.now_ns as i64)
    }

    fn wait(&mut self, patience: Span) -> Result<(), PcmError> {
        self.check()?;
        if let Some(Illness::Stopped(span)) = self.illness {
            self.illness = None;
            self.now_ns += span.ns_f64();
            return self.check();
        }
        let Granted { period_frames, buffer_frames, .. } = self.script.granted;
        let until_ns = self.now_ns + patience.ns_f64();
        if self.illness == Some(Illness::Stands) {
            self.now_ns += 1e7;
            return Ok(());
        }
        if self.illness == Some(Illness::TakesNothing) {
            // It claims to have room.
            return Ok(());
        }
        // The interrupt at which a period is free.
        let due = (self.written + period_frames as u64).saturating_sub(buffer_frames as u64);
        let mut at_ns = self.phase_ns + (due as f64 - self.in_flight() as f64 - self.phase_frame) * self.frame_ns;
        at_ns = match self.script.kind {
            Kind::Usb { .. } => (at_ns / 1e6).ceil() * 1e6,
            Kind::Jack => (at_ns / 1e7).ceil() * 1e7,
            Kind::I2s | Kind::Dmix => at_ns,
            Kind::Silent => f64::INFINITY,
        };
        if at_ns > until_ns {
            self.now_ns = until_ns;
        } else {
            at_ns = at_ns.max(self.now_ns);
            let (taken, known_ns) = self.taken(at_ns + 1.0);
            let late_ns = self.lateness_ns();
            self.interrupt = Some(self.pair(taken, known_ns.max(at_ns) + late_ns));
            // The thread runs later still, and now and then much later.
            let wake_ns = self.random.f64() * 200e3 + if self.random.u8(..) == 0 { 5e6 } else { 0.0 };
            self.now_ns = at_ns + late_ns + wake_ns;
        }
        self.wander();
        self.check()
    }

    fn sleep(&mut self, span: Span) {
        self.now_ns += span.ns_f64();
    }

    fn position(&mut self) -> Result<Position, PcmError> {
        self.check()?;
        let (taken, known_ns) =
            if self.illness.is_some() { (self.taken(0.0).0, self.now_ns) } else { self.taken(self.now_ns) };
        let elapsed_ns = self.now_ns - known_ns;
        if self.script.kind == Kind::Dmix {
            let stamp = self.now();
            // It is asked after the clock was read.
            self.now_ns += self.random.f64() * 20e3;
            let queued_frames = self.pair(self.taken(self.now_ns).0, self.now_ns).queued_frames;
            let room_frames = self.script.granted.buffer_frames as u64 - queued_frames;
            return Ok(Position::Estimate { delay_frames: queued_frames, stamp, room_frames });
        }
        let in_flight_frames = match self.script.kind {
            Kind::I2s | Kind::Silent | Kind::Dmix => 0,
            Kind::Usb { counter_factor } => {
                let counted_ms = (elapsed_ns * counter_factor as f64 / 1e6).floor();
                (IN_FLIGHT as f64 - counted_ms * 48.0).max(0.0) as i64
            }
            // Interpolated since the last message.
            Kind::Jack => -((elapsed_ns / self.frame_ns) as i64),
        };
        let late_ns = self.lateness_ns();
        let now = self.pair(taken, self.now_ns + late_ns);
        let noted = self.interrupt;
        Ok(Position::Hardware(HardwarePosition { noted, now, in_flight_frames }))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, PcmError> {
        self.check()?;
        if self.illness == Some(Illness::TakesNothing) {
            return Ok(0);
        }
        let frames = bytes.len() / CHANNELS / self.script.granted.encoding.bytes();
        let taken = if self.is_running { self.taken(self.now_ns).0 } else { 0 };
        let room = self.script.granted.buffer_frames as u64 - self.written.saturating_sub(taken);
        let frames = frames.min(room as usize);
        let first = bytes.as_chunks::<4>().0;
        if let (true, Encoding::S32, [left, right, ..]) =
            (self.is_running && frames > 0, self.granted().encoding, first)
        {
            let sample = |bytes: &[u8; 4]| i32::from_le_bytes(*bytes) as f32 / 2_147_483_648.0;
            self.heard.push((self.heard_ns(self.before + self.written), [sample(left), sample(right)]));
        }
        self.written += frames as u64;
        // What the interrupt noted is of fewer written frames; the device answers from both.
        if let Some(interrupt) = &mut self.interrupt {
            interrupt.queued_frames += frames as u64;
        }
        Ok(frames)
    }

    fn start(&mut self) -> Result<(), PcmError> {
        self.is_running = true;
        // USB takes what is in flight at once, and plays it later.
        self.phase_ns = (self.now_ns / 1e6).ceil() * 1e6;
        self.phase_frame = 0.0;
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), PcmError> {
        self.before += self.written;
        self.written = 0;
        self.is_running = false;
        self.interrupt = None;
        Ok(())
    }
}

/// Returns what an ordinary card grants.
pub fn granted(encoding: Encoding, period_frames: usize) -> Granted {
    Granted { rate_hz: 48_000, encoding, period_frames, buffer_frames: period_frames * 5 }
}

/// What a device can be opened with. As ALSA does it, it grants the nearest length that it has.
#[derive(Debug, Clone)]
pub struct Offer {
    pub rates_hz: &'static [u32],
    pub encodings: &'static [Encoding],
    pub period_frames: RangeInclusive<usize>,
    pub buffer_frames: RangeInclusive<usize>,
    /// Longer periods than this it refuses only as they are set.
    pub refuses_above: usize,
}

impl Offer {
    /// Returns what an ordinary HAT takes.
    pub fn hat() -> Self {
        Self {
            rates_hz: &[44_100, 48_000, 96_000],
            encodings: &[Encoding::S32, Encoding::S24, Encoding::S16],
            period_frames: 32..=8192,
            buffer_frames: 64..=65_536,
            refuses_above: usize::MAX,
        }
    }

    /// Answers a request.
    pub fn answer(&self, request: &Request) -> Option<Granted> {
        let near = |frames: usize, range: &RangeInclusive<usize>| frames.clamp(*range.start(), *range.end());
        let &Request { rate_hz, encoding, period_frames, buffer_frames } = request;
        let period_frames = near(period_frames, &self.period_frames);
        let buffer_frames = near(buffer_frames, &self.buffer_frames);
        let is_taken = self.rates_hz.contains(&rate_hz) && self.encodings.contains(&encoding);
        let is_taken = is_taken && period_frames <= self.refuses_above;
        is_taken.then_some(Granted { rate_hz, encoding, period_frames, buffer_frames })
    }
}
