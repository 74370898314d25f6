//! Many boxes on a bad network: every command is done once, at its instant, or shown as not
//! answered.

use std::collections::{BinaryHeap, HashMap};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use jaudiosync_time::{ClockMap, Instant, Rate, Span};
use proptest::prelude::*;

use super::*;
use crate::ride::group::To;
use crate::ride::key::RideKey;
use crate::ride::message::{BoxId, CommandId, Content, Message, Order, RunId, open, seal};

const UTC_S: i64 = 1_800_000_000;

/// What a box was commanded: which command, when, and when that came.
type Taken = Arc<Mutex<Vec<(u64, Effect, i64)>>>;

struct Box {
    id: BoxId,
    desk: Desk<usize>,
    taken: Taken,
    key: RideKey,
    refused: u64,
}

/// A datagram on its way: when it arrives, counted from the latest, its number, to whom, from whom.
type Flying = (std::cmp::Reverse<i64>, u64, usize, usize, Vec<u8>);

struct Air {
    boxes: Vec<Box>,
    flying: BinaryHeap<Flying>,
    number: u64,
    loss: f64,
    random: fastrand::Rng,
    now_ms: i64,
    /// All that was ever sent, for somebody who records it.
    recorded: Vec<Vec<u8>>,
    /// Boxes that are switched off.
    off: Vec<usize>,
}

fn present(now_ms: i64) -> Present {
    let raw = Instant::ZERO + Span::from_ms(now_ms);
    let time = ClockMap { from: Instant::ZERO, to: Instant::from_second(UTC_S), rate: Rate::ZERO };
    Present { raw, time }
}

fn new_box(id: u64, key: RideKey, now_ms: i64) -> Box {
    let taken: Taken = Arc::default();
    let effects: Effects = {
        let taken = Arc::clone(&taken);
        std::boxed::Box::new(move |effect: Effect| {
            let id = effect.answer.as_ref().map_or(0, |(id, _)| id.0);
            taken.lock().unwrap().push((id, effect, 0));
        })
    };
    let desk = Desk::new(BoxId(id), present(now_ms).raw, effects);
    Box { id: BoxId(id), desk, taken, key, refused: 0 }
}

impl Air {
    fn new(boxes: usize, loss: f64, seed: u64) -> Self {
        let key = || RideKey::from_secret([7; 18]);
        Self {
            boxes: (0..boxes).map(|number| new_box(100 + number as u64, key(), 0)).collect(),
            flying: BinaryHeap::new(),
            number: 0,
            loss,
            random: fastrand::Rng::with_seed(seed),
            now_ms: 0,
            recorded: Vec::new(),
            off: Vec::new(),
        }
    }

    fn send(&mut self, from: usize, action: Action, id: u64) -> Receiver<Progress> {
        let all: Vec<usize> = (0..self.boxes.len()).collect();
        self.send_to(&all, true, from, action, id)
    }

    fn send_to(&mut self, to: &[usize], is_for_all: bool, from: usize, action: Action, id: u64) -> Receiver<Progress> {
        let targets = self.boxes.iter().enumerate().filter(|(number, _)| to.contains(number)).map(|(number, other)| {
            Target { id: other.id, name: format!("bike-{number}"), peer: (number != from).then_some(number) }
        });
        let targets = targets.collect();
        let (progress, reported) = mpsc::channel();
        let now = present(self.now_ms);
        self.boxes[from].desk.send(CommandId(id), action, is_for_all, targets, progress, now);
        reported
    }

    /// Somebody puts bytes into the air for a box.
    fn put(&mut self, to: usize, from: usize, bytes: Vec<u8>, after_ms: i64) {
        self.number += 1;
        self.flying.push((std::cmp::Reverse(self.now_ms + after_ms), self.number, to, from, bytes));
    }

