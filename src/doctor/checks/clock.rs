//! The clock: whether I2C is on, the RTC answers, its battery is good, it drifts, and another
//! program sets the system clock.

use std::path::Path;

use jaudiosync_hw::rtc::RtcError;
use jaudiosync_time::Span;

use super::super::Finding;
use crate::config::{RtcChoice, TimeKeeping, TimeSource};
use crate::format::{approximately, chip_words};
use crate::host::Machine;
use crate::host::boot_config::I2C_ON;
use crate::timekeeping::status::{IN_SYNC_BOUND, RtcReport, TimeState, TimeStatus};

const CHECK: &str = "clock";
const DAEMONS: &str = "time daemons";

/// A DS3231 is within ±2 ppm from 0 to 40 °C, and ages by 1 ppm in its first year (datasheet,
/// "Electrical Characteristics"), a DS3231M within ±5 ppm. A chip beyond this rate is broken.
const LARGEST_RATE_PPB: f64 = 4_000.0;
const LARGEST_RATE_DS3231M_PPB: f64 = 7_000.0;

/// What to do about a chip that is refused.
const FIT_ANOTHER: &str = "fit a DS3231 module in its place; until then the box plays, but is in sync only while a time \
                           server or GPS gives the time";

/// A calibration older than this says little about the rate, in s.
const OLD_REFERENCE_S: f64 = 180.0 * 86_400.0;

/// What was found out about the clock.
#[derive(Debug, Clone)]
pub struct ClockSeen {
    /// Why the chip cannot be read; `None` if it can.
    pub chip_error: Option<RtcError>,
    /// The timekeeper's status after a few seconds.
    pub status: TimeStatus,
}

/// Checks the RTC, or the system clock if that is chosen.
pub fn clock(config: &TimeKeeping, machine: &Machine, seen: &ClockSeen) -> Vec<Finding> {
    if config.source == TimeSource::System {
        return vec![system_clock(&seen.status)];
    }
    match &config.rtc {
        RtcChoice::None => vec![Finding::warning(
            CHECK,
            "there is no RTC: after every start the time is unknown until a reference answers",
            "fit a DS3231 and set time.rtc = \"/dev/i2c-1\"",
        )],
        RtcChoice::Simulated(_) => {
            let simulated = Finding::warning(CHECK, "the RTC is simulated", "on a real box, set time.rtc");
            let findings = match (&seen.chip_error, &seen.status.rtc) {
                (Some(error), _) => vec![Finding::problem(CHECK, error.to_string(), FIT_ANOTHER)],
                (None, Some(rtc)) => answering(rtc, &seen.status),
                (None, None) => Vec::new(),
            };
            [simulated].into_iter().chain(findings).collect()
        }
        RtcChoice::Bus(bus) => match &seen.chip_error {
            Some(error) => vec![unreadable(bus, machine, error)],
            None => chip(bus, machine, &seen.status),
        },
    }
}

fn system_clock(status: &TimeStatus) -> Finding {
    let what = "the system clock, which another program sets";
    match (status.state, status.bound_ms) {
        (TimeState::Unset, _) => Finding::problem(
            CHECK,
            format!("{what}, has not been set yet"),
            "start the time daemon and wait until it has a server, or set time.source = \"rtc\"",
        ),
        (_, Some(bound_ms)) => Finding::good(CHECK, format!("{what}, within {bound_ms:.1} ms by its own account")),
        (_, None) => Finding::warning(
            CHECK,
            format!("{what} with unknown accuracy"),
            "check that the time daemon runs and reaches a server, or set time.source = \"rtc\"",
        ),
    }
}

fn unreadable(bus: &Path, machine: &Machine, error: &RtcError) -> Finding {
    let advice = match machine.boot_config() {
        _ if matches!(error, RtcError::WrongChip(_) | RtcError::UnknownChip { .. }) => FIT_ANOTHER.to_owned(),
        _ if machine.has(bus) => {
            "check the wires: SDA on pin 3, SCL on pin 5, 3.3 V on pin 1, ground on pin 9".to_owned()
        }
        Some(_) if machine.has_i2c() => {
            "I2C is turned on in the boot configuration: reboot, and check that i2c-dev is loaded".to_owned()
        }
        Some((file, _)) => format!("add {I2C_ON} to {} (jaudiosync setup does that), then reboot", file.display()),
        None => "name the RTC's I2C bus in time.rtc".to_owned(),
    };
    Finding::problem(CHECK, error.to_string(), advice)
}

