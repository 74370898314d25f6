//! The output latency, as a recording of a sound check has shown it.

use super::Conductor;
use crate::config::MAX_OUTPUT_LATENCY_MS;
use crate::control::Response;
use crate::control::protocol::{APPLIED_BEFORE, ErrorCode, LatencyChange, MOST_CHANGE_US};
use crate::service::settings::AudioSettings;
use crate::service::state_writer::WriteCommand;
use crate::storage::MeasuredLatency;

impl Conductor {
    /// Changes the output latency by what a recording has shown, saves it and plays on with it.
    pub(super) fn change_latency(&mut self, change: LatencyChange) -> Response {
        let before_ms = self.audio.output_latency.ms();
        if change.by_us.unsigned_abs() > MOST_CHANGE_US {
            return Response::failed(ErrorCode::Invalid, "the output latency changes by at most 100 ms at a time");
        }
        if self.measured.as_ref().is_some_and(|measured| measured.counts(change.measurement)) {
            return Response::done(format!("output_latency_ms is {before_ms:.3}: {APPLIED_BEFORE}"));
        }
        // In µs, so that what is shown is what is saved.
        let ms = ((before_ms * 1e3).round() + f64::from(change.by_us)) / 1e3;
        if ms.abs() > MAX_OUTPUT_LATENCY_MS {
            let words = format!("output_latency_ms would be {ms:.3}; it is within \u{b1}{MAX_OUTPUT_LATENCY_MS}");
            return Response::failed(ErrorCode::Invalid, words);
        }
        let configured_ms = self.config.sound.output_latency_ms;
        let before = self.measured.as_ref().map(MeasuredLatency::until_now).unwrap_or_default();
        let measured = MeasuredLatency { ms, configured_ms, measurement: Some(change.measurement), before };
        (self.ports.state_writer)(WriteCommand::Latency(measured.clone()));
        self.measured = Some(measured);
        self.follow_audio();
        log::info!("output_latency_ms is {ms:.3} now, as measured by ear; it was {before_ms:.3}");
        let trouble = self.state_status().trouble().map(|trouble| format!("; {trouble}")).unwrap_or_default();
        Response::done(format!("output_latency_ms is {ms:.3} now; it was {before_ms:.3}{trouble}"))
    }

    /// Plays on with the settings for the sound as they are now, if they have changed.
    pub(super) fn follow_audio(&mut self) {
        let audio = AudioSettings::from_config(&self.config).with_measured(self.measured.as_ref(), &self.config);
        if audio != self.audio {
            self.audio = audio;
            self.play_again();
        }
    }
}
