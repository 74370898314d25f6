//! Compares what was found in a recording with the truth.

use std::fmt;

use jaudiosync::listen::analysis::{Known, analyse};
use jaudiosync::listen::compress::Compressor;
use jaudiosync::listen::findings::{Doubt, Findings, ListenError};
use jaudiosync::sound_check::schedule::BoxNumber;

use super::scene::{Kind, Scene, SoundingBox};

/// What became of one box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Its number.
    pub number: BoxNumber,
    /// How wrong the answer is, in ms, and what it states as the largest error; or why there is none.
    pub answer: Result<(f64, f64), Doubt>,
}

/// Hears a recording.
///
/// # Errors
/// When nothing can be said of it.
pub fn hear(samples: &[f32], rate_hz: u32, known: &Known) -> Result<Findings, ListenError> {
    let mut compressor = Compressor::new(rate_hz);
    samples.chunks(1 << 16).for_each(|piece| compressor.push(piece));
    analyse(&compressor.finish(), rate_hz, known)
}

/// Compares the answers with the truth of a scene, box by box. A box that does not sound in it counts
/// as infinitely wrong.
pub fn verdicts(scene: &Scene, findings: &Findings) -> Vec<Verdict> {
    let truth_ms = |number: BoxNumber| {
        let sounding = scene.boxes.iter().find(|sounding| sounding.number == number);
        sounding.map_or(f64::INFINITY, |sounding| scene.truth_s(sounding) * 1e3)
    };
    let origin_ms = truth_ms(findings.reference);
    findings
        .boxes
        .iter()
        .map(|found| {
            let answer =
                found.result.map(|offset| (offset.ms - (truth_ms(found.number) - origin_ms), offset.plus_minus_ms));
            Verdict { number: found.number, answer }
        })
        .collect()
}

/// How many boxes had an answer.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    answers: usize,
    without_answer: usize,
    refused: usize,
}

/// What many recordings came to.
#[derive(Debug, Clone)]
pub struct Score {
    kind: Kind,
    /// Of recordings as long as the guide asks for.
    long: Tally,
    /// Of shorter ones.
    short: Tally,
    beyond: usize,
    outside: usize,
    worst_ms: f64,
    stated_ms: Vec<f64>,
}

impl Score {
    /// Begins with no recording.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            long: Tally::default(),
            short: Tally::default(),
            beyond: 0,
            outside: 0,
            worst_ms: 0.0,
            stated_ms: Vec::new(),
        }
    }

    /// Returns how wrong an answer may be, in ms: 1 cm of air in the open, 3 cm in a room.
    pub fn limit_ms(kind: Kind) -> f64 {
        match kind {
            Kind::Open => 0.03,
            Kind::Room => 0.1,
        }
    }

    /// Adds a recording. Returns the boxes whose answers are wrong: more than the limit, or more than
    /// they state.
    pub fn add(&mut self, scene: &Scene, heard: &Result<Vec<Verdict>, ListenError>) -> Vec<BoxNumber> {
        let tally = if scene.is_short() { &mut self.short } else { &mut self.long };
        let Ok(heard) = heard else {
            tally.refused += 1;
            tally.without_answer += scene.boxes.len();
            return Vec::new();
        };
        let mut wrong = Vec::new();
        for (number, (error_ms, plus_minus_ms)) in heard.iter().filter_map(|v| Some((v.number, v.answer.ok()?))) {
            tally.answers += 1;
            self.worst_ms = self.worst_ms.max(error_ms.abs());
            self.stated_ms.push(plus_minus_ms);
            let is_beyond = error_ms.abs() > Self::limit_ms(self.kind);
            let is_outside = error_ms.abs() > plus_minus_ms;
            self.beyond += usize::from(is_beyond);
            self.outside += usize::from(is_outside);
            if is_beyond || is_outside {
                wrong.push(number);
            }
        }
        let is_answered =
            |sounding: &&SoundingBox| heard.iter().any(|v| v.number == sounding.number && v.answer.is_ok());
        tally.without_answer += scene.boxes.iter().filter(|sounding| !is_answered(sounding)).count();
        wrong
    }

    /// Returns whether every answer was right, and nearly every box of the longer recordings had one.
    pub fn is_right(&self) -> bool {
        self.beyond == 0 && self.outside == 0 && self.long.without_answer * 20 <= self.long.answers
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stated = self.stated_ms.clone();
        stated.sort_by(f64::total_cmp);
        let at = |part: f64| stated.get((stated.len() as f64 * part) as usize).copied().unwrap_or(0.0);
        write!(
            f,
            "{:?}: {} answers, the worst wrong by {:.4} ms; {} by more than {} ms, {} by more than stated (median \
             ±{:.4} ms, 95 % ±{:.4} ms); of 85 s or more: {}; of 40 to 70 s: {}",
            self.kind,
            self.long.answers + self.short.answers,
            self.worst_ms,
            self.beyond,
            Self::limit_ms(self.kind),
            self.outside,
            at(0.5),
            at(0.95),
            self.long,
            self.short
        )
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answers, without_answer, refused } = self;
        write!(f, "{answers} boxes with an answer, {without_answer} without, {refused} recordings refused")
    }
}
