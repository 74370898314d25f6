//! The recorder's clock: which place of the track is heard at each sample of the recording.

use std::f64::consts::PI;

use realfft::num_complex::Complex;

use super::super::compress::RATE_HZ;
use super::super::response::parabola;
use super::super::transform::Transform;
use super::{Candidate, MusicError};

/// A window of the recording, in samples: 2.7 s.
pub(super) const WINDOW: usize = 1 << 16;
/// At most as many windows.
pub(super) const WINDOWS: usize = 300;
/// How far a window may be from where it is expected, in samples.
const REACH: i64 = (0.15 * RATE_HZ as f64) as i64;
/// The band that counts: within a window the recorder's clock changes higher frequencies, in Hz.
const BAND_HZ: (f64, f64) = (400.0, 2500.0);
/// A correlation counts if it is so many standard deviations high.
const LEAST_SIGMAS: f64 = 7.0;
/// Recorders' clocks are not further off.
const CLOCK: f64 = 1.5e-4;
/// Windows within this of the line are on it, in samples: 0.3 ms.
const ON_IT: f64 = 3e-4 * RATE_HZ as f64;
/// Windows within this are of boxes that are further away, in samples: 60 ms.
const NEAR_IT: f64 = 0.06 * RATE_HZ as f64;
/// How many windows on either side are around one, and how many of them must be on the line.
const AROUND: usize = 4;
const AROUND_ON_IT: usize = 2;
/// As large a part of the windows must be on it.
const LEAST_PART: f64 = 0.3;

/// At sample `t` of the recording, sample `offset + (1 + slope) * t` of the track is heard.
#[derive(Debug, Clone)]
pub(super) struct Line {
    offset: f64,
    slope: f64,
    /// Where the windows begin that are on it or near it.
    pub(super) windows: Vec<usize>,
}

impl Line {
    /// Returns which sample of the track is heard at a sample of the recording.
    pub(super) fn at(&self, sample: f64) -> f64 {
        self.offset + (1.0 + self.slope) * sample
    }

    /// Returns how fast the recorder's clock is, in ppm.
    pub(super) fn clock_ppm(&self) -> f64 {
        -self.slope * 1e6
    }

    pub(super) fn fit(
        recording: &[f32],
        candidate: &Candidate,
        track: &[f32],
        track_from: i64,
    ) -> Result<Self, MusicError> {
        let transform = Transform::<f64>::new(WINDOW);
        let starts = starts(recording.len());
        // When each window's middle is, and by how much the track is ahead of the recording there.
        let mut points: Vec<(f64, f64, usize)> = Vec::new();
        for start in &starts {
            let expected = (*start as f64 + candidate.offset).round();
            let Some(played) = piece(track, expected as i64 - track_from, WINDOW) else { continue };
            let heard = &recording[*start..*start + WINDOW];
            if let Some(late) = late(heard, played, &transform) {
                points.push(((start + WINDOW / 2) as f64, expected - *start as f64 - late, *start));
            }
        }
        let least = 3.0_f64.max(LEAST_PART * points.len() as f64);
        let (slope, offset) = steepest(&points);
        let on_it = |slope: f64, offset: f64| {
            points.iter().filter(move |(at, ahead, _)| (ahead - slope * at - offset).abs() <= ON_IT)
        };
        let near: Vec<_> = on_it(slope, offset).copied().collect();
        let (slope, offset) = least_squares(&near);
        if (on_it(slope, offset).count() as f64) < least {
            return Err(MusicError::Unclear);
        }
        let off: Vec<f64> = points.iter().map(|(at, ahead, _)| (ahead - slope * at - offset).abs()).collect();
        // Where another box is louder, a window is that box's distance off the line, and counts if others
        // around it are on it: after a loss, none is.
        let counts = |index: usize| {
            let around = &off[index.saturating_sub(AROUND)..(index + AROUND + 1).min(off.len())];
            off[index] <= NEAR_IT && around.iter().filter(|off| **off <= ON_IT).count() >= AROUND_ON_IT
        };
        let windows = (0..points.len()).filter(|index| counts(*index)).map(|index| points[index].2).collect();
        Ok(Self { offset, slope, windows })
    }
}

