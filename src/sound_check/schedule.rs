//! Who sounds when.
//!
//! A round lasts 20 s, and three of them are a minute of UTC. Box 1 begins its turn on second 0, 20
//! and 40, box 2 on second 1, 21 and 41, and so on to box 16; then there are 4 s of silence. Boxes so
//! never sound together, though none knows of another.
//!
//! A turn is two sweeps. The gap between them says whose turn it was, as a recording does not know
//! what time it was: 330 ms for box 1, and 8 ms more for every further box. To it the box adds 0, 2, 4
//! or 6 ms, at random in each turn: two boxes that have the same number by mistake sound together, and
//! are told from a box and its echo by their gaps.

use std::fmt;

use super::signal::SWEEP_S;

/// How long a round lasts, in s.
pub const ROUND_S: i64 = 20;
/// The number of boxes that can take turns.
pub const BOXES: u8 = 16;
/// The number of gaps that a box can choose from.
pub const MARKS: u8 = 4;

const FIRST_GAP_S: f64 = 0.33;
const GAP_STEP_S: f64 = 0.008;
const MARK_STEP_S: f64 = 0.002;

/// How long the sweeps of a turn take at most, in s.
pub const TURN_S: f64 = FIRST_GAP_S + (BOXES - 1) as f64 * GAP_STEP_S + (MARKS - 1) as f64 * MARK_STEP_S + SWEEP_S;

/// The number of a box, 1 to 16: which turn is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoxNumber(u8);

impl BoxNumber {
    /// The first of them.
    pub const FIRST: Self = Self(1);

    /// Returns the number, or `None` if it is not 1 to 16.
    pub fn new(number: u8) -> Option<Self> {
        (1..=BOXES).contains(&number).then_some(Self(number))
    }

    /// Returns every number, in the order of the turns.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=BOXES).map(Self)
    }

    /// Returns it as a plain number, 1 to 16.
    pub fn get(self) -> u8 {
        self.0
    }

    /// Returns the second of the round on which its turn begins, 0 to 15.
    pub fn second(self) -> i64 {
        i64::from(self.0) - 1
    }

    /// Returns the number of the box whose turn begins on a whole second, in s of UTC since the Unix
    /// epoch; `None` in the silence at the end of a round.
    pub fn at(utc_s: i64) -> Option<Self> {
        u8::try_from(utc_s.rem_euclid(ROUND_S) + 1).ok().and_then(Self::new)
    }
}

impl fmt::Display for BoxNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which of its gaps a box chose in a turn, 0 to 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(u8);

impl Mark {
    /// Returns every mark.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..MARKS).map(Self)
    }

    /// Returns the mark of a turn. `seed` is the box's own, drawn at random; turns of the same box
    /// are unrelated.
    pub fn of_turn(seed: u64, utc_s: i64) -> Self {
        Self((mixed(seed ^ mixed(utc_s.cast_unsigned())) % u64::from(MARKS)) as u8)
    }
}

/// Returns the time from the first sweep's beginning to the second's, in s.
pub fn gap_s(number: BoxNumber, mark: Mark) -> f64 {
    FIRST_GAP_S + f64::from(number.0 - 1) * GAP_STEP_S + f64::from(mark.0) * MARK_STEP_S
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
/// 2014).
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_box_has_three_turns_in_every_minute_of_its_own() {
        for minute in [0, 29_734_561] {
            let turns: Vec<_> = (minute * 60..(minute + 1) * 60).map(BoxNumber::at).collect();
            for number in BoxNumber::all() {
                let own: Vec<_> = (0..60).filter(|&s| turns[s as usize] == Some(number)).collect();
                let first = number.second();
                assert_eq!(own, [first, first + 20, first + 40]);
            }
            assert_eq!(turns.iter().filter(|turn| turn.is_none()).count(), 12);
        }
    }

    #[test]
    fn a_turn_is_over_before_the_next_begins() {
        const { assert!(TURN_S < 0.8) }
        assert!(gap_s(BoxNumber(1), Mark(0)) > SWEEP_S);
    }

    #[test]
    fn every_gap_is_another_one() {
        let mut gaps: Vec<f64> =
            BoxNumber::all().flat_map(|number| Mark::all().map(move |mark| gap_s(number, mark))).collect();
        // From a second sweep to the first one of the next turn is no gap either.
        gaps.sort_by(f64::total_cmp);
        assert_eq!(gaps.len(), 64);
        assert!(gaps.windows(2).all(|pair| pair[1] - pair[0] > 0.0019));
        let longest = gaps[63];
        assert!(1.0 - longest > longest + 0.05);
    }

    #[test]
    fn two_boxes_soon_choose_different_marks_and_use_all_of_them() {
        for seed in 0..100 {
            let marks = |seed| (0..12).map(move |round| Mark::of_turn(seed, 1_784_000_000 + round * ROUND_S));
            assert!(marks(seed).zip(marks(seed + 1)).any(|(a, b)| a != b));
            let used: std::collections::BTreeSet<_> =
                (0..60).map(|round| Mark::of_turn(seed, round * ROUND_S)).collect();
            assert_eq!(used.len(), 4);
        }
    }

    #[test]
    fn numbers_are_1_to_16() {
        assert_eq!(BoxNumber::new(0), None);
        assert_eq!(BoxNumber::new(17), None);
        assert_eq!(BoxNumber::all().count(), 16);
        assert_eq!(BoxNumber::at(-1), None);
        assert_eq!(BoxNumber::at(-20).map(BoxNumber::get), Some(1));
    }
}
