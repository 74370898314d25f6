//! What a sound card's hardware holds and its driver does not report.

use jaudiosync_time::Span;

use super::encoding::Encoding;

/// A constant that is added to what a driver reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownLatency {
    /// From the driver's position to the output.
    pub span: Span,
    /// What it consists of.
    pub reason: &'static str,
}

/// Frames in the transmit FIFO of a BCM283x's I2S: `bcm2835-i2s.c` asks for data at 0x30 of its 64
/// words (`BCM2835_I2S_TX(0x30)`), a word holds a 16-bit frame, or one channel of a wider one.
const FIFO_WORDS: i64 = 48;

/// Returns what is known of a driver; `None` if
/// nothing is.
pub fn known_latency(driver: Driver, encoding: Encoding, rate_hz: u32) -> Option<KnownLatency> {
    match driver {
        Driver::Bcm2835I2s => {
            let frames = if encoding == Encoding::S16 { FIFO_WORDS } else { FIFO_WORDS / 2 };
            let span = Span::from_ns(frames * 1_000_000_000 / i64::from(rate_hz.max(1)));
            Some(KnownLatency { span, reason: "the I2S transmitter's FIFO" })
        }
        Driver::Other => None,
    }
}

/// The drivers of which something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// The I2S of a Raspberry Pi up to 4.
    Bcm2835I2s,
    /// Any other.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_of_48_words_holds_a_millisecond_at_16_bits_and_half_of_it_at_32() {
        let ms = |encoding| known_latency(Driver::Bcm2835I2s, encoding, 48_000).unwrap().span;
        assert_eq!(ms(Encoding::S16), Span::MILLISECOND);
        assert_eq!(ms(Encoding::S32), Span::from_us(500));
        assert_eq!(known_latency(Driver::Other, Encoding::S32, 48_000), None);
    }
}
