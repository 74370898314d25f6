//! What was found in a recording.

use crate::sound_check::schedule::BoxNumber;

/// Everything that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// How long the recording is, in s.
    pub duration_s: f64,
    /// How fast the recorder's clock is, in parts per million.
    pub clock_ppm: f64,
    /// How wide a band of the sweeps stood out of the noise, in Hz.
    pub bandwidth_hz: f64,
    /// By how much later everything was recorded after each of the losses; negative where samples are
    /// missing, in s.
    pub losses_s: Vec<f64>,
    /// How often the recorder paused for longer.
    pub pauses: usize,
    /// How many places with sweeps fit into no schedule.
    pub strays: usize,
    /// The box that the others are compared with.
    pub reference: BoxNumber,
    /// Every box that was heard, by number.
    pub boxes: Vec<BoxFinding>,
}

/// What was found of a box.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxFinding {
    /// Its number.
    pub number: BoxNumber,
    /// In how many turns it was heard.
    pub heard_turns: usize,
    /// How many of them count.
    pub used_turns: usize,
    /// How loud it was; only ratios mean anything.
    pub level: f64,
    /// How similar its turns are, up to 1.
    pub similarity: f64,
    /// The first arrival's amplitude as a part of the strongest's; negative if its sign differs.
    pub first_share: f64,
    /// How late it is, or why that is not known.
    pub result: Result<Offset, Doubt>,
    /// Its turns.
    pub points: Vec<Point>,
    /// The response of the air from 5 ms before the first arrival to 15 ms after it, every 1/96 ms;
    /// the largest value is 1 or -1.
    pub response: Vec<f32>,
    /// The part of the energy within 1 ms of the first arrival that is the first arrival's.
    pub clarity: f64,
    /// How far other arrivals are that nearly were the first, in ms.
    pub ambiguity_ms: f64,
}

impl BoxFinding {
    /// Returns a box of which nothing more is known than that it was heard.
    pub(super) fn without_answer(number: BoxNumber, heard_turns: usize, doubt: Doubt) -> Self {
        Self {
            number,
            heard_turns,
            used_turns: 0,
            level: 0.0,
            similarity: 0.0,
            first_share: 0.0,
            result: Err(doubt),
            points: Vec::new(),
            response: Vec::new(),
            clarity: 0.0,
            ambiguity_ms: 0.0,
        }
    }
}

/// How late a box is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offset {
    /// By how much it is later than the reference, in ms.
    pub ms: f64,
    /// The truth is within this of it, in ms.
    pub plus_minus_ms: f64,
}

/// A turn of a box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When, in s of the recording.
    pub at_s: f64,
    /// By how much later than the reference it was, in ms.
    pub ms: f64,
    /// Whether it counts.
    pub is_used: bool,
}

/// Why nothing is said of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Two boxes sound as this one.
    TwoBoxes,
    /// It is later than any card, or faint and late: it may be another ride's.
    TooLate,
    /// It was heard in one turn alone.
    HeardOnce,
    /// Its first arrival does not stand out.
    Unclear,
    /// Noise covered its sweeps, or the recorder lost something within each of its turns.
    Disturbed,
}

/// Why nothing is said at all.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ListenError {
    /// There are no sweeps.
    #[error("no sound check is heard in it")]
    NoSweeps,
    /// There is nothing in it at all.
    #[error("there is only silence in it")]
    Silent,
    /// There are no sweeps, and hardly anything else.
    #[error("no sound check is heard in it, and hardly anything else: its loudest sample is at {peak_db:.0} dB")]
    Quiet {
        /// The loudest sample, in dB of the full scale.
        peak_db: f64,
    },
    /// It is so short that it may lie between two turns.
    #[error("it is {duration_s:.1} s long, and no sound check is heard in it")]
    Short {
        /// How long it is, in s.
        duration_s: f64,
    },
    /// There are sweeps that follow no schedule.
    #[error("{strays} sweeps follow no schedule, and only {turns} do")]
    NoSchedule {
        /// How many follow one.
        turns: usize,
        /// How many do not.
        strays: usize,
    },
    /// No box was heard twice.
    #[error("no box is heard twice without a pause")]
    TooShort,
    /// Parts without a box in common.
    #[error("the recorder paused, and no box is heard both before and after")]
    NotConnected,
    /// The recorder lost something, and too few turns say when and how much.
    #[error("the recorder lost pieces of the sound, and too few rounds are heard to know how much")]
    Lost,
    /// There are not two boxes to compare.
    #[error("there are no two boxes to compare")]
    TooFewBoxes {
        /// Those that were heard, and what is doubtful about them.
        boxes: Vec<(BoxNumber, Option<Doubt>)>,
    },
    /// The caller wanted no more.
    #[error("it was given up")]
    Stopped,
    /// The reference was not heard.
    #[error("box {0}, which the others should be compared with, is not heard well enough")]
    NoReference(BoxNumber),
}
