//! The plan of the end: what a signal leads to, and until when to wait. Pure.

use std::time::{Duration, Instant};

/// How long a process that was asked to end waits for everything that it holds. It must be gone
/// within 2 s; the rest is for the last words, and for a busy machine.
pub(super) const BOUND: Duration = Duration::from_millis(1200);

/// A signal that asks for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Terminate,
    /// SIGINT.
    Interrupt,
    /// SIGHUP.
    HangUp,
}

/// What SIGHUP means to a command: that its terminal has gone, or something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// It asks for an end, unless it was ignored from the start (nohup).
    Ends,
    /// It asks for an end, even if it was ignored from the start.
    AlwaysEnds,
    /// It does not ask for an end, and is passed on.
    IsPassedOn,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// Notify the command that it should end.
    NotifyEnd,
    /// Notify the command of a SIGHUP that does not ask for an end.
    NotifyHangUp,
    /// End the process at once, as this signal does by default.
    Leave(Asked),
}

/// How the process ends.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    hang_up_was_ignored: bool,
    /// What SIGHUP means to a command that ends in an orderly way; `None` if a signal ends it at
    /// once.
    orderly: Option<HangUp>,
    was_notified: bool,
    deadline: Option<Instant>,
    code: u8,
}

impl Plan {
    pub(super) fn new(hang_up_was_ignored: bool) -> Self {
        Self { hang_up_was_ignored, orderly: None, was_notified: false, deadline: None, code: 0 }
    }

    /// From now on the command is notified and ends by itself. `code` is its exit code if it does
    /// not.
    pub(super) fn set_orderly(&mut self, hang_up: HangUp, code: u8) {
        self.orderly = Some(hang_up);
        self.code = code;
    }

    pub(super) fn is_orderly(&self) -> bool {
        self.orderly.is_some()
    }

    /// Returns what to do after a signal.
    pub(super) fn signal(&mut self, asked: Asked, now: Instant) -> Step {
        if asked == Asked::HangUp {
            match self.orderly {
                None | Some(HangUp::Ends) if self.hang_up_was_ignored => return Step::Nothing,
                Some(HangUp::IsPassedOn) => return Step::NotifyHangUp,
                None | Some(HangUp::Ends | HangUp::AlwaysEnds) => {}
            }
        }
        if self.orderly.is_none() {
            return Step::Leave(asked);
        }
        // A terminal that goes away may send several hang-ups, and systemd sends one after SIGTERM,
        // so only a second SIGTERM or SIGINT means impatience.
        if asked != Asked::HangUp && std::mem::replace(&mut self.was_notified, true) {
            return Step::Leave(asked);
        }
        self.deadline.get_or_insert(now + BOUND);
        Step::NotifyEnd
    }

    /// Begins the end. If the command does not end by itself, the process exits with this code.
    pub(super) fn begin(&mut self, code: u8, now: Instant) {
        self.code = code;
        self.deadline.get_or_insert(now + BOUND);
    }

    /// Returns how long the end may still take; `None` if it has not begun.
    pub(super) fn time_left(&self, now: Instant) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(now))
    }

    pub(super) fn code(&self) -> u8 {
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orderly(hang_up: HangUp) -> (Plan, Instant) {
        let mut plan = Plan::new(false);
        plan.set_orderly(hang_up, 7);
        (plan, Instant::now())
    }

    #[test]
    fn a_command_without_an_orderly_end_ends_at_once() {
        for asked in [Asked::Terminate, Asked::Interrupt, Asked::HangUp] {
            assert_eq!(Plan::new(false).signal(asked, Instant::now()), Step::Leave(asked));
        }
        let mut ignoring = Plan::new(true);
        assert_eq!(ignoring.signal(Asked::HangUp, Instant::now()), Step::Nothing);
        assert_eq!(ignoring.signal(Asked::Terminate, Instant::now()), Step::Leave(Asked::Terminate));
    }

    #[test]
    fn the_first_signal_notifies_and_sets_the_bound_and_a_second_is_impatient() {
        let (mut plan, now) = orderly(HangUp::Ends);
        assert_eq!(plan.time_left(now), None);
        assert_eq!(plan.signal(Asked::Terminate, now), Step::NotifyEnd);
        assert_eq!(plan.time_left(now), Some(BOUND));
        let later = now + Duration::from_millis(500);
        // The command's own end does not prolong it.
        plan.begin(3, later);
        assert_eq!((plan.time_left(later), plan.code()), (Some(BOUND - Duration::from_millis(500)), 3));
        assert_eq!(plan.signal(Asked::Interrupt, later), Step::Leave(Asked::Interrupt));
        assert_eq!(plan.time_left(now + 2 * BOUND), Some(Duration::ZERO));
    }

    #[test]
    fn several_hang_ups_are_not_impatient() {
        let (mut plan, now) = orderly(HangUp::AlwaysEnds);
        for _ in 0..3 {
            assert_eq!(plan.signal(Asked::HangUp, now), Step::NotifyEnd);
        }
        assert_eq!(plan.signal(Asked::Terminate, now), Step::NotifyEnd);
        assert_eq!(plan.signal(Asked::Terminate, now), Step::Leave(Asked::Terminate));
    }

    #[test]
    fn the_command_says_what_a_hang_up_means() {
        let (mut service, now) = orderly(HangUp::IsPassedOn);
        assert_eq!(service.signal(Asked::HangUp, now), Step::NotifyHangUp);
        assert_eq!(service.time_left(now), None);
        for (hang_up, step) in [(HangUp::Ends, Step::Nothing), (HangUp::AlwaysEnds, Step::NotifyEnd)] {
            let mut plan = Plan::new(true);
            plan.set_orderly(hang_up, 0);
            assert_eq!(plan.signal(Asked::HangUp, now), step, "{hang_up:?}");
        }
    }

    #[test]
    fn an_end_without_a_signal_has_the_same_bound() {
        let (mut plan, now) = orderly(HangUp::Ends);
        plan.begin(100, now);
        assert_eq!((plan.time_left(now), plan.code()), (Some(BOUND), 100));
        // A first signal after that is not impatient.
        assert_eq!(plan.signal(Asked::Terminate, now), Step::NotifyEnd);
        assert_eq!(plan.code(), 100);
    }
}
