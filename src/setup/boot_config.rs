//! Changes the firmware's `config.txt` (Raspberry Pi documentation, "config.txt"): lines such as
//! `dtparam=i2c_arm=on`, below filters such as `[pi4]`, of which `[all]` stands for every board.

use crate::host::boot_config::{I2C_ON, has_i2c, is_kernel_rtc, is_setting};
use crate::host::hats::is_i2s_dac;

/// Moves the headphone socket's sound to pins of the header, where a DAC may be.
const PWM_OVERLAY: &str = "audremap";

/// What the boot configuration should have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Whether there is an RTC on the header's bus.
    pub has_rtc: bool,
    /// The overlay of a DAC; `None` leaves overlays unchanged.
    pub overlay: Option<String>,
}

/// Returns the boot configuration with what is wanted. Lines that are right already stay, and lines
/// that are in the way become comments.
pub fn edit(before: &str, wanted: &Wanted) -> String {
    let mut lines: Vec<String> = before.lines().map(str::to_owned).collect();
    if wanted.has_rtc {
        comment_out(&mut lines, is_kernel_rtc);
        if !has_i2c(before) {
            turn_on(&mut lines, I2C_ON);
        }
        // A line further down may turn it off again.
        if !has_i2c(&lines.join("\n")) {
            append(&mut lines, I2C_ON);
        }
    }
    if let Some(overlay) = &wanted.overlay {
        let line = format!("dtoverlay={overlay}");
        comment_out(&mut lines, |other| is_other_dac(other, &line));
        if !lines.iter().any(|other| is_setting(other, &line)) {
            turn_on(&mut lines, &line);
        }
    }
    if lines == before.lines().collect::<Vec<_>>() {
        return before.to_owned();
    }
    lines.join("\n") + "\n"
}

fn is_other_dac(line: &str, wanted: &str) -> bool {
    let line = line.trim();
    let overlay = line.strip_prefix("dtoverlay=");
    line != wanted && overlay.is_some_and(|overlay| is_i2s_dac(overlay) || overlay.starts_with(PWM_OVERLAY))
}

fn comment_out(lines: &mut [String], is_in_the_way: impl Fn(&str) -> bool) {
    for line in lines.iter_mut().filter(|line| is_in_the_way(line)) {
        *line = format!("#{line} # by jaudiosync setup");
    }
}

fn is_filter(line: &str) -> bool {
    line.trim().starts_with('[')
}

/// Uncomments the line if it is there as a comment; otherwise appends it, for every board.
fn turn_on(lines: &mut Vec<String>, wanted: &str) {
    let is_comment = |line: &&mut String| line.trim().strip_prefix('#').is_some_and(|rest| rest.trim() == wanted);
    // One below a filter might be meant for another board.
    let first_filter = lines.iter().position(|line| is_filter(line)).unwrap_or(lines.len());
    if let Some(line) = lines.iter_mut().take(first_filter).find(is_comment) {
        *line = wanted.to_owned();
        return;
    }
    append(lines, wanted);
}

/// Appends a line, for every board.
fn append(lines: &mut Vec<String>, wanted: &str) {
    let last_filter = lines.iter().rev().find(|line| is_filter(line));
    if last_filter.is_some_and(|filter| filter.trim() != "[all]") {
        lines.extend([String::new(), "[all]".to_owned()]);
    }
    lines.push(wanted.to_owned());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::boot_config::has_kernel_rtc;

    fn rtc() -> Wanted {
        Wanted { has_rtc: true, overlay: None }
    }

    #[test]
    fn the_bus_is_turned_on_once() {
        let before = "# For more options\n#dtparam=i2c_arm=on\ndtparam=audio=on\n\n[pi4]\narm_boost=1\n\n[all]\n";
        let after = edit(before, &rtc());
        assert_eq!(after, before.replace("#dtparam=i2c_arm=on", I2C_ON));
        assert_eq!(edit(&after, &rtc()), after);
        assert_eq!(edit("a=1\n[pi4]\nb=2", &rtc()), "a=1\n[pi4]\nb=2\n\n[all]\ndtparam=i2c_arm=on\n");
        assert_eq!(edit("", &rtc()), "dtparam=i2c_arm=on\n");
        let fast = "dtparam=i2c_arm=on,i2c_arm_baudrate=100000\n";
        assert_eq!(edit(fast, &rtc()), fast);
    }

    #[test]
    fn the_bus_is_on_where_the_firmware_turns_it_on() {
        let on = [
            "dtparam=i2c_arm=on",
            "dtparam=audio=on, i2c_arm=on",
            "dtparam=i2c",
            "dtparam=i2c1=1",
            "dtparam=i2c_arm=off\ndtparam=i2c_arm=on",
            "[pi3]\narm_freq=1000\n[all]\n dtparam=i2c_arm=on",
        ];
        let off = [
            "",
            "#dtparam=i2c_arm=on",
            "dtparam=i2c_arm=on\ndtparam=i2c_arm=off",
            "[pi3]\ndtparam=i2c_arm=on",
            "dtparam=i2c_vc=on\ndtparam=i2c_arm_baudrate=400000",
        ];
        for text in on {
            assert!(has_i2c(text), "{text:?}");
            assert_eq!(edit(text, &rtc()), text);
        }
        for text in off {
            assert!(!has_i2c(text), "{text:?}");
            assert!(has_i2c(&edit(text, &rtc())), "{text:?}");
        }
    }

    #[test]
    fn what_is_in_the_way_becomes_a_comment() {
        let before =
            "dtparam=i2c_arm=on\ndtoverlay=i2c-rtc,ds3231\ndtoverlay=i2c-rtc-gpio\ndtoverlay=hifiberry-dacplus\n";
        let wanted = Wanted { has_rtc: true, overlay: Some("iqaudio-dac".to_owned()) };
        let expected = "dtparam=i2c_arm=on\n#dtoverlay=i2c-rtc,ds3231 # by jaudiosync setup\ndtoverlay=i2c-rtc-gpio\n\
                        #dtoverlay=hifiberry-dacplus # by jaudiosync setup\ndtoverlay=iqaudio-dac\n";
        assert_eq!(edit(before, &wanted), expected);
    }

    proptest! {
        #[test]
        fn a_second_time_changes_nothing(
            lines in prop::collection::vec(
                prop_oneof![
                    Just("dtparam=i2c_arm=on".to_owned()),
                    Just("#dtparam=i2c_arm=on".to_owned()),
                    Just("dtparam=i2c_arm=off".to_owned()),
                    Just("dtoverlay=i2c-rtc,ds3231".to_owned()),
                    Just("dtoverlay=hifiberry-dac".to_owned()),
                    Just("[pi4]".to_owned()),
                    Just("[all]".to_owned()),
                    "[ -~]{0,20}",
                ],
                0..12,
            ),
            has_rtc: bool,
            overlay in prop::option::of(Just("hifiberry-dac".to_owned())),
        ) {
            let wanted = Wanted { has_rtc, overlay };
            let once = edit(&lines.join("\n"), &wanted);
            prop_assert_eq!(edit(&once, &wanted), once.clone());
            prop_assert!(!has_rtc || (has_i2c(&once) && !has_kernel_rtc(&once)));
        }
    }
}
