//! The source of the time: the clock's own thread, or the daemon that keeps the system clock.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jaudiosync_hw::clocks::MachineClocks;
use jaudiosync_hw::priority::{RealtimeThread, ask_for_realtime};

use super::conductor::TimePort;
use crate::config::{BoardKind, Config, TimeSource};
use crate::service::clock_thread::{ClockOptions, ClockReader, ClockThread};
use crate::timekeeping::SystemClockSource;
use crate::timekeeping::clock_module::SharedModule;
use crate::timekeeping::published::UtcSource;
use crate::timekeeping::status::{Estimate, TimeStatus};
use crate::timekeeping::task::RideLink;

/// The time of a box. Dropping it stops the clock's thread.
pub enum BoxTime {
    /// The clock's thread determines it.
    Clock(ClockThread),
    /// The system clock shows it.
    System(Arc<SystemClockSource>),
}

/// Reads the time of a box. Clones read the same one.
#[derive(Clone)]
pub enum TimeReader {
    /// What the clock's thread reports.
    Clock(ClockReader),
    /// What the system clock shows.
    System(Arc<SystemClockSource>),
}

impl BoxTime {
    /// Starts the source of the time. The calibration is saved in the state folder, and in the memory
    /// on the clock module. On a desk the system clock is taken to be right.
    ///
    /// # Errors
    /// When no more threads can be started.
    pub fn start(
        config: &Config,
        state_folder: Option<PathBuf>,
        module: Arc<SharedModule>,
        ride: Option<RideLink>,
    ) -> io::Result<Self> {
        let clocks = Arc::new(MachineClocks);
        // Containers and virtual machines have the right time and no daemon that reports it.
        let is_desk = config.board.kind == BoardKind::Simulated;
        let pin_backend = config.board.backend.into();
        let config = &config.time;
        if config.source == TimeSource::System {
            let source =
                if is_desk { SystemClockSource::taken_for_right(clocks) } else { SystemClockSource::new(clocks) };
            module.found(None);
            return Ok(Self::System(Arc::new(source)));
        }
        let options = ClockOptions {
            state_folder,
            saves: true,
            sets_rtc: true,
            sets_system_clock: config.set_system_clock,
            asks_system: config.rtc.is_as_right_as_the_system(),
            module: Some(module),
            pin_backend,
            on_thread: || ask_for_realtime(RealtimeThread::Edge),
        };
        Ok(Self::Clock(ClockThread::start_with(config, &options, ride)?))
    }

    /// Asks the clock's thread to end, and does not wait for it. UTC continues from the last
    /// estimate.
    pub fn dismiss(&self) {
        match self {
            Self::Clock(clock) => clock.dismiss(),
            Self::System(_) => {}
        }
    }

    /// Returns the message of the panic that has ended the clock's thread, if one has.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Clock(clock) => clock.failure(),
            Self::System(_) => None,
        }
    }

    /// Returns a reader of the time.
    pub fn reader(&self) -> TimeReader {
        match self {
            Self::Clock(clock) => TimeReader::Clock(clock.reader()),
            Self::System(system) => TimeReader::System(Arc::clone(system)),
        }
    }
}

impl TimeReader {
    /// Returns the source of UTC for the player.
    pub fn source(&self) -> Arc<dyn UtcSource> {
        match self {
            Self::Clock(clock) => clock.source(),
            Self::System(system) => Arc::clone(system) as Arc<dyn UtcSource>,
        }
    }

    /// Returns how many steps its thread has done, or `None` if it has no thread.
    pub fn progress(&self) -> Option<u64> {
        match self {
            Self::Clock(clock) => Some(clock.progress()),
            Self::System(_) => None,
        }
    }
}

impl TimePort for TimeReader {
    fn estimate(&self) -> Estimate {
        match self {
            Self::Clock(clock) => clock.source().estimate(),
            Self::System(system) => system.estimate(),
        }
    }

    fn step(&self) {
        match self {
            Self::Clock(clock) => clock.source().step(),
            Self::System(system) => system.step(),
        }
    }

    fn status(&self) -> TimeStatus {
        match self {
            Self::Clock(clock) => clock.status(),
            Self::System(system) => system.status(),
        }
    }
}
