//! Turns what the service reports of itself into events, when it has changed. Pure.

use jaudiosync_time::{Instant, Raw, Span};

use super::event::Event;
use crate::control::Status;
use crate::control::protocol::{PlayState, TimeState, TimeStatus};
use crate::host::{Power, is_hot};

/// The bounds of the time's error between which it matters, in ms.
const BOUNDS_MS: [f64; 5] = [1.0, 5.0, 20.0, 100.0, 1_000.0];

/// A bound is better only when it is this much below the limit: otherwise noise around the limit
/// would be recorded each time.
const CLEARLY_BETTER: f64 = 0.8;

/// Changes of the time are recorded this often at most; what changes in between is in the next
/// event.
const TIME_CHANGES: Span = Span::from_seconds(60);

/// Who is heard is recorded this often at most: at the edge of the reach of a radio, boxes come and
/// go all the time.
const NEIGHBOUR_CHANGES: Span = Span::from_seconds(60);

/// More names than this are not recorded: their line would become too long.
const MAX_NEIGHBOURS: usize = 32;

/// How many sources of the time are told apart.
const MAX_SOURCES: usize = 16;

/// What the machine reports.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct MachineSeen {
    pub(super) power: Option<Power>,
    pub(super) celsius: Option<f64>,
}

/// Compares what is reported with what was recorded.
#[derive(Debug, Clone, Default)]
pub(super) struct Watcher {
    /// The state and the band that were recorded last, and when.
    time: Option<(TimeState, Option<usize>, Instant<Raw>)>,
    /// The sources that were recorded since the start.
    sources: Vec<String>,
    worst_ms: Option<f64>,
    last: Option<(TimeStatus, Option<f64>)>,
    plays: bool,
    present: Option<bool>,
    power: Option<Power>,
    is_hot: bool,
    /// Who was recorded last as heard, and when.
    neighbours: (Vec<String>, Option<Instant<Raw>>),
}

impl Watcher {
    /// Returns what has changed.
    pub(super) fn see(&mut self, status: &Status, machine: MachineSeen, now: Instant<Raw>) -> Vec<Event> {
        let mut events = Vec::new();
        self.last = Some((status.time.clone(), machine.celsius));
        self.see_time(status, now, &mut events);
        let plays = plays(status.play.state);
        if plays != self.plays {
            self.plays = plays;
            events.push(if plays { Event::Started {} } else { Event::Stopped {} });
        }
        events.extend(self.see_neighbours(status, now));
        // That the card is there at the start needs no event.
        let present = status.dac.present;
        if self.present.unwrap_or(true) != present {
            events.push(Event::SoundCard { present });
        }
        self.present = Some(present);
        if let Some(power) = machine.power.filter(|power| self.power.unwrap_or_default() != *power) {
            self.power = Some(power);
            let Power { is_low, was_low, was_slowed } = power;
            events.push(Event::Power { low: is_low, was_low, was_slowed });
        }
        if let Some(celsius) = machine.celsius {
            let is_hot = is_hot(self.is_hot, celsius);
            if is_hot != self.is_hot {
                self.is_hot = is_hot;
                events.push(Event::Heat { celsius, hot: is_hot });
            }
        }
        events
    }

    /// Returns how well the time is known, for the record at intervals; `None` before the first
    /// status.
    pub(super) fn time(&mut self, now: Instant<Raw>) -> Option<Event> {
        let (time, celsius) = self.last.clone()?;
        Some(self.time_event(&time, celsius, now))
    }

