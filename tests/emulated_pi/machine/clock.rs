//! The box's own time, which QEMU keeps and nothing in the box can change.
//!
//! It advances with the instructions that the box executes: 2 ns each, and if there are none it
//! leaps to the next timer. This machine's speed and load make no difference to it. UTC is the
//! instant at which the box was switched on, as this side chose it, plus that time.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use jaudiosync_time::{Instant, Span, Utc};

use super::board::Board;
use super::registers::Registers;

/// The Pi's system timer: microseconds since the box was switched on, in two halves.
const LOW: u64 = 0x3f00_3004;
const HIGH: u64 = 0x3f00_3008;

/// The RTC of QEMU's own machine: UTC in seconds. There is nothing finer outside.
const RTC_SECONDS: u64 = 0x0901_0000;

/// By what the time of a box goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BoxTime {
    /// By what it executes, as above.
    #[default]
    Own,
    /// By this machine's clock, for a box that compares its time with a server or with another box
    /// outside: two times of their own would be minutes apart within minutes. This machine's speed and
    /// load are then the box's, so nothing that is said of its sound within ms may be judged so.
    ThisMachines {
        /// By how much the RTC is ahead of that clock when the box is switched on.
        rtc_ahead_s: i64,
    },
}

/// The UTC of a box.
#[derive(Debug, Clone, Copy)]
pub struct BoxClock {
    pub board: Board,
    pub on_since_utc_s: i64,
    pub time: BoxTime,
}

impl BoxClock {
    /// Returns how long the box has been on, rounded down to microseconds, or to seconds on QEMU's
    /// own machine.
    pub fn since_power_on(self, registers: &mut Registers) -> Span {
        self.if_on(registers).expect("a running QEMU")
    }

    /// The same; an error if the box has switched itself off.
    pub fn if_on(self, registers: &mut Registers) -> io::Result<Span> {
        if self.board == Board::Virt {
            let seconds = i64::from(registers.try_read(RTC_SECONDS)?);
            return Ok(Span::from_seconds(seconds - self.on_since_utc_s));
        }
        loop {
            let high = registers.try_read(HIGH)?;
            let low = registers.try_read(LOW)?;
            if registers.try_read(HIGH)? == high {
                return Ok(Span::from_us(i64::from(high) << 32 | i64::from(low)));
            }
        }
    }

    /// Returns UTC, rounded as that is.
    pub fn utc(self, registers: &mut Registers) -> Instant<Utc> {
        if self.time != BoxTime::Own {
            return this_machines();
        }
        Instant::from_second(self.on_since_utc_s) + self.since_power_on(registers)
    }
}

/// Returns this machine's UTC.
pub fn this_machines() -> Instant<Utc> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    Instant::from_ns(since.as_nanos() as i64)
}
