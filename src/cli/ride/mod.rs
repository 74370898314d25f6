//! `jaudiosync ride`: the boxes that ride together.

mod new_key;

use clap::{Args, CommandFactory, Subcommand};

use self::new_key::NewKey;
use super::{Cli, Failure, output};

/// Let boxes that ride together hear each other
///
/// Boxes with the same key that are on one network, such as a phone's hotspot, hear each other.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync ride new-key                  print a new key
  sudo jaudiosync ride new-key --write     give this box a new key

The [ride] section of the configuration has the key, the box's name and the port; see: jaudiosync
config --sample")]
pub(super) struct RideCommand {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    NewKey(NewKey),
}

impl RideCommand {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Some(Action::NewKey(command)) => command.run(),
            None => {
                let mut program = Cli::command();
                program.build();
                let help = program.find_subcommand_mut("ride").map(|ride| ride.render_long_help().to_string());
                output::say(help.unwrap_or_default().trim_end());
                Ok(())
            }
        }
    }
}