    fn see_time(&mut self, status: &Status, now: Instant<Raw>, events: &mut Vec<Event>) {
        let bound_ms = status.time.error_bound_ms;
        self.worst_ms = match (self.worst_ms, bound_ms) {
            (Some(worst_ms), Some(bound_ms)) => Some(worst_ms.max(bound_ms)),
            (worst_ms, bound_ms) => worst_ms.or(bound_ms),
        };
        let Some((state, recorded_band, at)) = self.time else {
            // The first reports come before the clock was read.
            if status.time.state != TimeState::Unset || now >= Instant::ZERO + TIME_CHANGES {
                events.extend(self.time(now));
            }
            return;
        };
        let is_new_source = !self.sources.contains(&status.time.source) && self.sources.len() < MAX_SOURCES;
        let is_trusted = |state| !matches!(state, TimeState::Unset | TimeState::Untrusted);
        // That the time is lost or found is never held back.
        let is_turn = is_trusted(state) != is_trusted(status.time.state);
        let has_changed = state != status.time.state || is_new_source || is_another_band(recorded_band, bound_ms);
        if is_turn || has_changed && now - at >= TIME_CHANGES {
            events.extend(self.time(now));
        }
    }

    fn see_neighbours(&mut self, status: &Status, now: Instant<Raw>) -> Option<Event> {
        let neighbours = status.ride.iter().flat_map(|ride| &ride.neighbours);
        let heard: Vec<String> = neighbours.take(MAX_NEIGHBOURS).map(|neighbour| neighbour.name.clone()).collect();
        let (recorded, at) = &self.neighbours;
        if heard == *recorded || at.is_some_and(|at| now - at < NEIGHBOUR_CHANGES) {
            return None;
        }
        self.neighbours = (heard.clone(), Some(now));
        Some(Event::Neighbours { heard })
    }

    fn time_event(&mut self, time: &TimeStatus, celsius: Option<f64>, now: Instant<Raw>) -> Event {
        self.time = Some((time.state, time.error_bound_ms.map(band), now));
        if !self.sources.contains(&time.source) && self.sources.len() < MAX_SOURCES {
            self.sources.push(time.source.clone());
        }
        Event::Time {
            state: time.state,
            bound_ms: time.error_bound_ms.map(rounded),
            worst_ms: self.worst_ms.take().map(rounded),
            source: time.source.clone(),
            celsius: celsius.map(rounded),
        }
    }
}

/// Returns whether the box is meant to be heard.
fn plays(state: PlayState) -> bool {
    matches!(
        state,
        PlayState::Opening | PlayState::Playing | PlayState::Silent | PlayState::WaitingForDevice | PlayState::Gap
    )
}

/// Returns how many of the limits a bound has crossed.
fn band(bound_ms: f64) -> usize {
    BOUNDS_MS.iter().filter(|limit_ms| bound_ms >= **limit_ms).count()
}

fn is_another_band(recorded: Option<usize>, bound_ms: Option<f64>) -> bool {
    match (recorded, bound_ms) {
        (Some(recorded), Some(bound_ms)) => band(bound_ms) > recorded || band(bound_ms / CLEARLY_BETTER) < recorded,
        (recorded, bound_ms) => recorded.is_some() != bound_ms.is_some(),
    }
}

