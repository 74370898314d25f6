//! How far one sound is behind another, to a fraction of a frame, by cross-correlation.
//!
//! [`lag_by_second`] compares two channels second by second, [`lag_by_window`] in windows of any
//! length, [`best_lag`] two pieces; [`best_match`] finds where a template fits into a signal. The
//! program measures two boxes with it, and `measure` the program: both say the same of the same
//! recording. Pure arithmetic: it knows nothing of files, devices or time.

#![warn(missing_docs)]

mod fit;
mod lag;
pub mod test_signals;

pub use fit::{MARGIN, Match, best_match};
pub use lag::{Lag, SecondLag, WindowLag, best_lag, lag_by_second, lag_by_window};
