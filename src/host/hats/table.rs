//! The table: boards and overlays, their pins, and where that is from.

/// A pin that a HAT or an overlay uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinUse {
    /// The GPIO number, unless a parameter of the overlay says otherwise.
    pub gpio: u8,
    /// What for.
    pub what: &'static str,
    /// Whether only some of these boards use it, or only with a part that has to be fitted.
    pub is_optional: bool,
    /// The overlay's parameter that sets another pin.
    pub parameter: Option<&'static str>,
}

const fn pin(gpio: u8, what: &'static str) -> PinUse {
    PinUse { gpio, what, is_optional: false, parameter: None }
}

const fn optional(gpio: u8, what: &'static str) -> PinUse {
    PinUse { is_optional: true, ..pin(gpio, what) }
}

const fn set_by(parameter: &'static str, gpio: u8, what: &'static str) -> PinUse {
    PinUse { parameter: Some(parameter), ..pin(gpio, what) }
}

/// The HiFiBerry MiniAmp, which has no overlay of its own: it uses `hifiberry-dac`, as many boards
/// do (the wiki of RPi-Jukebox-RFID, "Hardware Pinout Overview"). Both pins are inputs of its
/// amplifier, active low.
pub(super) const MINIAMP: Board = Board {
    name: "a HiFiBerry MiniAmp",
    pins: &[pin(16, "mutes the amplifier while it is low"), pin(26, "switches the amplifier off while it is low")],
};

/// The overlay of the MiniAmp, and of many other boards.
pub const MINIAMP_OVERLAY: &str = "hifiberry-dac";

/// The pins of I2S, which the kernel gives to every DAC on the header (`i2s_pins` in the boards'
/// device trees, `arch/arm/boot/dts`). A button on one of them stops the sound.
pub(super) const I2S: Board = Board {
    name: "an I2S DAC",
    pins: &[pin(18, "bit clock"), pin(19, "word clock"), pin(20, "data to the Pi"), pin(21, "data to the DAC")],
};

/// The pin of I2S that a DAC without inputs leaves alone. The first Pirate Audio boards have a
/// button there, and the overlay [`MINIAMP_OVERLAY`], which has no inputs.
pub(super) const I2S_INPUT_GPIO: u8 = 20;

/// How the names of overlays for DACs and codecs on the header's I2S begin, in Raspberry Pi's kernel
/// and, for `seeed-`, in the driver of their maker. Two of them would fight for the same pins.
pub(super) const I2S_OVERLAYS: [&str; 40] = [
    "3dlab-nano-",
    "adau1977-adc",
    "adau7002-simple",
    "akkordion-",
    "allo-",
    "applepi-dac",
    "audioinjector-",
    "audiosense-pi",
    "chipdip-",
    "cirrus-wm5102",
    "dacberry400",
    "dionaudio-",
    "draws",
    "ezsound-",
    "fe-pi-audio",
    "ghost-amp",
    "googlevoicehat-soundcard",
    "hifiberry-",
    "i-sabre-",
    "i2s-dac",
    "i2s-master-dac",
    "interludeaudio-",
    "iqaudio-",
    "justboom-",
    "max98357a",
    "mbed-dac",
    "merus-amp",
    "pibell",
    "pifi-",
    "pisound",
    "proto-codec",
    "rpi-codeczero",
    "rpi-dacplus",
    "rpi-dacpro",
    "rpi-digiampplus",
    "rra-digidac1",
    "seeed-",
    "superaudioboard",
    "udrc",
    "wm8960-soundcard",
];

/// A board, and what it uses besides I2C and I2S.
#[derive(Debug)]
pub(super) struct Board {
    /// With its article.
    pub name: &'static str,
    pub pins: &'static [PinUse],
}

