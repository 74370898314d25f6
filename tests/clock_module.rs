//! The state in the memory on the clock module, down to its page buffers: cut at any byte it is the
//! old or the new; a box that has lost everything else has its time, session and volume from it;
//! and using it never disturbs the search for the RTC's edges.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)] // what other test programs need of it
#[path = "support/clock_harness.rs"]
mod clock_harness;

use std::sync::Arc;
use std::time::Duration;

use clock_harness::{ClockHarness, START_S, perfect};
use jaudiosync::storage::{ROOM_BYTES, Session, Slots, Volume};
use jaudiosync::timekeeping::clock_module::{
    ModuleReport, ModuleState, SharedModule, VERSION, decode, encode, forget_calibration,
};
use jaudiosync::timekeeping::estimate::group::{GroupId, SavedGroup};
use jaudiosync::timekeeping::saved::SavedTime;
use jaudiosync::timekeeping::status::TimeState;
use jaudiosync::timekeeping::task::ModuleMemory;
use jaudiosync::worker::Task as _;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::eeprom::{
    Adoption, Eeprom, EepromError, Memory, RECORDER, SIGNATURE, STATE_SLOTS, SimulatedEeprom, SimulatedEepromHandle,
    open_on,
};
use jaudiosync_hw::rtc::{Chip, Ds3231Model};
use jaudiosync_hw::world::World;
use jaudiosync_time::Span;
use proptest::prelude::*;

const BOXES: u64 = 20;

fn session(number: i64) -> Session {
    Session {
        anchor_utc_s: number,
        first_track: 3,
        repeats: true,
        playlist: "Ride".repeat(1 + number.unsigned_abs() as usize % 60),
        fingerprint: format!("{number:032x}"),
        started_utc_s: -number,
    }
}

/// A box with a memory beside its RTC.
struct Boxed {
    clock: ClockHarness,
    eeprom: SimulatedEeprom,
    chip: SimulatedEepromHandle,
    module: Arc<SharedModule>,
    seed: u64,
}

impl Boxed {
    fn new(model: Ds3231Model, memory: Memory, seed: u64) -> Self {
        let clock = ClockHarness::new(model, None, seed);
        let (eeprom, chip) = SimulatedEeprom::new(clock.world.clone(), memory, seed);
        let mut made = Self { clock, eeprom, chip, module: Arc::default(), seed };
        made.attach(0);
        made
    }

    fn attach(&mut self, folder_run: u32) {
        self.attach_shared(SharedModule::new(folder_run));
    }

    fn attach_shared(&mut self, shared: SharedModule) {
        self.module = Arc::new(shared);
        let (eeprom, world) = (self.eeprom.clone(), self.clock.world.clone());
        let open = Box::new(move || {
            let chip = open_on(eeprom.clone(), Adoption::Allowed, world.as_ref())?;
            Ok(Box::new(chip) as Box<dyn Eeprom>)
        });
        self.clock.task.save_in_module(ModuleMemory::new(open, Arc::clone(&self.module)));
    }

    /// Cuts the power and restores it after a while, with this left on disk.
    fn boot_again(mut self, saved: Option<SavedTime>, folder_run: u32, off: Span) -> Self {
        self.chip.cut_power();
        self.clock.world.spend(off);
        self.chip.power_on();
        self.seed += 1000;
        self.clock = self.clock.boot_again(saved, self.seed);
        self.attach(folder_run);
        self
    }

    /// Compares the box with a good reference for some minutes.
    fn calibrate(&mut self) {
        for _ in 0..20 {
            self.clock.run(60);
            self.clock.send_sample("a", Span::ZERO, 0.4e6);
        }
        self.clock.run(620);
    }

    fn disk(&self) -> Option<SavedTime> {
        self.clock.persisted.lock().unwrap().clone()
    }
}

