//! What is heard of the timetable. The feeder knows it ahead of the DAC, and it becomes true when
//! the DAC gets there.

use std::collections::VecDeque;

use crate::timetable::Start;

/// What is heard of the timetable now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hearing {
    /// Nothing, and nothing should be.
    #[default]
    Nothing,
    /// Nothing, though this slot's track should be: it is being opened, or the model of the
    /// device's clock is not settled yet.
    Opening(Start),
    /// This slot's track.
    Music(Start),
    /// Nothing, because this slot's track cannot be played.
    Silence(Start),
}

/// What is heard now, and what will be heard from which of the DAC's frames on.
#[derive(Debug, Default)]
pub(super) struct HearingPlan {
    now: Hearing,
    /// In the order of their frames, each different from the one before.
    coming: VecDeque<(u64, Hearing)>,
}

impl HearingPlan {
    /// Plans what is heard from a frame on, in place of what was planned from there on.
    pub(super) fn plan_from(&mut self, frame: u64, hearing: Hearing) {
        while self.coming.back().is_some_and(|(planned, _)| *planned >= frame) {
            self.coming.pop_back();
        }
        if self.coming.back().map_or(self.now, |(_, planned)| *planned) != hearing {
            self.coming.push_back((frame, hearing));
        }
    }

    /// Sets what is heard from now on, and forgets what was planned.
    pub(super) fn set(&mut self, hearing: Hearing) {
        self.now = hearing;
        self.coming.clear();
    }

    /// Notes which frame is heard now.
    pub(super) fn advance_to(&mut self, frame: f64) {
        while self.coming.front().is_some_and(|(planned, _)| *planned as f64 <= frame) {
            self.now = self.coming.pop_front().map_or(self.now, |(_, hearing)| hearing);
        }
    }

    /// Returns what is heard now.
    pub(super) fn now(&self) -> Hearing {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Start = Start { track: 0, utc_s: 100 };
    const NEXT: Start = Start { track: 1, utc_s: 110 };

    #[test]
    fn what_is_planned_is_heard_from_its_frame_on() {
        let mut plan = HearingPlan::default();
        plan.plan_from(1000, Hearing::Music(SLOT));
        plan.plan_from(9000, Hearing::Nothing);
        plan.plan_from(9500, Hearing::Nothing);
        plan.plan_from(10_000, Hearing::Opening(NEXT));
        // It was ready in time after all.
        plan.plan_from(10_000, Hearing::Music(NEXT));
        let mut heard = |frame: f64| {
            plan.advance_to(frame);
            plan.now()
        };
        assert_eq!(heard(999.9), Hearing::Nothing);
        assert_eq!(heard(1000.0), Hearing::Music(SLOT));
        assert_eq!(heard(8999.0), Hearing::Music(SLOT));
        assert_eq!(heard(9999.0), Hearing::Nothing);
        assert_eq!(heard(20_000.0), Hearing::Music(NEXT));
        plan.plan_from(30_000, Hearing::Nothing);
        plan.set(Hearing::Opening(NEXT));
        plan.advance_to(40_000.0);
        assert_eq!(plan.now(), Hearing::Opening(NEXT));
    }
}
