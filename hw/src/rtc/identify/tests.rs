//! Images of chips as they are found, and of everything else.

use super::*;

use proptest::prelude::*;

/// Returns what one transfer reads from a chip that has these registers and stands still.
fn image_of(registers: &[u8]) -> RegisterImage {
    let mut image = [0; IMAGE_REGISTERS];
    for (index, value) in image.iter_mut().enumerate() {
        *value = registers[index % registers.len()];
    }
    image
}

/// Saturday, 2024-02-10 17:08:59, with the alarm that marks a chip of this program.
const DS3231: [u8; DS3231_REGISTERS] =
    [0x59, 0x08, 0x17, 7, 0x10, 0x02, 0x24, 0x12, 0x34, 0x05, 0x17, 0, 0, 0, 0x1C, 0x08, 0xFE, 0x19, 0x40];

/// Straight from the shop: its battery has just been fitted.
const NEW_DS3231: [u8; DS3231_REGISTERS] = [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x1C, 0x88, 0, 0x17, 0xC0];

/// The registers of a DS1307: a time, a control register, and RAM.
fn ds1307(ram: impl Fn(usize) -> u8) -> [u8; DS1307_REGISTERS] {
    let mut registers = [0; DS1307_REGISTERS];
    registers[..8].copy_from_slice(&[0x59, 0x08, 0x17, 7, 0x10, 0x02, 0x24, 0x03]);
    for (index, value) in registers.iter_mut().enumerate().skip(8) {
        *value = ram(index);
    }
    registers
}

/// A PCF8523 from the shop: without battery switch-over, and its oscillator has stopped.
const NEW_PCF8523: [u8; PCF8523_REGISTERS] =
    [0, 0, 0xE0, 0x80, 0, 0, 1, 6, 1, 0, 0x80, 0x80, 0x80, 0x80, 0, 0, 7, 0, 7, 0];

/// One that runs: 2024-02-10 17:08:59.
const PCF8523: [u8; PCF8523_REGISTERS] =
    [0, 0, 0, 0x59, 0x08, 0x17, 0x10, 6, 0x02, 0x24, 0x80, 0x80, 0x80, 0x80, 0, 0x38, 7, 0, 7, 0];

fn chip(registers: &[u8]) -> Chip {
    identify(&image_of(registers), None)
}

#[test]
fn a_ds3231_is_recognized_new_in_use_and_with_whatever_other_programs_left() {
    assert_eq!(chip(&DS3231), Chip::Ds3231);
    assert_eq!(chip(&NEW_DS3231), Chip::Ds3231);
    // 12-hour mode, a century bit, all alarms and flags, a hard frost, an hour that is none.
    let odd = [0x59, 0x59, 0x7F, 7, 0x31, 0x92, 0x99, 255, 255, 255, 255, 255, 255, 255, 0xFF, 0x8F, 0x80, 0xF5, 0xC0];
    assert_eq!(chip(&odd), Chip::Ds3231);
}

#[test]
fn a_ds3231_is_recognized_while_it_counts_and_measures() {
    let mut image = image_of(&DS3231);
    // New Year between two passes, and a conversion that ends there.
    image[..7].copy_from_slice(&[0x59, 0x59, 0x23, 1, 0x31, 0x12, 0x23]);
    for (pass, begins) in [19, 38, 57, 76].into_iter().enumerate() {
        image[begins..begins + 7].copy_from_slice(&[0, 0, 0, 2, 1, 1, 0x24]);
        if pass > 0 && begins + 18 < IMAGE_REGISTERS {
            image[begins + 0x11] = 0x1A;
            image[begins + 0x12] = 0;
        }
    }
    image[0x0E] |= CONTROL_CONV;
    image[0x0F] |= 0x04;
    assert_eq!(identify(&image, None), Chip::Ds3231);
}

#[test]
fn other_clocks_are_named() {
    let ram: [fn(usize) -> u8; 4] = [|_| 0, |_| 0xFF, |index| index as u8, |index| (index as u8).wrapping_mul(151)];
    for ram in ram {
        assert_eq!(chip(&ds1307(ram)), Chip::Ds1307);
    }
    assert_eq!(chip(&NEW_PCF8523), Chip::Pcf8523);
    assert_eq!(chip(&PCF8523), Chip::Pcf8523);
    assert_eq!(chip(&DS3231[..DS1339_REGISTERS]), Chip::Ds1339);
    assert_eq!(chip(&DS3231[..DS1337_REGISTERS]), Chip::Ds1337);
}

#[test]
fn what_a_write_of_ours_would_have_made_of_a_pcf8523_is_still_one() {
    // Stopped, with its year for a day, as versions before this one left it.
    let mut registers = NEW_PCF8523;
    registers[..7].copy_from_slice(&[0x39, 0x08, 0x17, 7, 0x10, 0x02, 0x24]);
    assert_ne!(chip(&registers), Chip::Ds3231);
}

#[test]
fn a_motion_sensor_is_named_and_the_rest_is_unknown() {
    let mut registers: [u8; IMAGE_REGISTERS] = [0; _];
    registers[..8].copy_from_slice(&[0x81, 0x7F, 0x02, 0xD3, 0x29, 0xC0, 0x06, 0xB5]);
    assert_eq!(identify(&registers, Some(0x68)), Chip::MotionSensor);
    assert_eq!(identify(&registers, Some(0)), Chip::Unknown);
    for constant in 0..=255 {
        assert_eq!(identify(&[constant; _], None), Chip::Unknown, "a bus that is held");
    }
}

/// Returns random registers that begin again after this many.
fn random_registers(registers: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), registers)
}

proptest! {
    #[test]
    fn any_time_and_alarms_of_a_ds3231_are_accepted(
        rtc_s in 946_684_800_i64..7_258_118_399, alarms: [u8; 7], control: u8, flags in 0_u8..4, aging: u8, celsius: u8,
    ) {
        let mut registers = DS3231;
        registers[..7].copy_from_slice(&super::super::registers::encode_time(rtc_s).unwrap());
        registers[7..14].copy_from_slice(&alarms);
        registers[14..18].copy_from_slice(&[control, flags | 0x88, aging, celsius]);
        prop_assert_eq!(chip(&registers), Chip::Ds3231);
    }

    #[test]
    fn random_registers_of_a_ds1307_or_without_end_are_never_a_ds3231(
        ram in random_registers(DS1307_REGISTERS), endless in random_registers(IMAGE_REGISTERS),
    ) {
        prop_assert_ne!(chip(&ram), Chip::Ds3231);
        prop_assert_ne!(chip(&endless), Chip::Ds3231);
    }
}

#[test]
fn random_registers_are_hardly_ever_a_ds3231_even_if_as_many_begin_again() {
    let mut random = fastrand::Rng::with_seed(15);
    let draws = 1_000_000;
    let mut taken = 0;
    for _ in 0..draws {
        let mut registers = [0; DS3231_REGISTERS];
        random.fill(&mut registers);
        taken += u32::from(chip(&registers) == Chip::Ds3231);
    }
    println!("{taken} of {draws} random sets of 19 registers are taken for a DS3231");
    assert!(f64::from(taken) <= 1e-4 * f64::from(draws), "{taken}");
}
