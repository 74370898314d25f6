//! The conductor: the appliance's state machine in the middle of all that a box consists of.
//!
//! It reads the buttons, takes what the player, the playlist's reader, the disk, the mixer and the control socket report,
//! passes all of it to the machine, and does what the machine says. It waits for nothing and opens nothing: whatever may
//! take its time is ordered from somebody else, who answers by a [`Message`]. The service runs it in a loop; tests run it
//! in virtual time.
//!
//! - `messages` takes in what all of them report, `requests` answers the control socket;
//! - `actions` does what the machine says, `report` says how things stand;
//! - `board` reads the pins.

mod actions;
mod board;
mod messages;
mod report;
mod requests;

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use jaudiosync_hw::clocks::{Clocks, NS_PER_S};
use jaudiosync_time::Instant;

pub use self::board::OpenBoard;
use self::board::{BoardReading, PolledBoard};
use self::requests::Waiting;
use super::playlists::{PlaylistReport, PlaylistSource};
use super::settings::{self, AudioSettings};
use super::state_writer::WriteCommand;
use super::volume::VolumeReport;
use crate::appliance::answer::{Flash, LedPattern, Tone, is_lit};
use crate::appliance::{Action, Appliance, Contacts, Input, Moment, PlaylistInfo, Program, Refusal, SavedState};
use crate::config::{Config, Layers};
use crate::control::{Response, Status, protocol};
use crate::player::decoder::Mix;
use crate::player::feeder::{FeederStats, Hearing};
use crate::player::library::Library;
use crate::player::task::{Event, Order};
use crate::playlist::{Playlist, Track};
use crate::timekeeping::status::{Estimate, TimeState, TimeStatus};
use crate::timetable::Timetable;

/// How often the buttons are read: an answer must come within 50 ms, of which 20 to 30 pass until a level counts.
const POLL_NS: i64 = 8_000_000;

/// How often the machine learns that time has passed.
const TICK_NS: i64 = 40_000_000;

/// How often the status is published, besides after every event.
const PUBLISH_NS: i64 = NS_PER_S / 5;

/// How often the clock is asked for its whole status.
const TIME_STATUS_NS: i64 = NS_PER_S;

/// What is to end fades out within this time, or ends all the same: a card that does not even say that it is silent is
/// given up by the player after a second, and what is left of the 2 s in which the service is to end is for letting go of
/// everything.
const END_PATIENCE_NS: i64 = 11 * NS_PER_S / 10;

/// Who knows the time, and how well.
pub trait TimePort: Send {
    /// UTC as it is known now.
    fn estimate(&self) -> Estimate;

    /// Makes a correction that waits until nothing plays.
    fn step(&self);

    /// Everything that is reported of it. Not asked more than once a second.
    fn status(&self) -> TimeStatus;
}

/// Makes the tracks of a playlist such that they can be opened.
pub type MakeLibrary = Box<dyn Fn(&Playlist, Mix) -> Arc<dyn Library> + Send>;

/// What the conductor acts on. None of them waits.
pub struct Ports {
    /// The machine's clocks.
    pub clocks: Arc<dyn Clocks>,
    /// Who knows the time.
    pub time: Box<dyn TimePort>,
    /// Commands for the player.
    pub player: Box<dyn FnMut(Order) + Send>,
    /// Sounds a tone at once.
    pub sound: Box<dyn FnMut(Tone) + Send>,
    /// The tracks of a playlist, as the player opens them.
    pub library: MakeLibrary,
    /// Sets the volume, in percent.
    pub volume: Box<dyn FnMut(u8) + Send>,
    /// Writes the state to disk.
    pub state_writer: Box<dyn FnMut(WriteCommand) + Send>,
    /// Reads a playlist, and keeps an eye on it.
    pub playlists: Box<dyn FnMut(PlaylistSource) + Send>,
    /// Reads the configuration anew.
    pub load_config: Box<dyn FnMut() -> Layers + Send>,
    /// The sound card's name, to show.
    pub dac_name: String,
}

/// What the conductor takes in.
pub enum Message {
    /// A report of the player.
    Player(Event),
    /// The playlist was read, or has changed.
    Playlist(PlaylistReport),
    /// The disk: what is wrong, or that all is well again.
    State(Option<String>),
    /// A report of the mixer.
    Volume(VolumeReport),
    /// A client of the control socket wants something done, and waits for the answer.
    Command(protocol::Command, SyncSender<Response>),
    /// Configuration and playlist are to be read anew.
    Reload,
    /// The program is to end.
    End,
}

