//! One command on its way: repeats it until every box has answered or the time is over. Pure.

use jaudiosync_time::{Instant, Raw, Span};

use super::action::Action;
use super::outcome::{Outcome, Progress, Row};
use super::{LEAD, PATIENCE};
use crate::ride::message::{BoxId, CommandId, Order, Reply};

/// How often a command is repeated.
const INTERVAL: Span = Span::from_ms(150);

/// After its instant a box sends what came of it by itself; it is asked only this much later.
const ASKED_AFTER: Span = Span::from_ms(120);

/// A box for which a command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<P> {
    /// Its number.
    pub id: BoxId,
    /// Its name.
    pub name: String,
    /// Where it is; `None` for the box that sends.
    pub peer: Option<P>,
}

/// A command on its way.
#[derive(Debug)]
pub struct Sending<P> {
    id: CommandId,
    action: Vec<u8>,
    is_for_all: bool,
    at_ns: i64,
    began: Instant<Raw>,
    next: Instant<Raw>,
    /// How often it was sent.
    times: u32,
    boxes: Vec<(Target<P>, Row)>,
    is_changed: bool,
    is_over: bool,
}

/// What is to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due<P> {
    /// The command, for all.
    pub order: Order,
    /// Who gets a copy of its own: what is sent to one box is repeated by the radio, and passes
    /// where multicast does not.
    pub copies: Vec<P>,
}

impl<P: Copy> Sending<P> {
    /// Begins to send a command to these boxes, `now` being `now_ns` by the group's time as the
    /// sender has it; `is_for_all` if they are the whole ride. Returns `None` for one that cannot
    /// be written, which none is.
    pub fn new(
        id: CommandId,
        action: &Action,
        is_for_all: bool,
        targets: Vec<Target<P>>,
        now: Instant<Raw>,
        now_ns: i64,
    ) -> Option<Self> {
        let action = postcard::to_allocvec(action).ok()?;
        let boxes = targets.into_iter().map(|target| {
            let (id, name) = (target.id, target.name.clone());
            let row = Row { id, name, is_this: target.peer.is_none(), has_it: false, outcome: None };
            (target, row)
        });
        let boxes: Vec<_> = boxes.collect();
        let is_over = boxes.is_empty();
        let at_ns = now_ns.saturating_add(LEAD.ns());
        Some(Self { id, action, is_for_all, at_ns, began: now, next: now, times: 0, boxes, is_changed: true, is_over })
    }

    /// Returns the command's number.
    pub fn id(&self) -> CommandId {
        self.id
    }

    /// Returns the command as all get it, for the box itself.
    pub fn order(&self) -> Order {
        let to = self.boxes.iter().map(|(target, _)| target.id).collect();
        self.order_to(to)
    }

    fn order_to(&self, to: Vec<BoxId>) -> Order {
        let Self { id, at_ns, is_for_all, .. } = *self;
        Order { id, at_ns, to, is_for_all, action: self.action.clone() }
    }

    /// Returns whether nothing more will come of it.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Hears an answer. Returns whether it is one to this command.
    pub fn hear(&mut self, sender: BoxId, reply: &Reply) -> bool {
        if reply.id != self.id {
            return false;
        }
        let outcome = match reply.outcome.as_slice() {
            [] => None,
            // What a later version says and this one does not know shows that the box has it.
            bytes => postcard::from_bytes(bytes).ok(),
        };
        self.note(sender, outcome);
        true
    }

    /// Notes what a box has made of it; `None` if it has it and its instant has not come.
    pub fn note(&mut self, sender: BoxId, outcome: Option<Outcome>) {
        let Some((_, row)) = self.boxes.iter_mut().find(|(target, _)| target.id == sender) else { return };
        if self.is_over || row.outcome.is_some() {
            return;
        }
        self.is_changed |= !row.has_it || outcome.is_some();
        row.has_it = true;
        row.outcome = outcome;
        self.end_if_all_answered();
    }

    fn end_if_all_answered(&mut self) {
        self.is_over |= self.boxes.iter().all(|(_, row)| row.outcome.is_some());
    }

    /// Returns what is to be sent at this reading of the raw clock, if anything is.
    pub fn due(&mut self, now: Instant<Raw>) -> Option<Due<P>> {
        if !self.is_over && now - self.began >= PATIENCE {
            for (_, row) in &mut self.boxes {
                row.outcome.get_or_insert(Outcome::NoAnswer);
            }
            self.is_over = true;
            self.is_changed = true;
        }
        if self.is_over || now < self.next {
            return None;
        }
        self.next = now + INTERVAL;
        let is_asked = now - self.began >= LEAD + ASKED_AFTER;
        let waits = |row: &Row| row.outcome.is_none() && (is_asked || !row.has_it);
        let to: Vec<&(Target<P>, Row)> =
            self.boxes.iter().filter(|(target, row)| target.peer.is_some() && waits(row)).collect();
        if to.is_empty() {
            return None;
        }
        self.times += 1;
        // The first is for all at once.
        let copies =
            if self.times == 1 { Vec::new() } else { to.iter().filter_map(|(target, _)| target.peer).collect() };
        let to = to.iter().map(|(target, _)| target.id).collect();
        Some(Due { order: self.order_to(to), copies })
    }

    /// Returns how far it has come, if that has changed since the last call.
    pub fn take_progress(&mut self) -> Option<Progress> {
        std::mem::take(&mut self.is_changed)
            .then(|| Progress { rows: self.boxes.iter().map(|(_, row)| row.clone()).collect(), is_over: self.is_over })
    }
}
