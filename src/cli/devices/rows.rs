//! The lines of the listing: one for each output, and what it takes.

use jaudiosync_hw::dac::alsa::Hardware;
use jaudiosync_hw::dac::cards::{Abilities, Availability, CardInfo, CardKind, Listing, Output, Target, probe};
use jaudiosync_hw::dac::{Dac, HardwareLatency, SoundServer};
use jaudiosync_hw::mixer::AlsaMixer;
use serde_json::{Value, json};

use super::Choice;

/// An output.
pub(super) struct Row {
    /// The name to choose it by.
    id: String,
    description: String,
    of: Of,
}

enum Of {
    Server,
    /// A PCM of ALSA's configuration, which is shown only if it is the one to be taken.
    Pcm,
    Card(CardRow),
}

struct CardRow {
    kind: CardKind,
    pcm: String,
    card_id: String,
    driver: String,
    availability: Availability,
    /// How long the hardware takes with what it would be opened with; `None` if that is not known.
    latency: Option<HardwareLatency>,
    /// The control that sets the volume.
    mixer: Option<String>,
}

/// Makes the rows of the sound server, if one runs, of all outputs, and of the one to be taken if it
/// is none of these. Outputs on which nobody plays are opened for a moment.
pub(super) fn rows(listing: &Listing, server: Option<&str>, taken: Option<&str>) -> Vec<Row> {
    let server = server.map(|description| Row {
        id: SoundServer::new().name(),
        description: description.to_owned(),
        of: Of::Server,
    });
    let outputs = listing.playing().flat_map(|card| {
        let mixer = AlsaMixer::open(Some(&card.id), None).ok().flatten().map(|mixer| mixer.control().to_owned());
        let main = card.main_output().map(|output| output.device);
        card.outputs.iter().map(move |output| {
            let availability = probe(card, output);
            let row = CardRow {
                latency: latency(&availability, listing.hardware(card, output)),
                kind: listing.kind(card),
                pcm: Target::of_card(&card.id, output.device).pcm,
                card_id: card.id.clone(),
                driver: card.driver.clone(),
                availability,
                mixer: mixer.clone(),
            };
            of_output(card, output, Some(output.device) == main, row)
        })
    });
    let mut rows: Vec<Row> = server.into_iter().chain(outputs).collect();
    if let Some(name) = taken.filter(|name| rows.iter().all(|row| row.id != *name)) {
        rows.push(Row { id: name.to_owned(), description: String::new(), of: Of::Pcm });
    }
    rows
}

fn of_output(card: &CardInfo, output: &Output, is_main: bool, row: CardRow) -> Row {
    if is_main {
        return Row { id: card.id.clone(), description: card.name.clone(), of: Of::Card(row) };
    }
    let name = if output.name.is_empty() { &output.id } else { &output.name };
    Row { id: row.pcm.clone(), description: format!("{}, {name}", card.name), of: Of::Card(row) }
}

impl Row {
    /// Returns the cells of the table.
    pub(super) fn cells(&self) -> [String; 7] {
        let any = || ("any".to_owned(), "any".to_owned());
        let (kind, (formats, rates), mixer) = match &self.of {
            Of::Server => ("server".to_owned(), any(), String::new()),
            Of::Pcm => ("PCM".to_owned(), Default::default(), String::new()),
            Of::Card(card) => (
                card.kind.word().to_owned(),
                taken_words(&card.availability),
                card.mixer.clone().unwrap_or_else(|| "none".to_owned()),
            ),
        };
        let delay = match &self.of {
            Of::Card(CardRow { latency: Some(latency), .. }) if latency.is_complete => latency_ms(*latency),
            Of::Card(CardRow { latency: Some(latency), .. }) => format!("{} and more", latency_ms(*latency)),
            Of::Card(CardRow { availability: Availability::Free(_), .. }) => "unknown".to_owned(),
            Of::Card(_) | Of::Server | Of::Pcm => String::new(),
        };
        [self.id.clone(), kind, self.description.clone(), formats, rates, delay, mixer]
    }

