//! A serial EEPROM simulated down to the bytes on its bus: its page buffer, its write cycle, and a
//! power cut at any moment.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use fastrand::Rng;
use jaudiosync_time::{Instant, Span, True};

use super::recognition::ADDRESS;
use crate::world::World;

/// START, STOP and nine bits a byte at 100 kHz.
const BYTE: Span = Span::from_us(90);
const WRITE_CYCLE: Span = Span::from_ms(5);

/// What kind of chip it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes of address, 1 or 2.
    pub address_bytes: usize,
    /// Its size in bytes.
    pub capacity_bytes: usize,
    /// Its pages, in bytes.
    pub page_bytes: usize,
}

impl Memory {
    /// The chip on clock modules.
    pub const AT24C32: Self = Self { address_bytes: 2, capacity_bytes: 4096, page_bytes: 32 };
    /// A smaller one, for which the second byte of an address is data.
    pub const AT24C02: Self = Self { address_bytes: 1, capacity_bytes: 256, page_bytes: 8 };
    /// The largest of those.
    pub const AT24C16: Self = Self { address_bytes: 1, capacity_bytes: 2048, page_bytes: 16 };
}

struct Chip {
    memory: Memory,
    contents: Vec<u8>,
    /// Where it continues to read.
    place: usize,
    /// What is being written: the page's beginning, and its new contents.
    cycle: Option<Cycle>,
    has_power: bool,
    /// Bytes and write cycles until the power is cut.
    cut_after: Option<usize>,
    pages_written: u64,
    transfers: u64,
    random: Rng,
}

struct Cycle {
    page: usize,
    bytes: Vec<u8>,
    ends: Instant<True>,
}

/// The chip on its bus, as the program sees it. Clones are the same chip.
#[derive(Clone)]
pub struct SimulatedEeprom {
    world: Arc<dyn World>,
    chip: Arc<Mutex<Chip>>,
}

/// Cuts the chip's power, and knows what it holds. Clones belong to the same chip.
#[derive(Clone)]
pub struct SimulatedEepromHandle {
    world: Arc<dyn World>,
    chip: Arc<Mutex<Chip>>,
}

/// Nobody acknowledged: the chip writes, or has no power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulatedEepromBusError;

impl fmt::Display for SimulatedEepromBusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no acknowledge")
    }
}

impl std::error::Error for SimulatedEepromBusError {}

impl embedded_hal::i2c::Error for SimulatedEepromBusError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown)
    }
}

fn lock(chip: &Mutex<Chip>) -> MutexGuard<'_, Chip> {
    // A panic elsewhere leaves the chip as it was, which is all a simulation needs.
    chip.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimulatedEeprom {
    /// Makes an empty chip in this world, and a handle on it. Everything random follows from the
    /// seed.
    pub fn new(world: Arc<dyn World>, memory: Memory, seed: u64) -> (Self, SimulatedEepromHandle) {
        let chip = Chip {
            memory,
            contents: vec![0xFF; memory.capacity_bytes],
            place: 0,
            cycle: None,
            has_power: true,
            cut_after: None,
            pages_written: 0,
            transfers: 0,
            random: Rng::with_seed(seed),
        };
        let chip = Arc::new(Mutex::new(chip));
        (Self { world: world.clone(), chip: chip.clone() }, SimulatedEepromHandle { world, chip })
    }
}

impl SimulatedEepromHandle {
    /// Cuts the power now: a page that is being written holds some of its bits, and what has not
    /// begun is not written.
    pub fn cut_power(&self) {
        let now = self.world.true_time();
        lock(&self.chip).cut_power(now);
    }

    /// Cuts the power after this many bytes on the bus and write cycles; 0 is at once. A cut that
    /// falls on a write cycle leaves some bits of the page.
    pub fn cut_power_after(&self, bytes_and_cycles: usize) {
        lock(&self.chip).cut_after = Some(bytes_and_cycles);
    }

    /// Restores the power. The chip begins to read at its beginning.
    pub fn power_on(&self) {
        let chip = &mut lock(&self.chip);
        chip.has_power = true;
        chip.cut_after = None;
        chip.place = 0;
    }

    /// Returns whether the chip has power.
    pub fn has_power(&self) -> bool {
        lock(&self.chip).has_power
    }

    /// Returns what the chip holds.
    pub fn contents(&self) -> Vec<u8> {
        let now = self.world.true_time();
        let mut chip = lock(&self.chip);
        chip.catch_up(now);
        chip.contents.clone()
    }

    /// Puts bytes into the chip from its beginning on, as a programmer would.
    pub fn program(&self, bytes: &[u8]) {
        let contents = &mut lock(&self.chip).contents;
        contents.iter_mut().zip(bytes).for_each(|(place, value)| *place = *value);
    }

