//! Whom a box follows: it begins a group, leads one, or follows a leader.

use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

use super::given::by_own_knowledge;
use super::{FORGOTTEN, Member, OUT_OF_STEP, sample};
use crate::ride::group::election::{Heard, Knowledge, Role};
use crate::ride::group::honesty::{Claim, Standing};
use crate::ride::group::neighbour::{Neighbour, Peer};
use crate::ride::message::BoxId;
use crate::timekeeping::estimate::group::{Contact, GroupCommand, GroupId};
use crate::timekeeping::estimate::timekeeper::TimeView;

/// A box that hears others does not compete for the lead for so long.
const SETTLING: Span = Span::from_seconds(30);

/// Who begins a group waits for so long until everybody that it hears has been measured.
const MEASURED_WITHIN: Span = Span::from_seconds(10);

/// The leader before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Predecessor {
    pub(super) leader: BoxId,
    /// When it was last followed.
    at: Instant<Raw>,
}

impl<P: Peer> Member<P> {
    pub(super) fn decide(&mut self, now: Instant<Raw>, map: &ClockMap<Raw, Utc>, view: &TimeView) {
        let heard: Vec<Heard> = self
            .neighbours
            .iter()
            .filter(|neighbour| neighbour.is_heard(now) && neighbour.standing != Standing::Excluded)
            .filter_map(|neighbour| {
                let beacon = neighbour.beacon.as_ref()?;
                // Until it was measured nobody knows how far off it is.
                let (_, bound) = neighbour.ahead(map)?;
                let sigma_ns = bound.ns_f64();
                let (following, at) = (beacon.following, neighbour.beacon_at);
                Some(Heard { neighbour: neighbour.id, following, at, hears_us: neighbour.hears(self.id), sigma_ns })
            })
            .collect();
        // Whoever comes takes the group's time over first, and leads only then, however well it knows
        // UTC: so nothing jumps.
        let mut there = self.neighbours.iter().filter(|neighbour| neighbour.is_heard(now)).peekable();
        let is_alone = there.peek().is_none();
        let is_joining = view.group.is_none() && there.any(Neighbour::has_group);
        if is_alone || is_joining {
            self.came_at = None;
        }
        let came_at = *self.came_at.get_or_insert(now);
        let has_settled = !is_alone && now - came_at >= SETTLING;
        let knowledge = match view.own {
            None => Knowledge::Nothing,
            Some((_, bound)) if has_settled && self.standing != Standing::Excluded => Knowledge::Within(bound),
            Some(_) => Knowledge::Settling,
        };
        let group_s = view.group.map(|_| map.apply(now).second());
        match self.election.decide(now, knowledge, group_s, &heard) {
            Role::Leads => self.lead(is_alone, view, now),
            Role::Follows { leader, by_way_of } => {
                self.leads_since = None;
                self.follow(leader, by_way_of, map, view, now);
            }
        }
    }

    fn lead(&mut self, is_alone: bool, view: &TimeView, now: Instant<Raw>) {
        self.followed = None;
        if is_alone {
            self.heard_since = None;
            self.leads_since = None;
            self.commands.push(GroupCommand::Contact(None));
            return;
        }
        let since = *self.leads_since.get_or_insert(now);
        let (is_shared, is_settled) = match view.group {
            Some(group) => self.sharing(group.id, since, now),
            // Right away, as a group without others is left if this box alone knows the time better.
            None if self.found(view, now) => (false, false),
            None => return,
        };
        let utc_bound = by_own_knowledge(view, now);
        let contact = Contact { leads: true, is_settled, is_shared, way_bound: Span::ZERO, utc_bound };
        self.commands.push(GroupCommand::Contact(Some(contact)));
    }

