//! A limit for each second. Pure.

use jaudiosync_time::{Instant, Raw, Span};

/// How many of a kind there were in this second.
#[derive(Debug, Clone, Copy)]
pub(super) struct PerSecond {
    began: Instant<Raw>,
    count: u32,
}

impl PerSecond {
    /// There were none yet.
    pub(super) fn new(now: Instant<Raw>) -> Self {
        Self { began: now, count: 0 }
    }

    /// Returns whether there may be one more in this second, and counts it if so.
    pub(super) fn allows(&mut self, most: u32, now: Instant<Raw>) -> bool {
        if now - self.began >= Span::SECOND {
            *self = Self::new(now);
        }
        let is_allowed = self.count < most;
        self.count += u32::from(is_allowed);
        is_allowed
    }
}
