//! Time on more than one clock, so that clocks cannot be mixed up.
//!
//! A box has a raw clock, an RTC and an estimate of UTC; a simulation has true time as well. Each
//! is an [`Axis`], and an [`Instant`] belongs to exactly one of them. The difference of two
//! instants of one axis is a [`Span`]; instants of two axes have no difference:
//!
//! ```compile_fail
//! use jaudiosync_time::{Instant, Rtc, Utc};
//!
//! let utc = Instant::<Utc>::from_ns(1_800_000_000_000_000_000);
//! let rtc = Instant::<Rtc>::from_ns(1_800_000_000_000_000_000);
//! let offset = utc - rtc; // error: no implementation for `Instant<Utc> - Instant<Rtc>`
//! ```
//!
//! Only a [`ClockMap`] leads from one axis to another, and maps compose:
//!
//! ```
//! use jaudiosync_time::{ClockMap, Instant, Raw, Rate, Rtc, Span, Utc};
//!
//! let raw_to_rtc = ClockMap::<Raw, Rtc> {
//!     from: Instant::from_ns(0),
//!     to: Instant::from_second(1_800_000_000),
//!     rate: Rate::from_ppb(2_000.0),
//! };
//! let rtc_to_utc = ClockMap::<Rtc, Utc> {
//!     from: raw_to_rtc.to,
//!     to: Instant::from_second(1_800_000_000) + Span::from_ms(3),
//!     rate: Rate::from_ppb(-500.0),
//! };
//! let raw_to_utc: ClockMap<Raw, Utc> = raw_to_rtc.then(&rtc_to_utc);
//! let utc = raw_to_utc.apply(Instant::from_ns(0) + Span::SECOND);
//! assert_eq!(utc, Instant::from_second(1_800_000_001) + Span::from_ns(3_001_500));
//! ```
//!
//! Everything here is arithmetic: nothing reads a clock, allocates or panics, and what would
//! overflow saturates. Nothing that knows of devices, files or the timetable belongs here.

#![no_std]
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod clock_map;
mod instant;
mod kalman;
mod phase_filter;
mod rate;
mod round;
mod span;

pub use clock_map::ClockMap;
pub use instant::{Axis, Instant, Raw, Rtc, True, Utc};
pub use kalman::{Kalman, Matrix, PhaseRate, StateName};
pub use phase_filter::PhaseFilter;
pub use rate::Rate;
pub use span::Span;
