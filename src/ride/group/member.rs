//! One box as a member of its group.

use std::collections::VecDeque;

use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

use super::broadcasts::{BeaconId, Received};
use super::election::{Election, Heard, Knowledge, Role};
use super::exchanges::Compared;
use super::honesty::{Claim, Standing, judge};
use super::neighbour::{Neighbour, Peer};
use crate::ride::freshness::{Age, Freshness};
use crate::ride::message::{
    Answer, Beacon, BoxId, Content, HeardBeacon, Message, PlayClaim, Question, RunId, TimeClaim, Trouble,
};
use crate::timekeeping::estimate::group::{Contact, GroupCommand, GroupEstimate, GroupId, GroupSample};
use crate::timekeeping::estimate::timekeeper::TimeView;

/// How often a beacon is sent, and by how much that varies, so that two boxes do not send at the
/// same moment again and again.
const BEACON_INTERVAL: Span = Span::SECOND;
const BEACON_JITTER: f64 = 0.2;

/// So many of the last messages to all are remembered: a report of one may come late.
const SENT_TO_ALL: usize = 16;

/// A box answers at most this many questions in a second, whoever asks.
const MOST_ANSWERS: u32 = 60;

/// More boxes than a ride has are not listened to.
const MOST_NEIGHBOURS: usize = 64;

/// A neighbour that was not heard for this long is forgotten.
const FORGOTTEN: Span = Span::from_seconds(3_600);

/// What a box's time moves by at once and by more than this is a jump.
const JUMP: Span = Span::from_us(500);

/// A box that hears others does not compete for the lead for so long.
const SETTLING: Span = Span::from_seconds(30);

/// Who begins a group waits for so long until everybody that it hears has been measured.
const MEASURED_WITHIN: Span = Span::from_seconds(10);

/// Whoever is in the same group and yet this far off was moved, or has moved: its time is taken
/// anew, and what it differs by is no drift.
const OUT_OF_STEP: Span = Span::from_ms(2);

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To<P> {
    /// To everybody.
    All,
    /// To one box.
    One(P),
}

/// A message to be signed and sent at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing<P> {
    /// Where to.
    pub to: To<P>,
    /// The message.
    pub message: Message,
}

/// What a box says of itself besides the time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Presence {
    /// Its name.
    pub name: String,
    /// What it plays.
    pub play: PlayClaim,
    /// Its volume in percent.
    pub volume_percent: Option<u8>,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
}

/// What was refused since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refusals {
    /// Messages that had come before.
    pub old: u64,
    /// Messages of boxes that have not answered yet.
    pub unproven: u64,
    /// Answers that nobody had asked for.
    pub unasked: u64,
}

/// The leader before.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Predecessor {
    leader: BoxId,
    /// When it was last followed.
    at: Instant<Raw>,
}

/// A box among others.
#[derive(Debug)]
pub struct Member<P> {
    id: BoxId,
    run: RunId,
    sent: u32,
    random: fastrand::Rng,
    presence: Presence,
    neighbours: Vec<Neighbour<P>>,
    freshness: Freshness,
    received: Received,
    election: Election,
    commands: Vec<GroupCommand>,
    outgoing: Vec<Outgoing<P>>,
    beacon_at: Instant<Raw>,
    answers: (Instant<Raw>, u32),
    /// The numbers of the last messages to all.
    sent_to_all: VecDeque<u32>,
    refusals: Refusals,
    standing: Standing,
    followed: Option<BoxId>,
    /// The leader that was followed before this box led, unless the two have found together since.
    predecessor: Option<Predecessor>,
    /// Since when it leads others.
    leads_since: Option<Instant<Raw>>,
    heard_since: Option<Instant<Raw>>,
    /// Since when others are heard without a pause.
    came_at: Option<Instant<Raw>>,
    /// The time that was given to others at the last step, and how often it has jumped.
    given: Option<ClockMap<Raw, Utc>>,
    epoch: u32,
    /// Where messages of all go besides: boxes that are configured, as multicast may be filtered.
    configured: Vec<P>,
}

