//! Steering: how fast the group's time moves towards UTC, and from which second on.
//!
//! A change is announced some seconds before it takes effect, so that all boxes make it at the same
//! instant of the group's time and nothing lags behind. A box that hears of it too late makes up for
//! what it has missed.

use jaudiosync_time::{Instant, Rate, Span, Utc};

/// The group's time is moved by at most this.
pub const MOST_STEERING: Rate = Rate::from_ppb(50_000.0);

/// A change takes effect this long after it was decided on.
const NOTICE_S: i64 = 5;

/// A change that is announced for later than this is none: it would keep whoever believes it from
/// deciding on another one.
const MOST_NOTICE: Span = Span::from_seconds(15);

/// A box makes up for at most this much that it has missed; whoever hears nothing for longer has
/// lost the leader.
const LONGEST_MISSED: Span = Span::from_seconds(15);

/// The difference beyond the dead zone decays with this time constant, in s.
const TIME_CONSTANT_S: f64 = 200.0;

/// Within this part of the bound steering ends; it begins at the whole bound.
const ENDS_AT: f64 = 0.5;

/// Changes smaller than this are not announced.
const LEAST_CHANGE_PPB: f64 = 200.0;

/// A rate that holds from a second of the group's time on, and the one that holds until then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SteeringPlan {
    /// The second.
    pub from_s: i64,
    /// The rate from then on.
    pub rate: Rate,
    /// The rate until then.
    pub before: Rate,
}

impl Default for SteeringPlan {
    fn default() -> Self {
        Self { from_s: 0, rate: Rate::ZERO, before: Rate::ZERO }
    }
}

impl SteeringPlan {
    /// Returns the plan that an announcement makes of this one.
    pub fn announced(&self, from_s: i64, rate: Rate, now: Instant<Utc>) -> Self {
        let rate = Rate::from_ppb(rate.ppb().clamp(-MOST_STEERING.ppb(), MOST_STEERING.ppb()));
        if (from_s, rate) == (self.from_s, self.rate) || Instant::from_second(from_s) > now + MOST_NOTICE {
            *self
        } else {
            Self { from_s, rate, before: self.rate_at(now) }
        }
    }

    /// Returns the rate at a moment.
    pub fn rate_at(&self, at: Instant<Utc>) -> Rate {
        if at < Instant::from_second(self.from_s) { self.before } else { self.rate }
    }

    /// Returns by how much it moves the group's time between two moments.
    pub fn moves(&self, from: Instant<Utc>, to: Instant<Utc>) -> Span {
        let change = Instant::from_second(self.from_s).max(from).min(to);
        let ns = |span: Span, rate: Rate| span.seconds() * rate.ppb();
        Span::from_ns_f64(ns(change - from, self.before) + ns(to - change, self.rate))
    }

    /// Returns by how much the time has to be moved because this plan became known only now, and
    /// `before` was followed until then.
    pub fn missed(&self, before: &Self, now: Instant<Utc>) -> Span {
        let from = Instant::from_second(self.from_s).max(now - LONGEST_MISSED);
        if from >= now { Span::ZERO } else { self.moves(from, now) - before.moves(from, now) }
    }

    /// Decides how the leader steers: `ahead` is by how much its own UTC is ahead of the group's
    /// time, which can be wrong by `bound`. What is within the bound is left alone, as nobody knows
    /// better; it would only carry the group to and fro.
    pub fn decided(&self, ahead: Span, bound: Span, now: Instant<Utc>) -> Self {
        if now < Instant::from_second(self.from_s) {
            return *self;
        }
        let is_steering = self.rate != Rate::ZERO;
        let inner = bound.ns_f64() * ENDS_AT;
        let excess_ns = (ahead.ns_f64().abs() - inner).max(0.0);
        let wanted_ppb = if excess_ns == 0.0 || (!is_steering && ahead.abs() <= bound) {
            0.0
        } else {
            (excess_ns / TIME_CONSTANT_S).min(MOST_STEERING.ppb()).copysign(ahead.ns_f64())
        };
        // It ends at once; otherwise small changes wait.
        let change_ppb = (wanted_ppb - self.rate.ppb()).abs();
        if change_ppb < LEAST_CHANGE_PPB.max(0.1 * self.rate.ppb().abs()) && (wanted_ppb != 0.0 || !is_steering) {
            return *self;
        }
        Self { from_s: now.second() + NOTICE_S, rate: Rate::from_ppb(wanted_ppb.round()), before: self.rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Instant<Utc> {
        Instant::from_second(1_800_000_000 + second)
    }

    #[test]
    fn what_is_within_the_bound_is_left_alone_and_what_is_beyond_goes_away() {
        let bound = Span::MILLISECOND;
        let idle = SteeringPlan::default();
        assert_eq!(idle.decided(bound, bound, at(0)), idle);
        let (mut plan, mut ahead) = (idle, Span::from_ms(-6));
        for second in 0..3_000 {
            plan = plan.decided(ahead, bound, at(second));
            ahead -= plan.moves(at(second), at(second + 1));
            assert!(plan.rate.ppb() <= 0.0 && plan.rate.ppb() >= -50_000.0);
        }
        assert!(ahead.abs() <= bound, "{ahead:?}");
        assert_eq!(plan.rate_at(at(3_000)), Rate::ZERO, "{ahead:?}");
    }

    #[test]
    fn who_hears_of_a_change_late_makes_up_for_it() {
        let old = SteeringPlan::default();
        let new = old.announced(at(10).second(), Rate::from_ppb(20_000.0), at(7));
        assert_eq!(new.moves(at(7), at(12)), Span::from_us(40));
        let late = old.announced(at(10).second(), Rate::from_ppb(20_000.0), at(13));
        assert_eq!(late.missed(&old, at(13)), Span::from_us(60));
        assert_eq!(new.missed(&old, at(9)), Span::ZERO);
        let again = new.announced(new.from_s, new.rate, at(20));
        assert_eq!(again, new);
        assert_eq!(old.announced(i64::MAX, new.rate, at(7)), old, "nobody waits for that");
    }
}
