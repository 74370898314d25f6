//! What a box says of itself, and to whom.

use jaudiosync_time::{Instant, Raw, Span};

use super::given::{time, utc_bound};
use super::{Member, To};
use crate::ride::group::neighbour::Peer;
use crate::ride::message::{Beacon, Content, HeardBeacon, TimeClaim};
use crate::timekeeping::estimate::timekeeper::TimeView;

impl<P: Peer> Member<P> {
    pub(super) fn beacon(&mut self, now: Instant<Raw>, view: &TimeView) {
        let map = time(view, now);
        let sent = map.apply(now);
        let followed = self
            .followed
            .and_then(|followed| self.neighbours.iter().find(|neighbour| neighbour.id == followed))
            .and_then(|neighbour| neighbour.beacon.as_ref())
            .map(|beacon| beacon.following);
        let steering =
            view.group.map_or((0, 0), |group| (group.steering.rate.ppb().round() as i32, group.steering.from_s));
        let group_bound = view.group.map_or(Span::ZERO, |group| group.bound);
        let following = self.election.following(followed.as_ref(), group_bound, utc_bound(view, now), steering);
        let heard = self
            .neighbours
            .iter()
            .filter(|neighbour| neighbour.is_heard(now))
            .filter_map(|neighbour| {
                let (id, at) = self.received.last_of(neighbour.id.short())?;
                let ago_ns = u64::try_from((sent - map.apply(at)).ns()).ok()?;
                Some(HeardBeacon { sender: id.sender, number: id.number, ago_ns })
            })
            .collect();
        let beacon = Beacon {
            name: self.presence.name.clone(),
            sent_ns: sent.ns(),
            epoch: self.epoch,
            group: view.group.map(|group| group.id.0),
            time: TimeClaim {
                utc_bound_us: view.own.map(|(_, bound)| u32::try_from(bound.ns() / 1_000).unwrap_or(u32::MAX)),
                ahead_us: view.own.map_or(0, |(own, _)| (own.apply(now) - sent).ns() / 1_000),
                reference_age_s: view
                    .reference_utc_s
                    .map(|reference_s| u32::try_from(sent.second().saturating_sub(reference_s)).unwrap_or(0)),
            },
            following,
            play: self.presence.play,
            volume_percent: self.presence.volume_percent,
            troubles: self.presence.troubles.clone(),
            heard,
            number: self.presence.number,
        };
        self.send(To::All, Content::Beacon(Box::new(beacon.clone())));
        for peer in self.unicast_to(now) {
            self.send(To::One(peer), Content::Beacon(Box::new(beacon.clone())));
        }
    }

    /// Returns who needs a copy of its own: those that do not hear what is sent to all.
    fn unicast_to(&self, now: Instant<Raw>) -> Vec<P> {
        let deaf = self
            .neighbours
            .iter()
            .filter(|neighbour| neighbour.is_there(now) && !neighbour.hears_all(now))
            .map(|neighbour| neighbour.peer);
        let known = |peer: &P| {
            self.neighbours
                .iter()
                .any(|neighbour| neighbour.peer == *peer && neighbour.is_heard(now) && neighbour.hears_all(now))
        };
        let mut peers: Vec<P> = self.configured.iter().copied().filter(|peer| !known(peer)).collect();
        for peer in deaf {
            if !peers.contains(&peer) {
                peers.push(peer);
            }
        }
        peers
    }
}
