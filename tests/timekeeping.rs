//! How a box knows the time, and what it reports when something is wrong: the service's own clock
//! task and driver on a simulated DS3231, down to the bytes on the bus, in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/clock_harness.rs"]
mod clock_harness;

use std::time::Duration;

use clock_harness::{ClockHarness, START_S, perfect};
use jaudiosync::timekeeping::published::UtcSource as _;
use jaudiosync::timekeeping::saved::SavedTime;
use jaudiosync::timekeeping::status::TimeState;
use jaudiosync::worker::Task as _;
use jaudiosync_hw::clocks::Clocks as _;
use jaudiosync_hw::rtc::{Chip, Ds3231Model};
use jaudiosync_hw::world::World;
use jaudiosync_time::Span;

/// Returns the state that a box saves after comparison with a good reference for a while.
fn compared() -> SavedTime {
    let mut earlier = ClockHarness::new(Ds3231Model::default(), None, 99);
    for _ in 0..10 {
        earlier.run(60);
        earlier.send_sample("a", Span::ZERO, 2e6);
    }
    earlier.run(120);
    let mut saved = earlier.persisted.lock().unwrap().clone().expect("a compared box keeps its calibration");
    // As if that had been before the time at which the tests begin.
    let before = Span::HOUR;
    saved.utc_s -= before.whole_seconds();
    saved.reference_utc_s = saved.reference_utc_s.map(|utc_s| utc_s - before.whole_seconds());
    let calibration = saved.calibration.as_mut().expect("with the RTC's calibration");
    calibration.flywheel_ns -= before.ns();
    // Of a chip that was neither marked nor stamped.
    saved.mark = Some([0; 4]);
    saved.stamp = None;
    saved
}

/// Logs of the clock's task, as the recorder takes them in.
struct Logged(std::sync::Mutex<Vec<String>>);

impl log::Log for Logged {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if jaudiosync::recorder::Tap::wants(record.level(), record.target()) {
            self.0.lock().unwrap().push(format!("{:?} {}", std::thread::current().id(), record.args()));
        }
    }

    fn flush(&self) {}
}

static LOGGED: Logged = Logged(std::sync::Mutex::new(Vec::new()));

/// Returns how many lines of this thread the recorder has taken in that contain these words, since the
/// last call.
fn logged(words: &str) -> usize {
    // The first call installs it.
    let _ = log::set_logger(&LOGGED);
    log::set_max_level(log::LevelFilter::Info);
    let thread = format!("{:?} ", std::thread::current().id());
    let mut lines = LOGGED.0.lock().unwrap();
    let (own, others) = std::mem::take(&mut *lines).into_iter().partition(|line| line.starts_with(&thread));
    *lines = others;
    let own: Vec<String> = own;
    own.iter().filter(|line| line.contains(words)).count()
}

#[test]
fn a_box_that_may_be_off_logs_that_once_and_what_the_rtc_was_off_when_it_is_set() {
    logged("");
    // Never compared.
    let mut made = ClockHarness::new(Ds3231Model { offset: Span::from_ms(400), ..Ds3231Model::default() }, None, 94);
    made.run(120);
    assert!(made.warnings().contains("this box may be up to"), "{}", made.warnings());
    assert_eq!(logged("off: its RTC was never compared with a reference"), 1);
    for _ in 0..30 {
        made.run(60);
        made.send_sample("a", Span::ZERO, 2e6);
    }
    assert_eq!(logged("the RTC was off by 0.4 s, and was set"), 1);
    // One that was compared says nothing.
    let mut made = calibrated_box(95);
    logged("");
    made.run(120);
    assert_eq!(logged("this box may be up to"), 0);
}

/// Makes a box that was compared an hour before, with an RTC that is right.
fn calibrated_box(seed: u64) -> ClockHarness {
    let mut made = ClockHarness::new(Ds3231Model::default(), Some(compared()), seed);
    made.run(60);
    assert_eq!(made.status().state, TimeState::Holdover, "{:#?}", made.status());
    assert!(made.error_ms().abs() < 1.0, "{}", made.error_ms());
    made
}

#[test]
fn after_a_power_cut_the_time_is_known_again_within_three_seconds() {
    let mut slowest = Span::ZERO;
    for seed in 0..50 {
        let mut made = ClockHarness::new(Ds3231Model::default(), Some(compared()), seed);
        let from = made.world.true_time();
        while made.estimate().state == TimeState::Unset {
            made.step();
            assert!(made.world.true_time() - from < Span::from_seconds(10), "seed {seed}: {:#?}", made.status());
        }
        slowest = slowest.max(made.world.true_time() - from);
        assert!(made.error_ms().abs() < 1.0, "seed {seed}: {} ms", made.error_ms());
        assert!(made.warnings().is_empty(), "seed {seed}: {}", made.warnings());
    }
    println!("the time is known after at most {:.2} s", slowest.seconds());
    assert!(slowest < Span::from_seconds(3), "{slowest:?}");
}

