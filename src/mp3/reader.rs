//! Reads the sound of a file frame by frame, from any place.
//!
//! A place is found by the map, and the frames before it are decoded and discarded, so that the
//! sound from there on is the same as when playing from the beginning.

use std::io;
use std::sync::Arc;

use super::bytes::{Bytes, ReadAt};
use super::frame_decoder::{FrameDecoder, Sound};
use super::head::{Head, Trim};
use super::map::FrameMap;
use super::walk::{Placed, Walk};

/// How many samples before a place decoding starts; their sound is discarded. A Layer III frame
/// depends on the 511 bytes of main data before it: some ten frames at the lowest bit rates of
/// MPEG-1, 23 at those of MPEG-2, whose frames are half as long. Its sound overlaps with two more;
/// the rest lets a decoder that lacked data converge to one that did not.
const PREROLL_SAMPLES: u64 = 32 * 1152;

/// The same if a frame may have a single byte of main data, as at 8 kbit/s and 24 kHz in stereo
/// with a checksum: of 24 bytes, all others are header, checksum and side information. There a
/// frame depends on at most 255 bytes.
const PREROLL_SAMPLES_OF_SMALL_FRAMES: u64 = 270 * 576;

/// The most frames that one step of a search goes through, and bytes that it reads: a slow stick
/// reads that many in an eighth of a second. Between two steps the search can be given up.
const FRAMES_PER_STEP: usize = 4000;
const BYTES_PER_STEP: u64 = 256 * 1024;

/// The result of one step towards a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The place is reached.
    Reached,
    /// There is more to do: call again.
    OnTheWay,
}

/// The sound of one frame.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Samples before it, counted as in [`Placed::first_sample`].
    pub first_sample: u64,
    /// The sample rate, in Hz.
    pub rate_hz: u32,
    /// The number of channels, 1 or 2.
    pub channels: usize,
    /// Interleaved samples, full scale is ±1.
    pub samples: &'a [f32],
}

/// A file whose sound is read.
pub struct Reader<R> {
    bytes: Bytes<R>,
    head: Head,
    trim: Trim,
    map: Arc<FrameMap>,
    /// Whether the map came from elsewhere; it may then belong to another file.
    map_was_given: bool,
    walk: Walk,
    decoder: FrameDecoder,
    /// The frame that the decoder holds.
    current: Option<Placed>,
    /// Where a search is going.
    target: Option<u64>,
    has_met_damage: bool,
}

