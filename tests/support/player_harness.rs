//! The player in virtual time: its own feeder and renderer on a simulated sound card. The music is
//! a tone that encodes its place in the track, so that what is heard can be compared with the
//! timetable.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use jaudiosync::player::feeder::{self, Feeder, FeederEvent, Hearing};
use jaudiosync::player::library::{DecodeError, FrameSource, Library, TrackSource};
use jaudiosync::player::program::Program;
use jaudiosync::player::renderer::RingRenderer;
use jaudiosync::player::ring::{Shared, channel};
use jaudiosync::timetable::{Length, Place, Timetable};
use jaudiosync_hw::dac::{Dac, DacStream, Imperfections, SimulatedDac};
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

use super::place_tone::{self, PlaceTone};
use super::virtual_loader::VirtualLoader;

/// UTC at raw time 0: a whole second.
pub const EPOCH: Instant<Utc> = Instant::from_second(1_790_000_000);

/// The tone encodes the place in the track modulo this many seconds.
pub const PERIOD_S: f64 = 0.2;

/// The tone, from a file that may be broken.
struct ToneFile {
    tone: PlaceTone,
    /// Set: the file cannot be read.
    is_gone: Arc<AtomicBool>,
    bad_frames: Range<i64>,
}

fn check(is_gone: &AtomicBool) -> Result<(), DecodeError> {
    if is_gone.load(Ordering::Relaxed) {
        return Err(DecodeError::Io(std::io::ErrorKind::NotFound.into()));
    }
    Ok(())
}

impl FrameSource for ToneFile {
    fn seek(&mut self, frame: i64) -> Result<(), DecodeError> {
        self.tone.frame = frame;
        Ok(())
    }

    fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError> {
        check(&self.is_gone)?;
        let begin = self.tone.frame;
        let end = begin + (out.len() / 2) as i64;
        if begin.max(self.bad_frames.start) < end.min(self.bad_frames.end) {
            return Err(DecodeError::Io(std::io::Error::other("a bad sector")));
        }
        self.tone.fill(out);
        Ok(())
    }
}

impl TrackSource for ToneFile {
    fn rate_hz(&self) -> u32 {
        self.tone.rate_hz
    }

    fn channels(&self) -> usize {
        2
    }
}

/// Every track is the tone.
struct Tones {
    rate_hz: u32,
    is_gone: Arc<AtomicBool>,
    is_silent: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    bad_frames: Arc<Mutex<Range<i64>>>,
}

impl Library for Tones {
    fn open(&self, _: usize) -> Result<Option<Box<dyn TrackSource>>, DecodeError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        check(&self.is_gone)?;
        if self.is_silent.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let rate_hz = self.rate_hz;
        Ok(Some(Box::new(ToneFile {
            tone: PlaceTone { rate_hz, period_s: PERIOD_S, shift_s: 0.0, length_s: f64::INFINITY, frame: 0 },
            is_gone: Arc::clone(&self.is_gone),
            bad_frames: self.bad_frames.lock().unwrap().clone(),
        })))
    }
}

/// Something that was heard: when, and how far that was from the timetable.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// True time since the card was opened.
    pub time_s: f64,
    /// How much later than on the timetable it was heard; `None` for silence.
    pub late_ms: Option<f64>,
}

/// A player in virtual time, which the test advances.
pub struct PlayerHarness {
    pub dac: SimulatedDac,
    pub utc: ClockMap<Raw, Utc>,
    pub timetable: Timetable,
    pub events: Vec<FeederEvent>,
    pub samples: Vec<Sample>,
    /// Everything that was heard, if it is to be recorded.
    pub sound: Vec<f32>,
    pub keep_sound: bool,
    /// Set: the track's file cannot be read.
    pub is_gone: Arc<AtomicBool>,
    /// Set: the track is known to be silence when it is opened.
    pub is_silent: Arc<AtomicBool>,
    /// How often opening a file was attempted.
    pub opened: Arc<AtomicUsize>,
    /// Frames that cannot be read, in what is opened from now on.
    pub bad_frames: Arc<Mutex<Range<i64>>>,
    pub loader: VirtualLoader,
    program: Arc<Program>,
    shared: Arc<Shared>,
    output: Option<(Box<dyn DacStream>, Feeder, mpsc::Receiver<jaudiosync_hw::dac::DacError>)>,
    now: Instant<Raw>,
    rate_hz: u32,
}

impl PlayerHarness {
    /// Makes a player whose single, practically endless track began at `anchor_s` (seconds of raw
    /// time).
    pub fn new(rate_hz: u32, imperfections: Imperfections, anchor_s: i64, latency: Span, seed: u64) -> Self {
        Self::joining_at(None, rate_hz, imperfections, anchor_s, latency, seed)
    }

