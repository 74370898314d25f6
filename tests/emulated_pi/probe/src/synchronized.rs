//! What a daemon that keeps the system clock says to the kernel, here without one.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use clock_steering::unix::UnixClock;
use clock_steering::{Clock as _, LeapIndicator};

const ESTIMATED_ERROR: Duration = Duration::from_micros(100);
const LARGEST_ERROR: Duration = Duration::from_micros(500);

/// Report to the kernel that its clock is synchronized
#[derive(Debug, Args)]
pub(super) struct Synchronized {}

impl Synchronized {
    pub(super) fn run(&self) -> Result<()> {
        UnixClock::CLOCK_REALTIME.set_leap_seconds(LeapIndicator::NoWarning)?;
        UnixClock::CLOCK_REALTIME.error_estimate_update(ESTIMATED_ERROR, LARGEST_ERROR)?;
        Ok(())
    }
}
