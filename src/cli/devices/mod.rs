//! `jaudiosync devices`: the sound outputs, and which one plays.

mod rows;

use std::path::PathBuf;

use clap::Args;
use comfy_table::{Table, presets};
use jaudiosync_hw::dac::SoundServer;
use jaudiosync_hw::dac::cards::{Foreseen, Listing, NothingForeseen, is_automatic, pcm_names};

use self::rows::{Row, rows};
use super::{Failure, output};
use crate::config;

/// List the sound outputs, and which one plays
///
/// `sound.device` and `play --device` take what is in the column Id, any other name of ALSA's, such
/// as default, and a part of the name. If none is named, it is the sound server where one runs,
/// otherwise a HAT, otherwise a USB card, otherwise the headphone jack, otherwise any other card; a
/// screen or a loopback plays only by name. A card on which a program plays is not opened, and is
/// shown as in use.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  jaudiosync devices\n  jaudiosync play --device Headphones")]
pub(super) struct Devices {
    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Read this configuration file instead of the system's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Which output plays without a name, and which one the configuration names, if it names one.
struct Choice {
    default: Result<Foreseen, NothingForeseen>,
    /// The file that names it, and the output.
    configured: Option<(String, Result<Foreseen, NothingForeseen>)>,
}

impl Devices {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let layers = config::load(self.config.as_deref());
        let server = SoundServer::connectable().map(|server| server.description().to_owned());
        let listing = Listing::read();
        let foresee = |name: &str| listing.foresee(name, server.is_some(), pcm_names);
        let device = &layers.config().sound.device;
        let origin = || layers.origin("sound.device").map_or_else(|| "sound.device".to_owned(), ToString::to_string);
        let choice =
            Choice { default: foresee(""), configured: (!is_automatic(device)).then(|| (origin(), foresee(device))) };
        let taken = choice.taken().ok().map(|taken| taken.name.as_str());
        let rows = rows(&listing, server.as_deref(), taken);
        if self.json {
            return output::say_pretty_json(&rows.iter().map(|row| row.json(&choice)).collect::<Vec<_>>());
        }
        if !rows.is_empty() {
            output::say(table(&rows));
        }
        output::say(choice.words());
        if let Some(note) = twins_note(&listing.twins()) {
            output::say(note);
        }
        Ok(())
    }
}

impl Choice {
    /// Returns the output that a box with this configuration opens.
    fn taken(&self) -> Result<&Foreseen, &NothingForeseen> {
        self.configured.as_ref().map_or(&self.default, |(_, configured)| configured).as_ref()
    }

    fn because(&self) -> Option<String> {
        let taken = self.taken().ok()?;
        let origin = self.configured.as_ref().map(|(origin, _)| format!("{origin} names it"));
        Some(origin.unwrap_or_else(|| taken.because.clone()))
    }

    /// Returns one line: which output is taken, and why.
    fn words(&self) -> String {
        let words = |taken: Result<&Foreseen, &NothingForeseen>, because: Option<String>| match taken {
            Ok(Foreseen { name, pcm, .. }) => {
                let pcm = pcm.as_ref().filter(|pcm| *pcm != name).map(|pcm| format!(" ({pcm})")).unwrap_or_default();
                format!("{name}{pcm}, because {}", because.unwrap_or_default())
            }
            Err(error) => format!("none, because {error}"),
        };
        let line = format!("taken: {}", words(self.taken(), self.because()));
        if self.configured.is_none() {
            return line;
        }
        let default = self.default.as_ref();
        format!("{line}; without a name: {}", words(default, default.ok().map(|default| default.because.clone())))
    }
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["Id", "Kind", "Name", "Formats", "kHz", "Delay", "Mixer"]);
    for row in rows {
        table.add_row(row.cells());
    }
    table.trim_fmt()
}

/// Returns what to say about cards of the same model.
pub(super) fn twins_note(twins: &[&str]) -> Option<String> {
    let (last, others) = twins.split_last().filter(|(_, others)| !others.is_empty())?;
    Some(format!(
        "{} and {last} are of the same model: which one has which id depends on the order in which they are found",
        others.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreseen(name: &str, pcm: Option<&str>, because: &str) -> Foreseen {
        let pcm = pcm.map(str::to_owned);
        Foreseen { name: name.to_owned(), pcm, because: because.to_owned(), rivals: vec![] }
    }

    #[test]
    fn one_line_says_which_output_is_taken_and_why() {
        let hat = foreseen("sndrpihifiberry", Some("hw:CARD=sndrpihifiberry,DEV=0"), "a HAT comes first");
        let default = Choice { default: Ok(hat.clone()), configured: None };
        let line = "sndrpihifiberry (hw:CARD=sndrpihifiberry,DEV=0), because a HAT comes first";
        assert_eq!(default.words(), format!("taken: {line}"));
        let named = foreseen("default", Some("default"), "it is named");
        let named = Choice { default: Ok(hat), configured: Some(("box.toml:2".to_owned(), Ok(named))) };
        assert_eq!(named.words(), format!("taken: default, because box.toml:2 names it; without a name: {line}"));
        let nothing = Listing::new(vec![], None).foresee("", false, Vec::new);
        let nothing = Choice { default: nothing, configured: None };
        assert!(nothing.words().starts_with("taken: none, because there is no sound card"), "{}", nothing.words());
    }

    #[test]
    fn cards_of_the_same_model_are_named() {
        assert_eq!(twins_note(&[]), None);
        assert!(twins_note(&["Device", "Device_1"]).unwrap().starts_with("Device and Device_1 are of the same model"));
    }
}
