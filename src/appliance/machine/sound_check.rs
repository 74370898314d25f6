//! The sound check: heard in place of what runs, which then goes on.

use jaudiosync_time::{Instant, Span, Utc};

use super::super::action::Action;
use super::super::input::Moment;
use super::super::state::Session;
use super::super::warning::Refusal;
use super::Appliance;
use super::starting::Wanted;
use crate::sound_check::{MOST_MINUTES, Times, VOLUME_PERCENT};

/// A press of Stop belongs to a sound check that begins within this time.
const STOPPED_FOR_IT: Span = Span::from_seconds(5);

/// A sound check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) times: Times,
    /// What goes on afterwards, if the press of Stop that began it ended that.
    then: Option<Session>,
}

impl Check {
    fn is_over(&self, utc: Instant<Utc>) -> bool {
        utc >= Instant::from_second(self.times.until_utc_s)
    }
}

impl Appliance {
    /// Begins a sound check in place of what is heard.
    pub(super) fn begin_check(&mut self, minutes: u8, now: Moment, out: &mut Vec<Action>) -> Result<(), Refusal> {
        if !now.is_trusted {
            return Err(Refusal::NoTimeForSoundCheck);
        }
        let times = Times::commanded_at(now.utc, minutes.clamp(1, MOST_MINUTES));
        let stopped = self.stopped.take().filter(|(_, at)| now.raw - *at < STOPPED_FOR_IT);
        let then = stopped.map(|(session, _)| session).or(self.check.and_then(|check| check.then));
        self.check = Some(Check { times, then });
        out.push(Action::SetVolume(self.volume_now_percent()));
        out.push(Action::SoundCheck(times));
        Ok(())
    }

    /// Ends the sound check, if there is one, for something else to be heard or for silence.
    pub(super) fn end_check(&mut self, out: &mut Vec<Action>) {
        if self.check.take().is_some() {
            out.push(Action::EndSoundCheck);
            out.push(Action::SetVolume(self.volume_now_percent()));
        }
    }

    /// Ends a sound check that is over, and goes on with what ran before.
    pub(super) fn follow_check(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(check) = self.check.filter(|check| check.is_over(now.utc)) else { return };
        self.end_check(out);
        match check.then {
            Some(session) if self.wanted.is_none() => {
                self.want(Wanted::Rejoin { session, jumper_fitted: false }, out);
            }
            _ => self.due |= self.running.is_some(),
        }
    }

    /// Returns the volume that is heard now, in percent.
    pub(super) fn volume_now_percent(&self) -> u8 {
        match self.check {
            Some(_) => VOLUME_PERCENT.min(self.volume.maximum_percent()),
            None => self.volume.percent(),
        }
    }
}
