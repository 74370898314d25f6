//! `jaudiosync setup`: asks what kind of box this is, and configures it.

mod apply;
mod questions;
mod ride;

use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use jaudiosync_hw::buttons::Pins;
use jaudiosync_hw::dac::cards::{Listing, is_automatic, pcm_names};
use jaudiosync_hw::gpio::used_by_others;

use super::{Failure, output};
use crate::appliance::StartKind;
use crate::config::{self, BoardKind, ChannelChoice, Folders, Hat, Layers, OptionalServer, RtcChoice, ServerAddress};
use crate::control::SYSTEM_SOCKET;
use crate::host::Machine;
use crate::setup::answers::{Answers, HEADER_BUS, Wifi, check_host_name, check_overlay, check_wifi, local_gpsd};
use crate::setup::pins::{OtherUses, check_hat};
use crate::setup::plan::{Card, HostFacts, PREPARE_PI, Step, TextFile, plan};
use crate::setup::ride::KeyAnswer;
use crate::setup::ride_wifi::{PROFILE_FILE, RideWifi};
use crate::storage::LiesOn;

/// Set up a box: sound card, clock, network, buttons, the other boxes of its ride
///
/// Asks questions, where Enter keeps the present value, and shows every change before making it. It
/// can be run again at any time: settings that are right already, and everything else in the files,
/// stay.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo jaudiosync setup                                    ask all questions
  jaudiosync setup --dry-run                               ask, and only show the changes
  sudo jaudiosync setup --yes --device Audio --mono        ask nothing; everything else stays
  sudo jaudiosync setup --yes --pins 24,6,5,16,26,13       buttons and jumper as usual, and an LED on GPIO13
  sudo jaudiosync setup --yes --dac-overlay hifiberry-dac --miniamp --pins 24,6,5,13,12,0
  sudo jaudiosync setup --yes --ride-key new               make a key for a ride; --ride-key FILE on the other boxes
  sudo jaudiosync setup --yes --ride-wifi open --ride-wifi-ssid Ride --ride-wifi-passphrase-file pass.txt
  sudo jaudiosync setup --yes --rtc ds3231 --gps --host-name bike-3 --wifi-ssid Ride --wifi-passphrase-file pass.txt

Without a terminal it cannot ask, and needs --yes or --dry-run.")]
pub(super) struct Setup {
    /// Sound card by its id, such as Headphones or Audio; `auto` for the best that is there
    #[arg(long, value_name = "CARD")]
    device: Option<String>,

    /// Device tree overlay of a DAC on the header, such as hifiberry-dac, for the boot
    /// configuration
    #[arg(long, value_name = "NAME")]
    dac_overlay: Option<String>,

    /// The HAT is a HiFiBerry MiniAmp, which has GPIO16 and GPIO26 for itself; its overlay is
    /// hifiberry-dac, as that of many others
    #[arg(long, conflicts_with = "no_miniamp")]
    miniamp: bool,

    /// The HAT is not a HiFiBerry MiniAmp
    #[arg(long)]
    no_miniamp: bool,

    /// The box has one loudspeaker: mix both channels
    #[arg(long, conflicts_with = "stereo")]
    mono: bool,

    /// The box has two loudspeakers
    #[arg(long)]
    stereo: bool,

    /// The RTC: `ds3231` for one on the header, `none`, or the path of its I2C bus
    #[arg(long, value_name = "CLOCK")]
    rtc: Option<String>,

    /// The box has a GPS receiver and gpsd
    #[arg(long, conflicts_with = "no_gps")]
    gps: bool,

    /// The box has no GPS receiver
    #[arg(long)]
    no_gps: bool,

    /// Time server to ask whenever there is a network; can be given several times
    #[arg(long, value_name = "SERVER")]
    ntp: Vec<ServerAddress>,

    /// What to play at power-on with the jumper fitted: `common` or `fresh`
    #[arg(long, value_name = "KIND")]
    jumper: Option<String>,

    /// Pins as BCM numbers: volume up, volume down, Start, Stop, jumper, LED (0 for none)
    #[arg(long, value_name = "N,N,N,N,N,N", value_parser = parse_pins)]
    pins: Option<Pins>,

