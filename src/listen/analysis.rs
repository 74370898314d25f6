//! From a recording to what each box is late.

use std::collections::BTreeMap;

use realfft::num_complex::Complex;

use super::arrival;
use super::clock::{ClockFit, GapClock, Heard, NoFit};
use super::compress::RATE_HZ;
use super::contrast::Contrast;
use super::detect::candidates;
use super::findings::{BoxFinding, Doubt, Findings, ListenError};
use super::noise_floor::{NoiseFloor, median};
use super::response::{
    FINE_BEFORE, FINE_HZ, FINE_LENGTH, LENGTH, Response, Shape, Spectrum, align, aligned_mean, normalized,
};
use super::transform::Transform;
use super::turns::{Turn, choose};
use super::verdict::{examine, judge};
use crate::sound_check::schedule::BoxNumber;
use crate::sound_check::signal::HIGHEST_HZ;

/// The speed of sound at 20 °C, in m/s; every degree changes it by 0.2 %.
pub const SOUND_M_PER_S: f64 = 343.0;
/// Of a box's turns, those count that reach this part of its loudest: while the phone was near it.
const NEAR: f64 = 0.3;
/// A turn is of the same place as the others if it is similar to this part.
const SIMILAR: f64 = 0.3;

/// What the listener knows besides the recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// The box that the others are compared with; by default the one in the middle.
    pub reference: Option<BoxNumber>,
    /// How far a box was from the recorder, in m.
    pub distances_m: BTreeMap<BoxNumber, f64>,
}

/// The turns of one box that are used.
struct Group<'a> {
    number: BoxNumber,
    turns: Vec<&'a Turn>,
    responses: Vec<&'a Response>,
    heard_turns: usize,
    has_second_box: bool,
    level: f64,
}

/// Analyses a compressed recording (see [`super::compress`]) whose original rate is `rate_hz`.
///
/// # Errors
/// When nothing can be said of it; the error says what to do.
pub fn analyse(compressed: &[f32], rate_hz: u32, known: &Known) -> Result<Findings, ListenError> {
    analyse_while(compressed, rate_hz, known, &mut || true)
}

/// Analyses as [`analyse`] does, and asks `carry_on` before every step.
///
/// # Errors
/// When nothing can be said of it, and [`ListenError::Stopped`] once `carry_on` returns false.
pub fn analyse_while(
    compressed: &[f32],
    rate_hz: u32,
    known: &Known,
    carry_on: &mut dyn FnMut() -> bool,
) -> Result<Findings, ListenError> {
    let highest_hz = HIGHEST_HZ.min(0.49 * f64::from(rate_hz));
    let noise = NoiseFloor::measure(compressed);
    let chosen = choose(&candidates(compressed, &noise, carry_on).ok_or(ListenError::Stopped)?);
    if chosen.turns.is_empty() {
        return Err(ListenError::NoSweeps);
    }
    if chosen.strays > 2 + chosen.turns.len() / 2 {
        return Err(ListenError::NoSchedule { turns: chosen.turns.len(), strays: chosen.strays });
    }
    let coarse = Transform::<f64>::new(LENGTH);
    let fine = Transform::<f64>::new(FINE_LENGTH);
    // The first pass finds the recorder's clock, by which the second joins the two sweeps of a turn.
    let mut clock_ppm = 0.0;
    let mut pass = Pass::of(compressed, &chosen.turns, clock_ppm, &coarse);
    for _ in 0..2 {
        go_on(carry_on)?;
        let all: Vec<&Response> = pass.turns.iter().map(|(_, response)| response).collect();
        let (fit, _) = pass.fit(&Shape::of(&all, highest_hz), &fine)?;
        clock_ppm = fit.clock_ppm;
        pass = Pass::of(compressed, &chosen.turns, clock_ppm, &coarse);
    }
    go_on(carry_on)?;
    let all: Vec<&Response> = pass.turns.iter().map(|(_, response)| response).collect();
    let mut shape = Shape::of(&all, highest_hz);
    let (mut fit, mut groups) = pass.fit(&shape, &fine)?;
    for _ in 0..2 {
        go_on(carry_on)?;
        let better = shape.with_common_phase(&common(&groups, &shape, &fine), &coarse);
        let (better_fit, better_groups) = pass.fit(&better, &fine)?;
        if clarity(&better_groups, &better, &fine) <= clarity(&groups, &shape, &fine) {
            break;
        }
        (shape, fit, groups) = (better, better_fit, better_groups);
    }
    let mut boxes = Vec::new();
    for fitted in &groups {
        go_on(carry_on)?;
        boxes.push(examine(fitted, &fit, &shape, &fine, known));
    }
    boxes.extend(pass.unused(&boxes, &shape, &fine));
    boxes.sort_by_key(|found| found.number);
    let reference = judge(&mut boxes, &fit, known)?;
    Ok(Findings {
        duration_s: compressed.len() as f64 / RATE_HZ as f64,
        clock_ppm: fit.clock_ppm,
        bandwidth_hz: shape.bandwidth_hz(),
        losses_s: fit.steps.iter().map(|(_, step)| *step).collect(),
        pauses: chosen.turns.last().map_or(0, |turn| turn.part),
        strays: chosen.strays,
        reference,
        boxes,
    })
}

