//! The machine's I2C bus, and what happens when the kernel's own driver has the chip.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Once;

use embedded_hal::i2c::{self, ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation, SevenBitAddress};
use linux_embedded_hal::i2cdev::core::{I2CMessage, I2CTransfer};
use linux_embedded_hal::i2cdev::linux::{LinuxI2CBus, LinuxI2CDevice, LinuxI2CError, LinuxI2CMessage};
use linux_embedded_hal::{I2CError, I2cdev};
use rustix::io::Errno;

use super::registers::ADDRESS;
use super::{Ds3231, RtcError, StandIn};

/// Opens the DS3231 on this bus, such as `/dev/i2c-1`, or a chip that may stand in for it. It is
/// only read until it is recognized, see [`Ds3231::recognize`].
///
/// If the kernel's driver has the chip, it is read alongside that driver, with a warning, and never
/// written to: see [`Rtc::is_writable`](super::Rtc::is_writable).
///
/// # Errors
/// [`RtcError::NoBus`] when there is no such bus or it may not be opened; the reason says what to
/// do. Otherwise when no chip answers, or another one does.
pub fn open(path: &Path, stand_in: StandIn) -> Result<Ds3231<LinuxBus>, RtcError> {
    let no_bus = |error: &LinuxI2CError| RtcError::NoBus { path: path.display().to_string(), reason: reason(error) };
    // I2C_SLAVE fails with EBUSY for an address that a driver is bound to (drivers/i2c/i2c-dev.c).
    match LinuxI2CDevice::new(path, u16::from(ADDRESS)) {
        Ok(_) => {
            // This opens the bus once more and claims the address at the first transfer; each
            // transfer is one I2C_RDWR.
            let bus = I2cdev::new(path).map_err(|error| no_bus(&error))?;
            Ds3231::recognize(LinuxBus(Access::Own(bus)), stand_in)
        }
        Err(LinuxI2CError::Errno(errno)) if errno == Errno::BUSY.raw_os_error() => {
            static WARNING: Once = Once::new();
            WARNING.call_once(|| {
                log::warn!(
                    "the kernel's RTC driver owns the RTC on {}: it is read but not set; remove dtoverlay=i2c-rtc",
                    path.display()
                );
            });
            let bus = LinuxI2CBus::new(path).map_err(|error| no_bus(&error))?;
            Ds3231::recognize_read_only(LinuxBus(Access::Beside(bus)), stand_in)
        }
        Err(error) => Err(no_bus(&error)),
    }
}

/// Opens the bus for another chip on it, which this program alone uses. Nothing is sent yet.
///
/// # Errors
/// [`RtcError::NotWritable`] if a driver of the kernel has this address, otherwise as [`open`].
pub fn own_address(path: &Path, address: u8) -> Result<LinuxBus, RtcError> {
    let no_bus = |error: &LinuxI2CError| RtcError::NoBus { path: path.display().to_string(), reason: reason(error) };
    match LinuxI2CDevice::new(path, u16::from(address)) {
        Ok(_) => Ok(LinuxBus(Access::Own(I2cdev::new(path).map_err(|error| no_bus(&error))?))),
        Err(LinuxI2CError::Errno(errno)) if errno == Errno::BUSY.raw_os_error() => Err(RtcError::NotWritable),
        Err(error) => Err(no_bus(&error)),
    }
}

fn reason(error: &LinuxI2CError) -> String {
    match (errno(error), error) {
        (Errno::NOENT, _) => {
            "there is no such file; enable I2C with dtparam=i2c_arm=on in config.txt, load i2c-dev, and reboot".into()
        }
        (Errno::ACCESS | Errno::PERM, _) => {
            "permission denied; add the user to the group i2c, or allow char-i2c in the unit".into()
        }
        (errno, LinuxI2CError::Io(_)) => io::Error::from(errno).to_string(),
        // It could be opened, but does not know I2C_SLAVE.
        (errno, LinuxI2CError::Errno(_)) => format!("it is not an I2C bus ({})", io::Error::from(errno)),
    }
}

fn errno(error: &LinuxI2CError) -> Errno {
    match error {
        LinuxI2CError::Errno(errno) => Errno::from_raw_os_error(*errno),
        LinuxI2CError::Io(error) => Errno::from_io_error(error).unwrap_or(Errno::IO),
    }
}

/// An I2C bus of Linux.
pub struct LinuxBus(Access);

enum Access {
    /// This program has the address.
    Own(I2cdev),
    /// A kernel driver has it. I2C_RDWR works even so; the driver's own transfers never interrupt
    /// one such call.
    Beside(LinuxI2CBus),
}

impl fmt::Debug for LinuxBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Access::Own(_) => "LinuxBus(Own)",
            Access::Beside(_) => "LinuxBus(Beside)",
        })
    }
}

/// What the kernel reports about a failed transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinuxBusError(Errno);

