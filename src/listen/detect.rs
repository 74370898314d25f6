//! Finds turns in a compressed recording: two pulses whose gap is one of those that boxes use.

use realfft::num_complex::Complex;

use super::compress::{RATE_HZ, in_band};
use super::noise_floor::{NoiseFloor, median};
use super::transform::Transform;
use crate::sound_check::schedule::{BoxNumber, Mark, gap_s};

/// Samples that are searched at once: 5.5 s.
const BLOCK: usize = 1 << 17;
/// What the filter spoils at either end of a block, in samples.
const EDGE: usize = RATE_HZ / 20;
/// The longest gap with some room, in samples.
const LONGEST_GAP: usize = RATE_HZ / 2;
/// A pulse has this many times the noise's standard deviation. Noise has it by chance once in 4
/// million samples, and twice with a gap that boxes use once in days.
const THRESHOLD: f32 = 5.5;
/// In exact silence a pulse has at least this part of the loudest: what is fainter is what coding
/// makes of a sweep.
const QUIETEST: f32 = 0.01;
/// How far a pulse's neighbours are apart from it at least, in samples: 0.5 ms.
const APART: usize = RATE_HZ / 2000;
/// How exact a gap is: the recorder's clock may be 100 ppm off, and noise moves a peak, in samples.
const TOLERANCE: usize = 6;
/// Of candidates within 0.4 s, only those count that reach this part of the strongest.
const FAINT: f32 = 0.4;
/// As many pairs in a block are looked at, and as many candidates in a second are kept, the strongest
/// of each: a room makes some ten of a turn. Without a limit, a file that was made to would take hours.
const MOST_IN_BLOCK: usize = 4000;
const MOST_PER_S: usize = 16;

/// A turn that may be one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// When its first sweep arrives, in samples of the compressed recording.
    pub at: usize,
    /// Whose gap it has.
    pub number: BoxNumber,
    /// Which of the gaps of that box.
    pub mark: Mark,
    /// How far the weaker of its two pulses stands out of the noise, in standard deviations.
    pub strength: f32,
    /// Its strength as a part of the strongest candidate's near by, 0 to 1.
    pub share: f32,
}

/// Returns every candidate, in the order of time. `carry_on` is asked for every 5 s of the recording;
/// `None` once it returns false.
pub fn candidates(
    compressed: &[f32],
    noise: &NoiseFloor,
    carry_on: &mut dyn FnMut() -> bool,
) -> Option<Vec<Candidate>> {
    let transform = Transform::<f32>::new(BLOCK);
    let whitening: Vec<f32> = (0..transform.bins())
        .map(|bin| {
            let frequency = bin as f64 * RATE_HZ as f64 / BLOCK as f64;
            let floor = 1e-6 * noise.largest();
            let power = noise.at(frequency) + floor;
            if power > 0.0 { (in_band(frequency, RATE_HZ as f64 / 2.0) / power.sqrt()) as f32 } else { 0.0 }
        })
        .collect();
    let step = BLOCK - 2 * EDGE - LONGEST_GAP;
    let mut padded = vec![0.0; EDGE];
    padded.extend_from_slice(compressed);
    let starts = || (0..compressed.len()).step_by(step);
    let block = |start: usize| &padded[start..padded.len().min(start + BLOCK)];
    let mut loudest = 0.0_f32;
    for start in starts() {
        if !carry_on() {
            return None;
        }
        loudest = envelope(&transform, block(start), &whitening).into_iter().fold(loudest, f32::max);
    }
    let mut found = Vec::new();
    for start in starts() {
        if !carry_on() {
            return None;
        }
        let mut envelope = envelope(&transform, block(start), &whitening);
        let sigma = sigma(&envelope).max(QUIETEST * loudest / THRESHOLD);
        if sigma <= 0.0 {
            continue;
        }
        envelope.iter_mut().for_each(|x| *x /= sigma);
        let end = (EDGE + step).min(envelope.len());
        for (at, candidate) in pairs(&envelope, EDGE.min(end)..end) {
            found.push(Candidate { at: start + at - EDGE, ..candidate });
        }
    }
    Some(strongest(distinct(found)))
}

