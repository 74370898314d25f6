//! The ride's side of the service: starts its task where there is a key, says what the box does,
//! and shows whom it hears.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_time::Span;

use super::numbers::Numbers;
use super::workers::Workers;
use crate::config::{Config, TimeSource};
use crate::control::Status;
use crate::control::protocol::{NeighbourStatus, PlayState, RefusedStatus, RideRole, RideStatus, UtcStanding};
use crate::host::Health;
use crate::playlist::Playlist;
use crate::ride::air::{Air, AirConfig};
use crate::ride::command::{Commands, Effects};
use crate::ride::group::Presence;
use crate::ride::group::honesty::Standing;
use crate::ride::key::RideKey;
use crate::ride::lists::OwnTrack;
use crate::ride::message::{PlayClaim, Trouble};
use crate::ride::report::{GroupRole, NeighbourReport, RideReport};
use crate::ride::task::{ClockLink, RideBoard, RideTask};
use crate::timekeeping::estimate::group::GroupCommand;
use crate::timekeeping::estimate::timekeeper::TimeView;
use crate::timekeeping::task::RideLink;

/// A ride that is to be started.
pub(super) struct PlannedRide {
    key: RideKey,
    commands: Sender<GroupCommand>,
    view: Arc<Mutex<TimeView>>,
}

impl PlannedRide {
    /// Returns the ride of a box that has a key, and what connects it with the clock.
    pub(super) fn of(config: &Config) -> Option<(Self, RideLink)> {
        let key = match config.ride.find_key() {
            Ok(found) => found?.0,
            Err(problem) => {
                log::error!("no other box is heard: {problem}");
                return None;
            }
        };
        if config.time.source == TimeSource::System {
            log::warn!("no other box is heard: with time.source = \"system\" another program keeps the time");
            return None;
        }
        let (commands, received): (_, Receiver<GroupCommand>) = channel();
        let view = Arc::new(Mutex::new(TimeView::default()));
        let link = RideLink { commands: received, view: Arc::clone(&view) };
        Some((Self { key, commands, view }, link))
    }

    /// Starts the task. A box that cannot hear others plays all the same.
    ///
    /// # Errors
    /// When no more threads can be started.
    pub(super) fn start(
        self,
        config: &Config,
        numbers: &Numbers,
        health: Arc<Health>,
        workers: &mut Workers,
        effects: Effects,
    ) -> io::Result<RideSide> {
        let board = Arc::new(RideBoard::default());
        let name = config.ride.name.or_host_name();
        let (commands, requests) = Commands::new(Arc::clone(&board));
        let (numbers, pin) = (numbers.clone(), self.key.pin());
        let side = RideSide { board: Arc::clone(&board), name, numbers, health, pin, commands, worker: None };
        side.see(&Status::default());
        let clocks: Arc<dyn Clocks> = Arc::new(MachineClocks);
        let air = match Air::open(&AirConfig::from(&config.ride), Arc::clone(&clocks)) {
            Ok(air) => air,
            Err(error) => {
                log::error!("no other box is heard: {error}");
                return Ok(side);
            }
        };
        let clock = ClockLink { commands: self.commands, view: self.view };
        match RideTask::new(air, self.key, clocks, clock, board, requests, effects) {
            Ok(task) => {
                let task = task.following(config.ride.follow);
                let worker = workers.start("ride", task)?;
                Ok(RideSide { worker: Some(Arc::new(Mutex::new(worker))), ..side })
            }
            Err(error) => {
                log::error!("no other box is heard: the system has no random numbers ({error})");
                Ok(side)
            }
        }
    }
}

/// What the service has of a ride that runs.
#[derive(Clone)]
pub(super) struct RideSide {
    board: Arc<RideBoard>,
    name: String,
    numbers: Numbers,
    health: Arc<Health>,
    pin: String,
    commands: Commands,
    /// Runs as long as this is kept; `None` if it could not be started.
    worker: Option<KeptWorker>,
}

