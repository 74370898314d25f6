//! The service's pins: one that something else has, and the kernel's own way to them.

use jaudiosync::control::Status;
use jaudiosync::control::protocol::{ButtonState, PlayState};

use crate::installed::installed_box;
use crate::machine::{Contact, Machine, Program};
use crate::service::{CONFIG, Service};

const PRESS_S: f64 = 0.2;

/// The default pin of Volume down, which an Allo Boss mutes with.
const VOLUME_DOWN: u32 = 6;

const NAMED: &str = "GPIO6 belongs to \"mute\": the Volume down button does not work; choose another pin";

/// The same in doctor, whose advice comes on a line of its own.
const FOUND: &str = "GPIO6 belongs to \"mute\": the Volume down button does not work\n";

fn hold_volume_down(machine: &mut Machine) -> Program {
    let mut holder = machine.spawn("holder", "pi-probe hold-pin 6 --consumer mute");
    holder.wait_for(machine, "holding", 10.0);
    holder
}

/// Asserts that a pin is named wherever a rider may look, and that the other buttons work.
#[track_caller]
fn works_without_volume_down(machine: &mut Machine, service: &Service, name: &str, backend: &str) {
    let is_read = |status: &Status| status.board.buttons.is_some() && status.playlist.is_some();
    let status = service.wait_until(machine, "reading its buttons", is_read);
    assert_eq!(status.board.backend.as_deref(), Some(backend));
    assert_eq!(status.board.buttons.unwrap().volume_down, ButtonState::Unusable);
    let [pin] = &status.board.unusable_pins[..] else { panic!("{:#?}", status.board) };
    assert_eq!((pin.gpio, pin.user.as_deref(), pin.message.as_str()), (6, Some("mute"), NAMED));
    machine.run(&format!("grep -q '{NAMED}' /run/{name}.log"));
    machine.run(&format!("jaudiosync status | grep -q '^warning *{NAMED}'"));
    let doctor = machine.try_run(&format!("jaudiosync doctor --config /run/{name}.toml")).stdout;
    assert!(doctor.contains(FOUND) && doctor.contains("probably free: GPIO1"), "{doctor}");

    machine.hold(Contact::VolumeUp, PRESS_S);
    let before = status.volume.percent;
    let status = service.wait_until(machine, "louder", |status| status.volume.percent > before);
    assert_eq!(status.board.unusable_pins.len(), 1);
    machine.hold(Contact::Start, PRESS_S);
    let starts = |status: &Status| matches!(status.play.state, PlayState::WaitingForSlot | PlayState::WaitingForTime);
    service.wait_until(machine, "starting", starts);
    machine.hold(Contact::Stop, PRESS_S);
    service.wait_until(machine, "stopped", |status| status.play.state == PlayState::Stopped);
    assert!(machine.pins().is_output(VOLUME_DOWN), "the driver's output became an input");
}

/// Asserts that the button works once its pin is free.
#[track_caller]
fn works_again(machine: &mut Machine, service: &mut Service, holder: &Program) {
    holder.signal(machine, "TERM");
    service.wait_for(machine, "GPIO6 is free: the Volume down button works");
    // There is no pull-up that would open it.
    machine.pins().release(Contact::VolumeDown);
    machine.sleep(PRESS_S);
    let before = service.status(machine).volume.percent;
    machine.hold(Contact::VolumeDown, PRESS_S);
    service.wait_until(machine, "quieter", |status| status.volume.percent < before);
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_pin_that_another_process_holds_is_named_and_the_other_buttons_work() {
    let mut machine = installed_box();
    let holder = hold_volume_down(&mut machine);
    let mut service = Service::start(&mut machine, "shared", CONFIG);
    works_without_volume_down(&mut machine, &service, "shared", "rppal");
    works_again(&mut machine, &mut service, &holder);

    // It is taken while the service runs, as by a driver that comes late.
    let _holder = hold_volume_down(&mut machine);
    service.wait_for(&mut machine, NAMED);
    assert!(machine.pins().is_output(VOLUME_DOWN));
    service.end(&mut machine);
    assert!(machine.pins().is_output(VOLUME_DOWN), "at its end the service took the pin from its owner");
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn where_rppal_cannot_be_had_the_buttons_work_through_the_kernels_character_device() {
    let mut machine = installed_box();
    // As with a kernel that has neither, or on a board that rppal does not know.
    machine.run("rm -f /dev/mem /dev/gpiomem");
    machine.pins().press(Contact::Jumper);
    let holder = hold_volume_down(&mut machine);
    let config = format!("{CONFIG}board.led_gpio = 13\nstart.rejoin_session = false\n");
    let mut service = Service::start(&mut machine, "device", &config);
    machine.run("grep -q 'the pins are read through gpiocdev, as rppal cannot' /run/device.log");
    let status = service.wait_until(&mut machine, "reading its jumper", |status| status.board.jumper.is_some());
    assert_eq!((status.board.jumper, status.board.led.is_some()), (Some(true), true));
    machine.hold(Contact::Stop, PRESS_S);
    service.wait_until(&mut machine, "stopped", |status| status.play.state == PlayState::Stopped);
    assert!(machine.pins().is_output(13), "the LED");
    works_without_volume_down(&mut machine, &service, "device", "gpiocdev");
    works_again(&mut machine, &mut service, &holder);

    // Now the kernel keeps the line for the service.
    let refused = machine.try_run("pi-probe hold-pin 6 --consumer mute");
    assert!(refused.code != 0 && refused.stderr.contains("busy"), "{refused:?}");
    service.end(&mut machine);

    // Forced to rppal, there are no buttons, and that is said.
    let config = format!("{CONFIG}board.backend = \"rppal\"\n");
    let service = Service::start(&mut machine, "forced", &config);
    let says = |status: &Status| status.warnings.iter().any(|warning| warning.contains("/dev/gpiomem"));
    service.wait_until(&mut machine, "saying that there are no pins", says);
    service.end(&mut machine);
}
