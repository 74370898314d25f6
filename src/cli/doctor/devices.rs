//! Opens the devices that the checks examine. Those that a running service holds are left alone,
//! and the service is asked about them instead.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jaudiosync_hw::buttons::{Button, Levels};
use jaudiosync_hw::clocks::MachineClocks;
use jaudiosync_hw::dac::cards::{CardInfo, Foreseen, Listing, is_automatic, pcm_names};
use jaudiosync_hw::dac::{BufferTiming, ChosenDac, Dac, Renderer, SoundServer};
use jaudiosync_hw::eeprom::EepromError;
use jaudiosync_hw::mixer::Mixer;
use jaudiosync_hw::rtc::{self, Rtc};
use jaudiosync_hw::world::DeskWorld;

use super::super::devices::twins_note;
use crate::config::{BoardKind, Config, OptionalServer, RtcChoice, TimeKeeping, TimeSource};
use crate::control::protocol::{ButtonState, StateStatus};
use crate::control::{ClientError, Status};
use crate::doctor::checks::{ClockSeen, LeftOut, MixerSeen, SoundSeen};
use crate::service::clock_thread::{ClockOptions, ClockThread, open_module, stand_in};
use crate::service::devices::{open_board, open_mixer};
use crate::service::settings::sink_options;
use crate::service::state_place::state_status;
use crate::storage::{StatePlace, service_state_folder};
use crate::timekeeping::SystemClockSource;
use crate::timekeeping::clock_module::ModuleReport;
use crate::timekeeping::status::{TimeState, TimeStatus};

/// The RTC's seconds are found within about three seconds.
const CLOCK_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// Reads the chip, and what the timekeeper makes of it. How well the time is known is what a service
/// says, which has heard the references.
pub(super) fn read_clock(config: &Config, holder: Holder<'_>) -> ClockSeen {
    let (config, state_folder) = (&config.time, service_state_folder(config.state.folder()));
    let read = |bus: &std::path::Path| -> Result<(), rtc::RtcError> {
        let mut chip = rtc::open(bus, stand_in())?;
        chip.read_status()?;
        chip.read_time()?;
        Ok(())
    };
    let chip_error = match (&config.rtc, config.source) {
        (RtcChoice::Bus(bus), TimeSource::Rtc) => read(bus).err(),
        (RtcChoice::Simulated(chip), TimeSource::Rtc) => {
            chip.opener(Arc::new(DeskWorld::default()), stand_in())().err()
        }
        _ => None,
    };
    let mut status = time_status(config, state_folder);
    if let Holder::Service(service) = holder
        && service.time.error_bound_ms.is_some()
    {
        status.bound_ms = service.time.error_bound_ms;
        status.agreement_ms = service.time.agreement_ms;
        status.reference_age_s = service.time.since_reference_s.map(|age_s| age_s as f64).or(status.reference_age_s);
    }
    ClockSeen { chip_error, status }
}

fn time_status(config: &TimeKeeping, state_folder: Option<PathBuf>) -> TimeStatus {
    if config.source == TimeSource::System {
        return SystemClockSource::new(Arc::new(MachineClocks)).status();
    }
    // Only the RTC matters here: a reference would take longer to answer.
    let config = TimeKeeping { ntp_servers: vec![], gpsd: OptionalServer(None), ..config.clone() };
    let Ok(clock) = ClockThread::start(&config, &ClockOptions::read_only(state_folder)) else {
        return TimeStatus::default();
    };
    let until = Instant::now() + CLOCK_PATIENCE;
    while clock.status().state == TimeState::Unset && config.rtc != RtcChoice::None && Instant::now() < until {
        std::thread::sleep(POLL);
    }
    clock.status()
}

/// Who holds the pins and the sound card. Opening the pins while the service has them would switch
/// off its pull-ups.
#[derive(Debug, Clone, Copy)]
pub(super) enum Holder<'a> {
    /// Nobody: they may be opened here.
    Nobody,
    /// A service, which reports their state.
    Service(&'a Status),
    /// Apparently a service, but it does not answer.
    Unknown,
}

impl<'a> Holder<'a> {
    /// Concludes it from the service's answer.
    pub(super) fn of(service: Result<&'a Status, &ClientError>) -> Self {
        match service {
            Ok(status) => Self::Service(status),
            Err(ClientError::NoService(_)) => Self::Nobody,
            Err(_) => Self::Unknown,
        }
    }
}

/// What is known of the buttons and the jumper.
pub(super) struct BoardSeen {
    /// Their levels; `None` if they cannot be known.
    pub levels: Option<Result<Levels, String>>,
    /// The pins that are left out, because something else uses them.
    pub left_out: Vec<LeftOut>,
}

/// Returns the buttons and the jumper as the service reports them, or as the pins are read.
pub(super) fn read_board(config: &Config, holder: Holder<'_>) -> BoardSeen {
    let seen = |levels| BoardSeen { levels, left_out: Vec::new() };
    match holder {
        Holder::Unknown => seen(None),
        Holder::Service(status) => BoardSeen {
            levels: Some(levels(status)),
            left_out: status.board.unusable_pins.iter().map(LeftOut::from).collect(),
        },
        Holder::Nobody if config.board.kind != BoardKind::Pi => seen(Some(Ok(Levels::default()))),
        Holder::Nobody => match open_board(&config.board) {
            Ok(mut board) => BoardSeen {
                levels: Some(board.inputs.read().map_err(|error| error.to_string())),
                left_out: board.unusable().iter().map(LeftOut::from).collect(),
            },
            Err(error) => seen(Some(Err(error.to_string()))),
        },
    }
}

