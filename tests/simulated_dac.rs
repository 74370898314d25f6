//! The whole player on simulated sound cards, in virtual time: what is heard is where the timetable
//! says, whatever the card does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/place_tone.rs"]
mod place_tone;
#[path = "support/player_harness.rs"]
mod player_harness;
#[path = "support/virtual_loader.rs"]
mod virtual_loader;

use std::sync::atomic::{AtomicU64, Ordering};

use jaudiosync::player::feeder::{FeederEvent, Hearing};
use jaudiosync_hw::dac::Imperfections;
use jaudiosync_time::{Instant, Span};
use player_harness::{EPOCH, PlayerHarness};

/// Returns a USB card on a bad day: delays in steps of 1 ms, bursts of 10 ms, a crystal that is off
/// and wanders.
fn bad_card(rate_error_ppm: f64) -> Imperfections {
    Imperfections {
        rate_error_ppm,
        wander_ppm: 0.02,
        delay_step: Span::MILLISECOND,
        jitter: Span::from_us(50),
        burst_probability: 0.01,
        burst: Span::from_ms(10),
        wild_probability: 0.0005,
    }
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// 200 cards for an hour each. A low rate, as the filter is most of the work; a prime, so that
/// periods fall on all parts of a millisecond, as they do on the real card.
#[test]
fn two_hundred_bad_cards_stay_in_phase_for_an_hour() {
    const SEEDS: u64 = 200;
    const HOUR_S: f64 = 3600.0;
    let next = AtomicU64::new(0);
    let work = || {
        let mut results = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return results;
            }
            let rate_error_ppm = -150.0 + 300.0 * seed as f64 / (SEEDS - 1) as f64;
            let mut player = PlayerHarness::new(2003, bad_card(rate_error_ppm), -100, Span::ZERO, seed);
            player.run(HOUR_S);
            let from_s = player.first_sound_s(0.0).unwrap_or_else(|| panic!("seed {seed}: silent")) + 5.0;
            let errors = player.errors_ms(from_s, HOUR_S);
            assert!(errors.len() > 350_000, "seed {seed}: sound for {} of 360000 samples", errors.len());
            let last_quarter = player.errors_ms(0.75 * HOUR_S, HOUR_S);
            results.push((
                seed,
                from_s,
                quantile(&errors, 0.99),
                quantile(&errors, 1.0),
                quantile(&last_quarter, 0.99),
            ));
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    });
    let worst = |value: fn(&(u64, f64, f64, f64, f64)) -> f64| {
        results.iter().max_by(|a, b| value(a).total_cmp(&value(b))).map(|result| (result.0, value(result))).unwrap()
    };
    println!(
        "worst (seed, value): first sound + 5 s {:?}, p99 {:?} ms, max {:?} ms, last quarter's p99 {:?} ms",
        worst(|r| r.1),
        worst(|r| r.2),
        worst(|r| r.3),
        worst(|r| r.4)
    );
    for (seed, _, p99_ms, max_ms, last_quarter_p99_ms) in results {
        assert!(p99_ms <= 0.1, "seed {seed}: p99 {p99_ms} ms");
        assert!(max_ms <= 1.0, "seed {seed}: max {max_ms} ms");
        // Wind-up or oscillation would grow.
        assert!(last_quarter_p99_ms <= 0.1, "seed {seed}: {last_quarter_p99_ms} ms in the last quarter");
    }
}

#[test]
fn a_good_card_starts_on_the_exact_instant() {
    for seed in 0..10 {
        let imperfections =
            Imperfections { rate_error_ppm: 40.0, jitter: Span::from_us(20), ..Imperfections::default() };
        let mut player = PlayerHarness::new(48_000, imperfections, 6, Span::ZERO, seed);
        player.run(12.0);
        let first_s = player.first_sound_s(0.0).unwrap();
        assert!((first_s - 6.0).abs() < 0.012, "seed {seed}: {first_s}");
        let errors = player.errors_ms(0.0, 12.0);
        assert!(quantile(&errors, 1.0) < 0.02, "seed {seed}: {} ms", quantile(&errors, 1.0));
    }
}

#[test]
fn a_track_under_way_is_joined_on_the_exact_instant() {
    for seed in 0..5 {
        let joins = EPOCH + Span::from_seconds(7);
        let mut player = PlayerHarness::joining_at(Some(joins), 48_000, bad_card(60.0), -1000, Span::ZERO, seed);
        player.run(12.0);
        let first_s = player.first_sound_s(0.0).unwrap();
        // Sampled every 10 ms, after a fade-in of one block.
        assert!((7.0..7.021).contains(&first_s), "seed {seed}: {first_s}");
        let errors = player.errors_ms(0.0, 12.0);
        assert!(quantile(&errors, 1.0) < 0.2, "seed {seed}: {} ms", quantile(&errors, 1.0));
    }
}