fn chip(bus: &Path, machine: &Machine, status: &TimeStatus) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(driver) = machine.kernel_rtc_driver(bus) {
        findings.push(Finding::problem(
            CHECK,
            format!("the kernel's driver {driver} holds the RTC, which can therefore be read but not set"),
            "remove dtoverlay=i2c-rtc from the boot configuration, then reboot",
        ));
    }
    let Some(rtc) = &status.rtc else {
        findings.push(Finding::problem(CHECK, "the RTC does not answer", "check its wires, then its battery"));
        return findings;
    };
    findings.extend(answering(rtc, status));
    findings
}

/// Checks a chip that answers.
fn answering(rtc: &RtcReport, status: &TimeStatus) -> Vec<Finding> {
    let mut findings = Vec::new();
    match (rtc.oscillator_stopped, rtc.distrusted) {
        (Some(true), _) => findings.push(Finding::problem(
            CHECK,
            "the RTC has stood still: its battery is empty, or was replaced",
            "fit a new battery (CR2032, or LIR2032 if the module charges it); then connect the box to a network, and \
             name a time server (jaudiosync setup --ntp pool.ntp.org)",
        )),
        (_, Some(distrust)) => findings.push(Finding::problem(
            CHECK,
            distrust.to_string(),
            "connect the box to a network, and name a time server: jaudiosync setup --ntp pool.ntp.org",
        )),
        _ => findings.push(Finding::good(CHECK, described(rtc, status))),
    }
    if rtc.has_century_bit {
        findings.push(Finding::warning(
            CHECK,
            "its century bit was set by an old kernel or another program: it shows a year of the next century, which \
            is corrected on reading",
            "connect the box to a network, and name a time server (jaudiosync setup --ntp pool.ntp.org): the service \
             then clears the bit",
        ));
    }
    findings.extend(drift(rtc, status));
    findings
}

fn described(rtc: &RtcReport, status: &TimeStatus) -> String {
    let chip = chip_words(status.rtc_chip.as_deref().unwrap_or("DS3231"), status.rtc_may_be_ds3231m);
    let temperature = rtc.temperature_c.map_or(String::new(), |celsius| format!(", {celsius:.2} °C"));
    format!("a {chip} answers, its battery is good{temperature}")
}

fn drift(rtc: &RtcReport, status: &TimeStatus) -> Vec<Finding> {
    let rate_ppb = rtc.rate_ppb.unwrap_or_default();
    let is_ds3231m = status.rtc_chip.as_deref() == Some("DS3231M");
    let (largest_ppb, allowed) = if is_ds3231m { (LARGEST_RATE_DS3231M_PPB, 5) } else { (LARGEST_RATE_PPB, 2) };
    if rate_ppb.abs() > largest_ppb {
        return vec![Finding::warning(
            CHECK,
            format!("it drifts by {:+.1} ppm; such a chip drifts by at most {allowed}", rate_ppb / 1000.0),
            "it is broken, or not what it says: replace it by another DS3231 module",
        )];
    }
    match status.reference_age_s {
        None => vec![Finding::warning(
            CHECK,
            match status.bound_ms {
                Some(bound_ms) => format!(
                    "it has never been compared with a reference: this box may be up to {} off",
                    approximately(Span::from_ns_f64(bound_ms * 1e6))
                ),
                None => {
                    "it has never been compared with a reference, and is only as accurate as whatever set it".to_owned()
                }
            },
            "connect the box to a network or a GPS receiver for a day, with time.ntp_servers or time.gpsd set",
        )],
        Some(age_s) if age_s > OLD_REFERENCE_S || !is_in_sync(status) => {
            // Without a bound: 1 ppm.
            let off = status.bound_ms.map_or(Span::from_seconds_f64(age_s * 1e-6), Span::from_ms_f64);
            vec![Finding::warning(
                CHECK,
                format!("it was last compared {}, and may be up to {} off now", ago(age_s), approximately(off)),
                "connect the box to a network or a GPS receiver for a day",
            )]
        }
        Some(age_s) => {
            let bound = status.bound_ms.map_or(String::new(), |bound_ms| format!(", within {bound_ms:.1} ms now"));
            let rate = rate_ppb / 1000.0;
            vec![Finding::good(CHECK, format!("drift {rate:+.3} ppm, compared {}{bound}", ago(age_s)))]
        }
    }
}

