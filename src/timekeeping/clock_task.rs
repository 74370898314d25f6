//! The clock's task: hunts the RTC's edges, hears the references, keeps the timekeeper and steers the system clock.
//!
//! One call of [`ClockTask::step`] does what is due and waits for at most a second or so. It is called in a loop by a
//! thread on a box, and by the simulation in virtual time; all it touches are the RTC, the clocks and the system clock,
//! through their traits.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use jaudiosync_hw::clocks::{ClockPair, Clocks, NS_PER_S};
use jaudiosync_hw::rtc::{ChipMark, Rtc, RtcError, RtcStatus, RtcTime, SecondEdge};
use jaudiosync_hw::system_clock::SystemClock;
use jaudiosync_time::{Rate, Span};

use super::edge_hunt::{Outcome, hunt};
use super::edge_tracker::{Edge, Look};
use super::notice::Notice;
use super::references::ReferenceEvent;
use super::saved::SavedTime;
use super::servo::{Action, SystemClockServo};
use super::source::SharedEstimate;
use super::status::TimeStatus;
use super::timekeeper::Timekeeper;
use super::trust::Reading;
use super::{SystemClockFollower, Timescale};

/// The longest that a step waits.
const STEP_NS: i64 = NS_PER_S;

/// How often temperature and flags are read: the chip measures its temperature as often (datasheet, "Temperature
/// Sensor").
const STATUS_NS: i64 = 64 * NS_PER_S;

/// How often the system clock is steered.
const SERVO_NS: i64 = 4 * NS_PER_S;

/// How often the calibration is written down: rarely, as SD cards wear out.
const SAVE_NS: i64 = 600 * NS_PER_S;

/// A clock that does not answer is asked again after a second, then after twice as long each time, up to a minute.
const FIRST_RETRY_NS: i64 = NS_PER_S;
const LAST_RETRY_NS: i64 = 64 * NS_PER_S;

/// An edge that an interrupt has stamped is known to this: the time until the kernel reads its clock.
const INTERRUPT_HALF_WIDTH_NS: i64 = 20_000;

/// For so long an edge of the 1 Hz output is waited for.
const SECOND_EDGE_TIMEOUT: Duration = Duration::from_millis(1200);

/// A transfer that fails is tried so often.
const TRIES: usize = 3;

/// Opens the RTC; called again and again while there is none.
pub type OpenRtc = Box<dyn FnMut() -> Result<Box<dyn Rtc>, RtcError> + Send>;

/// Writes down what is to be kept.
pub type Keep = Box<dyn FnMut(&SavedTime) + Send>;

/// What the task works with.
pub struct ClockDevices {
    /// The machine's clocks.
    pub clocks: Arc<dyn Clocks>,
    /// Opens the RTC; none where there is none.
    pub open_rtc: Option<OpenRtc>,
    /// The RTC's 1 Hz output, where it is wired: its edges then need no hunt.
    pub second_edge: Option<Box<dyn SecondEdge>>,
    /// The system clock, where it shall be set.
    pub system_clock: Option<Box<dyn SystemClock>>,
    /// What the references tell.
    pub events: Receiver<ReferenceEvent>,
    /// Where what is to be kept goes.
    pub keep: Keep,
    /// A number that no other box has, for the mark in the RTC.
    pub random: u32,
    /// Whether the RTC may be set when it is wrong and a reference has told the time.
    pub may_set_rtc: bool,
}

/// The clock's task.
pub struct ClockTask {
    devices: ClockDevices,
    keeper: Timekeeper,
    rtc: Option<Box<dyn Rtc>>,
    retry_raw_ns: i64,
    retry_after_ns: i64,
    /// The RTC's date when it was read last, with the raw clock.
    date: Option<(i64, i64)>,
    next_status_raw_ns: i64,
    next_servo_raw_ns: i64,
    next_save_raw_ns: i64,
    servo: SystemClockServo,
    system: SystemClockFollower,
    shared: Arc<SharedEstimate>,
    told_missing: bool,
    shall_set_rtc: bool,
    rtc_was_set: bool,
}

