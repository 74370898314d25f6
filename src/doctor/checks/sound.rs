//! The sound: the cards, whether the chosen one can play, and what sets its volume.

use super::super::Finding;

const CHECK: &str = "sound";

/// What was found out about the sound.
#[derive(Debug, Clone, Default)]
pub struct SoundSeen {
    /// The cards that can play, and the sound server if one runs: the name to choose each by, its
    /// kind, and its description.
    pub cards: Vec<String>,
    /// Why the output is the one that it is; none if it is named, or there is none.
    pub because: Option<String>,
    /// The ids of other cards that could as well have been taken; none if the output is named.
    pub rivals: Vec<String>,
    /// What to say about cards of the same model, whose ids may be swapped.
    pub twins: Option<String>,
    /// The chosen output and its rate in Hz, or why it cannot be opened; none if the service holds
    /// it.
    pub opened: Option<Result<(String, u32), String>>,
    /// What sets the volume: a card's control, or none if the player does; or why that is unknown.
    pub mixer: Option<Result<Option<String>, String>>,
    /// What the service reports about its card: name, whether it is present, and rate in Hz.
    pub service: Option<(String, bool, u32)>,
}

/// Checks the cards, the chosen output and its mixer.
pub fn sound(seen: &SoundSeen) -> Vec<Finding> {
    let mut findings = Vec::new();
    if seen.cards.is_empty() {
        findings.push(Finding::problem(
            CHECK,
            "there is no sound card",
            "plug in the DAC; for a HAT, name its overlay in the boot configuration (jaudiosync setup does that)",
        ));
    } else {
        findings.push(Finding::good(CHECK, format!("cards: {}", seen.cards.join(", "))));
    }
    let missing = |text: String| {
        Finding::problem(CHECK, text, "choose one of `jaudiosync devices` in sound.device, or plug this one in")
    };
    let because = seen.because.as_ref().map(|because| format!(", as {because}")).unwrap_or_default();
    match (&seen.service, &seen.opened) {
        (Some((name, true, _)), _) | (None, Some(Ok((name, _)))) if name == "default" && seen.cards.len() > 1 => {
            findings.push(Finding::warning(
                CHECK,
                "it plays on ALSA's default card, which is simply the first of several that the system found",
                "choose one: jaudiosync setup",
            ));
        }
        (Some((name, true, rate_hz)), _) => {
            findings.push(Finding::good(CHECK, format!("the service plays on {name}, {rate_hz} Hz{because}")))
        }
        (Some((name, false, _)), _) => findings.push(missing(format!("the service is waiting for {name}"))),
        (None, Some(Ok((name, rate_hz)))) => {
            findings.push(Finding::good(CHECK, format!("{name} can be opened, {rate_hz} Hz{because}")))
        }
        (None, Some(Err(reason))) => findings.push(missing(reason.clone())),
        (None, None) => {}
    }
    if !seen.rivals.is_empty() {
        let others = seen.rivals.join(", ");
        findings.push(Finding::warning(
            CHECK,
            format!("no card is chosen, and others of the same kind could be meant: {others}"),
            "choose one: jaudiosync setup",
        ));
    }
    if let Some(twins) = &seen.twins {
        let advice = "name them by their sockets, as the guide's troubleshooting page says, or unplug one";
        findings.push(Finding::warning(CHECK, twins.clone(), advice));
    }
    match &seen.mixer {
        Some(Ok(Some(control))) => findings.push(Finding::good(CHECK, format!("{control} sets the volume"))),
        Some(Ok(None)) => {
            findings.push(Finding::good(CHECK, "the player sets the volume, as there is no mixer control"))
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
            ..SoundSeen::default()
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
        let one_of_two = SoundSeen {
            because: Some("there is no HAT, and a USB card comes next".into()),
            rivals: vec!["Device_1".into()],
            twins: Some("Device and Device_1 are of the same model".into()),
            ..good.clone()
        };
        let findings = sound(&one_of_two);
        assert!(findings[1].text.ends_with("Hz, as there is no HAT, and a USB card comes next"), "{findings:?}");
        assert!(findings[2].text.ends_with("could be meant: Device_1") && findings[2].level == Level::Warning);
        assert!(findings[3].text.contains("the same model") && findings[3].level == Level::Warning);
        let used = SoundSeen { service: Some(("server".into(), false, 0)), ..good };
        assert!(sound(&used)[1].advice.as_ref().unwrap().contains("jaudiosync devices"));
    }
}
