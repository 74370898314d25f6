//! placeholder

/// placeholder
pub trait SystemClock: Send {
    /// Steps.
    ///
    /// # Errors
    /// x
    fn step(&mut self, by_ns: i64) -> Result<(), SystemClockError>;
    /// Sets.
    ///
    /// # Errors
    /// x
    fn set_frequency_ppb(&mut self, ppb: f64) -> Result<(), SystemClockError>;
}
/// placeholder
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct SystemClockError;