#[test]
fn the_edges_are_found_to_a_tenth_of_a_millisecond_within_two_percent_of_the_bus() {
    let mut errors_ms = Vec::new();
    for seed in 0..20 {
        let mut made = ClockHarness::new(Ds3231Model::default(), Some(compared()), seed);
        made.run(120);
        let (from, busy) = (made.world.true_time(), made.chip.bus_busy());
        for _ in 0..300 {
            made.run(2);
            // The chip is ideal, so that the only error is that of the edges.
            let raw = made.world.raw();
            let rtc = made.task.timekeeper().rtc_map().expect("followed");
            errors_ms.push((rtc.apply(raw) - perfect(made.world.true_time())).ms());
        }
        let share = (made.chip.bus_busy() - busy).ns_f64() / (made.world.true_time() - from).ns_f64();
        assert!(share < 0.02, "{share} of the bus");
    }
    let mean_ms = errors_ms.iter().map(|error| error.abs()).sum::<f64>() / errors_ms.len() as f64;
    let largest_ms = errors_ms.iter().fold(0.0_f64, |largest, error| largest.max(error.abs()));
    println!("edges of 20 boxes over 10 min: mean {mean_ms:.4} ms, largest {largest_ms:.4} ms");
    assert!(mean_ms < 0.1 && largest_ms < 0.3, "mean {mean_ms} ms, largest {largest_ms} ms");
}

#[test]
fn an_rtc_that_was_never_compared_is_used_and_that_is_reported() {
    let mut made = ClockHarness::new(Ds3231Model { offset: Span::from_ms(700), ..Ds3231Model::default() }, None, 2);
    made.run(60);
    assert_eq!(made.estimate().state, TimeState::Holdover);
    assert!((made.error_ms() - 700.0).abs() < 1.0, "{}", made.error_ms());
    assert!(made.estimate().bound.is_none_or(|bound| bound > Span::SECOND));
    assert!(made.warnings().contains("never compared"), "{}", made.warnings());
}

/// Runs a box whose RTC is not believed: it says why and is not in sync; a reference then sets it.
fn distrusted(
    seed: u64,
    saved: Option<SavedTime>,
    said: &str,
    prepare: impl FnOnce(&mut Option<SavedTime>, &mut TimeBoxOptions),
) {
    let mut saved = saved;
    let mut set_up = TimeBoxOptions::default();
    prepare(&mut saved, &mut set_up);
    let mut made = ClockHarness::prepared(set_up.model, saved, seed, |chip| {
        if set_up.battery_was_out {
            chip.power_cut(true);
            chip.power_on();
        }
        if let Some(utc_s) = set_up.set_to_utc_s {
            chip.set_by_someone_else(utc_s);
        }
        for (register, value) in &set_up.registers {
            chip.corrupt_register(*register, *value);
        }
    });
    made.run(60);
    assert_eq!(made.estimate().state, TimeState::Unset, "{:#?}", made.status());
    assert!(made.warnings().contains(said), "{}", made.warnings());
    assert!(made.warnings().contains("not in sync"), "{}", made.warnings());
    // With a reference it is set, marked and believed.
    made.send_sample("a", Span::ZERO, 2e6);
    made.run(200);
    assert_eq!(made.estimate().state, TimeState::Referenced);
    let off_ms = made.chip.rtc_minus_utc().expect("it runs").whole_ms();
    assert!(off_ms.abs() < 10, "the RTC was set to {off_ms} ms off");
    assert!(made.error_ms().abs() < 2.0, "{}", made.error_ms());
    assert!(made.warnings().is_empty(), "{}", made.warnings());
    let rtc = made.status().rtc.expect("there is one");
    assert_eq!((rtc.distrusted, rtc.oscillator_stopped), (None, Some(false)));
}

#[derive(Default)]
struct TimeBoxOptions {
    model: Ds3231Model,
    registers: Vec<(u8, u8)>,
    battery_was_out: bool,
    set_to_utc_s: Option<i64>,
}

#[test]
fn a_stopped_oscillator() {
    distrusted(3, Some(compared()), "has stood still", |_, set_up| set_up.registers.push((0x0f, 0x80)));
}

#[test]
fn a_battery_that_was_out_shows_the_year_2000() {
    distrusted(4, Some(compared()), "has stood still", |_, set_up| set_up.battery_was_out = true);
}

#[test]
fn registers_that_hold_no_date() {
    distrusted(5, None, "holds no valid date", |_, set_up| set_up.registers.push((0x05, 0x1f)));
}

#[test]
fn the_year_2000_without_the_flag_as_the_kernel_driver_leaves_it() {
    distrusted(6, None, "shows the year 2000", |_, set_up| set_up.set_to_utc_s = Some(946_684_800 + 40));
}

#[test]
fn a_time_before_the_program_was_built() {
    distrusted(7, None, "before this program was built", |_, set_up| set_up.set_to_utc_s = Some(1_700_000_000));
}

#[test]
fn a_time_before_the_last_saved_one() {
    distrusted(8, Some(compared()), "went back to before the last time", |_, set_up| {
        set_up.set_to_utc_s = Some(START_S - 86_400);
    });
}

/// Register 5, the month, with the century bit as an old kernel sets it: 2145-12-06.
const DECEMBER_OF_THE_NEXT_CENTURY: u8 = 0x12 | 0x80;
const MONTH: u8 = 0x05;

