//! What a sound card's hardware holds and its driver does not report.

use jaudiosync_time::Span;

use super::encoding::Encoding;
use crate::dac::HardwareLatency;

/// What lies between a driver's buffer and the output of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hardware {
    /// What feeds the converter.
    pub feed: Feed,
    /// The converter.
    pub converter: Converter,
}

/// What feeds a card's converter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Feed {
    /// The I2S of a Raspberry Pi before the 5.
    Bcm2835I2s,
    /// Something of which nothing is known.
    #[default]
    Unknown,
}

/// The DAC chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Converter {
    /// Texas Instruments' PCM510x and PCM512x, which are on most HATs.
    Pcm51xx,
    /// One of which nothing is known.
    #[default]
    Unknown,
}

/// Words in the FIFO of that I2S: it asks for data when there are fewer than 0x30
/// (`BCM2835_I2S_TX(0x30)` in sound/soc/bcm/bcm2835-i2s.c). A word is a 16-bit frame, or one
/// channel of a wider one.
const FIFO_WORDS: i64 = 0x30;

/// Group delay of the interpolation filter that these chips use unless told otherwise, in frames:
/// 20/fS at every rate up to 96 kHz (data sheet SLAS763C of the PCM512x, section 8.3.4.2, and
/// SLAS859C of the PCM510x). No driver in the kernel chooses another one.
const FILTER_FRAMES: i64 = 20;

/// How the drivers of these chips name their outputs (`.name` in sound/soc/codecs/pcm512x.c and
/// pcm5102a.c), which `soc_new_pcm` in sound/soc/soc-pcm.c makes a part of the device's name.
const PCM51XX_OUTPUTS: [&str; 2] = ["pcm512x-hifi", "pcm5102a-hifi"];

impl Converter {
    /// Returns the chip behind an output of this name, such as `HiFiBerry DAC+ HiFi
    /// pcm512x-hifi-0`.
    pub fn of_output(name: &str) -> Self {
        if PCM51XX_OUTPUTS.iter().any(|output| name.contains(output)) { Self::Pcm51xx } else { Self::Unknown }
    }
}

impl Hardware {
    /// Returns how long a frame is in the hardware after it has left the driver's buffer, as far as
    /// that is known.
    pub fn latency(self, encoding: Encoding, rate_hz: u32) -> HardwareLatency {
        let fifo_frames = match self.feed {
            Feed::Bcm2835I2s if encoding == Encoding::S16 => Some(FIFO_WORDS),
            Feed::Bcm2835I2s => Some(FIFO_WORDS / 2),
            Feed::Unknown => None,
        };
        let filter_frames = (self.converter == Converter::Pcm51xx).then_some(FILTER_FRAMES);
        let frames = fifo_frames.unwrap_or(0) + filter_frames.unwrap_or(0);
        HardwareLatency {
            known: Span::from_ns(frames * 1_000_000_000 / i64::from(rate_hz.max(1))),
            is_complete: fifo_frames.is_some() && filter_frames.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HAT: Hardware = Hardware { feed: Feed::Bcm2835I2s, converter: Converter::Pcm51xx };

    #[test]
    fn a_fifo_of_48_words_holds_a_millisecond_at_16_bits_and_half_of_it_at_32() {
        let bare = Hardware { converter: Converter::Unknown, ..HAT };
        let latency = |encoding| bare.latency(encoding, 48_000);
        assert_eq!(latency(Encoding::S16), HardwareLatency { known: Span::MILLISECOND, is_complete: false });
        assert_eq!(latency(Encoding::S32), HardwareLatency { known: Span::from_us(500), is_complete: false });
        assert_eq!(Hardware::default().latency(Encoding::S32, 48_000), HardwareLatency::UNKNOWN);
    }

    #[test]
    fn the_filter_of_the_usual_chips_is_20_frames() {
        assert_eq!(Converter::of_output("HiFiBerry DAC+ HiFi pcm512x-hifi-0"), Converter::Pcm51xx);
        assert_eq!(Converter::of_output("HifiBerry DAC HiFi pcm5102a-hifi-0"), Converter::Pcm51xx);
        assert_eq!(Converter::of_output("USB Audio"), Converter::Unknown);
        let latency = HAT.latency(Encoding::S32, 48_000);
        assert_eq!((latency.known.ns(), latency.is_complete), (916_666, true));
        assert_eq!(HAT.latency(Encoding::S16, 96_000).known.ns(), 708_333);
    }
}
