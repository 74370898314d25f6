use jaudiosync_time::Rate;
use proptest::prelude::*;

use super::*;
use crate::ride::message::Answer;
use crate::timekeeping::estimate::group::{GroupClock, GroupId};

/// A box whose raw clock is true, and whose own UTC is off by a constant.
pub(super) struct Bike {
    pub(super) member: Member<usize>,
    own: Option<(ClockMap<Raw, Utc>, Span)>,
    group: Option<GroupClock>,
}

/// Boxes on a network that delays, loses and reorders.
pub(super) struct Air {
    pub(super) bikes: Vec<Bike>,
    /// When a message comes, from whom, to whom.
    pub(super) pending: Vec<(Instant<Raw>, usize, usize, Message)>,
    pub(super) now: Instant<Raw>,
    random: fastrand::Rng,
    loss: f64,
    sent_bytes: usize,
    /// To numbers that no box has.
    pub(super) sent_to_nobody: usize,
}

pub(super) const ALL: fn(usize, usize) -> bool = |_, _| true;

impl Air {
    /// Makes a box for each of these: by how much its UTC is ahead, and its bound, in µs.
    pub(super) fn new(boxes: &[Option<(i64, i64)>], loss: f64, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let now = Instant::from_second(1_000);
        let bikes = boxes
            .iter()
            .enumerate()
            .map(|(number, known)| {
                let map = |ahead_us| ClockMap {
                    from: now,
                    to: Instant::from_second(1_800_000_000) + Span::from_us(ahead_us),
                    rate: Rate::ZERO,
                };
                let own = known.map(|(ahead_us, bound_us)| (map(ahead_us), Span::from_us(bound_us)));
                let id = BoxId(number as u64 + 1);
                Bike { member: Member::new(id, RunId(random.u64(..)), random.u64(..), now), own, group: None }
            })
            .collect();
        Self { bikes, pending: Vec::new(), now, random, loss, sent_bytes: 0, sent_to_nobody: 0 }
    }

    fn view(&self, number: usize) -> TimeView {
        let Bike { own, group, .. } = &self.bikes[number];
        let group = group.as_ref().and_then(|group| group.estimate(self.now));
        TimeView { own: *own, group, ..TimeView::default() }
    }

    /// Lets time pass in which a box hears another if `reach` says so.
    pub(super) fn pass(&mut self, seconds: i64, reach: impl Fn(usize, usize) -> bool) {
        for _ in 0..seconds * 20 {
            self.now += Span::from_ms(50);
            let now = self.now;
            self.pending.sort_by_key(|(at, ..)| *at);
            let rest = self.pending.split_off(self.pending.partition_point(|(at, ..)| *at <= now));
            for (at, from, to, message) in std::mem::replace(&mut self.pending, rest) {
                let view = self.view(to);
                self.bikes[to].member.hear(message, from, at, now, &view);
            }
            for number in 0..self.bikes.len() {
                let view = self.view(number);
                self.bikes[number].member.step(now, &view);
                self.bikes[number].obey(now);
                for outgoing in self.bikes[number].member.take_outgoing() {
                    self.send(number, outgoing, &reach);
                }
            }
        }
    }

    fn send(&mut self, from: usize, outgoing: Outgoing<usize>, reach: &impl Fn(usize, usize) -> bool) {
        let Outgoing { to, message } = outgoing;
        // Header and signature, IP and UDP.
        self.sent_bytes += postcard::to_allocvec(&message).unwrap().len() + 5 + 16 + 28;
        let all = 0..self.bikes.len();
        self.sent_to_nobody += usize::from(matches!(to, To::One(peer) if peer >= self.bikes.len()));
        let beacon_at = self.now + Span::from_ms(self.random.i64(3..100));
        for other in all.filter(|other| *other != from && (to == To::All || to == To::One(*other))) {
            if reach(from, other) && self.random.f64() >= self.loss {
                let at = match to {
                    To::All => beacon_at + Span::from_us(self.random.i64(0..40)),
                    To::One(_) => self.now + Span::from_us(2_000 + self.random.i64(0..9_000)),
                };
                self.pending.push((at, from, other, message.clone()));
            }
        }
    }

