//! An hour on the road, in virtual time: random presses, jumper changes, unplugged sound cards,
//! edited playlists, clients at the control socket, clocks that are lost and found, power cuts.
//! Nothing may panic or get stuck, and everything that is heard must be what was requested, in its
//! place. The seed is printed on failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/appliance_harness.rs"]
mod appliance_harness;
mod checks;
mod faults;
mod files;
mod hour;
mod in_sync;
#[path = "../support/place_tone.rs"]
mod place_tone;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/virtual_loader.rs"]
mod virtual_loader;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use appliance_harness::{ApplianceHarness, Environment, RATE_HZ};
use files::Tracks;
use hour::{Hour, Tally};
use jaudiosync::control::Command;
use jaudiosync::control::protocol::{ButtonState, PlayState};
use jaudiosync::player::program::Program;
use jaudiosync::timetable::Place;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::dac::{Imperfections, SimulatedDac};
use jaudiosync_hw::gpio::SimulatedHeader;
use jaudiosync_time::{Instant, Span, Utc};

const S: Span = Span::SECOND;
const MS: Span = Span::MILLISECOND;

/// 2026-11-25 10:00:07 UTC.
const BEGIN: Instant<Utc> = Instant::from_second(1_795_600_807);

#[test]
fn an_hour_of_everything_with_fifty_seeds() {
    const SEEDS: u64 = 50;
    let tracks = Tracks::make();
    // One alone, with its log: HOUR_SEED=7 RUST_LOG=debug cargo test --test virtual_hour
    let alone: Option<u64> = std::env::var("HOUR_SEED").ok().map(|seed| seed.parse().unwrap());
    if alone.is_some() {
        let _ = env_logger::builder().format_timestamp(None).try_init();
    }
    let next = AtomicU64::new(alone.unwrap_or(0));
    let seeds = alone.map_or(SEEDS, |seed| seed + 1);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return tally;
            }
            let seed_on_failure = SayTheSeed(seed);
            let folder = memory_folder();
            let mut hour = Hour::new(seed, folder.path(), &tracks);
            hour.around.time.know();
            while hour.now() < Instant::ZERO + Span::HOUR {
                let span = match hour.random.u8(..4) {
                    0 => hour.random_span(S * 20, S * 90),
                    1 => hour.random_span(S, S * 20),
                    _ => hour.random_span(MS * 50, S * 2),
                };
                hour.run(span);
                hour.inject_fault();
                log::debug!("{:.3} s", (hour.now() - Instant::ZERO).seconds());
            }
            hour.settle_and_verify();
            tally += hour.tally;
            std::mem::forget(seed_on_failure);
        }
    };
    let tally = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut sum = Tally::default();
        for handle in handles {
            sum += handle.join().unwrap();
        }
        sum
    });
    let Tally { in_phase, silent, obeyed, power_cuts, rejoined } = tally;
    println!(
        "{SEEDS} hours: {in_phase} samples in their place, {silent} rightly silent, {obeyed} presses obeyed within \
         50 ms, {power_cuts} power cuts, {rejoined} times rejoined"
    );
    assert!(alone.is_some() || (in_phase > 1_000_000 && obeyed > 1000 && power_cuts > 100 && rejoined > 50));
}

/// Makes an appliance that has been started on four short tracks and is about to play the first.
fn about_to_play(folder: &Path, tracks: &Tracks, latency_ms: i64) -> (Environment, ApplianceHarness, Program) {
    let imperfections = Imperfections { rate_error_ppm: 60.0, jitter: Span::from_us(50), ..Imperfections::default() };
    let dac = SimulatedDac::new(RATE_HZ, (RATE_HZ as usize * 25 / 1000) | 1, imperfections, 5);
    let around = Environment::new(folder, dac, BEGIN, true);
    *around.config.lock().unwrap() = format!("[sound]\noutput_latency_ms = {latency_ms}\n");
    for name in &tracks.names {
        fs::copy(tracks.folder.path().join(name), around.music.join(name)).unwrap();
    }
    let list = [&tracks.names[0], &tracks.names[1], &tracks.names[0], &tracks.names[2]];
    let list = list.map(String::as_str).join("\n");
    fs::write(around.music.join("Playlist.m3u8"), format!("#EXTM3U\n{list}\n")).unwrap();
    around.time.know();
    let mut made = ApplianceHarness::switch_on(&around);
    for _ in 0..(S * 5).ns() / appliance_harness::ROUND.ns() {
        made.round(&around);
    }
    made.ask(Command::Start { time: None, first_track: None, fresh: true });
    while made.status().play.state != PlayState::WaitingForSlot {
        made.round(&around);
    }
    let program = made.programs.last().and_then(|given| given.program.clone()).expect("a program");
    (around, made, program)
}

