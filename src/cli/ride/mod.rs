//! `jaudiosync ride`: the boxes that ride together. Alone it shows who is heard; `new-key` makes
//! the key that they share, `pin` prints the PIN of their page, and the rest commands them.
//!
//! - `show` asks the service; `table` draws what it says;
//! - `command` has the subcommands that boxes carry out, `through` the way to them, and `results`
//!   the words for what came of it;
//! - `words` has the two figures of a box, for the other commands too.

mod command;
mod new_key;
mod outside;
mod pin;
mod results;
mod show;
mod table;
mod through;
pub(super) mod words;

use clap::{Args, Subcommand};

use self::new_key::NewKey;
pub(super) use self::new_key::save;
use self::show::Show;
use super::Failure;

/// Show which boxes of the ride are heard, and how close they are; command them all; make their key
///
/// Boxes with the same key that are on one network, such as a phone's hotspot, hear each other and
/// agree on one time. Without a subcommand this shows who is heard, as the service reports it: how
/// far each one's time is ahead, with its bound; whether it leads or follows, or is apart in
/// another group; how far it can be from UTC, and how long ago it compared that with a reference;
/// the track that it plays; whether its playlist is the same; its volume; and what is wrong. The
/// exit code is 0 unless there is no service.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  jaudiosync ride                          who is heard, and how close
  jaudiosync ride --watch                  every second, until Ctrl-C
  jaudiosync ride --json | jq .neighbours  for a script
  jaudiosync ride start                    all boxes start, in the same frame
  jaudiosync ride volume -5 bike-2 bike-3  these two are 5 % quieter
  jaudiosync ride pin                      the PIN of the boxes' page, with a QR code
  jaudiosync ride new-key                  print a new key
  sudo jaudiosync ride new-key --write     give this box a new key

The [ride] section of the configuration has the key, the box's name and the port; see: jaudiosync
config --sample"
)]
pub(super) struct RideCommand {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    show: Show,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show which boxes of the ride are heard, as `jaudiosync ride` does
    Status(Show),
    Start(command::Start),
    Stop(command::Stop),
    Resume(command::Resume),
    Volume(command::Volume),
    Reload(command::Reload),
    Identify(command::Identify),
    Pin(pin::Pin),
    NewKey(NewKey),
}

impl RideCommand {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Some(Action::Status(command)) => command.run(),
            Some(Action::Start(command)) => command.run(),
            Some(Action::Stop(command)) => command.run(),
            Some(Action::Resume(command)) => command.run(),
            Some(Action::Volume(command)) => command.run(),
            Some(Action::Reload(command)) => command.run(),
            Some(Action::Identify(command)) => command.run(),
            Some(Action::Pin(command)) => command.run(),
            Some(Action::NewKey(command)) => command.run(),
            None => self.show.run(),
        }
    }
}
