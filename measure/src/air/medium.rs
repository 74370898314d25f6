//! What the air does to frames, in time that is passed in: when each arrives, and whether. Pure, so
//! that the same air can be had in virtual time.

mod queue;
mod way;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use queue::{Event, Queue};
use way::Way;

use super::model::{AirModel, GroupDelivery, Link, PowerSaving};

/// An access point has room for some group frames; those that would wait longer are dropped.
const LONGEST_GROUP_QUEUE: Duration = Duration::from_secs(1);
/// How long a beacon is: with the usual elements some 250 bytes.
const BEACON_BYTES: usize = 250;
/// How many frames an access point holds for a station that sleeps (`STA_MAX_TX_BUFFER` of
/// mac80211, net/mac80211/sta_info.h).
const MOST_HELD: usize = 64;

/// A station, by the order in which it was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StationId(pub usize);

/// To whom a frame is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// One station.
    Station(StationId),
    /// All others.
    Group {
        /// Whether it is how addresses are found, which an access point that filters still passes.
        finds_addresses: bool,
    },
}

/// A frame that arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery<P> {
    /// At whom.
    pub to: StationId,
    /// When, on the time axis of the calls.
    pub due: Duration,
    /// What was sent.
    pub payload: P,
}

/// What has become of the frames so far. A group frame has a copy for every other station.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that stations sent.
    pub sent: u64,
    /// Copies that arrived.
    pub delivered: u64,
    /// Copies that were lost by chance, or for want of room.
    pub lost: u64,
    /// Copies that were not carried: outage, isolation, a filter, or a station that is away.
    pub blocked: u64,
}

/// The air between stations. `P` is the frame's content, of which it knows nothing.
#[derive(Debug)]
pub struct Medium<P> {
    model: AirModel,
    seed: u64,
    stations: Vec<StationState<P>>,
    ways: HashMap<(StationId, StationId), Way>,
    queue: Queue<P>,
    /// When the first beacon is sent.
    beacon_phase: Duration,
    group_busy_until: Duration,
    outage: bool,
    counts: Counts,
}

#[derive(Debug)]
struct StationState<P> {
    joined: bool,
    power_saving: Option<PowerSaving>,
    awake_until: Duration,
    held: VecDeque<P>,
    listens: bool,
}

impl<P: Clone> Medium<P> {
    /// Returns an air without stations. The same seed and the same calls make the same air.
    #[must_use]
    pub fn new(model: AirModel, seed: u64) -> Self {
        let share = fastrand::Rng::with_seed(seed).f64();
        Self {
            seed,
            stations: Vec::new(),
            ways: HashMap::new(),
            queue: Queue::default(),
            beacon_phase: model.group.unwrap_or(GroupDelivery::WIFI).interval.mul_f64(share),
            group_busy_until: Duration::ZERO,
            outage: false,
            counts: Counts::default(),
            model,
        }
    }

    /// Adds a station, which has joined.
    pub fn add_station(&mut self) -> StationId {
        self.stations.push(StationState {
            joined: true,
            power_saving: self.model.power_saving,
            awake_until: Duration::ZERO,
            held: VecDeque::new(),
            listens: false,
        });
        StationId(self.stations.len() - 1)
    }

    /// Returns the model, as changed.
    #[must_use]
    pub fn model(&self) -> &AirModel {
        &self.model
    }

    /// Changes the model of all links and stations; links that were set by themselves stay so.
    pub fn set_model(&mut self, now: Duration, model: AirModel) {
        self.model = model;
        for number in 0..self.stations.len() {
            self.set_power_saving(now, StationId(number), model.power_saving);
        }
    }

    /// Sets the way from one station to another, or (`None`) gives it back to the model.
    pub fn set_link(&mut self, from: StationId, to: StationId, link: Option<Link>) {
        self.way(from, to).link = link;
    }

    /// Sets how one station saves power.
    pub fn set_power_saving(&mut self, now: Duration, station: StationId, saving: Option<PowerSaving>) {
        if let Some(state) = self.stations.get_mut(station.0) {
            state.power_saving = saving;
            self.release(now, station);
        }
    }

    /// Sets whether the access point carries no frames between stations.
    pub fn set_isolated(&mut self, isolated: bool) {
        self.model.isolated = isolated;
    }

    /// Sets whether it drops multicast and broadcast between stations.
    pub fn set_group_filtered(&mut self, filtered: bool) {
        self.model.group_filtered = filtered;
    }

    /// Sets whether nothing at all is carried. Frames that are under way are lost, too.
    pub fn set_outage(&mut self, outage: bool) {
        self.outage = outage;
    }

    /// Sets whether a station is there. Frames that are under way to one that leaves are lost.
    pub fn set_joined(&mut self, station: StationId, joined: bool) {
        if let Some(state) = self.stations.get_mut(station.0) {
            state.joined = joined;
            if !joined {
                self.counts.blocked += state.held.len() as u64;
                state.held.clear();
            }
        }
    }

