//! Where the player and everything else get UTC from.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jaudiosync_hw::clocks::{ClockPair, Clocks};
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span};

use super::estimate::smoothing::Smoother;
use super::status::{Estimate, TimeState};

/// A source of UTC.
pub trait UtcSource: Send + Sync {
    /// Returns UTC as it is known now.
    fn estimate(&self) -> Estimate;

    /// Notes whether UTC may be stepped from now on, because nothing is being played.
    fn allow_steps(&self, allowed: bool);

    /// Makes a correction that waits until nothing is being played, at once: what plays is not in
    /// sync in any case.
    fn step(&self);
}

/// What the clock's thread has found, for all other threads to read.
///
/// This is the only place where UTC is stepped. A large correction waits here until nothing plays,
/// so that a gap of a second between two tracks is long enough for it, whenever the clock's thread
/// runs its next step.
pub struct SharedEstimate {
    published: Mutex<Published>,
}

#[derive(Debug, Clone, Copy)]
struct Published {
    smoother: Option<Smoother>,
    /// The best estimate as last published, not smoothed.
    best: Estimate,
    may_step: bool,
    stepped: Option<Span>,
}

/// How the output differs from the best estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Output {
    /// UTC as everything uses it.
    pub estimate: Estimate,
    /// A correction that waits until nothing plays: by how much UTC will be stepped.
    pub waiting: Option<Span>,
}

impl SharedEstimate {
    /// Makes an estimate that knows only what the system clock shows.
    pub fn unset(clocks: &dyn Clocks) -> Self {
        let ClockPair { raw, utc } = ClockPair::read(clocks);
        let map = ClockMap { from: raw, to: utc, rate: Rate::ZERO };
        let best = Estimate { utc: map, bound: None, agreement: None, state: TimeState::Unset };
        Self { published: Mutex::new(Published { smoother: None, best, may_step: true, stepped: None }) }
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a newer best estimate, and moves the output towards it: at once if UTC may be
    /// stepped, slowly otherwise.
    pub fn publish(&self, now: Instant<Raw>, best: Estimate) {
        let mut published = self.published();
        published.best = best;
        match &mut published.smoother {
            Some(smoother) => smoother.update(now, best.utc),
            smoother @ None => *smoother = Some(Smoother::new(best.utc.anchored_at(now))),
        }
        if published.may_step {
            published.settle();
        }
    }

    /// Returns whether UTC may be stepped now.
    pub fn may_step(&self) -> bool {
        self.published().may_step
    }

    /// Returns by how much UTC was stepped since the last call, if it was.
    pub fn take_step(&self) -> Option<Span> {
        self.published().stepped.take()
    }

    /// Returns the output, and the correction that still waits.
    pub fn output(&self) -> Output {
        let published = self.published();
        let waiting = published.smoother.filter(Smoother::is_step_due).map(|smoother| smoother.behind());
        Output { estimate: published.estimate(), waiting }
    }
}

impl Published {
    fn estimate(&self) -> Estimate {
        let Some(smoother) = self.smoother else { return self.best };
        let behind = smoother.behind().abs();
        let [bound, agreement] = [self.best.bound, self.best.agreement].map(|known| known.map(|known| known + behind));
        Estimate { utc: smoother.output(), bound, agreement, ..self.best }
    }

    /// Brings the output to the best estimate, as nothing plays.
    fn settle(&mut self) {
        self.step();
        self.smoother.iter_mut().for_each(Smoother::catch_up);
    }

    fn step(&mut self) {
        if let Some(by) = self.smoother.as_mut().and_then(Smoother::step) {
            self.stepped = Some(self.stepped.unwrap_or_default() + by);
        }
    }
}

impl UtcSource for SharedEstimate {
    fn estimate(&self) -> Estimate {
        self.published().estimate()
    }

    fn allow_steps(&self, allowed: bool) {
        let mut published = self.published();
        published.may_step = allowed;
        if allowed {
            published.settle();
        }
    }

    fn step(&self) {
        self.published().step();
    }
}

#[cfg(test)]
mod tests {
    use jaudiosync_hw::clocks::SimulatedClocks;
    use jaudiosync_time::Utc;

    use super::*;

    fn best(ahead: Span) -> Estimate {
        let to = Instant::<Utc>::from_second(1_800_000_000) + ahead;
        let utc = ClockMap { from: Instant::ZERO, to, rate: Rate::ZERO };
        Estimate { utc, bound: Some(Span::MILLISECOND), agreement: Some(Span::MILLISECOND), state: TimeState::Holdover }
    }

    #[test]
    fn a_step_is_made_once_as_soon_as_nothing_plays_and_the_bound_covers_it_until_then() {
        let shared = SharedEstimate::unset(&SimulatedClocks::new(Instant::ZERO, Instant::ZERO));
        shared.publish(Instant::ZERO, best(Span::ZERO));
        shared.allow_steps(false);
        let now = Instant::ZERO + Span::SECOND;
        shared.publish(now, best(Span::SECOND));
        let Output { estimate, waiting } = shared.output();
        assert_eq!((estimate.utc.to, waiting), (best(Span::ZERO).utc.apply(now), Some(Span::SECOND)));
        let off = Some(Span::MILLISECOND + Span::SECOND);
        assert_eq!((estimate.bound, estimate.agreement), (off, off));
        assert_eq!(shared.take_step(), None);
        shared.allow_steps(true);
        assert_eq!(shared.estimate().utc.to, best(Span::SECOND).utc.apply(now));
        assert_eq!(shared.output().waiting, None);
        assert_eq!((shared.take_step(), shared.take_step()), (Some(Span::SECOND), None));
    }
}
