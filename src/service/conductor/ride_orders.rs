//! Commands to the whole ride: each waits for its instant, at which the machine handles it as of
//! that very instant, so that all boxes decide alike. What plays ends on the frame that is heard
//! then: the player is prepared a second before, if the machine would end it.

use jaudiosync_time::{Instant, Raw, Span, Utc};

use super::Conductor;
use crate::appliance::{Action, Appliance, Command, FirstTrack, Input, Moment, Phase, Refusal, Session, VolumeChange};
use crate::control::protocol::LatencyChange;
use crate::player::task::PlayerCommand;
use crate::ride::command::{Action as RideAction, At, Done, Effect, Join, Outcome, Reason, VolumeChange as RideVolume};
use crate::timetable::next_grid_slot;

/// The player is prepared this long before: longer than sound cards buffer.
const PREPARED: Span = Span::SECOND;

/// The instants by both clocks differ by less where this box plays by the ride's time.
const SAME_TIME: Span = Span::SECOND;

/// More commands than this do not wait at once; the ride's thread lets fewer through.
const MOST_WAITING: usize = 64;

/// What waits, and what was done.
#[derive(Default)]
pub(super) struct RideOrders {
    waiting: Vec<Effect>,
    /// The end of the sound for which the player was prepared, by the raw clock.
    prepared: Option<Instant<Raw>>,
    /// How many of those that are near were looked at for that.
    looked_at: usize,
    /// The command to the whole ride that what plays, or that nothing plays, follows from.
    commanded: Option<Commanded>,
}

/// A command to the whole ride that was obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Commanded {
    /// When it took effect, in s of UTC.
    pub(super) at_s: i64,
    /// Whether it was to stop.
    pub(super) is_stop: bool,
}

impl Conductor {
    /// Takes in a command for an instant.
    pub(super) fn take_effect(&mut self, effect: Effect) {
        if self.ending.is_some() {
            return effect.answer(Outcome::Refused(Reason::ShuttingDown));
        }
        if self.ride.waiting.len() >= MOST_WAITING {
            return effect.answer(Outcome::Refused(Reason::Busy));
        }
        self.ride.waiting.push(effect);
        // By the clock that does not step.
        self.ride.waiting.sort_by_key(|effect| effect.at_raw);
        self.ride.looked_at = 0;
        self.follow_ride();
    }

    /// Does what has become due, before anything else is handled that comes after it.
    pub(super) fn follow_ride(&mut self) {
        while let Some(now) = self.next_due() {
            let effect = self.ride.waiting.remove(0);
            self.do_effect(&effect, now);
        }
        self.prepare_player();
    }

    /// Returns the moment of the next command, if it has come.
    fn next_due(&self) -> Option<Moment> {
        let effect = self.ride.waiting.first()?;
        let now = self.now();
        let at = instant(effect, now);
        (at <= now.utc).then(|| Moment { raw: now.raw - (now.utc - at), utc: at, ..now })
    }

    fn do_effect(&mut self, effect: &Effect, at: Moment) {
        log::info!("a command of the ride: {}", effect.action);
        let late = self.ports.clocks.raw() - at.raw;
        self.refusal = None;
        let was_prepared = self.ride.prepared.take_if(|prepared| *prepared == effect.at_raw).is_some();
        self.ride.looked_at = 0;
        let mut ends_sound = false;
        match effect.action {
            RideAction::Reload => {
                self.reload_config();
                self.feed_at(Input::Command(Command::Reload), at, &mut ends_sound);
            }
            RideAction::OutputLatency { by_us, measurement } => {
                let change = LatencyChange { by_us, measurement, number: None };
                let changed = self.change_latency(change).into_message();
                let done = Outcome::Done(self.done(&effect.action, late));
                return effect.answer(changed.map_or(Outcome::Refused(Reason::OutOfRange), |_| done));
            }
            action => match command(action, at.utc) {
                Some(command) => self.feed_at(Input::Command(command), at, &mut ends_sound),
                None => return effect.answer(Outcome::Refused(Reason::Unknown)),
            },
        }
        if was_prepared && !ends_sound {
            (self.ports.player)(PlayerCommand::FadeAt(None));
        }
        self.publish_soon();
        let outcome = match self.refusal.take() {
            Some(refusal) => Outcome::Refused(reason(refusal)),
            None => {
                // What this box alone, or some boxes, were commanded no other one takes over.
                if effect.action.decides_what_plays() {
                    let is_stop = effect.action == RideAction::Stop;
                    let commanded = Commanded { at_s: effect.commanded_s, is_stop };
                    self.ride.commanded = effect.is_for_all.then_some(commanded);
                }
                Outcome::Done(self.done(&effect.action, late))
            }
        };
        effect.answer(outcome);
    }

