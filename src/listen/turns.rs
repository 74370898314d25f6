//! Which of the candidates are turns: those that follow one schedule.

use super::compress::RATE_HZ;
use super::detect::Candidate;
use super::noise_floor::median;
use crate::sound_check::schedule::{BoxNumber, Mark, ROUND_S, gap_s};

/// Two turns of the same schedule agree to this much, in s: cards, distances, and another ride that
/// keeps the same time 60 m away.
const AGREES_S: f64 = 0.2;
/// A candidate counts in full if it is as strong as this part of the strong ones.
const STRONG: f64 = 0.3;
/// As many of them are the strongest.
const STRONGEST: usize = 8;
/// A part of the recording has at least this many turns, and this share of all.
const LEAST_TURNS: usize = 3;
const LEAST_SHARE: f64 = 0.15;
/// What it costs to assume that the recorder paused, in turns.
const PAUSE_COSTS: f64 = 2.5;

/// A turn in a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// Whose turn it is.
    pub number: BoxNumber,
    /// Which gap the box chose.
    pub mark: Mark,
    /// The whole second of the schedule on which it began. Within a part it counts from the same
    /// unknown round.
    pub second: i64,
    /// The part of the recording: another one begins where the recorder paused.
    pub part: usize,
    /// About when its first sweep arrives, in samples of the compressed recording.
    pub at: usize,
    /// How far it stands out of the noise, in standard deviations.
    pub strength: f32,
}

impl Turn {
    /// Returns the time from its first sweep's beginning to the second's, in s.
    pub fn gap_s(&self) -> f64 {
        gap_s(self.number, self.mark)
    }
}

/// Everything that followed one schedule, and how much did not.
#[derive(Debug, Clone, PartialEq)]
pub struct Turns {
    /// In the order of time.
    pub turns: Vec<Turn>,
    /// How many places with sweeps fit into no schedule.
    pub strays: usize,
}

/// Chooses the turns.
pub fn choose(candidates: &[Candidate]) -> Turns {
    let path = path(candidates);
    let mut turns: Vec<Turn> = Vec::new();
    let (mut part, mut previous): (usize, Option<Position>) = (0, None);
    for &index in &path {
        let candidate = &candidates[index];
        let here = Position::of(candidate);
        let second = match previous {
            Some(before) if before.agrees(&here) => before.continued(candidate),
            Some(_) => {
                part += 1;
                candidate.number.second()
            }
            None => candidate.number.second(),
        };
        previous = Some(Position { round_began_s: candidate.at_s() - second as f64 });
        let turn = Turn {
            number: candidate.number,
            mark: candidate.mark,
            second,
            part,
            at: candidate.at,
            strength: candidate.strength,
        };
        // The stronger of an arrival and its echo, or of two marks.
        match turns.iter_mut().rev().take(8).find(|other| (other.part, other.second) == (part, second)) {
            Some(other) if other.strength < turn.strength => *other = turn,
            Some(_) => {}
            None => turns.push(turn),
        }
    }
    let least = LEAST_TURNS.max((LEAST_SHARE * turns.len() as f64) as usize);
    let sizes: Vec<usize> = (0..=part).map(|part| turns.iter().filter(|turn| turn.part == part).count()).collect();
    turns.retain(|turn| sizes.len() == 1 || sizes[turn.part] >= least);
    let explained = |candidate: &Candidate| turns.iter().any(|turn| turn.at.abs_diff(candidate.at) < RATE_HZ / 2);
    // Chance makes faint ones: of those that follow the schedule, half are stronger than twice that.
    let strong = 0.5 * median(turns.iter().map(|turn| f64::from(turn.strength)).collect());
    let is_stray = |candidate: &&Candidate| {
        candidate.share >= 1.0 && f64::from(candidate.strength) >= strong && !explained(candidate)
    };
    let strays = candidates.iter().filter(is_stray).count();
    Turns { turns, strays }
}

/// Returns how strong the strong candidates are: the middle one of the strongest, of which two boxes
/// that sound for a minute make at least half.
fn strong(candidates: &[Candidate]) -> f64 {
    let mut strengths: Vec<f64> =
        candidates.iter().filter(|one| one.share >= 1.0).map(|one| f64::from(one.strength)).collect();
    strengths.sort_by(|a, b| b.total_cmp(a));
    strengths.truncate(STRONGEST);
    median(strengths)
}

impl Candidate {
    fn at_s(&self) -> f64 {
        self.at as f64 / RATE_HZ as f64
    }
}

/// When second 0 of the schedule was, according to a candidate.
#[derive(Debug, Clone, Copy)]
struct Position {
    round_began_s: f64,
}

