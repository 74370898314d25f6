//! What `play` prints: text in the style of the earlier Python program, or lines of JSON.

use jaudiosync_time::{Instant, Span, Utc};
use serde_json::{Value, json};

use super::super::{Failure, output};
use crate::format;
use crate::player::feeder::{FeederEvent, FeederStats};
use crate::player::task::Event;
use crate::playlist::Playlist;
use crate::timekeeping::status::BOUND_SIGMAS;
use crate::timetable::{Start, Timetable};

/// Prints events, and collects figures for the summary.
pub(super) struct Report<'a> {
    playlist: &'a Playlist,
    json: bool,
    stats: bool,
    /// The phase error of every second in which something played, in ns.
    phase_errors_ns: Vec<f64>,
    last: FeederStats,
}

impl<'a> Report<'a> {
    pub(super) fn new(playlist: &'a Playlist, json: bool, stats: bool) -> Self {
        Self { playlist, json, stats, phase_errors_ns: Vec::new(), last: FeederStats::default() }
    }

    /// Prints the playlist, and when it begins or that it has already begun.
    pub(super) fn beginning(&self, timetable: &Timetable, now: Instant<Utc>) -> Result<(), Failure> {
        let first = timetable.first();
        let is_under_way = first.utc() < now;
        if self.json {
            return output::say_json(&json!({
                "event": "start",
                "playlist": self.playlist.name,
                "tracks": self.playlist.tracks.len(),
                "runtime_s": self.playlist.runtime_s(),
                "fingerprint": self.playlist.fingerprint().to_string(),
                "track": first.track,
                "utc_s": first.utc_s,
                "under_way": is_under_way,
            }));
        }
        output::say(format_args!(
            "Playlist: {}, {}, runtime {}, fingerprint {}",
            self.playlist.name,
            format::counted(self.playlist.tracks.len(), "track"),
            format::duration(self.playlist.runtime_s()),
            self.playlist.fingerprint(),
        ));
        for (number, track) in self.playlist.tracks.iter().enumerate() {
            output::say(format_args!("{number:5}  {}", track.display_name()));
        }
        let verb = if is_under_way { "Joining what started" } else { "Starting" };
        output::say(format_args!("{verb} with track: {} , at: {}", first.track, format::local_time(first.utc_s)));
        Ok(())
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if let Event::Stats { feeder: stats, utc, .. } = event {
            return self.second(*stats, *utc);
        }
        if self.json { self.event_as_json(event) } else { self.event_for_people(event) }
    }

    fn name(&self, slot: &Start) -> String {
        self.playlist.tracks.get(slot.track).map_or_else(String::new, |track| track.display_name())
    }