/// Returns whether the time is known as well as the LED asks for.
fn is_in_sync(status: &TimeStatus) -> bool {
    status.agreement_ms.or(status.bound_ms).is_none_or(|ms| Span::from_ms_f64(ms) < IN_SYNC_BOUND)
}

fn ago(age_s: f64) -> String {
    match age_s / 86_400.0 {
        ..0.1 => format!("{:.0} min ago", age_s / 60.0),
        days @ 0.1..10.0 => format!("{days:.1} days ago"),
        days => format!("{days:.0} days ago"),
    }
}

/// Checks whether another program sets the system clock that this one sets, or none does although
/// one should.
pub fn daemons(config: &TimeKeeping, machine: &Machine) -> Vec<Finding> {
    let daemons = machine.time_daemons();
    let names = daemons.join(", ");
    match (config.source, daemons.is_empty()) {
        (TimeSource::System, true) => vec![Finding::warning(
            DAEMONS,
            "none is running, and the time should come from one",
            "install chrony, or set time.source = \"rtc\"",
        )],
        (TimeSource::System, false) => vec![Finding::good(DAEMONS, format!("{names} sets the system clock"))],
        (TimeSource::Rtc, false) if !config.set_system_clock => {
            vec![Finding::good(DAEMONS, format!("{names} sets the system clock, which is left alone"))]
        }
        (TimeSource::Rtc, true) => vec![Finding::good(DAEMONS, "none interferes")],
        (TimeSource::Rtc, false) => vec![Finding::warning(
            DAEMONS,
            format!(
                "{names} sets the system clock, too; the music is not affected, but the times of logs and files may jump"
            ),
            "disable it: systemctl disable --now, or apt purge; or set time.set_system_clock = false",
        )],
    }
}

#[cfg(test)]
mod tests {
    use jaudiosync_hw::rtc::Chip;

    use super::super::super::Level;
    use super::*;
    use crate::host::tests::machine;
    use crate::timekeeping::status::Flywheel;

    fn rtc() -> RtcReport {
        RtcReport {
            answers: true,
            has_century_bit: false,
            distrusted: None,
            offset_ms: Some(0.0),
            offset_sigma_ms: Some(0.1),
            offset_bound_ms: Some(1.0),
            rate_ppb: Some(-800.0),
            rate_sigma_ppb: Some(50.0),
            edge_sigma_ms: Some(0.01),
            temperature_c: Some(21.0),
            oscillator_stopped: Some(false),
            aging_offset: Some(0),
            samples: 100,
            is_writable: true,
        }
    }

    fn seen(rtc: Option<RtcReport>, reference_age_s: Option<f64>) -> ClockSeen {
        let status = TimeStatus {
            state: TimeState::Holdover,
            utc_ns: 0,
            bound_ms: Some(1.5),
            agreement_ms: Some(1.0),
            flywheel: Flywheel::Rtc,
            reference: None,
            reference_age_s,
            waiting_correction_ms: None,
            rtc,
            rtc_chip: Some("DS3231".to_owned()),
            rtc_may_be_ds3231m: false,
            warnings: vec![],
        };
        ClockSeen { chip_error: None, status }
    }

