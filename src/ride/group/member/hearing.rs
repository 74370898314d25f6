//! What a box does with the messages that it hears.

use jaudiosync_time::{Instant, Raw};

use super::{FORGOTTEN, Member, To};
use crate::ride::freshness::Age;
use crate::ride::group::broadcasts::BeaconId;
use crate::ride::group::neighbour::{Neighbour, Peer};
use crate::ride::message::{Answer, BoxId, Content, Message, Question};
use crate::timekeeping::estimate::timekeeper::TimeView;

/// A box answers at most this many questions in a second, whoever asks.
const MOST_ANSWERS: u32 = 60;

/// And this many of boxes that have not answered a question of its own yet: whoever has recorded
/// questions shall not use up what the others need.
const MOST_ANSWERS_TO_STRANGERS: u32 = 20;

/// More boxes than a ride has are not listened to.
const MOST_NEIGHBOURS: usize = 64;

impl<P: Peer> Member<P> {
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
            if self.neighbours.len() >= MOST_NEIGHBOURS && !self.make_room(now) {
                return;
            }
            self.neighbours.push(Neighbour::new(sender, peer, now));
        }
        if age == Age::Unproven
            && let Some(neighbour) = self.neighbours.iter_mut().find(|neighbour| neighbour.id == sender)
        {
            // It is asked, and believed once it has answered.
            neighbour.hear_unproven(peer, at);
        }
        match content {
            Content::Question(question) if question.to == self.id => {
                if age == Age::New || self.answers_to_strangers.allows(MOST_ANSWERS_TO_STRANGERS, now) {
                    self.answer(question, sender, peer, at, now, view);
                }
            }
            Content::Question(_) => {}
            Content::Answer(answer) if answer.to == self.id => {
                let Some(neighbour) = self.neighbours.iter_mut().find(|neighbour| neighbour.id == sender) else {
                    return;
                };
                if neighbour.answered(&answer, peer, at, run, number) {
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
                    self.refusals.unproven += 1;
                    return;
                }
                neighbour.peer = peer;
                self.received.push(BeaconId { sender: sender.short(), number }, at);
                let reported = beacon.heard.iter().find(|heard| heard.sender == self.id.short());
                if reported.is_some_and(|heard| self.sent_to_all.contains(&heard.number)) {
                    neighbour.hears_all_at = Some(at);
                }
                neighbour.hear(*beacon, number, at, &self.received);
            }
        }
    }

    fn answer(
        &mut self,
        question: Question,
        sender: BoxId,
        peer: P,
        at: Instant<Raw>,
        now: Instant<Raw>,
        view: &TimeView,
    ) {
        if !self.answers.allows(MOST_ANSWERS, now) {
            return;
        }
        let map = self.follow_jumps(now, view);
        let [received_ns, sent_ns] = [at, now].map(|raw| map.apply(raw).ns());
        let answer = Answer { to: sender, nonce: question.nonce, received_ns, sent_ns, epoch: self.epoch };
        self.send(To::One(peer), Content::Answer(answer));
    }

    /// Forgets a neighbour, so that there is room for another one: one that has not proven that it is
    /// there, and of these the one that has left most questions unanswered, as a recording does.
    /// Of those that have, only one is forgotten that is no longer heard. Returns whether there is
    /// room.
    fn make_room(&mut self, now: Instant<Raw>) -> bool {
        let gone = self.neighbours.iter().enumerate().filter(|(_, neighbour)| !neighbour.is_there(now));
        let place = gone
            .max_by_key(|(_, neighbour)| {
                let is_stranger = neighbour.run.is_none();
                // Whoever was asked a moment ago may be about to prove that it is there.
                (is_stranger, !neighbour.may_answer(now), neighbour.unanswered(), now - neighbour.seen_at())
            })
            .map(|(place, _)| place);
        let Some(place) = place else { return false };
        let forgotten = self.neighbours.swap_remove(place);
        self.freshness.forget(forgotten.id);
        true
    }

    /// Forgets the neighbours that were not heard for long.
    pub(super) fn forget_the_gone(&mut self, now: Instant<Raw>) {
        let Self { neighbours, freshness, .. } = self;
        neighbours.retain(|neighbour| {
            let is_kept = now - neighbour.seen_at() <= FORGOTTEN;
            if !is_kept {
                freshness.forget(neighbour.id);
            }
            is_kept
        });
    }
}
