//! What a sound card's hardware holds and its driver does not report.

use jaudiosync_time::Span;

use super::encoding::Encoding;

/// What feeds a card's converter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// The I2S of a Raspberry Pi before the 5.
    Bcm2835I2s,
    /// Something of which nothing is known.
    Unknown,
}

/// Words in the FIFO of that I2S: it asks for data when there are fewer than 0x30
/// (`BCM2835_I2S_TX(0x30)` in sound/soc/bcm/bcm2835-i2s.c). A word is a 16-bit frame, or one
/// channel of a wider one.
const FIFO_WORDS: i64 = 0x30;

/// Returns how long a frame is in the hardware after it has left the driver's buffer; `None` if
/// that is not known. The filter of the converter itself, some 0.4 ms for most, is not in it: boxes
/// with different converters need `output_latency_ms` to be exact beside each other.
pub fn known_latency(feed: Feed, encoding: Encoding, rate_hz: u32) -> Option<Span> {
    match feed {
        Feed::Bcm2835I2s => {
            let frames = if encoding == Encoding::S16 { FIFO_WORDS } else { FIFO_WORDS / 2 };
            Some(Span::from_ns(frames * 1_000_000_000 / i64::from(rate_hz.max(1))))
        }
        Feed::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_of_48_words_holds_a_millisecond_at_16_bits_and_half_of_it_at_32() {
        let latency = |encoding| known_latency(Feed::Bcm2835I2s, encoding, 48_000).unwrap();
        assert_eq!(latency(Encoding::S16), Span::MILLISECOND);
        assert_eq!(latency(Encoding::S32), Span::from_us(500));
        assert_eq!(known_latency(Feed::Unknown, Encoding::S32, 48_000), None);
    }
}
