//! The simulated chip under the real driver: what the datasheet says about it, seen through the
//! bus.

use super::*;

mod counting;
mod edges;
mod faults;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jaudiosync_time::{Instant, Span, True};

use crate::rtc::{Chip, Ds3231};
use crate::world::World;

/// 2026-06-27 18:30:00 UTC, a Saturday.
const START_S: i64 = 1_782_585_000;

/// A world in which time passes only by what happens in it.
pub(super) struct TestWorld {
    true_ns: AtomicI64,
    millidegrees: AtomicI64,
}

impl World for TestWorld {
    fn true_time(&self) -> Instant<True> {
        Instant::from_ns(self.true_ns.load(Ordering::Relaxed))
    }

    fn spend(&self, span: Span) {
        assert!(span >= Span::ZERO);
        self.true_ns.fetch_add(span.ns(), Ordering::Relaxed);
    }

    fn temperature_c(&self) -> f64 {
        self.millidegrees.load(Ordering::Relaxed) as f64 / 1000.0
    }
}

/// Makes a world 0.3 s into a second.
pub(super) fn world() -> Arc<TestWorld> {
    let start = Instant::<True>::from_second(START_S) + Span::from_ms(300);
    Arc::new(TestWorld { true_ns: AtomicI64::new(start.ns()), millidegrees: AtomicI64::new(25_000) })
}

/// Makes that world, a chip in it, the driver on that, and the handle.
fn chip(model: Ds3231Model, seed: u64) -> (Arc<TestWorld>, Ds3231<SimulatedDs3231>, SimulatedDs3231Handle) {
    let world = world();
    let (bus, handle) = SimulatedDs3231::new(world.clone(), model, seed);
    (world, Ds3231::recognized(bus, Chip::Ds3231, true), handle)
}

/// A chip on a bus that no kernel delays.
fn prompt_bus() -> Ds3231Model {
    let bus = BusModel {
        shortest_delay: Span::ZERO,
        usual_delay: Span::ZERO,
        long_delay_probability: 0.0,
        ..BusModel::default()
    };
    Ds3231Model { bus, ..Ds3231Model::default() }
}
