use proptest::prelude::*;

use super::super::law::gain_from_percent;
use super::*;

/// A control whose decibels grow evenly, as the kernel's drivers describe it
/// (`SNDRV_CTL_TLVT_DB_SCALE` and `SNDRV_CTL_TLVT_DB_MINMAX`).
#[derive(Debug, Clone, Copy)]
struct Even {
    raw: (i64, i64),
    /// The levels of the lowest and the highest value, in hundredths of dB.
    hundredths_db: (i64, i64),
    mutes_at_min: bool,
}

impl Even {
    fn step_hundredths_db(&self) -> f64 {
        (self.hundredths_db.1 as f64 - self.hundredths_db.0 as f64) / (self.raw.1 as f64 - self.raw.0 as f64)
    }
}

impl VolumeControl for Even {
    fn raw_range(&self) -> (i64, i64) {
        self.raw
    }

    fn range_hundredths_db(&self) -> Option<(i64, i64)> {
        let (min, max) = self.hundredths_db;
        Some((if self.mutes_at_min { MUTE_HUNDREDTHS_DB } else { min }, max))
    }

    fn hundredths_db_from_raw(&self, raw: i64) -> Option<i64> {
        if self.mutes_at_min && raw <= self.raw.0 {
            return Some(MUTE_HUNDREDTHS_DB);
        }
        let above_min = (raw as f64 - self.raw.0 as f64) * self.step_hundredths_db();
        Some((self.hundredths_db.0 as f64 + above_min).round() as i64)
    }

    fn raw_from_hundredths_db(&self, hundredths_db: i64) -> Option<i64> {
        let above_min = (hundredths_db as f64 - self.hundredths_db.0 as f64) / self.step_hundredths_db();
        Some((self.raw.0 as f64 + above_min).round().clamp(self.raw.0 as f64, self.raw.1 as f64) as i64)
    }
}

/// `pcm512x.c`: `SOC_DOUBLE_R_TLV("Digital Playback Volume", …, 0, 255, 1, digital_tlv)`, limited to
/// 207 by the drivers of most HATs; `DECLARE_TLV_DB_SCALE(digital_tlv, -10350, 50, 1)`.
const PCM512X_DIGITAL: Even = Even { raw: (0, 207), hundredths_db: (-10_350, 0), mutes_at_min: true };
/// The same without the limit (`24db_digital_gain`).
const PCM512X_AMPLIFIED: Even = Even { raw: (0, 255), hundredths_db: (-10_350, 2400), mutes_at_min: true };
/// `bcm2835-ctl.c`: CTRL_VOL_MIN -10239, CTRL_VOL_MAX 400, a scale of 0.01 dB.
const BCM2835_PCM: Even = Even { raw: (-10_239, 400), hundredths_db: (-10_239, 400), mutes_at_min: true };
/// A usual USB speaker.
const USB_SPEAKER: Even = Even { raw: (0, 37), hundredths_db: (-3700, 0), mutes_at_min: false };
/// The `usb-audio` of QEMU: 0x8001 to 0x0800 in 1/256 dB, in steps of 0x88.
const QEMU_USB: Even = Even { raw: (0, 256), hundredths_db: (-12_799, 800), mutes_at_min: false };

/// A control without decibels.
struct Plain(i64, i64);

impl VolumeControl for Plain {
    fn raw_range(&self) -> (i64, i64) {
        (self.0, self.1)
    }

    fn range_hundredths_db(&self) -> Option<(i64, i64)> {
        None
    }

    fn hundredths_db_from_raw(&self, _: i64) -> Option<i64> {
        None
    }

    fn raw_from_hundredths_db(&self, _: i64) -> Option<i64> {
        None
    }
}

/// Returns how loud a control and the player are together, in dB.
fn heard_db(percent: u8, control: &impl VolumeControl) -> f64 {
    let step = step_from_percent(percent, control);
    db_from_raw(step.raw, control).unwrap() + 20.0 * f64::from(step.player_gain).log10()
}