    /// Returns whether others are in the group that this box has led since then, and whether all of
    /// them have followed for long.
    fn sharing(&mut self, group: GroupId, since: Instant<Raw>, now: Instant<Raw>) -> (bool, bool) {
        let in_group = |neighbour: &&Neighbour<P>| neighbour.is_heard(now) && neighbour.is_in(group);
        let mut others = self.neighbours.iter().filter(in_group).peekable();
        let is_shared = others.peek().is_some();
        let all_follow = others.all(|neighbour| neighbour.leader() == Some(self.id));
        let is_reunited = |before: Predecessor| {
            let follows = |neighbour: &Neighbour<P>| neighbour.id == before.leader && neighbour.is_in(group);
            now - before.at > FORGOTTEN
                || self.neighbours.iter().any(|neighbour| neighbour.is_heard(now) && follows(neighbour))
        };
        let is_settled = is_shared && all_follow && now - since >= SETTLING && self.predecessor.is_none_or(is_reunited);
        if is_settled {
            self.predecessor = None;
        }
        (is_shared, is_settled)
    }

    /// Begins a group at the mean of what its boxes know of UTC, weighed by how well they do, so that
    /// nobody has to move far. Those are waited for that have not been measured yet,
    /// or do not hear this box yet: they would begin another one. Returns whether it was begun.
    fn found(&mut self, view: &TimeView, now: Instant<Raw>) -> bool {
        let Some((own, bound)) = view.own else { return false };
        let since = *self.heard_since.get_or_insert(now);
        let is_ready = |neighbour: &Neighbour<P>| neighbour.ahead(&own).is_some() && neighbour.hears(self.id);
        let mut there = self.neighbours.iter().filter(|neighbour| neighbour.may_be_there(now));
        if now - since < MEASURED_WITHIN && !there.all(is_ready) {
            return false;
        }
        let heard = || self.neighbours.iter().filter(|neighbour| neighbour.is_heard(now));
        let theirs = heard().filter(|neighbour| neighbour.standing == Standing::Agrees);
        let claims = theirs.filter_map(|neighbour| neighbour.claim(&own)).chain([Claim { ahead: Span::ZERO, bound }]);
        let (mut sum, mut weights) = (0.0, 0.0);
        for claim in claims {
            let weight = claim.bound.ns_f64().max(1e3).powi(-2);
            sum += weight * claim.ahead.ns_f64();
            weights += weight;
        }
        let ahead = Span::from_ns_f64(sum / weights).clamp(Span::ZERO - bound, bound);
        self.commands.push(GroupCommand::Found(GroupId(self.random.u64(..)), ahead));
        true
    }

    fn follow(
        &mut self,
        leader: BoxId,
        by_way_of: BoxId,
        map: &ClockMap<Raw, Utc>,
        view: &TimeView,
        now: Instant<Raw>,
    ) {
        let Some(neighbour) = self.neighbours.iter_mut().find(|neighbour| neighbour.id == by_way_of) else { return };
        let Some(beacon) = &neighbour.beacon else { return };
        let Some(theirs) = beacon.group.map(GroupId) else { return };
        let following = beacon.following;
        let is_out_of_step = neighbour.ahead(map).is_some_and(|(ahead, bound)| {
            ahead.abs() > bound + OUT_OF_STEP + view.group.map_or(Span::ZERO, |group| group.bound)
        });
        let is_same = view.group.is_some_and(|group| group.id == theirs);
        self.followed = Some(by_way_of);
        self.predecessor = Some(Predecessor { leader, at: now });
        if !is_same || is_out_of_step {
            let Some(compared) = neighbour.takeover(now) else { return };
            log::debug!("takes the time of {by_way_of} over: {compared:?}");
            self.commands.push(GroupCommand::Join(theirs, sample(&compared)));
        }
        let contact = Contact {
            leads: false,
            is_settled: true,
            is_shared: is_same,
            way_bound: Span::from_ns(i64::from(following.group_bound_ns)),
            utc_bound: following.utc_bound_us.map(|us| Span::from_us(i64::from(us))),
        };
        self.commands.push(GroupCommand::Contact(Some(contact)));
        let rate = Rate::from_ppb(f64::from(following.steering_ppb));
        self.commands.push(GroupCommand::Steer { from_s: following.steering_from_s, rate });
    }
}
