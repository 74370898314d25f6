use proptest::prelude::*;

use jaudiosync_time::{ClockMap, Rate};

use super::*;

/// True UTC, as a map from the raw clock, which is at its zero a million seconds after the earliest
/// time that is believed.
const TRUE_UTC: ClockMap<Raw, Utc> =
    ClockMap { from: Instant::ZERO, to: Instant::from_second(EARLIEST.second() + 1_000_000), rate: Rate::ZERO };

/// gpsd's machine, whose system clock is this far off, and a receiver on it.
struct Scene {
    receivers: Receivers,
    raw: Instant<Raw>,
    system_error: Span,
}

impl Scene {
    fn new(same_machine: bool, system_error: Span) -> Self {
        Self { receivers: Receivers::new(same_machine), raw: Instant::ZERO, system_error }
    }

    fn pair(&self, raw: Instant<Raw>) -> ClockPair {
        ClockPair { raw, utc: TRUE_UTC.apply(raw) + self.system_error }
    }

    /// Lets a second pass, with these messages 0.3 s after its beginning; returns the results.
    fn second(&mut self, messages: impl IntoIterator<Item = Message>) -> Vec<Report> {
        for _ in 0..5 {
            self.raw += Span::from_ms(200);
            self.receivers.clocks(self.pair(self.raw));
        }
        let now = self.pair(self.raw + Span::from_ms(300));
        self.receivers.clocks(now);
        messages.into_iter().filter_map(|message| self.receivers.message(message, now)).collect()
    }

    /// Returns gpsd's stamps for this second: the pulse at its beginning, and messages from 0.1 s
    /// on.
    fn stamps(&self, late: Span) -> Stamps {
        let real = self.next_second();
        let clock = real + self.system_error + late;
        Stamps {
            real_sec: real.second(),
            real_nsec: real.since_second().ns(),
            clock_sec: clock.second(),
            clock_nsec: clock.since_second().ns(),
        }
    }

    fn next_second(&self) -> Instant<Utc> {
        TRUE_UTC.apply(self.raw + Span::SECOND)
    }

    fn pulse(&self) -> Message {
        Message::Pulse { device: "gps".to_owned(), stamps: self.stamps(Span::from_us(3)), precision: -20 }
    }

    fn message_time(&self) -> Message {
        Message::TimeOffset { device: "gps".to_owned(), stamps: self.stamps(Span::from_ms(100)) }
    }

    fn fix(&self, mode: u8) -> Message {
        let time = chrono::DateTime::from_timestamp_nanos(self.next_second().ns()).to_rfc3339();
        Message::Fix { device: "gps".to_owned(), mode, time: Some(time) }
    }

    fn run(&mut self, seconds: usize, messages: impl Fn(&Self) -> Vec<Message>) -> Vec<Report> {
        (0..seconds)
            .flat_map(|_| {
                let messages = messages(self);
                self.second(messages)
            })
            .collect()
    }
}

fn samples(reports: &[Report], kind: SourceKind) -> Vec<&Sample> {
    reports
        .iter()
        .filter_map(|report| match report {
            Report::Sample(sample) if sample.source.kind == kind => Some(sample),
            _ => None,
        })
        .collect()
}

fn error_ns(sample: &Sample) -> f64 {
    (sample.utc - TRUE_UTC.apply(sample.raw)).ns_f64()
}

#[test]
fn pulses_give_the_time_within_microseconds_however_wrong_the_system_clock_is() {
    for system_error in [Span::ZERO, Span::from_ns(123_456_789), -(Span::DAY * 40 * 365)] {
        let mut scene = Scene::new(true, system_error);
        let reports = scene.run(40, |scene| vec![scene.message_time(), scene.pulse(), scene.fix(3)]);
        let pulses = samples(&reports, SourceKind::GpsPps);
        assert!((4..=5).contains(&pulses.len()), "{reports:?}");
        for sample in pulses {
            assert!(error_ns(sample).abs() < 5_000.0, "{sample:?}");
            assert!((5_000.0..20_000.0).contains(&sample.bound_ns), "{sample:?}");
        }
    }
}

#[test]
fn messages_alone_give_the_time_within_their_coarse_bound() {
    let mut scene = Scene::new(true, Span::from_seconds(77));
    let reports = scene.run(40, |scene| vec![scene.message_time(), scene.fix(3)]);
    let messages = samples(&reports, SourceKind::GpsMessages);
    assert!((2..=4).contains(&messages.len()), "{reports:?}");
    assert!(messages.iter().all(|sample| error_ns(sample).abs() <= sample.bound_ns), "{messages:?}");
    assert!(samples(&reports, SourceKind::GpsPps).is_empty());
}

#[test]
fn a_receiver_of_reports_alone_is_believed_within_a_second() {
    let mut scene = Scene::new(true, Span::ZERO);
    let reports = scene.run(20, |scene| vec![scene.fix(3)]);
    let messages = samples(&reports, SourceKind::GpsMessages);
    assert!(messages.len() == 2 && messages.iter().all(|sample| sample.bound_ns >= 1e9), "{messages:?}");
    assert!(messages.iter().all(|sample| error_ns(sample).abs() <= sample.bound_ns), "{messages:?}");
}