/// Returns a figure to three decimals; no bound is known better.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{NeighbourStatus, RideStatus};

    fn status(state: TimeState, bound_ms: Option<f64>) -> Status {
        let mut status = Status::default();
        status.dac.present = true;
        status.time.state = state;
        status.time.error_bound_ms = bound_ms;
        status.time.source = "RTC".to_owned();
        status
    }

    fn at(seconds: i64) -> Instant<Raw> {
        Instant::from_second(seconds)
    }

    #[test]
    fn the_time_is_recorded_when_it_is_found_and_when_its_bound_crosses_a_limit() {
        let mut watcher = Watcher::default();
        let mut bounds = Vec::new();
        let mut see = |state, bound_ms, second| {
            let events = watcher.see(&status(state, bound_ms), MachineSeen::default(), at(second));
            for event in events {
                let Event::Time { bound_ms, worst_ms, .. } = event else { panic!("{event:?}") };
                bounds.push((second, bound_ms, worst_ms));
            }
        };
        see(TimeState::Unset, None, 10);
        see(TimeState::Holdover, Some(0.9), 12);
        for second in 13..200 {
            // Noise around a limit.
            see(TimeState::Holdover, Some(if second % 2 == 0 { 0.99 } else { 1.01 }), second);
        }
        see(TimeState::Holdover, Some(0.7), 201);
        see(TimeState::Holdover, Some(30.0), 300);
        see(TimeState::Untrusted, None, 301);
        assert_eq!(
            bounds,
            [
                (12, Some(0.9), Some(0.9)),
                (73, Some(1.01), Some(1.01)),
                (201, Some(0.7), Some(1.01)),
                (300, Some(30.0), Some(30.0)),
                (301, None, None)
            ]
        );
        let Some(Event::Time { state, .. }) = watcher.time(at(400)) else { panic!() };
        assert_eq!(state, TimeState::Untrusted);
    }

    #[test]
    fn who_is_heard_is_recorded_when_it_changes_and_once_a_minute_at_most() {
        let mut watcher = Watcher::default();
        let mut recorded = Vec::new();
        let mut see = |names: &[&str], second| {
            let neighbour = |name: &&str| NeighbourStatus { name: (*name).to_owned(), ..NeighbourStatus::default() };
            let ride = RideStatus { neighbours: names.iter().map(neighbour).collect(), ..RideStatus::default() };
            let status = Status { ride: Some(ride), ..status(TimeState::Unset, None) };
            for event in watcher.see(&status, MachineSeen::default(), at(second)) {
                let Event::Neighbours { heard } = event else { panic!("{event:?}") };
                recorded.push((second, heard.join(" ")));
            }
        };
        see(&[], 1);
        see(&["a"], 2);
        see(&["a", "b"], 3);
        see(&["a"], 4);
        see(&["a"], 30);
        see(&["a", "b"], 50);
        see(&["a", "b"], 59);
        assert_eq!(recorded, [(2, "a".to_owned())]);
    }

    #[test]
    fn who_has_gone_is_recorded_too() {
        let mut watcher = Watcher::default();
        let ride = |names: &[&str]| {
            let neighbour = |name: &&str| NeighbourStatus { name: (*name).to_owned(), ..NeighbourStatus::default() };
            Some(RideStatus { neighbours: names.iter().map(neighbour).collect(), ..RideStatus::default() })
        };
        let mut seen = status(TimeState::Holdover, Some(0.5));
        watcher.see(&seen, MachineSeen::default(), at(1));
        for (names, second) in [(&["a", "b"][..], 2), (&["b"], 70), (&[], 140)] {
            seen.ride = ride(names);
            let heard = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(watcher.see(&seen, MachineSeen::default(), at(second)), [Event::Neighbours { heard }]);
        }
        seen.ride = None;
        assert_eq!(watcher.see(&seen, MachineSeen::default(), at(300)), []);
    }

    #[test]
    fn music_card_power_and_heat_are_recorded_when_they_change() {
        let mut watcher = Watcher::default();
        let mut seen = status(TimeState::Holdover, Some(0.5));
        let mut machine = MachineSeen { power: Some(Power::default()), celsius: Some(50.0) };
        assert_eq!(watcher.see(&seen, machine, at(1)).len(), 1, "the time alone");
        seen.play.state = PlayState::Playing;
        assert_eq!(watcher.see(&seen, machine, at(2)), [Event::Started {}]);
        seen.play.state = PlayState::Gap;
        assert_eq!(watcher.see(&seen, machine, at(3)), []);
        seen.dac.present = false;
        machine.power = Some(Power { is_low: true, was_low: true, was_slowed: false });
        let expected =
            [Event::SoundCard { present: false }, Event::Power { low: true, was_low: true, was_slowed: false }];
        assert_eq!(watcher.see(&seen, machine, at(4)), expected);
        seen.play.state = PlayState::Stopped;
        seen.dac.present = true;
        machine.celsius = Some(82.0);
        let expected =
            [Event::Stopped {}, Event::SoundCard { present: true }, Event::Heat { celsius: 82.0, hot: true }];
        assert_eq!(watcher.see(&seen, machine, at(5)), expected);
        machine.celsius = Some(78.0);
        assert_eq!(watcher.see(&seen, machine, at(6)), []);
        machine.celsius = Some(70.0);
        assert_eq!(watcher.see(&seen, machine, at(7)), [Event::Heat { celsius: 70.0, hot: false }]);
    }
}
