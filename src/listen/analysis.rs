//! From a recording to what each box is late.

use std::collections::BTreeMap;

use realfft::num_complex::Complex;

use super::arrival::{self, Arrival};
use super::clock::{ClockFit, Heard, NoFit};
use super::compress::RATE_HZ;
use super::detect::candidates;
use super::findings::{BoxFinding, Doubt, Findings, ListenError, Offset, Point};
use super::noise_floor::{NoiseFloor, median};
use super::response::{
    FINE_BEFORE, FINE_HZ, FINE_LENGTH, LENGTH, Response, Shape, Spectrum, align, aligned_mean, normalized,
};
use super::transform::Transform;
use super::turns::{Turn, choose};
use crate::sound_check::schedule::BoxNumber;
use crate::sound_check::signal::HIGHEST_HZ;

/// The speed of sound at 20 °C, in m/s; every degree changes it by 0.2 %.
pub const SOUND_M_PER_S: f64 = 343.0;
/// Of a box's turns, those count that reach this part of its loudest: while the phone was near it.
const NEAR: f64 = 0.3;
/// A turn whose sweeps differ by more than this part of their energy was disturbed.
const DISTURBED: f64 = 0.5;
/// Two boxes with one number differ by at least this part.
const SECOND_BOX: f64 = 0.1;
/// And what differs is twice there, with opposite signs, to this part; 0.5 would be perfect.
const SECOND_BOX_TWICE: f64 = 0.3;
/// A turn is of the same place as the others if it is similar to this part.
const SIMILAR: f64 = 0.3;
/// A box that is later than the others by more is not believed, in s: no sound card is.
const LATEST_S: f64 = 0.060;
/// A box that is fainter than the one in the middle by this factor and later by [`FAR_S`] may be
/// another ride's.
const FAR_FACTOR: f64 = 0.25;
const FAR_S: f64 = 0.015;

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
    let highest_hz = HIGHEST_HZ.min(0.49 * f64::from(rate_hz));
    let chosen = choose(&candidates(compressed, &NoiseFloor::measure(compressed)));
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
        let all: Vec<&Response> = pass.turns.iter().map(|(_, response)| response).collect();
        let (fit, _) = pass.fit(&Shape::of(&all, highest_hz), &fine)?;
        clock_ppm = fit.clock_ppm;
        pass = Pass::of(compressed, &chosen.turns, clock_ppm, &coarse);
    }
    let all: Vec<&Response> = pass.turns.iter().map(|(_, response)| response).collect();
    let mut shape = Shape::of(&all, highest_hz);
    let (mut fit, mut groups) = pass.fit(&shape, &fine)?;
    for _ in 0..2 {
        let better = shape.with_common_phase(&common(&groups, &shape, &fine), &coarse);
        let (better_fit, better_groups) = pass.fit(&better, &fine)?;
        if clarity(&better_groups, &better, &fine) <= clarity(&groups, &shape, &fine) {
            break;
        }
        (shape, fit, groups) = (better, better_fit, better_groups);
    }
    let mut boxes = Vec::new();
    for fitted in &groups {
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
}

/// A box's turns after the fit.
struct Fitted {
    number: BoxNumber,
    heard_turns: usize,
    has_second_box: bool,
    level: f64,
    /// Index in the fit, and when, in s of the recording.
    turns: Vec<(usize, f64)>,
    /// When the turn to which the mean is aligned was found, in s of the recording.
    similarities: Vec<f64>,
    mean: Vec<Complex<f64>>,
    noise: Vec<Complex<f64>>,
    /// The mean without each of the turns.
    without_one: Vec<Vec<Complex<f64>>>,
}

