//! Reads the listing from ALSA's control interface (`/dev/snd/controlC*`), which does not need
//! `/proc/asound`: the service's sandbox hides that.

use alsa::card::Iter;
use alsa::ctl::DeviceIter;
use alsa::device_name::{Hint, HintIter};
use alsa::{Card, Ctl, Direction};

use super::{CardInfo, Listing, Output};
use crate::alsa_messages::quietly;

/// The model in the device tree, as `/proc/device-tree/model` has it.
const MODEL: &str = "/sys/firmware/devicetree/base/model";

impl Listing {
    /// Lists the cards that exist now. Cards that do not answer are left out, and their numbers
    /// logged. No output is opened.
    pub fn read() -> Self {
        let model = std::fs::read_to_string(MODEL).ok();
        Self::new(quietly(read_cards), model.as_deref())
    }
}

/// Returns the names of the PCMs that ALSA's configuration announces, such as `pulse`.
pub fn pcm_names() -> Vec<String> {
    let plays = |hint: &Hint| hint.direction != Some(Direction::Capture);
    let names = || Some(HintIter::new(None, c"pcm").ok()?.filter(plays).filter_map(|hint| hint.name).collect());
    quietly(names).unwrap_or_default()
}

fn read_cards() -> Vec<CardInfo> {
    let read = |card: Card| {
        let index = card.get_index();
        read_card(card).inspect_err(|error| log::debug!("sound card {index}: {error}")).ok()
    };
    // A listing that fails would fail forever.
    Iter::new().map_while(Result::ok).filter_map(read).collect()
}

fn read_card(card: Card) -> alsa::Result<CardInfo> {
    let control = Ctl::from_card(&card, true)?;
    let info = control.card_info()?;
    let text = |read: alsa::Result<&str>| read.unwrap_or_default().to_owned();
    let output = |device: i32| -> Option<Output> {
        let device = u32::try_from(device).ok()?;
        // An error means that the device only records.
        let info = control.pcm_info(device, 0, Direction::Playback).ok()?;
        let is_in_use = info.get_subdevices_avail() == 0;
        Some(Output { device, id: text(info.get_id()), name: text(info.get_name()), is_in_use })
    };
    Ok(CardInfo {
        index: card.get_index(),
        id: info.get_id()?.to_owned(),
        driver: text(info.get_driver()),
        name: text(info.get_name()),
        long_name: text(info.get_longname()),
        mixer_name: text(info.get_mixername()),
        components: text(info.get_components()),
        outputs: DeviceIter::new(&control).filter_map(output).collect(),
    })
}
