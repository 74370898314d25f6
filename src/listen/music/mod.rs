//! Hears in a recording of the ride itself, without a sound check, how far apart its sounds arrive.
//!
//! `place` finds which track is heard, and where in it; `line` takes the recorder's clock out;
//! `air` divides what was recorded by what was played, which leaves the response of the air from
//! all boxes together; and `arrivals` takes that apart. What cannot be told from one microphone is
//! told as such: which arrival is which box, and whether a loud one is a box or an echo. Pure:
//! decoding is for the caller, who feeds samples.

mod air;
mod arrivals;
mod line;
mod place;
mod report;

pub use place::{Candidate, Search};
pub use report::{MusicArrival, MusicError, MusicReport, Verdict};

use super::compress::RATE_HZ;

/// The shortest recording, in s.
pub const SHORTEST_S: f64 = 15.0;
/// How much more of a track is needed before and after what is heard, in s.
pub const MARGIN_S: f64 = 0.5;

/// Compares a recording with the track that is heard in it.
///
/// Both are plain samples at [`RATE_HZ`] (see
/// [`Compressor::plain`](super::compress::Compressor::plain)). `track_from` is which sample of the
/// track `track` begins with.
///
/// # Errors
/// When nothing can be said of it.
pub fn compare(
    recording: &[f32],
    candidate: &Candidate,
    track: &[f32],
    track_from: i64,
) -> Result<MusicReport, MusicError> {
    let line = line::Line::fit(recording, candidate, track, track_from)?;
    let air = air::Air::measure(recording, &line, track, track_from)?;
    let found = arrivals::find(&air)?;
    Ok(MusicReport {
        track: candidate.track,
        from_s: line.at(0.0) / RATE_HZ as f64,
        duration_s: recording.len() as f64 / RATE_HZ as f64,
        compared_s: air.compared_s,
        recorder_clock_ppm: line.clock_ppm(),
        bandwidth_hz: found.bandwidth_hz,
        resolution_ms: found.resolution_ms,
        verdict: Verdict::of(&found.arrivals),
        arrivals: found.arrivals,
    })
}
