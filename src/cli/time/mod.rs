//! `jaudiosync time`: the time as the box knows it, and how accurately.

mod set_system;
mod show;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use jaudiosync_hw::clocks::MachineClocks;
use jaudiosync_hw::eeprom::EepromError;
use jaudiosync_hw::rtc;

use super::{Failure, output};
use crate::config::{self, OptionalServer, RtcChoice, ServerAddress, TimeKeeping};
use crate::control::{Client, ClientError, Request, Status, candidate_sockets};
use crate::service::clock_thread::{ClockOptions, ClockThread, open_module, stand_in};
use crate::service::state_place::last_run;
use crate::storage::{Record, service_state_folder};
use crate::timekeeping::clock_module::{SharedModule, forget_calibration};
use crate::timekeeping::saved::SavedTime;
use crate::timekeeping::status::{TimeState, TimeStatus};

/// Enough for the RTC, which takes a few seconds from its first answer, and for a reference's first
/// burst.
const DEFAULT_WAIT_S: u64 = 12;

/// How often the status is checked.
const POLL: Duration = Duration::from_millis(200);

/// Show the time, and how accurately it is known; set the RTC or the system clock, or forget the
/// RTC's calibration
///
/// Without a subcommand this reads the RTC, asks the configured references, and sets nothing. Where
/// the service runs with a ride's key, it says how far the box can be from the others.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync time                              show it once
  jaudiosync time --watch                      show it every second
  jaudiosync time --json                       print it for a script
  jaudiosync time --ntp 192.168.43.1           ask this server as well
  jaudiosync time set-rtc --ntp pool.ntp.org   set the RTC
  jaudiosync time set-system --dry-run         show what the RTC would set the system clock to
  jaudiosync time forget                       discard a calibration from a wrong reference

The [time] section of the configuration names the RTC and the references; see: jaudiosync config")]
pub(super) struct Time {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    options: TimeOptions,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Print a line every second until stopped
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Args)]
struct TimeOptions {
    /// Read this configuration file instead of the system's
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// The RTC's I2C bus, or `none`, or `simulated` or another simulated chip: `simulated:ds3231m`,
    /// `simulated:offset=7ms,rate=-1.5ppm`, `simulated:ds1307`, `simulated:pcf8523`,
    /// `simulated:mpu6050`
    #[arg(long, value_name = "BUS", value_parser = parse_rtc, global = true)]
    rtc: Option<RtcChoice>,

    /// Ask this NTP server too, host or host:port; can be given several times
    #[arg(long, value_name = "SERVER", global = true)]
    ntp: Vec<ServerAddress>,

    /// Ask the gpsd at this address; an empty one asks none
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_gpsd, global = true)]
    gpsd: Option<OptionalServer>,

    /// How long to wait for an answer, at most
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_WAIT_S, global = true)]
    wait: u64,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Set the RTC from the first reference that answers, and start its calibration
    SetRtc {
        /// Trust the system clock; only for machines on which a time daemon sets it
        #[arg(long)]
        from_system: bool,
    },
    /// Set the system clock from the RTC, once and to the second
    ///
    /// At boot jaudiosync-clock.service does so before anything else goes by the clock. It is left
    /// alone where the RTC has lost its time, or shows one that cannot be right.
    #[command(after_help = "Examples:
  sudo jaudiosync time set-system              set it
  jaudiosync time set-system --dry-run         only show what it would be set to")]
    SetSystem {
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Forget the RTC's calibration, so that any reference is believed again
    Forget,
}

fn parse_rtc(text: &str) -> Result<RtcChoice, String> {
    RtcChoice::try_from(text.to_owned())
}

fn parse_gpsd(text: &str) -> Result<OptionalServer, String> {
    OptionalServer::try_from(text.to_owned())
}

impl Time {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let layers = config::load(self.options.config.as_deref());
        layers.problems().iter().for_each(output::warn);
        let config = self.options.over(layers.config().time.clone());
        let socket = &layers.config().control.socket;
        let state_folder = service_state_folder(layers.config().state.folder());
        match &self.action {
            None => self.show(&config, state_folder, socket),
            Some(Action::SetRtc { from_system }) => {
                if matches!(config.rtc, RtcChoice::Bus(_)) {
                    refuse_beside_service(socket, "set the RTC")?;
                }
                self.options.set_rtc(&config, state_folder, *from_system)
            }
            Some(Action::SetSystem { dry_run }) => {
                if !dry_run && !matches!(Client::connect(&candidate_sockets(socket)), Err(ClientError::NoService(_))) {
                    return Err(Failure::Other("the service is running, and sets the system clock itself".to_owned()));
                }
                let wait = Duration::from_secs(self.options.wait);
                set_system::set_system(&config, state_folder, wait, *dry_run)
            }
            Some(Action::Forget) => {
                refuse_beside_service(socket, "forget the RTC's calibration")?;
                forget(&config, state_folder)
            }
        }
    }

    fn show(&self, config: &TimeKeeping, state_folder: Option<PathBuf>, socket: &Path) -> Result<(), Failure> {
        let clock = start(config, state_folder, false, false)?;
        let until = Instant::now() + Duration::from_secs(self.options.wait);
        let mut status = clock.status();
        // A reference that is configured should be heard; otherwise the RTC will do.
        let wants_reference = !config.ntp_servers.is_empty() || config.gpsd.0.is_some();
        let is_enough = |status: &TimeStatus| match status.state {
            TimeState::Referenced => status.rtc.as_ref().is_none_or(|rtc| rtc.offset_ms.is_some()),
            TimeState::Holdover => !wants_reference,
            TimeState::Unset => false,
        };
        while !self.watch && !is_enough(&status) && Instant::now() < until {
            std::thread::sleep(POLL);
            status = clock.status();
        }
        loop {
            // Who is heard, and how far they are, only the service knows.
            let service = service_status(socket);
            let text = match (self.json, self.watch) {
                (true, _) => show::json(&status, service.as_ref())?,
                (false, true) => show::line(&status, service.as_ref()),
                (false, false) => show::page(&status, service.as_ref()),
            };
            // The reader has gone (`| head`), or once is enough.
            if output::say_to_reader(text).is_err() || !self.watch {
                return Ok(());
            }
            std::thread::sleep(Duration::from_secs(1));
            status = clock.status();
        }
    }
}

