//! The way to the boxes of a ride: through this box's service, or from a machine that has the key
//! alone; and how the progress and the result are shown.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Local;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jaudiosync_hw::clocks::MachineClocks;

use super::super::service_options::ServiceOptions;
use super::super::{Failure, output};
use super::results;
use crate::config::{self, Ride};
use crate::control::ClientError;
use crate::control::Request;
use crate::control::protocol::{RideProgress, RideRequest};
use crate::ride::air::{Air, AirConfig};
use crate::ride::command::SendError;
use crate::ride::command::guest::Guest;
use crate::ride::key::RideKey;
use crate::service::ride_requests::{action, failure, targets};

#[derive(Debug, Args)]
pub(super) struct Through {
    /// The boxes, as `jaudiosync ride` names them [default: all that are heard]
    #[arg(value_name = "BOX")]
    boxes: Vec<String>,

    /// A file with the ride's key: command the boxes from this machine itself, without a service
    #[arg(long, value_name = "FILE", conflicts_with = "socket")]
    key: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    service: ServiceOptions,
}

impl Through {
    pub(super) fn send(&self, request: RideRequest) -> Result<(), Failure> {
        let request = RideRequest { boxes: self.boxes.clone(), ..request };
        let waiting = Waiting::new();
        let result = match &self.key {
            Some(file) => from_outside(key_of(file)?, &request, &waiting),
            None => match self.service.connect() {
                Ok(client) => through_service(client, &request, &waiting),
                // A laptop whose configuration has the key.
                Err(Failure::Service(error @ ClientError::NoService(_))) => {
                    match config::load(None).config().ride.find_key() {
                        Ok(Some((key, _))) => from_outside(key, &request, &waiting),
                        Ok(None) => Err(Failure::NoAnswer(format!(
                            "{error}; on a machine without a service, name a file with the ride's key: --key FILE"
                        ))),
                        Err(problem) => Err(Failure::Other(problem)),
                    }
                }
                Err(failure) => Err(failure),
            },
        };
        waiting.end();
        let progress = result?;
        match self.json {
            true => output::say_pretty_json(&progress)?,
            false => output::say(results::draw(&progress, Local::now().date_naive())),
        }
        results::worst(&progress)
    }
}

fn through_service(
    mut client: crate::control::Client,
    request: &RideRequest,
    waiting: &Waiting,
) -> Result<RideProgress, Failure> {
    let mut response = client.request(&Request::Ride(request.clone()))?;
    loop {
        let Some(progress) = response.into_ride()? else {
            return Err(Failure::Other("the service is of another version: it does not know this command".to_owned()));
        };
        waiting.show(&progress);
        if progress.over {
            return Ok(progress);
        }
        let next = client.next_response()?;
        response = next.ok_or_else(|| Failure::Other("the service has ended".to_owned()))?;
    }
}

fn from_outside(key: RideKey, request: &RideRequest, waiting: &Waiting) -> Result<RideProgress, Failure> {
    let mut guest = guest(key)?;
    let targets = targets(request);
    waiting.say("listening for boxes");
    guest.listen(&targets);
    let now = guest.now().map_or(jaudiosync_time::Instant::ZERO, |(now, _)| now);
    let mut last = RideProgress::default();
    let sent = guest.send(action(request, now)?, &targets, |progress| {
        last = RideProgress::from(progress);
        waiting.show(&last);
    });
    sent.map_err(|error| match error {
        SendError::Nobody => Failure::NoAnswer(error.to_string()),
        error => Failure::from(failure(&error)),
    })?;
    Ok(last)
}

/// Listens as a machine that has the key alone.
pub(super) fn guest(key: RideKey) -> Result<Guest, Failure> {
    let layers = config::load(None);
    let air = Air::open(&AirConfig::from(&layers.config().ride), Arc::new(MachineClocks)).map_err(|error| {
        Failure::Other(format!("{error}; if the service of a box runs here, leave --key out: it sends the command"))
    })?;
    let guest = Guest::new(air, key, Arc::new(MachineClocks));
    guest.map_err(|error| Failure::Other(format!("the system has no random numbers: {error}")))
}

/// Reads the key of a file.
pub(super) fn key_of(file: &std::path::Path) -> Result<RideKey, Failure> {
    if !file.exists() {
        return Err(Failure::Usage(format!("there is no file {}", file.display())));
    }
    let ride = Ride { key_file: file.to_owned(), ..Ride::default() };
    let found = ride.find_key().map_err(Failure::Other)?;
    found.map(|(key, _)| key).ok_or_else(|| Failure::Other(format!("{}: there is no key in it", file.display())))
}

/// What is shown on a terminal while boxes are waited for.
struct Waiting(ProgressBar);

impl Waiting {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    fn say(&self, words: impl Into<String>) {
        self.0.set_message(words.into());
    }

    fn show(&self, progress: &RideProgress) {
        self.say(results::waiting(progress));
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