/// Returns where windows begin: half a window apart, or more in a long recording.
fn starts(length: usize) -> Vec<usize> {
    let last = length.saturating_sub(WINDOW);
    let step = (WINDOW / 2).max(last / WINDOWS);
    (0..=last).step_by(step).collect()
}

/// Returns a part of a track that may begin before what is there of it.
fn piece(track: &[f32], from: i64, length: usize) -> Option<&[f32]> {
    let from = usize::try_from(from).ok()?;
    track.get(from..from + length)
}

/// Returns by how many samples the heard is later than the played, within ±[`REACH`]; `None` if
/// that does not stand out.
fn late(heard: &[f32], played: &[f32], transform: &Transform<f64>) -> Option<f64> {
    let (heard, played) = (transform.spectrum(&hann(heard)), transform.spectrum(&hann(played)));
    let mut count = 0.0_f64;
    let product = heard.iter().zip(&played).enumerate().map(|(bin, (a, b))| {
        let frequency = bin as f64 * RATE_HZ as f64 / WINDOW as f64;
        let product = a * b.conj();
        if !(BAND_HZ.0..BAND_HZ.1).contains(&frequency) || product.norm() <= 0.0 {
            return Complex::new(0.0, 0.0);
        }
        count += 1.0;
        product / product.norm()
    });
    let product = product.collect();
    let correlation = transform.signal(product);
    let value = |n: i64| correlation[n.rem_euclid(WINDOW as i64) as usize];
    let best = (-REACH..=REACH).max_by(|a, b| value(*a).abs().total_cmp(&value(*b).abs()))?;
    if value(best).abs() < LEAST_SIGMAS * (2.0 * count).sqrt().max(1.0) {
        return None;
    }
    let (between, _) = parabola(value(best - 1), value(best), value(best + 1));
    Some(best as f64 + between)
}

/// Returns samples under a Hann window.
pub(super) fn hann(samples: &[f32]) -> Vec<f64> {
    let length = samples.len() as f64;
    samples.iter().enumerate().map(|(n, x)| f64::from(*x) * (PI * (n as f64 + 0.5) / length).sin().powi(2)).collect()
}

/// Returns slope and offset of the line that most points are on: they may jump from box to box.
fn steepest(points: &[(f64, f64, usize)]) -> (f64, f64) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return (0.0, 0.0) };
    let step = (0.5 * ON_IT / (last.0 - first.0).max(1.0)).max(1e-7);
    let steps = (CLOCK / step).ceil() as i64;
    let mut best = (0, (0.0, 0.0));
    // The gentlest of equal ones.
    for n in (0..=steps).flat_map(|n| [n, -n]) {
        let slope = n as f64 * step;
        let mut rests: Vec<f64> = points.iter().map(|(at, ahead, _)| ahead - slope * at).collect();
        rests.sort_by(f64::total_cmp);
        let mut from = 0;
        for to in 0..rests.len() {
            while rests[to] - rests[from] > ON_IT {
                from += 1;
            }
            if to + 1 - from > best.0 {
                best = (to + 1 - from, (slope, f64::midpoint(rests[from], rests[to])));
            }
        }
    }
    best.1
}

fn least_squares(points: &[(f64, f64, usize)]) -> (f64, f64) {
    let count = points.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64, usize)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let squares: f64 = points.iter().map(|point| (point.0 - x_mean).powi(2)).sum();
    let products: f64 = points.iter().map(|point| (point.0 - x_mean) * (point.1 - y_mean)).sum();
    let slope = if squares > 0.0 { products / squares } else { 0.0 };
    (slope, y_mean - slope * x_mean)
}