#[test]
fn equal_percentages_are_equally_loud_on_every_card_and_in_the_player() {
    println!("  %  PCM512x  bcm2835      USB   player");
    for percent in [5, 25, 50, 75, 100] {
        let player = 20.0 * f64::from(gain_from_percent(percent)).log10();
        let heard = [
            heard_db(percent, &PCM512X_DIGITAL),
            heard_db(percent, &BCM2835_PCM),
            heard_db(percent, &USB_SPEAKER),
            player,
        ];
        let [pcm512x, bcm2835, usb, player] = heard;
        println!("{percent:3} {pcm512x:8.2} {bcm2835:8.2} {usb:8.2} {player:8.2}");
        let loudest = heard.into_iter().fold(f64::MIN, f64::max);
        let quietest = heard.into_iter().fold(f64::MAX, f64::min);
        assert!(loudest - quietest <= 0.5, "{percent} %: {heard:?}");
        for control in [PCM512X_AMPLIFIED, QEMU_USB] {
            assert!((heard_db(percent, &control) - player).abs() < 0.2551, "{percent} %: {control:?}");
        }
    }
    assert!((heard_db(50, &PCM512X_DIGITAL) + 18.0).abs() < 1e-9);
}

#[test]
fn the_steps_of_known_cards() {
    // (control, percent, value, dB of the player)
    for (control, percent, raw, player_db) in [
        (PCM512X_DIGITAL, 100, 207, 0.0),
        (PCM512X_DIGITAL, 50, 171, 0.0),
        (PCM512X_DIGITAL, 25, 135, 0.0),
        (PCM512X_DIGITAL, 5, 51, 0.0),
        (PCM512X_AMPLIFIED, 100, 207, 0.0),
        (BCM2835_PCM, 100, 0, 0.0),
        (BCM2835_PCM, 50, -1806, 0.0),
        (BCM2835_PCM, 0, -10_239, 0.0),
        (USB_SPEAKER, 100, 37, 0.0),
        (USB_SPEAKER, 50, 19, 0.0),
        // -7.50 dB: the step of -8 dB is too quiet, so that it is -7 dB and 0.5 in the player.
        (USB_SPEAKER, 75, 30, -0.4963),
        // The range ends: the player does the rest.
        (USB_SPEAKER, 5, 0, -41.0618),
        (USB_SPEAKER, 0, 0, f64::NEG_INFINITY),
        // Never silence: the first step above it.
        (PCM512X_DIGITAL, 1, 1, -17.0),
        (BCM2835_PCM, 1, -10_238, -17.62),
    ] {
        let step = step_from_percent(percent, &control);
        let is_player_db = 20.0 * f64::from(step.player_gain).log10();
        assert_eq!(step.raw, raw, "{percent} % of {control:?}");
        assert!(
            is_player_db == player_db || (is_player_db - player_db).abs() < 0.001,
            "{percent} %: {is_player_db} dB"
        );
    }
}

#[test]
fn nothing_clips_whatever_a_control_can_amplify() {
    assert_eq!(top_db(&BCM2835_PCM), Some(0.0));
    assert_eq!(top_db(&QEMU_USB), Some(0.0));
    let quiet = Even { raw: (0, 100), hundredths_db: (-5200, -200), mutes_at_min: false };
    assert_eq!(top_db(&quiet), Some(-2.0));
    assert_eq!(step_from_percent(100, &quiet), Step { raw: 100, player_gain: 1.0 });
    // No step at 0 dB: the one above, and the player takes off what would clip.
    let coarse = Even { raw: (0, 20), hundredths_db: (-4050, 1950), mutes_at_min: false };
    let step = step_from_percent(100, &coarse);
    assert_eq!(db_from_raw(step.raw, &coarse), Some(1.5));
    assert!(heard_db(100, &coarse).abs() < 1e-6);
    // Nothing below 0 dB, or nothing at all.
    for hundredths_db in [(0, 3700), (-300, 1200), (300, 1200)] {
        let amplifier = Even { raw: (0, 30), hundredths_db, mutes_at_min: false };
        assert_eq!(top_db(&amplifier), Some(0.0));
        assert_eq!(step_from_percent(50, &amplifier).raw, 0);
        assert!((heard_db(50, &amplifier) + 18.06).abs() < 0.01, "{}", heard_db(50, &amplifier));
        assert!(heard_db(100, &amplifier) < 0.3);
        assert_eq!(step_from_percent(0, &amplifier).player_gain, 0.0);
    }
}

