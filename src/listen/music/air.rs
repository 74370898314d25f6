//! The response of the air: what was recorded, divided by what was played.

use std::f64::consts::{PI, TAU};

use realfft::num_complex::Complex;

use super::super::compress::{RATE_HZ, in_band};
use super::super::noise_floor::median;
use super::super::response::{BEFORE, LENGTH, Response, faded, parabola};
use super::super::transform::Transform;
use super::MusicError;
use super::line::{Line, WINDOW, hann};

/// Groups of windows, each with a response of its own: how much they differ says how sure it is.
const GROUPS: usize = 6;
/// What is added to the power of what was played where it is little, as a part of the power around
/// it.
const FLOOR: f64 = 0.05;
/// How far a window may still be off the line, in samples: 0.4 ms.
const REACH: i64 = (4e-4 * RATE_HZ as f64) as i64;
/// How many windows on either side say how far one is off it.
const AROUND: usize = 3;
/// Samples on either side by which a value between samples is made.
const TAPS: usize = 16;
/// How finely the table of these values is divided: 40 ns.
const PHASES: usize = 1024;
/// How far the loudest arrival may be from the line, in samples.
const LOUDEST: usize = (0.07 * RATE_HZ as f64) as usize;

/// The response of the air, as several groups of windows have it.
pub(super) struct Air {
    /// One for each group; the loudest arrival is at the same place in all.
    pub(super) responses: Vec<Response>,
    /// How much was compared, in s.
    pub(super) compared_s: f64,
}

/// Sums over windows, by frequency.
#[derive(Clone)]
struct Sums {
    cross: Vec<Complex<f64>>,
    played: Vec<f64>,
}

impl Sums {
    fn new(bins: usize) -> Self {
        Self { cross: vec![Complex::new(0.0, 0.0); bins], played: vec![0.0; bins] }
    }

    fn add(&mut self, window: &Window, delay: f64) {
        // Gain control and loud neighbours change the level: every window counts the same.
        let weight = 1.0 / window.heard.iter().map(Complex::norm_sqr).sum::<f64>().max(f64::MIN_POSITIVE);
        for (bin, (heard, played)) in window.heard.iter().zip(&window.played).enumerate() {
            let turned = Complex::cis(TAU * bin as f64 * delay / WINDOW as f64);
            self.cross[bin] += heard * turned * played.conj() * weight;
            self.played[bin] += played.norm_sqr() * weight;
        }
    }

    fn with(&self, other: &Self) -> Self {
        let cross = self.cross.iter().zip(&other.cross).map(|(a, b)| a + b).collect();
        let played = self.played.iter().zip(&other.played).map(|(a, b)| a + b).collect();
        Self { cross, played }
    }

    /// Returns the response by frequency.
    fn response(&self) -> Vec<Complex<f64>> {
        let around = smooth(&self.played);
        let largest = around.iter().copied().fold(0.0, f64::max);
        let one = |bin: usize| {
            let frequency = bin as f64 * RATE_HZ as f64 / WINDOW as f64;
            let power = self.played[bin] + FLOOR * around[bin] + 1e-9 * largest + f64::MIN_POSITIVE;
            self.cross[bin] * in_band(frequency, RATE_HZ as f64 / 2.0) / power
        };
        (0..self.cross.len()).map(one).collect()
    }
}

/// A window of the recording, and what was played then.
struct Window {
    heard: Vec<Complex<f64>>,
    played: Vec<Complex<f64>>,
}

impl Window {
    fn take(
        recording: &[f32],
        start: usize,
        line: &Line,
        track: &[f32],
        track_from: i64,
        (transform, between): (&Transform<f64>, &Between),
    ) -> Option<Self> {
        let heard = recording.get(start..start + WINDOW)?;
        let place = |sample: usize| line.at(sample as f64) - track_from as f64;
        if !is_there(track, place(start), place(start + WINDOW)) {
            return None;
        }
        let played: Vec<f32> = (start..start + WINDOW).map(|sample| between.at(track, place(sample))).collect();
        Some(Self { heard: transform.spectrum(&hann(heard)), played: transform.spectrum(&hann(&played)) })
    }
}

/// Returns whether the track holds everything from one place to another, and what is needed around
/// it.
fn is_there(track: &[f32], first: f64, last: f64) -> bool {
    first >= TAPS as f64 && last + TAPS as f64 + 1.0 < track.len() as f64
}

/// Values between samples: a sinc under a Hann window, from a table.
struct Between {
    taps: Vec<[f32; 2 * TAPS]>,
}

impl Between {
    fn new() -> Self {
        let tap = |phase: usize, index: usize| {
            let distance = index as f64 + 1.0 - TAPS as f64 - phase as f64 / PHASES as f64;
            let sinc = if distance.abs() < 1e-9 { 1.0 } else { (PI * distance).sin() / (PI * distance) };
            (sinc * (0.5 + 0.5 * (PI * distance / (TAPS as f64 + 1.0)).cos())) as f32
        };
        Self { taps: (0..=PHASES).map(|phase| std::array::from_fn(|index| tap(phase, index))).collect() }
    }

