//! The DS3231's registers: their addresses and bits (datasheet, figure 1), and how seven of them
//! hold a date and time.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};

/// The chip's address on the bus (datasheet, "I2C Serial Data Bus").
pub(super) const ADDRESS: u8 = 0x68;

pub(super) const SECONDS: u8 = 0x00;
pub(super) const ALARM_1: u8 = 0x07;
pub(super) const ALARM_2: u8 = 0x0B;
pub(super) const CONTROL: u8 = 0x0E;
pub(super) const STATUS: u8 = 0x0F;
pub(super) const AGING_OFFSET: u8 = 0x10;
pub(super) const TEMPERATURE: u8 = 0x11;
/// The last register; after it the pointer wraps to 0.
pub(super) const LAST: u8 = 0x12;

/// Hours register: set in 12-hour mode.
pub(super) const HOURS_12: u8 = 1 << 6;
/// Hours register in 12-hour mode: set after noon.
pub(super) const HOURS_PM: u8 = 1 << 5;
/// Month register: the chip toggles it as the years roll over from 99 to 00 (datasheet, "Clock and
/// Calendar"), so here it stands for the years from 2100 on. Linux before its option
/// RTC_DRV_DS1307_CENTURY (2016, drivers/rtc/rtc-ds1307.c) and some libraries set it for the years
/// from 2000 on, so a clock may show a year of the next century (in adafruit/RTClib#71 a Raspberry
/// Pi's `hwclock -w` leaves 0x91 for November 2016). Handling that is up to the service.
pub(super) const MONTH_CENTURY: u8 = 1 << 7;

/// Control register: the oscillator stops while there is only the battery.
pub(super) const CONTROL_EOSC: u8 = 1 << 7;
/// Control register: a command to measure the temperature now; it stays set until that is done.
pub(super) const CONTROL_CONV: u8 = 1 << 5;
/// Control register: the rate of the square wave; both clear for 1 Hz.
pub(super) const CONTROL_RS: u8 = (1 << 4) | (1 << 3);
/// Control register: the pin signals alarms instead of the square wave.
pub(super) const CONTROL_INTCN: u8 = 1 << 2;

/// Status register: the oscillator has stopped. It can only be cleared.
pub(super) const STATUS_OSF: u8 = 1 << 7;
/// Status register: 32 kHz output.
pub(super) const STATUS_EN32KHZ: u8 = 1 << 3;
/// Status register: the alarms have gone off. They can only be cleared: a 1 leaves them as they
/// are.
pub(super) const STATUS_ALARMS: u8 = (1 << 1) | 1;

/// Decodes the two decimal digits of a register; `None` if they are not digits or exceed `largest`.
pub fn from_bcd(value: u8, largest: u8) -> Option<u8> {
    let (tens, ones) = (value >> 4, value & 0x0F);
    let decimal = tens * 10 + ones;
    (tens <= 9 && ones <= 9 && decimal <= largest).then_some(decimal)
}

/// Encodes two decimal digits for a register; `decimal` is less than 100.
pub fn to_bcd(decimal: u8) -> u8 {
    ((decimal / 10) << 4) | (decimal % 10)
}

/// Returns the second of RTC time since the Unix epoch that registers 0x00 to 0x06 hold; `None` if
/// they hold no date and time. The day of the week is ignored: its meaning is up to whatever set
/// the clock. The chip takes 2100 for a leap year, which it is not (datasheet: leap years "up to
/// 2100"): its 29 February is not a date here.
pub(super) fn decode_time(registers: [u8; 7]) -> Option<i64> {
    let [seconds, minutes, hours, _, day, month, year] = registers;
    let century = if month & MONTH_CENTURY != 0 { 2100 } else { 2000 };
    let date = NaiveDate::from_ymd_opt(
        century + i32::from(from_bcd(year, 99)?),
        from_bcd(month & !MONTH_CENTURY, 12)?.into(),
        from_bcd(day, 31)?.into(),
    )?;
    let time =
        date.and_hms_opt(decode_hour(hours)?.into(), from_bcd(minutes, 59)?.into(), from_bcd(seconds, 59)?.into())?;
    Some(time.and_utc().timestamp())
}

fn decode_hour(hours: u8) -> Option<u8> {
    if hours & HOURS_12 == 0 {
        return from_bcd(hours, 23);
    }
    // 12 AM is midnight and 12 PM is noon.
    let hour = from_bcd(hours & !(HOURS_12 | HOURS_PM), 12).filter(|hour| *hour >= 1)? % 12;
    Some(if hours & HOURS_PM != 0 { hour + 12 } else { hour })
}

