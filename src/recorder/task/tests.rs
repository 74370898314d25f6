use jaudiosync_hw::clocks::SimulatedClocks;
use log::Level;

use super::super::event::{PreviousEnd, Severity};
use super::super::files::MAX_BYTES;
use super::super::ride::{Ending, Rides};
use super::super::tap::{Tap, UNDERRUN, tap};
use super::*;
use crate::control::protocol::{PlayState, TimeState};

/// UTC at power-on, in s.
const NOON_S: i64 = 1_800_000_000;

/// A box in virtual time, whose recorder makes a step every second.
struct VirtualBox {
    folder: PathBuf,
    boot: String,
    clocks: Arc<SimulatedClocks>,
    recorder: Recorder,
    tap: Tap,
    /// When it was switched on, on its own UTC.
    on_utc_s: i64,
}

impl VirtualBox {
    fn switch_on(folder: &std::path::Path, boot: &str, on_utc_s: i64) -> Self {
        let clocks = Arc::new(SimulatedClocks::new(Instant::from_second(5), Instant::ZERO));
        let (tap, notes) = tap(Arc::clone(&clocks) as Arc<dyn Clocks>);
        let machine = Machine::below(&folder.join("no-such-machine"));
        let recorder = Recorder::new(
            Some(folder.to_owned()),
            notes,
            Arc::clone(&clocks) as Arc<dyn Clocks>,
            machine,
            BootId::parse(boot),
            None,
        );
        Self { folder: folder.to_owned(), boot: boot.to_owned(), clocks, recorder, tap, on_utc_s }
    }

    /// Starts the program again, after it has failed.
    fn restart(&mut self) {
        let (tap, notes) = tap(Arc::clone(&self.clocks) as Arc<dyn Clocks>);
        let machine = Machine::below(&self.folder.join("no-such-machine"));
        let clocks = Arc::clone(&self.clocks) as Arc<dyn Clocks>;
        let boot = BootId::parse(&self.boot);
        let why = Some("a fault in the program".to_owned());
        self.recorder = Recorder::new(Some(self.folder.clone()), notes, clocks, machine, boot, why);
        self.tap = tap;
    }

    fn up_s(&self) -> i64 {
        self.clocks.raw().second()
    }

    /// Lets a second pass in which the box plays, and knows the time from the third second on.
    fn second(&mut self) {
        self.clocks.advance(Span::SECOND);
        let at = self.clocks.raw();
        let mut status = Status::default();
        status.dac.present = true;
        status.play.state = PlayState::Playing;
        let is_trusted = self.up_s() > 8;
        if is_trusted {
            status.time.state = TimeState::Holdover;
            status.time.error_bound_ms = Some(1.5);
            status.time.source = "RTC".to_owned();
        }
        let utc = is_trusted.then(|| Instant::from_second(self.on_utc_s + self.up_s()));
        self.recorder.command(RecorderCommand::Seen { at, utc, status: Arc::new(status) });
        self.recorder.step();
    }

    fn entries(&self) -> Vec<Entry> {
        Entry::read_all(&Files::in_folder(&self.folder).read().unwrap()).0
    }

    fn bytes(&self) -> u64 {
        let files = std::fs::read_dir(&self.folder).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }
}

#[test]
fn a_quiet_hour_is_written_every_ten_minutes_and_a_fault_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut on = VirtualBox::switch_on(folder.path(), "a", NOON_S);
    let (mut writes, mut before) = (Vec::new(), 0);
    for second in 0..3600 {
        if second == 1000 {
            on.tap.log(Level::Warn, UNDERRUN, "audio underrun");
        }
        on.second();
        let bytes = on.bytes();
        if bytes != before {
            writes.push(second);
        }
        before = bytes;
    }
    // The first of all runs is written at once as well: nothing says that one before it ended cleanly.
    assert_eq!(writes, [0, 3, 59, 659, 1000, 1259, 1859, 2459, 3059], "seconds at which it was written");
    let drop_outs: Vec<Entry> =
        on.entries().into_iter().filter(|entry| matches!(entry.event, Event::DropOuts { .. })).collect();
    assert_eq!((drop_outs.len(), drop_outs[0].utc_s), (1, Some((NOON_S + 1005) as f64)));
}

