//! What the box remembers in the clock module's EEPROM, where its card forgets: QEMU's AT24C32 on
//! the Pi's own bus, and the kernel's overlay.

use std::path::Path;

use jaudiosync::control::Status;
use jaudiosync::control::protocol::{EepromState, PlayState};
use jaudiosync::storage::{LiesOn, Record};
use jaudiosync::timekeeping::estimate::calibration::{Calibration, FlywheelModel};
use jaudiosync::timekeeping::saved::SavedTime;
use jaudiosync_time::{Instant, Rtc, Span};

use crate::clock_comparison::ClockComparison;
use crate::installed::{boot, installed_card};
use crate::machine::{Contact, Fitted, Machine};
use crate::service::{CONFIG, Service};

/// How far UTC is behind what the RTC shows, in seconds. QEMU's RTC cannot be set within its second,
/// so that only the calibration can know it.
const BEHIND_S: f64 = 0.05;

/// The edges of QEMU's RTC are found to this.
const BEHIND_BOUND_MS: f64 = 5.0;

/// How much of that changes from one start to the next.
const SAME_MS: f64 = 2.0;

const POWER_CUTS: u32 = 3;

const STATE: &str = "/var/lib/jaudiosync";

/// As QEMU's file of an AT24C32 that was never written to.
fn empty_eeprom() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), [0xFF; 4096]).expect("a file that can be written");
    file
}

/// Returns the file in which a box saves that its RTC was calibrated at this second. QEMU's RTC has
/// no battery for a mark.
fn calibrated(rtc_s: i64) -> String {
    let (rtc, utc) = (Instant::from_second(rtc_s), Instant::from_second(rtc_s) - Span::from_seconds_f64(BEHIND_S));
    let saved = SavedTime {
        utc_s: rtc_s - 1,
        reference_utc_s: Some(rtc_s - 1),
        mark: None,
        aging_offset: 0,
        stamp: None,
        is_ds3231m: false,
        drifts: false,
        calibration: Some(Calibration::<Rtc>::new(FlywheelModel::DS3231, rtc, utc, 1e5).save()),
        group: None,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let record = Record::in_folder(folder.path());
    record.write(&saved).expect("a folder that can be written to");
    std::fs::read_to_string(record.path()).expect("it was written")
}

fn with(eeprom: &Path) -> Fitted<'_> {
    Fitted { eeprom: Some(eeprom), ..Fitted::default() }
}

fn plays(status: &Status) -> bool {
    matches!(status.play.state, PlayState::Playing | PlayState::Gap)
}

fn ahead_ms(machine: &mut Machine) -> f64 {
    // The service sets the system clock from the RTC and its calibration.
    ClockComparison::make(machine).system_clock_ahead_ms(machine)
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn on_an_overlay_calibration_session_and_volume_survive_three_power_cuts_in_the_eeprom() {
    let eeprom = empty_eeprom();
    let mut machine = boot(installed_card(Some(CONFIG)), with(eeprom.path()));
    // The RTC was calibrated on a day before: UTC is behind what it shows.
    let calibrated = calibrated(machine.utc_s() as i64);
    machine.run(&format!("mkdir -p {STATE} && printf %s '{calibrated}' >{STATE}/time.json && sync"));
    let mut machine = boot(machine.cut_power(), with(eeprom.path()));
    let service = Service::of_boot(&mut machine);
    service.wait_until(&mut machine, "saved in the EEPROM", |status| status.state.eeprom_saved_utc_s.is_some());
    // From now on the card is read-only, and there is nothing on it.
    machine.run(&format!("rm -rf {STATE} && touch /root/read-only && sync"));

    let mut machine = boot(machine.cut_power(), with(eeprom.path()));
    let mut service = Service::of_boot(&mut machine);
    assert!(service.log(&mut machine).contains("EEPROM remembers for it"));
    service.wait_for(&mut machine, "the system clock is stepped");
    let ahead_at_first_ms = ahead_ms(&mut machine);
    println!("the calibration is {ahead_at_first_ms:+.3} ms");
    assert!((ahead_at_first_ms + BEHIND_S * 1e3).abs() < BEHIND_BOUND_MS, "{ahead_at_first_ms}");
    machine.run("jaudiosync volume 35");
    machine.hold(Contact::Start, 0.3);
    let status = service.wait_until(&mut machine, "playing", plays);
    assert_eq!((status.state.lies_on, status.state.eeprom), (LiesOn::Overlay, EepromState::Used), "{status:#?}");
    assert!(!status.warnings.iter().any(|warning| warning.contains("state folder")), "{status:#?}");
    let doctor = machine.try_run("jaudiosync doctor").stdout;
    assert!(doctor.contains("on an overlay") && doctor.contains("EEPROM"), "{doctor}");
    // A volume is saved some seconds after its last change, and two writes are ten seconds apart.
    machine.sleep(25.0);
    let is_saved = |status: &Status| status.state.eeprom_saved_utc_s.is_some();
    let mut last = service.wait_until(&mut machine, "saved", is_saved);
    for cut in 1..=POWER_CUTS {
        machine = boot(machine.cut_power(), with(eeprom.path()));
        machine.run(&format!("test ! -e /card{STATE}"));
        service = Service::of_boot(&mut machine);
        let status = service.wait_until(&mut machine, "playing again", plays);
        assert_eq!(status.play.anchor_utc_s, last.play.anchor_utc_s, "cut {cut}: the same session");
        assert_eq!(status.volume.percent, 35, "cut {cut}");
        if !service.log(&mut machine).contains("the system clock is stepped") {
            service.wait_for(&mut machine, "the system clock is stepped");
        }
        let ahead_ms = ahead_ms(&mut machine);
        println!("after power cut {cut} the calibration is {ahead_ms:+.3} ms");
        assert!((ahead_ms - ahead_at_first_ms).abs() < SAME_MS, "cut {cut}");
        assert!(!service.log(&mut machine).contains("cut off by the end of the power"), "cut {cut}");
        last = status;
    }
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn on_an_overlay_without_an_eeprom_it_plays_and_says_what_it_will_forget() {
    let mut machine = boot(installed_card(Some(CONFIG)), Fitted::JUMPER);
    Service::of_boot(&mut machine);
    machine.run("touch /root/read-only && sync");
    let mut machine = boot(machine.cut_power(), Fitted::JUMPER);
    let service = Service::of_boot(&mut machine);
    let status = service.wait_until(&mut machine, "playing", plays);
    assert_eq!((status.state.lies_on, status.state.eeprom), (LiesOn::Overlay, EepromState::Absent), "{status:#?}");
    let said = |words: &str| words.contains("EEPROM") && words.contains("state.folder") && words.contains("overlay");
    assert!(status.warnings.iter().any(|warning| said(warning)), "{status:#?}");
    let doctor = machine.try_run("jaudiosync doctor").stdout;
    assert!(said(&doctor), "{doctor}");
    assert!(said(&service.log(&mut machine)));
}
