//! Who leads, and whom a box follows.
//!
//! Every box repeats in its beacons whom it follows, and how well that leader knows UTC; whoever
//! hears of a better leader follows the one that said so. So the best one becomes known from box to
//! box, even where not all hear each other, as the root does in FTSP (Maróti et al., "The Flooding
//! Time Synchronization Protocol", SenSys 2004) and the best master in IEEE 1588. All boxes rank
//! leaders in the same way, so that two groups that meet become one:
//!
//! 1. by the class of the leader's bound to UTC, a factor of two for each class: a leader must be
//!    clearly better to replace another;
//! 2. then by how long it has led a group: whoever comes later joins, and whoever has no group yet
//!    joins one that is there;
//! 3. then by its number.
//!
//! A leader raises a pulse every second. Of a leader whose pulse stands still nobody knows any more
//! than others repeat, and it is given up.

use jaudiosync_time::{Instant, Raw, Span};

use crate::ride::message::{BoxId, Following};

/// A leader whose pulse has stood still for this long is lost: some beacons in a row may be.
pub const PULSE_PATIENCE: Span = Span::from_seconds(8);

/// A neighbour is followed for this long after its last beacon.
pub const BEACON_PATIENCE: Span = Span::from_seconds(6);

/// Pulses by which a beacon may be behind the newest that was heard, besides one for each box on the
/// way.
const USUALLY_BEHIND: i32 = 3;

/// No leader is followed by way of more boxes than this.
pub const MOST_HOPS: u8 = 8;

/// A bound leaves its class only if it is beyond it by this factor, so that it does not go to and
/// fro.
const CLASS_MARGIN: f64 = 1.25;

/// The class of a box that knows the time, and does not compete yet; of one that knows nothing.
const SETTLING: u8 = u8::MAX - 1;
const KNOWS_NOTHING: u8 = u8::MAX;

/// The bound of the best class, in µs: nothing is known better.
const BEST_BOUND_US: f64 = 50.0;

/// How well a box knows UTC by itself, as far as the election is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// Nothing is known.
    Nothing,
    /// Something is, and the box does not compete yet: it has just come.
    Settling,
    /// UTC can be wrong by this much.
    Within(Span),
}

/// How leaders are ordered; the least one leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    class: u8,
    leads_since_s: i64,
    leader: BoxId,
}

/// What a neighbour's last beacon says of whom it follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// The neighbour.
    pub neighbour: BoxId,
    /// Whom it follows.
    pub following: Following,
    /// When its beacon came.
    pub at: Instant<Raw>,
    /// Whether it hears this box: only then can it be asked for the time.
    pub hears_us: bool,
    /// How well the way to it is known: a standard deviation, in ns.
    pub sigma_ns: f64,
}

/// Whom a box follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It leads, alone or others.
    Leads,
    /// It follows a leader by way of a neighbour, which may be the leader itself.
    Follows {
        /// The leader.
        leader: BoxId,
        /// The neighbour whose time it takes.
        by_way_of: BoxId,
    },
}

/// The election as one box sees it.
#[derive(Debug, Clone)]
pub struct Election {
    own: BoxId,
    role: Role,
    class: u8,
    /// Since when it leads a group, in s of the group's time; `None` while it follows, or is in none.
    leads_since_s: Option<i64>,
    pulse: u32,
    pulsed_at: Option<Instant<Raw>>,
    pulses: Vec<Pulse>,
}

/// The newest pulse that was heard of a leader.
#[derive(Debug, Clone, Copy)]
struct Pulse {
    leader: BoxId,
    newest: u32,
    at: Instant<Raw>,
}

impl Election {
    /// Begins as the leader of a group of one.
    pub fn new(own: BoxId) -> Self {
        let (class, pulses) = (KNOWS_NOTHING, Vec::new());
        Self { own, role: Role::Leads, class, leads_since_s: None, pulse: 0, pulsed_at: None, pulses }
    }

