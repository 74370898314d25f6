//! Answers the control socket: a client's request becomes a command to the machine, and the result
//! an answer in words.

use std::sync::mpsc::SyncSender;

use chrono::{DateTime, Local};

use super::{Conductor, CurrentPlaylist};
use crate::appliance::{Command, FirstTrack, Input, Phase, Refusal, VolumeChange, Warning};
use crate::control::Response;
use crate::control::protocol::{self, ErrorCode};
use crate::service::settings;
use crate::sound_check::MINUTES;
use crate::timetable::local_time::NamedTime;

/// A client that waits for the playlist to be read.
pub(super) struct Waiting {
    answer: SyncSender<Response>,
    /// The configuration's keys that need a restart.
    needs_restart: Vec<&'static str>,
}

impl Conductor {
    pub(super) fn obey(&mut self, command: protocol::Command, answer: SyncSender<Response>) {
        if self.ending.is_some() {
            return reply(&answer, refused(Refusal::ShuttingDown));
        }
        let response = match command {
            protocol::Command::Start { time, first_track, fresh } => self.start(time, first_track, fresh),
            protocol::Command::Stop {} => {
                let was = self.appliance.snapshot(self.now()).phase;
                let words = if was == Phase::Idle { "nothing was playing" } else { "stopped" };
                self.command(Command::Stop).unwrap_or_else(|| Response::done(words))
            }
            protocol::Command::Resume {} => self.command(Command::Resume).unwrap_or_else(|| self.what_happens_now()),
            protocol::Command::Volume { percent, by } => {
                let change = percent.map(VolumeChange::To).or(by.map(VolumeChange::By));
                let refusal = change.and_then(|change| self.command(Command::Volume(change)));
                refusal.unwrap_or_else(|| {
                    let percent = self.appliance.snapshot(self.now()).volume_percent;
                    Response::volume(percent, self.volume_db(percent))
                })
            }
            protocol::Command::SoundCheck { minutes, .. } => {
                let minutes = minutes.unwrap_or(MINUTES);
                self.command(Command::SoundCheck { minutes }).unwrap_or_else(|| self.what_happens_now())
            }
            protocol::Command::OutputLatency(change) => self.change_latency(change),
            protocol::Command::Reload {} => {
                let needs_restart = self.reload_config();
                match self.command(Command::Reload) {
                    None => return self.waiting.push(Waiting { answer, needs_restart }),
                    Some(refusal) => refusal,
                }
            }
        };
        reply(&answer, response);
    }

    fn start(&mut self, time: Option<NamedTime>, first_track: Option<protocol::FirstTrack>, fresh: bool) -> Response {
        let now_utc = self.now().utc;
        let at_utc_s = match time.map(|time| time.to_utc_s(&Local, now_utc)).transpose() {
            Ok(at_utc_s) => at_utc_s,
            Err(error) => return Response::failed(ErrorCode::Invalid, error.to_string()),
        };
        let first_track = first_track.map(|track| match track {
            protocol::FirstTrack::Number(number) => FirstTrack::Number(number as usize),
            protocol::FirstTrack::Resume => FirstTrack::Resume,
        });
        let command = Command::Start { at_utc_s, first_track, fresh };
        self.command(command).unwrap_or_else(|| self.what_happens_now())
    }

    /// Passes a command to the machine. Only a refusal is an answer.
    fn command(&mut self, command: Command) -> Option<Response> {
        self.refusal = None;
        self.feed(Input::Command(command));
        self.refusal.take().map(refused)
    }

    fn what_happens_now(&self) -> Response {
        let snapshot = self.appliance.snapshot(self.now());
        Response::done(match snapshot.phase {
            Phase::WaitingForSlot { utc_s } => match &self.playing {
                Some((program, ..)) => format!("{} {}", self.beginning(program), clock_time(utc_s)),
                None => format!("plays from {}", clock_time(utc_s)),
            },
            Phase::Playing { in_sync: true } => "plays".to_owned(),
            Phase::Playing { in_sync: false } => "plays, but not in sync: the time is not trusted".to_owned(),
            Phase::WaitingForPlaylist => "plays as soon as the playlist is read".to_owned(),
            Phase::WaitingForTime => format!(
                "plays as soon as the time is trusted, or {} s after power-on without being in sync",
                self.config.start.untrusted_wait_s
            ),
            Phase::SoundCheck { times } => self.sound_check_words(times),
            Phase::Idle => "the playlist is over".to_owned(),
            Phase::ShuttingDown => "the box is being switched off".to_owned(),
        })
    }

    /// Reads the configuration again and applies what can change now; returns the keys that need a
    /// restart.
    pub(super) fn reload_config(&mut self) -> Vec<&'static str> {
        let layers = (self.ports.load_config)();
        self.config_problems = layers.problems().iter().map(ToString::to_string).collect();
        self.config_problems.iter().for_each(|problem| log::warn!("{problem}"));
        self.config = layers.config().clone();
        let needs_restart = settings::needs_restart(&self.begun_with, &self.config);
        if !needs_restart.is_empty() {
            let words = restart_words(&needs_restart);
            log::warn!("{words}");
            // Also for those who have reloaded many boxes at once, and get no words back.
            self.config_problems.push(words);
        }
        self.feed(Input::Settings(settings::appliance_settings(&self.config)));
        self.ports.numbers.configure(&self.config);
        self.follow_audio();
        needs_restart
    }

    /// Answers the clients that wait for the playlist, once it was read or cannot be.
    pub(super) fn answer_waiting(&mut self) {
        let snapshot = self.appliance.snapshot(self.now());
        let failed = |warning: &Warning| matches!(warning, Warning::PlaylistFailed(_));
        let problem = snapshot.warnings.iter().find(|warning| failed(warning)).map(ToString::to_string);
        let words = self.playlist.as_ref().map_or_else(String::new, CurrentPlaylist::describe);
        for Waiting { answer, needs_restart } in self.waiting.drain(..) {
            let response = match &problem {
                Some(problem) => Response::failed(ErrorCode::Playlist, problem.clone()),
                None if needs_restart.is_empty() => Response::done(words.clone()),
                None => Response::done(format!("{words}; {}", restart_words(&needs_restart))),
            };
            reply(&answer, response);
        }
    }
}

fn restart_words(keys: &[&str]) -> String {
    format!("{} will take effect after: systemctl restart jaudiosync", keys.join(", "))
}

fn refused(refusal: Refusal) -> Response {
    let code = match refusal {
        Refusal::NoSuchTrack { .. } | Refusal::AlreadyOver => ErrorCode::Invalid,
        Refusal::NoPosition | Refusal::ShuttingDown | Refusal::NoTimeForSoundCheck => ErrorCode::NotNow,
    };
    Response::failed(code, refusal.to_string())
}

fn reply(answer: &SyncSender<Response>, response: Response) {
    // A client that has gone needs no answer; one that is there has room for it.
    let _ = answer.try_send(response);
}

/// Returns a time as `18:30:05`, in the box's local time.
pub(super) fn clock_time(utc_s: i64) -> String {
    let instant = DateTime::from_timestamp(utc_s, 0).unwrap_or_default();
    instant.with_timezone(&Local).format("%H:%M:%S").to_string()
}
