//! Finding the moment at which the seconds change: over the bus, and on the pin.

use super::*;

use std::time::Duration;

use jaudiosync_time::{Raw, Utc};

use crate::clocks::{Clocks, SimulatedClocks};
use crate::rtc::{Rtc, SecondEdge, SimulatedSecondEdge};

/// A bit on the bus at its nominal 100 kHz.
const BIT: Span = Span::from_us(10);
/// Bits from the start of [`Rtc::read_second`] until the chip latches its time, at the repeated
/// START: START, address, register, repeated START.
const READ_SECOND_BITS_BEFORE_LATCH: i64 = 1 + 9 + 9 + 1;
/// Bits from there to the end of the transfer: address, one byte, STOP.
const READ_SECOND_BITS_AFTER_LATCH: i64 = 9 + 9 + 1;

/// Reads the second again and again until it changes; returns the earliest and the latest moment at
/// which it can have changed, as far as the program knows.
fn bracket(world: &TestWorld, chip: &mut impl Rtc) -> (Instant<True>, Instant<True>) {
    let mut last = None;
    loop {
        let before = world.true_time();
        let second = chip.read_second().unwrap();
        let earliest_latch = before + BIT * READ_SECOND_BITS_BEFORE_LATCH;
        let latest_latch = world.true_time() - BIT * READ_SECOND_BITS_AFTER_LATCH;
        match last {
            Some((old, earliest)) if old != second => return (earliest, latest_latch),
            _ => last = Some((second, earliest_latch)),
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
            world.spend((handle.next_edge() - world.true_time() - Span::from_ms(30)).max(Span::ZERO));
            let edge = handle.next_edge();
            let (earliest, latest) = bracket(&world, &mut chip);
            assert!(earliest < edge && edge <= latest, "seed {seed}: {earliest:?} {edge:?} {latest:?}");
            widths_ns.push((latest - earliest).ns());
            errors_ns.push((earliest + (latest - earliest) / 2 - edge).abs().ns());
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
    // 39 bits from latch to latch, and the kernel's four delays of 5 to 40 µs, which look the same.
    assert!(widths_ns[0] >= 390_000);
    assert!(median_ns <= 550_000, "{median_ns}");
    // Half the distance between latches, evenly spread.
    assert!(mean_error_ns <= 150_000, "{mean_error_ns}");
}

#[test]
fn a_prompt_bus_brackets_the_edge_within_0_4_milliseconds() {
    let (world, mut chip, handle) = chip(prompt_bus(), 1);
    for step in 0..200 {
        let ahead = Span::from_ms(3) - Span::from_ns(1_937) * step;
        world.spend((handle.next_edge() - world.true_time() - ahead).max(Span::ZERO));
        let edge = handle.next_edge();
        let (earliest, latest) = bracket(&world, &mut chip);
        assert!(earliest < edge && edge <= latest);
        assert_eq!(latest - earliest, Span::from_us(390));
    }
}

#[test]
fn the_bus_counts_what_it_carries() {
    let (_, mut chip, handle) = chip(Ds3231Model::default(), 1);
    chip.read_second().unwrap();
    assert_eq!((handle.transfers(), handle.bus_busy()), (1, Span::from_us(390)));
    chip.read_time().unwrap();
    assert_eq!((handle.transfers(), handle.bus_busy()), (2, Span::from_us(390 + 930)));
}

/// Clocks that show true time.
struct TrueClocks(Arc<TestWorld>);

impl Clocks for TrueClocks {
    fn raw(&self) -> Instant<Raw> {
        Instant::from_ns(self.0.true_time().ns())
    }

    fn system_utc(&self) -> Instant<Utc> {
        Instant::from_ns(self.0.true_time().ns())
    }

    fn sleep_until(&self, due: Instant<Raw>) {
        self.0.spend((due - self.raw()).max(Span::ZERO));
    }
}

#[test]
fn the_pin_falls_where_the_seconds_change() {
    let model = Ds3231Model { rate_ppb: -1_500.0, ..Ds3231Model::default() };
    let (world, mut chip, handle) = chip(model, 1);
    chip.enable_1hz_output(true).unwrap();
    let mut pin = SimulatedSecondEdge::new(world.clone(), Arc::new(TrueClocks(world.clone())), handle.clone(), 1);
    for _ in 0..300 {
        let expected = Instant::from_ns(handle.next_edge().ns());
        let late = pin.wait_edge(Duration::from_secs(2)).unwrap().unwrap() - expected;
        // The interrupt, and by how much a temperature conversion meanwhile may have moved the
        // edge.
        assert!((Span::from_us(1)..Span::from_us(31)).contains(&late), "{late:?}");
    }
}

#[test]
fn a_pin_that_is_silent_lets_the_wait_time_out() {
    let (world, mut chip, handle) = chip(Ds3231Model::default(), 1);
    let clocks = Arc::new(SimulatedClocks::default());
    let mut pin = SimulatedSecondEdge::new(world.clone(), clocks, handle, 1);
    let before = world.true_time();
    assert_eq!(pin.wait_edge(Duration::from_millis(1_500)), Ok(None), "the chip powers up without the output");
    assert_eq!(world.true_time() - before, Span::from_ms(1_500));
    chip.enable_1hz_output(true).unwrap();
    assert_eq!(pin.wait_edge(Duration::from_millis(10)), Ok(None), "no edge so soon");
    assert!(pin.wait_edge(Duration::from_secs(1)).unwrap().is_some());
}

/// Needs an optimized build to itself: `cargo test --release -p jaudiosync-hw a_read_costs --
/// --ignored --nocapture`.
#[test]
#[ignore = "a measurement of speed"]
fn a_read_costs_less_than_a_microsecond() {
    let (world, mut chip, _) = chip(Ds3231Model::from_datasheet(1), 1);
    let reads = 3_000_000;
    let begun = std::time::Instant::now();
    for _ in 0..reads {
        chip.read_second().unwrap();
        world.spend(Span::from_ms(100));
    }
    let each_ns = begun.elapsed().as_nanos() / reads;
    println!("{each_ns} ns per read of the second");
    assert!(each_ns < 1_000);
}