fn go_on(carry_on: &mut dyn FnMut() -> bool) -> Result<(), ListenError> {
    if carry_on() { Ok(()) } else { Err(ListenError::Stopped) }
}

/// Returns the responses of all boxes, and where the first arrival is in each, in samples of 24 kHz.
fn common<'a>(groups: &'a [Fitted], shape: &Shape, fine: &Transform<f64>) -> Vec<(&'a Spectrum, f64)> {
    let first = |group: &'a Fitted| {
        let first = arrival::first(&group.mean, &group.noise, &shape.band, fine)?;
        let place = (FINE_BEFORE as f64 / FINE_HZ + first.strongest_s) * RATE_HZ as f64;
        Some((&group.mean, place))
    };
    groups.iter().filter_map(first).collect()
}

/// Returns how clearly the first arrivals stand out, in the box in the middle.
fn clarity(groups: &[Fitted], shape: &Shape, fine: &Transform<f64>) -> f64 {
    let of = |group: &Fitted| arrival::first(&group.mean, &group.noise, &shape.band, fine).map(|first| first.clarity);
    median(groups.iter().filter_map(of).collect())
}

/// Every turn with its response.
struct Pass {
    turns: Vec<(Turn, Response)>,
    /// The clock by which the two sweeps of each were joined.
    clock_ppm: f64,
}

/// A box's turns after the fit.
pub(super) struct Fitted {
    pub(super) number: BoxNumber,
    pub(super) heard_turns: usize,
    pub(super) has_second_box: bool,
    pub(super) level: f64,
    /// Index in the fit, and when, in s of the recording.
    pub(super) turns: Vec<(usize, f64)>,
    /// How similar each turn is to the mean, up to 1.
    pub(super) similarities: Vec<f64>,
    pub(super) mean: Vec<Complex<f64>>,
    pub(super) noise: Vec<Complex<f64>>,
    /// The mean without each of the turns.
    pub(super) without_one: Vec<Vec<Complex<f64>>>,
}

impl Pass {
    fn of(compressed: &[f32], turns: &[Turn], clock_ppm: f64, coarse: &Transform<f64>) -> Self {
        let with_response =
            |turn: &Turn| Response::take(compressed, turn, clock_ppm, coarse).map(|response| (*turn, response));
        Self { turns: turns.iter().filter_map(with_response).collect(), clock_ppm }
    }