#[test]
fn twelve_hours_of_faults_stay_within_their_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let mut on = VirtualBox::switch_on(folder.path(), "a", NOON_S);
    let mut random = fastrand::Rng::with_seed(7);
    let (mut writes, mut before) = (0, 0);
    for second in 0..43_200_u32 {
        on.tap.log(Level::Warn, UNDERRUN, "audio underrun");
        for _ in 0..random.u32(0..20) {
            let letters: String = (0..random.usize(0..400)).map(|_| random.alphabetic()).collect();
            on.tap.log(Level::Error, "x", &letters);
        }
        on.second();
        let bytes = on.bytes();
        assert!(bytes <= MAX_BYTES, "{bytes} bytes after {second} s");
        writes += u32::from(bytes != before);
        before = bytes;
    }
    // The regular writes, and those of faults.
    assert!(writes <= 6 * 72, "{writes} writes in twelve hours of nothing but faults");
    let entries = on.entries();
    let reaches_back_s = entries.last().unwrap().up_s - entries.first().unwrap().up_s;
    assert!(reaches_back_s > 3.0 * 3600.0, "{reaches_back_s} s");
    let suppressed = |entry: &&Entry| matches!(entry.event, Event::Suppressed { count } if count > 1000);
    assert!(entries.iter().any(|entry| suppressed(&entry)));
}

#[test]
fn a_disk_that_takes_nothing_costs_the_recording_alone_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    // A file where the folder should be.
    std::fs::write(&state, "").unwrap();
    let mut on = VirtualBox::switch_on(&state, "a", NOON_S);
    for _ in 0..3000 {
        on.tap.log(Level::Warn, "x", &"wrong ".repeat(60));
        on.second();
        assert!(on.recorder.held.len() <= MAX_HELD_BYTES);
    }
    std::fs::remove_file(&state).unwrap();
    (0..31).for_each(|_| on.second());
    assert!(!on.entries().is_empty(), "it is tried again every 30 s");
    (0..700).for_each(|_| on.second());
    let entries = on.entries();
    assert!(entries.iter().any(|entry| matches!(entry.event, Event::Began { .. })), "what waited is there");
    assert!(entries.last().unwrap().up_s > 3000.0);
}

#[test]
fn the_end_is_written_at_once_and_so_is_what_comes_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut on = VirtualBox::switch_on(folder.path(), "a", NOON_S);
    (0..10).for_each(|_| on.second());
    on.recorder.command(RecorderCommand::Ended(End::PowerOff));
    on.recorder.step();
    assert_eq!(on.entries().last().unwrap().event, Event::Ended { how: End::PowerOff });
    on.tap.log(Level::Error, "x", "held up by a device");
    on.recorder.end();
    let last = on.entries().last().unwrap().event.clone();
    assert_eq!(last, Event::Note { severity: Severity::Error, text: "held up by a device".into(), times: 1 });
    let mut next = VirtualBox::switch_on(folder.path(), "b", NOON_S + 100);
    (0..5).for_each(|_| next.second());
    let previous = next.entries().iter().rev().find_map(|entry| match &entry.event {
        Event::Began { previous, .. } => Some(*previous),
        _ => None,
    });
    assert_eq!(previous, Some(PreviousEnd::Clean));
}

