//! `scripts/deploy` and a card that the box only reads: it is opened for as long as something is copied,
//! and a power cut meanwhile leaves the old music or the new.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::cards::{Desk, MUSIC, PROGRAM, STATE, seal, set_up};
use super::laptop::Deploy;
use super::partitions::{check_ext4, check_fat};
use super::power_cuts::Series;
use crate::free_address::free_address;
use crate::installed::{boot, track};
use crate::machine::{Fitted, Forwarded, Machine, Network, SwitchedOff, prepared};
use crate::service::Service;

/// How often, unless the variable says otherwise.
const CUTS: u32 = 3;

/// By this machine's clock: from when ssh is called until the music is copied.
const COPYING_S: f64 = 20.0;

fn start(off: SwitchedOff, ssh: SocketAddr) -> (Machine, Service) {
    let forwarded = [Forwarded { from: ssh.port(), to: 22 }];
    let mut machine = boot(off, Fitted { network: Some(Network::Router(&forwarded)), ..Fitted::NOTHING });
    let service = Service::of_system(&mut machine);
    machine.run("nm-online --quiet --timeout 120 && systemctl start ssh.service");
    (machine, service)
}

fn fingerprint(machine: &mut Machine, service: &Service) -> String {
    let has_all = |status: &jaudiosync::control::Status| {
        status.playlist.as_ref().is_some_and(|playlist| playlist.silent_tracks == 0)
    };
    let status = service.wait_until(machine, "with all its tracks", has_all);
    status.playlist.expect("a playlist").fingerprint
}

/// Returns the fingerprint of a Music folder, as this machine's program finds it.
fn fingerprint_of(music: &Path) -> String {
    let listed = Command::new(PROGRAM).args(["list", "--json", "--music"]).arg(music).output();
    let listed = listed.expect("the program").stdout;
    let list: serde_json::Value = serde_json::from_slice(&listed).expect("a list");
    list["fingerprint"].as_str().expect("a fingerprint").to_owned()
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_card_that_is_only_read_is_deployed_to_and_power_cuts_leave_the_old_music_or_the_new() {
    let Series { seed, cuts, mut random } = Series::of(CUTS);
    let desk = Desk::new();
    desk.make_ssh_key("id");
    let mut off = seal(set_up(desk.flash(&["--appliance", "--ssh-key", "id.pub"])));
    let ssh = free_address();
    // Two sets of music with files of their own: copying them takes some seconds.
    let sets = ["Music", "Other"].map(|name| desk.path(name));
    for (number, set) in sets.iter().enumerate() {
        make_set(set, number);
    }
    let prints = sets.each_ref().map(|set| fingerprint_of(set));

    let (machine, service) = start(off, ssh);
    let deployed = Deploy::start(&desk, ssh.port(), &["--keep-package", "--music", sets[0].to_str().unwrap()]);
    let (mut machine, service) = finish(machine, service, deployed);
    assert_eq!(fingerprint(&mut machine, &service), prints[0]);
    off = machine.shut_down();
    let mut on_card = 0;
    for cut in 1..=cuts {
        let (machine, _) = start(off, ssh);
        let set = sets[1 - on_card].to_str().unwrap();
        let deploy = Deploy::start(&desk, ssh.port(), &["--keep-package", "--music", set]);
        let after_s = random.f64() * COPYING_S;
        // By this machine's clock, as that is what ssh and rsync go by here.
        std::thread::sleep(Duration::from_secs_f64(after_s));
        off = machine.cut_power();
        drop(deploy);
        let what = format!("cut {cut} after {after_s:.1} s, seed {seed}");
        check_ext4(off.card(), STATE, &what);
        let fat = check_fat(off.card(), MUSIC, &what);
        let (mut machine, service) = start(off, ssh);
        let print = fingerprint(&mut machine, &service);
        let now = prints.iter().position(|known| *known == print);
        let now = now.unwrap_or_else(|| panic!("{what}: {print} is none of {prints:?}"));
        println!("{what}: {fat:?}, it came with set {on_card}, and is left with set {now}");
        on_card = now;
        off = machine.shut_down();
    }

    // The package, after which the box starts again by itself.
    let (machine, _) = start(off, ssh);
    let package = prepared("jaudiosync_arm64.deb");
    let deploy = Deploy::start(&desk, ssh.port(), &["--package", package.to_str().unwrap()]);
    let (mut machine, _) = start(machine.wait_until_off_within(600.0), ssh);
    let (succeeded, said) = deploy.finish();
    println!("{said}");
    assert!(succeeded && said.contains("starts again"), "{said}");
    assert_eq!(machine.run("jaudiosync-card status").stdout.matches("only read").count(), 1);
    assert_eq!(machine.run("systemctl --failed --no-legend --plain").stdout, "");
}

/// Makes a set of music whose first track is as long as a few megabytes, and like no other set's.
fn make_set(folder: &Path, number: usize) {
    std::fs::create_dir(folder).unwrap();
    let long = std::fs::read(track(number)).unwrap().repeat(12);
    let names = [format!("long {number}.mp3"), "end.mp3".to_owned()];
    std::fs::write(folder.join(&names[0]), long).unwrap();
    std::fs::copy(track(2), folder.join(&names[1])).unwrap();
    std::fs::write(folder.join("Playlist.m3u8"), names.map(|name| format!("{name}\n")).concat()).unwrap();
}

/// Waits until what was deployed is there; the box does not start again for music.
fn finish(machine: Machine, service: Service, deploy: Deploy) -> (Machine, Service) {
    let (succeeded, said) = deploy.finish();
    println!("{said}");
    assert!(succeeded, "{said}");
    (machine, service)
}