/// Returns what registers 0x00 to 0x06 must hold to show this second of RTC time, in 24-hour mode
/// with Sunday as day 1; `None` outside the years 2000 to 2199.
pub(super) fn encode_time(rtc_s: i64) -> Option<[u8; 7]> {
    let time = DateTime::from_timestamp(rtc_s, 0)?;
    let year = u8::try_from(time.year() - 2000).ok().filter(|year| *year < 200)?;
    let century = if year >= 100 { MONTH_CENTURY } else { 0 };
    // chrono's fields are all below 100.
    let bcd = |field: u32| to_bcd(field as u8);
    Some([
        bcd(time.second()),
        bcd(time.minute()),
        bcd(time.hour()),
        time.weekday().number_from_sunday() as u8,
        bcd(time.day()),
        bcd(time.month()) | century,
        to_bcd(year % 100),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    /// 2000-01-01 and 2199-12-31, 23:59:59.
    const FIRST_S: i64 = 946_684_800;
    const LAST_S: i64 = 7_258_118_399;

    #[test]
    fn a_known_time_has_the_registers_of_the_datasheet() {
        // Saturday, 2024-02-10 17:08:59
        let registers = [0x59, 0x08, 0x17, 7, 0x10, 0x02, 0x24];
        assert_eq!(encode_time(1_707_584_939), Some(registers));
        assert_eq!(decode_time(registers), Some(1_707_584_939));
    }

    #[test]
    fn the_century_bit_stands_for_the_years_from_2100_on() {
        assert_eq!(encode_time(4_102_444_800), Some([0, 0, 0, 6, 1, 0x81, 0]), "Friday, 2100-01-01");
        assert_eq!(decode_time([0, 0, 0, 6, 1, 0x81, 0]), Some(4_102_444_800));
    }

    #[test]
    fn a_century_bit_of_an_old_kernel_is_a_hundred_years_and_nothing_else() {
        // Sunday, 2026-12-06 12:34:56, as rtc-ds1307.c wrote it once: with bit 7 of the month.
        let by_old_kernel = [0x56, 0x34, 0x12, 1, 0x06, 0x12 | 0x80, 0x26];
        let mut by_anybody_else = by_old_kernel;
        by_anybody_else[5] &= !MONTH_CENTURY;
        assert_eq!(decode_time(by_anybody_else), Some(1_796_560_496));
        // 36,524 days: of the years between, 2100 is not a leap year.
        assert_eq!(decode_time(by_old_kernel), Some(1_796_560_496 + 36_524 * 86_400));
        assert_eq!(encode_time(1_796_560_496), Some(by_anybody_else), "setting the clock clears it");
    }

    #[test]
    fn only_the_years_2000_to_2199_can_be_shown() {
        assert!(encode_time(FIRST_S).is_some() && encode_time(LAST_S).is_some());
        for rtc_s in [FIRST_S - 1, LAST_S + 1, 0, i64::MIN, i64::MAX] {
            assert_eq!(encode_time(rtc_s), None, "{rtc_s}");
        }
    }

    #[test]
    fn twelve_hour_mode_is_understood() {
        let hour = |register| decode_time([0, 0, register, 1, 1, 1, 0x24]).map(|rtc_s| (rtc_s - 1_704_067_200) / 3600);
        assert_eq!(hour(0x40 | 0x12), Some(0), "12 AM");
        assert_eq!(hour(0x40 | 0x01), Some(1), "1 AM");
        assert_eq!(hour(0x40 | 0x11), Some(11), "11 AM");
        assert_eq!(hour(0x60 | 0x12), Some(12), "12 PM");
        assert_eq!(hour(0x60 | 0x11), Some(23), "11 PM");
        assert_eq!(hour(0x40), None, "there is no 0 AM");
        assert_eq!(hour(0x60 | 0x13), None, "nor 13 PM");
    }

    #[test]
    fn what_is_no_date_is_not_taken_for_one() {
        let good = [0x59, 0x59, 0x23, 1, 0x28, 0x02, 0x23];
        assert!(decode_time(good).is_some());
        for (register, value) in
            [(0, 0x60), (0, 0x0A), (0, 0x80), (1, 0x5A), (2, 0x24), (2, 0x90), (4, 0x29), (4, 0), (4, 0x32), (5, 0)]
        {
            let mut bad = good;
            bad[register] = value;
            assert_eq!(decode_time(bad), None, "0x{value:02x} in register {register}");
        }
        for (register, value) in [(5, 0x13), (5, 0x22), (5, 0x62), (6, 0xA0), (6, 0x0F)] {
            let mut bad = good;
            bad[register] = value;
            assert_eq!(decode_time(bad), None, "0x{value:02x} in register {register}");
        }
        assert_eq!(decode_time([0; 7]), None, "all zeros, as a bus held low reads");
        assert_eq!(decode_time([0xFF; 7]), None, "all ones, as an empty bus reads");
    }

    proptest! {
        #[test]
        fn every_second_comes_back_as_it_was_written(rtc_s in FIRST_S..=LAST_S) {
            prop_assert_eq!(encode_time(rtc_s).and_then(decode_time), Some(rtc_s));
        }

        #[test]
        fn any_registers_are_a_second_of_these_years_or_none(registers: [u8; 7]) {
            if let Some(rtc_s) = decode_time(registers) {
                prop_assert!((FIRST_S..=LAST_S).contains(&rtc_s));
                let again = encode_time(rtc_s).unwrap();
                prop_assert_eq!(&again[4..], &registers[4..]);
                prop_assert_eq!(&again[..2], &registers[..2]);
            }
        }
    }
}
