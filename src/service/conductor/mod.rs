//! The conductor: the appliance's state machine in the middle of all that a box consists of.
//!
//! It reads the buttons, takes what the player, the playlist's reader, the disk, the mixer and the
//! control socket report, passes all of it to the machine, and does what the machine says. It waits
//! for nothing and opens nothing: anything that may block is sent as a command to a worker, which
//! answers with a [`Message`]. The service runs the conductor in a loop; tests run it in virtual
//! time.
//!
//! - `messages` takes in what all of them report, `requests` answers the control socket,
//!   `ride_orders` does what the ride is commanded, at its instant;
//! - `actions` carries out the machine's actions, `report` makes the status;
//! - `sticks` follows which sticks are in, `board` reads the pins, `latency` follows what was measured
//!   by ear.

mod actions;
mod board;
mod current_playlist;
mod latency;
mod messages;
mod report;
mod requests;
mod ride_orders;
mod sticks;

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::dac::StreamFormat;
use jaudiosync_time::{Instant, Raw, Span};

pub use self::board::OpenBoard;
use self::board::{BoardReading, PolledBoard};
use self::current_playlist::CurrentPlaylist;
use self::requests::Waiting;
use self::ride_orders::{RideOrders, is_decision};
use super::numbers::Numbers;
use super::playlists::{PlaylistReport, PlaylistSource, StickReport};
use super::settings::{self, AudioSettings};
use super::state_writer::WriteCommand;
use super::volume::VolumeReport;
use crate::appliance::answer::{Flash, LedPattern, Tone, is_lit};
use crate::appliance::{Action, Appliance, Contacts, Input, Moment, PlaylistInfo, Program, Refusal, SavedState};
use crate::config::{Config, Layers, TimeSource};
use crate::control::protocol::{RideStatus, StateStatus};
use crate::control::{Response, Status, protocol};
use crate::player::decoder::Mix;
use crate::player::feeder::{FeederStats, Hearing};
use crate::player::library::Library;
use crate::player::task::{Event, PlayerCommand};
use crate::playlist::{Playlist, Track};
use crate::ride::command::Effect;
use crate::sound_check::Times;
use crate::storage::MeasuredLatency;
use crate::timekeeping::status::{Estimate, TimeState, TimeStatus};
use crate::timetable::Timetable;

/// How often the buttons are read: an answer must come within 50 ms, of which 20 to 30 pass until a
/// level counts.
const POLL: Span = Span::from_ms(8);

/// How often the machine is notified that time has passed.
const TICK: Span = Span::from_ms(40);

/// How often the status is published, besides after every event.
const PUBLISH: Span = Span::from_ms(200);

/// How often the clock's whole status is requested.
const TIME_STATUS: Span = Span::SECOND;

/// What is to end must fade out within this time, and ends then in any case. The player gives up a
/// card that does not even report that it is silent after a second, and the rest of the 2 s in
/// which the service has to end is for releasing everything.
const END_PATIENCE: Span = Span::from_ms(1100);

/// The source of the time, and of how well it is known.
pub trait TimePort: Send {
    /// Returns UTC as it is known now.
    fn estimate(&self) -> Estimate;

    /// Makes a correction that waits until nothing plays.
    fn step(&self);

    /// Returns everything that is reported of the time. Not called more than once a second.
    fn status(&self) -> TimeStatus;
}

/// Makes a library of a playlist's tracks, so that they can be opened.
pub type MakeLibrary = Box<dyn Fn(&Playlist, Mix) -> Arc<dyn Library> + Send>;

