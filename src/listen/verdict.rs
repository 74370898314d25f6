//! From the turns of each box to what is said of it.

use realfft::num_complex::Complex;

use super::analysis::{Fitted, Known, SOUND_M_PER_S};
use super::arrival::{self, Arrival};
use super::clock::ClockFit;
use super::findings::{BoxFinding, Doubt, ListenError, Offset, Point};
use super::noise_floor::median;
use super::response::{FINE_BEFORE, FINE_HZ, Shape};
use super::transform::Transform;
use crate::sound_check::schedule::BoxNumber;

/// A box that is later than the others by more is not believed, in s: no sound card is.
const LATEST_S: f64 = 0.060;
/// An answer that is less certain is none, in ms: 3 cm of air.
const LEAST_CERTAIN_MS: f64 = 0.1;
/// A box that is fainter than the one in the middle by this factor and later by [`FAR_S`] may be
/// another ride's.
const FAR_FACTOR: f64 = 0.25;
const FAR_S: f64 = 0.015;

/// Finds a box's first arrival, and says what is doubtful about it.
pub(super) fn examine(
    fitted: &Fitted,
    fit: &ClockFit,
    shape: &Shape,
    fine: &Transform<f64>,
    known: &Known,
) -> BoxFinding {
    let first = arrival::first(&fitted.mean, &fitted.noise, &shape.band, fine);
    let again: Vec<Arrival> =
        fitted.without_one.iter().filter_map(|mean| arrival::first(mean, &fitted.noise, &shape.band, fine)).collect();
    let used = fitted.turns.iter().filter(|(index, _)| fit.counts[*index]).count();
    let air_s = known.distances_m.get(&fitted.number).map_or(0.0, |m| m / SOUND_M_PER_S);
    let result = match first {
        _ if fitted.has_second_box => Err(Doubt::TwoBoxes),
        None => Err(Doubt::Unclear),
        Some(_) if used < 2 => Err(Doubt::HeardOnce),
        Some(first) => {
            // Jackknife: how much the first arrival depends on single turns.
            let count = again.len().max(1) as f64;
            let jackknife = again.iter().map(|a| (a.at_s - first.at_s).powi(2)).sum::<f64>() * (count - 1.0) / count;
            let offset_s = fit.offsets_s.get(&fitted.number).copied().unwrap_or(0.0) + first.at_s - air_s;
            Ok(Offset { ms: offset_s * 1e3, plus_minus_ms: own_uncertainty_s(&first, jackknife.sqrt(), shape) * 1e3 })
        }
    };
    let offset_s = fit.offsets_s.get(&fitted.number).copied().unwrap_or(0.0);
    BoxFinding {
        number: fitted.number,
        heard_turns: fitted.heard_turns,
        used_turns: used,
        level: fitted.level,
        similarity: median(fitted.similarities.clone()),
        first_share: first.map_or(0.0, |first| first.share),
        result,
        points: fitted
            .turns
            .iter()
            .map(|(index, at_s)| Point {
                at_s: *at_s,
                ms: (offset_s + fit.residuals_s[*index] + first.map_or(0.0, |first| first.at_s) - air_s) * 1e3,
                is_used: fit.counts[*index],
            })
            .collect(),
        response: picture(&fitted.mean, first.map_or(0.0, |first| first.at_s), fine),
        clarity: first.map_or(0.0, |first| first.clarity),
        ambiguity_ms: first.map_or(0.0, |first| first.ambiguity_s * 1e3),
    }
}

/// Returns how uncertain a first arrival is by itself, in s.
fn own_uncertainty_s(first: &Arrival, jackknife_s: f64, shape: &Shape) -> f64 {
    // Pulses nearer than this are not told apart.
    let width_s = 0.5 / shape.bandwidth_hz().max(1.0);
    let floor_s = 0.05 * width_s;
    let hidden_s = width_s * 0.5 * (1.0 - first.clarity).max(0.0);
    let weak_s = if first.share.abs() < 0.5 { 0.2 * width_s } else { 0.0 };
    (floor_s.powi(2) + (3.0 * jackknife_s).powi(2) + (0.4 * hidden_s).powi(2) + weak_s.powi(2)).sqrt()
}

/// Returns the response around the first arrival, from 5 ms before to 15 ms after it, every 1/96 ms.
fn picture(mean: &[Complex<f64>], first_s: f64, fine: &Transform<f64>) -> Vec<f32> {
    let signal = fine.signal(mean.to_vec());
    let from = FINE_BEFORE as f64 + (first_s - 0.005) * FINE_HZ;
    let from = (from.max(0.0) as usize).min(signal.len());
    let piece = &signal[from..(from + (0.020 * FINE_HZ) as usize).min(signal.len())];
    let largest = piece.iter().fold(f64::MIN_POSITIVE, |a, b| a.max(b.abs()));
    piece.iter().map(|x| (x / largest) as f32).collect()
}

/// Compares the boxes with one of them, and leaves out what cannot be believed. Returns the reference.
pub(super) fn judge(boxes: &mut [BoxFinding], fit: &ClockFit, known: &Known) -> Result<BoxNumber, ListenError> {
    let middle_level = median(boxes.iter().map(|one| one.level).filter(|level| *level > 0.0).collect());
    let offsets: Vec<f64> = boxes.iter().filter_map(|one| one.result.ok()).map(|offset| offset.ms).collect();
    let middle_ms = median(offsets);
    for one in boxes.iter_mut() {
        if one.result.is_ok_and(|offset| offset.plus_minus_ms > LEAST_CERTAIN_MS) {
            one.result = Err(Doubt::Unclear);
        }
    }
    for one in boxes.iter_mut() {
        if let Ok(offset) = one.result {
            let late_ms = offset.ms - middle_ms;
            let is_faint = one.level < FAR_FACTOR * middle_level && late_ms > FAR_S * 1e3;
            if late_ms.abs() > LATEST_S * 1e3 || is_faint {
                one.result = Err(Doubt::TooLate);
            }
        }
    }
    let believed: Vec<(BoxNumber, Offset)> =
        boxes.iter().filter_map(|one| Some((one.number, one.result.ok()?))).collect();
    refuse_too_few(boxes)?;
    let reference = match known.reference {
        Some(number) => number,
        None => {
            let mut sorted = believed.clone();
            sorted.sort_by(|a, b| a.1.ms.total_cmp(&b.1.ms));
            sorted[(sorted.len() - 1) / 2].0
        }
    };
    let Some((_, origin)) = believed.iter().find(|(number, _)| *number == reference).copied() else {
        return Err(ListenError::NoReference(reference));
    };
    for one in boxes.iter_mut() {
        let between_ms = 2.0 * fit.sigma_between_s(one.number, reference) * 1e3;
        if let Ok(offset) = &mut one.result {
            offset.ms -= origin.ms;
            let own = if one.number == reference { 0.0 } else { offset.plus_minus_ms.hypot(origin.plus_minus_ms) };
            offset.plus_minus_ms = own.hypot(between_ms);
            if offset.plus_minus_ms > LEAST_CERTAIN_MS {
                one.result = Err(Doubt::Unclear);
            }
        }
        one.points.iter_mut().for_each(|point| point.ms -= origin.ms);
    }
    refuse_too_few(boxes)?;
    Ok(reference)
}

fn refuse_too_few(boxes: &[BoxFinding]) -> Result<(), ListenError> {
    if boxes.iter().filter(|one| one.result.is_ok()).count() >= 2 {
        return Ok(());
    }
    Err(ListenError::TooFewBoxes { boxes: boxes.iter().map(|one| (one.number, one.result.err())).collect() })
}
