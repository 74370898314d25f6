//! What follows from what asks for an end, and when it is too late to wait any longer. Pure.

use std::time::{Duration, Instant};

/// A process that was asked to end waits so long for all that it holds. Whoever has asked sees it gone within 2 s; the
/// rest is for the last words, and for a machine that is busy.
pub(super) const BOUND: Duration = Duration::from_millis(1200);

/// A signal that asks for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// SIGHUP.
    HangUp,
}

/// What SIGHUP means to a command: its terminal is gone, or something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// It asks for an end, unless it was ignored from the start (nohup).
    Ends,
    /// It asks for an end, also where it was ignored from the start.
    AlwaysEnds,
    /// It is passed on, as something that asks for no end.
    IsPassedOn,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// The command is told to end.
    TellEnd,
    /// The command is told of a SIGHUP that asks for no end.
    TellHangUp,
    /// The process is left at once, as if by this signal's default.
    Leave(Asked),
}

/// How the process comes to its end.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    hang_up_was_ignored: bool,
    /// What SIGHUP means to a command that ends in an orderly way; none where a signal ends it at once.
    orderly: Option<HangUp>,
    was_told: bool,
    deadline: Option<Instant>,
    code: u8,
}

impl Plan {
    pub(super) fn new(hang_up_was_ignored: bool) -> Self {
        Self { hang_up_was_ignored, orderly: None, was_told: false, deadline: None, code: 0 }
    }

    /// From now on the command is told, and ends by itself. `code` is what it has come to if it does not.
    pub(super) fn set_orderly(&mut self, hang_up: HangUp, code: u8) {
        self.orderly = Some(hang_up);
        self.code = code;
    }

    pub(super) fn is_orderly(&self) -> bool {
        self.orderly.is_some()
    }

    /// A signal has come.
    pub(super) fn signal(&mut self, asked: Asked, now: Instant) -> Step {
        if asked == Asked::HangUp {
            match self.orderly {
                None | Some(HangUp::Ends) if self.hang_up_was_ignored => return Step::Nothing,
                Some(HangUp::IsPassedOn) => return Step::TellHangUp,
                None | Some(HangUp::Ends | HangUp::AlwaysEnds) => {}
            }
        }
        if self.orderly.is_none() {
            return Step::Leave(asked);
        }
        // A terminal that goes away may send several hang-ups, and systemd one behind SIGTERM: only who asks twice is
        // impatient.
        if asked != Asked::HangUp && std::mem::replace(&mut self.was_told, true) {
            return Step::Leave(asked);
        }
        self.deadline.get_or_insert(now + BOUND);
        Step::TellEnd
    }

    /// The end has begun, by a signal or by itself. With this code the process is left if it does not come.
    pub(super) fn begin(&mut self, code: u8, now: Instant) {
        self.code = code;
        self.deadline.get_or_insert(now + BOUND);
    }

    /// How long may still be waited, once the end has begun.
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
    fn a_command_without_an_end_of_its_own_is_left_at_once() {
        for asked in [Asked::Terminate, Asked::Interrupt, Asked::HangUp] {
            assert_eq!(Plan::new(false).signal(asked, Instant::now()), Step::Leave(asked));
        }
        let mut ignoring = Plan::new(true);
        assert_eq!(ignoring.signal(Asked::HangUp, Instant::now()), Step::Nothing);
        assert_eq!(ignoring.signal(Asked::Terminate, Instant::now()), Step::Leave(Asked::Terminate));
    }

    #[test]
    fn the_first_signal_is_told_and_sets_the_bound_and_a_second_is_impatient() {
        let (mut plan, now) = orderly(HangUp::Ends);
        assert_eq!(plan.time_left(now), None);
        assert_eq!(plan.signal(Asked::Terminate, now), Step::TellEnd);
        assert_eq!(plan.time_left(now), Some(BOUND));
        let later = now + Duration::from_millis(500);
        // What the command makes of it does not prolong it.
        plan.begin(3, later);
        assert_eq!((plan.time_left(later), plan.code()), (Some(BOUND - Duration::from_millis(500)), 3));
        assert_eq!(plan.signal(Asked::Interrupt, later), Step::Leave(Asked::Interrupt));
        assert_eq!(plan.time_left(now + 2 * BOUND), Some(Duration::ZERO));
    }

    #[test]
    fn hang_ups_that_come_in_numbers_are_not_impatient() {
        let (mut plan, now) = orderly(HangUp::AlwaysEnds);
        for _ in 0..3 {
            assert_eq!(plan.signal(Asked::HangUp, now), Step::TellEnd);
        }
        assert_eq!(plan.signal(Asked::Terminate, now), Step::TellEnd);
        assert_eq!(plan.signal(Asked::Terminate, now), Step::Leave(Asked::Terminate));
    }

    #[test]
    fn what_a_hang_up_means_the_command_says() {
        let (mut service, now) = orderly(HangUp::IsPassedOn);
        assert_eq!(service.signal(Asked::HangUp, now), Step::TellHangUp);
        assert_eq!(service.time_left(now), None);
        for (hang_up, step) in [(HangUp::Ends, Step::Nothing), (HangUp::AlwaysEnds, Step::TellEnd)] {
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
        // One who then asks is not told off for impatience.
        assert_eq!(plan.signal(Asked::Terminate, now), Step::TellEnd);
        assert_eq!(plan.code(), 100);
    }
}