/// What the conductor acts on. None of them waits.
pub struct Ports {
    /// The machine's clocks.
    pub clocks: Arc<dyn Clocks>,
    /// The source of the time.
    pub time: Box<dyn TimePort>,
    /// Commands for the player.
    pub player: Box<dyn FnMut(PlayerCommand) + Send>,
    /// Sounds a tone at once.
    pub sound: Box<dyn FnMut(Tone) + Send>,
    /// The tracks of a playlist, as the player opens them.
    pub library: MakeLibrary,
    /// Sets the volume, in percent.
    pub volume: Box<dyn FnMut(u8) + Send>,
    /// Writes the state to disk.
    pub state_writer: Box<dyn FnMut(WriteCommand) + Send>,
    /// Where the state is saved, to show.
    pub state_status: Box<dyn Fn() -> StateStatus + Send>,
    /// The other boxes, to show; `None` without a ride's key.
    pub ride_status: Box<dyn Fn() -> Option<RideStatus> + Send>,
    /// Takes in the playlist that was read, for the other boxes.
    pub ride_list: Box<dyn FnMut(&Playlist) + Send>,
    /// Reads a playlist, and watches its files.
    pub playlists: Box<dyn FnMut(PlaylistSource) + Send>,
    /// The box's number in a sound check.
    pub numbers: Numbers,
    /// The output latency that was measured by ear in an earlier run.
    pub measured: Option<MeasuredLatency>,
    /// Reads the configuration again.
    pub load_config: Box<dyn FnMut() -> Layers + Send>,
    /// The sound card's name, to show.
    pub dac_name: Box<dyn Fn() -> String + Send>,
}

/// What the conductor takes in.
pub enum Message {
    /// A report of the player.
    Player(Event),
    /// The playlist was read, or has changed.
    Playlist(PlaylistReport),
    /// Trouble with the disk, or `None` when all is well again.
    State(Option<String>),
    /// A report of the mixer.
    Volume(VolumeReport),
    /// A request from a client of the control socket, which waits for the answer.
    Command(protocol::Command, SyncSender<Response>),
    /// The ride is commanded to do something at an instant.
    Ride(Effect),
    /// Configuration and playlist are to be read again.
    Reload,
    /// The program is to end.
    End,
}

/// What happens after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Another round, no later than at this reading of the raw clock.
    Again {
        /// When, on the raw clock.
        at: Instant<Raw>,
    },
    /// No more rounds.
    End(Ending),
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A signal or a message asked for it.
    Asked,
    /// The box is to be switched off.
    PowerOff,
}

/// The status as it was last published, for all to read.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard(Arc<Mutex<Arc<Status>>>);

impl StatusBoard {
    /// Returns the status, at most a fifth of a second old while the conductor is alive.
    pub fn read(&self) -> Arc<Status> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(status);
    }
}

/// The playlist that was read last, for all to read.
#[derive(Debug, Clone, Default)]
pub struct PlaylistBoard(Arc<Mutex<Option<Arc<Playlist>>>>);

impl PlaylistBoard {
    /// Returns the playlist; `None` before one was read.
    pub fn read(&self) -> Option<Arc<Playlist>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, playlist: Arc<Playlist>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(playlist);
    }
}

/// The conductor of a box.
pub struct Conductor {
    ports: Ports,
    /// The configuration at the start: keys that are read only then stay in effect.
    begun_with: Config,
    config: Config,
    config_problems: Vec<String>,
    audio: AudioSettings,
    measured: Option<MeasuredLatency>,
    appliance: Appliance,
    contacts: Contacts,
    board: PolledBoard,

    /// The playlist that was read last.
    playlist: Option<CurrentPlaylist>,
    /// The sticks that are in.
    sticks: Vec<StickReport>,
    /// What the player was last commanded to play.
    playing: Option<(Program, Timetable, Arc<PlaylistInfo>)>,
    /// The sound check that is heard in its place.
    check: Option<Times>,
    /// What this box's marks in sound checks are drawn from.
    check_seed: u64,
    stats: Option<(FeederStats, Instant<Raw>)>,
    /// What the sound card was opened with.
    format: Option<StreamFormat>,
    has_device: bool,
    hearing: Hearing,
    volume: Option<VolumeReport>,
    state_trouble: Option<String>,
    time_status: Option<(TimeStatus, Instant<Raw>)>,

