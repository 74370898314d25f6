//! Which pins HATs and overlays use, and which stay free: what follows from the table. Pure.

mod table;

use std::fmt;

use jaudiosync_hw::buttons::Pins;
use jaudiosync_hw::gpio::PinPurpose;

use self::table::{I2S, I2S_INPUT_GPIO, I2S_OVERLAYS, MINIAMP, OVERLAYS, PRODUCTS, WITHOUT_PINS};
pub use self::table::{MINIAMP_OVERLAY, PinUse};
use super::boot_config::{Overlay, overlays};
use crate::config::Hat;

/// The pins to propose, the best first: free on a Raspberry Pi without interfaces, and on most
/// HATs.
const PROPOSED: [u8; 7] = [13, 12, 17, 22, 23, 25, 27];

/// A pin that something on this box uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Who, with an article.
    pub by: &'static str,
    /// Which pin, and what for.
    pub pin: PinUse,
}

impl Claim {
    /// Returns whether a MiniAmp uses the pin.
    pub fn is_miniamp(&self) -> bool {
        self.by == MINIAMP.name
    }

    /// Returns whether I2S certainly needs the pin: without it there is no sound.
    pub fn is_i2s(&self) -> bool {
        self.by == I2S.name && !self.pin.is_optional
    }
}

/// A configured pin that something else uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collision {
    /// What the pin is configured for.
    pub purpose: PinPurpose,
    /// Who uses it.
    pub claim: Claim,
}

impl fmt::Display for Collision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (PinUse { gpio, what, is_optional, .. }, by) = (self.claim.pin, self.claim.by);
        let uses = if is_optional { "may use" } else { "uses" };
        write!(formatter, "{} is on GPIO{gpio}, which {by} {uses}: {what}", self.purpose.words())
    }
}

/// Returns the pins that a box's HAT and overlays use, as far as they are known.
pub fn claims(boot_config: &str, hat_product: Option<&str>, hat: Hat) -> Vec<Claim> {
    let mut overlays = overlays(boot_config);
    let product = hat_product.unwrap_or_default().to_lowercase();
    if let Some((_, name)) = PRODUCTS.iter().find(|(word, _)| product.contains(word))
        && !overlays.iter().any(|overlay| overlay.name == *name)
    {
        overlays.push(Overlay { name: (*name).to_owned(), parameters: Vec::new() });
    }
    let mut claims: Vec<Claim> = overlays.iter().flat_map(claims_of).collect();
    if hat == Hat::MiniAmp {
        claims.extend(miniamp_claims());
    }
    claims.extend(i2s_claims(&overlays, hat));
    claims
}

/// Returns whether an overlay is that of a DAC or codec on the header's I2S.
pub fn is_i2s_dac(overlay: &str) -> bool {
    I2S_OVERLAYS.iter().any(|name| overlay.starts_with(name))
}

/// Returns the pins of I2S if there is a DAC on them.
fn i2s_claims(overlays: &[Overlay], hat: Hat) -> Vec<Claim> {
    let mut dacs = overlays.iter().filter(|overlay| is_i2s_dac(&overlay.name)).peekable();
    if dacs.peek().is_none() && hat != Hat::MiniAmp {
        return Vec::new();
    }
    let has_inputs = dacs.any(|overlay| overlay.name != MINIAMP_OVERLAY);
    let claim = |pin: &PinUse| {
        let is_optional = pin.gpio == I2S_INPUT_GPIO && !has_inputs;
        Claim { by: I2S.name, pin: PinUse { is_optional, ..*pin } }
    };
    I2S.pins.iter().map(claim).collect()
}

/// Returns the overlay of a DAC with which the HAT cannot be a MiniAmp, although it is said to be
/// one.
pub fn contradicts_miniamp(boot_config: &str, hat: Hat) -> Option<String> {
    let dacs: Vec<Overlay> = overlays(boot_config).into_iter().filter(|overlay| is_i2s_dac(&overlay.name)).collect();
    let is_possible = hat != Hat::MiniAmp || dacs.iter().any(|overlay| overlay.name == MINIAMP_OVERLAY);
    dacs.into_iter().next().filter(|_| !is_possible).map(|overlay| overlay.name)
}

