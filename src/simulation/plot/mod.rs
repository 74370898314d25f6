//! A simulated ride as a picture for people: how late each box is heard, what it knew of it, which references it had,
//! what happened, and the weather. SVG, made of strings alone.

mod layout;
mod series;

use plotters::prelude::*;

use self::layout::{Labelled, rows_for};
use self::series::{bound_of_fleet, decimate, reach_ms};
use super::sample::BoxSample;
use super::scenario::{Event, NS_PER_MINUTE, RIDE_START_NS, ReferenceKind, Scenario};
use super::schedule::BoxSchedule;

const WIDTH: u32 = 1200;
const ERRORS_HEIGHT: u32 = 500;
const TEMPERATURE_HEIGHT: u32 = 190;
const ROW_HEIGHT: u32 = 20;
const STRIP_MARGINS: u32 = 22;

/// The same for all charts, so that their time axes lie below each other.
const LEFT: u32 = 76;
const MARGIN: u32 = 14;
const PLOT_WIDTH: f64 = (WIDTH - LEFT - 2 * MARGIN) as f64;

const FONT: &str = "sans-serif";
const GREY: RGBColor = RGBColor(110, 110, 110);
const BAND: RGBColor = RGBColor(150, 150, 150);
const NTP: RGBColor = RGBColor(0, 114, 178);
const GPS: RGBColor = RGBColor(0, 158, 115);
const EVENT: RGBColor = RGBColor(190, 50, 30);

/// Colours that also the colour-blind tell apart (Okabe and Ito, 2008), and two more.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(110, 60, 150),
    RGBColor(90, 90, 90),
];

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be drawn: {0}")]
pub struct PlotError(String);

type DrawResult = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// The picture of a ride, as SVG.
///
/// # Errors
/// When the drawing library refuses.
pub fn draw(scenario: &Scenario, name: &str, seed: u64, fleet: &[Vec<BoxSample>]) -> Result<String, PlotError> {
    let mut svg = String::new();
    Picture::new(scenario, fleet)
        .draw(&format!("{name}: how late each box is heard (seed {seed})"), &mut svg)
        .map_err(|error| PlotError(error.to_string()))?;
    Ok(svg)
}

struct Picture<'a> {
    fleet: &'a [Vec<BoxSample>],
    end_minutes: f64,
    reach_ms: f64,
    largest_ms: f64,
    /// References in reach, of each box: which, from, to, in minutes.
    references: Vec<(ReferenceKind, f64, f64)>,
    /// What happens, and the row in which it is told.
    events: Vec<(Labelled, usize)>,
}

impl<'a> Picture<'a> {
    fn new(scenario: &Scenario, fleet: &'a [Vec<BoxSample>]) -> Self {
        let end_minutes = scenario.hours * 60.0;
        let mut references = Vec::new();
        for index in 0..fleet.len() {
            let schedule = BoxSchedule::new(scenario, index);
            for kind in [ReferenceKind::Ntp, ReferenceKind::Gps] {
                for span in schedule.spans_of(kind) {
                    let (from, to) = (to_minutes(span.from_ns).max(0.0), to_minutes(span.to_ns).min(end_minutes));
                    if from < to {
                        references.push((kind, from, to));
                    }
                }
            }
        }
        // Coming and going is seen from the bars.
        let is_told = |event: &&Event| !matches!(event, Event::ReferenceComes { .. } | Event::ReferenceGoes { .. });
        let labels: Vec<Labelled> = scenario
            .events
            .iter()
            .filter(is_told)
            .filter(|event| (0.0..end_minutes).contains(&event.at_minutes()))
            .map(|event| Labelled {
                at_minutes: event.at_minutes(),
                to_minutes: (event.at_minutes() + event.lasts_minutes()).min(end_minutes),
                words: event.words(),
            })
            .collect();
        let (reach_ms, largest_ms) = reach_ms(fleet);
        Self {
            fleet,
            end_minutes,
            reach_ms,
            largest_ms,
            references,
            events: rows_for(labels, end_minutes / PLOT_WIDTH),
        }
    }

    fn draw(&self, title: &str, svg: &mut String) -> DrawResult {
        let strip_height =
            self.strip_rows() as u32 * ROW_HEIGHT + if self.strip_rows() > 0 { STRIP_MARGINS } else { 0 };
        let height = ERRORS_HEIGHT + strip_height + TEMPERATURE_HEIGHT;
        let area = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let (errors, rest) = area.split_vertically(ERRORS_HEIGHT);
        let (strip, temperature) = rest.split_vertically(strip_height);
        self.draw_errors(title, &errors)?;
        if strip_height > 0 {
            self.draw_strip(&strip)?;
        }
        self.draw_temperature(&temperature)?;
        area.present()?;
        Ok(())
    }

