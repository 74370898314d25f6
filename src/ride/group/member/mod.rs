//! One box as a member of its group: it hears messages, and decides what to send and what its clock
//! has to do. Pure: the time is passed in, and messages are handed out.
//!
//! - `hearing` takes messages in; `messages` is what goes out;
//! - `comparing` compares clocks with neighbours and judges what they state;
//! - `deciding` is whom it follows, or that it leads;
//! - `beacon` is what it says of itself; `given` the time in it.

mod beacon;
mod comparing;
mod deciding;
mod given;
mod hearing;
mod messages;

use std::collections::VecDeque;

use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

use self::deciding::Predecessor;
use self::given::time;
pub use self::messages::{Outgoing, Presence, Refusals, To};
use super::broadcasts::Received;
use super::election::{Election, Role};
use super::exchanges::Compared;
use super::honesty::Standing;
use super::neighbour::{Neighbour, Peer};
use super::per_second::PerSecond;
use crate::ride::freshness::Freshness;
use crate::ride::message::{BoxId, Content, Message, RunId};
use crate::timekeeping::estimate::group::{GroupCommand, GroupSample};
use crate::timekeeping::estimate::timekeeper::TimeView;

/// How often a beacon is sent, and by how much that varies, so that two boxes do not send at the
/// same moment again and again.
const BEACON_INTERVAL: Span = Span::SECOND;
const BEACON_JITTER: f64 = 0.2;

/// So many of the last messages to all are remembered: a report of one may come late.
const SENT_TO_ALL: usize = 16;

/// A neighbour that was not heard for this long is forgotten.
const FORGOTTEN: Span = Span::from_seconds(3_600);

/// What a box's time moves by at once and by more than this is a jump.
const JUMP: Span = Span::from_us(500);

/// Whoever is in the same group and yet this far off was moved, or has moved: its time is taken
/// anew, and what it differs by is no drift.
const OUT_OF_STEP: Span = Span::from_ms(2);

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
    answers: PerSecond,
    answers_to_strangers: PerSecond,
    questions_to_strangers: PerSecond,
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
            answers: PerSecond::new(now),
            answers_to_strangers: PerSecond::new(now),
            questions_to_strangers: PerSecond::new(now),
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
        self.forget_the_gone(now);
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
}

fn sample(compared: &Compared) -> GroupSample {
    let Compared { raw, utc, sigma_ns, bias_sigma_ns, .. } = *compared;
    GroupSample { raw, utc, sigma_ns, bias_sigma_ns }
}

#[cfg(test)]
mod recordings;
#[cfg(test)]
mod tests;
