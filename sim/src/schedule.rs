//! One box's day on the axis of true time: when it is on, which references are in reach and honest,
//! and what is broken.

use super::scenario::{Event, ReferenceKind, RtcFault, Scenario};
use crate::ride_start::{NS_PER_MINUTE, RIDE_START_NS};

/// A box that takes part from the beginning is switched on so long before the ride.
const ON_BEFORE_RIDE_NS: i64 = 60_000_000_000;

/// The end of what does not end.
const NEVER_NS: i64 = i64::MAX / 2;

/// From one instant of true time until before another, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The beginning.
    pub from_ns: i64,
    /// The end, which no longer belongs to it.
    pub to_ns: i64,
}

impl Span {
    /// Whether an instant lies within.
    pub fn contains(&self, true_ns: i64) -> bool {
        (self.from_ns..self.to_ns).contains(&true_ns)
    }
}

/// A stretch of time in which the box has power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoweredSpan {
    /// From when until when.
    pub span: Span,
    /// Whether it belongs to the ride, with music.
    pub is_ride: bool,
    /// The RTC's battery was out before, so that its time is lost.
    pub battery_was_out: bool,
}

/// A time in which a reference tells a wrong time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lie {
    /// From when until when.
    pub span: Span,
    /// Which reference.
    pub source: ReferenceKind,
    /// The one server that lies, counted from 0; all without it.
    pub server: Option<usize>,
    /// By so much it is ahead of UTC.
    pub by_ns: i64,
}

/// One box's day.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxSchedule {
    /// From the beginning of the simulation to the end of the ride.
    pub whole: Span,
    /// The ride.
    pub ride: Span,
    /// When the box has power, in order and apart from each other.
    pub powered: Vec<PoweredSpan>,
    /// When time servers are in reach.
    pub ntp: Vec<Span>,
    /// When there is a GPS fix.
    pub gps: Vec<Span>,
    /// Lies of references.
    pub lies: Vec<Lie>,
    /// Faults of the RTC.
    pub faults: Vec<(Span, RtcFault)>,
}

fn minutes_to_true_ns(minutes: f64) -> i64 {
    RIDE_START_NS.saturating_add((minutes * NS_PER_MINUTE) as i64).min(NEVER_NS)
}

impl BoxSchedule {
    /// The day of one box, counted from 0.
    pub fn new(scenario: &Scenario, index: usize) -> Self {
        let ride = Span { from_ns: RIDE_START_NS, to_ns: minutes_to_true_ns(scenario.hours * 60.0) };
        let events: Vec<&Event> = scenario.events.iter().filter(|event| event.concerns(index)).collect();
        let contacts = contacts(scenario);
        let on_ns = RIDE_START_NS - ON_BEFORE_RIDE_NS;
        let begin_ns = contacts.first().map_or(on_ns, |first| first.from_ns);

        let of_contacts = |span: &Span| PoweredSpan { span: *span, is_ride: false, battery_was_out: false };
        let mut powered: Vec<PoweredSpan> = contacts.iter().map(of_contacts).collect();
        powered.extend(powered_on_ride(&events, Span { from_ns: on_ns, to_ns: ride.to_ns }));

        let mut ntp = reach(&events, ReferenceKind::Ntp, &scenario.ntp.available_minutes);
        ntp.extend(contacts);
        ntp.sort_by_key(|span| span.from_ns);
        Self {
            whole: Span { from_ns: begin_ns, to_ns: ride.to_ns },
            ride,
            powered,
            ntp,
            gps: reach(&events, ReferenceKind::Gps, &scenario.gps.available_minutes),
            lies: events.iter().filter_map(|event| lie(event)).collect(),
            faults: events.iter().filter_map(|event| fault(event)).collect(),
        }
    }

    /// When a kind of reference is in reach.
    pub fn spans_of(&self, source: ReferenceKind) -> &[Span] {
        match source {
            ReferenceKind::Ntp => &self.ntp,
            ReferenceKind::Gps => &self.gps,
        }
    }