#[test]
fn a_century_bit_of_an_old_kernel_is_reported_and_ignored_and_only_a_reference_clears_it() {
    for (seed, saved, bound_ms) in [(21, Some(compared()), 1.0), (22, None, 700.0)] {
        let model = Ds3231Model::default();
        let mut made = ClockHarness::prepared(model, saved, seed, |chip| {
            chip.corrupt_register(MONTH, DECEMBER_OF_THE_NEXT_CENTURY);
        });
        made.run(600);
        // The date is right, the calibration is still this chip's, and nothing is written to it
        // because of the bit.
        assert_eq!(made.estimate().state, TimeState::Holdover, "{:#?}", made.status());
        assert!(made.error_ms().abs() < bound_ms, "{}", made.error_ms());
        assert_eq!(made.chip.register(MONTH), DECEMBER_OF_THE_NEXT_CENTURY);
        let warnings = made.warnings();
        assert!(warnings.contains("century bit") && warnings.contains("time set-rtc"), "{warnings}");
        assert!(!warnings.contains("not in sync") && !warnings.contains("decades ahead"), "{warnings}");
        let rtc = made.status().rtc.expect("there is one");
        assert!(rtc.has_century_bit && rtc.distrusted.is_none(), "{rtc:?}");
        // With a reference the RTC is set, which clears the bit; the time does not jump.
        made.send_sample("a", Span::ZERO, 2e6);
        assert!(made.run_playing(200) < Span::MILLISECOND, "UTC jumped");
        made.shared.allow_steps(true);
        assert_eq!(made.chip.register(MONTH), 0x12);
        assert!(made.warnings().is_empty(), "{}", made.warnings());
        assert!(made.error_ms().abs() < 2.0, "{}", made.error_ms());
        let off_ms = made.chip.rtc_minus_utc().expect("it runs").whole_ms();
        assert!(off_ms.abs() < 10, "the RTC was set to {off_ms} ms off");
    }
}

#[test]
fn a_century_bit_that_is_set_while_the_box_runs_is_noticed_and_causes_no_jump() {
    let mut made = calibrated_box(23);
    made.run(300);
    made.chip.corrupt_register(MONTH, DECEMBER_OF_THE_NEXT_CENTURY);
    assert!(made.run_playing(200) < Span::MILLISECOND, "UTC jumped");
    made.shared.allow_steps(true);
    assert!(made.error_ms().abs() < 1.0, "{} ms; {:#?}", made.error_ms(), made.status());
    assert_eq!(made.status().warnings.len(), 1, "{}", made.warnings());
    assert!(made.warnings().contains("century bit"), "{}", made.warnings());
    // The program that set the bit clears it again.
    made.chip.corrupt_register(MONTH, 0x12);
    made.run(120);
    assert!(made.warnings().is_empty(), "{}", made.warnings());
}

#[test]
fn a_time_decades_ahead_without_a_century_in_it() {
    distrusted(24, None, "decades ahead", |_, set_up| set_up.set_to_utc_s = Some(4_000_000_000));
}

#[test]
fn a_century_bit_on_a_clock_that_was_never_set() {
    // 2100: without the bit it is the year 2000, which is no better.
    distrusted(25, None, "decades ahead", |_, set_up| {
        set_up.set_to_utc_s = Some(946_684_800 + 40);
        set_up.registers.push((MONTH, 0x01 | 0x80));
    });
}

#[test]
fn a_clock_that_does_not_answer_is_bridged_by_the_crystal_and_found_again() {
    let mut made = calibrated_box(9);
    made.run(600);
    made.chip.set_silent(true);
    made.run(300);
    assert!(made.warnings().contains("does not answer"), "{}", made.warnings());
    assert_eq!(made.estimate().state, TimeState::Holdover);
    assert!(made.error_ms().abs() < 1.0, "{}", made.error_ms());
    let edge_sigma_ms = |made: &ClockHarness| made.status().rtc.and_then(|rtc| rtc.edge_sigma_ms).unwrap();
    assert!(edge_sigma_ms(&made) > 0.03, "{}", edge_sigma_ms(&made));
    made.chip.set_silent(false);
    made.run(180);
    assert!(made.warnings().is_empty(), "{}", made.warnings());
    assert!(made.error_ms().abs() < 1.0, "{}", made.error_ms());
    assert!(edge_sigma_ms(&made) < 0.015, "{}", edge_sigma_ms(&made));
}

#[test]
fn a_few_missing_acknowledgements_are_not_even_worth_a_word() {
    let mut made = calibrated_box(10);
    for _ in 0..20 {
        made.chip.leave_unanswered(2);
        made.run(5);
        assert!(made.warnings().is_empty(), "{}", made.warnings());
    }
    assert!(made.error_ms().abs() < 1.0, "{}", made.error_ms());
}

#[test]
fn a_stuck_bus_is_left_alone_more_and_more() {
    let mut made = calibrated_box(11);
    made.chip.set_stuck(Some(Duration::from_secs(1)));
    let transfers = made.chip.transfers();
    made.run(600);
    assert!(made.chip.transfers() - transfers < 60, "{} transfers in 10 min", made.chip.transfers() - transfers);
    assert!(made.warnings().contains("does not answer"), "{}", made.warnings());
    assert!(made.error_ms().abs() < 2.0, "{}", made.error_ms());
    made.chip.set_stuck(None);
    made.run(180);
    assert!(made.warnings().is_empty(), "{}", made.warnings());
}

#[test]
fn a_slow_bus_makes_the_time_less_sure_and_not_wrong() {
    let mut made = calibrated_box(12);
    made.chip.set_slow(Some(Duration::from_millis(50)));
    let (from, busy) = (made.world.true_time(), made.chip.bus_busy());
    for _ in 0..120 {
        made.run(10);
        assert!(
            made.error_ms().abs() < made.estimate().bound.map_or(f64::INFINITY, Span::ms),
            "{} ms",
            made.error_ms()
        );
        assert!(made.error_ms().abs() < 10.0, "{} ms", made.error_ms());
    }
    let share = (made.chip.bus_busy() - busy).ns_f64() / (made.world.true_time() - from).ns_f64();
    println!("slow bus: {:.1} % in use", share * 100.0);
    assert!(share < 0.02, "{share} of the bus");
}

