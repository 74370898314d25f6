//! The part of the task that attends to the RTC: opening it, reading it, finding its edges, setting
//! and marking it.

use std::time::Duration;

use jaudiosync_hw::rtc::{Chip, ChipMark, ChipStamp, RtcError, RtcStatus, RtcTime};
use jaudiosync_time::{Instant, Raw, Span};

use super::{ClockTask, FIRST_RETRY, LAST_RETRY, Next, log_notice};
use crate::timekeeping::estimate::timekeeper::{FoundChip, Seen, Timekeeper, Upkeep};
use crate::timekeeping::notice::Notice;
use crate::timekeeping::rtc::edge_search::{Outcome, SearchPlan, search};
use crate::timekeeping::rtc::mark::{is_mark, new_mark};
use crate::timekeeping::rtc::stamp::Quality;
use crate::timekeeping::rtc::trust::Reading;

/// How often temperature and flags are read: the chip measures its temperature at the same interval
/// (datasheet, "Temperature Sensor").
const STATUS_INTERVAL: Span = Span::from_seconds(64);

/// An edge that an interrupt has stamped is known to this: the time until the kernel reads its
/// clock.
const INTERRUPT_HALF_WIDTH: Span = Span::from_us(20);

/// How often the temperature alone is read, to see whether the chip measures it more often than that.
const TEMPERATURE_INTERVAL: Span = Span::from_seconds(8);

/// On a slow bus it is read more seldom, so that it takes no more than this part of the time: one in
/// so many.
const TEMPERATURE_BUS_SHARE: i64 = 1000;

/// A write that begins later than this misses its second.
const LATE_WRITE: Span = Span::from_us(400);

/// How long to wait for an edge of the 1 Hz output.
const SECOND_EDGE_TIMEOUT: Duration = Duration::from_millis(1200);

/// Attempts per transfer.
const ATTEMPTS: usize = 3;

/// A search that begins later than this is planned again when it is nearer.
const PLAN_AHEAD: Span = Span::from_ms(1_250);

impl ClockTask {
    /// Tries to open the RTC, if it is time to.
    pub(super) fn find_rtc(&mut self) -> Result<Next, RtcError> {
        let now = self.devices.clocks.raw();
        let Some(open) = &mut self.devices.open_rtc else { return Ok(Next::Rest) };
        if now < self.retry_at {
            return Ok(Next::Rest);
        }
        let mut rtc = open()?;
        let status = retry(|| rtc.read_status())?;
        self.open_module(status, rtc.is_writable());
        let reading = Reading::new(retry(|| rtc.read_time())?);
        let now = self.devices.clocks.raw();
        let found = FoundChip { chip: rtc.chip(), is_writable: rtc.is_writable() };
        if found.chip == Chip::Ds3231 {
            log::info!("a DS3231 answers");
        } else {
            log::warn!("a {} stands in for the DS3231, as the environment says: for tests alone", found.chip);
        }
        self.timekeeper.rtc_found(found, reading, status, now);
        self.status_at = now + STATUS_INTERVAL;
        self.retry_after = FIRST_RETRY;
        self.reported_missing = false;
        self.reported_refused = false;
        self.rtc = Some(rtc);
        Ok(Next::Now)
    }

    /// Opens the memory beside the RTC, and begins with its calibration if that is newer.
    fn open_module(&mut self, status: RtcStatus, is_writable: bool) {
        let Some(module) = &mut self.module else { return };
        if !is_writable {
            // A driver of the kernel has the RTC, and may have its memory, too.
            return module.close(true);
        }
        let newer = module.open(&status, self.timekeeper.saved(), self.devices.clocks.as_ref());
        if newer.is_some_and(|newer| self.timekeeper.begin_with(newer, status.mark)) {
            log::info!(
                "the calibration in the clock module's EEPROM is used: the state folder has none of this chip that is \
                 newer"
            );
        }
    }

    pub(super) fn lose_rtc(&mut self, error: &RtcError) {
        let is_refused = matches!(error, RtcError::WrongChip(_) | RtcError::UnknownChip { .. });
        if !self.reported_missing || is_refused && !self.reported_refused {
            log::warn!("{error}; going on without the RTC, and trying to open it again");
            self.reported_missing = true;
            self.reported_refused = is_refused;
        }
        self.rtc = None;
        self.planned = None;
        self.module.iter_mut().for_each(|module| module.close(is_refused));
        self.timekeeper.rtc_silent();
        match error {
            RtcError::WrongChip(chip) => self.timekeeper.rtc_refused(*chip, error.to_string()),
            RtcError::UnknownChip { .. } => self.timekeeper.rtc_refused(Chip::Unknown, error.to_string()),
            _ => {}
        }
        self.retry_at = self.devices.clocks.raw() + self.retry_after;
        self.retry_after = (self.retry_after * 2).min(LAST_RETRY);
    }

