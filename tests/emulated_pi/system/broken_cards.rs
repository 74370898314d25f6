//! What a rider can get wrong with a card, and what then is heard, shown and written.

use jaudiosync::control::Status;
use jaudiosync::control::protocol::PlayState;

use super::cards::{Desk, MUSIC, STATE, seal, set_up};
use super::partitions::check_ext4;
use crate::installed::{TRACKS, boot, track};
use crate::machine::{FREE_PIN, FatPartition, Fitted, Machine, SwitchedOff};
use crate::service::Service;

/// What the LED shows (docs/guide/daily-use.md): how often it goes on in six seconds.
const LED_S: f64 = 6.0;
const FAULT: u32 = 12;
/// It plays, and its RTC was never compared with a reference.
const NOT_IN_SYNC: u32 = 6;

/// Changes a card as in a laptop, starts the box, and returns what it says once it has looked at its
/// music.
fn start_with(
    off: SwitchedOff,
    what: &str,
    led_rises: u32,
    change: impl Fn(&FatPartition, &FatPartition),
    is_so: impl Fn(&Status) -> bool,
) -> (SwitchedOff, Status) {
    change(&off.card().fat(MUSIC), &off.card().boot_partition().unwrap());
    let mut machine = boot(off, Fitted::JUMPER);
    let service = Service::of_system(&mut machine);
    let status = service.wait_until(&mut machine, what, is_so);
    println!("{what}: {:?}, {:#?}", status.play.state, status.warnings);
    let rises = machine.rises(FREE_PIN, LED_S);
    println!("the LED goes on {rises} times in {LED_S} s");
    assert!(rises.abs_diff(led_rises) <= 2, "{what}");
    assert_eq!(machine.run("systemctl --failed --quiet").stdout.trim(), "", "{what}");
    let off = machine.shut_down();
    check_ext4(off.card(), STATE, what);
    (off, status)
}

/// A configuration with an LED, whose lines end like this.
fn config(end: &str) -> String {
    ["sound.device = \"Loopback\"", "[board]", &format!("led_gpio = {FREE_PIN}")]
        .map(|line| format!("{line}{end}"))
        .concat()
}

fn says(status: &Status, words: &str) -> bool {
    status.warnings.iter().any(|warning| warning.contains(words))
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn what_a_laptop_does_to_the_music_of_a_card_is_heard_or_said() {
    let desk = Desk::new();
    desk.write("box.toml", &config("\n"));
    let off = seal(set_up(desk.flash(&["--appliance"])));
    let nothing = |status: &Status| status.play.state == PlayState::WaitingForPlaylist;
    let plays = |status: &Status| status.play.state == PlayState::Playing;

    let (off, status) = start_with(
        off,
        "no music",
        FAULT,
        |music, _| {
            TRACKS.iter().for_each(|name| music.delete(name));
            music.delete("Playlist.m3u8");
        },
        nothing,
    );
    assert!(says(&status, "no MP3") || says(&status, "no playlist"), "{:?}", status.warnings);

    let (off, status) = start_with(
        off,
        "a broken playlist",
        FAULT,
        |music, _| music.write("Playlist.m3u8", b"{\"tracks\": [\"a.mp3\"]}"),
        nothing,
    );
    assert!(says(&status, "JSON"), "{:?}", status.warnings);

    let (off, status) = start_with(
        off,
        "music in a folder, and a Mac's own files",
        NOT_IN_SYNC,
        |music, _| {
            music.delete("Playlist.m3u8");
            music.make_folder("My Ride");
            music.make_folder("System Volume Information");
            music.make_folder(".Spotlight-V100");
            for (number, name) in TRACKS.iter().enumerate() {
                music.copy(&track(number), &format!("My Ride/{name}"));
                music.write(&format!("My Ride/._{name}"), b"of a Mac");
            }
            music.write("My Ride/Playlist.m3u8", TRACKS.join("\r\n").as_bytes());
            music.write("My Ride/._Playlist.m3u8", b"of a Mac");
        },
        plays,
    );
    assert!(status.playlist.is_some_and(|playlist| playlist.tracks == 3 && playlist.silent_tracks == 0));

    let (off, _) = start_with(
        off,
        "a partition that is full",
        NOT_IN_SYNC,
        |music, _| {
            let filler = tempfile::NamedTempFile::new().unwrap();
            let bytes = music.free_bytes();
            filler.as_file().set_len(bytes.min(u64::from(u32::MAX) - 1)).unwrap();
            music.copy(filler.path(), "filler.bin");
        },
        plays,
    );

    let (_, status) = start_with(
        off,
        "a configuration of Windows",
        NOT_IN_SYNC,
        |_, boot| {
            let text = format!("\u{feff}{}[volume]\r\nmaximum_percent = 40\r\n", config("\r\n"));
            boot.write("jaudiosync.toml", text.as_bytes());
        },
        plays,
    );
    assert_eq!(status.volume.maximum_percent, 40);
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_boot_partition_that_cannot_be_written_to_does_not_keep_a_box_silent() {
    let card = Desk::new().flash(&[]);
    // As a card does of itself when it is worn out.
    let rule = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(rule.path(), "KERNEL==\"mmcblk0p1\", RUN+=\"/sbin/blockdev --setro /dev/%k\"\n").unwrap();
    card.install_on_root([(rule.path(), "/etc/udev/rules.d/01-protected.rules")]);
    let mut machine = boot(SwitchedOff::from(card), Fitted::JUMPER);
    let service = Service::of_system(&mut machine);
    service.wait_until(&mut machine, "playing", |status| status.play.state == PlayState::Playing);
    println!("{}", service.log(&mut machine));
    // Once more: this time nothing is left to be done.
    let mut machine: Machine = boot(machine.cut_power(), Fitted::JUMPER);
    let service = Service::of_system(&mut machine);
    service.wait_until(&mut machine, "playing", |status| status.play.state == PlayState::Playing);
    let journal = machine.run("journalctl --boot --output cat --unit kernel-command-line.service").stdout;
    assert!(journal.contains("every start comes by here"), "{journal}");
}
