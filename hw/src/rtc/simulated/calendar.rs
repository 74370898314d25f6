//! How the chip counts: its seven time registers, second by second, with its own idea of leap
//! years. Written independently of the driver's decoding, so that neither hides a mistake in the
//! other.

use crate::rtc::registers::{HOURS_12, HOURS_PM, MONTH_CENTURY, from_bcd, to_bcd};

/// 2000-01-01 in seconds since the Unix epoch, where the chip's count begins.
const EPOCH_S: i64 = 946_684_800;
const SECONDS_PER_DAY: i64 = 86_400;
/// Four of the chip's years: it takes every fourth year for a leap year, including 2100.
const DAYS_PER_CYCLE: i64 = 4 * 365 + 1;
/// With the century bit there are 200 years, then the count starts over.
const DAYS: i64 = 50 * DAYS_PER_CYCLE;
const DAYS_PER_MONTH: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Registers after a first power-on: 1 January 2000, day 1 of the week, midnight.
pub(super) const AT_POWER_ON: [u8; 7] = [0, 0, 0, 1, 1, 1, 0];

/// Returns what the registers hold at this second of RTC time, in 24-hour mode with Sunday as day
/// 1. Correct until the end of February 2100.
pub(super) fn at(rtc_s: i64) -> [u8; 7] {
    let count_s = rtc_s - EPOCH_S;
    // 2000-01-01 was a Saturday, day 7.
    let weekday = (count_s.div_euclid(SECONDS_PER_DAY) + 6).rem_euclid(7) + 1;
    encode(count_s, weekday as u8, false)
}

/// Returns the second of RTC time that the registers show, if they show one. Correct until the end
/// of February 2100.
pub(super) fn rtc_s(registers: [u8; 7]) -> Option<i64> {
    Some(EPOCH_S + decode(registers)?)
}

/// Counts on by `seconds`. If the registers hold no valid time, only the seconds change: the
/// datasheet does not say what a chip does then.
pub(super) fn advance(registers: &mut [u8; 7], seconds: i64) {
    let Some(second) = from_bcd(registers[0], 59) else { return };
    let sum = i64::from(second).saturating_add(seconds);
    if sum < 60 {
        // The common case, kept cheap for millions of reads.
        registers[0] = to_bcd(sum as u8);
    } else if let Some(count_s) = decode(*registers) {
        let counted_s = count_s.saturating_add(seconds);
        let midnights = counted_s.div_euclid(SECONDS_PER_DAY) - count_s.div_euclid(SECONDS_PER_DAY);
        let weekday = (i64::from(registers[3]) - 1 + midnights).rem_euclid(7) + 1;
        *registers = encode(counted_s, weekday as u8, registers[2] & HOURS_12 != 0);
    } else {
        registers[0] = to_bcd((sum % 60) as u8);
    }
}

/// Returns the seconds since 2000-01-01 by the chip's count.
fn decode(registers: [u8; 7]) -> Option<i64> {
    let [second, minute, hour, _, day, month, year] = registers;
    let digits = |value, largest| from_bcd(value, largest).map(i64::from);
    let hour = if hour & HOURS_12 == 0 {
        digits(hour, 23)?
    } else {
        let hour_of_half = digits(hour & 0x1F, 12).filter(|hour| *hour > 0)? % 12;
        if hour & HOURS_PM != 0 { hour_of_half + 12 } else { hour_of_half }
    };
    let years = digits(year, 99)? + if month & MONTH_CENTURY != 0 { 100 } else { 0 };
    let month = digits(month & !MONTH_CENTURY, 12).filter(|month| *month > 0)? as usize;
    let is_leap = years % 4 == 0;
    let day = digits(day, 31).filter(|day| (1..=days_in(month - 1, is_leap)).contains(day))?;
    let days_of_years = years / 4 * DAYS_PER_CYCLE + if years % 4 == 0 { 0 } else { years % 4 * 365 + 1 };
    let days_of_months: i64 = (0..month - 1).map(|month| days_in(month, is_leap)).sum();
    let days = days_of_years + days_of_months + day - 1;
    Some(days * SECONDS_PER_DAY + hour * 3600 + digits(minute, 59)? * 60 + digits(second, 59)?)
}

