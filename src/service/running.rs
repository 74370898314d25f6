//! A service on this machine's devices: starts everything, runs the conductor, feeds the watchdog.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_hw::dac::{ChosenDac, Dac, DacError};
use jaudiosync_hw::priority::{ask_for_idle, lock_memory};
use jaudiosync_hw::simulated_board::SimulatedBoard;
use sd_notify::NotifyState;

use super::conductor::{Conductor, Ending, Message, Ports, Round, StatusBoard, TimePort};
use super::devices::{board_opener, open_mixer};
use super::handler::{ControlHandler, bind};
use super::heartbeat::Heartbeat;
use super::mapper::MapperTask;
use super::numbers::Numbers;
use super::page;
use super::playlists::PlaylistTask;
use super::recording::Recording;
use super::ride::{PlannedRide, RideSide};
use super::settings::sink_options;
use super::state_place::{last_run, log_state_place, state_status};
use super::state_writer::{Restored, StateWriter};
use super::time::{BoxTime, TimeReader};
use super::volume::VolumeTask;
use super::workers::Workers;
use crate::config::{BoardKind, Config, Layers};
use crate::control::ServerError;
use crate::control::server::RunningServer;
use crate::host::{Health, Machine};
use crate::page::Page;
use crate::player::engine::{Engine, Parts};
use crate::player::files::Files;
use crate::player::library::Library;
use crate::player::task::{PlayerCommand, WhenMissing};
use crate::recorder::Notes;
use crate::sound_check::number::derived;
use crate::storage::{self, StatePlace};
use crate::timekeeping::clock_module::SharedModule;

/// How often the loops are checked, and systemd is notified.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Until the service is ready, it asks systemd every second for this much more time.
const STARTING_US: u32 = 20_000_000;

/// The memory on the clock module is read within 0.1 s of the start, but for one that is seen for
/// the first time. An RTC that does not answer is tried again after a second, and its memory waited
/// for.
const MODULE_PATIENCE: Duration = Duration::from_millis(1500);

/// What a service is started with.
pub struct ServiceOptions {
    /// Reads the configuration; called at once, and again at every reload.
    pub load_config: Box<dyn FnMut() -> Layers + Send>,
    /// Where the state is saved, whatever the configuration says.
    pub state_folder: Option<PathBuf>,
    /// The simulated board, for `board.kind = "simulated"`.
    pub simulated: SimulatedBoard,
    /// The lines of the log that the flight recorder takes in.
    pub notes: Notes,
}

