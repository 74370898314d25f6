//! The state in the memory on the clock module: what a box needs to be in sync again, and to go on
//! with what it played, if its state folder is gone.
//!
//! It belongs to the chip that it lies beside, and is believed only if that has the mark it had.
//! `state` is what is saved, `encoding` how; `shared` is where the service and the clock's task
//! exchange it. The task alone touches the chip, see `task/clock_module.rs`.

mod encoding;
mod forget;
mod shared;
mod state;

pub use encoding::{VERSION, decode, encode};
pub use forget::forget_calibration;
pub use shared::{ModuleReport, SharedModule};
pub use state::{ModuleState, Origin, Restored, newer_time};
