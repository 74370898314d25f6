//! Pins that the kernel has given to something else, and those that a HAT or an overlay uses.

use jaudiosync_hw::gpio::{LineUser, REMEDY, RPPAL_CONSUMER, UnusablePin};

use super::super::{Finding, Level};
use crate::config::{BoardKind, Config};
use crate::control::protocol::UnusablePinStatus;
use crate::host::Machine;
use crate::host::hats::{
    Claim, Collision, MINIAMP_OVERLAY, claims, collisions, contradicts_miniamp, free_pins, may_be_miniamp,
    miniamp_collisions,
};

const CHECK: &str = "pins";

/// A pin that is left out, as the service or the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The GPIO number.
    pub gpio: u8,
    /// The key that sets it, such as `volume_down_gpio`.
    pub key: String,
    /// What does not work and why.
    pub message: String,
}

impl From<&UnusablePin> for LeftOut {
    fn from(pin: &UnusablePin) -> Self {
        Self { gpio: pin.gpio, key: pin.purpose.key().to_owned(), message: pin.to_string() }
    }
}

impl From<&UnusablePinStatus> for LeftOut {
    fn from(pin: &UnusablePinStatus) -> Self {
        Self { gpio: pin.gpio, key: pin.key.clone(), message: pin.message.clone() }
    }
}

/// Checks the configured pins against those of the HAT and the overlays, and reports those that are
/// left out. `used_by_others` are all pins that the kernel has given to something else.
pub fn pins(
    config: &Config,
    machine: &Machine,
    left_out: &[LeftOut],
    used_by_others: &[(u8, LineUser)],
) -> Vec<Finding> {
    if config.board.kind != BoardKind::Pi {
        return Vec::new();
    }
    let pins = config.board.pins();
    let boot_config = machine.boot_config().map(|(_, text)| text).unwrap_or_default();
    let claims = claims(&boot_config, machine.hat_product().as_deref(), config.board.hat);
    let sqw_gpio = config.time.sqw_gpio.0.map(|pin| pin.number());
    let taken: Vec<u8> = sqw_gpio.into_iter().chain(used_by_others.iter().map(|(gpio, _)| *gpio)).collect();
    let advice = advice(&free_pins(&pins, &taken, &claims));
    let collisions = collisions(&pins, &claims);
    let of_pin = |gpio: u8| collisions.iter().find(|collision| collision.claim.pin.gpio == gpio);
    let mut findings: Vec<Finding> = left_out
        .iter()
        .map(|pin| {
            let Claim { by, pin: used } = match of_pin(pin.gpio) {
                Some(collision) => collision.claim,
                None => return Finding::warning(CHECK, words_of(pin), &advice),
            };
            harmless_or_not(
                Finding::warning(CHECK, format!("{} ({by}: {})", words_of(pin), used.what), &advice),
                &Claim { by, pin: used },
            )
        })
        .collect();
    let is_new = |collision: &&Collision| !left_out.iter().any(|pin| pin.gpio == collision.claim.pin.gpio);
    findings.extend(
        collisions.iter().filter(is_new).map(|collision| {
            harmless_or_not(Finding::warning(CHECK, collision.to_string(), &advice), &collision.claim)
        }),
    );
    findings.extend(sqw_gpio.and_then(|gpio| {
        let words = format!("the RTC's 1 Hz output is on GPIO{gpio}, which");
        let claim = claims.iter().find(|claim| claim.pin.gpio == gpio && !claim.pin.is_optional);
        // rppal's name is on it while the service runs.
        let user = used_by_others.iter().find(|(used, user)| *used == gpio && user.name != RPPAL_CONSUMER);
        let text = match (user, claim) {
            (Some((_, user)), _) => format!("{words} belongs to {user}: its edges are read over I2C instead"),
            (None, Some(claim)) => format!("{words} {} uses: {}", claim.by, claim.pin.what),
            (None, None) => return None,
        };
        Some(Finding::warning(CHECK, text, "wire it to another pin, and set time.sqw_gpio"))
    }));
    if may_be_miniamp(&boot_config, config.board.hat) && !miniamp_collisions(&pins).is_empty() {
        findings.push(Finding::warning(
            CHECK,
            "the overlay hifiberry-dac is that of many HATs; on a HiFiBerry MiniAmp a contact on GPIO16 mutes the \
             amplifier, and one on GPIO26 switches it off",
            "say which it is: sudo jaudiosync setup --miniamp, or --no-miniamp",
        ));
    }
    findings.extend(contradicts_miniamp(&boot_config, config.board.hat).map(|overlay| {
        Finding::warning(
            CHECK,
            format!(
                "board.hat is miniamp, whose overlay is {MINIAMP_OVERLAY}, but the boot configuration loads {overlay}"
            ),
            "say which it is: sudo jaudiosync setup --no-miniamp, or --dac-overlay hifiberry-dac",
        )
    }));
    let is_known = |gpio: u8| of_pin(gpio).is_some() || left_out.iter().any(|pin| pin.gpio == gpio);
    findings.extend(pins.shared().iter().filter(|shared| !is_known(shared.gpio)).map(|shared| {
        Finding::warning(
            CHECK,
            shared.to_string(),
            "choose another pin in [board], unless the box does not have that device",
        )
    }));
    if findings.is_empty() {
        findings.push(Finding::good(CHECK, "nothing else is known to use them"));
    }
    findings
}