    pattern: LedPattern,
    flash: Option<(Flash, Instant<Raw>)>,
    refusal: Option<Refusal>,
    waiting: Vec<Waiting>,
    /// What the ride is commanded to do.
    ride: RideOrders,
    ending: Option<EndingSoon>,

    trust: Trust,
    tick_at: Instant<Raw>,
    publish_at: Option<Instant<Raw>>,
    status: StatusBoard,
    shown_playlist: PlaylistBoard,
}

/// An end that waits for silence.
#[derive(Debug, Clone, Copy)]
struct EndingSoon {
    ending: Ending,
    is_silent: bool,
    not_before: Instant<Raw>,
    at_last: Instant<Raw>,
}

impl Conductor {
    /// Makes the conductor of a box that was just switched on, and commands the playlist to be
    /// read; `saved` is the state that was saved.
    pub fn new(layers: &Layers, saved: SavedState, open_board: OpenBoard, mut ports: Ports) -> Self {
        let config = layers.config().clone();
        let is_taken_for_right =
            config.time.source == TimeSource::System || config.time.rtc.is_as_right_as_the_system();
        let now_raw = ports.clocks.raw();
        (ports.playlists)(settings::playlist_source(&config));
        let now = moment(&ports, Trust::default());
        let mut conductor = Self {
            audio: AudioSettings::from_config(&config).with_measured(ports.measured.as_ref(), &config),
            measured: ports.measured.take(),
            appliance: Appliance::new(settings::appliance_settings(&config), now),
            contacts: Contacts::new(),
            board: PolledBoard::new(open_board, now_raw),
            config_problems: layers.problems().iter().map(ToString::to_string).collect(),
            begun_with: config.clone(),
            config,
            ports,
            playlist: None,
            sticks: Vec::new(),
            playing: None,
            check: None,
            check_seed: fastrand::u64(..),
            stats: None,
            format: None,
            has_device: true,
            hearing: Hearing::Nothing,
            volume: None,
            state_trouble: None,
            time_status: None,
            pattern: LedPattern::Idle,
            flash: None,
            refusal: None,
            waiting: Vec::new(),
            ride: RideOrders::default(),
            ending: None,
            trust: Trust { is_taken_for_right, ..Trust::default() },
            tick_at: now_raw,
            publish_at: None,
            status: StatusBoard::default(),
            shown_playlist: PlaylistBoard::default(),
        };
        conductor.feed(Input::Restored(saved));
        conductor
    }

    /// Returns where the status can be read.
    pub fn status_board(&self) -> StatusBoard {
        self.status.clone()
    }

    /// Returns where the playlist can be read.
    pub fn playlist_board(&self) -> PlaylistBoard {
        self.shown_playlist.clone()
    }

    /// Returns whether a press, or the jumper, is obeyed at once from now on: the playlist, the
    /// buttons and the jumper are known.
    pub fn is_armed(&self) -> bool {
        self.appliance.is_armed()
    }

    /// Returns whether the sound card is there.
    pub fn has_device(&self) -> bool {
        self.has_device
    }

    /// Does what is due: reads the buttons, lets the machine's time pass, switches the LED,
    /// publishes the status.
    pub fn round(&mut self) -> Round {
        let now_raw = self.ports.clocks.raw();
        self.follow_ride();
        self.poll_board(now_raw);
        if now_raw >= self.tick_at {
            self.tick_at = now_raw + TICK;
            self.feed(Input::Tick);
        }
        let lit = self.config.board.led && is_lit(self.pattern, self.flash, now_raw);
        self.board.light(lit);
        if self.publish_at.is_none_or(|publish_at| now_raw >= publish_at) {
            self.publish_at = Some(now_raw + PUBLISH);
            self.publish(now_raw);
        }
        match self.ending {
            Some(soon) if soon.is_due(now_raw) => Round::End(soon.ending),
            _ => Round::Again { at: now_raw + POLL },
        }
    }

