//! What arrives: the response of the air, taken apart.

use realfft::num_complex::Complex;

use super::super::arrival;
use super::super::compress::RATE_HZ;
use super::super::response::{FINE_LENGTH, Response, Shape, Spectrum, aligned_mean};
use super::super::transform::Transform;
use super::air::Air;
use super::{MusicArrival, MusicError};
use crate::sound_check::signal::HIGHEST_HZ;

/// How long before and after the loudest arrival others are looked for, in s.
const REACH_S: (f64, f64) = (0.040, 0.060);
/// What is weaker than this part of the loudest arrival is not told from what loudspeakers ring.
const LEAST_SHARE: f64 = 0.25;
/// An arrival must be there whichever group of windows is left out, but for as many.
const MISSING: usize = 1;
/// It must also be there in every group, but for as many, as this part of its loudness.
const THERE: f64 = 0.4;
/// Within this it is the same one, in s.
const SAME_S: f64 = 1.5e-4;
/// With a narrower band nothing is told apart, in Hz.
const LEAST_BANDWIDTH_HZ: f64 = 800.0;
/// The share of its energy that groups of windows must have in common.
const LEAST_ALIKE: f64 = 0.3;

/// What was found.
pub(super) struct Found {
    pub(super) arrivals: Vec<MusicArrival>,
    pub(super) bandwidth_hz: f64,
    pub(super) resolution_ms: f64,
}

/// Takes the response of the air apart.
pub(super) fn find(air: &Air) -> Result<Found, MusicError> {
    let fine = Transform::<f64>::new(FINE_LENGTH);
    let all: Vec<&Response> = air.responses.iter().collect();
    let shape = Shape::of(&all, HIGHEST_HZ);
    let bandwidth_hz = shape.bandwidth_hz();
    if bandwidth_hz < LEAST_BANDWIDTH_HZ {
        return Err(MusicError::Unclear);
    }
    let resolution_s = 1.2 / bandwidth_hz;
    let filtered: Vec<Spectrum> = all.iter().map(|response| shape.apply(&response.mean)).collect();
    let noises: Vec<Spectrum> = all.iter().map(|response| shape.apply(&response.difference)).collect();
    let mean = |spectra: &[Spectrum], without: Option<usize>| {
        let weights: Vec<f64> = (0..spectra.len()).map(|n| if Some(n) == without { 0.0 } else { 1.0 }).collect();
        aligned_mean(spectra, &vec![0.0; spectra.len()], &weights, FINE_LENGTH as f64 / RATE_HZ as f64)
    };
    let together = mean(&filtered, None);
    let noise = mean(&noises, None);
    if energy(&together) < LEAST_ALIKE * filtered.iter().map(|one| energy(one)).sum::<f64>() / filtered.len() as f64 {
        return Err(MusicError::Unclear);
    }
    let pulses = |response: &Spectrum| arrival::all(response, &noise, &shape.band, &fine, REACH_S);
    let found = merged(pulses(&together), resolution_s);
    let again: Vec<Vec<(f64, f64)>> =
        (0..filtered.len()).map(|left_out| merged(pulses(&mean(&filtered, Some(left_out))), resolution_s)).collect();
    let heights: Vec<_> = filtered.iter().map(|response| arrival::heights(response, &shape.band, &fine)).collect();
    let loudest = found.iter().map(|pulse| pulse.1.abs()).fold(0.0, f64::max);
    let sign = found.iter().find(|pulse| pulse.1.abs() >= loudest).map_or(1.0, |pulse| pulse.1.signum());
    // When, how loud, and how sure.
    let mut sure: Vec<(f64, f64, f64)> = Vec::new();
    for (at_s, amplitude) in found.into_iter().filter(|pulse| pulse.1.abs() >= LEAST_SHARE * loudest) {
        let nearest = |pulses: &Vec<(f64, f64)>| {
            let distance = |pulse: &(f64, f64)| pulse.0 - at_s;
            pulses.iter().map(distance).min_by(|a, b| a.abs().total_cmp(&b.abs())).filter(|d| d.abs() <= SAME_S)
        };
        let distances: Vec<f64> = again.iter().filter_map(nearest).collect();
        // Where the recorder lost something, half of the recording would show an arrival that is
        // none.
        let there = heights.iter().filter(|heights| heights(at_s) * amplitude.signum() >= THERE * amplitude.abs());
        if distances.len() + MISSING >= again.len() && there.count() + MISSING >= heights.len() {
            let count = distances.len().max(1) as f64;
            // Jackknife, as for the arrivals of sweeps.
            let spread_s = (distances.iter().map(|d| d * d).sum::<f64>() * (count - 1.0) / count).sqrt();
            sure.push((at_s, amplitude, spread_s));
        }
    }
    sure.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some(first) = sure.first().copied() else { return Err(MusicError::Unclear) };
    let floor_s = 0.05 * resolution_s;
    let arrivals = sure.iter().enumerate().map(|(index, (at_s, amplitude, spread_s))| MusicArrival {
        ms: (at_s - first.0) * 1e3,
        plus_minus_ms: if index == 0 { 0.0 } else { (3.0 * spread_s).hypot(3.0 * first.2).hypot(floor_s) * 1e3 },
        db: 20.0 * (amplitude.abs() / loudest).log10(),
        inverted: amplitude * sign < 0.0,
    });
    Ok(Found { arrivals: arrivals.collect(), bandwidth_hz, resolution_ms: resolution_s * 1e3 })
}

fn energy(spectrum: &[Complex<f64>]) -> f64 {
    spectrum.iter().map(Complex::norm_sqr).sum()
}

/// Leaves the strongest of pulses that cannot be told apart.
fn merged(mut pulses: Vec<(f64, f64)>, resolution_s: f64) -> Vec<(f64, f64)> {
    pulses.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let mut left: Vec<(f64, f64)> = Vec::new();
    for pulse in pulses {
        if left.iter().all(|other| (other.0 - pulse.0).abs() > resolution_s) {
            left.push(pulse);
        }
    }
    left
}