    fn draw_errors(&self, title: &str, area: &Area<'_>) -> DrawResult {
        let mut chart = ChartBuilder::on(area)
            .caption(title, (FONT, 22))
            .margin(MARGIN)
            .x_label_area_size(34)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(0.0..self.end_minutes, -self.reach_ms..self.reach_ms)?;
        chart
            .configure_mesh()
            .x_labels(13)
            .x_label_formatter(&hours_and_minutes)
            .y_label_formatter(&|ms| tidy(*ms))
            .light_line_style(RGBColor(245, 245, 245))
            .bold_line_style(RGBColor(225, 225, 225))
            .label_style((FONT, 14))
            .axis_desc_style((FONT, 15))
            .x_desc("time since the ride began (h:mm)")
            .y_desc("late (ms); below zero: early")
            .draw()?;
        for band in bound_of_fleet(self.fleet, PLOT_WIDTH as usize) {
            let upper = band.iter().map(|&(minutes, bound)| (minutes, bound.min(self.reach_ms)));
            let lower = band.iter().rev().map(|&(minutes, bound)| (minutes, -bound.min(self.reach_ms)));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            chart
                .draw_series([Polygon::new(outline, BAND.mix(0.22))])?
                .label("bound that the boxes state (median)")
                .legend(|(x, y)| Rectangle::new([(x, y - 6), (x + 20, y + 6)], BAND.mix(0.35).filled()));
        }
        for (event, _) in &self.events {
            let line = [(event.at_minutes, -self.reach_ms), (event.at_minutes, self.reach_ms)];
            chart.draw_series(DashedLineSeries::new(line, 4, 5, EVENT.mix(0.55).stroke_width(1)))?;
        }
        for (index, samples) in self.fleet.iter().enumerate() {
            let colour = colour_of(index);
            let pieces = decimate(samples, PLOT_WIDTH as usize, |sample| Some(sample.dac_error_ns? * 1e-6));
            let clamp = |&(minutes, ms): &(f64, f64)| (minutes, ms.clamp(-self.reach_ms, self.reach_ms));
            for (piece, points) in pieces.iter().enumerate() {
                let line = LineSeries::new(points.iter().map(clamp), colour.stroke_width(1));
                let drawn = chart.draw_series(line)?;
                if piece == 0 {
                    drawn
                        .label(format!("box {}", index + 1))
                        .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(3)));
                }
            }
        }
        if !self.fleet.is_empty() {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE.mix(0.8))
                .border_style(RGBColor(200, 200, 200))
                .label_font((FONT, 14))
                .draw()?;
        }
        if self.largest_ms > self.reach_ms {
            let note = format!("what lies beyond is drawn at the edge; the largest is {} ms", tidy(self.largest_ms));
            let place = (self.end_minutes * 0.995, self.reach_ms * 0.985);
            let style = TextStyle::from((FONT, 14).into_font()).color(&GREY).pos(right_aligned());
            chart.draw_series([Text::new(note, place, style)])?;
        }
        Ok(())
    }

    fn kinds(&self) -> Vec<ReferenceKind> {
        let has = |kind: &ReferenceKind| self.references.iter().any(|(one, _, _)| one == kind);
        [ReferenceKind::Ntp, ReferenceKind::Gps].into_iter().filter(has).collect()
    }

    fn strip_rows(&self) -> usize {
        self.kinds().len() + self.events.iter().map(|(_, row)| row + 1).max().unwrap_or(0)
    }

    /// References in reach as bars, below them what happens.
    fn draw_strip(&self, area: &Area<'_>) -> DrawResult {
        let rows = self.strip_rows() as f64;
        let mut chart = ChartBuilder::on(area)
            .margin_left(MARGIN)
            .margin_right(MARGIN)
            .margin_top(4)
            .margin_bottom(STRIP_MARGINS - 4)
            .set_label_area_size(LabelAreaPosition::Left, LEFT)
            .build_cartesian_2d(0.0..self.end_minutes, rows..0.0)?;
        let kinds = self.kinds();
        let (left, top) = (LEFT as i32 + MARGIN as i32, 4);
        let at_left = |words: &'static str, row: usize| {
            let place = (left - 8, top + row as i32 * ROW_HEIGHT as i32 + 3);
            Text::new(words, place, TextStyle::from((FONT, 14).into_font()).color(&GREY).pos(right_aligned()))
        };
        for (row, kind) in kinds.iter().enumerate() {
            let (words, colour) = match kind {
                ReferenceKind::Ntp => ("NTP", NTP),
                ReferenceKind::Gps => ("GPS", GPS),
            };
            area.draw(&at_left(words, row))?;
            // Each box's bar is faint: where all have it, it is strong.
            let strength = (1.0 / self.fleet.len().max(1) as f64).max(0.1);
            let of_kind = self.references.iter().filter(|(one, _, _)| one == kind);
            let bar = |&(_, from, to): &(ReferenceKind, f64, f64)| {
                let corners = [(from, row as f64 + 0.2), (to, row as f64 + 0.85)];
                Rectangle::new(corners, colour.mix(strength).filled())
            };
            chart.draw_series(of_kind.map(bar))?;
        }
        if !self.events.is_empty() {
            area.draw(&at_left("events", kinds.len()))?;
        }
        for (event, row) in &self.events {
            let row = (kinds.len() + row) as f64;
            let lasts = [(event.at_minutes, row + 0.1), (event.to_minutes.max(event.at_minutes), row + 0.9)];
            chart.draw_series([Rectangle::new(lasts, EVENT.mix(0.15).filled())])?;
            let tick = [(event.at_minutes, row + 0.1), (event.at_minutes, row + 0.9)];
            chart.draw_series([PathElement::new(tick, EVENT.stroke_width(2))])?;
            let place = (event.at_minutes + 4.0 * self.end_minutes / PLOT_WIDTH, row + 0.15);
            let style = TextStyle::from((FONT, layout::LABEL_PX).into_font()).color(&EVENT);
            chart.draw_series([Text::new(event.words.clone(), place, style)])?;
        }
        Ok(())
    }

    fn draw_temperature(&self, area: &Area<'_>) -> DrawResult {
        let all = || self.fleet.iter().flatten().map(|sample| sample.temperature_c);
        let (least, most) = all().fold((f64::MAX, f64::MIN), |(least, most), c| (least.min(c), most.max(c)));
        let (least, most) = if least <= most { (least.floor() - 1.0, most.ceil() + 1.0) } else { (0.0, 1.0) };
        let mut chart = ChartBuilder::on(area)
            .margin_left(MARGIN)
            .margin_right(MARGIN)
            .margin_bottom(MARGIN)
            .x_label_area_size(24)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(0.0..self.end_minutes, least..most)?;
        chart
            .configure_mesh()
            .x_labels(13)
            .y_labels(5)
            .x_label_formatter(&hours_and_minutes)
            .y_label_formatter(&|celsius| tidy(*celsius))
            .light_line_style(RGBColor(250, 250, 250))
            .bold_line_style(RGBColor(225, 225, 225))
            .label_style((FONT, 14))
            .axis_desc_style((FONT, 15))
            .y_desc("at the box (°C)")
            .draw()?;
        for (index, samples) in self.fleet.iter().enumerate() {
            for points in decimate(samples, PLOT_WIDTH as usize / 4, |sample| Some(sample.temperature_c)) {
                chart.draw_series(LineSeries::new(points, colour_of(index).stroke_width(1)))?;
            }
        }
        Ok(())
    }
}