/// Leaves the strongest candidates of each second.
fn strongest(found: Vec<Candidate>) -> Vec<Candidate> {
    let mut kept = Vec::new();
    for second in found.chunk_by(|a, b| a.at / RATE_HZ == b.at / RATE_HZ) {
        let mut strengths: Vec<f32> = second.iter().map(|one| one.strength).collect();
        strengths.sort_by(|a, b| b.total_cmp(a));
        let least = strengths[strengths.len().min(MOST_PER_S) - 1];
        kept.extend(second.iter().filter(|one| one.strength >= least).take(MOST_PER_S));
    }
    kept
}

/// Returns the standard deviation of the noise in an envelope. Of noise, it is Rayleigh distributed:
/// its median is 1.1774 standard deviations.
fn sigma(envelope: &[f32]) -> f32 {
    median(envelope.iter().step_by(16).map(|x| f64::from(*x)).collect()) as f32 / 1.1774
}

/// Returns the whitened envelope.
fn envelope(transform: &Transform<f32>, block: &[f32], whitening: &[f32]) -> Vec<f32> {
    let spectrum: Vec<Complex<f32>> =
        transform.spectrum(block).iter().zip(whitening).map(|(x, white)| x * white).collect();
    let quadrature = spectrum.iter().map(|x| Complex::new(x.im, -x.re)).collect();
    let (real, imaginary) = (transform.signal(spectrum), transform.signal(quadrature));
    let mut envelope: Vec<f32> = real.iter().zip(&imaginary).map(|(a, b)| a.hypot(*b)).collect();
    envelope.truncate(block.len());
    envelope
}

/// Returns the pairs of pulses whose first one lies in `range`.
fn pairs(envelope: &[f32], range: std::ops::Range<usize>) -> Vec<(usize, Candidate)> {
    let codes: Vec<_> = BoxNumber::all()
        .flat_map(|number| {
            Mark::all().map(move |mark| (number, mark, (gap_s(number, mark) * RATE_HZ as f64).round() as usize))
        })
        .collect();
    let is_peak = |n: usize| {
        let around = &envelope[n.saturating_sub(APART)..(n + APART + 1).min(envelope.len())];
        envelope[n] >= THRESHOLD && around.iter().all(|x| *x <= envelope[n])
    };
    let mut found = Vec::new();
    for at in range.filter(|&n| is_peak(n)) {
        for &(number, mark, gap) in &codes {
            let Some(second) = envelope.get(at + gap - TOLERANCE..at + gap + TOLERANCE + 1) else { continue };
            let strength = second.iter().copied().fold(0.0, f32::max).min(envelope[at]);
            if strength >= THRESHOLD {
                found.push((at, Candidate { at, number, mark, strength, share: 1.0 }));
            }
        }
    }
    if found.len() > MOST_IN_BLOCK {
        found.sort_by(|a, b| b.1.strength.total_cmp(&a.1.strength));
        found.truncate(MOST_IN_BLOCK);
    }
    found
}

/// Leaves the strongest of the candidates that have the same gap and nearly the same time, and of all
/// within 0.4 s those that are not much weaker than the strongest.
fn distinct(mut found: Vec<Candidate>) -> Vec<Candidate> {
    let near = 2 * RATE_HZ / 5;
    found.sort_by_key(|candidate| candidate.at);
    let strongest_near: Vec<f32> = (0..found.len())
        .map(|index| neighbours(&found, index, near).map(|other| other.strength).fold(0.0, f32::max))
        .collect();
    let is_best = |index: usize| {
        let this = &found[index];
        neighbours(&found, index, RATE_HZ / 20).all(|other| {
            (other.number, other.mark) != (this.number, this.mark)
                || (other.strength, this.at) <= (this.strength, other.at)
        })
    };
    (0..found.len())
        .filter(|&index| found[index].strength >= FAINT * strongest_near[index] && is_best(index))
        .map(|index| Candidate { share: found[index].strength / strongest_near[index], ..found[index] })
        .collect()
}

/// Returns the candidates within some samples of one of them, itself included; they are sorted.
fn neighbours(found: &[Candidate], index: usize, within: usize) -> impl Iterator<Item = &Candidate> {
    let at = found[index].at;
    let before = found[..index].iter().rev().take_while(move |other| at - other.at <= within);
    before.chain(found[index..].iter().take_while(move |other| other.at - at <= within))
}
