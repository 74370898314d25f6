//! The ride: its key, and whether other boxes can be reached.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::super::Finding;

const CHECK: &str = "ride";

/// The key, as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySeen {
    /// There is none.
    None,
    /// It is in a configuration file.
    InConfiguration,
    /// It is in a file of its own.
    InFile {
        /// The file.
        file: PathBuf,
        /// Whether the service's user can read it.
        is_for_service: bool,
        /// Whether any user can.
        is_for_all: bool,
    },
    /// It cannot be read; in words, with what to do.
    Unusable(String),
}

/// An interface, and the answer of the kernel when something was sent out of it.
#[derive(Debug)]
pub struct OutSeen {
    /// Its name and address, as people read them: `wlan0 (10.42.0.7)`.
    pub name: String,
    /// Whether it was sent.
    pub sent: io::Result<()>,
}

/// What is known about the ride.
#[derive(Debug)]
pub struct RideSeen {
    /// The key.
    pub key: KeySeen,
    /// The UDP port.
    pub port: u16,
    /// The interfaces that can multicast; empty without a key, as nothing is sent then.
    pub out: io::Result<Vec<OutSeen>>,
}

impl RideSeen {
    /// Returns whether there is a key that can be used.
    pub fn has_key(&self) -> bool {
        matches!(self.key, KeySeen::InConfiguration | KeySeen::InFile { .. })
    }
}

/// Checks the key, and whether datagrams to the other boxes leave this one. Whether they arrive only
/// another box can say. Nothing here keeps a box from playing in sync: without neighbours it plays by
/// its own clock.
pub fn ride(seen: &RideSeen) -> Vec<Finding> {
    let mut findings = vec![key(&seen.key)];
    if !seen.has_key() {
        return findings;
    }
    match &seen.out {
        Ok(out) if out.is_empty() => {
            findings.push(Finding::good(CHECK, "there is no network now, so no other box is heard"));
        }
        Ok(out) => findings.extend(out.iter().map(|out| way(out, seen.port))),
        Err(error) => findings.push(Finding::warning(
            CHECK,
            format!("it is not known where other boxes can be reached: {error}"),
            "run it as root: sudo jaudiosync doctor",
        )),
    }
    findings
}

fn key(key: &KeySeen) -> Finding {
    match key {
        KeySeen::None => Finding::good(
            CHECK,
            "it has no key, so that it neither sends to other boxes nor hears them (jaudiosync ride new-key)",
        ),
        KeySeen::InConfiguration => Finding::good(CHECK, "its key is in the configuration"),
        KeySeen::InFile { file, is_for_service: false, .. } => Finding::warning(
            CHECK,
            format!("the service cannot read the key in {}, so no other box is heard", file.display()),
            format!("sudo chgrp jaudiosync {0} && sudo chmod 640 {0}, and restart the service", file.display()),
        ),
        KeySeen::InFile { file, is_for_all: true, .. } => Finding::warning(
            CHECK,
            format!("every user of this box can read the key in {}", file.display()),
            format!("sudo chmod 640 {}", file.display()),
        ),
        KeySeen::InFile { file, .. } => Finding::good(CHECK, format!("its key is in {}", file.display())),
        KeySeen::Unusable(words) => Finding::warning(
            CHECK,
            format!("its key cannot be used, so no other box is heard: {words}"),
            "copy the key from another box, or scripts/deploy --ride-key",
        ),
    }
}

fn way(out: &OutSeen, port: u16) -> Finding {
    let name = &out.name;
    match &out.sent {
        Ok(()) => Finding::good(CHECK, format!("other boxes can be reached through {name}")),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Finding::warning(
            CHECK,
            format!("a firewall lets nothing out to other boxes through {name}: {error}"),
            format!("allow UDP port {port} out and in, also to 239.255.74.83: sudo nft list ruleset"),
        ),
        Err(error) => Finding::warning(
            CHECK,
            format!("nothing can be sent to other boxes through {name}: {error}"),
            "ip address; ip route; and connect again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Level;
    use super::*;

    fn seen(key: KeySeen, out: io::Result<Vec<OutSeen>>) -> RideSeen {
        RideSeen { key, port: 7483, out }
    }

    fn out(name: &str, errno: Option<i32>) -> OutSeen {
        let sent = errno.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)));
        OutSeen { name: name.to_owned(), sent }
    }

    fn file(is_for_service: bool, is_for_all: bool) -> KeySeen {
        KeySeen::InFile { file: "/etc/jaudiosync/ride.key".into(), is_for_service, is_for_all }
    }

    #[test]
    fn without_a_key_all_is_well_and_nothing_else_is_checked() {
        let findings = ride(&seen(KeySeen::None, Ok(vec![out("eth0", Some(1))])));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].level, Level::Good);
    }

    #[test]
    fn a_key_that_the_service_cannot_read_or_that_all_can_is_a_warning() {
        let finding = |key| ride(&seen(key, Ok(Vec::new())))[0].clone();
        assert_eq!(finding(file(true, false)).level, Level::Good);
        assert_eq!(finding(KeySeen::InConfiguration).level, Level::Good);
        let unread = finding(file(false, false));
        assert!(unread.level == Level::Warning && unread.advice.unwrap().contains("chgrp jaudiosync"));
        assert!(finding(file(true, true)).advice.unwrap().contains("chmod 640"));
        let unusable = finding(KeySeen::Unusable("a character is wrong".to_owned()));
        assert!(unusable.level == Level::Warning && unusable.text.contains("a character is wrong"));
    }

    #[test]
    fn a_firewall_is_named_and_other_troubles_are_shown() {
        let ways = vec![out("wlan0 (10.42.0.7)", None), out("eth0", Some(1)), out("usb0", Some(105))];
        let findings = ride(&seen(file(true, false), Ok(ways)));
        let levels: Vec<_> = findings.iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Good, Level::Good, Level::Warning, Level::Warning]);
        assert!(findings[1].text.contains("wlan0 (10.42.0.7)"));
        assert!(findings[2].text.contains("firewall") && findings[2].advice.clone().unwrap().contains("7483"));
        assert!(!findings[3].text.contains("firewall"));
        let denied = ride(&seen(file(true, false), Err(io::Error::from_raw_os_error(97))));
        assert_eq!(denied[1].level, Level::Warning);
        assert_eq!(ride(&seen(file(true, false), Ok(Vec::new())))[1].level, Level::Good, "a ride has no network");
    }
}
