//! Tests: somebody without the key repeats what boxes have sent, as often as he likes.

use super::tests::{ALL, Air};
use super::*;
use crate::ride::message::{Beacon, Following, PlayClaim, Question, TimeClaim};

/// Who repeats messages.
const NOBODY: usize = 99;

/// A beacon that was recorded earlier.
fn recorded(sender: u64, run: u64, number: u32) -> Message {
    let following = Following {
        leader: BoxId(sender),
        pulse: 1,
        hops: 0,
        leader_class: 0,
        leads_since_s: 0,
        utc_bound_us: None,
        group_bound_ns: 0,
        steering_ppb: 0,
        steering_from_s: 0,
    };
    let beacon = Beacon {
        name: "gone".to_owned(),
        sent_ns: 1,
        epoch: 0,
        group: Some(5),
        time: TimeClaim { utc_bound_us: Some(1), ahead_us: 0, reference_age_s: None },
        following,
        play: PlayClaim::default(),
        volume_percent: None,
        troubles: Vec::new(),
        heard: Vec::new(),
        number: None,
    };
    Message { sender: BoxId(sender), run: RunId(run), number, content: Content::Beacon(Box::new(beacon)) }
}

/// What is repeated to a box, in turn.
struct Recordings {
    boxes: std::ops::Range<u64>,
    next: u64,
    /// As many as the admission lets through of strangers, at most.
    per_second: u64,
}

impl Recordings {
    fn of(boxes: std::ops::Range<u64>, per_second: u64) -> Self {
        Self { boxes, next: 0, per_second }
    }

    fn next(&mut self) -> Message {
        let count = self.boxes.end - self.boxes.start;
        let (round, place) = (self.next / count, self.next % count);
        self.next += 1;
        recorded(self.boxes.start + place, 1, u32::try_from(round).unwrap())
    }
}

impl Air {
    /// Lets time pass in which they are repeated to box 0.
    fn pass_with(&mut self, recordings: &mut Recordings, seconds: i64, reach: impl Fn(usize, usize) -> bool) {
        for _ in 0..seconds {
            let interval = Span::from_ns(1_000_000_000 / recordings.per_second as i64);
            for place in 0..recordings.per_second {
                let at = self.now + interval * place as i64;
                self.pending.push((at, NOBODY, 0, recordings.next()));
            }
            self.pass(1, &reach);
        }
    }

    /// Returns whom a box hears.
    fn names(&self, number: usize) -> Vec<u64> {
        let heard = self.bikes[number].member.neighbours().iter().filter(|neighbour| neighbour.is_heard(self.now));
        let mut names: Vec<u64> = heard.map(|neighbour| neighbour.id.0).collect();
        names.sort_unstable();
        names
    }
}

#[test]
fn recordings_are_asked_less_and_less_often_and_never_too_often_in_total() {
    let mut air = Air::new(&[Some((0, 4_000)), Some((1_000, 5_000))], 0.0, 11);
    air.pass(40, ALL);
    let mut ten = Recordings::of(1_000..1_010, 20);
    air.sent_to_nobody = 0;
    air.pass_with(&mut ten, 30, ALL);
    let first = std::mem::take(&mut air.sent_to_nobody);
    air.pass_with(&mut ten, 30, ALL);
    let second = std::mem::take(&mut air.sent_to_nobody);
    assert!(first <= 200 && second <= 10 * 6, "{first} and {second} questions to ten recordings in 30 s each");
    air.pass_with(&mut Recordings::of(2_000..2_060, 50), 20, ALL);
    let third = air.sent_to_nobody;
    assert!(third <= 20 * 21, "{third} questions to sixty recordings in 20 s");
    assert_eq!(air.names(0), [2], "nobody else is believed");
    assert!(air.apart().is_some_and(|apart| apart < Span::from_ms(2)), "{:?}", air.apart());
}

#[test]
fn any_number_of_recordings_crowds_out_neither_a_neighbour_nor_a_box_that_comes() {
    let boxes: Vec<_> = (0..4).map(|number| Some((number * 300, 4_000 + number))).collect();
    let mut air = Air::new(&boxes, 0.02, 12);
    let three = |from: usize, to: usize| from < 3 && to < 3;
    air.pass(40, three);
    let mut many = Recordings::of(1_000..1_500, 50);
    air.sent_to_nobody = 0;
    air.pass_with(&mut many, 20, three);
    let known = air.bikes[0].member.neighbours().len();
    assert!((50..=64).contains(&known), "{known} are known");
    assert_eq!(air.names(0), [2, 3]);
    // The fourth comes while they go on.
    air.pass_with(&mut many, 30, ALL);
    assert_eq!(air.names(0), [2, 3, 4]);
    assert!(air.group(3).is_some() && air.group(3) == air.group(0));
    assert!(air.sent_to_nobody <= 20 * 51, "{} questions", air.sent_to_nobody);
}

#[test]
fn a_recording_neither_brings_a_neighbour_back_nor_moves_where_it_is_asked() {
    let mut air = Air::new(&[Some((0, 4_000)), Some((1_000, 5_000)), Some((500, 5_000))], 0.0, 13);
    air.pass(40, ALL);
    let peer = |air: &Air| {
        let neighbours = air.bikes[0].member.neighbours();
        neighbours.iter().find(|neighbour| neighbour.id == BoxId(2)).map(|neighbour| neighbour.peer)
    };
    // Of an earlier run of box 2, which is there.
    let mut earlier = Recordings::of(2..3, 10);
    air.pass_with(&mut earlier, 20, ALL);
    assert_eq!((peer(&air), air.sent_to_nobody), (Some(1), 0));
    // It leaves.
    air.pass_with(&mut earlier, 20, |from, to| from != 1 && to != 1);
    assert_eq!(air.names(0), [3]);
}

#[test]
fn what_was_noted_of_a_box_goes_with_it() {
    let mut air = Air::new(&[Some((0, 4_000))], 0.0, 14);
    let repeat = |air: &mut Air| {
        let (now, view) = (air.now, TimeView::default());
        air.bikes[0].member.hear(recorded(7, 1, 1), NOBODY, now, now, &view);
        let refusals = air.bikes[0].member.refusals();
        (refusals.unproven, refusals.old)
    };
    assert_eq!(repeat(&mut air), (1, 0));
    assert_eq!(repeat(&mut air), (1, 1));
    air.pass(3_700, ALL);
    assert_eq!(air.bikes[0].member.neighbours().len(), 0);
    assert_eq!(repeat(&mut air), (2, 1), "it is as if it had never come");
}

#[test]
fn questions_of_strangers_leave_neighbours_their_answers() {
    let mut air = Air::new(&[Some((0, 4_000)), Some((1_000, 5_000))], 0.0, 15);
    air.pass(20, ALL);
    let (now, view) = (air.now + Span::SECOND, TimeView::default());
    let member = &mut air.bikes[0].member;
    member.take_outgoing();
    for number in 0..500 {
        let content = Content::Question(Question { to: BoxId(1), nonce: number.into() });
        let message = Message { sender: BoxId(1_000 + u64::from(number) % 50), run: RunId(1), number, content };
        member.hear(message, NOBODY, now, now, &view);
    }
    assert_eq!(member.take_outgoing().len(), 20);
    let run = air.bikes[1].member.run;
    let content = Content::Question(Question { to: BoxId(1), nonce: 5 });
    let member = &mut air.bikes[0].member;
    member.hear(Message { sender: BoxId(2), run, number: 9_000, content }, 1, now, now, &view);
    assert_eq!(member.take_outgoing().len(), 1);
}
