//! The clock's task: finds the RTC's edges, receives the references' samples, runs the timekeeper
//! and steers the system clock.
//!
//! One call of [`step`](Task::step) does what is due and returns how long there is nothing to do. A
//! worker's thread calls it on a box, and the simulation in virtual time; it touches only the RTC,
//! the clocks and the system clock, through their traits. Within a step it waits only for the last
//! moments before a read, for the transfers themselves, and for an edge of the 1 Hz output.

mod clock_module;
mod rtc;

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jaudiosync_hw::clocks::{ClockPair, Clocks};
use jaudiosync_hw::rtc::{Rtc, RtcError, SecondEdge};
use jaudiosync_hw::system_clock::SystemClock;
use jaudiosync_time::{Instant, Raw, Span};

pub use self::clock_module::{ModuleMemory, OpenEeprom};
use super::estimate::group::GroupCommand;
use super::estimate::timekeeper::{TimeView, Timekeeper};
use super::notice::Notice;
use super::published::{SharedEstimate, UtcSource};
use super::references::ReferenceEvent;
use super::rtc::edge_search::SearchPlan;
use super::saved::SavedTime;
use super::status::TimeStatus;
use super::system_clock::SystemClockFollower;
use super::system_clock::servo::{Action, SystemClockServo};
use crate::worker::Task;

/// The longest rest between two steps.
const REST: Span = Span::SECOND;

/// A step waits at most this long for a search, and the thread sleeps until then: it may wake late.
const LEAD: Span = Span::from_ms(2);

/// How often the system clock is steered.
const SERVO_INTERVAL: Span = Span::from_seconds(4);

/// How often the calibration is saved: rarely, because SD cards wear out.
const SAVE_INTERVAL: Span = Span::from_seconds(600);

/// The calibration is saved this soon after the start, and after a new reference was believed: a
/// contact may be short, and what was learnt from it must not be lost with the power.
const FIRST_SAVE: Span = Span::from_seconds(60);

/// A clock that does not answer is tried again after a second, then after twice as long each time,
/// up to a minute.
const FIRST_RETRY: Span = Span::SECOND;
const LAST_RETRY: Span = Span::from_seconds(64);

/// Opens the RTC; called repeatedly while there is none.
pub type OpenRtc = Box<dyn FnMut() -> Result<Box<dyn Rtc>, RtcError> + Send>;

/// Saves what must survive the run.
pub type Persist = Box<dyn FnMut(&SavedTime) + Send>;

/// What the task works with.
pub struct ClockDevices {
    /// The machine's clocks.
    pub clocks: Arc<dyn Clocks>,
    /// Opens the RTC; `None` if there is none.
    pub open_rtc: Option<OpenRtc>,
    /// The RTC's 1 Hz output, if it is wired: its edges then need no search.
    pub second_edge: Option<Box<dyn SecondEdge>>,
    /// The system clock, if it should be set.
    pub system_clock: Option<Box<dyn SystemClock>>,
    /// What the references report.
    pub events: Receiver<ReferenceEvent>,
    /// Saves what must survive the run.
    pub persist: Persist,
    /// A number that no other box has, for the mark in the RTC.
    pub random: u32,
    /// Whether the RTC may be set when it is wrong and a reference has given the time.
    pub may_set_rtc: bool,
    /// The ride's side, if the box has neighbours.
    pub ride: Option<RideLink>,
}

/// What connects the clock with the neighbours.
pub struct RideLink {
    /// What the clock has to do.
    pub commands: Receiver<GroupCommand>,
    /// What the neighbours have to know, after every step.
    pub view: Arc<Mutex<TimeView>>,
}

/// What the task can be commanded to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockCommand {
    /// Set the RTC as soon as a reference has given the time, even if the RTC is right.
    SetRtc,
}

