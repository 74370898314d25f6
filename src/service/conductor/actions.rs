//! Carries out the machine's actions.

use crate::appliance::answer::Tone;
use std::sync::Arc;

use jaudiosync_time::{Instant, Span};

use super::requests::clock_time;
use super::{Conductor, Ending};
use crate::appliance::{Action, Moment, PlaylistInfo, Program, Refusal, SavedPosition, Session};
use crate::player::program;
use crate::player::sweeps::Sweeps;
use crate::player::task::PlayerCommand;
use crate::service::settings;
use crate::service::state_writer::WriteCommand;
use crate::sound_check::Times;
use crate::sound_check::schedule::{BoxNumber, ROUND_S};
use crate::storage;
use crate::timetable::Timetable;

/// The box is switched off only once the last tone is over and what the card buffers has been
/// heard.
const POWER_OFF_AFTER: Span = Span::from_ms(Tone::ShuttingDown.duration_ms() as i64 + 200);

impl Conductor {
    pub(super) fn act(&mut self, action: Action, now: Moment) {
        match action {
            Action::Play { program, timetable, playlist } => self.play(program, timetable, playlist),
            Action::StopWithFade => {
                log::info!("stopped");
                self.playing = None;
                (self.ports.player)(PlayerCommand::Stop);
            }
            Action::SoundCheck(times) => self.sound_check(times),
            Action::EndSoundCheck => {
                log::info!("the sound check is over");
                self.check = None;
                (self.ports.player)(PlayerCommand::Stop);
            }
            Action::SaveSession(session) => {
                let session = self.saved_session(session, now);
                (self.ports.state_writer)(WriteCommand::Session(Some(session)));
            }
            Action::ForgetSession => (self.ports.state_writer)(WriteCommand::Session(None)),
            Action::SavePosition(position) => {
                let position = self.saved_position(position);
                (self.ports.state_writer)(WriteCommand::Position(position));
            }
            Action::SetVolume(percent) => (self.ports.volume)(percent),
            Action::SaveVolume(percent) if self.config.volume.remember => {
                (self.ports.state_writer)(WriteCommand::Volume(storage::Volume { percent }));
            }
            Action::SaveVolume(_) => {}
            Action::Reload => (self.ports.playlists)(settings::playlist_source(&self.config)),
            Action::ShutDown => {
                log::info!("Stop was held: switching the box off");
                self.end(Ending::PowerOff, POWER_OFF_AFTER);
            }
            Action::Led(pattern) => self.pattern = pattern,
            Action::Flash(flash) => self.flash = Some((flash, now.raw)),
            Action::Tone(tone) => (self.ports.sound)(tone),
            Action::Warn(warning) => log::warn!("{warning}"),
            Action::Refuse(refusal) => self.refuse(refusal),
        }
    }

    fn play(&mut self, program: Program, timetable: Timetable, info: Arc<PlaylistInfo>) {
        // The machine plays the playlist that was read last, or continues the one that plays.
        let Some(playlist) = self.playlist.as_ref().filter(|playlist| playlist.info == info) else {
            return log::error!("a playlist that is not there was to be played: {}", info.name);
        };
        log::info!("{} {}", self.beginning(&program), clock_time(program.heard_from_utc_s));
        (self.ports.player)(PlayerCommand::Play(program::Program {
            timetable: timetable.clone(),
            library: (self.ports.library)(&playlist.playlist, self.audio.mix),
            heard_from: Some(Instant::from_second(program.heard_from_utc_s)),
            output_latency: self.audio.output_latency,
        }));
        self.playing = Some((program, timetable, info));
    }

    fn sound_check(&mut self, times: Times) {
        let number = self.box_number();
        let (sweeps, timetable) = match Sweeps::on_timetable(number, self.check_seed, times) {
            Ok(made) => made,
            // The machine ends it then.
            Err(error) => return log::error!("no sound check: {error}"),
        };
        log::info!("{}", self.sound_check_words(times));
        (self.ports.player)(PlayerCommand::Play(program::Program {
            timetable,
            library: sweeps,
            heard_from: Some(Instant::from_second(times.from_utc_s)),
            output_latency: self.audio.output_latency,
        }));
        self.check = Some(times);
    }

    /// Returns this box's number in a sound check.
    pub(super) fn box_number(&self) -> BoxNumber {
        self.ports.numbers.get()
    }

    /// Returns what a sound check is, in words.
    pub(super) fn sound_check_words(&self, times: Times) -> String {
        let number = self.box_number();
        let [first, second, third] = [0, 1, 2].map(|round| number.second() + round * ROUND_S);
        format!(
            "sounds as box {number} on seconds {first}, {second} and {third} of every minute, from {} to {}",
            clock_time(times.from_utc_s),
            clock_time(times.until_utc_s)
        )
    }

    /// Returns what a program is, in words that come before the time at which it begins to be
    /// heard.
    pub(super) fn beginning(&self, program: &Program) -> String {
        if program.session == Session::common(self.config.start.anchor.utc_s) {
            "joins the common timetable at".to_owned()
        } else if program.heard_from_utc_s > program.session.anchor_utc_s {
            "joins what is under way at".to_owned()
        } else {
            format!("begins with track {} at", program.session.first_track)
        }
    }

    /// Plays the current program again, because the settings for the sound have changed.
    pub(super) fn play_again(&mut self) {
        if let Some(times) = self.check {
            self.sound_check(times);
        } else if let Some((program, timetable, info)) = self.playing.clone() {
            self.play(program, timetable, info);
        }
    }

    /// Answers a client that is waiting, and logs the refusal in any case.
    fn refuse(&mut self, refusal: Refusal) {
        log::info!("refused: {refusal}");
        self.refusal = Some(refusal);
    }

    fn saved_session(&self, session: Session, now: Moment) -> storage::Session {
        let playlist = self.playlist.as_ref();
        storage::Session {
            anchor_utc_s: session.anchor_utc_s,
            first_track: session.first_track,
            repeats: session.repeats,
            playlist: self.playlist_name(),
            fingerprint: playlist.map_or_else(String::new, |playlist| playlist.info.fingerprint.clone()),
            started_utc_s: now.utc.second(),
        }
    }

    fn saved_position(&self, position: SavedPosition) -> storage::Position {
        let offset_s = position.offset.seconds();
        storage::Position { playlist: self.playlist_name(), track: position.track, offset_s }
    }

    fn playlist_name(&self) -> String {
        self.playlist.as_ref().map_or_else(String::new, |playlist| playlist.name.clone())
    }
}
