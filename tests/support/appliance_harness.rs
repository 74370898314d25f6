//! A whole appliance in virtual time: the service's own conductor, player, state writer, mixer and
//! playlist tasks, on a simulated board and sound card, with real files. What is heard is laid
//! against what was ordered, sample by sample.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use jaudiosync::config::Layers;
use jaudiosync::control::protocol::StateStatus;
use jaudiosync::control::{Command, Response, Status};
use jaudiosync::player::library::{DecodeError, Library, TrackSource};
use jaudiosync::player::program::Program;
use jaudiosync::player::ring::Shared;
use jaudiosync::player::task::{PlayerCommand, PlayerPorts, PlayerTask, WhenMissing};
use jaudiosync::playlist::{Playlist, Track};
use jaudiosync::service::conductor::{Conductor, Ending, Message, Ports, Round, StatusBoard, TimePort};
use jaudiosync::service::numbers::Numbers;
use jaudiosync::service::playlists::{PlaylistSource, PlaylistTask};
use jaudiosync::service::state_writer::{Restored, StateWriter, WriteCommand};
use jaudiosync::service::volume::VolumeTask;
use jaudiosync::sound_check::number::derived;
use jaudiosync::timekeeping::published::{SharedEstimate, UtcSource};
use jaudiosync::timekeeping::status::{Estimate, Flywheel, TimeState, TimeStatus};
use jaudiosync::timetable::Place;
use jaudiosync::worker::Task;
use jaudiosync_hw::board::Board;
use jaudiosync_hw::buttons::Pins;
use jaudiosync_hw::clocks::{Clocks, SimulatedClocks};
use jaudiosync_hw::dac::SimulatedDac;
use jaudiosync_hw::gpio::{BackendChoice, SimulatedHeader};
use jaudiosync_hw::mixer::Mixer;
use jaudiosync_hw::simulated_board::SimulatedBoard;
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

use super::place_tone::{self, PlaceTone};
use super::virtual_loader::VirtualLoader;

/// How often the service's threads go round here, and the world with them.
pub const ROUND: Span = Span::from_ms(8);

/// A low rate, as the resampler's filter is most of the work; a prime, so that periods fall on all
/// parts of a millisecond.
pub const RATE_HZ: u32 = 2003;

/// The music encodes its place modulo this, in seconds.
const PERIOD_S: f64 = 7.3;

/// The music encodes its track by where in that it begins: this much further on than the track
/// before, in seconds.
const TRACK_SHIFT_S: f64 = 2.39;

/// Tones are quieter.
const MUSIC_AMPLITUDE: f64 = 0.3;

/// The playlist's tracks: for each that can be played, a tone of the track's length in seconds.
struct Tones(Vec<Option<f64>>);

impl Library for Tones {
    fn open(&self, track: usize) -> Result<Option<Box<dyn TrackSource>>, DecodeError> {
        let shift_s = TRACK_SHIFT_S * track as f64;
        let tone = |length_s| PlaceTone { rate_hz: RATE_HZ, period_s: PERIOD_S, shift_s, length_s, frame: 0 };
        let length_s = self.0.get(track).copied().flatten();
        Ok(length_s.map(|length_s| Box::new(tone(length_s)) as Box<dyn TrackSource>))
    }
}

/// The time according to the script: UTC that may be off, and may become known or be lost.
pub struct ScriptedTime {
    shared: SharedEstimate,
    clocks: Arc<SimulatedClocks>,
}

impl ScriptedTime {
    fn new(clocks: &Arc<SimulatedClocks>) -> Self {
        Self { shared: SharedEstimate::unset(clocks.as_ref()), clocks: Arc::clone(clocks) }
    }

    /// Makes the time known from now on: true UTC, which the simulated system clock shows.
    pub fn know(&self) {
        self.know_within(Span::MILLISECOND);
    }

    /// Makes the time known from now on, to this bound.
    pub fn know_within(&self, bound: Span) {
        self.know_ahead(Span::ZERO, bound);
    }

    /// Makes the time known from now on, to this bound: ahead of the simulated system clock by so
    /// much.
    pub fn know_ahead(&self, by: Span, bound: Span) {
        let known = Estimate {
            utc: self.system_clock().shifted(by),
            bound: Some(bound),
            agreement: Some(bound),
            state: TimeState::Holdover,
        };
        self.shared.publish(self.clocks.raw(), known);
    }

