//! What is to play, when it can, and what the player is commanded to do.

use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

use super::super::action::Action;
use super::super::input::{FirstTrack, Moment};
use super::super::settings::StartKind;
use super::super::state::{Program, SavedPosition, Session};
use super::super::warning::{Refusal, Warning};
use super::{Appliance, PowerOn};
use crate::timetable::{Place, Timetable, next_grid_slot};

/// What is to play.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    /// The common timetable, joined at a slot of the start grid.
    Common,
    /// The playlist from its beginning, at a slot of the start grid.
    Fresh {
        first_track: usize,
        /// Where it has begun, and how to find that again if the time was not trusted then.
        begun: Option<Begun>,
    },
    /// The playlist from a time that was named.
    At { utc_s: i64, first_track: usize },
    /// A session that is under way, joined at a slot of the start grid.
    Joined { session: Session },
    /// The session that ran when the power was lost.
    Rejoin {
        session: Session,
        /// Whether the jumper was fitted at power-on: a session that is over by then gives way to
        /// what the jumper starts.
        jumper_fitted: bool,
    },
}

/// A fresh start that was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Begun {
    utc_s: i64,
    /// The map to UTC at that time, if it was not trusted: once it is, the start moves with it, so
    /// that the music goes on without a jump.
    untrusted: Option<ClockMap<Raw, Utc>>,
}

/// What the player was last commanded to play.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) program: Program,
    timetable: Timetable,
    /// Whether any of it has been heard.
    pub(super) heard: bool,
}

impl Running {
    pub(super) fn heard_from(&self) -> Instant<Utc> {
        Instant::from_second(self.program.heard_from_utc_s)
    }
}

impl Wanted {
    pub(super) fn fresh(first_track: usize) -> Self {
        Self::Fresh { first_track, begun: None }
    }

    pub(super) fn joined(session: Option<Session>, common_anchor_utc_s: i64) -> Self {
        match session.filter(|session| *session != Session::common(common_anchor_utc_s)) {
            None => Self::Common,
            Some(session) => Self::Joined { session },
        }
    }

    pub(super) fn by_behaviour(behaviour: StartKind) -> Self {
        match behaviour {
            StartKind::Common => Self::Common,
            StartKind::Fresh => Self::fresh(0),
        }
    }
}

impl Appliance {
    /// Starts this. Nothing changes if it runs or waits already: a rider who presses twice, or a
    /// second after another one, must not lose the slot.
    pub(super) fn start(&mut self, wanted: Wanted, out: &mut Vec<Action>) {
        let common = Session::common(self.settings.common_anchor_utc_s);
        let heard = self.running.as_ref().is_some_and(|running| running.heard);
        let is_wanted_already = match (self.wanted, wanted) {
            (Some(Wanted::Common), Wanted::Common) => true,
            (Some(Wanted::Rejoin { session, .. }), Wanted::Common) => session == common,
            (Some(Wanted::Rejoin { session: a, .. }), Wanted::Joined { session: b }) => a == b,
            (_, Wanted::Joined { session }) => {
                self.running.as_ref().is_some_and(|running| running.program.session == session)
            }
            (Some(Wanted::Fresh { first_track: a, .. }), Wanted::Fresh { first_track: b, .. }) => a == b && !heard,
            _ => false,
        };
        if !is_wanted_already || self.playlist.is_stale() {
            self.want(wanted, out);
        } else if self.check.is_some() {
            // It is heard again at once.
            self.end_check(out);
            self.due = true;
        }
    }

    pub(super) fn want(&mut self, wanted: Wanted, out: &mut Vec<Action>) {
        self.power_on = PowerOn::Decided;
        self.end_check(out);
        if self.running.take().is_some() {
            out.push(Action::StopWithFade);
        }
        self.wanted = Some(wanted);
        self.due = true;
        if self.playlist.is_stale() {
            self.reload(out);
        }
    }

