//! The simulated chip under the real driver: what the datasheet says of it, seen through the bus.

use super::*;

mod counting;
mod edges;
mod faults;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::rtc::Ds3231;
use crate::world::World;

const NS_PER_S: i64 = 1_000_000_000;
/// 2026-06-27 18:30:00 UTC, a Saturday.
const START_S: i64 = 1_782_585_000;

/// A world in which time passes only by what happens in it.
struct TestWorld {
    true_ns: AtomicI64,
    millidegrees: AtomicI64,
}

impl World for TestWorld {
    fn true_ns(&self) -> i64 {
        self.true_ns.load(Ordering::Relaxed)
    }

    fn spend(&self, ns: i64) {
        assert!(ns >= 0);
        self.true_ns.fetch_add(ns, Ordering::Relaxed);
    }

    fn temperature_c(&self) -> f64 {
        self.millidegrees.load(Ordering::Relaxed) as f64 / 1000.0
    }
}

/// A world 0.3 s into a second, a chip in it, the driver on it, and the handle.
fn chip(model: Ds3231Model, seed: u64) -> (Arc<TestWorld>, Ds3231<SimulatedDs3231>, SimulatedDs3231Handle) {
    let true_ns = AtomicI64::new(START_S * NS_PER_S + 300_000_000);
    let world = Arc::new(TestWorld { true_ns, millidegrees: AtomicI64::new(25_000) });
    let (bus, handle) = SimulatedDs3231::new(world.clone(), model, seed);
    (world, Ds3231::new(bus), handle)
}

/// A bus without a kernel that delays it.
fn prompt_bus() -> Ds3231Model {
    let bus = BusModel { shortest_delay_ns: 0, usual_delay_ns: 0, long_delay_probability: 0.0, ..BusModel::default() };
    Ds3231Model { bus, ..Ds3231Model::default() }
}
