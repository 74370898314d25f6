//! An hour on the road, in virtual time: random presses, jumper changes, unplugged sound cards, edited playlists,
//! clients at the control socket, clocks that are lost and found, power cuts. Nothing may panic or get stuck, and all
//! that is heard must be what was ordered, in its place. The seed is printed on failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/virtual_appliance.rs"]
mod virtual_appliance;
#[path = "support/virtual_loader.rs"]
mod virtual_loader;

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use jaudiosync::control::Command;
use jaudiosync::control::protocol::{FirstTrack, PlayState};
use jaudiosync::player::feeder::Program;
use jaudiosync::service::conductor::{Ending, Message};
use jaudiosync::timetable::{Place, Start, Timetable};
use jaudiosync_hw::buttons::{BoardError, Button};
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::dac::{Imperfections, SimulatedDac};
use jaudiosync_hw::mixer::MixerError;
use jaudiosync_time::{Instant, Span};
use virtual_appliance::{RATE_HZ, Surroundings, VirtualAppliance, late_ms};

const S: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;

/// 2026-11-24, some time after ten.
const BEGIN_UTC_NS: i64 = 1_795_600_807 * S;

/// After whatever befell it, so long may pass until a box is in phase again.
const RECOVERY_NS: i64 = 4 * S;

/// What was ordered before may still be heard for so long: the fade, and what the card has buffered.
const FADE_NS: i64 = 300 * MS;

/// Files of some seconds, made once.
struct Tracks {
    folder: tempfile::TempDir,
    names: Vec<String>,
}

impl Tracks {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lengths_s = [3, 9, 14, 30];
        let names = lengths_s.map(|seconds| {
            let name = format!("{seconds}.mp3");
            let frames = seconds * 8000 + 123;
            let signal = support::Signal::tone(8000, 1, frames, 440.0);
            signal.encode(&folder.path().join(&name), &["-b", "8", "-m", "m", "--resample", "8"]);
            name
        });
        Self { folder, names: names.to_vec() }
    }
}

/// What befalls the box, and when that is over.
struct Hour<'a> {
    random: Rng,
    tracks: &'a Tracks,
    around: Surroundings,
    /// None for the moment in which the power is off.
    made: Option<VirtualAppliance>,
    /// What is to be undone, and when.
    later: Vec<(i64, Undo)>,
    /// The last time at which something disturbed the sound.
    disturbed_raw_ns: i64,
    is_plugged: bool,
    /// The last time at which the player's volume was 0.
    muted_raw_ns: i64,
    /// From when on what is pressed is read.
    readable_raw_ns: i64,
    /// UTC less the raw clock, as it was last.
    utc_less_raw_ns: i64,
    edits: u64,
    /// How often what was checked.
    in_phase: u64,
    silent: u64,
    obeyed: u64,
    power_cuts: u64,
    rejoined: u64,
}

#[derive(Debug, Clone, Copy)]
enum Undo {
    Release(Button),
    PlugIn,
    Inputs,
    Mixer,
    Led,
    State,
    Know,
}

impl<'a> Hour<'a> {
    fn new(seed: u64, folder: &Path, tracks: &'a Tracks) -> Self {
        let mut random = Rng::with_seed(seed);
        let imperfections = Imperfections {
            rate_error_ppm: random.f64() * 200.0 - 100.0,
            wander_ppm: 0.01,
            delay_step: Span::from_ns(if random.bool() { 1_000_000 } else { 20_833 }),
            jitter: Span::from_us(50),
            burst_probability: 0.001,
            burst: Span::from_ms(5),
            wild_probability: 0.0001,
        };
        let dac = SimulatedDac::new(RATE_HZ, (RATE_HZ as usize * 25 / 1000) | 1, imperfections, seed);
        let around = Surroundings::new(folder, dac, BEGIN_UTC_NS, random.bool());
        around.board.set_jumper(random.bool());
        let made = Some(VirtualAppliance::switch_on(&around));
        let mut hour = Self {
            random,
            tracks,
            around,
            made,
            later: Vec::new(),
            disturbed_raw_ns: 0,
            is_plugged: true,
            muted_raw_ns: -S,
            readable_raw_ns: S,
            utc_less_raw_ns: 0,
            edits: 0,
            in_phase: 0,
            silent: 0,
            obeyed: 0,
            power_cuts: 0,
            rejoined: 0,
        };
        hour.edit_playlist(3);
        hour
    }

