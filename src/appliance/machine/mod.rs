//! The state machine: takes in what happens, and returns what is to be done. It is pure: whatever
//! opens, reads or writes something belongs in the service.

mod answering;
mod playlist;
mod ratio;
mod sound_check;
mod starting;

use std::sync::Arc;

use jaudiosync_hw::buttons::{Button, ByButton};
use jaudiosync_time::{Instant, Raw};

use self::playlist::PlaylistState;
use self::ratio::Ratio;
use self::sound_check::Check;
use self::starting::{Running, Wanted};
use super::action::Action;
use super::answer::{Flash, LedPattern, Tone};
use super::contacts::ContactEvent;
use super::gesture::{Gesture, IgnoredBecause};
use super::input::{
    Command, Delivery, FirstTrack, Input, Moment, PlayerEvent, PlaylistChange, PlaylistEvent, SavedState,
};
use super::settings::Settings;
use super::state::{SavedPosition, Session, Snapshot};
use super::volume::Volume;
use super::warning::{Refusal, Warning};
use crate::sound_check::MINUTES;

/// The state machine of a box. `super` lists what always holds of it.
#[derive(Debug, Clone)]
pub struct Appliance {
    settings: Settings,
    powered_on: Instant<Raw>,
    is_trusted: bool,
    /// Whether the time is known well enough to say that what plays is in sync.
    is_exact: bool,

    power_on: PowerOn,

    /// A sound check, heard in place of what runs.
    check: Option<Check>,
    /// What the last press of Stop ended, and when: a sound check that this press belongs to goes on
    /// with it.
    stopped: Option<(Session, Instant<Raw>)>,

    /// What is to play.
    wanted: Option<Wanted>,
    /// Whether the player has yet to be commanded to play that, as soon as it can be.
    due: bool,
    /// What the player was last commanded to play.
    running: Option<Running>,
    saved_session: Option<Session>,
    /// What is saved names another playlist than the one that plays now.
    saved_is_stale: bool,
    position: Option<SavedPosition>,

    playlist: PlaylistState,

    volume: Volume,
    /// What rounding has taken from it.
    ratio: Option<Ratio>,
    volume_unsaved_since: Option<Instant<Raw>>,
    volume_saved_at: Option<Instant<Raw>>,

    device_problem: Option<Warning>,
    delivery: Delivery,
    inputs_problem: Option<String>,
    ignored: ByButton<Option<IgnoredBecause>>,
    jumper_fitted: Option<bool>,
    shutting_down: bool,
    led: Option<LedPattern>,
}

/// What to do at power-on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PowerOn {
    /// It depends on what was saved and on the jumper.
    Undecided {
        /// Whether the saved state has been read.
        is_restored: bool,
        /// Whether the jumper was fitted at power-on, once that is known.
        jumper_fitted: Option<bool>,
    },
    /// It is decided, or a press or a command came first.
    Decided,
}

impl Appliance {
    /// Returns the machine of a box that was just switched on. It waits to learn what was saved,
    /// whether the jumper is fitted, and the result of reading the playlist, which is taken to be
    /// under way already.
    pub fn new(settings: Settings, now: Moment) -> Self {
        let volume = Volume::new(settings.startup_percent, settings.maximum_percent);
        Self {
            settings,
            powered_on: now.raw,
            is_trusted: false,
            is_exact: false,
            power_on: PowerOn::Undecided { is_restored: false, jumper_fitted: None },
            check: None,
            stopped: None,
            wanted: None,
            due: false,
            running: None,
            saved_session: None,
            saved_is_stale: false,
            position: None,
            playlist: PlaylistState::new(),
            volume,
            ratio: None,
            volume_unsaved_since: None,
            volume_saved_at: None,
            device_problem: None,
            delivery: Delivery::AsPlanned,
            inputs_problem: None,
            ignored: ByButton::default(),
            jumper_fitted: None,
            shutting_down: false,
            led: None,
        }
    }