impl<P: Peer> Member<P> {
    /// Begins alone. `seed` is of the system's random numbers.
    pub fn new(id: BoxId, run: RunId, seed: u64, now: Instant<Raw>) -> Self {
        Self {
            id,
            run,
            sent: 0,
            random: fastrand::Rng::with_seed(seed),
            presence: Presence::default(),
            neighbours: Vec::new(),
            freshness: Freshness::default(),
            received: Received::default(),
            election: Election::new(id),
            commands: Vec::new(),
            outgoing: Vec::new(),
            beacon_at: now,
            answers: (now, 0),
            sent_to_all: VecDeque::new(),
            refusals: Refusals::default(),
            standing: Standing::Agrees,
            followed: None,
            predecessor: None,
            leads_since: None,
            heard_since: None,
            came_at: None,
            given: None,
            epoch: 0,
            configured: Vec::new(),
        }
    }

    /// Sets what it says of itself besides the time.
    pub fn set_presence(&mut self, presence: Presence) {
        self.presence = presence;
    }

    /// Sets where beacons are sent besides to all.
    pub fn set_configured(&mut self, peers: Vec<P>) {
        self.configured = peers;
    }

    /// Returns its own number.
    pub fn id(&self) -> BoxId {
        self.id
    }

    /// Returns whom it follows.
    pub fn role(&self) -> Role {
        self.election.role()
    }

    /// Returns what the others make of its own time.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Returns the boxes that it has heard of.
    pub fn neighbours(&self) -> &[Neighbour<P>] {
        &self.neighbours
    }

    /// Returns what was refused.
    pub fn refusals(&self) -> Refusals {
        self.refusals
    }

    /// Returns what is to be sent, in this order.
    pub fn take_outgoing(&mut self) -> Vec<Outgoing<P>> {
        std::mem::take(&mut self.outgoing)
    }

    /// Returns what its clock has to do.
    pub fn take_commands(&mut self) -> Vec<GroupCommand> {
        std::mem::take(&mut self.commands)
    }

    /// Hears a message, whose signature was verified, and which came from `peer` at this reading of
    /// the raw clock. `now` is when it is dealt with, and when its answer will be sent.
    pub fn hear(&mut self, message: Message, peer: P, at: Instant<Raw>, now: Instant<Raw>, view: &TimeView) {
        let Message { sender, run, number, content } = message;
        if sender == self.id {
            return;
        }
        let age = self.freshness.judge(sender, run, number);
        if age == Age::Old {
            self.refusals.old += 1;
            return;
        }
        if !self.neighbours.iter().any(|neighbour| neighbour.id == sender) {
            if self.neighbours.len() >= MOST_NEIGHBOURS {
                return;
            }
            self.neighbours.push(Neighbour::new(sender, peer, now));
        }
        match content {
            Content::Question(question) => self.question(question, sender, peer, at, now, view),
            Content::Answer(answer) if answer.to == self.id => {
                let Some(neighbour) = self.neighbours.iter_mut().find(|neighbour| neighbour.id == sender) else {
                    return;
                };
                if neighbour.answered(&answer, at, run) {
                    neighbour.peer = peer;
                    self.freshness.prove(sender, run, number);
                } else {
                    self.refusals.unasked += 1;
                }
            }
            // Commands and lists do not come here.
            Content::Answer(_)
            | Content::Order(_)
            | Content::Reply(_)
            | Content::ListQuestion(_)
            | Content::ListPart(_) => {}
            Content::Beacon(beacon) => {
                let Some(neighbour) = self.neighbours.iter_mut().find(|neighbour| neighbour.id == sender) else {
                    return;
                };
                if age == Age::Unproven {
                    // It is asked, and believed once it has answered.
                    self.refusals.unproven += 1;
                    if neighbour.run != Some(run) {
                        neighbour.peer = peer;
                        neighbour.beacon_at = at;
                    }
                    return;
                }
                neighbour.peer = peer;
                self.received.push(BeaconId { sender: sender.short(), number }, at);
                let reported = beacon.heard.iter().find(|heard| heard.sender == self.id.short());
                if reported.is_some_and(|heard| self.sent_to_all.contains(&heard.number)) {
                    neighbour.hears_all_at = Some(at);
                }
                neighbour.hear(*beacon, at, &self.received);
            }
        }
    }

