//! The simulated bus: how long everything takes on the wires, when the chip latches, and what can
//! go wrong.

use std::fmt;
use std::sync::{Arc, Mutex};

use embedded_hal::i2c::{Error, ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use fastrand::Rng;
use jaudiosync_time::Span;

use super::chip::Chip;
use super::handle::SimulatedDs3231Handle;
use super::model::Ds3231Model;
use super::shared::{Faults, Shared, Traffic, lock};
use crate::rtc::registers::{ADDRESS, SECONDS};
use crate::world::World;

/// Eight bits and the acknowledge.
const BITS_PER_BYTE: i64 = 9;

/// A simulated DS3231 on its bus, as the program sees it: what the real driver is given. Clones are
/// the same chip.
#[derive(Clone)]
pub struct SimulatedDs3231 {
    world: Arc<dyn World>,
    shared: Arc<Mutex<Shared>>,
    model: Ds3231Model,
    random: Rng,
}

/// Why a simulated transfer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimulatedBusError {
    /// Nobody acknowledged.
    NoAcknowledge,
    /// The wires were held low until the kernel gave up.
    Timeout,
}

impl fmt::Display for SimulatedBusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAcknowledge => "no acknowledge",
            Self::Timeout => "the transfer timed out; something holds SDA or SCL low",
        })
    }
}

impl std::error::Error for SimulatedBusError {}

impl Error for SimulatedBusError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoAcknowledge => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown),
            Self::Timeout => ErrorKind::Bus,
        }
    }
}

impl SimulatedDs3231 {
    /// Makes a chip in this world that runs and has been set, and a handle on it. Everything random
    /// follows from the seed.
    ///
    /// Transfers let time pass in the world. The world's `true_time` and `temperature_c` must not
    /// use the handle.
    pub fn new(world: Arc<dyn World>, model: Ds3231Model, seed: u64) -> (Self, SimulatedDs3231Handle) {
        let mut random = Rng::with_seed(seed);
        // The temperature conversions fall anywhere in their interval.
        let to_conversion = Span::from_ns(random.i64(1..=model.conversion_interval().ns()));
        let chip = Chip::new(model, to_conversion, world.as_ref());
        let shared = Shared { chip, faults: Faults::default(), traffic: Traffic::default() };
        let shared = Arc::new(Mutex::new(shared));
        let handle = SimulatedDs3231Handle::new(world.clone(), shared.clone());
        (Self { world, shared, model, random }, handle)
    }

    fn transfer(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
        wires: &mut Wires<'_>,
    ) -> Result<(), SimulatedBusError> {
        let (faults, is_there) = {
            let mut shared = lock(&self.shared);
            let faults = shared.faults;
            shared.faults.unanswered_transfers = faults.unanswered_transfers.saturating_sub(1);
            (faults, address == ADDRESS && shared.chip.is_on_the_bus())
        };
        if let Some(stuck_for) = faults.stuck_for {
            wires.pass(stuck_for);
            return Err(SimulatedBusError::Timeout);
        }
        if let Some(transfer) = faults.transfer {
            wires.bit = (transfer / bits(operations)).max(wires.bit);
        }
        let answers = is_there && !faults.is_silent && faults.unanswered_transfers == 0;
        let mut was_read = None;
        for operation in operations {
            let is_read = matches!(operation, Operation::Read(_));
            // Operations of one kind in a row are one message, without a START between them.
            let is_new = was_read != Some(is_read);
            if is_new {
                wires.pass_bits(1);
                if is_read && answers {
                    wires.catch_up();
                    lock(&self.shared).chip.latch(self.world.as_ref());
                }
                wires.pass_bits(BITS_PER_BYTE);
                if !answers {
                    wires.pass_bits(1);
                    return Err(SimulatedBusError::NoAcknowledge);
                }
            }
            was_read = Some(is_read);
            match operation {
                Operation::Read(values) => self.read_message(values, wires),
                Operation::Write(values) => self.write_message(values, is_new, wires),
            }
        }
        wires.pass_bits(1);
        Ok(())
    }

    fn read_message(&self, values: &mut [u8], wires: &mut Wires<'_>) {
        for value in values {
            let latches_behind = lock(&self.shared).chip.is_at_last_register();
            wires.pass_bits(BITS_PER_BYTE);
            if latches_behind {
                wires.catch_up();
            }
            *value = lock(&self.shared).chip.read(self.world.as_ref());
        }
    }

    fn write_message(&self, values: &[u8], is_new: bool, wires: &mut Wires<'_>) {
        let (pointer, values) = match values {
            [pointer, values @ ..] if is_new => (Some(*pointer), values),
            values => (None, values),
        };
        if let Some(pointer) = pointer {
            wires.pass_bits(BITS_PER_BYTE);
            lock(&self.shared).chip.set_pointer(pointer);
        }
        for value in values {
            // A byte takes effect at its acknowledge.
            wires.pass_bits(BITS_PER_BYTE);
            wires.catch_up();
            let shared = &mut *lock(&self.shared);
            if !shared.chip.is_on_the_bus() {
                return;
            }
            shared.chip.write(*value, self.world.as_ref());
            if pointer == Some(SECONDS) && std::mem::take(&mut shared.faults.cut_after_seconds) {
                shared.chip.cut_power(false);
            }
        }
    }
}

impl ErrorType for SimulatedDs3231 {
    type Error = SimulatedBusError;
}

impl I2c for SimulatedDs3231 {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), SimulatedBusError> {
        let bus = self.model.bus;
        let world = self.world.clone();
        let mut wires = Wires {
            world: world.as_ref(),
            bit: Span::SECOND / i64::from(bus.frequency_hz.max(1)),
            pending: bus.delay(&mut self.random),
            busy: Span::ZERO,
        };
        let result = self.transfer(address, operations, &mut wires);
        let busy = wires.busy;
        wires.pending += bus.delay(&mut self.random);
        wires.catch_up();
        let traffic = &mut lock(&self.shared).traffic;
        traffic.transfers += 1;
        traffic.busy += busy;
        result
    }
}

/// Counts START, address and bytes of each message, and one STOP.
fn bits(operations: &[Operation<'_>]) -> i64 {
    let mut bits = 1;
    let mut was_read = None;
    for operation in operations {
        let (is_read, length) = match operation {
            Operation::Read(values) => (true, values.len()),
            Operation::Write(values) => (false, values.len()),
        };
        bits += length as i64 * BITS_PER_BYTE + if was_read != Some(is_read) { 1 + BITS_PER_BYTE } else { 0 };
        was_read = Some(is_read);
    }
    bits
}

/// Time on the wires. It passes in the world only when something depends on it, which saves most of
/// the work.
struct Wires<'a> {
    world: &'a dyn World,
    bit: Span,
    pending: Span,
    busy: Span,
}

impl Wires<'_> {
    fn pass_bits(&mut self, bits: i64) {
        self.pass(self.bit * bits);
    }

    fn pass(&mut self, span: Span) {
        self.pending += span;
        self.busy += span;
    }

    fn catch_up(&mut self) {
        self.world.spend(std::mem::take(&mut self.pending));
    }
}
