//! What the service says and does if something is missing, wrong, or goes away.

use jaudiosync::control::Status;
use jaudiosync::control::protocol::PlayState;

use crate::installed::{boot, installed_box, installed_card};
use crate::machine::{Contact, Fitted, Machine};
use crate::service::{CONFIG, Service};

const SOUND_CARD: &str = "/sys/bus/platform/drivers/snd_aloop";
const I2C_BUS: &str = "/sys/bus/platform/drivers/i2c-bcm2835";
const I2C_DEVICE: &str = "3f804000.i2c";
const I2C_ADDRESSES: &str = "/sys/bus/i2c/devices/i2c-1";

/// Without a trusted time it plays after this many seconds.
const SHORT_WAIT: &str = "start.untrusted_wait_s = 3\n";

fn warns(status: &Status, words: &str) -> bool {
    status.warnings.iter().any(|warning| warning.contains(words))
}

fn plays(status: &Status) -> bool {
    matches!(status.play.state, PlayState::Playing | PlayState::Gap)
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_sound_card_that_comes_late_goes_away_and_comes_back() {
    let mut machine = installed_box();
    machine.pins().press(Contact::Jumper);
    machine.run(&format!("echo snd_aloop.0 >{SOUND_CARD}/unbind"));
    let mut service = Service::start(&mut machine, "service", CONFIG);
    let status = service.wait_until(&mut machine, "without a card", |status| !status.dac.present);
    assert!(warns(&status, "the sound card is gone"), "{status:#?}");
    machine.run(&format!("echo snd_aloop.0 >{SOUND_CARD}/bind"));
    service.wait_for(&mut machine, "the sound card is there");
    service.wait_for(&mut machine, "playing track ");
    machine.run(&format!("echo snd_aloop.0 >{SOUND_CARD}/unbind"));
    service.wait_for(&mut machine, "the sound card is gone");
    machine.run(&format!("echo snd_aloop.0 >{SOUND_CARD}/bind"));
    service.wait_for(&mut machine, "the sound card is there");
    let status = service.wait_until(&mut machine, "heard again", |status| status.phase.is_some());
    assert!(status.dac.present && plays(&status), "{status:#?}");
    service.end(&mut machine);
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn an_rtc_that_is_wrong_taken_by_the_kernel_or_removed() {
    let mut machine = installed_box();
    machine.pins().press(Contact::Jumper);

    // The kernel's driver owns it: it is read all the same, and that is reported.
    machine.run(&format!("echo ds1307 0x68 >{I2C_ADDRESSES}/new_device"));
    let mut service = Service::start(&mut machine, "beside", CONFIG);
    let status = service.wait_until(&mut machine, "knows the time", |status| status.time.error_bound_ms.is_some());
    assert!(warns(&status, "the kernel's driver owns the RTC"), "{status:#?}");
    // It is read all the same. The state follows with the service's next round.
    let known_utc_s = machine.utc_s();
    service.wait_until(&mut machine, "no longer waiting", |status| status.play.state != PlayState::WaitingForTime);
    assert!(machine.utc_s() - known_utc_s < 2.0);
    let doctor = machine.try_run("jaudiosync doctor --config /run/beside.toml").stdout;
    assert!(doctor.contains("the kernel's driver rtc-ds1307 holds the RTC"), "{doctor}");
    machine.run(&format!("echo 0x68 >{I2C_ADDRESSES}/delete_device"));

    // It is removed while the service runs: its last edges remain in use.
    machine.run(&format!("echo {I2C_DEVICE} >{I2C_BUS}/unbind"));
    service.wait_for(&mut machine, "going on without the RTC");
    let status = service.wait_until(&mut machine, "reported", |status| warns(status, "the RTC does not answer"));
    assert_ne!(status.play.state, PlayState::WaitingForTime);
    service.end(&mut machine);

    // It is missing from the start: after a while the service plays, and reports that it is not in
    // sync.
    let service = Service::start(&mut machine, "without", &format!("{CONFIG}{SHORT_WAIT}"));
    not_in_sync(&mut machine, &service);
    service.end(&mut machine);

    // It is back, and shows the year 2000, as without a battery.
    machine.run(&format!("echo {I2C_DEVICE} >{I2C_BUS}/bind"));
    machine.run("i2cset -y 1 0x68 6 0x00");
    let service = Service::start(&mut machine, "wrong", &format!("{CONFIG}{SHORT_WAIT}"));
    let status = not_in_sync(&mut machine, &service);
    assert!(warns(&status, "the RTC shows the year 2000"), "{status:#?}");
    service.end(&mut machine);
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_clock_that_is_not_a_ds3231_is_refused_by_name_and_left_as_it_is() {
    let fitted = Fitted { judges_rtc: true, closed: &[Contact::Jumper], ..Fitted::default() };
    let mut machine = boot(installed_card(None), fitted);
    // The seven registers of the time go on by themselves; the rest is for it to keep.
    let registers = |machine: &mut Machine, from: u8, to: u8| {
        // busybox takes any number for a hexadecimal one.
        let read = "i2cget -y 1 0x68 $(printf 0x%02x $number)";
        machine.run(&format!("for number in $(seq {from} {to}); do {read}; done")).stdout
    };
    let kept = |machine: &mut Machine| registers(machine, 7, 63);
    let before = kept(&mut machine);
    let mut service = Service::start(&mut machine, "refuses", &format!("{CONFIG}{SHORT_WAIT}"));
    let status = not_in_sync(&mut machine, &service);
    let log = machine.run("cat /run/refuses.log").stdout;
    assert!(log.contains("a DS1307 or DS1338 answers at address 0x68, not a DS3231"), "{log}");
    assert!(warns(&status, "Buy a DS3231 module"), "{status:#?}");
    assert_eq!(status.time.rtc_chip.as_deref(), Some("DS1307 or DS1338"));
    service.wait_for(&mut machine, "playing track ");
    let doctor = machine.try_run("jaudiosync doctor --config /run/refuses.toml").stdout;
    assert!(doctor.contains("a DS1307 or DS1338 answers"), "{doctor}");
    let set = machine.try_run("jaudiosync time set-rtc --from-system --rtc /dev/i2c-1");
    assert_ne!(set.code, 0, "{set:?}");
    service.end(&mut machine);
    let set = machine.try_run("jaudiosync time set-rtc --from-system --rtc /dev/i2c-1");
    assert!(set.code != 0 && set.stderr.contains("not a DS3231"), "{set:?}");
    assert_eq!(kept(&mut machine), before, "no register was written");
    // It still counts: a write of its seconds would have set it to something else.
    let first = registers(&mut machine, 0, 1);
    machine.sleep(1.5);
    assert_ne!(registers(&mut machine, 0, 1), first);
}

#[track_caller]
fn not_in_sync(machine: &mut Machine, service: &Service) -> Status {
    let status = service.wait_until(machine, "playing without a time", |status| {
        plays(status) || status.play.state == PlayState::WaitingForSlot
    });
    assert!(warns(&status, "not in sync"), "{status:#?}");
    status
}
