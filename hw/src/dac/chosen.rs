//! The DAC that a name, or no name, stands for. It is looked for at every opening, as cards come
//! and go.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jaudiosync_time::{Instant, Raw, Span};

use super::alsa::{AlsaCard, CardUse, Hardware};
use super::cards::{AUTOMATIC, CardKind, Listing, Target, is_automatic, pcm_names, printable};
use super::{Dac, DacError, DacStream, MakeRenderer, SoundCard, SoundServer, sound_server};
use crate::clocks::{Clocks, MachineClocks};

/// How long after power-on a service leaves the jack alone: the drivers of HATs and USB cards may
/// be loaded after it, and what begins on the jack stays there.
const CARDS_APPEAR_UNTIL: Instant<Raw> = Instant::from_ns(20_000_000_000);

/// How long a card that was taken may be away until another of its kind takes its place.
const RIVAL_TAKEN_AFTER: Span = Span::from_seconds(5);

/// What sound cards are played on through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// ALSA itself.
    #[default]
    Alsa,
    /// The library cpal.
    Cpal,
}

/// How a sound card is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkOptions {
    /// Through what.
    pub backend: Backend,
    /// Length of the card's buffer, in ms; cpal has its own.
    pub buffer_ms: u32,
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self { backend: Backend::default(), buffer_ms: 50 }
    }
}

/// The chosen output. Clones share what was chosen.
#[derive(Debug, Clone)]
pub struct ChosenDac {
    options: SinkOptions,
    card_use: CardUse,
    wanted: Wanted,
    waits_for_better: bool,
    /// The card that was opened without being named.
    held: Arc<Mutex<Option<Held>>>,
}

#[derive(Debug, Clone)]
enum Wanted {
    Server(SoundServer),
    Named(String),
    Automatic,
}

/// A card that was taken. While it is away, only a card of the same or a better kind takes its
/// place, and only after a while: the music of a DAC that was pulled out, or has lost its contact
/// for a moment, must not go on where nobody hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    id: String,
    device: u32,
    kind: CardKind,
    because: String,
    /// Since when it has been away.
    away_since: Option<Instant<Raw>>,
}

impl ChosenDac {
    /// Returns the output of this name: `server` is the sound server, and anything else as
    /// [`Listing::resolve`] takes it. Without a name it is the sound server where one runs now, as
    /// that reports its timing more exactly than ALSA does, and otherwise the card that
    /// [`Listing::choose`] chooses.
    pub fn new(name: Option<&str>, options: SinkOptions) -> Self {
        let wanted = match name.map(str::trim).filter(|name| !is_automatic(name)) {
            Some(sound_server::NAME) => Wanted::Server(SoundServer::new()),
            Some(name) => Wanted::Named(printable(name)),
            None => SoundServer::connectable().map_or(Wanted::Automatic, Wanted::Server),
        };
        Self { options, card_use: CardUse::default(), wanted, waits_for_better: false, held: Arc::default() }
    }

    /// Does not take the jack by default in the first 20 s after power-on, when better cards may
    /// still appear.
    #[must_use]
    pub fn waiting_for_better(self) -> Self {
        Self { waits_for_better: true, ..self }
    }

    /// Returns what sets the volume of the output, as [`crate::mixer::control_device`] takes it;
    /// `None` where it does not belong to a card, such as a sound server, whose mixer affects every
    /// program.
    ///
    /// # Errors
    /// When there is no such output now, or it is not known yet which card it will be.
    pub fn mixer_card(&self) -> Result<Option<String>, DacError> {
        match &self.wanted {
            Wanted::Server(_) => Ok(None),
            Wanted::Named(name) if name == "default" => Ok(Some(name.clone())),
            Wanted::Named(name) => Ok(Listing::read().resolve(name, pcm_names)?.card),
            Wanted::Automatic => match self.held().as_ref() {
                Some(held) => Ok(Some(held.id.clone())),
                None => Err(unavailable(AUTOMATIC, "no sound card has been opened yet".to_owned())),
            },
        }
    }

