//! One box's day on the axis of true time: when it is on, which references are in reach and honest,
//! and what is broken.

use jaudiosync_time::{Instant, Span, True};

use super::scenario::{Event, ReferenceKind, RtcFault, Scenario};
use crate::true_time::{RIDE_START, at_ride_minutes};

/// A box that takes part from the beginning is switched on so long before the ride.
pub(super) const ON_BEFORE_RIDE: Span = Span::MINUTE;

/// The end of what does not end.
const NEVER: Instant<True> = Instant::MAX;

/// From one instant of true time until before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The beginning.
    pub from: Instant<True>,
    /// The end, which no longer belongs to it.
    pub to: Instant<True>,
}

impl Interval {
    /// Returns whether an instant lies within.
    pub fn contains(&self, time: Instant<True>) -> bool {
        (self.from..self.to).contains(&time)
    }

    /// Returns its length.
    pub fn length(&self) -> Span {
        self.to - self.from
    }
}

/// A stretch of time in which the box has power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoweredInterval {
    /// From when until when.
    pub interval: Interval,
    /// Whether it belongs to the ride, with music.
    pub is_ride: bool,
    /// The RTC's battery was out before, so that its time is lost.
    pub battery_was_out: bool,
}

/// A time in which a reference gives a wrong time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lie {
    /// From when until when.
    pub interval: Interval,
    /// Which reference.
    pub source: ReferenceKind,
    /// The one server that lies, counted from 0; all without it.
    pub server: Option<usize>,
    /// By so much it is ahead of UTC.
    pub by: Span,
}

/// One box's day.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxSchedule {
    /// From the beginning of the simulation to the end of the ride.
    pub whole: Interval,
    /// The ride.
    pub ride: Interval,
    /// When the box has power, in order and apart from each other.
    pub powered: Vec<PoweredInterval>,
    /// When time servers are in reach.
    pub ntp: Vec<Interval>,
    /// When there is a GPS fix.
    pub gps: Vec<Interval>,
    /// Lies of references.
    pub lies: Vec<Lie>,
    /// Faults of the RTC.
    pub faults: Vec<(Interval, RtcFault)>,
}

impl BoxSchedule {
    /// The day of one box, counted from 0.
    pub fn new(scenario: &Scenario, index: usize) -> Self {
        let ride = Interval { from: RIDE_START, to: at_ride_minutes(scenario.hours * 60.0) };
        let events: Vec<&Event> = scenario.events.iter().filter(|event| event.concerns(index)).collect();
        let contacts = contacts(scenario);
        let on = RIDE_START - ON_BEFORE_RIDE;
        let begin = contacts.first().map_or(on, |first| first.from);

        let of_contacts =
            |interval: &Interval| PoweredInterval { interval: *interval, is_ride: false, battery_was_out: false };
        let mut powered: Vec<PoweredInterval> = contacts.iter().map(of_contacts).collect();
        powered.extend(powered_on_ride(&events, Interval { from: on, to: ride.to }));

        let mut ntp = reach(&events, ReferenceKind::Ntp, &scenario.ntp.available_minutes);
        ntp.extend(contacts);
        ntp.sort_by_key(|interval| interval.from);
        Self {
            whole: Interval { from: begin, to: ride.to },
            ride,
            powered,
            ntp,
            gps: reach(&events, ReferenceKind::Gps, &scenario.gps.available_minutes),
            lies: events.iter().filter_map(|event| lie(event)).collect(),
            faults: events.iter().filter_map(|event| fault(event)).collect(),
        }
    }

    /// When a kind of reference is in reach.
    pub fn reach_of(&self, source: ReferenceKind) -> &[Interval] {
        match source {
            ReferenceKind::Ntp => &self.ntp,
            ReferenceKind::Gps => &self.gps,
        }
    }

    /// The first instant at or after this one at which a kind of reference is in reach.
    pub fn next_reach(&self, source: ReferenceKind, time: Instant<True>) -> Option<Instant<True>> {
        let later = self.reach_of(source).iter().filter(|interval| interval.to > time);
        later.map(|interval| interval.from.max(time)).min()
    }

    /// Returns by how much a reference is ahead of UTC at an instant.
    pub fn lie(&self, source: ReferenceKind, server: usize, time: Instant<True>) -> Span {
        let lies = self.lies.iter().filter(|lie| {
            lie.source == source && lie.interval.contains(time) && lie.server.is_none_or(|only| only == server)
        });
        lies.map(|lie| lie.by).sum()
    }

