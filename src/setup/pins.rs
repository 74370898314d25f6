//! The answers' pins, against those of the HAT and the overlays.

use jaudiosync_hw::buttons::Pins;

use super::answers::Answers;
use super::boot_config::{Wanted, edit};
use crate::config::Config;
use crate::host::hats::{Claim, Collision, claims, collisions, may_be_miniamp, without_collisions};

/// What uses pins on this box once the answers are in effect.
#[derive(Debug, Clone)]
pub struct OtherUses {
    boot_config: String,
    claims: Vec<Claim>,
    sqw_gpio: Option<u8>,
}

impl OtherUses {
    /// Concludes it from the boot configuration, the HAT's own description and the answers.
    pub fn new(boot_config: Option<&str>, hat_product: Option<&str>, config: &Config, answers: &Answers) -> Self {
        let wanted = Wanted { has_rtc: false, overlay: answers.overlay.clone() };
        let boot_config = edit(boot_config.unwrap_or_default(), &wanted);
        let claims = claims(&boot_config, hat_product, answers.hat);
        Self { boot_config, claims, sqw_gpio: config.time.sqw_gpio.0.map(|pin| pin.number()) }
    }

    /// Returns whether only the owner knows if the HAT is a MiniAmp.
    pub fn may_be_miniamp(&self, answers: &Answers) -> bool {
        may_be_miniamp(&self.boot_config, answers.hat)
    }

    /// Returns the pins that certainly collide.
    pub fn collisions(&self, pins: &Pins) -> Vec<Collision> {
        let is_certain = |collision: &Collision| !collision.claim.pin.is_optional;
        collisions(pins, &self.claims).into_iter().filter(is_certain).collect()
    }

    /// Returns the same pins with free ones in place of those that collide; `None` if there are not
    /// enough.
    pub fn proposal(&self, pins: &Pins) -> Option<Pins> {
        without_collisions(pins, self.sqw_gpio, &self.claims)
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
        let said: Vec<String> = collisions.iter().map(ToString::to_string).collect();
        let advice = match self.proposal(pins) {
            Some(free) => format!("wire it to a free pin, for example: --pins {}", as_option(&free)),
            None => "wire it to another pin, and name all of them with --pins".to_owned(),
        };
        Err(format!("{}; {advice}", said.join("; ")))
    }
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
