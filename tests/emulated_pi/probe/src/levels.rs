//! The levels of the buttons and the jumper, read by the service's own code.

use anyhow::Result;
use clap::Args;
use jaudiosync_hw::buttons::{Button, HeaderInputs, Inputs, Pins};
use jaudiosync_hw::gpio::{BackendChoice, Header};

/// Print which buttons are pressed and whether the jumper is fitted
#[derive(Debug, Args)]
pub(super) struct Levels {}

impl Levels {
    pub(super) fn run(&self) -> Result<()> {
        println!("{}", closed(&mut HeaderInputs::open(&Header::open(BackendChoice::Auto)?, &Pins::default())?)?);
        Ok(())
    }
}

/// Returns what is connected to ground, in the order of the buttons, the jumper last.
fn closed(inputs: &mut HeaderInputs) -> Result<String> {
    let levels = inputs.read()?;
    let buttons = Button::ALL.into_iter().filter(|&button| levels.is_pressed(button)).map(|button| button.to_string());
    let jumper = levels.jumper_fitted.then(|| "jumper".to_owned());
    let closed: Vec<_> = buttons.chain(jumper).collect();
    Ok(if closed.is_empty() { "none".to_owned() } else { closed.join(",") })
}