fn encode(count_s: i64, weekday: u8, is_12_hour: bool) -> [u8; 7] {
    let days = count_s.div_euclid(SECONDS_PER_DAY).rem_euclid(DAYS);
    let second_of_day = count_s.rem_euclid(SECONDS_PER_DAY);
    let (cycle, day_of_cycle) = (days / DAYS_PER_CYCLE, days % DAYS_PER_CYCLE);
    // The first year of the four is the long one.
    let year_of_cycle = (day_of_cycle - 1).max(0) / 365;
    let is_leap = year_of_cycle == 0;
    let mut day = day_of_cycle - if is_leap { 0 } else { year_of_cycle * 365 + 1 };
    let mut month = 0;
    while day >= days_in(month, is_leap) {
        day -= days_in(month, is_leap);
        month += 1;
    }
    let years = cycle * 4 + year_of_cycle;
    let bcd = |value: i64| to_bcd(value as u8);
    let hour = second_of_day / 3600;
    let hour = match is_12_hour {
        false => bcd(hour),
        true => HOURS_12 | if hour >= 12 { HOURS_PM } else { 0 } | bcd((hour + 11) % 12 + 1),
    };
    let century = if years >= 100 { MONTH_CENTURY } else { 0 };
    [
        bcd(second_of_day % 60),
        bcd(second_of_day / 60 % 60),
        hour,
        weekday,
        bcd(day + 1),
        bcd(month as i64 + 1) | century,
        bcd(years % 100),
    ]
}

fn days_in(month: usize, is_leap: bool) -> i64 {
    if is_leap && month == 1 { 29 } else { DAYS_PER_MONTH[month] }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    use crate::rtc::registers::{decode_time, encode_time};

    #[test]
    fn seconds_carry_into_everything_up_to_the_century() {
        let mut registers = [0x59, 0x59, 0x23, 5, 0x31, 0x12, 0x99];
        advance(&mut registers, 1);
        assert_eq!(registers, [0, 0, 0, 6, 1, 0x81, 0]);
    }

    #[test]
    fn twelve_hour_mode_is_kept() {
        let mut registers = [0x59, 0x59, 0x40 | 0x11, 7, 0x28, 0x02, 0x24];
        advance(&mut registers, 1);
        assert_eq!(registers, [0, 0, 0x60 | 0x12, 7, 0x28, 0x02, 0x24], "11 AM becomes 12 PM");
        advance(&mut registers, 12 * 3600);
        assert_eq!(registers, [0, 0, 0x40 | 0x12, 1, 0x29, 0x02, 0x24], "the next day, 12 AM");
    }

    #[test]
    fn the_chip_takes_2100_for_a_leap_year() {
        let mut registers = [0x59, 0x59, 0x23, 1, 0x28, 0x82, 0];
        advance(&mut registers, 1);
        assert_eq!(registers, [0, 0, 0, 2, 0x29, 0x82, 0]);
        assert_eq!(decode_time(registers), None, "and the driver does not");
    }

    #[test]
    fn of_nonsense_only_the_seconds_count() {
        let mut registers = [0x58, 0xFF, 0, 1, 1, 1, 0];
        advance(&mut registers, 3);
        assert_eq!(registers, [0x01, 0xFF, 0, 1, 1, 1, 0]);
        let mut registers = [0xAA; 7];
        advance(&mut registers, 3);
        assert_eq!(registers, [0xAA; 7]);
    }

    proptest! {
        #[test]
        fn the_chip_and_the_driver_agree_until_2100(from_s in EPOCH_S..4_107_542_400, seconds in 0..100_000_000_i64) {
            let until_s = (from_s + seconds).min(4_107_542_399);
            let mut registers = at(from_s);
            prop_assert_eq!(Some(registers), encode_time(from_s));
            advance(&mut registers, until_s - from_s);
            prop_assert_eq!(Some(registers), encode_time(until_s));
            prop_assert_eq!(rtc_s(registers), Some(until_s));
        }
    }
}
