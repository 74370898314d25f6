//! The real-time clock: a DS3231 on the I2C bus, and a simulated one that speaks the same bytes.
//!
//! Here registers become times and errors, and nothing is decided: which edge to look for, whom to trust and when to set
//! the clock is the service's business.

mod bus;
mod ds3231;
mod registers;
mod simulated;
mod square_wave;

pub use bus::{LinuxBus, LinuxBusError, open, open_chip};
pub use ds3231::{Ds3231, READ_SECOND_BITS_AFTER_LATCH, READ_SECOND_BITS_BEFORE_LATCH};
pub use simulated::{
    BusModel, Ds3231Model, SimulatedBusError, SimulatedDs3231, SimulatedDs3231Handle, TemperatureResidual,
};
pub use square_wave::{GpioSecondEdge, SecondEdge, SecondEdgeError, SimulatedSecondEdge};

/// A real-time clock that counts whole seconds.
pub trait Rtc: Send {
    /// Reads the date and time: seven registers in one transfer, which the chip latches at its (repeated) START.
    ///
    /// # Errors
    /// When the bus or the chip does not answer.
    fn read_time(&mut self) -> Result<RtcTime, RtcError>;

    /// Reads the seconds register alone, the shortest transfer there is: 0 to 59.
    ///
    /// # Errors
    /// When the bus or the chip does not answer, or the register holds no second.
    fn read_second(&mut self) -> Result<u8, RtcError>;

    /// Reads what else the chip tells of itself.
    ///
    /// # Errors
    /// When the bus or the chip does not answer.
    fn read_status(&mut self) -> Result<RtcStatus, RtcError>;

    /// Sets the date and time, and clears the oscillator stop flag. The second begins when the chip acknowledges the
    /// seconds register: call it as `rtc_s` begins.
    ///
    /// # Errors
    /// When the bus or the chip does not answer, the chip may not be written to, or the year is not one of 2000 to 2199.
    /// The time may have been set even so, with the flag still up: set it again.
    fn set_time(&mut self, rtc_s: i64) -> Result<(), RtcError>;

    /// Writes the mark by which the chip is known again, see [`RtcStatus::mark`].
    ///
    /// # Errors
    /// When the bus or the chip does not answer, or the chip may not be written to.
    fn write_mark(&mut self, mark: ChipMark) -> Result<(), RtcError>;

    /// Whether the chip may be written to: not where a kernel driver owns it.
    fn is_writable(&self) -> bool;
}

/// What the time registers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcTime {
    /// A date and time, in seconds of RTC time since the Unix epoch. With the century bit set it is one from 2100 on, whoever
    /// has set that.
    Valid {
        /// The second that has begun.
        rtc_s: i64,
    },
    /// No date and time: digits that are none, or a day that does not exist.
    Invalid {
        /// The registers 0x00 to 0x06 as they are.
        registers: [u8; 7],
    },
}

/// What a DS3231 tells of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RtcStatus {
    /// The oscillator has stood still since this flag was last cleared: a first power-on, or an empty battery. The time
    /// means nothing.
    pub oscillator_stopped: bool,
    /// Temperature of the chip in degrees Celsius, in steps of 0.25, measured every 64 s.
    pub temperature_c: f64,
    /// The aging register, of about -0.1 ppm a step at 25 °C (positive slows the clock down).
    pub aging_offset: i8,
    /// What the alarm 1 registers hold, which the battery keeps too. The service writes a random value there and so
    /// knows whether this is still the chip that it has calibrated. The alarms themselves stay off.
    pub mark: ChipMark,
}

/// Four bytes in the registers of alarm 1 (0x07 to 0x0A).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChipMark(pub [u8; 4]);

/// Why the clock cannot be read or written.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum RtcError {
    /// There is no such bus.
    #[error("the I2C bus {path} cannot be opened: {reason}")]
    NoBus {
        /// The bus's device file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// The chip does not acknowledge its address or a byte.
    #[error("no clock answers at address 0x68; check its power and the wires SDA and SCL")]
    NoAnswer,
    /// The transfer failed in another way.
    #[error("the I2C bus failed: {0}")]
    Bus(String),
    /// A register holds what it cannot hold.
    #[error("the clock's register 0x{register:02x} holds 0x{value:02x}, which it cannot; set the clock anew")]
    BadRegister {
        /// The register's address.
        register: u8,
        /// What it holds.
        value: u8,
    },
    /// A kernel driver owns the chip.
    #[error("the kernel's RTC driver owns the clock, so it is not written to; remove dtoverlay=i2c-rtc")]
    NotWritable,
    /// The chip counts from 2000 to 2199.
    #[error("the clock shows the years 2000 to 2199 and no other")]
    YearOutOfRange,
}
