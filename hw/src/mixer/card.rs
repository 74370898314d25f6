//! Which card is meant: from what a person writes to a name that ALSA opens.

use super::MixerError;

/// A sound card as ALSA lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its number, which depends on the order in which cards were found.
    pub index: i32,
    /// Its short name, such as `Audio` or `Headphones`.
    pub id: String,
    /// Its name for itself, such as `KM_B2 Digital Audio`.
    pub name: String,
}

/// Returns the name by which ALSA opens the mixer of a card.
///
/// `wanted` may be a card's number (`1`), its short name (`Audio`), a part of its name for itself,
/// or the name of one of its devices (`hw:1`, `plughw:CARD=Audio,DEV=0`). Without one, or with
/// `default`, it is ALSA's default.
///
/// # Errors
/// When there is no such card; the error lists those that exist.
pub fn control_device(wanted: Option<&str>, cards: &[Card]) -> Result<String, MixerError> {
    let wanted = wanted.map(str::trim).filter(|wanted| !wanted.is_empty()).unwrap_or("default");
    if wanted == "default" {
        return Ok(wanted.to_owned());
    }
    let card = card_part(wanted);
    let by_index = |found: &&Card| card.parse() == Ok(found.index);
    let by_id = |found: &&Card| found.id.eq_ignore_ascii_case(card);
    // Only words match within a name: "2" does not mean bcm2835, and neither does "hw:2".
    let is_words = card == wanted && card.parse::<i32>().is_err();
    let by_name = |found: &&Card| is_words && found.name.to_lowercase().contains(&card.to_lowercase());
    let find = |wanted: &dyn Fn(&&Card) -> bool| cards.iter().find(wanted);
    let found = find(&by_index).or_else(|| find(&by_id)).or_else(|| find(&by_name));
    found.map(|found| format!("hw:{}", found.index)).ok_or_else(|| MixerError::NoCard {
        wanted: wanted.to_owned(),
        existing: cards.iter().map(|card| format!("{} ({}: {})", card.id, card.index, card.name)).collect(),
    })
}

/// Returns the card in a device's name: `1` of `hw:1,0`, `Audio` of `plughw:CARD=Audio,DEV=0`, and
/// otherwise the whole name.
fn card_part(wanted: &str) -> &str {
    let Some((_, arguments)) = wanted.split_once(':') else { return wanted };
    let first = arguments.split(',').next().unwrap_or(arguments);
    first.strip_prefix("CARD=").unwrap_or(first).trim()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cards() -> Vec<Card> {
        [(0, "Headphones", "bcm2835 Headphones"), (1, "Audio", "KM_B2 Digital Audio"), (3, "vc4hdmi", "vc4-hdmi")]
            .map(|(index, id, name)| Card { index, id: id.to_owned(), name: name.to_owned() })
            .to_vec()
    }

    #[test]
    fn a_card_is_found_by_whatever_names_it() {
        for wanted in
            ["1", "Audio", "audio", "hw:1", "hw:1,0", "hw:Audio", "plughw:CARD=Audio,DEV=0", "KM_B2", " Audio "]
        {
            assert_eq!(control_device(Some(wanted), &cards()).as_deref(), Ok("hw:1"), "{wanted}");
        }
        assert_eq!(control_device(Some("sysdefault:CARD=Headphones"), &cards()).as_deref(), Ok("hw:0"));
        assert_eq!(control_device(Some("hdmi"), &cards()).as_deref(), Ok("hw:3"));
    }

    #[test]
    fn no_name_means_the_default() {
        for wanted in [None, Some(""), Some("default")] {
            assert_eq!(control_device(wanted, &[]).as_deref(), Ok("default"));
        }
    }

    #[test]
    fn a_card_that_is_not_there_lists_those_that_are() {
        let error = control_device(Some("hw:2"), &cards()).unwrap_err().to_string();
        assert!(error.contains("\"hw:2\"") && error.contains("Audio (1: KM_B2 Digital Audio)"), "{error}");
    }

    proptest! {
        #[test]
        fn nothing_that_can_be_written_does_harm(wanted in ".{0,20}", named in "(hw|plughw):(CARD=)?[0-9a-zA-Z]{0,6}(,.{0,3})?") {
            for wanted in [wanted, named] {
                if let Ok(device) = control_device(Some(&wanted), &cards()) {
                    prop_assert!(["default", "hw:0", "hw:1", "hw:3"].contains(&device.as_str()));
                }
            }
        }
    }
}
