//! What an output takes: it has to be opened for that, which is left out if a program plays on it.

use std::convert::Infallible;
use std::ffi::CString;

use alsa::pcm::{Access, Format, HwParams};
use alsa::{Direction, PCM};

use super::{CardInfo, Output};
use crate::alsa_messages::quietly;
use crate::dac::alsa::{Encoding, Granted, Request, agree};
use crate::dac::{CHANNELS, SinkOptions};

/// Formats and rates to ask for. `IEC958_SUBFRAME_LE` is all that some screens take.
const FORMATS: [Format; 6] =
    [Format::S32LE, Format::S24LE, Format::S243LE, Format::S16LE, Format::FloatLE, Format::IEC958SubframeLE];
const RATES_HZ: [u32; 6] = [44_100, 48_000, 88_200, 96_000, 176_400, 192_000];

/// What the card itself takes, without ALSA's conversions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Abilities {
    /// Sample formats by ALSA's names, such as `S32_LE`.
    pub formats: Vec<String>,
    /// Those of the usual rates that it takes, in frames per second.
    pub rates_hz: Vec<u32>,
}

impl Abilities {
    /// Returns how samples are stored, and the rate, with which the player opens the output; `None`
    /// if it takes neither as it is.
    pub fn opened_with(&self) -> Option<(Encoding, u32)> {
        let ask = |request: &Request| {
            let &Request { rate_hz, encoding, period_frames, buffer_frames } = request;
            let is_taken = self.rates_hz.contains(&rate_hz) && self.formats.iter().any(|name| name == encoding.name());
            Ok::<_, Infallible>(is_taken.then_some(Granted { rate_hz, encoding, period_frames, buffer_frames }))
        };
        let Ok(granted) = agree(SinkOptions::default().buffer_ms, ask);
        let granted = granted?;
        Some((granted.encoding, granted.rate_hz))
    }
}

/// Whether an output could be opened now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It can be opened, and takes this.
    Free(Abilities),
    /// A program plays on it.
    InUse,
    /// It cannot be opened, for this reason.
    Failed(String),
}

/// Opens an output for a moment, unless a program plays on it, and asks what it takes. Nothing is
/// set, and nothing is heard.
pub fn probe(card: &CardInfo, output: &Output) -> Availability {
    if output.is_in_use {
        return Availability::InUse;
    }
    match quietly(|| ask(&card.pcm_name(output.device))) {
        Ok(abilities) => Availability::Free(abilities),
        Err(error) if error.errno().abs() == libc::EBUSY => Availability::InUse,
        Err(error) => Availability::Failed(std::io::Error::from_raw_os_error(error.errno().abs()).to_string()),
    }
}

fn ask(pcm: &str) -> alsa::Result<Abilities> {
    let name = CString::new(pcm).map_err(|_| alsa::Error::unsupported("snd_pcm_open"))?;
    let pcm = PCM::open(&name, Direction::Playback, true)?;
    let params = HwParams::any(&pcm)?;
    params.set_access(Access::RWInterleaved)?;
    params.set_channels(CHANNELS as u32)?;
    let formats = FORMATS.iter().filter(|format| params.test_format(**format).is_ok()).map(ToString::to_string);
    let rates_hz = RATES_HZ.into_iter().filter(|rate_hz| params.test_rate(*rate_hz).is_ok()).collect();
    Ok(Abilities { formats: formats.collect(), rates_hz })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_format_of_the_best_rate_is_foreseen() {
        let abilities = |formats: &[&str], rates_hz: &[u32]| Abilities {
            formats: formats.iter().map(ToString::to_string).collect(),
            rates_hz: rates_hz.to_vec(),
        };
        assert_eq!(
            abilities(&["S16_LE", "S24_3LE"], &[44_100, 48_000]).opened_with(),
            Some((Encoding::S24Packed, 48_000))
        );
        assert_eq!(abilities(&["S32_LE"], &[44_100]).opened_with(), Some((Encoding::S32, 44_100)));
        assert_eq!(abilities(&["IEC958_SUBFRAME_LE"], &[48_000]).opened_with(), None);
    }

    #[test]
    fn formats_go_by_alsas_names() {
        for encoding in [Encoding::S32, Encoding::S24, Encoding::S24Packed, Encoding::S16, Encoding::F32] {
            assert!(FORMATS.iter().any(|format| format.to_string() == encoding.name()), "{encoding:?}");
        }
    }
}
