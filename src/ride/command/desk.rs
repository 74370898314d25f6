//! A box's part in the commands of its ride: it sends its own, judges those of others, and has the
//! service do what is new. Pure, but for the channels by which others wait.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

use super::action::Action;
use super::effect::{Answered, Effect, Effects};
use super::outcome::{Done, Outcome, Progress, Reason, Row};
use super::receiving::{Receiving, Verdict};
use super::sending::{Due, Sending, Target};
use crate::ride::group::To;
use crate::ride::message::{BoxId, CommandId, Content, Order, Reply};

/// This many commands of one box are on their way at once. More of them are refused.
const MOST_SENDING: usize = 16;

/// After this time the beacon of a box says what it has answered, too.
const VOLUME_LASTS: Span = Span::from_seconds(5);

/// The present.
#[derive(Debug, Clone, Copy)]
pub struct Present {
    /// The raw clock.
    pub raw: Instant<Raw>,
    /// The time that this box gives to others.
    pub time: ClockMap<Raw, Utc>,
}

/// A command as it was heard.
#[derive(Debug)]
pub struct Hearing<'a, P> {
    /// Who sends it.
    pub sender: BoxId,
    /// From where.
    pub peer: P,
    /// By how much the sender's time is ahead of this box's: zero within a group.
    pub ahead: Span,
    /// The command.
    pub order: &'a Order,
}

/// The commands of one run of a box.
pub struct Desk<P> {
    own: BoxId,
    receiving: Receiving,
    sending: Vec<(Sending<P>, Sender<Progress>)>,
    effects: Effects,
    answers: (Sender<Answered>, Receiver<Answered>),
    /// Where the answers to commands go whose instant has not come.
    waiting: HashMap<CommandId, P>,
    outgoing: Vec<(To<P>, Content)>,
    /// The volumes that boxes have answered with: their beacons say so only some seconds later.
    volumes: HashMap<BoxId, (u8, Instant<Raw>)>,
    /// When the last command to the whole ride took effect that decides what plays, in s of UTC.
    commanded_s: Option<i64>,
    old: u64,
}

impl<P: Copy> Desk<P> {
    /// Begins as the box of this number.
    pub fn new(own: BoxId, now: Instant<Raw>, effects: Effects) -> Self {
        Self {
            own,
            receiving: Receiving::new(own, now),
            sending: Vec::new(),
            effects,
            answers: channel(),
            waiting: HashMap::new(),
            outgoing: Vec::new(),
            volumes: HashMap::new(),
            commanded_s: None,
            old: 0,
        }
    }

    /// Returns how many commands came that were old, or for another time.
    pub fn old(&self) -> u64 {
        self.old
    }

    /// Returns when the last command to the whole ride took effect that decides what plays, in s of
    /// UTC; `None` if there was none in this run.
    pub fn commanded_s(&self) -> Option<i64> {
        self.commanded_s
    }

    /// Returns the volume in percent that a box has answered with in the last seconds.
    pub fn volume(&self, id: BoxId, now: Instant<Raw>) -> Option<u8> {
        self.volumes.get(&id).filter(|(_, at)| now - *at <= VOLUME_LASTS).map(|(percent, _)| *percent)
    }

    /// Sends a command to these boxes, which may be this one, too; `is_for_all` if they are the
    /// whole ride.
    pub fn send(
        &mut self,
        id: CommandId,
        action: Action,
        is_for_all: bool,
        targets: Vec<Target<P>>,
        progress: Sender<Progress>,
        now: Present,
    ) {
        if self.sending.len() >= MOST_SENDING {
            let refused = |target: Target<P>| Row {
                id: target.id,
                name: target.name,
                is_this: target.peer.is_none(),
                has_it: false,
                outcome: Some(Outcome::Refused(Reason::Busy)),
            };
            let rows = targets.into_iter().map(refused).collect();
            // Nobody has to wait for it.
            let _ = progress.send(Progress { rows, is_over: true });
            return;
        }
        let now_ns = now.time.apply(now.raw).ns();
        let Some(mut sending) = Sending::new(id, &action, is_for_all, targets, now.raw, now_ns) else { return };
        let order = sending.order();
        match self.receiving.hear(self.own, &order, now.raw, now_ns) {
            Verdict::New(action, _) => {
                sending.note(self.own, None);
                self.take(action, &order, Span::ZERO, now);
            }
            Verdict::Refused(reply) => _ = sending.hear(self.own, &reply),
            Verdict::ForOthers | Verdict::Old | Verdict::Again(_) => {}
        }
        self.sending.push((sending, progress));
    }

