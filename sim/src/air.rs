//! The network between the boxes, in virtual time: who is in reach, and when a message arrives.

use std::collections::BinaryHeap;

use fastrand::Rng;
use jaudiosync::ride::group::{Outgoing, To};
use jaudiosync::ride::message::{Content, Message};
use jaudiosync_time::{Instant, Span, True};

use super::randomness::{Purpose, exponential, normal, stream};
use super::scenario::{Air, Event, Scenario};
use super::schedule::Interval;
use crate::true_time::at_ride_minutes;

/// A message at its goal.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// When its bytes were received.
    pub at: Instant<True>,
    /// When the kernel has stamped them.
    pub stamped: Instant<True>,
    /// Who sent it, counted from 0.
    pub from: usize,
    /// Who receives it.
    pub to: usize,
    /// What it is.
    pub message: Message,
}

/// An arrival in the future, the next one first.
#[derive(Debug)]
struct Pending {
    arrival: Arrival,
    number: u64,
}

/// A time in which a box gives out a wrong time.
struct Lie {
    liar: usize,
    interval: Interval,
    by: Span,
}

/// A time in which boxes hear each other, all counted from 0.
struct Contact {
    interval: Interval,
    boxes: Vec<usize>,
    deaf: Vec<usize>,
}

/// The network of a fleet.
pub struct VirtualAir {
    air: Air,
    /// When each box is in reach of those that are in reach, too.
    wandering: Vec<Vec<Interval>>,
    contacts: Vec<Contact>,
    lies: Vec<Lie>,
    /// What each box's stamps are late by, besides what is random.
    stamp_ns_f64: Vec<f64>,
    random: Rng,
    pending: BinaryHeap<Pending>,
    number: u64,
    sent_bytes: Vec<u64>,
}

impl VirtualAir {
    /// The network of a scenario's fleet.
    pub fn new(scenario: &Scenario, seed: u64, end: Instant<True>) -> Self {
        let air = scenario.air.clone();
        let mut random = stream(seed, None, Purpose::Air);
        let wandering = match air.wander_minutes {
            Some(minutes) => (0..scenario.boxes).map(|_| wander(minutes, end, &mut random)).collect(),
            None => Vec::new(),
        };
        let contacts = air
            .contacts
            .iter()
            .map(|contact| {
                let [from, to] = contact.minutes.map(at_ride_minutes);
                let of_all = || (0..scenario.boxes).collect();
                let from_0 = |numbers: &[usize]| numbers.iter().map(|number| number.saturating_sub(1)).collect();
                let boxes = if contact.boxes.is_empty() { of_all() } else { from_0(&contact.boxes) };
                Contact { interval: Interval { from, to }, boxes, deaf: from_0(&contact.deaf) }
            })
            .collect();
        let lies = scenario.events.iter().filter_map(lie).collect();
        let stamp_ns_f64 = (0..scenario.boxes).map(|_| air.stamp_sigma_us * 1e3 * normal(&mut random)).collect();
        let sent_bytes = vec![0; scenario.boxes];
        Self { air, wandering, contacts, lies, stamp_ns_f64, random, pending: BinaryHeap::new(), number: 0, sent_bytes }
    }

    fn hears(&self, listener: usize, other: usize, at: Instant<True>) -> bool {
        let is_out = |number: usize| self.wandering[number].iter().any(|interval| interval.contains(at));
        let both = |contact: &Contact| {
            let Contact { interval, boxes, deaf } = contact;
            interval.contains(at) && boxes.contains(&listener) && boxes.contains(&other) && !deaf.contains(&listener)
        };
        self.contacts.iter().any(both) || (!self.wandering.is_empty() && is_out(listener) && is_out(other))
    }

    /// Returns how far the boxes may run before what they have sent is looked at: it is stamped when
    /// it arrives, and only answered later.
    pub fn slice(&self, at: Instant<True>) -> Span {
        let may_hear = !self.wandering.is_empty() || self.contacts.iter().any(|contact| contact.interval.contains(at));
        if may_hear || !self.pending.is_empty() { Span::from_ms(100) } else { Span::from_ms(500) }
    }