#[test]
fn a_thousand_writes_cut_at_a_random_byte_leave_the_old_or_the_new() {
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let world = ClockHarness::new(Ds3231Model::default(), None, seed).world;
    let (bus, handle) = SimulatedEeprom::new(world.clone(), Memory::AT24C32, seed);
    let state = |number: i64| ModuleState {
        run: number as u32,
        utc_s: Some(number),
        mark: [1, 2, 3, 4],
        time: None,
        session: Some(session(number)),
        volume: Some(Volume { percent: (number % 101) as u8 }),
    };
    let (mut there, mut cut, mut damaged, mut new) = (0, 0, 0, 0);
    for number in 1..=1000 {
        let mut chip = open_on(bus.clone(), Adoption::Allowed, world.as_ref()).unwrap();
        let (slots, _) = Slots::read(&mut chip).unwrap();
        let writes = slots.writes(VERSION, &encode(&state(number))).unwrap();
        let bytes: usize = writes.iter().map(|(_, piece)| piece.len() + 3).sum();
        handle.cut_power_after(random.usize(..bytes + 10));
        for (at, piece) in &writes {
            if !handle.has_power() || chip.write(*at, piece).is_err() {
                break;
            }
            world.spend(Span::from_ms(10));
        }
        cut += usize::from(!handle.has_power());
        handle.cut_power();
        handle.power_on();
        let mut chip = open_on(bus.clone(), Adoption::Refused, world.as_ref()).expect("still known");
        let (_, contents) = Slots::read(&mut chip).unwrap();
        let found = contents.newest.map(|(version, bytes)| decode(version, &bytes).expect("whole"));
        let found_number = found.as_ref().map_or(0, |state| i64::from(state.run));
        assert!(
            [there, number].contains(&found_number),
            "SEED={seed}, {number}: {there} was there, now {found_number}"
        );
        assert_eq!(found, (found_number > 0).then(|| state(found_number)), "SEED={seed}, {number}");
        damaged += contents.damaged;
        new += usize::from(found_number == number);
        there = found_number;
    }
    println!("1000 writes, {cut} cut, {new} of them whole, {damaged} slots found damaged");
    assert!(cut > 900 && damaged > 300 && new > 20, "the cuts prove too little");
}

#[test]
fn after_the_loss_of_everything_else_two_boxes_are_within_a_millisecond_from_the_first_moment() {
    let mut errors_ms = Vec::new();
    for seed in 0..BOXES {
        let model = Ds3231Model { offset: Span::from_ms(300), ..Ds3231Model::from_datasheet(seed) };
        let mut made = Boxed::new(model, Memory::AT24C32, seed);
        made.module.begin(None, None);
        made.calibrate();
        made.clock.task.end();
        // An hour without power, then a new SD card.
        let mut made = made.boot_again(None, 0, Span::HOUR);
        let began = made.clock.world.true_time();
        while made.clock.estimate().state == TimeState::Unset {
            made.clock.step();
            let waited = made.clock.world.true_time() - began;
            assert!(waited < Span::from_seconds(4), "seed {seed}: {waited:?}");
        }
        let error_ms = made.clock.error_ms();
        let bound_ms = made.clock.estimate().bound.unwrap().ms();
        assert!(error_ms.abs() < bound_ms, "seed {seed}: {error_ms} ms, bound {bound_ms} ms");
        assert!(!made.clock.warnings().contains("never compared"), "{}", made.clock.warnings());
        errors_ms.push(error_ms);
        made.clock.run(60);
        errors_ms.push(made.clock.error_ms());
    }
    let largest = errors_ms.iter().fold(f64::MIN, |largest, error| largest.max(*error));
    let smallest = errors_ms.iter().fold(f64::MAX, |smallest, error| smallest.min(*error));
    println!("{BOXES} boxes: at most {:.3} ms apart", largest - smallest);
    assert!(largest - smallest < 1.0, "{errors_ms:?}");
}

#[test]
fn session_and_volume_come_back_and_the_newer_place_wins() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 1);
    made.clock.run(2);
    let first = made.module.wait(Duration::ZERO).expect("there is one");
    assert_eq!((first.run, first.is_newer), (1, false), "an empty chip knows nothing");
    made.module.begin(Some(session(7)), Some(Volume { percent: 35 }));
    made.clock.run(60);
    // The folder was wiped.
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.run(2);
    let found = made.module.wait(Duration::ZERO).unwrap();
    assert_eq!((found.run, found.is_newer), (2, true));
    assert_eq!((found.session, found.volume), (Some(session(7)), Some(Volume { percent: 35 })));
    // The folder is of the same run or a later one: it is written to at once, and so the newer.
    for folder_run in [1, 2, 9] {
        made = made.boot_again(None, folder_run, Span::SECOND);
        made.clock.run(2);
        let found = made.module.wait(Duration::ZERO).unwrap();
        assert_eq!((found.run, found.is_newer), (folder_run + 1, false));
    }
}

