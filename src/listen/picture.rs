//! Draws what was found as SVG: every box's arrivals over time, and the response of the air around its
//! first arrival.

use std::fmt::Write;

use jaudiosync_correlation::WindowLag;

use super::findings::{BoxFinding, Findings};
use super::stereo::counts;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 60.0;
const ARRIVALS: f64 = 300.0;
const RESPONSE: f64 = 70.0;
const INK: &str = "#222";
const PALE: &str = "#ccc";
/// Colours that people with any colour vision tell apart (P. Tol: Colour schemes, SRON 2021, "bright"),
/// again from the first after the seventh.
const COLOURS: [&str; 7] = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888"];
/// What a picture shows at least, in ms from top to bottom.
const LEAST_RANGE_MS: f64 = 0.2;

/// Returns the picture as an SVG document.
pub fn svg(title: &str, findings: &Findings) -> String {
    let height = TOP + ARRIVALS + 80.0 + RESPONSE * findings.boxes.len() as f64 + 50.0;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>"
    );
    text(&mut out, LEFT, 30.0, "start", 17, title);
    arrivals(&mut out, findings);
    let top = TOP + ARRIVALS + 80.0;
    text(&mut out, LEFT, top - 22.0, "start", 13, "What arrives around the first arrival (dashed)");
    for (index, found) in findings.boxes.iter().enumerate() {
        response(&mut out, found, index, top + RESPONSE * index as f64);
    }
    let bottom = top + RESPONSE * findings.boxes.len() as f64;
    for ms in [-5, 0, 5, 10, 15] {
        let x = response_x(f64::from(ms));
        text(&mut out, x, bottom + 18.0, "middle", 13, &format!("{ms} ms"));
    }
    out.push_str("</svg>\n");
    out
}

/// Returns a picture of how far the right channel is behind the left over time, as an SVG document.
pub fn stereo_svg(title: &str, windows: &[WindowLag]) -> String {
    let height = TOP + ARRIVALS + 50.0;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>"
    );
    text(&mut out, LEFT, 30.0, "start", 17, &format!("{title}: right behind left"));
    let counted = || windows.iter().filter(|window| counts(window)).filter_map(|one| Some((one.at_s, one.lag_ms?)));
    let duration_s = windows.last().map_or(0.0, |window| window.at_s);
    let frame = Frame::around(counted().map(|(_, lag_ms)| lag_ms), duration_s);
    frame.draw(&mut out);
    for (at_s, lag_ms) in counted() {
        let (x, y) = (frame.x(at_s), frame.y(lag_ms));
        let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.5\" fill=\"{}\"/>", COLOURS[0]);
    }
    out.push_str("</svg>\n");
    out
}

/// A frame with time from left to right, and ms from bottom to top.
struct Frame {
    duration_s: f64,
    middle_ms: f64,
    range_ms: f64,
}

impl Frame {
    /// Returns a frame that shows 0 and all of these.
    fn around(values_ms: impl Iterator<Item = f64>, duration_s: f64) -> Self {
        let (low, high) = values_ms.fold((0.0_f64, 0.0_f64), |(low, high), x| (low.min(x), high.max(x)));
        let range_ms = (1.2 * (high - low)).max(LEAST_RANGE_MS);
        Self { duration_s: duration_s.max(1.0), middle_ms: f64::midpoint(low, high), range_ms }
    }

    fn x(&self, s: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * s / self.duration_s
    }

    fn y(&self, ms: f64) -> f64 {
        TOP + ARRIVALS * (0.5 - (ms - self.middle_ms) / self.range_ms)
    }

    fn draw(&self, out: &mut String) {
        let step = step(self.range_ms / 5.0);
        let first = ((self.middle_ms - self.range_ms / 2.0) / step).ceil() as i64;
        for line in first..first + 12 {
            let ms = line as f64 * step;
            let y = self.y(ms);
            if y < TOP {
                break;
            }
            let colour = if line == 0 { INK } else { PALE };
            rule(out, (LEFT, y), (WIDTH - RIGHT, y), colour, "");
            let digits = (-step.log10().floor()).clamp(0.0, 4.0) as usize;
            text(out, LEFT - 8.0, y + 4.0, "end", 13, &format!("{ms:.digits$} ms"));
        }
        let seconds = step_of_seconds(self.duration_s);
        for n in 0..=(self.duration_s / seconds) as u32 {
            let s = f64::from(n) * seconds;
            text(out, self.x(s), TOP + ARRIVALS + 20.0, "middle", 13, &format!("{s:.0} s"));
        }
    }
}

/// Draws when each turn arrived.
fn arrivals(out: &mut String, findings: &Findings) {
    let values = findings
        .boxes
        .iter()
        .filter(|found| found.result.is_ok())
        .flat_map(|found| found.points.iter().filter(|point| point.is_used).map(|point| point.ms));
    let frame = Frame::around(values, findings.duration_s);
    frame.draw(out);
    let shown = frame.middle_ms - 0.5 * frame.range_ms..frame.middle_ms + 0.5 * frame.range_ms;
    let mut labels: Vec<(f64, usize)> = Vec::new();
    for (index, found) in findings.boxes.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        for point in found.points.iter().filter(|point| shown.contains(&point.ms)) {
            let fill = if point.is_used && found.result.is_ok() { colour } else { "white" };
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"{colour}\"/>",
                frame.x(point.at_s),
                frame.y(point.ms)
            );
        }
        if let Ok(offset) = found.result {
            labels.push((frame.y(offset.ms), index));
        }
    }
    // Names beside the points, none over another.
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = TOP - 4.0;
    for (place, index) in labels {
        let place = place.max(free);
        free = place + 15.0;
        text(out, WIDTH - RIGHT + 10.0, place + 4.0, "start", 13, &format!("box {}", findings.boxes[index].number));
    }
}

/// Draws the response of one box.
fn response(out: &mut String, found: &BoxFinding, index: usize, top: f64) {
    let middle = top + RESPONSE / 2.0;
    rule(out, (response_x(0.0), top), (response_x(0.0), top + RESPONSE), INK, " stroke-dasharray=\"3 3\"");
    rule(out, (LEFT, middle), (WIDTH - RIGHT, middle), PALE, "");
    text(out, LEFT - 8.0, middle + 4.0, "end", 13, &format!("box {}", found.number));
    let points: Vec<String> = found
        .response
        .iter()
        .enumerate()
        .map(|(n, value)| {
            let ms = -5.0 + 20.0 * n as f64 / found.response.len().max(1) as f64;
            format!("{:.1},{:.1}", response_x(ms), middle - 0.45 * RESPONSE * f64::from(*value))
        })
        .collect();
    let colour = COLOURS[index % COLOURS.len()];
    let _ = writeln!(out, "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>", points.join(" "));
}

fn response_x(ms: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * (ms + 5.0) / 20.0
}

/// Returns the smallest of 1, 2, 5, 10 and so on that reaches a value.
fn step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].map(|factor| factor * decade).into_iter().find(|step| *step >= least).unwrap_or(10.0 * decade)
}

fn step_of_seconds(duration_s: f64) -> f64 {
    [10.0, 20.0, 60.0, 120.0, 300.0]
        .into_iter()
        .find(|step| duration_s / step <= 8.0)
        .unwrap_or(600.0 * (duration_s / 4800.0).ceil())
}

fn rule(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str, more: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ =
        writeln!(out, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"{more}/>");
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, size: u32, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"{INK}\">{text}</text>"
    );
}
