//! The recorder's clock, and where each box's sound is on it.
//!
//! One straight line is fitted to all turns of all boxes, with an offset for each box and one for each
//! part of the recording. A recorder that lost samples has made a step: where one explains what the
//! line does not, the recording is taken as two parts there.
//!
//! In few rounds, a loss between two of them looks like a clock that is fast or slow. The gap between
//! the two sweeps of a turn says which of them it was: nothing is lost within it ([`GapClock`]).

use std::collections::BTreeMap;

use super::noise_floor::median;
use crate::sound_check::schedule::{BoxNumber, ROUND_S};

/// How fast the recorder's clock is according to the gaps within turns. It is less exact than the
/// fit, as a gap is short, but no loss between turns changes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GapClock {
    /// How fast it is, in parts per million.
    ppm: f64,
    /// Its standard deviation.
    sigma_ppm: f64,
}

impl GapClock {
    /// Takes the median of what each turn says, in parts per million; `None` of no turn.
    pub fn of(ppms: &[f64]) -> Option<Self> {
        let ppms: Vec<f64> = ppms.iter().copied().filter(|ppm| ppm.is_finite()).collect();
        let ppm = median(ppms.clone());
        let scatter = 1.4826 * median(ppms.iter().map(|one| (one - ppm).abs()).collect());
        // A median is 1.2533 times less exact than a mean.
        let chance_ppm = 1.2533 * scatter / (ppms.len().max(1) as f64).sqrt();
        let sigma_ppm = if ppms.len() < FEW_GAPS { MOST_SIGMA_PPM } else { chance_ppm.max(LEAST_SIGMA_PPM) };
        (!ppms.is_empty()).then_some(Self { ppm, sigma_ppm })
    }

    /// Returns how far a clock is from it, in standard deviations.
    fn disagrees(&self, clock_ppm: f64) -> f64 {
        (clock_ppm - self.ppm).abs() / self.sigma_ppm
    }
}

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
    /// The standard deviation of each step, in s.
    step_sigmas_s: Vec<f64>,
    /// How far the clock is from what the gaps say, in standard deviations of these.
    disagreement: f64,
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
    /// The recorder lost something, and too few turns say when and how much.
    #[error("what the recorder lost cannot be told from its clock")]
    Lost,
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
/// Nothing loses less, in s: buffers and frames of a codec are 1 ms and more.
const LEAST_STEP_S: f64 = 0.3e-3;
/// A clock is believed that is no farther from what the gaps say, in standard deviations.
const AGREES: f64 = 4.0;
/// What other steps may cost more, to be as likely: as much as a clock that only just agrees.
const AS_LIKELY: f64 = 4.0;
/// They are another answer if they move a box by more, in s.
const ANOTHER_ANSWER_S: f64 = 20e-6;
/// In this many rounds a loss shows by itself: one clock explains no other rounds but all of them.
const ENOUGH_ROUNDS: i64 = 6;
/// As few gaps as this may agree by chance.
const FEW_GAPS: usize = 3;
/// The least and the most standard deviation of the clock by gaps, in parts per million. The least is
/// 0.8 µs of a gap: as much as a hand moves the phone within it.
const LEAST_SIGMA_PPM: f64 = 2.0;
const MOST_SIGMA_PPM: f64 = 50.0;

impl ClockFit {
    /// Fits the line to turns in the order of time; `gaps` is the clock by the gaps within them.
    ///
    /// # Errors
    /// When the turns do not determine it.
    pub fn of(heard: &[Heard], gaps: Option<GapClock>) -> Result<Self, NoFit> {
        let heard = &with_parts_in_a_row(heard)[..];
        // No gap is exact enough for a box that was heard once.
        Self::with_steps(heard, &[], None)?;
        let mut fit = Self::with_fewest_steps(heard, gaps, gaps)?;
        if fit.disagreement > AGREES {
            // Losses in every round look like another clock: with the clock of the gaps they show.
            let firmly = gaps.map(|gaps| GapClock { sigma_ppm: 0.01, ..gaps });
            fit = Self::with_fewest_steps(heard, firmly, gaps)?;
        }
        if fit.disagreement > AGREES || fit.has_another_answer(heard, gaps) { Err(NoFit::Lost) } else { Ok(fit) }
    }