/// How it goes on after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// With another one, no later than at this reading of the raw clock.
    Again {
        /// In ns.
        at_raw_ns: i64,
    },
    /// Not at all.
    End(Ending),
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to.
    Asked,
    /// The box is to be switched off.
    PowerOff,
}

/// The status as it was said last, for all to read.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard(Arc<Mutex<Arc<Status>>>);

impl StatusBoard {
    /// The status, not older than a fifth of a second while the conductor is alive.
    pub fn read(&self) -> Arc<Status> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(status);
    }
}

/// The conductor of a box.
pub struct Conductor {
    ports: Ports,
    /// With what it began: what is only looked at then stays in effect.
    begun_with: Config,
    config: Config,
    config_problems: Vec<String>,
    audio: AudioSettings,
    appliance: Appliance,
    contacts: Contacts,
    board: PolledBoard,

    /// The playlist that was read last.
    playlist: Option<CurrentPlaylist>,
    /// What the player was last commanded to play.
    playing: Option<(Program, Timetable, Arc<PlaylistInfo>)>,
    stats: Option<(FeederStats, i64)>,
    has_device: bool,
    hearing: Hearing,
    volume: Option<VolumeReport>,
    state_trouble: Option<String>,
    time_status: Option<(TimeStatus, i64)>,

    pattern: LedPattern,
    flash: Option<(Flash, i64)>,
    refusal: Option<Refusal>,
    waiting: Vec<Waiting>,
    ending: Option<EndingSoon>,

    is_trusted: bool,
    next_tick_raw_ns: i64,
    next_publish_raw_ns: i64,
    status: StatusBoard,
}

/// So many silent tracks are named in the log; the others are counted.
const NAMED_TRACKS: usize = 20;

/// The playlist, and what is reported of it again and again.
struct CurrentPlaylist {
    playlist: Arc<Playlist>,
    /// What the machine knows of it.
    info: Arc<PlaylistInfo>,
    silent_tracks: usize,
    warnings: Vec<String>,
}

/// An end that waits for silence.
#[derive(Debug, Clone, Copy)]
struct EndingSoon {
    ending: Ending,
    is_silent: bool,
    not_before_raw_ns: i64,
    at_last_raw_ns: i64,
}

impl Conductor {
    /// A box that was just switched on. It orders the playlist; what was kept is passed in.
    pub fn new(layers: &Layers, kept: SavedState, open_board: OpenBoard, mut ports: Ports) -> Self {
        let config = layers.config().clone();
        let now_raw_ns = ports.clocks.raw_ns();
        (ports.playlists)(settings::playlist_source(&config));
        let now = moment(&ports, false);
        let mut conductor = Self {
            audio: AudioSettings::from_config(&config),
            appliance: Appliance::new(settings::appliance_settings(&config), now),
            contacts: Contacts::new(),
            board: PolledBoard::new(open_board, now_raw_ns),
            config_problems: layers.problems().iter().map(ToString::to_string).collect(),
            begun_with: config.clone(),
            config,
            ports,
            playlist: None,
            playing: None,
            stats: None,
            has_device: true,
            hearing: Hearing::Nothing,
            volume: None,
            state_trouble: None,
            time_status: None,
            pattern: LedPattern::Idle,
            flash: None,
            refusal: None,
            waiting: Vec::new(),
            ending: None,
            is_trusted: false,
            next_tick_raw_ns: now_raw_ns,
            next_publish_raw_ns: now_raw_ns,
            status: StatusBoard::default(),
        };
        conductor.feed(Input::Restored(kept));
        conductor
    }

    /// Where the status can be read.
    pub fn status_board(&self) -> StatusBoard {
        self.status.clone()
    }

    /// Whether a press, or the jumper, is obeyed at once from now on: the playlist, the buttons and the jumper are known.
    pub fn is_armed(&self) -> bool {
        self.appliance.is_armed()
    }

    /// Whether the sound card is there.
    pub fn has_device(&self) -> bool {
        self.has_device
    }

    /// Does what is due: reads the buttons, lets the machine's time pass, switches the LED, says how things stand.
    pub fn round(&mut self) -> Round {
        let now_raw_ns = self.ports.clocks.raw_ns();
        self.poll_board(now_raw_ns);
        if now_raw_ns >= self.next_tick_raw_ns {
            self.next_tick_raw_ns = now_raw_ns.saturating_add(TICK_NS);
            self.feed(Input::Tick);
        }
        let lit = self.config.board.led && is_lit(self.pattern, self.flash, now_raw_ns);
        self.board.light(lit);
        if now_raw_ns >= self.next_publish_raw_ns {
            self.next_publish_raw_ns = now_raw_ns.saturating_add(PUBLISH_NS);
            self.publish(now_raw_ns);
        }
        match self.ending {
            Some(soon) if soon.is_due(now_raw_ns) => Round::End(soon.ending),
            _ => Round::Again { at_raw_ns: now_raw_ns.saturating_add(POLL_NS) },
        }
    }

