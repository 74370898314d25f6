//! `jaudiosync play`: plays a playlist on its timetable until it is over or stopped.

mod clock;
mod report;
mod start;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chrono::Local;
use clap::{Args, ValueEnum};
use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_hw::dac::{Backend, ChosenDac, SinkOptions};
use jaudiosync_time::{Span, Utc};

use self::clock::Clock;
use self::report::Report;
use self::start::{choose_first_track, choose_start};
use super::playlist_options::PlaylistOptions;
use super::{Failure, output};
use crate::config::{BUFFER_MS, MAX_OUTPUT_LATENCY_MS};
use crate::control::protocol::FirstTrack;
use crate::ending::{self, HangUp, Notice};
use crate::player::decoder::Mix;
use crate::player::engine::{Engine, Parts};
use crate::player::feeder::FeederEvent;
use crate::player::files::Files;
use crate::player::program::Program;
use crate::player::task::{Event, PlayerCommand, WhenMissing};
use crate::playlist::Playlist;
use crate::storage::{Position, state_folder};
use crate::timekeeping::published::UtcSource;
use crate::timetable::local_time::NamedTime;
use crate::timetable::{Place, Timetable};

/// An instant in UTC, as `Instant` is the standard library's here.
type UtcInstant = jaudiosync_time::Instant<Utc>;

/// How often to check that the player is alive.
const POLL: Duration = Duration::from_millis(500);

/// How long to wait for the music to fade out before the position is saved: a sound card that hangs
/// never reports the end.
const FADE_PATIENCE: Duration = Duration::from_millis(900);

/// Play a playlist, each track at its exact instant
///
/// Without -t playing begins at the next grid slot: second 5, 20, 35 or 50 of a minute, at least 5
/// s ahead. Boxes whose riders press Enter within the same few seconds start together; the
/// following tracks keep to the timetable. Ctrl-C fades out, saves the position for `-p res`, and
/// exits.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync play
  jaudiosync play -t 18:30:05                  begin at 18:30:05; if that has passed, join in the middle
  jaudiosync play -t '2026-11-30 18:30'        begin on another day; also 2026-11-30T18:30:00
  jaudiosync play -p 2                         begin with track 2
  jaudiosync play -p res                       begin with the track that Ctrl-C stopped
  jaudiosync play --device Headphones --channels mono --loop")]
pub(super) struct Play {
    #[command(flatten)]
    playlist: PlaylistOptions,

    /// When the first track begins: local time, HH:MM or HH:MM:SS, today or on a date
    /// [default: the next grid slot]
    #[arg(short = 't', long = "time", value_name = "TIME", allow_hyphen_values = true)]
    time: Option<NamedTime>,

    /// First track, counted from 0, or `res` for the track at which playing was stopped
    #[arg(short = 'p', long = "position", value_name = "N|res", default_value = "0", allow_hyphen_values = true)]
    first_track: FirstTrack,

    /// Trust the saved index, without checking the files
    #[arg(short = 'l', long = "trust-index")]
    trust_index: bool,

    /// Sound output, as listed by `jaudiosync devices` [default: the best that is there]
    #[arg(long, value_name = "ID")]
    device: Option<String>,

    /// Through what a sound card is played on
    #[arg(long, value_enum, default_value_t = BackendChoice::Alsa)]
    backend: BackendChoice,