    /// Stops, and saves the position if anything was heard.
    pub(super) fn stop(&mut self, now: Moment, out: &mut Vec<Action>) {
        let heard = self.running.as_ref().filter(|running| running.heard);
        let position = heard.map(|running| {
            let (track, offset) = running.timetable.place_at(now.utc).resume_point();
            SavedPosition { track, offset }
        });
        self.end(position, out);
    }

    fn end(&mut self, position: Option<SavedPosition>, out: &mut Vec<Action>) {
        self.power_on = PowerOn::Decided;
        self.wanted = None;
        self.due = false;
        self.end_check(out);
        if self.running.take().is_some() {
            out.push(Action::StopWithFade);
        }
        if let Some(position) = position {
            self.position = Some(position);
            out.push(Action::SavePosition(position));
        }
        self.forget_session(out);
        if self.takes_stick() {
            self.reload(out);
        }
    }

    pub(super) fn forget_session(&mut self, out: &mut Vec<Action>) {
        if self.saved_session.take().is_some() {
            out.push(Action::ForgetSession);
        }
    }

    /// Returns the track that a command means.
    pub(super) fn first_track(&self, named: Option<FirstTrack>) -> Result<usize, Refusal> {
        let last = self.playlist.info().and_then(|playlist| playlist.lengths.len().checked_sub(1));
        match (named, last) {
            (None, _) => Ok(0),
            (Some(FirstTrack::Number(track)), Some(last)) if track > last => Err(Refusal::NoSuchTrack { track, last }),
            // Whether there is such a track is checked once the playlist is there.
            (Some(FirstTrack::Number(track)), _) => Ok(track),
            (Some(FirstTrack::Resume), _) => self.position.map(|position| position.track).ok_or(Refusal::NoPosition),
        }
    }

    pub(super) fn refuse_if_over(&self, wanted: Wanted, now: Moment) -> Result<(), Refusal> {
        let session = match wanted {
            Wanted::At { utc_s, first_track } => {
                Session { anchor_utc_s: utc_s, first_track, repeats: self.settings.repeats }
            }
            Wanted::Joined { session } => session,
            _ => return Ok(()),
        };
        let (Some(playlist), true) = (self.playlist.info(), now.is_trusted) else { return Ok(()) };
        match session.timetable(playlist) {
            Ok(timetable) if timetable.place_at(now.utc) == Place::Finished => Err(Refusal::AlreadyOver),
            _ => Ok(()),
        }
    }

    /// Follows whether the time is trusted. What runs without being in sync is decided again when
    /// it becomes trusted.
    pub(super) fn follow_time(&mut self, now: Moment, out: &mut Vec<Action>) {
        let was_trusted = std::mem::replace(&mut self.is_trusted, now.is_trusted);
        self.is_exact = now.is_in_sync;
        let Some(running) = &self.running else { return };
        if was_trusted && !now.is_trusted {
            out.push(Action::Warn(Warning::NotInSync));
        }
        self.due |= now.is_trusted && !running.program.in_sync;
    }

    /// Does what has become due by now.
    pub(super) fn advance(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.follow_check(now, out);
        // What is decided here may be over already, and then something else is wanted: twice at
        // most. During a sound check it waits.
        while self.due && self.check.is_none() && self.can_play(now) {
            self.due = false;
            self.play(now, out);
        }
        if let Some(running) = &mut self.running {
            running.heard |= running.heard_from() <= now.utc;
            if !self.due && self.check.is_none() && running.timetable.place_at(now.utc) == Place::Finished {
                self.end(Some(SavedPosition { track: 0, offset: Span::ZERO }), out);
            }
        }
    }

    fn can_play(&self, now: Moment) -> bool {
        let has_waited = now.raw - self.powered_on >= Span::from_seconds(self.settings.untrusted_wait_s.into());
        self.playlist.playable().is_some() && (now.is_trusted || has_waited)
    }

