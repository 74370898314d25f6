//! What the box's clocks show at one moment.

use anyhow::Result;
use clap::Args;
use jaudiosync_hw::clocks::{ClockPair, MachineClocks};

/// Print CLOCK_MONOTONIC_RAW and CLOCK_REALTIME at one moment, in ns
#[derive(Debug, Args)]
pub(super) struct Clocks {}

impl Clocks {
    pub(super) fn run(&self) -> Result<()> {
        let ClockPair { raw, utc } = ClockPair::read(&MachineClocks);
        println!("{} {}", raw.ns(), utc.ns());
        Ok(())
    }
}
