//! The box's own time, as QEMU keeps it, and nothing in the box can change it.
//!
//! It goes by the instructions that the box carries out: 2 ns each, and where there are none it leaps to the next timer. This
//! machine's speed, and what else runs on it, make no difference to it. UTC is the instant at which the box was switched on,
//! as this side chose it, and that time from there.

use jaudiosync_time::{Instant, Span, Utc};

use super::registers::Registers;

/// The chip's system timer: microseconds since the box was switched on, in two halves.
const LOW: u64 = 0x3f00_3004;
const HIGH: u64 = 0x3f00_3008;

/// UTC of a box.
#[derive(Debug, Clone, Copy)]
pub struct BoxClock {
    pub on_since_utc_s: i64,
}

impl BoxClock {
    /// How long the box has been on, to the microsecond below.
    pub fn since_power_on(registers: &mut Registers) -> Span {
        loop {
            let high = registers.read(HIGH);
            let low = registers.read(LOW);
            if registers.read(HIGH) == high {
                return Span::from_us(i64::from(high) << 32 | i64::from(low));
            }
        }
    }

    /// UTC, to the microsecond below.
    pub fn utc(self, registers: &mut Registers) -> Instant<Utc> {
        Instant::from_second(self.on_since_utc_s) + Self::since_power_on(registers)
    }
}
