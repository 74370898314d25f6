//! The other boxes of the ride, as the running service hears them.

use super::super::Finding;
use crate::control::protocol::{NeighbourStatus, RefusedStatus, RideRole, RideStatus, UtcStanding};
use crate::format::counted;

const CHECK: &str = "neighbours";

/// Up to this round trip, in ms, half of which bounds how far two boxes can be wrong about each
/// other, an answer was not held back. A phone's hotspot takes 2 to 20 ms.
const GOOD_ROUND_TRIP_MS: f64 = 20.0;

/// Fewer messages with a wrong signature than this are damaged ones.
const MANY_SIGNATURES: u64 = 100;

/// More messages at once than boxes send.
const MANY_AT_ONCE: u64 = 1000;

/// Checks whom a service with a key hears, and how well. Nothing here keeps a box from playing in
/// sync with its own clock, so that nothing is more than a warning.
pub fn neighbours(ride: &RideStatus) -> Vec<Finding> {
    let heard = &ride.neighbours;
    let mut findings = Vec::new();
    if !heard.is_empty() {
        findings.push(Finding::good(CHECK, who(ride)));
    }
    findings.extend(nobody(ride));
    findings.extend(round_trips(heard));
    findings.extend(isolated(heard));
    findings.extend(without_multicast(heard));
    findings.extend(same_names(ride));
    findings.extend(playing(heard));
    findings.extend(utc(ride));
    findings.extend(refused(&ride.refused));
    findings.extend(ride.trouble.as_ref().map(|trouble| {
        let what_to_do = "see whether the network is up (ip address), and what a firewall says (sudo nft list ruleset)";
        Finding::warning(CHECK, format!("this box could not send to others: {trouble}"), what_to_do)
    }));
    for neighbour in heard {
        findings.extend(neighbour.warnings.iter().map(|warning| {
            let name = &neighbour.name;
            Finding::warning(
                CHECK,
                format!("{name} says of itself: {warning}"),
                format!("on {name}: sudo jaudiosync doctor"),
            )
        }));
    }
    findings
}

/// Returns the finding where there is a key and the service does not use it.
pub fn unused_key() -> Finding {
    Finding::warning(
        CHECK,
        "there is a key that the service does not use: it was started before there was one, or cannot read it, or \
         another program keeps its time (time.source)",
        "sudo systemctl restart jaudiosync, and see: journalctl -u jaudiosync -b",
    )
}

fn who(ride: &RideStatus) -> String {
    let names: Vec<&str> = ride.neighbours.iter().map(|neighbour| neighbour.name.as_str()).collect();
    let role = match (ride.role, &ride.leader) {
        (RideRole::Leads, _) => "; this box leads".to_owned(),
        (RideRole::Follows, Some(leader)) => format!("; this box follows {leader}"),
        _ => String::new(),
    };
    let boxes = if names.len() == 1 { "box" } else { "boxes" };
    format!("{} {boxes} heard: {}{role}", names.len(), names.join(", "))
}

fn nobody(ride: &RideStatus) -> Option<Finding> {
    if !ride.neighbours.is_empty() || ride.interfaces.is_empty() {
        // Without a network nobody can be heard, which the check of the ways out says.
        return None;
    }
    let interfaces = ride.interfaces.join(", ");
    if ride.refused.signature > 0 {
        return Some(Finding::warning(
            CHECK,
            format!("no box with this key is heard on {interfaces}, but messages with another signature are"),
            "copy one key to all boxes: scripts/deploy --keep-package --ride-key KEY HOST...",
        ));
    }
    Some(Finding::warning(
        CHECK,
        format!("no other box is heard on {interfaces}"),
        "if others are on: they must be on this network, with the same key and ride.port. Then it may be the network, \
         which keeps its clients apart (\"client isolation\", a guest network), or passes on no multicast: switch that \
         off, name a box in ride.neighbours, or take another network, such as one that a box opens (jaudiosync setup)",
    ))
}

fn round_trips(heard: &[NeighbourStatus]) -> Vec<Finding> {
    let measured: Vec<(f64, &str)> =
        heard.iter().filter_map(|neighbour| Some((neighbour.round_trip_ms?, neighbour.name.as_str()))).collect();
    let slow: Vec<String> = measured
        .iter()
        .filter(|(ms, _)| *ms > GOOD_ROUND_TRIP_MS)
        .map(|(ms, name)| format!("{name} ({ms:.0} ms)"))
        .collect();
    let mut findings = Vec::new();
    let fast = measured.iter().map(|(ms, _)| *ms).filter(|ms| *ms <= GOOD_ROUND_TRIP_MS);
    if let Some((least_ms, most_ms)) = fast.fold(None, |range: Option<(f64, f64)>, ms| {
        Some(range.map_or((ms, ms), |(least, most)| (least.min(ms), most.max(ms))))
    }) {
        let range = if least_ms < most_ms { format!("{least_ms:.1} to {most_ms:.1}") } else { format!("{most_ms:.1}") };
        findings.push(Finding::good(CHECK, format!("round trips of {range} ms")));
    }
    if !slow.is_empty() {
        findings.push(Finding::warning(
            CHECK,
            format!("answers are slow, so that the boxes know less of each other's time: {}", slow.join(", ")),
            "there and here, switch off the Wi-Fi's power saving (the line wifi of doctor says how); go nearer to the \
             hotspot, or take one that fewer others use",
        ));
    }
    findings
}

