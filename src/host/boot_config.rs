//! What the firmware's `config.txt` says about the RTC and its bus, and which overlays it loads.

/// Turns on the header's I2C bus.
pub const I2C_ON: &str = "dtparam=i2c_arm=on";

/// Binds the kernel's driver to the RTC, which this program then cannot set.
const KERNEL_RTC: &str = "dtoverlay=i2c-rtc";

/// Returns whether a boot configuration turns on the header's I2C bus for every board. Of several
/// lines the last one counts. Lines below a filter do not, as the card may go into another Pi.
/// `i2c` and `i2c1` are other names of `i2c_arm` (firmware's overlays/README, "i2c").
pub fn has_i2c(boot_config: &str) -> bool {
    let mut is_for_all = true;
    let mut is_on = false;
    for line in boot_config.lines().map(str::trim) {
        if line.starts_with('[') {
            is_for_all = line == "[all]";
        }
        let parameters = line.strip_prefix("dtparam=").filter(|_| is_for_all).unwrap_or_default();
        for parameter in parameters.split(',') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, "on"));
            if ["i2c_arm", "i2c", "i2c1"].contains(&name.trim()) {
                is_on = !["off", "no", "false", "0"].contains(&value.trim());
            }
        }
    }
    is_on
}

/// Returns whether a boot configuration gives the RTC to the kernel's driver.
pub fn has_kernel_rtc(boot_config: &str) -> bool {
    boot_config.lines().any(is_kernel_rtc)
}

/// Returns whether a line gives the RTC to the kernel's driver.
pub fn is_kernel_rtc(line: &str) -> bool {
    is_setting(line, KERNEL_RTC)
}

/// Returns whether a line makes this setting, with or without parameters after a comma.
pub fn is_setting(line: &str, setting: &str) -> bool {
    line.trim().strip_prefix(setting).is_some_and(|rest| rest.is_empty() || rest.starts_with([',', ' ', '\t', '#']))
}

/// An overlay that a boot configuration loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Its name, such as `hifiberry-dac`.
    pub name: String,
    /// Its parameters and their values; an empty value where none is given.
    pub parameters: Vec<(String, String)>,
}

impl Overlay {
    /// Returns the value of a parameter; the last one counts. `None` if it is not given.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Returns the overlays that a boot configuration loads on some board. Lines below `[none]` apply
/// to none. Lines `dtparam=` below an overlay set its parameters, too, until a line `dtoverlay=`
/// ends that (Raspberry Pi documentation, "Device Trees, overlays, and parameters").
pub fn overlays(boot_config: &str) -> Vec<Overlay> {
    let mut overlays: Vec<Overlay> = Vec::new();
    let (mut applies, mut is_open) = (true, false);
    for line in boot_config.lines().map(str::trim) {
        if line.starts_with('[') {
            applies = line != "[none]";
        }
        if !applies {
            continue;
        }
        if let Some(words) = line.strip_prefix("dtoverlay=") {
            // Older configurations have a colon after the name.
            let (name, rest) = words.split_once([',', ':']).unwrap_or((words, ""));
            is_open = !name.trim().is_empty();
            if is_open {
                overlays.push(Overlay { name: name.trim().to_owned(), parameters: parameters(rest) });
            }
        } else if let Some(words) = line.strip_prefix("dtparam=").filter(|_| is_open)
            && let Some(overlay) = overlays.last_mut()
        {
            overlay.parameters.extend(parameters(words));
        }
    }
    overlays
}

fn parameters(words: &str) -> Vec<(String, String)> {
    let parameter = |word: &str| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        (name.trim().to_owned(), value.trim().to_owned())
    };
    words.split(',').filter(|word| !word.trim().is_empty()).map(parameter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlays_have_parameters_on_their_line_and_below() {
        let text = "dtparam=audio=on\ndtoverlay=max98357a,no-sdmode\ndtparam=sdmode-pin=16\n#dtoverlay=a\n\
                    dtoverlay=\ndtparam=spi=on\n[none]\ndtoverlay=b\n[pi4]\n dtoverlay=w1-gpio:gpiopin=5\n";
        let found = overlays(text);
        let names: Vec<&str> = found.iter().map(|overlay| overlay.name.as_str()).collect();
        assert_eq!(names, ["max98357a", "w1-gpio"]);
        assert_eq!((found[0].parameter("no-sdmode"), found[0].parameter("sdmode-pin")), (Some(""), Some("16")));
        assert_eq!((found[0].parameter("spi"), found[1].parameter("gpiopin")), (None, Some("5")));
    }
}