    /// Feeds the machine as of a moment.
    fn feed_at(&mut self, input: Input, at: Moment, ends_sound: &mut bool) {
        for action in self.appliance.handle(input, at) {
            *ends_sound |= is_end_of_sound(&action);
            self.act(action, at);
        }
    }

    /// Has the player fade out on the frame of the next command that would end what plays, as far
    /// as that can be known before.
    fn prepare_player(&mut self) {
        let now = self.now();
        let waiting = &self.ride.waiting;
        let near = waiting.iter().take_while(|effect| instant(effect, now) - now.utc <= PREPARED).count();
        // Asked once for each: what a person does within this second counts when the instant has
        // come.
        if near <= self.ride.looked_at {
            return;
        }
        let end = waiting.get(..near).and_then(|near| end_of_sound(&self.appliance, near, now));
        self.ride.looked_at = near;
        let prepared = end.map(|effect| effect.at_raw);
        let at = end.map(|effect| instant(effect, now));
        if self.ride.prepared != prepared {
            self.ride.prepared = prepared;
            (self.ports.player)(PlayerCommand::FadeAt(at));
        }
    }

    fn done(&self, action: &RideAction, late: Span) -> Done {
        let snapshot = self.appliance.snapshot(self.now());
        let heard_from_utc_s = match snapshot.phase {
            Phase::WaitingForSlot { utc_s } => Some(utc_s),
            Phase::Playing { .. } => snapshot.program.map(|program| program.heard_from_utc_s),
            _ => None,
        };
        Done {
            // Without a sound card nothing is heard.
            heard_from_utc_s: heard_from_utc_s.filter(|_| action.decides_what_plays() && self.has_device),
            volume_percent: matches!(action, RideAction::Volume { .. }).then_some(snapshot.volume_percent),
            // A round of this loop is not late.
            late_ms: u16::try_from(late.whole_ms()).unwrap_or(u16::MAX).checked_sub(50).map_or(0, |ms| ms + 50),
        }
    }

    /// Notes that a person at this box has decided what plays.
    pub(super) fn decided_here(&mut self) {
        self.ride.commanded = None;
    }

    /// Returns the command to the whole ride that what plays follows from.
    pub(super) fn commanded(&self) -> Option<Commanded> {
        self.ride.commanded
    }
}

/// Returns the instant by the time by which this box plays.
fn instant(effect: &Effect, now: Moment) -> Instant<Utc> {
    let by_raw = now.utc + (effect.at_raw - now.raw);
    if (by_raw - effect.at).abs() < SAME_TIME { effect.at } else { by_raw }
}

/// Returns the first of these commands that would end what plays. What happens before it changes
/// the machine, as far as that is the machine's; a configuration cannot be read before.
fn end_of_sound<'a>(appliance: &Appliance, waiting: &'a [Effect], now: Moment) -> Option<&'a Effect> {
    let mut preview = appliance.clone();
    waiting.iter().filter(|effect| effect.action != RideAction::Reload).find(|effect| {
        let at = instant(effect, now);
        let then = Moment { raw: now.raw + (at - now.utc), utc: at, ..now };
        command(effect.action, at)
            .is_some_and(|command| preview.handle(Input::Command(command), then).iter().any(is_end_of_sound))
    })
}

fn is_end_of_sound(action: &Action) -> bool {
    matches!(action, Action::StopWithFade | Action::EndSoundCheck | Action::Play { .. } | Action::SoundCheck(_))
}

/// Returns the machine's command; `None` for what is not the machine's. A slot follows from the
/// instant alone, so that a box that waits for another one gets this, too.
fn command(action: RideAction, at: Instant<Utc>) -> Option<Command> {
    let number = |track: u32| FirstTrack::Number(track as usize);
    let slot_utc_s = next_grid_slot(at);
    Some(match action {
        RideAction::Start { join: Join::Common } => Command::Join { session: None },
        RideAction::Start { join: Join::Session { anchor_utc_s, first_track, repeats } } => {
            Command::Join { session: Some(Session { anchor_utc_s, first_track: first_track as usize, repeats }) }
        }
        RideAction::StartAfresh { at, first_track } => {
            let at_utc_s = match at {
                At::NextSlot => slot_utc_s,
                At::Utc(utc_s) => utc_s,
            };
            Command::Start { at_utc_s: Some(at_utc_s), first_track: Some(number(first_track)), fresh: true }
        }
        RideAction::Stop => Command::Stop,
        RideAction::Resume { track: None } => Command::Resume,
        RideAction::Resume { track: Some(track) } => {
            Command::Start { at_utc_s: Some(slot_utc_s), first_track: Some(number(track)), fresh: true }
        }
        RideAction::Volume { change, .. } => Command::Volume(match change {
            RideVolume::Set { percent } => VolumeChange::To(percent),
            RideVolume::Up { percent } => VolumeChange::By(i8::try_from(percent).unwrap_or(i8::MAX)),
            RideVolume::Down { percent } => VolumeChange::By(i8::try_from(percent).map_or(i8::MIN, |percent| -percent)),
            RideVolume::Scale { from_percent, to_percent } => VolumeChange::Scale { from_percent, to_percent },
        }),
        RideAction::Reload => Command::Reload,
        RideAction::Identify => Command::Identify,
        RideAction::SoundCheck { minutes } => Command::SoundCheck { minutes },
        RideAction::OutputLatency { .. } => return None,
    })
}

