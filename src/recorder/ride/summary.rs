//! Sums up the boots of one ride.

use super::super::boot::BootId;
use super::super::event::{End, Entry, Event, PreviousEnd, Severity};
use super::boots::Entries;
use super::{Boot, DropOutTime, Ending, LoggedNote, Moment, Period, Ride, RideTime, Trouble};
use crate::control::protocol::TimeState;

/// Sums up a ride of these boots.
pub(super) fn ride(boots: &[Entries<'_>], current: &BootId) -> Ride {
    let mut ride = Ride {
        boots: Vec::new(),
        restarts: Vec::new(),
        music: Vec::new(),
        time: RideTime::default(),
        drop_outs: Vec::new(),
        card_away: Vec::new(),
        power: Vec::new(),
        hottest_celsius: None,
        neighbours: Vec::new(),
        notes: Vec::new(),
        suppressed: 0,
    };
    for (number, entries) in boots.iter().enumerate() {
        let at = |(entry, utc_s): &(&Entry, Option<f64>)| Moment { boot: number, up_s: entry.up_s, utc_s: *utc_s };
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { continue };
        let mut open = Open::default();
        for dated in entries {
            take(&mut ride, &mut open, &dated.0.event, at(dated));
        }
        open.close(&mut ride, at(last));
        let version = entries.iter().find_map(|(entry, _)| match &entry.event {
            Event::Began { version, .. } if !version.is_empty() => Some(version.clone()),
            _ => None,
        });
        ride.boots.push(Boot { from: at(first), to: at(last), ending: ending(entries, current), version });
    }
    ride
}

/// What has begun in a boot and has not ended.
#[derive(Debug, Default)]
struct Open {
    music: Option<Moment>,
    card_away: Option<Moment>,
    untrusted: Option<Moment>,
    referenced: Option<Moment>,
    is_begun: bool,
}

impl Open {
    fn close(&mut self, ride: &mut Ride, to: Moment) {
        let close = |from: &mut Option<Moment>, periods: &mut Vec<Period>| {
            periods.extend(from.take().map(|from| Period { from, to }));
        };
        close(&mut self.music, &mut ride.music);
        close(&mut self.card_away, &mut ride.card_away);
        close(&mut self.untrusted, &mut ride.time.untrusted);
        self.close_referenced(ride, to);
    }

    fn close_referenced(&mut self, ride: &mut Ride, to: Moment) {
        if let Some(from) = self.referenced.take() {
            ride.time.referenced_s += Period { from, to }.length_s();
        }
    }
}

fn take(ride: &mut Ride, open: &mut Open, event: &Event, at: Moment) {
    match event {
        Event::Began { previous, why, .. } => {
            // What was under way ended with the run before.
            open.close(ride, at);
            // One that died before it could be recorded counts as well.
            if std::mem::replace(&mut open.is_begun, true) || *previous == PreviousEnd::Died {
                ride.restarts.push(Trouble { at, text: restart(*previous, why.as_deref()) });
            }
            open.untrusted = Some(at);
        }
        Event::Ended { .. } | Event::Other => {}
        Event::Panicked { text } => {
            ride.notes.push(LoggedNote { at, severity: Severity::Error, text: text.clone(), times: 1 });
        }
        Event::Time { state, bound_ms, worst_ms, source, celsius } => {
            time(ride, open, *state, at);
            let worst = (*worst_ms).into_iter().chain(*bound_ms).reduce(f64::max);
            if let Some(worst) = worst.filter(|worst| ride.time.worst_bound_ms.is_none_or(|before| *worst > before)) {
                ride.time.worst_bound_ms = Some(worst);
                ride.time.worst_at = Some(at);
            }
            ride.time.best_bound_ms = ride.time.best_bound_ms.into_iter().chain(*bound_ms).reduce(f64::min);
            ride.time.trusted |= !is_untrusted(*state);
            if !is_untrusted(*state) && !source.is_empty() && !ride.time.sources.contains(source) {
                ride.time.sources.push(source.clone());
            }
            hotter(ride, *celsius);
        }
        Event::Started {} => open.music = open.music.or(Some(at)),
        Event::Stopped {} => ride.music.extend(open.music.take().map(|from| Period { from, to: at })),
        Event::DropOuts { count } => ride.drop_outs.push(DropOutTime { at, count: *count }),
        Event::SoundCard { present: false } => open.card_away = open.card_away.or(Some(at)),
        Event::SoundCard { present: true } => {
            ride.card_away.extend(open.card_away.take().map(|from| Period { from, to: at }));
        }
        Event::Power { low, was_low, was_slowed } => {
            let text = match (low, was_low, was_slowed) {
                (true, ..) => "the voltage is too low",
                (false, true, true) => "the voltage has been too low, and heat has slowed down the processor",
                (false, true, false) => "the voltage is good again; it has been too low since power-on",
                (false, false, true) => "heat has slowed down the processor",
                (false, false, false) => "the voltage is good",
            };
            ride.power.push(Trouble { at, text: text.to_owned() });
        }
        Event::Heat { celsius, hot } => {
            let words = if *hot { "heat slows down the processor" } else { "cool again" };
            ride.power.push(Trouble { at, text: format!("{celsius:.0} °C: {words}") });
            hotter(ride, Some(*celsius));
        }
        Event::Neighbours { heard } => {
            let text = if heard.is_empty() { "nobody is heard".to_owned() } else { heard.join(", ") };
            ride.neighbours.push(Trouble { at, text });
        }
        Event::Note { severity, text, times } => {
            ride.notes.push(LoggedNote { at, severity: *severity, text: text.clone(), times: *times });
        }
        Event::Suppressed { count } => ride.suppressed = ride.suppressed.saturating_add(*count),
    }
}

fn time(ride: &mut Ride, open: &mut Open, state: TimeState, at: Moment) {
    if is_untrusted(state) {
        open.untrusted = open.untrusted.or(Some(at));
    } else {
        ride.time.untrusted.extend(open.untrusted.take().map(|from| Period { from, to: at }));
    }
    if state == TimeState::Referenced {
        open.referenced = open.referenced.or(Some(at));
    } else {
        open.close_referenced(ride, at);
    }
}

fn is_untrusted(state: TimeState) -> bool {
    matches!(state, TimeState::Unset | TimeState::Untrusted)
}

fn hotter(ride: &mut Ride, celsius: Option<f64>) {
    ride.hottest_celsius = ride.hottest_celsius.into_iter().chain(celsius).reduce(f64::max);
}

fn restart(previous: PreviousEnd, why: Option<&str>) -> String {
    match (previous, why) {
        (PreviousEnd::Clean, _) => "it was stopped and started again".to_owned(),
        (_, Some(why)) => why.to_owned(),
        (PreviousEnd::Died, None) => "it was killed, or ended by a fault".to_owned(),
        (_, None) => "the reason is not known".to_owned(),
    }
}

fn ending(entries: &Entries<'_>, current: &BootId) -> Ending {
    let run = entries.iter().rev().take_while(|(entry, _)| !matches!(entry.event, Event::Began { .. }));
    let end = run.into_iter().find_map(|(entry, _)| match entry.event {
        Event::Ended { how } => Some(how),
        _ => None,
    });
    match end {
        Some(End::PowerOff) => Ending::PowerOff,
        Some(_) => Ending::Asked,
        None if entries.last().is_some_and(|(entry, _)| entry.boot == *current) => Ending::StillOn,
        None => Ending::PowerCut,
    }
}
