//! Chips that are sold in place of a DS3231, or sit at its address: simulated down to the bits that
//! matter here, so that it shows what a write would do to them, and whether there was one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::i2c::{ErrorType, I2c, Operation};
use fastrand::Rng;
use jaudiosync_time::{Instant, True};

use super::calendar;
use super::transfer::SimulatedBusError;
use crate::rtc::Chip;
use crate::rtc::identify::{DS1307_REGISTERS, PCF8523_REGISTERS, PCF8523_SECONDS, WHO_AM_I};
use crate::rtc::registers::ADDRESS;
use crate::world::World;

/// DS1307, seconds register: the oscillator is halted.
const DS1307_HALTED: u8 = 1 << 7;
/// PCF8523, Control_1: the clock stands still.
const PCF8523_STOP: u8 = 1 << 5;
/// PCF8523, Control_1: this value resets the chip.
const PCF8523_RESET: u8 = 0x58;
/// PCF8523 after a reset: no battery switch-over, alarms off, and the oscillator's flag set.
const PCF8523_AT_RESET: [u8; PCF8523_REGISTERS] =
    [0, 0, 0xE0, 0x80, 0, 0, 1, 6, 1, 0, 0x80, 0x80, 0x80, 0x80, 0, 0, 7, 0, 7, 0];
/// Registers of an MPU-6050.
const MOTION_SENSOR_REGISTERS: usize = 0x76;

/// A simulated chip that is not a DS3231, on its bus. Clones are the same chip; one of them is
/// given to the service, another shows what it has done.
#[derive(Clone)]
pub struct SimulatedWrongChip {
    world: Arc<dyn World>,
    state: Arc<Mutex<State>>,
}

struct State {
    kind: Chip,
    registers: Vec<u8>,
    pointer: usize,
    /// Up to when the time registers have counted.
    counted: Instant<True>,
    reads: u64,
    writes: Vec<(u8, u8)>,
}

impl SimulatedWrongChip {
    /// Makes a chip of this kind, which has been set to UTC; a DS3231 gives a chip that nobody
    /// knows. What its RAM or its sensors hold follows from the seed.
    pub fn new(world: Arc<dyn World>, kind: Chip, seed: u64) -> Self {
        let now = world.true_time();
        let time = calendar::at(now.second());
        let mut random = Rng::with_seed(seed);
        let mut noise = |count: usize| {
            let mut bytes = vec![0; count];
            random.fill(&mut bytes);
            bytes
        };
        let registers = match kind {
            Chip::Ds1307 => [&time[..], &[0x03], &noise(DS1307_REGISTERS - 8)].concat(),
            // Alarms, control, status, and the trickle charger of the DS1339.
            Chip::Ds1337 => [&time[..], &noise(7), &[0x18, 0]].concat(),
            Chip::Ds1339 => [&time[..], &noise(7), &[0x18, 0, 0]].concat(),
            Chip::Pcf8523 => {
                let mut registers = PCF8523_AT_RESET.to_vec();
                registers[2] = 0;
                registers[PCF8523_SECONDS..PCF8523_SECONDS + 7].copy_from_slice(&to_pcf8523(time));
                registers
            }
            Chip::MotionSensor => {
                let mut registers = noise(MOTION_SENSOR_REGISTERS);
                registers[usize::from(WHO_AM_I)] = 0x68;
                registers
            }
            Chip::Ds3231 | Chip::Unknown => noise(256),
        };
        let state = State { kind, registers, pointer: 0, counted: now, reads: 0, writes: Vec::new() };
        Self { world, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the chip as it was, which is all a simulation needs.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.count_until(self.world.true_time());
        state
    }

    /// Returns what was written: register and value, in order. Bytes that only select a register
    /// are none.
    pub fn writes(&self) -> Vec<(u8, u8)> {
        self.state().writes.clone()
    }

    /// Returns how many bytes were read.
    pub fn bytes_read(&self) -> u64 {
        self.state().reads
    }

    /// Returns all its registers as they are now.
    pub fn registers(&self) -> Vec<u8> {
        self.state().registers.clone()
    }

    /// Puts any value into a register.
    pub fn corrupt_register(&self, register: u8, value: u8) {
        let mut state = self.state();
        if let Some(held) = state.registers.get_mut(usize::from(register)) {
            *held = value;
        }
    }
}

impl State {
    fn count_until(&mut self, now: Instant<True>) {
        let seconds = now.second() - self.counted.second();
        self.counted = now;
        match self.kind {
            Chip::Ds1307 if self.registers[0] & DS1307_HALTED != 0 => {}
            Chip::Ds1307 | Chip::Ds1337 | Chip::Ds1339 => {
                let mut time = [0; 7];
                time.copy_from_slice(&self.registers[..7]);
                calendar::advance(&mut time, seconds);
                self.registers[..7].copy_from_slice(&time);
            }
            Chip::Pcf8523 if self.registers[0] & PCF8523_STOP == 0 => {
                let time = &mut self.registers[PCF8523_SECONDS..PCF8523_SECONDS + 7];
                let has_stopped = time[0] & 0x80;
                let [seconds_register, minutes, hours, day, weekday, month, year] = *time else { return };
                let mut counted =
                    [seconds_register & 0x7F, minutes & 0x7F, hours & 0x3F, (weekday & 7) + 1, day, month, year];
                calendar::advance(&mut counted, seconds);
                time.copy_from_slice(&to_pcf8523(counted));
                time[0] |= has_stopped;
            }
            _ => {}
        }
    }