fn colour_of(index: usize) -> RGBColor {
    COLOURS.get(index % COLOURS.len()).copied().unwrap_or(BLACK)
}

fn right_aligned() -> plotters::style::text_anchor::Pos {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    Pos::new(HPos::Right, VPos::Top)
}

fn to_minutes(true_ns: i64) -> f64 {
    true_ns.saturating_sub(RIDE_START_NS) as f64 / NS_PER_MINUTE
}

fn hours_and_minutes(minutes: &f64) -> String {
    let minutes = minutes.round() as i64;
    format!("{}:{:02}", minutes / 60, minutes % 60)
}

/// A number without digits that say nothing.
fn tidy(value: f64) -> String {
    let rounded = (value * 1000.0).round() / 1000.0;
    // Not -0.
    format!("{}", rounded + 0.0)
}

#[cfg(test)]
mod tests {
    use super::super::fleet::{make_policy, run_fleet};
    use super::super::scenario::parse;
    use super::*;

    #[test]
    fn each_box_each_reference_and_each_event_is_in_the_picture() {
        let text = "policy = \"true_time\"\nboxes = 3\nhours = 0.2\n[calibration]\ndays_before = 0\n\
            [gps]\navailable_minutes = [[1, 5]]\n\
            [[event]]\nkind = \"power_cut\"\nbox = 2\nat_minutes = 6\noff_s = 30\n";
        let scenario = parse(text, "test").unwrap();
        let fleet = run_fleet(&scenario, 1, &make_policy, &|_| {}).unwrap();
        let svg = draw(&scenario, "a < test", 1, &fleet).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for words in ["box 1", "box 2", "box 3", "GPS", "box 2: power cut, 30 s", "a &lt; test", "°C", "(ms)"] {
            assert!(svg.contains(words), "{words}");
        }
        assert!(!svg.contains("NTP"), "there is none");
        // One line a box for the error at least, two for the one that was cut; and one each for the temperature.
        assert!(svg.matches("<polyline").count() >= 7, "{}", svg.matches("<polyline").count());
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn a_fleet_of_nobody_is_an_empty_picture() {
        assert!(draw(&Scenario::default(), "none", 1, &[]).unwrap().contains("</svg>"));
    }
}
