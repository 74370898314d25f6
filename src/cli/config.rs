//! `jaudiosync config`: shows the effective configuration, and where each value comes from.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Failure, output};
use crate::config::{BoardKind, Config, Layers, SET, load};
use crate::host::Machine;
use crate::host::hats::{certain_collisions, claims, possible_uses};

/// Show the effective configuration, and where each value comes from
///
/// The output is a valid configuration file. A comment after each value names its file and line.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync config
  jaudiosync config --check                        report problems only; fails if there are any
  jaudiosync config --get playlist.folder          the value of one key, for a script
  jaudiosync config --config jaudiosync.toml       read this file only
  jaudiosync config --sample > config.toml         every key with its default and its meaning")]
pub(super) struct ConfigCommand {
    /// Read this file instead of the system's and the boot partition's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print only the problems, and pins that a HAT may need; fail if there are problems
    #[arg(long, conflicts_with = "json")]
    check: bool,

    /// Print the sample configuration
    #[arg(long, conflicts_with_all = ["json", "check", "config"])]
    sample: bool,

    /// Print only the value of a key, such as playlist.name: for scripts
    #[arg(long, value_name = "KEY", conflicts_with_all = ["json", "check", "sample"])]
    get: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ConfigCommand {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if self.sample {
            output::say(crate::config::SAMPLE.trim_end());
            return Ok(());
        }
        let layers = load(self.config.as_deref());
        layers.problems().iter().for_each(output::warn);
        if let Some(key) = &self.get {
            output::say(value_of(&layers, key).map_err(Failure::Usage)?);
            return Ok(());
        }
        if self.json {
            output::say_pretty_json(&to_json(&layers))?;
        } else if !self.check {
            output::say(to_toml(&layers).trim_end());
        }
        if !self.check {
            return Ok(());
        }
        let (certain, possible) = pins(layers.config(), &Machine::below(Path::new("/")));
        certain.iter().chain(&possible).for_each(output::warn);
        match layers.problems().len() + certain.len() {
            0 => Ok(()),
            1 => Err(Failure::Other("the configuration has a problem; see above".to_owned())),
            count => Err(Failure::Other(format!("the configuration has {count} problems; see above"))),
        }
    }
}

/// Returns what certainly collides with the pins, and what may, on this machine.
fn pins(config: &Config, machine: &Machine) -> (Vec<String>, Vec<String>) {
    if config.board.kind != BoardKind::Pi {
        return (Vec::new(), Vec::new());
    }
    let boot_config = machine.boot_config().map(|(_, text)| text).unwrap_or_default();
    let claims = claims(&boot_config, machine.hat_product().as_deref(), config.board.hat);
    let pins = config.board.pins();
    let certain = certain_collisions(&pins, &claims);
    let advise = |words: String| format!("{words}; choose another pin in [board]");
    (certain.iter().map(|collision| advise(collision.to_string())).collect(), possible_uses(&pins, &claims))
}

/// Formats a configuration file in which a comment after each value says where it comes from.
fn to_toml(layers: &Layers) -> String {
    let mut text = String::new();
    for (section, keys) in layers.values() {
        text.push_str(&format!("[{section}]\n"));
        for (key, value) in keys.as_table().into_iter().flatten() {
            let origin = layers.origin(&format!("{section}.{key}")).map_or("default".to_owned(), ToString::to_string);
            // A secret is not shown, and the rest can be read again.
            let secret = if value.as_str() == Some(SET) { "# " } else { "" };
            text.push_str(&format!("{:<40} # {origin}\n", format!("{secret}{key} = {value}")));
        }
        text.push('\n');
    }
    text
}

/// Returns the value of a key: a text as it is, anything else as TOML.
fn value_of(layers: &Layers, key: &str) -> Result<String, String> {
    let values = layers.values();
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    let keys = values.get(section).and_then(toml::Value::as_table);
    match keys.and_then(|keys| keys.get(name)) {
        Some(toml::Value::String(text)) => Ok(text.clone()),
        Some(value) => Ok(value.to_string()),
        None => Err(format!("there is no key {key}; write a section and a key of it, such as playlist.stick")),
    }
}

fn to_json(layers: &Layers) -> Value {
    let mut values = Map::new();
    for (section, keys) in layers.values() {
        for (key, value) in keys.as_table().into_iter().flatten() {
            let name = format!("{section}.{key}");
            let origin = layers.origin(&name);
            values.insert(name, json!({ "value": value, "origin": origin }));
        }
    }
    json!({ "files": layers.files(), "values": values, "problems": layers.problems() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::machine;
    use crate::ride_key::RideKey;

    fn layers() -> Layers {
        let mut layers = Layers::default();
        layers.lay(Path::new("a.toml"), b"[volume]\nstep_percent = 7\n");
        layers
    }

    #[test]
    fn the_output_is_a_valid_configuration() {
        let text = to_toml(&layers());
        assert!(text.contains("step_percent = 7                         # a.toml:2"), "{text}");
        assert!(text.contains("remember = true                          # default"), "{text}");
        let mut again = Layers::default();
        again.lay(Path::new("b.toml"), text.as_bytes());
        assert_eq!(again.problems(), []);
        assert_eq!(again.config(), layers().config());
    }

    #[test]
    fn a_pin_that_the_boot_configurations_dac_needs_is_a_problem() {
        let mut layers = Layers::default();
        layers.lay(Path::new("a.toml"), b"[board]\nstop_gpio = 21\njumper_gpio = 15\n");
        let found = |boot_config: &str| {
            let (_root, machine) = machine(&[("boot/firmware/config.txt", boot_config)]);
            pins(layers.config(), &machine)
        };
        let (certain, possible) = found("dtoverlay=hifiberry-dacplus\n");
        assert!(certain.len() == 1 && certain[0].contains("GPIO21, which an I2S DAC uses"), "{certain:?}");
        assert!(possible.len() == 1 && possible[0].contains("GPIO15, which a serial port"), "{possible:?}");
        let (certain, possible) = found("");
        assert_eq!((certain.len(), possible.len()), (0, 2));
    }

    #[test]
    fn the_ride_s_key_is_not_shown() {
        let key = RideKey::generate().unwrap().to_string();
        let mut layers = layers();
        layers.lay(Path::new("b.toml"), format!("[ride]\nkey = \"{key}\"\n").as_bytes());
        let text = to_toml(&layers);
        assert!(text.contains("# key = \"(set)\"                          # b.toml:2"), "{text}");
        assert_eq!(to_json(&layers)["values"]["ride.key"]["value"], json!("(set)"));
        // A key that cannot be used, and the one that stays in effect.
        layers.lay(Path::new("c.toml"), b"[ride]\nkey = \"a3kd\"\n");
        let problem = layers.problems()[0].message.clone();
        assert!(problem.contains("new-key") && problem.contains("(set)\" stays in effect"), "{problem}");
        for shown in [to_toml(&layers), to_json(&layers).to_string(), format!("{layers:?}")] {
            assert!(!shown.contains(&key), "{shown}");
        }
    }

    #[test]
    fn json_has_the_value_and_origin_of_every_key() {
        let value = to_json(&layers());
        assert_eq!(
            value["values"]["volume.step_percent"],
            json!({"value": 7, "origin": {"file": "a.toml", "line": 2}})
        );
        assert_eq!(value["values"]["volume.remember"], json!({"value": true, "origin": null}));
    }
}
