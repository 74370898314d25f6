//! The answers' pins, against those of the HAT and the overlays.

use jaudiosync_hw::buttons::Pins;
use jaudiosync_hw::gpio::{LineUser, PinPurpose};

use super::answers::Answers;
use super::boot_config::{Wanted, edit};
use crate::config::Config;
use crate::host::hats::{
    Claim, MINIAMP_OVERLAY, certain_collisions, claims, contradicts_miniamp, may_be_miniamp, possible_uses,
    without_collisions,
};

/// What uses pins on this box once the answers are in effect.
#[derive(Debug, Clone)]
pub struct OtherUses {
    boot_config: String,
    claims: Vec<Claim>,
    in_use: Vec<(u8, LineUser)>,
    sqw_gpio: Option<u8>,
}

impl OtherUses {
    /// Concludes it from the boot configuration, the HAT's own description and the answers.
    pub fn new(boot_config: Option<&str>, hat_product: Option<&str>, config: &Config, answers: &Answers) -> Self {
        let boot_config = planned(boot_config, answers);
        let claims = claims(&boot_config, hat_product, answers.hat);
        let sqw_gpio = config.time.sqw_gpio.0.map(|pin| pin.number());
        Self { boot_config, claims, in_use: Vec::new(), sqw_gpio }
    }

    /// Adds pins that the kernel has given to something else.
    #[must_use]
    pub fn with_users(self, in_use: Vec<(u8, LineUser)>) -> Self {
        Self { in_use, ..self }
    }

    /// Returns whether only the owner knows if the HAT is a MiniAmp.
    pub fn may_be_miniamp(&self, answers: &Answers) -> bool {
        may_be_miniamp(&self.boot_config, answers.hat)
    }

    /// Describes the pins that certainly collide.
    pub fn collisions(&self, pins: &Pins) -> Vec<String> {
        let certain = certain_collisions(pins, &self.claims);
        let is_known = |gpio: u8| certain.iter().any(|collision| collision.claim.pin.gpio == gpio);
        let in_use = |(purpose, gpio): (PinPurpose, u8)| {
            let (_, user) = self.in_use.iter().find(|(used, _)| *used == gpio && !is_known(gpio))?;
            Some(format!("{} is on GPIO{gpio}, which belongs to {user}", purpose.words()))
        };
        certain.iter().map(ToString::to_string).chain(pins.uses().filter_map(in_use)).collect()
    }

    /// Describes what may use the pins, as far as it is not certain: worth a warning.
    pub fn possible(&self, pins: &Pins) -> Vec<String> {
        possible_uses(pins, &self.claims)
    }

    /// Returns the same pins with free ones in place of those that collide; `None` if there are not
    /// enough.
    pub fn proposal(&self, pins: &Pins) -> Option<Pins> {
        let in_use = self.in_use.iter().map(|(gpio, _)| *gpio);
        without_collisions(pins, &in_use.chain(self.sqw_gpio).collect::<Vec<_>>(), &self.claims)
    }

    /// Refuses pins that collide, and says which ones do not.
    ///
    /// # Errors
    /// What collides, and what to write instead.
    pub fn check(&self, pins: &Pins) -> Result<(), String> {
        let collisions = self.collisions(pins);
        if collisions.is_empty() {
            return Ok(());
        }
        let (them, free_pin, another) = match collisions.len() {
            1 => ("it", "a free pin", "another pin"),
            _ => ("them", "free pins", "other pins"),
        };
        let advice = match self.proposal(pins) {
            Some(free) => format!("wire {them} to {free_pin}, for example: --pins {}", as_option(&free)),
            None => format!("wire {them} to {another}, and name all pins with --pins"),
        };
        Err(format!("{}; {advice}", collisions.join("; ")))
    }
}

/// Refuses to take a HAT with another overlay for a MiniAmp.
///
/// # Errors
/// The overlay that contradicts, and what to say instead.
pub fn check_hat(boot_config: Option<&str>, answers: &Answers) -> Result<(), String> {
    let boot_config = planned(boot_config, answers);
    match contradicts_miniamp(&boot_config, answers.hat) {
        Some(overlay) => Err(format!(
            "a HiFiBerry MiniAmp has the overlay {MINIAMP_OVERLAY}, not {overlay}: give --no-miniamp, or --dac-overlay \
             {MINIAMP_OVERLAY}"
        )),
        None => Ok(()),
    }
}

