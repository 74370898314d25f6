//! The start of a second by interrupt: the RTC's 1 Hz output wired to a pin of the Pi.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jaudiosync_time::{Axis, ClockMap, Instant, Rate, Raw, Span};
use rppal::gpio::{Gpio, InputPin, Trigger};
use rustix::time::{ClockId, clock_gettime};

use super::SimulatedDs3231Handle;
use crate::bracketed::bracketed;
use crate::clocks::{Clocks, MachineClocks, instant};
use crate::gpio::{BackendChoice, CharacterDevice, DeviceEdges, LineUsers, PinTrouble, board_error};
use crate::world::World;

/// Waits for the moments at which the RTC's seconds begin.
pub trait SecondEdge: Send {
    /// Waits for the next edge and returns when it was; `None` if there was none within `timeout`.
    /// An edge before the call does not count.
    ///
    /// # Errors
    /// When the pin cannot be waited for.
    fn wait_edge(&mut self, timeout: Duration) -> Result<Option<Instant<Raw>>, SecondEdgeError>;
}

/// Why the pin cannot be waited for.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum SecondEdgeError {
    /// The pin cannot be had.
    #[error("GPIO{pin} cannot be used for the RTC's 1 Hz output: {reason}; leave sqw_gpio out to read edges over I2C")]
    NoPin {
        /// Number of the pin (BCM).
        pin: u8,
        /// What the library reports.
        reason: String,
    },
    /// Waiting failed.
    #[error("waiting for the RTC's 1 Hz output failed: {0}")]
    Wait(String),
}

/// A pin of the Pi to which INT/SQW is wired.
///
/// According to the datasheet the wave rises 500 ms after the seconds register was written, so it
/// falls where the second begins. The output is open-drain; the pin's own pull-up is enabled.
#[derive(Debug)]
pub struct GpioSecondEdge(Source);

#[derive(Debug)]
enum Source {
    Rppal(InputPin),
    Device(DeviceEdges),
}

impl GpioSecondEdge {
    /// Takes the pin of this number (BCM), unless something else uses it. The chip's output must be
    /// enabled as well.
    ///
    /// # Errors
    /// When this is not a Raspberry Pi, or the pin is in use or not permitted.
    pub fn new(pin: u8, choice: BackendChoice) -> Result<Self, SecondEdgeError> {
        let device = CharacterDevice::open();
        let user = device.as_ref().ok().and_then(|device| device.user(pin));
        let source = match (user, choice, device) {
            (Some(user), ..) => Err(PinTrouble::Taken(user)),
            (None, BackendChoice::Rppal, _) => Self::by_rppal(pin),
            (None, BackendChoice::Gpiocdev, device) => {
                device.map_err(PinTrouble::Failed).and_then(|device| device.edges(pin)).map(Source::Device)
            }
            (None, BackendChoice::Auto, device) => Self::by_rppal(pin).or_else(|trouble| match device {
                Ok(device) => device.edges(pin).map(Source::Device),
                Err(_) => Err(trouble),
            }),
        };
        source.map(Self).map_err(|trouble| SecondEdgeError::NoPin {
            pin,
            reason: match trouble {
                PinTrouble::Taken(user) => format!("it belongs to {user}"),
                PinTrouble::Failed(error) => error.to_string(),
            },
        })
    }

    fn by_rppal(pin: u8) -> Result<Source, PinTrouble> {
        let failed = |error| PinTrouble::Failed(board_error(error));
        let mut input = Gpio::new().and_then(|gpio| gpio.get(pin)).map_err(failed)?.into_input_pullup();
        input.set_interrupt(Trigger::FallingEdge, None).map_err(failed)?;
        Ok(Source::Rppal(input))
    }
}

