//! What the simulated devices live in: true time, which passes when something is waited for, and the weather.

use crate::clocks::{ClockPair, Clocks, MachineClocks};

/// The surroundings of a simulated device. A simulated box has one, which its clocks, its RTC and its DAC share.
pub trait World: Send + Sync {
    /// True UTC now, in ns since the Unix epoch.
    fn true_ns(&self) -> i64;

    /// Lets time pass, for what takes its time: a transfer on the bus, a thread put aside.
    fn spend(&self, ns: i64);

    /// The temperature at the box now, in degrees Celsius.
    fn temperature_c(&self) -> f64;
}

/// The real world, for a simulated device on a desk: true time is what the system clock showed at the beginning, carried on
/// by the raw clock, and waiting takes its time.
#[derive(Debug)]
pub struct DeskWorld {
    clocks: MachineClocks,
    raw_to_utc_ns: i64,
}

impl Default for DeskWorld {
    fn default() -> Self {
        let now = ClockPair::read(&MachineClocks);
        Self { clocks: MachineClocks, raw_to_utc_ns: now.utc.ns() - now.raw.ns() }
    }
}

impl World for DeskWorld {
    fn true_ns(&self) -> i64 {
        self.clocks.raw_ns().saturating_add(self.raw_to_utc_ns)
    }

    fn spend(&self, ns: i64) {
        if let Ok(ns) = u64::try_from(ns) {
            std::thread::sleep(std::time::Duration::from_nanos(ns));
        }
    }

    /// A room.
    fn temperature_c(&self) -> f64 {
        21.0
    }
}
