//! The ride as a table. Pure.

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};

use super::words::{age, in_short, ms, number_ms, refusals, told_apart};
use crate::control::protocol::{NeighbourStatus, RideStatus};

/// The columns that all but the name take at their widest, with what is between them.
const OTHER_COLUMNS: usize = 63;

/// A name is never cut to fewer characters.
const SHORTEST_NAME: usize = 8;

/// A neighbour sends something every second or so. One that has been silent for this long, in s,
/// has probably gone.
const LONG_SILENCE_S: f64 = 5.0;

/// How it is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The terminal's columns; `None` where a name need not be cut.
    pub(super) columns: Option<usize>,
    /// Whether there are colours.
    pub(super) has_colors: bool,
}

/// Draws what the box knows of its ride, in lines, without a newline after the last one.
pub(super) fn draw(ride: &RideStatus, utc_bound_ms: Option<f64>, look: Look) -> String {
    let mut lines = vec![format!("{} {}", ride.name, in_words(ride, utc_bound_ms))];
    if ride.neighbours.is_empty() {
        lines.push(nobody(ride));
    } else {
        lines.push(String::new());
        lines.push(table(ride, look));
    }
    let notes = notes(ride);
    if !notes.is_empty() {
        lines.push(String::new());
    }
    let warning: Style = if look.has_colors { AnsiColor::Yellow.on_default() } else { Style::new() };
    lines.extend(notes.iter().map(|note| format!("{warning}!{warning:#} {note}")));
    lines.join("\n")
}

fn in_words(ride: &RideStatus, utc_bound_ms: Option<f64>) -> String {
    let words = in_short(ride, utc_bound_ms);
    if words.starts_with("alone") { format!("is {words}") } else { words }
}

fn nobody(ride: &RideStatus) -> String {
    if ride.interfaces.is_empty() {
        return "There is no network now. Boxes hear each other on one network, such as a phone's hotspot.".to_owned();
    }
    format!(
        "Nobody is heard on {}. If other boxes are on: are they on this network, and have they this\nride's key? \
         `jaudiosync doctor` says more.",
        ride.interfaces.join(", ")
    )
}

