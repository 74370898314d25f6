//! The plan: from answers to steps.

use std::path::PathBuf;

use toml::Value;

use super::answers::{Answers, Wifi};
use super::boot_config::{self, Wanted};
use super::config_edit::{Setting, edit};
use super::ride::{self, KeyNow};
use super::ride_wifi;
use crate::config::{Config, Folders, Hat, Layers, RtcChoice, ServerAddress, TimeSource};
use crate::host::boot_config::{has_i2c, has_kernel_rtc};
use crate::ride_key::RideKey;

/// The package's program that turns on I2C and keeps others from the clock, or restores both, as
/// the configuration says (`packaging/prepare-pi`). It undoes its changes when the package is
/// removed, which is why they are left to it.
pub const PREPARE_PI: &str = "/usr/lib/jaudiosync/prepare-pi";

/// A file as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its contents; `None` if it does not exist.
    pub text: Option<String>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write a file.
    Write {
        path: PathBuf,
        /// Its present contents; `None` if it does not exist.
        before: Option<String>,
        /// Its new contents.
        after: String,
        /// Whether only its owner may read it, and none of it is shown.
        is_secret: bool,
        /// Whether a copy of the original file stays beside it.
        keeps_copy: bool,
    },
    /// Write the ride's key, readable by root and the service alone; it is not shown.
    WriteKey { path: PathBuf, key: RideKey },
    /// Remove a file.
    Remove { path: PathBuf },
    /// Run a command.
    Run(Vec<String>),
    /// Say something to the owner.
    Say(String),
}

/// The machine as it is now.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// The configuration's files, the lowest layer first. New keys go to the first.
    pub config_files: Vec<TextFile>,
    /// The boot configuration; `None` on a machine that is not a Raspberry Pi.
    pub boot_config: Option<TextFile>,
    /// Whether NetworkManager manages the networks, as in Raspberry Pi OS since 12.
    pub has_network_manager: bool,
    /// Whether it runs, as it does not on the system of a card that a box only reads.
    pub network_manager_runs: bool,
    /// Whether there is `raspi-config`, which knows how the system sets names and networks.
    pub has_raspi_config: bool,
    /// Whether the package is installed, whose [`PREPARE_PI`] looks after I2C and the clock.
    pub has_package: bool,
    /// The ride's key, as the configuration and its file have it now.
    pub ride_key: KeyNow,
    /// Whether there is a profile of the ride's own Wi-Fi.
    pub has_ride_profile: bool,
    /// Whether there is Wi-Fi, and the kernel has not been told in which country.
    pub lacks_wifi_country: bool,
    /// Whether the service is running.
    pub service_runs: bool,
    /// What happens to changes that are made here.
    pub card: Card,
}

/// Whether a box writes to its card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Card {
    /// As usual.
    #[default]
    Written,
    /// It only reads it: what is written is in memory.
    OnlyRead {
        /// Whether there is `jaudiosync-card`, which changes it all the same.
        has_tool: bool,
    },
}

impl Card {
    /// Says what becomes of changes, and what to do for lasting ones.
    fn notice(self) -> Option<Step> {
        let remedy = match self {
            Self::Written => return None,
            Self::OnlyRead { has_tool: true } => "To make them last: sudo jaudiosync-card run jaudiosync setup",
            Self::OnlyRead { has_tool: false } => {
                "To make them last, switch off the overlay file system with sudo raspi-config, and run this again."
            }
        };
        Some(Step::Say(format!("This box only reads its card: these changes are lost at the next restart. {remedy}")))
    }
}

/// Returns the steps that put the answers into effect; `None` if they are in effect already.
///
/// # Errors
/// If a file cannot be changed without damaging it, or the service would refuse a value.
pub fn plan(layers: &Layers, answers: &Answers, host: &HostFacts) -> Result<Vec<Step>, String> {
    let mut steps = config_steps(layers, answers, host)?;
    check(layers, &steps, host)?;
    steps.extend(ride::key_steps(layers, &answers.ride_key, &host.ride_key)?);
    let changes_config = !steps.is_empty();
    let mut boot_steps = boot_steps(answers, host);
    boot_steps.extend(prepared(layers.config(), answers, host));
    // That there is no boot configuration changes nothing.
    let needs_reboot = boot_steps.iter().any(|step| !matches!(step, Step::Say(_)));
    steps.extend(boot_steps);
    steps.extend(answers.host_name.as_deref().map(|name| host_name(name, host)));
    steps.extend(answers.wifi.as_ref().map(|wifi| join(wifi, host)).unwrap_or_default());
    steps.extend(ride_wifi::steps(&answers.ride_wifi, host));
    if changes_config && host.service_runs && !needs_reboot {
        steps.push(run(&["systemctl", "restart", "jaudiosync"]));
    }
    if needs_reboot {
        steps.push(Step::Say("The boot configuration takes effect after: sudo reboot".to_owned()));
    }
    if needs_reboot && answers.overlay.is_some() {
        steps.push(Step::Say("Then choose the new sound card: sudo jaudiosync setup".to_owned()));
    }
    if steps.iter().any(|step| !matches!(step, Step::Say(_))) {
        steps.extend(host.card.notice());
    }
    Ok(steps)
}

