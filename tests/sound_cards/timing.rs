//! How well it is known when a frame is heard, against the truth, and what the sink does when a card
//! falls ill.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, Sender, channel};

use jaudiosync::player::dac_clock::{DacClock, Observation};
use jaudiosync_hw::dac::alsa::{Encoding, Granted, Pcm, Playback, PlaybackError, agree};
use jaudiosync_hw::dac::{BufferTiming, CHANNELS, Renderer};
use jaudiosync_time::{Instant, Span};

use crate::scripted_card::{Illness, Kind, Offer, Script, ScriptedCard, granted};

/// Hours for each kind of card.
const SEEDS: u64 = 50;

/// Passes on what a renderer is given.
struct Probe {
    frame: u64,
    timings: Sender<(u64, BufferTiming)>,
}

impl Renderer for Probe {
    fn render(&mut self, timing: BufferTiming, output: &mut [f32]) {
        let _ = self.timings.send((self.frame, timing));
        self.frame += (output.len() / CHANNELS) as u64;
    }
}

/// A stream on a scripted card, and the model of the player of when its frames are heard.
struct Rig {
    playback: Playback<ScriptedCard>,
    timings: Receiver<(u64, BufferTiming)>,
    clock: DacClock,
    xruns: u64,
    next_frame: u64,
}

impl Rig {
    fn new(script: Script, seed: u64) -> Self {
        let (sender, timings) = channel();
        let rate_hz = script.granted.rate_hz;
        let card = ScriptedCard::new(script, seed);
        let mut playback = Playback::new(card, Box::new(Probe { frame: 0, timings: sender }), Span::ZERO);
        playback.start().unwrap();
        Self { playback, timings, clock: DacClock::new(rate_hz, None), xruns: 0, next_frame: 0 }
    }

    fn turn(&mut self) -> Result<(), PlaybackError> {
        let result = self.playback.turn();
        for (first_frame, timing) in self.timings.try_iter() {
            if timing.xruns != self.xruns {
                self.xruns = timing.xruns;
                self.clock.restart();
            }
            self.next_frame = first_frame;
            if let Some(observed) = timing.observed {
                let frame = first_frame - observed.frames_before;
                self.clock.observe(Observation { frame, heard: observed.heard });
            }
        }
        result
    }

    /// Returns by how much later than in truth the model believes the next frame to be heard.
    fn error_ms(&self) -> Option<f64> {
        let line = self.clock.settled()?;
        let truth_ns = self.playback.pcm().heard_ns(self.next_frame);
        Some((line.heard(self.next_frame).ns() as f64 - truth_ns) * 1e-6)
    }

    fn now(&self) -> Instant<jaudiosync_time::Raw> {
        self.playback.pcm().now()
    }

    fn run_until(&mut self, until: Instant<jaudiosync_time::Raw>) -> Result<(), PlaybackError> {
        while self.now() < until {
            self.turn()?;
        }
        Ok(())
    }
}

/// Plays an hour with each seed, and returns the worst bias and the worst 99th percentile in ms.
fn worst_of_hours(name: &str, kind: Kind, late_us: [i64; 2], granted: Granted) -> (f64, f64) {
    let (mut worst_bias_ms, mut worst_p99_ms) = (0.0_f64, 0.0_f64);
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let late = Span::from_us(random.i64(late_us[0]..=late_us[1]));
        let script = Script { kind, rate_error_ppm: random.f64() * 200.0 - 100.0, late, granted };
        let mut rig = Rig::new(script, seed);
        let mut errors_ms = Vec::new();
        let mut next = Instant::from_second(10);
        while rig.now() < Instant::ZERO + Span::HOUR {
            rig.turn().unwrap();
            if rig.now() >= next {
                next += Span::from_ms(200);
                errors_ms.push(rig.error_ms().expect("it has settled by now"));
            }
        }
        assert_eq!(rig.xruns, 0, "seed {seed}");
        let bias_ms = errors_ms.iter().sum::<f64>() / errors_ms.len() as f64;
        let mut sizes: Vec<f64> = errors_ms.iter().map(|error_ms| error_ms.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let p99_ms = sizes[sizes.len() * 99 / 100];
        worst_bias_ms = worst_bias_ms.max(bias_ms.abs());
        worst_p99_ms = worst_p99_ms.max(p99_ms);
    }
    println!("{name}, {SEEDS} hours: bias at most {worst_bias_ms:.4} ms, 99 % at most {worst_p99_ms:.4} ms");
    (worst_bias_ms, worst_p99_ms)
}