#[test]
fn a_bus_that_answers_late_costs_neither_session_nor_volume() {
    for begins in [(None, None), (Some(session(1)), Some(Volume { percent: 5 }))] {
        let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 16);
        made.module.begin(Some(session(7)), Some(Volume { percent: 35 }));
        made.clock.run(60);
        let mut made = made.boot_again(None, 0, Span::SECOND);
        made.clock.chip.set_silent(true);
        made.clock.run(2);
        assert_eq!(made.module.wait(Duration::ZERO), None);
        // What an old state folder knows, if anything.
        made.module.begin(begins.0, begins.1);
        made.clock.chip.set_silent(false);
        made.clock.run(700);
        made.clock.task.end();
        let mut made = made.boot_again(None, 0, Span::SECOND);
        made.clock.run(2);
        let found = made.module.wait(Duration::ZERO).unwrap();
        assert_eq!((found.session, found.volume), (Some(session(7)), Some(Volume { percent: 35 })));
    }
}

#[test]
fn what_is_saved_before_a_late_bus_answers_is_the_newer() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 17);
    made.module.begin(Some(session(7)), Some(Volume { percent: 35 }));
    made.clock.run(60);
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.chip.set_silent(true);
    made.clock.run(2);
    made.module.begin(None, None);
    // Stopped by the user.
    made.module.save_session(None);
    made.clock.chip.set_silent(false);
    made.clock.run(60);
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.run(2);
    let found = made.module.wait(Duration::ZERO).unwrap();
    assert_eq!((found.session, found.volume), (None, Some(Volume { percent: 35 })));
}

#[test]
fn the_service_waits_for_an_rtc_that_does_not_answer_at_once_but_not_for_another_chip() {
    const LONG: Duration = Duration::from_secs(20);
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 18);
    made.module.begin(Some(session(7)), None);
    made.clock.run(60);
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.chip.leave_unanswered(3);
    made.clock.step();
    let module = Arc::clone(&made.module);
    let waiting = std::thread::spawn(move || module.wait(LONG));
    made.clock.run(30);
    assert_eq!(waiting.join().unwrap().and_then(|found| found.session), Some(session(7)));

    let (mut clock, _) = ClockHarness::with_wrong_chip(Chip::Pcf8523, None, 18);
    let module = Arc::new(SharedModule::new(0));
    let never = Box::new(|| panic!("beside another chip it is not opened"));
    clock.task.save_in_module(ModuleMemory::new(never, Arc::clone(&module)));
    clock.run(2);
    assert_eq!(module.wait(LONG), None, "at once");
}

#[test]
fn one_disturbance_while_it_opens_costs_nothing() {
    for failures in [1, 100] {
        let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 19);
        made.module.begin(Some(session(7)), None);
        made.calibrate();
        let mark = made.disk().and_then(|saved| saved.mark).expect("marked");
        let mut made = made.boot_again(None, 0, Span::SECOND);
        let (eeprom, world, mut left) = (made.eeprom.clone(), made.clock.world.clone(), failures);
        let open = Box::new(move || {
            left -= 1;
            if left >= 0 {
                return Err(EepromError::Bus("a disturbance".into()));
            }
            let chip = open_on(eeprom.clone(), Adoption::Allowed, world.as_ref())?;
            Ok(Box::new(chip) as Box<dyn Eeprom>)
        });
        made.clock.task.save_in_module(ModuleMemory::new(open, Arc::clone(&made.module)));
        made.clock.run(2);
        let found = made.module.wait(Duration::ZERO);
        assert_eq!(found.is_some(), failures == 1);
        // Even where it could not be opened, what it holds belongs to this chip at the next start,
        // whatever was learnt or set meanwhile.
        made.module.begin(found.and_then(|found| found.session), None);
        made.clock.set_rtc();
        made.calibrate();
        assert_eq!(made.disk().and_then(|saved| saved.mark), Some(mark));
        let mut made = made.boot_again(None, 0, Span::SECOND);
        made.clock.run(2);
        assert_eq!(made.module.wait(Duration::ZERO).and_then(|found| found.session), Some(session(7)));
    }
}

