//! A set of three hours on a USB stick, joined in the middle of its third hour: with a map of it in
//! the index, without one, and with the one that the box has made meanwhile.

use std::fs;
use std::path::Path;
use std::process::Command;

use jaudiosync::control::protocol::PlayState;
use jaudiosync_time::Instant;

use crate::clock_comparison::ClockComparison;
use crate::installed::boot;
use crate::long_set::{LongSet, UNIQUE_FROM_S, WINDOW_S};
use crate::machine::{Contact, Fitted, Machine, SdCard};
use crate::recording::{Recorder, Recording};
use crate::service::{CONFIG, PLACE_BOUND_MS, Service};

const MUSIC: &str = "/srv/jaudiosync/Music";
const INDEX: &str = "/srv/jaudiosync/Music/Playlist.index.json";

/// It must be heard this long after the slot at which it should be joined, plus the time that
/// reading takes.
const HEARD_S: f64 = 1.5;

/// The most that a join reads with a map, and that is read for every second that is played, or
/// decoded ahead.
const JOIN_BYTES: f64 = 1_048_576.0;
const BYTES_PER_S: f64 = 40_000.0;
const DECODED_AHEAD_S: f64 = 4.0;

/// Slots are 15 s apart, and at least 5 s ahead; at this second of a grid interval the service
/// starts, and the time is known 2 to 4 s later. So there are 5 to 7 s until the slot, which is not
/// enough for reading up to the place.
const GRID_S: f64 = 15.0;
const STARTED_AT_S: f64 = 11.0;

/// How much that is ready to be played has not been heard yet when the status may already say that
/// it plays.
const BUFFERED_S: f64 = 0.5;

/// How long the music is judged once it is heard.
const LISTENED_S: f64 = 6.0;

/// The most memory that the service may use, in kB.
const MEMORY_KB: f64 = 20_000.0;

/// How long it is judged while the box makes the map.
const MAPPING_LISTENED_S: f64 = 15.0;

/// How much is read at once to measure the drive, and where in the set: at its end.
const MEASURED_MIB: u32 = 20;
const MEASURED_FROM_MIB: u32 = 380;

const DROP_CACHES: &str = "sync; echo 3 >/proc/sys/vm/drop_caches";

/// Figures of a drive that has been read from.
struct Drive {
    /// As measured in this run.
    bytes_per_s: f64,
}

impl Drive {
    /// Puts the stick's set into the Music folder, and measures the drive.
    fn mount(machine: &mut Machine) -> Self {
        machine.run("modprobe -a phy-generic dwc2 usb-storage sd_mod vfat nls_cp437 nls_ascii");
        machine
            .run("until [ -b /dev/sda1 ]; do sleep 0.1; done; mkdir -p /run/stick && mount -o ro /dev/sda1 /run/stick");
        machine.run(&format!("touch {MUSIC}/set.mp3 && mount -o bind /run/stick/set.mp3 {MUSIC}/set.mp3"));
        // Reads a little first, so that the file system's own table is cached.
        machine.run(&format!("dd if={MUSIC}/set.mp3 of=/dev/null bs=1M skip={MEASURED_FROM_MIB} count=1"));
        let began_s = machine.since_power_on_s();
        let (from, mib) = (MEASURED_FROM_MIB + 1, MEASURED_MIB);
        machine.run(&format!("dd if={MUSIC}/set.mp3 of=/dev/null bs=1M skip={from} count={mib}"));
        let took_s = machine.since_power_on_s() - began_s;
        let bytes_per_s = f64::from(MEASURED_MIB) * 1_048_576.0 / took_s;
        println!("the stick reads {:.1} MB/s", bytes_per_s / 1e6);
        Self { bytes_per_s }
    }

    fn read_bytes(machine: &mut Machine) -> f64 {
        machine.run("awk '{ print $3 * 512 }' /sys/block/sda/stat").stdout.trim().parse().expect("a number")
    }
}

/// The result of a join.
struct Joined {
    service: Service,
    recording: Recording,
    compared: ClockComparison,
    anchor_utc_s: f64,
    /// When it should have been joined, and when it was heard, in UTC.
    slot_utc_s: f64,
    heard_utc_s: f64,
    /// What the drive had read shortly after that, and how long it had played by then.
    read_bytes: f64,
    read_at_utc_s: f64,
    said: Said,
}

/// What the status said, and when.
type Said = Vec<(f64, PlayState)>;