fn reason(refusal: Refusal) -> Reason {
    let number = |track: usize| u32::try_from(track).unwrap_or(u32::MAX);
    match refusal {
        Refusal::NoSuchTrack { track, last } => Reason::NoSuchTrack { track: number(track), last: number(last) },
        Refusal::AlreadyOver => Reason::AlreadyOver,
        Refusal::NoPosition => Reason::NoPosition,
        Refusal::ShuttingDown => Reason::ShuttingDown,
        Refusal::NoTimeForSoundCheck => Reason::OtherTime,
    }
}

/// Returns whether a command of this box alone decides what plays.
pub(super) fn is_decision(input: &Input) -> bool {
    use crate::appliance::{ContactEvent, Gesture};
    match input {
        Input::Contacts(ContactEvent::Gesture(gesture)) => {
            matches!(gesture, Gesture::Start | Gesture::StartHeld | Gesture::Stop | Gesture::StopHeld)
        }
        Input::Command(command) => {
            matches!(command, Command::Start { .. } | Command::Stop | Command::Resume | Command::Join { .. })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::appliance::{ContactEvent, PlaylistEvent, PlaylistInfo, SavedState, Settings};
    use crate::timetable::Length;

    const NOW_S: i64 = 1_800_007_215;

    fn now() -> Moment {
        let (raw, utc) = (Instant::from_second(5), Instant::from_second(NOW_S));
        Moment { raw, utc, is_trusted: true, is_in_sync: true }
    }

    fn effect(action: RideAction, ms: i64) -> Effect {
        let (at, at_raw) = (now().utc + Span::from_ms(ms), now().raw + Span::from_ms(ms));
        Effect { action, is_for_all: true, at, at_raw, commanded_s: at.second(), answer: None }
    }

    fn appliance(plays: bool) -> Appliance {
        let length = Some(Length { frames: 8_000_000, rate_hz: 8000 });
        let playlist = PlaylistInfo { name: "a".to_owned(), lengths: vec![length].into(), fingerprint: "a".to_owned() };
        let mut appliance = Appliance::new(Settings::default(), now());
        appliance.handle(Input::Restored(SavedState::default()), now());
        appliance.handle(Input::Playlist(PlaylistEvent::Loaded(Arc::new(playlist))), now());
        appliance.handle(Input::Contacts(ContactEvent::JumperAtPowerOn(false)), now());
        if plays {
            let start = Command::Start { at_utc_s: Some(NOW_S - 5), first_track: None, fresh: true };
            appliance.handle(Input::Command(start), now());
        }
        appliance
    }

    #[test]
    fn a_stop_behind_other_commands_is_on_its_frame() {
        let volume = RideAction::Volume { change: RideVolume::Up { percent: 5 }, keeps_ratios: false };
        let latency = RideAction::OutputLatency { by_us: 10, measurement: 1 };
        let waiting = [(volume, 600), (RideAction::Reload, 630), (latency, 640), (RideAction::Stop, 650)];
        let waiting = waiting.map(|(action, ms)| effect(action, ms));
        let end = |plays| end_of_sound(&appliance(plays), &waiting, now()).map(|effect| effect.at);
        assert_eq!(end(true), Some(waiting[3].at));
        assert_eq!(end(false), None, "nothing plays that could end");
        let twice = [effect(RideAction::Stop, 100), effect(RideAction::Stop, 200)];
        let first = end_of_sound(&appliance(true), &twice, now()).map(|effect| effect.at);
        assert_eq!(first, Some(twice[0].at));
        assert!(end_of_sound(&appliance(true), &waiting[..3], now()).is_none());
    }
}