#[test]
fn a_command_that_only_shows_the_time_marks_no_chip() {
    let mut clock = ClockHarness::watching(Ds3231Model::default(), 22);
    let before: Vec<u8> = (0..=0x0F).map(|register| clock.chip.register(register)).skip(7).take(7).collect();
    for _ in 0..5 {
        clock.run(60);
        clock.send_sample("a", Span::ZERO, 0.4e6);
    }
    clock.run(120);
    assert_eq!(clock.status().state, TimeState::Referenced);
    let after: Vec<u8> = (0..=0x0F).map(|register| clock.chip.register(register)).skip(7).take(7).collect();
    assert_eq!(after, before);
}

#[test]
fn a_renewed_stamp_is_saved_within_a_minute() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 23);
    made.module.begin(None, None);
    made.calibrate();
    let stamp = |made: &Boxed| [11, 12, 13].map(|register| made.clock.chip.register(register));
    for renewed in 0..2 {
        let before = stamp(&made);
        let mut seconds = 0;
        while stamp(&made) == before {
            if seconds % 300 == 0 {
                made.clock.send_sample("a", Span::ZERO, 0.4e6);
            }
            made.clock.run(1);
            seconds += 1;
            assert!(seconds < 8 * 3600, "never renewed");
        }
        made.clock.run(30);
        let world = made.clock.world.clone();
        let mut chip = open_on(made.eeprom.clone(), Adoption::Refused, world.as_ref()).unwrap();
        let (version, bytes) = Slots::read(&mut chip).unwrap().1.newest.unwrap();
        let saved = decode(version, &bytes).unwrap().time.and_then(|time| time.stamp);
        assert_eq!(saved, Some(stamp(&made)), "{renewed}");
    }
}

#[test]
fn what_changes_while_it_is_saved_is_saved_at_the_end() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 20);
    made.module.begin(Some(session(1)), Some(Volume { percent: 20 }));
    made.clock.run(60);
    made.module.save_session(Some(session(2)));
    let before = made.chip.pages_written();
    while made.chip.pages_written() == before {
        made.clock.step();
    }
    made.module.save_volume(Volume { percent: 21 });
    let from = made.clock.world.true_time();
    made.clock.task.end();
    assert!(made.clock.world.true_time() - from < Span::SECOND);
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.run(2);
    let found = made.module.wait(Duration::ZERO).unwrap();
    assert_eq!((found.session, found.volume), (Some(session(2)), Some(Volume { percent: 21 })));
}

/// A memory whose third page of each slot is worn out: it keeps what it held.
struct Worn(Box<dyn Eeprom>);

impl Eeprom for Worn {
    fn read(&mut self, at: u16, buffer: &mut [u8]) -> Result<(), EepromError> {
        self.0.read(at, buffer)
    }

    fn write(&mut self, at: u16, bytes: &[u8]) -> Result<(), EepromError> {
        let is_worn = STATE_SLOTS.iter().any(|slot| at == slot.start + 64);
        if is_worn { Ok(()) } else { self.0.write(at, bytes) }
    }
}

#[test]
fn a_worn_page_is_noticed_before_the_other_slot_is_overwritten() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 21);
    made.module.begin(Some(session(1)), None);
    made.clock.run(60);
    let mut made = made.boot_again(None, 0, Span::SECOND);
    let (eeprom, world) = (made.eeprom.clone(), made.clock.world.clone());
    let open = Box::new(move || {
        let chip = open_on(eeprom.clone(), Adoption::Allowed, world.as_ref())?;
        Ok(Box::new(Worn(Box::new(chip))) as Box<dyn Eeprom>)
    });
    made.clock.task.save_in_module(ModuleMemory::new(open, Arc::clone(&made.module)));
    made.clock.run(2);
    made.module.begin(Some(session(2)), None);
    for number in 3..6 {
        made.clock.run(60);
        made.module.save_session(Some(session(number)));
    }
    made.clock.run(60);
    let ModuleReport::Used { trouble, .. } = made.module.report() else { panic!("{:?}", made.module.report()) };
    assert!(trouble.is_some());
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.run(2);
    assert_eq!(made.module.wait(Duration::ZERO).unwrap().session, Some(session(1)), "the old, and not nothing");
}

