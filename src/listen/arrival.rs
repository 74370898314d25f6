//! The first arrival in a response: not the loudest, and not what its echoes make of it.
//!
//! The response is taken apart into pulses of the known shape, strongest first, all of whose places and
//! amplitudes are fitted anew with each one that is added (orthogonal matching pursuit: Y. Pati, R.
//! Rezaiifar, P. Krishnaprasad, Asilomar 1993). The first of them that is not much weaker than the
//! strongest is the direct sound.

use realfft::num_complex::Complex;

use super::response::{FINE_BEFORE, FINE_HZ, FINE_LENGTH, parabola};
use super::transform::Transform;

/// The direct sound is at least this part of the strongest arrival: more than 12 dB weaker, and it
/// is hidden.
const FIRST_SHARE: f64 = 0.25;
/// Pulses are taken out down to this part of the strongest.
const LEAST_SHARE: f64 = 0.08;
/// And down to this many standard deviations of the noise.
const LEAST_SIGMAS: f64 = 5.0;
/// At most as many.
const MOST: usize = 40;
/// How long before and after the place where the turn was found pulses are looked for, in s.
const FROM_S: f64 = 0.030;
const TO_S: f64 = 0.004;

/// A pulse in a response.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pulse {
    /// Samples of the fine rate.
    place: f64,
    amplitude: f64,
}

/// The first arrival.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Arrival {
    /// When it is, in s after the place where the turn was found.
    pub(super) at_s: f64,
    /// When the strongest of those within 1 ms of it is.
    pub(super) strongest_s: f64,
    /// Its amplitude as a part of the strongest arrival's, with the strongest's sign as 1.
    pub(super) share: f64,
    /// How far the next weaker choice would be from it, in s: what a threshold of half or twice the
    /// height would have chosen.
    pub(super) ambiguity_s: f64,
    /// The part of the response's energy near the first arrival that is the first arrival.
    pub(super) clarity: f64,
}

/// Finds the first arrival in a filtered response. `band` is the spectrum of a pulse, and `noise` what
/// of the response is noise. `None` in noise alone.
pub(super) fn first(
    response: &[Complex<f64>],
    noise: &[Complex<f64>],
    band: &[f64],
    fine: &Transform<f64>,
) -> Option<Arrival> {
    let squares: f64 = band.iter().map(|x| x * x).sum();
    if squares <= 0.0 {
        return None;
    }
    // Correlated with the pulse, and scaled so that a pulse of amplitude 1 has height 1.
    let matched = |spectrum: &[Complex<f64>]| -> Vec<f64> {
        fine.signal(spectrum.iter().zip(band).map(|(x, band)| x * band / (2.0 * squares)).collect())
    };
    let heights = matched(response);
    let noise = matched(noise);
    let sigma = (noise.iter().map(|x| x * x).sum::<f64>() / noise.len() as f64).sqrt();
    let pulse = fine.signal(band.iter().map(|x| Complex::new(x * x / (2.0 * squares), 0.0)).collect());
    let pulses = pulses(&heights, &pulse, sigma, (FROM_S, TO_S));
    let strongest = pulses.iter().map(|pulse| pulse.amplitude.abs()).fold(0.0, f64::max);
    let sign =
        pulses.iter().find(|pulse| pulse.amplitude.abs() >= strongest).map_or(1.0, |pulse| pulse.amplitude.signum());
    let first_above = |share: f64| {
        pulses
            .iter()
            .filter(|pulse| pulse.amplitude.abs() >= share * strongest)
            .min_by(|a, b| a.place.total_cmp(&b.place))
    };
    let first = first_above(FIRST_SHARE)?;
    let others = [0.5 * FIRST_SHARE, 1.5 * FIRST_SHARE].map(|share| first_above(share).unwrap_or(first));
    let ambiguity = others.iter().map(|other| (other.place - first.place).abs()).fold(0.0, f64::max);
    let near = |pulse: &&Pulse| (pulse.place - first.place).abs() < 0.001 * FINE_HZ;
    let energy: f64 = pulses.iter().filter(near).map(|pulse| pulse.amplitude.powi(2)).sum();
    let loudest =
        pulses.iter().filter(near).max_by(|a, b| a.amplitude.abs().total_cmp(&b.amplitude.abs())).unwrap_or(first);
    Some(Arrival {
        strongest_s: (loudest.place - FINE_BEFORE as f64) / FINE_HZ,
        at_s: (first.place - FINE_BEFORE as f64) / FINE_HZ,
        share: first.amplitude / (sign * strongest),
        ambiguity_s: ambiguity / FINE_HZ,
        clarity: first.amplitude.powi(2) / energy.max(f64::MIN_POSITIVE),
    })
}

/// Returns how high a pulse would be at a time after the place where a response was found, in s, if there
/// were no other.
pub(super) fn heights(response: &[Complex<f64>], band: &[f64], fine: &Transform<f64>) -> impl Fn(f64) -> f64 {
    let squares: f64 = band.iter().map(|x| x * x).sum::<f64>().max(f64::MIN_POSITIVE);
    let heights = fine.signal(response.iter().zip(band).map(|(x, band)| x * band / (2.0 * squares)).collect());
    move |at_s| interpolated(&heights, FINE_BEFORE as f64 + at_s * FINE_HZ)
}

