//! Reads the frames of an MP3 from any place, at one rate and with the channels that are wanted;
//! before its beginning and after its end there is silence. `stretches` resamples parts of another
//! rate to that of the track.

mod stretches;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::stretches::{Resampled, Source};
use super::library::{DecodeError, FrameSource, TrackSource};
use crate::mp3::bytes::ReadAt;
use crate::mp3::map::FrameMap;
use crate::mp3::reader::Progress;
use crate::mp3::sound::Sound;
use crate::mp3::timeline::Timeline;

/// Which of a file's channels are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mix {
    /// Left and right as they are.
    #[default]
    Stereo,
    /// Both channels mixed to both outputs, for a box with one speaker.
    Mono,
}

/// What is known of a file before it is opened. The rest is taken from its first frame.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The rate of the track: places are counted in its frames.
    pub rate_hz: Option<u32>,
    /// Channels of the track, 1 or 2.
    pub channels: Option<usize>,
    /// Where its frames are.
    pub map: Option<Arc<FrameMap>>,
}

/// An opened MP3. Positions are frames of the track's rate, from the first audible one.
pub struct Decoder<R = File> {
    name: PathBuf,
    sound: Sound<R>,
    timeline: Timeline,
    /// What the timeline was made from: the number of sections, and the number of samples once that
    /// is known.
    made_of: (usize, Option<u64>),
    rate_hz: u32,
    channels: usize,
    /// The frame that is read next; it may lie before 0.
    position: i64,
    /// How the next frames are made; `None` until the place is reached.
    stretch: Option<Source>,
    has_reported_failure: bool,
}

impl Decoder<File> {
    /// Opens a file. Its length is not determined here: the timetable knows it.
    ///
    /// # Errors
    /// When the file cannot be read or holds no MPEG audio.
    pub fn open(path: &Path, mix: Mix) -> Result<Self, DecodeError> {
        Self::open_known(path, mix, Known::default())
    }

    /// Opens a file of which something is known.
    ///
    /// # Errors
    /// When the file cannot be read or holds no MPEG audio.
    pub fn open_known(path: &Path, mix: Mix, known: Known) -> Result<Self, DecodeError> {
        Self::new(path, File::open(path)?, mix, known)
    }
}

impl<R: ReadAt> Decoder<R> {
    /// Makes a decoder of a file that is open. `name` is for messages.
    ///
    /// # Errors
    /// When the file cannot be read or holds no MPEG audio.
    pub fn new(name: &Path, source: R, mix: Mix, known: Known) -> Result<Self, DecodeError> {
        let sound = Sound::open(source, known.map)?
            .ok_or_else(|| DecodeError::Format("the file holds no MP3 audio".to_owned()))?;
        let head = sound.frames().head();
        let rate_hz = known.rate_hz.unwrap_or_else(|| head.rate_hz());
        let channels = match mix {
            // Left and right would be the same.
            Mix::Mono => 1,
            Mix::Stereo => known.channels.unwrap_or_else(|| head.channels()),
        };
        Ok(Self {
            name: name.to_owned(),
            timeline: Timeline::new(rate_hz, &[], sound.frames().trim(), None),
            made_of: (0, None),
            sound,
            rate_hz,
            channels,
            position: 0,
            stretch: None,
            has_reported_failure: false,
        })
    }

    /// Returns how many bytes have been read from the file so far.
    pub fn read_bytes(&self) -> u64 {
        self.sound.frames().read_bytes()
    }

    /// Adopts what the map has learnt of the file's sections. Returns whether that was anything.
    fn refresh_timeline(&mut self) -> bool {
        let frames = self.sound.frames();
        let map = frames.map();
        let made_of = (map.sections().len(), map.samples());
        if made_of == self.made_of {
            return false;
        }
        self.timeline = Timeline::new(self.rate_hz, map.sections(), frames.trim(), map.samples());
        self.made_of = made_of;
        true
    }

