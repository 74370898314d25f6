//! The sound card's own volume: ALSA's mixer, in the percent that amixer shows and sets.
//!
//! Which control is meant is found out here; how loud it is to be, and what to do where a card has none (the player
//! then does it in software), is the service's business.

mod alsa_mixer;
mod card;
mod control;
mod percent;

pub use alsa_mixer::{AlsaMixer, cards};
pub use card::{Card, control_device};
pub use control::{Control, PREFERRED_CONTROLS, choose_control};
pub use percent::{percent_from_raw, raw_from_percent};

/// A volume that can be set.
pub trait Mixer: Send {
    /// The card and control, to show.
    fn name(&self) -> String;

    /// What it is set to, in percent of the control's range: 0 to 100. Others may have set it.
    ///
    /// # Errors
    /// When the card does not answer.
    fn volume_percent(&mut self) -> Result<u8, MixerError>;

    /// Sets it, in percent of the control's range; more than 100 is 100. A control that is muted is switched on.
    ///
    /// # Errors
    /// When the card does not answer.
    fn set_volume_percent(&mut self, percent: u8) -> Result<(), MixerError>;
}

/// Why a volume cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MixerError {
    /// There is no such card.
    #[error("there is no sound card \"{wanted}\"; there are: {}", or_none(.existing))]
    NoCard {
        /// What was asked for.
        wanted: String,
        /// What there is.
        existing: Vec<String>,
    },
    /// The card has no such control.
    #[error("the sound card {card} has no volume control \"{wanted}\"; it has: {}", or_none(.existing))]
    NoControl {
        /// The card.
        card: String,
        /// What was asked for.
        wanted: String,
        /// The controls that have a playback volume.
        existing: Vec<String>,
    },
    /// The card does not answer, or no longer.
    #[error("the mixer of {card} cannot be used: {reason}; it is tried again when the card is back")]
    Lost {
        /// The card.
        card: String,
        /// What the system says.
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
    fn an_error_lists_what_there_is() {
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
