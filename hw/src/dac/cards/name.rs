//! What a name stands for: a card, by its id or a part of its description, or any of ALSA's PCMs.

use super::{CardInfo, Listing, kind};

/// ALSA's default PCM.
const ALSA_DEFAULT: &str = "default";

/// The name for the card that [`Listing::choose`] chooses, which is also shown while it is not known
/// which one that will be; none at all means the same.
pub const AUTOMATIC: &str = "auto";

/// Plug-ins whose first argument is a card, as `alsa.conf` defines them. Others, which a user
/// defines, may have any arguments.
const OF_A_CARD: [&str; 9] = ["hw", "plughw", "sysdefault", "default", "dmix", "dsnoop", "front", "iec958", "hdmi"];

/// The longest name of an output, in characters. ALSA has none near that.
const NAME_CHARS: usize = 200;

/// Returns a name as it may be shown: no output's name has control characters, or is that long.
pub(in super::super) fn printable(name: &str) -> String {
    let shown = |character: char| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character };
    name.chars().take(NAME_CHARS).map(shown).collect()
}

/// Returns whether a name leaves the choice to the program.
pub fn is_automatic(name: &str) -> bool {
    name.trim().is_empty() || name.trim() == AUTOMATIC
}

/// What is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The PCM as ALSA opens it, such as `hw:CARD=sndrpihifiberry,DEV=0` or `default`.
    pub pcm: String,
    /// The id of the card to which it belongs, as far as the name says so.
    pub card: Option<String>,
}

/// There is no such output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no sound output named \"{wanted}\"; {}; `jaudiosync devices` shows more", words(.existing))]
pub struct NoSuchOutput {
    /// The name.
    pub wanted: String,
    /// The ids of the cards that can play.
    pub existing: Vec<String>,
}

fn words(existing: &[String]) -> String {
    if existing.is_empty() {
        return "there is no sound card".to_owned();
    }
    format!("there are: {}", existing.join(", "))
}

impl Target {
    /// Makes the target of one of a card's outputs.
    pub fn of_card(id: &str, device: u32) -> Self {
        Self { pcm: format!("hw:CARD={id},DEV={device}"), card: Some(id.to_owned()) }
    }
}

impl Listing {
    /// Finds what a name stands for: `default`; one of ALSA's PCMs (`hw:1`,
    /// `plughw:CARD=Headphones,DEV=0`, or one of `pcm_names`, which are read only if needed); or a
    /// card by its id, its number or a part of its description. Letter case does not matter in ids
    /// and descriptions. A card's number becomes its id, so that the target stays the same card.
    ///
    /// # Errors
    /// When there is no such output; the error lists the cards that can play.
    pub fn resolve(&self, name: &str, pcm_names: impl FnOnce() -> Vec<String>) -> Result<Target, NoSuchOutput> {
        let wanted = name.trim();
        if wanted == ALSA_DEFAULT {
            return Ok(Target { pcm: wanted.to_owned(), card: None });
        }
        let missing = || NoSuchOutput {
            wanted: printable(wanted),
            existing: self.playing().map(|card| card.id.clone()).collect(),
        };
        if wanted != printable(wanted) {
            return Err(missing());
        }
        if let Some((plugin, arguments)) = wanted.split_once(':') {
            return self.resolve_pcm(plugin, arguments).ok_or_else(missing);
        }
        let by_card = || self.find(wanted).or_else(|| self.find_described(wanted));
        let found = by_card().and_then(|card| Some(Target::of_card(&card.id, card.main_output()?.device)));
        let by_pcm = || {
            let is_known = pcm_names().iter().any(|known| known == wanted);
            is_known.then(|| Target { pcm: wanted.to_owned(), card: None })
        };
        found.or_else(by_pcm).ok_or_else(missing)
    }

    /// Returns the PCM that also converts formats and rates, for one of the bare card; `None` for
    /// any other.
    ///
    /// The screens of a Raspberry Pi take nothing but IEC 958 frames, which `plughw:` does not make;
    /// their own configuration does (`vc4-hdmi.conf` of alsa-lib).
    pub fn converting_pcm(&self, target: &Target) -> Option<String> {
        let bare = target.pcm.strip_prefix("hw:")?;
        let card = target.card.as_deref().and_then(|id| self.card(id));
        let is_screen = card.is_some_and(|card| card.driver.starts_with(kind::SCREEN_DRIVER));
        let id = card.filter(|_| is_screen).map(|card| card.id.as_str());
        Some(id.map_or_else(|| format!("plughw:{bare}"), |id| format!("sysdefault:CARD={id}")))
    }

