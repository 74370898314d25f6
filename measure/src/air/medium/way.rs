//! One way between two stations, and the chance on it.

use std::time::Duration;

use super::StationId;
use crate::air::model::{Delay, Link};

/// The way from one station to another; from a station to itself stands for that to the access
/// point. Each has random numbers of its own, so that what others send changes nothing on it.
#[derive(Debug)]
pub(super) struct Way {
    random: fastrand::Rng,
    /// Instead of the model's.
    pub(super) link: Option<Link>,
    last_due: Duration,
    last_group_due: Duration,
}

impl Way {
    pub(super) fn new(seed: u64, from: StationId, to: StationId) -> Self {
        // A number that no other way has; the generator mixes it.
        let number = ((from.0 as u64) << 32 | to.0 as u64).wrapping_add(1);
        Self {
            random: fastrand::Rng::with_seed(seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            link: None,
            last_due: Duration::ZERO,
            last_group_due: Duration::ZERO,
        }
    }

    /// Returns when a unicast frame that is sent now arrives; `None` if it is lost.
    pub(super) fn unicast(&mut self, now: Duration, model: Link, loss: fn(&Link) -> f64) -> Option<Duration> {
        let link = self.link.unwrap_or(model);
        // Both are drawn in any case: whether one frame is lost changes no other's delay.
        let lost = self.random.f64() < loss(&link);
        let due = (now + link.delay.quantile(self.random.f64())).max(self.last_due);
        if lost {
            return None;
        }
        self.last_due = due;
        Some(due)
    }

    /// Returns when a group frame that is sent now is at the access point. It goes there by unicast:
    /// half of the way from station to station.
    pub(super) fn up(&mut self, now: Duration, model: Link) -> Duration {
        let half = Delay { shortest: model.delay.shortest / 2, longest: model.delay.longest / 2 };
        let due = (now + half.quantile(self.random.f64())).max(self.last_due);
        self.last_due = due;
        due
    }

    /// Returns when a group frame whose transmission ends at `end` is received; `None` if it is
    /// lost.
    pub(super) fn group(&mut self, end: Duration, model: Link, reception: Delay) -> Option<Duration> {
        let lost = self.random.f64() < self.link.unwrap_or(model).group_loss;
        let due = (end + reception.quantile(self.random.f64())).max(self.last_group_due);
        if lost {
            return None;
        }
        self.last_group_due = due;
        Some(due)
    }
}
