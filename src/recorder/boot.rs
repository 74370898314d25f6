//! Which boot this is, and how systemd saw the last run of it end.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// Set by the unit, as its sandbox hides the kernel's own file.
const VARIABLE: &str = "JAUDIOSYNC_BOOT_ID";

const KERNELS: &str = "/proc/sys/kernel/random/boot_id";

/// The file below `RUNTIME_DIRECTORY` in which the unit's `ExecStopPost=` says how a run ended.
const LAST_END: &str = "last-end";

/// Enough digits to tell a box's boots apart.
const DIGITS: usize = 8;

/// The first digits of the id that the kernel gives to every boot; empty if it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(String);

impl BootId {
    /// Returns the id of this boot: as the unit or the kernel says.
    pub fn current() -> Self {
        let of_unit = std::env::var(VARIABLE).ok();
        let id = of_unit.or_else(|| std::fs::read_to_string(KERNELS).ok());
        Self::parse(&id.unwrap_or_default())
    }

    /// Makes an id of its usual forms, with dashes or without.
    pub fn parse(text: &str) -> Self {
        Self(
            text.chars().filter(char::is_ascii_hexdigit).take(DIGITS).map(|digit| digit.to_ascii_lowercase()).collect(),
        )
    }

    /// Returns the first digits as a number, where there is no room for more; 0 if it is unknown.
    pub(super) fn short(&self) -> u16 {
        let digits = self.0.get(..4).unwrap_or(&self.0);
        u16::from_str_radix(digits, 16).unwrap_or(0)
    }

    /// Makes an id of its first digits.
    pub(super) fn of_short(short: u16) -> Self {
        Self(if short == 0 { String::new() } else { format!("{short:04x}") })
    }

    /// Returns whether the id is known.
    pub fn is_known(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Returns how systemd saw the last run in this boot end, in words; `None` if it said nothing, or
/// that all went well.
pub fn last_end() -> Option<String> {
    let folder = std::env::var_os("RUNTIME_DIRECTORY")?;
    let text = std::fs::read_to_string(Path::new(&folder).join(LAST_END)).ok()?;
    in_words(&text)
}

/// Returns what `$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS` of systemd.exec(5) mean.
fn in_words(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let (result, code, status) = (words.next()?, words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Some(match (result, code, status) {
        ("success", ..) => return None,
        ("watchdog", ..) => "the watchdog: a part of the program hung".to_owned(),
        ("oom-kill", ..) => "the kernel killed it, as memory ran out".to_owned(),
        ("timeout", ..) => "it did not start or end in time".to_owned(),
        ("exit-code", _, "101") => "a fault in the program (exit code 101)".to_owned(),
        ("exit-code", _, status) => format!("it ended with exit code {}", printable(status)),
        ("signal" | "core-dump", _, status) => format!("it was ended by SIG{}", printable(status)),
        (result, ..) => printable(result),
    })
}

fn printable(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_in_the_kernels_form_and_in_systemds() {
        let kernels = BootId::parse("9B1F0E2C-5d7e-4f6a-8a3c-111111111111\n");
        assert_eq!(kernels, BootId::parse("9b1f0e2c5d7e4f6a8a3c111111111111"));
        assert!(kernels.is_known() && !BootId::parse(" \n").is_known());
    }

    #[test]
    fn systemds_words_are_put_as_a_rider_understands_them() {
        assert_eq!(in_words("success exited 0\n"), None);
        assert_eq!(in_words(""), None);
        assert!(in_words("watchdog dumped ABRT").unwrap().contains("hung"));
        assert!(in_words("exit-code exited 101").unwrap().contains("fault"));
        assert_eq!(in_words("exit-code exited 1").unwrap(), "it ended with exit code 1");
        assert_eq!(in_words("signal killed KILL").unwrap(), "it was ended by SIGKILL");
        assert_eq!(in_words("a\u{7}b").unwrap(), "ab");
    }
}
