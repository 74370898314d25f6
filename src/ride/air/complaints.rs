//! What went wrong, logged once instead of at every beacon. Pure.

use std::collections::HashMap;
use std::io;

use jaudiosync_time::{Instant, Raw, Span};

/// The same trouble is logged again after this long.
const QUIET: Span = Span::from_seconds(3600);

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Act {
    /// Listing the interfaces.
    List,
    /// Joining the group.
    Join,
    /// Sending to all.
    Multicast,
    /// Sending to one.
    Unicast,
    /// Receiving.
    Receive,
}

/// What was logged, and when. The kernel's error numbers are few, so this stays small.
#[derive(Debug, Default)]
pub(super) struct Complaints(HashMap<(Act, Option<i32>), Instant<Raw>>);

impl Complaints {
    /// Returns whether this should be logged now, and notes it if so.
    pub(super) fn is_due(&mut self, act: Act, error: &io::Error, now: Instant<Raw>) -> bool {
        let key = (act, error.raw_os_error());
        if self.0.get(&key).is_some_and(|logged| now - *logged < QUIET) {
            return false;
        }
        self.0.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_logged_once_an_hour_and_another_one_at_once() {
        let error = |number| io::Error::from_raw_os_error(number);
        let mut complaints = Complaints::default();
        let hour = Instant::ZERO + QUIET;
        assert!(complaints.is_due(Act::Multicast, &error(1), Instant::ZERO));
        assert!(!complaints.is_due(Act::Multicast, &error(1), Instant::ZERO + Span::SECOND));
        assert!(complaints.is_due(Act::Unicast, &error(1), Instant::ZERO + Span::SECOND));
        assert!(complaints.is_due(Act::Multicast, &error(101), Instant::ZERO + Span::SECOND));
        assert!(complaints.is_due(Act::Multicast, &error(1), hour));
        assert!(!complaints.is_due(Act::Multicast, &error(1), hour + Span::SECOND));
    }
}
