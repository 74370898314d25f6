//! The recorder's clock, and where each box's sound is on it.
//!
//! One straight line is fitted to all turns of all boxes, with an offset for each box and one for each
//! part of the recording. A recorder that lost samples has made a step: where one explains what the
//! line does not, the recording is taken as two parts there.

use std::collections::BTreeMap;

use crate::sound_check::schedule::BoxNumber;

/// When a turn was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// Whose turn.
    pub number: BoxNumber,
    /// The whole second of the schedule on which it began.
    pub second: i64,
    /// The part of the recording.
    pub part: usize,
    /// When it was heard, in s of the recording.
    pub at_s: f64,
}

/// The fit.
#[derive(Debug, Clone, PartialEq)]
pub struct ClockFit {
    /// How fast the recorder's clock is, in parts per million.
    pub clock_ppm: f64,
    /// By how much each box is later than the first of them, in s.
    pub offsets_s: BTreeMap<BoxNumber, f64>,
    /// What each turn is later than the fit says, in s.
    pub residuals_s: Vec<f64>,
    /// Whether each turn counts, or is too far from the fit.
    pub counts: Vec<bool>,
    /// The standard deviation of a turn, in s.
    pub sigma_s: f64,
    /// The variance of each box's offset against each other's, for a standard deviation of 1.
    covariance: Vec<Vec<f64>>,
    /// The turns before which the recorder lost something, and how much, in s.
    pub steps: Vec<(usize, f64)>,
}

/// Why there is no fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoFit {
    /// No box was heard twice in one part: the recorder's clock cannot be known.
    #[error("no box was heard twice without a pause")]
    NoClock,
    /// Some boxes were heard only in another part than the others.
    #[error("the parts of the recording have no box in common")]
    NotConnected,
}

/// The least standard deviation of a turn that is believed, in s.
const LEAST_SIGMA_S: f64 = 1e-6;
/// Turns of a box that agree better than this are not told apart, in s.
const LEAST_SPREAD_S: f64 = 3e-6;
/// What is left of the weight of a turn that does not count.
const LEAST_WEIGHT: f64 = 1e-6;
/// A step is looked for where turns are this far from the line, in s.
const STEP_S: f64 = 40e-6;
/// A pivot below this is a column that the others determine: the least weight is far above it.
const SINGULAR: f64 = 1e-9;
/// At most as many steps are believed.
const MOST_STEPS: usize = 4;
/// A step must shrink the sum of squares to this part.
const STEP_SHRINKS: f64 = 0.2;

impl ClockFit {
    /// Fits the line to turns in the order of time.
    ///
    /// # Errors
    /// When the turns do not determine it.
    pub fn of(heard: &[Heard]) -> Result<Self, NoFit> {
        let mut steps: Vec<usize> = Vec::new();
        let mut fit = Self::with_steps(heard, &steps)?;
        while steps.len() < MOST_STEPS && fit.spread(heard) > STEP_S {
            let before = fit.cost();
            let more = (1..heard.len())
                .filter(|at| !steps.contains(at) && heard[*at].part == heard[at - 1].part)
                .filter_map(|at| {
                    let with: Vec<usize> = steps.iter().copied().chain([at]).collect();
                    Self::with_steps(heard, &with).ok().map(|fit| (with, fit))
                })
                .min_by(|a, b| a.1.cost().total_cmp(&b.1.cost()));
            match more {
                Some((with, better)) if better.cost() < STEP_SHRINKS * before => (steps, fit) = (with, better),
                _ => break,
            }
        }
        Ok(fit)
    }

    /// Returns the standard deviation of the difference of two boxes' offsets, in s.
    pub fn sigma_between_s(&self, a: BoxNumber, b: BoxNumber) -> f64 {
        let index = |number| self.offsets_s.keys().position(|key| *key == number);
        let (Some(a), Some(b)) = (index(a), index(b)) else { return f64::INFINITY };
        let variance = self.covariance[a][a] + self.covariance[b][b] - 2.0 * self.covariance[a][b];
        self.sigma_s * variance.max(0.0).sqrt()
    }

    /// What a fit with more steps must lower. Turns far away count little, whatever caused it.
    fn cost(&self) -> f64 {
        self.residuals_s.iter().map(|r| (r / STEP_S).powi(2)).map(|x| x / (1.0 + x / 25.0)).sum::<f64>() + 1e-3
    }

