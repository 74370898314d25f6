//! Several recordings of the same boxes.

use std::collections::BTreeMap;

use super::findings::{Findings, Offset};
use crate::sound_check::schedule::BoxNumber;

/// Returns how late each box is according to all recordings together, which have the same reference.
///
/// More recordings make it more certain only as far as they agree: what one states beyond chance, such
/// as where the recorder stood, does not average out.
pub fn combine<'a>(recordings: impl IntoIterator<Item = &'a Findings>) -> BTreeMap<BoxNumber, Offset> {
    let mut by_box: BTreeMap<BoxNumber, Vec<Offset>> = BTreeMap::new();
    for found in recordings.into_iter().flat_map(|findings| &findings.boxes) {
        if let Ok(offset) = found.result {
            by_box.entry(found.number).or_default().push(offset);
        }
    }
    by_box.into_iter().map(|(number, offsets)| (number, mean(&offsets))).collect()
}

fn mean(offsets: &[Offset]) -> Offset {
    let weight = |offset: &Offset| 1.0 / offset.plus_minus_ms.max(1e-3).powi(2);
    let total: f64 = offsets.iter().map(weight).sum();
    let ms = offsets.iter().map(|offset| weight(offset) * offset.ms).sum::<f64>() / total;
    let least_ms = offsets.iter().map(|offset| offset.plus_minus_ms).fold(f64::INFINITY, f64::min);
    let farthest_ms = offsets.iter().map(|offset| (offset.ms - ms).abs()).fold(0.0, f64::max);
    Offset { ms, plus_minus_ms: least_ms.max(farthest_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_that_disagree_make_the_answer_less_certain() {
        let offset = |ms: f64, plus_minus_ms: f64| Offset { ms, plus_minus_ms };
        let agreed = mean(&[offset(1.0, 0.02), offset(1.01, 0.02)]);
        assert!((agreed.ms - 1.005).abs() < 1e-9 && (agreed.plus_minus_ms - 0.02).abs() < 1e-9);
        let apart = mean(&[offset(1.0, 0.02), offset(1.4, 0.02)]);
        assert!((apart.ms - 1.2).abs() < 1e-9 && (apart.plus_minus_ms - 0.2).abs() < 1e-9);
    }
}
