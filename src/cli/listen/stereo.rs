//! `listen --stereo`: the left channel against the right.

use std::path::Path;

use jaudiosync_correlation::WindowLag;
use serde_json::json;

use super::super::{Failure, output};
use super::files;
use super::input::Input;
use crate::listen::picture;
use crate::listen::stereo::{STEP_S, StereoLag, WINDOW_S, counts, summary};

/// The longest recording, in s. It is not held in memory.
const LONGEST_S: u64 = 24 * 3600;
/// At most as many lines of the table.
const LINES: usize = 60;

/// Measures one recording, and prints what it says.
pub(super) fn run(input: &Input, svg: Option<&Path>, as_json: bool) -> Result<(), Failure> {
    let file = &input.name;
    let rate = std::cell::Cell::new(0);
    let mut stereo: Option<StereoLag> = None;
    let mut is_mono = false;
    files::read(
        input,
        LONGEST_S,
        |rate_hz| rate.set(rate_hz),
        |piece| match &piece[..] {
            [left, right, ..] => stereo.get_or_insert_with(|| StereoLag::new(rate.get())).push(left, right),
            _ => is_mono = true,
        },
    )?;
    let Some(stereo) = stereo.filter(|_| !is_mono) else {
        return Err(Failure::Other(format!(
            "{}: it has one channel; record the boxes' line outputs as left and right of one stereo recorder",
            file.display()
        )));
    };
    let windows = stereo.finish();
    let Some(summary) = summary(&windows) else {
        return Err(Failure::Other(format!(
            "{}: left and right never play the same; is one box in each channel, and do both play?",
            file.display()
        )));
    };
    if let Some(svg) = svg {
        files::write(svg, &picture::stereo_svg(&file.display().to_string(), &windows))?;
    }
    if as_json {
        return output::say_pretty_json(&json!({
            "file": file.to_string_lossy(),
            "rate_hz": rate.get(),
            "step_s": STEP_S,
            "window_s": WINDOW_S,
            "median_ms": summary.median_ms,
            "quartiles_ms": [summary.quartiles_ms.0, summary.quartiles_ms.1],
            "extremes_ms": [summary.extremes_ms.0, summary.extremes_ms.1],
            "drift_ms_per_h": summary.drift_ms_per_h,
            "silent": summary.silent,
            "unlike": summary.unlike,
            "lags": windows.iter().map(|window| json!({
                "at_s": window.at_s,
                "lag_ms": window.lag_ms.filter(|_| counts(window)),
                "correlation": window.correlation,
            })).collect::<Vec<_>>(),
        }));
    }
    output::say(format_args!(
        "{}: the right channel is {:.4} ms {} the left (median of {}; silent: {}, not alike: {})",
        file.display(),
        summary.median_ms.abs(),
        if summary.median_ms < 0.0 { "ahead of" } else { "behind" },
        summary.windows - summary.silent - summary.unlike,
        summary.silent,
        summary.unlike,
    ));
    output::say(format_args!(
        "Half of all lie between {:+.4} and {:+.4} ms, all between {:+.4} and {:+.4} ms; {:+.3} ms per hour.",
        summary.quartiles_ms.0,
        summary.quartiles_ms.1,
        summary.extremes_ms.0,
        summary.extremes_ms.1,
        summary.drift_ms_per_h
    ));
    lines(&windows);
    Ok(())
}

/// Prints the course of the lag: the median of as many stretches as there are lines.
fn lines(windows: &[WindowLag]) {
    let stretch = windows.len().div_ceil(LINES).max(10);
    for piece in windows.chunks(stretch) {
        let (Some(first), Some(last)) = (piece.first(), piece.last()) else { continue };
        let text = match summary(piece) {
            Some(piece) => {
                format!("{:+.4} ms ({:+.4} to {:+.4})", piece.median_ms, piece.extremes_ms.0, piece.extremes_ms.1)
            }
            None => "nothing to compare".to_owned(),
        };
        output::say(format_args!("{:7.1} to {:7.1} s  {text}", first.at_s, last.at_s));
    }
}