    /// Music folder; can be given several times: the first that has a playlist is taken
    #[arg(long, value_name = "DIR")]
    music: Vec<PathBuf>,

    /// Name of the box on the network
    #[arg(long, value_name = "NAME")]
    host_name: Option<String>,

    /// Wireless network to join
    #[arg(long, value_name = "NAME", requires = "wifi_passphrase_file")]
    wifi_ssid: Option<String>,

    /// File that holds its passphrase, which others could see on a command line
    #[arg(long, value_name = "FILE", requires = "wifi_ssid")]
    wifi_passphrase_file: Option<PathBuf>,

    /// What other boxes of the ride call this one, instead of its host name
    #[arg(long, value_name = "NAME")]
    ride_name: Option<String>,

    /// File that holds the key of the ride, which others could see on a command line; `new` to make
    /// one, `none` to hear no other box
    #[arg(long, value_name = "FILE|new|none")]
    ride_key: Option<String>,

    /// Whether this box opens a Wi-Fi of the ride's own wherever it finds no network that it knows
    /// (one box of a ride does), or joins it, or does neither
    #[arg(long, value_name = "open|join|none")]
    ride_wifi: Option<RideWifiOption>,

    /// Name of the ride's own Wi-Fi
    #[arg(long, value_name = "NAME", requires_all = ["ride_wifi", "ride_wifi_passphrase_file"])]
    ride_wifi_ssid: Option<String>,

    /// File that holds its passphrase
    #[arg(long, value_name = "FILE", requires_all = ["ride_wifi", "ride_wifi_ssid"])]
    ride_wifi_passphrase_file: Option<PathBuf>,

    /// Change this file instead of the system's configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Show the changes without making them
    #[arg(long)]
    dry_run: bool,

    /// Ask nothing
    #[arg(long, short = 'y')]
    yes: bool,
}

