//! How the two sweeps of a turn differ: by noise, by what disturbed them, or because two boxes sound as
//! one.

use super::response::{FINE_BEFORE, FINE_HZ, Response, Shape};
use super::transform::Transform;

/// A turn whose sweeps differ by more than this part of their energy was disturbed.
const DISTURBED: f64 = 0.5;
/// Two boxes with one number differ by at least this part.
const SECOND_BOX: f64 = 0.1;
/// And what differs is twice there, with opposite signs, to this part; 0.5 would be perfect.
const SECOND_BOX_TWICE: f64 = 0.3;

/// How the two sweeps of a turn differ.
pub(super) struct Contrast {
    /// The level of what they have in common, from 3 ms before to 15 ms after the turn was found.
    pub(super) level: f64,
    /// The energy of what differs there, as a part of that.
    difference: f64,
    /// How much of what differs is there a second time with the opposite sign, at the distance of
    /// another mark: 0.5 at most.
    repeats: f64,
}

impl Contrast {
    pub(super) fn of(response: &Response, shape: &Shape, fine: &Transform<f64>) -> Self {
        let (mean, difference) = (shape.apply(&response.mean), shape.apply(&response.difference));
        let (mean, difference) = (fine.signal(mean), fine.signal(difference));
        let at = |ms: f64| (FINE_BEFORE as f64 + ms * FINE_HZ / 1000.0) as usize;
        let energy = |signal: &[f64]| signal.iter().map(|x| x * x).sum::<f64>();
        let level = energy(&mean[at(-3.0)..at(15.0)]);
        // A second box may be heard up to 30 m later.
        let wide = &difference[at(-15.0)..at(70.0)];
        let whole = energy(wide).max(f64::MIN_POSITIVE);
        let repeated = |lag: usize| -wide.iter().zip(&wide[lag..]).map(|(a, b)| a * b).sum::<f64>() / whole;
        let repeats = [2.0, 4.0, 6.0]
            .into_iter()
            .flat_map(|ms: f64| {
                let lag = (ms * FINE_HZ / 1000.0) as usize;
                lag - 10..=lag + 10
            })
            .map(repeated)
            .fold(0.0, f64::max);
        Self {
            level: level.sqrt(),
            difference: whole / energy(&mean[at(-15.0)..at(70.0)]).max(f64::MIN_POSITIVE),
            repeats,
        }
    }

    /// Returns whether noise or a loss makes the turn useless.
    pub(super) fn is_disturbed(&self) -> bool {
        self.difference >= DISTURBED
    }

    /// Returns whether two boxes with the same number sound.
    pub(super) fn is_of_two(&self) -> bool {
        self.difference > SECOND_BOX && self.repeats > SECOND_BOX_TWICE
    }
}