    /// Makes the time unknown; the clock continues from where it is.
    pub fn lose(&self) {
        let estimate = Estimate { state: TimeState::Unset, bound: None, agreement: None, ..self.shared.estimate() };
        self.shared.publish(self.clocks.raw(), estimate);
    }

    /// Returns UTC as the box assumes it.
    pub fn utc(&self) -> ClockMap<Raw, Utc> {
        self.shared.estimate().utc
    }

    /// Makes the box start with a clock that is wrong by this much, without knowing it.
    pub fn be_off(&self, by: Span) {
        let utc = self.system_clock().shifted(by);
        self.shared.publish(self.clocks.raw(), Estimate { utc, bound: None, agreement: None, state: TimeState::Unset });
    }

    /// The simulated system clock, which runs as the raw clock does.
    fn system_clock(&self) -> ClockMap<Raw, Utc> {
        ClockMap { from: self.clocks.raw(), to: self.clocks.system_utc(), rate: Rate::ZERO }
    }
}

/// The time that the conductor and the player share.
#[derive(Clone)]
struct SharedTime(Arc<ScriptedTime>);

impl UtcSource for SharedTime {
    fn estimate(&self) -> Estimate {
        self.0.shared.estimate()
    }

    fn allow_steps(&self, allowed: bool) {
        self.0.shared.allow_steps(allowed);
    }

    fn step(&self) {
        self.0.shared.step();
    }
}

impl TimePort for SharedTime {
    fn estimate(&self) -> Estimate {
        self.0.shared.estimate()
    }

    fn step(&self) {
        self.0.shared.step();
    }

    fn status(&self) -> TimeStatus {
        TimeStatus {
            state: self.0.shared.estimate().state,
            utc_ns: self.0.clocks.system_utc().ns(),
            bound_ms: None,
            agreement_ms: None,
            flywheel: Flywheel::SystemClock,
            reference: None,
            reference_age_s: None,
            waiting_correction_ms: None,
            rtc: None,
            rtc_chip: None,
            rtc_may_be_ds3231m: false,
            warnings: vec![],
        }
    }
}

/// A command to the player.
#[derive(Clone)]
pub struct PlayedProgram {
    pub at: Instant<Raw>,
    /// `None`: to stop.
    pub program: Option<Program>,
}

/// Something that was heard.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    pub raw: Instant<Raw>,
    /// The place that the tone encodes, in seconds modulo [`PERIOD_S`]; `None` in silence.
    pub place_s: Option<f64>,
}

type Inbox = Arc<Mutex<VecDeque<Message>>>;
type Commands<T> = Arc<Mutex<VecDeque<T>>>;

/// What stays when the power is cut: the files, and the world around the box.
pub struct Environment {
    pub clocks: Arc<SimulatedClocks>,
    pub time: Arc<ScriptedTime>,
    pub dac: SimulatedDac,
    pub board: SimulatedBoard,
    /// If there is one, the buttons are on this header, of a board that rppal does not know.
    pub header: Option<SimulatedHeader>,
    pub music: PathBuf,
    pub state: PathBuf,
    /// The configuration at the time of the next reading.
    pub config: Arc<Mutex<String>>,
    /// Whether the card has a mixer.
    pub has_mixer: bool,
}

impl Environment {
    pub fn new(folder: &Path, dac: SimulatedDac, utc: Instant<Utc>, has_mixer: bool) -> Self {
        let clocks = Arc::new(SimulatedClocks::new(Instant::ZERO, utc));
        let time = Arc::new(ScriptedTime::new(&clocks));
        let (music, state) = (folder.join("Music"), folder.join("state"));
        std::fs::create_dir_all(&music).unwrap();
        let board = SimulatedBoard::new();
        Self { clocks, time, dac, board, header: None, music, state, config: Arc::default(), has_mixer }
    }

    pub fn now(&self) -> Instant<Raw> {
        self.clocks.raw()
    }
}

