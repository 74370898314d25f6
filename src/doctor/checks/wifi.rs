//! Wi-Fi: whether it saves power, which delays packets and with them the time from the network.

use super::super::Finding;
use crate::config::{TimeKeeping, TimeSource};

const CHECK: &str = "wifi";

/// A Wi-Fi device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WifiSeen {
    /// Its name, such as `wlan0`.
    pub name: String,
    /// Whether it saves power; `None` if that is not known.
    pub saves_power: Option<bool>,
}

/// Checks every Wi-Fi device. Saving power matters only where the time comes from the network, or
/// from the other boxes of a ride, with whom this one agrees on it if it has a key.
pub fn wifi(config: &TimeKeeping, has_ride_key: bool, seen: &[WifiSeen]) -> Vec<Finding> {
    let needs_network = config.source == TimeSource::System || !config.ntp_servers.is_empty() || has_ride_key;
    let finding = |wifi: &WifiSeen| match wifi.saves_power {
        Some(true) if needs_network => Finding::warning(
            CHECK,
            format!("{} saves power, which makes the time from the network worse by tens of milliseconds", wifi.name),
            "sudo dpkg-reconfigure jaudiosync, and connect again or reboot; if a connection says otherwise: sudo nmcli \
             connection modify NAME 802-11-wireless.powersave disable",
        ),
        Some(true) => {
            Finding::good(CHECK, format!("{} saves power; the time does not come from the network", wifi.name))
        }
        Some(false) => Finding::good(CHECK, format!("{} does not save power", wifi.name)),
        None => Finding::good(CHECK, format!("{}; whether it saves power is not known (apt install iw)", wifi.name)),
    };
    seen.iter().map(finding).collect()
}

/// Reads what `iw dev NAME get power_save` prints; `None` if it is something else.
pub fn power_save(printed: &str) -> Option<bool> {
    match printed.trim().strip_prefix("Power save:")?.trim() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Level;
    use super::*;

    #[test]
    fn saving_power_matters_where_the_time_comes_from_the_network() {
        let seen = |saves_power| vec![WifiSeen { name: "wlan0".to_owned(), saves_power }];
        let alone = TimeKeeping { ntp_servers: vec![], ..TimeKeeping::default() };
        let networked = TimeKeeping { ntp_servers: vec!["pool.ntp.org".parse().unwrap()], ..alone.clone() };
        let level = |config: &TimeKeeping, saves_power| wifi(config, false, &seen(saves_power))[0].level;
        assert_eq!(level(&networked, Some(true)), Level::Warning);
        assert_eq!(level(&TimeKeeping { source: TimeSource::System, ..alone.clone() }, Some(true)), Level::Warning);
        assert_eq!(level(&alone, Some(true)), Level::Good);
        assert_eq!(wifi(&alone, true, &seen(Some(true)))[0].level, Level::Warning);
        assert_eq!((level(&networked, Some(false)), level(&networked, None)), (Level::Good, Level::Good));
        assert_eq!(wifi(&networked, true, &[]), []);
    }

    #[test]
    fn what_iw_prints_is_read() {
        assert_eq!((power_save("Power save: on\n"), power_save("Power save: off\n")), (Some(true), Some(false)));
        assert_eq!((power_save(""), power_save("command failed: No such device (-19)")), (None, None));
    }
}
