//! The clock's thread: opens the RTC, the references and the disk for the [`ClockTask`], and runs
//! it.

use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_hw::eeprom::{self, Adoption, Eeprom, EepromError};
use jaudiosync_hw::gpio::BackendChoice;
use jaudiosync_hw::rtc::{self, GpioSecondEdge, SecondEdge, StandIn};
use jaudiosync_hw::system_clock::{MachineSystemClock, SystemClock};
use jaudiosync_hw::world::DeskWorld;

use crate::config::{RtcChoice, TimeKeeping};
use crate::storage::Record;
use crate::timekeeping::clock_module::SharedModule;
use crate::timekeeping::published::SharedEstimate;
use crate::timekeeping::references::{GpsdSource, NtpSource, ReferenceEvent, ReferenceThread, SystemSource};
use crate::timekeeping::saved::SavedTime;
use crate::timekeeping::status::TimeStatus;
use crate::timekeeping::task::{ClockCommand, ClockDevices, ClockTask, ModuleMemory, OpenEeprom, OpenRtc, RideLink};
use crate::worker::{Progress, Worker};

/// What the thread may do, beyond what the configuration says.
#[derive(Debug, Clone)]
pub struct ClockOptions {
    /// Where the calibration is read from.
    pub state_folder: Option<PathBuf>,
    /// Whether it is also saved there.
    pub saves: bool,
    /// Whether the RTC may be set and marked. Commands that only show something must not.
    pub sets_rtc: bool,
    /// Whether the system clock may be steered, if the configuration wants it.
    pub sets_system_clock: bool,
    /// Whether the system clock is a reference, because another daemon keeps it.
    pub asks_system: bool,
    /// The state in the memory on the clock module, if that is to be used.
    pub module: Option<Arc<SharedModule>>,
    /// Through what the pin of the RTC's 1 Hz output is read.
    pub pin_backend: BackendChoice,
    /// Called once on the thread when it begins, to ask for priority.
    pub on_thread: fn(),
}

impl ClockOptions {
    /// Returns the options of commands that only read, and set and save nothing.
    pub fn read_only(state_folder: Option<PathBuf>) -> Self {
        Self {
            state_folder,
            saves: false,
            sets_rtc: false,
            sets_system_clock: false,
            asks_system: false,
            module: None,
            pin_backend: BackendChoice::Auto,
            on_thread: || {},
        }
    }
}

/// A running clock. Dropping it ends its threads; UTC then continues from the last estimate.
pub struct ClockThread {
    reader: ClockReader,
    worker: Worker<ClockCommand>,
    /// Dropped after the worker; they end their own threads.
    references: Vec<ReferenceThread>,
}

/// What the clock's thread reports. Clones read the same clock.
#[derive(Clone)]
pub struct ClockReader {
    shared: Arc<SharedEstimate>,
    reported: Arc<Mutex<Reported>>,
    progress: Progress,
}

/// What the task reported last.
struct Reported {
    status: TimeStatus,
    rtc_was_set: bool,
}

impl ClockThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(config: &TimeKeeping, options: &ClockOptions) -> std::io::Result<Self> {
        Self::start_with(config, options, None)
    }

    /// Starts the thread of a box that hears others.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start_with(config: &TimeKeeping, options: &ClockOptions, ride: Option<RideLink>) -> std::io::Result<Self> {
        let clocks: Arc<dyn Clocks> = Arc::new(MachineClocks);
        let shared = Arc::new(SharedEstimate::unset(clocks.as_ref()));
        let (sender, events) = mpsc::channel();
        let references = start_references(config, options.asks_system, &clocks, &sender);
        let record = options.state_folder.as_ref().map(|folder| Record::<SavedTime>::in_folder(folder));
        let saved = record.as_ref().and_then(read_saved);
        let record = record.filter(|_| options.saves);
        let devices = ClockDevices {
            open_rtc: rtc_opener(config, options.sets_rtc),
            // With one reader alone: a second one that releases the pin would take the pull-up away
            // from the first.
            second_edge: if options.sets_rtc { second_edge(config, options.pin_backend) } else { None },
            system_clock: if options.sets_system_clock && config.set_system_clock { take_system_clock() } else { None },
            clocks,
            events,
            persist: Box::new(move |saved| {
                if let Some(Err(error)) = record.as_ref().map(|record| record.write(saved)) {
                    log::warn!("cannot save the RTC's calibration: {error}");
                }
            }),
            random: fastrand::u32(..),
            may_set_rtc: options.sets_rtc,
            ride,
        };
        let mut task = ClockTask::new(devices, saved, Arc::clone(&shared));
        if let Some(shared) = &options.module {
            match module_opener(config) {
                Some(open) => task.save_in_module(ModuleMemory::new(open, Arc::clone(shared))),
                None => _ = shared.found(None),
            }
        }
        let reported = Arc::new(Mutex::new(Reported { status: task.status(), rtc_was_set: false }));
        task.report_to({
            let reported = Arc::clone(&reported);
            move |status, rtc_was_set| {
                *reported.lock().unwrap_or_else(PoisonError::into_inner) = Reported { status, rtc_was_set };
            }
        });
        let worker = Worker::start("clock", task, options.on_thread)?;
        let reader = ClockReader { shared, reported, progress: worker.progress_counter() };
        Ok(Self { reader, worker, references })
    }

    /// Asks the thread to save what it has learnt and to end, and the threads of the references to
    /// end, and does not wait for them.
    pub fn dismiss(&self) {
        self.worker.dismiss();
        self.references.iter().for_each(ReferenceThread::dismiss);
    }

    /// Returns the message of the panic that has ended the thread, if one has.
    pub fn failure(&self) -> Option<&str> {
        self.worker.failure()
    }

    /// Returns a reader of what the thread reports.
    pub fn reader(&self) -> ClockReader {
        self.reader.clone()
    }

    /// Returns the source of UTC for the player and everything else.
    pub fn source(&self) -> Arc<SharedEstimate> {
        self.reader.source()
    }

    /// Returns what the clock reports of itself, at most a second or two old.
    pub fn status(&self) -> TimeStatus {
        self.reader.status()
    }

    /// Sets the RTC as soon as a reference has given the time, even if the RTC is right.
    pub fn set_rtc(&self) {
        self.worker.command(ClockCommand::SetRtc);
    }

    /// Returns whether the RTC has been set since the start.
    pub fn rtc_was_set(&self) -> bool {
        self.reader.reported.lock().unwrap_or_else(PoisonError::into_inner).rtc_was_set
    }
}