impl ClockTask {
    /// Begins with what was kept by the last run, and publishes to `shared`.
    pub fn new(devices: ClockDevices, saved: Option<SavedTime>, shared: Arc<SharedEstimate>) -> Self {
        let now_raw_ns = devices.clocks.raw_ns();
        Self {
            devices,
            keeper: Timekeeper::new(saved),
            rtc: None,
            retry_raw_ns: now_raw_ns,
            retry_after_ns: FIRST_RETRY_NS,
            date: None,
            next_status_raw_ns: now_raw_ns,
            next_servo_raw_ns: now_raw_ns,
            next_save_raw_ns: now_raw_ns.saturating_add(SAVE_NS / 10),
            servo: SystemClockServo::default(),
            system: SystemClockFollower::default(),
            shared,
            told_missing: false,
            shall_set_rtc: false,
            rtc_was_set: false,
        }
    }

    /// Does what is due, and waits until there is something to do again.
    pub fn step(&mut self) {
        while let Ok(event) = self.devices.events.try_recv() {
            match event {
                ReferenceEvent::Sample(sample) => self.keeper.sample(&sample),
                // The source's own thread has put it in the log.
                ReferenceEvent::Trouble { source, reason } => self.keeper.trouble(source, reason),
            }
        }
        self.publish();
        let waited = if self.rtc.is_some() { self.follow_rtc() } else { self.find_rtc() };
        match waited {
            Ok(true) => {}
            Ok(false) => self.rest(),
            Err(error) => self.lose_rtc(&error),
        }
        self.publish();
        let now_raw_ns = self.devices.clocks.raw_ns();
        if now_raw_ns >= self.next_servo_raw_ns {
            self.next_servo_raw_ns = now_raw_ns.saturating_add(SERVO_NS);
            self.steer_system_clock();
        }
        if now_raw_ns >= self.next_save_raw_ns {
            self.next_save_raw_ns = now_raw_ns.saturating_add(SAVE_NS);
            self.save();
        }
    }

    /// Writes down what is to be kept: also to be called before the end.
    pub fn save(&mut self) {
        let now_raw_ns = self.devices.clocks.raw_ns();
        if let Some(saved) = self.keeper.save(now_raw_ns) {
            (self.devices.keep)(&saved);
        }
    }

    /// Sets the RTC as soon as a reference has told the time, however right it is.
    pub fn set_rtc_when_possible(&mut self) {
        self.shall_set_rtc = true;
    }

    /// Whether the RTC was set since the start.
    pub fn rtc_was_set(&self) -> bool {
        self.rtc_was_set
    }

    /// Everything that is to be told.
    pub fn status(&self) -> TimeStatus {
        self.keeper.status(self.devices.clocks.raw_ns())
    }

    /// The timekeeper, for those who want to know more.
    pub fn keeper(&self) -> &Timekeeper {
        &self.keeper
    }

    fn rest(&self) {
        let now_raw_ns = self.devices.clocks.raw_ns();
        self.devices.clocks.sleep_until_raw(now_raw_ns.saturating_add(STEP_NS));
    }

    fn publish(&mut self) {
        let pair = ClockPair::read(self.devices.clocks.as_ref());
        let fallback = self.system.update(pair);
        // Where the correction was made meanwhile, the timekeeper follows.
        let was_stepped = self.shared.take_step();
        let update = self.keeper.update(pair.raw.ns(), &fallback, was_stepped);
        self.shared.set(update.estimate, update.corrected);
        if self.shared.take_step() {
            let update = self.keeper.update(pair.raw.ns(), &fallback, true);
            self.shared.set(update.estimate, update.corrected);
        }
        for notice in self.keeper.take_notices() {
            tell(&notice);
            if matches!(notice, Notice::Believed(_)) {
                // A contact may be short: what it taught shall not be lost with the power.
                self.next_save_raw_ns = self.next_save_raw_ns.min(pair.raw.ns().saturating_add(SAVE_NS / 10));
            }
        }
    }

