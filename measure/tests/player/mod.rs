//! A small ALSA player in a process of its own, so that it can have the card's environment.
//!
//! The process is this test binary itself, run with only its test `player_process`.

use std::ffi::OsString;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};
use jaudiosync_measure::{Sink, VirtualCard};

const PROGRAM: &str = "MEASURE_TEST_PLAYER";
const PERIOD: usize = 480;
const PERIODS: usize = 25;

/// What the player plays, for how long, at which rate.
#[derive(Clone, Copy)]
pub struct Program {
    pub sound: &'static str,
    pub seconds: f64,
    pub rate_hz: u32,
}

/// Starts the player on a sink.
pub fn start(card: &VirtualCard, sink: Sink, program: Program, more_env: &[(&str, OsString)]) -> Child {
    let Program { sound, seconds, rate_hz } = program;
    Command::new(std::env::current_exe().unwrap())
        .args(["player_process", "--exact", "--ignored", "--nocapture"])
        .envs(card.env(sink))
        .envs(more_env.iter().cloned())
        .env(PROGRAM, format!("{sound} {seconds} {rate_hz}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the player to exit. Returns (frame, predicted UTC in ns) of every click it played.
pub fn finish(player: Child) -> Vec<(u64, f64)> {
    let output = player.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    text.lines()
        .filter_map(|line| line.split_once("click "))
        .map(|(_, numbers)| numbers.split_once(' ').unwrap())
        .map(|(frame, utc)| (frame.parse().unwrap(), utc.parse().unwrap()))
        .collect()
}

/// Plays, in the player's process; does nothing in any other.
pub fn run() {
    let Ok(program) = std::env::var(PROGRAM) else { return };
    let words: Vec<_> = program.split(' ').collect();
    let (sound, seconds, rate): (_, f64, u32) = (words[0], words[1].parse().unwrap(), words[2].parse().unwrap());
    let pcm = open(rate);
    let io = pcm.io_f32().unwrap();
    let mut offsets_ns = Vec::new();
    let frames = (seconds * f64::from(rate)) as u64;
    let mut written = 0;
    while written < frames {
        let block: Vec<f32> = (written..written + PERIOD as u64).flat_map(|n| frame(sound, n, rate)).collect();
        for click in (written..written + PERIOD as u64).filter(|&n| is_click(sound, n, rate)) {
            println!("click {click} {}", median(&offsets_ns) + click as f64 * 1e9 / f64::from(rate));
        }
        written += io.writei(&block).unwrap() as u64;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as f64;
        let delay = pcm.delay().unwrap();
        let at_dac = written as f64 - delay as f64;
        // Only now: later, the delay wanders (see virtual_card.rs).
        if (rate / 5..rate * 3 / 5).contains(&(written as u32)) {
            offsets_ns.push(now - at_dac * 1e9 / f64::from(rate));
        }
    }
    pcm.drain().unwrap();
}

fn open(rate: u32) -> PCM {
    let pcm = PCM::new("default", Direction::Playback, false).unwrap();
    {
        let params = HwParams::any(&pcm).unwrap();
        params.set_access(Access::RWInterleaved).unwrap();
        params.set_format(Format::float()).unwrap();
        params.set_channels(2).unwrap();
        params.set_rate(rate, ValueOr::Nearest).unwrap();
        params.set_period_size_near(PERIOD as i64, ValueOr::Nearest).unwrap();
        params.set_buffer_size_near((PERIOD * PERIODS) as i64).unwrap();
        pcm.hw_params(&params).unwrap();
    }
    pcm
}

/// Returns whether a click is due: one every half second, after one second of silence.
fn is_click(sound: &str, n: u64, rate: u32) -> bool {
    sound == "clicks" && n >= u64::from(rate) && n.is_multiple_of(u64::from(rate) / 2)
}

fn frame(sound: &str, n: u64, rate: u32) -> [f32; 2] {
    match sound {
        "clicks" if is_click(sound, n, rate) => [0.8; 2],
        "clicks" => [0.0; 2],
        "tone" => [tone(n, rate); 2],
        // The right one is ten frames late.
        "noise" => [noise(n), noise(n.wrapping_sub(10))],
        "mono-noise" => [noise(n); 2],
        other => panic!("unknown sound {other}"),
    }
}

fn tone(n: u64, rate: u32) -> f32 {
    (0.5 * (std::f64::consts::TAU * 1000.0 * n as f64 / f64::from(rate)).sin()) as f32
}

/// Returns frame `n` of a noise that never repeats; its peaks reach 0.5.
pub fn noise(n: u64) -> f32 {
    let mut z = n.wrapping_add(1 << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