    /// Goes one step towards the stretch that holds a frame, and towards the frame in it.
    fn step_to(&mut self, frame: u64) -> Result<Progress, DecodeError> {
        self.refresh_timeline();
        let Some((stretch, until)) = self.timeline.stretch_at(frame) else {
            // Nothing is known yet: find the first frame.
            self.sound.seek(0)?;
            if self.refresh_timeline() {
                return Ok(Progress::OnTheWay);
            }
            return Err(DecodeError::Format("the file no longer holds MP3 audio".to_owned()));
        };
        let within = frame - stretch.first_frame;
        let is_plain = stretch.rate_hz == self.rate_hz;
        let place = within as f64 * f64::from(stretch.rate_hz) / f64::from(self.rate_hz);
        let sample = stretch.audible_before.saturating_add(if is_plain { within } else { place as u64 });
        if self.sound.seek(sample)? == Progress::OnTheWay {
            return Ok(Progress::OnTheWay);
        }
        // There may have been a section of another rate on the way.
        if self.refresh_timeline() && self.timeline.stretch_at(frame) != Some((stretch, until)) {
            return Ok(Progress::OnTheWay);
        }
        if is_plain {
            self.stretch = Some(Source::Plain { stretch, until });
            return Ok(Progress::Reached);
        }
        let resampled = Resampled::begin((stretch, until), place, self.rate_hz, &mut self.sound, self.channels)?;
        self.stretch = Some(Source::Resampled(Box::new(resampled)));
        Ok(Progress::Reached)
    }

    /// Reads what follows within the file. Returns the number of frames before its end.
    fn read_inside(&mut self, out: &mut [f32]) -> Result<usize, DecodeError> {
        let (channels, frames) = (self.channels, out.len() / self.channels);
        let mut filled = 0;
        while filled < frames {
            let position = self.position as u64 + filled as u64;
            if self.timeline.frames().is_some_and(|end| position >= end) {
                break;
            }
            let Some(mut source) = self.stretch.take() else {
                while self.step_to(position)? == Progress::OnTheWay {}
                continue;
            };
            let left = source.until().map_or(u64::MAX, |until| until.saturating_sub(position));
            let wanted = (frames - filled).min(usize::try_from(left).unwrap_or(usize::MAX));
            let target = out.get_mut(filled * channels..(filled + wanted) * channels).unwrap_or_default();
            let read = match &mut source {
                // The next stretch begins where this one ends.
                _ if wanted == 0 => continue,
                Source::Plain { stretch, .. } => self.sound.read(stretch.rate_hz, channels, target)?,
                Source::Resampled(resampled) => resampled.read(&mut self.sound, channels, target)?,
            };
            filled += read;
            // Reading may have shown that the stretch has an end. Anything after that belongs to
            // another stretch.
            let has_news = self.refresh_timeline();
            if read == wanted || has_news {
                let is_same = self.timeline.stretch_at(position).is_some_and(|(stretch, _)| source.is_in(&stretch));
                if !is_same && has_news {
                    filled -= read;
                } else if has_news {
                    let end = self.timeline.stretch_at(position).and_then(|(_, until)| until);
                    filled = end.map_or(filled, |end| filled.min(end.saturating_sub(self.position as u64) as usize));
                    source.set_until(end);
                }
                self.stretch = is_same.then_some(source);
            } else {
                // The file ends here.
                self.stretch = Some(source);
                break;
            }
        }
        Ok(filled)
    }

    /// Logs once, with the file's name, that a place is damaged.
    fn report_failure(&mut self) {
        if !self.has_reported_failure && self.sound.frames().is_damaged() {
            self.has_reported_failure = true;
            let at_s = self.position.max(0) as f64 / f64::from(self.rate_hz.max(1));
            log::warn!("{}: damaged near {at_s:.1} s; what cannot be decoded is silence", self.name.display());
        }
    }
}

impl<R: ReadAt + Send> TrackSource for Decoder<R> {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn approach(&mut self, frame: i64) -> Result<Progress, DecodeError> {
        self.stretch = None;
        self.position = frame;
        self.step_to(u64::try_from(frame).unwrap_or(0))
    }
}

impl<R: ReadAt> FrameSource for Decoder<R> {
    fn seek(&mut self, frame: i64) -> Result<(), DecodeError> {
        self.stretch = None;
        self.position = frame;
        let inside = u64::try_from(frame).unwrap_or(0);
        while self.step_to(inside)? == Progress::OnTheWay {}
        Ok(())
    }

    fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError> {
        let channels = self.channels;
        let frames = out.len() / channels;
        let silent = usize::try_from(self.position.min(0).unsigned_abs()).unwrap_or(usize::MAX).min(frames);
        let (before, inside) = out.split_at_mut(silent * channels);
        before.fill(0.0);
        self.position += silent as i64;
        let filled = if inside.is_empty() { 0 } else { self.read_inside(inside)? };
        self.position = self.position.saturating_add((frames - silent) as i64);
        if let Some(rest) = inside.get_mut(filled * channels..) {
            rest.fill(0.0);
        }
        self.report_failure();
        Ok(())
    }
}
