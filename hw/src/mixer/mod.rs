//! The sound card's own volume: ALSA's mixer, by the law of alsamixer and of `amixer -M`.
//!
//! [`db_from_percent`] is the law; [`step_from_percent`] finds the step of a control that comes
//! nearest to it, and what is left to the player. A control that reports no decibels is set in
//! percent of its range. Here the control is found and set; how loud it should be, and what to do
//! if a card has none (the player then scales the samples), is the service's business.

mod alsa_mixer;
mod card;
mod control;
mod law;
mod percent;
mod step;

pub use alsa_mixer::{AlsaMixer, cards};
pub use card::{Card, control_device};
pub use control::{Control, PREFERRED_CONTROLS, choose_control};
pub use law::{db_from_percent, gain_from_percent, percent_from_db};
pub use percent::{percent_from_raw, raw_from_percent};
pub use step::{MUTE_HUNDREDTHS_DB, Step, VolumeControl, db_from_raw, percent_from_step, step_from_percent, top_db};

/// A volume that can be set.
pub trait Mixer: Send {
    /// Returns the card and control, in words.
    fn name(&self) -> String;

    /// Reads the volume. Other programs may have set it.
    ///
    /// # Errors
    /// When the card does not answer.
    fn volume(&mut self) -> Result<MixerVolume, MixerError>;

    /// Sets the volume; more than 100 % counts as 100. A muted control is switched on.
    ///
    /// # Errors
    /// When the card does not answer.
    fn set_volume(&mut self, percent: u8) -> Result<VolumeSet, MixerError>;
}

/// The volume of a mixer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixerVolume {
    /// In percent: that which was set here while the control holds it, otherwise that of the
    /// control's value.
    pub percent: u8,
    /// The control's level in dB, minus infinity if it is silent; `None` if it reports no decibels.
    pub db: Option<f64>,
    /// Whether the control is switched off.
    pub is_muted: bool,
}

/// What setting a volume did, and what it leaves to the player.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VolumeSet {
    /// The factor, 0 to 1, by which the player has to scale the samples in addition: below 1 where
    /// the control's range ends above the volume, or its steps are coarse.
    pub player_gain: f32,
    /// The level of 100 % in dB, at most 0; `None` if the control reports no decibels.
    pub top_db: Option<f64>,
    /// Whether the control had been switched off.
    pub was_muted: bool,
}

/// Why a volume cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MixerError {
    /// There is no such card.
    #[error("there is no sound card \"{wanted}\"; there are: {}", or_none(.existing))]
    NoCard {
        /// The name asked for.
        wanted: String,
        /// The cards that exist.
        existing: Vec<String>,
    },
    /// The card has no such control.
    #[error("the sound card {card} has no volume control \"{wanted}\"; it has: {}", or_none(.existing))]
    NoControl {
        /// The card, as ALSA opens it.
        card: String,
        /// The name asked for.
        wanted: String,
        /// The controls that have a playback volume.
        existing: Vec<String>,
    },
    /// The card does not answer, or no longer answers.
    #[error("the mixer of {card} cannot be used: {reason}; it is retried when the card is back")]
    Lost {
        /// The card, as ALSA opens it.
        card: String,
        /// What the system reports.
        reason: String,
    },
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_lists_the_cards_and_controls_that_exist() {
        let error = MixerError::NoControl {
            card: "hw:0".into(),
            wanted: "Master".into(),
            existing: vec!["Line".into(), "Bass".into()],
        };
        assert_eq!(error.to_string(), "the sound card hw:0 has no volume control \"Master\"; it has: Line, Bass");
        let error = MixerError::NoCard { wanted: "Audio".into(), existing: vec![] };
        assert_eq!(error.to_string(), "there is no sound card \"Audio\"; there are: none");
    }
}