    /// Adds steps as long as they explain much; `search` is the clock by which they are looked for.
    fn with_fewest_steps(heard: &[Heard], search: Option<GapClock>, gaps: Option<GapClock>) -> Result<Self, NoFit> {
        let mut best = Self::with_steps(heard, &[], search)?;
        let mut fit = best.clone();
        // Of several losses, the first ones that are found may explain little by themselves.
        while fit.steps.len() < MOST_STEPS && (best.spread() > STEP_S || best.disagreement > AGREES) {
            let steps = fit.places();
            let more = (1..heard.len())
                .filter(|at| can_step(heard, &steps, *at))
                .filter_map(|at| Self::with_steps(heard, &[&steps[..], &[at]].concat(), search).ok())
                .min_by(|a, b| a.cost().total_cmp(&b.cost()));
            let Some(more) = more else { break };
            fit = more;
            let added = (fit.steps.len() - best.steps.len()) as i32;
            if fit.cost() < STEP_SHRINKS.powi(added) * best.cost() {
                best = fit.clone();
            }
        }
        Self::with_steps(heard, &best.places(), gaps)
    }

    /// Returns whether other losses explain the turns as well, and say something else of a box.
    fn has_another_answer(&self, heard: &[Heard], gaps: Option<GapClock>) -> bool {
        let seconds = || heard.iter().map(|turn| turn.second);
        let rounds = (seconds().max().unwrap_or(0) - seconds().min().unwrap_or(0)) / ROUND_S + 1;
        let places = self.places();
        let is_another = |steps: &[usize]| {
            Self::with_steps(heard, steps, gaps).is_ok_and(|other| {
                other.cost() <= self.cost() + AS_LIKELY && other.has_true_steps() && other.moves(self)
            })
        };
        rounds < ENOUGH_ROUNDS
            && (1..heard.len()).filter(|at| can_step(heard, &places, *at)).any(|at| {
                let replaced = (0..places.len()).any(|index| {
                    let mut steps = places.clone();
                    steps[index] = at;
                    is_another(&steps)
                });
                replaced || is_another(&[&places[..], &[at]].concat())
            })
    }

    /// Returns the turns before which there is a step.
    fn places(&self) -> Vec<usize> {
        self.steps.iter().map(|(at, _)| *at).collect()
    }

    /// Returns whether every step may be as large as what a recorder loses.
    fn has_true_steps(&self) -> bool {
        self.steps.iter().zip(&self.step_sigmas_s).all(|((_, step), sigma)| step.abs() + 2.0 * sigma >= LEAST_STEP_S)
    }

    /// Returns whether a box is elsewhere than in another fit, or would be less certain.
    fn moves(&self, other: &Self) -> bool {
        let Some((first, _)) = self.offsets_s.first_key_value() else { return false };
        self.offsets_s.iter().any(|(number, offset)| {
            let moved = (offset - other.offsets_s.get(number).copied().unwrap_or(*offset)).abs();
            let less_certain = self.sigma_between_s(*number, *first) - other.sigma_between_s(*number, *first);
            moved + 2.0 * less_certain.max(0.0) > ANOTHER_ANSWER_S
        })
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
        let turns = self.residuals_s.iter().map(|r| (r / STEP_S).powi(2)).map(|x| x / (1.0 + x / 25.0)).sum::<f64>();
        turns + (self.disagreement / 2.0).powi(2) + 1e-3
    }