impl Setup {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let asks = !self.yes && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if !asks && !self.yes && !self.dry_run {
            return Err(Failure::Usage(
                "there is no terminal to ask on: give the answers as options, with --yes".to_owned(),
            ));
        }
        let layers = match &self.config {
            Some(file) if !file.exists() => Layers::default(),
            file => config::load(file.as_deref()),
        };
        layers.problems().iter().for_each(output::warn);
        let machine = Machine::below(Path::new("/"));
        let _restored = asks.then(questions::restored);
        let mut answers = self.named(Answers::current(layers.config())).map_err(Failure::Usage)?;
        if asks {
            let is_pi = machine.boot_config().is_some();
            let key = ride::key_now(&layers.config().ride);
            answers = questions::ask(answers, is_pi, &key, |answers| self.other_uses(&machine, &layers, answers))?;
        }
        answers.pins.validate().map_err(|error| Failure::Usage(error.to_string()))?;
        let boot_config = machine.boot_config().map(|(_, text)| text);
        check_hat(boot_config.as_deref(), &answers).map_err(Failure::Usage)?;
        if let Some(uses) = self.other_uses(&machine, &layers, &answers) {
            uses.check(&answers.pins).map_err(Failure::Usage)?;
            if !asks {
                // Otherwise the question about the pins has said so.
                uses.possible(&answers.pins).iter().for_each(output::warn);
            }
            if uses.may_be_miniamp(&answers) {
                output::warn("if the HAT is a HiFiBerry MiniAmp, name it with --miniamp, otherwise --no-miniamp");
            }
        }
        // The service runs in another folder, so the path must be absolute.
        let folders = answers.music.all().iter().map(|folder| std::path::absolute(folder).unwrap_or(folder.clone()));
        answers.music = Folders::new(folders.collect()).unwrap_or(answers.music);
        let host_facts = self.host_facts(&machine, &layers).map_err(Failure::Other)?;
        let steps = plan(&layers, &answers, &host_facts).map_err(Failure::Other)?;
        if steps.is_empty() {
            output::say("Everything is set up already: there is nothing to do.");
            return Ok(());
        }
        steps.iter().for_each(|step| output::say(described(step)));
        if self.dry_run || (asks && !questions::confirm("Make these changes?")?) {
            output::say("Nothing was changed.");
            return Ok(());
        }
        steps.iter().try_for_each(apply::apply)?;
        if let KeyAnswer::New(key) = &answers.ride_key {
            output::say(ride::what_next(key));
        }
        output::say("Done. To check the box: jaudiosync doctor");
        Ok(())
    }

    /// Returns the answers, with those of the command line over them.
    fn named(&self, mut answers: Answers) -> Result<Answers, String> {
        if let Some(device) = &self.device {
            answers.device = stable_device(device, &Listing::read());
        }
        if let Some(overlay) = &self.dac_overlay {
            check_overlay(overlay)?;
            answers.choose_overlay(overlay.clone());
        }
        match (self.miniamp, self.no_miniamp) {
            (true, _) => answers.hat = Hat::MiniAmp,
            (_, true) => answers.hat = Hat::Other,
            _ => {}
        }
        match (self.mono, self.stereo) {
            (true, _) => answers.channels = ChannelChoice::Mono,
            (_, true) => answers.channels = ChannelChoice::Stereo,
            _ => {}
        }
        if let Some(rtc) = &self.rtc {
            answers.rtc = RtcChoice::try_from(if rtc == "ds3231" { HEADER_BUS } else { rtc }.to_owned())?;
        }
        match (self.gps, self.no_gps) {
            (true, _) => answers.gpsd = local_gpsd(),
            (_, true) => answers.gpsd = OptionalServer(None),
            _ => {}
        }
        if !self.ntp.is_empty() {
            answers.ntp_servers.clone_from(&self.ntp);
        }
        if let Some(kind) = &self.jumper {
            answers.jumper = match kind.as_str() {
                "common" => StartKind::Common,
                "fresh" => StartKind::Fresh,
                other => return Err(format!("--jumper takes common or fresh, not {other}")),
            };
        }
        answers.pins = self.pins.unwrap_or(answers.pins);
        if !self.music.is_empty() {
            answers.music = Folders::new(self.music.clone()).ok_or("--music was given too often")?;
        }
        if let Some(name) = &self.host_name {
            check_host_name(name)?;
            answers.host_name = Some(name.clone());
        }
        if let Some(wifi) = wifi(self.wifi_ssid.as_ref(), self.wifi_passphrase_file.as_ref())? {
            answers.wifi = Some(wifi);
        }
        if let Some(name) = &self.ride_name {
            answers.ride_name.clone_from(name);
        }
        if let Some(key) = &self.ride_key {
            answers.ride_key = ride::key_answer(key)?;
        }
        let ride_wifi = || wifi(self.ride_wifi_ssid.as_ref(), self.ride_wifi_passphrase_file.as_ref());
        let lacks = "--ride-wifi open and join need --ride-wifi-ssid and --ride-wifi-passphrase-file";
        match self.ride_wifi {
            None => {}
            Some(RideWifiOption::None) => answers.ride_wifi = RideWifi::None,
            Some(RideWifiOption::Open) => answers.ride_wifi = RideWifi::Opens(ride_wifi()?.ok_or(lacks)?),
            Some(RideWifiOption::Join) => answers.ride_wifi = RideWifi::Joins(ride_wifi()?.ok_or(lacks)?),
        }
        Ok(answers)
    }

    /// Returns what else uses pins of this box; `None` if it is not a Raspberry Pi or has no
    /// buttons.
    fn other_uses(&self, machine: &Machine, layers: &Layers, answers: &Answers) -> Option<OtherUses> {
        let config = layers.config();
        let boot_config = machine.boot_config().map(|(_, text)| text);
        let says_so = answers.overlay.is_some() || answers.hat == Hat::MiniAmp || self.pins.is_some();
        let is_pi = boot_config.is_some() || says_so;
        (is_pi && config.board.kind == BoardKind::Pi)
            .then(|| OtherUses::new(boot_config.as_deref(), machine.hat_product().as_deref(), config, answers))
            .map(|uses| uses.with_users(used_by_others()))
    }

    fn host_facts(&self, machine: &Machine, layers: &Layers) -> Result<HostFacts, String> {
        let files = self.config.clone().map_or_else(config::default_files, |file| vec![file]);
        let is_there = |path: &str| machine.has(Path::new(path));
        Ok(HostFacts {
            config_files: files.into_iter().map(with_text).collect::<Result<_, _>>()?,
            boot_config: machine.boot_config().map(|(path, _)| with_text(path)).transpose()?,
            has_network_manager: is_there("/etc/NetworkManager/system-connections"),
            network_manager_runs: is_there("/run/NetworkManager"),
            has_raspi_config: is_there("/usr/bin/raspi-config"),
            has_package: is_there(PREPARE_PI),
            ride_key: ride::key_now(&layers.config().ride),
            has_ride_profile: is_there(PROFILE_FILE),
            lacks_wifi_country: machine.lacks_wifi_country(),
            service_runs: is_there(SYSTEM_SOCKET),
            card: match LiesOn::of(Path::new("/etc")) {
                // Where it lies below an overlay; other overlays are of containers.
                LiesOn::Overlay if is_there("/media/root-ro") => {
                    Card::OnlyRead { has_tool: is_there("/usr/local/sbin/jaudiosync-card") }
                }
                _ => Card::Written,
            },
        })
    }
}

