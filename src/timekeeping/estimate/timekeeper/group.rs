//! How the timekeeper handles the time of the group that the box is in.

use jaudiosync_hw::rtc::RtcStatus;
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Rtc, Span, Utc};

use super::Timekeeper;
use crate::timekeeping::estimate::calibration::FlywheelModel;
use crate::timekeeping::estimate::group::{GroupClock, GroupCommand, GroupEstimate, GroupId};
use crate::timekeeping::status::{Estimate, TimeState};

/// A box that is alone leaves its group's time if it is this far from UTC by a reference that it
/// hears now: that would be heard by everybody else.
const HEARD: Span = Span::from_ms(20);

/// What the neighbours have to know of this box's time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TimeView {
    /// UTC by itself, and how far that can be wrong; `None` while it knows nothing.
    pub own: Option<(ClockMap<Raw, Utc>, Span)>,
    /// The group's time.
    pub group: Option<GroupEstimate>,
    /// When the last reference was believed, in UTC; `None` if none ever was.
    pub reference_utc_s: Option<i64>,
    /// Whether a reference is heard now.
    pub is_referenced: bool,
}

impl TimeView {
    /// Returns the time that a box gives to others: the group's, its own while it is in none, and
    /// its raw clock while it knows nothing.
    pub fn given(&self, now: Instant<Raw>) -> ClockMap<Raw, Utc> {
        let own = || self.own.map(|(own, _)| own);
        let nothing = ClockMap { from: now, to: Instant::from_ns(now.ns()), rate: Rate::ZERO };
        self.group.map(|group| group.utc).or_else(own).unwrap_or(nothing)
    }
}

impl Timekeeper {
    /// Does what the neighbours' side commands.
    pub fn group_command(&mut self, now: Instant<Raw>, command: &GroupCommand) {
        let rtc = self.rtc.as_ref().and_then(|rtc| rtc.view(now));
        match command {
            GroupCommand::Found(id, ahead) => {
                if let Some(own) = self.best(now) {
                    let utc = ClockMap { to: own.utc.to + *ahead, ..own.utc };
                    self.group = Some(GroupClock::found(*id, now, utc, rtc));
                }
            }
            GroupCommand::Join(id, sample) => self.group = Some(GroupClock::join(*id, sample, rtc)),
            GroupCommand::Learn(sample) => {
                self.group.iter_mut().for_each(|group| group.learn(sample, rtc));
            }
            GroupCommand::Steer { from_s, rate } => {
                self.group.iter_mut().for_each(|group| group.steer(now, *from_s, *rate));
            }
            GroupCommand::Distrust => self.group.iter_mut().for_each(GroupClock::distrust),
            GroupCommand::Contact(contact) => {
                self.group.iter_mut().for_each(|group| group.contact(now, *contact));
            }
        }
    }

    /// Carries the group's time on, and returns what everything uses: that, or this box's own
    /// estimate where it is in no group.
    pub(super) fn update_group(&mut self, now: Instant<Raw>, own: &Estimate) -> Estimate {
        let Some(group) = &mut self.group else { return *own };
        let known = own.bound.map(|bound| (own.utc, bound));
        group.update(now, known, self.rtc.as_ref().and_then(|rtc| rtc.view(now)));
        let Some(estimate) = group.estimate(now) else { return *own };
        if is_left(&estimate, own, now) {
            self.group = None;
            return *own;
        }
        let apart = (estimate.utc.apply(now) - own.utc.apply(now)).abs();
        let by_own = own.bound.map(|bound| bound + apart);
        Estimate {
            utc: estimate.utc,
            bound: by_own.into_iter().chain(estimate.utc_bound).min(),
            // In a group of one it is in step with nobody.
            agreement: if estimate.is_shared { Some(estimate.bound) } else { own.agreement.map(|bound| bound + apart) },
            state: if own.state == TimeState::Unset { TimeState::Holdover } else { own.state },
        }
    }

    /// Returns which group's time the box has.
    pub fn group(&self) -> Option<GroupId> {
        self.group.as_ref().map(GroupClock::id)
    }

    /// Returns what the neighbours have to know.
    pub fn view(&self, now: Instant<Raw>) -> TimeView {
        let own = self.best(now).map(|best| (best.utc, Span::from_ns_f64(best.bound.ns())));
        let saved = self.saved.as_ref().and_then(|saved| saved.reference_utc_s);
        TimeView {
            own,
            group: self.group.as_ref().and_then(|group| group.estimate(now)),
            reference_utc_s: self.believed.as_ref().map(|believed| believed.utc.second()).or(saved),
            is_referenced: self.is_referenced(now),
        }
    }

    /// Goes on with the group that was saved, if the RTC has not been touched since: `shown` is what
    /// it shows now.
    pub(super) fn restore_group(&mut self, model: FlywheelModel, status: &RtcStatus, shown: Instant<Rtc>) {
        let Some(saved) = &self.saved else { return };
        let is_untouched = saved.mark == Some(status.mark.0)
            && saved.stamp.unwrap_or_default() == status.stamp.0
            && saved.aging_offset == status.aging_offset;
        let Some(group) = saved.group.as_ref().filter(|group| is_untouched && group.begins() <= shown) else { return };
        if self.group.is_none() {
            self.group = GroupClock::restore(group, model, shown);
        }
    }
}

/// Returns whether a box that is alone is better off without the group: the others are as far from
/// what it remembers as that may be by now, or it hears from a reference that it is far off.
fn is_left(group: &GroupEstimate, own: &Estimate, now: Instant<Raw>) -> bool {
    let (None, Some(agreement), Some(bound)) = (group.contact, own.agreement, own.bound) else { return false };
    let apart = (group.utc.apply(now) - own.utc.apply(now)).abs();
    group.bound > agreement || own.state == TimeState::Referenced && apart > HEARD.max(bound * 4)
}
