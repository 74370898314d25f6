//! The real-time clock: a DS3231 on the I2C bus, and a simulated one that speaks the same bytes.
//!
//! Registers become times and errors here, and nothing is decided: which edge to search for, what
//! to trust and when to set the clock is up to the service. But a chip is driven only once it is
//! known to be a DS3231: `identify` judges its registers, and `probe` reads them and makes the
//! driver.

mod bus;
mod ds3231;
mod identify;
mod probe;
mod registers;
mod simulated;
mod square_wave;

pub use bus::{LinuxBus, LinuxBusError, open, own_address};
pub use ds3231::Ds3231;
pub use identify::Chip;
pub use probe::StandIn;
pub use registers::{from_bcd, to_bcd};
pub use simulated::{
    BusModel, Ds3231Model, NoSuchChip, SimulatedBusError, SimulatedDs3231, SimulatedDs3231Handle, SimulatedRtc,
    SimulatedWrongChip, TemperatureResidual,
};
pub use square_wave::{GpioSecondEdge, SecondEdge, SecondEdgeError, SimulatedSecondEdge};

/// A real-time clock that counts whole seconds. What it shows is RTC time, which can be off from
/// UTC by any amount.
pub trait Rtc: Send {
    /// Reads the date and time: seven registers in one transfer, which the chip latches at its
    /// (repeated) START.
    ///
    /// # Errors
    /// When the bus or the chip does not answer.
    fn read_time(&mut self) -> Result<RtcTime, RtcError>;

    /// Reads the seconds register alone, the shortest transfer there is: 0 to 59.
    ///
    /// # Errors
    /// When the bus or the chip does not answer, or the register holds no second.
    fn read_second(&mut self) -> Result<u8, RtcError>;

    /// Reads what else the chip reports about itself.
    ///
    /// # Errors
    /// When the bus or the chip does not answer.
    fn read_status(&mut self) -> Result<RtcStatus, RtcError>;

    /// Sets the date and time, and clears the oscillator stop flag. `rtc_s` is the second to show,
    /// in seconds of RTC time since the Unix epoch. It begins when the chip acknowledges the
    /// seconds register: call this at the moment at which it should begin.
    ///
    /// # Errors
    /// When the bus or the chip does not answer, the chip may not be written to, or the year is
    /// outside 2000 to 2199. The time may have been set even so, with the flag still set: set it
    /// again.
    fn set_time(&mut self, rtc_s: i64) -> Result<(), RtcError>;

    /// Does the same as [`set_time`](Self::set_time), and then writes mark and stamp in the same
    /// transfer. Each byte counts from its acknowledgement on: a power cut may leave the new time with
    /// the old mark and stamp, but not the new stamp with the old time. Write a stamp that holds for
    /// both before.
    ///
    /// # Errors
    /// As [`set_time`](Self::set_time).
    fn set_time_with(&mut self, rtc_s: i64, mark: ChipMark, stamp: ChipStamp) -> Result<(), RtcError>;

    /// Writes the stamp that says when the chip was right, see [`RtcStatus::stamp`].
    ///
    /// # Errors
    /// When the bus or the chip does not answer, or the chip may not be written to.
    fn write_stamp(&mut self, stamp: ChipStamp) -> Result<(), RtcError>;

    /// Writes the mark by which the chip is recognized, see [`RtcStatus::mark`].
    ///
    /// # Errors
    /// When the bus or the chip does not answer, or the chip may not be written to.
    fn write_mark(&mut self, mark: ChipMark) -> Result<(), RtcError>;

    /// Returns whether the chip may be written to: not where a kernel driver owns it.
    fn is_writable(&self) -> bool;

    /// Returns which chip it is: a DS3231, unless another one may stand in for it.
    fn chip(&self) -> Chip;
}

/// What the time registers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcTime {
    /// A date and time. With the century bit set its year is 2100 or later, whatever set that bit.
    Valid {
        /// The second that has begun, in seconds of RTC time since the Unix epoch.
        rtc_s: i64,
    },
    /// Not a date and time: invalid digits, or a day that does not exist.
    Invalid {
        /// The registers 0x00 to 0x06 as read.
        registers: [u8; 7],
    },
}

/// What a DS3231 reports about itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RtcStatus {
    /// The oscillator has stopped since this flag was last cleared: a first power-on, or an empty
    /// battery. The time is meaningless.
    pub oscillator_stopped: bool,
    /// The chip's temperature in degrees Celsius, in steps of 0.25, measured every 64 s.
    pub temperature_c: f64,
    /// The aging register, about -0.1 ppm per step at 25 °C (positive slows the clock down).
    pub aging_offset: i8,
    /// What the alarm 1 registers hold, which the battery preserves as well. The service writes a
    /// random value there, and so knows whether this is still the chip that it calibrated. The
    /// alarms themselves stay off.
    pub mark: ChipMark,
    /// What the alarm 2 registers hold. The service notes there when the chip was last right.
    pub stamp: ChipStamp,
}

/// Four bytes in the registers of alarm 1 (0x07 to 0x0A).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChipMark(pub [u8; 4]);

/// Three bytes in the registers of alarm 2 (0x0B to 0x0D). All 0, as after a first power-on, stands
/// for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChipStamp(pub [u8; 3]);

/// Why the clock cannot be read or written.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum RtcError {
    /// There is no such bus.
    #[error("the I2C bus {path} cannot be opened: {reason}")]
    NoBus {
        /// The bus's device file.
        path: String,
        /// What the system reports.
        reason: String,
    },
    /// The chip does not acknowledge its address or a byte.
    #[error("no clock answers at address 0x68; check its power and the wires SDA and SCL")]
    NoAnswer,
    /// Another chip answers. It is left alone.
    #[error(
        "a {0} answers at address 0x68, not a DS3231; it is not used, and nothing is written to it. Buy a DS3231 module \
         (DS3231SN, such as a ZS-042 or Adafruit 3013)"
    )]
    WrongChip(Chip),
    /// A chip answers that is not known here. It is left alone.
    #[error(
        "the chip that answers at address 0x68 is not a DS3231; it is not used, and nothing is written to it. If it \
         says DS3231 on the chip, report these registers: {registers}"
    )]
    UnknownChip {
        /// The first 19 registers, in hexadecimal.
        registers: String,
    },
    /// The transfer failed in another way.
    #[error("the I2C bus failed: {0}")]
    Bus(String),
    /// A register holds an invalid value.
    #[error("the RTC's register 0x{register:02x} holds 0x{value:02x}, which is invalid; set the RTC again")]
    BadRegister {
        /// The register's address.
        register: u8,
        /// What it holds.
        value: u8,
    },
    /// A kernel driver owns the chip.
    #[error("the kernel's RTC driver owns the RTC, so it is not written to; remove dtoverlay=i2c-rtc")]
    NotWritable,
    /// The chip counts from 2000 to 2199.
    #[error("the RTC can only show the years 2000 to 2199")]
    YearOutOfRange,
}
