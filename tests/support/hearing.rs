//! What was heard of a box, in a recording: whether two are in phase, how late and how loud one is.

use std::process::Command;
use std::time::Duration;

use jaudiosync::control::protocol::PlayState;
use jaudiosync_measure::{Recorder, Recording, Sink, VirtualCard, best_lag};

use super::playing::{bursts, lag_ms};
use super::service_process::{Make, ServiceProcess};
use super::simulated_mixer::{SimulatedControl, SimulatedMixer};
use super::{Sandbox, Signal, now_s};

/// The bound on a shared machine.
pub const BOUND_MS: f64 = 1.0;

/// The playlist's only track. Its slot is a second longer.
const TRACK_S: usize = 120;
const SEED: u64 = 4711;

/// Boxes with one long track on a virtual card that is recorded. Their common timetable begins now,
/// so that the track's end is not heard.
pub struct Stage {
    pub sandbox: Sandbox,
    pub card: VirtualCard,
    pub anchor_utc_s: i64,
    recorder: Recorder,
}

impl Stage {
    pub fn new() -> Self {
        let sandbox = Sandbox::new();
        track().encode(&sandbox.music().join("long.mp3"), &["-b", "192", "--tt", "Long"]);
        sandbox.playlist("long.mp3\n");
        sandbox.run(&["index"]).succeeds();
        let card = VirtualCard::start().unwrap();
        let recorder = Recorder::start(&card).unwrap();
        Self { sandbox, card, anchor_utc_s: now_s() as i64 - 5, recorder }
    }

    /// Switches on a box that follows the system clock, and waits until it is ready.
    pub fn switch_on(&self, name: &str, sink: Sink, jumper: bool) -> ServiceProcess {
        self.switch_on_with("[time]\nsource = \"system\"\n", name, sink, jumper)
    }

    /// Switches on a box with a configuration of its own.
    pub fn switch_on_with(&self, config: &str, name: &str, sink: Sink, jumper: bool) -> ServiceProcess {
        let config = self.config(config);
        ServiceProcess::switch_on(&self.sandbox, &self.card, sink, &Make { name, jumper, config: &config }).ready()
    }

    /// Switches on a box whose card has this mixer, and waits until it is ready.
    pub fn switch_on_with_mixer(&self, config: &str, mixer: &SimulatedControl) -> (ServiceProcess, SimulatedMixer) {
        let mut env = self.card.env(Sink::Both).into_iter();
        let base = env.find(|(name, _)| name == "ALSA_CONFIG_PATH").expect("the card's configuration").1;
        let mixer = SimulatedMixer::new(mixer, Some(base.as_ref()));
        let make = Make { config: &self.config(config), ..Make::default() };
        let prepare = |command: &mut Command| _ = command.envs([mixer.env()]);
        let made = ServiceProcess::switch_on_prepared(&self.sandbox, &self.card, Sink::Both, &make, prepare);
        (made.ready(), mixer)
    }

    fn config(&self, lines: &str) -> String {
        let anchor = chrono::DateTime::from_timestamp(self.anchor_utc_s, 0).unwrap().to_rfc3339();
        format!("start.anchor = \"{anchor}\"\n{lines}")
    }

    pub fn state(&self, name: &str) -> std::path::PathBuf {
        ServiceProcess::state(&self.sandbox, name)
    }

    pub fn finish(self) -> Recording {
        self.recorder.finish().unwrap()
    }
}

fn track() -> Signal {
    bursts(SEED, 48_000, TRACK_S, [1.0, 1.0])
}

/// Sleeps until an instant. There is no event: sound takes its time, and a rider decides when to
/// press.
pub fn sleep_until(utc_s: f64) {
    std::thread::sleep(Duration::from_secs_f64((utc_s - now_s()).max(0.0)));
}

/// Returns the lags of the quarter seconds in which both are heard: the largest, in ms.
#[track_caller]
pub fn assert_in_phase(what: &str, recording: &Recording, from_utc_s: f64, to_utc_s: f64) {
    let steps = ((to_utc_s - from_utc_s) * 4.0) as usize;
    let lags: Vec<f64> =
        (0..steps).filter_map(|step| lag_ms(recording, from_utc_s + 0.25 * step as f64, 0.25)).collect();
    assert!(lags.len() * 10 >= steps * 9, "{what}: both are heard in {} of {steps} quarter seconds", lags.len());
    let mut sizes: Vec<f64> = lags.iter().map(|lag| lag.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let (median, worst) = (sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    println!("{what}: median {median:.4} ms, largest {worst:.4} ms in {:.1} s", to_utc_s - from_utc_s);
    assert!(worst < BOUND_MS, "{what}: {lags:?}");
}

/// Compares a stretch of the recording with the place of the track that belongs there: by how much
/// it is late in ms, and how loud it is compared with the track, as a factor. `None` in silence.
pub fn heard(
    recording: &Recording,
    channel: &[f32],
    anchor_utc_s: i64,
    from_utc_s: f64,
    seconds: f64,
) -> Option<(f64, f64)> {
    let rate_hz = f64::from(recording.rate_hz);
    let from = recording.frame_at_utc_ns(from_utc_s * 1e9).round() as usize;
    let count = (seconds * rate_hz) as usize;
    let sound = channel.get(from..from + count)?;
    let round_s = TRACK_S as f64 + 1.0;
    let place_s = (from_utc_s - anchor_utc_s as f64).rem_euclid(round_s);
    let place = (place_s * rate_hz).round() as usize;
    let track: Vec<f32> = track().samples.iter().copied().step_by(2).collect();
    let expected = track.get(place..place + count)?;
    let lag = best_lag(expected, sound, (0.05 * rate_hz) as usize)?;
    let energy = |samples: &[f32]| samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    Some((lag.frames * 1000.0 / rate_hz, (energy(sound) / energy(expected)).sqrt()))
}

/// Returns the loudest sample of a stretch.
pub fn loudest(recording: &Recording, channel: &[f32], from_utc_s: f64, to_utc_s: f64) -> f32 {
    let frame = |utc_s: f64| recording.frame_at_utc_ns(utc_s * 1e9).round() as usize;
    channel[frame(from_utc_s)..frame(to_utc_s)].iter().fold(0.0, |loudest, sample| loudest.max(sample.abs()))
}

/// Waits until a box waits for its slot, and returns when that is.
pub fn slot_s(made: &ServiceProcess) -> f64 {
    let status = made.wait_until("waiting", |status| status.play.state == PlayState::WaitingForSlot);
    status.play.next.expect("a slot").utc_s as f64
}

/// Returns when a channel is heard again, at or after an instant.
pub fn first_heard_s(recording: &Recording, channel: &[f32], from_utc_s: f64) -> f64 {
    let from = recording.frame_at_utc_ns(from_utc_s * 1e9).max(0.0) as usize;
    let first = channel[from..].iter().position(|sample| sample.abs() > 1e-4).expect("silent for ever");
    recording.utc_ns_of_frame((from + first) as f64) * 1e-9
}
