//! The recorder's task: collects events, and writes them in few pieces.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_time::{Instant, Raw, Span, Utc};

use super::boot::BootId;
use super::event::{End, Entry, Event, PreviousEnd, to_ms};
use super::files::{Files, MOST_AT_ONCE_BYTES};
use super::module::{InModule, ShortMemory};
use super::past::{is_in_crash_loop, previous_end};
use super::storms::Storms;
use super::tap::{Line, Notes, Tapped};
use super::watcher::{MachineSeen, Watcher};
use crate::control::Status;
use crate::host::{Health, Machine};
use crate::worker::Task;

/// Events are written together with the calibration, which the clock's task saves at these times
/// (`timekeeping/task.rs`): the disk then has one burst of writes, not two.
const FIRST_WRITE: Span = Span::from_seconds(60);
/// How often events are written while all is well.
pub const WRITE_INTERVAL: Span = Span::from_seconds(600);

/// The beginning is written as soon as UTC is known, which it is needed for, or after this. Where
/// the run before did not end cleanly, it is written at once as well: this one may die as soon.
const BEGINNING_WAITS: Span = Span::from_seconds(5);

/// What is wrong is written at once, but not sooner than this after the last write, and later each
/// time while there is no end of it.
const SOONEST_WRITE: Span = Span::from_seconds(30);

/// How often power and temperature are read.
const MACHINE_INTERVAL: Span = Span::from_seconds(10);

/// How often lines of the log are taken in.
const STEP: Duration = Duration::from_secs(1);

/// The most that is held in memory while the disk takes nothing, in bytes; the newest lines stay.
const MAX_HELD_BYTES: usize = MOST_AT_ONCE_BYTES;

/// What the recorder is notified of.
#[derive(Debug, Clone)]
pub enum RecorderCommand {
    /// What the service reports of itself, every second or so.
    Seen {
        /// When, on the raw clock.
        at: Instant<Raw>,
        /// UTC then, if it is trusted.
        utc: Option<Instant<Utc>>,
        /// The status.
        status: Arc<Status>,
    },
    /// The service ends in an orderly way.
    Ended(End),
}

/// What a recorder works with.
pub struct Recorder {
    clocks: Arc<dyn Clocks>,
    machine: Machine,
    files: Option<Files>,
    /// On a disk that forgets.
    module: Option<InModule>,
    notes: Notes,
    boot: BootId,
    watcher: Watcher,
    storms: Storms,
    /// The last relation between the clocks.
    utc: Option<(Instant<Raw>, Instant<Utc>)>,
    seen: MachineSeen,
    /// Where others learn what is wrong with the machine.
    health: Arc<Health>,
    machine_at: Instant<Raw>,
    /// Lines that are not written yet.
    held: String,
    write_at: Instant<Raw>,
    /// Whether something that is held should not wait for that.
    is_urgent: bool,
    /// Whether what is held should not even wait for UTC.
    is_due_at_once: bool,
    written_at: Option<Instant<Raw>>,
    soonest: Span,
    has_ended: bool,
    /// Whether the program fails again and again: nothing is written until a run has lasted.
    is_in_crash_loop: bool,
    trouble: Option<String>,
    began_at: Instant<Raw>,
    /// What systemd said of the end of the last run; none once the beginning is recorded.
    beginning: Option<Option<String>>,
}

impl Recorder {
    /// Makes a recorder of this state folder; without one nothing is recorded. `systemds` is what
    /// systemd said of how the last run in this boot ended. Reads nothing yet, as the disk may be
    /// slow.
    pub fn new(
        folder: Option<PathBuf>,
        notes: Notes,
        clocks: Arc<dyn Clocks>,
        machine: Machine,
        boot: BootId,
        systemds: Option<String>,
    ) -> Self {
        let now = clocks.raw();
        Self {
            clocks,
            machine,
            files: folder.map(|folder| Files::in_folder(&folder)),
            module: None,
            notes,
            boot,
            watcher: Watcher::default(),
            storms: Storms::new(now),
            utc: None,
            seen: MachineSeen::default(),
            health: Arc::default(),
            machine_at: now,
            held: String::new(),
            write_at: now + FIRST_WRITE,
            is_urgent: false,
            is_due_at_once: false,
            written_at: None,
            soonest: SOONEST_WRITE,
            has_ended: false,
            is_in_crash_loop: false,
            trouble: None,
            began_at: now,
            beginning: Some(systemds),
        }
    }