#[test]
fn a_wiped_folder_loses_nothing_over_three_power_cuts() {
    let mut made = Boxed::new(Ds3231Model::from_datasheet(3), Memory::AT24C32, 3);
    made.module.begin(Some(session(7)), Some(Volume { percent: 35 }));
    made.calibrate();
    for cut in 1..=3 {
        made = made.boot_again(None, 0, Span::from_seconds(20));
        made.clock.run(30);
        let found = made.module.wait(Duration::ZERO).unwrap();
        made.module.begin(found.session.clone(), found.volume);
        assert_eq!((found.session, found.volume), (Some(session(7)), Some(Volume { percent: 35 })), "cut {cut}");
        assert!(made.clock.error_ms().abs() < 1.0, "cut {cut}: {} ms", made.clock.error_ms());
        made.clock.run(700);
    }
    assert!(made.chip.pages_written() < 60, "{} pages", made.chip.pages_written());
}

#[test]
fn another_chip_beside_it_is_not_believed_to_be_calibrated() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 4);
    made.module.begin(Some(session(7)), None);
    made.calibrate();
    // Mark and stamp.
    for register in 7..=13 {
        made.clock.chip.corrupt_register(register, 0x11);
    }
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.run(30);
    let found = made.module.wait(Duration::ZERO).unwrap();
    assert_eq!((found.is_newer, found.session), (false, None));
    assert!(made.clock.warnings().contains("never compared"), "{}", made.clock.warnings());
}

#[test]
fn of_two_calibrations_of_this_chip_the_newer_is_used() {
    for module_is_newer in [true, false] {
        let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 5);
        made.module.begin(None, None);
        made.calibrate();
        // A calibration that is 80 ms off, from before or after: as if the RTC had been set
        // between.
        let mut saved = made.disk().expect("calibrated");
        saved.utc_s += if module_is_newer { -3600 } else { 3600 };
        saved.calibration.as_mut().unwrap().base_offset_ns += 80_000_000;
        let mut made = made.boot_again(Some(saved), 1, Span::HOUR * 2);
        made.clock.run(30);
        let expected_ms = if module_is_newer { 0.0 } else { 80.0 };
        assert!((made.clock.error_ms() - expected_ms).abs() < 1.0, "{} ms", made.clock.error_ms());
    }
}

#[test]
fn it_is_written_to_every_ten_minutes_on_average_and_only_if_something_has_changed() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 6);
    made.module.begin(None, Some(Volume { percent: 10 }));
    made.clock.run(60);
    let before = made.chip.pages_written();
    // Nothing changes for a day.
    made.clock.run(24 * 3600);
    assert_eq!(made.chip.pages_written(), before);
    // Everything changes all the time.
    let pages_of_one = before - 1;
    let hour = |made: &mut Boxed, hour: u64| {
        let before = made.chip.pages_written();
        for minute in 0..60 {
            made.module.save_volume(Volume { percent: ((hour + minute) % 60) as u8 });
            made.clock.run(60);
        }
        (made.chip.pages_written() - before) / pages_of_one
    };
    let saves = [0, 1, 2].map(|number| hour(&mut made, number));
    println!("{saves:?} saves an hour");
    assert!((8..=12).contains(&saves[0]), "some are saved up: {saves:?}");
    assert!((5..=7).contains(&saves[1]) && (5..=7).contains(&saves[2]), "{saves:?}");
    // The end of a run writes what is new, within a second.
    made.module.save_volume(Volume { percent: 99 });
    let from = made.clock.world.true_time();
    made.clock.task.end();
    assert!(made.clock.world.true_time() - from < Span::SECOND);
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.run(2);
    assert_eq!(made.module.wait(Duration::ZERO).unwrap().volume, Some(Volume { percent: 99 }));
}