    /// Makes a player that is silent before this UTC.
    pub fn joining_at(
        heard_from: Option<Instant<Utc>>,
        rate_hz: u32,
        imperfections: Imperfections,
        anchor_s: i64,
        latency: Span,
        seed: u64,
    ) -> Self {
        let lengths = vec![Some(Length { frames: 20_000 * u64::from(rate_hz), rate_hz })];
        let timetable = Timetable::new(lengths, EPOCH.second() + anchor_s, 0, false).unwrap();
        // 25 ms, as the real card has; a whole number of frames that no millisecond divides.
        let period_frames = (rate_hz as usize * 25 / 1000) | 1;
        let is_gone = Arc::new(AtomicBool::new(false));
        let (is_silent, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let bad_frames = Arc::new(Mutex::new(0..0));
        let tones = Tones {
            rate_hz,
            is_gone: Arc::clone(&is_gone),
            is_silent: Arc::clone(&is_silent),
            opened: Arc::clone(&opened),
            bad_frames: Arc::clone(&bad_frames),
        };
        let program =
            Program { timetable: timetable.clone(), library: Arc::new(tones), heard_from, output_latency: latency };
        let mut made = Self {
            dac: SimulatedDac::new(rate_hz, period_frames, imperfections, seed),
            utc: ClockMap { from: Instant::ZERO, to: EPOCH, rate: Rate::ZERO },
            timetable,
            events: Vec::new(),
            samples: Vec::new(),
            sound: Vec::new(),
            keep_sound: false,
            is_gone,
            is_silent,
            opened,
            bad_frames,
            loader: VirtualLoader::new(),
            program: Arc::new(program),
            shared: Arc::new(Shared::default()),
            output: None,
            now: Instant::ZERO,
            rate_hz,
        };
        made.open();
        made
    }

    fn open(&mut self) {
        let (sender, faults) = mpsc::channel();
        let (feeder_ends, renderer_ends) = channel(Arc::clone(&self.shared));
        let renderer = Box::new(move |format| -> Box<dyn jaudiosync_hw::dac::Renderer> {
            Box::new(RingRenderer::new(renderer_ends, format))
        });
        if let Ok(stream) = self.dac.open(renderer, sender) {
            let send_to_loader = self.loader.send_to_loader();
            let feeder = Feeder::new(Some(Arc::clone(&self.program)), feeder_ends, self.rate_hz, send_to_loader);
            self.output = Some((stream, feeder, faults));
        }
    }

    /// Returns what the feeder reports as heard.
    pub fn hearing(&self) -> Hearing {
        self.output.as_ref().map_or(Hearing::Nothing, |(_, feeder, _)| feeder.hearing())
    }

    /// Runs for some seconds, with the feeder stepping as often as on a box.
    pub fn run(&mut self, seconds: f64) {
        let until = self.now + Span::from_seconds_f64(seconds);
        while self.now < until {
            let rest = self.output.as_ref().map_or(feeder::STEP, |(_, feeder, _)| feeder.rest());
            self.now += Span::from_duration(rest);
            self.dac.advance_to(self.now);
            match &mut self.output {
                Some((_, feeder, faults)) => {
                    if faults.try_recv().is_ok() {
                        self.output = None;
                    } else {
                        self.events.extend(feeder.step(self.now, &self.utc));
                        self.loader.work(self.now);
                    }
                }
                None => self.open(),
            }
            self.listen();
        }
    }

    /// Stops the process and the card for a while.
    pub fn interrupt(&mut self, pause: Span) {
        self.dac.interrupt(pause);
        self.now += pause;
    }

    /// Compares what was heard with the timetable, some hundred times a second.
    fn listen(&mut self) {
        for heard in self.dac.take_heard() {
            if self.keep_sound {
                self.sound.extend_from_slice(&heard.samples);
            }
            for (index, pair) in heard.samples.chunks_exact(2).enumerate().step_by(self.rate_hz as usize / 100) {
                let raw_ns_f64 = heard.raw_ns_f64 + index as f64 * heard.frame_ns_f64;
                self.samples.push(Sample { time_s: raw_ns_f64 * 1e-9, late_ms: self.late_ms(raw_ns_f64, pair) });
            }
        }
    }

    fn late_ms(&self, raw_ns_f64: f64, frame: &[f32]) -> Option<f64> {
        let is_s = place_tone::place_s(frame, PERIOD_S, 0.01)?;
        let whole_ns_f64 = raw_ns_f64.floor();
        let ear = self.utc.apply(Instant::from_ns(whole_ns_f64 as i64)) + self.program.output_latency;
        let should_s = match self.timetable.place_at(ear) {
            Place::Playing { offset, .. } => (offset.ns_f64() + raw_ns_f64 - whole_ns_f64) * 1e-9,
            other => panic!("sound at {other:?}"),
        };
        Some(place_tone::late_ms(should_s, is_s, PERIOD_S))
    }

    /// Returns the absolute phase errors of what was heard between two times, in ms, sorted.
    pub fn errors_ms(&self, from_s: f64, to_s: f64) -> Vec<f64> {
        let within = self.samples.iter().filter(|sample| (from_s..to_s).contains(&sample.time_s));
        let mut errors: Vec<f64> = within.filter_map(|sample| Some(sample.late_ms?.abs())).collect();
        errors.sort_by(f64::total_cmp);
        errors
    }

    /// Returns when sound was first heard at or after a time.
    pub fn first_sound_s(&self, from_s: f64) -> Option<f64> {
        self.samples
            .iter()
            .find(|sample| sample.time_s >= from_s && sample.late_ms.is_some())
            .map(|sample| sample.time_s)
    }
}