#[test]
fn the_output_latency_is_exact_in_both_directions() {
    for latency_ms in [-250, -3, 7, 250] {
        let mut player = PlayerHarness::new(48_000, Imperfections::default(), 6, Span::from_ms(latency_ms), 1);
        player.run(10.0);
        // `late_ms` is judged at the ear, which hears it that much later.
        let errors = player.errors_ms(0.0, 10.0);
        assert!(quantile(&errors, 1.0) < 0.02, "{latency_ms} ms: {} ms", quantile(&errors, 1.0));
        let first_s = player.first_sound_s(0.0).unwrap();
        assert!((first_s + latency_ms as f64 * 1e-3 - 6.0).abs() < 0.012, "{latency_ms} ms: {first_s}");
    }
}

#[test]
fn after_a_drop_out_the_music_is_where_the_timetable_is() {
    for pause in [Span::from_ms(30), Span::from_ms(400), Span::from_seconds(5)] {
        let mut player = PlayerHarness::new(8011, bad_card(80.0), -20, Span::ZERO, 7);
        player.run(30.0);
        player.interrupt(pause);
        let resumed_s = 30.0 + pause.seconds();
        player.run(20.0);
        let first_s = player.first_sound_s(resumed_s + 0.01).unwrap();
        assert!(first_s - resumed_s < 3.0, "{pause:?}: silent for {} s", first_s - resumed_s);
        let errors = player.errors_ms(resumed_s + 0.01, 60.0);
        assert!(quantile(&errors, 1.0) < 1.0, "{pause:?}: {} ms", quantile(&errors, 1.0));
        assert!(player.events.contains(&FeederEvent::Interrupted), "{:?}", player.events);
    }
}

#[test]
fn a_card_that_was_unplugged_plays_where_the_timetable_is() {
    let mut player = PlayerHarness::new(8011, bad_card(-80.0), -20, Span::ZERO, 7);
    player.run(20.0);
    player.dac.unplug();
    player.run(7.0);
    assert!(player.first_sound_s(20.1).is_none());
    player.dac.plug_in();
    player.run(20.0);
    let first_s = player.first_sound_s(27.0).unwrap();
    assert!(first_s < 30.0, "{first_s}");
    let errors = player.errors_ms(27.0, 50.0);
    assert!(quantile(&errors, 1.0) < 1.0, "{} ms", quantile(&errors, 1.0));
}

/// Returns when nothing was heard, from a time on.
fn silent_s(player: &PlayerHarness, from_s: f64) -> Vec<f64> {
    let silence = |sample: &&player_harness::Sample| sample.time_s > from_s && sample.late_ms.is_none();
    player.samples.iter().filter(silence).map(|sample| sample.time_s).collect()
}

#[test]
fn a_file_that_is_gone_for_three_seconds_is_not_heard() {
    let mut player = PlayerHarness::new(8011, bad_card(30.0), -20, Span::ZERO, 9);
    player.run(10.0);
    player.is_gone.store(true, Ordering::Relaxed);
    player.run(3.0);
    player.is_gone.store(false, Ordering::Relaxed);
    player.run(20.0);
    assert_eq!(silent_s(&player, 5.0).len(), 0);
    let errors = player.errors_ms(5.0, 33.0);
    assert!(quantile(&errors, 1.0) < 0.2, "{} ms", quantile(&errors, 1.0));
    assert_eq!(player.events.len(), 1, "the track's beginning alone: {:?}", player.events);
    assert!(player.opened.load(Ordering::Relaxed) <= 5, "tried about once a second");
}

#[test]
fn a_file_that_is_gone_is_played_as_far_as_it_was_decoded_and_again_as_soon_as_it_is_back() {
    for back_s in [17.0, 20.0, 20.3, 20.7] {
        let mut player = PlayerHarness::new(8011, bad_card(30.0), -20, Span::ZERO, 9);
        player.run(10.0);
        player.is_gone.store(true, Ordering::Relaxed);
        player.run(back_s - 10.0);
        assert_eq!(player.hearing(), Hearing::Silence(player.timetable.first()));
        player.is_gone.store(false, Ordering::Relaxed);
        player.run(10.0);
        let silent_s = silent_s(&player, 5.0);
        let (first_s, last_s) = (silent_s[0], silent_s[silent_s.len() - 1]);
        // Four seconds are decoded ahead, and some are in the ring.
        assert!((14.0..15.0).contains(&first_s), "silent from {first_s} s");
        assert!((back_s - 0.1..back_s + 1.5).contains(&last_s), "back at {back_s} s, silent until {last_s} s");
        assert!(silent_s.len() as f64 > 99.0 * (last_s - first_s), "silent throughout");
        let errors = player.errors_ms(5.0, back_s + 10.0);
        assert!(quantile(&errors, 1.0) < 0.3, "{} ms", quantile(&errors, 1.0));
        let silences = player.events.iter().filter(|event| matches!(event, FeederEvent::Silent { .. })).count();
        assert_eq!((player.events.len(), silences), (2, 1), "reported once: {:?}", player.events);
        assert_eq!(player.hearing(), Hearing::Music(player.timetable.first()));
    }
}