    fn now_raw_ns(&self) -> i64 {
        self.around.now_raw_ns()
    }

    fn made(&self) -> &VirtualAppliance {
        self.made.as_ref().expect("switched on")
    }

    /// Lets time pass, checking all along.
    fn run(&mut self, ns: i64) {
        let until_raw_ns = self.now_raw_ns() + ns;
        while self.now_raw_ns() < until_raw_ns {
            self.undo_what_is_due();
            let Self { made, around, .. } = self;
            let ending = made.as_mut().unwrap().round(around);
            self.check();
            match ending {
                Some(Ending::PowerOff) => self.switch_on_again(5 * S),
                Some(Ending::Asked) => self.switch_on_again(S / 5),
                None => {}
            }
        }
    }

    fn undo_what_is_due(&mut self) {
        let now_raw_ns = self.now_raw_ns();
        let (due, later) =
            std::mem::take(&mut self.later).into_iter().partition(|(at_raw_ns, _)| *at_raw_ns <= now_raw_ns);
        self.later = later;
        let due: Vec<(i64, Undo)> = due;
        for (_, undo) in due {
            match undo {
                Undo::Release(button) => self.around.board.release(button),
                Undo::PlugIn => {
                    self.around.dac.plug_in();
                    self.is_plugged = true;
                    self.disturbed();
                }
                Undo::Inputs => {
                    self.around.board.fail_inputs(None);
                    // It is looked for each half second, and what is pressed then is ignored.
                    self.readable_raw_ns = now_raw_ns + S;
                }
                Undo::Mixer => self.around.board.fail_mixer(None),
                Undo::Led => self.around.board.fail_led(None),
                Undo::State => self.unblock_state(),
                Undo::Know => {
                    self.around.time.know();
                    self.disturbed();
                }
            }
        }
    }

    fn disturbed(&mut self) {
        self.disturbed_raw_ns = self.now_raw_ns();
    }

    fn later_by(&mut self, ns: i64, undo: Undo) {
        self.later.push((self.now_raw_ns() + ns, undo));
    }

    /// The power is cut, and comes back.
    fn switch_on_again(&mut self, after_ns: i64) {
        self.power_cuts += 1;
        let before = self.made().status();
        let knows_the_time = self.later.iter().all(|(_, undo)| !matches!(undo, Undo::Know));
        let kept = fs::read_to_string(self.around.state.join("session.json"));
        let is_kept = kept.is_ok_and(|kept| kept.contains("\"anchor_utc_s\":0,"));
        let rejoins = before.play.common && before.play.state == PlayState::Playing && knows_the_time && is_kept;
        self.around.clocks.advance(Span::from_ns(after_ns));
        let now_raw_ns = self.now_raw_ns();
        self.around.dac.advance_to(Instant::from_ns(now_raw_ns));
        self.around.dac.take_heard();
        // The clock of a box that has no RTC is behind by as long as it was off.
        if self.random.u8(..4) == 0 && !rejoins {
            self.around.time.be_off(-after_ns);
            let known_after_ns = self.random.i64(S..120 * S);
            self.later_by(known_after_ns, Undo::Know);
        }
        // The old one first: two cannot have the card.
        self.made = None;
        // A disk that cannot be written to can be read.
        self.unblock_state();
        self.made = Some(VirtualAppliance::switch_on(&self.around));
        self.readable_raw_ns = self.now_raw_ns() + S;
        self.disturbed();
        if rejoins {
            self.rejoined += 1;
            self.run(S / 5);
            let play = self.made().status().play.clone();
            let waits = play.state == PlayState::WaitingForPlaylist;
            assert!(
                play.common && matches!(play.state, PlayState::Playing | PlayState::Opening | PlayState::Gap) || waits,
                "{play:?}"
            );
        }
    }

