//! What must hold for a box, at all times and at the end.

use jaudiosync::control::Command;
use jaudiosync::control::protocol::PlayState;
use jaudiosync::player::program::Program;
use jaudiosync::timetable::{Place, Start, Timetable};
use jaudiosync_hw::buttons::Button;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_time::{Instant, Span, Utc};

use super::appliance_harness::late_ms;
use super::hour::{Hour, Tally};
use super::{MS, S};

/// After any fault, a box is in phase again within this time.
const RECOVERY: Span = Span::from_seconds(4);

/// How long earlier sound may still be heard: the fade, and what the card has buffered.
const FADE: Span = Span::from_ms(300);

impl Hour<'_> {
    /// Checks what always holds.
    pub fn check(&mut self) {
        let now = self.now();
        let utc_map = self.around.time.utc();
        let before = std::mem::replace(&mut self.utc_map, utc_map);
        if before.apply(now) != utc_map.apply(now) {
            self.note_disturbance();
        }
        let status = self.appliance().status();
        assert!(status.volume.percent <= status.volume.maximum_percent, "{:?}", status.volume);
        // Also with a mixer: while it does not answer, the player sets the volume.
        if status.volume.percent == 0 {
            self.muted = now;
        }
        let is_loud = now - self.muted > FADE;
        let newest = self.appliance().programs.last();
        let in_force = newest.and_then(|given| given.program.as_ref());
        let given_at = newest.map_or(Instant::ZERO - S, |given| given.at);
        let is_settled = now - self.disturbed.max(given_at) > RECOVERY && self.is_plugged;
        // Most of a round of a sound check is silent: the other boxes sound then.
        let is_sound_check = status.play.state == PlayState::SoundCheck;
        let mut seen = Tally::default();
        for heard in &self.appliance().heard {
            let utc = utc_map.apply(heard.raw);
            match (heard.place_s, in_force) {
                (Some(_), None) => check_stopped(heard.raw - given_at),
                (Some(place_s), Some(program)) if is_settled && plays(program, utc, Span::from_ms(20)) => {
                    check_in_phase(program, utc, place_s);
                    seen.in_phase += 1;
                }
                (Some(_), Some(program)) if is_settled => check_near_a_track(program, utc),
                (None, Some(program)) if is_settled && !is_sound_check => {
                    check_silence(program, utc, is_loud);
                    seen.silent += 1;
                }
                _ => {}
            }
        }
        self.tally += seen;
    }

    /// Repairs everything; then Stop must stop, Start must start, and the box must be where all
    /// others are.
    pub fn settle_and_verify(&mut self) {
        for (_, recovery) in std::mem::take(&mut self.recoveries) {
            self.recoveries.push((self.now(), recovery));
        }
        self.edit_playlist(3);
        *self.around.config.lock().unwrap() = String::new();
        self.around.time.know();
        self.run(S * 3);
        self.note_disturbance();
        let reload = self.appliance().ask(Command::Reload {});
        self.appliance().ask(Command::Volume { percent: Some(50), by: None });
        self.run(S);
        let answer = reload.try_recv().expect("an answer");
        assert!(answer.into_message().is_ok_and(|words| words.contains("fingerprint")));
        self.run(S * 9);
        self.around.board.press(Button::Stop);
        self.run(MS * 100);
        self.around.board.release(Button::Stop);
        self.run(S);
        let status = self.appliance().status();
        assert_eq!(status.play.state, PlayState::Stopped, "{status:#?}");
        assert!(!self.around.state.join("session.json").exists());
        self.around.board.press(Button::Start);
        self.run(MS * 100);
        self.around.board.release(Button::Start);
        self.run(S);
        assert!(self.around.state.join("session.json").exists());
        let before = self.tally.in_phase;
        self.run(S * 60);
        let status = self.appliance().status();
        assert!(status.play.common && status.playlist.is_some(), "{status:#?}");
        assert!(self.tally.in_phase > before + 500, "it is heard, and in its place: {status:#?}");
        if self.around.has_mixer {
            assert_eq!(self.around.board.volume_percent(), 50);
        }
        // Any box with this playlist is at this place.
        let program = self.appliance().programs.last().and_then(|given| given.program.clone()).expect("a program");
        let lengths =
            (0..status.playlist.as_ref().unwrap().tracks).map(|track| program.timetable.length(track)).collect();
        let common = Timetable::common(lengths, 0).unwrap();
        let utc = self.around.clocks.system_utc();
        assert_eq!(program.timetable.place_at(utc), common.place_at(utc));
    }
}

/// Checks, while nothing should play, that sound is at most the end of what played before.
fn check_stopped(since: Span) {
    assert!(since < FADE, "sound {} ms after Stop", since.whole_ms());
}

/// Checks that a track is heard, and at its place.
fn check_in_phase(program: &Program, utc: Instant<Utc>, place_s: f64) {
    let late_ms = late_ms(program, utc, place_s).expect("it plays");
    assert!(late_ms.abs() < 1.0, "{late_ms} ms late at {:?}", program.timetable.place_at(utc));
}

/// Checks that something is heard where a track begins or ends, and nowhere else.
fn check_near_a_track(program: &Program, utc: Instant<Utc>) {
    let near =
        plays(program, utc - Span::from_ms(20), Span::ZERO) || plays(program, utc + Span::from_ms(20), Span::ZERO);
    assert!(near, "sound at {:?}", program.timetable.place_at(utc));
}

/// Checks that silence is right: the timetable has no sound there, or the volume is 0.
fn check_silence(program: &Program, utc: Instant<Utc>, is_loud: bool) {
    let place = program.timetable.place_at(utc);
    assert!(!(plays(program, utc, Span::from_ms(250)) && is_loud), "silence at {place:?}");
}

/// Returns whether a program's timetable has sound for `around` before and after an instant.
fn plays(program: &Program, utc: Instant<Utc>, around: Span) -> bool {
    let slot_at = |utc| match program.timetable.place_at(utc) {
        Place::Playing { slot, .. } if program.heard_from.is_none_or(|heard_from| utc >= heard_from) => Some(slot),
        _ => None,
    };
    let slot = slot_at(utc - around);
    let is_there = |slot: Start| program.library.open(slot.track).is_ok_and(|source| source.is_some());
    slot == slot_at(utc + around) && slot.is_some_and(is_there)
}