    /// Commands the player to do what is wanted.
    fn play(&mut self, now: Moment, out: &mut Vec<Action>) {
        let (Some(wanted), Some(playlist)) = (self.wanted, self.playlist.playable().cloned()) else { return };
        // What began in sync stays so when it is commanded again: losing trust in the time
        // meanwhile did not move it.
        let in_sync = now.is_trusted || self.running.as_ref().is_some_and(|running| running.program.in_sync);
        let (mut session, heard_from_utc_s) = self.plan(wanted, in_sync, now);
        if session.first_track >= playlist.lengths.len() {
            out.push(Action::Warn(Warning::TrackGone(session.first_track)));
            session.first_track = 0;
        }
        let timetable = match session.timetable(&playlist) {
            Ok(timetable) if timetable.place_at(now.utc) != Place::Finished => timetable,
            _ => return self.over(wanted, out),
        };
        if !in_sync {
            out.push(Action::Warn(Warning::NotInSync));
        }
        let program = Program { session, heard_from_utc_s, in_sync };
        let was_heard = self.running.as_ref().is_some_and(|running| running.heard);
        self.running = Some(Running { program: program.clone(), timetable: timetable.clone(), heard: was_heard });
        out.push(Action::Play { program, timetable, playlist });
        match wanted {
            _ if in_sync => {
                let is_stale = std::mem::take(&mut self.saved_is_stale);
                if self.saved_session.replace(session) != Some(session) || is_stale {
                    out.push(Action::SaveSession(session));
                }
            }
            // It may still run: that is known only once the time is trusted.
            Wanted::Rejoin { .. } => {}
            _ => self.forget_session(out),
        }
    }

    /// Returns which timetable to play, and from which second on it is heard.
    fn plan(&mut self, wanted: Wanted, in_sync: bool, now: Moment) -> (Session, i64) {
        let now_utc_s = now.utc.second();
        let common = Session::common(self.settings.common_anchor_utc_s);
        let repeats = self.settings.repeats;
        match wanted {
            Wanted::Common => (common, self.join_slot(in_sync, now)),
            Wanted::Joined { session } => (session, self.join_slot(in_sync, now)),
            Wanted::Fresh { first_track, begun } => {
                let utc_s = match begun {
                    None => next_grid_slot(now.utc),
                    Some(Begun { utc_s, untrusted: None }) => utc_s,
                    Some(Begun { utc_s, untrusted: Some(then) }) => {
                        let moved = now.utc - then.apply(now.raw);
                        utc_s.saturating_add((moved + Span::SECOND / 2).whole_seconds())
                    }
                };
                let untrusted = (!in_sync).then_some(ClockMap { from: now.raw, to: now.utc, rate: Rate::ZERO });
                let begun = Some(Begun { utc_s, untrusted });
                self.wanted = Some(Wanted::Fresh { first_track, begun });
                (Session { anchor_utc_s: utc_s, first_track, repeats }, utc_s)
            }
            Wanted::At { utc_s, first_track } => {
                (Session { anchor_utc_s: utc_s, first_track, repeats }, utc_s.max(now_utc_s))
            }
            Wanted::Rejoin { session, .. } => (if in_sync { session } else { common }, now_utc_s),
        }
    }

    /// Returns from which second on a timetable that is joined is heard.
    fn join_slot(&self, in_sync: bool, now: Moment) -> i64 {
        match &self.running {
            Some(running) if running.heard => now.utc.second(),
            Some(running) if running.program.in_sync == in_sync => running.program.heard_from_utc_s,
            _ => next_grid_slot(now.utc),
        }
    }

    /// Handles a wish that is over by now.
    fn over(&mut self, wanted: Wanted, out: &mut Vec<Action>) {
        if matches!(wanted, Wanted::Rejoin { jumper_fitted: true, .. }) {
            self.forget_session(out);
            self.wanted = Some(Wanted::by_behaviour(self.settings.jumper));
            self.due = true;
            return;
        }
        if matches!(wanted, Wanted::At { .. } | Wanted::Joined { .. }) {
            out.push(Action::Refuse(Refusal::AlreadyOver));
        }
        self.end(None, out);
    }
}