    /// What is wrong with the RTC at an instant.
    pub fn fault(&self, time: Instant<True>) -> Option<RtcFault> {
        self.faults.iter().find(|(interval, _)| interval.contains(time)).map(|(_, fault)| *fault)
    }
}

/// The contacts before the ride, the earliest first.
fn contacts(scenario: &Scenario) -> Vec<Interval> {
    let calibration = &scenario.calibration;
    if calibration.days_before <= 0.0 || calibration.ntp_contacts_per_day <= 0.0 {
        return Vec::new();
    }
    let apart_minutes = 1440.0 / calibration.ntp_contacts_per_day;
    let count = (calibration.days_before * calibration.ntp_contacts_per_day).floor() as u32;
    let mut intervals: Vec<Interval> = Vec::new();
    for number in (0..=count).rev() {
        let end_minutes = -calibration.last_ends_minutes_before - f64::from(number) * apart_minutes;
        let from = at_ride_minutes(end_minutes - calibration.on_minutes);
        let to = at_ride_minutes(end_minutes);
        match intervals.last_mut() {
            // Contacts longer than the time between them are one.
            Some(last) if from <= last.to => last.to = to,
            _ => intervals.push(Interval { from, to }),
        }
    }
    intervals
}

fn powered_on_ride(events: &[&Event], ride: Interval) -> Vec<PoweredInterval> {
    let late = events.iter().filter_map(|event| match event {
        Event::BootsLate { at_minutes, .. } => Some(at_ride_minutes(*at_minutes)),
        _ => None,
    });
    let mut from = late.max().unwrap_or(ride.from).max(ride.from);
    let mut cuts: Vec<(Interval, bool)> = events
        .iter()
        .filter_map(|event| match event {
            Event::PowerCut { at_minutes, off_s, without_battery, .. } => {
                let cut = at_ride_minutes(*at_minutes);
                let interval = Interval { from: cut, to: cut + Span::from_ns((off_s * 1e9) as i64) };
                Some((interval, *without_battery))
            }
            _ => None,
        })
        .collect();
    cuts.sort_by_key(|(interval, _)| interval.from);
    let mut battery_was_out = false;
    let mut powered = Vec::new();
    for (cut, without_battery) in cuts {
        if from < cut.from.min(ride.to) {
            let interval = Interval { from, to: cut.from.min(ride.to) };
            powered.push(PoweredInterval { interval, is_ride: true, battery_was_out });
            battery_was_out = false;
        }
        battery_was_out |= without_battery;
        from = from.max(cut.to);
    }
    if from < ride.to {
        powered.push(PoweredInterval { interval: Interval { from, to: ride.to }, is_ride: true, battery_was_out });
    }
    powered
}

/// When a reference is in reach during the ride: the windows, less what an event takes away, and
/// what one adds.
fn reach(events: &[&Event], kind: ReferenceKind, windows: &[[f64; 2]]) -> Vec<Interval> {
    let times = |comes: bool| {
        let mut times: Vec<Instant<True>> = events
            .iter()
            .filter_map(|event| match event {
                Event::ReferenceComes { at_minutes, source, .. } if comes && *source == kind => Some(*at_minutes),
                Event::ReferenceGoes { at_minutes, source, .. } if !comes && *source == kind => Some(*at_minutes),
                _ => None,
            })
            .map(at_ride_minutes)
            .collect();
        times.sort_unstable();
        times
    };
    let (comes, goes) = (times(true), times(false));
    let next =
        |times: &[Instant<True>], after: Instant<True>| times.iter().copied().find(|&at| at > after).unwrap_or(NEVER);
    let mut intervals: Vec<Interval> =
        windows.iter().map(|[from, to]| Interval { from: at_ride_minutes(*from), to: at_ride_minutes(*to) }).collect();
    for &gone in &goes {
        let back = next(&comes, gone);
        let rest = |interval: Interval| {
            let before = Interval { from: interval.from, to: interval.to.min(gone) };
            let after = Interval { from: interval.from.max(back), to: interval.to };
            [before, after].into_iter().filter(|interval| interval.from < interval.to)
        };
        intervals = intervals.into_iter().flat_map(rest).collect();
    }
    intervals.extend(comes.iter().map(|&from| Interval { from, to: next(&goes, from) }));
    intervals.sort_by_key(|interval| interval.from);
    intervals
}

