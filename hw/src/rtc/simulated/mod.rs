//! A DS3231 that is not there, down to the bytes on its bus: the real driver runs on it. Here live the chip's registers,
//! its oscillator, the bus and what can go wrong with them. Who reads it, and what is made of it, does not belong here.
//!
//! Not simulated: the alarms going off, the 32 kHz output, and frequencies of the square wave other than 1 Hz.

mod calendar;
mod chip;
mod handle;
mod model;
mod oscillator;
mod transfer;

pub use handle::SimulatedDs3231Handle;
pub use model::{BusModel, Ds3231Model, TemperatureResidual};
pub use transfer::{SimulatedBusError, SimulatedDs3231};

#[cfg(test)]
mod tests;