    fn random_ns(&mut self, from_ns: i64, to_ns: i64) -> i64 {
        self.random.i64(from_ns..to_ns)
    }

    fn suffer_something(&mut self) {
        match self.random.u8(..100) {
            0..40 => self.press_something(),
            40..44 => {
                let fitted = self.random.bool();
                self.around.board.set_jumper(fitted);
            }
            44..49 if self.is_plugged => {
                self.around.dac.unplug();
                self.is_plugged = false;
                self.disturbed();
                let ns = self.random_ns(S / 10, 20 * S);
                self.later_by(ns, Undo::PlugIn);
            }
            49..53 if self.is_plugged => {
                let pause_ns = self.random_ns(30 * MS, 3 * S);
                self.around.dac.interrupt(Span::from_ns(pause_ns));
                // The whole process stood still with it.
                self.around.clocks.advance(Span::from_ns(pause_ns));
                self.disturbed();
            }
            53..62 => {
                let kind = self.random.usize(..6);
                self.edit_playlist(kind);
            }
            62..82 => self.ask_something(),
            82..85 => {
                self.around.board.fail_inputs(Some(BoardError::Failed("a wire is off".into())));
                let ns = self.random_ns(S / 10, 10 * S);
                self.later_by(ns, Undo::Inputs);
            }
            85..87 => {
                let lost = MixerError::Lost { card: "simulated".into(), reason: "unplugged".into() };
                self.around.board.fail_mixer(Some(lost));
                let ns = self.random_ns(S / 10, 10 * S);
                self.later_by(ns, Undo::Mixer);
            }
            87..88 => {
                self.around.board.fail_led(Some(BoardError::Failed("the LED's pin".into())));
                let ns = self.random_ns(S / 10, 10 * S);
                self.later_by(ns, Undo::Led);
            }
            88..90 => {
                self.block_state();
                let ns = self.random_ns(S, 100 * S);
                self.later_by(ns, Undo::State);
            }
            90..93 => {
                self.around.time.lose();
                let ns = self.random_ns(S, 100 * S);
                self.later_by(ns, Undo::Know);
            }
            93..95 => self.choose_something(),
            95..96 => self.made().tell(Message::End),
            _ => {
                let ns = self.random_ns(S / 2, 30 * S);
                self.switch_on_again(ns);
            }
        }
    }

    fn press_something(&mut self) {
        let button = Button::ALL[self.random.usize(..4)];
        let held_ns = match self.random.u8(..20) {
            0 => self.random_ns(10 * S, 14 * S),
            1..4 => self.random_ns(2 * S, 7 * S),
            4..6 => self.random_ns(MS, 30 * MS),
            _ => self.random_ns(60 * MS, 400 * MS),
        };
        let is_free = self.later.iter().all(|(_, undo)| !matches!(undo, Undo::Release(_)));
        // If the buttons can be read at all, and none was held before.
        let is_readable = self.later.iter().all(|(_, undo)| !matches!(undo, Undo::Inputs))
            && self.now_raw_ns() >= self.readable_raw_ns;
        let before = self.made().status();
        self.around.board.press(button);
        self.later_by(held_ns, Undo::Release(button));
        if !(is_free && is_readable && (60 * MS..2 * S).contains(&held_ns)) {
            return;
        }
        let power_cuts = self.power_cuts;
        self.run(50 * MS);
        let after = self.made().status();
        if power_cuts != self.power_cuts || before.play.state == PlayState::ShuttingDown {
            return;
        }
        let (was, is) = (before.volume.percent, after.volume.percent);
        let state = after.play.state;
        match button {
            Button::Stop => assert!(matches!(state, PlayState::Stopped | PlayState::ShuttingDown), "{state:?}"),
            Button::VolumeUp => assert!(is > was || is == after.volume.maximum_percent, "{was} {is}"),
            Button::VolumeDown => assert!(is < was || is == 0, "{was} {is}"),
            // It acts when it is released.
            Button::Start => return,
        }
        self.obeyed += 1;
    }