/// Writes every key to the file that it comes from now, so that it takes effect, and a new one to
/// the system's.
fn config_steps(layers: &Layers, answers: &Answers, host: &HostFacts) -> Result<Vec<Step>, String> {
    let changed = changed_settings(layers.config(), answers);
    let mut steps = Vec::new();
    for (index, file) in host.config_files.iter().enumerate() {
        let belongs = |setting: &&Setting| {
            let origin = layers.origin(&format!("{}.{}", setting.section, setting.key)).map(|origin| &origin.file);
            match origin {
                Some(origin) => *origin == file.path,
                None => index == 0,
            }
        };
        let settings: Vec<Setting> = changed.iter().filter(belongs).cloned().collect();
        if settings.is_empty() {
            continue;
        }
        let after =
            edit(file.text.as_deref(), &settings).map_err(|error| format!("{}: {error}", file.path.display()))?;
        steps.push(write(file, after));
    }
    Ok(steps)
}

/// Refuses values that the service would ignore.
fn check(layers: &Layers, steps: &[Step], host: &HostFacts) -> Result<(), String> {
    let mut planned = Layers::default();
    for file in &host.config_files {
        let after = steps.iter().find_map(|step| match step {
            Step::Write { path, after, .. } if *path == file.path => Some(after.as_str()),
            _ => None,
        });
        if let Some(text) = after.or(file.text.as_deref()) {
            planned.lay(&file.path, text.as_bytes());
        }
    }
    let before: Vec<String> = layers.problems().iter().map(|problem| problem.message.clone()).collect();
    match planned.problems().iter().find(|problem| !before.contains(&problem.message)) {
        Some(problem) => Err(format!("nothing was changed, as the service would refuse this: {}", problem.message)),
        None => Ok(()),
    }
}

fn write(file: &TextFile, after: String) -> Step {
    let (path, before) = (file.path.clone(), file.text.clone());
    Step::Write { path, before, after, is_secret: false, keeps_copy: false }
}

/// Returns the keys whose values differ from the present ones.
fn changed_settings(config: &Config, answers: &Answers) -> Vec<Setting> {
    let text = |text: &str| Value::from(text).to_string();
    let gpio = |number: u8| number.to_string();
    let servers = |servers: &[ServerAddress]| {
        Value::from(Vec::from_iter(servers.iter().map(ServerAddress::to_string))).to_string()
    };
    let channels = |channels| Value::try_from(channels).unwrap_or_else(|_| Value::from("stereo")).to_string();
    let start = |kind| Value::try_from(kind).unwrap_or_else(|_| Value::from("common")).to_string();
    let now = Answers::current(config);
    let folders = |folders: &Folders| Value::try_from(folders).map(|folders| folders.to_string()).unwrap_or_default();
    let rtc = |rtc: &RtcChoice| text(&String::from(rtc.clone()));
    let led = |pin: Option<u8>| gpio(pin.unwrap_or(0));
    let hat = |hat: Hat| Value::try_from(hat).map(|hat| hat.to_string()).unwrap_or_default();
    let settings = [
        ("playlist", "folder", folders(&now.music), folders(&answers.music)),
        ("sound", "device", text(&now.device), text(&answers.device)),
        ("sound", "channels", channels(now.channels), channels(answers.channels)),
        ("start", "jumper", start(now.jumper), start(answers.jumper)),
        ("time", "rtc", rtc(&now.rtc), rtc(&answers.rtc)),
        ("time", "gpsd", text(&now.gpsd.to_string()), text(&answers.gpsd.to_string())),
        ("time", "ntp_servers", servers(&now.ntp_servers), servers(&answers.ntp_servers)),
        ("ride", "name", text(&now.ride_name), text(&answers.ride_name)),
        ("board", "hat", hat(now.hat), hat(answers.hat)),
        ("board", "volume_up_gpio", gpio(now.pins.volume_up_gpio), gpio(answers.pins.volume_up_gpio)),
        ("board", "volume_down_gpio", gpio(now.pins.volume_down_gpio), gpio(answers.pins.volume_down_gpio)),
        ("board", "start_gpio", gpio(now.pins.start_gpio), gpio(answers.pins.start_gpio)),
        ("board", "stop_gpio", gpio(now.pins.stop_gpio), gpio(answers.pins.stop_gpio)),
        ("board", "jumper_gpio", gpio(now.pins.jumper_gpio), gpio(answers.pins.jumper_gpio)),
        ("board", "led_gpio", led(now.pins.led_gpio), led(answers.pins.led_gpio)),
    ];
    let changed = settings.into_iter().filter(|(_, _, now, wanted)| now != wanted);
    changed.map(|(section, key, _, value)| Setting { section, key, value }).collect()
}

