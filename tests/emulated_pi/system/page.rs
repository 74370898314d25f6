//! What reaches a box from outside: `scripts/deploy` over ssh, and a phone on port 80, which systemd
//! has opened for the service in its sandbox.

use std::fs;
use std::path::Path;
use std::time::Instant;

use jaudiosync::control::protocol::PlayState;

use super::cards::{Desk, set_up};
use super::laptop::Deploy;
use crate::free_address::free_address;
use crate::installed::{boot, music};
use crate::machine::{Fitted, Forwarded, Machine, Network, prepared};
use crate::service::Service;
use crate::support::phone::{Answer, Phone};

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_box_is_deployed_to_over_ssh_and_steered_from_a_phone() {
    let desk = Desk::new();
    desk.make_ssh_key("id");
    let off = set_up(desk.flash(&["--ssh-key", "id.pub"]));
    let (page, ssh) = (free_address(), free_address());
    let forwarded = [Forwarded { from: page.port(), to: 80 }, Forwarded { from: ssh.port(), to: 22 }];
    let mut machine = boot(off, Fitted { network: Some(Network::Router(&forwarded)), ..Fitted::NOTHING });
    let service = Service::of_system(&mut machine);
    machine.run("systemctl start NetworkManager.service ssh.service && nm-online --quiet --timeout 120");
    let before = service.wait_until(&mut machine, "with its playlist", |status| status.playlist.is_some()).playlist;

    let mut phone = Phone { name: Some("bike-1.local"), ..Phone::new(page, 2) };
    let refusal = timed("a box without a key answers", || phone.get("/"));
    println!("{refusal:#?}");
    assert_eq!(refusal.status, 503);
    assert!(refusal.body.contains("no ride's key"), "{refusal:?}");
    let units = machine.run("systemctl is-failed jaudiosync.socket jaudiosync.service || true").stdout;
    assert_eq!(units, "active\nactive\n");

    let key = desk.make_ride_key("ride.key");
    let music = desk.path("Music");
    copy_with_another_track(&music);
    let deploy = |arguments: &[&str]| {
        let (succeeded, said) = Deploy::start(&desk, ssh.port(), arguments).finish();
        println!("{said}");
        assert!(succeeded, "{said}");
    };
    let [music, key_file] = [&music, &desk.path("ride.key")].map(|path| path.to_str().expect("a name").to_owned());
    // It is installed again: packages of a changed source may differ and have the same version.
    let package = prepared("jaudiosync_arm64.deb");
    timed("deployed: the package", || deploy(&["--package", package.to_str().expect("a name")]));
    timed("deployed: music and key", || deploy(&["--keep-package", "--music", &music, "--ride-key", &key_file]));

    let after = service.wait_until(&mut machine, "with the new playlist", |status| {
        status.playlist.as_ref().is_some_and(|playlist| playlist.tracks == 4)
    });
    assert_ne!(before.map(|playlist| playlist.fingerprint), after.playlist.map(|playlist| playlist.fingerprint));
    assert_eq!(after.play.state, PlayState::Stopped);

    let answer = timed("a box with a key answers", || phone.get("/"));
    assert!(answer.status == 200 && answer.body.starts_with("<!DOCTYPE html>"), "{answer:?}");
    assert_eq!(phone.post("/order", r#"{"order":"start"}"#).status, 401, "without the PIN");
    assert_eq!(phone.give_pin(&key.pin()).status, 200);
    let is_done = |answer: &Answer| answer.status == 200 && answer.json()["boxes"][0]["outcome"] == "done";
    for (order, state) in [("start", PlayState::Playing), ("stop", PlayState::Stopped)] {
        let answer = timed(order, || phone.post("/order", &format!("{{\"order\":\"{order}\"}}")));
        assert!(is_done(&answer), "{answer:?}");
        service.wait_until(&mut machine, "as ordered", |status| status.play.state == state);
    }
    println!("{}", service.log(&mut machine));
    assert_nothing_failed(&mut machine);
}

/// Copies the demo music, with a playlist that has its first track twice.
fn copy_with_another_track(to: &Path) {
    fs::create_dir(to).expect("a folder");
    for file in fs::read_dir(music()).expect("the demo music") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
    }
    let playlist = to.join("Playlist.m3u8");
    let lines = fs::read_to_string(&playlist).expect("a playlist");
    let first = lines.lines().find(|line| line.ends_with(".mp3")).expect("a track");
    fs::write(&playlist, format!("{lines}{first}\n")).expect("a playlist");
}

/// Says how long something took, by this machine's clock.
fn timed<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = act();
    println!("{what}: {:.1} s of this machine", began.elapsed().as_secs_f64());
    result
}

#[track_caller]
fn assert_nothing_failed(machine: &mut Machine) {
    assert_eq!(machine.run("systemctl --failed --no-legend --plain").stdout, "");
}