    /// Takes in what has happened, and returns what is to be done, in this order.
    pub fn handle(&mut self, input: Input, now: Moment) -> Vec<Action> {
        let mut out = Vec::new();
        self.follow_time(now, &mut out);
        // Before the input is handled, so that no answer refers to a place on a timetable that has
        // just moved.
        self.advance(now, &mut out);
        match input {
            Input::Restored(saved) => self.restore(saved, &mut out),
            Input::Contacts(event) => self.contacts(event, now, &mut out),
            Input::Command(command) => {
                if let Err(refusal) = self.command(command, now, &mut out) {
                    out.push(Action::Refuse(refusal));
                }
            }
            Input::Player(event) => self.player(event, &mut out),
            Input::Playlist(event) => self.playlist(event, &mut out),
            Input::ShutDownFailed(reason) => {
                self.shutting_down = false;
                out.push(Action::Warn(Warning::ShutDownFailed(reason)));
            }
            Input::Settings(settings) => self.choose(settings, &mut out),
            Input::Tick => {}
        }
        self.decide_at_power_on(now, &mut out);
        self.advance(now, &mut out);
        self.save_volume_when_due(now, &mut out);
        self.show(now, &mut out);
        out
    }

    /// Returns the volume if it was changed and is to be saved, and no [`Action::SaveVolume`] has
    /// gone out for it.
    pub fn unsaved_volume_percent(&self) -> Option<u8> {
        self.volume_unsaved_since.map(|_| self.volume.percent())
    }