#[test]
fn a_reference_three_seconds_off_in_the_middle_of_a_track_is_refused() {
    let mut made = calibrated_box(13);
    for _ in 0..10 {
        made.send_sample("a", Span::from_seconds(3), 2e6);
        assert!(made.run_playing(60) < Span::MICROSECOND, "UTC jumped");
        made.shared.allow_steps(true);
    }
    assert!(made.error_ms().abs() < 1.0, "{}", made.error_ms());
    assert!(made.warnings().contains("NTP a is not believed: it is +3.0"), "{}", made.warnings());
    assert!(made.warnings().contains("time forget"), "{}", made.warnings());
}

#[test]
fn a_reference_that_jumps_by_hours_is_refused() {
    let mut made = calibrated_box(14);
    made.send_sample("a", Span::ZERO, 2e6);
    made.run(60);
    for _ in 0..5 {
        made.send_sample("a", Span::HOUR * 2, 2e6);
        made.run(60);
    }
    assert!(made.error_ms().abs() < 1.0, "{}", made.error_ms());
    assert!(made.warnings().contains("+7200.000 s off"), "{}", made.warnings());
}

#[test]
fn of_three_servers_the_one_that_lies_is_named() {
    let mut made = ClockHarness::new(Ds3231Model::default(), None, 15);
    made.run(30);
    for _ in 0..5 {
        made.send_sample("a", Span::ZERO, 2e6);
        made.send_sample("b", Span::ZERO, 2e6);
        made.send_sample("liar", Span::from_ms(900), 2e6);
        made.run(60);
    }
    assert!(made.error_ms().abs() < 2.0, "{}", made.error_ms());
    assert_eq!(made.status().warnings.len(), 1, "{}", made.warnings());
    assert!(made.warnings().contains("NTP liar is not believed: it is +0.900 s off from what others say"));
}

#[test]
fn while_music_plays_a_large_correction_waits_and_a_small_one_is_slewed() {
    let mut made = ClockHarness::new(Ds3231Model { offset: Span::from_ms(800), ..Ds3231Model::default() }, None, 16);
    made.run(60);
    made.send_sample("a", Span::ZERO, 2e6);
    assert!(made.run_playing(30) < Span::MICROSECOND, "UTC jumped while music played");
    let waiting_ms = made.status().waiting_correction_ms.expect("a correction waits");
    assert!((waiting_ms + 800.0).abs() < 5.0, "{waiting_ms}");
    made.shared.allow_steps(true);
    made.run(5);
    assert!(made.error_ms().abs() < 5.0 && made.status().waiting_correction_ms.is_none(), "{}", made.error_ms());
}

#[test]
fn an_rtc_set_by_another_program_while_the_box_runs_is_noticed() {
    let mut made = calibrated_box(17);
    made.run(300);
    made.chip.set_by_someone_else(START_S + 5000);
    made.run(120);
    assert!(made.error_ms().abs() < 2.0, "{} ms; {:#?}", made.error_ms(), made.status());
    assert_eq!(made.estimate().state, TimeState::Holdover);
}

#[test]
fn another_chip_is_not_mistaken_for_the_one_that_was_calibrated() {
    let mut saved = compared();
    saved.mark = Some([1, 2, 3, 4]);
    let mut made = ClockHarness::new(Ds3231Model::default(), Some(saved), 18);
    made.run(60);
    assert!(made.warnings().contains("never compared"), "{}", made.warnings());
}

#[test]
fn a_changed_aging_register_costs_the_rate_and_not_the_offset() {
    let mut saved = compared();
    saved.aging_offset = 5;
    let mut made = ClockHarness::new(Ds3231Model::default(), Some(saved), 19);
    made.run(60);
    let rtc = made.status().rtc.expect("there is one");
    assert!(rtc.rate_sigma_ppb.expect("known") > 500.0, "{rtc:?}");
    assert!(rtc.offset_sigma_ms.expect("known") < 20.0, "{rtc:?}");
}

#[test]
fn the_battery_runs_out_in_the_middle_of_a_ride() {
    let mut made = calibrated_box(20);
    made.run(300);
    made.chip.power_cut(true);
    made.run(10);
    made.chip.power_on();
    made.run(300);
    assert!(made.error_ms().abs() < 2.0, "{} ms; {:#?}", made.error_ms(), made.status());
    assert!(made.warnings().contains("has stood still"), "{}", made.warnings());
}

