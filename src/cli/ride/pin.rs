//! `jaudiosync ride pin`: the PIN with which people steer the ride on the boxes' page.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::Args;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::super::{Failure, output};
use super::through::key_of;
use crate::config;

/// Print the ride's PIN, for the page of the boxes
///
/// Whoever is to steer the ride from a phone needs it once. It follows from the ride's key: all
/// boxes have the same one, and a new key has another. On a terminal a QR code comes with it, which
/// has the address of this box's page and the PIN.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync ride pin
  jaudiosync ride pin --qr > pin.txt                      with the QR code, also into a file
  jaudiosync ride pin --address http://10.42.0.1          of another address
  jaudiosync ride pin --key ride.key --address http://bike-1.local")]
pub(super) struct Pin {
    /// Print the QR code as well [default: on a terminal]
    #[arg(long)]
    qr: bool,

    /// Print the PIN alone
    #[arg(long, conflicts_with = "qr")]
    no_qr: bool,

    /// The page's address in the QR code [default: http://HOST.local, HOST being this machine's
    /// name]
    #[arg(long, value_name = "URL")]
    address: Option<String>,

    /// A file with the ride's key [default: the key that is configured]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Pin {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let key = match &self.key {
            Some(file) => key_of(file)?,
            None => match config::load(None).config().ride.find_key() {
                Ok(Some((key, _))) => key,
                Ok(None) => {
                    return Err(Failure::Other(
                        "there is no ride's key here, and without one there is no PIN; make one with: sudo jaudiosync \
                         ride new-key --write, or name a file with the key: --key FILE"
                            .to_owned(),
                    ));
                }
                Err(problem) => return Err(Failure::Other(problem)),
            },
        };
        let pin = key.pin();
        if self.qr || (!self.no_qr && io::stdout().is_terminal()) {
            let address = self.address.clone().unwrap_or_else(own_address);
            let link = link(&address, &pin);
            let code = draw(&link, io::stdout().is_terminal())
                .ok_or_else(|| Failure::Usage("the address is too long for a QR code".to_owned()))?;
            output::say(code);
            output::say(format_args!("{address}\n"));
        }
        output::say(pin);
        Ok(())
    }
}

fn own_address() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let host = host.split('.').next().unwrap_or_default().to_lowercase();
    if host.is_empty() { "http://10.42.0.1".to_owned() } else { format!("http://{host}.local") }
}

/// Returns the address with the PIN behind `#`: a browser does not send what comes there, so that
/// it gets into no log on the way.
pub(in crate::cli) fn link(address: &str, pin: &str) -> String {
    format!("{}/#pin={pin}", address.trim_end_matches('/'))
}

/// Draws a QR code: black on white on a terminal, whatever its colours are; elsewhere its light parts
/// are blocks, as most terminals on which a file is shown are dark.
pub(in crate::cli) fn draw(text: &str, has_colors: bool) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let (dark, light) = if has_colors { (Dense1x2::Dark, Dense1x2::Light) } else { (Dense1x2::Light, Dense1x2::Dark) };
    let drawn = code.render::<Dense1x2>().dark_color(dark).light_color(light).build();
    let style = match has_colors {
        true => AnsiColor::Black.on(AnsiColor::BrightWhite),
        false => Style::new(),
    };
    Some(drawn.lines().map(|line| format!("{style}{line}{style:#}")).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_has_the_pin_where_no_server_sees_it() {
        assert_eq!(link("http://bike-1.local", "012345"), "http://bike-1.local/#pin=012345");
        assert_eq!(link("http://10.42.0.1/", "012345"), "http://10.42.0.1/#pin=012345");
    }

    #[test]
    fn a_code_fits_into_a_terminal() {
        let drawn = draw(&link("http://a-bike-with-a-long-name.local", "012345"), false).unwrap();
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines.len() <= 24 && lines.iter().all(|line| line.chars().count() <= 45), "{drawn}");
        // In colours the same code has its blocks and gaps exchanged.
        let colored = draw("x", true).unwrap();
        assert!(colored.lines().all(|line| line.starts_with('\u{1b}') && line.ends_with("\u{1b}[0m")), "{colored:?}");
        assert!(draw(&"x".repeat(5_000), false).is_none());
    }
}
