//! `jaudiosync volume`: shows or sets the running service's volume.

use std::str::FromStr;

use clap::Args;

use super::service_options::ServiceOptions;
use super::{Failure, output};
use crate::control::Command;
use crate::format;

/// Show or set the volume
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync volume           show it
  jaudiosync volume 25        set it to 25 %
  jaudiosync volume +5        5 % louder
  jaudiosync volume -5        5 % quieter")]
pub(super) struct Volume {
    /// The volume in percent, 0 to 100; with + or - in front, a change
    #[arg(value_name = "PERCENT", allow_hyphen_values = true)]
    change: Option<Change>,

    #[command(flatten)]
    service: ServiceOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    To(u8),
    By(i8),
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_suffix('%').unwrap_or(text);
        let change = match digits.starts_with(['+', '-']) {
            true => digits.parse().ok().filter(|by: &i8| by.unsigned_abs() <= 100).map(Self::By),
            false => digits.parse().ok().filter(|percent| *percent <= 100).map(Self::To),
        };
        change.ok_or_else(|| "write 0 to 100, or a change such as +5 or -5".to_owned())
    }
}

impl Volume {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let (percent, by) = match self.change {
            None => (None, None),
            Some(Change::To(percent)) => (Some(percent), None),
            Some(Change::By(by)) => (None, Some(by)),
        };
        if let Some((percent, db)) = self.service.ask(Command::Volume { percent, by })?.into_volume()? {
            output::say(format::volume(percent, db));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_makes_it_a_change() {
        let change = |text: &str| text.parse::<Change>();
        assert_eq!(change("25"), Ok(Change::To(25)));
        assert_eq!(change("0%"), Ok(Change::To(0)));
        assert_eq!(change("+5"), Ok(Change::By(5)));
        assert_eq!(change("-100"), Ok(Change::By(-100)));
        for bad in ["", "101", "-101", "+200", "loud", "+", "5.5", "--5"] {
            assert!(change(bad).is_err(), "{bad}");
        }
    }
}