#[test]
fn another_chip_than_a_ds3231_is_refused_by_name_and_nothing_is_ever_written_to_it() {
    let named = [
        (Chip::Ds1307, "a DS1307 or DS1338 answers"),
        (Chip::Ds1337, "a DS1337 answers"),
        (Chip::Ds1339, "a DS1339 answers"),
        (Chip::Pcf8523, "a PCF8523 answers"),
        (Chip::MotionSensor, "a motion sensor"),
        (Chip::Unknown, "report these registers"),
    ];
    for (seed, (kind, words)) in (30..).zip(named) {
        for saved in [None, Some(compared())] {
            let (mut made, chip) = ClockHarness::with_wrong_chip(kind, saved, seed);
            made.run(60);
            let before = made.status();
            assert_eq!((before.state, &before.rtc), (TimeState::Unset, &None), "{kind:?}");
            assert!(made.warnings().contains(words) && made.warnings().contains("DS3231"), "{}", made.warnings());
            assert_eq!(before.rtc_chip, Some(kind.to_string()));
            // A reference that would have the RTC set, and the command to set it.
            made.set_rtc();
            for _ in 0..20 {
                made.send_sample("a", Span::ZERO, 2e6);
                made.run(60);
            }
            assert!(chip.bytes_read() > 0);
            assert_eq!(chip.writes(), [], "{kind:?}");
            // The box is as one without an RTC.
            assert_eq!(made.estimate().state, TimeState::Referenced);
            assert!(made.error_ms().abs() < 2.0, "{}", made.error_ms());
        }
    }
}

/// Returns by how much the chip's registers are ahead of true UTC, in ms.
fn registers_ahead_ms(made: &ClockHarness) -> f64 {
    made.chip.rtc_minus_utc().expect("it runs").ms()
}

#[test]
fn an_rtc_that_is_milliseconds_off_is_set_on_the_second_and_utc_does_not_move() {
    let mut worst_ms = 0.0_f64;
    for seed in 40..60 {
        let offset = Span::from_ms(43 - seed as i64 * 2);
        let mut made = ClockHarness::new(Ds3231Model { offset, ..Ds3231Model::default() }, None, seed);
        made.run(60);
        // Compared, so that no correction waits; then music plays.
        made.send_sample("a", Span::ZERO, 4e6);
        made.run(2);
        made.shared.allow_steps(true);
        let mut jumped = Span::ZERO;
        for _ in 0..10 {
            made.send_sample("a", Span::ZERO, 4e6);
            jumped = jumped.max(made.run_playing(60));
        }
        assert!(jumped < Span::from_us(20), "seed {seed}: UTC jumped by {jumped:?}");
        let ahead_ms = registers_ahead_ms(&made);
        assert!(ahead_ms.abs() < 2.0, "seed {seed}: {ahead_ms} ms");
        worst_ms = worst_ms.max(ahead_ms.abs());
        made.shared.allow_steps(true);
        assert!(made.error_ms().abs() < 1.0, "seed {seed}: {}", made.error_ms());
        assert!(made.warnings().is_empty(), "{}", made.warnings());
    }
    println!("after setting, the registers are at most {worst_ms:.3} ms off");
}

#[test]
fn an_rtc_that_is_right_is_left_alone_and_stamped() {
    let mut made = ClockHarness::new(Ds3231Model { offset: Span::from_us(900), ..Ds3231Model::default() }, None, 61);
    for _ in 0..10 {
        made.run(60);
        made.send_sample("a", Span::ZERO, 2e6);
    }
    assert!((registers_ahead_ms(&made) - 0.9).abs() < 0.01, "{}", registers_ahead_ms(&made));
    assert_ne!(made.chip.register(0x0D), 0, "the stamp");
    assert_eq!(made.persisted.lock().unwrap().as_ref().and_then(|saved| saved.stamp), Some(stamp(&made)));
}

/// Returns the stamp in the chip.
fn stamp(made: &ClockHarness) -> [u8; 3] {
    [0x0B, 0x0C, 0x0D].map(|register| made.chip.register(register))
}

#[test]
fn a_chip_that_drifts_is_set_once_in_half_an_hour_at_most() {
    let mut made = ClockHarness::new(Ds3231Model { rate_ppb: 1_900.0, ..Ds3231Model::default() }, None, 62);
    let mut sets = 0;
    let mut before_ms = registers_ahead_ms(&made);
    for _ in 0..480 {
        made.run(30);
        made.send_sample("a", Span::ZERO, 2e6);
        let now_ms = registers_ahead_ms(&made);
        sets += u32::from(now_ms < before_ms - 1.0);
        before_ms = now_ms;
        assert!(now_ms.abs() < 4.0, "{now_ms}");
    }
    // 27 ms in four hours.
    assert!((6..=8).contains(&sets), "{sets} times");
    assert!(made.error_ms().abs() < 1.0, "{}", made.error_ms());
    let rtc = made.status().rtc.expect("there is one");
    assert!((rtc.rate_ppb.expect("known") + 1_900.0).abs() < 300.0, "the rates survive: {rtc:?}");
}

/// Puts the chip's registers of alarm 1 and 2 where an earlier run left them.
fn restore_alarms(chip: &jaudiosync_hw::rtc::SimulatedDs3231Handle, alarms: &[u8]) {
    for (register, value) in (0x07..=0x0D).zip(alarms) {
        chip.corrupt_register(register, *value);
    }
}

fn alarms(made: &ClockHarness) -> Vec<u8> {
    (0x07..=0x0D).map(|register| made.chip.register(register)).collect()
}

