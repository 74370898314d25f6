//! `jaudiosync devices`: the sound outputs.

use clap::Args;
use comfy_table::{Table, presets};
use jaudiosync_hw::dac::sound_cards;
use serde_json::json;

use super::{Failure, output};

/// List the sound outputs
///
/// `play --device` takes what is in the first column; a card's name alone, such as Headphones, will
/// do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  jaudiosync devices\n  jaudiosync play --device Headphones")]
pub(super) struct Devices {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let cards = sound_cards()?;
        if self.json {
            let cards: Vec<_> = cards
                .iter()
                .map(|card| json!({"id": card.id, "description": card.description, "default": card.is_default}))
                .collect();
            return output::say_pretty_json(&cards);
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(["Device", "Description"]);
        for card in &cards {
            table.add_row([card.id.as_str(), card.description.as_str()]);
        }
        output::say(table.trim_fmt());
        Ok(())
    }
}