#[test]
fn a_control_whose_decibels_cannot_be_right_is_set_as_one_without() {
    let reversed = Even { raw: (0, 37), hundredths_db: (0, -3700), mutes_at_min: false };
    let wrong_unit = Even { raw: (0, 37), hundredths_db: (-14, 0), mutes_at_min: false };
    for control in [reversed, wrong_unit] {
        assert_eq!(top_db(&control), None, "{control:?}");
        assert_eq!(step_from_percent(50, &control), Step { raw: 18, player_gain: 1.0 }, "{control:?}");
        assert_eq!(percent_from_step(18, &control), 49);
    }
    assert_eq!(step_from_percent(50, &Plain(0, 65_536)), Step { raw: 32_768, player_gain: 1.0 });
    assert_eq!(db_from_raw(3, &Plain(0, 65_536)), None);
}

#[test]
fn a_value_that_another_program_has_set_is_a_percentage_by_the_law() {
    assert_eq!([0, 1, 51, 171, 207].map(|raw| percent_from_step(raw, &PCM512X_DIGITAL)), [0, 2, 5, 50, 100]);
    assert_eq!([-10_239, -1806, 0, 400].map(|raw| percent_from_step(raw, &BCM2835_PCM)), [0, 50, 100, 100]);
    assert_eq!([0, 19, 37].map(|raw| percent_from_step(raw, &USB_SPEAKER)), [24, 50, 100]);
}

fn even() -> impl Strategy<Value = Even> {
    let raw = (-20_000_i64..20_000, 2_i64..20_000);
    let hundredths_db = (-13_000_i64..-600, 0_i64..3000);
    (raw, hundredths_db, any::<bool>()).prop_map(|((min, range), hundredths_db, mutes_at_min)| Even {
        raw: (min, min + range),
        hundredths_db,
        mutes_at_min,
    })
}

fn absurd() -> impl Strategy<Value = Even> {
    let any_of = || prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(MUTE_HUNDREDTHS_DB), -5_i64..5, any::<i64>()];
    ((any_of(), any_of()), (any_of(), any_of()), any::<bool>()).prop_map(|(raw, hundredths_db, mutes_at_min)| Even {
        raw,
        hundredths_db,
        mutes_at_min,
    })
}

proptest! {
    #[test]
    fn what_is_heard_is_the_law_on_any_control(control in even(), percent in 1_u8..=100) {
        let should_db = db_from_percent(percent) + top_db(&control).unwrap();
        let is_db = heard_db(percent, &control);
        // ALSA counts hundredths.
        prop_assert!((is_db - should_db).abs() < 0.2551, "{} dB instead of {}", is_db, should_db);
        prop_assert!(percent < 100 || is_db < 0.0001);
    }

    #[test]
    fn more_is_never_less(control in even(), percent in 0_u8..100) {
        let (quieter, louder) = (step_from_percent(percent, &control), step_from_percent(percent + 1, &control));
        prop_assert!(louder.raw >= quieter.raw);
        prop_assert!(heard_db(percent + 1, &control) >= heard_db(percent, &control) - 1e-6);
    }

    #[test]
    fn a_fine_control_gives_back_what_was_set(percent in 0_u8..=100, max in 0_i64..1000) {
        let control = Even { raw: (-13_000, max), hundredths_db: (-13_000, max), mutes_at_min: true };
        prop_assert_eq!(percent_from_step(step_from_percent(percent, &control).raw, &control), percent);
    }

    #[test]
    fn absurd_controls_do_no_harm(control in absurd(), percent: u8, raw: i64) {
        let step = step_from_percent(percent, &control);
        let (min, max) = control.raw;
        prop_assert!(max < min || (min..=max).contains(&step.raw));
        prop_assert!((0.0..=1.0).contains(&step.player_gain));
        prop_assert!(percent_from_step(raw, &control) <= 100);
        prop_assert!(top_db(&control).is_none_or(|db| db <= 0.0));
    }
}