fn lie(event: &Event) -> Option<Lie> {
    let Event::ReferenceLies { at_minutes, source, server, by_ms, for_minutes, .. } = event else { return None };
    let from = at_ride_minutes(*at_minutes);
    Some(Lie {
        interval: Interval { from, to: at_ride_minutes(at_minutes + for_minutes) },
        source: *source,
        server: server.map(|number| number.saturating_sub(1)),
        by: Span::from_ns((by_ms * 1e6) as i64),
    })
}

fn fault(event: &Event) -> Option<(Interval, RtcFault)> {
    let Event::RtcFault { at_minutes, fault, for_s, .. } = event else { return None };
    let interval = Interval { from: at_ride_minutes(*at_minutes), to: at_ride_minutes(at_minutes + for_s / 60.0) };
    Some((interval, *fault))
}

#[cfg(test)]
mod tests {
    use super::super::scenario::parse;
    use super::*;
    use crate::true_time::ride_minutes;

    fn schedule(text: &str, index: usize) -> BoxSchedule {
        BoxSchedule::new(&parse(text, "test").unwrap(), index)
    }

    fn minutes(interval: &Interval) -> [f64; 2] {
        [interval.from, interval.to].map(ride_minutes)
    }

    #[test]
    fn contacts_lie_a_day_apart_and_the_last_is_before_the_ride() {
        let day = schedule("[calibration]\ndays_before = 2\non_minutes = 30", 0);
        let on: Vec<[f64; 2]> = day.powered.iter().map(|powered| minutes(&powered.interval)).collect();
        assert_eq!(on, [[-2915.0, -2885.0], [-1475.0, -1445.0], [-35.0, -5.0], [-1.0, 240.0]]);
        assert_eq!(day.powered.iter().filter(|powered| powered.is_ride).count(), 1);
        assert_eq!(day.ntp.len(), 3);
        assert_eq!(minutes(&day.whole), [-2915.0, 240.0]);
    }

    #[test]
    fn a_power_cut_divides_the_ride_of_its_box_alone() {
        let text = "boxes = 2\nhours = 1\n[calibration]\ndays_before = 0\n\
            [[event]]\nkind = \"power_cut\"\nbox = 2\nat_minutes = 10\noff_s = 60\nwithout_battery = true\n\
            [[event]]\nkind = \"boots_late\"\nbox = 2\nat_minutes = 5\n";
        assert_eq!(schedule(text, 0).powered.len(), 1);
        let cut = schedule(text, 1);
        let on: Vec<([f64; 2], bool)> =
            cut.powered.iter().map(|powered| (minutes(&powered.interval), powered.battery_was_out)).collect();
        assert_eq!(on, [([5.0, 10.0], false), ([11.0, 60.0], true)]);
    }

    #[test]
    fn references_come_and_go_by_window_and_by_event() {
        let text = "[ntp]\navailable_minutes = [[0, 30], [50, 60]]\n\
            [[event]]\nkind = \"reference_goes\"\nsource = \"ntp\"\nat_minutes = 10\n\
            [[event]]\nkind = \"reference_comes\"\nsource = \"ntp\"\nat_minutes = 100\n\
            [[event]]\nkind = \"reference_comes\"\nsource = \"gps\"\nat_minutes = 7\n\
            [calibration]\ndays_before = 0\n";
        let day = schedule(text, 0);
        assert_eq!(day.ntp.iter().map(|interval| minutes(interval)[0]).collect::<Vec<_>>(), [0.0, 100.0]);
        assert_eq!(minutes(&day.ntp[0])[1], 10.0);
        assert_eq!(day.next_reach(ReferenceKind::Ntp, at_ride_minutes(20.0)), Some(at_ride_minutes(100.0)));
        assert_eq!(day.next_reach(ReferenceKind::Gps, at_ride_minutes(20.0)), Some(at_ride_minutes(20.0)));
    }

    #[test]
    fn a_lie_comes_from_its_server_for_its_time() {
        let text = "[ntp]\nservers = 3\n[[event]]\nkind = \"reference_lies\"\nsource = \"ntp\"\nserver = 2\n\
            at_minutes = 5\nfor_minutes = 2\nby_ms = 3000\n";
        let day = schedule(text, 4);
        let lie = |server, at| day.lie(ReferenceKind::Ntp, server, at_ride_minutes(at));
        assert_eq!((lie(1, 6.0), lie(0, 6.0), lie(1, 8.0)), (Span::from_seconds(3), Span::ZERO, Span::ZERO));
    }
}