    fn step(&mut self) {
        self.now_ms += 20;
        let now = present(self.now_ms);
        while self.flying.peek().is_some_and(|flying| flying.0.0 <= self.now_ms) {
            let Some((_, _, to, from, bytes)) = self.flying.pop() else { break };
            if self.off.contains(&to) {
                continue;
            }
            let other = &mut self.boxes[to];
            match open(&bytes, &other.key) {
                Ok(Message { sender, content: Content::Order(order), .. }) => {
                    let hearing = Hearing { sender, peer: from, ahead: Span::ZERO, order: &order };
                    other.desk.hear(&hearing, now);
                }
                Ok(Message { sender, content: Content::Reply(reply), .. }) => other.desk.hear_reply(sender, &reply),
                Ok(_) => {}
                Err(_) => other.refused += 1,
            }
        }
        for from in 0..self.boxes.len() {
            if self.off.contains(&from) {
                continue;
            }
            let other = &mut self.boxes[from];
            // What the service does at the instant.
            let mut taken = other.taken.lock().unwrap();
            for (_, effect, done_ms) in taken.iter_mut().filter(|(.., done_ms)| *done_ms == 0) {
                if now.time.apply(now.raw) >= effect.at {
                    *done_ms = self.now_ms;
                    effect.answer(Outcome::Done(Done::default()));
                }
            }
            drop(taken);
            other.desk.step(now.raw);
            let (id, key) = (other.id, other.key.clone());
            for (to, content) in other.desk.take_outgoing() {
                let message = Message { sender: id, run: RunId(1), number: 0, content };
                let bytes = seal(&message, &key).unwrap();
                self.recorded.push(bytes.clone());
                let goals: Vec<usize> = match to {
                    To::All => (0..self.boxes.len()).filter(|goal| *goal != from).collect(),
                    To::One(goal) => vec![goal],
                };
                for goal in goals {
                    // Some come twice.
                    for _ in 0..self.random.usize(1..=2) {
                        if self.random.f64() >= self.loss {
                            let after_ms = self.random.i64(1..200);
                            self.put(goal, from, bytes.clone(), after_ms);
                        }
                    }
                }
            }
        }
    }

    fn run(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        while self.now_ms < until {
            self.step();
        }
    }

    /// Returns how often a box has taken a command.
    fn taken(&self, number: usize, id: u64) -> usize {
        self.boxes[number].taken.lock().unwrap().iter().filter(|(taken, ..)| *taken == id).count()
    }

    fn effects(&self) -> usize {
        self.boxes.iter().map(|other| other.taken.lock().unwrap().len()).sum()
    }
}

fn order(id: u64, at_ns: i64, action: Vec<u8>) -> Order {
    Order { id: CommandId(id), at_ns, to: vec![BoxId(1)], is_for_all: true, action }
}

fn last(reported: &Receiver<Progress>) -> Progress {
    reported.try_iter().last().expect("something was reported")
}

#[test]
fn twenty_boxes_that_lose_a_third_do_every_command_once_at_the_same_instant() {
    let (mut late, mut missed) = (0, 0);
    for seed in 0..40 {
        let mut air = Air::new(20, 0.3, seed);
        let action = Action::Volume { change: VolumeChange::Up { percent: 5 }, keeps_ratios: false };
        let (one, other) = (air.send(0, Action::Stop, 1), air.send(3, action, 2));
        air.run(5_200);
        for (reported, id) in [(one, 1), (other, 2)] {
            let progress = last(&reported);
            assert!(progress.is_over && progress.rows.len() == 20, "seed {seed}");
            for (number, row) in progress.rows.iter().enumerate() {
                let taken = air.taken(number, id);
                assert!(taken <= 1, "seed {seed}: done twice by {number}");
                match row.outcome {
                    Some(Outcome::Done(_)) => assert_eq!(taken, 1, "seed {seed}: {number}"),
                    Some(Outcome::NoAnswer) => missed += 1,
                    other => panic!("seed {seed}: {other:?}"),
                }
            }
        }
        for other in &air.boxes {
            for (_, effect, done_ms) in other.taken.lock().unwrap().iter() {
                // Commanded in the first step, and due 2 s later.
                late += usize::from(*done_ms > 2_040);
                assert_eq!(effect.at, Instant::from_second(UTC_S + 2), "the same instant for all");
            }
        }
    }
    println!("of {} commands {late} came late and {missed} were not answered", 40 * 2 * 20);
    assert!(late <= 1 && missed == 0, "{late} late, {missed} missed");
}

