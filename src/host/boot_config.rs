//! What the firmware's `config.txt` says about the RTC and its bus.

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