    /// Returns the row as JSON.
    pub(super) fn json(&self, choice: &Choice) -> Value {
        let is = |name: &str| name == self.id;
        let is_taken = choice.taken().is_ok_and(|taken| is(&taken.name));
        let mut value = json!({
            "id": self.id,
            "description": self.description,
            "default": choice.default.as_ref().is_ok_and(|default| is(&default.name)),
            "taken": is_taken,
            "because": choice.because().filter(|_| is_taken),
            "kind": if matches!(self.of, Of::Server) { "server" } else { "pcm" },
        });
        if let (Of::Card(card), Some(fields)) = (&self.of, value.as_object_mut()) {
            let (is_in_use, abilities, problem) = match &card.availability {
                Availability::Free(abilities) => (false, Some(abilities), None),
                Availability::InUse => (true, None, None),
                Availability::Failed(reason) => (false, None, Some(reason)),
            };
            let of_card = json!({
                "kind": card.kind.json_word(),
                "pcm": card.pcm,
                "card": card.card_id,
                "driver": card.driver,
                "mixer": card.mixer,
                "in_use": is_in_use,
                "formats": abilities.map(|abilities| &abilities.formats),
                "rates_hz": abilities.map(|abilities| &abilities.rates_hz),
                "hardware_latency_ms": card.latency.and_then(HardwareLatency::known_ms),
                "hardware_latency_complete": card.latency.is_some_and(|latency| latency.is_complete),
                "problem": problem,
            });
            fields.extend(of_card.as_object().cloned().unwrap_or_default());
        }
        value
    }
}

/// Returns what is known of how long an output's hardware takes; `None` if nothing is.
fn latency(availability: &Availability, hardware: Hardware) -> Option<HardwareLatency> {
    let Availability::Free(abilities) = availability else { return None };
    let (encoding, rate_hz) = abilities.opened_with()?;
    let latency = hardware.latency(encoding, rate_hz);
    (latency != HardwareLatency::UNKNOWN).then_some(latency)
}

fn latency_ms(latency: HardwareLatency) -> String {
    format!("{:.2} ms", latency.known.ms())
}

/// Returns formats and rates in a few words, such as `S32 S16` and `44.1 to 192`.
fn taken_words(availability: &Availability) -> (String, String) {
    match availability {
        Availability::InUse => ("in use".to_owned(), String::new()),
        Availability::Failed(reason) => (format!("cannot be opened: {reason}"), String::new()),
        Availability::Free(Abilities { formats, rates_hz }) => {
            let formats: Vec<_> = formats.iter().map(|format| format.trim_end_matches("_LE")).collect();
            let khz = |rate_hz: u32| f64::from(rate_hz) / 1000.0;
            let rates = match (rates_hz.first(), rates_hz.last()) {
                (Some(first), Some(last)) if first < last => format!("{} to {}", khz(*first), khz(*last)),
                (Some(only), _) => khz(*only).to_string(),
                _ => "none of the usual".to_owned(),
            };
            (formats.join(" "), rates)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(availability: Availability) -> Row {
        let card = CardInfo { id: "PCH".into(), name: "HDA Intel PCH".into(), ..CardInfo::default() };
        let row = CardRow {
            kind: CardKind::Other,
            pcm: card.pcm_name(3),
            card_id: card.id.clone(),
            driver: "HDA-Intel".into(),
            availability,
            latency: None,
            mixer: None,
        };
        of_output(&card, &Output { device: 3, name: "HDMI 0".into(), ..Output::default() }, false, row)
    }

    #[test]
    fn the_table_has_what_an_output_takes_or_why_that_is_unknown() {
        let formats = ["S32_LE", "S24_3LE", "S16_LE"].map(str::to_owned).to_vec();
        let free = Availability::Free(Abilities { formats, rates_hz: vec![44_100, 48_000, 192_000] });
        let cells = [
            "hw:CARD=PCH,DEV=3",
            "other",
            "HDA Intel PCH, HDMI 0",
            "S32 S24_3LE S16",
            "44.1 to 192",
            "unknown",
            "none",
        ];
        assert_eq!(row(free).cells(), cells.map(str::to_owned));
        let one = Availability::Free(Abilities { formats: vec!["S16_LE".into()], rates_hz: vec![48_000] });
        assert_eq!(row(one).cells()[4], "48");
        assert_eq!(row(Availability::InUse).cells()[3], "in use");
        assert_eq!(row(Availability::Failed("no screen".into())).cells()[3], "cannot be opened: no screen");
    }

    #[test]
    fn json_keeps_its_first_fields_and_marks_what_is_taken() {
        let listing = Listing::new(vec![], None);
        let configured = listing.foresee("server", false, Vec::new);
        let choice =
            Choice { default: listing.foresee("", true, Vec::new), configured: Some(("a.toml:1".into(), configured)) };
        let server = Row { id: "server".into(), description: "PulseAudio".into(), of: Of::Server };
        let expected = json!({
            "id": "server", "description": "PulseAudio", "default": true, "kind": "server",
            "taken": true, "because": "a.toml:1 names it",
        });
        assert_eq!(server.json(&choice), expected);
        let card = row(Availability::InUse).json(&choice);
        assert_eq!((&card["default"], &card["because"], &card["in_use"]), (&json!(false), &json!(null), &json!(true)));
        assert_eq!((&card["kind"], &card["pcm"]), (&json!("other"), &json!("hw:CARD=PCH,DEV=3")));
    }
}
