//! The owner's choices, and checks of what is possible.

use jaudiosync_hw::buttons::Pins;

use super::ride::KeyAnswer;
use super::ride_wifi::RideWifi;
use crate::appliance::StartKind;
use crate::config::{ChannelChoice, Config, Folders, Hat, OptionalServer, RtcChoice, ServerAddress};
use crate::host::boot_config::is_setting;
use crate::host::hats::MINIAMP_OVERLAY;
use crate::timekeeping::references::gpsd::GPSD_PORT;

/// Returns the address of gpsd as Debian's package sets it up.
pub fn local_gpsd() -> OptionalServer {
    OptionalServer(Some(ServerAddress { host: "localhost".to_owned(), port: Some(GPSD_PORT) }))
}

/// The I2C bus on the header of every Raspberry Pi.
pub const HEADER_BUS: &str = "/dev/i2c-1";

/// A wireless network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wifi {
    pub ssid: String,
    /// Its passphrase.
    pub passphrase: String,
}

/// All answers. Where nothing was chosen, they are the configuration's present values.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The output, as in `sound.device`; empty for the best that is there.
    pub device: String,
    /// The overlay of a DAC on the header, such as `hifiberry-dac`; `None` leaves the boot
    /// configuration unchanged.
    pub overlay: Option<String>,
    /// Which HAT it is, where the overlay does not say.
    pub hat: Hat,
    /// How the two channels are played.
    pub channels: ChannelChoice,
    /// The RTC.
    pub rtc: RtcChoice,
    /// The address of gpsd; `None` for no GPS.
    pub gpsd: OptionalServer,
    /// Time servers.
    pub ntp_servers: Vec<ServerAddress>,
    /// Buttons, jumper, LED.
    pub pins: Pins,
    /// What to play at power-on with the jumper fitted.
    pub jumper: StartKind,
    /// The Music folder, or several.
    pub music: Folders,
    /// The box's name on the network; `None` leaves it unchanged.
    pub host_name: Option<String>,
    /// A wireless network to join; `None` leaves the network unchanged.
    pub wifi: Option<Wifi>,
    /// What other boxes call this one; empty for its host name.
    pub ride_name: String,
    /// The key that it shares with other boxes.
    pub ride_key: KeyAnswer,
    /// What it has to do with the ride's own Wi-Fi.
    pub ride_wifi: RideWifi,
}

impl Answers {
    /// Returns the present values.
    pub fn current(config: &Config) -> Self {
        Self {
            device: config.sound.device.clone(),
            overlay: None,
            hat: config.board.hat,
            channels: config.sound.channels,
            rtc: config.time.rtc.clone(),
            gpsd: config.time.gpsd.clone(),
            ntp_servers: config.time.ntp_servers.clone(),
            pins: config.board.pins(),
            jumper: config.start.jumper,
            music: config.playlist.folder.clone(),
            host_name: None,
            wifi: None,
            ride_name: config.ride.name.clone().into(),
            ride_key: KeyAnswer::Unchanged,
            ride_wifi: RideWifi::Unchanged,
        }
    }

    /// Chooses an overlay. With another one than its own, the HAT is no longer a MiniAmp.
    pub fn choose_overlay(&mut self, overlay: String) {
        if !is_setting(&overlay, MINIAMP_OVERLAY) {
            self.hat = Hat::Auto;
        }
        self.overlay = Some(overlay);
    }
}

/// Checks a host name (RFC 1123, section 2.1): 1 to 63 letters, digits and hyphens.
///
/// # Errors
/// What is wrong with it.
pub fn check_host_name(name: &str) -> Result<(), String> {
    let is_good = (1..=63).contains(&name.len())
        && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if is_good {
        Ok(())
    } else {
        Err(format!("{name:?} is not a host name: write up to 63 letters, digits and hyphens, such as bike-3"))
    }
}

/// Checks a network's name (IEEE 802.11: 1 to 32 bytes) and passphrase (WPA: 8 to 63 ASCII
/// characters).
///
/// # Errors
/// What is wrong with it.
pub fn check_wifi(wifi: &Wifi) -> Result<(), String> {
    if !(1..=32).contains(&wifi.ssid.len()) || wifi.ssid.contains(['\n', '\0']) {
        return Err(format!("{:?} is not the name of a wireless network: it must have 1 to 32 bytes", wifi.ssid));
    }
    let passphrase = &wifi.passphrase;
    if !(8..=63).contains(&passphrase.len()) || !passphrase.bytes().all(|letter| (b' '..=b'~').contains(&letter)) {
        return Err("a passphrase must have 8 to 63 ASCII characters".to_owned());
    }
    Ok(())
}

/// Checks an overlay: the name of one of the firmware's files in `overlays/`, and perhaps
/// parameters.
///
/// # Errors
/// What is wrong with it.
pub fn check_overlay(overlay: &str) -> Result<(), String> {
    let may_be = |letter: u8| letter.is_ascii_alphanumeric() || b"-_,=.".contains(&letter);
    let is_good = !overlay.is_empty() && overlay.bytes().all(may_be) && !overlay.starts_with([',', '-']);
    if is_good { Ok(()) } else { Err(format!("{overlay:?} is not an overlay; write its name, such as hifiberry-dac")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_names_are_refused() {
        assert!(["bike-3", "a", "Box7"].iter().all(|name| check_host_name(name).is_ok()));
        assert!(["", "-a", "a-", "a b", "büro", "a.b"].iter().all(|name| check_host_name(name).is_err()));
        assert!(["hifiberry-dac", "iqaudio-dacplus,unmute_amp"].iter().all(|name| check_overlay(name).is_ok()));
        assert!(["", "a b", "a\nb", "../x", "-x"].iter().all(|name| check_overlay(name).is_err()));
        let wifi = |ssid: &str, passphrase: &str| Wifi { ssid: ssid.to_owned(), passphrase: passphrase.to_owned() };
        assert!(check_wifi(&wifi("Küche 2", "12345678")).is_ok());
        assert!(check_wifi(&wifi("", "12345678")).is_err() && check_wifi(&wifi("a", "1234567")).is_err());
        assert!(check_wifi(&wifi(&"a".repeat(33), "12345678")).is_err());
    }
}