#[test]
fn a_box_that_is_off_is_shown_as_not_answering_after_five_seconds_and_all_others_are_done() {
    let mut air = Air::new(4, 0.1, 1);
    air.off.push(2);
    let reported = air.send(0, Action::Identify, 9);
    air.run(4_900);
    let progress = last(&reported);
    assert!(!progress.is_over && progress.rows.iter().filter(|row| row.outcome.is_some()).count() == 3, "{progress:?}");
    air.run(200);
    let progress = last(&reported);
    assert!(progress.is_over);
    for (number, row) in progress.rows.iter().enumerate() {
        let expected = if number == 2 { Outcome::NoAnswer } else { Outcome::Done(Done::default()) };
        assert_eq!(row.outcome, Some(expected), "{row:?}");
    }
    assert!(reported.recv().is_err(), "nothing comes after the end");
}

#[test]
fn what_was_recorded_does_nothing_later_whoever_was_switched_on_again() {
    let mut air = Air::new(3, 0.0, 5);
    air.send(0, Action::Stop, 1);
    air.run(5_000);
    assert_eq!(air.effects(), 3);
    let recorded = air.recorded.clone();
    // At once, to boxes in the same run; and to one that was switched on again meanwhile, even
    // before the command is too old.
    air.boxes[1] = new_box(777, RideKey::from_secret([7; 18]), air.now_ms);
    for bytes in &recorded {
        (1..3).for_each(|to| air.put(to, 0, bytes.clone(), 10));
    }
    air.run(500);
    assert_eq!((air.taken(1, 1), air.taken(2, 1)), (0, 1), "nothing is done again");
    // An hour later it is too old, which is counted.
    air.now_ms += 3_600_000;
    let before = air.boxes[2].desk.old();
    for bytes in &recorded {
        (1..3).for_each(|to| air.put(to, 0, bytes.clone(), 10));
    }
    air.run(500);
    assert_eq!((air.taken(1, 1), air.taken(2, 1)), (0, 1));
    assert!(air.boxes[2].desk.old() > before && air.boxes[1].desk.old() > 0);
}

#[test]
fn what_some_boxes_are_commanded_is_not_what_the_ride_was_commanded() {
    let mut air = Air::new(4, 0.0, 1);
    air.send(0, Action::Start { join: Join::Common }, 1);
    air.run(3_000);
    let commanded_s = Some(UTC_S + 2);
    assert!(air.boxes.iter().all(|other| other.desk.commanded_s() == commanded_s));
    // Neither the box that is meant, nor the others, nor the sender takes it for the ride's.
    air.send_to(&[1], false, 0, Action::Stop, 2);
    air.run(3_000);
    assert_eq!([0, 1, 2, 3].map(|number| air.taken(number, 2)), [0, 1, 0, 0]);
    assert!(air.boxes.iter().all(|other| other.desk.commanded_s() == commanded_s));
    let for_all = |effect: &Effect| (effect.action, effect.is_for_all);
    let taken = air.boxes[1].taken.lock().unwrap();
    let taken: Vec<_> = taken.iter().map(|(_, effect, _)| for_all(effect)).collect();
    assert_eq!(taken, [(Action::Start { join: Join::Common }, true), (Action::Stop, false)]);
}

