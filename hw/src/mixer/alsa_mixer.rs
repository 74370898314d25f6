//! The real mixer, through ALSA's simple mixer interface.

use std::ffi::CString;

use alsa::Round;
use alsa::card::Iter;
use alsa::mixer::{MilliBel, Selem, SelemChannelId, SelemId};

use crate::alsa_messages::quietly;

use super::{
    Card, Control, Mixer, MixerError, MixerVolume, VolumeControl, VolumeSet, choose_control, control_device,
    db_from_raw, percent_from_step, step_from_percent, top_db,
};

/// One control of one sound card.
pub struct AlsaMixer {
    mixer: alsa::Mixer,
    device: String,
    control: Control,
    last_set: Option<LastSet>,
}

/// A percentage, and the value that the control was given for it: several percentages may be the
/// same value.
#[derive(Clone, Copy)]
struct LastSet {
    percent: u8,
    raw: i64,
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
        Ok(Some(Self { mixer, device, control, last_set: None }))
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

    fn volume(&mut self) -> Result<MixerVolume, MixerError> {
        let selem = self.selem()?;
        let raw = selem.get_playback_volume(SelemChannelId::mono()).map_err(|error| lost(&self.device, error))?;
        let as_set = self.last_set.filter(|set| set.raw == raw).map(|set| set.percent);
        Ok(MixerVolume {
            percent: as_set.unwrap_or_else(|| percent_from_step(raw, &selem)),
            db: db_from_raw(raw, &selem),
            is_muted: is_muted(&selem),
        })
    }

    fn set_volume(&mut self, percent: u8) -> Result<VolumeSet, MixerError> {
        let percent = percent.min(100);
        let selem = self.selem()?;
        let step = step_from_percent(percent, &selem);
        let done = VolumeSet { player_gain: step.player_gain, top_db: top_db(&selem), was_muted: is_muted(&selem) };
        // The volume first: a control that is unmuted must not be loud for a moment.
        selem
            .set_playback_volume_all(step.raw)
            .and_then(|()| if selem.has_playback_switch() { selem.set_playback_switch_all(1) } else { Ok(()) })
            .map_err(|error| lost(&self.device, error))?;
        self.last_set = Some(LastSet { percent, raw: step.raw });
        Ok(done)
    }
}

impl VolumeControl for Selem<'_> {
    fn raw_range(&self) -> (i64, i64) {
        self.get_playback_volume_range()
    }

    fn range_hundredths_db(&self) -> Option<(i64, i64)> {
        // Both are 0 if the control reports none.
        let (min, max) = self.get_playback_db_range();
        (min < max).then_some((min.0, max.0))
    }

    fn hundredths_db_from_raw(&self, raw: i64) -> Option<i64> {
        self.ask_playback_vol_db(raw).ok().map(|level| level.0)
    }

    fn raw_from_hundredths_db(&self, hundredths_db: i64) -> Option<i64> {
        // Round::Floor is ALSA's 0, which for decibels means the nearest: snd_tlv_convert_from_dB.
        self.ask_playback_db_vol(MilliBel(hundredths_db), Round::Floor).ok()
    }
}

/// Returns whether any of a control's channels is switched off.
fn is_muted(selem: &Selem<'_>) -> bool {
    let is_off = |channel: &SelemChannelId| {
        selem.has_playback_channel(*channel) && selem.get_playback_switch(*channel).is_ok_and(|switch| switch == 0)
    };
    selem.has_playback_switch() && SelemChannelId::all().iter().any(is_off)
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