#[test]
fn three_hundred_power_cuts_with_torn_tails_are_all_told() {
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut on_utc_s = NOON_S;
    let mut whole = 0;
    for cut in 0..300 {
        let mut on = VirtualBox::switch_on(folder.path(), &format!("{:08x}", cut + 1), on_utc_s);
        let seconds = random.i64(5..120);
        for _ in 0..seconds {
            if random.u32(..20) == 0 {
                on.tap.log(Level::Warn, "x", "something is wrong");
            }
            on.second();
        }
        let files = Files::in_folder(folder.path());
        let length = std::fs::metadata(files.path()).unwrap().len();
        let is_torn = random.bool();
        if is_torn {
            // The card has lost the end, or has holes in it.
            let end = length - random.u64(1..60).min(length);
            let file = std::fs::OpenOptions::new().write(true).open(files.path()).unwrap();
            file.set_len(end).unwrap();
            if random.bool() {
                file.set_len(end + random.u64(1..100)).unwrap();
            }
        }
        let (entries, unreadable) = Entry::read_all(&files.read().unwrap());
        assert!(unreadable <= cut + 1, "SEED={seed}");
        let boot = BootId::parse(&on.boot);
        let is_there = entries.iter().any(|entry| entry.boot == boot);
        assert!(is_there || is_torn, "SEED={seed}, cut {cut}: a whole boot is missing");
        whole += usize::from(is_there);
        on_utc_s += seconds + random.i64(10..60);
    }
    let entries = Entry::read_all(&Files::in_folder(folder.path()).read().unwrap()).0;
    let rides = Rides::of(&entries, &BootId::parse("ffffffff"));
    let (ride, since) = rides.last(1).unwrap();
    assert_eq!((rides.count(), since), (1, None), "SEED={seed}");
    assert!(ride.boots.iter().all(|boot| boot.ending == Ending::PowerCut), "SEED={seed}");
    // All but those whose only lines were torn off, as far as the recording reaches back.
    let first = entries.first().unwrap().boot.clone();
    assert!(first != BootId::parse("00000001") || ride.power_cuts() == whole, "SEED={seed}");
    assert!(ride.power_cuts() > 100, "SEED={seed}: {}", ride.power_cuts());
}

/// A memory on a clock module, which is read some seconds after the start.
#[derive(Clone, Default)]
struct Memory {
    bytes: Arc<std::sync::Mutex<Vec<u8>>>,
    is_read: Arc<std::sync::atomic::AtomicBool>,
    writes: Arc<std::sync::atomic::AtomicU32>,
}

