//! What a box knows of one other that it hears.

use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

use super::broadcasts::{BeaconId, Broadcasts, Received};
use super::distance::Distance;
use super::exchanges::{Compared, Exchange, Exchanges};
use super::honesty::{Claim, Standing};
use super::newest::{Given, Newest};
use super::questions::{Asked, Questions};
use crate::ride::message::{Answer, Beacon, BoxId, RunId};
use crate::timekeeping::estimate::group::GroupId;

/// A neighbour of which nothing has been heard for this long is not there.
pub const SILENCE: Span = Span::from_seconds(6);

/// Broadcasts that both have received are preferred to exchanges for this long after the last
/// comparison by them.
const BROADCASTS_COUNT: Span = Span::from_seconds(20);

/// Clocks that were compared by exchanges alone may not differ from what broadcasts say by more than
/// the exchanges leave open, and this.
const MARGIN: Span = Span::from_ms(2);

/// A time is taken over once it is known to this standard deviation, in ns, or after so long: what
/// plays would follow it to and fro.
const GOOD_NS: f64 = 200e3;
const LONGEST_WAIT: Span = Span::from_seconds(20);

/// Where messages to a neighbour go: an address of the network, or a number in a simulation.
pub trait Peer: Copy + PartialEq + std::fmt::Debug {}
impl<T: Copy + PartialEq + std::fmt::Debug> Peer for T {}

/// A neighbour.
#[derive(Debug, Clone)]
pub struct Neighbour<P> {
    /// Its number.
    pub id: BoxId,
    /// The run in which it has proven that it is there; `None` until it has.
    pub run: Option<RunId>,
    /// Where the last message came from by which it has proven that it is there.
    pub peer: P,
    /// Its last beacon.
    pub beacon: Option<Beacon>,
    /// When that came.
    pub beacon_at: Instant<Raw>,
    /// The last comparison with its clock.
    pub last: Option<Compared>,
    /// What the others make of its time.
    pub standing: Standing,
    pub(super) exchanges: Exchanges,
    broadcasts: Broadcasts,
    distance: Distance,
    broadcasts_at: Option<Instant<Raw>>,
    questions: Questions,
    /// Where the last message in its name came from that may be a recording, and when.
    unproven: Option<(P, Instant<Raw>)>,
    /// Of what it has sent in this run.
    newest: Newest,
    /// Since when its time is to be taken over.
    wanted_since: Option<Instant<Raw>>,
    /// When it last reported a beacon of this box that was sent to all.
    pub(super) hears_all_at: Option<Instant<Raw>>,
}

impl<P: Peer> Neighbour<P> {
    pub(super) fn new(id: BoxId, peer: P, now: Instant<Raw>) -> Self {
        Self {
            id,
            run: None,
            peer,
            beacon: None,
            beacon_at: now,
            last: None,
            wanted_since: None,
            standing: Standing::Agrees,
            exchanges: Exchanges::default(),
            broadcasts: Broadcasts::default(),
            distance: Distance::default(),
            broadcasts_at: None,
            questions: Questions::new(now),
            unproven: None,
            newest: Newest::default(),
            hears_all_at: None,
        }
    }

    /// Returns whether it is heard.
    pub fn is_heard(&self, now: Instant<Raw>) -> bool {
        self.run.is_some() && self.beacon.is_some() && now - self.beacon_at <= SILENCE
    }

    /// Returns whether it has proven lately that it is there.
    pub(super) fn is_there(&self, now: Instant<Raw>) -> bool {
        self.run.is_some() && now - self.beacon_at <= SILENCE
    }

    /// Returns whether messages of it have come lately, proven or not.
    pub(super) fn may_be_there(&self, now: Instant<Raw>) -> bool {
        now - self.seen_at() <= SILENCE
    }

    /// Returns when its last message came, proven or not.
    pub(super) fn seen_at(&self) -> Instant<Raw> {
        self.unproven.map_or(self.beacon_at, |(_, at)| at.max(self.beacon_at))
    }

    /// Notes a message in its name that may be a recording. It moves nothing, but where the next
    /// question is sent while nothing else is heard of it.
    pub(super) fn hear_unproven(&mut self, peer: P, at: Instant<Raw>) {
        if !self.may_be_there(at) {
            self.questions.came_back(at);
        }
        self.unproven = Some((peer, at));
    }

