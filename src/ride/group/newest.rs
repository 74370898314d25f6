//! Which of a neighbour's messages is the newest. They overtake each other: what is sent to all waits
//! at an access point for its next beacon, and somebody in between can hold a message back. What is
//! older than what has come says how things were, and moves nothing. Pure.

/// The newest messages of one run of a neighbour, by their numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Newest {
    /// How often its time had jumped, and which message said so last.
    epoch: u32,
    epoch_said: Option<u32>,
    beacon: Option<u32>,
}

/// What a message says of the time that a neighbour gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// It is the same as before.
    Same,
    /// It has jumped: what was measured of it no longer holds.
    Jumped,
    /// The message is of before a jump that is known already.
    Before,
}

impl Newest {
    /// Notes a message that says how often the neighbour's time has jumped.
    pub(super) fn follow(&mut self, epoch: u32, number: u32) -> Given {
        let is_older = self.epoch_said.is_some_and(|newest| is_older(number, newest));
        match (epoch == self.epoch, is_older) {
            (true, true) => Given::Same,
            (false, true) => Given::Before,
            (is_same, false) => {
                (self.epoch, self.epoch_said) = (epoch, Some(number));
                if is_same { Given::Same } else { Given::Jumped }
            }
        }
    }

    /// Notes a beacon. Returns whether it is newer than all before.
    pub(super) fn take_beacon(&mut self, number: u32) -> bool {
        let is_newer = self.beacon.is_none_or(|newest| is_older(newest, number));
        if is_newer {
            self.beacon = Some(number);
        }
        is_newer
    }
}

/// Numbers begin again after the last one.
fn is_older(number: u32, than: u32) -> bool {
    number.wrapping_sub(than).cast_signed() < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_that_was_held_back_moves_nothing() {
        let mut newest = Newest::default();
        assert!(newest.take_beacon(u32::MAX) && newest.take_beacon(1));
        assert!(!newest.take_beacon(u32::MAX - 5) && !newest.take_beacon(1) && newest.take_beacon(2));
    }

    #[test]
    fn an_answer_that_overtakes_a_beacon_is_not_taken_back_by_it() {
        let mut newest = Newest::default();
        assert_eq!(newest.follow(0, 10), Given::Same);
        assert_eq!(newest.follow(1, 12), Given::Jumped);
        assert_eq!(newest.follow(0, 11), Given::Before);
        assert_eq!(newest.follow(1, 11), Given::Same);
        assert_eq!(newest.follow(1, 13), Given::Same);
        assert_eq!(newest.follow(2, 14), Given::Jumped);
    }
}