/// Starts a service with a cold cache, as if the set had begun long ago; judges its status, and the
/// sound.
fn join(machine: &mut Machine, set: &LongSet, name: &'static str) -> Joined {
    let compared = ClockComparison::make(machine);
    let started_at_s = (machine.utc_s() / GRID_S).ceil() * GRID_S + STARTED_AT_S;
    machine.sleep_until(started_at_s);
    machine.run(DROP_CACHES);
    let recorder = Recorder::start(machine);
    let read_before = Drive::read_bytes(machine);
    let anchor_utc_s = machine.utc_s().floor() - UNIQUE_FROM_S as f64;
    let anchor = chrono::DateTime::from_timestamp(anchor_utc_s as i64, 0).expect("an instant").to_rfc3339();
    let service = Service::start(machine, name, &format!("{CONFIG}start.anchor = \"{anchor}\"\n"));
    let slot_utc_s = service.slot_utc_s(machine) as f64;
    let mut said = Said::new();
    let status = loop {
        let status = service.status(machine);
        said.push((machine.utc_s(), status.play.state));
        let has_played = |played: &&(f64, PlayState)| played.1 == PlayState::Playing;
        let plays_since = said.iter().find(has_played).map(|(utc_s, _)| *utc_s);
        if plays_since.is_some_and(|since| machine.utc_s() > since + LISTENED_S + 1.0) {
            break status;
        }
        assert!(machine.utc_s() < slot_utc_s + 60.0, "never heard: {status:#?}\n{}", machine.console().tail());
        machine.sleep(0.2);
    };
    assert!(status.play.common && status.play.track.is_some(), "{status:#?}");
    let read_bytes = Drive::read_bytes(machine) - read_before;
    let read_at_utc_s = machine.utc_s();
    let recording = recorder.finish(machine);
    let heard = recording.first_heard(Instant::ZERO).expect("silent for ever");
    let heard_utc_s = slot_utc_s + (heard - compared.raw_at_s(slot_utc_s)).seconds();
    println!(
        "{name}: joined at {:.1} s, heard {:.2} s after its slot, {:.1} MB read",
        heard_utc_s - anchor_utc_s,
        heard_utc_s - slot_utc_s,
        read_bytes / 1e6
    );
    judge_status(&said, slot_utc_s, heard_utc_s);
    let joined =
        Joined { service, recording, compared, anchor_utc_s, slot_utc_s, heard_utc_s, read_bytes, read_at_utc_s, said };
    joined.judge_music(set, &joined.recording, heard_utc_s, LISTENED_S);
    joined.service.assert_undisturbed(machine);
    joined
}

/// Asserts that the status says playing while something is heard, and that the track is opened
/// while it should be.
fn judge_status(said: &[(f64, PlayState)], slot_utc_s: f64, heard_utc_s: f64) {
    for (utc_s, state) in said {
        let is_right = match state {
            PlayState::Playing => *utc_s > heard_utc_s - BUFFERED_S,
            PlayState::Opening => *utc_s > slot_utc_s - BUFFERED_S && *utc_s < heard_utc_s + BUFFERED_S,
            PlayState::WaitingForSlot => *utc_s < slot_utc_s + BUFFERED_S,
            // Until the player reports what is heard.
            PlayState::Gap => (*utc_s - slot_utc_s).abs() < BUFFERED_S,
            _ => false,
        };
        assert!(is_right, "{state:?} at {utc_s}; its slot is at {slot_utc_s}, it is heard from {heard_utc_s} on");
    }
}

impl Joined {
    fn opened_for_s(&self) -> f64 {
        self.heard_utc_s - self.slot_utc_s
    }

    /// Returns what was read for the join alone.
    fn join_bytes(&self) -> f64 {
        self.read_bytes - (self.read_at_utc_s - self.heard_utc_s + DECODED_AHEAD_S) * BYTES_PER_S
    }

    /// Asserts that every part of the music is in its place, without a gap.
    fn judge_music(&self, set: &LongSet, recording: &Recording, from_utc_s: f64, seconds: f64) {
        // After the fade.
        let from_utc_s = from_utc_s + 0.05;
        let windows = (0..(seconds / WINDOW_S) as usize).map(|window| from_utc_s + window as f64 * WINDOW_S);
        let late: Vec<(f64, Option<f64>)> = windows
            .map(|utc_s| (utc_s, utc_s - self.anchor_utc_s))
            .filter(|(_, place_s)| !set.has_seam(*place_s))
            .map(|(utc_s, place_s)| (place_s, set.late_ms(recording, place_s, self.compared.raw_at_s(utc_s))))
            .collect();
        let worst = late.iter().map(|(_, late)| late.map_or(f64::INFINITY, f64::abs)).fold(0.0, f64::max);
        println!("{} parts judged, at most {worst:.3} ms off", late.len());
        assert!(worst < PLACE_BOUND_MS, "{late:?}");
    }

