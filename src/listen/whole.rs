//! From a file to what it says, in one call.

use std::io::{Read, Seek};
use std::path::Path;

use super::analysis::{self, Known};
use super::channel::ChannelChoice;
use super::compress::Compressor;
use super::findings::{Findings, ListenError};
use super::recording::{Recording, RecordingError};
use super::report::{Report, advice};
use crate::sound_check::schedule::ROUND_S;

/// Nothing louder than this is in a recording of nothing: a step of 16 bits, and what a codec makes of it.
const SILENT: f32 = 2.0 / 32_768.0;
/// A microphone in the open records more than this: -60 dB of the full scale.
const QUIET: f32 = 0.001;
/// Codecs round the length of a file; what is shorter than this part of it is cut off.
const PART_THAT_IS_WHOLE: f64 = 0.97;

/// Why a recording says nothing. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AnalyseError {
    /// It cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// It was read, and says nothing.
    #[error("{}", advice(.0))]
    Nothing(#[from] ListenError),
    /// It was read, says nothing, and is not whole.
    #[error(
        "{nothing}; it is cut off: of {promised_s:.0} s only {there_s:.0} s are there, so copy it from the phone again"
    )]
    CutOff {
        /// How long it is, in s.
        there_s: f64,
        /// How long it says that it is, in s.
        promised_s: f64,
        /// Why it says nothing.
        nothing: ListenError,
    },
    /// The caller wanted no more.
    #[error("it takes too long; cut out the minute that matters")]
    Stopped,
}

/// Analyses a recording of a sound check, such as a file that was uploaded: `source` holds the
/// bytes (a `File`, or a `Cursor` in memory), and of `name` only the extension counts, as a hint.
///
/// No more than `longest_s` are read, and refused beyond that. It needs 0.3 MB of memory for every
/// second of the recording and 20 MB (100 MB at 384 kHz), and some 0.05 s of time for every second on a
/// laptop, ten times that on a small Pi; more where sweeps are heard that no box plays. `carry_on` is
/// called for every piece that is read, with how much of the file that was (0 to 1, if known), and
/// with 1 before every step of the analysis; once it returns false, this returns
/// [`AnalyseError::Stopped`] after the step that is under way, which for a recording of some minutes is
/// within seconds. It touches no other file and no clock, and no file makes it panic.
///
/// # Errors
/// When nothing can be said; the error says why, and what to do.
///
/// # Examples
/// ```no_run
/// use jaudiosync::listen::{analyse, analysis::Known};
/// let bytes = std::fs::read("recording.m4a")?;
/// let report = analyse(std::io::Cursor::new(bytes), "recording.m4a".as_ref(), 180, &Known::default(), |_| true)?;
/// println!("{}", serde_json::to_string(&report)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn analyse(
    source: impl Read + Seek + Send + Sync + 'static,
    name: &Path,
    longest_s: u64,
    known: &Known,
    carry_on: impl FnMut(Option<f64>) -> bool,
) -> Result<Report, AnalyseError> {
    let recording = Recording::read_from(source, name, longest_s)?;
    let (findings, rate_hz) = hear(recording, None, known, carry_on)?;
    Ok(Report::new(&findings, rate_hz))
}

/// Hears a recording that was opened, in the given channel (from 0) or in the louder one, and
/// returns what was found and its rate, in Hz. For `carry_on` see [`analyse`].
///
/// # Errors
/// When nothing can be said; the error says why, and what to do.
pub fn hear(
    mut recording: Recording,
    channel: Option<usize>,
    known: &Known,
    mut carry_on: impl FnMut(Option<f64>) -> bool,
) -> Result<(Findings, u32), AnalyseError> {
    let rate_hz = recording.rate_hz();
    let mut choice = ChannelChoice::new(rate_hz, channel);
    let mut compressor = Compressor::new(rate_hz);
    let (mut frames, mut peak) = (0, 0.0_f32);
    let mut take = |samples: Vec<f32>| {
        frames += samples.len();
        peak = samples.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
        compressor.push(&samples);
    };
    while let Some(piece) = recording.read()? {
        if !carry_on(recording.progress()) {
            return Err(AnalyseError::Stopped);
        }
        take(choice.push(piece));
    }
    take(choice.finish());
    let compressed = compressor.finish();
    let there_s = frames as f64 / f64::from(rate_hz);
    if !carry_on(Some(1.0)) {
        return Err(AnalyseError::Stopped);
    }
    match analysis::analyse_while(&compressed, rate_hz, known, &mut || carry_on(Some(1.0))) {
        Err(ListenError::Stopped) => Err(AnalyseError::Stopped),
        Err(error) => {
            let nothing = more_exactly(error, there_s, peak);
            Err(match recording.promised_s().filter(|promised_s| there_s < PART_THAT_IS_WHOLE * promised_s) {
                Some(promised_s) => AnalyseError::CutOff { there_s, promised_s, nothing },
                None => AnalyseError::Nothing(nothing),
            })
        }
        Ok(findings) => Ok((findings, rate_hz)),
    }
}

/// Returns why there are no sweeps, as far as length and level of a recording say it.
fn more_exactly(error: ListenError, duration_s: f64, peak: f32) -> ListenError {
    match error {
        ListenError::NoSweeps if peak < SILENT => ListenError::Silent,
        ListenError::NoSweeps if duration_s < ROUND_S as f64 => ListenError::Short { duration_s },
        ListenError::NoSweeps if peak < QUIET => ListenError::Quiet { peak_db: 20.0 * f64::from(peak).log10() },
        error => error,
    }
}
