//! The clock's thread: wires the RTC, the references and the disk to the [`ClockTask`], and runs it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_hw::rtc::{self, Ds3231, Ds3231Model, GpioSecondEdge, SecondEdge, SimulatedDs3231};
use jaudiosync_hw::system_clock::{MachineSystemClock, SystemClock};
use jaudiosync_hw::world::DeskWorld;

use super::clock_task::{ClockDevices, ClockTask, OpenRtc};
use super::references::{GpsdSource, NtpSource, ReferenceEvent, ReferenceThread, SystemSource};
use super::saved::SavedTime;
use super::source::SharedEstimate;
use super::status::TimeStatus;
use crate::config::{RtcChoice, TimeKeeping};
use crate::ending::{Hold, hold};
use crate::storage::Record;

/// What the thread is to do, beyond what the configuration says.
#[derive(Debug, Clone)]
pub struct ClockOptions {
    /// Where the calibration is read from.
    pub state_folder: Option<PathBuf>,
    /// Whether it is also written there.
    pub keeps: bool,
    /// Whether the RTC may be set and marked. Commands that only look must not.
    pub sets_rtc: bool,
    /// Whether the system clock may be steered, where the configuration wants it.
    pub sets_system_clock: bool,
    /// Whether the system clock is a reference: another daemon keeps it.
    pub asks_system: bool,
    /// Called once on the thread when it begins: to ask for priority.
    pub on_thread: fn(),
}

impl ClockOptions {
    /// For commands that read what there is, and set and keep nothing.
    pub fn only_looking(state_folder: Option<PathBuf>) -> Self {
        Self {
            state_folder,
            keeps: false,
            sets_rtc: false,
            sets_system_clock: false,
            asks_system: false,
            on_thread: || {},
        }
    }
}

/// A running clock.
pub struct ClockThread {
    reader: ClockReader,
    thread: Option<JoinHandle<()>>,
    hold: Weak<Hold>,
    /// Dropped after the thread; they end their own threads.
    references: Vec<ReferenceThread>,
}

/// What the clock's thread tells. Clones read the same clock.
#[derive(Clone)]
pub struct ClockReader {
    shared: Arc<SharedEstimate>,
    status: Arc<Mutex<TimeStatus>>,
    flags: Arc<Flags>,
}

#[derive(Default)]
struct Flags {
    steps: AtomicU64,
    ends: AtomicBool,
    shall_set_rtc: AtomicBool,
    rtc_was_set: AtomicBool,
}