impl fmt::Display for LinuxBusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", io::Error::from(self.0))?;
        // i2c-bcm2835 waits for 1 s and gives up with this one.
        if self.0 == Errno::TIMEDOUT { f.write_str("; something holds SDA or SCL low") } else { Ok(()) }
    }
}

impl std::error::Error for LinuxBusError {}

impl i2c::Error for LinuxBusError {
    /// i2c-bcm2835 and the Pi 5's i2c-designware report a missing acknowledge as EREMOTEIO, others
    /// as ENXIO; linux-embedded-hal knows only the latter.
    fn kind(&self) -> ErrorKind {
        match self.0 {
            Errno::NXIO | Errno::REMOTEIO => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown),
            Errno::AGAIN => ErrorKind::ArbitrationLoss,
            Errno::IO | Errno::TIMEDOUT | Errno::BUSY => ErrorKind::Bus,
            _ => ErrorKind::Other,
        }
    }
}

impl From<LinuxI2CError> for LinuxBusError {
    fn from(error: LinuxI2CError) -> Self {
        Self(errno(&error))
    }
}

impl From<I2CError> for LinuxBusError {
    fn from(error: I2CError) -> Self {
        Self(errno(error.inner()))
    }
}

impl ErrorType for LinuxBus {
    type Error = LinuxBusError;
}

impl I2c for LinuxBus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), LinuxBusError> {
        match &mut self.0 {
            Access::Own(bus) => Ok(I2c::<SevenBitAddress>::transaction(bus, address, operations)?),
            Access::Beside(bus) => read_beside(bus, address, operations),
        }
    }
}

/// Passes on reads only: one byte that sets the register pointer, then a read. The driver sends
/// nothing else here; this is a second safeguard.
fn read_beside(bus: &mut LinuxI2CBus, address: u8, operations: &mut [Operation<'_>]) -> Result<(), LinuxBusError> {
    let [Operation::Write(register @ [_]), Operation::Read(values)] = operations else {
        return Err(LinuxBusError(Errno::PERM));
    };
    let mut messages = [
        LinuxI2CMessage::write(register).with_address(address.into()),
        LinuxI2CMessage::read(values).with_address(address.into()),
    ];
    bus.transfer(&mut messages)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use embedded_hal::i2c::Error;

    fn refusal(path: &str) -> String {
        open(Path::new(path), StandIn::Nothing).err().map(|error| error.to_string()).unwrap()
    }

    #[test]
    fn a_missing_bus_says_how_to_enable_it() {
        let said = refusal("/dev/i2c-of-no-machine");
        assert!(said.contains("/dev/i2c-of-no-machine") && said.contains("dtparam=i2c_arm=on"), "{said}");
    }

    #[test]
    fn a_file_that_is_not_a_bus_is_reported() {
        let said = refusal("/dev/null");
        assert!(said.contains("/dev/null") && said.contains("not an I2C bus"), "{said}");
    }

    #[test]
    fn a_bus_that_may_not_be_opened_names_the_group() {
        let denied = LinuxI2CError::Io(io::Error::from(Errno::ACCESS));
        assert!(reason(&denied).contains("group i2c"), "{}", reason(&denied));
    }

    #[test]
    fn a_missing_acknowledge_is_known_under_both_its_names() {
        for errno in [Errno::NXIO, Errno::REMOTEIO] {
            let error = LinuxBusError::from(LinuxI2CError::Errno(errno.raw_os_error()));
            assert!(matches!(error.kind(), ErrorKind::NoAcknowledge(_)), "{error}");
        }
        for errno in [Errno::TIMEDOUT, Errno::IO, Errno::AGAIN, Errno::OPNOTSUPP] {
            let error = LinuxBusError::from(LinuxI2CError::Errno(errno.raw_os_error()));
            assert!(!matches!(error.kind(), ErrorKind::NoAcknowledge(_)), "{error}");
        }
    }

    #[test]
    fn a_stuck_bus_says_what_may_hold_it() {
        let said = LinuxBusError(Errno::TIMEDOUT).to_string();
        assert!(said.contains("timed out") && said.contains("low"), "{said}");
    }

    #[test]
    fn beside_the_kernels_driver_nothing_is_written() {
        // A refusal needs no bus: a transfer on this file would fail with ENOTTY.
        let mut bus = LinuxBus(Access::Beside(LinuxI2CBus::new("/dev/null").unwrap()));
        assert_eq!(bus.write(ADDRESS, &[0, 1]), Err(LinuxBusError(Errno::PERM)));
        assert_eq!(bus.write(ADDRESS, &[0]), Err(LinuxBusError(Errno::PERM)));
        assert_eq!(bus.write_read(ADDRESS, &[0, 1], &mut [0]), Err(LinuxBusError(Errno::PERM)));
        assert_eq!(bus.write_read(ADDRESS, &[0], &mut [0]), Err(LinuxBusError(Errno::NOTTY)), "a read goes out");
    }
}
