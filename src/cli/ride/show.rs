//! `jaudiosync ride`: shows who is heard, by the running service's status.

use std::io::{self, IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};

use clap::Args;
use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use ratatui::crossterm::terminal::size;

use super::super::service_options::ServiceOptions;
use super::super::{Failure, output};
use super::outside;
use super::table::{Look, draw};
use super::through::{guest, key_of};
use crate::config::{self, TimeSource};
use crate::control::protocol::RideDifferences;
use crate::control::{Client, Request, Status};
use crate::ride::command::{SendError, Targets};

/// More boxes are not asked for their lists.
const MOST_COMPARED: usize = 5;

/// A terminal that does not say how wide it is has this many columns.
const USUAL_COLUMNS: usize = 80;

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Show it again every second
    #[arg(long)]
    watch: bool,

    /// Print JSON: the part `ride` of the status, `null` without a key; with --watch, a line every
    /// second
    #[arg(long)]
    json: bool,

    /// A file with the ride's key: listen on this machine itself for some seconds, without a
    /// service
    #[arg(long, value_name = "FILE", conflicts_with_all = ["socket", "watch"])]
    key: Option<PathBuf>,

    #[command(flatten)]
    service: ServiceOptions,
}

impl Show {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if let Some(file) = &self.key {
            return self.show_from_outside(file);
        }
        let mut client = self.service.connect()?;
        let mut last = None;
        let mut next = Some(client.request(&Request::Status { watch: self.watch })?);
        while let Some(response) = next {
            if let Some(status) = response.into_status()? {
                if self.show(&status).is_err() {
                    // The reader has gone (`| head`).
                    return Ok(());
                }
                last = Some(status);
            }
            next = if self.watch { client.next_response()? } else { None };
        }
        if let Some(status) = last.filter(|_| !self.watch && !self.json) {
            say_differences(&mut client, &status);
        }
        match self.watch {
            true => Err(Failure::Other("the service has ended".to_owned())),
            false => Ok(()),
        }
    }

    fn show_from_outside(&self, file: &Path) -> Result<(), Failure> {
        let mut guest = guest(key_of(file)?)?;
        guest.listen(&Targets::All);
        let boxes = guest.boxes();
        let ride = outside::status(&boxes, guest.interfaces(), guest.refused(), MachineClocks.raw());
        match self.json {
            true => output::say_pretty_json(&ride)?,
            false if boxes.is_empty() => {}
            false => {
                let drawn = draw(&ride, None, look());
                // Its first line is about a box that hears others.
                output::say(drawn.split_once("\n\n").map_or(drawn.as_str(), |(_, table)| table));
            }
        }
        if boxes.is_empty() { Err(Failure::NoAnswer(SendError::Nobody.to_string())) } else { Ok(()) }
    }

    fn show(&self, status: &Status) -> io::Result<()> {
        let text = match (self.json, self.watch) {
            (true, true) => serde_json::to_string(&status.ride)?,
            (true, false) => serde_json::to_string_pretty(&status.ride)?,
            (false, true) => format!("{}\n", page(status)),
            (false, false) => page(status),
        };
        // It leaves the colours out where NO_COLOR or the terminal asks for that.
        writeln!(anstream::stdout().lock(), "{text}")
    }
}

/// Says for every box with another playlist what differs: at most for some of them, as each may
/// take seconds.
fn say_differences(client: &mut Client, status: &Status) {
    let neighbours = status.ride.iter().flat_map(|ride| &ride.neighbours);
    for neighbour in neighbours.filter(|neighbour| neighbour.same_playlist == Some(false)).take(MOST_COMPARED) {
        let response = client.request(&Request::RideList(neighbour.id.clone()));
        match response.map_err(Failure::from).and_then(|response| Ok(response.into_ride_list()?)) {
            Ok(Some(RideDifferences { lines, more })) => {
                output::say(format_args!("\n{}'s playlist differs from this box's:", neighbour.name));
                lines.iter().for_each(|line| output::say(format_args!("  {line}")));
                if more > 0 {
                    output::say(format_args!("  and {more} more"));
                }
            }
            // A service of an earlier version.
            Ok(None) => {}
            Err(failure) => output::note(format_args!("{}: {failure}", neighbour.name)),
        }
    }
}

fn look() -> Look {
    let is_terminal = stdout().is_terminal();
    let columns = is_terminal.then(|| size().map_or(USUAL_COLUMNS, |(columns, _)| usize::from(columns)));
    Look { columns, has_colors: is_terminal }
}

fn page(status: &Status) -> String {
    match &status.ride {
        Some(ride) => draw(ride, status.time.error_bound_ms, look()),
        None => no_ride(),
    }
}

/// Says why the service hears nobody, as far as the configuration shows it.
fn no_ride() -> String {
    let layers = config::load(None);
    let config = layers.config();
    let why = match config.ride.find_key() {
        _ if config.time.source == TimeSource::System => "with time.source = \"system\" another program keeps its time",
        Ok(Some(_)) => {
            "it has had a key only since the service was started, or the service cannot read it. Try: sudo systemctl \
             restart jaudiosync, and then: sudo jaudiosync doctor"
        }
        Ok(None) => {
            "it has no ride's key. To make one: sudo jaudiosync ride new-key --write; to get that of other boxes: \
             scripts/deploy --ride-key, or sudo jaudiosync setup --ride-key FILE"
        }
        Err(words) => return format!("This box neither hears other boxes nor is heard: {words}"),
    };
    format!("This box neither hears other boxes nor is heard: {why}")
}