/// Has the package look after I2C, if the answers or the boot configuration are not as it left
/// them.
fn prepared(config: &Config, answers: &Answers, host: &HostFacts) -> Option<Step> {
    let text = host.boot_config.as_ref()?.text.as_deref().unwrap_or_default();
    let is_ready = has_i2c(text) && !has_kernel_rtc(text);
    let needs_i2c = has_rtc(answers) && config.time.source == TimeSource::Rtc;
    let is_as_left = config.time.rtc == answers.rtc && (is_ready || !needs_i2c);
    (host.has_package && !is_as_left).then(|| run(&[PREPARE_PI, "take"]))
}

fn has_rtc(answers: &Answers) -> bool {
    matches!(answers.rtc, RtcChoice::Bus(_))
}

fn boot_steps(answers: &Answers, host: &HostFacts) -> Vec<Step> {
    let has_rtc = has_rtc(answers) && !host.has_package;
    let wanted = Wanted { has_rtc, overlay: answers.overlay.clone() };
    let Some(file) = &host.boot_config else {
        let words = "There is no boot configuration here, so the overlay was not set.".to_owned();
        return answers.overlay.iter().map(|_| Step::Say(words.clone())).collect();
    };
    let before = file.text.clone().unwrap_or_default();
    let after = boot_config::edit(&before, &wanted);
    if after == before {
        return Vec::new();
    }
    let (path, before) = (file.path.clone(), file.text.clone());
    vec![Step::Write { path, before, after, is_secret: false, keeps_copy: true }]
}

fn host_name(name: &str, host: &HostFacts) -> Step {
    match host.has_raspi_config {
        // It also updates /etc/hosts.
        true => run(&["raspi-config", "nonint", "do_hostname", name]),
        false => run(&["hostnamectl", "set-hostname", name]),
    }
}

/// Joins a network by a file for NetworkManager, which others cannot read: on a command line they
/// could see the passphrase.
fn join(wifi: &Wifi, host: &HostFacts) -> Vec<Step> {
    if !host.has_network_manager {
        return vec![Step::Say(join_by_hand(&wifi.ssid, host))];
    }
    let file =
        TextFile { path: PathBuf::from("/etc/NetworkManager/system-connections/jaudiosync.nmconnection"), text: None };
    let ssid = ssid_text(&wifi.ssid);
    let passphrase = key_file_text(&wifi.passphrase);
    let after = format!(
        "[connection]\nid=jaudiosync\ntype=wifi\n\n[wifi]\nmode=infrastructure\nssid={ssid}\n\n\
         [wifi-security]\nkey-mgmt=wpa-psk\npsk={passphrase}\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
    );
    let secret = Step::Write { path: file.path, before: None, after, is_secret: true, keeps_copy: false };
    [secret].into_iter().chain(reload_networks(host)).collect()
}

/// Has NetworkManager read its files, as it does when it starts.
pub(super) fn reload_networks(host: &HostFacts) -> Option<Step> {
    host.network_manager_runs.then(|| run(&["nmcli", "connection", "reload"]))
}

/// Says how to join a network without NetworkManager.
pub(super) fn join_by_hand(ssid: &str, host: &HostFacts) -> String {
    let how = if host.has_raspi_config { "with sudo raspi-config" } else { "by hand" };
    format!("There is no NetworkManager here: join {ssid} {how}.")
}

/// Escapes a network's name for a key file. It may also be a list of byte values with semicolons,
/// so a plain one escapes them.
pub(super) fn ssid_text(ssid: &str) -> String {
    key_file_text(ssid).replace(';', "\\;")
}

/// Escapes a text for a key file (nm-settings-keyfile(5)): backslashes, and a leading space.
pub(super) fn key_file_text(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\");
    match escaped.strip_prefix(' ') {
        Some(rest) => format!("\\s{rest}"),
        None => escaped,
    }
}

pub(super) fn run(words: &[&str]) -> Step {
    Step::Run(words.iter().map(|word| (*word).to_owned()).collect())
}

#[cfg(test)]
mod tests;
