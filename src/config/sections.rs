//! The tree of values: a struct for each section of the file, and the defaults.

use std::path::{Path, PathBuf};

use jaudiosync_hw::buttons::Pins;
use serde::{Deserialize, Serialize};

use super::choices::{
    Anchor, BoardKind, ChannelChoice, Gpio, Hat, OptionalGpio, PinBackend, RtcChoice, SoundBackend, TimeSource,
};
use super::page_choices::{OptionalListen, PageView};
use super::playlist_choices::{Folders, Sticks};
use super::ride_choices::{OptionalKey, RideName};
use super::server_address::{OptionalServer, ServerAddress};
use crate::appliance::StartKind;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What to play.
    pub playlist: Playlist,
    /// How to play it.
    pub sound: Sound,
    /// How loud.
    pub volume: Volume,
    /// What a start means.
    pub start: Start,
    /// Where the time comes from.
    pub time: TimeKeeping,
    /// Buttons, jumper, LED.
    pub board: Board,
    /// The box's part in a sound check.
    pub sound_check: SoundCheck,
    /// The control socket.
    pub control: Control,
    /// Where the state is saved.
    pub state: State,
    /// The other boxes of the ride.
    pub ride: Ride,
    /// The page for phones.
    pub page: Page,
}

/// `[playlist]`: what to play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playlist {
    /// The Music folder; or several, of which the first that has a playlist is taken.
    pub folder: Folders,
    /// The name of the playlist in the Music folder, with or without `.m3u8` or `.m3u`.
    pub name: String,
    /// Whether a USB stick with music comes before the Music folder.
    pub stick: Sticks,
}

/// `[sound]`: the sound card, its mixer and its latency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sound {
    /// The output, as `jaudiosync devices` lists it; empty for the best that is there.
    pub device: String,
    /// Through what a sound card is played on.
    pub backend: SoundBackend,
    /// Length of the card's buffer, in ms, 20 to 200.
    pub buffer_ms: u32,
    /// How the two channels are played.
    pub channels: ChannelChoice,
    /// How long after the sound card has played it the sound is heard, in ms, within ±5000.
    pub output_latency_ms: f64,
    /// The card whose mixer sets the volume; empty for that of the device.
    pub mixer_card: String,
    /// The mixer's control; empty for the first found of Digital, PCM, Speaker, Headphone and
    /// Master, otherwise the only one.
    pub mixer_control: String,
}

/// `[volume]`: how loud. Everything is in percent, 0 to 100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The volume after power-on, at most the maximum.
    pub startup_percent: u8,
    /// The volume never exceeds this.
    pub maximum_percent: u8,
    /// How much one press changes the volume, from 1.
    pub step_percent: u8,
    /// Whether a box starts with the volume it had before, instead of the startup volume.
    pub remember: bool,
}

/// `[start]`: what a start means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// What a press of Start does.
    pub button: StartKind,
    /// What the jumper does at power-on, if it is fitted.
    pub jumper: StartKind,
    /// Whether a box rejoins the session that ran when it lost power.
    pub rejoin_session: bool,
    /// The instant from which the common timetable repeats; the same on all boxes.
    pub anchor: Anchor,
    /// Whether a playlist that was started fresh begins again after its last track.
    pub repeats: bool,
    /// How long to wait for a trusted time before playing without one, in seconds, 0 to 86400.
    pub untrusted_wait_s: u32,
}

/// `[time]`: where the time comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeKeeping {
    /// Where the time comes from: this program, or the daemon that sets the system clock.
    pub source: TimeSource,
    /// The real-time clock.
    pub rtc: RtcChoice,
    /// The pin that is wired to the RTC's 1 Hz output, if any.
    pub sqw_gpio: OptionalGpio,
    /// Network time servers, at most 8; NTP's port unless another is written.
    pub ntp_servers: Vec<ServerAddress>,
    /// The address of gpsd, on its default port unless another is written; empty for no GPS.
    pub gpsd: OptionalServer,
    /// Whether this program sets and steers the system clock.
    pub set_system_clock: bool,
}

/// `[board]`: buttons, jumper, LED. Pins are BCM numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// What kind of board it is.
    pub kind: BoardKind,
    /// Which HAT there is, where the overlay does not say.
    pub hat: Hat,
    /// Through what the pins are read and driven.
    pub backend: PinBackend,
    /// The button Volume up.
    pub volume_up_gpio: Gpio,
    /// The button Volume down.
    pub volume_down_gpio: Gpio,
    /// The button Start.
    pub start_gpio: Gpio,
    /// The button Stop.
    pub stop_gpio: Gpio,
    /// The jumper.
    pub jumper_gpio: Gpio,
    /// The status LED, if there is one.
    pub led_gpio: OptionalGpio,
    /// Whether the LED is used.
    pub led: bool,
    /// Whether a short tone answers a press while nothing plays.
    pub tones: bool,
}