/// Pins by overlay. Where no other source is named, the source is the overlay itself, in
/// `arch/arm/boot/dts/overlays` of Raspberry Pi's kernel.
pub(super) const OVERLAYS: [(&[&str], Board); 22] = [
    (&["allo-boss-dac-pcm512x-audio"], Board { name: "an Allo Boss", pins: &[pin(6, "mute")] }),
    (&["allo-boss2-dac-audio"], Board { name: "an Allo Boss 2", pins: &[pin(5, "clock"), pin(6, "clock")] }),
    (
        &["allo-piano-dac-plus-pcm512x-audio"],
        Board { name: "an Allo Piano 2.1", pins: &[pin(6, "mute"), pin(25, "mute of the subwoofer")] },
    ),
    (&["allo-digione"], Board { name: "an Allo DigiOne", pins: &[pin(5, "clock"), pin(6, "clock"), pin(17, "reset")] }),
    (&["hifiberry-digi-pro"], Board { name: "a HiFiBerry Digi+ Pro", pins: &[pin(5, "clock"), pin(6, "clock")] }),
    (&["hifiberry-amp100"], Board { name: "a HiFiBerry AMP100", pins: &[pin(4, "mute"), pin(17, "reset")] }),
    (&["hifiberry-amp3", "hifiberry-amp4pro"], Board { name: "a HiFiBerry AMP3 or AMP4 Pro", pins: &[pin(4, "mute")] }),
    // The same overlays serve the AMP2, which is taken to have the pins of an AMP100. No source
    // confirms that, so they are only not proposed.
    (
        &["hifiberry-dacplus", "hifiberry-dacplus-std", "hifiberry-dacplus-pro"],
        Board { name: "a HiFiBerry AMP2", pins: &[optional(4, "mute"), optional(17, "reset")] },
    ),
    // 23 to 25 and 27: Raspberry Pi documentation, "Audio accessories", "Hardware information".
    (
        &["iqaudio-dacplus", "rpi-dacplus", "rpi-dacpro", "rpi-digiampplus"],
        Board {
            name: "an IQaudio DAC or DigiAMP+",
            pins: &[
                pin(22, "mute"),
                optional(23, "rotary encoder"),
                optional(24, "rotary encoder"),
                optional(25, "infrared receiver"),
                optional(27, "rotary encoder's switch"),
            ],
        },
    ),
    (
        &["iqaudio-codec", "rpi-codeczero"],
        Board { name: "a Codec Zero", pins: &[pin(23, "LED"), pin(24, "LED"), pin(27, "button")] },
    ),
    (
        &["pisound", "pisound-pi5"],
        Board {
            name: "a Pisound",
            pins: &[
                pin(12, "reset"),
                pin(13, "oversampling"),
                pin(16, "oversampling"),
                pin(17, "button"),
                pin(24, "reset"),
                pin(25, "data"),
                pin(26, "oversampling"),
            ],
        },
    ),
    (&["googlevoicehat-soundcard"], Board { name: "a Google Voice HAT", pins: &[pin(16, "the amplifier's sdmode")] }),
    (&["ghost-amp"], Board { name: "a Ghost amplifier", pins: &[pin(5, "fault"), pin(22, "relay"), pin(23, "relay")] }),
    (
        &["merus-amp"],
        Board {
            name: "a Merus Amp",
            pins: &[pin(8, "mode"), pin(14, "enable"), pin(15, "mute"), pin(17, "booster"), pin(23, "error")],
        },
    ),
    (&["max98357a"], Board { name: "a MAX98357A", pins: &[set_by("sdmode-pin", 4, "sdmode")] }),
    (&["pifi-40"], Board { name: "a PiFi-40", pins: &[pin(23, "power-down")] }),
    (
        &["rotary-encoder"],
        Board { name: "a rotary encoder", pins: &[set_by("pin_a", 4, "contact A"), set_by("pin_b", 17, "contact B")] },
    ),
    (&["gpio-ir"], Board { name: "an infrared receiver", pins: &[set_by("gpio_pin", 18, "receiver")] }),
    (&["gpio-fan"], Board { name: "a fan", pins: &[set_by("gpiopin", 12, "fan")] }),
    (&["gpio-poweroff"], Board { name: "gpio-poweroff", pins: &[set_by("gpiopin", 26, "power supply")] }),
    (&["w1-gpio"], Board { name: "a 1-Wire bus", pins: &[set_by("gpiopin", 4, "data")] }),
    (&["pps-gpio"], Board { name: "a GPS receiver's PPS", pins: &[set_by("gpiopin", 18, "pulse")] }),
];

/// Parameters with which an overlay uses none of its pins.
pub(super) const WITHOUT_PINS: [(&str, &str); 1] = [("max98357a", "no-sdmode")];

/// Words in a HAT's own description (`/proc/device-tree/hat/product`) and the overlay that the
/// firmware loads for it without a line in the boot configuration.
pub(super) const PRODUCTS: [(&str, &str); 5] = [
    ("codec zero", "iqaudio-codec"),
    ("digiamp", "iqaudio-dacplus"),
    ("pi-dac", "iqaudio-dacplus"),
    ("pisound", "pisound"),
    ("digi+ pro", "hifiberry-digi-pro"),
];
