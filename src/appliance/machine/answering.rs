//! Volume, LED, tones and the snapshot for displays.

use jaudiosync_hw::buttons::Button;
use jaudiosync_time::{Instant, Span};

use super::super::action::Action;
use super::super::answer::{Flash, LedPattern, Tone};
use super::super::input::{Delivery, Moment, VolumeChange};
use super::super::state::Phase;
use super::super::volume::Volume;
use super::super::warning::Warning;
use super::Appliance;
use super::ratio::Ratio;

/// A volume that has changed is saved after this long, so that holding a button down causes one
/// write.
const VOLUME_SAVED_AFTER: Span = Span::from_seconds(2);
/// The volume is saved at most once in this time, because SD cards wear.
const VOLUME_SAVED_EVERY: Span = Span::from_seconds(5);
/// No tone comes this shortly before the music, or it would be heard in it.
const TONE_FREE: Span = Span::from_seconds(2);

impl Appliance {
    pub(super) fn step_volume(&mut self, percent: i16, now: Moment, out: &mut Vec<Action>) {
        let before = self.volume;
        self.set_volume(before.by(percent), now, out);
        let at_limit = self.volume == before;
        self.flash(if at_limit { Flash::Refused } else { Flash::Accepted }, out);
        self.tone(if at_limit { Tone::VolumeLimit } else { Tone::VolumeStep }, now, out);
    }

    pub(super) fn change_volume(&mut self, change: VolumeChange, now: Moment, out: &mut Vec<Action>) {
        let volume = match change {
            VolumeChange::To(percent) => self.volume.to(percent),
            VolumeChange::By(percent) => self.volume.by(percent.into()),
            VolumeChange::Scale { from_percent, to_percent } => {
                let ratio = Ratio::of(self.ratio, self.volume).scaled(from_percent, to_percent, self.volume);
                self.ratio = Some(ratio);
                self.volume.to(ratio.percent())
            }
        };
        self.set_volume(volume, now, out);
    }

    fn set_volume(&mut self, volume: Volume, now: Moment, out: &mut Vec<Action>) {
        if volume != self.volume {
            self.volume = volume;
            self.volume_unsaved_since.get_or_insert(now.raw);
        }
        // Even if it is unchanged: another program may have set the mixer.
        out.push(Action::SetVolume(self.volume_now_percent()));
    }

    pub(super) fn save_volume_when_due(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(since) = self.volume_unsaved_since else { return };
        let lasted = (now.raw - since) >= VOLUME_SAVED_AFTER;
        let last = self.volume_saved_at;
        if lasted && last.is_none_or(|last| (now.raw - last) >= VOLUME_SAVED_EVERY) {
            self.save_volume(now, out);
        }
    }

    pub(super) fn save_volume(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.volume_unsaved_since.take().is_some() {
            self.volume_saved_at = Some(now.raw);
            out.push(Action::SaveVolume(self.volume.percent()));
        }
    }

    pub(super) fn accept(&self, now: Moment, out: &mut Vec<Action>) {
        self.flash(Flash::Accepted, out);
        self.tone(Tone::Accepted, now, out);
    }

    pub(super) fn flash(&self, flash: Flash, out: &mut Vec<Action>) {
        out.push(Action::Flash(flash));
    }

    pub(super) fn tone(&self, tone: Tone, now: Moment, out: &mut Vec<Action>) {
        let free_until = now.utc + TONE_FREE;
        let nothing_plays = self.running.as_ref().is_none_or(|running| running.heard_from() > free_until);
        if self.settings.tones && nothing_plays && self.check.is_none() {
            out.push(Action::Tone(tone));
        }
    }

    /// Emits the pattern of the LED if it has changed.
    pub(super) fn show(&mut self, now: Moment, out: &mut Vec<Action>) {
        let phase = self.phase(now);
        let is_playing = matches!(phase, Phase::Playing { .. });
        let fault =
            self.device_problem.is_some() || (self.playlist.info().is_none() && self.playlist.problem().is_some());
        let fault = fault || (is_playing && self.delivery == Delivery::Silence);
        let pattern = match phase {
            Phase::ShuttingDown => LedPattern::ShuttingDown,
            _ if fault => LedPattern::Fault,
            Phase::Idle => LedPattern::Idle,
            Phase::WaitingForPlaylist | Phase::WaitingForTime | Phase::WaitingForSlot { .. } => LedPattern::Waiting,
            Phase::SoundCheck { times } if Instant::from_second(times.from_utc_s) > now.utc => LedPattern::Waiting,
            Phase::SoundCheck { .. } if self.is_trusted && self.is_exact => LedPattern::InSync,
            Phase::SoundCheck { .. } => LedPattern::NotInSync,
            Phase::Playing { .. } if self.delivery == Delivery::Opening => LedPattern::Waiting,
            Phase::Playing { in_sync: true } => LedPattern::InSync,
            Phase::Playing { in_sync: false } => LedPattern::NotInSync,
        };
        if self.led.replace(pattern) != Some(pattern) {
            out.push(Action::Led(pattern));
        }
    }

    pub(super) fn phase(&self, now: Moment) -> Phase {
        match (&self.wanted, &self.running) {
            _ if self.shutting_down => Phase::ShuttingDown,
            _ if self.check.is_some_and(|check| check.times.until_utc_s > now.utc.second()) => {
                self.check.map_or(Phase::Idle, |check| Phase::SoundCheck { times: check.times })
            }
            (_, Some(running)) if running.heard_from() > now.utc => {
                Phase::WaitingForSlot { utc_s: running.program.heard_from_utc_s }
            }
            (_, Some(_)) => Phase::Playing { in_sync: self.is_in_sync() && self.is_exact },
            (Some(_), None) if self.playlist.playable().is_none() => Phase::WaitingForPlaylist,
            (Some(_), None) => Phase::WaitingForTime,
            (None, None) => Phase::Idle,
        }
    }

    fn is_in_sync(&self) -> bool {
        self.is_trusted && self.running.as_ref().is_some_and(|running| running.program.in_sync)
    }

    pub(super) fn warnings(&self) -> Vec<Warning> {
        let not_in_sync = (self.running.is_some() && !self.is_in_sync()).then_some(Warning::NotInSync);
        let ignored = Button::ALL.into_iter().map(|button| (button, self.ignored[button]));
        let ignored = ignored.filter_map(|(button, because)| Some(Warning::ButtonIgnored(button, because?)));
        [
            not_in_sync,
            self.device_problem.clone(),
            self.playlist.problem().map(|problem| Warning::PlaylistFailed(problem.to_owned())),
            self.playlist.change().cloned().map(Warning::from),
            self.inputs_problem.clone().map(Warning::InputsUnreadable),
        ]
        .into_iter()
        .flatten()
        .chain(ignored)
        .collect()
    }
}
