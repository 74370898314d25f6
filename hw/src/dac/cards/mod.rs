//! Which sound card plays: what cards there are, what kind each is, and which one a name, or no
//! name, stands for.
//!
//! [`Listing::read`] and what it calls ask ALSA; everything else is pure, and takes what was read
//! as plain data. Cards go by their ids, such as `Headphones`: numbers depend on the order in which
//! the kernel found the cards.

mod choice;
#[cfg(test)]
pub(super) mod fabricated;
mod kind;
mod listing;
mod name;
mod probe;

use super::alsa::{Converter, Feed, Hardware};

pub use choice::{Foreseen, NothingForeseen, NothingToTake, Taken};
pub use kind::{CardKind, is_raspberry_pi, kind_of};
pub use listing::pcm_names;
pub(super) use name::printable;
pub use name::{AUTOMATIC, NoSuchOutput, Target, is_automatic};
pub use probe::{Abilities, Availability, probe};

/// An output of a card: one of its playback devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Its number on the card, `DEV` in ALSA's names.
    pub device: u32,
    /// The driver's id for it, such as `HDMI 0`.
    pub id: String,
    /// Its name, such as `USB Audio`.
    pub name: String,
    /// Whether some program has it open.
    pub is_in_use: bool,
}

/// A sound card, as ALSA's control interface describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardInfo {
    /// Its number, which depends on the order in which cards were found.
    pub index: i32,
    /// Its id, such as `sndrpihifiberry`: at most 15 letters and digits, and different for each
    /// card.
    pub id: String,
    /// Its driver, such as `HifiberryDacp`: at most 15 characters.
    pub driver: String,
    /// Its name for itself, such as `snd_rpi_hifiberry_dacplus`.
    pub name: String,
    /// The same with its place, such as `USB PnP Sound Device at usb-0000:01:00.0-1.3, full speed`.
    pub long_name: String,
    /// Its mixer's name, often empty.
    pub mixer_name: String,
    /// Its parts, such as `USB0d8c:013c`, often empty.
    pub components: String,
    /// Its outputs; none if it only records.
    pub outputs: Vec<Output>,
}

/// The cards of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    cards: Vec<CardInfo>,
    is_raspberry_pi: bool,
    /// Whether a HAT hangs on the I2S of a BCM283x or BCM2711: on a Raspberry Pi before the 5.
    has_bcm2835_i2s: bool,
}

impl Listing {
    /// Makes the listing of cards found in any order, on a machine whose device tree has this
    /// model, if it can be read.
    pub fn new(mut cards: Vec<CardInfo>, model: Option<&str>) -> Self {
        let is_raspberry_pi = is_raspberry_pi(model, &cards);
        cards.sort_by_cached_key(|card| (kind_of(card, is_raspberry_pi), card.id.clone(), card.index));
        let has_bcm2835_i2s = is_raspberry_pi && model.is_some_and(kind::has_bcm2835_i2s);
        Self { cards, is_raspberry_pi, has_bcm2835_i2s }
    }

    /// Returns the cards, in the order in which they are preferred: by kind, then by id.
    pub fn cards(&self) -> &[CardInfo] {
        &self.cards
    }

    /// Returns the cards that can play.
    pub fn playing(&self) -> impl Iterator<Item = &CardInfo> {
        self.cards.iter().filter(|card| !card.outputs.is_empty())
    }

    /// Returns the kind of a card.
    pub fn kind(&self, card: &CardInfo) -> CardKind {
        kind_of(card, self.is_raspberry_pi)
    }

    /// Returns what lies behind the driver of one of a card's outputs, as far as that is known.
    pub fn hardware(&self, card: &CardInfo, output: &Output) -> Hardware {
        let is_on_i2s = self.has_bcm2835_i2s && self.kind(card) == CardKind::Hat;
        let feed = if is_on_i2s { Feed::Bcm2835I2s } else { Feed::Unknown };
        Hardware { feed, converter: Converter::of_output(&output.id) }
    }

    /// Returns the card of this id.
    pub fn card(&self, id: &str) -> Option<&CardInfo> {
        self.cards.iter().find(|card| card.id == id)
    }

    /// Returns the ids of cards of which another is the same model. Which of these gets `Device` and
    /// which `Device_1` depends on the order in which the kernel finds them.
    pub fn twins(&self) -> Vec<&str> {
        let same = |one: &CardInfo, other: &CardInfo| {
            one.index != other.index && one.driver == other.driver && one.name == other.name
        };
        let has_twin = |card: &&CardInfo| self.playing().any(|other| same(card, other));
        self.playing()
            .filter(|card| self.kind(card).is_taken_by_default())
            .filter(has_twin)
            .map(|card| card.id.as_str())
            .collect()
    }
}

impl CardInfo {
    /// Returns the output to play on: the first, or on a card that has screens and others, the first
    /// of the others. `None` if it only records.
    pub fn main_output(&self) -> Option<&Output> {
        self.outputs.iter().find(|output| !kind::is_screen(output)).or(self.outputs.first())
    }

    /// Returns the name by which ALSA opens an output of the card itself, without any conversion.
    pub fn pcm_name(&self, device: u32) -> String {
        format!("hw:CARD={},DEV={device}", self.id)
    }

    /// Returns the output that ALSA opens by this name of a PCM, with conversions or without.
    pub fn output_of_pcm(&self, pcm: &str) -> Option<&Output> {
        let pcm = pcm.strip_prefix("plug").unwrap_or(pcm);
        self.outputs.iter().find(|output| self.pcm_name(output.device) == pcm)
    }
}