    /// Returns whether it hears this box, by its last beacon.
    pub fn hears(&self, own: BoxId) -> bool {
        self.beacon.as_ref().is_some_and(|beacon| beacon.heard.iter().any(|heard| heard.sender == own.short()))
    }

    /// Returns whether it hears what this box sends to all; otherwise it needs a copy of its own.
    pub(super) fn hears_all(&self, now: Instant<Raw>) -> bool {
        self.hears_all_at.is_some_and(|at| now - at <= SILENCE)
    }

    /// Returns whether it is in a group.
    pub(super) fn has_group(&self) -> bool {
        self.beacon.as_ref().is_some_and(|beacon| beacon.group.is_some())
    }

    /// Returns whether it is in this group.
    pub(super) fn is_in(&self, group: GroupId) -> bool {
        self.beacon.as_ref().is_some_and(|beacon| beacon.group == Some(group.0))
    }

    /// Returns whom it follows.
    pub(super) fn leader(&self) -> Option<BoxId> {
        self.beacon.as_ref().map(|beacon| beacon.following.leader)
    }

    /// Returns the shortest round trip to it so far.
    pub fn round_trip(&self) -> Option<Span> {
        self.exchanges.round_trip()
    }

    /// Returns by how much its time is ahead of `map` by the last comparison, and how far that can be
    /// wrong.
    pub fn ahead(&self, map: &ClockMap<Raw, Utc>) -> Option<(Span, Span)> {
        // What a box gives out that knows nothing of the time is its raw clock.
        let knows = |beacon: &Beacon| beacon.group.is_some() || beacon.time.utc_bound_us.is_some();
        let last = self.last.filter(|_| self.beacon.as_ref().is_none_or(knows))?;
        Some((last.utc - map.apply(last.raw), last.bound))
    }

    /// Returns by how much its time is ahead of `map` by all comparisons of the last minute, and how
    /// far that can be wrong.
    pub fn distance(&self, map: &ClockMap<Raw, Utc>, now: Instant<Raw>) -> Option<(Span, Span)> {
        let at_once = self.ahead(map)?;
        Some(self.distance.ahead(map, now).unwrap_or(at_once))
    }

    /// Returns what it states of UTC, compared with `map`.
    pub(super) fn claim(&self, map: &ClockMap<Raw, Utc>) -> Option<Claim> {
        let beacon = self.beacon.as_ref()?;
        let (ahead, bound) = self.ahead(map)?;
        let own_ahead = Span::from_ns(beacon.time.ahead_us.saturating_mul(1_000));
        let own_bound = Span::from_us(i64::from(beacon.time.utc_bound_us?));
        Some(Claim { ahead: ahead + own_ahead, bound: own_bound + bound })
    }

    /// Notes its beacon of this number, and what of it this box has received, too.
    pub(super) fn hear(&mut self, beacon: Beacon, number: u32, at: Instant<Raw>, received: &Received) {
        if !self.newest.take_beacon(number) || !self.follow_epoch(beacon.epoch, number) {
            return;
        }
        for heard in &beacon.heard {
            let id = BeaconId { sender: heard.sender, number: heard.number };
            let ago = i64::try_from(heard.ago_ns).unwrap_or(i64::MAX);
            if let Some(raw) = received.when(id) {
                self.broadcasts.push(id, raw, Instant::from_ns(beacon.sent_ns.saturating_sub(ago)));
            }
        }
        self.beacon = Some(beacon);
        self.beacon_at = at;
    }

    /// Forgets what was measured of a time that is another one now. Returns whether the message is of
    /// the time that it gives now.
    fn follow_epoch(&mut self, epoch: u32, number: u32) -> bool {
        let given = self.newest.follow(epoch, number);
        if given == Given::Jumped {
            self.forget_measurements();
        }
        given != Given::Before
    }

    /// Forgets what was measured, because one of the clocks was moved.
    pub(super) fn forget_measurements(&mut self) {
        self.exchanges.clear();
        self.broadcasts.clear();
        self.distance.clear();
        // Broadcasts are checked by exchanges, which have to come first again.
        self.broadcasts_at = None;
        self.last = None;
        self.wanted_since = None;
        self.questions.begin_anew(self.beacon_at);
    }