    fn fit(&self, shape: &Shape, fine: &Transform<f64>) -> Result<(ClockFit, Vec<Fitted>), ListenError> {
        let mut groups = self.groups(shape, fine);
        groups.retain(|group| !group.responses.is_empty());
        let mut heard: Vec<(usize, usize, Heard)> = Vec::new();
        let mut fitted = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            let aligned = align(&group.responses, shape, fine);
            for (n, (turn, response)) in group.turns.iter().zip(&group.responses).enumerate() {
                if aligned.similarities[n] >= SIMILAR {
                    let at_s = response.at_s + aligned.delays_s[n];
                    let turn = Heard { number: group.number, second: turn.second, part: turn.part, at_s };
                    heard.push((index, n, turn));
                }
            }
            let spectra: Vec<_> = group.responses.iter().map(|r| normalized(shape.apply(&r.mean))).collect();
            let scales: Vec<f64> = group.responses.iter().map(|r| norm(&shape.apply(&r.mean))).collect();
            let noises: Vec<_> = group
                .responses
                .iter()
                .zip(&scales)
                .map(|(r, scale)| shape.apply(&r.difference).into_iter().map(|x| x / scale).collect())
                .collect();
            let length_s = LENGTH as f64 / RATE_HZ as f64;
            let weights: Vec<f64> = aligned.similarities.iter().map(|s| if *s >= SIMILAR { *s } else { 0.0 }).collect();
            let without_one = (0..spectra.len())
                .filter(|_| spectra.len() > 1)
                .map(|left_out| {
                    let weights: Vec<f64> =
                        weights.iter().enumerate().map(|(n, w)| if n == left_out { 0.0 } else { *w }).collect();
                    aligned_mean(&spectra, &aligned.delays_s, &weights, length_s)
                })
                .collect();
            fitted.push(Fitted {
                number: group.number,
                heard_turns: group.heard_turns,
                has_second_box: group.has_second_box,
                level: group.level,
                turns: Vec::new(),
                noise: aligned_mean(&noises, &aligned.delays_s, &weights, length_s),
                similarities: aligned.similarities,
                mean: aligned.mean,
                without_one,
            });
        }
        heard.sort_by(|a, b| a.2.at_s.total_cmp(&b.2.at_s));
        let turns: Vec<Heard> = heard.iter().map(|(_, _, turn)| *turn).collect();
        let gaps_ppm: Vec<f64> = groups
            .iter()
            .filter(|group| !group.has_second_box)
            .flat_map(|group| group.turns.iter().zip(&group.responses))
            .map(|(turn, response)| self.clock_ppm + response.gap_excess_s(shape, fine) / turn.gap_s() * 1e6)
            .collect();
        let fit = ClockFit::of(&turns, GapClock::of(&gaps_ppm)).map_err(|reason| match reason {
            NoFit::NoClock => ListenError::TooShort,
            NoFit::NotConnected => ListenError::NotConnected,
            NoFit::Lost => ListenError::Lost,
        })?;
        for (in_fit, (group, _, turn)) in heard.iter().enumerate() {
            fitted[*group].turns.push((in_fit, turn.at_s));
        }
        fitted.retain(|group| !group.turns.is_empty());
        Ok((fit, fitted))
    }

    /// Returns the boxes that were heard and of which no turn could be used.
    fn unused(&self, used: &[BoxFinding], shape: &Shape, fine: &Transform<f64>) -> Vec<BoxFinding> {
        let groups = self.groups(shape, fine);
        // A single one may be chance.
        let is_unused =
            |group: &&Group<'_>| group.heard_turns > 1 && used.iter().all(|found| found.number != group.number);
        let finding = |group: &Group<'_>| {
            let doubt = if group.has_second_box { Doubt::TwoBoxes } else { Doubt::Disturbed };
            BoxFinding::without_answer(group.number, group.heard_turns, doubt)
        };
        groups.iter().filter(is_unused).map(finding).collect()
    }

    /// Returns the turns by box: those while the recorder was near it and nothing disturbed them.
    fn groups(&self, shape: &Shape, fine: &Transform<f64>) -> Vec<Group<'_>> {
        let mut numbers: Vec<BoxNumber> = self.turns.iter().map(|(turn, _)| turn.number).collect();
        numbers.sort();
        numbers.dedup();
        let group = |number: BoxNumber| {
            let mut all: Vec<(&Turn, &Response, Contrast)> = self
                .turns
                .iter()
                .filter(|(turn, _)| turn.number == number)
                .map(|(turn, response)| (turn, response, Contrast::of(response, shape, fine)))
                .collect();
            let heard_turns = all.len();
            let loudest = all.iter().map(|(_, _, contrast)| contrast.level).fold(0.0, f64::max);
            all.retain(|(_, _, contrast)| contrast.level >= NEAR * loudest);
            let two = all.iter().filter(|(_, _, contrast)| contrast.is_of_two()).count();
            all.retain(|(_, _, contrast)| !contrast.is_disturbed());
            Group {
                number,
                heard_turns,
                has_second_box: two * 3 >= heard_turns && two > 0,
                level: median(all.iter().map(|(_, _, contrast)| contrast.level).collect()),
                turns: all.iter().map(|(turn, _, _)| *turn).collect(),
                responses: all.iter().map(|(_, response, _)| *response).collect(),
            }
        };
        numbers.into_iter().map(group).collect()
    }
}

fn norm(spectrum: &[Complex<f64>]) -> f64 {
    spectrum.iter().map(Complex::norm_sqr).sum::<f64>().sqrt().max(f64::MIN_POSITIVE)
}