/// Why a service cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another service runs.
    #[error(transparent)]
    Control(#[from] ServerError),
    /// No more threads can be started.
    #[error("no thread can be started: {0}")]
    Thread(#[from] io::Error),
    /// The player's thread.
    #[error(transparent)]
    Player(#[from] DacError),
}

/// A service that is ready to run.
pub struct Service {
    // Once all were asked to end, the clients are dropped first, then the conductor with all it
    // sends commands to, then the player.
    page: Option<Page>,
    server: Option<RunningServer>,
    conductor: Conductor,
    inbox: Receiver<Message>,
    sender: Sender<Message>,
    engine: Arc<Engine>,
    time: BoxTime,
    workers: Workers,
    ride: Option<RideSide>,
    /// Dropped last, as it records how the others end.
    recording: Recording,
    began: Instant,
}

impl Service {
    /// Starts everything; the sound card, the buttons and the playlist may be missing, and are
    /// waited for.
    ///
    /// # Errors
    /// When another service has the control socket, or no more threads can be started.
    pub fn start(mut options: ServiceOptions) -> Result<Self, StartError> {
        let began = Instant::now();
        let layers = (options.load_config)();
        let config = layers.config().clone();
        layers.problems().iter().for_each(|problem| log::warn!("{problem}"));
        let server = bind(&config)?;
        if config.board.kind == BoardKind::Pi {
            lock_memory().unwrap_or_else(|error| log::info!("{error}"));
        }
        let (sender, inbox) = mpsc::channel();
        let state_folder = state_folder(&options, &config);
        let place = state_folder.as_deref().map(StatePlace::of);
        let module = Arc::new(SharedModule::new(last_run(state_folder.as_deref())));
        let health = Arc::new(Health::default());
        let recording = Recording::start(place.as_ref(), options.notes, Arc::clone(&module), Arc::clone(&health));
        let (ride, link) = PlannedRide::of(&config).unzip();
        let time = BoxTime::start(&config, state_folder.clone(), Arc::clone(&module), link)?;
        let dac = ChosenDac::new(Some(&config.sound.device), sink_options(&config.sound)).waiting_for_better();
        let open_mixer = open_mixer(&config, &dac);
        let engine = Arc::new(start_player(Box::new(dac.clone()), &time.reader(), &sender)?);
        let mut workers = Workers::default();
        let machine = Machine::below(Path::new("/"));
        let derived = derived(&machine.host_name().unwrap_or_default(), &machine.machine_id().unwrap_or_default());
        let numbers = Numbers::new(&config, derived);
        let ride = ride
            .map(|ride| ride.start(&config, &numbers, health, &mut workers, reporter(&sender, Message::Ride)))
            .transpose()?;
        let mut ports = Ports {
            clocks: Arc::new(MachineClocks),
            time: Box::new(time.reader()),
            player: player_commands(&engine),
            sound: {
                let engine = Arc::clone(&engine);
                Box::new(move |tone| engine.sound(tone))
            },
            library: Box::new(|playlist, mix| -> Arc<dyn Library> { Arc::new(Files::of(playlist, mix)) }),
            volume: {
                let shared = engine.shared();
                let set_gain = Box::new(move |gain| shared.set_volume(gain));
                workers.start("volume", VolumeTask::new(open_mixer, set_gain, reporter(&sender, Message::Volume)))?
            },
            state_writer: {
                let task = StateWriter::new(state_folder.clone(), reporter(&sender, Message::State));
                workers.start("state writer", task.and_in(Arc::clone(&module)))?
            },
            state_status: {
                let (place, module) = (place.clone(), Arc::clone(&module));
                Box::new(move || state_status(place.as_ref(), module.report()))
            },
            ride_status: {
                let ride = ride.clone();
                Box::new(move || ride.as_ref().map(RideSide::status))
            },
            ride_list: {
                let ride = ride.clone();
                Box::new(move |playlist| ride.iter().for_each(|ride| ride.list(playlist)))
            },
            playlists: {
                let command_maps = workers.start_with("mapper", MapperTask::default(), ask_for_idle)?;
                let task = PlaylistTask::new(reporter(&sender, Message::Playlist), command_maps, state_folder.clone());
                workers.start("playlist", task)?
            },
            numbers: numbers.clone(),
            measured: None,
            load_config: options.load_config,
            dac_name: Box::new(move || dac.name()),
        };
        let mut restored = Restored::read(state_folder.as_deref());
        restored.problems.iter().for_each(|problem| log::warn!("{problem}"));
        ports.measured = restored.latency.take();
        if let Some(found) = module.wait(MODULE_PATIENCE) {
            restored.take_over(found).into_iter().for_each(&mut ports.state_writer);
        }
        module.begin(restored.session.clone(), restored.volume);
        log_state_place(&state_status(place.as_ref(), module.report()));
        let saved = restored.for_appliance(&config.playlist.name, config.volume.remember);
        let conductor = Conductor::new(&layers, saved, board_opener(&config, &options.simulated), ports);
        let handler = ControlHandler::new(sender.clone(), conductor.status_board())
            .with_ride(ride.as_ref().and_then(RideSide::commands), config.ride.find_key().err());
        let handler = Arc::new(handler);
        let server = server.map(|server| server.serve(Arc::<ControlHandler>::clone(&handler))).transpose()?;
        let page = page::start(&config.page, ride.as_ref(), handler, &conductor);
        Ok(Self { page, server, conductor, inbox, sender, engine, time, workers, ride, recording, began })
    }

    /// Returns where requests to end or to reload can be sent.
    pub fn sender(&self) -> Sender<Message> {
        self.sender.clone()
    }

    /// Returns where the status can be read.
    pub fn status_board(&self) -> StatusBoard {
        self.conductor.status_board()
    }

    /// Runs until it is asked to end. Dropping it releases what it has, and waits for the work in
    /// progress; [`crate::ending`] limits how long that may take.
    pub fn run(&mut self) -> Ending {
        let clocks = MachineClocks;
        let mut heartbeat = Heartbeat::default();
        let mut next_heartbeat = Instant::now();
        let mut is_ready = false;
        let mut is_end_recorded = false;
        let mut logged_trouble = None;
        let ending = loop {
            let at = match self.conductor.round() {
                Round::Again { at } => at,
                Round::End(ending) => break ending,
            };
            if !is_ready && self.conductor.is_armed() {
                is_ready = true;
                log::info!("ready {:.3} s after its start", self.began.elapsed().as_secs_f64());
                notify(&[NotifyState::Ready]);
            }
            if Instant::now() >= next_heartbeat {
                next_heartbeat = Instant::now() + HEARTBEAT;
                let trouble = self.beat(&mut heartbeat);
                if let Some(trouble) = trouble.as_ref().filter(|trouble| logged_trouble.as_ref() != Some(*trouble)) {
                    log::error!("{trouble}; systemd will restart the service");
                }
                logged_trouble = trouble;
                let status = self.conductor.status_board().read();
                self.ride.iter().for_each(|ride| ride.see(&status));
                self.recording.see(clocks.raw(), self.time.reader().estimate(), status);
                if !is_ready && logged_trouble.is_none() {
                    // Reading a large playlist for the first time takes longer than systemd would
                    // wait.
                    notify(&[NotifyState::ExtendTimeoutUsec(STARTING_US)]);
                }
            }
            let wait = (at - clocks.raw()).to_duration().unwrap_or_default();
            if let Ok(message) = self.inbox.recv_timeout(wait) {
                self.conductor.take(message);
            }
            match (self.conductor.ending(), is_end_recorded) {
                (None, _) => {}
                (Some(ending), false) => {
                    is_end_recorded = true;
                    self.recording.ended(ending);
                }
                // It takes up to a second to save what it has learnt, while the music fades out;
                // and what was recorded of the end a round ago.
                (Some(_), true) => self.time.dismiss(),
            }
        };
        if !is_end_recorded {
            self.recording.ended(ending);
        }
        notify(&[NotifyState::Stopping]);
        ending
    }

    /// Feeds the watchdog if all loops make progress; otherwise returns which one does not, or has
    /// died.
    fn beat(&self, heartbeat: &mut Heartbeat) -> Option<String> {
        let now_raw = MachineClocks.raw();
        if let Some(server) = &self.server {
            heartbeat.saw("control", server.progress(), now_raw);
        }
        if let Some(rounds) = self.time.reader().progress() {
            heartbeat.saw("clock", rounds, now_raw);
        }
        let (steps, buffers) = self.engine.progress();
        heartbeat.saw("player", steps, now_raw);
        if self.conductor.has_device() {
            heartbeat.saw("sound card", buffers, now_raw);
        } else {
            heartbeat.excuse("sound card");
        }
        let stuck = || heartbeat.stuck(now_raw).map(|name| format!("the {name} loop makes no progress"));
        let trouble = self.dead().or_else(stuck);
        if trouble.is_none() {
            let words = self.conductor.status_board().read().play.summary();
            notify(&[NotifyState::Watchdog, NotifyState::Status(&words)]);
        }
        trouble
    }

    /// Returns a worker that has panicked, and why.
    fn dead(&self) -> Option<String> {
        let player = self.engine.failure().map(|reason| ("player", reason.to_owned()));
        let clock = || self.time.failure().map(|reason| ("clock", reason.to_owned()));
        let (name, reason) = player.or_else(clock).or_else(|| self.workers.dead())?;
        Some(format!("the {name} has died of a fault in this program ({reason})"))
    }
}

impl Drop for Service {
    /// Asks all to end at the same time, so that none waits for one that hangs.
    fn drop(&mut self) {
        self.page.iter_mut().for_each(Page::dismiss);
        self.time.dismiss();
        self.workers.dismiss();
        self.engine.dismiss();
        self.recording.dismiss();
    }
}

fn state_folder(options: &ServiceOptions, config: &Config) -> Option<PathBuf> {
    options.state_folder.clone().or_else(|| storage::state_folder(config.state.folder()))
}

/// Notifies systemd. Without systemd this does nothing.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd cannot be notified: {error}");
    }
}

fn start_player(dac: Box<dyn Dac>, time: &TimeReader, sender: &Sender<Message>) -> Result<Engine, DacError> {
    let parts =
        Parts { dac, clocks: Arc::new(MachineClocks), time: time.source(), report: reporter(sender, Message::Player) };
    Engine::start(parts, WhenMissing::Wait)
}

fn player_commands(engine: &Arc<Engine>) -> Box<dyn FnMut(PlayerCommand) + Send> {
    let engine = Arc::clone(engine);
    Box::new(move |command| engine.command(command))
}

/// Returns a function that sends reports to the conductor.
fn reporter<T: Send + 'static>(sender: &Sender<Message>, message: fn(T) -> Message) -> Box<dyn Fn(T) + Send> {
    let sender = sender.clone();
    // The conductor is gone only when the service ends, and then no one listens.
    Box::new(move |report| _ = sender.send(message(report)))
}
