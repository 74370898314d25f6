//! The tree of values, one structure for each section of the file, with the defaults.

use crate::appliance::StartKind;
use std::path::PathBuf;

use jaudiosync_hw::buttons::Pins;
use serde::{Deserialize, Serialize};

use super::choices::{Anchor, BoardKind, ChannelChoice, Gpio, OptionalGpio, RtcChoice, TimeSource};
use super::server_address::{OptionalServer, ServerAddress};

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is played.
    pub playlist: Playlist,
    /// Through which sound card.
    pub sound: Sound,
    /// How loud.
    pub volume: Volume,
    /// What a start means.
    pub start: Start,
    /// Where the time comes from.
    pub time: TimeKeeping,
    /// Buttons, jumper, LED.
    pub board: Board,
    /// The control socket.
    pub control: Control,
}

/// `[playlist]`: what is played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playlist {
    /// The Music folder.
    pub folder: PathBuf,
    /// Which playlist of the Music folder, with or without `.m3u8` or `.m3u`.
    pub name: String,
}

/// `[sound]`: through which sound card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sound {
    /// The output as `jaudiosync devices` lists it; empty: the system's default.
    pub device: String,
    /// What is heard of the two channels.
    pub channels: ChannelChoice,
    /// How much later than the sound card plays it the sound is heard, in ms, within ±5000.
    pub output_latency_ms: f64,
    /// The card whose mixer is turned; empty: that of the device.
    pub mixer_card: String,
    /// The mixer's control; empty: the first that is found of Digital, PCM, Speaker, Headphone, Master, else the only one.
    pub mixer_control: String,
}

/// `[volume]`: how loud. All in percent, 0 to 100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The volume after power-on, at most the maximum.
    pub startup_percent: u8,
    /// The volume is never above this.
    pub maximum_percent: u8,
    /// How much one press changes, from 1.
    pub step_percent: u8,
    /// Whether a box comes back with the volume it had, instead of the startup volume.
    pub remember: bool,
}

/// `[start]`: what a start means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// What a press of Start does.
    pub button: StartKind,
    /// What the jumper does at power-on.
    pub jumper: StartKind,
    /// Whether a session that ran when the power was lost is rejoined.
    pub rejoin_session: bool,
    /// The instant since which the common timetable repeats; the same on all boxes.
    pub anchor: Anchor,
    /// Whether a playlist that was begun afresh begins again after its last track.
    pub repeats: bool,
    /// How long to wait for a trusted time before playing without one, in seconds, 0 to 86400.
    pub untrusted_wait_s: u32,
}

/// `[time]`: where the time comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeKeeping {
    /// Who knows the time: this program, or the daemon that keeps the system clock.
    pub source: TimeSource,
    /// The real-time clock.
    pub rtc: RtcChoice,
    /// The pin to which the RTC's 1 Hz output is wired, if it is.
    pub sqw_gpio: OptionalGpio,
    /// Network time servers, at most 8; without a port it is NTP's.
    pub ntp_servers: Vec<ServerAddress>,
    /// Where gpsd answers, on its own port where none is written; empty: no GPS.
    pub gpsd: OptionalServer,
    /// Whether the system clock is set and steered from here.
    pub set_system_clock: bool,
}

/// `[board]`: buttons, jumper, LED. Pins are BCM numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// What kind of board it is.
    pub kind: BoardKind,
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
    /// Whether the LED shows anything.
    pub led: bool,
    /// Whether a press is answered with a short tone where nothing plays.
    pub tones: bool,
}

/// `[control]`: the control socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The socket; empty: in the runtime directory.
    pub socket: PathBuf,
    /// The group whose members may steer the box.
    pub group: String,
}

impl Default for Playlist {
    fn default() -> Self {
        Self { folder: PathBuf::from("/srv/jaudiosync/Music"), name: "Playlist".to_owned() }
    }
}

impl Default for Sound {
    fn default() -> Self {
        Self {
            device: String::new(),
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
    /// Return which pin is for what, as the board's crate takes it.
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

impl Default for Control {
    fn default() -> Self {
        Self { socket: PathBuf::new(), group: "jaudiosync".to_owned() }
    }
}