    /// Returns the card that a name stands for, if it stands for one.
    pub fn resolve_card(&self, name: &str) -> Option<&CardInfo> {
        self.card(&self.resolve(name, Vec::new).ok()?.card?)
    }

    fn resolve_pcm(&self, plugin: &str, arguments: &str) -> Option<Target> {
        let (first, rest) = arguments.split_once(',').map_or((arguments, None), |(first, rest)| (first, Some(rest)));
        let named = first.trim().strip_prefix("CARD=");
        let Some(wanted) = named.or_else(|| OF_A_CARD.contains(&plugin).then_some(first.trim())) else {
            return Some(Target { pcm: format!("{plugin}:{arguments}"), card: None });
        };
        let card = self.find(wanted)?;
        let pcm = match (plugin, rest) {
            // The card's own output, also where it is not number 0.
            ("hw" | "plughw", None) => format!("{plugin}:CARD={},DEV={}", card.id, card.main_output()?.device),
            ("hw" | "plughw", Some(rest)) if !rest.contains('=') => {
                let (device, sub_device) = rest.split_once(',').map_or((rest, None), |(one, two)| (one, Some(two)));
                let sub_device = sub_device.map(|number| format!(",SUBDEV={}", number.trim())).unwrap_or_default();
                format!("{plugin}:CARD={},DEV={}{sub_device}", card.id, device.trim())
            }
            (_, None) => format!("{plugin}:CARD={}", card.id),
            (_, Some(rest)) => format!("{plugin}:CARD={},{rest}", card.id),
        };
        Some(Target { pcm, card: Some(card.id.clone()) })
    }

    /// Returns the card of this id, ignoring case, or of this number.
    fn find(&self, wanted: &str) -> Option<&CardInfo> {
        let ignoring_case = || self.cards().iter().find(|card| card.id.eq_ignore_ascii_case(wanted));
        let by_number = || self.cards().iter().find(|card| wanted.parse() == Ok(card.index));
        self.card(wanted).or_else(ignoring_case).or_else(by_number)
    }

