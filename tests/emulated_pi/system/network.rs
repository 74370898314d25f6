//! What a box gets from outside, through the unit's sandbox: the time of an NTP server and of a gpsd,
//! which run on this machine, beyond the box's router.

use jaudiosync::control::Status;
use jaudiosync::control::protocol::TimeState;

use super::cards::{Desk, set_up};
use crate::free_address::free_address;
use crate::installed::boot;
use crate::machine::{BoxTime, Fitted, Machine, Network, THIS_MACHINE};
use crate::service::{CONFIG, Service};
use crate::support::now_s;
use crate::time_servers::{Chronyd, Gpsd};

/// By how much the RTC is wrong when the box is switched on.
const RTC_AHEAD_S: i64 = 3_600;

/// How long the box may take for a reference: it asks again every 64 s, and the machine may be busy.
const PATIENCE_S: f64 = 300.0;

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn gps_and_then_a_time_server_give_the_time_and_set_the_rtc() {
    let desk = Desk::new();
    let (gpsd, ntp) = (Gpsd::start(), free_address());
    let [gpsd_port, ntp_port] = [gpsd.address.port(), ntp.port()];
    desk.write(
        "box.toml",
        &format!(
            "{CONFIG}[time]\ngpsd = \"{THIS_MACHINE}:{gpsd_port}\"\nntp_servers = [\"{THIS_MACHINE}:{ntp_port}\"]\n"
        ),
    );
    let off = set_up(desk.flash(&[]));
    let time = BoxTime::ThisMachines { rtc_ahead_s: RTC_AHEAD_S };
    let mut machine = boot(off, Fitted { network: Some(Network::Router(&[])), time, ..Fitted::NOTHING });
    let mut service = Service::of_system(&mut machine);

    let said = service.wait_for_within(&mut machine, "gives the time", PATIENCE_S);
    println!("{said}");
    let by_gps = service.wait_until(&mut machine, "calibrated by GPS", |status| is_by(status, "GPS"));
    // The messages of a receiver say which second it is, and not much more.
    assert_within_its_bound(&service, &mut machine, 2_000.0);
    println!("by gpsd: {:#?}", by_gps.time);

    let _chronyd = Chronyd::start_at(ntp, "local stratum 8", None);
    service.wait_for_within(&mut machine, &format!("NTP {THIS_MACHINE}:{ntp_port} gives the time"), PATIENCE_S);
    let by_ntp = service.wait_until(&mut machine, "calibrated by NTP", |status| is_by(status, "NTP"));
    assert_eq!(by_ntp.time.state, TimeState::Referenced);
    assert_within_its_bound(&service, &mut machine, 200.0);
    println!("by NTP: {:#?}\n{}", by_ntp.time, machine.run("jaudiosync time").stdout);

    // An hour was too much for the RTC alone. A DS1338 can be set to the second.
    let log = service.log(&mut machine);
    println!("{log}");
    assert!(log.contains("was set from the reference"), "{log}");
    let compared = machine.run("jaudiosync time set-system --dry-run").stdout;
    println!("the RTC alone: {compared}");
    assert!(compared.contains("is right, to the second"), "{compared}");
}

fn is_by(status: &Status, reference: &str) -> bool {
    status.time.source.contains(&format!("calibrated by {reference} "))
}

/// Asserts that the service's UTC is no further from this machine's than it says, plus what passes while
/// it is asked.
#[track_caller]
fn assert_within_its_bound(service: &Service, machine: &mut Machine, largest_bound_ms: f64) {
    let before_s = now_s();
    let time = service.status(machine).time;
    let after_s = now_s();
    let utc_s = time.utc_ns as f64 * 1e-9;
    let bound_ms = time.error_bound_ms.expect("a bound");
    println!(
        "it answered within {:.3} s, with UTC {:+.3} s after the question, ± {bound_ms:.3} ms",
        after_s - before_s,
        utc_s - before_s
    );
    assert!(bound_ms < largest_bound_ms, "{time:#?}");
    let bound_s = bound_ms * 1e-3;
    assert!((before_s - bound_s..=after_s + bound_s).contains(&utc_s), "{before_s} {after_s} {time:#?}");
}