#[test]
fn status_says_opening_neither_at_the_end_of_a_track_nor_at_the_beginning_of_the_next() {
    let tracks = Tracks::make();
    for latency_ms in [0, 250, -250] {
        let folder = memory_folder();
        let (around, mut made, program) = about_to_play(folder.path(), &tracks, latency_ms);
        let mut checked = [0; 2];
        let begin = program.timetable.first().utc();
        while around.clocks.system_utc() < begin + S * 31 {
            made.round(&around);
            let status = made.status();
            let (state, utc) = (status.play.state, Instant::from_ns(status.time.utc_ns));
            let place = program.timetable.place_at(utc);
            let offset_s = (utc - begin).seconds();
            // The player's report of what is heard comes within 60 ms.
            match (place, program.timetable.place_at(utc - MS * 60)) {
                _ if utc < begin => assert_eq!(state, PlayState::WaitingForSlot, "{offset_s}"),
                (Place::Playing { slot, .. }, Place::Playing { slot: before, .. }) if slot == before => {
                    assert_eq!(state, PlayState::Playing, "{latency_ms} ms, {offset_s}");
                    assert!(status.phase.is_some(), "{latency_ms} ms, {offset_s}");
                    checked[0] += 1;
                }
                (Place::Gap { .. }, _) => {
                    assert_eq!((state, status.phase.clone()), (PlayState::Gap, None), "{latency_ms} ms, {offset_s}");
                    checked[1] += 1;
                }
                _ => assert!(matches!(state, PlayState::Gap | PlayState::Playing), "{state:?} at {offset_s}"),
            }
        }
        let [playing, gaps] = checked;
        assert!(playing > 2000 && gaps > 300, "{checked:?}");
        assert_eq!(made.loader.dropped, 3, "the loader frees what the tracks before were played with");
    }
}

#[test]
fn status_says_opening_if_a_track_is_not_ready_in_time_and_playing_once_it_is_heard() {
    let tracks = Tracks::make();
    let folder = memory_folder();
    let (around, mut made, program) = about_to_play(folder.path(), &tracks, 0);
    let begin = program.timetable.first().utc();
    made.loader.held_up_until = around.now() + (begin - around.clocks.system_utc()) + S;
    let mut states = Vec::new();
    while around.clocks.system_utc() < begin + S * 2 {
        made.round(&around);
        let status = made.status();
        let offset_ms = (Instant::from_ns(status.time.utc_ns) - begin).whole_ms();
        if states.last().is_none_or(|(state, _)| *state != status.play.state) {
            states.push((status.play.state, offset_ms));
        }
    }
    let order: Vec<PlayState> = states.iter().map(|(state, _)| *state).collect();
    let expected = [PlayState::WaitingForSlot, PlayState::Gap, PlayState::Opening, PlayState::Playing];
    assert!(order == expected || order == [expected[0], expected[2], expected[3]], "{states:?}");
    let at_ms = |state| states.iter().find(|(found, _)| *found == state).unwrap().1;
    assert!(at_ms(PlayState::Opening) < 60 && (1000..1300).contains(&at_ms(PlayState::Playing)), "{states:?}");
}

#[test]
fn a_led_that_is_switched_off_stays_dark_until_a_reload_switches_it_on() {
    let tracks = Tracks::make();
    let folder = memory_folder();
    let (around, mut made, _) = about_to_play(folder.path(), &tracks, 0);
    let mut lit_rounds = |toml: &str| {
        *around.config.lock().unwrap() = toml.to_owned();
        let reloaded = made.ask(Command::Reload {});
        while reloaded.try_recv().is_err() {
            made.round(&around);
        }
        let mut lit = 0;
        for _ in 0..(S * 5).ns() / appliance_harness::ROUND.ns() {
            made.round(&around);
            lit += u32::from(around.board.is_lit());
        }
        lit
    };
    assert_eq!(lit_rounds("[board]\nled = false\n"), 0);
    assert!(lit_rounds("[board]\nled = true\n") > 0);
}

