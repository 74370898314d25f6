//! What a box's raw clock shows at an instant of this machine's clock, which is UTC here, and is so known without any of the
//! program's own timekeeping: a pin is changed here, and seen to change there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::machine::{FREE_PIN, Machine};

/// The best is taken of so many changes: either side may be put aside in between.
const CHANGES: u32 = 20;
/// Between two looks.
const REST_US: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(20);

/// The difference of the two clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub struct ClockComparison {
    /// How far UTC is ahead of the box's raw clock, in ns.
    ahead_ns: f64,
    /// It may be wrong by this in either direction.
    pub bound_ns: f64,
}

impl ClockComparison {
    /// While nothing else is to be done in the box.
    pub fn make(machine: &mut Machine) -> Self {
        Self::with_rest(machine, 0)
    }

    /// Beside other programs of the box, and less exactly.
    pub fn make_gently(machine: &mut Machine) -> Self {
        Self::with_rest(machine, REST_US)
    }

    fn with_rest(machine: &mut Machine, rest_us: u32) -> Self {
        machine.pins().set(FREE_PIN, false);
        let command = format!("pi-probe watch {FREE_PIN} --changes {CHANGES} --rest {rest_us}");
        let mut watcher = machine.spawn("watcher", &command);
        watcher.wait_for(machine, "watching", PATIENCE);
        let mut best: Option<Self> = None;
        for change in 0..CHANGES {
            let here = machine.pins().set(FREE_PIN, change % 2 == 0);
            let there = watcher.wait_for(machine, "changed ", PATIENCE);
            let there: Vec<f64> = there.split(' ').filter_map(|field| field.parse().ok()).collect();
            let [there_from, there_to] = there[..] else { panic!("the watcher said {there:?}") };
            let (least, most) = (utc_ns(here.start) - there_to, utc_ns(here.end) - there_from);
            let comparison = Self { ahead_ns: f64::midpoint(least, most), bound_ns: (most - least) / 2.0 };
            if best.is_none_or(|best| comparison.bound_ns < best.bound_ns) {
                best = Some(comparison);
            }
        }
        let best = best.expect("at least one change");
        println!("this machine's clock and the box's are compared to {:.3} ms", best.bound_ns / 1e6);
        best
    }

    /// What the box's raw clock shows at this instant of UTC.
    pub fn raw_ns(&self, utc_ns: f64) -> f64 {
        utc_ns - self.ahead_ns
    }
}

/// In such numbers a nanosecond is lost: they have steps of 256.
fn utc_ns(instant: SystemTime) -> f64 {
    instant.duration_since(UNIX_EPOCH).expect("a clock that is set").as_nanos() as f64
}