/// What the command line says about the ride's own Wi-Fi.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RideWifiOption {
    Open,
    Join,
    None,
}

/// Returns the network that is named on the command line, with the passphrase of its file.
fn wifi(ssid: Option<&String>, file: Option<&PathBuf>) -> Result<Option<Wifi>, String> {
    let Some((ssid, file)) = ssid.zip(file) else { return Ok(None) };
    let passphrase = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let wifi = Wifi { ssid: ssid.clone(), passphrase: passphrase.trim_end_matches(['\r', '\n']).to_owned() };
    check_wifi(&wifi)?;
    Ok(Some(wifi))
}

/// Reads a file. One that exists and cannot be read as text is an error: it must not be
/// overwritten.
fn with_text(path: PathBuf) -> Result<TextFile, String> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(TextFile { path, text: Some(text) }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(TextFile { path, text: None }),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(format!(
            "{} is not UTF-8, and a change would damage it: save it as UTF-8, then run this again",
            path.display()
        )),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Returns what to write for a named output: a card by its id, as its number may be another one's
/// after the next start. A card that is not connected is written as it was named.
fn stable_device(name: &str, listing: &Listing) -> String {
    if is_automatic(name) {
        return String::new();
    }
    listing.foresee(name, false, pcm_names).map_or_else(|_| name.trim().to_owned(), |foreseen| foreseen.name)
}

fn parse_pins(text: &str) -> Result<Pins, String> {
    let numbers: Result<Vec<u8>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    let numbers = numbers.unwrap_or_default();
    let [volume_up_gpio, volume_down_gpio, start_gpio, stop_gpio, jumper_gpio, led] = numbers[..] else {
        return Err("write six numbers, such as 24,6,5,16,26,0".to_owned());
    };
    let led_gpio = Some(led).filter(|led| *led != 0);
    let pins = Pins { volume_up_gpio, volume_down_gpio, start_gpio, stop_gpio, jumper_gpio, led_gpio };
    pins.validate().map(|()| pins).map_err(|error| error.to_string())
}

/// Describes a step.
fn described(step: &Step) -> String {
    match step {
        Step::Write { path, is_secret: true, .. } => format!("Write {}, readable by root only.", path.display()),
        Step::Write { path, before, after, .. } => {
            let old: Vec<&str> = before.as_deref().unwrap_or_default().lines().collect();
            let new: Vec<&str> = after.lines().collect();
            let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("\n  - {line}"));
            let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("\n  + {line}"));
            format!("Write {}:{}", path.display(), gone.chain(come).collect::<String>())
        }
        Step::WriteKey { path, .. } => format!("Write {}, readable by root and the service only.", path.display()),
        Step::Remove { path } => format!("Remove {}.", path.display()),
        Step::Run(words) => format!("Run: {}", words.join(" ")),
        Step::Say(words) => words.clone(),
    }
}
