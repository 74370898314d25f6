//! The part of the task that attends to the memory on the clock module. It shares the RTC's bus, so
//! it is used only beside an RTC that answers, and page by page in the rest between two searches.

use std::collections::VecDeque;
use std::sync::Arc;

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::eeprom::{Eeprom, EepromError, PAGE_BYTES, RECORDER, rewind};
use jaudiosync_hw::rtc::RtcStatus;
use jaudiosync_time::{Instant, Raw, Span};

use super::FIRST_SAVE;
use crate::storage::Slots;
use crate::timekeeping::clock_module::{
    ModuleReport, ModuleState, Origin, Restored, SharedModule, VERSION, decode, encode, newer_time,
};
use crate::timekeeping::saved::SavedTime;

/// How often the state is written on average, at most: the chip bears a million writes (datasheet,
/// "Endurance"), which at this rate takes 38 years for each of two slots. What is learnt from
/// references is never written more often.
const SAVE_INTERVAL: Span = Span::from_seconds(600);

/// A session or a volume that changes is written sooner, this many times: a power cut may come at
/// any moment. After that the average counts.
const SAVED_UP: i64 = 6;

/// But never sooner than this after the last time. The chip is also left alone for this long after
/// its state was read: until then the RTC's edges are searched for.
const PAUSE: Span = Span::from_seconds(10);

/// A transfer begins only if nothing else is to be done for this long: 32 bytes take 3 ms, 6 on a
/// slow bus, and the thread may be preempted.
const REST_FOR_ONE: Span = Span::from_ms(30);

/// The pause after a page: the chip has written it by then, on most modules.
const WRITE_CYCLE: Span = Span::from_ms(10);

/// How often a transfer that is not acknowledged is tried.
const ATTEMPTS: u32 = 20;

/// How often the memory is opened where the bus fails: one disturbance must not cost what it holds.
const ATTEMPTS_TO_OPEN: u32 = 3;

/// What is not written within this time at the end of the run stays unwritten.
const END_PATIENCE: Span = Span::from_ms(800);

/// Opens the memory, beside an RTC that has answered.
pub type OpenEeprom = Box<dyn FnMut() -> Result<Box<dyn Eeprom>, EepromError> + Send>;

/// The memory on the clock module.
pub struct ModuleMemory {
    open: OpenEeprom,
    shared: Arc<SharedModule>,
    chip: Option<Chip>,
}

/// A chip that was recognised.
struct Chip {
    eeprom: Box<dyn Eeprom>,
    slots: Slots,
    /// The number of this run.
    run: u32,
    /// What it holds.
    holds: Option<ModuleState>,
    /// What is being written to it.
    saving: Option<ModuleState>,
    /// Nothing is saved before.
    save_at: Instant<Raw>,
    /// What was learnt from references is not saved before.
    learnt_at: Instant<Raw>,
    /// When the writes so far would have been due at [`SAVE_INTERVAL`].
    paid_until: Instant<Raw>,
    jobs: VecDeque<Job>,
    recorder_part: Vec<u8>,
    attempts: u32,
    /// Until then it writes a page.
    free_at: Instant<Raw>,
    had_trouble: bool,
}

enum Job {
    /// Reads the next page of the recorder's part.
    ReadRecorder(u16),
    Write(u16, Vec<u8>),
    /// Reads what was written; after the last of these all is saved.
    Confirm(u16, Vec<u8>),
    Rewind,
}

impl ModuleMemory {
    /// Makes one that is opened once the RTC has answered.
    pub fn new(open: OpenEeprom, shared: Arc<SharedModule>) -> Self {
        Self { open, shared, chip: None }
    }