    pub(super) fn group(&self, number: usize) -> Option<GroupId> {
        self.bikes[number].group.as_ref().map(GroupClock::id)
    }

    /// How far the boxes are apart at most, and the group that all are in.
    pub(super) fn apart(&self) -> Option<Span> {
        let group = self.group(0)?;
        let times: Option<Vec<_>> = (0..self.bikes.len())
            .map(|number| {
                self.view(number).group.filter(|estimate| estimate.id == group).map(|e| e.utc.apply(self.now))
            })
            .collect();
        let times = times?;
        Some(*times.iter().max()? - *times.iter().min()?)
    }

    fn leader(&self, number: usize) -> BoxId {
        match self.bikes[number].member.role() {
            Role::Leads => self.bikes[number].member.id(),
            Role::Follows { leader, .. } => leader,
        }
    }
}

impl Bike {
    fn obey(&mut self, now: Instant<Raw>) {
        let commands = self.member.take_commands();
        let begins = |command: &GroupCommand| matches!(command, GroupCommand::Found(..) | GroupCommand::Join(..));
        let has_begun = commands.iter().any(begins);
        for command in commands {
            match (command, &mut self.group) {
                (GroupCommand::Found(id, ahead), group) => {
                    let (own, _) = self.own.unwrap();
                    *group = Some(GroupClock::found(id, now, ClockMap { to: own.to + ahead, ..own }, None));
                }
                (GroupCommand::Join(id, sample), group) => *group = Some(GroupClock::join(id, &sample, None)),
                (GroupCommand::Learn(sample), Some(group)) => group.learn(&sample, None),
                (GroupCommand::Steer { from_s, rate }, Some(group)) => group.steer(now, from_s, rate),
                (GroupCommand::Contact(contact), Some(group)) => group.contact(now, contact),
                (GroupCommand::Distrust, Some(group)) => group.distrust(),
                (_, None) => {}
            }
        }
        let Some(group) = &mut self.group else { return };
        group.update(now, self.own, None);
        // Otherwise a box that knows the time well by itself leaves it at once.
        let estimate = group.estimate(now).unwrap();
        assert!(!has_begun || estimate.contact.is_some(), "a group begins with others in reach: {estimate:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn boxes_that_hear_each_other_agree(count in 2_usize..9, loss in 0.0..0.2, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let boxes: Vec<_> = (0..count).map(|_| Some((random.i64(-3_000..3_000), random.i64(4_000..9_000)))).collect();
        let mut air = Air::new(&boxes, loss, seed);
        air.pass(100, ALL);
        let apart = air.apart();
        // Two alone have no broadcasts that both receive: they have only exchanges.
        let most = if count == 2 { Span::from_ms(2) } else { Span::from_us(500) };
        prop_assert!(apart.is_some_and(|apart| apart < most), "{apart:?}");
        let leader = air.leader(0);
        prop_assert!((0..count).all(|number| air.leader(number) == leader));
    }
}

#[test]
fn a_box_without_any_time_joins_and_one_that_is_hidden_is_reached_by_way_of_another() {
    let mut air = Air::new(&[Some((0, 4_000)), Some((2_000, 5_000)), None], 0.05, 1);
    air.pass(90, |from, to| from.abs_diff(to) == 1);
    assert!(air.apart().is_some_and(|apart| apart < Span::from_ms(2)), "{:?}", air.apart());
}

#[test]
fn when_the_leader_starts_anew_the_others_go_on_and_it_joins_them() {
    let mut air = Air::new(&[Some((0, 900)), Some((2_000, 9_000)), Some((-2_000, 9_000))], 0.05, 2);
    air.pass(90, ALL);
    let (group, leader) = (air.group(1), air.leader(1));
    assert_eq!(leader, BoxId(1));
    let before = air.view(1).group.unwrap().utc;
    air.bikes[0].member = Member::new(BoxId(1), RunId(77), 77, air.now);
    air.bikes[0].group = None;
    air.pass(60, ALL);
    assert_eq!([0, 1, 2].map(|number| air.group(number)), [group; 3]);
    let moved = air.view(1).group.unwrap().utc.apply(air.now) - before.apply(air.now);
    assert!(moved.abs() < Span::from_ms(5), "{moved:?}");
    assert!(air.apart().is_some_and(|apart| apart < Span::from_us(300)), "{:?}", air.apart());
}

#[test]
fn of_three_the_liar_is_excluded_and_of_two_both_show_the_contradiction() {
    let mut air = Air::new(&[Some((900_000, 20)), Some((0, 4_000)), Some((1_000, 4_000))], 0.0, 3);
    air.pass(90, ALL);
    assert_eq!(air.bikes[0].member.standing(), Standing::Excluded);
    let standing = |air: &Air, number: usize, of: u64| {
        let neighbours = air.bikes[number].member.neighbours();
        neighbours.iter().find(|neighbour| neighbour.id == BoxId(of)).unwrap().standing
    };
    assert_eq!([standing(&air, 1, 1), standing(&air, 2, 1)], [Standing::Excluded; 2]);
    assert_eq!(standing(&air, 1, 3), Standing::Agrees);
    let of_group = air.view(1).group.unwrap().utc.apply(air.now);
    let true_utc = air.bikes[1].own.unwrap().0.apply(air.now);
    assert!((of_group - true_utc).abs() < Span::from_ms(5), "{:?}", of_group - true_utc);

    let mut air = Air::new(&[Some((900_000, 20)), Some((0, 4_000))], 0.0, 3);
    air.pass(60, ALL);
    assert_eq!([0, 1].map(|number| air.bikes[number].member.standing()), [Standing::Contradicted; 2]);
}

#[test]
fn what_was_replayed_or_not_asked_for_or_comes_from_strangers_moves_nothing_and_is_counted() {
    let mut air = Air::new(&[Some((0, 4_000)), Some((1_000, 5_000)), Some((500, 5_000))], 0.0, 4);
    air.pass(60, ALL);
    let (now, view) = (air.now, air.view(1));
    let refusals = air.bikes[1].member.refusals();
    let answer = |number, nonce| {
        let content = Content::Answer(Answer { to: BoxId(2), nonce, received_ns: 5, sent_ns: 5, epoch: 0 });
        Message { sender: BoxId(1), run: air.bikes[0].member.run, number, content }
    };
    let messages = [answer(1, 3), answer(9_000, 3), Message { sender: BoxId(99), ..answer(1, 4) }];
    for message in messages {
        air.bikes[1].member.hear(message, 0, now, now, &view);
    }
    let after = air.bikes[1].member.refusals();
    assert_eq!(after.old, refusals.old + 1);
    assert_eq!(after.unasked, refusals.unasked + 2);
    assert!(air.bikes[1].member.take_commands().is_empty());
    air.pass(20, ALL);
    assert!(air.apart().is_some_and(|apart| apart < Span::from_us(300)), "{:?}", air.apart());
}

#[test]
fn a_box_among_twenty_sends_two_kilobytes_a_second_at_most() {
    let boxes: Vec<_> = (0..20).map(|number| Some((number * 100, 4_000 + number * 10))).collect();
    let mut air = Air::new(&boxes, 0.05, 5);
    air.pass(60, ALL);
    air.sent_bytes = 0;
    let began = std::time::Instant::now();
    air.pass(60, ALL);
    let bytes_per_s = air.sent_bytes / 60 / 20;
    let processor = began.elapsed().as_secs_f64() / 60.0 / 20.0;
    println!("{bytes_per_s} bytes/s for each of 20 boxes, {:.3} % of a core with the network", processor * 100.0);
    assert!(bytes_per_s <= 2_000, "{bytes_per_s} bytes/s");
    assert!(air.apart().is_some_and(|apart| apart < Span::from_us(300)), "{:?}", air.apart());
}