    /// Notes here what is wrong with the machine.
    pub fn noting(self, health: Arc<Health>) -> Self {
        Self { health, ..self }
    }

    /// Also records in a memory that does not forget, in short form.
    pub fn and_in(mut self, memory: Box<dyn ShortMemory>) -> Self {
        self.module = Some(InModule::new(memory));
        self
    }

    /// Takes over what the memory holds of earlier boots, once it was read.
    fn take_earlier(&mut self) {
        let earlier = self.module.as_mut().and_then(|module| module.take_earlier(&self.boot));
        let Some(earlier) = earlier else { return };
        // What has waited for this.
        if !self.is_in_crash_loop {
            self.module.iter_mut().for_each(InModule::write);
        }
        let lines: String = earlier.iter().map(Entry::to_line).collect();
        if let Some(Err(error)) = self.files.as_ref().map(|files| files.set_earlier(&lines)) {
            log::debug!("what the clock module holds cannot be shown: {error}");
        }
    }

    /// Records the beginning, if that was not done yet, and how the run before ended.
    fn begin(&mut self) {
        let Some(systemds) = self.beginning.take() else { return };
        let before = self.files.as_ref().and_then(|files| files.read().ok()).unwrap_or_default();
        let entries = Entry::read_all(&before).0;
        if is_in_crash_loop(&entries, &self.boot, (self.began_at - Instant::ZERO).seconds()) {
            // Otherwise every run would write, and what is recorded of the ride would be replaced.
            self.is_in_crash_loop = true;
            self.written_at = Some(self.began_at);
            self.soonest = WRITE_INTERVAL;
        }
        let (previous, why) = previous_end(&entries, &self.boot, systemds);
        // Earlier runs of a boot know UTC for the later ones.
        let is_restart = self.boot.is_known() && entries.last().is_some_and(|last| last.boot == self.boot);
        self.is_due_at_once = !self.is_in_crash_loop && (previous != PreviousEnd::Clean || is_restart);
        self.hold(Event::Began { version: env!("CARGO_PKG_VERSION").to_owned(), previous, why }, self.began_at);
    }

    fn hold(&mut self, event: Event, at: Instant<Raw>) {
        self.is_urgent |= is_urgent(&event);
        let utc = self.utc.map(|(raw, utc)| utc + (at - raw));
        let entry = Entry {
            boot: self.boot.clone(),
            up_s: to_ms((at - Instant::ZERO).seconds()),
            utc_s: utc.map(|utc| to_ms((utc - Instant::ZERO).seconds())),
            event,
        };
        if let Some(module) = &mut self.module {
            module.hold(&entry);
        }
        self.held.push_str(&entry.to_line());
        if self.held.len() > MAX_HELD_BYTES {
            let end = self.held.bytes().skip(MAX_HELD_BYTES / 2).position(|byte| byte == b'\n');
            let end = end.map_or(self.held.len(), |end| MAX_HELD_BYTES / 2 + end + 1);
            let lost = self.held.drain(..end).filter(|letter| *letter == '\n').count();
            self.storms.suppress(lost as u64);
        }
    }

    fn take_in(&mut self, now: Instant<Raw>) {
        let (lines, missed) = self.notes.take();
        for Tapped { at, line } in lines {
            let at = at.unwrap_or(now);
            let event = match line {
                Line::DropOut => self.storms.drop_outs(1, at),
                Line::Panic(text) => Some(Event::Panicked { text }),
                Line::Note(severity, text) => self.storms.note(severity, text, at),
            };
            if let Some(event) = event {
                self.hold(event, at);
            }
        }
        self.storms.suppress(missed);
        if let Some(event) = self.storms.drop_outs(0, now) {
            self.hold(event, now);
        }
    }