impl ClockReader {
    /// Returns the source of UTC for the player and everything else.
    pub fn source(&self) -> Arc<SharedEstimate> {
        Arc::clone(&self.shared)
    }

    /// Returns what the clock reports of itself, at most a second or two old.
    pub fn status(&self) -> TimeStatus {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner).status.clone()
    }

    /// Returns how many steps the thread has done; the number grows at least every few seconds
    /// while the thread is alive.
    pub fn progress(&self) -> u64 {
        self.progress.steps()
    }
}

fn start_references(
    config: &TimeKeeping,
    asks_system: bool,
    clocks: &Arc<dyn Clocks>,
    events: &Sender<ReferenceEvent>,
) -> Vec<ReferenceThread> {
    let mut started: Vec<std::io::Result<ReferenceThread>> = Vec::new();
    for server in &config.ntp_servers {
        let source = NtpSource { server: server.clone() };
        started.push(source.start(Arc::clone(clocks), events.clone()));
    }
    if let Some(server) = &config.gpsd.0 {
        let source = GpsdSource { server: server.clone() };
        started.push(source.start(Arc::clone(clocks), events.clone()));
    }
    if asks_system {
        started.push(SystemSource.start(Arc::clone(clocks), events.clone()));
    }
    let keep = |result: std::io::Result<ReferenceThread>| {
        result.inspect_err(|error| log::warn!("cannot start the thread of a time source: {error}")).ok()
    };
    started.into_iter().filter_map(keep).collect()
}

fn read_saved(record: &Record<SavedTime>) -> Option<SavedTime> {
    record.read().unwrap_or_else(|error| {
        log::warn!("{error}; the RTC's calibration starts over");
        None
    })
}

fn rtc_opener(config: &TimeKeeping, sets_rtc: bool) -> Option<OpenRtc> {
    let gives_1hz = sets_rtc && config.sqw_gpio.0.is_some();
    let stand_in = stand_in();
    match &config.rtc {
        RtcChoice::None => None,
        RtcChoice::Bus(path) => {
            let path = path.clone();
            Some(Box::new(move || {
                let mut chip = rtc::open(&path, stand_in)?;
                if gives_1hz && rtc::Rtc::is_writable(&chip) {
                    chip.enable_1hz_output(true)?;
                }
                Ok(Box::new(chip))
            }))
        }
        RtcChoice::Simulated(chip) => Some(chip.opener(Arc::new(DeskWorld::default()), stand_in)),
    }
}

/// Names a chip that may stand in for a DS3231, for tests alone: the emulated Pi has no DS3231.
const ACCEPT_RTC: &str = "JAUDIOSYNC_ACCEPT_RTC";

/// Returns which chip may stand in for a DS3231: none, unless a test says so in the environment.
pub fn stand_in() -> StandIn {
    match std::env::var(ACCEPT_RTC).as_deref() {
        Ok("ds1307" | "ds1338") => StandIn::Ds1307,
        Ok(other) if !other.is_empty() => {
            log::warn!("{ACCEPT_RTC}={other} is ignored: only ds1307 and ds1338 may stand in for a DS3231");
            StandIn::Nothing
        }
        _ => StandIn::Nothing,
    }
}

/// Opens the memory on the clock module for a command, which only reads it until it is known;
/// `None` where no RTC was recognized beside it.
pub fn open_module(config: &TimeKeeping) -> Option<Result<Box<dyn Eeprom>, EepromError>> {
    let RtcChoice::Bus(path) = &config.rtc else { return None };
    rtc::open(path, stand_in()).ok()?;
    Some(eeprom::open(path, Adoption::Refused, &MachineClocks))
}

/// Returns what opens the memory on the clock module; `None` where there is no such bus.
fn module_opener(config: &TimeKeeping) -> Option<OpenEeprom> {
    let RtcChoice::Bus(path) = &config.rtc else { return None };
    let path = path.clone();
    Some(Box::new(move || eeprom::open(&path, Adoption::Allowed, &MachineClocks)))
}

fn second_edge(config: &TimeKeeping, backend: BackendChoice) -> Option<Box<dyn SecondEdge>> {
    match GpioSecondEdge::new(config.sqw_gpio.0?.number(), backend) {
        Ok(edge) => Some(Box::new(edge)),
        Err(error) => {
            log::warn!("{error}");
            None
        }
    }
}

fn take_system_clock() -> Option<Box<dyn SystemClock>> {
    match MachineSystemClock::take_over() {
        Ok(clock) => Some(Box::new(clock)),
        Err(error) => {
            log::warn!("{error}; the system clock is left alone");
            None
        }
    }
}