/// Returns what certainly collides with configured pins.
pub fn certain_collisions(pins: &Pins, claims: &[Claim]) -> Vec<Collision> {
    let mut certain = collisions(pins, claims);
    certain.retain(|collision| !collision.claim.pin.is_optional);
    certain
}

/// Returns what may use configured pins, in words: what only some boxes have, and what is not
/// known of this one.
pub fn possible_uses(pins: &Pins, claims: &[Claim]) -> Vec<String> {
    let collisions = collisions(pins, claims);
    let is_known = |gpio: u8| collisions.iter().any(|collision| collision.claim.pin.gpio == gpio);
    let optional = collisions.iter().filter(|collision| collision.claim.pin.is_optional);
    let shared = pins.shared().into_iter().filter(|shared| !is_known(shared.gpio));
    optional.map(ToString::to_string).chain(shared.map(|shared| shared.to_string())).collect()
}

fn claims_of(overlay: &Overlay) -> Vec<Claim> {
    let is_without = |(name, parameter): &(&str, &str)| overlay.name == *name && overlay.parameter(parameter).is_some();
    if WITHOUT_PINS.iter().any(is_without) {
        return Vec::new();
    }
    let board = OVERLAYS.iter().find(|(names, _)| names.contains(&overlay.name.as_str()));
    let Some((_, board)) = board else { return Vec::new() };
    let set = |pin: &PinUse| {
        let gpio = pin.parameter.and_then(|parameter| overlay.parameter(parameter)?.parse().ok());
        Claim { by: board.name, pin: PinUse { gpio: gpio.unwrap_or(pin.gpio), ..*pin } }
    };
    board.pins.iter().map(set).collect()
}

/// Returns whether the boot configuration leaves open whether the HAT is a MiniAmp.
pub fn may_be_miniamp(boot_config: &str, hat: Hat) -> bool {
    hat == Hat::Auto && overlays(boot_config).iter().any(|overlay| overlay.name == MINIAMP_OVERLAY)
}

fn miniamp_claims() -> Vec<Claim> {
    MINIAMP.pins.iter().map(|pin| Claim { by: MINIAMP.name, pin: *pin }).collect()
}

/// Returns the pins that a MiniAmp uses.
pub fn miniamp_gpios() -> impl Iterator<Item = u8> {
    MINIAMP.pins.iter().map(|pin| pin.gpio)
}

/// Returns the pins of a MiniAmp that are configured for something else.
pub fn miniamp_collisions(pins: &Pins) -> Vec<Collision> {
    collisions(pins, &miniamp_claims())
}

/// Returns the configured pins that something else uses.
pub fn collisions(pins: &Pins, claims: &[Claim]) -> Vec<Collision> {
    let collision = |(purpose, gpio)| {
        // What is certain comes before what is possible.
        let mut of_pin: Vec<&Claim> = claims.iter().filter(|claim| claim.pin.gpio == gpio).collect();
        of_pin.sort_by_key(|claim| claim.pin.is_optional);
        of_pin.first().map(|claim| Collision { purpose, claim: **claim })
    };
    pins.uses().filter_map(collision).collect()
}

/// Returns pins that are free, the best first. `taken` are those that something else uses which is
/// not in the table.
pub fn free_pins(pins: &Pins, taken: &[u8], claims: &[Claim]) -> Vec<u8> {
    let is_used = |gpio: &u8| pins.uses().any(|(_, used)| used == *gpio) || taken.contains(gpio);
    let is_claimed = |gpio: &u8| claims.iter().any(|claim| claim.pin.gpio == *gpio);
    PROPOSED.into_iter().filter(|gpio| !is_used(gpio) && !is_claimed(gpio)).collect()
}

