//! The mark that distinguishes a chip from others: a random number in the registers of its first
//! alarm, which is not used.

use jaudiosync_hw::rtc::{ChipMark, from_bcd, to_bcd};

/// Makes a mark that the alarm's registers can hold as a time of a day of a month: they are
/// binary-coded decimals.
pub fn new_mark(random: u32) -> ChipMark {
    let day = 1 + random / (60 * 60 * 24) % 28;
    ChipMark([random % 60, random / 60 % 60, random / 3600 % 24, day].map(|value| to_bcd(value as u8)))
}

/// Returns whether the registers hold what [`new_mark`] makes. A chip that was never marked holds
/// zeros; an alarm that another program has set once a month looks like a mark, and serves as one.
pub fn is_mark(held: ChipMark) -> bool {
    // Bit 7 of a register is a mask and bit 6 a mode: either makes more than 59.
    let ChipMark([seconds, minutes, hours, day]) = held;
    from_bcd(seconds, 59).is_some()
        && from_bcd(minutes, 59).is_some()
        && from_bcd(hours, 23).is_some()
        && from_bcd(day, 28).is_some_and(|day| day >= 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_mark_is_known_as_one(random: u32) {
            prop_assert!(is_mark(new_mark(random)));
        }

        #[test]
        fn whatever_the_registers_hold_is_examined_without_harm(held: [u8; 4]) {
            let has_mode = held.iter().any(|register| *register >= 0x60);
            prop_assert!(!(has_mode && is_mark(ChipMark(held))));
        }
    }

    #[test]
    fn zeros_and_daily_alarms_are_no_marks() {
        for held in [[0; 4], [0xFF; 4], [0, 0x30, 0x07, 0x81], [0, 0x30, 0x07, 0x41], [0x0A, 0, 0, 1], [0, 0, 0x24, 1]]
        {
            assert!(!is_mark(ChipMark(held)), "{held:x?}");
        }
    }
}
