//! Asks a box for its whole list, part by part.

use jaudiosync_time::{Instant, Raw, Span};

use super::MOST_TRACKS;
use crate::ride::message::{BoxId, ListPart, ListQuestion, ListedTrack};

/// A part that has not come is asked for again after this long.
const PATIENCE: Span = Span::from_ms(250);

/// The whole list must come within this time.
const LONGEST: Span = Span::from_seconds(6);

/// A list that is asked for.
#[derive(Debug)]
pub struct Asking {
    to: BoxId,
    nonce: u64,
    began: Instant<Raw>,
    next: Instant<Raw>,
    tracks: Vec<ListedTrack>,
    total: Option<usize>,
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// This is to be asked now.
    Ask(ListQuestion),
    /// Nothing is to be done now.
    Wait,
    /// It is there.
    All(Vec<ListedTrack>),
    /// The box does not answer.
    NoAnswer,
}

impl Asking {
    /// Begins to ask a box. `nonce` is of the system's random numbers.
    pub fn new(to: BoxId, nonce: u64, now: Instant<Raw>) -> Self {
        Self { to, nonce, began: now, next: now, tracks: Vec::new(), total: None }
    }

    /// Returns what is due.
    pub fn step(&mut self, now: Instant<Raw>) -> Asked {
        if self.total.is_some_and(|total| self.tracks.len() >= total) {
            return Asked::All(std::mem::take(&mut self.tracks));
        }
        if now - self.began >= LONGEST {
            return Asked::NoAnswer;
        }
        if now < self.next {
            return Asked::Wait;
        }
        self.next = now + PATIENCE;
        Asked::Ask(ListQuestion { to: self.to, nonce: self.nonce, first: self.tracks.len() as u32 })
    }

    /// Hears a part. One that was not asked for, or has come before, is ignored.
    pub fn hear(&mut self, sender: BoxId, part: &ListPart, now: Instant<Raw>) {
        if sender != self.to || part.nonce != self.nonce || part.first as usize != self.tracks.len() {
            return;
        }
        let total = (part.total as usize).min(MOST_TRACKS);
        // A list that has changed meanwhile is shorter, or longer, than it was; an empty part ends
        // it.
        self.total = Some(if part.tracks.is_empty() { self.tracks.len() } else { total });
        self.tracks.extend(part.tracks.iter().take(total.saturating_sub(self.tracks.len())));
        self.next = now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{OwnTrack, part};
    use super::*;

    const OTHER: BoxId = BoxId(7);

    fn ask(own: &[OwnTrack], loss: f64, seed: u64) -> Asked {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut asking = Asking::new(OTHER, 5, Instant::ZERO);
        for ms in (0..10_000).step_by(20) {
            let now = Instant::ZERO + Span::from_ms(ms);
            match asking.step(now) {
                Asked::Ask(question) if random.f64() >= loss => {
                    let answer = part(own, BoxId(1), &question);
                    let size = postcard::to_allocvec(&answer).unwrap().len();
                    assert!(size <= 1_150, "a datagram has no room for {size} bytes");
                    // Somebody else answers as well.
                    asking.hear(BoxId(8), &answer, now);
                    asking.hear(OTHER, &answer, now);
                    asking.hear(OTHER, &answer, now);
                }
                Asked::Ask(_) | Asked::Wait => {}
                end => return end,
            }
        }
        panic!("no end")
    }

    fn tracks(count: usize) -> Vec<OwnTrack> {
        (0..count).map(|number| OwnTrack::new(&format!("{number}.mp3"), u64::MAX, Some(1e9), Some("x"))).collect()
    }

    #[test]
    fn a_long_list_comes_over_a_bad_network_and_is_bounded() {
        let Asked::All(all) = ask(&tracks(400), 0.3, 1) else { panic!("it comes") };
        assert_eq!(all, tracks(400).iter().map(|track| track.listed).collect::<Vec<_>>());
        let Asked::All(all) = ask(&tracks(MOST_TRACKS + 10), 0.0, 1) else { panic!("it comes") };
        assert_eq!(all.len(), MOST_TRACKS);
        assert_eq!(ask(&tracks(3), 1.0, 1), Asked::NoAnswer);
        assert_eq!(ask(&[], 0.0, 1), Asked::All(vec![]));
    }

    proptest! {
        #[test]
        fn any_answers_end_it(parts in prop::collection::vec((any::<u32>(), any::<u32>(), 0_usize..60), 0..50)) {
            let mut asking = Asking::new(OTHER, 5, Instant::ZERO);
            let track = tracks(1)[0].listed;
            for (first, total, count) in parts {
                let part = ListPart { to: BoxId(1), nonce: 5, first: first % 60, total, tracks: vec![track; count] };
                asking.hear(OTHER, &part, Instant::ZERO);
            }
            prop_assert!(asking.tracks.len() <= MOST_TRACKS);
            let end = asking.step(Instant::ZERO + LONGEST);
            prop_assert!(matches!(end, Asked::All(_) | Asked::NoAnswer));
        }
    }
}
