//! What was sent before is not believed again: somebody may have recorded it.
//!
//! Each box numbers its messages from its start, and a start has a random number. Within a start a
//! number counts once. A start is believed only after the box has answered a question that this box
//! had just made up: nobody can have recorded that. Pure.

use std::collections::HashMap;

use super::message::{BoxId, RunId};

/// Numbers this far behind the newest may still come, as packets overtake each other.
const WINDOW: u32 = 64;

/// The boxes that are remembered. More than a ride has; whoever has the key could send more.
const MOST_BOXES: usize = 256;

/// What was heard of each box.
#[derive(Debug, Clone, Default)]
pub struct Freshness {
    boxes: HashMap<BoxId, Heard>,
    /// Grows with every message.
    clock: u64,
}

/// What was heard of one box.
#[derive(Debug, Clone, Copy)]
struct Heard {
    run: RunId,
    /// It has answered in this run.
    is_proven: bool,
    window: Window,
    /// When it was heard last.
    heard: u64,
}

/// Which of the last numbers have come.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    newest: u32,
    /// Bit `n` is set if the number `n` before the newest has come.
    come: u64,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It is new, and its box is proven to be there.
    New,
    /// Nobody knows yet whether it is new: its box must first answer a question.
    Unproven,
    /// It has come before, or is older than what has.
    Old,
}

impl Freshness {
    /// Judges a message, and notes that it has come.
    pub fn judge(&mut self, sender: BoxId, run: RunId, number: u32) -> Age {
        self.clock += 1;
        match self.boxes.get_mut(&sender) {
            Some(heard) if heard.run == run => {
                heard.heard = self.clock;
                match (heard.window.take(number), heard.is_proven) {
                    (false, _) => Age::Old,
                    (true, true) => Age::New,
                    (true, false) => Age::Unproven,
                }
            }
            // Another start of the box, or a recording: only an answer can show which.
            Some(_) => Age::Unproven,
            None => {
                self.make_room();
                let window = Window { newest: number, come: 1 };
                self.boxes.insert(sender, Heard { run, is_proven: false, window, heard: self.clock });
                Age::Unproven
            }
        }
    }

    /// A box has answered a question of ours in this run, with the message of this number.
    pub fn prove(&mut self, sender: BoxId, run: RunId, number: u32) {
        if !self.boxes.contains_key(&sender) {
            self.make_room();
        }
        let window = Window { newest: number, come: 1 };
        let fresh = Heard { run, is_proven: true, window, heard: self.clock };
        let heard = self.boxes.entry(sender).or_insert(fresh);
        if heard.run == run {
            heard.is_proven = true;
        } else {
            *heard = fresh;
        }
    }

    /// Forgets a box that has not been heard for long.
    pub fn forget(&mut self, sender: BoxId) {
        self.boxes.remove(&sender);
    }

    /// Forgets the box that was heard the longest ago if there are too many: of those that have not
    /// answered first, as recordings of boxes that are gone must not crowd out those that are there.
    fn make_room(&mut self) {
        if self.boxes.len() < MOST_BOXES {
            return;
        }
        let oldest = self.boxes.iter().min_by_key(|(_, heard)| (heard.is_proven, heard.heard)).map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.boxes.remove(&id);
        }
    }
}

impl Window {
    /// Notes a number. Returns whether it is the first time.
    fn take(&mut self, number: u32) -> bool {
        if number > self.newest {
            let ahead = number - self.newest;
            self.come = self.come.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = number;
            return true;
        }
        let behind = self.newest - number;
        if behind >= WINDOW || self.come >> behind & 1 == 1 {
            return false;
        }
        self.come |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOX: BoxId = BoxId(7);
    const RUN: RunId = RunId(1);

    #[test]
    fn nothing_counts_before_the_box_has_answered() {
        let mut freshness = Freshness::default();
        assert_eq!(freshness.judge(BOX, RUN, 1), Age::Unproven);
        assert_eq!(freshness.judge(BOX, RUN, 2), Age::Unproven);
        freshness.prove(BOX, RUN, 3);
        assert_eq!(freshness.judge(BOX, RUN, 4), Age::New);
        assert_eq!(freshness.judge(BOX, RUN, 4), Age::Old);
    }

    #[test]
    fn a_recording_of_an_earlier_run_replaces_nothing_and_a_restart_does_once_it_answers() {
        let mut freshness = Freshness::default();
        freshness.prove(BOX, RUN, 10);
        for number in 0..100 {
            assert_eq!(freshness.judge(BOX, RunId(2), number), Age::Unproven);
        }
        assert_eq!(freshness.judge(BOX, RUN, 11), Age::New);
        freshness.prove(BOX, RunId(2), 5);
        assert_eq!(freshness.judge(BOX, RunId(2), 6), Age::New);
        assert_eq!(freshness.judge(BOX, RUN, 12), Age::Unproven);
    }

    #[test]
    fn recordings_of_boxes_that_are_gone_crowd_nobody_out() {
        let mut freshness = Freshness::default();
        freshness.prove(BOX, RUN, 0);
        for id in 100..1_100 {
            assert_eq!(freshness.judge(BoxId(id), RUN, 1), Age::Unproven);
        }
        assert_eq!(freshness.boxes.len(), MOST_BOXES);
        assert_eq!(freshness.judge(BOX, RUN, 1), Age::New);
        freshness.prove(BoxId(1), RUN, 1);
        assert_eq!(freshness.judge(BoxId(1), RUN, 2), Age::New);
    }

    proptest! {
        #[test]
        fn a_number_counts_once(numbers in prop::collection::vec(0_u32..300, 0..400)) {
            let mut freshness = Freshness::default();
            freshness.prove(BOX, RUN, 0);
            let mut counted = std::collections::HashSet::from([0]);
            let mut newest = 0;
            for number in numbers {
                let age = freshness.judge(BOX, RUN, number);
                let is_in_reach = number + WINDOW > newest;
                prop_assert_eq!(age == Age::New, is_in_reach && counted.insert(number), "{}", number);
                newest = newest.max(number);
            }
        }
    }
}