    /// Returns what has become of the frames so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a frame that a station sends. Its length is that of the whole Ethernet frame.
    pub fn send(&mut self, now: Duration, from: StationId, to: Destination, length_bytes: usize, payload: P) {
        if from.0 >= self.stations.len() {
            return;
        }
        self.counts.sent += 1;
        self.stay_awake(now, from);
        self.release(now, from);
        match to {
            Destination::Station(to) if self.carries(from) && to != from => {
                if let Some(due) = self.draw(now, from, to, |link| link.loss) {
                    self.queue.push(due, Event::Arrival { to, payload });
                }
            }
            Destination::Group { finds_addresses }
                if self.carries(from) && (finds_addresses || !self.model.group_filtered) =>
            {
                if self.model.group.is_none() {
                    for to in self.others(from) {
                        if let Some(due) = self.draw(now, from, to, |link| link.group_loss) {
                            self.queue.push(due, Event::Arrival { to, payload: payload.clone() });
                        }
                    }
                } else {
                    let model = self.model.link;
                    let due = self.way(from, from).up(now, model);
                    self.queue.push(due, Event::Group { from, length_bytes, payload });
                }
            }
            Destination::Station(_) => self.counts.blocked += 1,
            Destination::Group { .. } => self.counts.blocked += self.others(from).len() as u64,
        }
    }

    /// Returns when [`Medium::take_due`] should be called next.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.queue.next_due()
    }

    /// Returns the next frame that has arrived by `now`, in the order in which they arrive.
    pub fn take_due(&mut self, now: Duration) -> Option<Delivery<P>> {
        while let Some((due, event)) = self.queue.pop(now) {
            match event {
                Event::Group { from, length_bytes, payload } => self.send_to_group(due, from, length_bytes, &payload),
                Event::Arrival { to, payload } => self.arrive(due, to, payload),
                Event::Listen { station } => {
                    if let Some(state) = self.stations.get_mut(station.0) {
                        state.listens = false;
                    }
                    self.release(due, station);
                }
                Event::Heard { to, .. } if self.outage || !self.is_joined(to) => self.counts.blocked += 1,
                Event::Heard { to, payload } => {
                    self.counts.delivered += 1;
                    self.stay_awake(due, to);
                    // One that has woken up for a group frame fetches what waits for it, too.
                    self.release(due, to);
                    return Some(Delivery { to, due, payload });
                }
            }
        }
        None
    }

    /// Gives a group frame its place after a beacon, and each station its copy.
    fn send_to_group(&mut self, now: Duration, from: StationId, length_bytes: usize, payload: &P) {
        let group = self.model.group.unwrap_or(GroupDelivery::WIFI);
        let beacon = next_on_grid(now, self.beacon_phase, group.interval) + group.airtime(BEACON_BYTES);
        let end = beacon.max(self.group_busy_until) + group.airtime(length_bytes);
        if end > now + group.interval + LONGEST_GROUP_QUEUE {
            self.counts.lost += self.others(from).len() as u64;
            return;
        }
        self.group_busy_until = end;
        for to in self.others(from) {
            let model = self.model.link;
            let Some(due) = self.way(from, to).group(end, model, group.reception) else {
                self.counts.lost += 1;
                continue;
            };
            // A station that sleeps wakes up for these beacons.
            self.queue.push(due, Event::Heard { to, payload: payload.clone() });
        }
    }

    fn arrive(&mut self, now: Duration, to: StationId, payload: P) {
        let phase = self.beacon_phase;
        let Some(state) = self.stations.get_mut(to.0) else { return };
        let asleep = state.power_saving.filter(|_| now >= state.awake_until && state.joined && !self.outage);
        let Some(saving) = asleep else {
            self.queue.push(now, Event::Heard { to, payload });
            return;
        };
        if state.held.len() >= MOST_HELD {
            self.counts.lost += 1;
            return;
        }
        state.held.push_back(payload);
        if !std::mem::replace(&mut state.listens, true) {
            let due = next_on_grid(now, phase, saving.listen_interval);
            self.queue.push(due, Event::Listen { station: to });
        }
    }

    /// Sends a station what waited for it.
    fn release(&mut self, now: Duration, station: StationId) {
        let held = self.stations.get_mut(station.0).map(|state| std::mem::take(&mut state.held)).unwrap_or_default();
        for payload in held {
            self.queue.push(now, Event::Heard { to: station, payload });
        }
    }

    fn stay_awake(&mut self, now: Duration, station: StationId) {
        if let Some(state) = self.stations.get_mut(station.0) {
            let awake_after = state.power_saving.map_or(Duration::ZERO, |saving| saving.awake_after);
            state.awake_until = state.awake_until.max(now + awake_after);
        }
    }

    fn carries(&self, from: StationId) -> bool {
        !self.outage && !self.model.isolated && self.is_joined(from)
    }

    fn is_joined(&self, station: StationId) -> bool {
        self.stations.get(station.0).is_some_and(|state| state.joined)
    }

    fn others(&self, from: StationId) -> Vec<StationId> {
        (0..self.stations.len()).map(StationId).filter(|station| *station != from).collect()
    }

    fn way(&mut self, from: StationId, to: StationId) -> &mut Way {
        let seed = self.seed;
        self.ways.entry((from, to)).or_insert_with(|| Way::new(seed, from, to))
    }

    /// Returns when a frame arrives that is sent now; `None` if it is lost.
    fn draw(&mut self, now: Duration, from: StationId, to: StationId, loss: fn(&Link) -> f64) -> Option<Duration> {
        let model = self.model.link;
        let due = self.way(from, to).unicast(now, model, loss);
        self.counts.lost += u64::from(due.is_none());
        due
    }
}

/// Returns the first instant after `now` on the grid of `interval` that begins with `phase`.
fn next_on_grid(now: Duration, phase: Duration, interval: Duration) -> Duration {
    let interval_ns = interval.as_nanos().max(1);
    let steps = now.saturating_sub(phase).as_nanos() / interval_ns;
    let on_grid = |steps: u128| phase + Duration::from_nanos(u64::try_from(steps * interval_ns).unwrap_or(u64::MAX));
    if now < phase { phase } else { on_grid(steps + 1) }
}

#[cfg(test)]
mod tests;
