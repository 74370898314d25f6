//! A running `jaudiosync play`, and music that encodes its place.

use std::io::{BufRead, BufReader, PipeReader, Read};
use std::process::{Child, Command};

use jaudiosync_measure::{Recording, Sink, VirtualCard, best_lag};

use super::{Sandbox, Signal, now_s};

/// Makes bursts of noise, of which no two seconds are alike; the same for the same seed.
pub fn bursts(seed: u64, rate_hz: u32, seconds: usize, gains: [f32; 2]) -> Signal {
    let mut state = seed | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let frames = rate_hz as usize * seconds;
    let mut smooth = 0.0;
    let samples = (0..frames).flat_map(|frame| {
        let beat = frame % (rate_hz as usize / 5);
        smooth += 0.4 * (random() - smooth);
        let sample = 0.7 * smooth * (-(beat as f32) / (0.05 * rate_hz as f32)).exp();
        gains.map(|gain| gain * sample)
    });
    Signal { rate_hz, channels: 2, samples: samples.collect() }
}

/// Returns the present second of UTC.
pub fn this_second() -> i64 {
    now_s() as i64
}

/// Returns an instant in the notation of `-t`; the sandbox's time zone is UTC.
pub fn named(utc_s: i64) -> String {
    chrono::DateTime::from_timestamp(utc_s, 0).unwrap().format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// A running `jaudiosync play`, and what it prints, including errors and warnings.
pub struct Playing {
    child: Child,
    lines: BufReader<PipeReader>,
    seen: String,
}

impl Playing {
    pub fn start(sandbox: &Sandbox, card: &VirtualCard, sink: Sink, arguments: &[&str]) -> Self {
        let mut command = sandbox.command();
        command.arg("play").args(arguments);
        Self::spawn(command, card, sink)
    }

    /// Starts any command that prints what the player prints.
    pub fn spawn(mut command: Command, card: &VirtualCard, sink: Sink) -> Self {
        command.envs(card.env(sink));
        let (reader, writer) = std::io::pipe().unwrap();
        let child = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
        // The command holds the other end of the pipe as well, until it is dropped.
        drop(command);
        let lines = BufReader::new(reader);
        Self { child, lines, seen: String::new() }
    }

    /// Waits for a line that has these words.
    pub fn wait_for(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "no \"{words}\" in {}", self.seen);
            self.seen.push_str(&line);
            if line.contains(words) {
                return;
            }
        }
    }

    /// Returns how long all its threads together could have run but had to wait for a processor, in
    /// seconds: what other programs of this machine cost it
    /// (`Documentation/scheduler/sched-stats.rst` of the kernel).
    pub fn kept_waiting_s(&self) -> f64 {
        let waited_ns = |thread: std::fs::DirEntry| -> f64 {
            let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            text.split(' ').nth(1).map_or(0.0, |waited_ns| waited_ns.parse().unwrap())
        };
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        threads.map(|thread| waited_ns(thread.unwrap())).sum::<f64>() / 1e9
    }

    /// Returns its peak memory, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Waits for the end and returns everything it printed.
    pub fn finish(mut self) -> String {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        self.seen.push_str(&rest);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.seen);
        self.seen.clone()
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns how far right is behind left in a stretch of a recording, in ms, found within ±50 ms;
/// `None` if one is silent.
pub fn lag_ms(recording: &Recording, from_utc_s: f64, seconds: f64) -> Option<f64> {
    let rate = f64::from(recording.rate_hz);
    let frame = |utc_s: f64| recording.frame_at_utc_ns(utc_s * 1e9).round().max(0.0) as usize;
    let range = frame(from_utc_s)..frame(from_utc_s + seconds);
    let (left, right) = (recording.left.get(range.clone())?, recording.right.get(range)?);
    Some(best_lag(left, right, (0.05 * rate) as usize)?.frames * 1000.0 / rate)
}