    fn question(
        &mut self,
        question: Question,
        sender: BoxId,
        peer: P,
        at: Instant<Raw>,
        now: Instant<Raw>,
        view: &TimeView,
    ) {
        if question.to != self.id {
            return;
        }
        if now - self.answers.0 >= Span::SECOND {
            self.answers = (now, 0);
        }
        self.answers.1 += 1;
        if self.answers.1 > MOST_ANSWERS {
            return;
        }
        let map = self.follow_jumps(now, view);
        let [received_ns, sent_ns] = [at, now].map(|raw| map.apply(raw).ns());
        let answer = Answer { to: sender, nonce: question.nonce, received_ns, sent_ns, epoch: self.epoch };
        self.send(To::One(peer), Content::Answer(answer));
    }

    fn send(&mut self, to: To<P>, content: Content) {
        self.sent = self.sent.wrapping_add(1);
        if to == To::All {
            if self.sent_to_all.len() >= SENT_TO_ALL {
                self.sent_to_all.pop_front();
            }
            self.sent_to_all.push_back(self.sent);
        }
        let message = Message { sender: self.id, run: self.run, number: self.sent, content };
        self.outgoing.push(Outgoing { to, message });
    }

    /// Does what is due. Call it at least every 100 ms, and after messages were heard.
    pub fn step(&mut self, now: Instant<Raw>, view: &TimeView) {
        let map = self.follow_jumps(now, view);
        self.neighbours.retain(|neighbour| now - neighbour.beacon_at <= FORGOTTEN);
        self.compare(now, &map, view);
        self.ask(now);
        if now >= self.beacon_at {
            let jitter = 1.0 + BEACON_JITTER * (2.0 * self.random.f64() - 1.0);
            self.beacon_at = now + Span::from_ns_f64(BEACON_INTERVAL.ns_f64() * jitter);
            self.judge(now, &map, view);
            self.decide(now, &map, view);
            self.beacon(now, view);
        }
    }

    /// Returns the time that is given to others, and notes whether it has jumped.
    fn follow_jumps(&mut self, now: Instant<Raw>, view: &TimeView) -> ClockMap<Raw, Utc> {
        let map = time(view, now);
        let before = self.given.replace(map);
        if before.is_some_and(|before| (map.apply(now) - before.apply(now)).abs() > JUMP) {
            self.epoch = self.epoch.wrapping_add(1);
        }
        map
    }

    fn ask(&mut self, now: Instant<Raw>) {
        let heard = self.neighbours.iter().filter(|neighbour| neighbour.is_heard(now)).count();
        let mut questions = Vec::new();
        for neighbour in self.neighbours.iter_mut().filter(|neighbour| neighbour.is_to_be_asked(now)) {
            let nonce = self.random.u64(..);
            neighbour.ask(nonce, now, self.followed == Some(neighbour.id), heard);
            questions.push((neighbour.peer, Question { to: neighbour.id, nonce }));
        }
        for (peer, question) in questions {
            self.send(To::One(peer), Content::Question(question));
        }
    }

    /// Compares clocks, and learns from that of the neighbour that is followed.
    fn compare(&mut self, now: Instant<Raw>, map: &ClockMap<Raw, Utc>, view: &TimeView) {
        let group = view.group.map(|group| group.id);
        for neighbour in &mut self.neighbours {
            let Some(compared) = neighbour.compare(now, map) else { continue };
            let theirs = neighbour.beacon.as_ref().and_then(|beacon| beacon.group).map(GroupId);
            let is_followed = self.followed == Some(neighbour.id);
            // Whoever is that far off is judged first, and then taken over or not followed.
            let ahead = (compared.utc - map.apply(compared.raw)).abs();
            let known = view.group.map_or(Span::ZERO, |group| group.bound);
            let is_in_step = ahead <= compared.bound + OUT_OF_STEP + known;
            if is_followed && theirs == group && group.is_some() && is_in_step {
                self.commands.push(GroupCommand::Learn(sample(&compared)));
            }
        }
    }