type KeptWorker = Arc<Mutex<Box<dyn FnMut(()) + Send>>>;

impl RideSide {
    /// Returns how the ride is commanded, from any thread; `None` if its task could not be started.
    pub(super) fn commands(&self) -> Option<Commands> {
        self.worker.is_some().then(|| self.commands.clone())
    }

    /// Returns the ride's PIN.
    pub(super) fn pin(&self) -> &str {
        &self.pin
    }

    /// Passes on what the box does.
    pub(super) fn see(&self, status: &Status) {
        let fingerprint = status.playlist.as_ref().and_then(|playlist| number(&playlist.fingerprint));
        let plays = !matches!(status.play.state, PlayState::Stopped | PlayState::ShuttingDown);
        let track = status.play.track.as_ref().and_then(|track| u32::try_from(track.number).ok());
        let first_track = status.play.first_track.and_then(|track| u32::try_from(track).ok());
        let play = PlayClaim {
            fingerprint,
            anchor_s: status.play.anchor_utc_s.filter(|_| plays),
            track,
            first_track: first_track.unwrap_or(0),
            repeats: status.play.repeats,
            commanded_s: status.play.commanded_utc_s,
            is_commanded_to_stop: status.play.commanded_to_stop,
        };
        let stopped = status.play.stopped_at.as_ref().and_then(|track| u32::try_from(track.number).ok());
        self.board.set_stopped_track(stopped);
        let report = self.board.report();
        let mut troubles = self.of_the_machine();
        if !status.dac.present {
            troubles.push(Trouble::NoSound);
        }
        if status.time.rtc_chip.is_none() {
            troubles.push(Trouble::NoRtc);
        }
        if status.playlist.as_ref().is_some_and(|playlist| playlist.silent_tracks > 0) {
            troubles.push(Trouble::BadTrack);
        }
        if status.state.trouble().is_some() {
            troubles.push(Trouble::StateIsLost);
        }
        if report.is_excluded || report.neighbours.iter().any(|other| other.standing == Standing::Contradicted) {
            troubles.push(Trouble::Contradiction);
        }
        let volume_percent = Some(status.volume.percent);
        self.numbers.look(&report, status);
        let number = Some(self.numbers.claim());
        self.board.set_presence(Presence { name: self.name.clone(), play, volume_percent, troubles, number });
    }

    /// Returns what is wrong with the Pi itself.
    fn of_the_machine(&self) -> Vec<Trouble> {
        let troubles = [(self.health.is_low(), Trouble::LowVoltage), (self.health.is_hot(), Trouble::Hot)];
        troubles.into_iter().filter(|(is_so, _)| *is_so).map(|(_, trouble)| trouble).collect()
    }

    /// Passes on the playlist.
    pub(super) fn list(&self, playlist: &Playlist) {
        let tracks = playlist.tracks.iter().map(|track| {
            let length_s = track.length.map(|length| length.seconds());
            OwnTrack::new(&track.location, track.size_bytes, length_s, track.content.as_deref())
        });
        self.board.set_list(tracks.collect());
    }

    /// Returns what is shown of the ride.
    pub(super) fn status(&self) -> RideStatus {
        let status = of_report(&self.board.report());
        let not_running = "other boxes are not heard; see: journalctl -u jaudiosync".to_owned();
        let mut warnings = if self.worker.is_some() { status.warnings } else { vec![not_running] };
        warnings.extend(self.numbers.warnings());
        warnings.extend(self.of_the_machine().into_iter().map(|trouble| match trouble {
            Trouble::LowVoltage => "too little voltage: is the battery nearly empty, or its cable thin?".to_owned(),
            Trouble::Hot => "too hot: the processor is slowed down; give the box shade and air".to_owned(),
            other => other.words().to_owned(),
        }));
        RideStatus { name: self.name.clone(), warnings, ..status }
    }
}

