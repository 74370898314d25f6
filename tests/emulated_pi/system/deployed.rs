//! `scripts/deploy` and a card that the box only reads: it is opened for as long as something is copied,
//! and a power cut meanwhile leaves the old music or the new.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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

/// Where a file lies on the box until it is whole; see `scripts/deploy`.
const NEW_FILES: &str = "/srv/jaudiosync/Music/.jaudiosync-new";

/// The part of a file that has come at most when the power is cut: more comes meanwhile.
const AIMED_AT: f64 = 0.7;

/// By this machine's clock: how often the box is asked how much has come.
const LOOK: Duration = Duration::from_millis(50);

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
    let (mut on_card, mut in_a_file) = (0, 0);
    for cut in 1..=cuts {
        let (mut machine, _) = start(off, ssh);
        let set = &sets[1 - on_card];
        let long_bytes = long_track(set, 1 - on_card).metadata().expect("a track").len();
        let aimed_bytes = (AIMED_AT * random.f64() * long_bytes as f64) as u64;
        let mut deploy = Deploy::start(&desk, ssh.port(), &["--keep-package", "--music", set.to_str().unwrap()]);
        let come_bytes = wait_until_come(&mut machine, &mut deploy, aimed_bytes);
        off = machine.cut_power();
        let Some(come_bytes) = come_bytes else { panic!("nothing was seen to come: {:?}", deploy.finish()) };
        drop(deploy);
        let what = format!("cut {cut} at {come_bytes} of a file's {long_bytes} bytes, seed {seed}");
        in_a_file += u32::from(come_bytes < long_bytes);
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
    println!("{in_a_file} of {cuts} cuts while a file was copied in part");
    assert!(in_a_file > 0);

    // The package, after which the box starts again by itself.
    let (machine, _) = start(off, ssh);
    let package = prepared("jaudiosync_arm64.deb");
    let mut deploy = Deploy::start(&desk, ssh.port(), &["--package", package.to_str().unwrap()]);
    let Some(off) = machine.wait_until_off_beside(600.0, || deploy.runs()) else {
        panic!("the box did not start again: {:?}", deploy.finish());
    };
    let (mut machine, _) = start(off, ssh);
    let (succeeded, said) = deploy.finish();
    println!("{said}");
    assert!(succeeded && said.contains("starts again"), "{said}");
    assert_eq!(machine.run("jaudiosync-card status").stdout.matches("only read").count(), 1);
    assert_eq!(machine.run("systemctl --failed --no-legend --plain").stdout, "");
}

/// Waits until so much of a file has come, and returns how much has by then; `None` if nothing is copied
/// any more.
fn wait_until_come(machine: &mut Machine, deploy: &mut Deploy, aimed_bytes: u64) -> Option<u64> {
    while deploy.runs() {
        let sizes = machine.try_run(&format!("find {NEW_FILES} -type f -printf '%s\\n'")).stdout;
        let come_bytes = sizes.lines().filter_map(|size| size.parse().ok()).max();
        if come_bytes.is_some_and(|come_bytes: u64| come_bytes >= aimed_bytes) {
            return come_bytes;
        }
        // ssh and rsync go by this machine's clock.
        std::thread::sleep(LOOK);
    }
    None
}

/// Returns the first track of a set.
fn long_track(set: &Path, number: usize) -> PathBuf {
    set.join(format!("long {number}.mp3"))
}

/// Makes a set of music whose first track is as long as a few megabytes, and like no other set's.
fn make_set(folder: &Path, number: usize) {
    std::fs::create_dir(folder).unwrap();
    let long = std::fs::read(track(number)).unwrap().repeat(12);
    let names = [format!("long {number}.mp3"), "end.mp3".to_owned()];
    std::fs::write(long_track(folder, number), long).unwrap();
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
