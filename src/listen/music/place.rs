//! Finds which track is heard in a recording, and where in it.
//!
//! Pieces of the recording are correlated with every track, of which only the phases count (C.
//! Knapp, G. Carter: The generalized correlation method for estimation of time delay, IEEE ASSP 24,
//! 1976): so neither the loudspeakers' nor the room's spectrum matters, and in anything else the
//! correlation is noise of a known size. A track counts if several pieces of the recording agree on
//! the place.

use realfft::num_complex::Complex;

use super::super::compress::RATE_HZ;
use super::super::transform::Transform;
use super::{MusicError, SHORTEST_S};

/// A piece of the recording, in samples: 5.5 s.
const PIECE: usize = 1 << 17;
/// What is transformed at once, in samples.
const BLOCK: usize = 2 * PIECE;
/// Every so many samples there is a value of the correlation.
const COARSE: usize = 8;
/// The band that counts: the recorder's clock changes higher frequencies within a piece, in Hz.
const BAND_HZ: (f64, f64) = (400.0, 1400.0);
/// At most as many pieces.
const PIECES: usize = 8;
/// A correlation counts if it is so many standard deviations high. By chance it is once in 10^14
/// places.
const LEAST_SIGMAS: f32 = 8.0;
/// Pieces agree if they say the same to so many samples, and the recorder's clock: it may be one
/// box in one piece and another in the next.
const AGREES: f64 = 0.06 * RATE_HZ as f64;
/// How far a recorder's clock may be off.
const CLOCK: f64 = 2e-4;

/// Where a recording may be from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The track, from 0.
    pub track: usize,
    /// Which sample of the track, at [`RATE_HZ`], is heard when the recording begins; it may be
    /// negative. It is right to some 1000 samples.
    pub offset: f64,
    /// How many pieces of the recording agree.
    pub pieces: usize,
    /// The part of the recording in which they lie, in samples.
    pub heard: (usize, usize),
}

struct Piece {
    at: usize,
    phases: Vec<Complex<f32>>,
    best: Option<Hit>,
}

#[derive(Debug, Clone, Copy)]
struct Hit {
    track: usize,
    place: usize,
    sigmas: f32,
}

/// A search for the place.
pub struct Search {
    forward: Transform<f32>,
    inverse: Transform<f32>,
    bins: (usize, usize),
    pieces: Vec<Piece>,
    track: usize,
    pending: Vec<f32>,
    begins: usize,
}

impl Search {
    /// Begins with a recording.
    ///
    /// # Errors
    /// When it is too short or silent.
    pub fn new(recording: &[f32]) -> Result<Self, MusicError> {
        if (recording.len() as f64) < SHORTEST_S * RATE_HZ as f64 || recording.len() < 2 * PIECE {
            return Err(MusicError::TooShort);
        }
        let forward = Transform::<f32>::new(BLOCK);
        let inverse = Transform::<f32>::new(BLOCK / COARSE);
        let bin = |hz: f64| (hz * BLOCK as f64 / RATE_HZ as f64) as usize;
        let bins = (bin(BAND_HZ.0), bin(BAND_HZ.1));
        let count = (recording.len() / PIECE).min(PIECES);
        let last = recording.len() - PIECE;
        let pieces = (0..count).map(|n| {
            let at = last * n / (count - 1).max(1);
            Piece { at, phases: phases(&forward, bins, &recording[at..at + PIECE]), best: None }
        });
        let pieces = pieces.collect();
        Ok(Self { forward, inverse, bins, pieces, track: 0, pending: Vec::new(), begins: 0 })
    }

    /// Begins with a track, from 0, of which the samples from `from` on follow.
    pub fn begin_track(&mut self, track: usize, from: usize) {
        (self.track, self.begins) = (track, from);
        self.pending.clear();
    }

    /// Takes the samples of the track that follow.
    pub fn push(&mut self, samples: &[f32]) {
        self.pending.extend_from_slice(samples);
        while self.pending.len() >= BLOCK {
            self.search_block();
            self.pending.drain(..PIECE);
            self.begins += PIECE;
        }
    }

    /// Ends the track. Returns whether all pieces of the recording have been found by now.
    pub fn end_track(&mut self) -> bool {
        while !self.pending.is_empty() {
            self.search_block();
            let length = self.pending.len().min(PIECE);
            self.pending.drain(..length);
            self.begins += PIECE;
        }
        self.pieces.iter().all(|piece| piece.best.is_some())
    }

    fn search_block(&mut self) {
        let block = phases(&self.forward, self.bins, &self.pending[..self.pending.len().min(BLOCK)]);
        // Of so many phases that are chance.
        let sigma = (2.0 * block.len() as f32).sqrt();
        for piece in &mut self.pieces {
            let mut spectrum = vec![Complex::new(0.0, 0.0); self.bins.0];
            spectrum.extend(block.iter().zip(&piece.phases).map(|(a, b)| a * b.conj()));
            let correlation = self.inverse.signal(spectrum);
            let (place, height) = correlation[..PIECE / COARSE]
                .iter()
                .map(|x| x.abs())
                .enumerate()
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .unwrap_or_default();
            let sigmas = height / sigma;
            if sigmas >= LEAST_SIGMAS && piece.best.is_none_or(|best| sigmas > best.sigmas) {
                piece.best = Some(Hit { track: self.track, place: self.begins + place * COARSE, sigmas });
            }
        }
    }

    /// Returns where the recording is from, the part with most pieces first: several parts, if it
    /// goes on from track to track.
    ///
    /// # Errors
    /// When no track is heard in it.
    pub fn finish(&self) -> Result<Vec<Candidate>, MusicError> {
        let mut hits: Vec<(usize, Hit)> =
            self.pieces.iter().filter_map(|piece| Some((piece.at, piece.best?))).collect();
        let mut candidates = Vec::new();
        loop {
            let offset = |(at, hit): &(usize, Hit)| hit.place as f64 - *at as f64;
            let agree = |a: &(usize, Hit), b: &(usize, Hit)| {
                let reach = AGREES + CLOCK * a.0.abs_diff(b.0) as f64;
                a.1.track == b.1.track && (offset(a) - offset(b)).abs() <= reach
            };
            let with = |one: &(usize, Hit)| hits.iter().filter(|other| agree(one, other)).copied().collect::<Vec<_>>();
            let Some(group) = hits.iter().map(with).max_by_key(Vec::len).filter(|group| group.len() >= 2) else {
                break;
            };
            let mut offsets: Vec<f64> = group.iter().map(offset).collect();
            offsets.sort_by(f64::total_cmp);
            let heard = (group.iter().map(|hit| hit.0).min(), group.iter().map(|hit| hit.0 + PIECE).max());
            candidates.push(Candidate {
                track: group[0].1.track,
                offset: offsets[offsets.len() / 2],
                pieces: group.len(),
                heard: (heard.0.unwrap_or_default(), heard.1.unwrap_or_default()),
            });
            hits.retain(|hit| group.iter().all(|one| one.0 != hit.0));
        }
        if candidates.is_empty() { Err(MusicError::NotFound) } else { Ok(candidates) }
    }
}

/// Returns the phases of a signal's frequencies within the band, each of length 1.
fn phases(transform: &Transform<f32>, (from, to): (usize, usize), signal: &[f32]) -> Vec<Complex<f32>> {
    let spectrum = transform.spectrum(signal);
    spectrum[from..to].iter().map(|x| x / x.norm().max(f32::MIN_POSITIVE)).collect()
}