    /// Returns the card that can play and has these words in its description. A number is no words:
    /// `2` does not mean `bcm2835`.
    fn find_described(&self, wanted: &str) -> Option<&CardInfo> {
        let wanted = Some(wanted.to_lowercase()).filter(|words| !words.is_empty() && words.parse::<i64>().is_err())?;
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        let by_name = || self.playing().find(|card| has(&card.name));
        let by_place = || self.playing().find(|card| has(&card.long_name));
        let by_output = || self.playing().find(|card| card.outputs.iter().any(|output| has(&output.name)));
        by_name().or_else(by_place).or_else(by_output)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fabricated::{DACPLUS, DONGLE, HEADPHONES, PNP_SOUND_DEVICE, VC4_HDMI_0, VC4_HDMI_1, machine};
    use super::*;

    fn box_with_all() -> Listing {
        let model = Some("Raspberry Pi 4 Model B Rev 1.4");
        machine(model, &[HEADPHONES, VC4_HDMI_0, VC4_HDMI_1, DACPLUS, PNP_SOUND_DEVICE, DONGLE])
    }

    fn resolved(name: &str) -> Result<Target, NoSuchOutput> {
        box_with_all().resolve(name, || vec!["pulse".to_owned(), "mixed".to_owned()])
    }

    #[test]
    fn a_card_is_found_by_id_number_or_description() {
        for (name, pcm) in [
            ("sndrpihifiberry", "hw:CARD=sndrpihifiberry,DEV=0"),
            (" headphones ", "hw:CARD=Headphones,DEV=0"),
            ("3", "hw:CARD=sndrpihifiberry,DEV=0"),
            ("PnP Sound", "hw:CARD=Device,DEV=0"),
            ("hifiberry_dacplus", "hw:CARD=sndrpihifiberry,DEV=0"),
            // Where several fit, the one whose id comes first, whatever their order.
            ("hdmi", "hw:CARD=vc4hdmi0,DEV=0"),
            ("usb-3f980000.usb-1.4", "hw:CARD=Dongle,DEV=0"),
        ] {
            assert_eq!(resolved(name).map(|target| target.pcm), Ok(pcm.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_pcm_is_opened_as_it_was_named_but_by_the_id_of_its_card() {
        for (name, pcm, card) in [
            ("hw:3", "hw:CARD=sndrpihifiberry,DEV=0", Some("sndrpihifiberry")),
            ("hw:3,0", "hw:CARD=sndrpihifiberry,DEV=0", Some("sndrpihifiberry")),
            ("plughw:headphones,0,2", "plughw:CARD=Headphones,DEV=0,SUBDEV=2", Some("Headphones")),
            ("hw:CARD=Device,DEV=1", "hw:CARD=Device,DEV=1", Some("Device")),
            ("sysdefault:CARD=Dongle", "sysdefault:CARD=Dongle", Some("Dongle")),
            ("dmix:CARD=Dongle,DEV=0", "dmix:CARD=Dongle,DEV=0", Some("Dongle")),
            ("bluealsa:DEV=00:11:22:33:44:55,PROFILE=a2dp", "bluealsa:DEV=00:11:22:33:44:55,PROFILE=a2dp", None),
            ("pulse", "pulse", None),
            ("default", "default", None),
        ] {
            let target = Target { pcm: pcm.to_owned(), card: card.map(str::to_owned) };
            assert_eq!(resolved(name), Ok(target), "{name}");
        }
        let converting = |name: &str| box_with_all().converting_pcm(&resolved(name).unwrap());
        assert_eq!(converting("hw:3").as_deref(), Some("plughw:CARD=sndrpihifiberry,DEV=0"));
        assert_eq!(converting("vc4hdmi1").as_deref(), Some("sysdefault:CARD=vc4hdmi1"));
        assert_eq!(converting("mixed"), None);
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        for name in ["Gramophone", "9", "hw:9", "plughw:CARD=Gone,DEV=0", "sysdefault:CARD=Gone", "2835"] {
            let error = resolved(name).unwrap_err();
            let ids = "there are: sndrpihifiberry, Device, Dongle, Headphones, vc4hdmi0, vc4hdmi1;";
            assert!(error.to_string().contains(ids) && error.wanted == name, "{error}");
        }
        let error = machine(None, &[]).resolve("Gramophone", Vec::new).unwrap_err().to_string();
        assert!(error.starts_with("no sound output named \"Gramophone\"; there is no sound card;"), "{error}");
    }

    #[test]
    fn control_characters_and_endless_names_are_refused_and_not_shown() {
        for name in ["pul\u{1b}[2Jse", "x:\0", "hw:\r0", &"long".repeat(1000)] {
            let shown = resolved(name).unwrap_err().to_string();
            assert!(!shown.contains(char::is_control) && shown.len() < 400, "{shown:?}");
        }
    }

    #[test]
    fn a_card_that_only_records_is_not_an_output() {
        let mut cards = box_with_all().cards().to_vec();
        cards.iter_mut().for_each(|card| card.outputs.retain(|_| card.id != "Device"));
        assert!(Listing::new(cards, None).resolve("Device", Vec::new).is_err());
    }

    #[test]
    fn nothing_and_auto_leave_the_choice() {
        assert!(["", " ", "auto"].into_iter().all(is_automatic));
        assert!(!["default", "server", "Headphones"].into_iter().any(is_automatic));
    }

    proptest! {
        #[test]
        fn the_order_of_cards_changes_nothing_but_numbers(
            shuffled in Just(vec![HEADPHONES, VC4_HDMI_0, VC4_HDMI_1, DACPLUS, PNP_SOUND_DEVICE]).prop_shuffle(),
            name in "(hw:|plughw:CARD=|)(headphones|Device|hdmi|vc4hdmi1|usb|snd|bcm|x)(,DEV=0)?",
        ) {
            let one = machine(None, &[HEADPHONES, VC4_HDMI_0, VC4_HDMI_1, DACPLUS, PNP_SOUND_DEVICE]);
            prop_assert_eq!(machine(None, &shuffled).resolve(&name, Vec::new), one.resolve(&name, Vec::new));
        }

        #[test]
        fn whatever_is_written_does_no_harm_and_a_named_card_exists(name in "\\PC{0,20}", pcm in "(hw|hdmi|x):(CARD=)?[0-9A-Za-z]{0,6}(,.{0,3})?") {
            for name in [name, pcm] {
                if let Ok(Target { card: Some(id), .. }) = resolved(&name) {
                    prop_assert!(box_with_all().card(&id).is_some());
                }
            }
        }
    }
}
