//! Looks for the ride's key, and tries whether something can be sent to other boxes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::User;

use crate::config::{KeyPlace, Ride};
use crate::doctor::checks::{KeySeen, OutSeen, RideSeen};
use crate::ride::air::{Probe, probe};

/// The service's user (`User=` in its unit).
const SERVICE_USER: &str = "jaudiosync";

/// Returns what is known about the ride. Only with a key is anything sent: an empty datagram out of
/// every interface.
pub(super) fn read(config: &Ride) -> RideSeen {
    let key = match config.find_key() {
        Ok(None) => KeySeen::None,
        Ok(Some((_, KeyPlace::Configuration))) => KeySeen::InConfiguration,
        Ok(Some((_, KeyPlace::File(file)))) => in_file(&file),
        Err(words) => KeySeen::Unusable(words),
    };
    let mut seen = RideSeen { key, port: config.port, out: Ok(Vec::new()) };
    if seen.has_key() {
        let out = |probe: Probe| {
            let name = format!("{} ({})", probe.interface.name, probe.interface.address);
            OutSeen { name, sent: probe.sent }
        };
        seen.out = probe(config.port).map(|probes| probes.into_iter().map(out).collect());
    }
    seen
}

fn in_file(file: &Path) -> KeySeen {
    let metadata = fs::metadata(file).ok();
    let may = |bits| metadata.as_ref().is_some_and(|metadata| metadata.mode() & bits != 0);
    let service = User::from_name(SERVICE_USER).ok().flatten();
    // Without such a user the service runs as whoever started it, who has just read it.
    let is_for_service = service.zip(metadata.as_ref()).is_none_or(|(user, metadata)| {
        let is_owner = metadata.uid() == user.uid.as_raw();
        let is_of_group = metadata.gid() == user.gid.as_raw();
        is_owner && may(0o400) || is_of_group && may(0o040) || may(0o004)
    });
    KeySeen::InFile { file: file.to_owned(), is_for_service, is_for_all: may(0o004) }
}