#[test]
fn a_box_that_has_lost_what_it_saved_knows_from_the_stamp_what_its_rtc_is_worth() {
    let mut earlier = ClockHarness::new(Ds3231Model { offset: Span::from_ms(43), ..Ds3231Model::default() }, None, 63);
    for _ in 0..10 {
        earlier.run(60);
        earlier.send_sample("a", Span::ZERO, 2e6);
    }
    let left = alarms(&earlier);
    // The registers are as right as they were left, an hour later at most.
    let mut made = ClockHarness::prepared(Ds3231Model::default(), None, 64, |chip| restore_alarms(chip, &left));
    made.run(30);
    // What a network can have hidden when it was stamped is not known.
    let bound_ms = made.estimate().bound.expect("known").ms();
    assert!((40.0..60.0).contains(&bound_ms), "{bound_ms}");
    assert!(made.estimate().is_in_sync(false) && made.warnings().is_empty(), "{}", made.warnings());
    // It becomes less sure by the hour, and says so in time.
    made.run(3 * 3600);
    assert!(!made.estimate().is_in_sync(true), "{:?}", made.estimate().bound);
    let warnings = made.warnings();
    assert!(
        warnings.contains("this box may be up to ") && warnings.contains("lost its RTC's calibration"),
        "{warnings}"
    );
    // Without the stamp it is as one that somebody has set to the second.
    let mut made = ClockHarness::new(Ds3231Model::default(), None, 65);
    made.run(30);
    assert!(!made.estimate().is_in_sync(true), "{:?}", made.estimate().bound);
    assert!(made.warnings().contains("may be up to 2.0 s off: its RTC was never compared"), "{}", made.warnings());
}

#[test]
fn boxes_that_have_lost_what_they_saved_and_kept_their_rtc_are_within_five_milliseconds() {
    let mut errors_ms = Vec::new();
    for seed in 100..120 {
        let offset = Span::from_ms(300 - 30 * (seed as i64 - 100));
        let mut made = ClockHarness::new(Ds3231Model { offset, ..Ds3231Model::from_datasheet(seed) }, None, seed);
        for _ in 0..60 {
            made.run(60);
            made.send_sample("a", Span::ZERO, 2e6);
        }
        made.task.end();
        // A few minutes without power, and the state folder is gone.
        made.world.spend(Span::from_seconds(300));
        let mut made = made.boot_again(None, seed + 1_000);
        made.run(30);
        let bound_ms = made.estimate().bound.expect("known").ms();
        assert!(made.error_ms().abs() < bound_ms, "seed {seed}: {} ms of {bound_ms}", made.error_ms());
        errors_ms.push(made.error_ms());
    }
    let largest = errors_ms.iter().fold(f64::MIN, |largest, error| largest.max(*error));
    let smallest = errors_ms.iter().fold(f64::MAX, |smallest, error| smallest.min(*error));
    println!("20 boxes: at most {:.3} ms apart", largest - smallest);
    assert!(largest - smallest < 5.0, "{errors_ms:?}");
}

#[test]
fn a_power_cut_after_the_rtc_was_set_and_before_that_was_saved_costs_milliseconds() {
    // Compared with an RTC that was 100 ms ahead, and saved.
    let ahead = Span::from_ms(100);
    let saved = {
        let mut saved = compared();
        let calibration = saved.calibration.as_mut().expect("with the RTC's calibration");
        calibration.flywheel_ns += ahead.ns();
        calibration.base_offset_ns -= ahead.ns();
        saved
    };
    let mut earlier =
        ClockHarness::new(Ds3231Model { offset: ahead, ..Ds3231Model::default() }, Some(saved.clone()), 66);
    earlier.run(60);
    assert!(earlier.error_ms().abs() < 1.0, "{}", earlier.error_ms());
    earlier.send_sample("a", Span::ZERO, 2e6);
    while registers_ahead_ms(&earlier) > 50.0 {
        earlier.step();
    }
    // It was set just now. What was saved is still of before, but for the mark.
    let left = alarms(&earlier);
    let saved = SavedTime { mark: left[..4].try_into().ok(), ..saved };
    let mut made = ClockHarness::prepared(Ds3231Model::default(), Some(saved), 67, |chip| restore_alarms(chip, &left));
    made.run(60);
    assert!(made.error_ms().abs() < 2.0, "{}", made.error_ms());
    let bound_ms = made.estimate().bound.expect("known").ms();
    assert!((5.0..60.0).contains(&bound_ms), "{bound_ms}");
    assert!(!made.warnings().contains("never compared"), "{}", made.warnings());
}

#[test]
fn a_ds3231m_is_recognized_by_its_temperature_and_makes_the_bound_honest() {
    for seed in 70..80 {
        let model = Ds3231Model::ds3231m(seed);
        let mut made = ClockHarness::new(model, None, seed);
        made.run(60);
        made.send_sample("a", Span::ZERO, 2e6);
        made.run(2);
        made.shared.allow_steps(true);
        let mut jumped = Span::ZERO;
        for _ in 0..10 {
            jumped = jumped.max(made.run_playing(60));
            made.send_sample("a", Span::ZERO, 2e6);
        }
        assert_eq!(made.status().rtc_chip.as_deref(), Some("DS3231M"), "seed {seed}");
        assert!(jumped < Span::from_us(20), "seed {seed}: UTC jumped by {jumped:?}");
        made.shared.allow_steps(true);
        // Four hours without a reference, after ten minutes with one.
        for _ in 0..24 {
            made.run(600);
            let bound_ms = made.estimate().bound.expect("known").ms();
            assert!(made.error_ms().abs() < bound_ms, "seed {seed}: {} ms of {bound_ms}", made.error_ms());
        }
        println!("seed {seed}: {:.1} ms off, bound {:?}", made.error_ms(), made.estimate().bound);
        assert!(made.persisted.lock().unwrap().as_ref().is_some_and(|saved| saved.is_ds3231m));
        // The chip itself says so, too: a box that has lost its state reckons with it from the start.
        let left = alarms(&made);
        let mut made =
            ClockHarness::prepared(Ds3231Model::ds3231m(seed), None, seed, |chip| restore_alarms(chip, &left));
        made.run(10);
        let rate_sigma_ppb = made.status().rtc.and_then(|rtc| rtc.rate_sigma_ppb).expect("known");
        assert!(rate_sigma_ppb > 1_900.0, "{rate_sigma_ppb}");
    }
}

