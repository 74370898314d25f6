//! What was heard, for people and as JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::super::output;
use crate::format;
use crate::listen::analysis::{Known, SOUND_M_PER_S};
use crate::listen::findings::{BoxFinding, Doubt, Findings, ListenError, Offset};
use crate::sound_check::schedule::BoxNumber;

/// A change that is smaller is not worth making, in ms.
const LEAST_CHANGE_MS: f64 = 0.01;

/// Returns what went wrong and what to do.
pub(super) fn advice(error: &ListenError) -> String {
    let advice = match error {
        ListenError::NoSweeps => {
            "is it the right file? Start a sound check on every box (jaudiosync sound-check), go nearer, and record a \
             minute or more; switch off what removes noise in the recorder, such as for calls"
        }
        ListenError::NoSchedule { .. } => {
            "do the boxes have the right time (jaudiosync status)? Perhaps it is cut together, or another ride is \
             louder; record it again"
        }
        ListenError::TooShort => "record a minute or more without a pause",
        ListenError::NotConnected => "record it again without a pause, or cut it where it paused",
        ListenError::TooFewBoxes { boxes } => {
            let reasons: Vec<String> = boxes
                .iter()
                .map(|(number, doubt)| match doubt {
                    Some(doubt) => format!("box {number}: {}", reason(*doubt)),
                    None => format!("box {number} is heard"),
                })
                .collect();
            return format!("{error}: {}", reasons.join("; "));
        }
        ListenError::NoReference(_) => "name another one with --reference, or leave it out",
    };
    format!("{error}; {advice}")
}

/// Returns why nothing is said of a box, and what to do.
fn reason(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::TwoBoxes => "two boxes sound with this number; give one of them another (sound_check.number)",
        Doubt::TooLate => "too late, or faint and late: perhaps of another ride; go nearer to your own boxes",
        Doubt::HeardOnce => "heard in one turn alone; record for longer, and without noise beside the phone",
        Doubt::Disturbed => "noise covers its sweeps; go nearer, or wait until it is quieter, and record for longer",
        Doubt::Unclear => "its first arrival does not stand out; go nearer, or to where you see the speaker",
    }
}

/// Returns how sure an answer is, in a word.
fn sureness(offset: Offset) -> &'static str {
    match offset.plus_minus_ms {
        x if x <= 0.05 => "sure",
        x if x <= 0.2 => "fair",
        _ => "rough",
    }
}

