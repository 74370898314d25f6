use super::*;
use crate::dac::playlist;
use crate::randomness::{Purpose, stream};
use crate::scenario::parse;
use crate::true_time::{RIDE_START, utc_at};
use crate::weather::weather;

struct Bench {
    world: BoxWorld,
    player: LockedPlayer,
}

fn bench(text: &str, seed: u64) -> Bench {
    let scenario = parse(text, "test").unwrap();
    let temperature = weather(&scenario, seed, 0);
    let world = BoxWorld::new(&scenario, seed, 0, temperature.clone(), RIDE_START);
    world.power_on(RIDE_START);
    let card = SoundCard::new(&scenario, seed, 0, temperature, RIDE_START);
    let random = stream(seed, Some(0), Purpose::DacDriver);
    let mut player = LockedPlayer::new(card, scenario.dac, playlist(seed).unwrap(), random);
    player.power_on(RIDE_START);
    Bench { world, player }
}

impl Bench {
    /// Plays from one second to another by true time, `ahead` of it.
    fn play(&mut self, seconds: std::ops::Range<i64>, ahead: Span) -> Vec<Option<Heard>> {
        seconds
            .map(|second| {
                let from = RIDE_START + Span::from_seconds(second);
                let to = from + Span::SECOND;
                let raw = self.world.raw_at(from);
                let raw_elapsed = self.world.raw_at(to) - raw;
                let rate = Rate::from_fraction((Span::SECOND - raw_elapsed).ns_f64() / raw_elapsed.ns_f64());
                let utc = ClockMap { from: raw, to: utc_at(from) + ahead, rate };
                self.player.advance_to(to, &self.world, Some(&utc));
                self.player.heard(to, &self.world)
            })
            .collect()
    }
}

fn p99_us(heard: &[Option<Heard>]) -> f64 {
    let mut errors: Vec<f64> = heard.iter().flatten().map(|heard| heard.error_ns_f64.abs() * 1e-3).collect();
    errors.sort_by(f64::total_cmp);
    errors[(errors.len() - 1) * 99 / 100]
}

#[test]
fn with_a_true_timescale_both_kinds_of_cards_play_within_a_tenth_of_a_millisecond() {
    for (kind, limit_us) in [("i2s", 80.0), ("usb", 150.0)] {
        for seed in 0..4 {
            let mut bench = bench(&format!("[dac]\nkind = \"{kind}\"\n"), seed);
            let heard = bench.play(0..3600, Span::ZERO);
            let sounding = heard.iter().flatten().count();
            assert!(sounding > 3550, "{kind}, seed {seed}: {sounding} s of music");
            let p99_us = p99_us(&heard[10..]);
            println!("{kind}, seed {seed}: p99 {p99_us:.1} us, {} reseeks", bench.player.reseeks());
            assert!(p99_us < limit_us, "{kind}, seed {seed}: {p99_us} us");
        }
    }
}

#[test]
fn the_error_is_the_sum_of_its_parts() {
    let mut bench = bench("[dac]\nkind = \"usb\"\n", 3);
    for heard in bench.play(0..900, Span::from_ms(40)).into_iter().flatten() {
        let parts_ns_f64 = heard.servo_error_ns_f64.unwrap() + heard.dac_clock_error.unwrap().ns_f64() - 40e6;
        // Within a block the servo goes on, by at most 300 ppm of its 6 ms.
        assert!((heard.error_ns_f64 - parts_ns_f64).abs() < 2_500.0, "{heard:?}");
    }
}

#[test]
fn a_timescale_that_is_ahead_plays_early_and_a_jump_is_taken_at_once() {
    let mut bench = bench("", 5);
    let early = bench.play(0..60, Span::from_ms(2));
    assert!(early[30..].iter().flatten().all(|heard| (heard.error_ns_f64 + 2e6).abs() < 0.1e6));
    let slewed = bench.play(60..90, Span::ZERO);
    assert_eq!(bench.player.reseeks(), 0);
    assert!(slewed[20..].iter().flatten().all(|heard| heard.error_ns_f64.abs() < 0.1e6), "2 ms take 7 s at 300 ppm");
    let jumped = bench.play(90..100, Span::from_ms(30));
    assert_eq!(bench.player.reseeks(), 1);
    assert!(jumped[2..].iter().flatten().all(|heard| (heard.error_ns_f64 + 30e6).abs() < 0.1e6));
}

#[test]
fn a_power_cut_begins_anew_at_the_place_of_the_timetable() {
    let mut bench = bench("", 6);
    bench.play(0..60, Span::ZERO);
    let on = RIDE_START + Span::from_seconds(100);
    bench.world.power_on(on);
    bench.player.power_on(on);
    let heard = bench.play(100..130, Span::ZERO);
    assert!(heard[..1].iter().flatten().count() == 0 && heard[3..].iter().flatten().count() > 20);
    assert!(heard[5..].iter().flatten().all(|heard| heard.error_ns_f64.abs() < 0.2e6), "{heard:?}");
}

#[test]
fn without_a_timescale_there_is_silence() {
    let mut bench = bench("", 7);
    let later = RIDE_START + Span::from_seconds(10);
    bench.player.advance_to(later, &bench.world, None);
    assert!(bench.player.heard(later, &bench.world).is_none() && !bench.player.plays());
}