#[test]
fn a_box_that_may_be_half_a_second_off_plays_and_its_lamp_says_so_until_the_time_is_known_better() {
    let tracks = Tracks::make();
    let folder = memory_folder();
    let dac = SimulatedDac::new(RATE_HZ, (RATE_HZ as usize * 25 / 1000) | 1, Imperfections::default(), 5);
    let around = Environment::new(folder.path(), dac, BEGIN, true);
    for name in &tracks.names {
        fs::copy(tracks.folder.path().join(name), around.music.join(name)).unwrap();
    }
    fs::write(around.music.join("Playlist.m3u8"), format!("#EXTM3U\n{}\n", tracks.names[0])).unwrap();
    around.time.know_within(MS * 500);
    around.board.set_jumper(true);
    let mut made = ApplianceHarness::switch_on(&around);
    // Longer than to the next slot of the grid, and through all of the short playlist.
    let mut heard = 0;
    let dark_rounds = |made: &mut ApplianceHarness, seconds: i64, heard: &mut u32| {
        let mut dark = 0;
        for _ in 0..(S * seconds).ns() / appliance_harness::ROUND.ns() {
            made.round(&around);
            *heard += u32::from(made.status().play.state == PlayState::Playing);
            dark += u32::from(!around.board.is_lit());
        }
        dark
    };
    dark_rounds(&mut made, 30, &mut heard);
    assert!(heard > 100, "the jumper plays all the same");
    let rounds = (S * 6).ns() / appliance_harness::ROUND.ns();
    let dark = i64::from(dark_rounds(&mut made, 6, &mut heard));
    assert!((rounds / 20..rounds / 5).contains(&dark), "two gaps of a tenth of a second every two: {dark} of {rounds}");
    let programs = made.programs.len();
    around.time.know();
    dark_rounds(&mut made, 1, &mut heard);
    assert_eq!(dark_rounds(&mut made, 6, &mut heard), 0, "in sync");
    assert_eq!(made.programs.len(), programs, "and nothing begins again");
}

/// Prints the seed when it is dropped, unless it is forgotten.
struct SayTheSeed(u64);

impl Drop for SayTheSeed {
    fn drop(&mut self) {
        eprintln!("seed {}", self.0);
    }
}

/// Returns a folder in memory: state is synced to the disk at every write, which costs nothing
/// there.
fn memory_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

#[test]
fn on_a_board_that_rppal_does_not_know_the_buttons_work_and_a_pin_in_use_is_named() {
    let folder = memory_folder();
    let dac = SimulatedDac::new(RATE_HZ, (RATE_HZ as usize * 25 / 1000) | 1, Imperfections::default(), 5);
    let mut around = Environment::new(folder.path(), dac, BEGIN, true);
    let header = SimulatedHeader::new();
    around.header = Some(header.clone());
    let tracks = Tracks::make();
    fs::copy(tracks.folder.path().join(&tracks.names[0]), around.music.join(&tracks.names[0])).unwrap();
    fs::write(around.music.join("Playlist.m3u8"), &tracks.names[0]).unwrap();
    around.time.know();
    header.give_to(6, Some("mute"));
    let mut made = ApplianceHarness::switch_on(&around);
    let run = |made: &mut ApplianceHarness, span: Span| {
        for _ in 0..span.ns() / appliance_harness::ROUND.ns() {
            made.round(&around);
        }
    };
    let press = |made: &mut ApplianceHarness, gpio| {
        header.ground(gpio, true);
        run(made, MS * 200);
        header.ground(gpio, false);
        run(made, MS * 200);
    };
    run(&mut made, S * 5);
    let status = made.status();
    assert_eq!(status.board.backend.as_deref(), Some("gpiocdev"));
    assert_eq!(status.board.buttons.unwrap().volume_down, ButtonState::Unusable);
    let [pin] = &status.board.unusable_pins[..] else { panic!("{:?}", status.board) };
    assert_eq!((pin.gpio, pin.key.as_str(), pin.user.as_deref()), (6, "volume_down_gpio", Some("mute")));
    assert!(status.warnings.iter().any(|warning| warning.starts_with("GPIO6 belongs to \"mute\": the Volume down")));

    press(&mut made, 24);
    let louder = made.status().volume.percent;
    assert!(louder > status.volume.percent);
    press(&mut made, 6);
    assert_eq!(made.status().volume.percent, louder, "the amplifier was muted, and nobody pressed a button");
    press(&mut made, 5);
    assert_eq!(made.status().play.state, PlayState::WaitingForSlot);
    press(&mut made, 16);
    assert_eq!(made.status().play.state, PlayState::Stopped);

    header.give_to(6, None);
    run(&mut made, S * 6);
    press(&mut made, 6);
    assert!(made.status().volume.percent < louder && made.status().board.unusable_pins.is_empty());
}
