//! Reads the sound of a file frame by frame, from any place on.
//!
//! A place is found by the map, and the frames before it are decoded and thrown away, so that what follows is what it would
//! have been on the way from the beginning.

use std::io;
use std::sync::Arc;

use super::bytes::{Bytes, ReadAt};
use super::frame_decoder::{FrameDecoder, Sound};
use super::head::{Head, Trim};
use super::map::FrameMap;
use super::walk::{Placed, Walk};

/// Samples before a place from which on frames are decoded, to be thrown away. A Layer III frame rests on the 511 bytes of main
/// data before it: some ten frames at the lowest bit rates of MPEG-1, 23 at those of MPEG-2, whose frames are half as long. Its sound
/// overlaps with two more; the rest lets a decoder that lacked something find back to where one that did not would be.
const PREROLL_SAMPLES: u64 = 32 * 1152;

/// The same where a frame may have a single byte of main data, as at 8 kbit/s and 24 kHz in stereo with a checksum: of 24
/// bytes all others are header, checksum and side information. There a frame rests on 255 bytes at most.
const PREROLL_SAMPLES_OF_SMALL_FRAMES: u64 = 270 * 576;

/// Frames that are gone through in one step of a search at most, and bytes that are read: a slow stick reads as many in an eighth
/// of a second. Between two steps somebody can change his mind.
const FRAMES_PER_STEP: usize = 4000;
const BYTES_PER_STEP: u64 = 256 * 1024;

/// A step of going to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The place is reached.
    Reached,
    /// There is more to do: call again.
    OnTheWay,
}

/// One frame's sound.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Samples before it, as [`Placed::first_sample`] counts them.
    pub first_sample: u64,
    /// Its rate.
    pub rate_hz: u32,
    /// 1 or 2.
    pub channels: usize,
    /// Interleaved.
    pub samples: &'a [f32],
}

/// A file whose sound is read.
pub struct Reader<R> {
    bytes: Bytes<R>,
    head: Head,
    trim: Trim,
    map: Arc<FrameMap>,
    /// Whether the map came from elsewhere; it may then be one of another file.
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
    /// Open a file; none where it has no frames. `map` is one that was kept, if there is one.
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

    /// What the file's beginning tells.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What of the sound is not heard.
    pub fn trim(&self) -> &Trim {
        &self.trim
    }

    /// The map as far as it is known.
    pub fn map(&self) -> &FrameMap {
        &self.map
    }

    /// Bytes that were read from the file so far.
    pub fn read_bytes(&self) -> u64 {
        self.bytes.read_bytes()
    }

    /// Whether anything was met so far that a good file does not have: frames that were overwritten or on which the decoder has
    /// failed, and places that cannot be read.
    pub fn is_damaged(&self) -> bool {
        self.has_met_damage || self.bytes.unreadable_bytes() > 0
    }

    /// Go to the frame that holds a sample: [`current`](Self::current) is that frame once the place is reached, or nothing
    /// behind the end. To be called again while it is on the way.
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
            // Once begun, none is left out.
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

    /// Go on to the next frame; none at the end.
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

    /// The frame that was decoded last.
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
        // A little further on the way leads there anyway.
        let is_near = decoded_until.is_some_and(|current| current.end_sample() == self.walk.next_sample())
            && sample - self.walk.next_sample() <= PREROLL_SAMPLES;
        if !is_near {
            self.enter(from);
            self.decoder.reset();
        }
        self.current = None;
    }

    /// Take the walk to the last known place at or before a sample, unless it is nearer already.
    fn enter(&mut self, sample: u64) {
        let entered = self.map.enter(sample, &self.head, &mut self.bytes);
        let entered = entered.unwrap_or_else(|| {
            if std::mem::take(&mut self.map_was_given) {
                // It is not of this file.
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
            // A map that is shared is whole, and stays as it is.
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
            // Bytes are lost here, so the frames behind cannot rest on those before.
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

/// Return how many samples before a place of this rate frames are decoded, to be thrown away. Frames may be small at
/// 22.05 and 24 kHz, the highest rates that go with bit rates of 8 kbit/s.
fn preroll_samples(rate_hz: u32) -> u64 {
    match rate_hz {
        22_050 | 24_000 => PREROLL_SAMPLES_OF_SMALL_FRAMES,
        _ => PREROLL_SAMPLES,
    }
}