/// Returns the same pins with a free one in place of each that is taken or certainly collides;
/// `None` if there are not enough.
pub fn without_collisions(pins: &Pins, taken: &[u8], claims: &[Claim]) -> Option<Pins> {
    let mut free = free_pins(pins, taken, claims).into_iter();
    let collides = |gpio| claims.iter().any(|claim| claim.pin.gpio == gpio && !claim.pin.is_optional);
    let mut moved = *pins;
    for (purpose, _) in pins.uses().filter(|(_, gpio)| taken.contains(gpio) || collides(*gpio)) {
        moved.set(purpose, free.next()?);
    }
    Some(moved)
}

#[cfg(test)]
mod tests {
    use jaudiosync_hw::buttons::Button;
    use proptest::prelude::*;

    use super::*;

    fn colliding(boot_config: &str, product: Option<&str>, hat: Hat) -> Vec<u8> {
        collisions(&Pins::default(), &claims(boot_config, product, hat)).iter().map(|one| one.claim.pin.gpio).collect()
    }

    #[test]
    fn the_default_pins_beside_the_boards_that_riders_have() {
        for (overlay, expected) in [
            ("hifiberry-dac", vec![]),
            ("hifiberry-dacplus", vec![]),
            ("hifiberry-amp100", vec![]),
            ("hifiberry-digi-pro", vec![6, 5]),
            ("allo-boss-dac-pcm512x-audio", vec![6]),
            ("allo-piano-dac-plus-pcm512x-audio", vec![6]),
            ("googlevoicehat-soundcard", vec![16]),
            ("iqaudio-dacplus,unmute_amp", vec![24]),
            ("iqaudio-codec", vec![24]),
            ("pisound", vec![24, 16, 26]),
            ("ghost-amp", vec![5]),
            ("max98357a", vec![]),
            ("max98357a,sdmode-pin=16", vec![16]),
            ("max98357a,no-sdmode,sdmode-pin=16", vec![]),
            ("gpio-poweroff", vec![26]),
            ("gpio-poweroff,gpiopin=4", vec![]),
            ("pifi-40", vec![]),
            ("vc4-kms-v3d,noaudio", vec![]),
        ] {
            assert_eq!(colliding(&format!("[all]\ndtoverlay={overlay}\n"), None, Hat::Auto), expected, "{overlay}");
        }
        assert_eq!(colliding("", Some("Pi-Codec Zero"), Hat::Auto), [24]);
        assert_eq!(colliding("dtoverlay=hifiberry-dac", None, Hat::MiniAmp), [16, 26]);
    }

    #[test]
    fn a_miniamp_is_asked_about_only_where_it_can_be_one() {
        assert!(may_be_miniamp("dtoverlay=hifiberry-dac\n", Hat::Auto));
        assert!(!may_be_miniamp("dtoverlay=hifiberry-dac\n", Hat::Other));
        assert!(!may_be_miniamp("#dtoverlay=hifiberry-dac\ndtoverlay=hifiberry-dacplus\n", Hat::Auto));
        let jumper = miniamp_collisions(&Pins::default()).pop().map(|collision| collision.to_string());
        let words =
            "the jumper is on GPIO26, which a HiFiBerry MiniAmp uses: switches the amplifier off while it is low";
        assert_eq!(jumper.as_deref(), Some(words));
    }