/// Returns the boot configuration with the overlay of the answers.
fn planned(boot_config: Option<&str>, answers: &Answers) -> String {
    let wanted = Wanted { has_rtc: false, overlay: answers.overlay.clone() };
    edit(boot_config.unwrap_or_default(), &wanted)
}

/// Writes pins as the option `--pins` takes them.
fn as_option(pins: &Pins) -> String {
    let Pins { volume_up_gpio, volume_down_gpio, start_gpio, stop_gpio, jumper_gpio, led_gpio } = pins;
    let led_gpio = led_gpio.unwrap_or(0);
    format!("{volume_up_gpio},{volume_down_gpio},{start_gpio},{stop_gpio},{jumper_gpio},{led_gpio}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Hat;

    fn uses(boot_config: &str, change: impl FnOnce(&mut Answers)) -> (OtherUses, Answers) {
        let config = Config::default();
        let mut answers = Answers::current(&config);
        change(&mut answers);
        (OtherUses::new(Some(boot_config), None, &config, &answers), answers)
    }

    #[test]
    fn a_jumper_on_the_pin_that_switches_a_miniamp_off_is_refused_with_pins_that_are_free() {
        let (uses, answers) = uses("", |answers| {
            answers.overlay = Some("hifiberry-dac".to_owned());
            answers.hat = Hat::MiniAmp;
        });
        let refused = uses.check(&answers.pins).unwrap_err();
        assert!(refused.contains("the jumper is on GPIO26, which a HiFiBerry MiniAmp uses"), "{refused}");
        assert!(refused.ends_with("--pins 24,6,5,13,12,0"), "{refused}");
        let moved = uses.proposal(&answers.pins).unwrap();
        assert_eq!(uses.check(&moved), Ok(()));
    }

    #[test]
    fn a_pin_that_the_kernel_has_given_to_something_else_is_refused_by_its_name() {
        let (uses, answers) = uses("", |_| {});
        let user = |name: &str| LineUser { name: name.to_owned() };
        let uses = uses.with_users(vec![(6, user("mute")), (13, user("lamp"))]);
        let refused = uses.check(&answers.pins).unwrap_err();
        let words = "the Volume down button is on GPIO6, which belongs to \"mute\"; wire it to a free pin, for example: \
                     --pins 24,12,5,16,26,0";
        assert_eq!(refused, words);
    }

    #[test]
    fn pins_of_i2s_are_refused_beside_a_dac_and_what_is_only_possible_is_said() {
        let on = |gpio| {
            move |answers: &mut Answers| {
                answers.overlay = Some("iqaudio-dacplus".to_owned());
                answers.pins.stop_gpio = gpio;
                answers.pins.jumper_gpio = 18;
            }
        };
        let (uses, answers) = uses("", on(21));
        let refused = uses.check(&answers.pins).unwrap_err();
        assert!(refused.contains("the Stop button is on GPIO21, which an I2S DAC uses: data to the DAC"), "{refused}");
        assert!(refused.contains("wire them to free pins, for example: --pins 24,6,5,13,12,0"), "{refused}");
        let possible = uses.possible(&Pins { led_gpio: Some(15), ..Pins::default() });
        assert_eq!(possible.len(), 2, "{possible:?}");
        assert!(
            possible[0].contains("GPIO24, which an IQaudio DAC or DigiAMP+ may use: rotary encoder"),
            "{possible:?}"
        );
        assert!(possible[1].contains("GPIO15, which a serial port"), "{possible:?}");
    }

    #[test]
    fn the_overlay_of_the_answers_counts_and_the_one_that_it_replaces_does_not() {
        let (boss, answers) = uses("dtoverlay=allo-boss-dac-pcm512x-audio\n", |_| {});
        assert!(boss.check(&answers.pins).unwrap_err().contains("an Allo Boss uses: mute"));
        let (plus, answers) = uses("dtoverlay=allo-boss-dac-pcm512x-audio\n", |answers| {
            answers.overlay = Some("hifiberry-dacplus".to_owned());
        });
        assert_eq!(plus.check(&answers.pins), Ok(()));
        assert!(!plus.may_be_miniamp(&answers));
        let (dac, answers) = uses("dtoverlay=hifiberry-dac\n", |_| {});
        assert!(dac.may_be_miniamp(&answers));
    }
}
