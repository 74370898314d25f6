//! What gpsd's messages say of the time, receiver by receiver. Pure: messages and readings of the
//! clocks are passed in.

use std::collections::BTreeMap;

use jaudiosync_hw::clocks::ClockPair;
use jaudiosync_time::{Instant, Raw, Span, Utc};

use super::protocol::{Message, PROTOCOL, Stamps, parse_time};
use super::pulse_filter::{Pulse, PulseFilter};
use crate::timekeeping::clock_history::ClockHistory;
use crate::timekeeping::references::{Sample, Source, SourceKind};
use crate::timekeeping::rtc::trust::EARLIEST;

/// A fix is good for this long. Receivers report theirs every second.
const FIX_LASTS: Span = Span::from_seconds(5);

/// A pulse on a serial line or a pin is stamped some µs late: the interrupt's latency, in ns.
const PULSE_LATENCY_NS: f64 = 10_000.0;

/// The receiver begins to report a second within that second. So UTC at the first byte is what it
/// reports plus something between nothing and a second; receivers usually take 0.1 to 0.4 s (gpsd's
/// time service HOWTO).
const MESSAGE_LATENCY: Span = Span::from_ms(250);
const MESSAGE_BOUND_NS: f64 = 750_000_000.0;
const MESSAGE_SIGMA_NS: f64 = 150_000_000.0;

/// A report of a fix comes when the receiver has sent everything, and so is later: up to a second,
/// and up to half a second more on a slow line.
const REPORT_LATENCY: Span = Span::from_ms(500);
const REPORT_BOUND_NS: f64 = 1_000_000_000.0;
const REPORT_SIGMA_NS: f64 = 300_000_000.0;

/// A receiver that sends this many reports without the times of its messages has none to report.
const REPORTS_ALONE: u32 = 3;

/// There is one sample of messages in this time: the one that came with the least latency.
const MESSAGES_INTERVAL: Span = Span::from_seconds(16);

/// At most this many receivers are used.
const MOST_RECEIVERS: usize = 8;

/// The result of a message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Report {
    Sample(Sample),
    Trouble { source: Source, reason: String },
}

/// All receivers of one gpsd.
#[derive(Debug)]
pub(super) struct Receivers {
    /// Whether gpsd's system clock is ours: only then are its stamps useful.
    same_machine: bool,
    history: ClockHistory,
    receivers: BTreeMap<String, Receiver>,
}

#[derive(Debug, Default)]
struct Receiver {
    fixed_at: Option<Instant<Raw>>,
    /// Whether it reports fixes at all. A pulse wired to a pin of its own may be a device that does
    /// not.
    speaks: bool,
    /// Reports of fixes since it last reported when a message came.
    reports_alone: u32,
    pulses: PulseFilter,
    messages: Messages,
}

/// The messages since the last sample of them.
#[derive(Debug, Default)]
struct Messages {
    sampled_at: Option<Instant<Raw>>,
    quickest: Option<Pulse>,
}

impl Receivers {
    pub(super) fn new(same_machine: bool) -> Self {
        Self { same_machine, history: ClockHistory::default(), receivers: BTreeMap::new() }
    }

    /// Absorbs a reading of both clocks: a few per second, whether messages come or not.
    pub(super) fn clocks(&mut self, reading: ClockPair) {
        self.history.push(reading);
    }

    /// Absorbs a message that has just come.
    pub(super) fn message(&mut self, message: Message, now: ClockPair) -> Option<Report> {
        match message {
            Message::Version { proto_major, release } if proto_major != PROTOCOL => Some(trouble(
                "",
                format!("gpsd {release} speaks version {proto_major} of its protocol; version {PROTOCOL} is needed"),
            )),
            Message::Error { message } => Some(trouble("", format!("gpsd says: {message}"))),
            Message::Devices { devices } if devices.is_empty() => {
                Some(trouble("", "gpsd has no receiver: plug one in, or name it in /etc/default/gpsd".to_owned()))
            }
            Message::Fix { device, mode, time } => self.fix(&device, mode, time.as_deref(), now),
            Message::TimeOffset { device, stamps } => self.message_time(&device, &stamps, now),
            Message::Pulse { device, stamps, precision } => self.pulse(&device, &stamps, precision, now),
            Message::Version { .. } | Message::Devices { .. } | Message::Other => None,
        }
    }