    /// Returns the value at a place that has [`TAPS`] samples on both sides.
    fn at(&self, signal: &[f32], place: f64) -> f32 {
        let whole = place.floor();
        let taps = &self.taps[((place - whole) * PHASES as f64).round() as usize];
        let from = whole as usize + 1 - TAPS;
        signal[from..from + 2 * TAPS].iter().zip(taps).map(|(x, tap)| x * tap).sum()
    }
}

/// Returns the mean of each value over 65 of them.
fn smooth(power: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    sums.extend(power.iter().scan(0.0, |sum, x| {
        *sum += x;
        Some(*sum)
    }));
    let mean = |bin: usize| {
        let (from, to) = (bin.saturating_sub(32), (bin + 33).min(power.len()));
        (sums[to] - sums[from]) / (to - from) as f64
    };
    (0..power.len()).map(mean).collect()
}

impl Air {
    pub(super) fn measure(recording: &[f32], line: &Line, track: &[f32], track_from: i64) -> Result<Self, MusicError> {
        let transform = Transform::<f64>::new(WINDOW);
        let between = Between::new();
        let take = |start: &usize| Window::take(recording, *start, line, track, track_from, (&transform, &between));
        let place = |sample: usize| line.at(sample as f64) - track_from as f64;
        let is_whole = |start: &usize| is_there(track, place(*start), place(start + WINDOW));
        let starts: Vec<usize> = line.windows.iter().copied().filter(is_whole).collect();
        if starts.len() < 2 * GROUPS {
            return Err(MusicError::Unclear);
        }
        let windows = || starts.iter().filter_map(take);
        let mut all = Sums::new(transform.bins());
        windows().for_each(|window| all.add(&window, 0.0));
        let expected = all.response();
        // What is left of the recorder's clock, window by window.
        let delays: Vec<f64> = windows().map(|window| delay(&window, &expected, &transform)).collect();
        let around = |index: usize| {
            let (from, to) = (index.saturating_sub(AROUND), (index + AROUND + 1).min(delays.len()));
            median(delays[from..to].to_vec())
        };
        let mut groups = vec![[Sums::new(transform.bins()), Sums::new(transform.bins())]; GROUPS];
        for (index, window) in windows().enumerate() {
            let group = index * GROUPS / starts.len();
            groups[group][index % 2].add(&window, around(index));
        }
        let mut all = Sums::new(transform.bins());
        groups.iter().for_each(|[even, odd]| all = all.with(&even.with(odd)));
        let origin = loudest(&transform.signal(all.response()));
        let response = |[even, odd]: &[Sums; 2]| {
            let coarse = Transform::<f64>::new(LENGTH);
            let spectrum = |sums: &Sums| coarse.spectrum(&around_origin(&transform.signal(sums.response()), origin));
            let (even, odd) = (spectrum(even), spectrum(odd));
            let half = |sign: f64| even.iter().zip(&odd).map(|(a, b)| (a + b * sign) * 0.5).collect();
            Response { at_s: 0.0, mean: half(1.0), difference: half(-1.0) }
        };
        let compared_s = (starts.len() + 1) as f64 * 0.5 * WINDOW as f64 / RATE_HZ as f64;
        Ok(Self { responses: groups.iter().map(response).collect(), compared_s })
    }
}

/// Returns by how many samples a window is later than expected.
fn delay(window: &Window, expected: &[Complex<f64>], transform: &Transform<f64>) -> f64 {
    let product = window.heard.iter().zip(&window.played).zip(expected).map(|((heard, played), air)| {
        let product = heard * (played * air).conj();
        // In between of all frequencies alike and by their power.
        product / product.norm().sqrt().max(f64::MIN_POSITIVE)
    });
    let correlation = transform.signal(product.collect());
    let value = |n: i64| correlation[n.rem_euclid(WINDOW as i64) as usize];
    let best = (-REACH..=REACH).max_by(|a, b| value(*a).total_cmp(&value(*b))).unwrap_or(0);
    let (between, _) = parabola(value(best - 1), value(best), value(best + 1));
    best as f64 + between
}

/// Returns where the loudest arrival is in a response that begins anew at its end.
fn loudest(response: &[f64]) -> i64 {
    let value = |n: i64| response[n.rem_euclid(response.len() as i64) as usize].abs();
    let reach = LOUDEST as i64;
    (-reach..=reach).max_by(|a, b| value(*a).total_cmp(&value(*b))).unwrap_or(0)
}

/// Returns the response around the loudest arrival, as that of a sound check is taken.
fn around_origin(response: &[f64], origin: i64) -> Vec<f64> {
    let at = |n: usize| response[(origin + n as i64 - BEFORE as i64).rem_euclid(response.len() as i64) as usize];
    faded((0..LENGTH).map(at))
}