    fn ask_something(&mut self) {
        let named_utc_s = self.around.clocks.system_utc_ns() / S + 60 * self.random.i64(-60..60);
        let named = chrono::DateTime::from_timestamp(named_utc_s, 0).unwrap().with_timezone(&chrono::Local);
        let named = named.format("%Y-%m-%dT%H:%M:%S").to_string();
        let request = match self.random.u8(..12) {
            0..3 => Command::Start { time: None, first_track: None, fresh: self.random.bool() },
            3 => Command::Start { time: named.parse().ok(), first_track: None, fresh: false },
            4 => {
                Command::Start { time: None, first_track: Some(FirstTrack::Number(self.random.u32(..6))), fresh: false }
            }
            5 => Command::Start { time: None, first_track: Some(FirstTrack::Resume), fresh: false },
            6 => Command::Stop {},
            7 => Command::Resume {},
            8 => Command::Volume { percent: Some(self.random.u8(..=100)), by: None },
            9 => Command::Volume { percent: None, by: Some(self.random.i8(-100..=100)) },
            _ => Command::Reload {},
        };
        let answered = self.made().ask(request.clone());
        let power_cuts = self.power_cuts;
        // At once, but for what waits for the playlist to be read.
        self.run(50 * MS);
        let answer = answered.try_recv();
        assert!(answer.is_ok() || power_cuts != self.power_cuts, "no answer to {request:?}");
    }

    fn choose_something(&mut self) {
        let maximum = self.random.u8(..=100);
        let start = if self.random.bool() { "fresh" } else { "common" };
        let text = match self.random.u8(..4) {
            0 => String::new(),
            1 => format!("[volume]\nmaximum_percent = {maximum}\n[start]\nbutton = \"{start}\"\n"),
            2 => format!("[start]\nrepeats = {}\nuntrusted_wait_s = {maximum}\n", self.random.bool()),
            _ => "[nonsense\nx = = 3\n".to_owned(),
        };
        *self.around.config.lock().unwrap() = text;
        self.made().tell(Message::Reload);
    }

    /// Writes another playlist, or something that is none.
    fn edit_playlist(&mut self, kind: usize) {
        let list = self.around.music.join("Playlist.m3u8");
        let pick = |random: &mut Rng| self.tracks.names[random.usize(..self.tracks.names.len())].clone();
        match kind {
            0 => _ = fs::remove_file(&list),
            1 => self.write(&list, b"\x00\xff\xfe not a playlist"),
            2 => {
                let name = pick(&mut self.random);
                _ = fs::remove_file(self.around.music.join(name));
            }
            _ => {
                let count = self.random.usize(1..6);
                let names: Vec<String> = (0..count).map(|_| pick(&mut self.random)).collect();
                for name in &names {
                    let file = self.around.music.join(name);
                    if !file.exists() {
                        fs::copy(self.tracks.folder.path().join(name), &file).unwrap();
                        self.touch(&file);
                    }
                }
                self.write(&list, format!("#EXTM3U\n{}\n", names.join("\n")).as_bytes());
            }
        }
        let music = self.around.music.clone();
        self.touch(&music);
    }

    fn write(&mut self, file: &Path, contents: &[u8]) {
        fs::write(file, contents).unwrap();
        self.touch(file);
    }

