//! `jaudiosync ride`: the boxes that ride together. Alone it shows who is heard; `new-key` makes
//! the key that they share.
//!
//! - `show` asks the service; `table` draws what it says;
//! - `words` has the two figures of a box, for the other commands too.

mod new_key;
mod show;
mod table;
pub(super) mod words;

use clap::{Args, Subcommand};

use self::new_key::NewKey;
pub(super) use self::new_key::save;
use self::show::Show;
use super::Failure;

/// Show which boxes of the ride are heard, and how close they are; make the ride's key
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
    NewKey(NewKey),
}

impl RideCommand {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Some(Action::NewKey(command)) => command.run(),
            None => self.show.run(),
        }
    }
}
