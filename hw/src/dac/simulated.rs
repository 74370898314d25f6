//! A sound card in virtual time: with a crystal that is off and wanders, a driver that reports
//! delays in steps and late, xruns, and a plug that can be pulled. It records what was heard and
//! when, so that tests judge what came out and not what the program believes.
//!
//! Frames do not last whole nanoseconds, so moments in here are `f64` nanoseconds of the raw clock.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use jaudiosync_time::{Instant, Raw, Span};

use super::{
    BufferTiming, CHANNELS, Dac, DacError, DacStream, HardwareLatency, MakeRenderer, Observed, Renderer, StreamFormat,
};
use crate::randomness::normal;

/// What is wrong with a simulated sound card. The default is nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Imperfections {
    /// By how much its crystal is fast, in ppm.
    pub rate_error_ppm: f64,
    /// Random walk of the crystal's rate, in ppm per square root of a second.
    pub wander_ppm: f64,
    /// The driver knows the position at ticks of this, and reports it as of the nearest one; USB
    /// has 1 ms.
    pub delay_step: Span,
    /// Up to this long passes between reading the delay and reading the clock.
    pub jitter: Span,
    /// The share of buffers at which the thread is preempted between the two readings.
    pub burst_probability: f64,
    /// For up to this long.
    pub burst: Span,
    /// The share of buffers whose delay is nonsense of up to a second.
    pub wild_probability: f64,
}

impl Default for Imperfections {
    fn default() -> Self {
        Self {
            rate_error_ppm: 0.0,
            wander_ppm: 0.0,
            delay_step: Span::from_ns(1),
            jitter: Span::ZERO,
            burst_probability: 0.0,
            burst: Span::ZERO,
            wild_probability: 0.0,
        }
    }
}

/// A stretch of sound as it was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// When the first frame was heard, in ns of the raw clock.
    pub raw_ns_f64: f64,
    /// How long a frame lasted, in ns.
    pub frame_ns_f64: f64,
    /// Interleaved stereo.
    pub samples: Vec<f32>,
}

/// A simulated sound card. Clones are the same card; it plays as its time is advanced.
#[derive(Clone)]
pub struct SimulatedDac(Arc<Mutex<Card>>);

struct Card {
    format: StreamFormat,
    period_frames: usize,
    imperfections: Imperfections,
    wandered_ppm: f64,
    random: Rng,
    now_ns_f64: f64,
    is_plugged: bool,
    stream: Option<Stream>,
    heard: Vec<Heard>,
}

struct Stream {
    renderer: Box<dyn Renderer>,
    faults: Sender<DacError>,
    /// The two periods of the device's buffer: the one that plays and the next one.
    playing: Vec<f32>,
    next: Vec<f32>,
    /// When the playing period ends.
    period_end_ns_f64: f64,
    xruns: u64,
}

