//! Rounding to whole nanoseconds.

/// Returns the nearest whole number, ties away from zero; saturates, and is 0 for what is not a
/// number.
pub(crate) fn to_whole(value: f64) -> i64 {
    libm::round(value) as i64
}
