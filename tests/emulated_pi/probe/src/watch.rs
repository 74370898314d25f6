//! When a pin changes: comparing that with when it was changed from outside compares the clocks.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use rppal::gpio::Gpio;

/// Print when a pin changes, and exit
///
/// Prints two instants on CLOCK_MONOTONIC_RAW, in ns, between which it changed.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// The pin's GPIO number
    gpio: u8,
    /// How many changes to watch for
    #[arg(long, default_value_t = 1)]
    changes: u32,
    /// How long to wait for each at most
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    wait: u64,
}

impl Watch {
    pub(super) fn run(&self) -> Result<()> {
        let pin = Gpio::new()?.get(self.gpio)?.into_input();
        let mut level = pin.read();
        println!("watching");
        for _ in 0..self.changes {
            let deadline = Instant::now() + Duration::from_secs(self.wait);
            // A change is between the beginning of the last reading of the old level and the end of
            // the first of the new one.
            let mut looked = MachineClocks.raw();
            loop {
                let begun = MachineClocks.raw();
                if pin.read() != level {
                    break;
                }
                looked = begun;
                if Instant::now() > deadline {
                    bail!("GPIO{} has not changed", self.gpio);
                }
            }
            println!("changed {} {}", looked.ns(), MachineClocks.raw().ns());
            level = pin.read();
        }
        Ok(())
    }
}