/// Takes a response apart into all pulses from `before_s` before to `after_s` after the place where it was
/// found: when each one is, in s after that place, and its amplitude.
pub(super) fn all(
    response: &[Complex<f64>],
    noise: &[Complex<f64>],
    band: &[f64],
    fine: &Transform<f64>,
    reach_s: (f64, f64),
) -> Vec<(f64, f64)> {
    let squares: f64 = band.iter().map(|x| x * x).sum();
    if squares <= 0.0 {
        return Vec::new();
    }
    let matched = |spectrum: &[Complex<f64>]| -> Vec<f64> {
        fine.signal(spectrum.iter().zip(band).map(|(x, band)| x * band / (2.0 * squares)).collect())
    };
    let (heights, noise) = (matched(response), matched(noise));
    let sigma = (noise.iter().map(|x| x * x).sum::<f64>() / noise.len() as f64).sqrt();
    let pulse = fine.signal(band.iter().map(|x| Complex::new(x * x / (2.0 * squares), 0.0)).collect());
    let at_s = |place: f64| (place - FINE_BEFORE as f64) / FINE_HZ;
    pulses(&heights, &pulse, sigma, reach_s).iter().map(|pulse| (at_s(pulse.place), pulse.amplitude)).collect()
}

/// Takes a response apart into pulses.
fn pulses(heights: &[f64], pulse: &[f64], sigma: f64, (before_s, after_s): (f64, f64)) -> Vec<Pulse> {
    let from = FINE_BEFORE.saturating_sub((before_s * FINE_HZ) as usize);
    let to = (FINE_BEFORE + (after_s * FINE_HZ) as usize).min(heights.len());
    let mut pulses: Vec<Pulse> = Vec::new();
    let mut rest = heights.to_vec();
    while pulses.len() < MOST {
        let strongest = pulses.iter().map(|pulse| pulse.amplitude.abs()).fold(0.0, f64::max);
        let Some(best) = (from..to).max_by(|a, b| rest[*a].abs().total_cmp(&rest[*b].abs())) else { break };
        if rest[best].abs() < (LEAST_SHARE * strongest).max(LEAST_SIGMAS * sigma) || rest[best] == 0.0 {
            break;
        }
        pulses.push(Pulse { place: best as f64, amplitude: rest[best] });
        for _ in 0..3 {
            refine(&mut pulses, heights, pulse);
        }
        rest = remainder(heights, pulse, &pulses);
    }
    pulses
}

/// Returns the heights without the pulses.
fn remainder(heights: &[f64], pulse: &[f64], pulses: &[Pulse]) -> Vec<f64> {
    let mut rest = heights.to_vec();
    for one in pulses {
        let whole = one.place.floor();
        let part = one.place - whole;
        // The pulse between its samples, once for all of them.
        let shifted: Vec<f64> = (0..FINE_LENGTH).map(|n| interpolated(pulse, n as f64 - part)).collect();
        for (n, x) in rest.iter_mut().enumerate() {
            let index = (n as i64 - whole as i64).rem_euclid(FINE_LENGTH as i64) as usize;
            *x -= one.amplitude * shifted[index];
        }
    }
    rest
}

/// Fits places one by one, then all amplitudes together.
fn refine(pulses: &mut [Pulse], heights: &[f64], pulse: &[f64]) {
    for index in 0..pulses.len() {
        let this = pulses[index];
        let without = |place: f64| {
            let others = pulses.iter().enumerate().filter(|(other, _)| *other != index);
            interpolated(heights, place)
                - others.map(|(_, other)| other.amplitude * interpolated(pulse, place - other.place)).sum::<f64>()
        };
        let (before, here, after) = (without(this.place - 1.0), without(this.place), without(this.place + 1.0));
        let is_extremum = (here - before) * (here - after) > 0.0 || here.abs() >= before.abs().max(after.abs());
        let (between, _) = parabola(before, here, after);
        let moved = if is_extremum {
            between
        } else if before.abs() > after.abs() {
            -0.5
        } else {
            0.5
        };
        pulses[index].place += moved;
    }
    let size = pulses.len();
    let mut matrix: Vec<Vec<f64>> = (0..size)
        .map(|a| {
            let mut line: Vec<f64> =
                (0..size).map(|b| interpolated(pulse, pulses[a].place - pulses[b].place)).collect();
            // A little more than 1 on the diagonal: pulses that fall together stay finite.
            line[a] *= 1.000_1;
            line.push(interpolated(heights, pulses[a].place));
            line
        })
        .collect();
    if let Some(amplitudes) = solved(&mut matrix) {
        pulses.iter_mut().zip(amplitudes).for_each(|(pulse, amplitude)| pulse.amplitude = amplitude);
    }
}

/// Solves linear equations, each a line whose last value is the right side.
fn solved(matrix: &mut [Vec<f64>]) -> Option<Vec<f64>> {
    let size = matrix.len();
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        if matrix[pivot][column].abs() < 1e-9 {
            return None;
        }
        matrix.swap(column, pivot);
        for other in column + 1..size {
            let factor = matrix[other][column] / matrix[column][column];
            let pivot = matrix[column].clone();
            matrix[other].iter_mut().zip(&pivot).skip(column).for_each(|(x, y)| *x -= factor * y);
        }
    }
    let mut solution = vec![0.0; size];
    for line in (0..size).rev() {
        let known: f64 = (line + 1..size).map(|n| matrix[line][n] * solution[n]).sum();
        solution[line] = (matrix[line][size] - known) / matrix[line][line];
    }
    Some(solution)
}

/// Returns the value of a periodic signal between its samples: a cubic through the four nearest. At
/// the fine rate the signal changes slowly.
fn interpolated(signal: &[f64], place: f64) -> f64 {
    let whole = place.floor();
    let t = place - whole;
    let at = |offset: i64| signal[(whole as i64 + offset).rem_euclid(signal.len() as i64) as usize];
    let (a, b, c, d) = (at(-1), at(0), at(1), at(2));
    -t * (t - 1.0) * (t - 2.0) / 6.0 * a + (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0 * b
        - (t + 1.0) * t * (t - 2.0) / 2.0 * c
        + (t + 1.0) * t * (t - 1.0) / 6.0 * d
}
