//! The clock's task: finds the RTC's edges, receives the references' samples, runs the timekeeper
//! and steers the system clock.
//!
//! One call of [`step`](Task::step) does what is due and returns how long there is nothing to do. A
//! worker's thread calls it on a box, and the simulation in virtual time; it touches only the RTC,
//! the clocks and the system clock, through their traits. Within a step it waits only for the last
//! moments before a read, for the transfers themselves, and for an edge of the 1 Hz output.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use jaudiosync_hw::clocks::{ClockPair, Clocks};
use jaudiosync_hw::rtc::{ChipMark, Rtc, RtcError, RtcTime, SecondEdge};
use jaudiosync_hw::system_clock::SystemClock;
use jaudiosync_time::{Instant, Raw, Span};

use super::estimate::timekeeper::{Seen, Timekeeper};
use super::notice::Notice;
use super::published::{SharedEstimate, UtcSource};
use super::references::ReferenceEvent;
use super::rtc::edge_search::{Outcome, SearchPlan, search};
use super::rtc::trust::Reading;
use super::saved::SavedTime;
use super::status::TimeStatus;
use super::system_clock::SystemClockFollower;
use super::system_clock::servo::{Action, SystemClockServo};
use crate::worker::Task;

/// The longest rest between two steps.
const REST: Span = Span::SECOND;

/// A search that begins later than this is planned again when it is nearer.
const PLAN_AHEAD: Span = Span::from_ms(1_250);

/// A step waits at most this long for a search, and the thread sleeps until then: it may wake late.
const LEAD: Span = Span::from_ms(2);

/// How often temperature and flags are read: the chip measures its temperature at the same interval
/// (datasheet, "Temperature Sensor").
const STATUS_INTERVAL: Span = Span::from_seconds(64);

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

/// An edge that an interrupt has stamped is known to this: the time until the kernel reads its
/// clock.
const INTERRUPT_HALF_WIDTH: Span = Span::from_us(20);

/// How long to wait for an edge of the 1 Hz output.
const SECOND_EDGE_TIMEOUT: Duration = Duration::from_millis(1200);

