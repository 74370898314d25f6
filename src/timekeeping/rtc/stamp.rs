//! The stamp in the RTC: when the chip itself was last right, how right, and whether it drifts as a
//! DS3231M does. A box that has lost what it saved knows from it what its RTC is worth.
//!
//! It lies in the registers of alarm 2, which the battery preserves, as a time of a day of a month
//! that an alarm could have: minutes, hours and date count hours since 2020. Their mask bits select
//! combinations that the datasheet calls illogical ("Alarms", table 2), so that no other program's
//! alarm is taken for a stamp; the alarms themselves stay off.

use jaudiosync_hw::rtc::{ChipStamp, from_bcd, to_bcd};
use jaudiosync_time::{Instant, Rtc, Span};

/// 2020-01-01 in seconds since the Unix epoch, where the count of hours begins.
const BEGINNING_S: i64 = 1_577_836_800;
const HOUR_S: i64 = 3600;

/// Minutes, hours and dates of an alarm.
const MINUTES: i64 = 60;
const HOURS: i64 = 24;
const DATES: i64 = 31;
/// Hours that an alarm's digits can count, and with the mask bits: 10 years, longer than a battery
/// lasts.
const DIGITS: i64 = MINUTES * HOURS * DATES;
const CYCLE: i64 = DIGITS * 2;

/// Mask bits A2M2, A2M3 and A2M4, each bit 7 of its register, that no alarm has: that masks all
/// three, the last two, the last or none. The first two are of chips that drift little, in the first
/// and the second half of the cycle; the others are of those that drift more.
const MASKS: [[bool; 3]; 4] = [[true, false, true], [true, true, false], [true, false, false], [false, true, false]];
const MASK: u8 = 1 << 7;
/// DY/DT of the third register: the RTC was right only roughly.
const ROUGH: u8 = 1 << 6;

/// A stamp may be this far ahead of the RTC, which may have been set back since.
const AHEAD_HOURS: i64 = 3;

/// So many hours a stamp has to choose from, its own first: each differs from those before it. Older
/// ones are safe, as the uncertainty grows from the stamp on.
const CHOICES: i64 = 3;

/// Within this long after the hour of a stamp began, the RTC was right.
pub const STAMP_SPAN: Span = Span::from_seconds(CHOICES * HOUR_S);

/// An RTC with a stamp was within this of UTC, in ns, however well it agreed.
pub const STAMPED_BOUND_NS: f64 = 40e6;

/// How right the RTC was: within 40 ms of UTC, and closer to other boxes. What a network hides from
/// all of them alike does not count there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// It agreed with boxes that were compared with the same references to 8 ms.
    Fine,
    /// It agreed with them to 40 ms.
    Rough,
}

impl Quality {
    /// Returns the best quality of an RTC that may be this far from UTC, and this far from other
    /// boxes, both in ns; `None` if it is worth no stamp.
    pub fn of_errors_ns(error_ns: f64, disagreement_ns: f64) -> Option<Self> {
        let is_worth = |quality: &Self| disagreement_ns <= 4.0 * quality.sigma_ns();
        [Self::Fine, Self::Rough].into_iter().find(is_worth).filter(|_| error_ns <= STAMPED_BOUND_NS)
    }

    /// Returns the standard deviation of what it disagreed by, in ns: a quarter of the most.
    pub fn sigma_ns(self) -> f64 {
        match self {
            Self::Fine => 2e6,
            Self::Rough => 10e6,
        }
    }
}

/// When the RTC was right, and how right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Whole hours since 2020.
    hour: i64,
    /// How right it was.
    pub quality: Quality,
    /// Whether it drifts as a DS3231M does.
    pub drifts: bool,
}

impl Stamp {
    /// Makes the stamp for an RTC that shows `at` and is right, and may drift as a DS3231M does. It
    /// differs from those in `others`, so that a calibration saved under another stamp is recognized
    /// as older; for that it may be up to [`STAMP_SPAN`] older than the moment.
    pub fn new(at: Instant<Rtc>, quality: Quality, drifts: bool, others: &[ChipStamp]) -> Self {
        let hour = (at.second() - BEGINNING_S).div_euclid(HOUR_S);
        let candidates = (0..CHOICES).map(|earlier| hour - earlier).map(|hour| Self { hour, quality, drifts });
        let mut differing = candidates.filter(|stamp| !others.contains(&stamp.encode()));
        differing.next().unwrap_or(Self { hour, quality, drifts })
    }

    /// Makes what says that there is no stamp, and differs from those in `others`.
    pub fn none(others: &[ChipStamp]) -> ChipStamp {
        // An alarm that is off and one for every minute: no stamp has these mask bits.
        let candidates = [ChipStamp::default(), ChipStamp([MASK; 3]), ChipStamp([MASK | 1, MASK, MASK])];
        candidates.into_iter().find(|none| !others.contains(none)).unwrap_or_default()
    }

    /// Returns when the hour of the stamp began, as the RTC counts.
    pub fn at(self) -> Instant<Rtc> {
        Instant::from_second(BEGINNING_S.saturating_add(self.hour.saturating_mul(HOUR_S)))
    }

    /// Returns how old it is when the RTC shows `now`.
    pub fn age(self, now: Instant<Rtc>) -> Span {
        (now - self.at()).max(Span::ZERO)
    }

