//! The ride as a machine hears it that has the key alone. Pure.

use crate::control::protocol::{NeighbourStatus, RefusedStatus, RideRole, RideStatus};
use crate::ride::command::guest::Listened;
use crate::ride::message::Beacon;
use jaudiosync_time::{Instant, Raw};

/// Returns the table of the boxes that were heard. Their clocks were not compared, so nobody's time
/// is ahead of anybody's; they are in one group if that is the group of most.
pub(super) fn status(boxes: &[Listened], interfaces: Vec<String>, refused: u64, now: Instant<Raw>) -> RideStatus {
    let group = most_common(boxes.iter().filter_map(|listened| listened.beacon.group));
    let list = most_common(boxes.iter().filter_map(|listened| listened.beacon.play.fingerprint));
    let timetable = most_common(boxes.iter().filter_map(|listened| listened.beacon.play.anchor_s));
    let neighbours = boxes.iter().map(|listened| {
        let Beacon { play, time, following, .. } = &listened.beacon;
        NeighbourStatus {
            id: listened.id.to_string(),
            name: listened.name.clone(),
            address: listened.peer.ip().to_string(),
            silent_for_s: (now - listened.at).seconds(),
            in_group: listened.beacon.group.is_some() && listened.beacon.group == group,
            leads: following.leader == listened.id,
            utc_bound_ms: time.utc_bound_us.map(|us| f64::from(us) / 1000.0),
            reference_age_s: time.reference_age_s,
            plays: play.anchor_s.is_some(),
            track: play.track,
            same_timetable: play.anchor_s.map(|anchor_s| Some(anchor_s) == timetable),
            same_playlist: play.fingerprint.map(|fingerprint| Some(fingerprint) == list),
            volume_percent: listened.beacon.volume_percent,
            hears_this: true,
            warnings: listened.beacon.troubles.iter().map(|trouble| trouble.words().to_owned()).collect(),
            ..NeighbourStatus::default()
        }
    });
    RideStatus {
        name: "this machine".to_owned(),
        role: RideRole::Alone,
        neighbours: neighbours.collect(),
        interfaces,
        refused: RefusedStatus { signature: refused, ..RefusedStatus::default() },
        ..RideStatus::default()
    }
}

/// Returns what most have; the smaller of two that equally many have.
fn most_common<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    let runs = values.chunk_by(|one, other| one == other);
    runs.max_by_key(|run| (run.len(), std::cmp::Reverse(run[0]))).map(|run| run[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_have_is_what_the_others_are_compared_with() {
        assert_eq!(most_common([3, 1, 3, 2, 2].into_iter()), Some(2));
        assert_eq!(most_common([3, 1, 3].into_iter()), Some(3));
        assert_eq!(most_common::<u8>([].into_iter()), None);
    }
}
