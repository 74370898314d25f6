//! When the time becomes known while a box plays: at once if it was in sync with nobody until then,
//! and otherwise only once nothing plays.

use std::fs;

use jaudiosync::control::protocol::PlayState;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::dac::{Imperfections, SimulatedDac};
use jaudiosync_time::Span;

use super::appliance_harness::{ApplianceHarness, Environment, RATE_HZ, ROUND};
use super::files::Tracks;
use super::{BEGIN, MS, S, memory_folder};

#[test]
fn a_box_that_is_in_sync_with_nobody_steps_at_once_when_the_moment_comes_and_one_that_is_waits() {
    let tracks = Tracks::make();
    let folder = memory_folder();
    let dac = SimulatedDac::new(RATE_HZ, (RATE_HZ as usize * 25 / 1000) | 1, Imperfections::default(), 5);
    let around = Environment::new(folder.path(), dac, BEGIN, true);
    for name in &tracks.names {
        fs::copy(tracks.folder.path().join(name), around.music.join(name)).unwrap();
    }
    fs::write(around.music.join("Playlist.m3u8"), format!("#EXTM3U\n{}\n", tracks.names.join("\n"))).unwrap();
    // Half a second: it plays, and is in sync with nobody.
    around.time.know_ahead(Span::ZERO, MS * 500);
    around.board.set_jumper(true);
    let mut made = ApplianceHarness::switch_on(&around);
    let until_it_plays = |made: &mut ApplianceHarness| {
        let rounds = (S * 60).ns() / ROUND.ns();
        let plays = (0..rounds).any(|_| {
            made.round(&around);
            made.status().play.state == PlayState::Playing
        });
        assert!(plays, "{:?}", made.status().play);
    };
    let pass = |made: &mut ApplianceHarness, span: Span| {
        for _ in 0..(span.ns() / ROUND.ns()).max(2) {
            made.round(&around);
        }
    };
    let ahead = || around.time.utc().apply(around.now()) - around.clocks.system_utc();

    until_it_plays(&mut made);
    let programs = made.programs.len();
    around.time.know_ahead(MS * 8, MS);
    pass(&mut made, ROUND * 2);
    assert_eq!(made.status().play.state, PlayState::Playing);
    assert!((ahead() - MS * 8).abs() < Span::from_us(1), "it has not stepped: {:?}", ahead());
    pass(&mut made, S);
    assert_eq!(made.programs.len(), programs, "nothing begins again");

    // From now on it is in sync, and the next correction would be heard.
    until_it_plays(&mut made);
    around.time.know_ahead(MS * 16, MS);
    pass(&mut made, ROUND * 2);
    assert_eq!(made.status().play.state, PlayState::Playing);
    assert!((ahead() - MS * 8).abs() < MS, "it has stepped while it plays: {:?}", ahead());
    let rounds = (S * 60).ns() / ROUND.ns();
    let has_stepped = (0..rounds).any(|_| {
        let played = made.status().play.state == PlayState::Playing;
        let before = ahead();
        made.round(&around);
        let moved = (ahead() - before).abs();
        assert!(!played || moved < MS || made.status().play.state != PlayState::Playing, "{moved:?} while it plays");
        moved > MS
    });
    assert!(has_stepped, "it does so once nothing plays: {:?}", ahead());
}