/// An appliance that is switched on.
pub struct ApplianceHarness {
    conductor: Conductor,
    status: StatusBoard,
    inbox: Inbox,
    player: PlayerTask,
    pub loader: VirtualLoader,
    player_commands: Commands<PlayerCommand>,
    player_next: Instant<Raw>,
    volume: VolumeTask,
    volume_commands: Commands<u8>,
    volume_next: Instant<Raw>,
    state_writer: StateWriter,
    state_writer_commands: Commands<WriteCommand>,
    state_writer_next: Instant<Raw>,
    playlists: PlaylistTask,
    playlist_commands: Commands<PlaylistSource>,
    playlist_next: Instant<Raw>,
    /// All commands to the player, the newest last.
    pub programs: Vec<PlayedProgram>,
    /// What was heard in the last round.
    pub heard: Vec<Heard>,
}

fn queue<T>() -> (Commands<T>, Box<dyn FnMut(T) + Send>)
where
    T: Send + 'static,
{
    let commands = Commands::<T>::default();
    let sender = Arc::clone(&commands);
    (commands, Box::new(move |command| sender.lock().unwrap().push_back(command)))
}

fn layers(config: &Arc<Mutex<String>>, music: &Path) -> Layers {
    let mut layers = Layers::default();
    let fixed = format!("[playlist]\nfolder = {music:?}\n[board]\nkind = \"simulated\"\n");
    layers.lay(Path::new("fixed.toml"), fixed.as_bytes());
    layers.lay(Path::new("changing.toml"), config.lock().unwrap().as_bytes());
    layers
}

