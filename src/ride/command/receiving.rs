//! What a box does with the commands that it hears: each once, and none that is old. Pure.

use std::collections::{HashMap, VecDeque};

use jaudiosync_time::{Instant, Raw, Span};

use super::PATIENCE;
use super::action::Action;
use super::outcome::{Outcome, Reason};
use crate::ride::message::{BoxId, CommandId, Order, Reply};

/// A command for an instant that is further ahead is none of this ride's.
const FURTHEST: Span = Span::from_seconds(10);

/// This many commands are remembered, whether done or not. What has been forgotten is refused as a
/// whole, by its instant.
const MOST_REMEMBERED: usize = 1024;

/// A box takes at most this many new commands in a second, whoever sends them.
const MOST_PER_SECOND: u32 = 10;

/// What is done with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is for other boxes.
    ForOthers,
    /// Its instant has passed too long ago, or is not near: a recording, or another time.
    Old,
    /// It is here, or was: this is the answer once more.
    Again(Reply),
    /// It is new and cannot be done: this is the answer.
    Refused(Reply),
    /// It is new: do this at its instant, and answer that it is here.
    New(Action, Reply),
}

/// The commands of one run of a box.
#[derive(Debug)]
pub struct Receiving {
    own: BoxId,
    /// What was taken: who sent it, and what came of it once that is known.
    taken: HashMap<CommandId, Taken>,
    /// The same in the order in which they came.
    order: VecDeque<CommandId>,
    /// The latest instant among those that were forgotten. By the raw clock: the times of the
    /// senders differ, and step.
    forgotten_at: Option<Instant<Raw>>,
    second: (Instant<Raw>, u32),
}

#[derive(Debug)]
struct Taken {
    sender: BoxId,
    at: Instant<Raw>,
    outcome: Option<Outcome>,
}

impl Receiving {
    /// Begins as the box of this number, which it made up at its start.
    pub fn new(own: BoxId, now: Instant<Raw>) -> Self {
        let (taken, order) = (HashMap::new(), VecDeque::new());
        Self { own, taken, order, forgotten_at: None, second: (now, 0) }
    }

    /// Judges a command whose signature was verified. `now_ns` is the present by the sender's time,
    /// as well as this box knows that.
    pub fn hear(&mut self, sender: BoxId, order: &Order, now: Instant<Raw>, now_ns: i64) -> Verdict {
        let ahead = Span::from_ns(order.at_ns.saturating_sub(now_ns));
        if ahead < Span::ZERO - PATIENCE || ahead > FURTHEST {
            return Verdict::Old;
        }
        let at = now + ahead;
        if self.forgotten_at.is_some_and(|forgotten_at| at <= forgotten_at) {
            return Verdict::Old;
        }
        if !order.to.contains(&self.own) {
            return Verdict::ForOthers;
        }
        let id = order.id;
        if let Some(taken) = self.taken.get(&id) {
            return Verdict::Again(reply(taken.sender, id, taken.outcome));
        }
        if now - self.second.0 >= Span::SECOND || now < self.second.0 {
            self.second = (now, 0);
        }
        self.second.1 += 1;
        if self.second.1 > MOST_PER_SECOND {
            // It may come again in a second, and is not remembered.
            return Verdict::Refused(reply(sender, id, Some(Outcome::Refused(Reason::Busy))));
        }
        // Bytes that are left over would be of a later version.
        let action = match postcard::take_from_bytes(&order.action) {
            Ok((action, [])) => Some(action),
            _ => None,
        };
        let outcome = action.is_none().then_some(Outcome::Refused(Reason::Unknown));
        self.remember(id, Taken { sender, at, outcome });
        match action {
            Some(action) => Verdict::New(action, reply(sender, id, None)),
            None => Verdict::Refused(reply(sender, id, outcome)),
        }
    }

    fn remember(&mut self, id: CommandId, taken: Taken) {
        if self.order.len() >= MOST_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
            && let Some(forgotten) = self.taken.remove(&oldest)
        {
            self.forgotten_at = self.forgotten_at.max(Some(forgotten.at));
        }
        self.order.push_back(id);
        self.taken.insert(id, taken);
    }

    /// Notes what came of a command, and returns the answer.
    pub fn done(&mut self, id: CommandId, outcome: Outcome) -> Option<Reply> {
        let taken = self.taken.get_mut(&id)?;
        taken.outcome = Some(outcome);
        Some(reply(taken.sender, id, taken.outcome))
    }
}

fn reply(to: BoxId, id: CommandId, outcome: Option<Outcome>) -> Reply {
    let outcome = outcome.and_then(|outcome| postcard::to_allocvec(&outcome).ok()).unwrap_or_default();
    Reply { to, id, outcome }
}