    /// Returns where it is to be asked for the time now; `None` if it is not.
    pub(super) fn to_be_asked(&self, now: Instant<Raw>) -> Option<P> {
        if !self.questions.is_due(now) {
            return None;
        }
        if self.is_there(now) {
            return Some(self.peer);
        }
        self.unproven.filter(|(_, at)| now - *at <= SILENCE).map(|(peer, _)| peer)
    }

    /// Returns how many questions it has not answered since its last answer.
    pub(super) fn unanswered(&self) -> u32 {
        self.questions.unanswered()
    }

    /// Returns whether the answer to a question may still come.
    pub(super) fn may_answer(&self, now: Instant<Raw>) -> bool {
        self.questions.may_be_answered(now)
    }

    /// Notes that it is asked.
    pub(super) fn ask(&mut self, nonce: u64, now: Instant<Raw>, is_followed: bool, heard: usize) {
        let whom = match (self.is_there(now), is_followed) {
            (false, _) => Asked::Stranger,
            (true, true) => Asked::Followed,
            (true, false) => Asked::Other,
        };
        self.questions.ask(nonce, now, whom, heard);
    }

    /// Notes its answer, the message of this number. Returns whether this box had asked that.
    pub(super) fn answered(&mut self, answer: &Answer, peer: P, heard: Instant<Raw>, run: RunId, number: u32) -> bool {
        let Some(asked) = self.questions.answered(answer.nonce) else { return false };
        if self.run != Some(run) {
            // Its clock has begun anew, and what it said before no longer holds.
            self.forget_measurements();
            self.run = Some(run);
            self.newest = Newest::default();
            self.beacon = None;
            self.beacon_at = heard;
        }
        self.peer = peer;
        if !self.follow_epoch(answer.epoch, number) {
            return true;
        }
        self.questions.count_answer();
        let [received, answered] = [answer.received_ns, answer.sent_ns].map(Instant::from_ns);
        self.exchanges.push(Exchange { asked, received, answered, heard });
        true
    }

    /// Returns a new comparison with its clock, if there is one, and notes the distance.
    pub(super) fn compare(&mut self, now: Instant<Raw>, map: &ClockMap<Raw, Utc>) -> Option<Compared> {
        let by_exchanges = self.exchanges.take(now, map);
        if let Some(compared) = by_exchanges.filter(|_| !self.has_broadcasts(now)) {
            self.distance.push(compared);
        }
        // A first answer is enough to know roughly where it is.
        if let Some(rough) = by_exchanges.or_else(|| self.exchanges.peek(map).filter(|_| self.last.is_none())) {
            self.note(rough, now);
        }
        let by_broadcasts = self.broadcasts.take(now, map).filter(|compared| self.is_possible(compared, map));
        if let Some(compared) = by_broadcasts {
            if !self.has_broadcasts(now) {
                // What is a mean of both is worse than the better one.
                self.distance.clear();
            }
            self.distance.push(compared);
            self.broadcasts_at = Some(now);
            self.last = Some(compared);
            return Some(compared);
        }
        by_exchanges.filter(|_| !self.has_broadcasts(now))
    }

    fn has_broadcasts(&self, now: Instant<Raw>) -> bool {
        self.broadcasts_at.is_some_and(|at| now - at <= BROADCASTS_COUNT)
    }

    /// Notes what exchanges say, unless broadcasts say it better.
    fn note(&mut self, rough: Compared, now: Instant<Raw>) {
        if !self.has_broadcasts(now) {
            self.last = Some(rough);
        }
    }

    /// Returns whether what broadcasts say is possible after what exchanges have said: an attacker
    /// can delay a datagram for one of two.
    fn is_possible(&self, compared: &Compared, map: &ClockMap<Raw, Utc>) -> bool {
        self.ahead(map).is_some_and(|(ahead, bound)| {
            let difference = compared.utc - map.apply(compared.raw) - ahead;
            difference.abs() <= bound + compared.bound + MARGIN
        })
    }

    /// Returns its time as it can be taken over; `None` while it is not known well enough, unless
    /// this box has waited for long.
    pub(super) fn takeover(&mut self, now: Instant<Raw>) -> Option<Compared> {
        let since = *self.wanted_since.get_or_insert(now);
        let taken = self.last.filter(|last| last.sigma_ns <= GOOD_NS || now - since >= LONGEST_WAIT);
        if taken.is_some() {
            self.wanted_since = None;
        }
        taken
    }
}