    #[test]
    fn the_pins_of_i2s_belong_to_a_dac_on_the_header_and_to_nothing_otherwise() {
        let pins = Pins { start_gpio: 18, stop_gpio: 20, volume_up_gpio: 21, led_gpio: Some(14), ..Pins::default() };
        let known = |boot_config: &str, hat| {
            let claims = claims(boot_config, None, hat);
            let certain =
                collisions(&pins, &claims).into_iter().filter(|one| one.claim.is_i2s()).map(|one| one.claim.pin.gpio);
            (certain.collect::<Vec<_>>(), possible_uses(&pins, &claims).len())
        };
        for overlay in
            ["hifiberry-dacplus", "iqaudio-codec", "rpi-digiampplus", "allo-boss-dac-pcm512x-audio", "i2s-dac"]
        {
            assert_eq!(known(&format!("dtoverlay={overlay}\n"), Hat::Auto), (vec![21, 18, 20], 1), "{overlay}");
        }
        // The first Pirate Audio boards have a button on GPIO20.
        assert_eq!(known("dtoverlay=hifiberry-dac\n", Hat::Auto), (vec![21, 18], 2));
        assert_eq!(known("", Hat::MiniAmp), (vec![21, 18], 2));
        assert_eq!(known("dtoverlay=vc4-kms-v3d\ndtoverlay=audremap\n", Hat::Auto), (vec![], 4));
        let moved = without_collisions(&pins, &[], &claims("dtoverlay=hifiberry-dacplus", None, Hat::Auto)).unwrap();
        assert_eq!((moved.start_gpio, moved.stop_gpio, moved.led_gpio), (12, 22, Some(14)));
    }

    #[test]
    fn a_hat_with_another_overlay_is_not_a_miniamp() {
        let said = |boot_config: &str, hat| contradicts_miniamp(boot_config, hat);
        assert_eq!(said("dtoverlay=iqaudio-dacplus\n", Hat::MiniAmp).as_deref(), Some("iqaudio-dacplus"));
        assert_eq!(said("dtoverlay=iqaudio-dacplus\n", Hat::Auto), None);
        assert_eq!(said("dtoverlay=hifiberry-dac\n", Hat::MiniAmp), None);
        assert_eq!(said("dtoverlay=w1-gpio\n", Hat::MiniAmp), None);
    }

    #[test]
    fn what_is_only_possible_is_said_so_and_moves_nothing() {
        let claims = claims("dtoverlay=iqaudio-dacplus", None, Hat::Auto);
        let said = collisions(&Pins::default(), &claims)[0].to_string();
        let words = "the Volume up button is on GPIO24, which an IQaudio DAC or DigiAMP+ may use: rotary encoder";
        assert_eq!(said, words);
        assert_eq!(without_collisions(&Pins::default(), &[], &claims), Some(Pins::default()));
    }

    #[test]
    fn free_pins_take_the_place_of_those_that_collide() {
        let claims = claims("dtoverlay=hifiberry-dac", None, Hat::MiniAmp);
        let moved = without_collisions(&Pins::default(), &[12, 24], &claims).unwrap();
        assert_eq!((moved.volume_up_gpio, moved.stop_gpio, moved.jumper_gpio), (13, 17, 22), "12 is taken, too");
        assert_eq!(moved.gpio(Button::Start), 5);
    }

    proptest! {
        #[test]
        fn moved_pins_are_valid_and_collide_with_nothing(
            chosen in prop::sample::subsequence((0..OVERLAYS.len()).collect::<Vec<_>>(), 0..4),
            hat in prop::sample::select(vec![Hat::Auto, Hat::MiniAmp, Hat::Other]),
            led in prop::option::of(Just(13u8)),
        ) {
            let lines: String = chosen.iter().map(|at| format!("dtoverlay={}\n", OVERLAYS[*at].0[0])).collect();
            let claims = claims(&lines, None, hat);
            let pins = Pins { led_gpio: led, ..Pins::default() };
            if let Some(moved) = without_collisions(&pins, &[], &claims) {
                prop_assert_eq!(moved.validate(), Ok(()));
                prop_assert!(collisions(&moved, &claims).iter().all(|one| one.claim.pin.is_optional));
            }
        }
    }

    #[test]
    fn no_overlay_is_in_the_table_twice_and_its_pins_are_on_the_header() {
        let mut names: Vec<&str> = OVERLAYS.iter().flat_map(|(names, _)| names.iter().copied()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let pins = OVERLAYS.iter().flat_map(|(_, board)| board.pins);
        assert!(pins.chain(MINIAMP.pins).all(|pin| (4..=27).contains(&pin.gpio)));
        assert!(PRODUCTS.iter().all(|(_, overlay)| names.contains(overlay)));
    }
}