impl TimeOptions {
    /// Returns the configuration's section, with these options over it.
    fn over(&self, mut time: TimeKeeping) -> TimeKeeping {
        if let Some(rtc) = &self.rtc {
            time.rtc = rtc.clone();
        }
        time.ntp_servers.extend(self.ntp.iter().cloned());
        if let Some(gpsd) = &self.gpsd {
            time.gpsd.clone_from(gpsd);
        }
        time
    }

    fn set_rtc(&self, config: &TimeKeeping, state_folder: Option<PathBuf>, from_system: bool) -> Result<(), Failure> {
        if config.rtc == RtcChoice::None {
            return Err(Failure::Usage("there is no RTC to set: name its bus with --rtc /dev/i2c-1".to_owned()));
        }
        if !from_system && config.ntp_servers.is_empty() && config.gpsd.0.is_none() {
            return Err(Failure::Usage(
                "nothing to set the RTC from: name a server with --ntp, or use --from-system if the system clock is \
                 right"
                    .to_owned(),
            ));
        }
        let clock = start(config, state_folder, true, from_system)?;
        clock.set_rtc();
        let until = Instant::now() + Duration::from_secs(self.wait.max(DEFAULT_WAIT_S));
        loop {
            let status = clock.status();
            if clock.rtc_was_set() && status.rtc.as_ref().is_some_and(|rtc| rtc.offset_ms.is_some()) {
                output::say("The RTC was set.");
                output::say(show::page(&status, None));
                return Ok(());
            }
            if Instant::now() >= until {
                let reasons = status.warnings.join("\n  ");
                return Err(Failure::Other(format!("could not set the RTC within {} s:\n  {reasons}", self.wait)));
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Returns the running service's status; `None` if there is none, or none that answers.
fn service_status(socket: &Path) -> Option<Status> {
    let mut client = Client::connect(&candidate_sockets(socket)).ok()?;
    client.request(&Request::Status { watch: false }).ok()?.into_status().ok().flatten()
}

fn start(
    config: &TimeKeeping,
    state_folder: Option<PathBuf>,
    sets_rtc: bool,
    from_system: bool,
) -> Result<ClockThread, Failure> {
    // A calibration that the RTC has left behind must not wait on the clock module for its next
    // start.
    let module = sets_rtc.then(|| Arc::new(SharedModule::unattended(last_run(state_folder.as_deref()))));
    let read_only = ClockOptions::read_only(state_folder);
    let options = ClockOptions { saves: sets_rtc, sets_rtc, asks_system: from_system, module, ..read_only };
    ClockThread::start(config, &options).map_err(|error| Failure::Other(format!("cannot start the clock: {error}")))
}

/// Fails while the service runs: two programs that set or calibrate one RTC undo each other's work.
fn refuse_beside_service(socket: &Path, what: &str) -> Result<(), Failure> {
    match Client::connect(&candidate_sockets(socket)) {
        Err(ClientError::NoService(_)) => Ok(()),
        _ => Err(Failure::Other(format!(
            "the service controls the RTC, and sets it by itself once it has a time server (jaudiosync setup --ntp \
            pool.ntp.org) or GPS; to {what} by hand, stop the service (sudo systemctl stop jaudiosync), and \
            start it afterwards"
        ))),
    }
}

fn forget(config: &TimeKeeping, state_folder: Option<PathBuf>) -> Result<(), Failure> {
    let folder = state_folder.ok_or_else(|| Failure::Other("there is no state folder; set HOME".to_owned()))?;
    let record = Record::<SavedTime>::in_folder(&folder);
    let was_on_disk = record.path().exists();
    record.forget().map_err(|error| Failure::Other(error.to_string()))?;
    let was_on_module = forget_on_module(config)
        .map_err(|error| Failure::Other(format!("the calibration on the clock module was not forgotten: {error}")))?;
    let was_there = was_on_disk || was_on_module;
    output::say(if was_there { "The calibration was forgotten." } else { "There was no calibration to forget." });
    Ok(())
}

/// Forgets what is saved in the memory on the clock module, if there is a clock with one.
fn forget_on_module(config: &TimeKeeping) -> Result<bool, EepromError> {
    if let RtcChoice::Bus(path) = &config.rtc
        && let Err(error) = rtc::open(path, stand_in())
    {
        output::warn(format!(
            "{error}; a calibration in the EEPROM on its module was not forgotten: run this again once the RTC answers"
        ));
        return Ok(false);
    }
    match open_module(config) {
        Some(Ok(mut eeprom)) => forget_calibration(eeprom.as_mut(), &MachineClocks),
        Some(Err(error @ EepromError::LeftAlone(_))) => {
            output::warn(format!("{error}; a calibration that it may hold was not forgotten"));
            Ok(false)
        }
        None | Some(Err(EepromError::Absent | EepromError::Empty)) => Ok(false),
        Some(Err(error)) => Err(error),
    }
}
