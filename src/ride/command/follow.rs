//! What a box takes over that has missed a command, as it was out of reach or off. Pure.

use super::action::{Action, Join};
use crate::ride::message::PlayClaim;

/// A command is missed once it is this old, in s: until then it is still repeated.
const MISSED_AFTER_S: i64 = 8;

/// A command that lies further ahead than this, in s, was noted before the time stepped back. No
/// command is taken that is further ahead.
const AHEAD_AT_MOST_S: i64 = 10;

/// Returns what to do, and when that was commanded, if others follow a command that is newer than
/// the last of this box. `claims` are those of the boxes that are in the same group and heard now.
pub fn newest<'a>(
    own: &PlayClaim,
    commanded_s: Option<i64>,
    claims: impl Iterator<Item = &'a PlayClaim>,
    now_s: i64,
) -> Option<(Action, i64)> {
    let commanded_s = commanded_s.filter(|own_s| own_s.saturating_sub(now_s) <= AHEAD_AT_MOST_S);
    let missed = claims.filter_map(|claim| Some((claim.commanded_s?, claim)));
    let missed = missed.filter(|(at_s, _)| {
        commanded_s.is_none_or(|own_s| *at_s > own_s) && now_s.saturating_sub(*at_s) >= MISSED_AFTER_S
    });
    // Of those that follow the same one, who plays says what.
    let (at_s, claim) = missed.max_by_key(|(at_s, claim)| (*at_s, claim.anchor_s))?;
    let action = match claim.anchor_s {
        // One that was just switched on may be about to play.
        None => (claim.is_commanded_to_stop && own.anchor_s.is_some()).then_some(Action::Stop)?,
        Some(anchor_utc_s) => {
            let PlayClaim { first_track, repeats, .. } = *claim;
            Action::Start { join: Join::Session { anchor_utc_s, first_track, repeats } }
        }
    };
    Some((action, at_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(anchor_s: Option<i64>, commanded_s: Option<i64>) -> PlayClaim {
        PlayClaim { anchor_s, commanded_s, first_track: 2, repeats: true, ..PlayClaim::default() }
    }

    fn stopped(commanded_s: i64) -> PlayClaim {
        PlayClaim { is_commanded_to_stop: true, ..claim(None, Some(commanded_s)) }
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
        let stopped = [stopped(500)];
        assert_eq!(newest(&plays, Some(95), stopped.iter(), 600), Some((Action::Stop, 500)));
        assert_eq!(newest(&claim(None, None), None, stopped.iter(), 600), None, "it is silent in any case");
        assert_eq!(newest(&plays, Some(95), [claim(None, None)].iter(), 600), None);
    }

    #[test]
    fn who_obeys_a_start_and_plays_nothing_stops_nobody_and_hides_nobody_who_plays() {
        let others = [claim(Some(500), Some(490)), claim(None, Some(490))];
        let turned = [others[1], others[0]];
        for own in [claim(None, None), claim(Some(100), Some(95))] {
            for others in [others, turned] {
                assert_eq!(newest(&own, own.commanded_s, others.iter(), 600), Some((join(500), 490)));
            }
            assert_eq!(newest(&own, own.commanded_s, others[1..].iter(), 600), None);
        }
    }

    #[test]
    fn after_the_time_has_stepped_back_it_follows_at_once() {
        let others = [claim(Some(500), Some(495))];
        let own = claim(None, None);
        assert_eq!(newest(&own, Some(4_000), others.iter(), 600), Some((join(500), 495)));
        assert_eq!(newest(&own, Some(608), others.iter(), 600), None, "it will take effect in 8 s");
    }
}
