//! A simulated ride as a picture for people: how late each box is heard, what it knew of it, which
//! references it had, what happened, and the weather. SVG, made of strings alone.

mod below;
mod layout;
mod series;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use self::layout::{Labelled, rows_for};
use self::series::{bound_of_fleet, decimate, error_ms, reach_ms};
use super::sample::BoxSample;
use super::scenario::{Event, ReferenceKind, Scenario};
use super::schedule::BoxSchedule;
use crate::true_time::ride_minutes;

const WIDTH: u32 = 1200;
const HEAD_HEIGHT: u32 = 60;
const ERRORS_HEIGHT: u32 = 530;
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

/// Colours that colour-blind people can distinguish too (Okabe and Ito, 2008), and two more.
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
    /// What happens, and the row in which it is shown.
    events: Vec<(Labelled, usize)>,
}

impl<'a> Picture<'a> {
    fn new(scenario: &Scenario, fleet: &'a [Vec<BoxSample>]) -> Self {
        let end_minutes = scenario.hours * 60.0;
        let mut references = Vec::new();
        for index in 0..fleet.len() {
            let schedule = BoxSchedule::new(scenario, index);
            for kind in [ReferenceKind::Ntp, ReferenceKind::Gps] {
                for interval in schedule.reach_of(kind) {
                    let (from, to) = (ride_minutes(interval.from).max(0.0), ride_minutes(interval.to).min(end_minutes));
                    if from < to {
                        references.push((kind, from, to));
                    }
                }
            }
        }
        // Coming and going is seen from the bars.
        let is_shown = |event: &&Event| !matches!(event, Event::ReferenceComes { .. } | Event::ReferenceGoes { .. });
        let labels: Vec<Labelled> = scenario
            .events
            .iter()
            .filter(is_shown)
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
        let (head, errors) = errors.split_vertically(HEAD_HEIGHT);
        self.draw_head(title, &head)?;
        self.draw_errors(&errors)?;
        if strip_height > 0 {
            self.draw_strip(&strip)?;
        }
        self.draw_temperature(&temperature)?;
        area.present()?;
        Ok(())
    }

    /// The title, and below it which colour is whose.
    fn draw_head(&self, title: &str, area: &Area<'_>) -> DrawResult {
        const LETTER_PX: i32 = 8;
        let centred = Pos::new(HPos::Center, VPos::Top);
        let style = TextStyle::from((FONT, 22).into_font()).pos(centred);
        area.draw(&Text::new(title.to_owned(), (WIDTH as i32 / 2, 8), style))?;
        let (mut left, top) = ((LEFT + MARGIN) as i32, 48);
        let words_at = |words: String, x: i32| {
            let place = Pos::new(HPos::Left, VPos::Center);
            Text::new(words, (x + 26, top), TextStyle::from((FONT, 14).into_font()).pos(place))
        };
        if !bound_of_fleet(self.fleet, PLOT_WIDTH as usize).is_empty() {
            let words = "bound that the boxes state (median)".to_owned();
            area.draw(&Rectangle::new([(left, top - 7), (left + 20, top + 7)], BAND.mix(0.4).filled()))?;
            let width = words.len() as i32 * LETTER_PX;
            area.draw(&words_at(words, left))?;
            left += 30 + width;
        }
        for index in 0..self.fleet.len() {
            let is_full = left > (WIDTH - 150) as i32;
            let words = if is_full { "and more".to_owned() } else { format!("box {}", index + 1) };
            let width = words.len() as i32 * LETTER_PX;
            area.draw(&PathElement::new([(left, top), (left + 20, top)], colour_of(index).stroke_width(3)))?;
            area.draw(&words_at(words, left))?;
            left += 36 + width;
            if is_full {
                break;
            }
        }
        Ok(())
    }

    fn draw_errors(&self, area: &Area<'_>) -> DrawResult {
        let mut chart = ChartBuilder::on(area)
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
            chart.draw_series([Polygon::new(outline, BAND.mix(0.22))])?;
        }
        for (event, _) in &self.events {
            let line = [(event.at_minutes, -self.reach_ms), (event.at_minutes, self.reach_ms)];
            chart.draw_series(DashedLineSeries::new(line, 4, 5, EVENT.mix(0.55).stroke_width(1)))?;
        }
        for (index, samples) in self.fleet.iter().enumerate() {
            let colour = colour_of(index);
            let pieces = decimate(samples, PLOT_WIDTH as usize, error_ms);
            let clamp = |&(minutes, ms): &(f64, f64)| (minutes, ms.clamp(-self.reach_ms, self.reach_ms));
            for points in &pieces {
                chart.draw_series(LineSeries::new(points.iter().map(clamp), colour.stroke_width(1)))?;
            }
        }
        if self.largest_ms > self.reach_ms {
            let note = format!("what lies beyond is drawn at the edge; the largest is {} ms", tidy(self.largest_ms));
            let place = (self.end_minutes * 0.995, self.reach_ms * 0.985);
            let style = TextStyle::from((FONT, 14).into_font()).color(&GREY).pos(right_aligned());
            chart.draw_series([Text::new(note, place, style)])?;
        }
        Ok(())
    }
}

fn colour_of(index: usize) -> RGBColor {
    COLOURS.get(index % COLOURS.len()).copied().unwrap_or(BLACK)
}

fn right_aligned() -> Pos {
    Pos::new(HPos::Right, VPos::Top)
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
    use jaudiosync_time::Span;

    #[test]
    fn each_box_each_reference_and_each_event_is_in_the_picture() {
        let text = "policy = \"true_time\"\nboxes = 3\nhours = 0.2\n[calibration]\ndays_before = 0\n\
            [gps]\navailable_minutes = [[1, 5]]\n\
            [[event]]\nkind = \"power_cut\"\nbox = 2\nat_minutes = 6\noff_s = 30\n";
        let scenario = parse(text, "test").unwrap();
        let mut fleet = run_fleet(&scenario, 1, &make_policy, &|_| {}).unwrap();
        for (second, sample) in fleet.iter_mut().flat_map(|samples| samples.iter_mut().enumerate()) {
            sample.stated_bound = Some(Span::from_us(20) + Span::from_ns(100) * second as i64);
        }
        let svg = draw(&scenario, "a < test", 1, &fleet).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for words in
            ["box 1", "box 2", "box 3", "GPS", "box 2: power cut, 30 s", "a &lt; test", "°C", "(ms)", "bound that"]
        {
            assert!(svg.contains(words), "{words}");
        }
        assert!(svg.contains("<polygon"), "the bound");
        assert!(!svg.contains("NTP"), "there is none");
        // At least one line per box for the error, two for the one that was cut; and one each for the
        // temperature.
        assert!(svg.matches("<polyline").count() >= 7, "{}", svg.matches("<polyline").count());
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn a_fleet_of_nobody_is_an_empty_picture() {
        assert!(draw(&Scenario::default(), "none", 1, &[]).unwrap().contains("</svg>"));
    }
}