    /// Returns whom it follows.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Decides anew. Call it every second or so, with the last beacon of every neighbour that is
    /// believed; `knowledge` is what this box knows of UTC by itself; `group_s` is the group's time,
    /// in s, as it has it, and `None` while it is in no group.
    pub fn decide(&mut self, now: Instant<Raw>, knowledge: Knowledge, group_s: Option<i64>, heard: &[Heard]) -> Role {
        self.class = next_class(self.class, knowledge);
        let own_pulse_is_due = self.pulsed_at.is_none_or(|at| now - at >= Span::SECOND);
        if self.role == Role::Leads && own_pulse_is_due {
            self.pulse = self.pulse.wrapping_add(1);
            self.pulsed_at = Some(now);
        }
        for beacon in heard {
            self.note_pulse(beacon);
        }
        self.pulses.retain(|pulse| now - pulse.at <= PULSE_PATIENCE);
        let own_rank =
            Rank { class: self.class, leads_since_s: self.leads_since_s.unwrap_or(i64::MAX), leader: self.own };
        let best = heard
            .iter()
            .filter(|beacon| now - beacon.at <= BEACON_PATIENCE && self.may_follow(beacon))
            .min_by(|one, other| {
                self.preference(one).partial_cmp(&self.preference(other)).unwrap_or(std::cmp::Ordering::Equal)
            })
            .filter(|best| rank(&best.following) < own_rank);
        self.role = match best {
            Some(best) => Role::Follows { leader: best.following.leader, by_way_of: best.neighbour },
            None => Role::Leads,
        };
        self.leads_since_s = match self.role {
            Role::Leads => group_s.and_then(|group_s| self.leads_since_s.or(Some(group_s))),
            Role::Follows { .. } => None,
        };
        self.role
    }

    /// Returns what this box's beacon says of the leader. `followed` is what the neighbour's says
    /// that it follows; `group_bound` how far it can be from the group. For a leader, `utc_bound`
    /// is how far the group's time can be from UTC, and `steering` how fast it moves towards it, in
    /// ppb, and from which second on.
    pub fn following(
        &self,
        followed: Option<&Following>,
        group_bound: Span,
        utc_bound: Option<Span>,
        steering: (i32, i64),
    ) -> Following {
        let group_bound_ns = u32::try_from(group_bound.ns()).unwrap_or(u32::MAX);
        match (self.role, followed) {
            (Role::Follows { .. }, Some(followed)) => {
                Following { hops: followed.hops.saturating_add(1), group_bound_ns, ..*followed }
            }
            _ => Following {
                leader: self.own,
                pulse: self.pulse,
                hops: 0,
                leader_class: self.class,
                leads_since_s: self.leads_since_s.unwrap_or(i64::MAX),
                utc_bound_us: utc_bound.map(|bound| u32::try_from(bound.ns() / 1000).unwrap_or(u32::MAX)),
                group_bound_ns,
                steering_ppb: steering.0,
                steering_from_s: steering.1,
            },
        }
    }

    /// A neighbour is followed if it hears this box and does not itself follow it, and if its
    /// leader lives.
    fn may_follow(&self, beacon: &Heard) -> bool {
        let following = &beacon.following;
        // What is repeated late says how the leader was: it may have become worse since.
        let most_behind = i32::from(following.hops) + USUALLY_BEHIND;
        let lives = |pulse: &Pulse| {
            pulse.leader == following.leader && pulse.newest.wrapping_sub(following.pulse).cast_signed() <= most_behind
        };
        beacon.hears_us && following.leader != self.own && following.hops < MOST_HOPS && self.pulses.iter().any(lives)
    }

    /// The best leader; the shortest way to it; the neighbour that is followed already; the
    /// clearest way.
    fn preference(&self, beacon: &Heard) -> (Rank, u8, bool, f64) {
        let is_followed = matches!(self.role, Role::Follows { by_way_of, .. } if by_way_of == beacon.neighbour);
        (rank(&beacon.following), beacon.following.hops, !is_followed, beacon.sigma_ns)
    }

    fn note_pulse(&mut self, beacon: &Heard) {
        let Following { leader, pulse: newest, .. } = beacon.following;
        let at = beacon.at;
        match self.pulses.iter_mut().find(|pulse| pulse.leader == leader) {
            Some(pulse) if newest.wrapping_sub(pulse.newest).cast_signed() > 0 => *pulse = Pulse { leader, newest, at },
            Some(_) => {}
            None => self.pulses.push(Pulse { leader, newest, at }),
        }
    }
}

fn rank(following: &Following) -> Rank {
    Rank { class: following.leader_class, leads_since_s: following.leads_since_s, leader: following.leader }
}

/// Returns the class of what is known, which keeps to the one it had if it is near that.
fn next_class(class: u8, knowledge: Knowledge) -> u8 {
    let bound = match knowledge {
        Knowledge::Nothing => return KNOWS_NOTHING,
        Knowledge::Settling => return SETTLING,
        Knowledge::Within(bound) => bound,
    };
    let exact = ((bound.ns_f64() * 1e-3).max(BEST_BOUND_US) / BEST_BOUND_US).log2();
    let margin = CLASS_MARGIN.log2();
    let low = f64::from(class);
    let is_near = class < SETTLING && (low - margin..low + 1.0 + margin).contains(&exact);
    if is_near { class } else { (exact as u8).min(SETTLING - 1) }
}

#[cfg(test)]
mod tests;
