//! What lies below the errors: references and events on the time axis, and the temperature.

use plotters::prelude::*;

use super::layout::LABEL_PX;
use super::series::decimate;
use super::{
    Area, DrawResult, EVENT, FONT, GPS, GREY, LEFT, MARGIN, NTP, PLOT_WIDTH, Picture, ROW_HEIGHT, STRIP_MARGINS,
    colour_of, hours_and_minutes, right_aligned, tidy,
};
use crate::scenario::ReferenceKind;

impl Picture<'_> {
    fn kinds(&self) -> Vec<ReferenceKind> {
        let has = |kind: &ReferenceKind| self.references.iter().any(|(one, _, _)| one == kind);
        [ReferenceKind::Ntp, ReferenceKind::Gps].into_iter().filter(has).collect()
    }

    /// Rows of the strip: one for each kind of reference, and those that the events need.
    pub(super) fn strip_rows(&self) -> usize {
        self.kinds().len() + self.events.iter().map(|(_, row)| row + 1).max().unwrap_or(0)
    }

    /// References in reach as bars, below them what happens.
    pub(super) fn draw_strip(&self, area: &Area<'_>) -> DrawResult {
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
            let style = TextStyle::from((FONT, LABEL_PX).into_font()).color(&EVENT);
            chart.draw_series([Text::new(event.words.clone(), place, style)])?;
        }
        Ok(())
    }

    pub(super) fn draw_temperature(&self, area: &Area<'_>) -> DrawResult {
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
