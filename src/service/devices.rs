//! The devices of the box, as they are configured: the card's mixer, and the board with its pins.

use jaudiosync_hw::board::Board;
use jaudiosync_hw::buttons::BoardError;
use jaudiosync_hw::dac::{ChosenDac, Dac};
use jaudiosync_hw::gpio::Header;
use jaudiosync_hw::mixer::{AlsaMixer, Mixer, MixerError};
use jaudiosync_hw::simulated_board::SimulatedBoard;

use super::conductor::OpenBoard;
use super::volume::OpenMixer;
use crate::config::{self, BoardKind, Config, Hat};
use crate::host::hats::miniamp_gpios;

/// Opens the card's mixer, or the one that was named. On a desk the mixer is left alone unless it
/// was named, as other programs share it.
pub fn open_mixer(config: &Config, dac: &ChosenDac) -> OpenMixer {
    let named = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let control = named(&config.sound.mixer_control);
    let is_named = control.is_some() || !config.sound.mixer_card.is_empty();
    let own_card = Some(dac.clone()).filter(|_| is_named || config.board.kind != BoardKind::Simulated);
    let named_card = named(&config.sound.mixer_card);
    Box::new(move || {
        // Determined again every time: which card a device is on is known only while it is there.
        let card = match (&named_card, &own_card) {
            (Some(card), _) => Some(card.clone()),
            (None, Some(dac)) => match dac.mixer_card() {
                Ok(Some(card)) => Some(card),
                Ok(None) if is_named => None,
                Ok(None) => return Ok(None),
                Err(error) => return Err(MixerError::Lost { card: dac.name(), reason: error.to_string() }),
            },
            (None, None) => return Ok(None),
        };
        let mixer = AlsaMixer::open(card.as_deref(), control.as_deref())?;
        Ok(mixer.map(|mixer| Box::new(mixer) as Box<dyn Mixer>))
    })
}

/// Takes the pins that nothing else uses. The MiniAmp's are inputs of its amplifier, of which the
/// kernel does not know.
///
/// # Errors
/// When the pins cannot be used.
pub fn open_board(config: &config::Board) -> Result<Board, BoardError> {
    let mut header = Header::open(config.backend.into())?;
    if config.hat == Hat::MiniAmp {
        header = miniamp_gpios().fold(header, |header, gpio| header.reserving(gpio, "HiFiBerry MiniAmp"));
    }
    Board::on_header(&header, &config.pins())
}

/// Returns a function that opens the board which is configured.
pub(super) fn board_opener(config: &Config, simulated: &SimulatedBoard) -> OpenBoard {
    match config.board.kind {
        BoardKind::Pi => {
            let pins = config.board.pins();
            pins.shared().iter().for_each(|shared| log::warn!("{shared}"));
            let config = config.board.clone();
            Box::new(move || open_board(&config))
        }
        BoardKind::Simulated => {
            let simulated = simulated.clone();
            Box::new(move || Ok(Board::simulated(&simulated)))
        }
        BoardKind::None => Box::new(|| Ok(Board::none())),
    }
}