/// A MiniAmp is muted or off by what is on its pins, and a DAC is silent without I2S, whatever the
/// program does.
fn harmless_or_not(finding: Finding, claim: &Claim) -> Finding {
    if claim.is_miniamp() || claim.is_i2s() { Finding { level: Level::Problem, ..finding } } else { finding }
}

/// Returns what is reported of a pin, without what to do about it, which the advice says.
fn words_of(pin: &LeftOut) -> &str {
    pin.message.strip_suffix(REMEDY).unwrap_or(&pin.message)
}

fn advice(free: &[u8]) -> String {
    let words = "choose another pin in [board], or with sudo jaudiosync setup";
    if free.is_empty() {
        return words.to_owned();
    }
    let free: Vec<String> = free.iter().map(|gpio| format!("GPIO{gpio}")).collect();
    format!("{words}; probably free: {}", free.join(", "))
}

#[cfg(test)]
mod tests {
    use jaudiosync_hw::buttons::Button;
    use jaudiosync_hw::gpio::{PinPurpose, PinTrouble};

    use super::*;
    use crate::config::{Gpio, Hat, OptionalGpio};
    use crate::host::tests::machine;

    fn config(hat: Hat) -> Config {
        let mut config = Config::default();
        config.board.hat = hat;
        config
    }

    fn users(names: &[(u8, &str)]) -> Vec<(u8, LineUser)> {
        names.iter().map(|(gpio, name)| (*gpio, LineUser { name: (*name).to_owned() })).collect()
    }

    #[test]
    fn the_pin_of_the_rtcs_output_is_compared_too_and_rppal_is_not_another() {
        let (_root, machine) = machine(&[("boot/config.txt", "dtoverlay=gpio-fan\n")]);
        let mut config = config(Hat::Auto);
        let mut first = |gpio: u8, names: &[(u8, &str)]| {
            config.time.sqw_gpio = OptionalGpio(Gpio::new(gpio));
            pins(&config, &machine, &[], &users(names))[0].clone()
        };
        let taken = first(27, &[(27, "reset")]).text;
        assert!(taken.starts_with("the RTC's 1 Hz output is on GPIO27, which belongs to \"reset\""), "{taken}");
        assert_eq!(first(12, &[]).text, "the RTC's 1 Hz output is on GPIO12, which a fan uses: fan");
        assert_eq!(first(27, &[(27, "RPPAL")]).level, Level::Good);
    }