    /// Looks for the RTC, if it is time to. Says whether it has waited.
    fn find_rtc(&mut self) -> Result<bool, RtcError> {
        let now_raw_ns = self.devices.clocks.raw_ns();
        let Some(open) = &mut self.devices.open_rtc else { return Ok(false) };
        if now_raw_ns < self.retry_raw_ns {
            return Ok(false);
        }
        let mut rtc = open()?;
        let status = retry(|| rtc.read_status())?;
        let Reading { time, has_century_bit } = Reading::new(retry(|| rtc.read_time())?);
        let now_raw_ns = self.devices.clocks.raw_ns();
        self.remember_date(time, now_raw_ns);
        if self.keeper.tracker().is_some() {
            self.keeper.rtc_status(now_raw_ns, status);
        } else {
            self.keeper.rtc_appeared(time, status, rtc.is_writable());
        }
        self.keeper.rtc_century(has_century_bit);
        self.next_status_raw_ns = now_raw_ns.saturating_add(STATUS_NS);
        self.retry_after_ns = FIRST_RETRY_NS;
        self.told_missing = false;
        self.rtc = Some(rtc);
        Ok(true)
    }

    fn lose_rtc(&mut self, error: &RtcError) {
        if !self.told_missing {
            log::warn!("{error}; going on without the RTC, and trying again");
            self.told_missing = true;
        }
        self.rtc = None;
        self.keeper.rtc_silent();
        self.retry_raw_ns = self.devices.clocks.raw_ns().saturating_add(self.retry_after_ns);
        self.retry_after_ns = (2 * self.retry_after_ns).min(LAST_RETRY_NS);
    }

    /// Hunts the next edge and does what else is due with the RTC. Says whether it has waited.
    fn follow_rtc(&mut self) -> Result<bool, RtcError> {
        let now_raw_ns = self.devices.clocks.raw_ns();
        let Some(rtc) = &mut self.rtc else { return Ok(false) };
        if now_raw_ns >= self.next_status_raw_ns {
            self.next_status_raw_ns = now_raw_ns.saturating_add(STATUS_NS);
            let status = retry(|| rtc.read_status())?;
            let reading = Reading::new(retry(|| rtc.read_time())?);
            self.check_date(reading.time, status);
            self.keeper.rtc_century(reading.has_century_bit);
            self.mark()?;
        }
        if self.devices.may_set_rtc && self.keeper.wants_to_set_rtc(now_raw_ns, self.shall_set_rtc) {
            self.set_rtc()?;
            return Ok(true);
        }
        if self.devices.second_edge.is_some() { self.await_edge() } else { self.hunt_edge() }
    }

    /// Looks for the next edge over the bus.
    fn hunt_edge(&mut self) -> Result<bool, RtcError> {
        let (Some(rtc), Some(tracker)) = (&mut self.rtc, self.keeper.tracker()) else { return Ok(false) };
        let now_raw_ns = self.devices.clocks.raw_ns();
        let plan = tracker.plan(now_raw_ns);
        if plan.from_raw_ns.saturating_sub(now_raw_ns) > 5 * STEP_NS / 4 {
            return Ok(false);
        }
        let hunt = hunt(rtc.as_mut(), self.devices.clocks.as_ref(), &plan, tracker.transfer_ns());
        if hunt.quickest_ns < i64::MAX {
            tracker.hunted(self.devices.clocks.raw_ns(), hunt.busy_ns, hunt.quickest_ns);
        }
        match hunt.outcome {
            Outcome::Failed(error) => return Err(error),
            Outcome::Missed => tracker.missed(),
            Outcome::Edge { second, raw_ns, half_width_ns } => self.take_edge(second, raw_ns, half_width_ns),
            Outcome::Look { second, raw_ns, give_or_take_ns } => {
                let expected = tracker.rough_map().map(|map| nearest_second(&map, raw_ns));
                // The look fell before the edge, or behind it: any other second is a jump.
                let seen = expected.and_then(|rtc_s| match i64::from(second) {
                    begun if begun == rtc_s.rem_euclid(60) => Some((rtc_s, true)),
                    before if before == (rtc_s - 1).rem_euclid(60) => Some((rtc_s, false)),
                    _ => None,
                });
                match seen {
                    Some((rtc_s, has_begun)) => {
                        tracker.looked(Look { rtc_s, has_begun, raw_ns, give_or_take_ns }, plan.from_raw_ns);
                        self.keeper.rtc_answered();
                    }
                    None => self.doubt_rtc(raw_ns),
                }
            }
        }
        Ok(true)
    }