    /// Returns what there is to show.
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        Snapshot {
            phase: self.phase(now),
            program: self.running.as_ref().map(|running| running.program.clone()),
            volume_percent: self.volume.percent(),
            maximum_percent: self.volume.maximum_percent(),
            jumper_fitted: self.jumper_fitted,
            ignored_buttons: Button::ALL.into_iter().filter(|button| self.ignored[*button].is_some()).collect(),
            position: self.position,
            warnings: self.warnings(),
        }
    }

    /// Returns whether it is decided what to do after power-on, and the result of reading the
    /// playlist is known: from now on a press is obeyed at once.
    pub fn is_armed(&self) -> bool {
        self.power_on == PowerOn::Decided && !self.playlist.is_being_read()
    }

    fn choose(&mut self, settings: Settings, out: &mut Vec<Action>) {
        let before = std::mem::replace(&mut self.settings, settings);
        let volume = Volume::new(self.volume.percent(), self.settings.maximum_percent);
        let before_percent = self.volume.percent();
        self.volume = volume;
        if volume.percent() != before_percent || self.check.is_some() {
            out.push(Action::SetVolume(self.volume_now_percent()));
        }
        let common = Session::common(before.common_anchor_utc_s);
        let is_common = match self.wanted {
            Some(Wanted::Common) => true,
            Some(Wanted::Rejoin { session, .. }) => session == common,
            _ => false,
        };
        if is_common && before.common_anchor_utc_s != self.settings.common_anchor_utc_s {
            self.wanted = Some(Wanted::Common);
            self.due = true;
        }
    }

    fn restore(&mut self, saved: SavedState, out: &mut Vec<Action>) {
        self.position = self.position.or(saved.position);
        if let Some(percent) = saved.volume_percent.filter(|_| self.volume_unsaved_since.is_none()) {
            self.volume = self.volume.to(percent);
        }
        out.push(Action::SetVolume(self.volume_now_percent()));
        match &mut self.power_on {
            PowerOn::Undecided { is_restored, .. } => {
                *is_restored = true;
                self.saved_session = saved.session;
            }
            // A button was pressed before this was read: the press counts, and the older session no
            // longer does.
            PowerOn::Decided if saved.session.is_some() && self.saved_session.is_none() => {
                out.push(Action::ForgetSession);
            }
            PowerOn::Decided => {}
        }
    }

    fn decide_at_power_on(&mut self, now: Moment, out: &mut Vec<Action>) {
        let PowerOn::Undecided { is_restored: true, jumper_fitted: Some(jumper_fitted) } = self.power_on else {
            return;
        };
        self.power_on = PowerOn::Decided;
        match self.saved_session {
            Some(session) if self.settings.rejoin_session => self.want(Wanted::Rejoin { session, jumper_fitted }, out),
            _ if jumper_fitted => self.want(Wanted::by_behaviour(self.settings.jumper), out),
            _ => {
                self.forget_session(out);
                self.tone(Tone::Ready, now, out);
            }
        }
    }

    fn contacts(&mut self, event: ContactEvent, now: Moment, out: &mut Vec<Action>) {
        match event {
            ContactEvent::Gesture(_) if self.shutting_down => {}
            ContactEvent::Gesture(gesture) => self.gesture(gesture, now, out),
            ContactEvent::Ignored(button, because) => {
                self.ignored[button] = Some(because);
                out.push(Action::Warn(Warning::ButtonIgnored(button, because)));
            }
            ContactEvent::Released(button) => self.ignored[button] = None,
            ContactEvent::JumperAtPowerOn(fitted) => {
                self.jumper_fitted = Some(fitted);
                self.jumper_at_power_on(fitted);
            }
            // Removing it stops nothing, and fitting it starts nothing: it matters at power-on
            // alone.
            ContactEvent::JumperChanged(fitted) => self.jumper_fitted = Some(fitted),
            ContactEvent::Unreadable(reason) => {
                self.ignored = ByButton::default();
                self.jumper_at_power_on(false);
                self.inputs_problem = Some(reason.clone());
                out.push(Action::Warn(Warning::InputsUnreadable(reason)));
            }
            ContactEvent::Readable => self.inputs_problem = None,
        }
    }

    /// Notes the jumper at power-on. The first report counts.
    fn jumper_at_power_on(&mut self, fitted: bool) {
        if let PowerOn::Undecided { jumper_fitted, .. } = &mut self.power_on {
            jumper_fitted.get_or_insert(fitted);
        }
    }

    fn gesture(&mut self, gesture: Gesture, now: Moment, out: &mut Vec<Action>) {
        let step = i16::from(self.settings.step_percent);
        match gesture {
            Gesture::VolumeUp => self.step_volume(step, now, out),
            Gesture::VolumeDown => self.step_volume(-step, now, out),
            Gesture::Start => {
                self.start(Wanted::by_behaviour(self.settings.start_button), out);
                self.accept(now, out);
            }
            Gesture::StartHeld => {
                self.start(Wanted::fresh(0), out);
                self.accept(now, out);
            }
            Gesture::Stop => {
                // If something played, the silence that follows is the answer.
                let was_heard = self.running.as_ref().is_some_and(|running| running.heard) || self.check.is_some();
                self.stopped = self.running.as_ref().map(|running| (running.program.session, now.raw));
                self.stop(now, out);
                if was_heard { self.flash(Flash::Accepted, out) } else { self.accept(now, out) }
            }
            Gesture::BothHeld => match self.begin_check(MINUTES, now, out) {
                Ok(()) => self.flash(Flash::Accepted, out),
                Err(refusal) => {
                    self.flash(Flash::Refused, out);
                    out.push(Action::Refuse(refusal));
                }
            },
            Gesture::StopHeld => {
                self.stop(now, out);
                self.save_volume(now, out);
                self.tone(Tone::ShuttingDown, now, out);
                out.push(Action::ShutDown);
                self.shutting_down = true;
            }
        }
    }

    fn command(&mut self, command: Command, now: Moment, out: &mut Vec<Action>) -> Result<(), Refusal> {
        if self.shutting_down {
            return Err(Refusal::ShuttingDown);
        }
        match command {
            Command::Start { at_utc_s: Some(utc_s), first_track, .. } => {
                let wanted = Wanted::At { utc_s, first_track: self.first_track(first_track)? };
                self.refuse_if_over(wanted, now)?;
                self.start(wanted, out);
            }
            Command::Start { first_track: None, fresh: false, .. } => {
                self.start(Wanted::by_behaviour(self.settings.start_button), out);
            }
            Command::Start { first_track, .. } => self.start(Wanted::fresh(self.first_track(first_track)?), out),
            Command::Stop => self.stop(now, out),
            Command::Join { session } => {
                let wanted = Wanted::joined(session, self.settings.common_anchor_utc_s);
                self.refuse_if_over(wanted, now)?;
                self.start(wanted, out);
            }
            Command::Identify => {
                self.flash(Flash::Identify, out);
                self.tone(Tone::Ready, now, out);
            }
            Command::Resume => self.start(Wanted::fresh(self.first_track(Some(FirstTrack::Resume))?), out),
            Command::Volume(change) => self.change_volume(change, now, out),
            Command::Reload => self.reload(out),
            Command::SoundCheck { minutes } => {
                self.stopped = None;
                self.begin_check(minutes, now, out)?;
            }
        }
        Ok(())
    }

    fn player(&mut self, event: PlayerEvent, out: &mut Vec<Action>) {
        match event {
            PlayerEvent::DeviceLost(reason) => self.without_device(Warning::DeviceLost(reason), out),
            PlayerEvent::DeviceAwaited(reason) => self.without_device(Warning::DeviceAwaited(reason), out),
            PlayerEvent::DeviceBack => {
                self.device_problem = None;
                // A card that was plugged in again comes up with a volume of its own.
                out.push(Action::SetVolume(self.volume_now_percent()));
            }
            PlayerEvent::Delivery(delivery) => self.delivery = delivery,
        }
    }

    fn without_device(&mut self, because: Warning, out: &mut Vec<Action>) {
        self.device_problem = Some(because.clone());
        out.push(Action::Warn(because));
    }

    fn playlist(&mut self, event: PlaylistEvent, out: &mut Vec<Action>) {
        match event {
            PlaylistEvent::Loaded(playlist) if playlist.lengths.is_empty() => {
                self.playlist_failed("the playlist has no tracks".to_owned(), out);
            }
            PlaylistEvent::Loaded(playlist) => {
                let before = self.playlist.loaded(Arc::clone(&playlist));
                let is_another = before.as_ref() != Some(&playlist);
                if let Some(before) = before {
                    self.saved_is_stale |= is_another;
                    self.position = self.position.filter(|_| before.name == playlist.name);
                }
                self.due |= is_another && self.running.is_some();
            }
            PlaylistEvent::Failed(reason) => self.playlist_failed(reason, out),
            PlaylistEvent::Changed(change) => {
                let is_known = self.playlist.changed(change.clone());
                // If nothing has been read yet, it may be readable now.
                match is_known && !self.takes_stick() {
                    true => out.push(Action::Warn(change.into())),
                    false => self.reload(out),
                }
            }
            PlaylistEvent::Unchanged if self.playlist.unchanged() => {}
            PlaylistEvent::Unchanged => self.reload(out),
        }
    }

    /// Returns whether a stick that was put in, or is gone, counts at once: while nothing plays. Files
    /// that have changed do not, as they may still be copied.
    fn takes_stick(&self) -> bool {
        let is_stick = self.playlist.change().is_some_and(|change| *change != PlaylistChange::Files);
        is_stick && self.running.is_none() && self.check.is_none()
    }

    fn playlist_failed(&mut self, reason: String, out: &mut Vec<Action>) {
        self.playlist.failed(reason.clone());
        out.push(Action::Warn(Warning::PlaylistFailed(reason)));
    }

    fn reload(&mut self, out: &mut Vec<Action>) {
        self.playlist.read_again();
        out.push(Action::Reload);
    }
}

#[cfg(test)]
mod invariants;
#[cfg(test)]
mod tests;