#[test]
fn a_chip_that_was_found_to_drift_is_reckoned_with_from_the_start_also_without_its_stamp() {
    let model = Ds3231Model { rate_ppb: -2_500.0, ..Ds3231Model::default() };
    let mut earlier = ClockHarness::new(model, None, 92);
    for _ in 0..60 {
        earlier.run(60);
        earlier.send_sample("a", Span::ZERO, 2e6);
    }
    earlier.run(700);
    let mut saved = persisted(&earlier);
    assert!(saved.drifts && !saved.is_ds3231m);
    let mark = saved.mark.expect("it was marked");
    saved.stamp = None;
    // It was saved a month ago.
    saved.utc_s -= 30 * 86_400;
    saved.calibration.as_mut().expect("calibrated").flywheel_ns -= Span::DAY.ns() * 30;
    let rate_sigma_ppb = |drifts| {
        let alarms = [mark[0], mark[1], mark[2], mark[3], 0, 0, 0];
        let saved = SavedTime { drifts, ..saved.clone() };
        let mut made = ClockHarness::prepared(model, Some(saved), 93, |chip| restore_alarms(chip, &alarms));
        made.run(10);
        made.status().rtc.and_then(|rtc| rtc.rate_sigma_ppb).expect("known")
    };
    let (with, without) = (rate_sigma_ppb(true), rate_sigma_ppb(false));
    assert!(with > 1.3 * without, "{with} ppb, and {without} without");
}

#[test]
fn a_ds3231_is_not_taken_for_a_ds3231m() {
    for seed in 80..90 {
        let mut made = ClockHarness::new(Ds3231Model::from_datasheet(seed), None, seed);
        for _ in 0..30 {
            made.run(120);
            made.send_sample("a", Span::ZERO, 2e6);
        }
        assert_eq!(made.status().rtc_chip.as_deref(), Some("DS3231"), "seed {seed}");
    }
}

#[test]
fn a_chip_that_is_swapped_for_another_one_is_looked_at_again_and_carries_the_time_on() {
    let mut made = calibrated_box(91);
    made.run(120);
    made.send_sample("a", Span::ZERO, 2e6);
    made.run(120);
    // It is marked by now. Another one, set to something else and never marked, takes its place.
    assert_ne!(alarms(&made)[..4], [0; 4]);
    made.chip.set_silent(true);
    made.run(10);
    restore_alarms(&made.chip, &[0; 7]);
    made.chip.set_by_someone_else(START_S + 7_000);
    made.chip.set_silent(false);
    // No reference is heard any more, and music plays.
    let jumped = made.run_playing(200);
    assert!(jumped < Span::from_us(300), "UTC jumped by {jumped:?}");
    assert!(made.error_ms().abs() < 2.0, "{} ms; {:#?}", made.error_ms(), made.status());
}

#[test]
fn a_server_that_is_wrong_by_a_constant_stays_within_the_bound_and_boxes_behind_it_agree() {
    let mut made = ClockHarness::new(Ds3231Model::default(), None, 31);
    made.run(60);
    // A phone, 45 ms away, whose line takes 10 ms longer one way than is seen.
    for _ in 0..60 {
        made.send_sample("phone", Span::from_ms(10), 22.5e6);
        made.run(60);
    }
    let (error_ms, status) = (made.error_ms(), made.status());
    let bound_ms = status.bound_ms.expect("known");
    assert!((error_ms - 10.0).abs() < 1.0 && error_ms < bound_ms && bound_ms < 25.0, "{error_ms} ms; {status:#?}");
    let agreement_ms = status.agreement_ms.expect("known");
    assert!(agreement_ms < 10.0, "{agreement_ms}");
    assert!(made.warnings().is_empty(), "{}", made.warnings());
}

#[test]
fn a_reference_that_is_heard_before_the_rtcs_edges_are_found_is_not_given_up_for_them() {
    for seed in 90..100 {
        let model = Ds3231Model { offset: Span::from_ms(400), ..Ds3231Model::default() };
        let mut made = ClockHarness::new(model, None, seed);
        made.step();
        made.send_sample("a", Span::ZERO, 1e6);
        made.step();
        assert!(made.error_ms().abs() < 1.0, "seed {seed}: {} ms", made.error_ms());
        // Long before the next sample: the RTC carries the time by now.
        for second in 0..30 {
            made.run(1);
            assert!(made.error_ms().abs() < 1.0, "seed {seed}, {second} s later: {} ms", made.error_ms());
        }
        let status = made.status();
        assert!(
            status.flywheel == jaudiosync::timekeeping::status::Flywheel::Rtc && status.bound_ms < Some(20.0),
            "seed {seed}: {status:#?}"
        );
        assert!(made.warnings().is_empty(), "{}", made.warnings());
    }
}