    /// Returns the DAC that opens a target.
    fn sink(&self, listing: &Listing, target: &Target) -> Box<dyn Dac> {
        let converting = listing.converting_pcm(target);
        match self.options.backend {
            Backend::Alsa => {
                let card = target.card.as_deref().and_then(|id| listing.card(id));
                let output = card.and_then(|card| Some((card, card.output_of_pcm(&target.pcm)?)));
                let hardware = output.map_or_else(Hardware::default, |(card, output)| listing.hardware(card, output));
                let names = std::iter::once(target.pcm.clone()).chain(converting).collect();
                Box::new(AlsaCard::new(names, self.options.buffer_ms, hardware, self.card_use.clone()))
            }
            Backend::Cpal => Box::new(SoundCard::new(Some(converting.unwrap_or_else(|| target.pcm.clone())))),
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_card(
        &self,
        make_renderer: MakeRenderer<'_>,
        faults: Sender<DacError>,
    ) -> Result<Box<dyn DacStream>, DacError> {
        let listing = Listing::read();
        let now = MachineClocks.raw();
        let taken = take(&listing, self.held().as_ref(), self.waits_for_better, now);
        if let (Err(_), Some(held)) = (&taken, self.held().as_mut()) {
            held.away_since.get_or_insert(now);
        }
        let taken = taken?;
        let target = Target::of_card(&taken.id, taken.device);
        let stream = self.sink(&listing, &target).open(make_renderer, faults)?;
        let mut held = self.held();
        if held.as_ref().is_none_or(|held| held.id != taken.id) {
            log::info!("no sound.device is named: {} is taken, as {}", taken.id, taken.because);
        }
        *held = Some(taken);
        Ok(stream)
    }
}

impl Dac for ChosenDac {
    fn name(&self) -> String {
        match &self.wanted {
            Wanted::Server(server) => server.name(),
            Wanted::Named(name) => name.clone(),
            Wanted::Automatic => self.held().as_ref().map_or(AUTOMATIC, |held| &held.id).to_owned(),
        }
    }

    fn open(&self, make_renderer: MakeRenderer<'_>, faults: Sender<DacError>) -> Result<Box<dyn DacStream>, DacError> {
        match &self.wanted {
            Wanted::Server(server) => server.open(make_renderer, faults),
            Wanted::Named(name) => {
                let listing = Listing::read();
                let target = listing.resolve(name, pcm_names)?;
                self.sink(&listing, &target).open(make_renderer, faults)
            }
            Wanted::Automatic => self.open_card(make_renderer, faults),
        }
    }
}

/// Chooses the card to open when none is named: the one that was held, or the best, if it is not of
/// a lesser kind than that one.
fn take(listing: &Listing, held: Option<&Held>, waits_for_better: bool, now: Instant<Raw>) -> Result<Held, DacError> {
    if let Some((held, card)) = held.and_then(|held| Some((held, listing.card(&held.id)?))) {
        let device = card.main_output().map_or(held.device, |output| output.device);
        return Ok(Held { device, away_since: None, ..held.clone() });
    }
    let best = listing.choose();
    let best = match (best, held) {
        (Ok(best), Some(held)) if best.kind > held.kind => Err(unavailable(&held.id, gone(&best.id))),
        (Err(_), Some(held)) => Err(unavailable(&held.id, NOT_CONNECTED.to_owned())),
        (Ok(_), Some(held)) if held.away_since.is_none_or(|since| now - since < RIVAL_TAKEN_AFTER) => {
            Err(unavailable(&held.id, NOT_CONNECTED.to_owned()))
        }
        (best, _) => best.map_err(DacError::from),
    }?;
    if waits_for_better && held.is_none() && best.kind > CardKind::Usb && now < CARDS_APPEAR_UNTIL {
        return Err(DacError::NotTakenYet { card: best.id, after_s: CARDS_APPEAR_UNTIL.second() });
    }
    let because = best.because();
    Ok(Held { id: best.id, device: best.device, kind: best.kind, because, away_since: None })
}

const NOT_CONNECTED: &str = "it is not connected";

fn gone(lesser: &str) -> String {
    format!("{NOT_CONNECTED}; to play on {lesser} instead, set sound.device to it")
}

fn unavailable(name: &str, reason: String) -> DacError {
    DacError::Unavailable { name: name.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::super::cards::fabricated::{DACPLUS, DONGLE, HEADPHONES, PNP_SOUND_DEVICE, VC4_HDMI_0, machine};
    use super::*;

    const PI: Option<&str> = Some("Raspberry Pi 4 Model B Rev 1.4");
    const LATER: Instant<Raw> = Instant::from_ns(60_000_000_000);
    const AT_POWER_ON: Instant<Raw> = Instant::from_ns(9_000_000_000);

    fn taken(cards: &[&str], held: Option<&Held>) -> Result<Held, DacError> {
        take(&machine(PI, cards), held, true, LATER)
    }

    #[test]
    fn a_card_that_was_taken_is_kept_even_if_a_better_one_comes() {
        let dongle = taken(&[HEADPHONES, VC4_HDMI_0, DONGLE], None).unwrap();
        assert_eq!((dongle.id.as_str(), dongle.kind), ("Dongle", CardKind::Usb));
        assert_eq!(taken(&[DACPLUS, DONGLE, PNP_SOUND_DEVICE], Some(&dongle)).unwrap(), dongle);
    }

    #[test]
    fn only_a_card_of_no_lesser_kind_takes_the_place_of_one_that_is_gone() {
        let dongle = taken(&[DONGLE], None).unwrap();
        // Nor does one while the card may be back at once.
        for away_since in [None, Some(LATER - Span::from_seconds(4))] {
            let dongle = Held { away_since, ..dongle.clone() };
            assert!(taken(&[HEADPHONES, PNP_SOUND_DEVICE], Some(&dongle)).is_err());
        }
        let dongle = Held { away_since: Some(LATER - Span::from_seconds(6)), ..dongle };
        assert_eq!(taken(&[DONGLE, DACPLUS], Some(&dongle)).unwrap().away_since, None);
        assert_eq!(taken(&[HEADPHONES, PNP_SOUND_DEVICE], Some(&dongle)).unwrap().id, "Device");
        assert_eq!(taken(&[HEADPHONES, DACPLUS], Some(&dongle)).unwrap().id, "sndrpihifiberry");
        let error = taken(&[HEADPHONES, VC4_HDMI_0], Some(&dongle)).unwrap_err().to_string();
        assert!(error.contains("\"Dongle\"") && error.contains("not connected; to play on Headphones"), "{error}");
        let error = taken(&[VC4_HDMI_0], Some(&dongle)).unwrap_err().to_string();
        assert!(error.contains("\"Dongle\"") && error.contains("not connected"), "{error}");
    }

    #[test]
    fn a_service_leaves_the_jack_alone_while_better_cards_may_appear() {
        let at_power_on = |cards: &[&str], waits| take(&machine(PI, cards), None, waits, AT_POWER_ON);
        let error = at_power_on(&[HEADPHONES, VC4_HDMI_0], true).unwrap_err().to_string();
        assert!(error.starts_with("Headphones is taken 20 s after power-on"), "{error}");
        assert_eq!(at_power_on(&[HEADPHONES, VC4_HDMI_0], false).unwrap().id, "Headphones", "no service");
        assert_eq!(at_power_on(&[HEADPHONES, DONGLE], true).unwrap().id, "Dongle");
        assert_eq!(taken(&[HEADPHONES, VC4_HDMI_0], None).unwrap().id, "Headphones");
        // A jack that was playing is back at once.
        let jack = taken(&[HEADPHONES], None).unwrap();
        assert_eq!(take(&machine(PI, &[HEADPHONES]), Some(&jack), true, AT_POWER_ON).unwrap(), jack);
    }

    #[test]
    fn without_a_card_to_take_the_error_names_those_that_are_there() {
        let error = taken(&[VC4_HDMI_0], None).unwrap_err();
        assert!(matches!(&error, DacError::NothingToTake(nothing) if nothing.by_name == ["vc4hdmi0"]), "{error}");
    }

    #[test]
    fn the_names_to_show() {
        assert_eq!(ChosenDac::new(Some(" server "), SinkOptions::default()).name(), "server");
        assert_eq!(ChosenDac::new(Some("Headphones"), SinkOptions::default()).name(), "Headphones");
        let automatic =
            ChosenDac { wanted: Wanted::Automatic, ..ChosenDac::new(Some("Headphones"), SinkOptions::default()) };
        assert_eq!(automatic.name(), "auto");
        assert!(automatic.mixer_card().is_err(), "the volume of a card that is not known yet");
        *automatic.held.lock().unwrap() =
            Some(Held { id: "Audio".into(), device: 0, kind: CardKind::Usb, because: String::new(), away_since: None });
        assert_eq!((automatic.clone().name().as_str(), automatic.mixer_card()), ("Audio", Ok(Some("Audio".into()))));
    }
}
