//! Where the service and the clock's task exchange what is on the clock module.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jaudiosync_hw::eeprom::pieces;

use super::state::Restored;
use crate::storage::{Session, Volume};

/// Writes that the recorder may have waiting: 2 KiB, page by page. Beyond that the oldest is
/// dropped.
const MOST_WAITING: usize = 64;

/// The part of the state that the service knows, the writes of the recorder, and what the clock's
/// task has found. Nothing here waits for the chip, but for [`wait`](Self::wait).
#[derive(Debug, Default)]
pub struct SharedModule {
    folder_run: u32,
    /// Nobody but the clock's task has something to save.
    is_unattended: bool,
    inner: Mutex<Inner>,
    was_looked_for: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    saved: Option<(Option<Session>, Option<Volume>)>,
    /// Session or volume were saved since [`begin`](SharedModule::begin).
    has_new_session: bool,
    has_new_volume: bool,
    /// The service began without what the memory holds.
    was_missed: bool,
    /// The outer is `None` until it was looked for.
    restored: Option<Option<Restored>>,
    report: ModuleReport,
    recorder_part: Option<Vec<u8>>,
    waiting: VecDeque<(u16, Vec<u8>)>,
}

/// What is known of the memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ModuleReport {
    /// It was not looked for: there is no RTC, or it has not answered yet.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// There is a chip that is not used, and why.
    LeftAlone(String),
    /// It is used.
    Used {
        /// UTC when the state was last written to it, in s; `None` if never, or if UTC was not
        /// known.
        saved_utc_s: Option<i64>,
        /// Why it cannot be written to.
        trouble: Option<String>,
    },
}

impl Inner {
    /// Returns what the memory holds, if it was found.
    fn memory(&self) -> Option<&Restored> {
        self.restored.as_ref()?.as_ref()
    }

    /// Keeps what the memory holds where it came too late for the service to begin with: what was
    /// not saved since is older. Returns whether it did.
    fn keep_what_was_missed(&mut self) -> bool {
        let Some(restored) = self.memory().filter(|restored| self.was_missed && restored.is_newer).cloned() else {
            return false;
        };
        let Some(saved) = &mut self.saved else { return false };
        self.was_missed = false;
        if !self.has_new_session {
            saved.0 = restored.session;
        }
        if !self.has_new_volume {
            saved.1 = restored.volume.or(saved.1);
        }
        true
    }
}

impl SharedModule {
    /// Makes one for a state folder that was last used in this run; 0 if in none.
    pub fn new(folder_run: u32) -> Self {
        Self { folder_run, ..Self::default() }
    }

    /// Makes one for a command that changes the calibration alone: session and volume stay as they
    /// are.
    pub fn unattended(folder_run: u32) -> Self {
        Self { is_unattended: true, ..Self::new(folder_run) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Plain values: those that a thread left when it panicked are as good as any.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the memory was looked for, but not for longer than this; returns what it says,
    /// or `None` if there is none or it was not looked for in time.
    pub fn wait(&self, patience: Duration) -> Option<Restored> {
        let inner = self.inner();
        let waited = self.was_looked_for.wait_timeout_while(inner, patience, |inner| inner.restored.is_none());
        let (mut inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let found = inner.memory().cloned();
        inner.was_missed = found.is_none();
        found
    }

    /// Begins to save: this is what the service begins with. Before that nothing is written. A
    /// memory that is found later, and is newer, keeps what it holds of session and volume until
    /// they are saved.
    pub fn begin(&self, session: Option<Session>, volume: Option<Volume>) {
        let mut inner = self.inner();
        inner.was_missed |= inner.memory().is_none();
        inner.saved = Some((session, volume));
        inner.keep_what_was_missed();
    }

    /// Saves this session, soon.
    pub fn save_session(&self, session: Option<Session>) {
        let mut inner = self.inner();
        if let Some(saved) = &mut inner.saved {
            saved.0 = session;
            inner.has_new_session = true;
        }
    }

    /// Saves this volume, soon.
    pub fn save_volume(&self, volume: Volume) {
        let mut inner = self.inner();
        if let Some(saved) = &mut inner.saved {
            saved.1 = Some(volume);
            inner.has_new_volume = true;
        }
    }

    /// Returns what is known of the memory.
    pub fn report(&self) -> ModuleReport {
        self.inner().report.clone()
    }

    /// Returns what the recorder's part of the chip,
    /// [`RECORDER`](jaudiosync_hw::eeprom::RECORDER), held when the RTC was found; `None` without a
    /// chip, and for the first seconds, while it is read.
    pub fn recorder_part(&self) -> Option<Vec<u8>> {
        self.inner().recorder_part.clone()
    }

    /// Writes to any place of the chip, soon: page by page, between two searches for the RTC's
    /// edge. Without a chip nothing happens. Callers keep within their part.
    pub fn write(&self, at: u16, bytes: &[u8]) {
        let waiting = &mut self.inner().waiting;
        waiting.extend(pieces(at, bytes).map(|(at, piece)| (at, piece.to_vec())));
        while waiting.len() > MOST_WAITING {
            waiting.pop_front();
        }
    }

    /// Returns in which run the state folder was last used.
    pub(in crate::timekeeping) fn folder_run(&self) -> u32 {
        self.folder_run
    }

    /// Returns the number of this run, where the clock module was last written to in run
    /// `module_run`. A command that changes the calibration alone is not a run: session and volume
    /// do not become newer by it.
    pub(in crate::timekeeping) fn this_run(&self, module_run: u32) -> u32 {
        if self.is_unattended { module_run } else { module_run.max(self.folder_run).saturating_add(1) }
    }

    /// Returns session and volume as they should be saved, once they are known.
    pub(in crate::timekeeping) fn saved(&self) -> Option<(Option<Session>, Option<Volume>)> {
        self.inner().saved.clone()
    }

    /// Notes what was found, the first time: [`wait`](Self::wait) returns. Returns whether the
    /// service has begun without it, although it is newer.
    pub fn found(&self, restored: Option<Restored>) -> bool {
        let mut inner = self.inner();
        if self.is_unattended
            && let Some(restored) = &restored
        {
            inner.saved = Some((restored.session.clone(), restored.volume));
        }
        if inner.memory().is_none() {
            inner.restored = Some(restored);
        }
        self.was_looked_for.notify_all();
        inner.keep_what_was_missed()
    }

    pub(in crate::timekeeping) fn set_recorder_part(&self, bytes: Vec<u8>) {
        self.inner().recorder_part = Some(bytes);
    }

    pub(in crate::timekeeping) fn set_report(&self, report: ModuleReport) {
        self.inner().report = report;
    }

    pub(in crate::timekeeping) fn next_write(&self) -> Option<(u16, Vec<u8>)> {
        self.inner().waiting.pop_front()
    }

    pub(in crate::timekeeping) fn has_write(&self) -> bool {
        !self.inner().waiting.is_empty()
    }
}