    /// Sends what a box hands out at an instant.
    pub fn send(&mut self, from: usize, mut outgoing: Outgoing<usize>, at: Instant<True>) {
        if let Some(lie) = self.lies.iter().find(|lie| lie.liar == from && lie.interval.contains(at)) {
            tamper(&mut outgoing.message, lie.by);
        }
        let boxes = self.stamp_ns_f64.len();
        match outgoing.to {
            To::One(to) => {
                if to < boxes && self.hears(to, from, at) && self.random.f64() >= self.air.loss {
                    let delay_ms = self.way_ms();
                    self.arrive(from, to, at + Span::from_ns_f64(delay_ms * 1e6), outgoing.message);
                }
            }
            To::All if !self.air.broadcasts => {}
            To::All => {
                // To the access point, and from there right after its next beacon.
                let uplink = at + Span::from_ns_f64(self.way_ms() * 0.5e6);
                let interval_ns = (self.air.beacon_interval_ms * 1e6) as i64;
                let to_beacon = interval_ns - uplink.ns().rem_euclid(interval_ns.max(1));
                let relayed = uplink + Span::from_ns(to_beacon) + Span::from_ns(self.random.i64(0..2_000_000));
                for to in (0..boxes).filter(|to| *to != from) {
                    if self.hears(to, from, at) && self.random.f64() >= self.air.broadcast_loss {
                        self.arrive(from, to, relayed, outgoing.message.clone());
                    }
                }
            }
        }
    }

    fn way_ms(&mut self) -> f64 {
        (self.air.base_delay_ms + exponential(&mut self.random, self.air.jitter_ms)).min(self.air.longest_ms)
    }

    fn arrive(&mut self, from: usize, to: usize, at: Instant<True>, message: Message) {
        let late_ns = exponential(&mut self.random, self.air.stamp_us * 1e3) + self.stamp_ns_f64[to];
        let stamped = at + Span::from_ns_f64(late_ns);
        self.number += 1;
        self.pending.push(Pending { arrival: Arrival { at, stamped, from, to, message }, number: self.number });
    }

    /// Returns what has arrived by an instant, in order.
    pub fn arrivals(&mut self, until: Instant<True>) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        while self.pending.peek().is_some_and(|pending| pending.arrival.stamped <= until) {
            arrivals.extend(self.pending.pop().map(|pending| pending.arrival));
        }
        arrivals
    }

    /// Counts the bytes of what a box has sent.
    pub fn count(&mut self, from: usize, bytes: usize) {
        self.sent_bytes[from] += bytes as u64;
    }
}

/// In reach, out of it, and so on: each as long as the minutes say, at random.
fn wander([least, most]: [f64; 2], end: Instant<True>, random: &mut Rng) -> Vec<Interval> {
    let mut length = || Span::from_ns_f64((least + (most - least) * random.f64()) * 60e9);
    // All begin together.
    let mut at = at_ride_minutes(-1.0);
    let mut intervals = Vec::new();
    while at < end {
        let to = at + length();
        intervals.push(Interval { from: at, to });
        at = to + length();
    }
    intervals
}

fn lie(event: &Event) -> Option<Lie> {
    let Event::NeighbourLies { at_minutes, number, by_ms, for_minutes } = event else { return None };
    let interval = Interval { from: at_ride_minutes(*at_minutes), to: at_ride_minutes(at_minutes + for_minutes) };
    Some(Lie { liar: number.saturating_sub(1), interval, by: Span::from_ns_f64(by_ms * 1e6) })
}

/// What a box says whose clock is wrong, and that is sure of itself.
fn tamper(message: &mut Message, by: Span) {
    match &mut message.content {
        Content::Answer(answer) => {
            answer.received_ns += by.ns();
            answer.sent_ns += by.ns();
        }
        Content::Beacon(beacon) => {
            beacon.sent_ns += by.ns();
            beacon.time.utc_bound_us = Some(20);
            beacon.time.ahead_us = 0;
            if beacon.following.hops == 0 {
                beacon.following.leader_class = 0;
                beacon.following.utc_bound_us = Some(20);
            }
        }
        Content::Question(_)
        | Content::Order(_)
        | Content::Reply(_)
        | Content::ListQuestion(_)
        | Content::ListPart(_) => {}
    }
}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.arrival.stamped, other.number).cmp(&(self.arrival.stamped, self.number))
    }
}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Pending {}
