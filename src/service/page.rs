//! The page's side of the service: serves it where there is a ride, shows it the status and the
//! playlist, and passes its orders on to the ride.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use listenfd::ListenFd;

use super::conductor::{Conductor, PlaylistBoard, StatusBoard};
use super::ear::Ear;
use super::handler::ControlHandler;
use super::ride::RideSide;
use crate::config::{self, PageView};
use crate::control::protocol::RideDifferences;
use crate::control::{Handler, Status};
use crate::page::absent;
use crate::page::orders::{Deed, Request};
use crate::page::{BoxOutcome, ListedTrack, OutcomeKind, Page, PageSetup, Steering, Tracks};
use crate::ride::command::{Action, At, Join, Outcome, Progress, Row, SendError, Targets, VolumeChange};
use crate::sound_check::MINUTES;

/// A little more than the ride waits for boxes that do not answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// Characters of a title that are shown.
const LONGEST_TITLE: usize = 120;

/// Serves the page, if there is one. A box without it plays all the same.
pub(super) fn start(
    config: &config::Page,
    ride: Option<&RideSide>,
    handler: Arc<ControlHandler>,
    conductor: &Conductor,
) -> Option<Page> {
    // Taken even if it is not used.
    let passed = passed_listener();
    let spare = passed.as_ref().and_then(|listener| listener.try_clone().ok());
    let page = serve(config, ride, handler, conductor, passed);
    if let Some(spare) = spare.filter(|_| page.is_none() || config.listen.0.is_some()) {
        let why = match (&page, ride) {
            (Some(_), _) => "The page of this box is on another port: see page.listen in its configuration.",
            (None, Some(_)) => "This box has no page: see page.enabled in its configuration, and jaudiosync doctor.",
            (None, None) => "This box has no page, as it has no ride's key: see jaudiosync ride new-key.",
        };
        if let Err(error) = absent::answer(spare, why) {
            log::warn!("phones that look for the page get no answer: {error}");
        }
    }
    page
}

fn serve(
    config: &config::Page,
    ride: Option<&RideSide>,
    handler: Arc<ControlHandler>,
    conductor: &Conductor,
    passed: Option<TcpListener>,
) -> Option<Page> {
    let ride = ride.filter(|_| config.enabled)?;
    let listener = match (config.listen.0, passed) {
        (Some(address), _) => match TcpListener::bind(address) {
            Ok(listener) => listener,
            Err(error) => {
                log::error!("the page is not served: {address}: {error}; see page.listen in the configuration");
                return None;
            }
        },
        (None, Some(passed)) => passed,
        (None, None) => {
            log::info!(
                "the page is not served: systemd has passed no socket; see: systemctl status jaudiosync.socket, or set \
                 page.listen"
            );
            return None;
        }
    };
    let page = RidePage {
        status: conductor.status_board(),
        playlist: conductor.playlist_board(),
        ride: ride.clone(),
        handler: Arc::clone(&handler),
    };
    let setup = PageSetup {
        listener,
        steering: Arc::new(page),
        recordings: Arc::new(Ear::new(handler)),
        host_name: nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned(),
        pin: ride.pin().to_owned(),
        looking_needs_pin: config.view == PageView::Pin,
    };
    match Page::start(setup) {
        Ok(page) => {
            log::info!("the page is served on {}", page.address());
            Some(page)
        }
        Err(error) => {
            log::error!("the page is not served: {error}");
            None
        }
    }
}

/// Returns the socket that systemd has passed.
fn passed_listener() -> Option<TcpListener> {
    ListenFd::from_env().take_tcp_listener(0).unwrap_or_else(|error| {
        log::warn!("what systemd has passed cannot be used for the page: {error}");
        None
    })
}

struct RidePage {
    status: StatusBoard,
    playlist: PlaylistBoard,
    ride: RideSide,
    handler: Arc<ControlHandler>,
}

impl Steering for RidePage {
    fn status(&self) -> Arc<Status> {
        // The conductor's report is up to a second old, in which a box may have gone. Before its first
        // one this box has a name all the same.
        Arc::new(Status { ride: Some(self.ride.status()), ..(*self.status.read()).clone() })
    }

    fn tracks(&self, from: usize, most: usize) -> Tracks {
        let Some(playlist) = self.playlist.read() else { return Tracks::default() };
        let tracks = playlist.tracks.iter().skip(from).take(most).map(|track| ListedTrack {
            title: track.display_name().chars().take(LONGEST_TITLE).collect(),
            length_s: track.length.map(|length| length.seconds() as i64),
            silent: track.problem.is_some(),
        });
        Tracks { from, fingerprint: playlist.fingerprint().to_string(), tracks: tracks.collect() }
    }