#[test]
fn a_place_that_cannot_be_read_costs_little_more_than_itself() {
    let mut player = PlayerHarness::new(8011, bad_card(30.0), 6, Span::ZERO, 9);
    *player.bad_frames.lock().unwrap() = 20 * 8011..20 * 8011 + 500;
    player.run(50.0);
    let silent_s = silent_s(&player, 7.0);
    let (first_s, last_s) = (silent_s[0], silent_s[silent_s.len() - 1]);
    // It is read in blocks of 128 ms, and reopened every second.
    assert!((25.7..26.0).contains(&first_s) && last_s < 27.5, "silent from {first_s} to {last_s} s");
    let errors = player.errors_ms(7.0, 50.0);
    assert!(quantile(&errors, 1.0) < 0.3, "{} ms", quantile(&errors, 1.0));
}

#[test]
fn a_file_that_comes_late_is_joined_and_one_that_is_known_to_be_silence_is_opened_once() {
    let mut player = PlayerHarness::new(8011, bad_card(30.0), 6, Span::ZERO, 9);
    player.is_gone.store(true, Ordering::Relaxed);
    player.run(15.0);
    assert_eq!(player.first_sound_s(0.0), None);
    assert_eq!(player.hearing(), Hearing::Silence(player.timetable.first()));
    player.is_gone.store(false, Ordering::Relaxed);
    player.run(5.0);
    let first_s = player.first_sound_s(0.0).unwrap();
    assert!((15.0..16.5).contains(&first_s), "{first_s}");

    let mut player = PlayerHarness::new(8011, bad_card(30.0), 6, Span::ZERO, 9);
    player.is_silent.store(true, Ordering::Relaxed);
    player.run(30.0);
    assert_eq!((player.first_sound_s(0.0), player.opened.load(Ordering::Relaxed)), (None, 1));
    assert_eq!(player.hearing(), Hearing::Silence(player.timetable.first()));
}

#[test]
fn a_file_that_does_not_answer_for_three_seconds_is_not_heard() {
    let mut player = PlayerHarness::new(8011, bad_card(30.0), -20, Span::ZERO, 3);
    player.run(10.0);
    player.loader.held_up_until = Instant::from_second(13);
    player.run(20.0);
    let silent = player.samples.iter().filter(|sample| sample.time_s > 9.0 && sample.late_ms.is_none()).count();
    assert_eq!(silent, 0);
    let errors = player.errors_ms(9.0, 30.0);
    assert!(quantile(&errors, 1.0) < 0.2, "{} ms", quantile(&errors, 1.0));
    assert_eq!(player.events.len(), 1, "the track's beginning alone: {:?}", player.events);
}

#[test]
fn a_file_that_does_not_answer_for_eight_seconds_is_resumed_where_the_timetable_is() {
    let mut player = PlayerHarness::new(8011, bad_card(30.0), -20, Span::ZERO, 3);
    player.run(10.0);
    player.loader.held_up_until = Instant::from_second(18);
    player.run(20.0);
    let silence = |sample: &&player_harness::Sample| sample.time_s > 9.0 && sample.late_ms.is_none();
    let silent_s: Vec<f64> = player.samples.iter().filter(silence).map(|sample| sample.time_s).collect();
    let (first_s, last_s) = (silent_s[0], silent_s[silent_s.len() - 1]);
    // Four seconds are decoded ahead, and some are in the ring; afterwards it is heard as soon as
    // blocks can be made.
    assert!((13.5..15.0).contains(&first_s) && (18.0..18.7).contains(&last_s), "silent from {first_s} to {last_s} s");
    let errors = player.errors_ms(last_s, 30.0);
    assert!(quantile(&errors, 1.0) < 0.2, "{} ms", quantile(&errors, 1.0));
    let starved = player.events.iter().filter(|event| matches!(event, FeederEvent::Starved { .. })).count();
    let opening = player.events.iter().filter(|event| matches!(event, FeederEvent::Opening { .. })).count();
    assert_eq!((starved, opening), (1, 1), "{:?}", player.events);
}

#[test]
fn a_small_step_of_the_clock_is_slewed_and_a_large_one_is_jumped() {
    let mut player = PlayerHarness::new(8011, Imperfections::default(), -20, Span::ZERO, 7);
    player.run(10.0);
    player.utc.to += Span::from_ms(2);
    player.run(20.0);
    let errors = player.errors_ms(27.0, 30.0);
    assert!(quantile(&errors, 1.0) < 0.1, "2 ms at 300 ppm take 7 s: {} ms", quantile(&errors, 1.0));
    assert!(!player.events.iter().any(|event| matches!(event, FeederEvent::Reseeked { .. })));
    player.utc.to += Span::from_ms(300);
    player.run(10.0);
    let errors = player.errors_ms(31.0, 40.0);
    assert!(quantile(&errors, 1.0) < 0.1, "{} ms", quantile(&errors, 1.0));
    let reported = player.events.iter().find_map(|event| match event {
        FeederEvent::Reseeked { phase_error_ns } => Some(*phase_error_ns),
        _ => None,
    });
    assert!(reported.is_some_and(|error_ns| (error_ns - 300e6).abs() < 1e6), "{reported:?}");
}
