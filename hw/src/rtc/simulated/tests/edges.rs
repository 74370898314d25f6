//! Finding the moment at which the seconds change: over the bus, and on the pin.

use super::*;

use std::time::Duration;

use jaudiosync_time::{Instant, Raw, Utc};

use crate::clocks::{Clocks, SimulatedClocks};
use crate::rtc::{READ_SECOND_BITS_AFTER_LATCH, READ_SECOND_BITS_BEFORE_LATCH, Rtc, SecondEdge, SimulatedSecondEdge};

const BIT_NS: i64 = 10_000;

/// Reads the second again and again until it changes; returns the earliest and the latest
/// moment at which it can have changed, as the program knows them.
fn bracket(world: &TestWorld, chip: &mut impl Rtc) -> (i64, i64) {
    let mut last = None;
    loop {
        let before_ns = world.true_ns();
        let second = chip.read_second().unwrap();
        let earliest_latch_ns = before_ns + READ_SECOND_BITS_BEFORE_LATCH * BIT_NS;
        let latest_latch_ns = world.true_ns() - READ_SECOND_BITS_AFTER_LATCH * BIT_NS;
        match last {
            Some((old, earliest_ns)) if old != second => return (earliest_ns, latest_latch_ns),
            _ => last = Some((second, earliest_latch_ns)),
        }
    }
}

#[test]
fn the_edge_lies_between_the_latches_of_the_last_old_and_the_first_new_second() {
    let mut widths_ns = Vec::new();
    let mut errors_ns = Vec::new();
    for seed in 0..40 {
        let (world, mut chip, handle) = chip(Ds3231Model::from_datasheet(seed), seed);
        for _ in 0..50 {
            // Early enough that no delay of the kernel reaches beyond the edge.
            world.spend((handle.next_edge_true_ns() - world.true_ns() - 30_000_000).max(0));
            let edge_ns = handle.next_edge_true_ns();
            let (earliest_ns, latest_ns) = bracket(&world, &mut chip);
            assert!(earliest_ns < edge_ns && edge_ns <= latest_ns, "seed {seed}: {earliest_ns} {edge_ns} {latest_ns}");
            widths_ns.push(latest_ns - earliest_ns);
            errors_ns.push(((earliest_ns + latest_ns) / 2 - edge_ns).abs());
        }
    }
    widths_ns.sort_unstable();
    let median_ns = widths_ns[widths_ns.len() / 2];
    let mean_error_ns = errors_ns.iter().sum::<i64>() / errors_ns.len() as i64;
    println!(
        "brackets of {} edges: median {median_ns} ns, shortest {} ns; the middle is off by {mean_error_ns} ns on average",
        widths_ns.len(),
        widths_ns[0]
    );
    // 39 bits from latch to latch, and the kernel's four delays of 5 to 40 µs that cannot be told from them.
    assert!(widths_ns[0] >= 390_000);
    assert!(median_ns <= 550_000, "{median_ns}");
    // Half the distance from latch to latch, evenly spread.
    assert!(mean_error_ns <= 150_000, "{mean_error_ns}");
}

#[test]
fn a_prompt_bus_brackets_the_edge_within_0_4_milliseconds() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    for step_ns in 0..200 {
        world.spend((handle.next_edge_true_ns() - world.true_ns() - 3_000_000 + step_ns * 1_937).max(0));
        let edge_ns = handle.next_edge_true_ns();
        let (earliest_ns, latest_ns) = bracket(&world, &mut chip);
        assert!(earliest_ns < edge_ns && edge_ns <= latest_ns);
        assert_eq!(latest_ns - earliest_ns, 390_000);
    }
}

#[test]
fn the_bus_counts_what_it_carries() {
    let (_, mut chip, handle) = chip(Ds3231Model::default(), 1);
    chip.read_second().unwrap();
    assert_eq!((handle.transfers(), handle.bus_busy_ns()), (1, 390_000));
    chip.read_time().unwrap();
    assert_eq!((handle.transfers(), handle.bus_busy_ns()), (2, 390_000 + 930_000));
}

/// The simulated raw clock shows true time here.
struct TrueClocks(Arc<TestWorld>);

impl Clocks for TrueClocks {
    fn raw(&self) -> Instant<Raw> {
        Instant::from_ns(self.0.true_ns())
    }

    fn system_utc(&self) -> Instant<Utc> {
        Instant::from_ns(self.0.true_ns())
    }

    fn sleep_until(&self, due: Instant<Raw>) {
        self.0.spend((due - self.raw()).ns().max(0));
    }
}

#[test]
fn the_pin_falls_where_the_seconds_change() {
    let model = Ds3231Model { rate_ppb: -1_500.0, ..Ds3231Model::default() };
    let (world, mut chip, handle) = chip(model, 1);
    chip.enable_1hz_output(true).unwrap();
    let mut pin = SimulatedSecondEdge::new(world.clone(), Arc::new(TrueClocks(world.clone())), handle.clone(), 1);
    for _ in 0..300 {
        let expected_ns = handle.next_edge_true_ns();
        let edge = pin.wait_edge(Duration::from_secs(2)).unwrap().unwrap();
        let late_ns = edge.ns() - expected_ns;
        // The interrupt, and what a temperature conversion on the way may have moved.
        assert!((1_000..31_000).contains(&late_ns), "{late_ns}");
    }
}

#[test]
fn a_pin_that_is_silent_lets_the_wait_time_out() {
    let (world, mut chip, handle) = chip(Ds3231Model::default(), 1);
    let clocks = Arc::new(SimulatedClocks::default());
    let mut pin = SimulatedSecondEdge::new(world.clone(), clocks, handle, 1);
    let before_ns = world.true_ns();
    assert_eq!(pin.wait_edge(Duration::from_millis(1_500)), Ok(None), "the chip powers up without the output");
    assert_eq!(world.true_ns() - before_ns, 1_500_000_000);
    chip.enable_1hz_output(true).unwrap();
    assert_eq!(pin.wait_edge(Duration::from_millis(10)), Ok(None), "no edge so soon");
    assert!(pin.wait_edge(Duration::from_secs(1)).unwrap().is_some());
}

/// Needs an optimized build to itself: `cargo test --release -p jaudiosync-hw a_read_costs -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement of speed"]
fn a_read_costs_less_than_a_microsecond() {
    let (world, mut chip, _) = chip(Ds3231Model::from_datasheet(1), 1);
    let reads = 3_000_000;
    let begun = std::time::Instant::now();
    for _ in 0..reads {
        chip.read_second().unwrap();
        world.spend(100_000_000);
    }
    let each_ns = begun.elapsed().as_nanos() / reads;
    println!("{each_ns} ns for a read of the second");
    assert!(each_ns < 1_000);
}
