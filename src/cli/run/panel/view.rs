//! Draws the panel. Pure: a view in, cells out.

use std::sync::Arc;

use jaudiosync_hw::buttons::{Button, Levels};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, Paragraph};

use jaudiosync_time::Instant;

use super::keys::HELP;
use crate::cli::logging::LogLines;
use crate::cli::ride::words;
use crate::cli::status::{phase, time};
use crate::control::Status;
use crate::control::protocol::ButtonState;
use crate::format::{self, duration, local_time, local_time_ms};

/// What the panel shows.
pub(super) struct View {
    pub status: Arc<Status>,
    pub levels: Levels,
    pub lit: bool,
    pub lines: LogLines,
}

/// Draws the panel, whatever the size of the terminal.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let rows = [Constraint::Length(10), Constraint::Length(5), Constraint::Min(3), Constraint::Length(2)];
    let [playing, board, log, help] = Layout::vertical(rows).areas(frame.area());
    draw_playing(frame, playing, &view.status);
    draw_board(frame, board, view);
    let count = usize::from(log.height.saturating_sub(2));
    let lines: Vec<Line<'_>> = view.lines.last(count).into_iter().map(log_line).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Log ")), log);
    frame.render_widget(Paragraph::new(HELP.join("\n")).style(Style::new().fg(Color::DarkGray)), help);
}

fn draw_playing(frame: &mut Frame<'_>, area: Rect, status: &Status) {
    let play = &status.play;
    let block = Block::bordered().title(format!(" JAudioSync {} ", status.program_version));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [title, gauge, rest] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Min(0)]).areas(inner);
    let on = if play.common { "  (common timetable)" } else { "" };
    let words = format!("{}{on}", play.summary());
    frame.render_widget(Paragraph::new(words).style(Style::new().add_modifier(Modifier::BOLD)), title);
    let (ratio, label) = match &play.track {
        Some(track) => {
            let length_s = track.length_s.unwrap_or(0.0);
            let ratio = if length_s > 0.0 { (track.offset_s / length_s).clamp(0.0, 1.0) } else { 0.0 };
            (ratio, format!("{} / {}", duration(track.offset_s as i64), duration(length_s as i64)))
        }
        None => (0.0, String::new()),
    };
    frame.render_widget(Gauge::default().ratio(ratio).label(label).gauge_style(Style::new().fg(Color::Green)), gauge);
    let next = play.next.as_ref();
    let next =
        next.map_or("-".to_owned(), |next| format!("{}  {} at {}", next.number, next.title, local_time(next.utc_s)));
    let dac = match status.dac.present {
        true => format!("{}, {} Hz", status.dac.name, status.dac.rate_hz),
        false => format!("{}, not there", status.dac.name),
    };
    let ride = status.ride.as_ref().map(|ride| ("ride", words::in_short(ride, status.time.error_bound_ms)));
    let rows = [
        ("next", next),
        ("time", time(&status.time)),
        ("phase", status.phase.as_ref().map_or("-".to_owned(), phase)),
        ("sound", dac),
    ];
    let last = [("warning", status.warnings.first().cloned().unwrap_or_else(|| "-".to_owned()))];
    let lines: Vec<Line<'_>> =
        rows.into_iter().chain(ride).chain(last).map(|(name, value)| Line::from(format!("{name:<9}{value}"))).collect();
    frame.render_widget(Paragraph::new(lines), rest);
}

fn draw_board(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let volume = &view.status.volume;
    let mixer = volume.mixer.as_deref().unwrap_or("in the player");
    let lamp = if view.lit { Span::styled("●", Style::new().fg(Color::Yellow)) } else { Span::raw("○") };
    let jumper = if view.levels.jumper_fitted { "fitted" } else { "removed" };
    let buttons = view.status.board.buttons.unwrap_or_default();
    let mut contacts = vec![Span::raw("buttons  ")];
    for (button, state) in [
        (Button::Start, buttons.start),
        (Button::Stop, buttons.stop),
        (Button::VolumeDown, buttons.volume_down),
        (Button::VolumeUp, buttons.volume_up),
    ] {
        let style = match (state, view.levels.is_pressed(button)) {
            (ButtonState::Stuck | ButtonState::Unusable, _) => Style::new().fg(Color::Red),
            (_, true) => Style::new().add_modifier(Modifier::REVERSED),
            (_, false) => Style::new(),
        };
        let stuck = match state {
            ButtonState::Stuck => ", ignored",
            ButtonState::Unusable => ", no pin",
            _ => "",
        };
        contacts.push(Span::styled(format!("[{button}{stuck}]"), style));
        contacts.push(Span::raw(" "));
    }
    contacts.push(Span::raw(format!("  jumper {jumper}")));
    let clock = local_time_ms(Instant::from_ns(view.status.time.utc_ns));
    let lines = vec![
        Line::from(vec![Span::raw("LED      "), lamp, Span::raw(format!("    {clock}"))]),
        Line::from(contacts),
        Line::from(format!(
            "volume   {} of at most {} %, {mixer}",
            format::volume(volume.percent, volume.db),
            volume.maximum_percent
        )),
    ];
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Board ")), area);
}

/// Colours a line of the log by its level, which follows the time.
fn log_line(line: String) -> Line<'static> {
    let style = match line.split_whitespace().nth(1) {
        Some("ERROR") => Style::new().fg(Color::Red),
        Some("WARN") => Style::new().fg(Color::Yellow),
        _ => Style::new(),
    };
    Line::styled(line, style)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::control::protocol::{PhaseStatus, PlayState, PlayStatus, RideStatus, TrackStatus, VolumeStatus};

    fn drawn(width: u16, height: u16) -> String {
        let track = TrackStatus { number: 3, title: "Rain".into(), offset_s: 61.5, length_s: Some(123.0) };
        let status = Status {
            play: PlayStatus { state: PlayState::Playing, common: true, track: Some(track), ..PlayStatus::default() },
            phase: Some(PhaseStatus { error_ms: 0.012, bound_ms: 0.05, speed_ppm: 3.0, drop_outs: 0 }),
            volume: VolumeStatus { percent: 55, maximum_percent: 100, mixer: None, db: Some(-15.58) },
            ride: Some(RideStatus { group_bound_ms: Some(0.4), ..RideStatus::default() }),
            warnings: vec!["the RTC's battery is empty".to_owned()],
            ..Status::default()
        };
        let mut lines = LogLines::default();
        writeln!(lines, "18:30:05 WARN  something is odd").unwrap();
        let levels = Levels { jumper_fitted: true, ..Levels::default() };
        let view = View { status: Arc::new(status), levels, lit: true, lines };
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &view)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn everything_that_matters_is_on_a_terminal_of_80_columns() {
        let text = drawn(80, 24);
        for part in [
            "Playing track 3, Rain  (common timetable)",
            "1:01 / 2:03",
            "+0.012 ms",
            "ride     alone: ±0.40 ms to the boxes that were met",
            "battery is empty",
            "LED      ●",
            "[Start] [Stop]",
            "jumper fitted",
            "55 % (-15.6 dB) of at most 100 %, in the player",
            "something is odd",
            "x Stop",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }

    #[test]
    fn no_size_of_a_terminal_makes_it_fail() {
        for (width, height) in [(1, 1), (10, 3), (80, 5), (20, 60), (300, 100)] {
            drawn(width, height);
        }
    }
}