    fn poll_board(&mut self, now_raw: Instant<Raw>) {
        let before = self.board.levels;
        let events = match self.board.look(now_raw) {
            BoardReading::Levels(levels) => self.contacts.poll(levels, now_raw),
            BoardReading::Unreadable(reason) => self.contacts.unreadable(&reason),
            BoardReading::NotYet => return,
        };
        // A client that watches the buttons must see the shortest press, even if nothing comes of
        // it yet.
        if self.board.levels != before {
            self.publish_soon();
        }
        for event in events {
            log::debug!("contacts: {event:?}");
            self.feed(Input::Contacts(event));
            self.publish_soon();
        }
    }

    /// Publishes the status in the next round.
    pub(super) fn publish_soon(&mut self) {
        self.publish_at = None;
    }

    /// Feeds the machine, and carries out its actions.
    fn feed(&mut self, input: Input) {
        self.follow_ride();
        if is_decision(&input) {
            self.decided_here();
        }
        let now = self.now();
        self.trust = Trust { was_trusted: now.is_trusted, was_in_sync: now.is_in_sync, ..self.trust };
        for action in self.appliance.handle(input, now) {
            self.act(action, now);
        }
    }

    fn end(&mut self, ending: Ending, wait: Span) {
        if self.ending.is_some() {
            return;
        }
        let now_raw = self.ports.clocks.raw();
        // A changed volume is saved only some seconds later, and the program may have ended by
        // then.
        if let Some(percent) = self.appliance.unsaved_volume_percent() {
            self.act(Action::SaveVolume(percent), self.now());
        }
        (self.ports.player)(PlayerCommand::Stop);
        self.ending = Some(EndingSoon {
            ending,
            is_silent: false,
            not_before: now_raw + wait,
            at_last: now_raw + END_PATIENCE.max(wait),
        });
    }

    /// Returns how it was asked to end; `None` if it was not.
    pub fn ending(&self) -> Option<Ending> {
        self.ending.map(|soon| soon.ending)
    }

    fn now(&self) -> Moment {
        moment(&self.ports, self.trust)
    }

    fn title(&self, track: usize) -> String {
        self.track(track).map_or_else(String::new, Track::display_name)
    }

    fn track(&self, number: usize) -> Option<&Track> {
        self.playlist.as_ref().and_then(|playlist| playlist.tracks.get(number))
    }
}

impl EndingSoon {
    fn is_due(self, now_raw: Instant<Raw>) -> bool {
        let is_silent = self.is_silent && now_raw >= self.not_before;
        is_silent || now_raw >= self.at_last
    }
}

/// Returns the present, all from one reading. Until the box is in sync UTC takes a correction at
/// once: what plays until then is not in sync with anybody, so there is nothing to wait for.
fn moment(ports: &Ports, trust: Trust) -> Moment {
    let raw = ports.clocks.raw();
    let mut estimate = ports.time.estimate();
    let was_alone = !trust.was_trusted || !(trust.was_in_sync || trust.is_taken_for_right);
    if was_alone && estimate.state != TimeState::Unset {
        ports.time.step();
        estimate = ports.time.estimate();
    }
    let is_trusted = estimate.state != TimeState::Unset;
    let is_in_sync = is_trusted && (trust.is_taken_for_right || estimate.is_in_sync(trust.was_in_sync));
    Moment { raw, utc: estimate.utc.apply(raw), is_trusted, is_in_sync }
}

/// What was known of the time at the last moment.
#[derive(Debug, Clone, Copy, Default)]
struct Trust {
    was_trusted: bool,
    was_in_sync: bool,
    /// Another program keeps the time, and how well it does is its own affair: the bound that the
    /// kernel has from it grows by half a second between two polls.
    is_taken_for_right: bool,
}
