//! What a card's mixer is set to, read independently of the service's own code.

use alsa::mixer::{Mixer, Selem, SelemChannelId};
use anyhow::{Context, Result};
use clap::Args;

/// Print the volume of a card's first control that has one: its name, its value, the range of its
/// values, and its level in dB
#[derive(Debug, Args)]
pub(super) struct MixerVolume {
    /// Such as `hw:Audio`
    card: String,
}

impl MixerVolume {
    pub(super) fn run(&self) -> Result<()> {
        let mixer = Mixer::new(&self.card, false)?;
        let mut controls = mixer.iter().filter_map(Selem::new).filter(Selem::has_playback_volume);
        let control = controls.next().context("no control has a volume")?;
        let (least, most) = control.get_playback_volume_range();
        let value = control.get_playback_volume(SelemChannelId::FrontLeft)?;
        let id = control.get_id();
        let db = control.get_playback_vol_db(SelemChannelId::FrontLeft)?.to_db();
        println!("{} {value} {least} {most} {db}", id.get_name()?.replace(' ', "_"));
        Ok(())
    }
}
