//! What a box takes over that has missed a command, as it was out of reach or off. Pure.

use super::action::{Action, Join};
use crate::ride::message::PlayClaim;

/// A command is missed once it is this old, in s: until then it is still repeated.
const MISSED_AFTER_S: i64 = 8;

/// Returns what to do, and when that was commanded, if others follow a command that is newer than
/// the last of this box. `claims` are those of the boxes that are in the same group and heard now.
pub fn newest<'a>(
    own: &PlayClaim,
    commanded_s: Option<i64>,
    claims: impl Iterator<Item = &'a PlayClaim>,
    now_s: i64,
) -> Option<(Action, i64)> {
    let missed = claims.filter_map(|claim| Some((claim.commanded_s?, claim)));
    let missed = missed.filter(|(at_s, _)| {
        commanded_s.is_none_or(|own_s| *at_s > own_s) && now_s.saturating_sub(*at_s) >= MISSED_AFTER_S
    });
    let (at_s, claim) = missed.max_by_key(|(at_s, _)| *at_s)?;
    let action = match claim.anchor_s {
        None => Action::Stop,
        Some(anchor_utc_s) => {
            let PlayClaim { first_track, repeats, .. } = *claim;
            Action::Start { join: Join::Session { anchor_utc_s, first_track, repeats } }
        }
    };
    // One that has just been started may be about to say what it plays.
    let is_certain = claim.anchor_s.is_some() || own.anchor_s.is_some();
    is_certain.then_some((action, at_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(anchor_s: Option<i64>, commanded_s: Option<i64>) -> PlayClaim {
        PlayClaim { anchor_s, commanded_s, first_track: 2, repeats: true, ..PlayClaim::default() }
    }

    fn join(anchor_utc_s: i64) -> Action {
        Action::Start { join: Join::Session { anchor_utc_s, first_track: 2, repeats: true } }
    }

    #[test]
    fn the_newest_command_that_was_missed_is_taken_over_and_no_other() {
        let own = claim(Some(100), None);
        let others = [claim(Some(500), Some(495)), claim(Some(900), Some(890)), claim(Some(1_000), None)];
        let newest = |commanded_s, now_s| super::newest(&own, commanded_s, others.iter(), now_s);
        assert_eq!(newest(None, 2_000), Some((join(900), 890)));
        assert_eq!(newest(Some(600), 2_000), Some((join(900), 890)));
        assert_eq!(newest(Some(890), 2_000), None, "it has it");
        assert_eq!(newest(Some(600), 895), None, "it is still being repeated");
        assert_eq!(newest(None, 600), Some((join(500), 495)));
    }

    #[test]
    fn a_stop_that_was_missed_stops_and_what_a_person_decided_elsewhere_does_nothing() {
        let plays = claim(Some(100), Some(95));
        let stopped = [claim(None, Some(500))];
        assert_eq!(newest(&plays, Some(95), stopped.iter(), 600), Some((Action::Stop, 500)));
        assert_eq!(newest(&claim(None, None), None, stopped.iter(), 600), None, "it is silent in any case");
        assert_eq!(newest(&plays, Some(95), [claim(None, None)].iter(), 600), None);
    }
}
