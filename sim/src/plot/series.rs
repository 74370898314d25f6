//! From a sample every second to as many points as there are pixels.

use jaudiosync_time::Span;

use super::super::sample::{BoxSample, TimeState};
use crate::true_time::ride_minutes;

/// Minutes since the ride began, and a value.
pub(super) type Point = (f64, f64);

/// Unbroken pieces of a line. Of each column of pixels the least and the largest value remain, in
/// their order, so that the line looks as it would with all points.
pub(super) fn decimate(
    samples: &[BoxSample],
    columns: usize,
    value: impl Fn(&BoxSample) -> Option<f64>,
) -> Vec<Vec<Point>> {
    let per_column = samples.len().div_ceil(columns.max(1)).max(1);
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    let mut piece: Vec<Point> = Vec::new();
    for column in samples.chunks(per_column) {
        let mut extremes: Option<(Point, Point)> = None;
        for sample in column {
            let Some(value) = value(sample).filter(|value| value.is_finite()) else {
                flush(&mut extremes, &mut piece);
                if !piece.is_empty() {
                    pieces.push(std::mem::take(&mut piece));
                }
                continue;
            };
            let point = (ride_minutes(sample.time), value);
            extremes = Some(extremes.map_or((point, point), |(least, most)| {
                (if value < least.1 { point } else { least }, if value > most.1 { point } else { most })
            }));
        }
        flush(&mut extremes, &mut piece);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

fn flush(extremes: &mut Option<(Point, Point)>, piece: &mut Vec<Point>) {
    let Some((least, most)) = extremes.take() else { return };
    let (first, second) = if least.0 <= most.0 { (least, most) } else { (most, least) };
    piece.push(first);
    if second != first {
        piece.push(second);
    }
}

/// The median of the boxes' bounds in ms over time, in unbroken pieces.
pub(super) fn bound_of_fleet(fleet: &[Vec<BoxSample>], columns: usize) -> Vec<Vec<Point>> {
    let seconds = fleet.iter().map(Vec::len).min().unwrap_or(0);
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    let mut is_broken = true;
    for second in (0..seconds).step_by(seconds.div_ceil(columns.max(1)).max(1)) {
        let of_boxes = || fleet.iter().filter_map(|samples| samples.get(second));
        let mut bounds: Vec<f64> = of_boxes().filter_map(stated_ms).collect();
        bounds.sort_by(f64::total_cmp);
        match (bounds.get(bounds.len() / 2), of_boxes().next()) {
            (Some(&bound_ms), Some(sample)) => {
                if is_broken {
                    pieces.push(Vec::new());
                }
                is_broken = false;
                if let Some(piece) = pieces.last_mut() {
                    piece.push((ride_minutes(sample.time), bound_ms));
                }
            }
            _ => is_broken = true,
        }
    }
    pieces
}

/// Returns how late a box is heard, in ms.
pub(super) fn error_ms(sample: &BoxSample) -> Option<f64> {
    sample.dac_error_ns_f64.map(|error_ns_f64| error_ns_f64 * 1e-6)
}

fn stated_ms(sample: &BoxSample) -> Option<f64> {
    let has_time = !matches!(sample.state, TimeState::Off | TimeState::Unset);
    sample.stated_bound.filter(|_| has_time).map(Span::ms)
}

/// How far the axis reaches, and the largest error there is, in ms. A few seconds of a fault must
/// not make all else a flat line, and neither must a bound that is large.
pub(super) fn reach_ms(fleet: &[Vec<BoxSample>]) -> (f64, f64) {
    let mut errors: Vec<f64> = fleet.iter().flatten().filter_map(error_ms).map(f64::abs).collect();
    errors.sort_by(f64::total_cmp);
    let largest_ms = errors.last().copied().unwrap_or(0.0);
    let usual_ms = errors.get(errors.len() * 99 / 100).copied().unwrap_or(0.0);
    let errors_ms = largest_ms.min(3.0 * usual_ms);
    let mut bounds: Vec<f64> = fleet.iter().flatten().filter_map(stated_ms).collect();
    bounds.sort_by(f64::total_cmp);
    let bound_ms = bounds.get(bounds.len() * 95 / 100).copied().unwrap_or(0.0);
    ((errors_ms.max(bound_ms.min(3.0 * errors_ms)) * 1.15).max(0.01), largest_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::true_time::RIDE_START;

    fn sample(second: i64, error_ms: Option<f64>) -> BoxSample {
        let off = BoxSample::off(RIDE_START + Span::from_seconds(second), 20.0);
        BoxSample { dac_error_ns_f64: error_ms.map(|ms| ms * 1e6), ..off }
    }

    #[test]
    fn the_extremes_of_each_column_remain_and_gaps_stay_gaps() {
        let mut samples: Vec<BoxSample> = (0..10_000).map(|second| sample(second, Some(0.5))).collect();
        samples[4321] = sample(4321, Some(-9.0));
        samples[8000] = sample(8000, None);
        let pieces = decimate(&samples, 100, error_ms);
        assert_eq!(pieces.len(), 2);
        assert!(pieces.iter().map(Vec::len).sum::<usize>() < 300);
        let least = pieces.iter().flatten().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert!((least.0 - 4321.0 / 60.0).abs() < 1e-9 && least.1 == -9.0);
        assert!(pieces.iter().all(|piece| piece.is_sorted_by(|a, b| a.0 <= b.0)));
    }

    #[test]
    fn a_few_seconds_of_a_fault_do_not_set_the_scale() {
        let mut samples: Vec<BoxSample> = (0..10_000).map(|second| sample(second, Some(1.0))).collect();
        samples[5] = sample(5, Some(2000.0));
        let (reach, largest) = reach_ms(&[samples]);
        assert!(reach < 4.0 && largest == 2000.0, "{reach}");
        assert_eq!(reach_ms(&[]), (0.01, 0.0));
    }
}