    /// Waits for the next edge of the 1 Hz output.
    fn await_edge(&mut self) -> Result<bool, RtcError> {
        let (Some(rtc), Some(second_edge)) = (&mut self.rtc, &mut self.devices.second_edge) else { return Ok(false) };
        let trouble = match second_edge.wait_edge(SECOND_EDGE_TIMEOUT) {
            Ok(Some(edge)) => {
                let raw_ns = edge.ns();
                // Which second has begun, the chip itself must tell; there is most of a second for it.
                let second = retry(|| rtc.read_second())?;
                self.take_edge(second, raw_ns, INTERRUPT_HALF_WIDTH_NS);
                return Ok(true);
            }
            Ok(None) => "no edge comes from the RTC's 1 Hz output; check the wire".to_owned(),
            Err(error) => error.to_string(),
        };
        log::warn!("{trouble}. Its edges are read over I2C instead");
        self.devices.second_edge = None;
        Ok(true)
    }

    fn take_edge(&mut self, second: u8, raw_ns: i64, half_width_ns: i64) {
        let Some(tracker) = self.keeper.tracker() else { return };
        let rough = tracker.rough_map().filter(|_| !tracker.is_in_doubt());
        match rtc_second(second, raw_ns, rough, self.date) {
            Some(rtc_s) => self.keeper.edge(Edge { rtc_s, raw_ns, half_width_ns }),
            None => self.doubt_rtc(raw_ns),
        }
    }

    /// The RTC shows another second than is expected: it was set. Its date is read next.
    fn doubt_rtc(&mut self, now_raw_ns: i64) {
        if let Some(tracker) = self.keeper.tracker() {
            tracker.doubt();
        }
        self.next_status_raw_ns = now_raw_ns;
    }

    fn remember_date(&mut self, time: RtcTime, raw_ns: i64) {
        // A clock without a date still has seconds: any date will do to count from.
        let utc_s = if let RtcTime::Valid { rtc_s } = time { rtc_s } else { 0 };
        self.date = Some((utc_s, raw_ns));
    }

    fn check_date(&mut self, time: RtcTime, status: RtcStatus) {
        let now_raw_ns = self.devices.clocks.raw_ns();
        self.remember_date(time, now_raw_ns);
        self.keeper.rtc_status(now_raw_ns, status);
        let (RtcTime::Valid { rtc_s: utc_s }, Some(tracker)) = (time, self.keeper.tracker()) else { return };
        if let Some(map) = tracker.map() {
            let expected_s = map.utc_ns(now_raw_ns).div_euclid(NS_PER_S);
            if (utc_s - expected_s).abs() > 1 {
                tracker.doubt();
            }
        }
    }

    /// Marks a chip that was calibrated, so that another one is told from it.
    fn mark(&mut self) -> Result<(), RtcError> {
        let Some(rtc) = &mut self.rtc else { return Ok(()) };
        let is_calibrated =
            self.keeper.best_timescale(self.devices.clocks.raw_ns()).is_some() && self.keeper.has_heard_reference();
        if !rtc.is_writable() || self.keeper.is_marked() || !is_calibrated {
            return Ok(());
        }
        let mark = new_mark(self.devices.random);
        if self.keeper.mark() != Some(mark) {
            retry(|| rtc.write_mark(mark))?;
            self.keeper.rtc_was_marked(mark);
        }
        self.save();
        Ok(())
    }