    /// Opens the memory beside a chip that reports this, and returns the calibration to begin with
    /// if it is newer than `folder`'s.
    pub(super) fn open(
        &mut self,
        rtc: &RtcStatus,
        folder: Option<&SavedTime>,
        clocks: &dyn Clocks,
    ) -> Option<SavedTime> {
        let mut opened = self.read(rtc.mark.0, clocks);
        for _ in 1..ATTEMPTS_TO_OPEN {
            if !matches!(opened, Err(EepromError::Bus(_) | EepromError::Busy)) {
                break;
            }
            clocks.sleep_until(clocks.raw() + WRITE_CYCLE);
            opened = self.read(rtc.mark.0, clocks);
        }
        match opened {
            Ok(chip) => {
                let time = self.restore(&chip, folder, rtc);
                self.chip = Some(chip);
                time
            }
            Err(error) => {
                match &error {
                    EepromError::Absent => log::debug!("{error}"),
                    // Said again each time that the RTC is found, which is seldom.
                    error => log::info!("{error}"),
                }
                self.shared.set_report(match error {
                    EepromError::Absent => ModuleReport::Absent,
                    error => ModuleReport::LeftAlone(error.to_string()),
                });
                self.shared.found(None);
                None
            }
        }
    }

    /// Notes that there is no RTC now: the memory is not used either, and opened again with it. If
    /// there never will be one, nobody waits for the memory any longer; a bus that is late or noisy
    /// may still show one.
    pub(super) fn close(&mut self, for_good: bool) {
        self.chip = None;
        if for_good {
            self.shared.found(None);
        }
    }

    fn read(&mut self, mark: [u8; 4], clocks: &dyn Clocks) -> Result<Chip, EepromError> {
        let mut eeprom = (self.open)()?;
        let (slots, contents) = Slots::read(eeprom.as_mut())?;
        if contents.damaged > 0 {
            log::warn!(
                "a write to the clock module's EEPROM was cut off by the end of the power; what it held before stays"
            );
        }
        let decoded = contents.newest.map(|(version, bytes)| decode(version, &bytes));
        if let Some(None) = decoded {
            log::warn!("the clock module's EEPROM was written by another version of this program; it is not used");
        }
        let holds = decoded.flatten();
        let run = self.shared.this_run(holds.as_ref().map_or(0, |state| state.run));
        let is_of_this_chip = holds.as_ref().is_none_or(|state| state.mark == mark);
        if !is_of_this_chip {
            log::warn!("the clock module's EEPROM belongs to another RTC chip; what it holds is not used");
        }
        rewind(eeprom.as_mut())?;
        let now = clocks.raw();
        Ok(Chip {
            eeprom,
            slots,
            run,
            holds: holds.filter(|_| is_of_this_chip),
            saving: None,
            save_at: now + PAUSE,
            learnt_at: now + PAUSE,
            paid_until: now,
            jobs: RECORDER.step_by(usize::from(PAGE_BYTES)).map(Job::ReadRecorder).collect(),
            recorder_part: Vec::new(),
            attempts: 0,
            free_at: now + PAUSE,
            had_trouble: false,
        })
    }

    fn restore(&self, chip: &Chip, folder: Option<&SavedTime>, rtc: &RtcStatus) -> Option<SavedTime> {
        let holds = chip.holds.as_ref();
        self.shared.set_report(ModuleReport::Used { saved_utc_s: holds.and_then(|state| state.utc_s), trouble: None });
        let folder_run = self.shared.folder_run();
        let newer = holds.filter(|state| state.run > folder_run);
        let restored = Restored {
            run: chip.run,
            is_newer: newer.is_some(),
            session: holds.and_then(|state| state.session.clone()),
            volume: holds.and_then(|state| state.volume),
        };
        let was_missed = self.shared.found(Some(restored));
        if let Some(ModuleState { run, .. }) = newer {
            let what = if folder_run == 0 { "the state folder is new" } else { "the state folder is older" };
            if was_missed {
                log::warn!(
                    "the clock module's EEPROM, of run {run}, answered too late: its session and volume are kept for \
                     the next start, unless they are changed"
                );
            } else {
                log::info!("{what}: session and volume are those in the clock module's EEPROM, of run {run}");
            }
        }
        let time = holds.and_then(|state| state.time.as_ref());
        let origin = newer_time(folder, time, rtc.mark.0, rtc.stamp.0);
        time.filter(|_| origin == Origin::Module).cloned()
    }

    /// Notes that a reference is believed: what is learnt from it is written after a minute.
    pub(super) fn reference_believed(&mut self, now: Instant<Raw>) {
        if let Some(chip) = &mut self.chip {
            chip.learnt_at = chip.learnt_at.max(now + FIRST_SAVE);
        }
    }

