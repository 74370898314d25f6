//! What kind of card it is: from what it reports of itself.
//!
//! A HAT has no mark of its own: every maker's driver has another name (`HifiberryDacp`,
//! `IQaudIODAC`, `BossDAC`, `RPi-simple`, `simple-card`). On a Raspberry Pi it is therefore any
//! card that is none of the others.

use super::{CardInfo, Output};

/// The driver of every card on the USB (the kernel's `sound/usb/card.c`).
const USB_DRIVER: &str = "USB-Audio";

/// How the names of the Pi's own sound begin: `bcm2835 Headphones`, `bcm2835 HDMI 1` and, before
/// Linux 5.4, `bcm2835 ALSA` (the kernel's `vc04_services/bcm2835-audio/bcm2835.c`), and `vc4-hdmi-0`
/// (`drivers/gpu/drm/vc4/vc4_hdmi.c`). Drivers were called otherwise over the years.
const FIRMWARE_NAME: &str = "bcm2835";
pub(super) const SCREEN_DRIVER: &str = "vc4-hdmi";

/// Drivers of cards without a loudspeaker: they play to another program, to nothing, or to the
/// computer on whose USB the box is a device (`sound/drivers`, `drivers/usb/gadget/function`).
const LOOPBACK_DRIVER: &str = "Loopback";
const VIRTUAL_DRIVERS: [&str; 5] = ["Dummy", "VirMIDI", "MTPAV", "UAC1_Gadget", "UAC2_Gadget"];

/// How the names of HATs begin where it is not known that the machine is a Raspberry Pi
/// (`sound/soc/bcm` of raspberrypi/linux): the driver's, or the card's.
const HAT_NAMES: [&str; 9] =
    ["snd_rpi_", "snd_allo", "RPi-", "Hifiberry", "IQaudIO", "Boss", "JustBoom", "audioinjector", "pisound"];

/// What kind of output a card is. The order is that in which they are taken by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CardKind {
    /// A DAC on the Pi's header, over I2S.
    Hat,
    /// A DAC on the USB.
    Usb,
    /// The Pi's own headphone socket.
    Headphones,
    /// Anything else with a loudspeaker, such as the sound of a PC.
    Other,
    /// A screen. It is taken only by name: a box has none, and receivers delay the sound.
    Hdmi,
    /// ALSA's loopback, which plays to another program. It is taken only by name.
    Loopback,
    /// A card that plays to nothing, or to another computer. It is taken only by name.
    Virtual,
}

impl CardKind {
    /// Every kind, in the order in which they are taken.
    pub const ALL: [Self; 7] =
        [Self::Hat, Self::Usb, Self::Headphones, Self::Other, Self::Hdmi, Self::Loopback, Self::Virtual];

    /// Returns whether a card of this kind may be taken when none is named.
    pub fn is_taken_by_default(self) -> bool {
        self < Self::Hdmi
    }

    /// Returns the kind in a few words, such as `USB`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hat => "HAT",
            Self::Usb => "USB",
            Self::Headphones => "headphone jack",
            Self::Other => "other",
            Self::Hdmi => "HDMI",
            Self::Loopback => "loopback",
            Self::Virtual => "virtual",
        }
    }

    /// Returns the kind as JSON has it, such as `headphones`.
    pub fn json_word(self) -> &'static str {
        match self {
            Self::Hat => "hat",
            Self::Usb => "usb",
            Self::Headphones => "headphones",
            Self::Other => "other",
            Self::Hdmi => "hdmi",
            Self::Loopback => "loopback",
            Self::Virtual => "virtual",
        }
    }
}

/// Returns whether a Raspberry Pi of this model feeds its HAT by the I2S of a BCM283x or BCM2711,
/// which `bcm2835-i2s.c` drives. The Raspberry Pi 5 and what is made of it have another one.
pub(super) fn has_bcm2835_i2s(model: &str) -> bool {
    const OTHERS: [&str; 3] = ["Raspberry Pi 5", "Raspberry Pi Compute Module 5", "Raspberry Pi 500"];
    model.starts_with("Raspberry Pi") && !OTHERS.iter().any(|other| model.starts_with(other))
}

/// Returns whether the machine is a Raspberry Pi: by the model in its device tree if that can be
/// read, and otherwise by the Pi's own cards.
pub fn is_raspberry_pi(model: Option<&str>, cards: &[CardInfo]) -> bool {
    let is_own = |card: &CardInfo| card.name.starts_with(FIRMWARE_NAME) || card.driver.starts_with(SCREEN_DRIVER);
    model.map_or_else(|| cards.iter().any(is_own), |model| model.starts_with("Raspberry Pi"))
}

/// Returns the kind of a card.
pub fn kind_of(card: &CardInfo, is_raspberry_pi: bool) -> CardKind {
    let driver = card.driver.as_str();
    // snd-usb-audio puts the port into the long name: "... at usb-0000:01:00.0-1.3, full speed".
    if driver == USB_DRIVER || driver.starts_with("snd-usb") || card.long_name.contains(" at usb-") {
        return CardKind::Usb;
    }
    if card.name.starts_with(FIRMWARE_NAME) {
        return if card.name.to_lowercase().contains("hdmi") { CardKind::Hdmi } else { CardKind::Headphones };
    }
    if driver == LOOPBACK_DRIVER {
        return CardKind::Loopback;
    }
    if VIRTUAL_DRIVERS.contains(&driver) {
        return CardKind::Virtual;
    }
    if driver.starts_with(SCREEN_DRIVER) || plays_only_to_screens(card) {
        return CardKind::Hdmi;
    }
    if is_raspberry_pi || begins_with_any(driver, &HAT_NAMES) || begins_with_any(&card.name, &HAT_NAMES) {
        return CardKind::Hat;
    }
    CardKind::Other
}

