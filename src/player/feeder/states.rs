//! What the feeder does while nothing plays, while a track plays, and while a track is silence.

use jaudiosync_time::{Instant, Raw, Span};

use super::{Feeder, FeederEvent, Hearing, Now, PRELOAD_S};
use crate::player::ring::{BLOCK_FRAMES, Block};
use crate::player::steered_voice::SteeredVoice;
use crate::player::voice::{Readiness, Voice};
use crate::timetable::{Length, Place, Start};

/// How far ahead of the DAC a track that is under way is joined: what the DAC may have taken since
/// its last report, 25 ms, and some time to make the first blocks.
const JOIN_AHEAD_S: f64 = 0.05;

/// A track that is still being opened when it should be heard is reported after this long.
const OPENING_REPORTED: Span = Span::from_ms(500);

pub(super) enum State<V> {
    /// Nothing is heard: waiting for a slot, or for the loader.
    Idle,
    /// A track plays.
    Playing(SteeredVoice<V>),
    /// A track is silence until its slot is over, or until its file can be read.
    Silent { slot: Start },
}

/// How the feeder goes on with what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// There is more to do at once.
    Again,
    /// Continue in the next step.
    Wait,
}

impl<V: Voice> Feeder<V> {
    /// Does what is due in whatever state it is, until there is nothing more to do now.
    pub(super) fn fill(&mut self, now: Now<'_>) {
        while !self.is_finished {
            let (state, then) = match std::mem::replace(&mut self.state, State::Idle) {
                State::Idle => self.idle(now),
                State::Playing(voice) => self.play(voice, now),
                State::Silent { slot } => self.stay_silent(slot, now),
            };
            self.state = state;
            if then == Then::Wait {
                break;
            }
        }
    }

    /// Finds out what is to be heard next, and begins it once it is ready.
    fn idle(&mut self, now: Now<'_>) -> (State<V>, Then) {
        let Some(program) = self.program.clone() else { return (State::Idle, Then::Wait) };
        let earliest = self.earliest_frame();
        let earliest_utc = self.heard_utc(earliest, now);
        // What lies before the first audible instant is treated as if it were not there.
        let utc = program.audible_from(earliest_utc);
        let (slot, begins) = match program.timetable.place_at(utc) {
            Place::Playing { slot, .. } => (slot, utc),
            Place::Before { next } | Place::Gap { next: Some(next) } => (next, next.utc()),
            Place::Gap { next: None } => return self.hear_nothing(earliest),
            Place::Finished => return self.finish(earliest, now),
        };
        let first_frame = if begins == earliest_utc {
            earliest
        } else {
            let first_frame = self.frame_heard_at(begins, now);
            if first_frame.is_finite() { first_frame.round().max(0.0) as u64 } else { u64::MAX }
        };
        if first_frame > now.until.saturating_add(self.frames(PRELOAD_S)) {
            return self.hear_nothing(earliest);
        }
        let target = self.target(slot, first_frame, now);
        self.prepared.keep_only(&[Some(slot), program.timetable.after(slot)]);
        let voice = self.prepared.voice(slot, target.now_s, &program, now.raw);
        voice.want(target.now_s);
        let readiness = voice.readiness(target.now_s);
        if first_frame > now.until {
            return self.hear_nothing(earliest);
        }
        match readiness {
            Readiness::Ready => match self.prepared.take(slot) {
                Some(voice) => self.begin(voice, first_frame, now),
                None => (State::Idle, Then::Wait),
            },
            Readiness::Opening => {
                self.wait_for_opening(slot, false, now.raw);
                self.hearing.plan_from(first_frame, Hearing::Opening(slot));
                self.prepare_next(slot, now);
                (State::Idle, Then::Wait)
            }
            Readiness::Silent => self.give_up(slot, None, first_frame, now),
            Readiness::Failed(reason) => self.give_up(slot, Some(reason), first_frame, now),
        }
    }

    /// Plans that nothing is heard from a frame on.
    fn hear_nothing(&mut self, from_frame: u64) -> (State<V>, Then) {
        self.opening = None;
        self.hearing.plan_from(from_frame, Hearing::Nothing);
        (State::Idle, Then::Wait)
    }

    /// Notes that a track should be heard and is not ready. It is joined as soon as it is.
    /// `is_open` means that only the model of the device's clock is missing, which is not reported.
    pub(super) fn wait_for_opening(&mut self, slot: Start, is_open: bool, now: Instant<Raw>) {
        let (_, since, was_reported) =
            self.opening.filter(|(before, ..)| *before == slot).unwrap_or((slot, now, false));
        let is_due = !is_open && now - since >= OPENING_REPORTED;
        if is_due && !was_reported {
            self.pending.push((now, FeederEvent::Opening { slot }));
        }
        self.opening = Some((slot, since, was_reported || is_due));
    }

    /// Has the next slot's track opened, once it is near.
    fn prepare_next(&mut self, slot: Start, now: Now<'_>) {
        let Some(program) = self.program.clone() else { return };
        let Some(next) = program.timetable.after(slot) else { return };
        let first_frame = self.frame_heard_at(next.utc(), now);
        if first_frame <= now.until as f64 + PRELOAD_S * f64::from(self.rate_hz) {
            self.prepared.voice(next, 0.0, &program, now.raw);
        }
    }