    /// Judges what everybody states of UTC.
    fn judge(&mut self, now: Instant<Raw>, map: &ClockMap<Raw, Utc>, view: &TimeView) {
        let own = view.own.map(|(own, bound)| Claim { ahead: own.apply(now) - map.apply(now), bound });
        let mut claims: Vec<Claim> = own.into_iter().collect();
        let mut judged: Vec<usize> = Vec::new();
        for (index, neighbour) in self.neighbours.iter_mut().enumerate() {
            neighbour.standing = Standing::Agrees;
            if let Some(claim) = neighbour.claim(map).filter(|_| neighbour.is_heard(now)) {
                claims.push(claim);
                judged.push(index);
            }
        }
        let mut standings = judge(&claims).into_iter();
        self.standing = if own.is_some() { standings.next().unwrap_or(Standing::Agrees) } else { Standing::Agrees };
        let leader = self.predecessor.map(|before| before.leader);
        for (index, standing) in judged.into_iter().zip(standings) {
            let neighbour = &mut self.neighbours[index];
            neighbour.standing = standing;
            if standing == Standing::Excluded && leader == Some(neighbour.id) {
                self.commands.push(GroupCommand::Distrust);
            }
        }
    }

    fn decide(&mut self, now: Instant<Raw>, map: &ClockMap<Raw, Utc>, view: &TimeView) {
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
        let Some(group) = view.group else {
            self.found(view, now);
            return;
        };
        let in_group = |neighbour: &&Neighbour<P>| neighbour.is_heard(now) && neighbour.is_in(group.id);
        let mut others = self.neighbours.iter().filter(in_group).peekable();
        let is_shared = others.peek().is_some();
        let all_follow = others.all(|neighbour| neighbour.leader() == Some(self.id));
        let is_reunited = |before: Predecessor| {
            let follows = |neighbour: &Neighbour<P>| neighbour.id == before.leader && neighbour.is_in(group.id);
            now - before.at > FORGOTTEN
                || self.neighbours.iter().any(|neighbour| neighbour.is_heard(now) && follows(neighbour))
        };
        let is_settled = is_shared && all_follow && now - since >= SETTLING && self.predecessor.is_none_or(is_reunited);
        if is_settled {
            self.predecessor = None;
        }
        let utc_bound = by_own_knowledge(view, now);
        let contact = Contact { leads: true, is_settled, is_shared, way_bound: Span::ZERO, utc_bound };
        self.commands.push(GroupCommand::Contact(Some(contact)));
    }

    /// Begins a group at the mean of what its boxes know of UTC, weighed by how well they do, so that
    /// nobody has to move far. Those are waited for that have not been measured yet,
    /// or do not hear this box yet: they would begin another one.
    fn found(&mut self, view: &TimeView, now: Instant<Raw>) {
        let Some((own, bound)) = view.own else { return };
        let since = *self.heard_since.get_or_insert(now);
        let is_ready = |neighbour: &Neighbour<P>| neighbour.ahead(&own).is_some() && neighbour.hears(self.id);
        let mut there = self.neighbours.iter().filter(|neighbour| neighbour.is_there(now));
        if now - since < MEASURED_WITHIN && !there.all(is_ready) {
            return;
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

    fn beacon(&mut self, now: Instant<Raw>, view: &TimeView) {
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

/// Returns the time that a box gives to others: the group's, or its own while it is in none.
fn time(view: &TimeView, now: Instant<Raw>) -> ClockMap<Raw, Utc> {
    match (&view.group, &view.own) {
        (Some(GroupEstimate { utc, .. }), _) => *utc,
        (None, Some((own, _))) => *own,
        (None, None) => ClockMap { from: now, to: Instant::from_ns(now.ns()), rate: Rate::ZERO },
    }
}

/// Returns how far the group's time, as this box has it, can be from UTC.
fn utc_bound(view: &TimeView, now: Instant<Raw>) -> Option<Span> {
    let by_own = by_own_knowledge(view, now)?;
    Some(view.group.and_then(|group| group.utc_bound).map_or(by_own, |stated| stated.min(by_own)))
}

/// Returns the same by what this box knows itself, whatever others have stated.
fn by_own_knowledge(view: &TimeView, now: Instant<Raw>) -> Option<Span> {
    let (own, bound) = view.own?;
    let apart = view.group.map_or(Span::ZERO, |group| (group.utc.apply(now) - own.apply(now)).abs());
    Some(bound + apart)
}

fn sample(compared: &Compared) -> GroupSample {
    let Compared { raw, utc, sigma_ns, bias_sigma_ns, .. } = *compared;
    GroupSample { raw, utc, sigma_ns, bias_sigma_ns }
}

#[cfg(test)]
mod tests;