    fn fix(&mut self, device: &str, mode: u8, time: Option<&str>, now: ClockPair) -> Option<Report> {
        let same_machine = self.same_machine;
        let receiver = self.receiver(device)?;
        receiver.speaks = true;
        if mode < 2 {
            receiver.fixed_at = None;
            receiver.pulses.clear();
            receiver.messages.quickest = None;
            return Some(trouble(
                device,
                "the receiver has no fix: it needs a view of the sky, and some minutes".to_owned(),
            ));
        }
        receiver.fixed_at = Some(now.raw);
        let utc = parse_time(time?)?;
        if let Some(report) = too_early(device, utc) {
            return Some(report);
        }
        receiver.reports_alone = receiver.reports_alone.saturating_add(1);
        if same_machine && receiver.reports_alone < REPORTS_ALONE {
            return None;
        }
        let report = Pulse { raw: now.raw, utc: utc + REPORT_LATENCY, bound_ns: REPORT_BOUND_NS };
        let chosen = receiver.messages.push(report)?;
        Some(sample(SourceKind::GpsMessages, device, chosen, REPORT_SIGMA_NS))
    }

    fn message_time(&mut self, device: &str, stamps: &Stamps, now: ClockPair) -> Option<Report> {
        self.receiver(device)?.reports_alone = 0;
        let moment = self.history.raw_at(stamps.clock()).filter(|_| self.same_machine)?;
        let receiver = self.receiver(device)?;
        if !receiver.has_fix(now) {
            return None;
        }
        if let Some(report) = too_early(device, stamps.real()) {
            return Some(report);
        }
        let reported = Pulse {
            raw: moment.raw,
            utc: stamps.real() + MESSAGE_LATENCY,
            bound_ns: MESSAGE_BOUND_NS + moment.bound_ns,
        };
        let chosen = receiver.messages.push(reported)?;
        Some(sample(SourceKind::GpsMessages, device, chosen, MESSAGE_SIGMA_NS))
    }

    fn pulse(&mut self, device: &str, stamps: &Stamps, precision: i32, now: ClockPair) -> Option<Report> {
        let moment = self.history.raw_at(stamps.clock()).filter(|_| self.same_machine)?;
        let any_fix = self.receivers.values().any(|receiver| receiver.has_fix(now));
        let receiver = self.receiver(device)?;
        if !receiver.has_fix(now) && (receiver.speaks || !any_fix) {
            return None;
        }
        if let Some(report) = too_early(device, stamps.real()) {
            return Some(report);
        }
        let precision_ns = 2.0_f64.powi(precision.clamp(-40, 0)) * 1e9;
        let bound_ns = PULSE_LATENCY_NS + precision_ns + moment.bound_ns;
        let pulse = Pulse { raw: moment.raw, utc: stamps.real(), bound_ns };
        let (found, scatter_ns) = receiver.pulses.push(pulse)?;
        Some(sample(SourceKind::GpsPps, device, found, (found.bound_ns / 3.0).max(scatter_ns)))
    }

    fn receiver(&mut self, device: &str) -> Option<&mut Receiver> {
        if self.receivers.len() >= MOST_RECEIVERS && !self.receivers.contains_key(device) {
            return None;
        }
        Some(self.receivers.entry(device.to_owned()).or_default())
    }
}

impl Receiver {
    fn has_fix(&self, now: ClockPair) -> bool {
        self.fixed_at.is_some_and(|at| now.raw - at <= FIX_LASTS)
    }
}

impl Messages {
    /// Returns the first pulse at once, and then the one with the least latency of each period.
    fn push(&mut self, reported: Pulse) -> Option<Pulse> {
        // The one that came with less latency has UTC further ahead of the raw clock.
        let is_quicker = |best: &Pulse| best.utc - reported.utc >= best.raw - reported.raw;
        let quickest = self.quickest.filter(is_quicker).unwrap_or(reported);
        self.quickest = Some(quickest);
        if self.sampled_at.is_some_and(|at| reported.raw - at < MESSAGES_INTERVAL) {
            return None;
        }
        self.sampled_at = Some(reported.raw);
        self.quickest.take()
    }
}

fn source(kind: SourceKind, device: &str) -> Source {
    Source { kind, name: device.into() }
}

fn sample(kind: SourceKind, device: &str, found: Pulse, sigma_ns: f64) -> Report {
    let Pulse { raw, utc, bound_ns } = found;
    Report::Sample(Sample { source: source(kind, device), raw, utc, sigma_ns, bound_ns })
}

fn trouble(device: &str, reason: String) -> Report {
    Report::Trouble { source: source(SourceKind::GpsMessages, device), reason }
}

fn too_early(device: &str, utc: Instant<Utc>) -> Option<Report> {
    let reason =
        "the receiver's time is before this program was built: it has lost its almanac, or counts its weeks wrongly";
    (utc < EARLIEST).then(|| trouble(device, reason.to_owned()))
}

#[cfg(test)]
#[path = "receivers_tests.rs"]
mod tests;
