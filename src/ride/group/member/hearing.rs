//! What a box does with the messages that it hears.

use jaudiosync_time::{Instant, Raw, Span};

use super::{Member, To};
use crate::ride::freshness::Age;
use crate::ride::group::broadcasts::BeaconId;
use crate::ride::group::neighbour::{Neighbour, Peer};
use crate::ride::message::{Answer, BoxId, Content, Message, Question};
use crate::timekeeping::estimate::timekeeper::TimeView;

/// A box answers at most this many questions in a second, whoever asks.
const MOST_ANSWERS: u32 = 60;

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
            if self.neighbours.len() >= MOST_NEIGHBOURS {
                return;
            }
            self.neighbours.push(Neighbour::new(sender, peer, now));
        }
        match content {
            Content::Question(question) => self.question(question, sender, peer, at, now, view),
            Content::Answer(answer) if answer.to == self.id => {
                let Some(neighbour) = self.neighbours.iter_mut().find(|neighbour| neighbour.id == sender) else {
                    return;
                };
                if neighbour.answered(&answer, at, run) {
                    neighbour.peer = peer;
                    self.freshness.prove(sender, run, number);
                } else {
                    self.refusals.unasked += 1;
                }
            }
            Content::Answer(_) => {}
            Content::Beacon(beacon) => {
                let Some(neighbour) = self.neighbours.iter_mut().find(|neighbour| neighbour.id == sender) else {
                    return;
                };
                if age == Age::Unproven {
                    // It is asked, and believed once it has answered.
                    self.refusals.unproven += 1;
                    if neighbour.run != Some(run) {
                        neighbour.peer = peer;
                        neighbour.beacon_at = at;
                    }
                    return;
                }
                neighbour.peer = peer;
                self.received.push(BeaconId { sender: sender.short(), number }, at);
                let reported = beacon.heard.iter().find(|heard| heard.sender == self.id.short());
                if reported.is_some_and(|heard| self.sent_to_all.contains(&heard.number)) {
                    neighbour.hears_all_at = Some(at);
                }
                neighbour.hear(*beacon, at, &self.received);
            }
        }
    }

    fn question(
        &mut self,
        question: Question,
        sender: BoxId,
        peer: P,
        at: Instant<Raw>,
        now: Instant<Raw>,
        view: &TimeView,
    ) {
        if question.to != self.id {
            return;
        }
        if now - self.answers.0 >= Span::SECOND {
            self.answers = (now, 0);
        }
        self.answers.1 += 1;
        if self.answers.1 > MOST_ANSWERS {
            return;
        }
        let map = self.follow_jumps(now, view);
        let [received_ns, sent_ns] = [at, now].map(|raw| map.apply(raw).ns());
        let answer = Answer { to: sender, nonce: question.nonce, received_ns, sent_ns, epoch: self.epoch };
        self.send(To::One(peer), Content::Answer(answer));
    }
}
