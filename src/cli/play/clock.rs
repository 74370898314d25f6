//! Where `play` takes the time from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use jaudiosync_hw::clocks::MachineClocks;

use super::super::{Failure, output};
use crate::config;
use crate::service::clock_thread::{ClockOptions, ClockThread};
use crate::storage::service_state_folder;
use crate::timekeeping::SystemClockSource;
use crate::timekeeping::published::UtcSource;
use crate::timekeeping::status::TimeState;

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Clock {
    /// The configured RTC and references, which are only read, never set; see `jaudiosync time`
    Rtc,
    /// The system clock, which another program sets
    System,
}

/// A time source, and the clock's thread if it has one.
pub(super) struct Time {
    pub(super) source: Arc<dyn UtcSource>,
    _thread: Option<ClockThread>,
}

/// How long to wait for the RTC's seconds or a reference before playing by the system clock.
const CLOCK_PATIENCE: Duration = Duration::from_secs(15);

impl Clock {
    pub(super) fn start(self) -> Result<Time, Failure> {
        if self == Self::System {
            let source = Arc::new(SystemClockSource::taken_for_right(Arc::new(MachineClocks)));
            return Ok(Time { source, _thread: None });
        }
        let layers = config::load(None);
        layers.problems().iter().for_each(output::warn);
        let options = ClockOptions::read_only(service_state_folder(layers.config().state.folder()));
        let thread = ClockThread::start(&layers.config().time, &options)
            .map_err(|error| Failure::Other(format!("cannot start the clock: {error}")))?;
        let until = Instant::now() + CLOCK_PATIENCE;
        while thread.source().estimate().state == TimeState::Unset {
            if Instant::now() >= until {
                output::warn("no trustworthy time: playing by the system clock, and not in sync; see: jaudiosync time");
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Time { source: thread.source(), _thread: Some(thread) })
    }
}