    #[test]
    fn a_pin_in_use_is_reported_once_with_the_board_that_uses_it() {
        let overlay = "dtoverlay=allo-boss-dac-pcm512x-audio\n";
        let (_root, machine) = machine(&[("boot/firmware/config.txt", overlay)]);
        let message = "GPIO6 belongs to \"mute\": the Volume down button does not work; choose another pin".to_owned();
        let left_out = LeftOut { gpio: 6, key: "volume_down_gpio".to_owned(), message };
        let found = pins(&config(Hat::Auto), &machine, &[left_out], &users(&[(6, "mute"), (12, "fan")]));
        assert_eq!(found.len(), 1);
        let words = "GPIO6 belongs to \"mute\": the Volume down button does not work (an Allo Boss: mute)";
        assert_eq!(found[0].text, words);
        assert!(found[0].advice.as_ref().is_some_and(|advice| advice.contains("GPIO13, GPIO17, GPIO22")), "{found:?}");
        // The driver is not loaded yet: only the overlay says so.
        let found = pins(&config(Hat::Auto), &machine, &[], &[]);
        assert_eq!(found[0].text, "the Volume down button is on GPIO6, which an Allo Boss uses: mute");
        assert_eq!(found[0].level, Level::Warning);
    }

    #[test]
    fn a_button_on_a_pin_of_i2s_is_a_problem_beside_a_dac_and_a_warning_without_one() {
        let mut config = config(Hat::Auto);
        config.board.stop_gpio = Gpio::new(19).unwrap();
        let found = |boot_config: &str| {
            let (_root, machine) = machine(&[("boot/firmware/config.txt", boot_config)]);
            pins(&config, &machine, &[], &[])
        };
        let beside = found("dtoverlay=hifiberry-dacplus\n");
        assert_eq!((beside.len(), beside[0].level), (1, Level::Problem), "{beside:?}");
        assert_eq!(beside[0].text, "the Stop button is on GPIO19, which an I2S DAC uses: word clock");
        let without = found("dtparam=audio=on\n");
        assert_eq!((without.len(), without[0].level), (1, Level::Warning), "{without:?}");
        assert_eq!(without[0].text, "the Stop button is on GPIO19, which an I2S DAC uses if there is one");
        config.board.stop_gpio = Gpio::new(14).unwrap();
        let (_root, machine) = machine(&[]);
        assert!(pins(&config, &machine, &[], &[])[0].text.contains("a serial port"));
    }

    #[test]
    fn a_hat_that_cannot_be_a_miniamp_is_named_by_its_overlay() {
        let (_root, machine) = machine(&[("boot/config.txt", "dtoverlay=iqaudio-dac\n")]);
        let found = pins(&config(Hat::MiniAmp), &machine, &[], &[]);
        assert!(
            found.iter().any(|finding| finding.text.ends_with("the boot configuration loads iqaudio-dac")),
            "{found:?}"
        );
    }

    #[test]
    fn a_jumper_that_switches_a_miniamp_off_is_a_problem_and_a_hat_that_may_be_one_is_asked_about() {
        let (_root, machine) = machine(&[("boot/config.txt", "dtoverlay=hifiberry-dac\n")]);
        let found = pins(&config(Hat::MiniAmp), &machine, &[], &[]);
        assert!(found.iter().all(|finding| finding.level == Level::Problem), "{found:?}");
        assert!(found.iter().any(|finding| finding.text.starts_with("the jumper is on GPIO26")), "{found:?}");
        // Such pins are left out.
        let left_out = |gpio: u8, purpose: PinPurpose| {
            let trouble = PinTrouble::Taken(LineUser { name: "HiFiBerry MiniAmp".to_owned() });
            LeftOut::from(&UnusablePin { purpose, gpio, trouble })
        };
        let left_out = [left_out(26, PinPurpose::Jumper), left_out(16, PinPurpose::Button(Button::VolumeUp))];
        let found = pins(&config(Hat::MiniAmp), &machine, &left_out, &[]);
        assert_eq!(found.iter().map(|finding| finding.level).collect::<Vec<_>>(), [Level::Problem; 2], "{found:?}");
        assert!(found.iter().all(|finding| !finding.text.contains("choose another pin")), "{found:?}");
        let found = pins(&config(Hat::Auto), &machine, &[], &[]);
        assert!(found.len() == 1 && found[0].advice.as_ref().is_some_and(|advice| advice.contains("--miniamp")));
        assert_eq!(pins(&config(Hat::Other), &machine, &[], &[])[0].level, Level::Good);
    }
}