impl SimulatedDac {
    /// Makes a card of this nominal rate and period that starts at time 0 and is not running yet.
    pub fn new(rate_hz: u32, period_frames: usize, imperfections: Imperfections, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Card {
            format: StreamFormat { rate_hz, hardware_latency: HardwareLatency::NONE },
            period_frames: period_frames.max(1),
            imperfections,
            wandered_ppm: 0.0,
            random: Rng::with_seed(seed),
            now_ns_f64: 0.0,
            is_plugged: true,
            stream: None,
            heard: Vec::new(),
        })))
    }

    /// Plays until the raw clock shows `raw`.
    pub fn advance_to(&self, raw: Instant<Raw>) {
        self.card().advance_to(raw.ns() as f64);
    }

    /// Stops for `pause` (an xrun, a stopped process) and then resumes with empty buffers.
    pub fn interrupt(&self, pause: Span) {
        let mut card = self.card();
        card.now_ns_f64 += pause.ns_f64();
        if let Some(mut stream) = card.stream.take() {
            stream.xruns += 1;
            card.fill_both(&mut stream);
            card.stream = Some(stream);
        }
    }

    /// Pulls the plug: the stream ends with a fault, and the card cannot be opened.
    pub fn unplug(&self) {
        let mut card = self.card();
        card.is_plugged = false;
        if let Some(stream) = card.stream.take() {
            let reason = "Device disconnected".to_owned();
            let _ = stream.faults.send(DacError::Unavailable { name: "simulated".to_owned(), reason });
        }
    }

    /// Plugs it in again.
    pub fn plug_in(&self) {
        self.card().is_plugged = true;
    }

    /// Returns what was heard since the last call.
    pub fn take_heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.card().heard)
    }

    /// Returns by how much the crystal is fast now, in ppm.
    pub fn rate_error_ppm(&self) -> f64 {
        self.card().rate_ppm()
    }

    fn card(&self) -> MutexGuard<'_, Card> {
        // A panic elsewhere leaves the card as it was, which is all a simulation needs.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Card {
    fn rate_ppm(&self) -> f64 {
        self.imperfections.rate_error_ppm + self.wandered_ppm
    }

    fn frame_ns_f64(&self) -> f64 {
        1e9 / (f64::from(self.format.rate_hz) * (1.0 + self.rate_ppm() * 1e-6))
    }

    fn period_ns_f64(&self) -> f64 {
        self.period_frames as f64 * self.frame_ns_f64()
    }

    /// Returns the present moment as a program reads it.
    fn now(&self) -> Instant<Raw> {
        Instant::from_ns(self.now_ns_f64 as i64)
    }

    fn advance_to(&mut self, raw_ns_f64: f64) {
        let Some(mut stream) = self.stream.take() else {
            self.now_ns_f64 = self.now_ns_f64.max(raw_ns_f64);
            return;
        };
        while stream.period_end_ns_f64 <= raw_ns_f64 {
            self.now_ns_f64 = stream.period_end_ns_f64;
            let period_s = self.period_ns_f64() * 1e-9;
            self.wandered_ppm += self.imperfections.wander_ppm * period_s.sqrt() * normal(&mut self.random);
            let played = std::mem::replace(&mut stream.playing, std::mem::take(&mut stream.next));
            stream.next = played;
            self.hear(&stream.playing);
            stream.period_end_ns_f64 = self.now_ns_f64 + self.period_ns_f64();
            let timing = self.timing(stream.period_end_ns_f64, stream.xruns);
            stream.renderer.render(timing, &mut stream.next);
        }
        self.now_ns_f64 = self.now_ns_f64.max(raw_ns_f64);
        self.stream = Some(stream);
    }

    /// Fills the device's whole buffer and starts to play it. Nothing plays yet, so no delay is
    /// known.
    fn fill_both(&mut self, stream: &mut Stream) {
        for buffer in [&mut stream.playing, &mut stream.next] {
            let timing = BufferTiming { raw: self.now(), observed: None, xruns: stream.xruns };
            stream.renderer.render(timing, buffer);
        }
        self.hear(&stream.playing);
        stream.period_end_ns_f64 = self.now_ns_f64 + self.period_ns_f64();
    }

    /// Returns what the driver reports about a buffer that is heard at `heard_ns_f64`.
    fn timing(&mut self, heard_ns_f64: f64, xruns: u64) -> BufferTiming {
        let Imperfections { delay_step, jitter, burst_probability, burst, wild_probability, .. } = self.imperfections;
        let step_ns_f64 = delay_step.ns_f64().max(1.0);
        // The driver knows the position as it was at the nearest tick of the bus.
        let tick_ns_f64 = (self.now_ns_f64 / step_ns_f64).round() * step_ns_f64;
        let mut delay_ns_f64 = heard_ns_f64 - tick_ns_f64;
        if self.random.f64() < wild_probability {
            delay_ns_f64 = self.random.f64() * 1e9;
        }
        let mut raw_ns_f64 = self.now_ns_f64 + self.random.f64() * jitter.ns_f64();
        if self.random.f64() < burst_probability {
            raw_ns_f64 += self.random.f64() * burst.ns_f64();
        }
        let raw = Instant::from_ns(raw_ns_f64 as i64);
        let heard = raw + Span::from_ns(delay_ns_f64 as i64);
        BufferTiming { raw, observed: Some(Observed { frames_before: 0, heard }), xruns }
    }

    fn hear(&mut self, samples: &[f32]) {
        let frame_ns_f64 = self.frame_ns_f64();
        self.heard.push(Heard { raw_ns_f64: self.now_ns_f64, frame_ns_f64, samples: samples.to_vec() });
    }
}

