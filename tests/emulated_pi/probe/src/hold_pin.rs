//! A pin in the hands of another process, as a HAT's driver would have it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use gpiocdev::chip::chips;
use gpiocdev::line::Value;
use gpiocdev::{Chip, Request};

/// Drive a pin high until this is ended
#[derive(Debug, Args)]
pub(super) struct HoldPin {
    /// The pin's GPIO number, which is also its line's on the chip
    gpio: u32,
    /// The name under which the kernel shows it
    #[arg(long, value_name = "NAME")]
    consumer: String,
}

impl HoldPin {
    pub(super) fn run(&self) -> Result<()> {
        let _request = Request::builder()
            .on_chip(header_chip()?)
            .with_consumer(&self.consumer)
            .with_line(self.gpio)
            .as_output(Value::Active)
            .request()?;
        println!("holding");
        loop {
            std::thread::park();
        }
    }
}

/// Returns the chip of the header: the firmware has another one.
fn header_chip() -> Result<PathBuf> {
    let is_header = |path: &PathBuf| {
        Chip::from_path(path).and_then(|chip| chip.info()).is_ok_and(|info| info.label.starts_with("pinctrl-"))
    };
    chips()?.into_iter().find(is_header).context("there is no such chip")
}
