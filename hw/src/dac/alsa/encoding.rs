//! How devices store samples, and the way there from the floats of a renderer.

use fastrand::Rng;

/// How a device stores a sample; all little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// 32 bits.
    S32,
    /// The low 24 of 32 bits.
    S24,
    /// 24 bits in three bytes, as many USB DACs have it.
    S24Packed,
    /// 16 bits, with dither.
    S16,
    /// Floats, as only ALSA's plugins take them.
    F32,
}

impl Encoding {
    /// Returns ALSA's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::S32 => "S32_LE",
            Self::S24 => "S24_LE",
            Self::S24Packed => "S24_3LE",
            Self::S16 => "S16_LE",
            Self::F32 => "FLOAT_LE",
        }
    }

    /// Returns how many bytes a sample has.
    pub fn bytes(self) -> usize {
        match self {
            Self::S32 | Self::S24 | Self::F32 => 4,
            Self::S24Packed => 3,
            Self::S16 => 2,
        }
    }
}

/// Turns floats into a device's samples.
pub struct Encoder {
    encoding: Encoding,
    random: Rng,
}

const FULL_SCALE_16: f32 = 32_768.0;
const FULL_SCALE_24: f32 = 8_388_608.0;
const FULL_SCALE_32: f32 = 2_147_483_648.0;

impl Encoder {
    /// Makes an encoder; `seed` is that of the dither.
    pub fn new(encoding: Encoding, seed: u64) -> Self {
        Self { encoding, random: Rng::with_seed(seed) }
    }

    /// Writes `samples` (full scale is ±1.0, clipped beyond) into `bytes`, as far as both reach.
    pub fn encode(&mut self, samples: &[f32], bytes: &mut [u8]) {
        match self.encoding {
            // The conversion of a float that is too large saturates.
            Encoding::S32 => store(samples, bytes, |sample| ((sample * FULL_SCALE_32) as i32).to_le_bytes()),
            Encoding::S24 => store(samples, bytes, |sample| to_24_bits(sample).to_le_bytes()),
            Encoding::S24Packed => store(samples, bytes, |sample| {
                let [low, middle, high, _] = to_24_bits(sample).to_le_bytes();
                [low, middle, high]
            }),
            Encoding::S16 => store(samples, bytes, |sample| self.dithered(sample).to_le_bytes()),
            Encoding::F32 => store(samples, bytes, |sample| {
                // Adding 0 makes the negative zero positive.
                let sample = if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) + 0.0 };
                sample.to_le_bytes()
            }),
        }
    }

    /// Dithers with triangular noise of ±1 step, which makes the error independent of the music: at
    /// a low volume it would otherwise be distortion. Digital silence stays silent.
    fn dithered(&mut self, sample: f32) -> i16 {
        let exact = sample * FULL_SCALE_16;
        if exact == 0.0 {
            return 0;
        }
        (exact + self.random.f32() - self.random.f32()).round() as i16
    }
}

fn store<const BYTES: usize>(samples: &[f32], bytes: &mut [u8], mut encode: impl FnMut(f32) -> [u8; BYTES]) {
    for (sample, stored) in samples.iter().zip(bytes.as_chunks_mut::<BYTES>().0) {
        *stored = encode(*sample);
    }
}

fn to_24_bits(sample: f32) -> i32 {
    (sample * FULL_SCALE_24).round().clamp(-FULL_SCALE_24, FULL_SCALE_24 - 1.0) as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(encoding: Encoding, samples: &[f32]) -> Vec<u8> {
        let mut bytes = vec![0; samples.len() * encoding.bytes()];
        Encoder::new(encoding, 1).encode(samples, &mut bytes);
        bytes
    }

    /// Returns a sample as a device hears it: ±1.0.
    fn heard(encoding: Encoding, bytes: &[u8]) -> f64 {
        let mut whole = [0; 4];
        whole[4 - bytes.len()..].copy_from_slice(bytes);
        match encoding {
            // The device ignores the highest byte of four.
            Encoding::S24 => f64::from(i32::from_le_bytes([0, bytes[0], bytes[1], bytes[2]])) / 2_147_483_648.0,
            Encoding::F32 => f64::from(f32::from_le_bytes(whole)),
            _ => f64::from(i32::from_le_bytes(whole)) / 2_147_483_648.0,
        }
    }

    #[test]
    fn full_scale_clips_and_does_not_wrap() {
        for encoding in [Encoding::S32, Encoding::S24, Encoding::S24Packed, Encoding::S16, Encoding::F32] {
            let bytes = encoded(encoding, &[2.0, -2.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY]);
            for (sample, expected) in bytes.chunks(encoding.bytes()).zip([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]) {
                let heard = heard(encoding, sample);
                assert!((heard - expected).abs() < 1e-4, "{encoding:?}: {heard} for {expected}");
            }
        }
    }

    #[test]
    fn a_s24_sample_is_sign_extended_as_alsa_demands() {
        assert_eq!(encoded(Encoding::S24, &[-1.0]), [0, 0, 0x80, 0xff]);
    }

    #[test]
    fn silence_is_silent_and_what_is_not_a_number_too() {
        for encoding in [Encoding::S32, Encoding::S24, Encoding::S24Packed, Encoding::S16, Encoding::F32] {
            assert!(encoded(encoding, &[0.0, -0.0, f32::NAN]).iter().all(|byte| *byte == 0), "{encoding:?}");
        }
    }

    #[test]
    fn dither_leaves_the_mean_where_rounding_would_lose_it() {
        // A quarter of a step: rounded it would be silence.
        let bytes = encoded(Encoding::S16, &[0.25 / 32_768.0; 40_000]);
        let sum: i64 = bytes.chunks(2).map(|bytes| i64::from(i16::from_le_bytes([bytes[0], bytes[1]]))).sum();
        let mean = sum as f64 / 40_000.0;
        assert!((mean - 0.25).abs() < 0.02, "{mean}");
    }

    proptest! {
        #[test]
        fn every_encoding_says_what_the_float_says(sample in -1.0_f32..1.0) {
            for (encoding, error) in
                [(Encoding::S32, 1e-7), (Encoding::S24, 1e-7), (Encoding::S24Packed, 1e-7), (Encoding::S16, 5e-5)]
            {
                let heard = heard(encoding, &encoded(encoding, &[sample]));
                prop_assert!((heard - f64::from(sample)).abs() <= error, "{:?}: {} {}", encoding, heard, sample);
            }
        }
    }
}