/// Prints what one recording says.
pub(super) fn table(file: &Path, rate_hz: u32, findings: &Findings, latencies_ms: &BTreeMap<BoxNumber, f64>) {
    output::say(format_args!(
        "{}: {}, {rate_hz} Hz; the recorder's clock is {:.1} ppm {}",
        file.display(),
        format::duration(findings.duration_s.round() as i64),
        findings.clock_ppm.abs(),
        if findings.clock_ppm < 0.0 { "slow" } else { "fast" },
    ));
    for loss_s in &findings.losses_s {
        let what = if *loss_s < 0.0 { "lost" } else { "inserted" };
        output::say(format_args!("The recorder {what} {:.1} ms, which is allowed for.", loss_s.abs() * 1e3));
    }
    if findings.pauses > 0 {
        output::say(format_args!(
            "The recorder paused ({}), which is allowed for.",
            format::counted(findings.pauses, "time")
        ));
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["box", "late by", "", "±", "turns", "", "output_latency_ms"]);
    for found in &findings.boxes {
        let turns = format!("{} of {}", found.used_turns, found.heard_turns);
        let row = match found.result {
            Ok(offset) => [
                found.number.to_string(),
                format!("{:+.3} ms", offset.ms),
                if found.number == findings.reference { "(reference)".to_owned() } else { String::new() },
                format!("{:.3} ms", offset.plus_minus_ms),
                turns,
                sureness(offset).to_owned(),
                change(found.number, offset, latencies_ms),
            ],
            Err(_) => [
                found.number.to_string(),
                "?".to_owned(),
                String::new(),
                String::new(),
                turns,
                "no answer".to_owned(),
                String::new(),
            ],
        };
        table.add_row(row);
    }
    for column in [0, 1, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    output::say(format!("{table}").lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
    for found in &findings.boxes {
        if let Err(doubt) = found.result {
            output::say(format_args!("box {}: {}", found.number, reason(doubt)));
        }
    }
}

/// Returns what to do about a box's `output_latency_ms`.
fn change(number: BoxNumber, offset: Offset, latencies_ms: &BTreeMap<BoxNumber, f64>) -> String {
    let worth = offset.ms.abs() >= LEAST_CHANGE_MS.max(offset.plus_minus_ms);
    match latencies_ms.get(&number) {
        Some(now_ms) if worth => format!("{:.2}", now_ms + offset.ms),
        Some(now_ms) => format!("{now_ms} (as it is)"),
        None if !worth => "as it is".to_owned(),
        None if offset.ms > 0.0 => format!("{:.2} more", offset.ms),
        None => format!("{:.2} less", -offset.ms),
    }
}

/// Prints what all recordings say together.
pub(super) fn together(together: &BTreeMap<BoxNumber, Offset>, latencies_ms: &BTreeMap<BoxNumber, f64>) {
    output::say("All recordings together:");
    for (number, offset) in together {
        output::say(format_args!(
            "  box {number:2}  {:+.3} ms ± {:.3} ms  output_latency_ms: {}",
            offset.ms,
            offset.plus_minus_ms,
            change(*number, *offset, latencies_ms)
        ));
    }
}

/// Prints what the figures assume.
pub(super) fn assumptions(known: &Known) {
    if known.distances_m.is_empty() {
        output::say(format_args!(
            "Assumed: the recorder was equally far from every box, or 5 cm from each in turn. 10 cm are {:.2} ms; \
             --distance BOX=M corrects it.",
            100.0 / SOUND_M_PER_S
        ));
    } else {
        output::say(format_args!("Assumed: the distances given, and air at 20 °C ({SOUND_M_PER_S} m/s)."));
    }
    output::say("The changes are to what is set on each box now. A box that is late needs a higher value.");
}

/// Returns everything as JSON.
pub(super) fn json(
    files: &[PathBuf],
    all: &[Findings],
    together: &BTreeMap<BoxNumber, Offset>,
    latencies_ms: &BTreeMap<BoxNumber, f64>,
) -> Value {
    let new_latency = |number: BoxNumber, offset: Offset| latencies_ms.get(&number).map(|now| now + offset.ms);
    json!({
        "recordings": files.iter().zip(all).map(|(file, findings)| json!({
            "file": file.to_string_lossy(),
            "duration_s": findings.duration_s,
            "recorder_clock_ppm": findings.clock_ppm,
            "bandwidth_hz": findings.bandwidth_hz,
            "losses_ms": findings.losses_s.iter().map(|loss_s| loss_s * 1e3).collect::<Vec<_>>(),
            "pauses": findings.pauses,
            "reference": findings.reference.get(),
            "boxes": findings.boxes.iter().map(one).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "boxes": together.iter().map(|(number, offset)| json!({
            "number": number.get(),
            "offset_ms": offset.ms,
            "plus_minus_ms": offset.plus_minus_ms,
            "output_latency_change_ms": offset.ms,
            "output_latency_ms": new_latency(*number, *offset),
        })).collect::<Vec<_>>(),
    })
}

fn one(found: &BoxFinding) -> Value {
    json!({
        "number": found.number.get(),
        "offset_ms": found.result.ok().map(|offset| offset.ms),
        "plus_minus_ms": found.result.ok().map(|offset| offset.plus_minus_ms),
        "sure": found.result.ok().map(sureness),
        "no_answer": found.result.err().map(reason),
        "turns_heard": found.heard_turns,
        "turns_used": found.used_turns,
        "arrivals": found.points.iter().map(|point| json!({
            "at_s": point.at_s,
            "ms": point.ms,
            "used": point.is_used,
        })).collect::<Vec<_>>(),
    })
}
