//! Any bytes as a datagram of a ride, any contents that are signed, and any order of messages.
//!
//! A datagram is signed, and no fuzzer finds a signature. So the first byte says what the rest is:
//! 0: a datagram; 1: contents, each with its length before it, which are signed here and then
//! received one after another; otherwise: messages and answers of a few boxes in any order. What
//! must hold:
//!
//! - No panic, and no more memory than a datagram has.
//! - Bytes without a signature of the key are refused; those that do not look like a message are
//!   refused by `open`, too.
//! - A message that is understood can be sent again, and means the same.
//! - A command is new once, and what it and its answers carry is understood or refused; a list that
//!   is asked for stays bounded.
//! - A message is new once, and only if its box has answered in the run that it names.

#![no_main]

use std::collections::{HashMap, HashSet};

use arbitrary::{Arbitrary, Unstructured};
use jaudiosync::ride::command::{Action, Receiving, Sending, Target, Verdict};
use jaudiosync::ride::freshness::{Age, Freshness};
use jaudiosync::ride::key::RideKey;
use jaudiosync::ride::lists::{Asked, Asking, MOST_TRACKS, compare};
use jaudiosync::ride::message::{
    BoxId, CommandId, Content, MAX_DATAGRAM_BYTES, Message, Refused, RunId, VERSION, can_be_message, open, seal,
};
use jaudiosync_time::{Instant, Span};
use libfuzzer_sys::fuzz_target;

/// A window of numbers, as in the program.
const WINDOW: u32 = 64;

/// What happens between the boxes.
#[derive(Debug, Arbitrary)]
enum Event {
    /// A message comes.
    Message(Sender),
    /// So does an answer to a question that was just made up.
    Answer(Sender),
    /// A box was not heard for long.
    Forget(u8),
}

/// Who sends it, in which of its runs, and its number.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Sender {
    sender: u8,
    run: bool,
    number: Number,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Number {
    Small(u8),
    Large(u8),
    Any(u32),
}

/// What is known of a box: how the program should see it.
#[derive(Debug, Default)]
struct Model {
    run: u64,
    is_proven: bool,
    newest: u32,
    come: HashSet<u32>,
}

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        None => {}
        Some((0, datagram)) => receive(datagram),
        Some((1, contents)) => receive_signed(contents),
        Some((_, events)) => {
            if let Ok(events) = Vec::<Event>::arbitrary(&mut Unstructured::new(events)) {
                follow(&events);
            }
        }
    }
});

fn key() -> RideKey {
    RideKey::from_secret([7; 18])
}

fn receive(datagram: &[u8]) {
    let refused = open(datagram, &key()).expect_err("it is not signed");
    assert!(can_be_message(datagram) || matches!(refused, Refused::Foreign | Refused::TooLong), "{refused:?}");
}

