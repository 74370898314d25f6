//! A machine that has the ride's key and no box's service: it listens for beacons, and commands the
//! boxes that it hears. It sends no beacon, so that no box takes it for a neighbour, and it has no
//! clock of its own: the present is what the boxes say it is.

use std::net::SocketAddr;
use std::sync::Arc;

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_time::{Instant, Raw, Span, Utc};

use super::{Action, Due, Progress, SendError, Sending, Target, Targets};
use crate::ride::air::{Air, Heard, To};
use crate::ride::key::RideKey;
use crate::ride::message::{Beacon, BoxId, CommandId, Content, Message, RunId, open, seal};
use crate::ride::report::shown;

/// Every box sends a beacon within 1.2 s; of three, two may be lost.
const LISTENED: Span = Span::from_ms(3_600);

/// A wait for the next datagram is at most this long.
const WAIT: Span = Span::from_ms(30);

/// No more boxes are remembered.
const MOST_BOXES: usize = 64;

/// A beacon comes at most this long after it was sent: an access point holds back what is for all
/// until its own next beacon, which may be the third.
const LONGEST_WAY: Span = Span::from_ms(400);

/// Boxes whose times are within this much of each other are of one time: more than beacons are late
/// and boxes differ, and less than the age at which a command is too old.
const ONE_TIME: Span = Span::from_ms(2_000);

/// A box as it was heard.
#[derive(Debug, Clone)]
pub struct Listened {
    /// Its number.
    pub id: BoxId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub peer: SocketAddr,
    /// The last thing that it said.
    pub beacon: Beacon,
    /// When that came.
    pub at: Instant<Raw>,
    /// By how much its time is ahead of the raw clock, by the beacon that was the quickest.
    ahead: Span,
}

/// Commands the ride from outside.
pub struct Guest {
    air: Air,
    key: RideKey,
    clocks: Arc<dyn Clocks>,
    id: BoxId,
    run: RunId,
    sent: u32,
    boxes: Vec<Listened>,
    /// Messages that were signed with another key.
    refused: u64,
}

impl Guest {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub fn new(air: Air, key: RideKey, clocks: Arc<dyn Clocks>) -> Result<Self, getrandom::Error> {
        let [id, run] = [getrandom::u64()?, getrandom::u64()?];
        Ok(Self { air, key, clocks, id: BoxId(id), run: RunId(run), sent: 0, boxes: Vec::new(), refused: 0 })
    }

    /// Listens for some seconds, or until all of these boxes were heard if they are named.
    pub fn listen(&mut self, targets: &Targets) {
        let until = self.clocks.raw() + LISTENED;
        while self.clocks.raw() < until {
            if matches!(targets, Targets::Named(names) if names.iter().all(|name| self.find(name).is_some())) {
                return;
            }
            self.hear_one(until, &mut []);
        }
    }

    /// Returns the boxes that were heard, by name. One whose time is not that of most was recorded,
    /// or would not obey a command at their time.
    pub fn boxes(&self) -> Vec<Listened> {
        let times = self.times();
        let mut boxes = self.boxes.clone();
        boxes.retain(|listened| times.contains(&listened.ahead));
        boxes.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        boxes
    }

    /// Returns where it listens: names and addresses of interfaces.
    pub fn interfaces(&self) -> Vec<String> {
        let all = self.air.interfaces().iter();
        all.map(|interface| format!("{} ({})", interface.name, interface.address)).collect()
    }

    /// Returns how many messages were signed with another key, or damaged.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Returns the present by the boxes' time, and how far that can be wrong; `None` if none was
    /// heard.
    pub fn now(&self) -> Option<(Instant<Utc>, Span)> {
        let times = self.times();
        let middle = *times.get(times.len() / 2)?;
        // A beacon is late, and never early.
        Some((Instant::from_ns((self.clocks.raw() - Instant::ZERO + middle).ns()), LONGEST_WAY))
    }

    fn times(&self) -> Vec<Span> {
        common(self.boxes.iter().map(|listened| listened.ahead).collect())
    }

    /// Sends a command, and reports its progress until it is over.
    ///
    /// # Errors
    /// When a box is named that was not heard, or none was.
    pub fn send(
        &mut self,
        action: Action,
        targets: &Targets,
        mut report: impl FnMut(&Progress),
    ) -> Result<(), SendError> {
        let boxes = self.chosen(targets)?;
        let loudest = match boxes.as_slice() {
            [_] => None,
            boxes => boxes.iter().filter_map(|listened| listened.beacon.volume_percent).max(),
        };
        let target = |listened: Listened| Target { id: listened.id, name: listened.name, peer: Some(listened.peer) };
        let now = self.clocks.raw();
        let now_ns = self.now().map_or(0, |(now, _)| now.ns());
        let id = CommandId(getrandom::u64().map_err(|_| SendError::NotRunning)?);
        let action = action.for_boxes(loudest);
        let (is_for_all, targets) = (*targets == Targets::All, boxes.into_iter().map(target).collect());
        let mut sending = [Sending::new(id, &action, is_for_all, targets, now, now_ns).ok_or(SendError::NotRunning)?];
        loop {
            for one in &mut sending {
                if let Some(Due { order, copies }) = one.due(self.clocks.raw()) {
                    copies
                        .into_iter()
                        .for_each(|peer| self.seal_and_send(Content::Order(order.clone()), To::One(peer)));
                    self.seal_and_send(Content::Order(order), To::All);
                }
                if let Some(progress) = one.take_progress() {
                    report(&progress);
                    if progress.is_over {
                        return Ok(());
                    }
                }
            }
            self.hear_one(self.clocks.raw() + WAIT, &mut sending);
        }
    }

