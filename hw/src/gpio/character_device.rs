//! Pins through the kernel's character device, `/dev/gpiochipN`, with version 2 of its interface
//! (Linux 5.10). Every pin is requested on its own, so that one that is in use does not take the
//! others with it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gpiocdev::line::{Bias, EdgeDetection, Info, Value};
use gpiocdev::request::Builder;
use gpiocdev::{Chip, Error, Request};

use super::device_tree;
use super::{CONSUMER, InputPin, LineUser, LineUsers, OutputPin, PinAccess, PinTrouble};
use crate::buttons::BoardError;

/// How the drivers of the header's chip name it: on a Raspberry Pi 0 to 3, 4 and 5
/// (`drivers/pinctrl/bcm/pinctrl-bcm2835.c` and `drivers/pinctrl/pinctrl-rp1.c` of Raspberry Pi's
/// kernel). Their lines have the numbers of the pins.
const LABELS: [&str; 3] = ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];

/// How the device trees of Raspberry Pis name the lines of the header. Some pins are named after
/// another function of theirs; 5 never is.
const KNOWN_LINE: &str = "GPIO5";

/// How many edges from before are dropped at most: more than the kernel holds for a line (16 by
/// default). A pin that oscillates could bring them faster than they are read.
const MOST_OLD_EDGES: usize = 64;

/// The chip of the header.
#[derive(Debug, Clone)]
pub struct CharacterDevice(Arc<HeaderChip>);

#[derive(Debug)]
struct HeaderChip {
    chip: Chip,
    /// The lines that have names, if the chip was found by them.
    lines: Option<Vec<Info>>,
}

impl CharacterDevice {
    /// Finds the chip of the header, by its driver's label or, on a board that is not known, by the
    /// names of its lines.
    ///
    /// # Errors
    /// When there is none, or the user may not open it.
    pub fn open() -> Result<Self, BoardError> {
        let mut denied = None;
        let mut chips = Vec::new();
        for path in device_files() {
            match Chip::from_path(&path) {
                Ok(chip) => chips.push(chip),
                Err(error) if is_denied(&error) => denied = denied.or(Some(path)),
                Err(error) => log::debug!("{}: {error}", path.display()),
            }
        }
        let label = |chip: &Chip| chip.info().map(|info| info.label).unwrap_or_default();
        if let Some(at) = chips.iter().position(|chip| LABELS.contains(&label(chip).as_str())) {
            return Ok(Self::new(chips.swap_remove(at), None));
        }
        for chip in chips {
            let Ok(lines) = chip.line_info_iter() else { continue };
            let lines: Vec<Info> = lines.flatten().collect();
            if lines.iter().any(|line| line.name == KNOWN_LINE) {
                return Ok(Self::new(chip, Some(lines)));
            }
        }
        Err(match denied {
            Some(path) => BoardError::PermissionDenied { path: path.display().to_string() },
            None => BoardError::NoChip,
        })
    }

    fn new(chip: Chip, lines: Option<Vec<Info>>) -> Self {
        Self(Arc::new(HeaderChip { chip, lines }))
    }

    /// Waits for falling edges of a pin, with a pull-up.
    pub(crate) fn edges(&self, gpio: u8) -> Result<DeviceEdges, PinTrouble> {
        let request = self.request(gpio, |builder| {
            builder.as_input().with_bias(Bias::PullUp).with_edge_detection(EdgeDetection::FallingEdge);
        })?;
        Ok(DeviceEdges(request))
    }

    fn request(&self, gpio: u8, configure: impl FnOnce(&mut Builder)) -> Result<Request, PinTrouble> {
        let offset = self.0.offset(gpio)?;
        let mut builder = Request::builder();
        builder.on_chip(self.0.chip.path()).with_consumer(CONSUMER).with_line(offset);
        configure(&mut builder);
        // The usual error is EBUSY, and whose line it is says more.
        builder
            .request()
            .map_err(|error| self.0.user(gpio).map_or(PinTrouble::Failed(failed(&error)), PinTrouble::Taken))
    }
}

impl HeaderChip {
    fn offset(&self, gpio: u8) -> Result<u32, PinTrouble> {
        match &self.lines {
            None => Ok(gpio.into()),
            Some(lines) => offset_by_name(gpio, lines)
                .ok_or_else(|| PinTrouble::Failed(BoardError::Failed(format!("no line is named GPIO{gpio}")))),
        }
    }

    fn user(&self, gpio: u8) -> Option<LineUser> {
        let info = self.chip.line_info(self.offset(gpio).ok()?).ok()?;
        if info.used {
            return Some(LineUser { name: info.consumer });
        }
        // The device tree has the numbers of the chip.
        let name = u8::try_from(info.offset).ok().and_then(device_tree::future_user)?;
        Some(LineUser { name })
    }
}

