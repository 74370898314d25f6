//! True time: where it begins for a fleet, and how it meets the clocks that try to show it.
//!
//! Every ride starts at one instant, and minutes of a scenario count from it. True time is UTC as
//! it really is: an error is what a box takes for UTC less the true time, and only this module
//! leads from one to the other.

use jaudiosync_time::{Instant, Rtc, Span, True, Utc};

/// The instant at which every ride begins: a Friday afternoon, 2045-06-23 16:00:00, which is later
/// than any build of this program: its box believes no earlier time.
pub const RIDE_START: Instant<True> = Instant::from_second(2_381_846_400);

const NS_PER_MINUTE: f64 = 60e9;

/// Returns the minutes from the beginning of the ride to an instant; negative before it.
pub fn ride_minutes(time: Instant<True>) -> f64 {
    (time - RIDE_START).ns_f64() / NS_PER_MINUTE
}

/// Returns the instant that lies this many minutes after the beginning of the ride.
pub fn at_ride_minutes(minutes: f64) -> Instant<True> {
    RIDE_START + Span::from_ns((minutes * NS_PER_MINUTE) as i64)
}

/// Returns the UTC that a perfect clock shows at an instant.
pub const fn utc_at(time: Instant<True>) -> Instant<Utc> {
    Instant::from_ns(time.ns())
}

/// Returns what an RTC shows at an instant if it is ahead of true UTC by so much.
pub fn rtc_at(time: Instant<True>, ahead: Span) -> Instant<Rtc> {
    Instant::from_ns(time.ns()) + ahead
}

/// Returns by how much a clock that shows this UTC at an instant is ahead.
pub fn utc_error(shown: Instant<Utc>, time: Instant<True>) -> Span {
    shown - utc_at(time)
}