    /// Returns the largest residual that is not a single turn's, in s.
    fn spread(&self) -> f64 {
        let mut sizes: Vec<f64> = self.residuals_s.iter().map(|r| r.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.get(sizes.len().saturating_sub(2)).copied().unwrap_or(0.0)
    }

    fn with_steps(heard: &[Heard], steps: &[usize], gaps: Option<GapClock>) -> Result<Self, NoFit> {
        if heard.is_empty() {
            return Err(NoFit::NoClock);
        }
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
            if let Some(gaps) = gaps {
                let weight = (sigma.max(LEAST_SPREAD_S) / (gaps.sigma_ppm * 1e-6)).powi(2);
                normal[0][0] += weight;
                right[0] += weight * gaps.ppm * 1e-6;
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
            let typical = median(residuals.iter().map(|r: &f64| r.abs()).collect());
            sigma = (1.4826 * typical / free.sqrt()).max(LEAST_SIGMA_S);
            // A box that is faint scatters more than the others.
            let own: Vec<f64> = boxes
                .iter()
                .map(|number| {
                    let sizes = residuals.iter().zip(heard).filter(|(_, turn)| turn.number == *number);
                    let typical = 1.4826 * median(sizes.map(|(r, _)| r.abs()).collect());
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
        let sigma_s = sigma.max(LEAST_SPREAD_S);
        let step_sigma_s = |step: usize| {
            let (a, b) = (1 + piece(step), 1 + piece(step - 1));
            sigma_s * (inverse[a][a] + inverse[b][b] - 2.0 * inverse[a][b]).max(0.0).sqrt()
        };
        let step_sigmas_s = steps.iter().map(|step| step_sigma_s(*step)).collect();
        let clock_ppm = solution[0] * 1e6;
        let steps =
            steps.iter().map(|&step| (step, solution[1 + piece(step)] - solution[1 + piece(step - 1)])).collect();
        Ok(Self {
            clock_ppm,
            offsets_s: boxes.iter().zip(&solution[1 + pieces..]).map(|(number, x)| (*number, x - first)).collect(),
            residuals_s: residuals,
            counts,
            sigma_s,
            covariance,
            steps,
            step_sigmas_s,
            disagreement: gaps.map_or(0.0, |gaps| gaps.disagrees(clock_ppm)),
        })
    }
}

/// Returns the turns with their parts numbered without a hole: there are parts of which no turn counts.
fn with_parts_in_a_row(heard: &[Heard]) -> Vec<Heard> {
    let parts: std::collections::BTreeSet<usize> = heard.iter().map(|turn| turn.part).collect();
    heard.iter().map(|turn| Heard { part: parts.range(..turn.part).count(), ..*turn }).collect()
}

/// Returns whether a step before this turn is possible: not at one that is known, nor at a pause.
fn can_step(heard: &[Heard], steps: &[usize], at: usize) -> bool {
    !steps.contains(&at) && heard[at].part == heard[at - 1].part
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

    /// What the gaps say of that clock, not quite right.
    const GAPS: Option<GapClock> = Some(GapClock { ppm: 72.0, sigma_ppm: 2.0 });

    fn check(fit: &ClockFit) {
        assert!((fit.clock_ppm - 70.0).abs() < 0.01, "{}", fit.clock_ppm);
        assert!((fit.offsets_s[&number(2)] - 0.003_7).abs() < 1e-6);
        assert!((fit.offsets_s[&number(5)] + 0.001_2).abs() < 1e-6);
    }

    #[test]
    fn clock_and_offsets_are_told_apart() {
        check(&ClockFit::of(&heard(0..4, 0, 0.0), GAPS).unwrap());
    }

    #[test]
    fn a_pause_of_unknown_length_and_a_lost_buffer_change_nothing() {
        let paused: Vec<Heard> = heard(0..3, 0, 0.0)
            .into_iter()
            .chain(heard(5..8, 1, -3.3).into_iter().map(|turn| Heard { second: turn.second - 80, ..turn }))
            .collect();
        check(&ClockFit::of(&paused, GAPS).unwrap());

        let mut lost = heard(0..5, 0, 0.0);
        lost[7..].iter_mut().for_each(|turn| turn.at_s -= 0.0053);
        let fit = ClockFit::of(&lost, GAPS).unwrap();
        check(&fit);
        assert_eq!(fit.steps.len(), 1);
        assert!(fit.steps[0].0 == 7 && (fit.steps[0].1 + 0.0053).abs() < 1e-6, "{:?}", fit.steps);
    }

    #[test]
    fn a_single_turn_that_is_wrong_does_not_count() {
        let mut turns = heard(0..5, 0, 0.0);
        turns[4].at_s += 0.002;
        let fit = ClockFit::of(&turns, GAPS).unwrap();
        check(&fit);
        assert!(!fit.counts[4] && fit.counts[3] && fit.steps.is_empty());
    }

    #[test]
    fn what_does_not_determine_it_is_refused() {
        assert_eq!(ClockFit::of(&heard(0..1, 0, 0.0), GAPS), Err(NoFit::NoClock));
        let mut apart = heard(0..3, 0, 0.0);
        apart.retain(|turn| turn.number == number(1));
        apart.extend(heard(5..8, 1, 0.0).into_iter().filter(|turn| turn.number == number(2)));
        assert_eq!(ClockFit::of(&apart, GAPS), Err(NoFit::NotConnected));
    }

    #[test]
    fn no_turn_is_no_fit() {
        assert_eq!(ClockFit::of(&[], None), Err(NoFit::NoClock));
        assert_eq!(ClockFit::of(&[], GAPS), Err(NoFit::NoClock));
    }

    #[test]
    fn a_part_without_turns_leaves_no_hole() {
        check(&ClockFit::of(&heard(0..4, 1, 0.0), GAPS).unwrap());
        let paused: Vec<Heard> = heard(0..3, 1, 0.0).into_iter().chain(heard(5..8, 3, -3.3)).collect();
        check(&ClockFit::of(&paused, GAPS).unwrap());
    }

    /// Returns turns of boxes that are exactly in time, by a perfect clock that loses some ms at some
    /// seconds; the recording begins 0.7 s before a round.
    fn lossy(seconds: f64, losses: &[(f64, f64)], boxes: &[u8]) -> Vec<Heard> {
        let mut turns = Vec::new();
        for round in 0..10 {
            for n in boxes {
                let second = round * ROUND_S + number(*n).second();
                let sounds_s = second as f64 + 0.7;
                let lost_ms: f64 = losses.iter().filter(|(at_s, _)| *at_s < sounds_s).map(|(_, ms)| ms).sum();
                if sounds_s + 0.8 < seconds {
                    turns.push(Heard { number: number(*n), second, part: 0, at_s: sounds_s - lost_ms / 1e3 });
                }
            }
        }
        turns
    }

    /// Checks that an answer is right to 10 µs, or not given for the true reason. Returns whether it is given.
    fn is_right(turns: &[Heard], gaps: GapClock) -> bool {
        match ClockFit::of(turns, Some(gaps)) {
            Ok(fit) => {
                let reference = turns[0].number;
                for (number, offset) in &fit.offsets_s {
                    let stated = 2.0 * fit.sigma_between_s(*number, reference) + 1e-6;
                    assert!(offset.abs() <= stated.max(10e-6), "box {number}: {offset} ± {stated}, {fit:?}");
                }
                true
            }
            Err(reason) => {
                assert_eq!(reason, NoFit::Lost);
                false
            }
        }
    }

    /// The length of a recording in s; where it lost how many ms; the boxes.
    type Case = (f64, &'static [(f64, f64)], &'static [u8]);

    #[test]
    fn a_loss_in_a_short_recording_is_no_clock() {
        let cases: &[Case] = &[
            (58.0, &[(18.0, 5.3)], &[1, 2, 3]),
            (60.0, &[(25.0, 5.3)], &[1, 2, 3]),
            (58.0, &[(18.0, 20.0)], &[1, 2, 3]),
            (58.0, &[(38.0, 10.0)], &[1, 2, 3]),
            (38.0, &[(18.0, 2.0)], &[1, 2, 3]),
            (38.0, &[(18.0, 3.0)], &[1, 2, 3]),
            (38.0, &[(18.0, 20.0)], &[1, 2, 3]),
            (58.0, &[(18.0, 2.0)], &[1, 11]),
            (58.0, &[(18.0, 2.0)], &[1, 16]),
            (78.0, &[(18.0, 2.0)], &[1, 11]),
            (78.0, &[(18.0, 2.0), (38.0, 2.0), (58.0, 2.0)], &[1, 11]),
        ];
        let mut given = 0;
        for (seconds, losses, boxes) in cases {
            for ppm in [0.0, 2.5, -2.5] {
                let turns = lossy(*seconds, losses, boxes);
                given += usize::from(is_right(&turns, GapClock { ppm, sigma_ppm: 2.0 }));
            }
        }
        assert!(given >= cases.len(), "{given} answers");
    }

    #[test]
    fn gaps_too_inexact_to_rule_out_a_loss_give_no_answer_but_for_many_rounds() {
        let vague = GapClock { ppm: 0.0, sigma_ppm: 40.0 };
        assert!(!is_right(&lossy(38.0, &[], &[1, 11]), vague));
        assert!(!is_right(&lossy(58.0, &[(18.0, 2.0)], &[1, 16]), vague));
        assert!(is_right(&lossy(150.0, &[(18.0, 2.0)], &[1, 16]), vague));
    }

    #[test]
    fn a_short_recording_without_a_loss_is_enough() {
        for (seconds, boxes) in [(38.0, &[1, 2, 3][..]), (58.0, &[1, 11]), (58.0, &[1, 16])] {
            assert!(is_right(&lossy(seconds, &[], boxes), GapClock { ppm: 2.0, sigma_ppm: 2.0 }));
        }
    }

    #[test]
    fn the_clock_by_gaps_is_their_middle() {
        assert_eq!(GapClock::of(&[]), None);
        let few = GapClock::of(&[7.0, 8.0]).unwrap();
        assert!(few.sigma_ppm >= MOST_SIGMA_PPM);
        // One turn within which the recorder lost 2 ms.
        let gaps = GapClock::of(&[20.0, 25.0, -5000.0, 15.0, 22.0, 18.0, 21.0]).unwrap();
        assert!((gaps.ppm - 20.0).abs() < 1.0 && gaps.sigma_ppm < 5.0, "{gaps:?}");
    }
}
