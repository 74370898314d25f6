//! A box's part in comparing lists: it answers others, and asks for theirs.

use std::sync::mpsc::Sender;

use jaudiosync_time::{Instant, Raw, Span};

use super::asking::{Asked, Asking};
use super::{Differences, MOST_TRACKS, OwnTrack, compare, part};
use crate::ride::group::To;
use crate::ride::message::{BoxId, Content, ListPart, ListQuestion};

/// A box answers at most this many questions in a second, whoever asks.
const MOST_ANSWERS: u32 = 40;

/// This many lists are asked for at once.
const MOST_ASKED: usize = 8;

/// Where what differs is reported.
type Answer = Sender<Option<Differences>>;

/// The lists that are asked for, and those that are sent.
pub struct Lists<P> {
    asking: Vec<(Asking, P, Answer)>,
    answers: (Instant<Raw>, u32),
    outgoing: Vec<(To<P>, Content)>,
}

impl<P: Copy> Lists<P> {
    /// Begins with none.
    pub fn new(now: Instant<Raw>) -> Self {
        Self { asking: Vec::new(), answers: (now, 0), outgoing: Vec::new() }
    }

    /// Asks a box for its list. One that is not there does not answer.
    pub fn ask(&mut self, to: Option<(BoxId, P)>, answer: Answer, now: Instant<Raw>) {
        match (to, getrandom::u64()) {
            (Some((to, peer)), Ok(nonce)) if self.asking.len() < MOST_ASKED => {
                self.asking.push((Asking::new(to, nonce, now), peer, answer));
            }
            // Whoever asked may have gone.
            _ => _ = answer.send(None),
        }
    }

    /// Answers a question for this box's list.
    pub fn answer(&mut self, own: &[OwnTrack], sender: BoxId, peer: P, question: &ListQuestion, now: Instant<Raw>) {
        if now - self.answers.0 >= Span::SECOND {
            self.answers = (now, 0);
        }
        self.answers.1 += 1;
        if self.answers.1 <= MOST_ANSWERS {
            self.outgoing.push((To::One(peer), Content::ListPart(part(own, sender, question))));
        }
    }

    /// Hears a part of a list.
    pub fn hear(&mut self, sender: BoxId, part: &ListPart, now: Instant<Raw>) {
        self.asking.iter_mut().for_each(|(asking, ..)| asking.hear(sender, part, now));
    }

    /// Does what is due. Call it at least every 100 ms.
    pub fn step(&mut self, own: &[OwnTrack], now: Instant<Raw>) {
        let outgoing = &mut self.outgoing;
        self.asking.retain_mut(|(asking, peer, answer)| {
            let end = match asking.step(now) {
                Asked::Wait => return true,
                Asked::Ask(question) => {
                    outgoing.push((To::One(*peer), Content::ListQuestion(question)));
                    return true;
                }
                Asked::All(theirs) => Some(compare(&own[..own.len().min(MOST_TRACKS)], &theirs)),
                Asked::NoAnswer => None,
            };
            let _ = answer.send(end);
            false
        });
    }

    /// Returns what is to be sent, in this order.
    pub fn take_outgoing(&mut self) -> Vec<(To<P>, Content)> {
        std::mem::take(&mut self.outgoing)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn of_two_equal_lists_that_are_too_long_nothing_differs() {
        let track = |number: usize| OwnTrack::new(&format!("{number}.mp3"), 1, Some(1.0), Some("x"));
        let tracks: Vec<OwnTrack> = (0..MOST_TRACKS + 10).map(track).collect();
        let (mut here, mut there) = (Lists::new(Instant::ZERO), Lists::new(Instant::ZERO));
        let (answer, differences) = mpsc::channel();
        here.ask(Some((BoxId(2), 2_u8)), answer, Instant::ZERO);
        let mut now = Instant::ZERO;
        let found = loop {
            now += Span::from_ms(30);
            here.step(&tracks, now);
            for (_, content) in here.take_outgoing() {
                let Content::ListQuestion(question) = content else { panic!("{content:?}") };
                there.answer(&tracks, BoxId(1), 1, &question, now);
            }
            for (_, content) in there.take_outgoing() {
                let Content::ListPart(part) = content else { panic!("{content:?}") };
                here.hear(BoxId(2), &part, now);
            }
            if let Ok(found) = differences.try_recv() {
                break found;
            }
        };
        assert_eq!(found, Some(Differences::default()));
    }
}