impl ShortMemory for Memory {
    fn contents(&self) -> Option<Vec<u8>> {
        use std::sync::atomic::Ordering::Relaxed;
        self.is_read.load(Relaxed).then(|| self.bytes.lock().unwrap().clone())
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        self.writes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.bytes.lock().unwrap()[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

#[test]
fn a_disk_that_forgets_has_the_rides_of_earlier_boots_from_the_clock_module() {
    use std::sync::atomic::Ordering::Relaxed;
    let memory = Memory::default();
    *memory.bytes.lock().unwrap() = vec![0xFF; super::super::short::RING_BYTES];
    let mut on_utc_s = NOON_S;
    let mut folder = tempfile::tempdir().unwrap();
    for boot in 1..=4 {
        // What was on the disk is gone with the power.
        folder = tempfile::tempdir().unwrap();
        memory.is_read.store(false, Relaxed);
        let mut on = VirtualBox::switch_on(folder.path(), &format!("{boot:04x}abcd"), on_utc_s);
        on.recorder = on.recorder.and_in(std::boxed::Box::new(memory.clone()));
        for second in 0..1800 {
            memory.is_read.store(second > 12, Relaxed);
            if second == 900 {
                on.tap.log(Level::Warn, UNDERRUN, "audio underrun");
            }
            on.second();
        }
        if boot == 2 {
            on.recorder.command(RecorderCommand::Ended(End::PowerOff));
            on.recorder.step();
        }
        on_utc_s += 1860;
    }
    let writes = memory.writes.load(Relaxed);
    assert!(writes <= 4 * 5, "{writes} writes in four quiet boots of half an hour");
    let entries = Entry::read_all(&Files::in_folder(folder.path()).read().unwrap()).0;
    let rides = Rides::of(&entries, &BootId::parse("0004abcd"));
    let (ride, _) = rides.last(1).unwrap();
    let endings: Vec<Ending> = ride.boots.iter().map(|boot| boot.ending).collect();
    assert_eq!(endings, [Ending::PowerCut, Ending::PowerOff, Ending::PowerCut, Ending::StillOn]);
    assert_eq!(ride.drop_out_count(), 4);
    let worst_ms = ride.time.worst_bound_ms.unwrap();
    assert!((1.5..1.52).contains(&worst_ms), "{worst_ms}");
}

#[test]
fn runs_that_die_within_a_second_are_recorded_until_they_are_a_crash_loop() {
    let folder = tempfile::tempdir().unwrap();
    let mut on = VirtualBox::switch_on(folder.path(), "a", NOON_S);
    (0..30).for_each(|_| on.second());
    on.recorder.command(RecorderCommand::Ended(End::Asked));
    on.recorder.end();
    let starts = |on: &VirtualBox| {
        let is_of = |entry: &&Entry| entry.boot == BootId::parse(&on.boot);
        let previous = |entry: &Entry| match entry.event {
            Event::Began { previous, .. } => Some(previous),
            _ => None,
        };
        on.entries().iter().filter(is_of).filter_map(previous).collect::<Vec<_>>()
    };
    // The first run of a boot, after a clean end, waits for UTC and dies before it.
    let mut on = VirtualBox::switch_on(folder.path(), "b", NOON_S + 100);
    on.recorder.step();
    assert_eq!(starts(&on), [], "after a clean end nothing is written without UTC");
    for run in 1..=20 {
        // Killed: the recorder does not end.
        on.restart();
        on.recorder.step();
        on.clocks.advance(Span::SECOND);
        assert_eq!(starts(&on), vec![PreviousEnd::Died; run.min(5)]);
    }
    // After ten minutes the rule lets some more be recorded.
    on.clocks.advance(Span::from_seconds(600));
    on.restart();
    on.recorder.step();
    assert_eq!(starts(&on).len(), 6);
}

#[test]
fn a_restart_that_was_asked_for_is_written_at_once_as_is_the_first_run_after_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    for boot in ["a", "b"] {
        let mut on = VirtualBox::switch_on(folder.path(), boot, NOON_S);
        on.recorder.step();
        let began = on.entries().len();
        on.recorder.command(RecorderCommand::Ended(End::Asked));
        on.recorder.end();
        on.restart();
        on.recorder.beginning = Some(None);
        on.recorder.step();
        assert_eq!(on.entries().len(), began + 2, "its end, and the beginning of the next");
    }
    let mut on = VirtualBox::switch_on(folder.path(), "c", NOON_S);
    on.recorder.step();
    assert_eq!(on.entries().last().unwrap().boot, BootId::parse("c"));
    // Once UTC is known, that is written as well, and not only with the calibration.
    (0..4).for_each(|_| on.second());
    assert!(on.entries().last().unwrap().utc_s.is_some());
}

#[test]
fn a_thousand_failures_in_a_row_neither_wear_out_the_card_nor_replace_the_ride() {
    let folder = tempfile::tempdir().unwrap();
    let mut on = VirtualBox::switch_on(folder.path(), "a", NOON_S);
    let memory = Memory::default();
    *memory.bytes.lock().unwrap() = vec![0xFF; super::super::short::RING_BYTES];
    memory.is_read.store(true, std::sync::atomic::Ordering::Relaxed);
    (0..3000).for_each(|_| on.second());
    let first = on.entries().first().cloned();
    let (mut writes, mut before) = (0, on.bytes());
    for _ in 0..1000 {
        on.restart();
        on.recorder = on.recorder.and_in(Box::new(memory.clone()));
        for _ in 0..8 {
            on.tap.log(Level::Error, "x", &"a fault that repeats ".repeat(15));
            on.second();
        }
        // As when the main thread panics.
        on.recorder.end();
        let bytes = on.bytes();
        writes += u32::from(bytes != before);
        before = bytes;
    }
    // Five runs every ten minutes, each with its beginning and its end.
    assert!(writes <= 5 * (8000 / 600 + 2), "{writes} writes");
    let in_module = memory.writes.load(std::sync::atomic::Ordering::Relaxed);
    assert!(in_module <= 4 * 5 * (8000 / 600 + 2), "{in_module} writes to the clock module");
    assert_eq!(on.entries().first().cloned(), first, "the ride is still there");
    // A run that lasts is recorded again, and why the last one ended.
    on.restart();
    (0..70).for_each(|_| on.second());
    let died = Event::Began {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        previous: PreviousEnd::Died,
        why: Some("a fault in the program".to_owned()),
    };
    assert!(on.entries().iter().rev().take(12).any(|entry| entry.event == died), "{:?}", on.entries().last());
    // One that is asked to end is recorded, however short it was.
    on.restart();
    on.second();
    on.recorder.command(RecorderCommand::Ended(End::Asked));
    on.recorder.step();
    assert_eq!(on.entries().last().unwrap().event, Event::Ended { how: End::Asked });
}

#[test]
fn warnings_while_the_clock_module_is_read_cost_neither_the_beginning_nor_the_end() {
    use std::sync::atomic::Ordering::Relaxed;
    let memory = Memory::default();
    *memory.bytes.lock().unwrap() = vec![0xFF; super::super::short::RING_BYTES];
    let folder = tempfile::tempdir().unwrap();
    let mut on = VirtualBox::switch_on(folder.path(), "a", NOON_S);
    on.recorder = on.recorder.and_in(Box::new(memory.clone()));
    for number in 0..400 {
        on.tap.log(Level::Warn, "x", &format!("warning {number}"));
        on.second();
    }
    on.recorder.command(RecorderCommand::Ended(End::PowerOff));
    memory.is_read.store(true, Relaxed);
    on.recorder.step();
    let entries = super::super::short::ShortRing::read(&memory.bytes.lock().unwrap()).1;
    assert_eq!(entries.last().map(|entry| &entry.event), Some(&Event::Ended { how: End::PowerOff }));
    assert!(matches!(entries[0].event, Event::Began { .. }), "{entries:?}");
}

#[test]
fn on_an_overlay_the_last_ride_is_not_one_from_before_the_overlay() {
    use std::sync::atomic::Ordering::Relaxed;
    let memory = Memory::default();
    *memory.bytes.lock().unwrap() = vec![0xFF; super::super::short::RING_BYTES];
    let record = |folder: &std::path::Path, boot: &str, on_utc_s: i64, seconds: u32| {
        let mut on = VirtualBox::switch_on(folder, boot, on_utc_s);
        on.recorder = on.recorder.and_in(Box::new(memory.clone()));
        for second in 0..seconds {
            memory.is_read.store(second > 5, Relaxed);
            on.second();
        }
        on.entries()
    };
    // A day ago, on a disk: what the overlay shows below. The clock module has not been there.
    let below = tempfile::tempdir().unwrap();
    let mut before = VirtualBox::switch_on(below.path(), "0001", NOON_S - 86_400);
    (0..1800).for_each(|_| before.second());
    // The last ride, on the overlay, and the boot in which it is asked for.
    record(tempfile::tempdir().unwrap().path(), "0002", NOON_S, 1800);
    let began_minute = |entries: &[Entry]| {
        let rides = Rides::of(entries, &BootId::parse("0003"));
        let from = rides.last(1).unwrap().0.boots[0].from;
        (from.utc_s.unwrap() - NOON_S as f64).div_euclid(60.0)
    };
    // As the service records (files.rs): beside the state folder.
    let in_memory = record(tempfile::tempdir().unwrap().path(), "0003", NOON_S + 40_000, 60);
    assert_eq!(began_minute(&in_memory), 0.0);
    // Where a recording has both, the older one does not swallow the newer.
    let both = record(below.path(), "0003", NOON_S + 40_000, 60);
    let rides = Rides::of(&both, &BootId::parse("0003"));
    assert_eq!(rides.count(), 2, "three boots with long pauses between them, of which the last is too short");
}