/// Returns a fingerprint, which people see as groups of digits (`474f-6cfb-efc8`), as a number.
fn number(fingerprint: &str) -> Option<u64> {
    u64::from_str_radix(&fingerprint.replace('-', ""), 16).ok()
}

fn of_report(report: &RideReport) -> RideStatus {
    let (role, leader) = match &report.role {
        None => (RideRole::Alone, None),
        Some(GroupRole::Leads) => (RideRole::Leads, Some(report.name.clone())),
        Some(GroupRole::Follows(leader)) => (RideRole::Follows, Some(leader.clone())),
    };
    RideStatus {
        id: report.id.map(|id| id.to_string()).unwrap_or_default(),
        name: report.name.clone(),
        role,
        leader,
        group_bound_ms: report.group_bound.map(Span::ms),
        neighbours: report.neighbours.iter().map(of_neighbour).collect(),
        refused: RefusedStatus {
            signature: report.refused.signature,
            version: report.refused.version,
            old: report.old + report.unproven + report.refused.nonsense,
            flood: report.counts.flood,
            foreign: report.counts.foreign,
        },
        interfaces: report.interfaces.clone(),
        excluded: report.is_excluded,
        trouble: report.trouble.clone(),
        warnings: warnings(report),
    }
}

fn warnings(report: &RideReport) -> Vec<String> {
    let mut warnings = Vec::new();
    if report.is_excluded {
        warnings.push(
            "the other boxes agree on another time than this box's own, which is not used; see: jaudiosync doctor"
                .to_owned(),
        );
    }
    for neighbour in &report.neighbours {
        let name = &neighbour.name;
        match neighbour.standing {
            Standing::Excluded => warnings.push(format!("{name} gives a time that most others exclude")),
            Standing::Contradicted => {
                warnings.push(format!("{name} and this box contradict each other on UTC: one of them is wrong"));
            }
            Standing::Agrees => {}
        }
        if !neighbour.hears_us {
            warnings.push(format!("{name} is heard and does not hear this box; does the network isolate its clients?"));
        }
    }
    if report.hears_other_version {
        warnings.push("a box with another version of JAudioSync is there: all need the same one".to_owned());
    }
    warnings.extend(report.trouble.clone());
    warnings
}

fn of_neighbour(neighbour: &NeighbourReport) -> NeighbourStatus {
    NeighbourStatus {
        id: neighbour.id.to_string(),
        name: neighbour.name.clone(),
        address: neighbour.address.ip().to_string(),
        silent_for_s: neighbour.silent_for.seconds(),
        hears_this: neighbour.hears_us,
        ahead_ms: neighbour.ahead.map(|(ahead, _)| ahead.ms()),
        ahead_bound_ms: neighbour.ahead.map(|(_, bound)| bound.ms()),
        round_trip_ms: neighbour.round_trip.map(Span::ms),
        in_group: neighbour.is_in_group,
        leads: neighbour.leads,
        utc_bound_ms: neighbour.utc_bound.map(Span::ms),
        reference_age_s: neighbour.reference_age_s,
        plays: neighbour.play.anchor_s.is_some(),
        track: neighbour.play.track,
        same_timetable: neighbour.has_same_timetable,
        same_playlist: neighbour.has_same_playlist,
        volume_percent: neighbour.volume_percent,
        unicast_only: neighbour.is_unicast_only,
        box_number: neighbour.number.map(|numbered| numbered.number.get()),
        utc_standing: match neighbour.standing {
            Standing::Agrees => UtcStanding::Agrees,
            Standing::Contradicted => UtcStanding::Contradicted,
            Standing::Excluded => UtcStanding::Excluded,
        },
        warnings: neighbour.troubles.iter().map(|trouble| trouble.words().to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_fingerprint_is_sent_as_a_number() {
        assert_eq!(number("474f-6cfb-efc8"), Some(0x474f_6cfb_efc8));
        assert_eq!((number(""), number("x")), (None, None));
    }
}