impl SecondEdge for GpioSecondEdge {
    /// While this waits, rppal lets no other thread wait for an interrupt of any pin.
    fn wait_edge(&mut self, timeout: Duration) -> Result<Option<Instant<Raw>>, SecondEdgeError> {
        let stamp = match &mut self.0 {
            Source::Rppal(input) => {
                let event = input.poll_interrupt(true, Some(timeout)).map_err(|error| error.to_string());
                event.map(|event| event.map(|event| event.timestamp))
            }
            Source::Device(edges) => edges.wait(timeout).map_err(|error| error.to_string()),
        };
        // Neither asks for a particular clock, so the kernel stamps the edge with CLOCK_MONOTONIC,
        // in the interrupt (include/uapi/linux/gpio.h, struct gpio_v2_line_event).
        let stamp = stamp.map_err(SecondEdgeError::Wait)?;
        Ok(stamp.map(|stamp| monotonic_to_raw().apply(Instant::ZERO + Span::from_duration(stamp))))
    }
}

/// `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Monotonic;

impl Axis for Monotonic {
    const NAME: &'static str = "monotonic clock";
}

/// Compares the two clocks, for a moment just past. `CLOCK_MONOTONIC` is slewed by up to 500 ppm:
/// over the millisecond since an edge that is less than 1 µs, so both are taken to run alike.
fn monotonic_to_raw() -> ClockMap<Monotonic, Raw> {
    let (raw, monotonic) =
        bracketed(|| MachineClocks.raw(), || instant::<Monotonic>(clock_gettime(ClockId::Monotonic)));
    ClockMap { from: monotonic, to: raw, rate: Rate::ZERO }
}

/// The pin of a simulated chip.
pub struct SimulatedSecondEdge {
    world: Arc<dyn World>,
    clocks: Arc<dyn Clocks>,
    chip: SimulatedDs3231Handle,
    random: Rng,
}

/// The interrupt is served within this time after the edge, in ns.
const INTERRUPT_NS: std::ops::Range<i64> = 2_000..30_000;
/// The program runs within this time after that, in ns.
const WAKE_UP_NS: std::ops::Range<i64> = 20_000..200_000;

impl SimulatedSecondEdge {
    /// Makes the pin for the 1 Hz output of this chip, in the chip's own world, on a box with these
    /// clocks.
    pub fn new(world: Arc<dyn World>, clocks: Arc<dyn Clocks>, chip: SimulatedDs3231Handle, seed: u64) -> Self {
        Self { world, clocks, chip, random: Rng::with_seed(seed) }
    }

    fn spend_random(&mut self, range_ns: std::ops::Range<i64>) {
        self.world.spend(Span::from_ns(self.random.i64(range_ns)));
    }
}

impl SecondEdge for SimulatedSecondEdge {
    fn wait_edge(&mut self, timeout: Duration) -> Result<Option<Instant<Raw>>, SecondEdgeError> {
        let deadline = self.world.true_time() + Span::from_duration(timeout);
        let mut edge = self.chip.next_edge();
        loop {
            let now = self.world.true_time();
            if !self.chip.gives_1hz() || edge > deadline {
                self.world.spend((deadline - now).max(Span::ZERO));
                return Ok(None);
            }
            self.world.spend((edge - now).max(Span::ZERO));
            // Meanwhile the chip may have trimmed itself, and the edge have moved a little later.
            let next = self.chip.next_edge();
            if next - edge > Span::SECOND / 2 {
                break;
            }
            edge = next;
        }
        self.spend_random(INTERRUPT_NS);
        let stamp = self.clocks.raw();
        self.spend_random(WAKE_UP_NS);
        Ok(Some(stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monotonic_moment_is_found_on_the_raw_clock() {
        let before = MachineClocks.raw();
        let map = monotonic_to_raw();
        let after = MachineClocks.raw();
        assert!((before..=after).contains(&map.apply(map.from)), "the clocks are read at one moment");
        let earlier = map.apply(map.from - Span::from_us(100));
        assert_eq!(earlier, map.to - Span::from_us(100));
    }

    #[test]
    fn without_a_raspberry_pi_the_error_names_the_pin_and_the_way_out() {
        if let Err(error) = GpioSecondEdge::new(27, BackendChoice::Auto) {
            let said = error.to_string();
            assert!(said.contains("GPIO27") && said.contains("sqw_gpio"), "{said}");
        }
    }
}