    fn event_for_people(&self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Feeder(FeederEvent::Track { slot, offset_s }) => {
                output::say(format_args!("Playing: {}", self.name(slot)));
                let at = slot.utc() + Span::from_seconds_f64(*offset_s);
                let joined = if *offset_s > 0.0 { format!(" ({offset_s:.3} s into it)") } else { String::new() };
                output::say(format_args!("At: {}{joined}", format::local_time_ms(at)));
            }
            Event::Feeder(FeederEvent::Silent { slot, reason }) => {
                let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
                output::say(format_args!("Silent: {}{reason}", self.name(slot)));
            }
            Event::Feeder(FeederEvent::Opening { slot }) => {
                output::say(format_args!("Opening: {}", self.name(slot)));
            }
            Event::Feeder(FeederEvent::Finished) => output::say("Playlist finished playing."),
            Event::Feeder(event) => event.trouble(|slot| self.name(slot)).iter().for_each(output::warn),
            Event::DeviceLost(error) => output::warn(format_args!("{error}; waiting for it to come back")),
            Event::DeviceBack => output::warn("the sound output is back"),
            Event::Stats { .. } | Event::Hearing(_) | Event::Stopped(_) => {}
        }
        Ok(())
    }

    fn event_as_json(&self, event: &Event) -> Result<(), Failure> {
        let line = match event {
            Event::Feeder(FeederEvent::Track { slot, offset_s }) => json!({
                "event": "track", "track": slot.track, "utc_s": slot.utc_s, "offset_s": offset_s,
                "name": self.name(slot),
            }),
            Event::Feeder(FeederEvent::Silent { slot, reason }) => {
                json!({"event": "silent", "track": slot.track, "utc_s": slot.utc_s, "reason": reason})
            }
            Event::Feeder(FeederEvent::Opening { slot }) => {
                json!({"event": "opening", "track": slot.track, "utc_s": slot.utc_s})
            }
            Event::Feeder(FeederEvent::Starved { slot }) => {
                json!({"event": "starved", "track": slot.track, "utc_s": slot.utc_s})
            }
            Event::Feeder(FeederEvent::Interrupted) => json!({"event": "interrupted"}),
            Event::Feeder(FeederEvent::Reseeked { phase_error_ns }) => {
                json!({"event": "reseek", "phase_error_ms": phase_error_ns / 1e6})
            }
            Event::Feeder(FeederEvent::Finished) => json!({"event": "finished"}),
            Event::DeviceLost(error) => json!({"event": "device_lost", "reason": error.to_string()}),
            Event::DeviceBack => json!({"event": "device_back"}),
            Event::Stats { .. } | Event::Hearing(_) | Event::Stopped(_) => Value::Null,
        };
        if line.is_null() { Ok(()) } else { output::say_json(&line) }
    }

    /// Counts a second's figures, and prints them with `--stats`.
    fn second(&mut self, stats: FeederStats, utc: Instant<Utc>) -> Result<(), Failure> {
        self.last = stats;
        if stats.playing.is_some() {
            self.phase_errors_ns.push(stats.phase_error_ns);
        }
        if !self.stats {
            return Ok(());
        }
        if self.json {
            return output::say_json(&json!({
                "event": "stats",
                "utc_s": utc.ns() as f64 / 1e9,
                "track": stats.playing.map(|(slot, _)| slot.track),
                "offset_s": stats.playing.map(|(_, offset_s)| offset_s),
                "phase_error_ms": stats.playing.map(|_| stats.phase_error_ns / 1e6),
                "phase_bound_ms": finite(bound_ns(&stats) / 1e6),
                "speed_ppm": stats.speed_ppb / 1e3,
                "dac_rate_ppm": -stats.dac_rate_ppb / 1e3,
                "observation_noise_ms": finite(stats.observation_noise_ns / 1e6),
                "buffer_ms": stats.buffered.ms(),
                "xruns": stats.xruns,
                "late_frames": stats.late_frames,
                "reseeks": stats.reseeks,
                "restarts": stats.restarts,
            }));
        }
        let phase = match stats.playing {
            Some(_) => format!("phase {:+.4} ms", stats.phase_error_ns / 1e6),
            None => "silence".to_owned(),
        };
        output::say(format_args!(
            "{}  {phase} ±{:.4}  speed {:+.1} ppm  DAC {:+.1} ppm  buffer {:.0} ms  xruns {}",
            format::local_time(utc.second()),
            bound_ns(&stats) / 1e6,
            stats.speed_ppb / 1e3,
            -stats.dac_rate_ppb / 1e3,
            stats.buffered.ms(),
            stats.xruns,
        ));
        Ok(())
    }

    /// Prints that a signal has stopped it.
    pub(super) fn stopped(&self) -> Result<(), Failure> {
        if self.json {
            return output::say_json(&json!({"event": "stopped"}));
        }
        output::say("Stopped; the position is saved for -p res.");
        Ok(())
    }

    /// Prints the summary, if there are statistics.
    pub(super) fn summary(&self) -> Result<(), Failure> {
        if !self.stats || self.phase_errors_ns.is_empty() {
            return Ok(());
        }
        let mut errors_ms: Vec<f64> = self.phase_errors_ns.iter().map(|error_ns| error_ns.abs() / 1e6).collect();
        errors_ms.sort_by(f64::total_cmp);
        let quantile = |part: f64| errors_ms.get((part * (errors_ms.len() - 1) as f64).round() as usize).copied();
        let (median, p99, max) = (quantile(0.5), quantile(0.99), quantile(1.0));
        if self.json {
            return output::say_json(&json!({
                "event": "summary", "seconds": errors_ms.len(), "phase_error_median_ms": median,
                "phase_error_p99_ms": p99, "phase_error_max_ms": max, "xruns": self.last.xruns,
                "late_frames": self.last.late_frames, "reseeks": self.last.reseeks, "restarts": self.last.restarts,
            }));
        }
        output::say(format_args!(
            "Played {} s: phase error median {:.4} ms, p99 {:.4} ms, max {:.4} ms; {} xruns, {} late frames, {} re-seeks",
            errors_ms.len(),
            median.unwrap_or_default(),
            p99.unwrap_or_default(),
            max.unwrap_or_default(),
            self.last.xruns,
            self.last.late_frames,
            self.last.reseeks,
        ));
        Ok(())
    }
}

/// Returns the bound of the phase error in ns, from the model of the DAC's clock.
fn bound_ns(stats: &FeederStats) -> f64 {
    BOUND_SIGMAS * stats.phase_sigma_ns
}

/// Returns `None` for infinities and NaN, which JSON does not have.
fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}
