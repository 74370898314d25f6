//! The ride's own Wi-Fi: one box opens it, the others join it, as profiles of NetworkManager. Pure.

use std::path::PathBuf;

use super::answers::Wifi;
use super::plan::{HostFacts, Step, join_by_hand, key_file_text, reload_networks, ssid_text};

/// The name of the profile.
pub const PROFILE: &str = "jaudiosync-ride";

/// The profile's file.
pub const PROFILE_FILE: &str = "/etc/NetworkManager/system-connections/jaudiosync-ride.nmconnection";

/// NetworkManager takes the available profile with the highest priority (nm-settings(5),
/// `connection.autoconnect-priority`: -999 to 999, usually 0), and not before it has looked for
/// networks. So a box joins any network that it knows before it joins the ride's, and opens the
/// ride's own only where it can join none.
const JOINS_PRIORITY: i32 = -100;
const OPENS_PRIORITY: i32 = -200;

/// What the box has to do with the ride's own Wi-Fi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RideWifi {
    /// What it has now, or nothing.
    Unchanged,
    /// It opens it where it knows no network.
    Opens(Wifi),
    /// It joins the one that another box opens, where it knows no other.
    Joins(Wifi),
    /// Nothing: the profile is removed.
    None,
}

/// Returns the steps that put it into effect.
pub(super) fn steps(wanted: &RideWifi, host: &HostFacts) -> Vec<Step> {
    let (wifi, opens) = match wanted {
        RideWifi::Unchanged => return Vec::new(),
        RideWifi::None if !host.has_ride_profile => return Vec::new(),
        RideWifi::None => {
            let removed = Step::Remove { path: PathBuf::from(PROFILE_FILE) };
            return [removed].into_iter().chain(reload_networks(host)).collect();
        }
        RideWifi::Opens(wifi) => (wifi, true),
        RideWifi::Joins(wifi) => (wifi, false),
    };
    if !host.has_network_manager {
        let what = if opens {
            format!(
                "There is no NetworkManager here, so this box cannot open {}: see docs/guide/neighbours.md.",
                wifi.ssid
            )
        } else {
            join_by_hand(&wifi.ssid, host)
        };
        return vec![Step::Say(what)];
    }
    let after = profile(wifi, opens);
    let path = PathBuf::from(PROFILE_FILE);
    let mut steps = vec![Step::Write { path, before: None, after, is_secret: true, keeps_copy: false }];
    steps.extend(reload_networks(host));
    if host.lacks_wifi_country {
        let words = "The country of the Wi-Fi is not set, so that its radio may stay off";
        let how = match host.has_raspi_config {
            true => "sudo raspi-config nonint do_wifi_country DE, with the two letters of your country",
            false => "cfg80211.ieee80211_regdom=DE on the kernel's command line, with the two letters of your country",
        };
        steps.push(Step::Say(format!("{words}: {how}.")));
    }
    if opens {
        steps.push(Step::Say(format!(
            "This box opens {} from the next start on, where it finds no network that it knows; at once: sudo nmcli \
             connection up {PROFILE}. To undo it: sudo jaudiosync setup --yes --ride-wifi none",
            wifi.ssid
        )));
    }
    steps
}

/// Returns the profile as a key file (nm-settings-keyfile(5)).
///
/// An access point shares its address: NetworkManager gives addresses of 10.42.0.0/24 by DHCP, and
/// passes on what it is connected to otherwise. Its band is 2.4 GHz, which every Pi has and most
/// countries allow everywhere.
fn profile(wifi: &Wifi, opens: bool) -> String {
    let (ssid, passphrase) = (ssid_text(&wifi.ssid), key_file_text(&wifi.passphrase));
    let (mode, band, priority, ipv4, ipv6) = match opens {
        true => ("ap", "band=bg\n", OPENS_PRIORITY, "shared", "disabled"),
        false => ("infrastructure", "", JOINS_PRIORITY, "auto", "auto"),
    };
    // 2 is `disable`: a radio that sleeps delays answers by tens of milliseconds.
    format!(
        "[connection]\nid={PROFILE}\ntype=wifi\nautoconnect=true\nautoconnect-priority={priority}\n\n\
         [wifi]\nmode={mode}\n{band}ssid={ssid}\npowersave=2\n\n\
         [wifi-security]\nkey-mgmt=wpa-psk\nproto=rsn;\npairwise=ccmp;\ngroup=ccmp;\npsk={passphrase}\n\n\
         [ipv4]\nmethod={ipv4}\n\n[ipv6]\nmethod={ipv6}\n"
    )
}
