//! Which card plays when none is named, and why.

use super::{CardInfo, CardKind, Listing, NoSuchOutput, Target, is_automatic};
use crate::dac::sound_server;

/// The card that is taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The card's id.
    pub id: String,
    /// What kind of card it is.
    pub kind: CardKind,
    /// Its output.
    pub device: u32,
    /// The ids of the other cards of the same kind, which could as well have been meant.
    pub rivals: Vec<String>,
}

/// No card may be taken without its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", words(.by_name))]
pub struct NothingToTake {
    /// The ids of the cards that are taken by name only.
    pub by_name: Vec<String>,
}

/// The output that would be opened now, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// The name to choose it by: a card's id, `server`, or a PCM.
    pub name: String,
    /// The PCM as ALSA opens it; `None` for a sound server.
    pub pcm: Option<String>,
    /// Why this one, as the end of a sentence that names it.
    pub because: String,
    /// The ids of the other cards that could as well have been meant; none if it was named.
    pub rivals: Vec<String>,
}

/// Why no output would be opened now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NothingForeseen {
    /// The named one does not exist.
    #[error(transparent)]
    NoSuchOutput(#[from] NoSuchOutput),
    /// None is named, and none may be taken.
    #[error(transparent)]
    NothingToTake(#[from] NothingToTake),
}

impl Listing {
    /// Returns the output that this name stands for, or that is taken if it is empty, where a sound
    /// server runs or not. `pcm_names` is as for [`Listing::resolve`].
    ///
    /// # Errors
    /// When there is no such output, or none may be taken.
    pub fn foresee(
        &self,
        name: &str,
        has_server: bool,
        pcm_names: impl FnOnce() -> Vec<String>,
    ) -> Result<Foreseen, NothingForeseen> {
        let server = |because: &str| Foreseen {
            name: sound_server::NAME.to_owned(),
            pcm: None,
            because: because.to_owned(),
            rivals: vec![],
        };
        if is_automatic(name) && !has_server {
            let taken = self.choose()?;
            let (pcm, because) = (Target::of_card(&taken.id, taken.device).pcm, taken.because());
            return Ok(Foreseen { name: taken.id, pcm: Some(pcm), because, rivals: taken.rivals });
        }
        let named = "it is named";
        match name.trim() {
            sound_server::NAME => Ok(server(named)),
            name if is_automatic(name) => Ok(server("a sound server runs")),
            name => {
                let Target { pcm, card } = self.resolve(name, pcm_names)?;
                let is_main = |id: &String| {
                    let device = self.card(id).and_then(|card| Some(card.main_output()?.device));
                    device.is_some_and(|device| Target::of_card(id, device).pcm == pcm)
                };
                let name = card.filter(is_main).unwrap_or_else(|| pcm.clone());
                Ok(Foreseen { name, pcm: Some(pcm), because: named.to_owned(), rivals: vec![] })
            }
        }
    }

    /// Chooses the card that plays when none is named: a HAT, otherwise a USB card, otherwise the
    /// headphone jack, otherwise any other. Screens and virtual cards are never chosen. Of several of
    /// a kind, the one whose id comes first.
    ///
    /// # Errors
    /// When no card may be chosen.
    pub fn choose(&self) -> Result<Taken, NothingToTake> {
        let candidates: Vec<(CardKind, &CardInfo, u32)> = self
            .playing()
            .filter_map(|card| Some((self.kind(card), card, card.main_output()?.device)))
            .filter(|(kind, ..)| kind.is_taken_by_default())
            .collect();
        // The listing is in the order of preference.
        let Some(&(kind, card, device)) = candidates.first() else {
            return Err(NothingToTake { by_name: self.playing().map(|card| card.id.clone()).collect() });
        };
        let rivals = candidates.iter().skip(1).filter(|(other, ..)| *other == kind);
        let rivals = rivals.map(|(_, rival, _)| rival.id.clone()).collect();
        Ok(Taken { id: card.id.clone(), kind, device, rivals })
    }
}

impl Taken {
    /// Returns why this card is taken, as the end of a sentence that names it.
    pub fn because(&self) -> String {
        let kind = match self.kind {
            CardKind::Hat => "a HAT comes first",
            CardKind::Usb => "there is no HAT, and a USB card comes next",
            CardKind::Headphones => "there is neither a HAT nor a USB card",
            _ => "there is no HAT, no USB card and no headphone jack of a Pi",
        };
        match self.rivals.as_slice() {
            [] => kind.to_owned(),
            rivals => format!("{kind}; of {} its id comes first ({})", rivals.len() + 1, rivals.join(", ")),
        }
    }
}

fn words(by_name: &[String]) -> String {
    if by_name.is_empty() {
        return "there is no sound card; `jaudiosync doctor` says what to do".to_owned();
    }
    format!(
        "there is no sound card to play on by default; by name it plays on {}; `jaudiosync devices` shows them",
        by_name.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fabricated::{
        BOSS, DACPLUS, DONGLE, GADGET, GOOGLE_VOICE_HAT, HDA, HDMI_BEFORE_KMS, HEADPHONES, IQAUDIO, LOOPBACK, NVIDIA,
        PNP_SOUND_DEVICE, PNP_SOUND_DEVICE_1, VC4_HDMI_0, VC4_HDMI_1, VC4_HDMI_PI_3, WM8960, machine,
    };
    use super::super::{Listing, Output};
    use super::*;

    const PI_3: Option<&str> = Some("Raspberry Pi 3 Model B Plus Rev 1.3");
    const PI_4: Option<&str> = Some("Raspberry Pi 4 Model B Rev 1.4");
    const PI_5: Option<&str> = Some("Raspberry Pi 5 Model B Rev 1.0");
    const ZERO: Option<&str> = Some("Raspberry Pi Zero 2 W Rev 1.0");

    fn chosen(model: Option<&str>, cards: &[&str]) -> (String, String) {
        let taken = machine(model, cards).choose().unwrap();
        (taken.id.clone(), taken.because())
    }

    #[test]
    fn a_hat_is_taken_wherever_the_kernel_finds_it() {
        for order in [
            [DACPLUS, VC4_HDMI_0, VC4_HDMI_1, HEADPHONES],
            [HEADPHONES, VC4_HDMI_0, VC4_HDMI_1, DACPLUS],
            [VC4_HDMI_0, VC4_HDMI_1, HEADPHONES, DACPLUS],
            [HEADPHONES, DACPLUS, VC4_HDMI_1, VC4_HDMI_0],
        ] {
            assert_eq!(chosen(PI_4, &order), ("sndrpihifiberry".into(), "a HAT comes first".into()));
            // Where the device tree cannot be read, the Pi's own cards show what it is.
            assert_eq!(chosen(None, &order).0, "sndrpihifiberry");
        }
        assert_eq!(chosen(PI_5, &[VC4_HDMI_0, VC4_HDMI_1, DACPLUS]).0, "sndrpihifiberry");
        assert_eq!(chosen(PI_3, &[HEADPHONES, VC4_HDMI_PI_3, IQAUDIO, DONGLE]).0, "IQaudIODAC");
        assert_eq!(chosen(PI_4, &[VC4_HDMI_0, VC4_HDMI_1, HEADPHONES, WM8960]).0, "wm8960soundcard");
    }

    #[test]
    fn without_a_hat_it_is_usb_and_without_usb_the_jack() {
        let (id, because) = chosen(ZERO, &[VC4_HDMI_PI_3, PNP_SOUND_DEVICE]);
        assert_eq!((id.as_str(), because.as_str()), ("Device", "there is no HAT, and a USB card comes next"));
        assert_eq!(chosen(PI_4, &[HEADPHONES, VC4_HDMI_0, VC4_HDMI_1, DONGLE]).0, "Dongle");
        let (id, because) = chosen(PI_4, &[VC4_HDMI_0, VC4_HDMI_1, HEADPHONES, LOOPBACK, GADGET]);
        assert_eq!((id.as_str(), because.as_str()), ("Headphones", "there is neither a HAT nor a USB card"));
        assert_eq!(chosen(PI_3, &[HDMI_BEFORE_KMS, HEADPHONES]).0, "Headphones");
    }

    #[test]
    fn screens_and_virtual_cards_are_taken_by_name_only() {
        let error = machine(PI_5, &[VC4_HDMI_0, VC4_HDMI_1, LOOPBACK]).choose().unwrap_err();
        assert_eq!(error.by_name, ["vc4hdmi0", "vc4hdmi1", "Loopback"]);
        assert!(error.to_string().contains("by name it plays on vc4hdmi0, vc4hdmi1, Loopback"), "{error}");
        let error = machine(ZERO, &[]).choose().unwrap_err();
        assert!(error.to_string().contains("there is no sound card") && error.by_name.is_empty(), "{error}");
    }

    #[test]
    fn a_pc_plays_on_its_analogue_output_unless_a_usb_card_is_there() {
        let outputs = ["ALC256 Analog", "HDMI 0"].iter().enumerate();
        let outputs = outputs.map(|(number, name)| Output {
            device: 3 - 3 * number as u32,
            name: (*name).to_owned(),
            ..Output::default()
        });
        let mut cards = machine(None, &[NVIDIA, HDA]).cards().to_vec();
        cards.iter_mut().filter(|card| card.id == "PCH").for_each(|card| card.outputs = outputs.clone().collect());
        cards.iter_mut().filter(|card| card.id == "NVidia").for_each(|card| card.outputs[0].name = "HDMI 0".into());
        let taken = Listing::new(cards, None).choose().unwrap();
        assert_eq!((taken.id.as_str(), taken.device, taken.kind), ("PCH", 3, CardKind::Other), "not its HDMI 0");
        assert_eq!(chosen(None, &[HDA, DONGLE]).0, "Dongle");
    }

    #[test]
    fn a_card_that_only_records_is_not_taken() {
        let mut cards = machine(PI_4, &[PNP_SOUND_DEVICE, HEADPHONES]).cards().to_vec();
        cards.iter_mut().filter(|card| card.id == "Device").for_each(|card| card.outputs.clear());
        assert_eq!(Listing::new(cards, PI_4).choose().unwrap().id, "Headphones");
    }

    #[test]
    fn of_several_of_a_kind_the_first_id_is_taken_and_the_others_are_named() {
        let twins = machine(ZERO, &[VC4_HDMI_PI_3, PNP_SOUND_DEVICE_1, PNP_SOUND_DEVICE, DONGLE]);
        let taken = twins.choose().unwrap();
        assert_eq!((taken.id.as_str(), taken.rivals.as_slice()), ("Device", &["Device_1".into(), "Dongle".into()][..]));
        assert!(taken.because().ends_with("of 3 its id comes first (Device_1, Dongle)"), "{}", taken.because());
        assert_eq!(twins.twins(), ["Device", "Device_1"]);
        assert!(machine(PI_4, &[HEADPHONES, VC4_HDMI_0, VC4_HDMI_1, DONGLE]).twins().is_empty());
    }

    #[test]
    fn what_would_be_opened_is_foreseen() {
        let listing = machine(PI_4, &[HEADPHONES, VC4_HDMI_0, DONGLE]);
        let foreseen = |name, has_server| {
            let foreseen = listing.foresee(name, has_server, Vec::new).unwrap();
            (foreseen.name, foreseen.pcm.unwrap_or_default(), foreseen.because)
        };
        let all = |name: &str, pcm: &str, because: &str| (name.to_owned(), pcm.to_owned(), because.to_owned());
        let because = "there is no HAT, and a USB card comes next";
        assert_eq!(foreseen("", false), all("Dongle", "hw:CARD=Dongle,DEV=0", because));
        assert_eq!(foreseen("", true), all("server", "", "a sound server runs"));
        assert_eq!(foreseen("server", false), all("server", "", "it is named"));
        assert_eq!(foreseen("hw:0", true), all("Headphones", "hw:CARD=Headphones,DEV=0", "it is named"));
        assert_eq!(foreseen("default", true), all("default", "default", "it is named"));
        let plug = "plughw:CARD=Dongle,DEV=0";
        assert_eq!(foreseen(plug, true), all(plug, plug, "it is named"));
        assert!(listing.foresee("Gramophone", true, Vec::new).unwrap_err().to_string().contains("there are: Dongle"));
        assert!(machine(PI_5, &[VC4_HDMI_0]).foresee("", false, Vec::new).is_err());
    }

    const ALL: [&str; 14] = [
        HEADPHONES,
        VC4_HDMI_0,
        VC4_HDMI_1,
        DACPLUS,
        IQAUDIO,
        BOSS,
        GOOGLE_VOICE_HAT,
        WM8960,
        PNP_SOUND_DEVICE,
        PNP_SOUND_DEVICE_1,
        DONGLE,
        LOOPBACK,
        GADGET,
        HDA,
    ];

    proptest! {
        #[test]
        fn the_order_in_which_cards_are_found_changes_nothing(
            (cards, shuffled) in proptest::sample::subsequence(ALL.to_vec(), 0..=ALL.len())
                .prop_flat_map(|cards| (Just(cards.clone()), Just(cards).prop_shuffle())),
            is_pi: bool,
        ) {
            let model = is_pi.then_some("Raspberry Pi 4 Model B Rev 1.4");
            prop_assert_eq!(machine(model, &cards).choose(), machine(model, &shuffled).choose());
        }

        #[test]
        fn nothing_less_preferred_is_taken_while_something_better_is_there(
            cards in proptest::sample::subsequence(ALL.to_vec(), 0..=ALL.len()).prop_shuffle(),
        ) {
            let listing = machine(PI_4, &cards);
            match listing.choose() {
                Ok(taken) => {
                    prop_assert!(taken.kind.is_taken_by_default());
                    prop_assert!(listing.cards().iter().all(|card| listing.kind(card) >= taken.kind));
                }
                Err(nothing) => {
                    prop_assert!(listing.cards().iter().all(|card| !listing.kind(card).is_taken_by_default()));
                    prop_assert_eq!(nothing.by_name.len(), cards.len());
                }
            }
        }
    }
}