impl Dac for SimulatedDac {
    fn name(&self) -> String {
        "simulated".to_owned()
    }

    fn open(&self, make_renderer: MakeRenderer<'_>, faults: Sender<DacError>) -> Result<Box<dyn DacStream>, DacError> {
        let mut card = self.card();
        if !card.is_plugged {
            return Err(DacError::NotFound(self.name()));
        }
        let format = card.format;
        let silence = vec![0.0; card.period_frames * CHANNELS];
        let renderer = make_renderer(format);
        let mut stream =
            Stream { renderer, faults, playing: silence.clone(), next: silence, period_end_ns_f64: 0.0, xruns: 0 };
        card.fill_both(&mut stream);
        card.stream = Some(stream);
        Ok(Box::new(OpenStream { card: Arc::clone(&self.0), format }))
    }
}

struct OpenStream {
    card: Arc<Mutex<Card>>,
    format: StreamFormat,
}

impl DacStream for OpenStream {
    fn format(&self) -> StreamFormat {
        self.format
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.card.lock().unwrap_or_else(PoisonError::into_inner).stream = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Numbers the frames.
    struct Counter(f32);

    impl Renderer for Counter {
        fn render(&mut self, _: BufferTiming, output: &mut [f32]) {
            for frame in output.chunks_exact_mut(CHANNELS) {
                frame.fill(self.0);
                self.0 += 1.0;
            }
        }
    }

    #[test]
    fn frames_are_heard_once_in_order_at_the_crystals_pace() {
        let imperfections = Imperfections { rate_error_ppm: 100.0, ..Imperfections::default() };
        let dac = SimulatedDac::new(1000, 50, imperfections, 1);
        let (faults, _) = mpsc::channel();
        let stream = dac.open(Box::new(|_| Box::new(Counter(0.0))), faults).unwrap();
        dac.advance_to(Instant::from_second(10));
        let heard = dac.take_heard();
        let samples: Vec<f32> = heard.iter().flat_map(|heard| heard.samples.iter().step_by(2).copied()).collect();
        assert!(samples.iter().enumerate().all(|(index, &sample)| sample == index as f32));
        let last = heard.last().unwrap();
        let frame = f64::from(last.samples[0]);
        let off_ns_f64 = last.raw_ns_f64 - frame * 1e6 / 1.0001;
        assert!(off_ns_f64.abs() < 1.0, "{off_ns_f64} {frame}");
        drop(stream);
        dac.advance_to(Instant::from_second(11));
        assert!(dac.take_heard().is_empty(), "a closed card is silent");
    }

    #[test]
    fn an_unplugged_card_ends_its_stream_and_cannot_be_opened() {
        let dac = SimulatedDac::new(1000, 50, Imperfections::default(), 1);
        let (faults, received) = mpsc::channel();
        let _stream = dac.open(Box::new(|_| Box::new(Counter(0.0))), faults.clone()).unwrap();
        dac.unplug();
        assert!(received.try_recv().is_ok());
        assert!(dac.open(Box::new(|_| Box::new(Counter(0.0))), faults.clone()).is_err());
        dac.plug_in();
        assert!(dac.open(Box::new(|_| Box::new(Counter(0.0))), faults).is_ok());
    }
}
