//! From the configuration to what each part of the service needs to know. Pure.

use std::path::Path;

use jaudiosync_hw::dac::{Backend, SinkOptions};
use jaudiosync_time::Span;

use super::playlists::PlaylistSource;
use crate::appliance::Settings;
use crate::config::{ChannelChoice, Config, Sound, SoundBackend};
use crate::player::decoder::Mix;
use crate::storage::MeasuredLatency;

/// How what is played reaches the ear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioSettings {
    /// Which channels are heard.
    pub mix: Mix,
    /// See [`crate::player::program::Program::output_latency`].
    pub output_latency: Span,
}

impl AudioSettings {
    /// Returns it as configured.
    pub fn from_config(config: &Config) -> Self {
        let mix = match config.sound.channels {
            ChannelChoice::Stereo => Mix::Stereo,
            ChannelChoice::Mono => Mix::Mono,
        };
        Self { mix, output_latency: Span::from_ms_f64(config.sound.output_latency_ms) }
    }

    /// Returns it with the output latency that was measured by ear, as long as the configuration is the one
    /// with which that was measured.
    pub fn with_measured(self, measured: Option<&MeasuredLatency>, config: &Config) -> Self {
        match measured.filter(|measured| measured.configured_ms == config.sound.output_latency_ms) {
            Some(measured) => Self { output_latency: Span::from_ms_f64(measured.ms), ..self },
            None => self,
        }
    }
}

/// Returns the settings of the state machine.
pub fn appliance_settings(config: &Config) -> Settings {
    Settings {
        startup_percent: config.volume.startup_percent,
        maximum_percent: config.volume.maximum_percent,
        step_percent: config.volume.step_percent,
        start_button: config.start.button,
        jumper: config.start.jumper,
        rejoin_session: config.start.rejoin_session,
        common_anchor_utc_s: config.start.anchor.utc_s,
        repeats: config.start.repeats,
        untrusted_wait_s: config.start.untrusted_wait_s,
        tones: config.board.tones,
    }
}

/// Returns how a sound card is opened.
pub fn sink_options(sound: &Sound) -> SinkOptions {
    let backend = match sound.backend {
        SoundBackend::Alsa => Backend::Alsa,
        SoundBackend::Cpal => Backend::Cpal,
    };
    SinkOptions { backend, buffer_ms: sound.buffer_ms }
}

/// Returns which playlist is played.
pub fn playlist_source(config: &Config) -> PlaylistSource {
    PlaylistSource {
        folders: config.playlist.folder.all().to_vec(),
        name: config.playlist.name.clone(),
        sticks: config.playlist.stick.place().map(Path::to_owned),
    }
}

/// Returns the keys that differ and are only read when the program begins.
pub fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let sections = [
        ("sound.device", before.sound.device != after.sound.device),
        ("sound.backend", before.sound.backend != after.sound.backend),
        ("sound.buffer_ms", before.sound.buffer_ms != after.sound.buffer_ms),
        ("sound.mixer_card", before.sound.mixer_card != after.sound.mixer_card),
        ("sound.mixer_control", before.sound.mixer_control != after.sound.mixer_control),
        ("[time]", before.time != after.time),
        ("the pins of [board]", before.board.pins() != after.board.pins() || before.board.kind != after.board.kind),
        ("board.hat", before.board.hat != after.board.hat),
        ("board.backend", before.board.backend != after.board.backend),
        ("[control]", before.control != after.control),
        ("[state]", before.state != after.state),
        ("[ride]", before.ride != after.ride),
        ("[page]", before.page != after.page),
    ];
    sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Gpio, Hat, PinBackend};

    #[test]
    fn what_takes_effect_at_once_needs_no_restart() {
        let before = Config::default();
        let mut after = before.clone();
        after.volume.maximum_percent = 60;
        after.board.tones = false;
        after.sound.output_latency_ms = 12.5;
        after.playlist.name = "Other".to_owned();
        assert_eq!(needs_restart(&before, &after), [""; 0]);
        assert_eq!(AudioSettings::from_config(&after).output_latency, Span::from_us(12_500));
        after.sound.device = "Headphones".to_owned();
        after.board.start_gpio = Gpio::new(17).unwrap();
        assert_eq!(needs_restart(&before, &after), ["sound.device", "the pins of [board]"]);
    }

    #[test]
    fn what_was_measured_counts_until_the_configuration_says_something_else() {
        let mut config = Config::default();
        config.sound.output_latency_ms = 1.2;
        let measured = MeasuredLatency { ms: 4.9, configured_ms: 1.2, measurement: Some(7), before: Vec::new() };
        let latency = |config: &Config| AudioSettings::from_config(config).with_measured(Some(&measured), config);
        assert_eq!(latency(&config).output_latency, Span::from_us(4_900));
        config.sound.output_latency_ms = 1.3;
        assert_eq!(latency(&config).output_latency, Span::from_us(1_300));
    }

    #[test]
    fn a_hat_another_way_to_the_pins_another_state_folder_and_another_page_need_a_restart() {
        let before = Config::default();
        let mut after = before.clone();
        after.board.hat = Hat::MiniAmp;
        after.board.backend = PinBackend::Gpiocdev;
        after.state.folder = "/srv/jaudiosync/state".into();
        after.ride.port = 7000;
        after.page.enabled = !before.page.enabled;
        assert_eq!(needs_restart(&before, &after), ["board.hat", "board.backend", "[state]", "[ride]", "[page]"]);
    }
}