/// Attempts per transfer.
const ATTEMPTS: usize = 3;

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
    retry_at: Instant<Raw>,
    retry_after: Span,
    /// The next search, which has not begun yet.
    planned: Option<SearchPlan>,
    status_at: Instant<Raw>,
    servo_at: Instant<Raw>,
    save_at: Instant<Raw>,
    servo: SystemClockServo,
    system: SystemClockFollower,
    shared: Arc<SharedEstimate>,
    reported_missing: bool,
    shall_set_rtc: bool,
    rtc_was_set: bool,
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
            retry_at: now,
            retry_after: FIRST_RETRY,
            planned: None,
            status_at: now,
            servo_at: now,
            save_at: now + FIRST_SAVE,
            servo: SystemClockServo::default(),
            system: SystemClockFollower::default(),
            shared,
            reported_missing: false,
            shall_set_rtc: false,
            rtc_was_set: false,
            on_status: Box::new(|_, _| {}),
        }
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

    fn publish(&mut self) {
        let pair = ClockPair::read(self.devices.clocks.as_ref());
        let fallback = self.system.update(pair);
        let best = self.timekeeper.update(pair.raw, &fallback);
        self.shared.publish(pair.raw, best);
        let stepped = self.shared.take_step().map(|by| Notice::Stepped { by });
        for notice in self.timekeeper.take_notices().into_iter().chain(stepped) {
            log_notice(&notice);
            if matches!(notice, Notice::Believed(_)) {
                self.save_at = self.save_at.min(pair.raw + FIRST_SAVE);
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
        if now >= self.save_at {
            self.save_at = now + SAVE_INTERVAL;
            self.save();
        }
    }

    /// Tries to open the RTC, if it is time to.
    fn find_rtc(&mut self) -> Result<Next, RtcError> {
        let now = self.devices.clocks.raw();
        let Some(open) = &mut self.devices.open_rtc else { return Ok(Next::Rest) };
        if now < self.retry_at {
            return Ok(Next::Rest);
        }
        let mut rtc = open()?;
        let status = retry(|| rtc.read_status())?;
        let reading = Reading::new(retry(|| rtc.read_time())?);
        let now = self.devices.clocks.raw();
        self.timekeeper.rtc_found(reading, status, rtc.is_writable(), now);
        self.status_at = now + STATUS_INTERVAL;
        self.retry_after = FIRST_RETRY;
        self.reported_missing = false;
        self.rtc = Some(rtc);
        Ok(Next::Now)
    }

    fn lose_rtc(&mut self, error: &RtcError) {
        if !self.reported_missing {
            log::warn!("{error}; going on without the RTC, and trying to open it again");
            self.reported_missing = true;
        }
        self.rtc = None;
        self.planned = None;
        self.timekeeper.rtc_silent();
        self.retry_at = self.devices.clocks.raw() + self.retry_after;
        self.retry_after = (self.retry_after * 2).min(LAST_RETRY);
    }

    /// Does what is due with the RTC, and plans the search for the next edge or waits for it.
    fn follow_rtc(&mut self) -> Result<Next, RtcError> {
        let now = self.devices.clocks.raw();
        let Some(rtc) = &mut self.rtc else { return Ok(Next::Rest) };
        if now >= self.status_at {
            self.status_at = now + STATUS_INTERVAL;
            let status = retry(|| rtc.read_status())?;
            let reading = Reading::new(retry(|| rtc.read_time())?);
            self.timekeeper.rtc_read(reading, status, self.devices.clocks.raw());
            self.mark()?;
        }
        if self.devices.may_set_rtc && self.timekeeper.wants_to_set_rtc(now, self.shall_set_rtc) {
            self.set_rtc()?;
            return Ok(Next::Now);
        }
        if self.devices.second_edge.is_some() {
            return self.await_edge();
        }
        let now = self.devices.clocks.raw();
        let plan = self.timekeeper.plan(now).filter(|plan| plan.begins() - now <= PLAN_AHEAD);
        self.planned = plan;
        Ok(plan.map_or(Next::Rest, |plan| Next::Search(plan.begins())))
    }

    /// Searches for the edge as planned.
    fn search_edge(&mut self, plan: &SearchPlan) -> Result<(), RtcError> {
        let Some(rtc) = &mut self.rtc else { return Ok(()) };
        let found = search(rtc.as_mut(), self.devices.clocks.as_ref(), plan);
        let now = self.devices.clocks.raw();
        let seen = self.timekeeper.searched(now, plan, &found);
        self.heed(seen, now);
        match found.outcome {
            Outcome::Failed(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for the next edge of the 1 Hz output.
    fn await_edge(&mut self) -> Result<Next, RtcError> {
        let (Some(rtc), Some(second_edge)) = (&mut self.rtc, &mut self.devices.second_edge) else {
            return Ok(Next::Rest);
        };
        let trouble = match second_edge.wait_edge(SECOND_EDGE_TIMEOUT) {
            Ok(Some(at)) => {
                // Only the chip itself shows which second has begun; there is most of a second to
                // read it.
                let second = retry(|| rtc.read_second())?;
                let seen = self.timekeeper.edge(second, at, INTERRUPT_HALF_WIDTH);
                self.heed(seen, at);
                return Ok(Next::Now);
            }
            Ok(None) => "there is no edge from the RTC's 1 Hz output; check the wire".to_owned(),
            Err(error) => error.to_string(),
        };
        log::warn!("{trouble}. Reading its edges over I2C instead");
        self.devices.second_edge = None;
        Ok(Next::Now)
    }

    /// Reads the date next if the RTC shows what was not expected.
    fn heed(&mut self, seen: Seen, at: Instant<Raw>) {
        if seen == Seen::Doubtful {
            self.status_at = at;
        }
    }

    /// Marks a chip that was calibrated, so that it can be distinguished from another one.
    fn mark(&mut self) -> Result<(), RtcError> {
        let Some(rtc) = &mut self.rtc else { return Ok(()) };
        let is_calibrated =
            self.timekeeper.best_utc(self.devices.clocks.raw()).is_some() && self.timekeeper.has_heard_reference();
        if !rtc.is_writable() || self.timekeeper.is_marked() || !is_calibrated {
            return Ok(());
        }
        let mark = new_mark(self.devices.random);
        if self.timekeeper.mark() != Some(mark) {
            retry(|| rtc.write_mark(mark))?;
            self.timekeeper.rtc_was_marked(mark);
        }
        self.save();
        Ok(())
    }

    /// Sets the RTC as a second begins.
    fn set_rtc(&mut self) -> Result<(), RtcError> {
        let now = self.devices.clocks.raw();
        let (Some(rtc), Some(utc)) = (&mut self.rtc, self.timekeeper.best_utc(now)) else { return Ok(()) };
        let second = utc.apply(now).second().saturating_add(1);
        self.devices.clocks.sleep_until(utc.inverse().apply(Instant::from_second(second)));
        // Not tried again: a moment later the time would be different. The next round sets it.
        rtc.set_time(second)?;
        let status = retry(|| rtc.read_status())?;
        log::info!("the RTC was set from the reference");
        self.shall_set_rtc = false;
        self.rtc_was_set = true;
        self.timekeeper.rtc_was_set(status);
        self.timekeeper.rtc_date(RtcTime::Valid { rtc_s: second }, self.devices.clocks.raw());
        Ok(())
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
            if let Some(rest) = rest.to_duration().filter(|rest| !rest.is_zero()) {
                return rest;
            }
            self.planned = None;
            if let Err(error) = self.search_edge(&plan) {
                self.lose_rtc(&error);
            }
            self.finish_round();
        }
        self.hear_references();
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
            Next::Now => Span::ZERO,
            Next::Rest => REST,
            Next::Search(begins) => begins - self.devices.clocks.raw() - LEAD,
        };
        rest.to_duration().unwrap_or_default()
    }

    fn end(&mut self) {
        self.save();
    }
}

/// Makes a mark that the alarm's registers can hold as a time of a day of a month: they are
/// binary-coded decimals.
fn new_mark(random: u32) -> ChipMark {
    let bcd = |value: u32| ((value / 10 * 16) + value % 10) as u8;
    let day = 1 + random / (60 * 60 * 24) % 28;
    ChipMark([bcd(random % 60), bcd(random / 60 % 60), bcd(random / 3600 % 24), bcd(day)])
}

fn retry<T>(mut transfer: impl FnMut() -> Result<T, RtcError>) -> Result<T, RtcError> {
    let mut result = transfer();
    for _ in 1..ATTEMPTS {
        if result.is_ok() {
            break;
        }
        result = transfer();
    }
    result
}

fn log_notice(notice: &Notice) {
    match notice {
        Notice::Believed(_) => log::info!("{notice}"),
        _ => log::warn!("{notice}"),
    }
}
