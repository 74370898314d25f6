//! The edge of the second by interrupt: the RTC's 1 Hz output wired to a pin of the Pi.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use rppal::gpio::{Gpio, InputPin, Trigger};
use rustix::time::{ClockId, clock_gettime};

use super::SimulatedDs3231Handle;
use crate::clocks::{Clocks, NS_PER_S, read_between, to_ns};
use crate::world::World;

/// Waits for the moments at which the RTC's seconds change.
pub trait SecondEdge: Send {
    /// Waits for the next edge and returns when it was, in ns of `CLOCK_MONOTONIC_RAW`; `None` when there was none within
    /// `timeout`. An edge before the call does not count.
    ///
    /// # Errors
    /// When the pin cannot be waited for.
    fn wait_edge(&mut self, timeout: Duration) -> Result<Option<i64>, SecondEdgeError>;
}

/// Why the pin cannot be waited for.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum SecondEdgeError {
    /// The pin cannot be had.
    #[error(
        "GPIO {pin} cannot be used for the RTC's 1 Hz output: {reason}; leave sqw_gpio away to read edges over I2C"
    )]
    NoPin {
        /// Number of the pin (BCM).
        pin: u8,
        /// What the library says.
        reason: String,
    },
    /// Waiting failed.
    #[error("waiting for the RTC's 1 Hz output failed: {0}")]
    Wait(String),
}

/// A pin of the Pi to which INT/SQW is wired.
///
/// The datasheet tells that the wave rises 500 ms after the seconds register was written: so it falls where the second
/// begins. The output is open-drain; the pin's own pull-up is switched on.
#[derive(Debug)]
pub struct GpioSecondEdge(InputPin);

impl GpioSecondEdge {
    /// Takes the pin of this number (BCM). The chip's output must be enabled as well.
    ///
    /// # Errors
    /// When this is no Raspberry Pi, or the pin is in use or may not be used.
    pub fn new(pin: u8) -> Result<Self, SecondEdgeError> {
        let no_pin = |error: rppal::gpio::Error| SecondEdgeError::NoPin { pin, reason: error.to_string() };
        let mut input = Gpio::new().and_then(|gpio| gpio.get(pin)).map_err(no_pin)?.into_input_pullup();
        input.set_interrupt(Trigger::FallingEdge, None).map_err(no_pin)?;
        Ok(Self(input))
    }
}

impl SecondEdge for GpioSecondEdge {
    /// While this waits, rppal lets no other thread wait for an interrupt of any pin.
    fn wait_edge(&mut self, timeout: Duration) -> Result<Option<i64>, SecondEdgeError> {
        let event =
            self.0.poll_interrupt(true, Some(timeout)).map_err(|error| SecondEdgeError::Wait(error.to_string()))?;
        // rppal asks for no other clock, so the kernel stamps the edge with CLOCK_MONOTONIC, in the interrupt
        // (include/uapi/linux/gpio.h, struct gpio_v2_line_event).
        Ok(event.map(|event| {
            let edge_ns = i64::try_from(event.timestamp.as_nanos()).unwrap_or(i64::MAX);
            MonotonicPair::read().raw_ns_of(edge_ns)
        }))
    }
}

/// `CLOCK_MONOTONIC` and `CLOCK_MONOTONIC_RAW` at one moment, in ns.
#[derive(Debug, Clone, Copy)]
struct MonotonicPair {
    monotonic_ns: i64,
    raw_ns: i64,
}

impl MonotonicPair {
    fn read() -> Self {
        let now_ns = |clock| to_ns(clock_gettime(clock));
        let (raw_ns, monotonic_ns) = read_between(|| now_ns(ClockId::MonotonicRaw), || now_ns(ClockId::Monotonic));
        Self { monotonic_ns, raw_ns }
    }

    /// The raw time of a moment just past. `CLOCK_MONOTONIC` is slewed by up to 500 ppm: of the millisecond since the edge
    /// that is less than 1 µs.
    fn raw_ns_of(self, monotonic_ns: i64) -> i64 {
        self.raw_ns.saturating_sub(self.monotonic_ns.saturating_sub(monotonic_ns))
    }
}

/// The pin of a simulated chip.
pub struct SimulatedSecondEdge {
    world: Arc<dyn World>,
    clocks: Arc<dyn Clocks>,
    chip: SimulatedDs3231Handle,
    random: Rng,
}

/// The interrupt is served within this after the edge, in ns.
const INTERRUPT_NS: std::ops::Range<i64> = 2_000..30_000;
/// And the program runs within this after that, in ns.
const WAKE_UP_NS: std::ops::Range<i64> = 20_000..200_000;

impl SimulatedSecondEdge {
    /// The 1 Hz output of this chip, in the world in which it is, seen by a box with these clocks.
    pub fn new(world: Arc<dyn World>, clocks: Arc<dyn Clocks>, chip: SimulatedDs3231Handle, seed: u64) -> Self {
        Self { world, clocks, chip, random: Rng::with_seed(seed) }
    }
}

impl SecondEdge for SimulatedSecondEdge {
    fn wait_edge(&mut self, timeout: Duration) -> Result<Option<i64>, SecondEdgeError> {
        let timeout_ns = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
        let deadline_ns = self.world.true_ns().saturating_add(timeout_ns);
        let mut edge_ns = self.chip.next_edge_true_ns();
        loop {
            let now_ns = self.world.true_ns();
            if !self.chip.gives_1hz() || edge_ns > deadline_ns {
                self.world.spend((deadline_ns - now_ns).max(0));
                return Ok(None);
            }
            self.world.spend((edge_ns - now_ns).max(0));
            // On the way there the chip may have trimmed itself, and the edge be a little further still.
            let next_ns = self.chip.next_edge_true_ns();
            if next_ns - edge_ns > NS_PER_S / 2 {
                break;
            }
            edge_ns = next_ns;
        }
        self.world.spend(self.random.i64(INTERRUPT_NS));
        let raw_ns = self.clocks.raw_ns();
        self.world.spend(self.random.i64(WAKE_UP_NS));
        Ok(Some(raw_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monotonic_moment_is_found_on_the_raw_clock() {
        let pair = MonotonicPair { monotonic_ns: 1_000_000, raw_ns: 5_000_000 };
        assert_eq!(pair.raw_ns_of(900_000), 4_900_000);
    }

    #[test]
    fn the_two_clocks_are_read_at_one_moment() {
        let clocks = crate::clocks::MachineClocks;
        let before_ns = clocks.raw_ns();
        let pair = MonotonicPair::read();
        let after_ns = clocks.raw_ns();
        assert!((before_ns..=after_ns).contains(&pair.raw_ns_of(pair.monotonic_ns)));
    }

    #[test]
    fn without_a_raspberry_pi_the_error_names_the_pin_and_the_way_out() {
        if let Err(error) = GpioSecondEdge::new(27) {
            let said = error.to_string();
            assert!(said.contains("GPIO 27") && said.contains("sqw_gpio"), "{said}");
        }
    }
}
