//! Checks that types cannot make: ranges, and values that exclude each other.

use std::net::Ipv4Addr;

use super::sections::{Config, Ride};
use crate::sound_check::schedule::BOXES;

/// A latency beyond ± this, in ms, is a typing error.
pub const MAX_OUTPUT_LATENCY_MS: f64 = 5000.0;
/// A day. A box that should wait longer had better not play without a trusted time at all.
const MAX_UNTRUSTED_WAIT_S: u32 = 86_400;
const MAX_NTP_SERVERS: usize = 8;
/// Every beacon is sent to each of them.
const MAX_NEIGHBOURS: usize = 32;
/// The path of a Unix socket has at most 107 bytes on Linux (unix(7)); the name of its lock file is
/// five bytes longer.
const MAX_SOCKET_PATH_BYTES: usize = 100;

/// The least and the most that a sound card's buffer may hold, in ms: it is filled from a queue of
/// 0.4 s.
pub const BUFFER_MS: [u32; 2] = [20, 200];

/// Describes the first value that is out of its range; `None` if all are within.
pub(super) fn out_of_range(config: &Config) -> Option<String> {
    let percent = |value: u8, least: u8| {
        (!(least..=100).contains(&value)).then(|| format!("{value} is not within {least} to 100 percent"))
    };
    let volume = &config.volume;
    percent(volume.startup_percent, 0)
        .or_else(|| percent(volume.maximum_percent, 0))
        .or_else(|| percent(volume.step_percent, 1))
        .or_else(|| {
            let latency_ms = config.sound.output_latency_ms;
            let within = latency_ms.abs() <= MAX_OUTPUT_LATENCY_MS;
            (!within).then(|| format!("{latency_ms} is not within ±{MAX_OUTPUT_LATENCY_MS} ms"))
        })
        .or_else(|| {
            let buffer_ms = config.sound.buffer_ms;
            let [least, most] = BUFFER_MS;
            (!(least..=most).contains(&buffer_ms)).then(|| format!("{buffer_ms} is not within {least} to {most} ms"))
        })
        .or_else(|| {
            let wait_s = config.start.untrusted_wait_s;
            (wait_s > MAX_UNTRUSTED_WAIT_S).then(|| format!("{wait_s} is not within 0 to {MAX_UNTRUSTED_WAIT_S} s"))
        })
        .or_else(|| {
            let number = config.sound_check.number;
            (number > BOXES).then(|| format!("{number} is not within 1 to {BOXES}, or 0 for the box's own choice"))
        })
        .or_else(|| {
            let count = config.time.ntp_servers.len();
            (count > MAX_NTP_SERVERS).then(|| format!("{count} servers are too many; name at most {MAX_NTP_SERVERS}"))
        })
        .or_else(|| ride(&config.ride))
        .or_else(|| texts(config))
}

fn ride(ride: &Ride) -> Option<String> {
    if ride.port == 0 {
        return Some("0 is not a port; write a number from 1 to 65535, the same on all boxes".to_owned());
    }
    let count = ride.neighbours.len();
    if count > MAX_NEIGHBOURS {
        return Some(format!("{count} neighbours are too many; name at most {MAX_NEIGHBOURS}"));
    }
    let is_ipv6 = |host: &str| host.contains(':');
    if let Some(neighbour) = ride.neighbours.iter().find(|neighbour| is_ipv6(&neighbour.host)) {
        return Some(format!("{neighbour} is an IPv6 address; write a name or an IPv4 address, such as 10.42.0.7"));
    }
    let is_of_many = |host: &str| {
        let address = host.parse::<Ipv4Addr>();
        address.is_ok_and(|address| address.is_unspecified() || address.is_broadcast() || address.is_multicast())
    };
    if let Some(neighbour) = ride.neighbours.iter().find(|neighbour| is_of_many(&neighbour.host)) {
        return Some(format!("{neighbour} is not the address of one box; write one such as 10.42.0.7, or a name"));
    }
    (!ride.key_file.is_absolute()).then(|| "write an absolute path".to_owned())
}

fn texts(config: &Config) -> Option<String> {
    if config.playlist.name.trim().is_empty() {
        return Some("it must not be empty".to_owned());
    }
    let socket = &config.control.socket;
    if !socket.as_os_str().is_empty() && (!socket.is_absolute() || socket.as_os_str().len() > MAX_SOCKET_PATH_BYTES) {
        return Some(format!("write an absolute path of at most {MAX_SOCKET_PATH_BYTES} bytes"));
    }
    if config.state.folder().is_some_and(|folder| !folder.is_absolute()) {
        return Some("write an absolute path".to_owned());
    }
    None
}

/// Returns two keys that name the same pin, by their full names; `None` if all pins differ.
pub(super) fn shared_pin(config: &Config) -> Option<[&'static str; 2]> {
    let board = &config.board;
    let pins = [
        ("board.volume_up_gpio", Some(board.volume_up_gpio)),
        ("board.volume_down_gpio", Some(board.volume_down_gpio)),
        ("board.start_gpio", Some(board.start_gpio)),
        ("board.stop_gpio", Some(board.stop_gpio)),
        ("board.jumper_gpio", Some(board.jumper_gpio)),
        ("board.led_gpio", board.led_gpio.0),
        ("time.sqw_gpio", config.time.sqw_gpio.0),
    ];
    pins.iter().enumerate().find_map(|(index, (name, pin))| {
        let other = pins.iter().skip(index + 1).find(|(_, other)| pin.is_some() && pin == other)?;
        Some([*name, other.0])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerAddress;

    #[test]
    fn the_defaults_are_within_their_ranges() {
        assert_eq!(out_of_range(&Config::default()), None);
        assert_eq!(shared_pin(&Config::default()), None);
    }

    #[test]
    fn a_latency_that_is_not_a_number_is_out_of_range() {
        let mut config = Config::default();
        config.sound.output_latency_ms = f64::NAN;
        assert!(out_of_range(&config).is_some_and(|words| words.contains("±5000")));
    }

    #[test]
    fn of_the_ride_every_value_that_cannot_work_is_named_with_what_to_write_instead() {
        let words = |change: &dyn Fn(&mut Ride)| {
            let mut config = Config::default();
            change(&mut config.ride);
            out_of_range(&config).unwrap_or_default()
        };
        let neighbours = |hosts: &[&str]| {
            let hosts: Vec<ServerAddress> = hosts.iter().map(|host| host.parse().unwrap()).collect();
            words(&|ride| ride.neighbours.clone_from(&hosts))
        };
        assert!(words(&|ride| ride.port = 0).contains("1 to 65535"));
        assert!(words(&|ride| ride.key_file = "ride.key".into()).contains("absolute path"));
        assert_eq!(neighbours(&["10.42.0.7", "bike-2.local", "10.42.0.9:7000", "127.0.0.1"]), "");
        assert!(neighbours(&["10.0.0.1"; 33]).contains("at most 32"));
        assert!(neighbours(&["[fe80::1]:7483"]).contains("IPv4"));
        for host in ["0.0.0.0", "255.255.255.255", "239.255.74.83", "224.0.0.1:7483"] {
            assert!(neighbours(&["10.42.0.7", host]).contains("one box"), "{host}");
        }
    }
}
