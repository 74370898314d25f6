//! A sound card in virtual time: with a crystal that is off and wanders, a driver that tells delays in steps and late,
//! xruns, and a plug that can be pulled. It keeps what was heard and when, so that tests judge what came out and not
//! what the program believes.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

use super::{BufferTiming, CHANNELS, Dac, DacError, DacStream, MakeRenderer, Renderer, StreamFormat};
use crate::variates::normal;

/// What is wrong with a simulated sound card. The default is nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Imperfections {
    /// By how much its crystal is fast, in ppm.
    pub rate_error_ppm: f64,
    /// Random walk of the crystal's rate, in ppm per square root of a second.
    pub wander_ppm: f64,
    /// The position is known at ticks of this, in ns, and told as of the nearest one; USB has 1 ms.
    pub delay_step_ns: i64,
    /// Between reading the delay and reading the clock up to this long passes, in ns.
    pub jitter_ns: i64,
    /// The part of buffers at which the thread is put aside between the two readings.
    pub burst_probability: f64,
    /// For up to this long, in ns.
    pub burst_ns: i64,
    /// The part of buffers whose delay is nonsense of up to a second.
    pub wild_probability: f64,
}

impl Default for Imperfections {
    fn default() -> Self {
        Self {
            rate_error_ppm: 0.0,
            wander_ppm: 0.0,
            delay_step_ns: 1,
            jitter_ns: 0,
            burst_probability: 0.0,
            burst_ns: 0,
            wild_probability: 0.0,
        }
    }
}

/// A stretch of sound as it was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// True time at which the first frame was heard, in ns of the raw clock.
    pub raw_ns: f64,
    /// True time from frame to frame, in ns.
    pub frame_ns: f64,
    /// Interleaved stereo.
    pub samples: Vec<f32>,
}

/// A simulated sound card. Clones are the same card; it plays when it is told what time it is.
#[derive(Clone)]
pub struct SimulatedDac(Arc<Mutex<Card>>);

struct Card {
    format: StreamFormat,
    period_frames: usize,
    imperfections: Imperfections,
    wandered_ppm: f64,
    random: Rng,
    now_ns: f64,
    is_plugged: bool,
    stream: Option<Stream>,
    heard: Vec<Heard>,
}

struct Stream {
    renderer: Box<dyn Renderer>,
    faults: Sender<DacError>,
    /// The two periods of the device's buffer: what plays and what comes next.
    playing: Vec<f32>,
    next: Vec<f32>,
    /// When the playing period will be over.
    period_end_ns: f64,
    xruns: u64,
}

