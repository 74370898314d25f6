//! Sound cards by the kernel's own drivers, on QEMU's own machine: what they play is recorded
//! outside the box, by QEMU, and judged here for what it is, when it is, and how loud.

use jaudiosync::control::Status;
use jaudiosync_time::{Instant, Span};

use crate::installed::{boot, installed_card};
use crate::machine::{Board, Fitted, Machine, SoundCard};
use crate::recorded_outside::{Heard, recording_began};
use crate::service::{CONFIG_WITHOUT_BOARD as CONFIG, Service};

/// How far the level of what was recorded may be from what was set.
const BOUND_DB: f64 = 0.5;

/// How far two stretches of one recording may be apart from what they are on the timetable: the
/// recording follows the box's time exactly, and so does the card.
const STEADY_BOUND: Span = Span::from_ms(1);

/// Returns the factor by which QEMU's card scales the samples: it takes the control's value for
/// linear, although the range that it reports is in dB.
type QemuGain = fn(&Control) -> f64;

/// A control as it is set, read independently of the service.
struct Control {
    value: i64,
    top: i64,
    db: f64,
}

impl Control {
    fn read(machine: &mut Machine) -> Self {
        let printed = machine.run("pi-probe mixer hw:0").stdout;
        let fields: Vec<&str> = printed.split_whitespace().collect();
        let [_, value, _, top, db] = fields[..] else { panic!("{printed}") };
        Self { value: value.parse().unwrap(), top: top.parse().unwrap(), db: db.parse().unwrap() }
    }
}

/// Does what `usb_audio_set_control` in QEMU's hw/usb/dev-audio.c does: 255 steps from -128 to
/// 8 dB.
fn usb_gain(control: &Control) -> f64 {
    let steps = (control.db * 256.0).round() as i64 + 0x8000;
    ((steps * 255 + 0x4400) / 0x8800).min(255) as f64 / 255.0
}

/// Does what `hda_audio_set_amp` in QEMU's hw/audio/hda-codec.c does: 255 steps from the control's
/// lowest value on.
fn hda_gain(control: &Control) -> f64 {
    (control.value * 255 / control.top) as f64 / 255.0
}

/// Returns the level of a volume by the law of `amixer -M`, in dB.
fn law_db(percent: u8) -> f64 {
    60.0 * (f64::from(percent) / 100.0).log10()
}

/// Boots a box with this card and starts the service.
fn start(sound: SoundCard, drivers: &str, config: &str) -> (Machine, Service) {
    let fitted = Fitted { board: Board::Virt, sound: Some(sound), ..Fitted::default() };
    let mut machine = boot(installed_card(None), fitted);
    machine.run(&format!("modprobe -a {drivers} && until [ -e /proc/asound/card0 ]; do usleep 10000; done"));
    let free = machine.run("jaudiosync devices").stdout;
    println!("{free}");
    assert!(free.contains("S16") && !free.contains("in use"));
    let service = Service::start(&mut machine, "service", config);
    (machine, service)
}

/// Starts to play.
fn play(machine: &mut Machine, service: &mut Service) {
    machine.run("jaudiosync start");
    service.wait_for(machine, "playing track ");
    wait_until_it_plays(machine, service);
    let (devices, doctor) = shown(machine);
    assert!(devices.contains("in use"));
    assert!(doctor.contains("the service plays on ") && !doctor.contains("NO "));
}

/// Prints what the box shows of itself, and returns what it does of its sound cards, and of its
/// troubles.
fn shown(machine: &mut Machine) -> (String, String) {
    let [status, devices, doctor] = ["status", "devices", "doctor --config /run/service.toml"]
        .map(|command| machine.try_run(&format!("jaudiosync {command}")).stdout);
    println!("{status}\n{devices}\n{doctor}");
    (devices, doctor)
}

fn wait_until_it_plays(machine: &mut Machine, service: &Service) -> Status {
    service.wait_until(machine, "playing", |status| status.dac.present && status.phase.is_some())
}

/// Asserts that the next music is heard, and as loud as the control is set; what the control cannot
/// do is the player's. Without a control the player does all of it.
fn heard_at(machine: &mut Machine, percent: u8, qemu_gain: Option<QemuGain>) -> Heard {
    let law_db = law_db(percent);
    let expected_db = match qemu_gain {
        Some(gain) => {
            let control = Control::read(machine);
            assert!(
                (control.db - law_db).abs() <= BOUND_DB,
                "{percent} % is {law_db:.2} dB, the control {}",
                control.db
            );
            20.0 * gain(&control).log10() + (law_db - control.db).min(0.0)
        }
        None => law_db,
    };
    let heard = Heard::next(machine);
    println!(
        "{percent} %, {law_db:.2} dB by the law: recorded at {:.2} dB, expected {expected_db:.2} dB",
        heard.level_db
    );
    assert!((heard.level_db - expected_db).abs() <= BOUND_DB);
    heard
}

