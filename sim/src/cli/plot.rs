//! `jaudiosync-sim plot`: a run's statistics as a picture.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use plotters::prelude::*;
use serde_json::Value;

use jaudiosync::cli::{Failure, output};

/// Draw the phase error and the speed of a run as SVG
///
/// Takes what `jaudiosync play --stats --json` printed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync play --stats --json > stats.jsonl
  cargo run --release -p jaudiosync-sim -- plot stats.jsonl
  cargo run --release -p jaudiosync-sim -- plot stats.jsonl --output ride.svg")]
pub(super) struct Plot {
    /// The lines of JSON
    stats: PathBuf,

    /// The picture [default: the same name with .svg]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// One second of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Second {
    time_s: f64,
    phase_error_ms: Option<f64>,
    bound_ms: Option<f64>,
    speed_ppm: f64,
}

impl Plot {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let text = fs::read(&self.stats)
            .map_err(|error| Failure::Other(format!("{} cannot be read: {error}", self.stats.display())))?;
        let seconds = read_seconds(&String::from_utf8_lossy(&text));
        if !seconds.iter().any(|second| second.phase_error_ms.is_some()) {
            return Err(Failure::Other(format!(
                "{} holds no second in which something played; make it with: jaudiosync play --stats --json > FILE",
                self.stats.display()
            )));
        }
        let picture = self.output.clone().unwrap_or_else(|| self.stats.with_extension("svg"));
        let mut svg = String::new();
        draw(&seconds, &mut svg).map_err(|error| Failure::Other(format!("the picture cannot be drawn: {error}")))?;
        jaudiosync::storage::write_atomically(&picture, svg.as_bytes())
            .map_err(|error| Failure::Other(format!("{} cannot be written: {error}", picture.display())))?;
        output::say(format_args!("{}: {} s", picture.display(), seconds.len()));
        Ok(())
    }
}

/// The lines that are statistics; others are passed over.
fn read_seconds(text: &str) -> Vec<Second> {
    let mut first_s = None;
    let mut seconds = Vec::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let Some(utc_s) = line["utc_s"].as_f64().filter(|_| line["event"] == "stats") else { continue };
        seconds.push(Second {
            time_s: utc_s - *first_s.get_or_insert(utc_s),
            phase_error_ms: line["phase_error_ms"].as_f64(),
            bound_ms: line["phase_bound_ms"].as_f64(),
            speed_ppm: line["speed_ppm"].as_f64().unwrap_or_default(),
        });
    }
    seconds
}

type DrawResult = Result<(), Box<dyn std::error::Error>>;

fn draw(seconds: &[Second], svg: &mut String) -> DrawResult {
    let area = SVGBackend::with_string(svg, (1000, 600)).into_drawing_area();
    area.fill(&WHITE)?;
    let (upper, lower) = area.split_vertically(380);
    let playing = || seconds.iter().filter(|second| second.phase_error_ms.is_some());
    let reach_ms = playing()
        .filter_map(|second| Some(second.phase_error_ms?.abs() + second.bound_ms.unwrap_or_default()))
        .fold(0.01_f64, f64::max);
    chart(&upper, "Phase error at the DAC and its bound (ms)", seconds, reach_ms * 1.1, |chart| {
        for sign in [-1.0, 1.0] {
            // The true error lies within the bound of the one that is known.
            let bound =
                playing().filter_map(|second| Some((second.time_s, second.phase_error_ms? + sign * second.bound_ms?)));
            chart.draw_series(LineSeries::new(bound, RGBColor(200, 140, 0)))?;
        }
        let error = playing().filter_map(|second| Some((second.time_s, second.phase_error_ms?)));
        chart.draw_series(LineSeries::new(error, BLUE.stroke_width(2)))?;
        Ok(())
    })?;
    let reach_ppm = playing().fold(10.0_f64, |reach, second| reach.max(second.speed_ppm.abs()));
    chart(&lower, "Speed of the music relative to nominal (ppm)", seconds, reach_ppm * 1.1, |chart| {
        let speed = playing().map(|second| (second.time_s, second.speed_ppm));
        chart.draw_series(LineSeries::new(speed, RED.stroke_width(2)))?;
        Ok(())
    })?;
    area.present()?;
    drop((upper, lower));
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// Axes from the first second to the last, and symmetric about zero.
fn chart<'b>(
    area: &Area<'b>,
    caption: &str,
    seconds: &[Second],
    reach: f64,
    draw: impl FnOnce(&mut Chart<'_, 'b>) -> DrawResult,
) -> DrawResult {
    let end_s = seconds.last().map_or(1.0, |second| second.time_s.max(1.0));
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end_s, -reach..reach)?;
    chart.configure_mesh().light_line_style(WHITE).x_desc("seconds").draw()?;
    draw(&mut chart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lines_are_passed_over_and_the_picture_has_its_lines() {
        let text = "noise\n{\"event\":\"track\"}\n\
            {\"event\":\"stats\",\"utc_s\":100.0,\"phase_error_ms\":null,\"phase_bound_ms\":null,\"speed_ppm\":0}\n\
            {\"event\":\"stats\",\"utc_s\":101.0,\"phase_error_ms\":0.01,\"phase_bound_ms\":0.03,\"speed_ppm\":-80.5}\n\
            {\"event\":\"stats\",\"utc_s\":102.0,\"phase_error_ms\":-0.02,\"phase_bound_ms\":0.02,\"speed_ppm\":-81.0}\n";
        let seconds = read_seconds(text);
        assert_eq!(seconds.len(), 3);
        assert_eq!(seconds[2].time_s, 2.0);
        let mut svg = String::new();
        draw(&seconds, &mut svg).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.matches("<polyline").count() >= 4, "two bounds, the error and the speed");
    }
}
