//! Which of a card's controls is the volume.

use super::MixerError;

/// The names of controls that set a card's volume, best first: HATs with a PCM51xx have Digital,
/// bcm2835 has PCM (or Headphone), USB DACs have PCM, Speaker or Headphone, and sound servers
/// Master.
pub const PREFERRED_CONTROLS: [&str; 5] = ["Digital", "PCM", "Speaker", "Headphone", "Master"];

/// What a card reports about one of its controls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Its name, such as `Digital`.
    pub name: String,
    /// Its index among those of the same name.
    pub index: u32,
    /// Whether it sets the playback volume, and is not merely a switch or for recording.
    pub has_playback_volume: bool,
}

/// Chooses the control that is the card's volume: the named one (ignoring case), or the first of
/// [`PREFERRED_CONTROLS`] that exists, or the only one, since USB DACs name it after themselves.
/// Only controls with a playback volume count. `None` if the card has none, or several of other
/// names.
///
/// # Errors
/// When the named one does not exist; the error lists those that do.
pub fn choose_control<'a>(
    card: &str,
    controls: &'a [Control],
    named: Option<&str>,
) -> Result<Option<&'a Control>, MixerError> {
    let usable = || controls.iter().filter(|control| control.has_playback_volume);
    let find = |name: &str| {
        let exact = usable().find(|control| control.name == name);
        exact.or_else(|| usable().find(|control| control.name.eq_ignore_ascii_case(name)))
    };
    let Some(wanted) = named else {
        let preferred = PREFERRED_CONTROLS.into_iter().find_map(find);
        return Ok(preferred.or_else(|| usable().next().filter(|_| usable().count() == 1)));
    };
    find(wanted).map(Some).ok_or_else(|| MixerError::NoControl {
        card: card.to_owned(),
        wanted: wanted.to_owned(),
        existing: usable().map(|control| control.name.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controls(names: &[&str]) -> Vec<Control> {
        let control =
            |name: &&str| Control { name: (*name).to_owned(), index: 0, has_playback_volume: !name.starts_with("Mic") };
        names.iter().map(control).collect()
    }

    fn chosen(names: &[&str], named: Option<&str>) -> Result<Option<String>, MixerError> {
        let controls = controls(names);
        Ok(choose_control("hw:1", &controls, named)?.map(|control| control.name.clone()))
    }

    #[test]
    fn the_best_known_control_is_taken_wherever_it_stands() {
        assert_eq!(chosen(&["Analogue", "Master", "Digital"], None), Ok(Some("Digital".into())));
        assert_eq!(chosen(&["Master", "Headphone", "Speaker"], None), Ok(Some("Speaker".into())));
        assert_eq!(chosen(&["Master"], None), Ok(Some("Master".into())));
    }

    #[test]
    fn a_card_without_a_known_volume_has_none() {
        assert_eq!(chosen(&[], None), Ok(None));
        assert_eq!(chosen(&["Mic Boost", "Mic"], None), Ok(None));
        assert_eq!(chosen(&["Surround", "Center", "Mic"], None), Ok(None), "which of them?");
        let switch_only = [Control { name: "PCM".into(), index: 0, has_playback_volume: false }];
        assert_eq!(choose_control("hw:0", &switch_only, None), Ok(None));
    }

    #[test]
    fn the_only_volume_is_the_volume_whatever_its_name() {
        assert_eq!(chosen(&["FiiO USB DAC", "Mic"], None), Ok(Some("FiiO USB DAC".into())));
    }

    #[test]
    fn a_control_can_be_named_and_a_wrong_name_lists_the_right_ones() {
        assert_eq!(chosen(&["Digital", "Analogue"], Some("analogue")), Ok(Some("Analogue".into())));
        let error = chosen(&["Digital", "Analogue", "Mic"], Some("Mic")).unwrap_err();
        let existing = vec!["Digital".into(), "Analogue".into()];
        assert_eq!(error, MixerError::NoControl { card: "hw:1".into(), wanted: "Mic".into(), existing });
    }
}