/// Sets the volume to each of these and asserts that it is what is heard; asserts that all of it is
/// where the timetable has it.
fn judge(machine: &mut Machine, percents: &[u8], qemu_gain: Option<QemuGain>) {
    let mut all: Vec<Heard> = Vec::new();
    for &percent in percents {
        machine.run(&format!("jaudiosync volume {percent}"));
        all.push(heard_at(machine, percent, qemu_gain));
    }
    all[0].assert_in_place(recording_began(machine));
    for later in all.iter().skip(1).map(|heard| heard.later_than(&all[0])) {
        println!("another is {:+.3} ms later than that", later.ms());
        assert!(later.abs() < STEADY_BOUND);
    }
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_usb_card_plays_at_the_volume_that_is_set_and_survives_being_pulled_out() {
    // It is taken without being named.
    let (mut machine, mut service) = start(SoundCard::Usb, "xhci_pci snd-usb-audio", CONFIG);
    play(&mut machine, &mut service);
    judge(&mut machine, &[50, 70, 25], Some(usb_gain));

    machine.pull_usb_sound();
    let status = service.wait_until(&mut machine, "without a card", |status| !status.dac.present);
    let said =
        "the sound card is gone: the sound output \"hw:CARD=Audio,DEV=0\" cannot be used: it is no longer connected";
    assert!(status.warnings.iter().any(|warning| warning.starts_with(said)), "{status:#?}");
    machine.run("jaudiosync volume 60");
    machine.sleep(3.0);
    let (_, doctor) = shown(&mut machine);
    assert!(doctor.contains("NO  sound          there is no sound card, and the service waits for Audio"));
    assert_eq!(doctor.matches("NO ").count(), 1, "one trouble");
    let status = service.status(&mut machine);
    assert!(!status.warnings.iter().any(|warning| warning.contains("no sound card \"Audio\"")), "once: {status:#?}");
    let shown = Instant::from_ns(service.status(&mut machine).time.utc_ns);
    assert!((machine.system_clock() - shown).abs() < Span::SECOND, "its clock runs on");

    machine.plug_usb_sound();
    let plugged = machine.system_clock();
    service.wait_for(&mut machine, "the sound card is there");
    wait_until_it_plays(&mut machine, &service);
    println!("it plays {:.1} s after it was plugged in", (machine.system_clock() - plugged).seconds());
    // What was set while it was away.
    heard_at(&mut machine, 60, Some(usb_gain));
    judge(&mut machine, &[50, 75], Some(usb_gain));
    service.end(&mut machine);
}

const HDA_DRIVERS: &str = "snd-hda-codec-generic snd-hda-intel";

/// A box that is on for longer than this takes the card too soon for the test: it does 20 s after
/// power-on.
const EARLY_S: f64 = 16.0;

/// Boots a box and starts the service early, and again if this machine was too busy for that: the box's
/// time passes between two commands.
fn start_early(card: SoundCard) -> (Machine, Service) {
    for _ in 0..5 {
        let (mut machine, service) = start(card, HDA_DRIVERS, CONFIG);
        let on_for_s = machine.since_power_on_s();
        println!("the service is ready {on_for_s:.1} s after power-on");
        if on_for_s < EARLY_S {
            return (machine, service);
        }
    }
    panic!("this machine is too busy");
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn an_hda_card_is_taken_after_a_while_and_plays_at_the_volume_that_is_set() {
    let (mut machine, mut service) = start_early(SoundCard::Hda { has_control: true });
    // Nobody has named it, and a better one may appear. It is muted until then.
    let status = service.wait_until(&mut machine, "without a card", |status| !status.dac.present);
    let said = "no sound card plays yet: Intel is taken 20 s after power-on";
    assert!(status.warnings.iter().any(|warning| warning.starts_with(said)), "{status:#?}");
    assert!(!status.warnings.iter().any(|warning| warning.contains("mixer")), "{status:#?}");
    let (_, doctor) = shown(&mut machine);
    assert!(doctor.contains("has not taken a sound card yet") && doctor.contains("muted; the service switches it on"));
    service.wait_for(&mut machine, "the sound card is there: Intel");
    play(&mut machine, &mut service);
    judge(&mut machine, &[50, 70, 25], Some(hda_gain));
    service.end(&mut machine);
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_card_without_a_control_is_as_loud_as_the_law_of_the_volume_says() {
    let card = SoundCard::Hda { has_control: false };
    let (mut machine, mut service) = start(card, HDA_DRIVERS, &format!("{CONFIG}sound.device = \"Intel\"\n"));
    play(&mut machine, &mut service);
    judge(&mut machine, &[50, 100, 70, 25, 10], None);
    service.end(&mut machine);
}