#[test]
fn the_search_for_edges_is_not_disturbed_by_a_memory_that_is_always_written_to() {
    let figures = [false, true].map(|writes| {
        let mut largest_ms = 0.0_f64;
        for seed in 0..10 {
            let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, seed);
            made.module.begin(None, None);
            made.clock.run(120);
            for _ in 0..200 {
                if writes {
                    made.module.write(RECORDER.start, &[0x5A; 2048]);
                }
                made.clock.run(2);
                let raw = made.clock.world.raw();
                let rtc = made.clock.task.timekeeper().rtc_map().expect("followed");
                largest_ms = largest_ms.max((rtc.apply(raw) - perfect(made.clock.world.true_time())).ms().abs());
            }
            let pages = made.chip.pages_written();
            assert_eq!(pages > 3000, writes, "{pages} pages");
        }
        largest_ms
    });
    println!("edges: at most {:.4} ms off without and {:.4} ms with writes", figures[0], figures[1]);
    assert!(figures[1] < 0.3, "{figures:?}");
}

#[test]
fn what_the_recorder_writes_is_there_and_touches_nothing_else() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 7);
    made.module.begin(Some(session(1)), None);
    made.clock.run(60);
    assert_eq!(made.module.recorder_part().unwrap(), vec![0xFF; 2048]);
    let before = made.chip.contents();
    let line: Vec<u8> = (0..100).collect();
    made.module.write(RECORDER.start + 20, &line);
    made.clock.run(20);
    let after = made.chip.contents();
    let (state, recorder) = after.split_at(usize::from(RECORDER.start));
    assert_eq!(state, &before[..usize::from(RECORDER.start)]);
    assert_eq!(recorder[20..120], line);
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.run(60);
    assert_eq!(made.module.recorder_part().unwrap(), recorder);
}

#[test]
fn a_command_that_sets_the_rtc_saves_the_calibration_and_makes_nothing_else_newer() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 15);
    made.module.begin(Some(session(1)), None);
    made.clock.run(60);
    made = made.boot_again(None, 1, Span::SECOND);
    made.attach_shared(SharedModule::unattended(1));
    made.calibrate();
    made.clock.task.end();
    let mut made = made.boot_again(None, 1, Span::SECOND);
    made.clock.run(30);
    let found = made.module.wait(Duration::ZERO).unwrap();
    assert_eq!((found.is_newer, found.session), (false, Some(session(1))));
    assert!(!made.clock.warnings().contains("never compared"), "{}", made.clock.warnings());
}

#[test]
fn a_run_of_seconds_saves_all_at_its_end() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 13);
    made.module.begin(Some(session(1)), Some(Volume { percent: 20 }));
    made.clock.run(2);
    made.module.write(RECORDER.start, &[0x5A; 200]);
    let from = made.clock.world.true_time();
    made.clock.task.end();
    assert!(made.clock.world.true_time() - from < Span::SECOND);
    made.clock.world.spend(Span::from_ms(20));
    assert_eq!(made.chip.contents()[usize::from(RECORDER.start)..][..200], [0x5A; 200]);
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.run(2);
    assert_eq!(made.module.wait(Duration::ZERO).unwrap().session, Some(session(1)));
}

#[test]
fn a_session_that_does_not_fit_is_left_out_and_not_tried_again() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 14);
    let session = Session { playlist: "x".repeat(2000), ..session(1) };
    made.module.begin(Some(session), Some(Volume { percent: 20 }));
    made.clock.run(60);
    let before = made.chip.pages_written();
    made.clock.run(7200);
    assert_eq!(made.chip.pages_written(), before);
    let mut made = made.boot_again(None, 0, Span::SECOND);
    made.clock.run(2);
    let found = made.module.wait(Duration::ZERO).unwrap();
    assert_eq!((found.session, found.volume), (None, Some(Volume { percent: 20 })));
}

#[test]
fn a_chip_that_is_absent_or_another_one_is_reported_and_changes_nothing() {
    let mut absent = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 8);
    absent.chip.cut_power();
    absent.clock.run(60);
    assert_eq!(absent.module.report(), ModuleReport::Absent);
    assert_eq!(absent.module.wait(Duration::ZERO), None);
    let mut other = Boxed::new(Ds3231Model::default(), Memory::AT24C02, 9);
    other.chip.program(&[1, 2, 3]);
    let before = other.chip.contents();
    other.module.begin(Some(session(1)), None);
    other.clock.run(700);
    assert!(matches!(other.module.report(), ModuleReport::LeftAlone(_)), "{:?}", other.module.report());
    assert_eq!((other.chip.contents(), other.chip.pages_written()), (before, 0));
    assert!(absent.clock.warnings() == other.clock.warnings(), "{}", other.clock.warnings());
}

