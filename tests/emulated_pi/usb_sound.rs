//! A USB sound card by the kernel's own driver: what it plays is recorded outside the box, by QEMU.

use jaudiosync_measure::{find_start, stretch};
use jaudiosync_time::{Instant, Span};

use crate::installed::{boot, installed_card, track};
use crate::machine::{Contact, Fitted, Machine};
use crate::service::{CONFIG, Service, common_timetable};
use jaudiosync::timetable::Place;

const RATE_HZ: u32 = 48_000;

/// How much of the music is searched for and measured.
const STRETCH_S: f64 = 1.0;

/// How far the level of what was recorded may be from what was set.
const BOUND_DB: f64 = 0.5;

const PRESS_S: f64 = 0.3;

/// Sound as it was recorded, both channels mixed.
fn mixed(samples: &[i16]) -> Vec<f32> {
    let mix = |frame: &[i16; 2]| (f32::from(frame[0]) + f32::from(frame[1])) / 2.0 / 32_768.0;
    samples.as_chunks().0.iter().map(mix).collect()
}

fn level_db(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    10.0 * (sum / samples.len() as f64).log10()
}

/// Returns what QEMU's card makes of the level to which its control is set, in dB. It takes the
/// control's value in steps of 1/256 dB, and makes it a factor as if it were linear
/// (`usb_audio_set_control` in hw/usb/dev-audio.c).
fn qemu_gain_db(machine: &mut Machine) -> f64 {
    let printed = machine.run("pi-probe mixer hw:Audio").stdout;
    let set_db: f64 = printed.split_whitespace().last().unwrap().parse().unwrap();
    let steps = (set_db * 256.0).round() as i64 + 0x8000;
    let gain = ((steps * 255 + 0x4400) / 0x8800).min(255);
    println!("the control is at {set_db:.2} dB, which QEMU takes for {gain}/255");
    20.0 * (gain as f64 / 255.0).log10()
}

/// Asserts that the card plays the timetable's music of this instant of UTC, and returns how loud,
/// relative to the file, in dB.
fn heard_db(recorded: &[f32], utc_s: f64) -> f64 {
    let utc = Instant::ZERO + Span::from_seconds_f64(utc_s);
    let Place::Playing { slot, offset } = common_timetable().place_at(utc) else { panic!("a gap at {utc_s}") };
    let reference = stretch(&track(slot.track), RATE_HZ, offset.seconds(), STRETCH_S).expect("a track");
    let start = find_start(recorded, &reference, RATE_HZ, 0..recorded.len());
    let start = start.unwrap_or_else(|| {
        let loudest = recorded.iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        panic!("track {} is not in {} frames, the loudest at {loudest}", slot.track, recorded.len())
    });
    let first = start.round() as usize;
    level_db(&recorded[first..first + reference.len()]) - level_db(&reference)
}

/// Returns an instant of UTC soon after another at which a stretch of music begins.
fn music_at(utc_s: f64) -> f64 {
    let timetable = common_timetable();
    let slot_at = |utc_s: f64| match timetable.place_at(Instant::ZERO + Span::from_seconds_f64(utc_s)) {
        Place::Playing { slot, .. } => Some(slot),
        _ => None,
    };
    let mut utc_s = utc_s;
    while slot_at(utc_s).is_none() || slot_at(utc_s) != slot_at(utc_s + STRETCH_S) {
        utc_s += 0.25;
    }
    utc_s
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_usb_card_plays_at_the_volume_that_is_set_and_survives_being_pulled_out() {
    let config = CONFIG.replace("Loopback", "Audio") + "[board]\ntones = false\n";
    let fitted = Fitted { closed: &[Contact::Jumper], usb_sound: true, ..Fitted::default() };
    let mut machine = boot(installed_card(Some(&config)), fitted);
    let mut service = Service::of_boot(&mut machine);
    machine.run("modprobe -a phy-generic dwc2 snd-usb-audio");
    service.wait_for(&mut machine, "the volume is ");
    let plays = |machine: &mut Machine, service: &Service| {
        let status = service.wait_until(machine, "playing", |status| status.dac.present && status.phase.is_some());
        println!("sound: {:?}, phase {:?}", status.dac, status.phase);
    };
    plays(&mut machine, &service);
    for step in 0..2 {
        if step > 0 {
            machine.hold(Contact::VolumeUp, PRESS_S);
        }
        let gain_db = qemu_gain_db(&mut machine);
        let from_utc_s = music_at(machine.utc_s() + 0.5);
        machine.sleep_until(from_utc_s + STRETCH_S + 0.5);
        let heard_db = heard_db(&mixed(&machine.usb_sound()), from_utc_s);
        println!("recorded at {heard_db:.2} dB, expected {gain_db:.2} dB");
        assert!((heard_db - gain_db).abs() <= BOUND_DB);
    }

    machine.pull_usb_sound();
    let status = service.wait_until(&mut machine, "without a card", |status| !status.dac.present);
    assert!(status.warnings.iter().any(|warning| warning.contains("the sound card is gone")), "{status:#?}");
    machine.sleep(3.0);
    machine.plug_usb_sound();
    let plugged_utc_s = machine.utc_s();
    service.wait_for(&mut machine, "the sound card is there");
    plays(&mut machine, &service);
    println!("it plays {:.1} s after it was plugged in", machine.utc_s() - plugged_utc_s);
    let from_utc_s = music_at(machine.utc_s() + 0.5);
    machine.sleep_until(from_utc_s + STRETCH_S + 0.5);
    let heard_db = heard_db(&mixed(&machine.usb_sound()), from_utc_s);
    let gain_db = qemu_gain_db(&mut machine);
    println!("recorded at {heard_db:.2} dB, expected {gain_db:.2} dB");
    assert!((heard_db - gain_db).abs() <= BOUND_DB);
}