    fn assert_joined_at_once(&self) {
        assert!(self.opened_for_s() < HEARD_S, "heard {} s after its slot", self.opened_for_s());
        assert!(self.join_bytes() < JOIN_BYTES, "{} bytes were read", self.join_bytes());
    }

    /// Waits until the map is made, and judges the music of some seconds until then.
    fn listen_while_it_maps(mut self, machine: &mut Machine, set: &LongSet) -> Self {
        // Otherwise bytes that were read on the way to the place would not be read again.
        machine.run(DROP_CACHES);
        let recorder = Recorder::start(machine);
        let from_utc_s = machine.utc_s() + 0.5;
        let read_before = Drive::read_bytes(machine);
        machine.sleep(MAPPING_LISTENED_S + 1.0);
        let mapper_bytes = Drive::read_bytes(machine) - read_before - MAPPING_LISTENED_S * BYTES_PER_S;
        let recording = recorder.finish(machine);
        println!("the map is made of {:.1} MB in {MAPPING_LISTENED_S} s", mapper_bytes / 1e6);
        assert!(mapper_bytes > 1e6 * MAPPING_LISTENED_S, "the map is not being made");
        self.judge_music(set, &recording, from_utc_s, MAPPING_LISTENED_S);
        self.service.wait_for(machine, "mapped ");
        println!("the map is made {:.0} s after the music was heard", machine.utc_s() - self.heard_utc_s);
        self.service.assert_undisturbed(machine);
        self
    }

    fn end(self, machine: &mut Machine) {
        let memory = machine.run("awk '/VmHWM/ { print $2 }' /proc/$(pidof jaudiosync)/status").stdout;
        println!("{} kB of memory", memory.trim());
        assert!(memory.trim().parse::<f64>().expect("a number") < MEMORY_KB);
        self.service.end(machine);
    }
}

fn index_on(laptop: &Path) {
    let indexed = Command::new(env!("CARGO_BIN_EXE_jaudiosync")).arg("index").arg("--music").arg(laptop).output();
    let indexed = indexed.expect("the program");
    assert!(indexed.status.success(), "{indexed:?}");
    let index = fs::read_to_string(laptop.join("Playlist.index.json")).expect("an index");
    assert_has_map(&index);
}

fn assert_has_map(index: &str) {
    assert!(index.contains("\"map\": \"frames-2 "), "no map is saved: {index}");
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_set_of_three_hours_is_joined_with_a_map_without_one_and_with_the_one_made_meanwhile() {
    let set = LongSet::make();
    let laptop = set.sandbox.music();
    index_on(&laptop);
    let card = SdCard::new();
    let [playlist, index] = ["Playlist.m3u8", "Playlist.index.json"].map(|name| laptop.join(name));
    card.install([(playlist.as_path(), &*format!("{MUSIC}/Playlist.m3u8")), (index.as_path(), INDEX)]);
    let fitted = Fitted { closed: &[Contact::Jumper], stick: Some(&laptop), ..Fitted::default() };
    let mut machine = boot(card, fitted);
    let drive = Drive::mount(&mut machine);

    let joined = join(&mut machine, &set, "indexed");
    joined.assert_joined_at_once();
    joined.end(&mut machine);

    // Without a map it reads the file up to the place.
    machine.run(&format!("rm {INDEX}"));
    let joined = join(&mut machine, &set, "unindexed");
    let reading_s = (joined.heard_utc_s - joined.anchor_utc_s) * BYTES_PER_S / drive.bytes_per_s;
    assert!(joined.opened_for_s() < HEARD_S + reading_s, "heard {} s after its slot", joined.opened_for_s());
    assert!(joined.said.iter().any(|(_, state)| *state == PlayState::Opening), "it had to look for the place");
    // Meanwhile the box makes the map, and saves it.
    let joined = joined.listen_while_it_maps(&mut machine, &set);
    joined.end(&mut machine);
    assert_has_map(&machine.run(&format!("cat {INDEX}")).stdout);

    let joined = join(&mut machine, &set, "mapped");
    joined.assert_joined_at_once();
    joined.end(&mut machine);
}