#[test]
fn a_chip_that_stops_answering_is_reported_and_the_time_goes_on() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 10);
    made.module.begin(Some(session(1)), None);
    made.calibrate();
    made.chip.cut_power();
    made.module.save_session(Some(session(2)));
    made.clock.run(700);
    let ModuleReport::Used { trouble, .. } = made.module.report() else { panic!("{:?}", made.module.report()) };
    assert!(trouble.is_some());
    assert!(made.clock.error_ms().abs() < 1.0, "{} ms", made.clock.error_ms());
    made.chip.power_on();
    made.clock.run(700);
    assert!(matches!(made.module.report(), ModuleReport::Used { trouble: None, .. }), "{:?}", made.module.report());
}

#[test]
fn a_forgotten_calibration_is_in_neither_slot() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 11);
    made.module.begin(Some(session(1)), Some(Volume { percent: 20 }));
    made.calibrate();
    made.clock.task.end();
    let world = made.clock.world.clone();
    let mut chip = open_on(made.eeprom.clone(), Adoption::Refused, world.as_ref()).unwrap();
    assert_eq!(forget_calibration(&mut chip, world.as_ref()), Ok(true));
    assert_eq!(forget_calibration(&mut chip, world.as_ref()), Ok(false));
    for slot in STATE_SLOTS {
        // Even without the slot that is the newer one.
        let mut damaged = made.chip.contents();
        damaged[usize::from(slot.start) + 20] ^= 0xFF;
        let (bus, handle) = SimulatedEeprom::new(world.clone(), Memory::AT24C32, 1);
        handle.program(&damaged);
        let mut chip = open_on(bus, Adoption::Refused, world.as_ref()).unwrap();
        let (version, bytes) = Slots::read(&mut chip).unwrap().1.newest.unwrap();
        let state = decode(version, &bytes).unwrap();
        assert_eq!((state.time, state.session), (None, Some(session(1))));
    }
}

#[test]
fn the_encoding_of_version_2_does_not_change() {
    let calibration = serde_json::json!({
        "flywheel_ns": START_S * 1_000_000_000, "base_offset_ns": -5, "state": [1.0, -2.0, 3.0, -4.0, 5.0],
        "covariance": [[1.0, 0.1, 0.2, 0.3, 0.4], [0.1, 2.0, 0.5, 0.6, 0.7], [0.2, 0.5, 3.0, 0.8, 0.9],
            [0.3, 0.6, 0.8, 4.0, 1.1], [0.4, 0.7, 0.9, 1.1, 5.0]],
        "temperature_c": 21.5, "samples": 300, "bias_sigma_ns": 7.5, "bound_ns": 8.25,
    });
    let state = ModuleState {
        run: 77,
        utc_s: Some(START_S),
        mark: [0x59, 0x10, 0x20, 0x28],
        time: Some(SavedTime {
            utc_s: START_S,
            reference_utc_s: Some(START_S - 60),
            mark: Some([0x59, 0x10, 0x20, 0x28]),
            aging_offset: -3,
            stamp: Some([0x85, 0x12, 0x31]),
            is_ds3231m: true,
            drifts: true,
            calibration: Some(serde_json::from_value(calibration.clone()).unwrap()),
            group: Some(SavedGroup {
                id: GroupId(u64::MAX),
                calibration: serde_json::from_value(calibration).unwrap(),
                utc_bound_ns: Some(3_000_000),
            }),
        }),
        session: Some(session(1)),
        volume: Some(Volume { percent: 35 }),
    };
    let bytes = encode(&state);
    println!("{} bytes of {ROOM_BYTES}", bytes.len());
    assert_eq!(decode(VERSION, &bytes).as_ref(), Some(&state));
    assert_eq!((VERSION, bytes.len(), crc32fast::hash(&bytes)), (2, 497, 0x1602_db97));
    assert!(bytes.len() < ROOM_BYTES * 2 / 3, "a playlist's name has room");
    assert_eq!(decode(VERSION + 1, &bytes), None);
}

