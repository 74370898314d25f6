//! The sound: which cards there are, whether the chosen one plays, and what sets its volume.

use super::super::Finding;

const CHECK: &str = "sound";

/// What was seen of the sound.
#[derive(Debug, Clone, Default)]
pub struct SoundSeen {
    /// The cards that there are, and the sound server if one runs: by the name they are chosen by, and what they call themselves.
    pub cards: Vec<String>,
    /// The chosen output, and its rate in Hz; or why it cannot be opened. None where the service has it.
    pub opened: Option<Result<(String, u32), String>>,
    /// What sets the volume: a control of a card, or none where the player does; or why that is not known.
    pub mixer: Option<Result<Option<String>, String>>,
    /// What the service says of its card: its name, whether it is there, and its rate in Hz.
    pub service: Option<(String, bool, u32)>,
}

/// The cards, the chosen output, its mixer.
pub fn sound(seen: &SoundSeen) -> Vec<Finding> {
    let mut findings = Vec::new();
    if seen.cards.is_empty() {
        findings.push(Finding::problem(
            CHECK,
            "there is no sound card",
            "plug the DAC in; for a HAT name its overlay in the boot configuration (jaudiosync setup does)",
        ));
    } else {
        findings.push(Finding::good(CHECK, format!("cards: {}", seen.cards.join(", "))));
    }
    let missing = |text: String| {
        Finding::problem(CHECK, text, "choose one of `jaudiosync devices` in sound.device, or plug it in")
    };
    match (&seen.service, &seen.opened) {
        (Some((name, true, _)), _) | (None, Some(Ok((name, _)))) if name == "default" && seen.cards.len() > 1 => {
            findings.push(Finding::warning(
                CHECK,
                "it plays on the default card, which is the one that was found first, and there are several",
                "choose one: jaudiosync setup",
            ));
        }
        (Some((name, true, rate_hz)), _) => {
            findings.push(Finding::good(CHECK, format!("the service plays on {name}, {rate_hz} Hz")))
        }
        (Some((name, false, _)), _) => findings.push(missing(format!("the service waits for {name}"))),
        (None, Some(Ok((name, rate_hz)))) => {
            findings.push(Finding::good(CHECK, format!("{name} can be opened, {rate_hz} Hz")))
        }
        (None, Some(Err(reason))) => findings.push(missing(reason.clone())),
        (None, None) => {}
    }
    match &seen.mixer {
        Some(Ok(Some(control))) => findings.push(Finding::good(CHECK, format!("the volume is {control}"))),
        Some(Ok(None)) => {
            findings.push(Finding::good(CHECK, "the volume is set in the player, as there is no control"))
        }
        Some(Err(reason)) => findings.push(Finding::warning(
            CHECK,
            reason.clone(),
            "choose another in sound.mixer_card and sound.mixer_control, or leave both empty",
        )),
        None => {}
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::super::Level;
    use super::*;

    #[test]
    fn a_card_that_plays_is_good_and_a_missing_one_says_where_to_choose() {
        let good = SoundSeen {
            cards: vec!["Headphones".into()],
            opened: Some(Ok(("Headphones".into(), 48_000))),
            mixer: Some(Ok(None)),
            service: None,
        };
        assert!(sound(&good).iter().all(|finding| finding.level == Level::Good));
        let bad = SoundSeen { opened: Some(Err("no such card".into())), ..SoundSeen::default() };
        let findings = sound(&bad);
        assert_eq!(findings.len(), 2);
        assert!(findings.iter().all(|finding| finding.level == Level::Problem));
        let any = SoundSeen {
            cards: vec!["Headphones".into(), "vc4hdmi".into()],
            opened: Some(Ok(("default".into(), 48_000))),
            ..good.clone()
        };
        assert!(sound(&any)[1].advice.as_ref().unwrap().contains("jaudiosync setup"), "which one?");
        let used = SoundSeen { service: Some(("server".into(), false, 0)), ..good };
        assert!(sound(&used)[1].advice.as_ref().unwrap().contains("jaudiosync devices"));
    }
}