    /// Notes that the RTC was set or stamped: what is known of it since then is written soon.
    pub(super) fn rtc_was_written(&mut self, now: Instant<Raw>) {
        if let Some(chip) = &mut self.chip {
            chip.learnt_at = now;
        }
    }

    /// Begins to save if something has changed and it is time to, or if this is the end of the run.
    pub(super) fn consider(
        &mut self,
        now: Instant<Raw>,
        is_end: bool,
        mark: Option<[u8; 4]>,
        time: impl FnOnce() -> Option<SavedTime>,
    ) {
        let (Some(chip), Some(mark), Some((session, volume))) = (&mut self.chip, mark, self.shared.saved()) else {
            return;
        };
        if chip.saving.is_some() || (now < chip.save_at && !is_end) {
            return;
        }
        // What is known of the chip is not forgotten while its time is not known.
        let known = chip.holds.as_ref().filter(|holds| holds.mark == mark).and_then(|holds| holds.time.clone());
        let time = time().or(known);
        let utc_s = time.as_ref().map(|time| time.utc_s);
        let state = ModuleState { run: chip.run, utc_s, mark, time, session, volume };
        let (plays_the_same, knows_the_same) = chip
            .holds
            .as_ref()
            .map_or((false, false), |holds| (holds.plays_the_same(&state), holds.knows_the_same(&state)));
        let is_due = match (plays_the_same, knows_the_same) {
            (true, true) => false,
            (true, false) => is_end || now >= chip.learnt_at,
            (false, _) => is_end || now >= chip.paid_until - SAVE_INTERVAL * (SAVED_UP - 1),
        };
        if is_due {
            chip.save_at = now + PAUSE;
            chip.learnt_at = now + SAVE_INTERVAL;
            chip.paid_until = chip.paid_until.max(now) + SAVE_INTERVAL;
            chip.begin(state);
        }
    }

    /// Does one transfer if there is one to do and the rest is long enough. Returns how long the
    /// task may rest now; `None` if there is nothing to do, or no time.
    pub(super) fn work(&mut self, clocks: &dyn Clocks, rest: Span) -> Option<Span> {
        let chip = self.chip.as_mut()?;
        if !chip.has_job() && !self.shared.has_write() {
            return None;
        }
        let now = clocks.raw();
        if now < chip.free_at {
            return Some(rest.min(chip.free_at - now));
        }
        if rest < REST_FOR_ONE {
            return None;
        }
        if !chip.has_job()
            && let Some((at, bytes)) = self.shared.next_write()
        {
            chip.jobs.push_back(Job::Write(at, bytes));
            if !self.shared.has_write() {
                chip.jobs.push_back(Job::Rewind);
            }
        }
        if let Some(outcome) = chip.do_next(clocks) {
            self.shared.set_report(outcome);
        }
        if chip.recorder_part.len() == RECORDER.len() {
            self.shared.set_recorder_part(std::mem::take(&mut chip.recorder_part));
        }
        let now_free = chip.free_at;
        let after = clocks.raw();
        let rest = (rest - (after - now)).max(Span::ZERO);
        let has_more = self.chip.as_ref().is_some_and(Chip::has_job) || self.shared.has_write();
        Some(if has_more { rest.min((now_free - after).max(Span::ZERO)) } else { rest })
    }

    /// Writes what is being saved, so that what has changed since can be: the first thing at the
    /// end of a run. Returns until when the rest may be written.
    pub(super) fn finish_saving(&mut self, clocks: &dyn Clocks) -> Instant<Raw> {
        let until = clocks.raw() + END_PATIENCE;
        if let Some(chip) = &mut self.chip {
            chip.jobs.retain(|job| !matches!(job, Job::ReadRecorder(_)));
        }
        self.work_until(clocks, until, |chip| chip.saving.is_some());
        until
    }

    /// Writes everything that is left.
    pub(super) fn finish(&mut self, clocks: &dyn Clocks, until: Instant<Raw>) {
        self.work_until(clocks, until, |_| true);
    }