    /// Hears a command. Returns whether it was new, and so certainly sent by a box that is there.
    pub fn hear(&mut self, hearing: &Hearing<'_, P>, now: Present) -> bool {
        let Hearing { sender, peer, ahead, order } = *hearing;
        if sender == self.own {
            return false;
        }
        let theirs_ns = (now.time.apply(now.raw) + ahead).ns();
        let (reply, is_new) = match self.receiving.hear(sender, order, now.raw, theirs_ns) {
            Verdict::ForOthers => return false,
            Verdict::Old => {
                self.old += 1;
                return false;
            }
            Verdict::New(action, reply) => {
                self.waiting.insert(order.id, peer);
                self.take(action, order, ahead, now);
                (reply, true)
            }
            Verdict::Again(reply) | Verdict::Refused(reply) => (reply, false),
        };
        self.outgoing.push((To::One(peer), Content::Reply(reply)));
        is_new
    }

    /// Hears an answer. One to a command that this box has not sent is ignored.
    pub fn hear_reply(&mut self, sender: BoxId, reply: &Reply) {
        if reply.to == self.own {
            self.sending.iter_mut().any(|(sending, _)| sending.hear(sender, reply));
        }
    }

    /// Has the service do something that this box has missed, `ahead` from now.
    pub fn catch_up(&mut self, action: Action, commanded_s: i64, ahead: Span, now: Present) {
        self.commanded_s = Some(commanded_s);
        let at_raw = now.raw + ahead;
        let at = now.time.apply(at_raw);
        (self.effects)(Effect { action, is_for_all: true, at, at_raw, commanded_s, answer: None });
    }

    fn take(&mut self, action: Action, order: &Order, ahead: Span, now: Present) {
        let at: Instant<Utc> = Instant::from_ns(order.at_ns) - ahead;
        let commanded_s = at.second();
        if order.is_for_all && action.decides_what_plays() {
            self.commanded_s = self.commanded_s.max(Some(commanded_s));
        }
        let at_raw = now.time.inverse().apply(at);
        let answer = Some((order.id, self.answers.0.clone()));
        (self.effects)(Effect { action, is_for_all: order.is_for_all, at, at_raw, commanded_s, answer });
    }

    /// Does what is due. Call it at least every 100 ms.
    pub fn step(&mut self, now: Instant<Raw>) {
        while let Ok(Answered { id, outcome }) = self.answers.1.try_recv() {
            let Some(reply) = self.receiving.done(id, outcome) else { continue };
            match self.waiting.remove(&id) {
                Some(peer) => self.outgoing.push((To::One(peer), Content::Reply(reply))),
                None => self.sending.iter_mut().for_each(|(sending, _)| {
                    if sending.id() == id {
                        sending.note(self.own, Some(outcome));
                    }
                }),
            }
        }
        for (sending, progress) in &mut self.sending {
            if let Some(Due { order, copies }) = sending.due(now) {
                self.outgoing.extend(copies.into_iter().map(|peer| (To::One(peer), Content::Order(order.clone()))));
                self.outgoing.push((To::All, Content::Order(order)));
            }
            if let Some(reached) = sending.take_progress() {
                for row in &reached.rows {
                    if let Some(Outcome::Done(Done { volume_percent: Some(percent), .. })) = row.outcome {
                        self.volumes.insert(row.id, (percent, now));
                    }
                }
                // Whoever asked may have gone; the command goes on.
                let _ = progress.send(reached);
            }
        }
        self.volumes.retain(|_, (_, at)| now - *at <= VOLUME_LASTS);
        self.sending.retain(|(sending, _)| !sending.is_over());
    }

    /// Returns what is to be sent, in this order.
    pub fn take_outgoing(&mut self) -> Vec<(To<P>, Content)> {
        std::mem::take(&mut self.outgoing)
    }
}
