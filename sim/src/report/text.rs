//! The figures for people.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::{Agreement, Bounds, Pair, PairSpan, Part, Report};

impl Part {
    /// What it is called in the table.
    fn words(self) -> &'static str {
        match self {
            Self::Rtc => "RTC and its calibration",
            Self::Edge => "edges and smoothing",
            Self::Timescale => "timescale (both)",
            Self::Servo => "phase lock",
            Self::DacClock => "DAC clock model",
            Self::Heard => "heard (all)",
        }
    }
}

/// Three digits that matter, without an exponent.
fn ms(value: f64) -> String {
    match value.abs() {
        from_100 if from_100 >= 100.0 => format!("{value:.0}"),
        from_10 if from_10 >= 10.0 => format!("{value:.1}"),
        from_1 if from_1 >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn maybe_ms(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), ms)
}

fn new_table(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headers);
    table
}

fn align_right(table: &mut Table, from_column: usize) {
    for column in table.column_iter_mut().skip(from_column) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn hours(from: f64, to: f64) -> String {
    format!("{} to {} h", (from * 100.0).round() / 100.0, (to * 100.0).round() / 100.0)
}

fn minutes(span: &PairSpan) -> String {
    format!("{:.0} to {:.0} min", span.from_hours * 60.0, span.to_hours * 60.0)
}

fn pair(pair: &Pair) -> [String; 4] {
    [format!("{} and {}", pair.boxes[0], pair.boxes[1]), ms(pair.p50_ms), ms(pair.p99_ms), ms(pair.max_ms)]
}

/// All figures as tables.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}: {} boxes, {} h, seed {}\n\nTwo boxes against each other, at the DAC (ms):",
        report.scenario, report.boxes, report.hours, report.seed
    );
    let _ = writeln!(text, "{}\n", pairs(report));
    let _ = writeln!(text, "Where it comes from: errors against UTC, and between the two worst boxes (ms):");
    let _ = writeln!(text, "{}\n", shares(report));
    match &report.bounds {
        Some(whole) => {
            let _ = writeln!(text, "The error that the boxes stated, against the true one (ms):");
            let _ = writeln!(text, "{}\n", bounds(whole, &report.bounds_by_hour));
        }
        None => text.push_str("No bound of the error was stated.\n\n"),
    }
    if let Some(agreement) = &report.agreement {
        let _ = writeln!(text, "{}\n", stated_agreement(agreement));
    }
    let _ = write!(text, "Each box, heard against the timetable (ms; positive is late):\n{}", boxes(report));
    text
}

/// The most important figures in a line, for a comparison of seeds.
pub fn line(report: &Report) -> String {
    let pairs = match &report.pairs {
        Some(span) => format!(
            "worst pair p99 {:>7} ms, max {:>7} ms, median pair p99 {:>7} ms",
            ms(span.worst_pair.p99_ms),
            ms(span.max_ms),
            ms(span.median_pair.p99_ms)
        ),
        None => "no two boxes were heard at once".to_owned(),
    };
    let by_hour: Vec<String> = report.pairs_by_hour.iter().map(|span| ms(span.worst_pair.p99_ms)).collect();
    let bounds = match &report.bounds {
        Some(bounds) => {
            let multiple = bounds.bound_to_p95_error.map_or("-".to_owned(), |multiple| format!("{multiple:.1}"));
            format!("bound held {:.3} %, {multiple} times p95", bounds.covered * 100.0)
        }
        None => "no bound".to_owned(),
    };
    let agreement = report.agreement.map_or(String::new(), |agreement| {
        let multiple = agreement.to_p95_apart.map_or("-".to_owned(), |multiple| format!("{multiple:.1}"));
        format!("; agreement held {:.3} %, {multiple} times p95", agreement.covered * 100.0)
    });
    let windows: String = report
        .pairs_by_window
        .iter()
        .map(|span| format!("; {} {}", minutes(span), ms(span.worst_pair.p99_ms)))
        .collect();
    let steps = report.steps;
    format!(
        "seed {:>4}: {pairs}; by hour {}{windows}; {bounds}{agreement}; {steps} steps",
        report.seed,
        by_hour.join(" ")
    )
}

fn stated_agreement(agreement: &Agreement) -> String {
    format!(
        "How far apart two boxes said that they can be, median {} ms, held for {:.3} % of all pairs.",
        ms(agreement.median_ms),
        agreement.covered * 100.0
    )
}

fn pairs(report: &Report) -> Table {
    let mut table = new_table(&["", "worst pair", "p50", "p99", "max", "median pair", "p50", "p99", "max"]);
    let row = |name: String, span: &PairSpan| {
        let mut cells = vec![name];
        cells.extend(pair(&span.worst_pair));
        cells.extend(pair(&span.median_pair));
        cells
    };
    for span in &report.pairs_by_hour {
        table.add_row(row(hours(span.from_hours, span.to_hours), span));
    }
    for span in &report.pairs_by_window {
        table.add_row(row(minutes(span), span));
    }
    match &report.pairs {
        Some(whole) => table.add_row(row("whole ride".to_owned(), whole)),
        None => table.add_row(["no two boxes were heard at once"]),
    };
    align_right(&mut table, 1);
    table
}

fn shares(report: &Report) -> Table {
    let mut table = new_table(&["", "p50", "p99", "max", "worst pair p99"]);
    for share in &report.shares {
        let apart = maybe_ms(share.worst_pair_p99_ms);
        table.add_row([share.part.words().to_owned(), ms(share.p50_ms), ms(share.p99_ms), ms(share.max_ms), apart]);
    }
    align_right(&mut table, 1);
    table
}

fn bounds(whole: &Bounds, by_hour: &[Bounds]) -> Table {
    let mut table = new_table(&["", "held", "bound, median", "bound, p95", "true error, p95", "bound / p95"]);
    let mut add = |name: String, bounds: &Bounds| {
        table.add_row([
            name,
            format!("{:.3} %", bounds.covered * 100.0),
            ms(bounds.median_bound_ms),
            ms(bounds.p95_bound_ms),
            ms(bounds.p95_error_ms),
            bounds.bound_to_p95_error.map_or("-".to_owned(), |multiple| format!("{multiple:.1}")),
        ]);
    };
    for hour in by_hour {
        add(hours(hour.from_hours, hour.to_hours), hour);
    }
    add("whole ride".to_owned(), whole);
    align_right(&mut table, 1);
    table
}

fn boxes(report: &Report) -> Table {
    let mut table = new_table(&["box", "median", "p99", "max", "heard", "without time"]);
    for of_box in &report.by_box {
        table.add_row([
            of_box.number.to_string(),
            maybe_ms(of_box.median_error_ms),
            maybe_ms(of_box.p99_ms),
            maybe_ms(of_box.max_ms),
            format!("{} s", of_box.heard_s),
            format!("{} s", of_box.unset_s),
        ]);
    }
    align_right(&mut table, 0);
    table
}