    /// Sets where the chip continues to read.
    pub fn set_place(&self, place: usize) {
        lock(&self.chip).place = place;
    }

    /// Returns how many pages were written so far.
    pub fn pages_written(&self) -> u64 {
        lock(&self.chip).pages_written
    }

    /// Returns the number of transfers so far, also of those that were not acknowledged.
    pub fn transfers(&self) -> u64 {
        lock(&self.chip).transfers
    }
}

impl Chip {
    fn catch_up(&mut self, now: Instant<True>) {
        if let Some(cycle) = self.cycle.take_if(|cycle| cycle.ends <= now) {
            let page = cycle.page..cycle.page + cycle.bytes.len();
            self.contents[page].copy_from_slice(&cycle.bytes);
        }
    }

    fn cut_power(&mut self, now: Instant<True>) {
        self.catch_up(now);
        if let Some(cycle) = self.cycle.take() {
            self.tear(&cycle);
        }
        self.has_power = false;
    }

    /// Erasing turns bits to 1, writing turns some to 0; either may be cut.
    fn tear(&mut self, cycle: &Cycle) {
        let erases = self.random.bool();
        for (offset, new) in cycle.bytes.iter().enumerate() {
            let missing = self.random.u8(..);
            let place = &mut self.contents[cycle.page + offset];
            *place = if erases { *place | missing } else { new | missing };
        }
    }

    /// Counts a byte or a write cycle; returns whether the power is still there.
    fn has_power_for_one_more(&mut self) -> bool {
        match &mut self.cut_after {
            Some(0) => self.has_power = false,
            Some(left) => *left -= 1,
            None => {}
        }
        self.has_power
    }

    /// Writes what the page buffer has received, at the STOP.
    fn stop(&mut self, written: &[u8], now: Instant<True>) {
        let Memory { page_bytes, .. } = self.memory;
        let page = self.place / page_bytes * page_bytes;
        let mut bytes = self.contents[page..page + page_bytes].to_vec();
        for value in written {
            // Behind its end a page begins again.
            bytes[self.place - page] = *value;
            self.place = page + (self.place - page + 1) % page_bytes;
        }
        self.pages_written += 1;
        let cycle = Cycle { page, bytes, ends: now + WRITE_CYCLE };
        if self.has_power_for_one_more() {
            self.cycle = Some(cycle);
        } else {
            self.tear(&cycle);
        }
    }

    fn send(&mut self, values: &mut [u8]) {
        for value in values {
            *value = self.contents[self.place];
            self.place = (self.place + 1) % self.memory.capacity_bytes;
        }
    }

    /// Receives the bytes of a message; the last are data if there are more than an address has.
    fn receive(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let Memory { address_bytes, capacity_bytes, .. } = self.memory;
        if bytes.iter().any(|_| !self.has_power_for_one_more()) {
            return None;
        }
        if let Some(address) = bytes.get(..address_bytes) {
            let place = address.iter().fold(0, |place, byte| place << 8 | usize::from(*byte));
            self.place = place % capacity_bytes;
        }
        Some(bytes.get(address_bytes..).unwrap_or_default().to_vec())
    }
}

impl ErrorType for SimulatedEeprom {
    type Error = SimulatedEepromBusError;
}

impl I2c for SimulatedEeprom {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), SimulatedEepromBusError> {
        let mut messages = || {
            let chip = &mut lock(&self.chip);
            chip.transfers += 1;
            chip.catch_up(self.world.true_time());
            if address != ADDRESS || !chip.has_power || chip.cycle.is_some() {
                return Err(SimulatedEepromBusError);
            }
            let mut unwritten = Vec::new();
            for operation in operations.iter_mut() {
                // A START instead of a STOP: what the page buffer has received is dropped.
                unwritten.clear();
                match operation {
                    Operation::Write(bytes) => unwritten = chip.receive(bytes).ok_or(SimulatedEepromBusError)?,
                    Operation::Read(values) => chip.send(values),
                }
            }
            Ok(unwritten)
        };
        let unwritten = messages();
        let bytes: usize = operations
            .iter()
            .map(|operation| match operation {
                Operation::Write(bytes) => bytes.len() + 1,
                Operation::Read(values) => values.len() + 1,
            })
            .sum();
        self.world.spend(BYTE * if unwritten.is_ok() { bytes as i64 } else { 1 });
        let unwritten = unwritten?;
        if !unwritten.is_empty() {
            let now = self.world.true_time();
            lock(&self.chip).stop(&unwritten, now);
        }
        Ok(())
    }
}