    /// Begins to play at exactly this frame, wherever in the track that is.
    fn begin(&mut self, mut voice: SteeredVoice<V>, first_frame: u64, now: Now<'_>) -> (State<V>, Then) {
        let slot = voice.slot;
        let target = self.target(slot, first_frame, now);
        // At the beginning there is nothing to fade: the first frame is up to half a frame from the
        // slot's instant.
        let is_beginning = target.now_s < 1.0 / f64::from(self.rate_hz);
        if let Err(mistake) = voice.start_at(target.now_s, !is_beginning) {
            self.prepared.keep(voice);
            return self.give_up(slot, Some(mistake), first_frame, now);
        }
        self.next_frame = first_frame;
        self.opening = None;
        if let Some(phase_error_ns) = voice.left_at_ns.take() {
            self.stats.reseeks += 1;
            self.pending.push((now.raw, FeederEvent::Reseeked { phase_error_ns }));
        }
        self.hearing.plan_from(first_frame, Hearing::Music(slot));
        if self.announced != Some(slot) {
            self.announced = Some(slot);
            let offset_s = if is_beginning { 0.0 } else { target.now_s };
            self.pending.push((now.clock.heard(first_frame), FeederEvent::Track { slot, offset_s }));
        }
        (State::Playing(voice), Then::Again)
    }

    /// Makes blocks until the ring is full enough, the track is over, or the loader has brought no
    /// more.
    fn play(&mut self, mut steered: SteeredVoice<V>, now: Now<'_>) -> (State<V>, Then) {
        let slot = steered.slot;
        let length = self.program.as_ref().and_then(|program| program.timetable.length(slot.track));
        let end = slot.utc() + length.map_or(Span::ZERO, Length::span);
        self.prepare_next(slot, now);
        steered.voice.retry_if_failed(now.raw);
        // Blocks that come too late would not be heard: after a long pause of this thread, or of
        // the loader, playing jumps to the right place.
        if self.next_frame < self.handed_over {
            let is_starved = !steered.voice.has_next_block();
            let failure = steered.voice.failure().filter(|_| is_starved).map(ToOwned::to_owned);
            self.prepared.keep(steered);
            if failure.is_some() {
                return self.give_up(slot, failure, self.next_frame, now);
            }
            self.pending
                .push((now.raw, if is_starved { FeederEvent::Starved { slot } } else { FeederEvent::Interrupted }));
            self.hearing.plan_from(self.next_frame, Hearing::Opening(slot));
            return (State::Idle, Then::Again);
        }
        while self.next_frame < now.until {
            if self.ends.blocks.is_full() {
                return (State::Playing(steered), Then::Wait);
            }
            if self.heard_utc(self.next_frame, now) >= end {
                self.hearing.plan_from(self.next_frame, Hearing::Nothing);
                return (State::Idle, Then::Again);
            }
            let target = self.target(slot, self.next_frame, now);
            steered.voice.want(target.now_s);
            if !steered.voice.has_next_block() {
                return (State::Playing(steered), Then::Wait);
            }
            let (samples, report) = match steered.next_block(target) {
                Ok(made) => made,
                Err(mistake) => {
                    self.prepared.keep(steered);
                    return self.give_up(slot, Some(mistake), self.next_frame, now);
                }
            };
            self.stats.phase_error_ns = report.phase_error_ns;
            self.stats.speed_ppb = (report.speed - 1.0) * 1e9;
            self.stats.playing = Some((slot, target.now_s));
            // There is room: that was checked above, and no other thread writes.
            let _ = self.ends.blocks.push(Block { first_frame: self.next_frame, epoch: self.epoch, samples });
            self.next_frame += BLOCK_FRAMES as u64;
            if steered.left_at_ns.is_some() {
                self.prepared.keep(steered);
                return (State::Idle, Then::Again);
            }
        }
        (State::Playing(steered), Then::Wait)
    }

    /// Leaves a track silent until its slot is over, or its file can be read.
    fn stay_silent(&mut self, slot: Start, now: Now<'_>) -> (State<V>, Then) {
        let Some(program) = self.program.clone() else { return (State::Idle, Then::Again) };
        let earliest = self.earliest_frame();
        let utc = program.audible_from(self.heard_utc(earliest, now));
        let is_over = match program.timetable.place_at(utc) {
            Place::Playing { slot: here, .. } => here != slot,
            Place::Before { next } => next != slot,
            Place::Gap { next } => next != Some(slot),
            Place::Finished => true,
        };
        if is_over {
            return (State::Idle, Then::Again);
        }
        self.prepare_next(slot, now);
        let place_s = self.target(slot, earliest, now).now_s;
        let voice = self.prepared.voice(slot, place_s, &program, now.raw);
        voice.want(place_s);
        match voice.readiness(place_s) {
            Readiness::Ready => (State::Idle, Then::Again),
            Readiness::Opening | Readiness::Silent | Readiness::Failed(_) => (State::Silent { slot }, Then::Wait),
        }
    }

    /// Leaves a track silent from a frame on. Each is reported once.
    fn give_up(&mut self, slot: Start, reason: Option<String>, from_frame: u64, now: Now<'_>) -> (State<V>, Then) {
        self.opening = None;
        self.hearing.plan_from(from_frame, Hearing::Silence(slot));
        if self.given_up != Some(slot) {
            self.given_up = Some(slot);
            self.pending.push((now.raw, FeederEvent::Silent { slot, reason }));
        }
        (State::Silent { slot }, Then::Wait)
    }

    fn finish(&mut self, from_frame: u64, now: Now<'_>) -> (State<V>, Then) {
        self.is_finished = true;
        self.pending.push((now.raw, FeederEvent::Finished));
        self.hear_nothing(from_frame)
    }

    /// Returns the first frame that can still be filled in time.
    fn earliest_frame(&self) -> u64 {
        self.next_frame.max(self.handed_over + self.frames(JOIN_AHEAD_S))
    }
}