    /// Returns the largest residual that is not a single turn's, in s.
    fn spread(&self, heard: &[Heard]) -> f64 {
        let mut sizes: Vec<f64> = self.residuals_s.iter().map(|r| r.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.get(heard.len().saturating_sub(2)).copied().unwrap_or(0.0)
    }

    fn with_steps(heard: &[Heard], steps: &[usize]) -> Result<Self, NoFit> {
        let mut boxes: Vec<BoxNumber> = heard.iter().map(|turn| turn.number).collect();
        boxes.sort();
        boxes.dedup();
        // Parts are numbered through with those that steps make.
        let piece = |index: usize| heard[index].part + steps.iter().filter(|step| **step <= index).count();
        let pieces = (0..heard.len()).map(|index| piece(index) + 1).max().unwrap_or(0);
        let columns = 1 + pieces + boxes.len();
        let origin = heard.first().map_or((0.0, 0), |turn| (turn.at_s, turn.second));
        let row = |index: usize| -> [(usize, f64); 3] {
            let column = 1 + pieces + boxes.binary_search(&heard[index].number).unwrap_or(0);
            let since = (heard[index].second - first_second(heard, index)) as f64;
            [(0, since), (1 + piece(index), 1.0), (column, 1.0)]
        };
        // What a perfect clock would show is taken off first: the rest is small.
        let observed =
            |index: usize| heard[index].at_s - origin.0 - (heard[index].second - first_second(heard, index)) as f64;
        let mut weights = vec![1.0; heard.len()];
        let mut counts = vec![true; heard.len()];
        let mut sigma = LEAST_SIGMA_S;
        let (mut solution, mut inverse, mut residuals) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..12 {
            let mut normal = vec![vec![0.0; columns]; columns];
            let mut right = vec![0.0; columns];
            for (index, weight) in weights.iter().enumerate() {
                for (a, x) in row(index) {
                    right[a] += weight * x * observed(index);
                    for (b, y) in row(index) {
                        normal[a][b] += weight * x * y;
                    }
                }
            }
            // The first box's offset is 0.
            normal[1 + pieces][1 + pieces] += 1e6;
            inverse = inverted(normal).ok_or_else(|| why_not(heard, &piece))?;
            solution =
                inverse.iter().map(|line| line.iter().zip(&right).map(|(a, b)| a * b).sum()).collect::<Vec<f64>>();
            residuals = (0..heard.len())
                .map(|index| observed(index) - row(index).iter().map(|(column, x)| x * solution[*column]).sum::<f64>())
                .collect::<Vec<f64>>();
            let free = (heard.len() as f64 - (columns - 1) as f64).max(1.0) / heard.len() as f64;
            let typical = super::noise_floor::median(residuals.iter().map(|r: &f64| r.abs()).collect());
            sigma = (1.4826 * typical / free.sqrt()).max(LEAST_SIGMA_S);
            // A box that is faint scatters more than the others.
            let own: Vec<f64> = boxes
                .iter()
                .map(|number| {
                    let sizes = residuals.iter().zip(heard).filter(|(_, turn)| turn.number == *number);
                    let typical = 1.4826 * super::noise_floor::median(sizes.map(|(r, _)| r.abs()).collect());
                    typical.max(sigma).max(LEAST_SPREAD_S)
                })
                .collect();
            // Tukey's biweight: turns that something disturbed do not count.
            for (index, weight) in weights.iter_mut().enumerate() {
                let own = own[boxes.binary_search(&heard[index].number).unwrap_or(0)];
                let far = residuals[index] / (5.0 * own);
                counts[index] = far.abs() < 0.95;
                let biweight = if far.abs() < 1.0 { (1.0 - far * far).powi(2) } else { 0.0 };
                // The reference of all weights is a turn that scatters as most do.
                *weight = (biweight * (sigma.max(LEAST_SPREAD_S) / own).powi(2)).max(LEAST_WEIGHT);
            }
        }
        let columns_of_boxes = 1 + pieces..columns;
        let covariance =
            columns_of_boxes.clone().map(|a| columns_of_boxes.clone().map(|b| inverse[a][b]).collect()).collect();
        let first = solution[1 + pieces];
        let steps =
            steps.iter().map(|&step| (step, solution[1 + piece(step)] - solution[1 + piece(step - 1)])).collect();
        Ok(Self {
            clock_ppm: solution[0] * 1e6,
            offsets_s: boxes.iter().zip(&solution[1 + pieces..]).map(|(number, x)| (*number, x - first)).collect(),
            residuals_s: residuals,
            counts,
            sigma_s: sigma.max(LEAST_SPREAD_S),
            covariance,
            steps,
        })
    }
}

/// Returns the second from which the seconds of a turn's part are counted.
fn first_second(heard: &[Heard], index: usize) -> i64 {
    heard.iter().find(|turn| turn.part == heard[index].part).map_or(0, |turn| turn.second)
}

fn why_not(heard: &[Heard], piece: &impl Fn(usize) -> usize) -> NoFit {
    let twice = (0..heard.len()).any(|a| {
        (0..a).any(|b| heard[a].number == heard[b].number && piece(a) == piece(b) && heard[a].second != heard[b].second)
    });
    if twice { NoFit::NotConnected } else { NoFit::NoClock }
}

/// Returns the inverse of a symmetric matrix by Gauss and Jordan; `None` if it has none.
fn inverted(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let size = matrix.len();
    let mut inverse: Vec<Vec<f64>> =
        (0..size).map(|n| (0..size).map(|m| f64::from(u8::from(n == m))).collect()).collect();
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        if matrix[pivot][column].abs() < SINGULAR {
            return None;
        }
        matrix.swap(column, pivot);
        inverse.swap(column, pivot);
        let by = matrix[column][column];
        matrix[column].iter_mut().chain(&mut inverse[column]).for_each(|x| *x /= by);
        let (line, inverse_line) = (matrix[column].clone(), inverse[column].clone());
        for other in (0..size).filter(|other| *other != column) {
            let factor = matrix[other][column];
            matrix[other].iter_mut().zip(&line).for_each(|(x, y)| *x -= factor * y);
            inverse[other].iter_mut().zip(&inverse_line).for_each(|(x, y)| *x -= factor * y);
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: u8) -> BoxNumber {
        BoxNumber::new(n).unwrap()
    }

    /// Returns turns of three boxes, 0, 3.7 and -1.2 ms late, in rounds, by a clock that is 70 ppm fast.
    fn heard(rounds: std::ops::Range<i64>, part: usize, shift_s: f64) -> Vec<Heard> {
        let late = [(1, 0.0), (2, 0.003_7), (5, -0.001_2)];
        rounds
            .flat_map(|round| late.map(|(n, late)| (round * 20 + number(n).second(), number(n), late)))
            .map(|(second, number, late)| Heard {
                number,
                second,
                part,
                at_s: (12.3 + second as f64 + late) * (1.0 + 70e-6) + shift_s,
            })
            .collect()
    }

    fn check(fit: &ClockFit) {
        assert!((fit.clock_ppm - 70.0).abs() < 0.01, "{}", fit.clock_ppm);
        assert!((fit.offsets_s[&number(2)] - 0.003_7).abs() < 1e-6);
        assert!((fit.offsets_s[&number(5)] + 0.001_2).abs() < 1e-6);
    }

    #[test]
    fn clock_and_offsets_are_told_apart() {
        check(&ClockFit::of(&heard(0..4, 0, 0.0)).unwrap());
    }

    #[test]
    fn a_pause_of_unknown_length_and_a_lost_buffer_change_nothing() {
        let paused: Vec<Heard> = heard(0..3, 0, 0.0)
            .into_iter()
            .chain(heard(5..8, 1, -3.3).into_iter().map(|turn| Heard { second: turn.second - 80, ..turn }))
            .collect();
        check(&ClockFit::of(&paused).unwrap());

        let mut lost = heard(0..5, 0, 0.0);
        lost[7..].iter_mut().for_each(|turn| turn.at_s -= 0.0053);
        let fit = ClockFit::of(&lost).unwrap();
        check(&fit);
        assert_eq!(fit.steps.len(), 1);
        assert!(fit.steps[0].0 == 7 && (fit.steps[0].1 + 0.0053).abs() < 1e-6, "{:?}", fit.steps);
    }

    #[test]
    fn a_single_turn_that_is_wrong_does_not_count() {
        let mut turns = heard(0..5, 0, 0.0);
        turns[4].at_s += 0.002;
        let fit = ClockFit::of(&turns).unwrap();
        check(&fit);
        assert!(!fit.counts[4] && fit.counts[3] && fit.steps.is_empty());
    }

    #[test]
    fn what_does_not_determine_it_is_refused() {
        assert_eq!(ClockFit::of(&heard(0..1, 0, 0.0)), Err(NoFit::NoClock));
        let mut apart = heard(0..3, 0, 0.0);
        apart.retain(|turn| turn.number == number(1));
        apart.extend(heard(5..8, 1, 0.0).into_iter().filter(|turn| turn.number == number(2)));
        assert_eq!(ClockFit::of(&apart), Err(NoFit::NotConnected));
    }
}
