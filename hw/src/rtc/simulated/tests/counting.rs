//! What the chip shows, and what writing to it changes.

use super::*;

use embedded_hal::i2c::I2c;

use crate::rtc::{ChipMark, Rtc, RtcTime};

const ADDRESS: u8 = 0x68;

#[test]
fn an_ideal_chip_shows_utc() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    for _ in 0..2_000 {
        world.spend(Span::from_ns(777_777_777));
        // The time is latched 20 bits after the start.
        let latched_s = (world.true_time() + Span::from_us(200)).second();
        assert_eq!(chip.read_time(), Ok(RtcTime::Valid { rtc_s: latched_s }));
        assert_eq!(handle.rtc_minus_utc(), Some(Span::ZERO));
    }
}

#[test]
fn an_offset_of_the_model_is_in_the_phase_of_the_seconds() {
    let offset = Span::from_ms(-1_250);
    let model = Ds3231Model { offset, ..prompt_bus() };
    let (world, mut chip, handle) = chip(model, 1);
    assert_eq!(handle.rtc_minus_utc(), Some(offset));
    assert_eq!(handle.next_edge() - world.true_time(), Span::from_ms(950), "it is at 0.05 s of its second");
    assert_eq!(chip.read_time(), Ok(RtcTime::Valid { rtc_s: START_S - 1 }));
}

#[test]
fn writing_the_seconds_begins_a_second_at_the_acknowledge() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    world.spend(Span::from_ns(123_456_789));
    let called = world.true_time();
    chip.set_time(START_S + 100).unwrap();
    // START, address, register and the seconds themselves.
    let acknowledged = called + Span::from_us(10) * (1 + 3 * 9);
    assert_eq!(handle.rtc_minus_utc(), Some(Instant::from_second(START_S + 100) - acknowledged));
    assert_eq!(handle.next_edge(), acknowledged + Span::SECOND);
}

#[test]
fn writing_the_other_registers_leaves_the_phase_alone() {
    let (world, chip, handle) = chip(prompt_bus(), 1);
    let edge = handle.next_edge();
    let mut bus = chip.release();
    bus.write(ADDRESS, &[0x01, 0x45, 0x12]).unwrap();
    assert_eq!(handle.next_edge(), edge);
    world.spend(Span::from_seconds(15));
    let mut values = [0; 3];
    bus.write_read(ADDRESS, &[0x00], &mut values).unwrap();
    assert_eq!(values, [0x15, 0x45, 0x12]);
}

#[test]
fn a_burst_shows_one_moment_even_if_the_minute_turns_meanwhile() {
    let (world, chip, handle) = chip(prompt_bus(), 1);
    let mut bus = chip.release();
    world.spend(Span::from_seconds(58));
    // 93 bits in 20 s: from 18:30:58 to 18:31:18.
    handle.set_slow(Some(std::time::Duration::from_secs(20)));
    let mut values = [0; 7];
    bus.write_read(ADDRESS, &[0x00], &mut values).unwrap();
    // Latched at the repeated START, 4 s into the transfer.
    assert_eq!(values, [0x02, 0x31, 0x18, 7, 0x27, 0x06, 0x26]);
}

#[test]
fn the_pointer_wraps_and_latches_again() {
    let (_, chip, handle) = chip(prompt_bus(), 1);
    let mut bus = chip.release();
    // Each of the 210 bits takes 0.1 s.
    handle.set_slow(Some(std::time::Duration::from_secs(21)));
    let mut values = [0; 20];
    bus.write_read(ADDRESS, &[0x00], &mut values).unwrap();
    // 0.3 s, and 20 bits; then address and 19 bytes later.
    assert_eq!((values[0], values[19]), (0x02, 0x20));
    handle.set_slow(None);
    let mut next = [0; 1];
    bus.read(ADDRESS, &mut next).unwrap();
    assert_eq!(next, [0x30], "the pointer stands behind the seconds");
}

#[test]
fn the_stop_flag_can_be_cleared_but_not_set() {
    let (_, chip, handle) = chip(prompt_bus(), 1);
    let mut bus = chip.release();
    bus.write(ADDRESS, &[0x0F, 0x88]).unwrap();
    assert_eq!(handle.register(0x0F), 0x08);
    handle.corrupt_register(0x0F, 0x88);
    assert_eq!(handle.register(0x0F), 0x88);
    bus.write(ADDRESS, &[0x0F, 0x80]).unwrap();
    assert_eq!(handle.register(0x0F), 0x80, "1 leaves it, and the 32 kHz output is off now");
    bus.write(ADDRESS, &[0x0F, 0x00]).unwrap();
    assert_eq!(handle.register(0x0F), 0x00);
}

#[test]
fn the_temperature_is_measured_every_64_seconds() {
    let (world, mut chip, _) = chip(prompt_bus(), 1);
    assert_eq!(chip.read_status().unwrap().temperature_c, 25.0);
    world.millidegrees.store(-5_260, Ordering::Relaxed);
    let changed = world.true_time();
    while chip.read_status().unwrap().temperature_c > -5.0 {
        world.spend(Span::SECOND);
    }
    assert!(world.true_time() - changed <= Span::from_seconds(65));
    assert_eq!(chip.read_status().unwrap().temperature_c, -5.25);
}

#[test]
fn an_aging_offset_takes_effect_with_the_conversion_that_was_commanded() {
    let (world, chip, handle) = chip(prompt_bus(), 2);
    let mut bus = chip.release();
    bus.write(ADDRESS, &[0x10, (-20_i8).cast_unsigned()]).unwrap();
    bus.write(ADDRESS, &[0x0E, 0x3C]).unwrap();
    assert_eq!((handle.rate_ppb(), handle.register(0x0E), handle.register(0x0F)), (0.0, 0x3C, 0x0C), "it converts");
    world.spend(Span::from_ms(130));
    assert_eq!((handle.rate_ppb(), handle.register(0x0E), handle.register(0x0F)), (2_000.0, 0x1C, 0x08));
    assert_eq!(Ds3231::recognized(bus, Chip::Ds3231, true).read_status().unwrap().aging_offset, -20);
    world.spend(Span::from_seconds(100));
    // 2 ppm of 100 s, and of the few milliseconds since the conversion.
    let gained = handle.rtc_minus_utc().unwrap();
    assert!((Span::from_ns(200_000)..Span::from_ns(200_020)).contains(&gained), "{gained:?}");
}

#[test]
fn the_mark_is_kept_and_sets_off_nothing() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    chip.write_mark(ChipMark([0xFF, 0x00, 0xA5, 0x5A])).unwrap();
    world.spend(Span::DAY * 3);
    assert_eq!(chip.read_status().unwrap().mark, ChipMark([0xFF, 0x00, 0xA5, 0x5A]));
    assert_eq!(handle.register(0x0F), 0x08);
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let run = |seed| {
        let (world, mut chip, handle) = chip(Ds3231Model::from_datasheet(seed), seed);
        (0..1_000).for_each(|_| {
            world.spend(Span::from_ns(1_234_567));
            chip.read_second().unwrap();
        });
        (world.true_time(), handle.rtc_minus_utc())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