    /// In virtual time two edits may fall on one tick of the file system's clock.
    fn touch(&mut self, file: &Path) {
        self.edits += 10;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + self.edits);
        fs::File::open(file).unwrap().set_modified(time).unwrap();
    }

    /// A file where the state folder is: whatever is written fails.
    fn block_state(&self) {
        if self.around.state.is_dir() {
            fs::rename(&self.around.state, self.hidden_state()).unwrap();
        }
        fs::write(&self.around.state, "").unwrap();
    }

    fn unblock_state(&self) {
        if self.around.state.is_file() {
            fs::remove_file(&self.around.state).unwrap();
        }
        if self.hidden_state().is_dir() && !self.around.state.exists() {
            fs::rename(self.hidden_state(), &self.around.state).unwrap();
        }
    }

    fn hidden_state(&self) -> PathBuf {
        self.around.state.with_extension("hidden")
    }

    /// What always holds.
    fn check(&mut self) {
        let now_raw_ns = self.now_raw_ns();
        let utc_less_raw_ns = self.around.time.utc_ns(now_raw_ns) - now_raw_ns;
        if std::mem::replace(&mut self.utc_less_raw_ns, utc_less_raw_ns) != utc_less_raw_ns {
            self.disturbed();
        }
        let status = self.made().status();
        // Also with a mixer: while it does not answer, the player sets the volume.
        if status.volume.percent == 0 {
            self.muted_raw_ns = now_raw_ns;
        }
        let is_loud = now_raw_ns - self.muted_raw_ns > FADE_NS;
        assert!(status.volume.percent <= status.volume.maximum_percent, "{:?}", status.volume);
        let newest = self.made().ordered.last();
        let in_force = newest.and_then(|ordered| ordered.program.as_ref());
        let ordered_raw_ns = newest.map_or(-S, |ordered| ordered.at_raw_ns);
        let is_settled = now_raw_ns - self.disturbed_raw_ns.max(ordered_raw_ns) > RECOVERY_NS && self.is_plugged;
        let (mut in_phase, mut silent) = (0, 0);
        for heard in &self.made().heard {
            let utc_ns = heard.raw_ns + utc_less_raw_ns;
            match (heard.place_s, in_force) {
                (Some(_), None) => {
                    let since_ns = heard.raw_ns - ordered_raw_ns;
                    assert!(since_ns < FADE_NS, "sound {} ms after Stop", since_ns / MS);
                }
                (Some(place_s), Some(program)) if is_settled && plays(program, utc_ns, 20 * MS) => {
                    let late_ms = late_ms(program, utc_ns, place_s).expect("it plays");
                    assert!(late_ms.abs() < 1.0, "{late_ms} ms late at {:?}", program.timetable.place_at(utc_ns));
                    in_phase += 1;
                }
                (Some(_), Some(program)) if is_settled => {
                    let near = plays(program, utc_ns - 20 * MS, 0) || plays(program, utc_ns + 20 * MS, 0);
                    assert!(near, "sound at {:?}", program.timetable.place_at(utc_ns));
                }
                (None, Some(program)) if is_settled => {
                    let place = program.timetable.place_at(utc_ns);
                    assert!(!(plays(program, utc_ns, S / 4) && is_loud), "silence at {place:?}");
                    silent += 1;
                }
                _ => {}
            }
        }
        self.in_phase += in_phase;
        self.silent += silent;
    }

    /// Everything is put right; then Stop must stop, and Start must start.
    fn comes_to_its_senses(&mut self) {
        for (_, undo) in std::mem::take(&mut self.later) {
            self.later.push((self.now_raw_ns(), undo));
        }
        self.edit_playlist(3);
        *self.around.config.lock().unwrap() = String::new();
        self.around.time.know();
        self.run(3 * S);
        self.disturbed();
        let reload = self.made().ask(Command::Reload {});
        self.made().ask(Command::Volume { percent: Some(50), by: None });
        self.run(S);
        let answer = reload.try_recv().expect("an answer");
        assert!(answer.into_message().is_ok_and(|words| words.contains("fingerprint")));
        self.run(9 * S);
        self.around.board.press(Button::Stop);
        self.run(100 * MS);
        self.around.board.release(Button::Stop);
        self.run(S);
        let status = self.made().status();
        assert_eq!(status.play.state, PlayState::Stopped, "{status:#?}");
        assert!(!self.around.state.join("session.json").exists());
        self.around.board.press(Button::Start);
        self.run(100 * MS);
        self.around.board.release(Button::Start);
        self.run(S);
        assert!(self.around.state.join("session.json").exists());
        let before = self.in_phase;
        self.run(60 * S);
        let status = self.made().status();
        assert!(status.play.common && status.playlist.is_some(), "{status:#?}");
        assert!(self.in_phase > before + 500, "it is heard, and in its place: {status:#?}");
        if self.around.has_mixer {
            assert_eq!(self.around.board.volume_percent(), 50);
        }
        // Any box with this playlist is at this place.
        let program = self.made().ordered.last().and_then(|ordered| ordered.program.clone()).expect("a program");
        let lengths =
            (0..status.playlist.as_ref().unwrap().tracks).map(|track| program.timetable.length(track)).collect();
        let common = Timetable::common(lengths, 0).unwrap();
        let utc_ns = self.around.clocks.system_utc_ns();
        assert_eq!(program.timetable.place_at(utc_ns), common.place_at(utc_ns));
    }
}