    fn read(&mut self) -> u8 {
        let value = self.registers[self.pointer];
        self.reads += 1;
        self.step_pointer();
        value
    }

    fn write(&mut self, value: u8) {
        self.writes.push((self.pointer as u8, value));
        if self.kind == Chip::Pcf8523 && self.pointer == 0 && value == PCF8523_RESET {
            self.registers.copy_from_slice(&PCF8523_AT_RESET);
        } else {
            self.registers[self.pointer] = value;
        }
        self.step_pointer();
    }

    fn step_pointer(&mut self) {
        self.pointer = (self.pointer + 1) % self.registers.len();
    }
}

/// Returns the DS3231's time registers in the PCF8523's order: the day before the weekday, which
/// begins with 0.
fn to_pcf8523(time: [u8; 7]) -> [u8; 7] {
    let [seconds, minutes, hours, weekday, day, month, year] = time;
    [seconds, minutes, hours, day, weekday.saturating_sub(1), month, year]
}

impl ErrorType for SimulatedWrongChip {
    type Error = SimulatedBusError;
}

impl I2c for SimulatedWrongChip {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), SimulatedBusError> {
        if address != ADDRESS {
            return Err(SimulatedBusError::NoAcknowledge);
        }
        let mut state = self.state();
        let mut was_read = None;
        for operation in operations {
            match operation {
                Operation::Read(values) => values.iter_mut().for_each(|value| *value = state.read()),
                Operation::Write(values) => {
                    let selects = usize::from(was_read != Some(false));
                    if let Some(register) = values.first().filter(|_| selects == 1) {
                        state.pointer = usize::from(*register) % state.registers.len();
                    }
                    values.iter().skip(selects).for_each(|value| state.write(*value));
                }
            }
            was_read = Some(matches!(operation, Operation::Read(_)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use jaudiosync_time::Span;

    use super::super::tests::world;
    use crate::rtc::{Ds3231, RtcError, StandIn};

    const KINDS: [Chip; 6] =
        [Chip::Ds1307, Chip::Ds1337, Chip::Ds1339, Chip::Pcf8523, Chip::MotionSensor, Chip::Unknown];

    #[test]
    fn each_is_refused_by_name_and_nothing_is_written_to_it() {
        for seed in 0..50 {
            for kind in KINDS {
                let world = world();
                let chip = SimulatedWrongChip::new(world.clone(), kind, seed);
                let before = chip.registers();
                let error = Ds3231::recognize(chip.clone(), StandIn::Nothing).err();
                match kind {
                    Chip::Unknown => assert!(matches!(error, Some(RtcError::UnknownChip { .. })), "{error:?}"),
                    kind => assert_eq!(error, Some(RtcError::WrongChip(kind))),
                }
                assert!(chip.bytes_read() > 0);
                assert_eq!(chip.writes(), []);
                assert_eq!(chip.registers(), before);
            }
        }
    }

    #[test]
    fn clocks_count_and_a_stopped_pcf8523_does_not() {
        let world = world();
        let chip = SimulatedWrongChip::new(world.clone(), Chip::Pcf8523, 1);
        let before = chip.registers();
        world.spend(Span::from_seconds(61));
        assert_eq!(chip.registers()[4], before[4] + 1);
        // What a write meant for a DS3231's seconds does.
        let mut bus = chip.clone();
        bus.write(ADDRESS, &[0x00, 0x25]).unwrap();
        assert_eq!(chip.writes(), [(0x00, 0x25)]);
        let stopped = chip.registers();
        world.spend(Span::from_seconds(3_600));
        assert_eq!(chip.registers(), stopped);
        assert_eq!(Ds3231::recognize(chip, StandIn::Nothing).err(), Some(RtcError::WrongChip(Chip::Pcf8523)));
    }
}