    /// Returns what the chip is to hold.
    pub fn encode(self) -> ChipStamp {
        let count = self.hour.rem_euclid(CYCLE);
        let bcd = |value: i64| to_bcd(value as u8);
        let half = (count / DIGITS) as usize;
        let masks = MASKS[half + if self.drifts { 2 } else { 0 }].map(|mask| if mask { MASK } else { 0 });
        let rough = if self.quality == Quality::Rough { ROUGH } else { 0 };
        let date = 1 + count / (MINUTES * HOURS) % DATES;
        ChipStamp([
            masks[0] | bcd(count % MINUTES),
            masks[1] | bcd(count / MINUTES % HOURS),
            masks[2] | rough | bcd(date),
        ])
    }

    /// Returns the stamp that the chip holds when it shows `now`; `None` if it holds none.
    pub fn decode(held: ChipStamp, now: Instant<Rtc>) -> Option<Self> {
        let ChipStamp([minutes, hours, date]) = held;
        let masks = held.0.map(|register| register & MASK != 0);
        let known = MASKS.iter().position(|known| *known == masks)?;
        let (drifts, half) = (known >= 2, (known % 2) as i64);
        let digits = |register, largest: i64| from_bcd(register, largest as u8).map(i64::from);
        let minutes = digits(minutes & !MASK, MINUTES - 1)?;
        let hours = digits(hours & !MASK, HOURS - 1)?;
        let quality = if date & ROUGH != 0 { Quality::Rough } else { Quality::Fine };
        let date = digits(date & !(MASK | ROUGH), DATES).filter(|date| *date >= 1)?;
        let count = half * DIGITS + (date - 1) * MINUTES * HOURS + hours * MINUTES + minutes;
        // The latest hour that it can stand for.
        let latest = (now.second() - BEGINNING_S).div_euclid(HOUR_S) + AHEAD_HOURS;
        let hour = latest - (latest - count).rem_euclid(CYCLE);
        (hour >= 0).then_some(Self { hour, quality, drifts })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Instant<Rtc> {
        Instant::from_second(second)
    }

    proptest! {
        #[test]
        fn a_stamp_comes_back_for_ten_years(set_s in BEGINNING_S..5_000_000_000_i64, days in 0_i64..3_700, is_rough: bool, drifts: bool) {
            let quality = if is_rough { Quality::Rough } else { Quality::Fine };
            let stamp = Stamp::new(at(set_s), quality, drifts, &[]);
            let now = at(set_s + days * 86_400);
            prop_assert_eq!(Stamp::decode(stamp.encode(), now), Some(stamp));
            let age_s = stamp.age(now).whole_seconds() - days * 86_400;
            prop_assert!((0..HOUR_S).contains(&age_s), "never younger than it is: {}", age_s);
        }

        #[test]
        fn an_alarm_of_another_program_is_no_stamp(minutes in 0_u8..0x60, hours in 0_u8..0x24, date in 0_u8..0x32, masks in 0_usize..4) {
            // Every minute; minutes; hours and minutes; date or day, hours and minutes.
            let masks = [[MASK, MASK, MASK], [0, MASK, MASK], [0, 0, MASK], [0, 0, 0]][masks];
            // The datasheet's table 2 names A2M4 first: 111, 110, 100, 000.
            let held = ChipStamp([minutes | masks[0], hours | masks[1], date | masks[2]]);
            prop_assert_eq!(Stamp::decode(held, at(2_000_000_000)), None);
        }

        #[test]
        fn whatever_a_chip_holds_is_never_from_the_future(held: [u8; 3], now_s in BEGINNING_S..4_000_000_000_i64) {
            if let Some(stamp) = Stamp::decode(ChipStamp(held), at(now_s)) {
                prop_assert!(stamp.at() <= at(now_s) + Span::HOUR * AHEAD_HOURS);
                prop_assert_eq!(stamp.encode(), ChipStamp(held));
            }
        }
    }

    #[test]
    fn a_chip_from_the_shop_has_none() {
        assert_eq!(Stamp::decode(ChipStamp::default(), at(946_684_800)), None);
        assert_eq!(Stamp::decode(ChipStamp::default(), at(1_800_000_000)), None);
        assert_eq!(Stamp::decode(ChipStamp([0xFF; 3]), at(1_800_000_000)), None);
    }

    #[test]
    fn each_differs_from_those_before_it() {
        let now = at(1_800_000_000);
        let first = Stamp::new(now, Quality::Fine, false, &[]);
        let second = Stamp::new(now, Quality::Fine, false, &[first.encode()]);
        let third = Stamp::new(now, Quality::Fine, false, &[first.encode(), second.encode()]);
        assert!(first != second && second != third && first != third);
        // An older one is safe, a younger one is not.
        assert_eq!([first, second, third].map(|stamp| stamp.age(now)), [0, 1, 2].map(|hours| Span::HOUR * hours));
        for stamp in [first, second, third] {
            assert_eq!(Stamp::decode(stamp.encode(), now), Some(stamp));
        }
    }

    #[test]
    fn the_error_decides_the_quality() {
        assert_eq!(Quality::of_errors_ns(8e6, 8e6), Some(Quality::Fine));
        // At home, behind a line that could hide 13 ms.
        assert_eq!(Quality::of_errors_ns(15e6, 7e6), Some(Quality::Fine));
        assert_eq!(Quality::of_errors_ns(15e6, 8.1e6), Some(Quality::Rough));
        assert_eq!(Quality::of_errors_ns(41e6, 41e6), None);
        // Behind a phone, however well the boxes agree.
        assert_eq!(Quality::of_errors_ns(41e6, 5e6), None);
    }

    #[test]
    fn no_stamp_differs_from_no_stamp_before() {
        let first = Stamp::none(&[]);
        let second = Stamp::none(&[first]);
        let third = Stamp::none(&[first, second]);
        assert!(first != second && second != third && first != third);
        for none in [first, second, third] {
            assert_eq!(Stamp::decode(none, at(1_800_000_000)), None);
        }
    }
}