/// Compares a box with a server at home, whose line can hide 13 ms, until its RTC has been set; that
/// was 43 ms ahead.
fn set_at_home(saved: Option<SavedTime>, seed: u64) -> ClockHarness {
    let mut made = ClockHarness::new(Ds3231Model { offset: Span::from_ms(43), ..Ds3231Model::default() }, saved, seed);
    made.run(60);
    for _ in 0..60 {
        made.send_sample("home", Span::ZERO, 13e6);
        let until = made.world.true_time() + Span::MINUTE;
        while made.world.true_time() < until {
            made.step();
            if registers_ahead_ms(&made) < 20.0 {
                return made;
            }
        }
    }
    panic!("it was never set: {:#?}", made.status());
}

fn persisted(made: &ClockHarness) -> SavedTime {
    made.persisted.lock().unwrap().clone().expect("something was saved")
}

#[test]
fn a_box_at_home_that_loses_what_it_saved_is_in_sync_again_at_once() {
    let mut earlier = ClockHarness::new(Ds3231Model::default(), None, 70);
    for _ in 0..60 {
        earlier.run(60);
        earlier.send_sample("home", Span::ZERO, 13e6);
    }
    earlier.run(10);
    let bound_ms = earlier.estimate().bound.expect("known").ms();
    assert!(bound_ms > 13.0, "{bound_ms}");
    let mut made = earlier.boot_again(None, 71);
    made.run(30);
    assert!(made.estimate().is_in_sync(false), "{:#?}", made.status());
}

#[test]
fn behind_a_phone_that_can_hide_much_the_rtc_is_set_and_gets_no_stamp() {
    let mut made = ClockHarness::new(Ds3231Model { offset: Span::from_ms(30), ..Ds3231Model::default() }, None, 72);
    for _ in 0..60 {
        made.run(60);
        made.send_sample("phone", Span::ZERO, 50e6);
    }
    assert!(registers_ahead_ms(&made).abs() < 5.0, "{}", registers_ahead_ms(&made));
    let mut made = made.boot_again(None, 73);
    made.run(30);
    assert!(!made.estimate().is_in_sync(true), "{:#?}", made.status());
}

#[test]
fn a_calibration_is_saved_as_soon_as_the_new_edges_of_an_rtc_that_was_set_are_known() {
    let mut made = set_at_home(None, 74);
    made.run(30);
    assert_eq!(persisted(&made).stamp, Some(stamp(&made)));
    let saved = persisted(&made);
    let before = made.estimate().agreement.expect("known");
    let mut made = made.boot_again(Some(saved), 75);
    made.run(30);
    let after = made.estimate().agreement.expect("known");
    assert!(after < before * 2, "{before:?}, and after a power cut {after:?}");
}

#[test]
fn a_run_that_ends_while_the_new_edges_are_found_keeps_what_was_learnt() {
    let mut made = set_at_home(Some(compared()), 76);
    assert!(made.task.timekeeper().is_rebasing());
    let known = persisted(&made);
    assert!(known.calibration.as_ref().expect("calibrated").samples > 1);
    made.task.end();
    let saved = persisted(&made);
    assert_eq!((&saved.calibration, saved.mark), (&known.calibration, known.mark));
}

#[test]
fn a_run_with_an_rtc_that_is_silent_keeps_what_was_learnt_of_it() {
    let known = compared();
    let mut made =
        ClockHarness::prepared(Ds3231Model::default(), Some(known.clone()), 77, |chip| chip.set_silent(true));
    for _ in 0..15 {
        made.run(60);
        made.send_sample("a", Span::ZERO, 2e6);
    }
    made.task.end();
    let saved = persisted(&made);
    assert!(saved.utc_s > known.utc_s + 3600, "it was saved again");
    assert_eq!((saved.calibration, saved.mark, saved.stamp), (known.calibration, known.mark, known.stamp));
}

/// Cuts the power as the chip has acknowledged the seconds that are written to it, and boots again with
/// what was saved.
fn cut_while_set(mut made: ClockHarness, seed: u64) {
    made.chip.cut_power_after_seconds();
    for _ in 0..3600 {
        made.run(1);
        if !made.chip.is_powered() {
            break;
        }
        if made.world.true_time().second() % 60 == 0 {
            made.send_sample("a", Span::ZERO, 2e6);
        }
    }
    assert!(!made.chip.is_powered(), "it was never set");
    let saved = persisted(&made);
    assert!(saved.calibration.is_some());
    assert_ne!(saved.stamp, Some(stamp(&made)), "the calibration is of before");
    made.chip.power_on();
    let mut made = made.boot_again(Some(saved), seed);
    made.run(30);
    let bound_ms = made.estimate().bound.expect("known").ms();
    assert!(made.error_ms().abs() < bound_ms && bound_ms > 20.0, "{} ms of {bound_ms}", made.error_ms());
    let rate_ppb = made.status().rtc.expect("it answers").rate_ppb.expect("known");
    assert!((rate_ppb + 900.0).abs() < 300.0, "the rates are kept: {rate_ppb}");
}

#[test]
fn a_power_cut_between_the_seconds_and_the_stamp_leaves_a_calibration_that_knows_it_is_old() {
    for (is_wished, seed) in [(false, 80), (true, 82)] {
        let mut made = ClockHarness::new(Ds3231Model { rate_ppb: 900.0, ..Ds3231Model::default() }, None, seed);
        for _ in 0..180 {
            made.run(60);
            made.send_sample("a", Span::ZERO, 2e6);
        }
        made.run(60);
        if is_wished {
            made.set_rtc();
        }
        cut_while_set(made, seed + 1);
    }
}