    fn chosen(&self, targets: &Targets) -> Result<Vec<Listened>, SendError> {
        let heard = || self.boxes().into_iter().map(|listened| listened.name).collect();
        let Targets::Named(names) = targets else {
            return if self.boxes.is_empty() { Err(SendError::Nobody) } else { Ok(self.boxes()) };
        };
        if let Some(name) = names.iter().find(|name| self.find(name).is_none()) {
            return Err(SendError::Unknown { name: name.clone(), heard: heard() });
        }
        let is_named = |listened: &Listened| names.iter().any(|name| listened.is(name));
        Ok(self.boxes().into_iter().filter(is_named).collect())
    }

    fn find(&self, name: &str) -> Option<&Listened> {
        let times = self.times();
        self.boxes.iter().find(|listened| listened.is(name) && times.contains(&listened.ahead))
    }

    fn seal_and_send(&mut self, content: Content, to: To) {
        self.sent = self.sent.wrapping_add(1);
        let message = Message { sender: self.id, run: self.run, number: self.sent, content };
        match seal(&message, &self.key) {
            // What could not be sent is logged where it failed, and is sent again.
            Ok(bytes) => _ = self.air.send(&bytes, to),
            Err(error) => log::debug!("a message was not sent: {error}"),
        }
    }

    fn hear_one(&mut self, until: Instant<Raw>, sending: &mut [Sending<SocketAddr>]) {
        let Some(Heard { bytes, from, stamp, .. }) = self.air.recv(until.min(self.clocks.raw() + WAIT)) else { return };
        let Ok(message) = open(&bytes, &self.key) else {
            self.refused += 1;
            return;
        };
        self.air.authentic(from);
        match message.content {
            Content::Beacon(beacon) => self.note(message.sender, *beacon, from, stamp),
            Content::Reply(reply) if reply.to == self.id => {
                sending.iter_mut().any(|one| one.hear(message.sender, &reply));
            }
            _ => {}
        }
    }

    fn note(&mut self, id: BoxId, beacon: Beacon, peer: SocketAddr, at: Instant<Raw>) {
        let ahead = Span::from_ns(beacon.sent_ns) - (at - Instant::ZERO);
        let name = shown(&beacon.name);
        if let Some(listened) = self.boxes.iter_mut().find(|listened| listened.id == id) {
            let ahead = listened.ahead.max(ahead);
            *listened = Listened { id, name, peer, beacon, at, ahead };
        } else if self.boxes.len() < MOST_BOXES {
            self.boxes.push(Listened { id, name, peer, beacon, at, ahead });
        }
    }
}

impl Listened {
    fn is(&self, name: &str) -> bool {
        self.name == name || self.id.to_string() == name
    }
}

/// Returns those that most have in common, in order: of equally many the latest, as a recording is
/// late and never early.
fn common(mut times: Vec<Span>) -> Vec<Span> {
    times.sort();
    let from = |first: usize| {
        let rest = times.get(first..).unwrap_or_default();
        &rest[..rest.iter().take_while(|time| **time - rest[0] <= ONE_TIME).count()]
    };
    let most = (0..times.len()).max_by_key(|first| from(*first).len());
    most.map_or_else(Vec::new, |first| from(first).to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_recorded_is_not_the_time() {
        let times = |ms: &[i64]| common(ms.iter().map(|ms| Span::from_ms(*ms)).collect());
        assert_eq!(times(&[]), []);
        assert_eq!(times(&[5_000]), [Span::from_ms(5_000)]);
        let boxes = [Span::from_ms(99_900), Span::from_ms(100_000), Span::from_ms(100_100)];
        assert_eq!(times(&[100_100, -7_000, 99_900, 40_000, 100_000]), boxes);
        assert_eq!(times(&[40_000, 100_000]), [Span::from_ms(100_000)], "the later of two");
    }

    proptest! {
        #[test]
        fn times_that_are_common_are_near_each_other(ms in prop::collection::vec(-9_000_i64..9_000, 1..20)) {
            let found = common(ms.iter().map(|ms| Span::from_ms(*ms)).collect());
            prop_assert!(!found.is_empty() && found[found.len() - 1] - found[0] <= ONE_TIME);
        }
    }
}