/// The clock's task.
pub struct ClockTask {
    devices: ClockDevices,
    timekeeper: Timekeeper,
    rtc: Option<Box<dyn Rtc>>,
    module: Option<ModuleMemory>,
    retry_at: Instant<Raw>,
    retry_after: Span,
    /// The next search, which has not begun yet.
    planned: Option<SearchPlan>,
    status_at: Instant<Raw>,
    temperature_at: Instant<Raw>,
    servo_at: Instant<Raw>,
    save_at: Instant<Raw>,
    servo: SystemClockServo,
    system: SystemClockFollower,
    shared: Arc<SharedEstimate>,
    reported_missing: bool,
    /// What was reported is that another chip answers.
    reported_refused: bool,
    shall_set_rtc: bool,
    rtc_was_set: bool,
    /// The RTC was set or stamped for that: what is saved is of before.
    save_after_set: bool,
    /// Receives the status after every step, and whether the RTC was set since the start.
    on_status: Box<dyn FnMut(TimeStatus, bool) + Send>,
}

/// When there is something to do with the RTC again.
enum Next {
    /// At once: the RTC has just been read.
    Now,
    /// At the search that was planned.
    Search(Instant<Raw>),
    /// Not within the longest rest.
    Rest,
}

impl ClockTask {
    /// Begins with what the last run saved, and publishes to `shared`.
    pub fn new(devices: ClockDevices, saved: Option<SavedTime>, shared: Arc<SharedEstimate>) -> Self {
        let now = devices.clocks.raw();
        Self {
            devices,
            timekeeper: Timekeeper::new(saved),
            rtc: None,
            module: None,
            retry_at: now,
            retry_after: FIRST_RETRY,
            planned: None,
            status_at: now,
            temperature_at: now,
            servo_at: now,
            save_at: now + FIRST_SAVE,
            servo: SystemClockServo::default(),
            system: SystemClockFollower::default(),
            shared,
            reported_missing: false,
            reported_refused: false,
            shall_set_rtc: false,
            rtc_was_set: false,
            save_after_set: false,
            on_status: Box::new(|_, _| {}),
        }
    }

    /// Also saves in the memory on the clock module, and begins with what that holds if it is
    /// newer.
    pub fn save_in_module(&mut self, module: ModuleMemory) {
        self.module = Some(module);
    }

    /// Reports the status, and whether the RTC was set since the start, after every step.
    pub fn report_to(&mut self, on_status: impl FnMut(TimeStatus, bool) + Send + 'static) {
        self.on_status = Box::new(on_status);
    }

    /// Saves what must survive the run.
    fn save(&mut self) {
        let now = self.devices.clocks.raw();
        if let Some(saved) = self.timekeeper.save(now) {
            (self.devices.persist)(&saved);
        }
    }

    /// Returns everything that is reported.
    pub fn status(&self) -> TimeStatus {
        self.timekeeper.status(self.devices.clocks.raw(), &self.shared.output())
    }

    /// Returns the timekeeper, for its details.
    pub fn timekeeper(&self) -> &Timekeeper {
        &self.timekeeper
    }

    fn hear_references(&mut self) {
        while let Ok(event) = self.devices.events.try_recv() {
            match event {
                ReferenceEvent::Sample(sample) => self.timekeeper.sample(&sample),
                // The source's own thread has logged it.
                ReferenceEvent::Trouble { source, reason } => self.timekeeper.trouble(source, reason),
            }
        }
    }

    fn hear_neighbours(&mut self) {
        let Some(ride) = &self.devices.ride else { return };
        let now = self.devices.clocks.raw();
        while let Ok(command) = ride.commands.try_recv() {
            self.timekeeper.group_command(now, &command);
        }
    }

    fn publish(&mut self) {
        let pair = ClockPair::read(self.devices.clocks.as_ref());
        let fallback = self.system.update(pair);
        let best = self.timekeeper.update(pair.raw, &fallback);
        self.shared.publish(pair.raw, best);
        if let Some(ride) = &self.devices.ride {
            *ride.view.lock().unwrap_or_else(PoisonError::into_inner) = self.timekeeper.view(pair.raw);
        }
        let stepped = self.shared.take_step().map(|by| Notice::Stepped { by });
        for notice in self.timekeeper.take_notices().into_iter().chain(stepped) {
            log_notice(&notice);
            if matches!(notice, Notice::Believed(_)) {
                self.save_at = self.save_at.min(pair.raw + FIRST_SAVE);
                self.module.iter_mut().for_each(|module| module.reference_believed(pair.raw));
            }
        }
    }