/// Returns the levels that the service reads.
pub(super) fn levels(status: &Status) -> Result<Levels, String> {
    let Some(buttons) = status.board.buttons else {
        return Err("the service cannot read the buttons; its warnings say why".to_owned());
    };
    let states = [
        (Button::VolumeUp, buttons.volume_up),
        (Button::VolumeDown, buttons.volume_down),
        (Button::Start, buttons.start),
        (Button::Stop, buttons.stop),
    ];
    let levels = Levels { jumper_fitted: status.board.jumper.unwrap_or(false), ..Levels::default() };
    Ok(states.iter().fold(levels, |levels, (button, state)| {
        levels.with(*button, matches!(state, ButtonState::Pressed | ButtonState::Stuck))
    }))
}

/// Returns where the state is saved: what the service says, or what is found here, by reads alone.
pub(super) fn read_state(config: &Config, holder: Holder<'_>) -> StateStatus {
    let place = service_state_folder(config.state.folder()).map(|folder| StatePlace::of(&folder));
    match holder {
        Holder::Service(status) if !status.state.folder.is_empty() => status.state.clone(),
        Holder::Nobody => state_status(place.as_ref(), read_module(&config.time)),
        _ => state_status(place.as_ref(), ModuleReport::Unknown),
    }
}

/// Looks for the memory on the clock module, beside an RTC that was recognized.
fn read_module(config: &TimeKeeping) -> ModuleReport {
    let opened = if config.source == TimeSource::Rtc { open_module(config) } else { None };
    match opened {
        None => ModuleReport::Unknown,
        // The service will use an empty one.
        Some(Ok(_) | Err(EepromError::Empty)) => ModuleReport::Used { saved_utc_s: None, trouble: None },
        Some(Err(EepromError::Absent)) => ModuleReport::Absent,
        Some(Err(error)) => ModuleReport::LeftAlone(error.to_string()),
    }
}

struct Silence;

impl Renderer for Silence {
    fn render(&mut self, _: BufferTiming, output: &mut [f32]) {
        output.fill(0.0);
    }
}

/// Lists the cards, opens the output that would be taken for a moment unless the service has it,
/// and finds its mixer.
pub(super) fn read_sound(config: &Config, holder: Holder<'_>) -> SoundSeen {
    let server = SoundServer::connectable().map(|server| server.description().to_owned());
    let listing = Listing::read();
    let foreseen = listing.foresee(&config.sound.device, server.is_some(), pcm_names);
    let service = match holder {
        Holder::Service(status) => Some((status.dac.name.clone(), status.dac.present, status.dac.rate_hz)),
        Holder::Nobody | Holder::Unknown => None,
    };
    let service_volume = match holder {
        Holder::Service(status) => Some((status.volume.percent, status.volume.db)),
        Holder::Nobody | Holder::Unknown => None,
    };
    let used = service.as_ref().map_or(config.sound.device.as_str(), |(name, ..)| name);
    let name = if is_automatic(used) { foreseen.as_ref().map_or("", |foreseen| &foreseen.name) } else { used };
    let dac = ChosenDac::new(Some(name), sink_options(&config.sound));
    // Where there is no card at all, nothing needs to be opened to say so.
    let has_any = server.is_some() || listing.playing().next().is_some() || !is_automatic(name);
    let opened = (matches!(holder, Holder::Nobody) && has_any).then(|| {
        let (faults, _) = std::sync::mpsc::channel();
        let stream = dac.open(Box::new(|_| Box::new(Silence)), faults).map_err(|error| error.to_string())?;
        Ok((dac.name(), stream.format().rate_hz))
    });
    // Without an output there is no mixer to look for, and its absence has been reported.
    let has_mixer = foreseen.is_ok() || !config.sound.mixer_card.is_empty();
    let mixer = has_mixer.then(|| {
        let mut open = open_mixer(config, &dac);
        open().map(|mixer| mixer.map(|mut mixer| read(mixer.as_mut()))).map_err(|error| error.to_string())
    });
    // The service may run where it finds another sound server than this command.
    let is_same = |foreseen: &&Foreseen| is_automatic(&config.sound.device) && foreseen.name == name;
    let chosen = foreseen.as_ref().ok().filter(is_same);
    let described = |card: &CardInfo| format!("{} ({}: {})", card.id, listing.kind(card).word(), card.name);
    SoundSeen {
        cards: listing.playing().map(described).chain(server).collect(),
        because: chosen.map(|chosen| chosen.because.clone()),
        rivals: chosen.map_or_else(Vec::new, |chosen| chosen.rivals.clone()),
        twins: twins_note(&listing.twins()),
        opened,
        mixer,
        service,
        service_volume,
    }
}

fn read(mixer: &mut dyn Mixer) -> MixerSeen {
    MixerSeen { name: mixer.name(), volume: mixer.volume().map_err(|error| error.to_string()) }
}