#[test]
fn i2s_is_known_to_0_03_ms() {
    let (bias_ms, p99_ms) = worst_of_hours("I2S", Kind::I2s, [20, 200], granted(Encoding::S32, 480));
    assert!(bias_ms <= 0.01 && p99_ms <= 0.03);
}

fn assert_usb_is_known(counter_factor: i64) {
    let kind = Kind::Usb { counter_factor };
    let (_, p99_ms) = worst_of_hours(&format!("{kind:?}"), kind, [20, 200], granted(Encoding::S24Packed, 480));
    assert!(p99_ms <= 0.05);
}

#[test]
fn usb_is_known_to_0_05_ms() {
    assert_usb_is_known(1);
}

#[test]
fn usb_is_known_as_well_if_its_host_counts_125_us_as_a_millisecond() {
    assert_usb_is_known(8);
}

#[test]
fn the_jack_is_known_to_0_1_ms() {
    let (_, p99_ms) = worst_of_hours("jack", Kind::Jack, [100, 1000], granted(Encoding::S16, 480));
    assert!(p99_ms <= 0.1);
}

#[test]
fn a_card_without_interrupts_is_asked_and_known_as_well() {
    let (_, p99_ms) = worst_of_hours("no interrupts", Kind::Silent, [20, 200], granted(Encoding::S32, 480));
    assert!(p99_ms <= 0.05);
}

/// The length of the buffer that is asked for unless it is configured.
const BUFFER_MS: u32 = 50;

fn agreement(offer: &Offer, buffer_ms: u32) -> Option<Granted> {
    let Ok(agreed) = agree(buffer_ms, |request| Ok::<_, Infallible>(offer.answer(request)));
    agreed
}

fn agreed(offer: &Offer) -> Granted {
    agreement(offer, BUFFER_MS).unwrap()
}

#[test]
fn a_device_that_takes_512_frames_only_is_opened_with_them_and_known_as_well() {
    let granted = agreed(&Offer { period_frames: 512..=512, ..Offer::hat() });
    assert_eq!(granted, Granted { rate_hz: 48_000, encoding: Encoding::S32, period_frames: 512, buffer_frames: 2400 });
    let (bias_ms, p99_ms) = worst_of_hours("512 frames only", Kind::I2s, [20, 200], granted);
    assert!(bias_ms <= 0.01 && p99_ms <= 0.03);
}

#[test]
fn a_device_that_takes_16_bits_only_is_opened_with_them_and_known_as_well() {
    let granted = agreed(&Offer { encodings: &[Encoding::S16], ..Offer::hat() });
    assert_eq!(granted, Granted { rate_hz: 48_000, encoding: Encoding::S16, period_frames: 480, buffer_frames: 2400 });
    let (bias_ms, p99_ms) = worst_of_hours("16 bits only", Kind::I2s, [20, 200], granted);
    assert!(bias_ms <= 0.01 && p99_ms <= 0.03);
}

#[test]
fn a_dmix_of_a_fixed_period_is_opened_with_it_and_known_to_0_02_ms() {
    let granted = agreed(&Offer { period_frames: 1024..=1024, buffer_frames: 1024..=16_384, ..Offer::hat() });
    assert_eq!((granted.period_frames, granted.buffer_frames), (1024, 4096));
    let (_, p99_ms) = worst_of_hours("dmix", Kind::Dmix, [20, 200], granted);
    assert!(p99_ms <= 0.02);
}