    fn poll_board(&mut self, now_raw_ns: i64) {
        let before = self.board.levels;
        let events = match self.board.look(now_raw_ns) {
            BoardReading::Levels(levels) => self.contacts.poll(levels, now_raw_ns),
            BoardReading::Unreadable(reason) => self.contacts.unreadable(&reason),
            BoardReading::NotYet => return,
        };
        // Whoever watches the buttons shall see the shortest press, also where nothing comes of it yet.
        if self.board.levels != before {
            self.next_publish_raw_ns = i64::MIN;
        }
        for event in events {
            log::debug!("contacts: {event:?}");
            self.feed(Input::Contacts(event));
            self.next_publish_raw_ns = i64::MIN;
        }
    }

    /// Feed the machine, and do what it says.
    fn feed(&mut self, input: Input) {
        let now = moment(&self.ports, self.is_trusted);
        self.is_trusted = now.is_trusted;
        for action in self.appliance.handle(input, now) {
            self.act(action, now);
        }
    }

    fn end(&mut self, ending: Ending, wait_ns: i64) {
        if self.ending.is_some() {
            return;
        }
        let now_raw_ns = self.ports.clocks.raw_ns();
        // A volume is kept some seconds after it was changed, which there may no longer be.
        if let Some(percent) = self.appliance.unsaved_volume_percent() {
            self.act(Action::SaveVolume(percent), self.now());
        }
        (self.ports.player)(Order::Stop);
        self.ending = Some(EndingSoon {
            ending,
            is_silent: false,
            not_before_raw_ns: now_raw_ns.saturating_add(wait_ns),
            at_last_raw_ns: now_raw_ns.saturating_add(END_PATIENCE_NS.max(wait_ns)),
        });
    }

    /// Whether it was asked to end.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    fn now(&self) -> Moment {
        moment(&self.ports, self.is_trusted)
    }

    fn title(&self, track: usize) -> String {
        self.track(track).map_or_else(String::new, Track::display_name)
    }

    fn track(&self, number: usize) -> Option<&Track> {
        self.playlist.as_ref().and_then(|playlist| playlist.tracks.get(number))
    }
}

impl CurrentPlaylist {
    /// Log what is wrong with it, once.
    fn new(playlist: Arc<Playlist>, warnings: Vec<String>) -> Self {
        warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let silent_tracks = playlist.tracks.iter().filter(|track| track.problem.is_some()).count();
        for problem in playlist.problems(NAMED_TRACKS, |_| "its slot stays silent".to_owned()) {
            log::warn!("{problem}");
        }
        let info = Arc::new(PlaylistInfo {
            name: playlist.name.clone(),
            lengths: playlist.lengths().into(),
            fingerprint: playlist.fingerprint().to_string(),
        });
        let current = Self { playlist, info, silent_tracks, warnings };
        log::info!("{}", current.describe());
        current
    }

    fn describe(&self) -> String {
        let PlaylistInfo { name, lengths, fingerprint } = self.info.as_ref();
        format!("the playlist {name} has {} tracks, fingerprint {fingerprint}", lengths.len())
    }
}

impl std::ops::Deref for CurrentPlaylist {
    type Target = Playlist;

    fn deref(&self) -> &Playlist {
        &self.playlist
    }
}

impl EndingSoon {
    fn is_due(self, now_raw_ns: i64) -> bool {
        let is_silent = self.is_silent && now_raw_ns >= self.not_before_raw_ns;
        is_silent || now_raw_ns >= self.at_last_raw_ns
    }
}

/// Now, all from one reading. The moment in which the time comes to be trusted, UTC is what it is from then on: what
/// played meanwhile was not in sync, so the correction waits for nothing.
fn moment(ports: &Ports, was_trusted: bool) -> Moment {
    let raw_ns = ports.clocks.raw_ns();
    let mut estimate = ports.time.estimate();
    if !was_trusted && estimate.state != TimeState::Unset {
        ports.time.step();
        estimate = ports.time.estimate();
    }
    let utc_ns = estimate.utc.apply(Instant::from_ns(raw_ns)).ns();
    Moment { raw_ns, utc_ns, is_trusted: estimate.state != TimeState::Unset }
}
