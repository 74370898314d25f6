//! The sound: the cards, whether the chosen one can play, and what sets its volume.

use jaudiosync_hw::dac::cards::AUTOMATIC;
use jaudiosync_hw::mixer::MixerVolume;

use super::super::Finding;
use crate::format;

const CHECK: &str = "sound";

/// What was found out about the sound.
#[derive(Debug, Clone, Default)]
pub struct SoundSeen {
    /// The cards that can play, and the sound server if one runs: the name to choose each by, its
    /// kind, and its description.
    pub cards: Vec<String>,
    /// Why the output is the one that it is; `None` if it is named, or there is none.
    pub because: Option<String>,
    /// The ids of other cards that could as well have been taken; `None` if the output is named.
    pub rivals: Vec<String>,
    /// What to say about cards of the same model, whose ids may be swapped.
    pub twins: Option<String>,
    /// The chosen output and its rate in Hz, or why it cannot be opened; `None` if the service holds
    /// it.
    pub opened: Option<Result<(String, u32), String>>,
    /// What sets the volume: a card's control, or `None` if the player does; or why that is
    /// unknown.
    pub mixer: Option<Result<Option<MixerSeen>, String>>,
    /// What the service reports about its card: name, whether it is present, and rate in Hz.
    pub service: Option<(String, bool, u32)>,
    /// The volume that the service reports: in percent, and in dB if that is known.
    pub service_volume: Option<(u8, Option<f64>)>,
}

/// What was found out about a card's volume control.
#[derive(Debug, Clone, PartialEq)]
pub struct MixerSeen {
    /// The control and its card.
    pub name: String,
    /// Its volume, or why it cannot be read.
    pub volume: Result<MixerVolume, String>,
}

/// Checks the cards, the chosen output and its mixer.
pub fn sound(seen: &SoundSeen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let awaited = match &seen.service {
        Some((name, false, _)) => Some(name.as_str()),
        _ => None,
    };
    if seen.cards.is_empty() {
        let waits = awaited.filter(|&name| name != AUTOMATIC);
        let waits = waits.map(|name| format!(", and the service waits for {name}")).unwrap_or_default();
        findings.push(Finding::problem(
            CHECK,
            format!("there is no sound card{waits}"),
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
        // That there is none has been said.
        (Some((_, false, _)), _) if seen.cards.is_empty() => {}
        (Some((name, false, _)), _) if name == AUTOMATIC => findings.push(Finding::warning(
            CHECK,
            "the service has not taken a sound card yet",
            "wait until 20 s after power-on, in case a HAT or a USB card appears; otherwise: jaudiosync devices",
        )),
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
        Some(Ok(Some(mixer))) => {
            let service_plays = matches!(seen.service, Some((_, true, _)));
            findings.push(volume_of(mixer, seen.service_volume, service_plays));
        }
        Some(Ok(None)) => {
            let volume = seen.service_volume.map_or(String::new(), |volume| format!(": {}", in_words(volume)));
            let words = format!("the player sets the volume, as there is no mixer control{volume}");
            findings.push(Finding::good(CHECK, words))
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

/// Describes a mixer and its volume. A service that runs knows better how loud it is, as the player
/// may do a part of it, and switches a muted control on once it has a card to play on.
fn volume_of(mixer: &MixerSeen, service_volume: Option<(u8, Option<f64>)>, service_plays: bool) -> Finding {
    let name = &mixer.name;
    let volume = match (&mixer.volume, service_volume) {
        (Err(reason), _) => {
            let advice = "plug the card in again; what else has a mixer: amixer scontrols";
            return Finding::warning(CHECK, format!("{name} sets the volume, but cannot be read: {reason}"), advice);
        }
        (Ok(_), Some(volume)) => volume,
        (Ok(read), None) => (read.percent, read.db.filter(|db| db.is_finite())),
    };
    let volume = in_words(volume);
    match &mixer.volume {
        Ok(read) if read.is_muted && service_plays => Finding::warning(
            CHECK,
            format!("{name} sets the volume: {volume}, but another program has muted it"),
            "set the volume, which switches it on: jaudiosync volume +0",
        ),
        Ok(read) if read.is_muted => {
            Finding::good(CHECK, format!("{name} sets the volume: {volume}, but muted; the service switches it on"))
        }
        _ => Finding::good(CHECK, format!("{name} sets the volume: {volume}")),
    }
}

fn in_words((percent, db): (u8, Option<f64>)) -> String {
    format::volume(percent, db)
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
        let used = SoundSeen { service: Some(("server".into(), false, 0)), ..good.clone() };
        assert!(sound(&used)[1].advice.as_ref().unwrap().contains("jaudiosync devices"));
        let unplugged = SoundSeen { cards: Vec::new(), mixer: None, ..used };
        let findings = sound(&unplugged);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].text == "there is no sound card, and the service waits for server", "{findings:?}");
        let not_yet = SoundSeen { service: Some((AUTOMATIC.into(), false, 0)), ..good };
        let finding = &sound(&not_yet)[1];
        assert!(
            finding.level == Level::Warning && finding.text.contains("has not taken a sound card yet"),
            "{finding:?}"
        );
    }

    #[test]
    fn the_volume_is_shown_as_the_service_or_otherwise_the_card_has_it() {
        let volume = |read, service_volume: Option<(u8, Option<f64>)>| {
            let mixer = MixerSeen { name: "Digital of hw:0".into(), volume: read };
            let service = service_volume.map(|_| ("hw:0".to_owned(), true, 48_000));
            let seen = SoundSeen { mixer: Some(Ok(Some(mixer))), service, service_volume, ..SoundSeen::default() };
            sound(&seen).last().cloned().unwrap()
        };
        let read = |is_muted| Ok(MixerVolume { percent: 50, db: Some(-18.0), is_muted });
        assert_eq!(volume(read(false), None).text, "Digital of hw:0 sets the volume: 50 % (-18.0 dB)");
        assert!(volume(read(true), None).text.ends_with("50 % (-18.0 dB), but muted; the service switches it on"));
        let of_service = volume(read(false), Some((5, Some(-78.06))));
        assert_eq!(of_service.text, "Digital of hw:0 sets the volume: 5 % (-78.1 dB)");
        assert_eq!(volume(read(true), Some((5, None))).level, Level::Warning);
        let mixer = MixerSeen { name: "Digital of hw:0".into(), volume: read(true) };
        let service = Some((AUTOMATIC.to_owned(), false, 0));
        let seen = SoundSeen {
            mixer: Some(Ok(Some(mixer))),
            service,
            service_volume: Some((5, None)),
            ..SoundSeen::default()
        };
        let finding = sound(&seen).last().cloned().unwrap();
        assert!(finding.text.ends_with("but muted; the service switches it on"), "{}", finding.text);
        let gone = volume(Err("no such device".into()), None);
        assert!(gone.level == Level::Warning && gone.text.contains("no such device"), "{}", gone.text);

        let player =
            SoundSeen { mixer: Some(Ok(None)), service_volume: Some((50, Some(-18.06))), ..SoundSeen::default() };
        assert!(sound(&player).last().unwrap().text.ends_with("no mixer control: 50 % (-18.1 dB)"));
    }
}