    /// Works while this holds and there is something to do, and gives up after a while.
    fn work_until(&mut self, clocks: &dyn Clocks, until: Instant<Raw>, goes_on: fn(&Chip) -> bool) {
        let Some(chip) = &mut self.chip else { return };
        // There are no more searches to spare. A page that is being written makes the chip busy.
        chip.free_at = chip.free_at.min(clocks.raw());
        while clocks.raw() < until
            && self.chip.as_ref().is_some_and(goes_on)
            && let Some(rest) = self.work(clocks, END_PATIENCE)
        {
            clocks.sleep_until(clocks.raw() + rest.min(WRITE_CYCLE));
        }
    }
}

impl Chip {
    fn has_job(&self) -> bool {
        !self.jobs.is_empty()
    }

    fn begin(&mut self, state: ModuleState) {
        let without_session = || {
            log::debug!("the session does not fit into the clock module's EEPROM: the playlist's name is too long");
            self.slots.writes(VERSION, &encode(&ModuleState { session: None, ..state.clone() }))
        };
        let Some(writes) = self.slots.writes(VERSION, &encode(&state)).or_else(without_session) else { return };
        // Every page is read again: the slot that is whole is overwritten next.
        let confirmations = writes.clone().into_iter().map(|(at, bytes)| Job::Confirm(at, bytes));
        self.jobs.extend(writes.into_iter().map(|(at, bytes)| Job::Write(at, bytes)));
        self.jobs.extend(confirmations);
        self.jobs.push_back(Job::Rewind);
        self.saving = Some(state);
    }

    /// Does the next job; returns what is to be reported if it ends the saving.
    fn do_next(&mut self, clocks: &dyn Clocks) -> Option<ModuleReport> {
        let job = self.jobs.front()?;
        let mut page = [0; PAGE_BYTES as usize];
        let (done, pause) = match job {
            Job::ReadRecorder(at) => (self.eeprom.read(*at, &mut page), Span::ZERO),
            Job::Write(at, bytes) => (self.eeprom.write(*at, bytes), WRITE_CYCLE),
            Job::Confirm(at, bytes) => (confirm(self.eeprom.as_mut(), *at, bytes), Span::ZERO),
            Job::Rewind => (rewind(self.eeprom.as_mut()), Span::ZERO),
        };
        let (is_confirmed, is_recorder) = (matches!(job, Job::Confirm(..)), matches!(job, Job::ReadRecorder(_)));
        let now = clocks.raw();
        match done {
            Ok(()) => {
                self.attempts = 0;
                self.free_at = now + pause;
                self.jobs.pop_front();
                if is_recorder {
                    self.recorder_part.extend(page);
                }
                let has_more = self.jobs.iter().any(|job| matches!(job, Job::Confirm(..)));
                if is_confirmed && !has_more { self.saved() } else { None }
            }
            Err(EepromError::Busy) if self.attempts + 1 < ATTEMPTS => {
                self.attempts += 1;
                self.free_at = now + WRITE_CYCLE;
                None
            }
            Err(error) => Some(self.failed(&error)),
        }
    }

    fn saved(&mut self) -> Option<ModuleReport> {
        let state = self.saving.take()?;
        self.slots.written();
        self.had_trouble = false;
        let report = ModuleReport::Used { saved_utc_s: state.utc_s, trouble: None };
        log::debug!("saved in the clock module's EEPROM");
        self.holds = Some(state);
        Some(report)
    }

    /// Gives up what is being written. The other slot holds what it held, and the next save comes
    /// when it is due.
    fn failed(&mut self, error: &EepromError) -> ModuleReport {
        self.jobs.clear();
        self.saving = None;
        self.attempts = 0;
        if !self.had_trouble {
            log::warn!("cannot save in the clock module's EEPROM: {error}");
        }
        self.had_trouble = true;
        let saved_utc_s = self.holds.as_ref().and_then(|state| state.utc_s);
        ModuleReport::Used { saved_utc_s, trouble: Some(error.to_string()) }
    }
}

fn confirm(eeprom: &mut dyn Eeprom, at: u16, bytes: &[u8]) -> Result<(), EepromError> {
    let mut written = vec![0; bytes.len()];
    eeprom.read(at, &mut written)?;
    if written == bytes { Ok(()) } else { Err(EepromError::Unwritable) }
}
