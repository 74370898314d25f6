//! Clocks that run fast: the box's own, and the sound card's.

use crate::clock_comparison::ClockComparison;
use crate::installed::installed_box;
use crate::recording::Recorder;
use crate::service::{CONFIG, Service, common_timetable, late_ms};

/// How far the system clock may be from the RTC, apart from the time that waking a program takes.
const BOUND_MS: f64 = 1.0;
const PLACE_BOUND_MS: f64 = 0.3;

/// How long it is watched; `PI_LONG=1` makes it the 15 minutes that a box may take.
const WATCHED_S: u32 = 50;
const LONG_S: u32 = 900;
/// The bound must hold from then on.
const SETTLED_S: u32 = 20;

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_crystal_and_a_card_that_are_100_ppm_fast_are_followed() {
    let mut machine = installed_box();
    // Nominal are 10,000 µs per tick, for CLOCK_REALTIME and CLOCK_MONOTONIC. The card follows the
    // latter.
    machine.run("adjtimex -t 10001");
    machine.run("pi-probe rate-shift -10");
    let compared = ClockComparison::make(&mut machine);
    let watched_s = if std::env::var_os("PI_LONG").is_some() { LONG_S } else { WATCHED_S };
    let service = Service::start(&mut machine, "service", CONFIG);
    machine.run("jaudiosync start");
    let slot_utc_s = service.slot_utc_s(&mut machine) as f64;
    let mut worst_ms = 0.0_f64;
    for second in (0..watched_s).step_by(5) {
        let ahead_ms = compared.system_clock_ahead_ms(&mut machine);
        println!("after {second} s the system clock is {ahead_ms:+.3} ms ahead");
        if second >= SETTLED_S {
            worst_ms = worst_ms.max(ahead_ms.abs());
        }
        machine.sleep(5.0);
    }
    // Late, so that the recording is short.
    let recorder = Recorder::start(&mut machine);
    machine.sleep(9.0);
    let from_utc_s = slot_utc_s.max(machine.utc_s() - 8.0);
    let recording = recorder.finish(&mut machine);
    let wake_up_ms = recording.wake_up_ms();
    println!(
        "the card runs {:+.1} ppm against the raw clock; a wake-up takes {wake_up_ms:.3} ms",
        recording.rate_error_ppm()
    );
    let timetable = common_timetable();
    let first_ms = late_ms(&recording, &compared, &timetable, from_utc_s);
    let last_ms = late_ms(&recording, &compared, &timetable, from_utc_s + 4.0);
    println!("heard {first_ms:+.3} ms late, and {last_ms:+.3} ms some seconds later");
    assert!(first_ms.abs() < PLACE_BOUND_MS && (last_ms - first_ms).abs() < BOUND_MS);
    assert!(worst_ms < BOUND_MS + 2.0 * wake_up_ms, "{worst_ms} ms");
}