    /// Holds what was counted since, and how well the time is known.
    fn hold_counted(&mut self, now: Instant<Raw>) {
        let counted = self.storms.take_counted(now).into_iter().chain(self.watcher.time(now));
        counted.collect::<Vec<_>>().into_iter().for_each(|event| self.hold(event, now));
    }

    fn write(&mut self, now: Instant<Raw>) {
        let is_regular = now >= self.write_at;
        if is_regular {
            self.write_at = now + WRITE_INTERVAL;
            self.hold_counted(now);
        }
        let is_soon = match self.written_at {
            Some(at) => now - at >= self.soonest,
            None => self.utc.is_some() || now - self.began_at >= BEGINNING_WAITS,
        };
        let is_due = is_regular || self.has_ended || self.is_urgent && is_soon;
        if self.held.is_empty() || !(is_due || self.is_due_at_once) {
            return;
        }
        self.is_due_at_once = false;
        if is_due {
            let is_usual = is_regular || self.written_at.is_none();
            self.soonest = if is_usual { SOONEST_WRITE } else { (self.soonest * 2).min(WRITE_INTERVAL) };
            self.written_at = Some(now);
            self.is_urgent = false;
            self.is_in_crash_loop = false;
        }
        // First, as it takes no time: at the end the clock's task waits for it, and not for a disk.
        self.module.iter_mut().for_each(InModule::write);
        let Some(files) = &self.files else { return self.held.clear() };
        let trouble = files.append(&self.held).err().map(|error| error.to_string());
        match trouble {
            None => self.held.clear(),
            Some(_) => {
                self.is_urgent = true;
                // Nothing was written that could wear out the disk.
                self.soonest = SOONEST_WRITE;
            }
        }
        if trouble != self.trouble {
            if let Some(trouble) = &trouble {
                log::warn!(
                    "cannot record what happens ({trouble}); everything else goes on: {}",
                    files.path().display()
                );
            }
            self.trouble = trouble;
        }
    }
}

/// Returns whether an event should be on disk soon: the power may go next.
fn is_urgent(event: &Event) -> bool {
    match event {
        Event::Began { .. } | Event::Ended { .. } | Event::Panicked { .. } | Event::DropOuts { .. } => true,
        Event::Started {} | Event::Stopped {} => true,
        Event::SoundCard { present } => !present,
        Event::Power { low, .. } => *low,
        Event::Heat { hot, .. } => *hot,
        Event::Note { severity, .. } => *severity > super::event::Severity::Info,
        _ => false,
    }
}

impl Task for Recorder {
    type Command = RecorderCommand;

    fn command(&mut self, command: RecorderCommand) {
        self.begin();
        let now = self.clocks.raw();
        match command {
            RecorderCommand::Seen { at, utc, status } => {
                self.utc = utc.map(|utc| (at, utc));
                if now >= self.machine_at {
                    self.machine_at = now + MACHINE_INTERVAL;
                    self.seen = MachineSeen { power: self.machine.power(), celsius: self.machine.temperature_c() };
                    self.health.note(self.seen.power, self.seen.celsius);
                }
                // What was logged came before what it led to.
                self.take_in(at);
                for event in self.watcher.see(&status, self.seen, at) {
                    if let Some(event) = self.storms.allow(event, at) {
                        self.hold(event, at);
                    }
                }
            }
            RecorderCommand::Ended(how) => {
                self.take_in(now);
                self.hold_counted(now);
                // A device that hangs may keep the process from a better end than this one.
                self.has_ended = true;
                self.hold(Event::Ended { how }, now);
            }
        }
    }

    fn step(&mut self) -> Duration {
        self.begin();
        let now = self.clocks.raw();
        self.take_in(now);
        self.take_earlier();
        self.write(now);
        STEP
    }

    /// What the disk does not take even now is lost, and so is what a run in a crash loop has seen.
    fn end(&mut self) {
        self.has_ended |= !self.is_in_crash_loop;
        self.step();
    }
}

#[cfg(test)]
mod tests;
