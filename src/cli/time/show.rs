//! The status of the time as text.

use std::fmt::Write;

use jaudiosync_time::Instant;
use serde::Serialize;

use super::super::Failure;
use super::super::ride::words;
use crate::control::Status;
use crate::control::protocol::RideStatus;
use crate::format::{chip_words, counted, local_time_ms};
use crate::timekeeping::status::{BOUND_SIGMAS, RtcReport, TimeState, TimeStatus};

/// The output of `--json`: the time, with what the service says of the ride.
#[derive(Serialize)]
struct WithRide<'a> {
    #[serde(flatten)]
    time: &'a TimeStatus,
    ride: Option<&'a RideStatus>,
}

/// Returns it as a line of JSON.
pub(super) fn json(status: &TimeStatus, service: Option<&Status>) -> Result<String, Failure> {
    let with_ride = WithRide { time: status, ride: service.and_then(|service| service.ride.as_ref()) };
    serde_json::to_string(&with_ride).map_err(|error| Failure::Other(error.to_string()))
}

/// Returns whom the service follows and how far it can be from the others and from UTC, if it has a
/// ride's key.
fn ride(service: Option<&Status>) -> Option<String> {
    let service = service?;
    Some(words::in_short(service.ride.as_ref()?, service.time.error_bound_ms))
}

/// Returns one line, for `--watch`.
pub(super) fn line(status: &TimeStatus, service: Option<&Status>) -> String {
    let rtc = status.rtc.as_ref().map_or(String::new(), |rtc| {
        let rate = rtc.known_rate_ppb().map_or(String::new(), |rate_ppb| format!("  RTC {rate_ppb:+.0} ppb"));
        let temperature = rtc.temperature_c.map_or(String::new(), |celsius| format!("  {celsius:.2} °C"));
        format!("{rate}{temperature}")
    });
    let warnings = match status.warnings.len() {
        0 => String::new(),
        count => format!("  ({})", counted(count, "warning")),
    };
    let ride = ride(service).map_or(String::new(), |words| format!("  ride: {words}"));
    let now = local_time_ms(Instant::from_ns(status.utc_ns));
    format!("{now}  {}  {}{rtc}{warnings}{ride}", bound(status), state(status))
}

/// Returns the full description, in several lines.
pub(super) fn page(status: &TimeStatus, service: Option<&Status>) -> String {
    let mut page = String::new();
    let mut row = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{name:<12} {value}");
    };
    row("Time", &format!("{}  {}", local_time_ms(Instant::from_ns(status.utc_ns)), bound(status)));
    if let Some(agreement_ms) = status.agreement_ms {
        row("", &format!("{} from boxes compared with the same reference", plus_minus(agreement_ms)));
    }
    if let Some(words) = ride(service) {
        row("Ride", &words);
    }
    row("Known by", &state(status));
    if let Some(age_s) = status.reference_age_s {
        let reference = status.reference.as_deref().unwrap_or("in an earlier run");
        row("Reference", &format!("{reference}, {} ago", age(age_s)));
    } else {
        row("Reference", "none yet");
    }
    if let Some(waiting_ms) = status.waiting_correction_ms {
        row("Correction", &format!("{waiting_ms:+.1} ms, waiting until nothing plays"));
    }
    match &status.rtc {
        None => match &status.rtc_chip {
            Some(chip) => row("RTC", &format!("none: a {chip} answers, which is not used")),
            None => row("RTC", "none found"),
        },
        Some(rtc) => {
            if let Some(chip) = &status.rtc_chip {
                row("Chip", &chip_words(chip, status.rtc_may_be_ds3231m));
            }
            rtc_rows(rtc, &mut row);
        }
    }
    for warning in &status.warnings {
        row("Warning", warning);
    }
    page.truncate(page.trim_end().len());
    page
}

/// Adds the rows of the RTC. As everywhere on the page, what follows ± is a bound.
fn rtc_rows(rtc: &RtcReport, row: &mut impl FnMut(&str, &str)) {
    if let (Some(offset_ms), Some(bound_ms)) = (rtc.offset_ms, rtc.offset_bound_ms) {
        row("RTC", &format!("UTC is {offset_ms:+.3} ms ± {bound_ms:.3} ahead of it"));
    } else {
        row("RTC", "searching for its seconds");
    }
    if rtc.known_rate_ppb().is_none() && rtc.rate_ppb.is_some() {
        row("", "its rate is not known: it was never compared with a reference");
    }
    if let (Some(rate_ppb), Some(sigma_ppb)) = (rtc.known_rate_ppb(), rtc.rate_sigma_ppb) {
        let bound_ppb = BOUND_SIGMAS * sigma_ppb;
        let samples = counted(rtc.samples, "sample");
        row("", &format!("slow by {rate_ppb:+.0} ppb ± {bound_ppb:.0}, from {samples}"));
    }
    if let Some(edge_sigma_ms) = rtc.edge_sigma_ms {
        row("", &format!("its seconds are known to ± {:.3} ms", BOUND_SIGMAS * edge_sigma_ms));
    }
    if let Some(temperature_c) = rtc.temperature_c {
        row("", &format!("{temperature_c:.2} °C, aging register {}", rtc.aging_offset.unwrap_or_default()));
    }
    if let Some(stopped) = rtc.oscillator_stopped {
        row("Battery", if stopped { "was empty or removed: the RTC stopped" } else { "good" });
    }
}

fn bound(status: &TimeStatus) -> String {
    status.bound_ms.map_or("± unknown".to_owned(), plus_minus)
}

fn plus_minus(bound_ms: f64) -> String {
    match bound_ms {
        ..100.0 => format!("± {bound_ms:.2} ms"),
        _ => format!("± {:.2} s", bound_ms * 1e-3),
    }
}

fn state(status: &TimeStatus) -> String {
    let how = match status.state {
        TimeState::Unset => "not known",
        TimeState::Holdover => "holdover",
        TimeState::Referenced => "referenced",
    };
    format!("{how}, on {}", status.flywheel)
}

fn age(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}
