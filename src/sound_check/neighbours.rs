//! The numbers of boxes that hear each other: each one has its own, and nobody gives them out.
//!
//! A box says which number it has and where it is from. Of two with the same number one keeps it:
//! whose number has the better origin, otherwise by their names, so that the same boxes have the
//! same numbers when they meet again. The other takes the next one that is free, and keeps that
//! until its program ends. A configured number never changes: if two of these are the same, both
//! boxes say so.

use super::number::{Numbered, Origin};
use super::schedule::{BOXES, BoxNumber};

/// A conflict is acted on and spoken of once it has been there for as many looks: what others say
/// may be some seconds old.
const PATIENCE: u32 = 3;

/// What orders boxes with the same number and origin: the lesser one keeps it.
pub type Rank<'a> = (&'a str, u64);

/// A neighbour that has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other<'a> {
    /// Its name and its own random number.
    pub rank: Rank<'a>,
    /// Its number.
    pub numbered: Numbered,
}

/// The number of this box among its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnNumber {
    now: Numbered,
    /// The first choice, to come back to when the configuration changes.
    first: Numbered,
    contested: u32,
}

impl OwnNumber {
    /// Begins with what is configured, or follows from the box's names.
    pub fn new(first: Numbered) -> Self {
        Self { now: first, first, contested: 0 }
    }

    /// Returns the number.
    pub fn get(&self) -> Numbered {
        self.now
    }

    /// Takes over what is configured now, or follows from the names.
    pub fn set_first(&mut self, first: Numbered) {
        if first != self.first {
            *self = Self::new(first);
        }
    }

    /// Looks at the neighbours, once every second or so, and takes another number if another box
    /// has this one with a better right. Returns the name of that box when it does.
    pub fn look<'a>(&mut self, own: Rank<'_>, others: &[Other<'a>]) -> Option<&'a str> {
        let stronger = others.iter().find(|other| {
            other.numbered.number == self.now.number
                && (other.numbered.origin, std::cmp::Reverse(other.rank)) > (self.now.origin, std::cmp::Reverse(own))
        });
        let (Some(stronger), true) = (stronger, self.now.origin != Origin::Configured) else {
            self.contested = 0;
            return None;
        };
        self.contested += 1;
        let number = free_after(self.first.number, others).filter(|_| self.contested >= PATIENCE)?;
        self.now = Numbered { number, origin: Origin::Free };
        self.contested = 0;
        Some(stronger.rank.0)
    }
}

/// Returns the next number after one that no other box has.
fn free_after(number: BoxNumber, others: &[Other<'_>]) -> Option<BoxNumber> {
    let after = |steps: u8| BoxNumber::new((number.get() - 1 + steps) % BOXES + 1);
    (1..BOXES).filter_map(after).find(|free| others.iter().all(|other| other.numbered.number != *free))
}

/// Numbers that two boxes or more have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shared {
    seen: Vec<(BoxNumber, u32)>,
}

impl Shared {
    /// Looks at all boxes, this one included, once every second or so.
    pub fn look(&mut self, all: &[BoxNumber]) {
        let looks =
            |number: BoxNumber| self.seen.iter().find(|(seen, _)| *seen == number).map_or(0, |(_, looks)| *looks);
        let is_shared = |number: &BoxNumber| all.iter().filter(|one| *one == number).count() > 1;
        self.seen = BoxNumber::all().filter(is_shared).map(|number| (number, looks(number) + 1)).collect();
    }

    /// Returns those that have been shared for longer than it takes the boxes to change that.
    pub fn lasting(&self) -> impl Iterator<Item = BoxNumber> {
        self.seen.iter().filter(|(_, looks)| *looks > 4 * PATIENCE).map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbered(number: u8, origin: Origin) -> Numbered {
        Numbered { number: BoxNumber::new(number).unwrap(), origin }
    }

    /// Lets boxes hear each other, a second at a time, and returns their numbers.
    fn settle(names: &[String], boxes: &mut [OwnNumber], seconds: usize) -> Vec<u8> {
        for _ in 0..seconds {
            let before: Vec<Numbered> = boxes.iter().map(OwnNumber::get).collect();
            for (index, one) in boxes.iter_mut().enumerate() {
                let others: Vec<Other<'_>> = (0..before.len())
                    .filter(|other| *other != index)
                    .map(|other| Other { rank: (&names[other], other as u64), numbered: before[other] })
                    .collect();
                one.look((&names[index], index as u64), &others);
            }
        }
        boxes.iter().map(|one| one.get().number.get()).collect()
    }

    fn origin(n: u8) -> Origin {
        [Origin::MachineId, Origin::HostName, Origin::Configured][usize::from(n) % 3]
    }

    proptest! {
        #[test]
        fn boxes_that_hear_each_other_soon_have_numbers_of_their_own(
            firsts in prop::collection::vec((1_u8..=16, 0_u8..2), 2..=16), same_names: bool,
        ) {
            let names: Vec<String> =
                (0..firsts.len()).map(|n| if same_names { "pi".to_owned() } else { format!("box-{n}") }).collect();
            let mut boxes: Vec<OwnNumber> =
                firsts.iter().map(|(number, kind)| OwnNumber::new(numbered(*number, origin(*kind)))).collect();
            let settled = settle(&names, &mut boxes, 60);
            let mut distinct = settled.clone();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), settled.len(), "{:?}", settled);
            prop_assert_eq!(settle(&names, &mut boxes, 20), settled, "and it stays so");
        }
    }

    #[test]
    fn who_has_the_better_right_keeps_its_number_and_two_configured_ones_are_told() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let made = |number, kind| OwnNumber::new(numbered(number, kind));
        let mut boxes = [
            made(3, Origin::MachineId),
            made(3, Origin::HostName),
            made(4, Origin::Configured),
            made(4, Origin::Configured),
        ];
        assert_eq!(settle(&names, &mut boxes, 10), [5, 3, 4, 4]);
        let mut shared = Shared::default();
        let all: Vec<BoxNumber> = boxes.iter().map(|one| one.get().number).collect();
        shared.look(&all);
        assert_eq!(shared.lasting().count(), 0, "they may just be about to change it");
        (0..20).for_each(|_| shared.look(&all));
        assert_eq!(shared.lasting().collect::<Vec<_>>(), [BoxNumber::new(4).unwrap()]);
        // A new configuration counts at once.
        boxes[3].set_first(numbered(6, Origin::Configured));
        assert_eq!(boxes[3].get(), numbered(6, Origin::Configured));
    }

    #[test]
    fn seventeen_boxes_cannot_all_have_their_own() {
        let names: Vec<String> = (0..17).map(|n| format!("{n:02}")).collect();
        let mut boxes: Vec<OwnNumber> =
            (0..17).map(|n| OwnNumber::new(numbered(n % 16 + 1, Origin::MachineId))).collect();
        assert_eq!(settle(&names, &mut boxes, 20)[16], 1);
    }
}
