//! The real mixer, through ALSA's simple mixer interface.

use std::ffi::CString;

use alsa::card::Iter;
use alsa::mixer::{Selem, SelemChannelId, SelemId};

use crate::alsa_messages::quietly;

use super::{Card, Control, Mixer, MixerError, choose_control, control_device, percent_from_raw, raw_from_percent};

/// One control of one sound card.
pub struct AlsaMixer {
    mixer: alsa::Mixer,
    device: String,
    control: Control,
}

impl AlsaMixer {
    /// Opens the volume control of a card: see [`control_device`] for how a card is named, and
    /// [`choose_control`] for how its control is found if none is named. `None` if the card has no
    /// such control.
    ///
    /// # Errors
    /// When there is no such card, it does not answer, or it has no control of the requested name.
    pub fn open(card: Option<&str>, control: Option<&str>) -> Result<Option<Self>, MixerError> {
        quietly(|| Self::open_control(card, control))
    }

    fn open_control(card: Option<&str>, control: Option<&str>) -> Result<Option<Self>, MixerError> {
        let device = control_device(card, &cards())?;
        let mixer = load(&device).map_err(|error| lost(&device, error))?;
        let controls: Vec<Control> = mixer.iter().filter_map(Selem::new).filter_map(|selem| describe(&selem)).collect();
        let Some(control) = choose_control(&device, &controls, control)?.cloned() else {
            return Ok(None);
        };
        Ok(Some(Self { mixer, device, control }))
    }

    /// Returns the control's name, such as `Digital`.
    pub fn control(&self) -> &str {
        &self.control.name
    }

    /// Returns the control, after reading the changes that others have made to it.
    fn selem(&self) -> Result<Selem<'_>, MixerError> {
        self.mixer.handle_events().map_err(|error| lost(&self.device, error))?;
        let id = SelemId::new(&self.control.name, self.control.index);
        self.mixer.find_selem(&id).ok_or_else(|| MixerError::Lost {
            card: self.device.clone(),
            reason: format!("its control {} is gone", self.control.name),
        })
    }
}

impl Mixer for AlsaMixer {
    fn name(&self) -> String {
        format!("{} of {}", self.control.name, self.device)
    }

    fn volume_percent(&mut self) -> Result<u8, MixerError> {
        let selem = self.selem()?;
        let (min, max) = selem.get_playback_volume_range();
        let raw = selem.get_playback_volume(SelemChannelId::mono()).map_err(|error| lost(&self.device, error))?;
        Ok(percent_from_raw(raw, min, max))
    }

    fn set_volume_percent(&mut self, percent: u8) -> Result<(), MixerError> {
        let selem = self.selem()?;
        let (min, max) = selem.get_playback_volume_range();
        // The volume first: a control that is unmuted must not be loud for a moment.
        selem
            .set_playback_volume_all(raw_from_percent(percent, min, max))
            .and_then(|()| if selem.has_playback_switch() { selem.set_playback_switch_all(1) } else { Ok(()) })
            .map_err(|error| lost(&self.device, error))
    }
}

fn load(device: &str) -> alsa::Result<alsa::Mixer> {
    let device = CString::new(device).map_err(|_| alsa::Error::unsupported("snd_mixer_attach"))?;
    let mut mixer = alsa::Mixer::open(false)?;
    mixer.attach(&device)?;
    Selem::register(&mut mixer)?;
    mixer.load()?;
    Ok(mixer)
}

fn describe(selem: &Selem<'_>) -> Option<Control> {
    let id = selem.get_id();
    // A name that is not UTF-8 cannot be requested, and is not a known one.
    let name = id.get_name().ok()?.to_owned();
    Some(Control { name, index: id.get_index(), has_playback_volume: selem.has_playback_volume() })
}

/// Returns the cards that exist. One that does not answer is listed by its number alone.
pub fn cards() -> Vec<Card> {
    let describe = |card: alsa::Card| {
        let index = card.get_index();
        let info = alsa::Ctl::from_card(&card, true).and_then(|control| control.card_info());
        let id = info.and_then(|info| info.get_id().map(str::to_owned)).unwrap_or_else(|_| index.to_string());
        Card { index, id, name: card.get_name().unwrap_or_default() }
    };
    // A listing that fails would fail forever.
    Iter::new().map_while(Result::ok).map(describe).collect()
}

fn lost(device: &str, error: alsa::Error) -> MixerError {
    let reason = std::io::Error::from_raw_os_error(error.errno().abs());
    MixerError::Lost { card: device.to_owned(), reason: reason.to_string() }
}
