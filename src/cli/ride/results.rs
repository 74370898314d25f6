//! What came of a command to the ride, in words. Pure.

use chrono::{DateTime, Local, NaiveDate};
use comfy_table::{Table, presets};

use super::super::Failure;
use super::words::told_apart;
use crate::control::protocol::{RideBox, RideOutcome, RideProgress};

/// Draws a line for every box. A time of another day than `today` has its date.
pub(super) fn draw(progress: &RideProgress, today: NaiveDate) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    for one in &progress.boxes {
        table.add_row([name(one, &progress.boxes), words(one, today)]);
    }
    table.trim_fmt()
}

fn name(one: &RideBox, all: &[RideBox]) -> String {
    let name = told_apart(&one.name, &one.id, all.iter().map(|other| other.name.as_str()));
    if one.this { format!("{name} (this box)") } else { name }
}

fn words(one: &RideBox, today: NaiveDate) -> String {
    let mut words = match one.outcome {
        Some(RideOutcome::Done) => match (one.heard_from_utc_s, one.volume_percent) {
            (Some(utc_s), _) => format!("plays from {}", clock_time(utc_s, today)),
            (None, Some(percent)) => format!("{percent} %"),
            (None, None) => "done".to_owned(),
        },
        Some(RideOutcome::Refused) => {
            format!("refused: {}", one.reason.as_deref().unwrap_or("it gave no reason"))
        }
        Some(RideOutcome::NoAnswer) if one.has_it => "has it, and has not answered since".to_owned(),
        Some(RideOutcome::NoAnswer) => "no answer".to_owned(),
        Some(RideOutcome::Other) | None => "unknown".to_owned(),
    };
    if one.late_ms > 0 {
        words.push_str(&format!(", {:.1} s late", f64::from(one.late_ms) / 1000.0));
    }
    words
}

fn clock_time(utc_s: i64, today: NaiveDate) -> String {
    let instant = DateTime::from_timestamp(utc_s, 0).unwrap_or_default().with_timezone(&Local);
    let pattern = if instant.date_naive() == today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    instant.format(pattern).to_string()
}

/// Says for whom it waits.
pub(super) fn waiting(progress: &RideProgress) -> String {
    let open = |one: &&RideBox| one.outcome.is_none();
    let unheard: Vec<&str> =
        progress.boxes.iter().filter(open).filter(|one| !one.has_it).map(|one| one.name.as_str()).collect();
    let waits = progress.boxes.iter().filter(open).count();
    match unheard.as_slice() {
        [] if waits == 1 => "1 box is about to do it".to_owned(),
        [] => format!("{waits} boxes are about to do it"),
        names => format!("waiting for {}", names.join(", ")),
    }
}

/// Returns the failure whose exit code is that of the worst box.
pub(super) fn worst(progress: &RideProgress) -> Result<(), Failure> {
    let names = |outcome: RideOutcome| -> Vec<&str> {
        let is_so = |one: &&RideBox| one.outcome == Some(outcome);
        progress.boxes.iter().filter(is_so).map(|one| one.name.as_str()).collect()
    };
    let (silent, refused) = (names(RideOutcome::NoAnswer), names(RideOutcome::Refused));
    if !silent.is_empty() {
        return Err(Failure::NoAnswer(format!(
            "{} did not answer within 5 s; is it on, and on this network? see: jaudiosync ride",
            silent.join(", ")
        )));
    }
    if !refused.is_empty() {
        return Err(Failure::Other(format!("{} did not do it; the table says why", refused.join(", "))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, outcome: Option<RideOutcome>) -> RideBox {
        RideBox { name: name.to_owned(), outcome, ..RideBox::default() }
    }

    #[test]
    fn every_box_has_a_line_that_says_what_came_of_it() {
        let progress = RideProgress {
            boxes: vec![
                RideBox { this: true, ..one("bike-1", Some(RideOutcome::Done)) },
                RideBox { volume_percent: Some(40), late_ms: 1_240, ..one("bike-2", Some(RideOutcome::Done)) },
                RideBox { reason: Some("it is shutting down".to_owned()), ..one("bike-3", Some(RideOutcome::Refused)) },
                one("bike-4", Some(RideOutcome::NoAnswer)),
            ],
            over: true,
        };
        let drawn = draw(&progress, NaiveDate::default());
        let lines: Vec<Vec<&str>> = drawn
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(lines[0], ["bike-1 (this box)", "done"]);
        assert_eq!(lines[1], ["bike-2", "40 %, 1.2 s late"]);
        assert_eq!(lines[2], ["bike-3", "refused: it is shutting down"]);
        assert_eq!(lines[3], ["bike-4", "no answer"]);
    }

    #[test]
    fn boxes_of_one_name_are_told_apart_and_another_day_has_its_date() {
        let plays = |id: &str, utc_s| RideBox {
            id: id.to_owned(),
            heard_from_utc_s: Some(utc_s),
            ..one("bike", Some(RideOutcome::Done))
        };
        let (first_s, day_s) = (1_800_000_000, 86_400);
        let progress =
            RideProgress { boxes: vec![plays("1a2b3c4d", first_s), plays("5e6f", first_s + 3 * day_s)], over: true };
        let today = DateTime::from_timestamp(first_s, 0).unwrap().with_timezone(&Local).date_naive();
        let drawn = draw(&progress, today);
        let lines: Vec<&str> = drawn.lines().map(str::trim).collect();
        assert!(lines[0].starts_with("bike (1a2b) ") && !lines[0].contains("2027-"), "{drawn}");
        assert!(lines[1].starts_with("bike (5e6f) ") && lines[1].contains("plays from 2027-01-1"), "{drawn}");
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst() {
        let of = |outcomes: &[RideOutcome]| {
            let boxes = outcomes.iter().map(|outcome| one("bike", Some(*outcome))).collect();
            worst(&RideProgress { boxes, over: true })
        };
        assert!(of(&[RideOutcome::Done, RideOutcome::Done]).is_ok());
        assert!(matches!(of(&[RideOutcome::Done, RideOutcome::Refused]), Err(Failure::Other(_))));
        assert!(matches!(of(&[RideOutcome::NoAnswer, RideOutcome::Refused]), Err(Failure::NoAnswer(_))));
    }

    #[test]
    fn while_it_waits_it_names_those_that_have_not_got_it() {
        let has_it = RideBox { has_it: true, ..one("bike-1", None) };
        let all = RideProgress { boxes: vec![has_it.clone(), one("bike-2", None)], over: false };
        assert_eq!(waiting(&all), "waiting for bike-2");
        let other = RideBox { name: "bike-2".to_owned(), ..has_it.clone() };
        assert_eq!(waiting(&RideProgress { boxes: vec![has_it, other], over: false }), "2 boxes are about to do it");
    }
}
