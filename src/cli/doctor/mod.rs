//! `jaudiosync doctor`: checks everything that a rider can get wrong, and says how to fix it.

mod buttons;
mod devices;
mod last_ride;
mod page;
mod ride;
mod show;
mod wifi;

use std::path::{Path, PathBuf};

use clap::Args;
use jaudiosync_hw::gpio::used_by_others;
use serde_json::json;

use self::devices::{Holder, read_board, read_clock, read_sound, read_state};
use super::service_options::ServiceOptions;
use super::{Failure, output};
use crate::config::{self, Config};
use crate::control::{Request, Status};
use crate::doctor::{Finding, Level, checks};
use crate::host::Machine;
use crate::service::playlists::{Read, Reading, in_words};
use crate::service::settings::playlist_source;
use crate::storage::service_state_folder;

/// Check everything that can go wrong with a box, and say how to fix it
///
/// Nothing is changed except the saved index beside the playlist. While the service runs, it
/// reports the buttons and the sound card; otherwise this command opens them. The exit code is 1 if
/// something keeps the box from playing in sync.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync doctor
  jaudiosync doctor --buttons               press each button, and see which one is read
  jaudiosync doctor --last-ride             what happened on the last ride, also before a power cut
  jaudiosync doctor --last-ride 2           the same of the ride before it
  jaudiosync doctor --json                  print it for a script
  sudo -u jaudiosync jaudiosync doctor      run it as the service's user, with its rights")]
pub(super) struct Doctor {
    /// Afterwards test the buttons and the jumper: report each one that is pressed or moved
    #[arg(long, conflicts_with = "json")]
    buttons: bool,

    /// Check nothing, and say what happened on the last ride: power cuts, restarts, drop-outs, how
    /// well the time was known. 2 is the ride before it, and so on
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, default_missing_value = "1",
          value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "buttons")]
    last_ride: Option<u32>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Read this configuration file instead of the system's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    service: ServiceOptions,
}

impl Doctor {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let layers = config::load(self.config.as_deref());
        let config = layers.config();
        if let Some(number) = self.last_ride {
            if let Some(file) = self.config.as_ref().filter(|file| !file.exists()) {
                return Err(Failure::Other(format!("{}: there is no such file", file.display())));
            }
            layers.problems().iter().for_each(output::warn);
            let folder = service_state_folder(config.state.folder());
            return last_ride::show(folder.as_deref(), number as usize, self.json);
        }
        let machine = Machine::below(Path::new("/"));
        let service = self.service_status(config);
        let holder = Holder::of(service.as_ref());
        let mut findings = checks::configuration(&layers);
        findings.extend(checks::service(service.as_ref()));
        findings.extend(checks::clock(&config.time, &machine, &read_clock(config, holder)));
        findings.extend(checks::daemons(&config.time, &machine));
        let ride = ride::read(&config.ride);
        findings.extend(checks::wifi(&config.time, ride.has_key(), &wifi::read(&machine)));
        findings.extend(checks::ride(&ride));
        match service.as_ref().map(|status| &status.ride) {
            Ok(Some(heard)) => findings.extend(checks::neighbours(heard)),
            Ok(None) if ride.has_key() => findings.push(checks::unused_key()),
            _ => {}
        }
        if ride.has_key() && service.is_ok() {
            findings.push(checks::page(&page::read(&config.page)));
        }
        let board = read_board(config, holder);
        if let Some(levels) = &board.levels {
            findings.extend(checks::board(config, levels.as_ref().copied().map_err(String::as_str)));
        }
        findings.extend(checks::pins(config, &machine, &board.left_out, &used_by_others()));
        findings.extend(checks::sound(&read_sound(config, holder)));
        let state_folder = service_state_folder(config.state.folder());
        let reading = Reading { state_folder: state_folder.as_deref(), every_mp3: true, ..Reading::default() };
        let Read { sticks, loaded, .. } = playlist_source(config).read(reading, &|_, _| {});
        findings.extend(checks::music(loaded.as_ref().map_err(in_words)));
        let offered = service.as_ref().map_or(&[][..], |status| &status.sticks);
        findings.extend(checks::sticks(&sticks, offered));
        findings.extend(checks::health(&machine, &read_state(config, holder)));
        self.show(&findings)?;
        if self.buttons {
            buttons::follow(config, &self.service, holder, &board.left_out)?;
        }
        match findings.iter().filter(|finding| finding.level == Level::Problem).count() {
            0 => Ok(()),
            1 => Err(Failure::Other("one problem keeps this box from playing in sync".to_owned())),
            count => Err(Failure::Other(format!("{count} problems keep this box from playing in sync"))),
        }
    }

    fn service_status(&self, config: &Config) -> Result<Status, crate::control::ClientError> {
        let mut client = self.service.connect_configured(&config.control.socket)?;
        let response = client.request(&Request::Status { watch: false })?;
        Ok(response.into_status().ok().flatten().unwrap_or_default())
    }

    fn show(&self, findings: &[Finding]) -> Result<(), Failure> {
        if self.json {
            let count = |level| findings.iter().filter(|finding| finding.level == level).count();
            return output::say_pretty_json(&json!({
                "findings": findings,
                "problems": count(Level::Problem),
                "warnings": count(Level::Warning),
            }));
        }
        show::show(findings);
        Ok(())
    }
}
