//! Where true time begins for a fleet: every ride starts at one instant, and minutes of a scenario
//! count from it.

/// The instant at which every ride begins, in ns of true UTC: a Friday afternoon, 2045-06-23 16:00:00,
/// which is later than any build of this program: its box believes no earlier time.
pub const RIDE_START_NS: i64 = 2_381_846_400_000_000_000;

/// Nanoseconds of a minute.
pub const NS_PER_MINUTE: f64 = 60e9;