/// Whether a program's timetable has sound for so long before and after an instant.
fn plays(program: &Program, utc_ns: i64, around_ns: i64) -> bool {
    let slot_at = |utc_ns| match program.timetable.place_at(utc_ns) {
        Place::Playing { slot, .. } if utc_ns >= program.heard_from_utc_ns => Some(slot),
        _ => None,
    };
    let slot = slot_at(utc_ns - around_ns);
    let is_there = |slot: Start| program.library.open(slot.track).is_ok_and(|source| source.is_some());
    slot == slot_at(utc_ns + around_ns) && slot.is_some_and(is_there)
}

#[test]
fn an_hour_of_everything_with_fifty_seeds() {
    const SEEDS: u64 = 50;
    const HOUR_NS: i64 = 3600 * S;
    let tracks = Tracks::make();
    // One alone, with its log: HOUR_SEED=7 RUST_LOG=debug cargo test --test virtual_hour
    let alone: Option<u64> = std::env::var("HOUR_SEED").ok().map(|seed| seed.parse().unwrap());
    if alone.is_some() {
        let _ = env_logger::builder().format_timestamp(None).try_init();
    }
    let next = AtomicU64::new(alone.unwrap_or(0));
    let seeds = alone.map_or(SEEDS, |seed| seed + 1);
    let work = || {
        let mut checked = [0; 5];
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return checked;
            }
            let told = TellSeed(seed);
            let folder = memory_folder();
            let mut hour = Hour::new(seed, folder.path(), &tracks);
            hour.around.time.know();
            while hour.now_raw_ns() < HOUR_NS {
                let ns = match hour.random.u8(..4) {
                    0 => hour.random_ns(20 * S, 90 * S),
                    1 => hour.random_ns(S, 20 * S),
                    _ => hour.random_ns(50 * MS, 2 * S),
                };
                hour.run(ns);
                hour.suffer_something();
                log::debug!("{:.3} s", hour.now_raw_ns() as f64 * 1e-9);
            }
            hour.comes_to_its_senses();
            for (sum, count) in
                checked.iter_mut().zip([hour.in_phase, hour.silent, hour.obeyed, hour.power_cuts, hour.rejoined])
            {
                *sum += count;
            }
            std::mem::forget(told);
        }
    };
    let sums = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut sums = [0; 5];
        for handle in handles {
            let checked = handle.join().unwrap();
            sums.iter_mut().zip(checked).for_each(|(sum, count)| *sum += count);
        }
        sums
    });
    let [in_phase, silent, obeyed, power_cuts, rejoined] = sums;
    println!(
        "{SEEDS} hours: {in_phase} samples in their place, {silent} rightly silent, {obeyed} presses obeyed within 50 ms, {power_cuts} power cuts, {rejoined} times rejoined"
    );
    assert!(alone.is_some() || (in_phase > 1_000_000 && obeyed > 1000 && power_cuts > 100 && rejoined > 50));
}