    /// Does what is due after the RTC was attended to.
    fn finish_round(&mut self) {
        self.publish();
        let now = self.devices.clocks.raw();
        if now >= self.servo_at {
            self.servo_at = now + SERVO_INTERVAL;
            self.steer_system_clock();
        }
        if self.save_after_set && !self.timekeeper.is_rebasing() {
            self.save_after_set = false;
            self.save();
            self.module.iter_mut().for_each(|module| module.rtc_was_written(now));
        }
        if now >= self.save_at {
            self.save_at = now + SAVE_INTERVAL;
            self.save();
        }
        self.consider_module(false);
    }

    /// Saves in the memory on the clock module if that is due.
    fn consider_module(&mut self, is_end: bool) {
        let now = self.devices.clocks.raw();
        let Some(module) = &mut self.module else { return };
        let mark = self.timekeeper.mark().map(|mark| mark.0);
        module.consider(now, is_end, mark, || self.timekeeper.to_save(now));
    }

    /// Uses a rest for the memory on the clock module, and returns what is left of it.
    fn use_rest(&mut self, rest: Span) -> Span {
        let Some(module) = self.module.as_mut().filter(|_| self.rtc.is_some()) else { return rest };
        module.work(self.devices.clocks.as_ref(), rest).unwrap_or(rest)
    }

    fn steer_system_clock(&mut self) {
        if self.timekeeper.best_utc(self.devices.clocks.raw()).is_none() {
            return;
        }
        let Some(clock) = &mut self.devices.system_clock else { return };
        let utc = self.shared.estimate().utc;
        let pair = ClockPair::read(self.devices.clocks.as_ref());
        let done = match self.servo.update(pair, &utc, self.shared.may_step()) {
            Action::Step { by } => {
                log::info!("the system clock is stepped by {:+.6} s", by.seconds());
                clock.step(by)
            }
            Action::Frequency { rate } => clock.set_frequency(rate),
        };
        if let Err(error) = done {
            log::warn!("{error}; the system clock is left alone from now on");
            self.devices.system_clock = None;
        }
    }
}

impl Task for ClockTask {
    type Command = ClockCommand;

    fn command(&mut self, command: ClockCommand) {
        match command {
            ClockCommand::SetRtc => self.shall_set_rtc = true,
        }
    }

    fn step(&mut self) -> Duration {
        let now = self.devices.clocks.raw();
        if let Some(plan) = self.planned {
            // Commanded meanwhile, or woken early.
            let rest = plan.begins() - now - LEAD;
            if rest > Span::ZERO {
                return self.use_rest(rest).to_duration().unwrap_or_default();
            }
            self.planned = None;
            if let Err(error) = self.search_edge(&plan) {
                self.lose_rtc(&error);
            }
            self.finish_round();
        }
        self.hear_references();
        self.hear_neighbours();
        self.publish();
        let next = if self.rtc.is_some() { self.follow_rtc() } else { self.find_rtc() };
        let next = next.unwrap_or_else(|error| {
            self.lose_rtc(&error);
            Next::Now
        });
        if !matches!(next, Next::Search(_)) {
            self.finish_round();
        }
        let status = self.status();
        (self.on_status)(status, self.rtc_was_set);
        let rest = match next {
            Next::Now => {
                if self.devices.second_edge.is_some() {
                    // The edge has just come, and an interrupt stamps the next one whatever the bus
                    // does.
                    self.use_rest(REST / 2);
                }
                Span::ZERO
            }
            Next::Rest => self.use_rest(REST),
            Next::Search(begins) => self.use_rest(begins - self.devices.clocks.raw() - LEAD),
        };
        rest.to_duration().unwrap_or_default()
    }

    fn end(&mut self) {
        self.save();
        let Some(module) = self.module.as_mut().filter(|_| self.rtc.is_some()) else { return };
        let until = module.finish_saving(self.devices.clocks.as_ref());
        self.consider_module(true);
        if let Some(module) = &mut self.module {
            module.finish(self.devices.clocks.as_ref(), until);
        }
    }
}

fn log_notice(notice: &Notice) {
    match notice {
        Notice::Believed(_) | Notice::RtcSet { .. } | Notice::Stepped { .. } => log::info!("{notice}"),
        _ => log::warn!("{notice}"),
    }
}