impl ApplianceHarness {
    /// Switches it on.
    pub fn switch_on(around: &Environment) -> Self {
        let inbox = Inbox::default();
        fn sender<T: 'static>(inbox: &Inbox, message: fn(T) -> Message) -> Box<dyn Fn(T) + Send> {
            let inbox = Arc::clone(inbox);
            Box::new(move |content| inbox.lock().unwrap().push_back(message(content)))
        }
        let shared = Arc::new(Shared::default());
        let loader = VirtualLoader::new();
        let player = PlayerPorts {
            dac: Box::new(around.dac.clone()),
            clocks: around.clocks.clone(),
            time: Arc::new(SharedTime(Arc::clone(&around.time))),
            report: sender(&inbox, Message::Player),
            send_to_loader: loader.send_to_loader(),
        };
        let player = PlayerTask::new(player, Arc::clone(&shared), WhenMissing::Wait).unwrap();
        let (board, has_mixer) = (around.board.clone(), around.has_mixer);
        let open_mixer = Box::new(move || Ok(has_mixer.then(|| Box::new(board.clone()) as Box<dyn Mixer>)));
        let gain = Arc::clone(&shared);
        let volume = VolumeTask::new(
            open_mixer,
            // Loudness distinguishes the tone from silence.
            Box::new(move |volume| gain.set_volume(if volume > 0.0 { 1.0 } else { 0.0 })),
            sender(&inbox, Message::Volume),
        );
        let state_writer = StateWriter::new(Some(around.state.clone()), sender(&inbox, Message::State));
        let playlists = PlaylistTask::new(sender(&inbox, Message::Playlist), Box::new(|_| {}), None);
        let (player_commands, command_player) = queue();
        let (volume_commands, command_volume) = queue();
        let (state_writer_commands, command_state_writer) = queue();
        let (playlist_commands, command_playlists) = queue();
        let (config, music) = (Arc::clone(&around.config), around.music.clone());
        let first = layers(&config, &music);
        let kept = Restored::read(Some(&around.state))
            .for_appliance(&first.config().playlist.name, first.config().volume.remember);
        let ports = Ports {
            clocks: around.clocks.clone(),
            time: Box::new(SharedTime(Arc::clone(&around.time))),
            player: command_player,
            sound: Box::new(move |tone| shared.sound(tone)),
            library: Box::new(|playlist: &Playlist, _| -> Arc<dyn Library> {
                let length_s = |track: &Track| track.path.as_ref().and(track.length).map(|length| length.seconds());
                Arc::new(Tones(playlist.tracks.iter().map(length_s).collect()))
            }),
            volume: command_volume,
            state_writer: command_state_writer,
            state_status: Box::new(StateStatus::default),
            ride_status: Box::new(|| None),
            ride_list: Box::new(|_| {}),
            playlists: command_playlists,
            numbers: Numbers::new(first.config(), derived("box-1", "")),
            measured: None,
            load_config: Box::new(move || layers(&config, &music)),
            dac_name: Box::new(|| "simulated".to_owned()),
        };
        let (board, header) = (around.board.clone(), around.header.clone());
        let open_board = Box::new(move || match &header {
            Some(header) => Board::on_header(&header.unknown_board(BackendChoice::Auto)?, &Pins::default()),
            None => Ok(Board::simulated(&board)),
        });
        let conductor = Conductor::new(&first, kept, open_board, ports);
        let now = around.now();
        Self {
            status: conductor.status_board(),
            conductor,
            inbox,
            player,
            loader,
            player_commands,
            player_next: now,
            volume,
            volume_commands,
            volume_next: now,
            state_writer,
            state_writer_commands,
            state_writer_next: now,
            playlists,
            playlist_commands,
            playlist_next: now,
            programs: Vec::new(),
            heard: Vec::new(),
        }
    }

    pub fn status(&self) -> Arc<Status> {
        self.status.read()
    }

    /// Sends a command, as a client does; the answer comes within the next rounds.
    pub fn ask(&self, command: Command) -> mpsc::Receiver<Response> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.inbox.lock().unwrap().push_back(Message::Command(command, answer));
        answered
    }

    pub fn send(&self, message: Message) {
        self.inbox.lock().unwrap().push_back(message);
    }

    /// Runs a round. Returns how it ended the service, if it did.
    pub fn round(&mut self, around: &Environment) -> Option<Ending> {
        around.clocks.advance(ROUND);
        let now = around.now();
        around.dac.advance_to(now);
        self.listen(around);
        loop {
            // A recipient may send a message in turn.
            let Some(message) = self.inbox.lock().unwrap().pop_front() else { break };
            self.conductor.take(message);
        }
        let round = self.conductor.round();
        for command in self.player_commands.lock().unwrap().drain(..) {
            let program = if let PlayerCommand::Play(program) = &command { Some(program.clone()) } else { None };
            self.programs.push(PlayedProgram { at: now, program });
            self.player.command(command);
            self.player_next = now;
        }
        work(&mut self.player, &mut self.player_next, now);
        self.loader.work(now);
        take(&mut self.volume, &self.volume_commands, &mut self.volume_next, now);
        take(&mut self.state_writer, &self.state_writer_commands, &mut self.state_writer_next, now);
        take(&mut self.playlists, &self.playlist_commands, &mut self.playlist_next, now);
        match round {
            Round::Again { at } => {
                assert!(at - now <= ROUND, "it would look too seldom");
                None
            }
            Round::End(ending) => Some(ending),
        }
    }

    fn listen(&mut self, around: &Environment) {
        self.heard.clear();
        for stretch in around.dac.take_heard() {
            for (index, pair) in stretch.samples.chunks_exact(2).enumerate().step_by(RATE_HZ as usize / 100) {
                let raw_ns_f64 = stretch.raw_ns_f64 + index as f64 * stretch.frame_ns_f64;
                let raw = Instant::ZERO + Span::from_ns_f64(raw_ns_f64);
                let place_s = place_tone::place_s(pair, PERIOD_S, MUSIC_AMPLITUDE);
                self.heard.push(Heard { raw, place_s });
            }
        }
    }
}

/// Steps a task if it is due.
fn work<T: Task>(task: &mut T, next: &mut Instant<Raw>, now: Instant<Raw>) {
    if now >= *next {
        *next = now + Span::from_duration(task.step());
    }
}

/// Passes commands on, and steps the task.
fn take<T: Task>(task: &mut T, commands: &Commands<T::Command>, next: &mut Instant<Raw>, now: Instant<Raw>) {
    for command in commands.lock().unwrap().drain(..) {
        task.command(command);
        *next = now;
    }
    work(task, next, now);
}

/// Returns by how much later than on a program's timetable something is heard, in ms; `None` if the
/// program is silent then.
pub fn late_ms(program: &Program, utc: Instant<Utc>, place_s: f64) -> Option<f64> {
    if program.heard_from.is_some_and(|heard_from| utc < heard_from) {
        return None;
    }
    let Place::Playing { slot, offset } = program.timetable.place_at(utc) else { return None };
    let should_s = offset.seconds() + TRACK_SHIFT_S * slot.track as f64;
    Some(place_tone::late_ms(should_s, place_s, PERIOD_S))
}