#[test]
fn a_device_is_asked_for_something_else_until_it_takes_something() {
    let hat = Offer::hat();
    assert_eq!(agreed(&hat).buffer_frames, 2400);
    // Periods longer than 5 ms are refused only as they are set.
    assert_eq!(agreed(&Offer { refuses_above: 256, ..hat.clone() }).period_frames, 240);
    let cd = Offer { rates_hz: &[44_100], encodings: &[Encoding::S24Packed], ..hat.clone() };
    assert_eq!((agreed(&cd).rate_hz, agreed(&cd).encoding), (44_100, Encoding::S24Packed));
    // Few long periods are better than none.
    let small = agreed(&Offer { period_frames: 1024..=1024, buffer_frames: 2048..=2048, ..hat.clone() });
    assert_eq!((small.period_frames, small.buffer_frames), (1024, 2048));
    // A short buffer has short periods, and a long one no longer ones.
    let with_buffer = |buffer_ms| agreement(&hat, buffer_ms).unwrap();
    assert_eq!((with_buffer(20).period_frames, with_buffer(20).buffer_frames), (240, 960));
    assert_eq!((with_buffer(200).period_frames, with_buffer(200).buffer_frames), (480, 9600));
    assert_eq!(agreement(&Offer { encodings: &[], ..hat.clone() }, BUFFER_MS), None);
    let one_period = Offer { period_frames: 512..=512, buffer_frames: 512..=512, ..hat };
    assert_eq!(agreement(&one_period, BUFFER_MS), None);
}

#[test]
fn a_device_that_fails_is_not_asked_on() {
    let mut asked = 0;
    let answer = agree(BUFFER_MS, |_| {
        asked += 1;
        Err("it timed out")
    });
    assert_eq!((answer, asked), (Err("it timed out"), 1));
}

fn healthy() -> Rig {
    let script =
        Script { kind: Kind::I2s, rate_error_ppm: 30.0, late: Span::from_us(50), granted: granted(Encoding::S32, 480) };
    let mut rig = Rig::new(script, 1);
    rig.run_until(Instant::from_second(10)).unwrap();
    rig
}

#[test]
fn a_card_that_plays_no_more_ends_the_stream_at_once_and_takes_no_processor() {
    for (illness, expected) in
        [(Illness::TakesNothing, PlaybackError::Stalled), (Illness::Stands, PlaybackError::Stalled)]
    {
        let mut rig = healthy();
        rig.playback.pcm_mut().fall_ill(illness);
        let began = rig.now();
        let mut turns = 0;
        let error = loop {
            turns += 1;
            if let Err(error) = rig.turn() {
                break error;
            }
        };
        let took = rig.now() - began;
        println!("{illness:?}: {error} after {took:?} and {turns} turns");
        assert_eq!(error, expected);
        assert!(took < Span::from_ms(400) && turns < 500, "{illness:?}: {took:?} {turns}");
    }
}

#[test]
fn a_card_that_is_pulled_out_ends_the_stream_with_its_reason() {
    let mut rig = healthy();
    rig.playback.pcm_mut().fall_ill(Illness::Vanished);
    assert_eq!(rig.turn().unwrap_err().to_string(), "No such device");
}

#[test]
fn an_xrun_starts_the_device_again_and_the_model_with_it() {
    let mut rig = healthy();
    rig.playback.pcm_mut().fall_ill(Illness::Stopped(Span::SECOND));
    let began = rig.now();
    rig.run_until(began + Span::from_seconds(3)).unwrap();
    assert_eq!(rig.xruns, 1);
    let error_ms = rig.error_ms().expect("it has settled again");
    assert!(error_ms.abs() < 0.05, "{error_ms}");
}