/// Signs contents and receives them, each with two bytes of length before it.
fn receive_signed(mut contents: &[u8]) {
    let mut freshness = Freshness::default();
    let mut model = HashMap::new();
    let mut others = Others::new();
    while let Some((length, rest)) = contents.split_first_chunk::<2>() {
        let (content, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        contents = rest;
        let mut datagram = [b"JAuS", &[VERSION][..], content].concat();
        let signature = key().sign(&datagram);
        datagram.extend_from_slice(&signature);
        assert_eq!(can_be_message(&datagram), datagram.len() <= MAX_DATAGRAM_BYTES);
        match open(&datagram, &key()) {
            Ok(message) => {
                let again = seal(&message, &key()).expect("it is not longer than it was");
                assert_eq!(open(&again, &key()).as_ref(), Ok(&message));
                others.hear(&message);
                judge(&mut freshness, &mut model, &message);
            }
            Err(refused) => assert!(matches!(refused, Refused::Nonsense | Refused::TooLong), "{refused:?}"),
        }
        // With a bit of the signature changed nobody looks into it.
        let last = datagram.len() - 1;
        datagram[last] ^= 1;
        assert!(matches!(open(&datagram, &key()), Err(Refused::Signature | Refused::TooLong)));
    }
}

/// What is not about the time: commands and lists, at one instant.
struct Others {
    receiving: Receiving,
    sending: Sending<u8>,
    asking: Asking,
    done: HashSet<CommandId>,
}

impl Others {
    /// The box of the seeds, in the middle of a command of its own.
    fn new() -> Self {
        let target = Target { id: BoxId(1), name: String::new(), peer: Some(0) };
        let sending = Sending::new(CommandId(4), &Action::Stop, true, vec![target], Instant::ZERO, 0);
        Self {
            receiving: Receiving::new(BoxId(9), Instant::ZERO),
            sending: sending.expect("it can be written"),
            asking: Asking::new(BoxId(1), 4, Instant::ZERO),
            done: HashSet::new(),
        }
    }

    fn hear(&mut self, message: &Message) {
        match &message.content {
            Content::Order(order) => {
                // By its sender's time it is always near.
                match self.receiving.hear(message.sender, order, Instant::ZERO, order.at_ns) {
                    Verdict::New(..) => assert!(self.done.insert(order.id), "done twice"),
                    Verdict::Again(reply) | Verdict::Refused(reply) => assert_eq!(reply.id, order.id),
                    Verdict::ForOthers => assert!(!order.to.contains(&BoxId(9))),
                    Verdict::Old => assert!(order.at_ns == i64::MIN),
                }
            }
            Content::Reply(reply) => {
                self.sending.hear(message.sender, reply);
                let progress = self.sending.take_progress();
                assert!(progress.is_none_or(|progress| progress.rows.len() == 1));
            }
            Content::ListPart(part) => {
                self.asking.hear(message.sender, part, Instant::ZERO);
                if let Asked::All(theirs) = self.asking.step(Instant::ZERO + Span::SECOND) {
                    assert!(theirs.len() <= MOST_TRACKS);
                    compare(&[], &theirs);
                }
            }
            _ => {}
        }
    }
}

/// Judges a message; an answer proves that its box is there.
fn judge(freshness: &mut Freshness, model: &mut HashMap<u64, Model>, message: &Message) {
    let (BoxId(sender), RunId(run), number) = (message.sender, message.run, message.number);
    let age = freshness.judge(message.sender, message.run, number);
    assert_eq!(age, expected(model, sender, run, number), "{message:?}");
    if matches!(message.content, Content::Answer(_)) {
        freshness.prove(message.sender, message.run, number);
        prove(model, sender, run, number);
    }
}

fn follow(events: &[Event]) {
    let mut freshness = Freshness::default();
    let mut model = HashMap::new();
    for event in events {
        match event {
            Event::Message(from) | Event::Answer(from) => {
                let (sender, run, number) = from.plain();
                let age = freshness.judge(BoxId(sender), RunId(run), number);
                assert_eq!(age, expected(&mut model, sender, run, number), "{event:?} of {events:?}");
                if matches!(event, Event::Answer(_)) {
                    freshness.prove(BoxId(sender), RunId(run), number);
                    prove(&mut model, sender, run, number);
                }
            }
            Event::Forget(sender) => {
                freshness.forget(BoxId(u64::from(*sender)));
                model.remove(&u64::from(*sender));
            }
        }
    }
}

impl Sender {
    fn plain(self) -> (u64, u64, u32) {
        // No more boxes than are remembered.
        let sender = u64::from(self.sender);
        let number = match self.number {
            Number::Small(number) => number.into(),
            Number::Large(below) => u32::MAX - u32::from(below),
            Number::Any(number) => number,
        };
        (sender, self.run.into(), number)
    }
}

/// Returns how old a message should be found, and notes that it has come.
fn expected(model: &mut HashMap<u64, Model>, sender: u64, run: u64, number: u32) -> Age {
    let Some(known) = model.get_mut(&sender) else {
        model.insert(sender, Model { run, is_proven: false, newest: number, come: HashSet::from([number]) });
        return Age::Unproven;
    };
    if known.run != run {
        return Age::Unproven;
    }
    if known.newest.saturating_sub(number) >= WINDOW || !known.come.insert(number) {
        return Age::Old;
    }
    known.newest = known.newest.max(number);
    if known.is_proven { Age::New } else { Age::Unproven }
}

fn prove(model: &mut HashMap<u64, Model>, sender: u64, run: u64, number: u32) {
    let known = model.entry(sender).or_default();
    if known.come.is_empty() || known.run != run {
        *known = Model { run, is_proven: true, newest: number, come: HashSet::from([number]) };
    }
    known.is_proven = true;
}