    /// The first instant at or after this one at which a kind of reference is in reach.
    pub fn next_reach_ns(&self, source: ReferenceKind, true_ns: i64) -> Option<i64> {
        let later = self.spans_of(source).iter().filter(|span| span.to_ns > true_ns);
        later.map(|span| span.from_ns.max(true_ns)).min()
    }

    /// By how much a reference is ahead of UTC at an instant.
    pub fn lie_ns(&self, source: ReferenceKind, server: usize, true_ns: i64) -> i64 {
        let told = self.lies.iter().filter(|lie| {
            lie.source == source && lie.span.contains(true_ns) && lie.server.is_none_or(|only| only == server)
        });
        told.map(|lie| lie.by_ns).fold(0, i64::saturating_add)
    }

    /// What is wrong with the RTC at an instant.
    pub fn fault(&self, true_ns: i64) -> Option<RtcFault> {
        self.faults.iter().find(|(span, _)| span.contains(true_ns)).map(|(_, fault)| *fault)
    }
}

/// The contacts before the ride, the earliest first.
fn contacts(scenario: &Scenario) -> Vec<Span> {
    let calibration = &scenario.calibration;
    if calibration.days_before <= 0.0 || calibration.ntp_contacts_per_day <= 0.0 {
        return Vec::new();
    }
    let apart_minutes = 1440.0 / calibration.ntp_contacts_per_day;
    let count = (calibration.days_before * calibration.ntp_contacts_per_day).floor() as u32;
    let mut spans: Vec<Span> = Vec::new();
    for number in (0..=count).rev() {
        let end_minutes = -calibration.last_ends_minutes_before - f64::from(number) * apart_minutes;
        let from_ns = minutes_to_true_ns(end_minutes - calibration.on_minutes);
        let to_ns = minutes_to_true_ns(end_minutes);
        match spans.last_mut() {
            // Contacts longer than the time between them are one.
            Some(last) if from_ns <= last.to_ns => last.to_ns = to_ns,
            _ => spans.push(Span { from_ns, to_ns }),
        }
    }
    spans
}

fn powered_on_ride(events: &[&Event], ride: Span) -> Vec<PoweredSpan> {
    let late_ns = events.iter().filter_map(|event| match event {
        Event::BootsLate { at_minutes, .. } => Some(minutes_to_true_ns(*at_minutes)),
        _ => None,
    });
    let mut from_ns = late_ns.max().unwrap_or(ride.from_ns).max(ride.from_ns);
    let mut cuts: Vec<(Span, bool)> = events
        .iter()
        .filter_map(|event| match event {
            Event::PowerCut { at_minutes, off_s, without_battery, .. } => {
                let cut_ns = minutes_to_true_ns(*at_minutes);
                let span = Span { from_ns: cut_ns, to_ns: cut_ns.saturating_add((off_s * 1e9) as i64) };
                Some((span, *without_battery))
            }
            _ => None,
        })
        .collect();
    cuts.sort_by_key(|(span, _)| span.from_ns);
    let mut battery_was_out = false;
    let mut powered = Vec::new();
    for (cut, without_battery) in cuts {
        if from_ns < cut.from_ns.min(ride.to_ns) {
            let span = Span { from_ns, to_ns: cut.from_ns.min(ride.to_ns) };
            powered.push(PoweredSpan { span, is_ride: true, battery_was_out });
            battery_was_out = false;
        }
        battery_was_out |= without_battery;
        from_ns = from_ns.max(cut.to_ns);
    }
    if from_ns < ride.to_ns {
        powered.push(PoweredSpan { span: Span { from_ns, to_ns: ride.to_ns }, is_ride: true, battery_was_out });
    }
    powered
}

