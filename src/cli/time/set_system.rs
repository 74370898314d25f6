//! `jaudiosync time set-system`: the system clock is set from the RTC, once and to the second.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_hw::rtc::{self, Rtc, RtcError, RtcStatus, RtcTime};
use jaudiosync_hw::system_clock::{MachineSystemClock, SystemClock};
use jaudiosync_hw::world::DeskWorld;

use super::super::{Failure, output};
use crate::config::{RtcChoice, TimeKeeping, TimeSource};
use crate::format::local_time_ms;
use crate::service::clock_thread::stand_in;
use crate::storage::Record;
use crate::timekeeping::saved::SavedTime;
use crate::timekeeping::system_clock::first_setting;

/// How often a bus is opened again that is not there yet: early at boot its device and the right to
/// use it come a moment later.
const RETRY: Duration = Duration::from_millis(50);

/// Attempts to read a chip on a bus that is there.
const ATTEMPTS: usize = 3;

/// Sets the system clock, or says what it would be set to. Waits at most `wait` for the RTC's bus.
///
/// # Errors
/// When the configuration leaves the clock to others, there is no RTC, it does not answer or is not
/// believed, or the clock may not be set.
pub(super) fn set_system(
    config: &TimeKeeping,
    state_folder: Option<PathBuf>,
    wait: Duration,
    only_says: bool,
) -> Result<(), Failure> {
    if config.source == TimeSource::System || !config.set_system_clock {
        return Err(Failure::Usage(
            "the configuration leaves the system clock to another program (time.source, time.set_system_clock)"
                .to_owned(),
        ));
    }
    if matches!(config.rtc, RtcChoice::Simulated(_)) && !only_says {
        return Err(Failure::Usage(
            "a simulated RTC sets no real clock; add --dry-run to see what it would".to_owned(),
        ));
    }
    let (time, status) = read(&config.rtc, Instant::now() + wait)?;
    let now = MachineClocks.system_utc();
    // A damaged record only means that one check is missing; the service reports it.
    let last_saved = state_folder.and_then(|folder| Record::<SavedTime>::in_folder(&folder).read().ok().flatten());
    let by = first_setting(time, &status, last_saved.map(|saved| saved.utc_s), now)
        .map_err(|distrust| Failure::Other(format!("the system clock is left alone: {distrust}")))?;
    let Some(by) = by else {
        output::say("The system clock is right, to the second.");
        return Ok(());
    };
    let seconds = by.seconds();
    if only_says {
        output::say(format!("The system clock would be moved by {seconds:+.1} s, to {}.", local_time_ms(now + by)));
        return Ok(());
    }
    let set = MachineSystemClock::take_over().and_then(|mut clock| clock.step(by));
    set.map_err(|error| Failure::Other(error.to_string()))?;
    let utc = MachineClocks.system_utc();
    output::say(format!("The system clock was moved by {seconds:+.1} s, to {}.", local_time_ms(utc)));
    Ok(())
}

/// Reads what the RTC shows.
fn read(choice: &RtcChoice, until: Instant) -> Result<(RtcTime, RtcStatus), Failure> {
    let mut open: Box<dyn FnMut() -> Result<Box<dyn Rtc>, RtcError>> = match choice {
        RtcChoice::None => {
            return Err(Failure::Usage(
                "there is no RTC to set it from: name its bus with --rtc /dev/i2c-1".to_owned(),
            ));
        }
        RtcChoice::Bus(path) => Box::new(|| Ok(Box::new(rtc::open(path, stand_in())?))),
        RtcChoice::Simulated(chip) => chip.opener(Arc::new(DeskWorld::default()), stand_in()),
    };
    let mut failed = 0;
    loop {
        let result = open().and_then(|mut rtc| {
            let status = rtc.read_status()?;
            Ok((rtc.read_time()?, status))
        });
        match result {
            Ok(read) => return Ok(read),
            Err(RtcError::NoBus { .. }) if Instant::now() < until => {}
            Err(error) => {
                failed += 1;
                if failed == ATTEMPTS || matches!(error, RtcError::NoBus { .. }) {
                    return Err(Failure::Other(format!("the system clock is left alone: {error}")));
                }
            }
        }
        std::thread::sleep(RETRY);
    }
}