proptest! {
    #[test]
    fn whatever_the_slots_hold_is_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000), at in 0..2000_usize) {
        let world = ClockHarness::new(Ds3231Model::default(), None, 1).world;
        let (bus, handle) = SimulatedEeprom::new(world.clone(), Memory::AT24C32, 1);
        open_on(bus.clone(), Adoption::Allowed, world.as_ref()).unwrap();
        let mut contents = handle.contents();
        let at = usize::from(SIGNATURE.end) + at;
        contents.iter_mut().skip(at).take(2016_usize.saturating_sub(at)).zip(&bytes).for_each(|(place, value)| *place = *value);
        handle.program(&contents);
        let mut chip = open_on(bus, Adoption::Refused, world.as_ref()).unwrap();
        let (slots, found) = Slots::read(&mut chip).unwrap();
        prop_assert_eq!(found.newest, None);
        prop_assert!(slots.writes(VERSION, &[0; ROOM_BYTES]).is_some());
        prop_assert!(slots.writes(VERSION, &[0; ROOM_BYTES + 1]).is_none());
        let _ = decode(VERSION, &bytes);
    }
}

#[test]
fn an_error_of_the_bus_is_not_taken_for_an_absent_chip() {
    let mut made = Boxed::new(Ds3231Model::default(), Memory::AT24C32, 12);
    let open = Box::new(|| Err(EepromError::Bus("stuck".into())));
    made.clock.task.save_in_module(ModuleMemory::new(open, Arc::clone(&made.module)));
    made.clock.run(10);
    let ModuleReport::LeftAlone(words) = made.module.report() else { panic!("{:?}", made.module.report()) };
    assert!(words.contains("stuck"), "{words}");
}

#[test]
fn a_module_that_is_swapped_for_one_of_another_kind_is_refused_and_not_written_to() {
    use std::sync::atomic::Ordering::Relaxed;
    for (kind, seed) in [(Chip::Pcf8523, 60), (Chip::Ds1307, 61), (Chip::MotionSensor, 62)] {
        let (clock, wrong, is_swapped) = ClockHarness::swappable(Ds3231Model::default(), kind, seed);
        let (eeprom, chip) = SimulatedEeprom::new(clock.world.clone(), Memory::AT24C32, seed);
        let mut made = Boxed { clock, eeprom, chip, module: Arc::default(), seed };
        made.attach(0);
        made.module.begin(Some(session(1)), None);
        made.calibrate();
        let held = made.chip.contents();
        assert!(made.disk().is_some() && held.iter().any(|byte| *byte != 0xFF));
        // It is pulled, and another one is put in its place, while music plays.
        made.clock.chip.set_silent(true);
        is_swapped.store(true, Relaxed);
        made.module.save_volume(Volume { percent: 7 });
        let jumped = made.clock.run_playing(600);
        assert!(jumped < Span::from_us(20), "{kind}: UTC jumped by {jumped:?}");
        assert_eq!(made.clock.status().rtc_chip, Some(kind.to_string()));
        assert!(made.clock.warnings().contains("Buy a DS3231"), "{}", made.clock.warnings());
        assert_eq!(wrong.writes(), [], "{kind}");
        assert_eq!(made.chip.contents(), held, "{kind}: the memory beside it is left alone");
        let bound_ms = made.clock.estimate().bound.expect("carried on by the crystal").ms();
        assert!(made.clock.error_ms().abs() < bound_ms, "{kind}: {} ms of {bound_ms}", made.clock.error_ms());
        // The first one comes back.
        made.clock.chip.set_silent(false);
        is_swapped.store(false, Relaxed);
        made.clock.run(200);
        assert_eq!(made.clock.status().rtc_chip.as_deref(), Some("DS3231"));
        assert!(made.clock.error_ms().abs() < 1.0, "{kind}: {} ms", made.clock.error_ms());
        assert_ne!(made.chip.contents(), held, "what was to be saved meanwhile is saved");
    }
}