/// `[sound_check]`: the box's part in a sound check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundCheck {
    /// The box's number, 1 to 16, which is its turn; 0 for one that follows from its names.
    pub number: u8,
}

/// `[control]`: the control socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The socket; empty for `control.sock` in the runtime directory.
    pub socket: PathBuf,
    /// The group whose members may control the box.
    pub group: String,
}

/// `[state]`: session, position, volume and calibration between two runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The folder, on any partition that remembers; empty for `/var/lib/jaudiosync`.
    pub folder: PathBuf,
}

/// `[ride]`: the other boxes of the ride, which are heard where there is a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ride {
    /// The key that the boxes of the ride share; without one, `key_file` may have it.
    pub key: OptionalKey,
    /// A file with the key, which others need not be able to read; it need not exist.
    pub key_file: PathBuf,
    /// What the box is called; empty for the host name.
    pub name: RideName,
    /// The UDP port, 1 to 65535, on which boxes send and hear.
    pub port: u16,
    /// Boxes that are also addressed one by one, at most 32, for networks that do not pass on
    /// multicast; IPv4, on `port` unless another is written.
    pub neighbours: Vec<ServerAddress>,
    /// Whether a box that was out of reach takes over what the ride was commanded meanwhile.
    pub follow: bool,
}

/// `[page]`: the page on which phones see and steer the ride.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Whether it is served; without a ride's key it never is.
    pub enabled: bool,
    /// Who may look.
    pub view: PageView,
    /// Where it is served; empty for port 80, as systemd passes it.
    pub listen: OptionalListen,
}

impl State {
    /// Returns the folder, if one is configured.
    pub fn folder(&self) -> Option<&Path> {
        Some(self.folder.as_path()).filter(|folder| !folder.as_os_str().is_empty())
    }
}

impl Default for Playlist {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("/srv/jaudiosync/Music").into(),
            name: "Playlist".to_owned(),
            stick: Sticks::default(),
        }
    }
}

impl Default for Sound {
    fn default() -> Self {
        Self {
            device: String::new(),
            backend: SoundBackend::default(),
            buffer_ms: 50,
            channels: ChannelChoice::default(),
            output_latency_ms: 0.0,
            mixer_card: String::new(),
            mixer_control: String::new(),
        }
    }
}

impl Default for Volume {
    fn default() -> Self {
        Self { startup_percent: 50, maximum_percent: 100, step_percent: 5, remember: true }
    }
}

impl Default for Start {
    fn default() -> Self {
        Self {
            button: StartKind::Common,
            jumper: StartKind::Common,
            rejoin_session: true,
            anchor: Anchor::default(),
            repeats: true,
            untrusted_wait_s: 60,
        }
    }
}

impl Default for TimeKeeping {
    fn default() -> Self {
        Self {
            source: TimeSource::Rtc,
            rtc: RtcChoice::Bus(PathBuf::from("/dev/i2c-1")),
            sqw_gpio: OptionalGpio(None),
            ntp_servers: Vec::new(),
            gpsd: OptionalServer(None),
            set_system_clock: true,
        }
    }
}

impl Default for Board {
    fn default() -> Self {
        Self {
            kind: BoardKind::Pi,
            hat: Hat::default(),
            backend: PinBackend::default(),
            volume_up_gpio: Gpio::VOLUME_UP,
            volume_down_gpio: Gpio::VOLUME_DOWN,
            start_gpio: Gpio::START,
            stop_gpio: Gpio::STOP,
            jumper_gpio: Gpio::JUMPER,
            led_gpio: OptionalGpio(None),
            led: true,
            tones: true,
        }
    }
}

impl Board {
    /// Returns the pins as the crate `hw` takes them.
    pub fn pins(&self) -> Pins {
        Pins {
            volume_up_gpio: self.volume_up_gpio.number(),
            volume_down_gpio: self.volume_down_gpio.number(),
            start_gpio: self.start_gpio.number(),
            stop_gpio: self.stop_gpio.number(),
            jumper_gpio: self.jumper_gpio.number(),
            led_gpio: self.led_gpio.0.map(|pin| pin.number()),
        }
    }
}

impl Default for Ride {
    fn default() -> Self {
        Self {
            key: OptionalKey(None),
            key_file: PathBuf::from("/etc/jaudiosync/ride.key"),
            name: RideName::default(),
            port: 7483,
            neighbours: Vec::new(),
            follow: false,
        }
    }
}

impl Default for Page {
    fn default() -> Self {
        Self { enabled: true, view: PageView::default(), listen: OptionalListen(None) }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self { socket: PathBuf::new(), group: "jaudiosync".to_owned() }
    }
}
