//! What was heard, for people and as JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::output;
use crate::format;
use crate::listen::analysis::{Known, SOUND_M_PER_S};
use crate::listen::findings::{Findings, Offset};
use crate::listen::report::{Report, reason, sureness};
use crate::sound_check::schedule::BoxNumber;

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
    let worth = offset.is_worth_setting();
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

/// The report of a file.
#[derive(Serialize)]
struct Named {
    file: String,
    #[serde(flatten)]
    report: Report,
}

/// Returns everything as JSON. Every recording comes with its rate, in Hz.
pub(super) fn json(
    files: &[PathBuf],
    all: &[(Findings, u32)],
    together: &BTreeMap<BoxNumber, Offset>,
    latencies_ms: &BTreeMap<BoxNumber, f64>,
) -> Value {
    let new_latency = |number: BoxNumber, offset: Offset| latencies_ms.get(&number).map(|now| now + offset.ms);
    json!({
        "recordings": files.iter().zip(all).map(|(file, (findings, rate_hz))| Named {
            file: file.to_string_lossy().into_owned(),
            report: Report::new(findings, *rate_hz),
        }).collect::<Vec<_>>(),
        "boxes": together.iter().map(|(number, offset)| json!({
            "number": number.get(),
            "offset_ms": offset.ms,
            "plus_minus_ms": offset.plus_minus_ms,
            "output_latency_change_ms": offset.ms,
            "output_latency_ms": new_latency(*number, *offset),
        })).collect::<Vec<_>>(),
    })
}