impl SimulatedDac {
    /// A card of this nominal rate and period that begins at time 0 and does not run yet.
    pub fn new(rate_hz: u32, period_frames: usize, imperfections: Imperfections, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Card {
            format: StreamFormat { rate_hz },
            period_frames: period_frames.max(1),
            imperfections,
            wandered_ppm: 0.0,
            random: Rng::with_seed(seed),
            now_ns: 0.0,
            is_plugged: true,
            stream: None,
            heard: Vec::new(),
        })))
    }

    /// Plays until `raw_ns`.
    pub fn advance_to(&self, raw_ns: i64) {
        self.card().advance_to(raw_ns as f64);
    }

    /// Stands still for `pause_ns` (an xrun, a stopped process) and then runs on with empty buffers.
    pub fn interrupt(&self, pause_ns: i64) {
        let mut card = self.card();
        card.now_ns += pause_ns as f64;
        let now_ns = card.now_ns;
        if let Some(mut stream) = card.stream.take() {
            stream.xruns += 1;
            card.fill_both(&mut stream, now_ns);
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

    /// Puts the plug back.
    pub fn plug_in(&self) {
        self.card().is_plugged = true;
    }

    /// What was heard since this was last called.
    pub fn take_heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.card().heard)
    }

    /// By how much the crystal is fast now, in ppm.
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

    fn frame_ns(&self) -> f64 {
        1e9 / (f64::from(self.format.rate_hz) * (1.0 + self.rate_ppm() * 1e-6))
    }

    fn advance_to(&mut self, raw_ns: f64) {
        let Some(mut stream) = self.stream.take() else {
            self.now_ns = self.now_ns.max(raw_ns);
            return;
        };
        while stream.period_end_ns <= raw_ns {
            self.now_ns = stream.period_end_ns;
            let period_s = self.period_frames as f64 * self.frame_ns() * 1e-9;
            self.wandered_ppm += self.imperfections.wander_ppm * period_s.sqrt() * normal(&mut self.random);
            let played = std::mem::replace(&mut stream.playing, std::mem::take(&mut stream.next));
            stream.next = played;
            self.hear(&stream.playing);
            stream.period_end_ns = self.now_ns + self.period_frames as f64 * self.frame_ns();
            let timing = self.timing(stream.period_end_ns, stream.xruns);
            stream.renderer.render(timing, &mut stream.next);
        }
        self.now_ns = self.now_ns.max(raw_ns);
        self.stream = Some(stream);
    }

    /// Fills the device's whole buffer and begins to play it. Nothing plays yet, so no delay is known.
    fn fill_both(&mut self, stream: &mut Stream, now_ns: f64) {
        for buffer in [&mut stream.playing, &mut stream.next] {
            let timing = BufferTiming { raw_ns: now_ns as i64, delay_ns: None, xruns: stream.xruns };
            stream.renderer.render(timing, buffer);
        }
        self.hear(&stream.playing);
        stream.period_end_ns = now_ns + self.period_frames as f64 * self.frame_ns();
    }

    /// What the driver tells of a buffer that is heard at `heard_ns`.
    fn timing(&mut self, heard_ns: f64, xruns: u64) -> BufferTiming {
        let Imperfections { delay_step_ns, jitter_ns, burst_probability, burst_ns, wild_probability, .. } =
            self.imperfections;
        let step_ns = delay_step_ns.max(1) as f64;
        // The driver knows the position as it was at the nearest tick of the bus.
        let tick_ns = (self.now_ns / step_ns).round() * step_ns;
        let mut delay_ns = heard_ns - tick_ns;
        if self.random.f64() < wild_probability {
            delay_ns = self.random.f64() * 1e9;
        }
        let mut raw_ns = self.now_ns + self.random.f64() * jitter_ns as f64;
        if self.random.f64() < burst_probability {
            raw_ns += self.random.f64() * burst_ns as f64;
        }
        BufferTiming { raw_ns: raw_ns as i64, delay_ns: Some(delay_ns as i64), xruns }
    }

    fn hear(&mut self, samples: &[f32]) {
        let heard = Heard { raw_ns: self.now_ns, frame_ns: self.frame_ns(), samples: samples.to_vec() };
        self.heard.push(heard);
    }
}

impl Dac for SimulatedDac {
    fn name(&self) -> String {
        "simulated".to_owned()
    }

    fn mixer_device(&self) -> Option<String> {
        None
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
            Stream { renderer, faults, playing: silence.clone(), next: silence, period_end_ns: 0.0, xruns: 0 };
        let now_ns = card.now_ns;
        card.fill_both(&mut stream, now_ns);
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
        dac.advance_to(10_000_000_000);
        let heard = dac.take_heard();
        let samples: Vec<f32> = heard.iter().flat_map(|heard| heard.samples.iter().step_by(2).copied()).collect();
        assert!(samples.iter().enumerate().all(|(index, &sample)| sample == index as f32));
        let last = heard.last().unwrap();
        let frame = f64::from(last.samples[0]);
        assert!((last.raw_ns - frame * 1e6 / 1.0001).abs() < 1.0, "{} {frame}", last.raw_ns);
        drop(stream);
        dac.advance_to(11_000_000_000);
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