impl Pass {
    fn of(compressed: &[f32], turns: &[Turn], clock_ppm: f64, coarse: &Transform<f64>) -> Self {
        let with_response =
            |turn: &Turn| Response::take(compressed, turn, clock_ppm, coarse).map(|response| (*turn, response));
        Self { turns: turns.iter().filter_map(with_response).collect() }
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
        let fit = ClockFit::of(&turns).map_err(|reason| match reason {
            NoFit::NoClock => ListenError::TooShort,
            NoFit::NotConnected => ListenError::NotConnected,
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
        let is_unused = |group: &&Group<'_>| used.iter().all(|found| found.number != group.number);
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
            all.retain(|(_, _, contrast)| contrast.difference < DISTURBED);
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

/// How the two sweeps of a turn differ.
struct Contrast {
    /// The level of what they have in common, from 3 ms before to 15 ms after the turn was found.
    level: f64,
    /// The energy of what differs there, as a part of that.
    difference: f64,
    /// How much of what differs is there a second time with the opposite sign, at the distance of
    /// another mark: 0.5 at most.
    repeats: f64,
}

impl Contrast {
    fn of(response: &Response, shape: &Shape, fine: &Transform<f64>) -> Self {
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

    fn is_of_two(&self) -> bool {
        self.difference > SECOND_BOX && self.repeats > SECOND_BOX_TWICE
    }
}

/// Finds a box's first arrival, and says what is doubtful about it.
fn examine(fitted: &Fitted, fit: &ClockFit, shape: &Shape, fine: &Transform<f64>, known: &Known) -> BoxFinding {
    let first = arrival::first(&fitted.mean, &fitted.noise, &shape.band, fine);
    let again: Vec<Arrival> =
        fitted.without_one.iter().filter_map(|mean| arrival::first(mean, &fitted.noise, &shape.band, fine)).collect();
    let used = fitted.turns.iter().filter(|(index, _)| fit.weights[*index] > 0.01).count();
    let air_s = known.distances_m.get(&fitted.number).map_or(0.0, |m| m / SOUND_M_PER_S);
    let result = match first {
        _ if fitted.has_second_box => Err(Doubt::TwoBoxes),
        None => Err(Doubt::Unclear),
        Some(_) if used < 2 => Err(Doubt::HeardOnce),
        Some(first) => {
            // Jackknife: how much the first arrival depends on single turns.
            let count = again.len().max(1) as f64;
            let jackknife = again.iter().map(|a| (a.at_s - first.at_s).powi(2)).sum::<f64>() * (count - 1.0) / count;
            let offset_s = fit.offsets_s.get(&fitted.number).copied().unwrap_or(0.0) + first.at_s - air_s;
            Ok(Offset { ms: offset_s * 1e3, plus_minus_ms: own_uncertainty_s(&first, jackknife.sqrt(), shape) * 1e3 })
        }
    };
    let offset_s = fit.offsets_s.get(&fitted.number).copied().unwrap_or(0.0);
    BoxFinding {
        number: fitted.number,
        heard_turns: fitted.heard_turns,
        used_turns: used,
        level: fitted.level,
        similarity: median(fitted.similarities.clone()),
        first_share: first.map_or(0.0, |first| first.share),
        result,
        points: fitted
            .turns
            .iter()
            .map(|(index, at_s)| Point {
                at_s: *at_s,
                ms: (offset_s + fit.residuals_s[*index] + first.map_or(0.0, |first| first.at_s) - air_s) * 1e3,
                is_used: fit.weights[*index] > 0.01,
            })
            .collect(),
        response: picture(&fitted.mean, first.map_or(0.0, |first| first.at_s), fine),
        clarity: first.map_or(0.0, |first| first.clarity),
        ambiguity_ms: first.map_or(0.0, |first| first.ambiguity_s * 1e3),
    }
}

/// Returns how uncertain a first arrival is by itself, in s.
fn own_uncertainty_s(first: &Arrival, jackknife_s: f64, shape: &Shape) -> f64 {
    // Pulses nearer than this are not told apart.
    let width_s = 0.5 / shape.bandwidth_hz().max(1.0);
    let floor_s = 0.05 * width_s;
    let hidden_s = width_s * 0.5 * (1.0 - first.clarity).max(0.0);
    let weak_s = if first.share.abs() < 0.5 { 0.2 * width_s } else { 0.0 };
    (floor_s.powi(2) + (3.0 * jackknife_s).powi(2) + (0.4 * hidden_s).powi(2) + weak_s.powi(2)).sqrt()
}

/// Returns the response around the first arrival, from 5 ms before to 15 ms after it, every 1/96 ms.
fn picture(mean: &[Complex<f64>], first_s: f64, fine: &Transform<f64>) -> Vec<f32> {
    let signal = fine.signal(mean.to_vec());
    let from = FINE_BEFORE as f64 + (first_s - 0.005) * FINE_HZ;
    let from = (from.max(0.0) as usize).min(signal.len());
    let piece = &signal[from..(from + (0.020 * FINE_HZ) as usize).min(signal.len())];
    let largest = piece.iter().fold(f64::MIN_POSITIVE, |a, b| a.max(b.abs()));
    piece.iter().map(|x| (x / largest) as f32).collect()
}

/// Compares the boxes with one of them, and leaves out what cannot be believed. Returns the reference.
fn judge(boxes: &mut [BoxFinding], fit: &ClockFit, known: &Known) -> Result<BoxNumber, ListenError> {
    let middle_level = median(boxes.iter().map(|one| one.level).filter(|level| *level > 0.0).collect());
    let offsets: Vec<f64> = boxes.iter().filter_map(|one| one.result.ok()).map(|offset| offset.ms).collect();
    let middle_ms = median(offsets);
    for one in boxes.iter_mut() {
        if let Ok(offset) = one.result {
            let late_ms = offset.ms - middle_ms;
            let is_faint = one.level < FAR_FACTOR * middle_level && late_ms > FAR_S * 1e3;
            if late_ms.abs() > LATEST_S * 1e3 || is_faint {
                one.result = Err(Doubt::TooLate);
            }
        }
    }
    let believed: Vec<(BoxNumber, Offset)> =
        boxes.iter().filter_map(|one| Some((one.number, one.result.ok()?))).collect();
    if believed.len() < 2 {
        return Err(ListenError::TooFewBoxes {
            boxes: boxes.iter().map(|one| (one.number, one.result.err())).collect(),
        });
    }
    let reference = match known.reference {
        Some(number) => number,
        None => {
            let mut sorted = believed.clone();
            sorted.sort_by(|a, b| a.1.ms.total_cmp(&b.1.ms));
            sorted[(sorted.len() - 1) / 2].0
        }
    };
    let Some((_, origin)) = believed.iter().find(|(number, _)| *number == reference).copied() else {
        return Err(ListenError::NoReference(reference));
    };
    for one in boxes.iter_mut() {
        let between_ms = 2.0 * fit.sigma_between_s(one.number, reference) * 1e3;
        if let Ok(offset) = &mut one.result {
            offset.ms -= origin.ms;
            let own = if one.number == reference { 0.0 } else { offset.plus_minus_ms.hypot(origin.plus_minus_ms) };
            offset.plus_minus_ms = own.hypot(between_ms);
        }
        one.points.iter_mut().for_each(|point| point.ms -= origin.ms);
    }
    Ok(reference)
}