/// Returns whether an output goes to a screen, such as `HDMI 0` of a PC's card.
pub(super) fn is_screen(output: &Output) -> bool {
    let names = format!("{} {}", output.id, output.name).to_lowercase();
    names.contains("hdmi") || names.contains("displayport")
}

fn plays_only_to_screens(card: &CardInfo) -> bool {
    !card.outputs.is_empty() && card.outputs.iter().all(is_screen)
}

fn begins_with_any(text: &str, beginnings: &[&str]) -> bool {
    let text = text.to_lowercase();
    beginnings.iter().any(|beginning| text.starts_with(&beginning.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{
        AUDIOINJECTOR, BOSS, DACPLUS, GADGET, GOOGLE_VOICE_HAT, HDA, HDMI_BEFORE_KMS, HEADPHONES, HEADPHONES_2016,
        HEADPHONES_2019, HIFIBERRY_DAC, IQAUDIO, LOOPBACK, NVIDIA, PISOUND, PNP_SOUND_DEVICE, VC4_HDMI_0,
        VC4_HDMI_PI_3, WM8960, card,
    };
    use super::*;

    const ON_A_PI: [(&str, CardKind); 17] = [
        (HIFIBERRY_DAC, CardKind::Hat),
        (DACPLUS, CardKind::Hat),
        (IQAUDIO, CardKind::Hat),
        (BOSS, CardKind::Hat),
        (GOOGLE_VOICE_HAT, CardKind::Hat),
        (WM8960, CardKind::Hat),
        (AUDIOINJECTOR, CardKind::Hat),
        (PISOUND, CardKind::Hat),
        (PNP_SOUND_DEVICE, CardKind::Usb),
        (HEADPHONES, CardKind::Headphones),
        (HEADPHONES_2019, CardKind::Headphones),
        (HEADPHONES_2016, CardKind::Headphones),
        (VC4_HDMI_0, CardKind::Hdmi),
        (VC4_HDMI_PI_3, CardKind::Hdmi),
        (HDMI_BEFORE_KMS, CardKind::Hdmi),
        (LOOPBACK, CardKind::Loopback),
        (GADGET, CardKind::Virtual),
    ];

    #[test]
    fn the_cards_of_real_pis_are_known() {
        for (line, kind) in ON_A_PI {
            assert_eq!(kind_of(&card(line), true), kind, "{line}");
        }
        // Names of snd_soc_card in sound/soc/bcm of raspberrypi/linux, as ALSA makes a driver's
        // name of them: other characters become `_`, and it is cut to 15.
        for driver in ["snd_rpi_justboo", "RPi-WM8804", "snd_rpi_wsp", "DigiDAC1", "snd_pifi_mini_2"] {
            let hat = CardInfo { driver: driver.to_owned(), ..card(DACPLUS) };
            assert_eq!(kind_of(&hat, true), CardKind::Hat, "{driver}");
        }
    }

    #[test]
    fn most_hats_are_known_where_the_machine_is_not() {
        for line in [HIFIBERRY_DAC, DACPLUS, IQAUDIO, BOSS, GOOGLE_VOICE_HAT, AUDIOINJECTOR, PISOUND] {
            assert_eq!(kind_of(&card(line), false), CardKind::Hat, "{line}");
        }
    }

    #[test]
    fn a_pc_has_a_card_of_no_special_kind_and_screens() {
        assert_eq!(kind_of(&card(HDA), false), CardKind::Other);
        let screens = |names: &[&str]| {
            let outputs = names.iter().map(|name| Output { name: (*name).to_owned(), ..Output::default() }).collect();
            CardInfo { outputs, ..card(NVIDIA) }
        };
        assert_eq!(kind_of(&screens(&["HDMI 0", "HDMI 1"]), false), CardKind::Hdmi);
        assert_eq!(kind_of(&screens(&["ALC256 Analog", "HDMI 0"]), false), CardKind::Other);
    }

    #[test]
    fn a_pi_is_known_by_its_device_tree_or_its_own_cards() {
        assert!(is_raspberry_pi(Some("Raspberry Pi Zero 2 W Rev 1.0"), &[]));
        assert!(!is_raspberry_pi(Some("Radxa ROCK Pi 4B"), &[card(HEADPHONES)]));
        assert!(is_raspberry_pi(None, &[card(PNP_SOUND_DEVICE), card(VC4_HDMI_0)]));
        assert!(!is_raspberry_pi(None, &[card(HDA)]));
        assert!(has_bcm2835_i2s("Raspberry Pi 4 Model B Rev 1.4") && has_bcm2835_i2s("Raspberry Pi Zero 2 W Rev 1.0"));
        assert!(!has_bcm2835_i2s("Raspberry Pi 5 Model B Rev 1.0") && !has_bcm2835_i2s("Radxa ROCK Pi 4B"));
    }
}
