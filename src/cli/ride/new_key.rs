//! `jaudiosync ride new-key`: makes the key of a ride.

use std::io::{self, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use nix::unistd::Group;

use super::super::{Failure, output};
use crate::config::{self, Layers};
use crate::ride::key::RideKey;
use crate::storage::write_secret;

/// The group of the service, which must be able to read the key (`Group=` in its unit).
const SERVICE_GROUP: &str = "jaudiosync";

/// Make a new key for a ride
///
/// All boxes of a ride need the same key; boxes with another one are not heard. The key is printed,
/// and on a terminal also what to do with it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync ride new-key
  sudo jaudiosync ride new-key --write             and save it where the service reads it
  sudo jaudiosync ride new-key --write --replace   instead of the one that is there
  jaudiosync ride new-key --output ride.key        for: scripts/deploy --ride-key ride.key HOST...")]
pub(super) struct NewKey {
    /// Save it in the file that ride.key_file names, readable by root and the service alone
    #[arg(long)]
    write: bool,

    /// Save it in this file, which must not exist yet, and which only you can read; it is not printed
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    output: Option<PathBuf>,

    /// Replace the key that is there; this box then no longer hears those that have it
    #[arg(long, requires = "write")]
    replace: bool,

    /// Read this configuration file instead of the system's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl NewKey {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let layers = config::load(self.config.as_deref());
        let file = &layers.config().ride.key_file;
        if self.write {
            layers.problems().iter().for_each(output::warn);
            self.refuse_where_it_has_no_effect(&layers)?;
        }
        let key =
            RideKey::generate().map_err(|error| Failure::Other(format!("the system has no randomness: {error}")))?;
        if let Some(file) = &self.output {
            if file.exists() {
                return Err(Failure::Usage(format!("{} is there already; name another file", file.display())));
            }
            write_secret(file, format!("{key}\n").as_bytes(), None).map_err(|error| explain(file, &error))?;
            output::note(format_args!("saved in {}: for scripts/deploy --ride-key, and --key", file.display()));
            return Ok(());
        }
        if self.write {
            save(file, &key).map_err(|error| explain(file, &error))?;
        }
        output::say(&key);
        if self.write {
            output::note(format_args!(
                "saved in {}; it takes effect after: sudo systemctl restart jaudiosync",
                file.display()
            ));
        }
        if io::stdout().is_terminal() {
            output::note(what_next(self.write, file));
        }
        Ok(())
    }

    fn refuse_where_it_has_no_effect(&self, layers: &Layers) -> Result<(), Failure> {
        let ride = &layers.config().ride;
        if ride.key.0.is_some() {
            let place = layers.origin("ride.key").map(|origin| format!(" ({origin})")).unwrap_or_default();
            return Err(Failure::Other(format!(
                "nothing was changed: the configuration has a key{place}, which comes before that of a file; remove it \
                 there first"
            )));
        }
        // Even one that cannot be read: it may be the ride's, mistyped.
        if ride.key_file.exists() && !self.replace {
            return Err(Failure::Other(format!(
                "nothing was changed: {} is there already; to replace it, on all boxes of the ride: --replace",
                ride.key_file.display()
            )));
        }
        Ok(())
    }
}

/// Saves the key for the service. Where there is none of this group, as on a laptop, only the owner
/// can read it.
pub(in crate::cli) fn save(file: &Path, key: &RideKey) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let group = Group::from_name(SERVICE_GROUP).ok().flatten().map(|group| group.gid);
    write_secret(file, format!("{key}\n").as_bytes(), group)
}

fn explain(file: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => "; run it as root (sudo), or name a file elsewhere",
        _ => "",
    };
    Failure::Other(format!("{}: {error}{advice}", file.display()))
}

fn what_next(is_written: bool, file: &Path) -> String {
    let file = file.display();
    let here = if is_written { "the other boxes" } else { "every box of the ride" };
    format!(
        "\nGive the same key to {here}, in one of three ways:\n  \
         from a laptop:           scripts/deploy --keep-package --ride-key KEY HOST...\n  \
         on a box, in a file:     {file}, which root and the group {SERVICE_GROUP} alone can read\n  \
         on the boot partition:   jaudiosync.toml, with the two lines\n                             \
         [ride]\n                             key = \"KEY\"\n\
         Anybody who has it can join the ride and move its time: do not publish it."
    )
}