    fn levels(findings: &[Finding]) -> Vec<Level> {
        findings.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn a_good_clock_is_good_and_every_fault_has_its_advice() {
        let (_root, machine) = machine(&[]);
        let config = TimeKeeping::default();
        let check = |seen: &ClockSeen| clock(&config, &machine, seen);
        assert_eq!(levels(&check(&seen(Some(rtc()), Some(86_400.0)))), [Level::Good, Level::Good]);
        let never = check(&seen(Some(rtc()), None));
        assert!(never[1].advice.as_ref().unwrap().contains("ntp_servers"), "{never:?}");
        let old = check(&seen(Some(rtc()), Some(400.0 * 86_400.0)));
        assert!(old[1].text.contains("400 days ago"), "{old:?}");
        let stopped = RtcReport { oscillator_stopped: Some(true), ..rtc() };
        let stopped = check(&seen(Some(stopped), Some(1.0)));
        assert!(stopped[0].level == Level::Problem && stopped[0].advice.as_ref().unwrap().contains("battery"));
        let other = RtcReport { rate_ppb: Some(30_000.0), ..rtc() };
        assert!(check(&seen(Some(other), Some(1.0)))[1].text.contains("+30.0 ppm"));
        let next_century = check(&seen(Some(RtcReport { has_century_bit: true, ..rtc() }), Some(1.0)));
        assert_eq!(levels(&next_century), [Level::Good, Level::Warning, Level::Good]);
        assert!(next_century[1].text.contains("century bit") && next_century[1].advice.is_some(), "{next_century:?}");
        assert_eq!(levels(&check(&seen(None, None))), [Level::Problem]);
    }

    #[test]
    fn a_simulated_chip_that_is_refused_is_named() {
        let (_root, machine) = machine(&[]);
        let config = TimeKeeping { rtc: RtcChoice::Simulated("pcf8523".parse().unwrap()), ..TimeKeeping::default() };
        let refused = ClockSeen { chip_error: Some(RtcError::WrongChip(Chip::Pcf8523)), ..seen(None, None) };
        let found = clock(&config, &machine, &refused);
        assert_eq!(levels(&found), [Level::Warning, Level::Problem]);
        assert!(found[1].text.contains("PCF8523"), "{found:?}");
        let found = clock(&config, &machine, &seen(Some(rtc()), None));
        assert_eq!(levels(&found), [Level::Warning, Level::Good, Level::Warning], "it was never compared: {found:?}");
    }

    #[test]
    fn what_the_led_shows_and_what_is_said_here_are_the_same() {
        let level = |agreement_ms, bound_ms, age_s| {
            let mut seen = seen(Some(rtc()), Some(age_s));
            (seen.status.agreement_ms, seen.status.bound_ms) = (agreement_ms, bound_ms);
            drift(&rtc(), &seen.status)[0].clone()
        };
        let day_s = 86_400.0;
        // What a network hides from all boxes alike does not count.
        assert_eq!(level(Some(19.0), Some(60.0), day_s).level, Level::Good);
        let off = level(Some(30.0), Some(60.0), 20.0 * day_s);
        assert_eq!(off.level, Level::Warning);
        assert_eq!(off.text, "it was last compared 20 days ago, and may be up to 60 ms off now");
        // Without a bound its age says how far.
        assert!(level(None, None, 400.0 * day_s).text.ends_with("up to 34.6 s off now"));
    }

    #[test]
    fn the_boot_configuration_says_what_to_do_about_a_missing_bus() {
        let config = TimeKeeping::default();
        let no_bus = RtcError::NoBus { path: "/dev/i2c-1".into(), reason: "no such file".into() };
        let missing = ClockSeen { chip_error: Some(no_bus), ..seen(None, None) };
        let advice = |files: &[(&str, &str)]| {
            let (_root, machine) = machine(files);
            clock(&config, &machine, &missing)[0].advice.clone().unwrap()
        };
        assert!(
            advice(&[("boot/firmware/config.txt", "# nothing\n")]).contains("add dtparam=i2c_arm=on to /boot/firmware")
        );
        assert!(advice(&[("boot/config.txt", "dtparam=i2c_arm=on\n")]).contains("reboot"));
        assert!(advice(&[("dev/i2c-1", "")]).contains("SDA on pin 3"));
        assert!(advice(&[]).contains("time.rtc"));
        let (_root, machine) = machine(&[("dev/i2c-1", "")]);
        let wrong = ClockSeen { chip_error: Some(RtcError::WrongChip(Chip::Pcf8523)), ..seen(None, None) };
        let found = &clock(&config, &machine, &wrong)[0];
        assert!(found.text.contains("a PCF8523 answers") && found.text.contains("Buy a DS3231"), "{found:?}");
        assert!(found.advice.as_ref().is_some_and(|advice| advice.contains("fit a DS3231")), "{found:?}");
    }

    #[test]
    fn daemons_fit_the_source_or_they_do_not() {
        let (_root, quiet) = machine(&[]);
        let (_root2, busy) = machine(&[("proc/7/comm", "chronyd\n")]);
        let rtc = TimeKeeping::default();
        let system = TimeKeeping { source: TimeSource::System, ..TimeKeeping::default() };
        let left_alone = TimeKeeping { set_system_clock: false, ..TimeKeeping::default() };
        assert_eq!(levels(&daemons(&left_alone, &busy)), [Level::Good]);
        assert_eq!(levels(&daemons(&rtc, &quiet)), [Level::Good]);
        assert_eq!(levels(&daemons(&rtc, &busy)), [Level::Warning]);
        assert_eq!(levels(&daemons(&system, &quiet)), [Level::Warning]);
        assert_eq!(levels(&daemons(&system, &busy)), [Level::Good]);
    }
}
