//! Bounds how much a storm of events writes: what repeats is counted, and there is an allowance for
//! all together. Pure.

use std::collections::VecDeque;

use jaudiosync_time::{Instant, Raw, Span};

use super::event::{Event, Severity};

/// A line like one that was recorded less than this ago is counted.
const REPEATED_WITHIN: Span = Span::from_seconds(600);

/// After drop-outs were recorded, more of them are counted for this long.
const DROP_OUTS_TOGETHER: Span = Span::from_seconds(30);

/// How many kinds of lines are told apart at a time.
const MAX_KINDS: usize = 32;

/// The allowance: this many events at once, and one more in every such span. At its limit, with
/// lines as long as can be, a recording still reaches back for hours (`task/tests.rs`).
const ALLOWANCE: u32 = 60;
const ALLOWANCE_GROWS: Span = Span::MINUTE;

/// Lines that differ only in their numbers are one kind.
#[derive(Debug, Clone)]
struct Kind {
    key: String,
    recorded_at: Instant<Raw>,
    /// The last line of those that were counted since, and how many there were.
    counted: Option<(Severity, String, u64)>,
}

/// Lets events pass, or counts them.
#[derive(Debug, Clone)]
pub(super) struct Storms {
    kinds: VecDeque<Kind>,
    drop_outs: u64,
    drop_outs_at: Option<Instant<Raw>>,
    allowance: u32,
    grown_at: Instant<Raw>,
    suppressed: u64,
}

impl Storms {
    pub(super) fn new(now: Instant<Raw>) -> Self {
        Self {
            kinds: VecDeque::new(),
            drop_outs: 0,
            drop_outs_at: None,
            allowance: ALLOWANCE,
            grown_at: now,
            suppressed: 0,
        }
    }

    /// Returns the event that a line of the log makes, unless it is counted.
    pub(super) fn note(&mut self, severity: Severity, text: String, now: Instant<Raw>) -> Option<Event> {
        let key = without_numbers(&text);
        if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.key == key) {
            let times = kind.counted.as_ref().map_or(0, |(.., times)| *times) + 1;
            if now - kind.recorded_at < REPEATED_WITHIN {
                kind.counted = Some((severity, text, times));
                return None;
            }
            kind.recorded_at = now;
            kind.counted = None;
            return self.allow(Event::Note { severity, text, times }, now);
        }
        if self.kinds.len() >= MAX_KINDS {
            let oldest = self.kinds.pop_front().and_then(|kind| kind.counted);
            self.suppressed += oldest.map_or(0, |(.., times)| times);
        }
        self.kinds.push_back(Kind { key, recorded_at: now, counted: None });
        self.allow(Event::Note { severity, text, times: 1 }, now)
    }

    /// Returns the event that drop-outs make, unless they are counted.
    pub(super) fn drop_outs(&mut self, count: u64, now: Instant<Raw>) -> Option<Event> {
        self.drop_outs += count;
        if self.drop_outs == 0 || self.drop_outs_at.is_some_and(|at| now - at < DROP_OUTS_TOGETHER) {
            return None;
        }
        self.drop_outs_at = Some(now);
        Some(Event::DropOuts { count: std::mem::take(&mut self.drop_outs) })
    }

    /// Returns an event if the allowance is not used up; otherwise it is counted.
    pub(super) fn allow(&mut self, event: Event, now: Instant<Raw>) -> Option<Event> {
        while self.allowance < ALLOWANCE && now - self.grown_at >= ALLOWANCE_GROWS {
            self.allowance += 1;
            self.grown_at += ALLOWANCE_GROWS;
        }
        if self.allowance == ALLOWANCE {
            self.grown_at = now;
        }
        if self.allowance == 0 {
            self.suppressed += 1;
            return None;
        }
        self.allowance -= 1;
        Some(event)
    }

    /// Counts events that were lost elsewhere.
    pub(super) fn suppress(&mut self, count: u64) {
        self.suppressed += count;
    }

    /// Returns what was counted since, as events; called at intervals, and at the end.
    pub(super) fn take_counted(&mut self, now: Instant<Raw>) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for kind in &mut self.kinds {
            if let Some((severity, text, times)) = kind.counted.take() {
                kind.recorded_at = now;
                events.push(Event::Note { severity, text, times });
            }
        }
        if self.drop_outs > 0 {
            self.drop_outs_at = Some(now);
            events.push(Event::DropOuts { count: std::mem::take(&mut self.drop_outs) });
        }
        if self.suppressed > 0 {
            events.push(Event::Suppressed { count: std::mem::take(&mut self.suppressed) });
        }
        events
    }
}

fn without_numbers(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for letter in text.chars() {
        if !letter.is_ascii_digit() {
            key.push(letter);
        } else if !key.ends_with('#') {
            key.push('#');
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant<Raw> {
        Instant::from_second(seconds)
    }

    fn note(text: &str, times: u64) -> Event {
        Event::Note { severity: Severity::Warning, text: text.to_owned(), times }
    }

    #[test]
    fn what_repeats_is_counted_and_comes_with_its_number() {
        let mut storms = Storms::new(at(0));
        let mut put = |text: &str, second| storms.note(Severity::Warning, text.to_owned(), at(second));
        assert_eq!(put("late by 3 ms", 0), Some(note("late by 3 ms", 1)));
        for second in 1..100 {
            assert_eq!(put("late by 45 ms", second), None);
        }
        assert_eq!(put("other", 100), Some(note("other", 1)));
        assert_eq!(put("late by 5 ms", 700), Some(note("late by 5 ms", 100)));
        assert_eq!(put("late by 6 ms", 701), None);
        assert_eq!(storms.take_counted(at(702)), [note("late by 6 ms", 1)]);
        assert_eq!(storms.take_counted(at(703)), []);
    }

    #[test]
    fn drop_outs_are_counted_together_for_a_while() {
        let mut storms = Storms::new(at(0));
        assert_eq!(storms.drop_outs(0, at(0)), None);
        assert_eq!(storms.drop_outs(1, at(1)), Some(Event::DropOuts { count: 1 }));
        assert_eq!((storms.drop_outs(2, at(2)), storms.drop_outs(0, at(30))), (None, None));
        assert_eq!(storms.drop_outs(0, at(31)), Some(Event::DropOuts { count: 2 }));
        storms.drop_outs(1, at(32));
        assert_eq!(storms.take_counted(at(33)), [Event::DropOuts { count: 1 }]);
    }

    #[test]
    fn a_storm_of_different_lines_has_an_allowance_and_the_rest_is_counted() {
        let mut storms = Storms::new(at(0));
        // Letters, as numbers would make them one kind.
        let name = |number: u32| number.to_string().bytes().map(|digit| char::from(digit + 49)).collect::<String>();
        let (mut passed, mut counted) = (0, 0);
        for number in 0..36_000 {
            let now = Instant::ZERO + Span::from_ms(100) * i64::from(number);
            passed += u64::from(storms.note(Severity::Warning, name(number), now).is_some());
        }
        for event in storms.take_counted(at(3_600)) {
            let Event::Suppressed { count } = event else { panic!("{event:?}") };
            counted += count;
        }
        // An hour: the allowance, and what it grows by.
        assert!((110..=121).contains(&passed), "{passed} events in an hour");
        assert_eq!(passed + counted, 36_000);
    }
}
