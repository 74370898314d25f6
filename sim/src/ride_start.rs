//! Where true time begins for a fleet: every ride starts at one instant, and minutes of a scenario
//! count from it.

/// The instant at which every ride begins, in ns of true UTC: a Friday afternoon, 2027-06-25
/// 16:00:00.
pub const RIDE_START_NS: i64 = 1_813_939_200_000_000_000;

/// Nanoseconds of a minute.
pub const NS_PER_MINUTE: f64 = 60e9;
