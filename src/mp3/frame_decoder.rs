//! Decodes frames one by one, each to exactly its own length. A frame that cannot be decoded is
//! silence, also if the decoder panics.

use nanomp3::{DecodeError, Decoder, MAX_SAMPLES_PER_FRAME};

use super::header::Header;
use crate::panics;

/// The result of decoding one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// It was decoded.
    Decoded,
    /// It is silence: damaged, lost, or dependent on bytes of earlier frames that are missing.
    Silence,
    /// It is silence because the decoder failed on it, which is a bug in the decoder.
    DecoderFailed,
}

/// A decoder, and the samples of the frame that it decoded last.
pub struct FrameDecoder {
    decoder: Box<Decoder>,
    samples: Box<[f32; MAX_SAMPLES_PER_FRAME]>,
    count: usize,
    channels: usize,
    scratch: Vec<u8>,
    is_fresh: bool,
    is_free_format: bool,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self {
            decoder: Box::default(),
            samples: Box::new([0.0; MAX_SAMPLES_PER_FRAME]),
            count: 0,
            channels: 0,
            scratch: Vec::new(),
            is_fresh: true,
            is_free_format: false,
        }
    }
}

impl FrameDecoder {
    /// Forgets the earlier frames: the next one does not follow them.
    pub fn reset(&mut self) {
        if !self.is_fresh {
            *self.decoder = Decoder::new();
            self.is_fresh = true;
        }
    }

    /// Decodes a whole frame.
    pub fn decode(&mut self, header: Header, frame: &[u8]) -> Sound {
        // If the channels change, or free format begins or ends, another stream begins, whose
        // frames do not depend on earlier ones.
        if header.channels() != self.channels || header.is_free_format() != self.is_free_format {
            self.reset();
        }
        self.channels = header.channels();
        self.is_free_format = header.is_free_format();
        self.count = header.samples() * self.channels;
        let input = if header.is_free_format() && self.is_fresh {
            // The decoder finds the frames' length from the next two headers. It must see this
            // frame alone.
            self.scratch.clear();
            self.scratch.extend_from_slice(frame);
            self.scratch.extend_from_slice(frame);
            self.scratch.extend_from_slice(&header.bytes());
            self.scratch.push(0);
            &self.scratch
        } else {
            frame
        };
        self.is_fresh = false;
        let (decoder, samples) = (&mut self.decoder, &mut self.samples);
        let decoded = panics::catch(|| decoder.decode(input, samples.as_mut_slice()).1);
        let sound = match decoded {
            Ok(Ok(info))
                if info.samples_produced == header.samples() && usize::from(info.channels.num()) == self.channels =>
            {
                Sound::Decoded
            }
            Ok(Err(DecodeError::ReservoirUnavailable(_))) => Sound::Silence,
            Ok(_) => {
                // After such a frame the decoder starts over: in free format it must be shown the
                // length again.
                self.reset();
                Sound::Silence
            }
            Err(_) => {
                self.reset();
                Sound::DecoderFailed
            }
        };
        if sound != Sound::Decoded {
            self.silence(header);
        }
        sound
    }

    /// Stands in for a frame that cannot be decoded: silence of its length.
    pub fn silence(&mut self, header: Header) {
        self.channels = header.channels();
        self.count = header.samples() * self.channels;
        self.samples().fill(0.0);
    }

    /// Returns the interleaved samples of the last frame.
    pub fn samples(&mut self) -> &mut [f32] {
        self.samples.get_mut(..self.count).unwrap_or_default()
    }

    /// Returns the channels of the last frame.
    pub fn channels(&self) -> usize {
        self.channels
    }
}
