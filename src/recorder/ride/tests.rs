use super::super::event::{End, Event, PreviousEnd};
use super::*;
use crate::control::protocol::TimeState;

const NOON_S: f64 = 1_800_000_000.0;

/// Makes the entries of a boot that was switched on at this UTC.
fn boot(id: &str, on_utc_s: f64, events: &[(f64, Event)]) -> Vec<Entry> {
    let entry = |(up_s, event): &(f64, Event)| Entry {
        boot: BootId::parse(id),
        up_s: *up_s,
        utc_s: Some(on_utc_s + up_s),
        event: event.clone(),
    };
    events.iter().map(entry).collect()
}

fn began() -> Event {
    Event::Began { version: "1.2.3".into(), previous: PreviousEnd::Unknown, why: None }
}

fn time(state: TimeState, bound_ms: f64) -> Event {
    let celsius = Some(40.0 + bound_ms);
    let (bound_ms, worst_ms) = (Some(bound_ms), Some(bound_ms + 1.0));
    Event::Time { state, bound_ms, worst_ms, source: "RTC".into(), celsius }
}

/// Returns the minutes of UTC since noon at which a ride began and ended.
fn minutes(ride: &Ride) -> (i64, i64) {
    let minute = |moment: Moment| ((moment.utc_s.unwrap() - NOON_S) / 60.0).round() as i64;
    (minute(ride.boots[0].from), minute(ride.boots.last().unwrap().to))
}

#[test]
fn boots_with_short_pauses_are_one_ride_and_one_that_has_just_begun_is_not_the_last() {
    let hour = |hours: f64| NOON_S + 3600.0 * hours;
    let entries = [
        boot("a", hour(0.0), &[(5.0, began()), (1800.0, Event::Ended { how: End::Asked })]),
        boot("b", hour(1.0), &[(5.0, began()), (1800.0, Event::Stopped {})]),
        boot("c", hour(10.0), &[(5.0, began()), (1800.0, Event::Ended { how: End::PowerOff })]),
        boot("d", hour(20.0), &[(5.0, began()), (600.0, Event::Started {})]),
    ]
    .concat();
    let rides = Rides::of(&entries, &BootId::parse("d"));
    assert_eq!(rides.count(), 2, "what has just begun is not one to choose");
    let (last, since) = rides.last(1).unwrap();
    assert_eq!((minutes(last), minutes(since.unwrap())), ((600, 630), (1200, 1210)));
    let (before, _) = rides.last(2).unwrap();
    assert_eq!((minutes(before), before.power_cuts(), before.boots[1].ending), ((0, 90), 1, Ending::PowerCut));
    assert!(rides.last(3).is_none() && rides.last(usize::MAX).is_none() && rides.last(0).is_none());
    // Once it has lasted, it counts.
    let longer = [entries, boot("d", hour(20.0), &[(1300.0, Event::Stopped {})])].concat();
    let rides = Rides::of(&longer, &BootId::parse("d"));
    let (last, since) = rides.last(1).unwrap();
    assert_eq!((minutes(last), last.is_under_way(), since, rides.count()), ((1200, 1222), true, None, 3));
    assert!(Rides::of(&[], &BootId::default()).last(1).is_none());
}

#[test]
fn a_ride_says_when_the_time_was_known_and_how_well() {
    let entries = boot(
        "a",
        NOON_S,
        &[
            (5.0, began()),
            (8.0, time(TimeState::Holdover, 2.0)),
            (100.0, time(TimeState::Referenced, 0.5)),
            (400.0, time(TimeState::Holdover, 0.6)),
            (500.0, time(TimeState::Untrusted, 900.0)),
            (530.0, time(TimeState::Holdover, 3.0)),
        ],
    );
    let rides = Rides::of(&entries, &BootId::default());
    let ride = &rides.last(1).unwrap().0;
    let untrusted: Vec<f64> = ride.time.untrusted.iter().map(Period::length_s).collect();
    assert_eq!((untrusted, ride.time.referenced_s), (vec![3.0, 30.0], 300.0));
    assert_eq!((ride.time.worst_bound_ms, ride.time.worst_at.unwrap().up_s), (Some(901.0), 500.0));
    assert_eq!((ride.time.best_bound_ms, ride.time.trusted), (Some(0.5), true));
    assert_eq!((ride.time.sources.as_slice(), ride.hottest_celsius), (&["RTC".to_owned()][..], Some(940.0)));
}

#[test]
fn what_was_under_way_ends_with_the_run_or_the_boot() {
    let died = Event::Began { version: "1".into(), previous: PreviousEnd::Died, why: Some("the watchdog".into()) };
    let entries = boot(
        "a",
        NOON_S,
        &[
            (5.0, began()),
            (10.0, Event::Started {}),
            (20.0, Event::SoundCard { present: false }),
            (30.0, died),
            (40.0, Event::Started {}),
            (50.0, Event::DropOuts { count: 2 }),
            (60.0, Event::DropOuts { count: u64::MAX }),
            (70.0, Event::Stopped {}),
            (80.0, Event::Started {}),
            (90.0, Event::Note { severity: Severity::Error, text: "x".into(), times: 3 }),
        ],
    );
    let rides = Rides::of(&entries, &BootId::parse("a"));
    let ride = &rides.last(1).unwrap().0;
    let lengths = |periods: &[Period]| periods.iter().map(Period::length_s).collect::<Vec<_>>();
    assert_eq!((lengths(&ride.music), lengths(&ride.card_away)), (vec![20.0, 30.0, 10.0], vec![10.0]));
    assert_eq!((ride.restarts[0].text.as_str(), ride.restarts.len()), ("the watchdog", 1));
    assert_eq!((ride.drop_out_count(), ride.notes[0].times, ride.music_s()), (u64::MAX, 3, 60.0));
}

#[test]
fn a_run_that_died_before_it_was_recorded_is_a_restart() {
    let died = Event::Began { version: "1".into(), previous: PreviousEnd::Died, why: Some("a fault".into()) };
    let entries = [
        boot("a", NOON_S, &[(5.0, began()), (60.0, Event::Ended { how: End::Asked })]),
        boot("b", NOON_S + 90.0, &[(9.0, died)]),
    ];
    let rides = Rides::of(&entries.concat(), &BootId::parse("b"));
    let ride = &rides.last(1).unwrap().0;
    assert_eq!((ride.restarts.len(), ride.restarts[0].text.as_str()), (1, "a fault"));
    assert_eq!(ride.music_s().to_bits(), 0.0_f64.to_bits());
}

#[test]
fn who_was_heard_is_listed_with_when_that_changed() {
    let heard = |names: &[&str]| Event::Neighbours { heard: names.iter().map(|name| (*name).to_owned()).collect() };
    let events = [(5.0, began()), (60.0, heard(&["bike-2", "bike-3"])), (600.0, heard(&[]))];
    let rides = Rides::of(&boot("a", NOON_S, &events), &BootId::parse("a"));
    let (ride, _) = rides.last(1).unwrap();
    let neighbours: Vec<(f64, &str)> =
        ride.neighbours.iter().map(|change| (change.at.up_s, change.text.as_str())).collect();
    assert_eq!(neighbours, [(60.0, "bike-2, bike-3"), (600.0, "nobody is heard")]);
}