/// When a reference is in reach during the ride: the windows, less what an event takes away, and
/// what one adds.
fn reach(events: &[&Event], kind: ReferenceKind, windows: &[[f64; 2]]) -> Vec<Span> {
    let times = |comes: bool| {
        let mut times: Vec<i64> = events
            .iter()
            .filter_map(|event| match event {
                Event::ReferenceComes { at_minutes, source, .. } if comes && *source == kind => Some(*at_minutes),
                Event::ReferenceGoes { at_minutes, source, .. } if !comes && *source == kind => Some(*at_minutes),
                _ => None,
            })
            .map(minutes_to_true_ns)
            .collect();
        times.sort_unstable();
        times
    };
    let (comes, goes) = (times(true), times(false));
    let next = |times: &[i64], after_ns: i64| times.iter().copied().find(|&at| at > after_ns).unwrap_or(NEVER_NS);
    let mut spans: Vec<Span> = windows
        .iter()
        .map(|[from, to]| Span { from_ns: minutes_to_true_ns(*from), to_ns: minutes_to_true_ns(*to) })
        .collect();
    for &gone_ns in &goes {
        let back_ns = next(&comes, gone_ns);
        let rest = |span: Span| {
            let before = Span { from_ns: span.from_ns, to_ns: span.to_ns.min(gone_ns) };
            let after = Span { from_ns: span.from_ns.max(back_ns), to_ns: span.to_ns };
            [before, after].into_iter().filter(|span| span.from_ns < span.to_ns)
        };
        spans = spans.into_iter().flat_map(rest).collect();
    }
    spans.extend(comes.iter().map(|&from_ns| Span { from_ns, to_ns: next(&goes, from_ns) }));
    spans.sort_by_key(|span| span.from_ns);
    spans
}

fn lie(event: &Event) -> Option<Lie> {
    let Event::ReferenceLies { at_minutes, source, server, by_ms, for_minutes, .. } = event else { return None };
    let from_ns = minutes_to_true_ns(*at_minutes);
    Some(Lie {
        span: Span { from_ns, to_ns: minutes_to_true_ns(at_minutes + for_minutes) },
        source: *source,
        server: server.map(|number| number.saturating_sub(1)),
        by_ns: (by_ms * 1e6) as i64,
    })
}

fn fault(event: &Event) -> Option<(Span, RtcFault)> {
    let Event::RtcFault { at_minutes, fault, for_s, .. } = event else { return None };
    let span = Span { from_ns: minutes_to_true_ns(*at_minutes), to_ns: minutes_to_true_ns(at_minutes + for_s / 60.0) };
    Some((span, *fault))
}

#[cfg(test)]
mod tests {
    use super::super::scenario::parse;
    use super::*;

    fn schedule(text: &str, index: usize) -> BoxSchedule {
        BoxSchedule::new(&parse(text, "test").unwrap(), index)
    }

    fn minutes(span: &Span) -> [f64; 2] {
        [span.from_ns, span.to_ns].map(|ns| (ns - RIDE_START_NS) as f64 / NS_PER_MINUTE)
    }

    #[test]
    fn contacts_lie_a_day_apart_and_the_last_is_before_the_ride() {
        let day = schedule("[calibration]\ndays_before = 2\non_minutes = 30", 0);
        let on: Vec<[f64; 2]> = day.powered.iter().map(|powered| minutes(&powered.span)).collect();
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
            cut.powered.iter().map(|powered| (minutes(&powered.span), powered.battery_was_out)).collect();
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
        assert_eq!(day.ntp.iter().map(|span| minutes(span)[0]).collect::<Vec<_>>(), [0.0, 100.0]);
        assert_eq!(minutes(&day.ntp[0])[1], 10.0);
        assert_eq!(day.next_reach_ns(ReferenceKind::Ntp, minutes_to_true_ns(20.0)), Some(minutes_to_true_ns(100.0)));
        assert_eq!(day.next_reach_ns(ReferenceKind::Gps, minutes_to_true_ns(20.0)), Some(minutes_to_true_ns(20.0)));
    }

    #[test]
    fn a_lie_is_told_by_its_server_for_its_time() {
        let text = "[ntp]\nservers = 3\n[[event]]\nkind = \"reference_lies\"\nsource = \"ntp\"\nserver = 2\n\
            at_minutes = 5\nfor_minutes = 2\nby_ms = 3000\n";
        let day = schedule(text, 4);
        let told = |server, at| day.lie_ns(ReferenceKind::Ntp, server, minutes_to_true_ns(at));
        assert_eq!((told(1, 6.0), told(0, 6.0), told(1, 8.0)), (3_000_000_000, 0, 0));
    }
}