#[test]
fn a_pulse_that_is_a_device_of_its_own_needs_a_fix_of_any_receiver() {
    let pulse_alone =
        |scene: &Scene| Message::Pulse { device: "pps".into(), stamps: scene.stamps(Span::ZERO), precision: -20 };
    let mut scene = Scene::new(true, Span::ZERO);
    assert!(scene.run(20, |scene| vec![pulse_alone(scene)]).is_empty());
    let reports = scene.run(20, |scene| vec![scene.fix(2), pulse_alone(scene)]);
    assert_eq!(samples(&reports, SourceKind::GpsPps).len(), 2);
}

#[test]
fn gpsd_on_another_machine_is_believed_by_its_reports_alone() {
    let mut scene = Scene::new(false, Span::ZERO);
    let reports = scene.run(40, |scene| vec![scene.message_time(), scene.pulse(), scene.fix(3)]);
    assert!(samples(&reports, SourceKind::GpsPps).is_empty());
    let messages = samples(&reports, SourceKind::GpsMessages);
    assert!(!messages.is_empty() && messages.iter().all(|sample| sample.bound_ns >= 1e9), "{reports:?}");
}

#[test]
fn without_a_fix_nothing_is_sampled() {
    let mut scene = Scene::new(true, Span::ZERO);
    let reports = scene.run(40, |scene| vec![scene.message_time(), scene.pulse(), scene.fix(1)]);
    let no_fix = |report: &Report| matches!(report, Report::Trouble { reason, .. } if reason.contains("no fix"));
    assert!(reports.len() == 40 && reports.iter().all(no_fix), "{reports:?}");
}

#[test]
fn a_receiver_that_falls_silent_has_no_fix_any_more() {
    let mut scene = Scene::new(true, Span::ZERO);
    scene.run(10, |scene| vec![scene.message_time(), scene.pulse(), scene.fix(3)]);
    scene.run(6, |_| vec![]);
    assert!(scene.run(20, |scene| vec![scene.pulse()]).is_empty());
}

#[test]
fn a_system_clock_that_is_set_meanwhile_spoils_no_sample() {
    let mut scene = Scene::new(true, Span::ZERO);
    let mut reports = vec![];
    for _ in 0..30 {
        reports.extend(scene.run(3, |scene| vec![scene.pulse(), scene.fix(3)]));
        scene.system_error += Span::from_ms(400);
        reports.extend(scene.run(9, |scene| vec![scene.pulse(), scene.fix(3)]));
        scene.system_error -= Span::from_ms(700);
    }
    let pulses = samples(&reports, SourceKind::GpsPps);
    assert!(pulses.len() > 10, "{}", pulses.len());
    assert!(pulses.iter().all(|sample| error_ns(sample).abs() <= sample.bound_ns), "{pulses:?}");
}

#[test]
fn a_receiver_that_lives_in_the_past_is_reported_and_not_believed() {
    let mut scene = Scene::new(true, Span::ZERO);
    let reports = scene.run(20, |scene| {
        let mut stamps = scene.stamps(Span::ZERO);
        stamps.real_sec -= 1024 * 7 * 86_400;
        vec![scene.fix(3), Message::Pulse { device: "gps".to_owned(), stamps, precision: -20 }]
    });
    assert!(samples(&reports, SourceKind::GpsPps).is_empty());
    let reported = |report: &Report| matches!(report, Report::Trouble { reason, .. } if reason.contains("before this program was built"));
    assert!(reports.iter().any(reported), "{reports:?}");
}

#[test]
fn a_gpsd_without_receivers_or_of_another_version_is_reported() {
    let mut scene = Scene::new(true, Span::ZERO);
    let reports = scene.second([
        Message::Devices { devices: vec![] },
        Message::Version { release: "9".to_owned(), proto_major: 9 },
        Message::Error { message: "Unrecognized request".to_owned() },
    ]);
    let words = ["no receiver", "version 9", "Unrecognized request"];
    assert_eq!(reports.len(), words.len());
    for (report, words) in reports.iter().zip(words) {
        assert!(matches!(report, Report::Trouble { reason, .. } if reason.contains(words)), "{report:?}");
    }
}

#[test]
fn a_flood_of_receivers_does_not_fill_the_memory() {
    let mut scene = Scene::new(true, Span::ZERO);
    scene.second((0..1000).map(|i| Message::Fix { device: i.to_string(), mode: 3, time: None }));
    assert_eq!(scene.receivers.receivers.len(), MOST_RECEIVERS);
}

proptest! {
    #[test]
    fn no_stamp_makes_it_panic(figures in prop::collection::vec(any::<(i64, i64, i64, i64, i32)>(), 0..20)) {
        let mut scene = Scene::new(true, Span::ZERO);
        scene.run(4, |scene| vec![scene.fix(3)]);
        let messages = figures.into_iter().flat_map(|(real_sec, real_nsec, clock_sec, clock_nsec, precision)| {
            let stamps = Stamps { real_sec, real_nsec, clock_sec, clock_nsec };
            let device = "gps".to_owned();
            [Message::Pulse { device: device.clone(), stamps, precision }, Message::TimeOffset { device, stamps }]
        });
        scene.second(messages.collect::<Vec<_>>());
    }
}
