//! What simulated devices live in: true time, which passes when something is waited for, and the
//! weather.

use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, True, Utc};

use crate::clocks::{ClockPair, Clocks, MachineClocks};

/// The surroundings of a simulated device. A simulated box has one, which its clocks, its RTC and
/// its DAC share.
pub trait World: Send + Sync {
    /// Returns the true time now.
    fn true_time(&self) -> Instant<True>;

    /// Lets time pass, for whatever takes time: a transfer on the bus, a preempted thread.
    fn spend(&self, span: Span);

    /// Returns the temperature at the box now, in degrees Celsius.
    fn temperature_c(&self) -> f64;
}

/// The real world, for a simulated device on a desk: true time is what the system clock showed at
/// the start, carried on by the raw clock, and waiting takes as long as it does.
#[derive(Debug)]
pub struct DeskWorld {
    clocks: MachineClocks,
    raw_to_true: ClockMap<Raw, True>,
}

impl Default for DeskWorld {
    fn default() -> Self {
        let now = ClockPair::read(&MachineClocks);
        // On a desk the system's UTC is as true as time gets.
        let to = ClockMap::<Utc, True>::with_offset(now.utc, Span::ZERO, Rate::ZERO).to;
        Self { clocks: MachineClocks, raw_to_true: ClockMap { from: now.raw, to, rate: Rate::ZERO } }
    }
}

impl World for DeskWorld {
    fn true_time(&self) -> Instant<True> {
        self.raw_to_true.apply(self.clocks.raw())
    }

    fn spend(&self, span: Span) {
        if let Some(duration) = span.to_duration() {
            std::thread::sleep(duration);
        }
    }

    /// Room temperature.
    fn temperature_c(&self) -> f64 {
        21.0
    }
}
