//! From RTC time, the raw clock and samples of references to one estimate of UTC: how the flywheels
//! are calibrated, which sources are believed, and how the result is smoothed. All of it is pure:
//! readings of clocks are passed in, and nothing here may touch a device.

pub mod calibration;
pub mod group;
pub mod selection;
pub mod smoothing;
pub mod timekeeper;