impl Position {
    fn of(candidate: &Candidate) -> Self {
        Self { round_began_s: candidate.at_s() - candidate.number.second() as f64 }
    }

    /// Returns whether another candidate fits into the same schedule.
    fn agrees(&self, other: &Self) -> bool {
        let apart = (other.round_began_s - self.round_began_s).rem_euclid(ROUND_S as f64);
        apart.min(ROUND_S as f64 - apart) < AGREES_S
    }

    /// Returns the second on which a candidate that agrees began.
    fn continued(&self, candidate: &Candidate) -> i64 {
        let rounds = (Self::of(candidate).round_began_s - self.round_began_s) / ROUND_S as f64;
        rounds.round() as i64 * ROUND_S + candidate.number.second()
    }
}

/// Returns the indices of the candidates that are best explained by one schedule with few pauses.
fn path(candidates: &[Candidate]) -> Vec<usize> {
    let positions: Vec<Position> = candidates.iter().map(Position::of).collect();
    let strong = (STRONG * strong(candidates)).max(f64::MIN_POSITIVE);
    let weight = |index: usize| {
        let candidate = &candidates[index];
        f64::from(candidate.share.powi(4)) * (f64::from(candidate.strength) / strong).min(1.0).powi(2)
    };
    let mut best: Vec<(f64, Option<usize>)> = Vec::with_capacity(candidates.len());
    for index in 0..candidates.len() {
        let before = (0..index)
            .map(|other| {
                let pause = if positions[other].agrees(&positions[index]) { 0.0 } else { PAUSE_COSTS };
                (best[other].0 - pause, Some(other))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(value, _)| *value > 0.0);
        let (value, from) = before.unwrap_or((0.0, None));
        best.push((value + weight(index), from));
    }
    let last = (0..best.len()).max_by(|a, b| best[*a].0.total_cmp(&best[*b].0));
    let mut path: Vec<usize> = std::iter::successors(last, |index| best[*index].1).collect();
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(at_s: f64, number: u8, share: f32) -> Candidate {
        let mark = Mark::all().next().unwrap();
        let number = BoxNumber::new(number).unwrap();
        Candidate { at: (at_s * RATE_HZ as f64) as usize, number, mark, strength: 20.0 * share, share }
    }

    fn seconds(turns: &Turns) -> Vec<(u8, i64, usize)> {
        turns.turns.iter().map(|turn| (turn.number.get(), turn.second, turn.part)).collect()
    }

    #[test]
    fn boxes_in_turn_are_one_schedule() {
        let found = [3.3, 5.31, 23.3, 25.31, 43.3].iter().zip([2, 4, 2, 4, 2]).map(|(at, n)| candidate(*at, n, 1.0));
        let turns = choose(&found.collect::<Vec<_>>());
        assert_eq!(seconds(&turns), [(2, 1, 0), (4, 3, 0), (2, 21, 0), (4, 23, 0), (2, 41, 0)]);
        assert_eq!(turns.strays, 0);
    }

    #[test]
    fn a_gap_that_chance_made_is_a_stray_and_an_echo_is_no_second_turn() {
        let found = [
            candidate(3.3, 2, 1.0),
            candidate(3.33, 2, 0.8),
            candidate(5.3, 4, 1.0),
            candidate(12.9, 7, 1.0),
            candidate(23.3, 2, 1.0),
            candidate(23.3, 9, 0.9),
        ];
        let turns = choose(&found);
        assert_eq!(seconds(&turns), [(2, 1, 0), (4, 3, 0), (2, 21, 0)]);
        assert_eq!(turns.turns[0].at, found[0].at);
        assert_eq!(turns.strays, 1);
    }

    #[test]
    fn a_pause_of_the_recorder_begins_another_part() {
        let before =
            (0..3).flat_map(|round| [(2, 1.0), (4, 3.0)].map(|(n, s)| candidate(20.0 * f64::from(round) + s, n, 1.0)));
        let after = (3..6)
            .flat_map(|round| [(2, 1.0), (4, 3.0)].map(|(n, s)| candidate(20.0 * f64::from(round) + s - 7.3, n, 1.0)));
        let turns = choose(&before.chain(after).collect::<Vec<_>>());
        assert_eq!(turns.turns.len(), 12);
        assert!(turns.turns[..6].iter().all(|turn| turn.part == 0));
        assert!(turns.turns[6..].iter().all(|turn| turn.part == 1));
        assert_eq!(turns.strays, 0);
    }

    #[test]
    fn nothing_is_no_schedule() {
        assert_eq!(choose(&[]), Turns { turns: Vec::new(), strays: 0 });
    }
}