    fn carry_out(&self, request: Request) -> Result<Vec<BoxOutcome>, String> {
        let is_to_all = request.boxes.is_none();
        let targets = request.boxes.map_or(Targets::All, Targets::Named);
        let commands = self.ride.commands().ok_or(SendError::NotRunning);
        let sent = commands.and_then(|commands| commands.send(action(request.order, is_to_all), targets));
        let progress = sent.map_err(|error| error.to_string())?;
        let deadline = Instant::now() + PATIENCE;
        let mut last = Progress::default();
        while !last.is_over {
            match progress.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(report) => last = report,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        // This box is in every table: without one, nobody has done anything.
        if last.rows.is_empty() {
            return Err(SendError::NotRunning.to_string());
        }
        Ok(last.rows.iter().map(outcome).collect())
    }

    fn differences(&self, name: &str) -> Result<RideDifferences, String> {
        self.handler.ride_list(name).map_err(|failure| failure.message)
    }
}

/// Returns what an order means to the ride. Where the volume of all is changed, louder boxes stay
/// louder.
fn action(deed: Deed, keeps_ratios: bool) -> Action {
    match deed {
        Deed::Start => Action::Start { join: Join::Common },
        Deed::StartFresh(first_track) => Action::StartAfresh { at: At::NextSlot, first_track },
        Deed::Stop => Action::Stop,
        Deed::Resume => Action::Resume { track: None },
        Deed::SetVolume(percent) => Action::Volume { change: VolumeChange::Set { percent }, keeps_ratios },
        Deed::ChangeVolume(by) if by < 0 => {
            Action::Volume { change: VolumeChange::Down { percent: by.unsigned_abs() }, keeps_ratios }
        }
        Deed::ChangeVolume(by) => {
            Action::Volume { change: VolumeChange::Up { percent: by.unsigned_abs() }, keeps_ratios }
        }
        Deed::Identify => Action::Identify,
        Deed::Reload => Action::Reload,
        Deed::SoundCheck => Action::SoundCheck { minutes: MINUTES },
    }
}

fn outcome(row: &Row) -> BoxOutcome {
    let done = match row.outcome {
        Some(Outcome::Done(done)) => Some(done),
        _ => None,
    };
    let (outcome, words) = match row.outcome {
        Some(Outcome::Done(_)) => (OutcomeKind::Done, String::new()),
        Some(Outcome::Refused(reason)) => (OutcomeKind::Refused, reason.to_string()),
        Some(Outcome::NoAnswer) | None => (OutcomeKind::NoAnswer, "it has not answered".to_owned()),
    };
    BoxOutcome {
        id: row.id.to_string(),
        name: row.name.clone(),
        outcome,
        heard_from_ms: done.and_then(|done| done.heard_from_utc_s).map(|utc_s| utc_s.saturating_mul(1000)),
        volume: done.and_then(|done| done.volume_percent),
        late_ms: done.map_or(0, |done| done.late_ms),
        words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::assets;
    use crate::ride::command::Reason;

    #[test]
    fn the_page_knows_in_german_why_an_order_was_not_done() {
        let script = assets::text("/page.js");
        let reasons = [
            Reason::AlreadyOver,
            Reason::NoPosition,
            Reason::ShuttingDown,
            Reason::OtherTime,
            Reason::Busy,
            Reason::OutOfRange,
            Reason::Unknown,
        ];
        let errors = [SendError::Nobody, SendError::NotRunning];
        for words in reasons.iter().map(Reason::to_string).chain(errors.iter().map(SendError::to_string)) {
            assert!(script.contains(&format!("\"{words}\": ")), "{words}");
        }
        // These have figures and names in them: the page has patterns for them.
        assert_eq!(Reason::NoSuchTrack { track: 7, last: 5 }.to_string(), "there is no track 7; its tracks are 0 to 5");
        assert!(script.contains(r"/^there is no track (\d+); its tracks are 0 to (\d+)$/"));
        let unknown = SendError::Unknown { name: "a".to_owned(), heard: vec!["b".to_owned(), "c".to_owned()] };
        assert_eq!(unknown.to_string(), "no box \"a\" is heard; heard are: b, c");
        assert!(script.contains(r#"/^no box "(.*)" is heard; heard are: (.*)$/"#));
    }
}
