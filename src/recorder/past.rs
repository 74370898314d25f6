//! How the run before this one ended, from what it has recorded. Pure.

use super::boot::BootId;
use super::event::{Entry, Event, PreviousEnd};

/// A program that starts this often within this time, in s, fails again and again.
const MOST_STARTS: usize = 5;
const STARTS_WITHIN_S: f64 = 600.0;

/// Returns whether a run that begins now, this long after power-on, in s, is one of many short ones.
pub fn is_in_crash_loop(entries: &[Entry], boot: &BootId, up_s: f64) -> bool {
    let is_recent = |entry: &&Entry| entry.boot == *boot && (0.0..=STARTS_WITHIN_S).contains(&(up_s - entry.up_s));
    let starts = entries.iter().rev().filter(is_recent).filter(|entry| matches!(entry.event, Event::Began { .. }));
    starts.take(MOST_STARTS).count() == MOST_STARTS
}

/// Returns how the last run of a recording ended, seen from a run in this boot, and why where that
/// is known. `systemds` is what systemd said of it.
pub fn previous_end(entries: &[Entry], boot: &BootId, systemds: Option<String>) -> (PreviousEnd, Option<String>) {
    let Some(last) = entries.last() else { return (PreviousEnd::Unknown, None) };
    // Lines that were logged while it ended may come after its end.
    let run = entries.iter().rev().take_while(|entry| !matches!(entry.event, Event::Began { .. }));
    let is_clean = run.clone().any(|entry| matches!(entry.event, Event::Ended { .. }));
    if is_clean {
        // A run since then may have died before anything of it was recorded.
        return systemds.map_or((PreviousEnd::Clean, None), |why| (PreviousEnd::Died, Some(why)));
    }
    if !boot.is_known() || !last.boot.is_known() {
        return (PreviousEnd::Unknown, None);
    }
    if last.boot != *boot {
        return (PreviousEnd::PowerCut, None);
    }
    let panic = run.clone().find_map(|entry| match &entry.event {
        Event::Panicked { text } => Some(text.clone()),
        _ => None,
    });
    let why = match (panic, systemds) {
        (Some(panic), Some(systemds)) => Some(format!("{systemds}; {panic}")),
        (panic, systemds) => panic.or(systemds),
    };
    (PreviousEnd::Died, why)
}

#[cfg(test)]
mod tests {
    use super::super::event::End;
    use super::*;

    fn entries(boot: &str, events: &[Event]) -> Vec<Entry> {
        let entry = |event: &Event| Entry { boot: BootId::parse(boot), up_s: 1.0, utc_s: None, event: event.clone() };
        events.iter().map(entry).collect()
    }

    fn began() -> Event {
        Event::Began { version: "1".into(), previous: PreviousEnd::Unknown, why: None }
    }

    #[test]
    fn a_clean_end_a_power_cut_and_a_crash_differ() {
        let (now, before) = (BootId::parse("bbbb"), "aaaa");
        let end = |entries: &[Entry]| previous_end(entries, &now, Some("the watchdog".to_owned()));
        assert_eq!(end(&[]), (PreviousEnd::Unknown, None));
        let ended = Event::Ended { how: End::Asked };
        let clean = entries(before, &[began(), ended.clone(), Event::Stopped {}]);
        assert_eq!(previous_end(&clean, &now, None), (PreviousEnd::Clean, None));
        let unrecorded = (PreviousEnd::Died, Some("the watchdog".to_owned()));
        assert_eq!(end(&clean), unrecorded, "systemd has seen a run that was too short to be recorded");
        assert_eq!(end(&entries(before, &[ended, began(), Event::Started {}])), (PreviousEnd::PowerCut, None));
        let died = entries("bbbb", &[began(), Event::Started {}]);
        assert_eq!(end(&died), (PreviousEnd::Died, Some("the watchdog".to_owned())));
        let panicked = entries("bbbb", &[began(), Event::Panicked { text: "thread x".into() }]);
        assert_eq!(end(&panicked), (PreviousEnd::Died, Some("the watchdog; thread x".to_owned())));
        assert_eq!(previous_end(&panicked, &now, None), (PreviousEnd::Died, Some("thread x".to_owned())));
        assert_eq!(previous_end(&panicked, &BootId::default(), None), (PreviousEnd::Unknown, None));
    }
}