impl<R: ReadAt> Reader<R> {
    /// Opens a file; `None` if it has no frames. `map` is one that was saved, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(source: R, map: Option<Arc<FrameMap>>) -> io::Result<Option<Self>> {
        let mut bytes = Bytes::new(source)?;
        let Some(head) = Head::read(&mut bytes)? else { return Ok(None) };
        let map = map.filter(|map| map.fits(&head));
        Ok(Some(Self {
            bytes,
            trim: head.trim(),
            walk: Walk::from_start(&head),
            head,
            map_was_given: map.is_some(),
            map: map.unwrap_or_default(),
            decoder: FrameDecoder::default(),
            current: None,
            target: None,
            has_met_damage: false,
        }))
    }

    /// Returns what the file's beginning reveals.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the samples that are not heard.
    pub fn trim(&self) -> &Trim {
        &self.trim
    }

    /// Returns the map as far as it is known.
    pub fn map(&self) -> &FrameMap {
        &self.map
    }

    /// Returns the number of bytes read from the file so far.
    pub fn read_bytes(&self) -> u64 {
        self.bytes.read_bytes()
    }

    /// Returns whether anything was met so far that an intact file does not have: frames that were
    /// overwritten or on which the decoder failed, and places that cannot be read.
    pub fn is_damaged(&self) -> bool {
        self.has_met_damage || self.bytes.unreadable_bytes() > 0
    }

    /// Goes to the frame that holds a sample: [`current`](Self::current) is that frame once the
    /// place is reached, or nothing after the end. Call it again while it is on the way.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn seek(&mut self, sample: u64) -> io::Result<Progress> {
        if self.target != Some(sample) {
            if self.current.is_some_and(|current| (current.first_sample..current.end_sample()).contains(&sample)) {
                return Ok(Progress::Reached);
            }
            self.begin_search(sample);
        }
        let read_until = self.bytes.read_bytes() + BYTES_PER_STEP;
        for _ in 0..FRAMES_PER_STEP {
            if self.bytes.read_bytes() > read_until {
                break;
            }
            let Some(placed) = self.step()? else {
                (self.target, self.current) = (None, None);
                return Ok(Progress::Reached);
            };
            // Once decoding has begun, no frame is left out.
            let preroll_samples = preroll_samples(placed.header.rate_hz());
            if self.current.is_none() && placed.end_sample().saturating_add(preroll_samples) <= sample {
                continue;
            }
            self.decode(&placed)?;
            if placed.end_sample() > sample {
                self.target = None;
                return Ok(Progress::Reached);
            }
        }
        Ok(Progress::OnTheWay)
    }

    /// Goes on to the next frame; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn advance(&mut self) -> io::Result<Option<Decoded<'_>>> {
        match self.step()? {
            Some(placed) => {
                self.decode(&placed)?;
                Ok(self.current())
            }
            None => {
                self.current = None;
                Ok(None)
            }
        }
    }

    /// Returns the frame that was decoded last.
    pub fn current(&mut self) -> Option<Decoded<'_>> {
        let placed = self.current?;
        Some(Decoded {
            first_sample: placed.first_sample,
            rate_hz: placed.header.rate_hz(),
            channels: self.decoder.channels(),
            samples: self.decoder.samples(),
        })
    }

    fn begin_search(&mut self, sample: u64) {
        self.target = Some(sample);
        let from = sample.saturating_sub(preroll_samples(self.map.rate_at(sample).unwrap_or(0)));
        let decoded_until = self.current.filter(|_| self.walk.next_sample() <= sample);
        // Going on a little leads there anyway.
        let is_near = decoded_until.is_some_and(|current| current.end_sample() == self.walk.next_sample())
            && sample - self.walk.next_sample() <= PREROLL_SAMPLES;
        if !is_near {
            self.enter(from);
            self.decoder.reset();
        }
        self.current = None;
    }

    /// Takes the walk to the last known place at or before a sample, unless it is nearer already.
    fn enter(&mut self, sample: u64) {
        let entered = self.map.enter(sample, &self.head, &mut self.bytes);
        let entered = entered.unwrap_or_else(|| {
            if std::mem::take(&mut self.map_was_given) {
                // The map belongs to another file.
                self.map = Arc::default();
            }
            Walk::from_start(&self.head)
        });
        let walked = self.walk.next_sample();
        if walked > sample || walked < entered.next_sample() {
            self.walk = entered;
        }
    }

    fn step(&mut self) -> io::Result<Option<Placed>> {
        let placed = self.walk.next(&mut self.bytes)?;
        match &placed {
            // A map that is shared is complete, and does not change.
            _ if self.map.samples().is_some() => {}
            Some(placed) => Arc::make_mut(&mut self.map).note(placed),
            None if self.walk.next_sample() == self.map.known_samples() => {
                Arc::make_mut(&mut self.map).finish(self.head.audio.end);
            }
            None => {}
        }
        Ok(placed)
    }

    fn decode(&mut self, placed: &Placed) -> io::Result<()> {
        let sound = match placed.frame {
            Some(frame) if !frame.is_cut => {
                let data = self.bytes.get(frame.offset, frame.bytes)?;
                self.decoder.decode(placed.header, data)
            }
            // Bytes are lost here, so the later frames cannot depend on the earlier ones.
            _ => {
                self.decoder.reset();
                self.decoder.silence(placed.header);
                Sound::Silence
            }
        };
        self.has_met_damage |= sound == Sound::DecoderFailed || placed.frame.is_none();
        self.current = Some(*placed);
        Ok(())
    }
}

/// Returns how many samples before a place of this rate decoding starts. Frames may be small at
/// 22.05 and 24 kHz, the highest rates that allow a bit rate of 8 kbit/s.
fn preroll_samples(rate_hz: u32) -> u64 {
    match rate_hz {
        22_050 | 24_000 => PREROLL_SAMPLES_OF_SMALL_FRAMES,
        _ => PREROLL_SAMPLES,
    }
}