/// A neighbour that does not hear this box has no round trip: nothing it sends is an answer.
fn isolated(heard: &[NeighbourStatus]) -> Option<Finding> {
    let deaf: Vec<&str> =
        heard.iter().filter(|neighbour| !neighbour.hears_this).map(|neighbour| neighbour.name.as_str()).collect();
    let (names, verb) = (deaf.join(", "), if deaf.len() == 1 { "does" } else { "do" });
    (!deaf.is_empty()).then(|| {
        Finding::warning(
            CHECK,
            format!("{names}: heard, but {verb} not hear this box"),
            "if that lasts for more than some seconds: the network lets only some of its clients reach others \
             (\"client isolation\"), or a firewall there holds the ride's port back; switch it off, or take another \
             network",
        )
    })
}

fn without_multicast(heard: &[NeighbourStatus]) -> Option<Finding> {
    let names: Vec<&str> =
        heard.iter().filter(|neighbour| neighbour.unicast_only).map(|neighbour| neighbour.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        Finding::warning(
            CHECK,
            format!("what {} sends to all does not come here, only what is addressed to this box", names.join(", ")),
            "it works, but a box that joins is not found by itself: switch on multicast in the hotspot or router (off: \
             \"IGMP snooping\", \"multicast filter\"), or name boxes in ride.neighbours",
        )
    })
}

fn same_names(ride: &RideStatus) -> Option<Finding> {
    let mut names: Vec<&str> = ride.neighbours.iter().map(|neighbour| neighbour.name.as_str()).collect();
    names.push(&ride.name);
    names.sort_unstable();
    let same = names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    })?;
    Some(Finding::warning(
        CHECK,
        format!("two boxes are called {same}"),
        "give each a name of its own: sudo jaudiosync setup --yes --ride-name NAME, or --host-name NAME",
    ))
}

fn playing(heard: &[NeighbourStatus]) -> Vec<Finding> {
    let named = |is_so: fn(&NeighbourStatus) -> bool| {
        let names: Vec<&str> =
            heard.iter().filter(|neighbour| is_so(neighbour)).map(|neighbour| neighbour.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let list = named(|neighbour| neighbour.same_playlist == Some(false)).map(|names| {
        Finding::warning(
            CHECK,
            format!("another playlist than this box's, or other files: {names}"),
            "copy the same music to all boxes: scripts/deploy --keep-package --music DIR HOST...; jaudiosync list \
             shows the fingerprint",
        )
    });
    let timetable =
        named(|neighbour| neighbour.same_timetable == Some(false) && neighbour.same_playlist != Some(false)).map(
            |names| {
                Finding::warning(
                    CHECK,
                    format!("on another timetable than this box: {names}"),
                    "press Start on both, which joins the common timetable; a long press begins one of its own",
                )
            },
        );
    list.into_iter().chain(timetable).collect()
}

fn utc(ride: &RideStatus) -> Vec<Finding> {
    let mut findings = Vec::new();
    if ride.excluded {
        findings.push(Finding::warning(
            CHECK,
            "the other boxes agree on another UTC than this box's own, which is not used",
            "its RTC or a time server is wrong: jaudiosync time; with the service stopped, sudo jaudiosync time forget \
             drops a wrong calibration",
        ));
    }
    for neighbour in &ride.neighbours {
        let name = &neighbour.name;
        match neighbour.utc_standing {
            UtcStanding::Contradicted => findings.push(Finding::warning(
                CHECK,
                format!("{name} and this box contradict each other on UTC, and one of them is wrong"),
                "a third box, a time server or GPS shows which one: jaudiosync time on both says what each goes by",
            )),
            UtcStanding::Excluded => findings.push(Finding::warning(
                CHECK,
                format!("{name} gives a UTC that most others exclude, and is not followed"),
                format!("its RTC or a time server is wrong; on {name}: jaudiosync time"),
            )),
            UtcStanding::Agrees | UtcStanding::Other => {}
        }
    }
    findings
}

fn refused(refused: &RefusedStatus) -> Vec<Finding> {
    let mut findings = Vec::new();
    if refused.version > 0 {
        findings.push(Finding::warning(
            CHECK,
            format!("{} of another version of JAudioSync came", counted(refused.version, "message")),
            "all boxes of a ride need the same version: scripts/deploy HOST... upgrades them",
        ));
    }
    if refused.signature >= MANY_SIGNATURES {
        findings.push(Finding::warning(
            CHECK,
            format!("{} came that another key has signed; none is believed", counted(refused.signature, "message")),
            "another ride on this network does no harm; a box of this one needs its key: scripts/deploy --keep-package \
             --ride-key KEY HOST...",
        ));
    }
    if refused.flood >= MANY_AT_ONCE {
        findings.push(Finding::warning(
            CHECK,
            format!("{} came too many at once, and were dropped", counted(refused.flood, "message")),
            "somebody floods the ride's port; it does no harm as long as the boxes hear each other: jaudiosync ride",
        ));
    }
    findings
}

#[cfg(test)]
mod tests;
