//! What a box's raw clock shows at an instant of UTC, found without any of the program's own
//! timekeeping: a pin is changed from outside at a known instant, and the change is seen inside.

use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

use crate::machine::{FREE_PIN, Machine};

/// The best of this many changes is taken: the watcher may be preempted.
const CHANGES: u32 = 5;
const PATIENCE_S: f64 = 20.0;

/// Between two changes: longer than the watcher is ever preempted.
const GAP_S: f64 = 0.02;

/// The instant of a change is known to this.
const STEP: Span = Span::MICROSECOND;

/// The two must be compared to this. Reading a pin takes 600 ns.
const BOUND: Span = Span::from_us(5);

/// The difference of the two clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub struct ClockComparison {
    utc: ClockMap<Raw, Utc>,
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
        let changed: Vec<Instant<Utc>> = changed.collect();
        assert_eq!(watcher.wait(machine, PATIENCE_S), 0, "{}", machine.console().tail());
        let log = watcher.log(machine);
        let seen = log.lines().filter_map(|line| line.strip_prefix("changed ")?.split_once(' '));
        let (width, utc) = changed
            .into_iter()
            .zip(seen)
            .map(|(changed, (from, to))| {
                let [from, to] = [from, to].map(|ns| Instant::from_ns(ns.parse().expect("a number")));
                let (seen, changed) = (from + (to - from) / 2, changed + STEP / 2);
                (to - from + STEP, ClockMap { from: seen, to: changed, rate: Rate::ZERO })
            })
            .min_by_key(|(width, _)| *width)
            .expect("at least one change");
        let bound = width / 2;
        println!("UTC and the box's raw clock are compared to {:.4} ms", bound.ms());
        assert!(bound < BOUND, "{bound:?}");
        Self { utc }
    }

    /// Returns what the box's raw clock shows at this instant of UTC.
    pub fn raw(&self, utc: Instant<Utc>) -> Instant<Raw> {
        self.utc.inverse().apply(utc)
    }

    /// The same for seconds since the Unix epoch.
    pub fn raw_at_s(&self, utc_s: f64) -> Instant<Raw> {
        self.raw(Instant::ZERO + Span::from_seconds_f64(utc_s))
    }

    /// Returns by how much the box's system clock is ahead of UTC, in ms.
    pub fn system_clock_ahead_ms(&self, machine: &mut Machine) -> f64 {
        let clocks = machine.run("pi-probe clocks").stdout;
        let clocks: Vec<i64> = clocks.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        let [raw_ns, system_ns] = clocks[..] else { panic!("the clocks show {clocks:?}") };
        (Instant::from_ns(system_ns) - self.utc.apply(Instant::from_ns(raw_ns))).ms()
    }
}