impl PinAccess for CharacterDevice {
    fn input(&self, gpio: u8) -> Result<Box<dyn InputPin>, PinTrouble> {
        let request = self.request(gpio, |builder| {
            builder.as_input().with_bias(Bias::PullUp);
        })?;
        Ok(Box::new(Line(request)))
    }

    fn output(&self, gpio: u8) -> Result<Box<dyn OutputPin>, PinTrouble> {
        let request = self.request(gpio, |builder| {
            builder.as_output(Value::Inactive);
        })?;
        Ok(Box::new(Line(request)))
    }

    fn is_exclusive(&self) -> bool {
        true
    }
}

impl LineUsers for CharacterDevice {
    fn user(&self, gpio: u8) -> Option<LineUser> {
        self.0.user(gpio)
    }
}

/// A line that this program has.
#[derive(Debug)]
struct Line(Request);

impl InputPin for Line {
    fn is_low(&mut self) -> Result<bool, BoardError> {
        self.0.lone_value().map(|value| value == Value::Inactive).map_err(|error| failed(&error))
    }
}

impl OutputPin for Line {
    fn set_high(&mut self, high: bool) -> Result<(), BoardError> {
        let value = if high { Value::Active } else { Value::Inactive };
        self.0.set_lone_value(value).map_err(|error| failed(&error))
    }
}

/// A line whose falling edges are waited for.
#[derive(Debug)]
pub(crate) struct DeviceEdges(Request);

impl DeviceEdges {
    /// Waits for the next edge and returns its stamp on `CLOCK_MONOTONIC`; `None` if there is none
    /// in time. What came before the call does not count.
    pub(crate) fn wait(&self, timeout: Duration) -> Result<Option<Duration>, BoardError> {
        let wait = || -> gpiocdev::Result<Option<Duration>> {
            for _ in 0..MOST_OLD_EDGES {
                if !self.0.has_edge_event()? {
                    break;
                }
                self.0.read_edge_event()?;
            }
            if !self.0.wait_edge_event(timeout)? {
                return Ok(None);
            }
            Ok(Some(Duration::from_nanos(self.0.read_edge_event()?.timestamp_ns)))
        };
        wait().map_err(|error| failed(&error))
    }
}

/// Returns the device files of all chips, in the order of their names.
fn device_files() -> Vec<PathBuf> {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let is_chip = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("gpiochip"))
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_chip).collect();
    files.sort();
    files
}

/// Returns the line of a pin on a chip whose lines have names. Where a pin is named after another
/// function, it is as far from GPIO5 as its number says.
fn offset_by_name(gpio: u8, lines: &[Info]) -> Option<u32> {
    let named = |name: &str| lines.iter().find(|line| line.name == name).map(|line| line.offset);
    named(&format!("GPIO{gpio}")).or_else(|| {
        let offset = (named(KNOWN_LINE)? + u32::from(gpio)).checked_sub(5)?;
        lines.iter().any(|line| line.offset == offset).then_some(offset)
    })
}

/// Returns whether the user may not open a device file.
fn is_denied(error: &Error) -> bool {
    let Error::Os(number) = error else { return false };
    io::Error::from_raw_os_error(number.0).kind() == io::ErrorKind::PermissionDenied
}

fn failed(error: &Error) -> BoardError {
    BoardError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(names: &[&str]) -> Vec<Info> {
        let info = |(offset, name): (usize, &&str)| Info {
            offset: offset as u32,
            name: (*name).to_owned(),
            ..Info::default()
        };
        names.iter().enumerate().map(info).collect()
    }

    #[test]
    fn a_pin_is_found_by_its_name_or_by_its_distance_from_gpio5() {
        let plain = lines(&["ID_SDA", "ID_SCL", "SDA1", "SCL1", "GPIO_GCLK", "GPIO5", "GPIO6"]);
        assert_eq!(offset_by_name(6, &plain), Some(6));
        assert_eq!(offset_by_name(4, &plain), Some(4));
        assert_eq!(offset_by_name(7, &plain), None, "the chip has no such line");
        // On a chip with other lines before those of the header.
        let shifted = lines(&["A", "B", "GPIO4", "GPIO5", "GPIO6", "SPI_CE1_N"]);
        assert_eq!(offset_by_name(7, &shifted), Some(5));
        assert_eq!(offset_by_name(6, &shifted), Some(4));
        assert_eq!(offset_by_name(6, &lines(&["A", "B"])), None);
    }

    #[test]
    fn a_machine_without_the_chip_says_so() {
        match CharacterDevice::open() {
            Ok(device) => assert!(device.user(200).is_none(), "there is no such line"),
            Err(error) => assert!(matches!(error, BoardError::NoChip | BoardError::PermissionDenied { .. }), "{error}"),
        }
    }
}