#[test]
fn forged_commands_and_those_of_another_ride_do_nothing_and_are_counted() {
    let mut air = Air::new(3, 0.0, 5);
    air.boxes[2].key = RideKey::from_secret([8; 18]);
    air.send(0, Action::Stop, 1);
    air.run(1_000);
    let mut forged = air.recorded[0].clone();
    forged[30] ^= 1;
    air.put(1, 0, forged, 10);
    air.run(5_000);
    assert_eq!((air.taken(1, 1), air.taken(2, 1)), (1, 0));
    assert_eq!(air.boxes[1].refused, 1);
    assert!(air.boxes[2].refused > 0, "another ride");
}

#[test]
fn a_command_that_this_version_does_not_know_is_answered_as_such() {
    let mut receiving = Receiving::new(BoxId(1), Instant::ZERO);
    let order = order(5, 0, vec![99, 1, 2]);
    let Verdict::Refused(reply) = receiving.hear(BoxId(2), &order, Instant::ZERO, 0) else { panic!("refused") };
    assert_eq!(postcard::from_bytes::<Outcome>(&reply.outcome), Ok(Outcome::Refused(Reason::Unknown)));
    assert!(matches!(receiving.hear(BoxId(2), &order, Instant::ZERO, 0), Verdict::Again(_)));
}

#[test]
fn a_flood_of_commands_is_refused_and_memory_is_bounded() {
    let mut receiving = Receiving::new(BoxId(1), Instant::ZERO);
    let action = postcard::to_allocvec(&Action::Identify).unwrap();
    let mut new = 0;
    for number in 0..100_000_u64 {
        let now = Instant::ZERO + Span::from_ms(number as i64);
        let at_ns = now.ns();
        let order = order(number, at_ns, action.clone());
        new += usize::from(matches!(receiving.hear(BoxId(2), &order, now, at_ns), Verdict::New(..)));
    }
    assert_eq!(new, 1_000, "ten a second");
}

#[test]
fn the_commands_of_one_whose_clock_is_ahead_do_not_make_those_of_others_old() {
    let mut receiving = Receiving::new(BoxId(1), Instant::ZERO);
    let action = postcard::to_allocvec(&Action::Identify).unwrap();
    let hour_ns = Span::from_seconds(3_600).ns();
    let mut now = Instant::ZERO;
    for number in 0..1_100 {
        now += Span::from_ms(200);
        let theirs_ns = now.ns() + hour_ns;
        let verdict = receiving.hear(BoxId(2), &order(number, theirs_ns, action.clone()), now, theirs_ns);
        assert!(matches!(verdict, Verdict::New(..)), "{verdict:?}");
    }
    let verdict = receiving.hear(BoxId(3), &order(5_000, now.ns(), action), now, now.ns());
    assert!(matches!(verdict, Verdict::New(..)), "{verdict:?}");
}

proptest! {
    #[test]
    fn whatever_is_lost_repeated_or_replayed_nothing_is_done_twice(
        seed: u64, boxes in 1_usize..8, loss in 0.0..0.9_f64, commands in 1_usize..6,
        replays in prop::collection::vec((any::<u32>(), 0_usize..8, 0_i64..20_000), 0..40),
    ) {
        let mut air = Air::new(boxes, loss, seed);
        let mut reported = HashMap::new();
        for id in 0..commands {
            reported.insert(id, air.send(id % boxes, Action::Stop, id as u64 + 1));
            air.run(700);
        }
        for (which, to, after_ms) in replays {
            if !air.recorded.is_empty() {
                let bytes = air.recorded[which as usize % air.recorded.len()].clone();
                air.put(to % boxes, 0, bytes, after_ms);
            }
        }
        air.run(25_000);
        for (id, reported) in reported {
            let progress = last(&reported);
            prop_assert!(progress.is_over && progress.rows.len() == boxes);
            for (number, row) in progress.rows.iter().enumerate() {
                let taken = air.taken(number, id as u64 + 1);
                prop_assert!(taken <= 1);
                prop_assert!(!matches!(row.outcome, Some(Outcome::Done(_))) || taken == 1);
                prop_assert!(row.outcome.is_some());
            }
        }
    }
}