    /// How much the sound card buffers, in ms
    #[arg(long, value_name = "MS", default_value_t = SinkOptions::default().buffer_ms,
        value_parser = clap::value_parser!(u32).range(i64::from(BUFFER_MS[0])..=i64::from(BUFFER_MS[1])))]
    buffer_ms: u32,

    /// How the two channels are played
    #[arg(long, value_enum, default_value_t = Channels::Stereo)]
    channels: Channels,

    /// Repeat the playlist forever
    #[arg(long = "loop")]
    repeats: bool,

    /// How long after the sound card has played it the sound is heard; it is played that much
    /// earlier
    #[arg(long, value_name = "MS", default_value_t = 0.0, allow_hyphen_values = true)]
    output_latency_ms: f64,

    // Not `--time`, which is the long form of -t.
    /// Where the time comes from
    #[arg(long, value_enum, default_value_t = Clock::System)]
    clock: Clock,

    /// Print phase error, its bound, speed, buffer and drop-outs every second, and a summary at the
    /// end
    #[arg(long)]
    stats: bool,

    /// Print a line of JSON for every event (and, with --stats, every second)
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Channels {
    /// Left and right
    Stereo,
    /// Both mixed, on both outputs, for a box with one speaker
    Mono,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendChoice {
    /// ALSA itself
    Alsa,
    /// The library cpal
    Cpal,
}

/// What the command waits for.
enum Message {
    Player(Event),
    End,
}

/// How playing ends.
enum Outcome {
    /// The last slot is over.
    Finished,
    /// It was stopped at this instant.
    Stopped(UtcInstant),
}

impl Play {
    fn sink_options(&self) -> SinkOptions {
        let backend = match self.backend {
            BackendChoice::Alsa => Backend::Alsa,
            BackendChoice::Cpal => Backend::Cpal,
        };
        SinkOptions { backend, buffer_ms: self.buffer_ms }
    }

    pub(super) fn run(&self) -> Result<(), Failure> {
        if self.output_latency_ms.is_nan() || self.output_latency_ms.abs() > MAX_OUTPUT_LATENCY_MS {
            return Err(Failure::Usage(format!(
                "--output-latency-ms {} is not within ±{MAX_OUTPUT_LATENCY_MS}",
                self.output_latency_ms
            )));
        }
        let playlist = self.playlist.load_playable(self.trust_index)?.playlist;
        let first_track = choose_first_track(self.first_track, &playlist, state_folder(None).as_deref())?;
        let time = self.clock.start()?;
        let now = time.source.estimate().utc.apply(MachineClocks.raw());
        let anchor_utc_s = choose_start(self.time, &Local, now)?;
        let timetable = playlist.timetable(anchor_utc_s, first_track, self.repeats)?;
        if timetable.place_at(now) == Place::Finished {
            return Err(start::already_over(&timetable, self.time, &Local, now));
        }
        let report = Report::new(&playlist, self.json, self.stats);
        report.beginning(&timetable, now)?;
        self.play(&playlist, timetable, time.source.clone(), report)
    }

    fn play(
        &self,
        playlist: &Playlist,
        timetable: Timetable,
        time: Arc<dyn UtcSource>,
        mut report: Report<'_>,
    ) -> Result<(), Failure> {
        let (sender, messages) = mpsc::channel();
        let mix = match self.channels {
            Channels::Stereo => Mix::Stereo,
            Channels::Mono => Mix::Mono,
        };
        let program = Program {
            timetable: timetable.clone(),
            library: Arc::new(Files::of(playlist, mix)),
            heard_from: None,
            output_latency: Span::from_ms_f64(self.output_latency_ms),
        };
        let player_sender = sender.clone();
        let report_event = Box::new(move |event| _ = player_sender.send(Message::Player(event)));
        let dac = Box::new(ChosenDac::new(self.device.as_deref(), self.sink_options()));
        let clocks = Arc::new(MachineClocks);
        let utc = Arc::clone(&time);
        let engine = Engine::start(Parts { dac, clocks, time, report: report_event }, WhenMissing::Fail)?;
        engine.command(PlayerCommand::Play(program));
        // Until the position is saved, an end that takes too long is a failure.
        ending::orderly(HangUp::Ends, 1, move |notice| {
            if notice == Notice::End {
                // An error means that nobody waits for it: the command is already ending.
                let _ = sender.send(Message::End);
            }
        });
        let now = || utc.estimate().utc.apply(MachineClocks.raw());
        let outcome = follow(&engine, &messages, &mut report, &now);
        let stopped_at = match outcome {
            Ok(Outcome::Finished) => None,
            Ok(Outcome::Stopped(utc)) => Some(utc),
            Err(_) => Some(now()),
        };
        if let Some(utc) = stopped_at {
            save_position(playlist, &timetable, utc);
            // Everything is saved.
            ending::begin(exit_code(&outcome));
        }
        let reported = report_outcome(&outcome, &report);
        ending::begin(exit_code(&outcome));
        drop(engine);
        outcome.and(reported)
    }
}

fn exit_code(outcome: &Result<Outcome, Failure>) -> u8 {
    u8::from(outcome.is_err())
}

fn report_outcome(outcome: &Result<Outcome, Failure>, report: &Report<'_>) -> Result<(), Failure> {
    if let Ok(Outcome::Stopped(_)) = outcome {
        report.stopped()?;
    }
    if outcome.is_ok() { report.summary() } else { Ok(()) }
}

/// Reports the player's events until playing is over.
fn follow(
    engine: &Engine,
    messages: &Receiver<Message>,
    report: &mut Report<'_>,
    now: &impl Fn() -> UtcInstant,
) -> Result<Outcome, Failure> {
    // When it was stopped, and how long to wait for it to fade out.
    let mut stopped: Option<(UtcInstant, Instant)> = None;
    loop {
        let has_died = engine.failure();
        match stopped {
            Some((utc, until)) if has_died.is_some() || Instant::now() >= until => {
                return Ok(Outcome::Stopped(utc));
            }
            _ => {}
        }
        if let Some(reason) = has_died {
            return Err(Failure::Other(format!(
                "the player has died of a fault in this program ({reason}); start it again, with -p res to begin with the same track"
            )));
        }
        let wait = stopped.map_or(POLL, |(_, until)| until.saturating_duration_since(Instant::now()).min(POLL));
        match messages.recv_timeout(wait) {
            Ok(Message::End) => {
                engine.command(PlayerCommand::Stop);
                stopped.get_or_insert_with(|| (now(), Instant::now() + FADE_PATIENCE));
            }
            Ok(Message::Player(Event::Stopped(utc))) => return Ok(Outcome::Stopped(utc)),
            Ok(Message::Player(event)) => {
                report.event(&event)?;
                if event == Event::Feeder(FeederEvent::Finished) {
                    return Ok(Outcome::Finished);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            // No sender is left: neither the player nor the signal handler.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait),
        }
    }
}

fn save_position(playlist: &Playlist, timetable: &Timetable, utc: UtcInstant) {
    let (track, offset) = timetable.place_at(utc).resume_point();
    let position = Position { playlist: playlist.name.clone(), track, offset_s: offset.seconds() };
    let _held = ending::hold_act("the position in the state folder");
    if let Err(error) = position.write(state_folder(None).as_deref()) {
        output::warn(format_args!("cannot save the position: {error}"));
    }
}