fn table(ride: &RideStatus, look: Look) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["Name", "Ahead, ms", "Role", "UTC", "Checked", "Track", "List", "Vol."]);
    let mut styles = vec![Style::new().bold()];
    for neighbour in &ride.neighbours {
        let cells = cells(neighbour);
        let is_odd = cells.iter().any(|(_, is_odd)| *is_odd);
        styles.push(if is_odd { AnsiColor::Yellow.on_default() } else { Style::new() });
        let names = ride.neighbours.iter().map(|other| other.name.as_str()).chain([ride.name.as_str()]);
        let name = cut(&told_apart(&neighbour.name, &neighbour.id, names), look.columns);
        table.add_row(std::iter::once(name).chain(cells.into_iter().map(|(words, _)| words)));
    }
    for index in [1, 3, 4, 5, 7] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let drawn = table.trim_fmt();
    if !look.has_colors {
        return drawn;
    }
    // A cell is never wrapped, so that every row is a line.
    let lines = drawn.lines().zip(styles).map(|(line, style)| format!("{style}{line}{style:#}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Cuts a name so that its line fits.
fn cut(name: &str, columns: Option<usize>) -> String {
    let fits = columns.map_or(usize::MAX, |columns| columns.saturating_sub(OTHER_COLUMNS).max(SHORTEST_NAME));
    if name.chars().count() <= fits {
        return name.to_owned();
    }
    name.chars().take(fits.saturating_sub(1)).chain(['…']).collect()
}

/// Returns the cells after the name, and whether each is other than it should be.
fn cells(neighbour: &NeighbourStatus) -> [(String, bool); 7] {
    let none = || "-".to_owned();
    let ahead = match (neighbour.ahead_ms, neighbour.ahead_bound_ms) {
        (Some(ahead_ms), Some(bound_ms)) => format!("{} ±{}", signed(ahead_ms), number_ms(bound_ms)),
        (Some(ahead_ms), None) => signed(ahead_ms),
        (None, _) => none(),
    };
    let role = match (neighbour.leads, neighbour.in_group) {
        (true, true) => "leads",
        (false, true) => "follows",
        (_, false) => "apart",
    };
    let utc = neighbour.utc_bound_ms.map_or_else(none, |bound_ms| format!("±{}", ms(bound_ms)));
    let checked = neighbour.reference_age_s.map_or("never".to_owned(), age);
    let track = match (neighbour.plays, neighbour.track) {
        (false, _) => "no".to_owned(),
        (true, Some(track)) => track.to_string(),
        (true, None) => "gap".to_owned(),
    };
    let list = match neighbour.same_playlist {
        Some(true) => "same".to_owned(),
        Some(false) => "other".to_owned(),
        None => none(),
    };
    let volume = neighbour.volume_percent.map_or_else(none, |percent| format!("{percent} %"));
    [
        (ahead, false),
        (role.to_owned(), !neighbour.in_group),
        (utc, neighbour.utc_bound_ms.is_none()),
        (checked, neighbour.reference_age_s.is_none()),
        (track, neighbour.same_timetable == Some(false)),
        (list, neighbour.same_playlist == Some(false)),
        (volume, false),
    ]
}

fn signed(ms: f64) -> String {
    match ms.abs() {
        ..10.0 => format!("{ms:+.2}"),
        10.0..1000.0 => format!("{ms:+.1}"),
        _ => format!("{ms:+.0}"),
    }
}

/// Returns what is wrong, in sentences.
fn notes(ride: &RideStatus) -> Vec<String> {
    let mut notes = ride.warnings.clone();
    for neighbour in &ride.neighbours {
        let mut note = |words: &str| notes.push(format!("{}: {words}", neighbour.name));
        if neighbour.silent_for_s > LONG_SILENCE_S {
            note(&format!("last heard {:.0} s ago", neighbour.silent_for_s));
        }
        if neighbour.same_playlist == Some(false) {
            note("another playlist than this box's");
        }
        if neighbour.same_timetable == Some(false) {
            note("plays on another timetable than this box");
        }
        if neighbour.unicast_only {
            note("heard only where it addresses this box alone; the network may hold back multicast");
        }
        neighbour.warnings.iter().for_each(|warning| note(warning));
    }
    notes.extend(refusals(&ride.refused));
    notes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::control::protocol::RideRole;

    fn neighbour(name: &str) -> NeighbourStatus {
        NeighbourStatus {
            name: name.to_owned(),
            hears_this: true,
            ahead_ms: Some(0.021),
            ahead_bound_ms: Some(0.0754),
            in_group: true,
            utc_bound_ms: Some(3.1),
            reference_age_s: Some(7260),
            plays: true,
            track: Some(3),
            same_timetable: Some(true),
            same_playlist: Some(true),
            volume_percent: Some(55),
            ..NeighbourStatus::default()
        }
    }

    fn ride() -> RideStatus {
        let leader = NeighbourStatus { leads: true, ..neighbour("bike-3") };
        let odd = NeighbourStatus {
            name: "a bike with a very long name".to_owned(),
            ahead_ms: Some(-1234.5),
            ahead_bound_ms: Some(123.4),
            utc_bound_ms: Some(2000.0),
            reference_age_s: Some(900_000),
            same_playlist: Some(false),
            same_timetable: Some(false),
            silent_for_s: 8.2,
            volume_percent: Some(100),
            track: Some(49_999),
            warnings: vec!["no sound card".to_owned()],
            ..neighbour("")
        };
        RideStatus {
            name: "bike-1".to_owned(),
            role: RideRole::Follows,
            leader: Some("bike-3".to_owned()),
            group_bound_ms: Some(0.08),
            neighbours: vec![odd, leader, NeighbourStatus { name: "bike-4".to_owned(), ..NeighbourStatus::default() }],
            warnings: vec!["bike-4 is heard and does not hear this box".to_owned()],
            ..RideStatus::default()
        }
    }

    const ON_80: Look = Look { columns: Some(80), has_colors: false };

    #[test]
    fn who_is_heard_fits_into_80_columns() {
        let drawn = draw(&ride(), Some(3.1), ON_80);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[0], "bike-1 follows bike-3: ±0.08 ms to 2 neighbours, ±3.1 ms to UTC");
        let table: Vec<Vec<&str>> = lines[2..6]
            .iter()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(table[0], ["Name", "Ahead, ms", "Role", "UTC", "Checked", "Track", "List", "Vol."]);
        assert_eq!(
            table[1],
            ["a bike with a ve…", "-1234 ±124", "follows", "±2.0 s", "10 days", "49999", "other", "100 %"]
        );
        assert_eq!(table[2], ["bike-3", "+0.02 ±0.08", "leads", "±3.1 ms", "2 h", "3", "same", "55 %"]);
        assert_eq!(table[3], ["bike-4", "-", "apart", "-", "never", "no", "-", "-"]);
        assert!(lines[..6].iter().all(|line| line.chars().count() <= 80), "{drawn}");
        for words in [
            "! bike-4 is heard and does not hear this box",
            "long name: last heard 8 s ago",
            "long name: another playlist than this box's",
            "long name: plays on another timetable than this box",
            "long name: no sound card",
        ] {
            assert!(drawn.contains(words), "no {words:?} in\n{drawn}");
        }
        assert!(!drawn.contains('\u{1b}'), "{drawn}");
    }

    #[test]
    fn a_terminal_gets_colours_and_a_pipe_whole_names() {
        let drawn = draw(&ride(), None, Look { has_colors: true, ..ON_80 });
        assert!(drawn.contains("\u{1b}["), "{drawn}");
        let drawn = draw(&ride(), None, Look { columns: None, has_colors: false });
        assert!(drawn.contains("a bike with a very long name "), "{drawn}");
    }

    #[test]
    fn nobody_is_a_sentence_that_says_why() {
        let alone = RideStatus { name: "bike-1".to_owned(), ..RideStatus::default() };
        let drawn = draw(&alone, Some(3.1), ON_80);
        assert!(
            drawn.starts_with("bike-1 is alone: no other box was met yet, ±3.1 ms to UTC\nThere is no network"),
            "{drawn}"
        );
        let on_a_network = RideStatus { interfaces: vec!["wlan0 (10.42.0.7)".to_owned()], ..alone };
        let drawn = draw(&on_a_network, Some(3.1), ON_80);
        assert!(drawn.contains("Nobody is heard on wlan0 (10.42.0.7)") && drawn.contains("doctor"), "{drawn}");
    }

    proptest! {
        #[test]
        fn any_status_can_be_drawn(
            name in "\\PC{0,40}", ms in any::<f64>(), bound in prop::option::of(any::<f64>()),
            age in prop::option::of(any::<u32>()), columns in prop::option::of(0_usize..300),
        ) {
            let neighbour = NeighbourStatus {
                name, ahead_ms: Some(ms), ahead_bound_ms: bound, utc_bound_ms: bound, reference_age_s: age,
                silent_for_s: ms, ..NeighbourStatus::default()
            };
            let ride = RideStatus { neighbours: vec![neighbour], group_bound_ms: bound, ..RideStatus::default() };
            let drawn = draw(&ride, bound, Look { columns, has_colors: false });
            prop_assert!(drawn.contains("Ahead"), "{}", drawn);
        }
    }
}
