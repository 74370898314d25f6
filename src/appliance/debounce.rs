//! From the levels of a contact, which bounces, to its changes.

use jaudiosync_time::{Instant, Raw, Span};

/// A level counts once it has lasted this long: contacts of push buttons bounce for up to about
/// 10 ms, worn ones for 20, and people notice an answer that comes later than about 100 ms.
pub const DEBOUNCE: Span = Span::from_ms(20);

/// A level counts only after this many readings, so that two spikes with a stalled thread between
/// them are not a press.
const LEAST_READINGS: u32 = 3;

/// A level that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The first one: the level when reading began.
    Settled(bool),
    /// A level that differs from the one before.
    Changed(bool),
}

/// A contact.
#[derive(Debug, Clone, Copy, Default)]
pub struct Debounce {
    settled: Option<bool>,
    candidate: Option<Candidate>,
}

/// A level that may come to count.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    level: bool,
    since: Instant<Raw>,
    readings: u32,
}

impl Debounce {
    /// Returns the level that counts, or `None` until the first one has lasted long enough.
    pub fn settled(&self) -> Option<bool> {
        self.settled
    }

    /// Takes in a level, read at this time of the raw clock.
    pub fn poll(&mut self, level: bool, now_raw: Instant<Raw>) -> Option<Change> {
        if self.settled == Some(level) {
            self.candidate = None;
            return None;
        }
        let candidate = match self.candidate {
            Some(candidate) if candidate.level == level => {
                Candidate { readings: candidate.readings.saturating_add(1), ..candidate }
            }
            _ => Candidate { level, since: now_raw, readings: 1 },
        };
        if now_raw - candidate.since < DEBOUNCE || candidate.readings < LEAST_READINGS {
            self.candidate = Some(candidate);
            return None;
        }
        self.candidate = None;
        Some(match self.settled.replace(level) {
            None => Change::Settled(level),
            Some(_) => Change::Changed(level),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Instant<Raw> {
        Instant::ZERO + Span::from_ms(ms)
    }

    fn settled_at(level: bool) -> Debounce {
        Debounce { settled: Some(level), candidate: None }
    }

    #[test]
    fn the_first_level_is_reported_as_such() {
        let mut contact = Debounce::default();
        let changes: Vec<_> = (0..10).filter_map(|step| contact.poll(true, at(step * 5))).collect();
        assert_eq!(changes, [Change::Settled(true)]);
        assert_eq!(contact.settled(), Some(true));
    }

    #[test]
    fn spikes_around_a_stalled_thread_are_not_a_press() {
        let mut contact = settled_at(false);
        assert_eq!(contact.poll(true, at(0)), None);
        assert_eq!(contact.poll(true, at(500)), None);
        assert_eq!(contact.poll(false, at(505)), None);
        assert_eq!(contact.settled(), Some(false));
    }

    proptest! {
        #[test]
        fn bounce_of_up_to_20_ms_is_one_change(
            bounces in prop::collection::vec(any::<bool>(), 0..20),
            poll_ms in 1_i64..=10,
            start_level: bool,
        ) {
            let mut contact = settled_at(start_level);
            let mut changes = Vec::new();
            let mut at_ms = 0;
            for level in bounces.into_iter().take((20 / poll_ms) as usize) {
                changes.extend(contact.poll(level, at(at_ms)));
                at_ms += poll_ms;
            }
            let pressed_ms = at_ms;
            while at_ms <= pressed_ms + 40 {
                if let Some(change) = contact.poll(!start_level, at(at_ms)) {
                    prop_assert!(at_ms - pressed_ms <= 30, "an answer within 50 ms of the first contact");
                    changes.push(change);
                }
                at_ms += poll_ms;
            }
            prop_assert_eq!(changes, [Change::Changed(!start_level)]);
        }

        #[test]
        fn glitches_shorter_than_20_ms_are_nothing(
            glitches in prop::collection::vec((1_i64..20, 1_i64..30), 1..30),
            level: bool,
        ) {
            let mut contact = settled_at(level);
            let mut at_ms = 0;
            for (glitch_ms, quiet_ms) in glitches {
                for _ in 0..glitch_ms {
                    prop_assert_eq!(contact.poll(!level, at(at_ms)), None);
                    at_ms += 1;
                }
                for _ in 0..quiet_ms {
                    prop_assert_eq!(contact.poll(level, at(at_ms)), None);
                    at_ms += 1;
                }
            }
        }

        #[test]
        fn changes_alternate_whatever_comes(levels in prop::collection::vec((any::<bool>(), any::<i64>()), 0..200)) {
            let mut contact = Debounce::default();
            let mut last = None;
            for (level, at_ns) in levels {
                match contact.poll(level, Instant::from_ns(at_ns)) {
                    Some(Change::Settled(now)) => {
                        prop_assert_eq!(last, None);
                        last = Some(now);
                    }
                    Some(Change::Changed(now)) => {
                        prop_assert_eq!(last, Some(!now));
                        last = Some(now);
                    }
                    None => {}
                }
            }
        }
    }
}
