//! What goes wrong with clocks, and what the driver reports then.

use super::*;

use std::time::Duration;

use crate::rtc::{ChipMark, Rtc, RtcError, RtcTime};

#[test]
fn a_transfer_that_is_not_acknowledged_is_reported() {
    let (_, mut chip, handle) = chip(prompt_bus(), 1);
    handle.leave_unanswered(2);
    assert_eq!(chip.read_second(), Err(RtcError::NoAnswer));
    assert_eq!(chip.read_time(), Err(RtcError::NoAnswer));
    assert_eq!(chip.read_second(), Ok(0));
}

#[test]
fn a_loose_wire_stays_silent_until_it_is_fixed() {
    let (_, mut chip, handle) = chip(prompt_bus(), 1);
    handle.set_silent(true);
    for _ in 0..10 {
        assert_eq!(chip.read_status(), Err(RtcError::NoAnswer));
    }
    assert_eq!(chip.set_time(START_S), Err(RtcError::NoAnswer));
    handle.set_silent(false);
    assert_eq!(handle.rtc_minus_utc(), Some(Span::ZERO), "nothing was written");
    assert!(chip.read_status().is_ok());
}

#[test]
fn a_stuck_bus_costs_its_timeout_each_time() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    handle.set_stuck(Some(Duration::from_secs(1)));
    let before = world.true_time();
    assert!(matches!(chip.read_second(), Err(RtcError::Bus(_))));
    assert_eq!(world.true_time() - before, Span::SECOND);
    handle.set_stuck(None);
    assert_eq!(chip.read_second(), Ok(1));
}

#[test]
fn a_slow_bus_takes_its_time_and_still_latches_at_the_repeated_start() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    handle.set_slow(Some(Duration::from_millis(50)));
    let before = world.true_time();
    chip.read_second().unwrap();
    let passed = world.true_time() - before;
    assert!((Span::from_ns(49_999_900)..=Span::from_ms(50)).contains(&passed), "{passed:?}");
    // An edge just after the latch, 20 of 39 bits in, is not seen; one just before it is.
    let to_latch = Span::from_ms(50) / 39 * 20;
    world.spend(handle.next_edge() - world.true_time() - to_latch - Span::from_ns(1));
    assert_eq!(chip.read_second(), Ok(0));
    world.spend(handle.next_edge() - world.true_time() - to_latch);
    assert_eq!(chip.read_second(), Ok(2));
}

#[test]
fn without_battery_a_power_cut_costs_the_time_and_the_mark() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    chip.write_mark(ChipMark([1, 2, 3, 4])).unwrap();
    handle.power_cut(true);
    assert_eq!(chip.read_second(), Err(RtcError::NoAnswer));
    assert_eq!(handle.rtc_minus_utc(), None);
    world.spend(Span::HOUR);
    handle.power_on();
    assert_eq!(chip.read_time(), Ok(RtcTime::Valid { rtc_s: 946_684_800 }));
    let status = chip.read_status().unwrap();
    assert!(status.oscillator_stopped);
    assert_eq!(status.mark, ChipMark([0; 4]));
    chip.set_time(START_S + 3600).unwrap();
    assert!(!chip.read_status().unwrap().oscillator_stopped);
}

#[test]
fn on_its_battery_the_clock_goes_on() {
    let model = Ds3231Model { rate_ppb: 1_000.0, ..prompt_bus() };
    let (world, mut chip, handle) = chip(model, 1);
    chip.write_mark(ChipMark([1, 2, 3, 4])).unwrap();
    handle.power_cut(false);
    world.spend(Span::from_seconds(10_000));
    handle.power_on();
    let gained = handle.rtc_minus_utc().unwrap();
    assert!((Span::from_ms(10)..Span::from_us(10_001)).contains(&gained), "1 ppm of 10,000 s: {gained:?}");
    let status = chip.read_status().unwrap();
    assert_eq!((status.oscillator_stopped, status.mark), (false, ChipMark([1, 2, 3, 4])));
}

#[test]
fn a_clock_told_to_halt_on_battery_loses_time_and_says_so_until_it_is_set() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    handle.corrupt_register(0x0E, 0x9C);
    handle.power_cut(false);
    world.spend(Span::HOUR);
    handle.power_on();
    assert_eq!(chip.read_time(), Ok(RtcTime::Valid { rtc_s: START_S }));
    assert!(chip.read_status().unwrap().oscillator_stopped);
    chip.set_time(START_S + 3600).unwrap();
    assert_eq!(handle.register(0x0E), 0x1C, "the driver enables it");
    handle.power_cut(false);
    world.spend(Span::HOUR);
    handle.power_on();
    assert!(!chip.read_status().unwrap().oscillator_stopped);
}

#[test]
fn garbage_in_a_register_is_no_time() {
    let (_, mut chip, handle) = chip(prompt_bus(), 1);
    handle.corrupt_register(0x02, 0x3F);
    assert!(matches!(chip.read_time(), Ok(RtcTime::Invalid { registers }) if registers[2] == 0x3F));
    assert_eq!(handle.rtc_minus_utc(), None);
    assert_eq!(chip.read_second(), Ok(0), "the seconds are sound");
    handle.corrupt_register(0x00, 0xFF);
    assert_eq!(chip.read_second(), Err(RtcError::BadRegister { register: 0, value: 0xFF }));
    chip.set_time(START_S).unwrap();
    assert_eq!(chip.read_time(), Ok(RtcTime::Valid { rtc_s: START_S }));
}

#[test]
fn a_clock_set_by_someone_else_is_another_time_in_another_phase() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    handle.set_by_someone_else(START_S - 7200);
    assert_eq!(handle.rtc_minus_utc(), Some(Span::from_ms(-7_200_300)));
    assert_eq!(handle.next_edge(), world.true_time() + Span::SECOND);
    assert_eq!(chip.read_time(), Ok(RtcTime::Valid { rtc_s: START_S - 7200 }));
}

#[test]
fn twelve_hour_mode_left_by_another_program_is_read_and_ended_by_setting() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    // 18:30:00 is 6 PM.
    handle.corrupt_register(0x02, 0x66);
    assert_eq!(chip.read_time(), Ok(RtcTime::Valid { rtc_s: START_S }));
    world.spend(Span::HOUR * 6);
    assert_eq!(chip.read_time(), Ok(RtcTime::Valid { rtc_s: START_S + 6 * 3600 }), "half past 12 AM of the next day");
    assert_eq!(handle.register(0x02), 0x52);
    chip.set_time(START_S + 7 * 3600).unwrap();
    assert_eq!(handle.register(0x02), 0x01);
}
