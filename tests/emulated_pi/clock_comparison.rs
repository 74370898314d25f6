//! What a box's raw clock shows at an instant of UTC, found without any of the program's own
//! timekeeping: a pin is changed from outside at a known instant, and the change is seen inside.

use crate::machine::{FREE_PIN, Machine};

/// The best of this many changes is taken: the watcher may be preempted.
const CHANGES: u32 = 5;
const PATIENCE_S: f64 = 20.0;

/// Between two changes: longer than the watcher is ever preempted.
const GAP_S: f64 = 0.02;

/// The instant of a change is known to this, in ns.
const STEP_NS: i64 = 1000;

/// The two must be compared to this, in ns. Reading a pin takes 600 ns.
const BOUND_NS: f64 = 5_000.0;

/// The difference of the two clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub struct ClockComparison {
    /// How far UTC is ahead of the box's raw clock, in ns.
    ahead_ns: i64,
}

impl ClockComparison {
    /// Compares them while other programs of the box run.
    pub fn make(machine: &mut Machine) -> Self {
        machine.pins().set(FREE_PIN, false);
        let mut watcher = machine.spawn("watcher", &format!("pi-probe watch {FREE_PIN} --changes {CHANGES}"));
        watcher.wait_for(machine, "watching", PATIENCE_S);
        // The box is asked nothing meanwhile, so that watching is all it does.
        let changed = (0..CHANGES).map(|change| {
            machine.wait_outside(GAP_S);
            machine.pins().set(FREE_PIN, change % 2 == 0)
        });
        let changed_utc_ns: Vec<i64> = changed.collect();
        assert_eq!(watcher.wait(machine, PATIENCE_S), 0, "{}", machine.console().tail());
        let log = watcher.log(machine);
        let seen = log.lines().filter_map(|line| line.strip_prefix("changed ")?.split_once(' '));
        let (width_ns, ahead_ns) = changed_utc_ns
            .into_iter()
            .zip(seen)
            .map(|(utc_ns, (from, to))| {
                let [from_raw_ns, to_raw_ns] = [from, to].map(|number| number.parse::<i64>().expect("a number"));
                let (least, most) = (utc_ns - to_raw_ns, utc_ns + STEP_NS - from_raw_ns);
                (most - least, i64::midpoint(least, most))
            })
            .min()
            .expect("at least one change");
        let bound_ns = width_ns as f64 / 2.0;
        println!("UTC and the box's raw clock are compared to {:.4} ms", bound_ns / 1e6);
        assert!(bound_ns < BOUND_NS, "{bound_ns} ns");
        Self { ahead_ns }
    }

    /// Returns what the box's raw clock shows at this instant of UTC.
    pub fn raw_ns(&self, utc_ns: f64) -> f64 {
        utc_ns - self.ahead_ns as f64
    }

    /// Returns by how much the box's system clock is ahead of UTC, in ms.
    pub fn system_clock_ahead_ms(&self, machine: &mut Machine) -> f64 {
        let clocks = machine.run("pi-probe clocks").stdout;
        let clocks: Vec<i64> = clocks.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        let [raw_ns, system_ns] = clocks[..] else { panic!("the clocks show {clocks:?}") };
        (system_ns - (raw_ns + self.ahead_ns)) as f64 / 1e6
    }
}