impl ClockThread {
    /// Starts it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(config: &TimeKeeping, options: &ClockOptions) -> std::io::Result<Self> {
        let clocks: Arc<dyn Clocks> = Arc::new(MachineClocks);
        let shared = Arc::new(SharedEstimate::unset(clocks.as_ref()));
        let (sender, events) = mpsc::channel();
        let references = start_references(config, options.asks_system, &clocks, &sender);
        let record = options.state_folder.as_ref().map(|folder| Record::<SavedTime>::in_folder(folder));
        let saved = record.as_ref().and_then(read_saved);
        let record = record.filter(|_| options.keeps);
        let devices = ClockDevices {
            open_rtc: rtc_opener(config, options.sets_rtc),
            // One reader alone: letting go of the pin would take its pull-up from the other.
            second_edge: if options.sets_rtc { second_edge(config) } else { None },
            system_clock: if options.sets_system_clock && config.set_system_clock { take_system_clock() } else { None },
            clocks,
            events,
            keep: Box::new(move |saved| {
                if let Some(Err(error)) = record.as_ref().map(|record| record.write(saved)) {
                    log::warn!("the clock's calibration is not kept: {error}");
                }
            }),
            random: fastrand::u32(..),
            may_set_rtc: options.sets_rtc,
        };
        let mut task = ClockTask::new(devices, saved, Arc::clone(&shared));
        let status = Arc::new(Mutex::new(task.status()));
        let flags = Arc::new(Flags::default());
        let on_thread = options.on_thread;
        let held = hold("clock");
        let hold = Arc::downgrade(&held);
        let thread = std::thread::Builder::new().name("clock".to_owned()).spawn({
            let (status, flags) = (Arc::clone(&status), Arc::clone(&flags));
            move || {
                on_thread();
                while !flags.ends.load(Ordering::Relaxed) {
                    if flags.shall_set_rtc.swap(false, Ordering::Relaxed) {
                        task.set_rtc_when_possible();
                    }
                    task.step();
                    *status.lock().unwrap_or_else(PoisonError::into_inner) = task.status();
                    flags.rtc_was_set.store(task.rtc_was_set(), Ordering::Relaxed);
                    flags.steps.fetch_add(1, Ordering::Relaxed);
                }
                task.save();
                // A bus that hangs may keep it from being dropped.
                drop(task);
                drop(held);
            }
        })?;
        let reader = ClockReader { shared, status, flags };
        Ok(Self { reader, thread: Some(thread), hold, references })
    }

    /// Lets the thread write down what it knows and end, and those of the references, and does not wait for that. UTC is
    /// carried on as it was known last.
    pub fn dismiss(&self) {
        self.reader.flags.ends.store(true, Ordering::Relaxed);
        if let Some(hold) = self.hold.upgrade() {
            hold.ask();
        }
        self.references.iter().for_each(ReferenceThread::dismiss);
    }

    /// What it tells.
    pub fn reader(&self) -> ClockReader {
        self.reader.clone()
    }

    /// UTC, for the player and everything else.
    pub fn source(&self) -> Arc<SharedEstimate> {
        self.reader.source()
    }

    /// What the clock says of itself, not older than a second or two.
    pub fn status(&self) -> TimeStatus {
        self.reader.status()
    }

    /// Sets the RTC as soon as a reference has told the time, however right it is.
    pub fn set_rtc(&self) {
        self.reader.flags.shall_set_rtc.store(true, Ordering::Relaxed);
    }

    /// Whether the RTC was set since the start.
    pub fn rtc_was_set(&self) -> bool {
        self.reader.flags.rtc_was_set.load(Ordering::Relaxed)
    }
}

impl ClockReader {
    /// UTC, for the player and everything else.
    pub fn source(&self) -> Arc<SharedEstimate> {
        Arc::clone(&self.shared)
    }

    /// What the clock says of itself, not older than a second or two.
    pub fn status(&self) -> TimeStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often the thread has gone round: at least every few seconds for as long as it is alive.
    pub fn progress(&self) -> u64 {
        self.flags.steps.load(Ordering::Relaxed)
    }
}

impl Drop for ClockThread {
    fn drop(&mut self) {
        self.dismiss();
        if let Some(thread) = self.thread.take() {
            // It ends within a second or so, unless the bus or the disk hangs, for which the end of the process has a
            // bound. A panic there was already printed by the panic hook.
            let _ = thread.join();
        }
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
        result.inspect_err(|error| log::warn!("no thread for a source of time: {error}")).ok()
    };
    started.into_iter().filter_map(keep).collect()
}

fn read_saved(record: &Record<SavedTime>) -> Option<SavedTime> {
    record.read().unwrap_or_else(|error| {
        log::warn!("{error}; the clock's calibration begins anew");
        None
    })
}

fn rtc_opener(config: &TimeKeeping, sets_rtc: bool) -> Option<OpenRtc> {
    let gives_1hz = sets_rtc && config.sqw_gpio.0.is_some();
    match &config.rtc {
        RtcChoice::None => None,
        RtcChoice::Bus(path) => {
            let path = path.clone();
            Some(Box::new(move || {
                let mut chip = rtc::open_chip(&path)?;
                if gives_1hz && rtc::Rtc::is_writable(&chip) {
                    chip.enable_1hz_output(true)?;
                }
                Ok(Box::new(chip))
            }))
        }
        RtcChoice::Simulated => {
            let (chip, _) = SimulatedDs3231::new(Arc::new(DeskWorld::default()), Ds3231Model::default(), 1);
            Some(Box::new(move || Ok(Box::new(Ds3231::new(chip.clone())))))
        }
    }
}

fn second_edge(config: &TimeKeeping) -> Option<Box<dyn SecondEdge>> {
    match GpioSecondEdge::new(config.sqw_gpio.0?.number()) {
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
            log::warn!("{error}; it is left alone");
            None
        }
    }
}