/// An appliance that has been started on four short tracks and is about to play the first.
fn about_to_play(folder: &Path, tracks: &Tracks, latency_ms: i64) -> (Surroundings, VirtualAppliance, Program) {
    let imperfections = Imperfections { rate_error_ppm: 60.0, jitter: Span::from_us(50), ..Imperfections::default() };
    let dac = SimulatedDac::new(RATE_HZ, (RATE_HZ as usize * 25 / 1000) | 1, imperfections, 5);
    let around = Surroundings::new(folder, dac, BEGIN_UTC_NS, true);
    *around.config.lock().unwrap() = format!("[sound]\noutput_latency_ms = {latency_ms}\n");
    for name in &tracks.names {
        fs::copy(tracks.folder.path().join(name), around.music.join(name)).unwrap();
    }
    let list = [&tracks.names[0], &tracks.names[1], &tracks.names[0], &tracks.names[2]];
    let list = list.map(String::as_str).join("\n");
    fs::write(around.music.join("Playlist.m3u8"), format!("#EXTM3U\n{list}\n")).unwrap();
    around.time.know();
    let mut made = VirtualAppliance::switch_on(&around);
    for _ in 0..5 * S / virtual_appliance::ROUND_NS {
        made.round(&around);
    }
    made.ask(Command::Start { time: None, first_track: None, fresh: true });
    while made.status().play.state != PlayState::WaitingForSlot {
        made.round(&around);
    }
    let program = made.ordered.last().and_then(|ordered| ordered.program.clone()).expect("a program");
    (around, made, program)
}

#[test]
fn status_says_opening_neither_at_the_end_of_a_track_nor_at_the_beginning_of_the_next() {
    let tracks = Tracks::make();
    for latency_ms in [0, 250, -250] {
        let folder = memory_folder();
        let (around, mut made, program) = about_to_play(folder.path(), &tracks, latency_ms);
        let mut checked = [0; 2];
        let begin_ns = program.timetable.first().utc_ns();
        while around.clocks.system_utc_ns() < begin_ns + 31 * S {
            made.round(&around);
            let status = made.status();
            let (state, utc_ns) = (status.play.state, status.time.utc_ns);
            let place = program.timetable.place_at(utc_ns);
            let offset_s = (utc_ns - begin_ns) as f64 * 1e-9;
            // What the player says of what is heard comes within 60 ms.
            match (place, program.timetable.place_at(utc_ns - 60 * MS)) {
                _ if utc_ns < begin_ns => assert_eq!(state, PlayState::WaitingForSlot, "{offset_s}"),
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
fn status_says_opening_where_a_track_is_not_ready_in_time_and_playing_once_it_is_heard() {
    let tracks = Tracks::make();
    let folder = memory_folder();
    let (around, mut made, program) = about_to_play(folder.path(), &tracks, 0);
    let begin_ns = program.timetable.first().utc_ns();
    made.loader.held_up_until_ns = begin_ns - around.clocks.system_utc_ns() + around.now_raw_ns() + S;
    let mut states = Vec::new();
    while around.clocks.system_utc_ns() < begin_ns + 2 * S {
        made.round(&around);
        let status = made.status();
        let offset_ms = (status.time.utc_ns - begin_ns) / MS;
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

/// Says which seed it was, unless it is forgotten.
struct TellSeed(u64);

impl Drop for TellSeed {
    fn drop(&mut self) {
        eprintln!("seed {}", self.0);
    }
}

/// State is synced to the disk at each write; in memory that costs nothing.
fn memory_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
