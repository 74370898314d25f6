//! The sound that the loopback card of a box has played, recorded in the box and judged here.

use jaudiosync_measure::{ClockMap, ClockSample, find_start, first_sound};
use jaudiosync_time::{Instant, Raw, Span};

use crate::machine::{Machine, Program};

/// The card's frames per second.
pub const RATE_HZ: u32 = 48_000;
const FILE: &str = "/tmp/recording";
const SAMPLE_BYTES: usize = size_of::<f32>();

/// Anything louder counts as heard.
const HEARD: f32 = 1e-3;

/// How far from the expected frame a start is searched for.
const REACH_FRAMES: usize = RATE_HZ as usize / 5;

/// More than enough: neither opening the card nor closing it takes time.
const PATIENCE_S: f64 = 20.0;

/// A recording in progress.
pub struct Recorder(Program);

impl Recorder {
    /// Begins to record, and returns once it has begun.
    pub fn start(machine: &mut Machine) -> Self {
        let mut program = machine.spawn("recorder", &format!("pi-probe record {FILE}"));
        program.wait_for(machine, "recording", PATIENCE_S);
        Self(program)
    }

    /// Ends the recording and fetches it.
    pub fn finish(mut self, machine: &mut Machine) -> Recording {
        self.0.signal(machine, "TERM");
        let code = self.0.wait(machine, PATIENCE_S);
        assert_eq!(code, 128 + 15, "the recorder failed\n{}", machine.console().tail());
        Recording::parse(&machine.pull(FILE), &String::from_utf8_lossy(&machine.pull(&format!("{FILE}.clock"))))
    }
}

/// A finished recording. Both channels are mixed in the box, as references are here.
pub struct Recording {
    samples: Vec<f32>,
    /// From frames to the box's raw clock.
    raw_clock: ClockMap,
    readings: Vec<Reading>,
}

/// A part of a recording.
pub struct Sound<'a> {
    pub samples: &'a [f32],
    /// How much later than the requested instant its first sample was played.
    pub after: Span,
}

/// The card's position, and what the box's raw clock showed then.
struct Reading {
    frame: i64,
    raw: Instant<Raw>,
}

impl Recording {
    fn parse(frames: &[u8], clock: &str) -> Self {
        let sample = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
        let readings: Vec<_> = clock.lines().map(Reading::parse).collect();
        let on_raw = |reading: &Reading| ClockSample { frame: reading.frame as f64, utc_ns: reading.raw.ns() };
        let raw_clock = ClockMap::fit(&readings.iter().map(on_raw).collect::<Vec<_>>(), RATE_HZ);
        Self {
            samples: frames.chunks_exact(SAMPLE_BYTES).map(sample).collect(),
            raw_clock: raw_clock.expect("readings of the card's clock"),
            readings,
        }
    }

    /// Returns when a stretch of sound began, on the box's raw clock, if within 0.2 s of an instant
    /// on it.
    pub fn heard(&self, reference: &[f32], near: Instant<Raw>) -> Option<Instant<Raw>> {
        let expected = self.frame_at(near).round().max(0.0) as usize;
        let range = expected.saturating_sub(REACH_FRAMES)..expected + REACH_FRAMES;
        find_start(&self.samples, reference, RATE_HZ, range).map(|frame| self.raw_at(frame))
    }

    /// Returns what was heard from an instant of the box's raw clock on; `None` if it was not
    /// recorded.
    pub fn from(&self, raw: Instant<Raw>, seconds: f64) -> Option<Sound<'_>> {
        let first = self.frame_at(raw).ceil().max(0.0);
        let samples = self.samples.get(first as usize..)?.get(..(seconds * f64::from(RATE_HZ)) as usize)?;
        Some(Sound { samples, after: self.raw_at(first) - raw })
    }

    /// Returns when the first sound was heard from an instant of the box's raw clock on.
    pub fn first_heard(&self, from: Instant<Raw>) -> Option<Instant<Raw>> {
        let from = self.frame_at(from).round().max(0.0) as usize;
        let first = first_sound(self.samples.get(from..)?, HEARD)?;
        Some(self.raw_at((from + first) as f64))
    }

    /// Returns the loudest sample between two instants of the box's raw clock.
    pub fn loudest(&self, from: Instant<Raw>, to: Instant<Raw>) -> f32 {
        let frame = |raw| (self.frame_at(raw).round().max(0.0) as usize).min(self.samples.len());
        self.samples[frame(from)..frame(to)].iter().fold(0.0, |loudest, sample| loudest.max(sample.abs()))
    }

    /// Returns how long the box took on average to wake a program after the card had advanced, in
    /// ms. The player assumes that its readings are not late, and so plays too early by as much as
    /// they are.
    pub fn wake_up_ms(&self) -> f64 {
        let late_ms = |reading: &Reading| (reading.raw - self.raw_at(reading.frame as f64)).ms();
        self.readings.iter().map(late_ms).sum::<f64>() / self.readings.len() as f64
    }

    /// Returns how much faster than its nominal rate the card ran, against the box's raw clock.
    pub fn rate_error_ppm(&self) -> f64 {
        self.raw_clock.rate_error_ppm(RATE_HZ)
    }

    fn frame_at(&self, raw: Instant<Raw>) -> f64 {
        self.raw_clock.frame_at(raw.ns() as f64)
    }

    fn raw_at(&self, frame: f64) -> Instant<Raw> {
        Instant::ZERO + Span::from_ns_f64(self.raw_clock.utc_ns(frame))
    }
}

impl Reading {
    fn parse(line: &str) -> Self {
        let mut fields = line.split(' ').map(|field| field.parse().expect("a number"));
        let [frame, raw_ns] = std::array::from_fn(|_| fields.next().expect("two numbers"));
        Self { frame, raw: Instant::from_ns(raw_ns) }
    }
}