    /// Does what is due with the RTC, and plans the search for the next edge or waits for it.
    pub(super) fn follow_rtc(&mut self) -> Result<Next, RtcError> {
        let now = self.devices.clocks.raw();
        let Some(rtc) = &mut self.rtc else { return Ok(Next::Rest) };
        if now >= self.status_at {
            self.status_at = now + STATUS_INTERVAL;
            let status = retry(|| rtc.read_status())?;
            let reading = Reading::new(retry(|| rtc.read_time())?);
            self.timekeeper.rtc_read(reading, status, self.devices.clocks.raw());
            self.mark()?;
        } else if now >= self.temperature_at && self.timekeeper.watches_temperature(now) {
            let status = retry(|| rtc.read_status())?;
            let ended = self.devices.clocks.raw();
            self.timekeeper.rtc_temperature(status.temperature_c, ended);
            self.temperature_at = ended + ((ended - now) * TEMPERATURE_BUS_SHARE).max(TEMPERATURE_INTERVAL);
        }
        if self.devices.may_set_rtc {
            match self.timekeeper.upkeep(now, self.shall_set_rtc) {
                Upkeep::Nothing => {}
                Upkeep::Time { quality, was_right, is_fine, off } => {
                    self.set_rtc(quality, was_right, is_fine, off)?;
                    return Ok(Next::Now);
                }
                Upkeep::Stamp(stamp) => self.stamp(stamp)?,
            }
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
    pub(super) fn search_edge(&mut self, plan: &SearchPlan) -> Result<(), RtcError> {
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

    /// Marks a chip that was calibrated, so that it can be distinguished from another one. One that has
    /// a mark keeps it.
    fn mark(&mut self) -> Result<(), RtcError> {
        let Some(rtc) = self.rtc.as_mut().filter(|_| self.devices.may_set_rtc) else { return Ok(()) };
        let is_calibrated =
            self.timekeeper.best_utc(self.devices.clocks.raw()).is_some() && self.timekeeper.has_heard_reference();
        if !rtc.is_writable() || self.timekeeper.is_marked() || !is_calibrated {
            return Ok(());
        }
        let mark = mark_for(&self.timekeeper, self.devices.random);
        if self.timekeeper.mark() != Some(mark) {
            retry(|| rtc.write_mark(mark))?;
            self.timekeeper.rtc_was_marked(mark);
        }
        self.save();
        Ok(())
    }

    /// Stamps the chip, and saves that with the calibration.
    fn stamp(&mut self, stamp: ChipStamp) -> Result<(), RtcError> {
        let Some(rtc) = &mut self.rtc else { return Ok(()) };
        retry(|| rtc.write_stamp(stamp))?;
        self.timekeeper.rtc_was_stamped(stamp);
        self.save();
        let now = self.devices.clocks.raw();
        self.module.iter_mut().for_each(|module| module.rtc_was_written(now));
        Ok(())
    }

    /// Sets the RTC as a second begins. Where that must be met exactly, nothing is written if this
    /// thread wakes too late, several times.
    fn set_rtc(
        &mut self,
        quality: Option<Quality>,
        was_right: bool,
        is_fine: bool,
        off: Option<Span>,
    ) -> Result<(), RtcError> {
        let now = self.devices.clocks.raw();
        let Some(utc) = self.timekeeper.best_utc(now) else { return Ok(()) };
        // What the RTC will show.
        let shown = Instant::from_second(utc.apply(now).second());
        let none = self.timekeeper.no_stamp();
        let stamp = quality.map_or(none, |quality| self.timekeeper.new_stamp(shown, quality));
        // Each byte counts from its acknowledgement on: a power cut after that of the seconds must
        // not leave the new phase with the old stamp, under which a calibration was saved.
        let stamp_before = if was_right { stamp } else { none };
        let Some(rtc) = &mut self.rtc else { return Ok(()) };
        retry(|| rtc.write_stamp(stamp_before))?;
        self.timekeeper.rtc_was_stamped(stamp_before);
        let Some((second, at)) = self.await_second(is_fine) else {
            self.timekeeper.put_off_setting(self.devices.clocks.raw());
            self.save_after_set = true;
            return Ok(());
        };
        let Some(rtc) = &mut self.rtc else { return Ok(()) };
        let mark = mark_for(&self.timekeeper, self.devices.random);
        // Not tried again: a moment later the time would be different. The next round sets it.
        rtc.set_time_with(second, mark, stamp)?;
        self.timekeeper.rtc_was_marked(mark);
        self.timekeeper.rtc_was_stamped(stamp);
        let status = retry(|| rtc.read_status())?;
        log_notice(&Notice::RtcSet { off: off.filter(|off| *off < Span::HOUR) });
        self.shall_set_rtc = false;
        self.rtc_was_set = true;
        self.save_after_set = true;
        self.timekeeper.rtc_was_set(status, second, at);
        self.timekeeper.rtc_date(RtcTime::Valid { rtc_s: second }, self.devices.clocks.raw());
        Ok(())
    }

    /// Waits until a second must be written in order to begin when it should. Returns that second,
    /// and when it begins.
    fn await_second(&self, is_fine: bool) -> Option<(i64, Instant<Raw>)> {
        let clocks = self.devices.clocks.as_ref();
        let lead = self.timekeeper.write_lead();
        let mut due = None;
        for _ in 0..ATTEMPTS {
            let now = clocks.raw();
            let utc = self.timekeeper.best_utc(now)?;
            let second = utc.apply(now + lead).second().saturating_add(1);
            let at = utc.inverse().apply(Instant::from_second(second));
            clocks.sleep_until(at - lead);
            due = Some((second, at));
            if clocks.raw() - (at - lead) < LATE_WRITE {
                return due;
            }
        }
        due.filter(|_| !is_fine)
    }
}

/// Returns the mark that the chip is to have: its own if it has one, which may be all by which what
/// is saved elsewhere is known to belong to it.
fn mark_for(timekeeper: &Timekeeper, random: u32) -> ChipMark {
    let is_kept = |mark: &ChipMark| timekeeper.is_marked() || is_mark(*mark);
    timekeeper.mark().filter(is_kept).unwrap_or_else(|| new_mark(random))
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