    /// Sets the RTC as a second begins.
    fn set_rtc(&mut self) -> Result<(), RtcError> {
        let now_raw_ns = self.devices.clocks.raw_ns();
        let (Some(rtc), Some(timescale)) = (&mut self.rtc, self.keeper.best_timescale(now_raw_ns)) else {
            return Ok(());
        };
        let utc_s = timescale.utc_ns(now_raw_ns).div_euclid(NS_PER_S) + 1;
        self.devices.clocks.sleep_until_raw(timescale.raw_ns(utc_s.saturating_mul(NS_PER_S)));
        // Not tried again: a moment later would be another time. The next round does.
        rtc.set_time(utc_s)?;
        let status = retry(|| rtc.read_status())?;
        log::info!("the RTC was set from the reference");
        self.shall_set_rtc = false;
        self.rtc_was_set = true;
        let now_raw_ns = self.devices.clocks.raw_ns();
        self.remember_date(RtcTime::Valid { rtc_s: utc_s }, now_raw_ns);
        self.keeper.rtc_was_set(status);
        Ok(())
    }

    fn steer_system_clock(&mut self) {
        let Some(clock) = &mut self.devices.system_clock else { return };
        let now_raw_ns = self.devices.clocks.raw_ns();
        if self.keeper.best_timescale(now_raw_ns).is_none() {
            return;
        }
        let estimate = super::source::UtcSource::estimate(self.shared.as_ref());
        let pair = ClockPair::read(self.devices.clocks.as_ref());
        let done = match self.servo.update(pair, &estimate.timescale, self.shared.may_step()) {
            Action::Step { by_ns } => {
                log::info!("the system clock is stepped by {:+.6} s", by_ns as f64 * 1e-9);
                clock.step(Span::from_ns(by_ns))
            }
            Action::Frequency { ppb } => clock.set_frequency(Rate::from_ppb(ppb)),
        };
        if let Err(error) = done {
            log::warn!("{error}; the system clock is left alone from now on");
            self.devices.system_clock = None;
        }
    }
}

/// Which second an edge begins: the one whose last digits are those, where one is expected; else the nearest to the
/// date that was read.
fn rtc_second(second: u8, raw_ns: i64, rough: Option<Timescale>, date: Option<(i64, i64)>) -> Option<i64> {
    let second = i64::from(second);
    if let Some(map) = rough {
        let expected_s = nearest_second(&map, raw_ns);
        return (expected_s.rem_euclid(60) == second).then_some(expected_s);
    }
    let (utc_s, read_raw_ns) = date?;
    let guess_s = utc_s.saturating_add(raw_ns.saturating_sub(read_raw_ns).div_euclid(NS_PER_S));
    // From half a minute before the guess to half a minute after.
    let ahead_s = (second - guess_s.rem_euclid(60) + 30).rem_euclid(60) - 30;
    Some(guess_s.saturating_add(ahead_s))
}

/// The second whose beginning is nearest.
fn nearest_second(rtc: &Timescale, raw_ns: i64) -> i64 {
    rtc.utc_ns(raw_ns).saturating_add(NS_PER_S / 2).div_euclid(NS_PER_S)
}

/// A mark that the alarm's registers can hold as a time of a day of a month: they are binary-coded decimals.
fn new_mark(random: u32) -> ChipMark {
    let bcd = |value: u32| ((value / 10 * 16) + value % 10) as u8;
    let day = 1 + random / (60 * 60 * 24) % 28;
    ChipMark([bcd(random % 60), bcd(random / 60 % 60), bcd(random / 3600 % 24), bcd(day)])
}

fn retry<T>(mut transfer: impl FnMut() -> Result<T, RtcError>) -> Result<T, RtcError> {
    let mut result = transfer();
    for _ in 1..TRIES {
        if result.is_ok() {
            break;
        }
        result = transfer();
    }
    result
}

fn tell(notice: &Notice) {
    match notice {
        Notice::Believed(_) => log::info!("{notice}"),
        _ => log::warn!("{notice}"),
    }
}
