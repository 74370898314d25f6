//! From RTC time, the raw clock and samples of references to one estimate of UTC: how the flywheels
//! are calibrated, whom to believe, and how the result is put out without jumps. All of it is pure:
//! readings of clocks are passed in.

pub mod calibration;
pub mod selection;
pub mod smoothing;
pub mod timekeeper;
