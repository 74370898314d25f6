//! What is to happen, in the order of time, and in the order in which it was planned where two are at
//! one instant.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use super::StationId;

#[derive(Debug)]
pub(super) enum Event<P> {
    /// The access point has received a group frame.
    Group { from: StationId, length_bytes: usize, payload: P },
    /// A frame is there for a station, which may be asleep.
    Arrival { to: StationId, payload: P },
    /// A frame reaches a station that is awake.
    Heard { to: StationId, payload: P },
    /// A station that is asleep listens.
    Listen { station: StationId },
}

#[derive(Debug)]
pub(super) struct Queue<P> {
    heap: BinaryHeap<Reverse<Queued<P>>>,
    next_number: u64,
}

#[derive(Debug)]
struct Queued<P> {
    due: Duration,
    number: u64,
    event: Event<P>,
}

impl<P> Queue<P> {
    pub(super) fn push(&mut self, due: Duration, event: Event<P>) {
        self.next_number += 1;
        self.heap.push(Reverse(Queued { due, number: self.next_number, event }));
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(queued)| queued.due)
    }

    /// Takes the first event, if it is due by `now`.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Duration, Event<P>)> {
        self.next_due().filter(|due| *due <= now)?;
        self.heap.pop().map(|Reverse(queued)| (queued.due, queued.event))
    }
}

impl<P> Default for Queue<P> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), next_number: 0 }
    }
}

impl<P> PartialEq for Queued<P> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<P> Eq for Queued<P> {}

impl<P> PartialOrd for Queued<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for Queued<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}
