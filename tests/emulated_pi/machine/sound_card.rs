//! The sound cards that QEMU emulates. What they play, QEMU writes to a file.

use std::path::Path;

use serde_json::{Value, json};

/// A sound card of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoundCard {
    /// A USB card with a volume control. It can be pulled out and plugged in.
    Usb,
    /// The same, not yet plugged in.
    UsbLater,
    /// An HDA controller on PCI with a codec.
    Hda {
        /// Whether the codec has a volume control.
        has_control: bool,
    },
}

/// The frames per second that QEMU writes, which are those of the cards: it resamples nothing.
pub const RATE_HZ: u32 = 48_000;

/// Bytes of the header of QEMU's file.
const WAV_HEADER_BYTES: usize = 44;

impl SoundCard {
    /// Returns QEMU's options for the card, which plays into this file.
    pub(super) fn options(self, recording: &Path) -> Vec<String> {
        let audio = format!("wav,id=sound,path={},out.frequency={RATE_HZ}", recording.display());
        let devices: &[&str] = match self {
            Self::UsbLater => &[],
            Self::Usb => &["usb-audio,id=sound,audiodev=sound"],
            Self::Hda { has_control: true } => &["intel-hda", "hda-output,audiodev=sound"],
            Self::Hda { has_control: false } => &["intel-hda", "hda-output,audiodev=sound,mixer=off"],
        };
        let devices = devices.iter().flat_map(|device| ["-device", device]);
        ["-audiodev", &audio].into_iter().chain(devices).map(str::to_owned).collect()
    }
}

/// Returns what QEMU's monitor needs to plug the USB card in again.
pub(super) fn usb_card() -> Value {
    json!({ "driver": "usb-audio", "id": "sound", "audiodev": "sound" })
}

/// Returns the samples of both channels, interleaved, of such a file that is still being written.
pub(super) fn samples(recording: &[u8]) -> Vec<i16> {
    let samples = recording.get(WAV_HEADER_BYTES..).unwrap_or_default();
    samples.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect()
}

/// Returns the number of frames in such a file of so many bytes.
pub(super) fn frames(recording_bytes: u64) -> u64 {
    recording_bytes.saturating_sub(WAV_HEADER_BYTES as u64) / 4
}
