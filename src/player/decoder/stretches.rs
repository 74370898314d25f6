//! Stretches of a file: parts of one rate. One whose rate is not the track's is resampled to it.

use crate::mp3::bytes::ReadAt;
use crate::mp3::reader::Progress;
use crate::mp3::sound::Sound;
use crate::mp3::timeline::Stretch;
use crate::player::library::{DecodeError, FrameSource};
use crate::player::resampler::Resampler;

/// Where the frames of a stretch come from.
pub(super) enum Source {
    /// The file has the track's rate here.
    Plain { stretch: Stretch, until: Option<u64> },
    /// The file has another rate here.
    Resampled(Box<Resampled>),
}

/// A stretch of another rate.
pub(super) struct Resampled {
    stretch: Stretch,
    /// The frame of the track at which the next stretch begins, if that is known.
    until: Option<u64>,
    /// The sample of the stretch that is read next; it may lie before its first.
    next_sample: i64,
    resampler: Resampler,
    /// Frames that the resampler has made, and how many of their samples have been read.
    block: Vec<f32>,
    read: usize,
}

impl Source {
    /// Returns the frame of the track at which the stretch ends, if that is known.
    pub(super) fn until(&self) -> Option<u64> {
        match self {
            Self::Plain { until, .. } => *until,
            Self::Resampled(resampled) => resampled.until,
        }
    }

    /// Notes where the stretch ends, once that is known.
    pub(super) fn set_until(&mut self, known: Option<u64>) {
        match self {
            Self::Plain { until, .. } => *until = known,
            Self::Resampled(resampled) => resampled.until = known,
        }
    }

    /// Returns whether it reads this stretch, whose end may have been unknown.
    pub(super) fn is_in(&self, other: &Stretch) -> bool {
        let stretch = match self {
            Self::Plain { stretch, .. } => stretch,
            Self::Resampled(resampled) => &resampled.stretch,
        };
        stretch.first_frame == other.first_frame && stretch.rate_hz == other.rate_hz
    }
}

impl Resampled {
    /// Begins at a place in the stretch, in its samples, for a track of this rate.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn begin<R: ReadAt>(
        (stretch, until): (Stretch, Option<u64>),
        place: f64,
        rate_hz: u32,
        sound: &mut Sound<R>,
        channels: usize,
    ) -> Result<Self, DecodeError> {
        let mut resampler = Resampler::new(stretch.rate_hz, rate_hz, channels);
        let mut next_sample = 0;
        resampler.start_at(place, &mut StretchSamples { sound, stretch, channels, next: &mut next_sample })?;
        Ok(Self { stretch, until, next_sample, resampler, block: Vec::new(), read: 0 })
    }

    /// Reads the frames that are ready, at most as many as are asked for, and makes more if there
    /// are none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read<R: ReadAt>(
        &mut self,
        sound: &mut Sound<R>,
        channels: usize,
        out: &mut [f32],
    ) -> Result<usize, DecodeError> {
        let mut filled = 0;
        while filled < out.len() {
            if self.read >= self.block.len() {
                let mut samples =
                    StretchSamples { sound, stretch: self.stretch, channels, next: &mut self.next_sample };
                let block = self.resampler.next_block(1.0, &mut samples)?;
                self.block.clear();
                self.block.extend_from_slice(block);
                self.read = 0;
            }
            let ready = self.block.get(self.read..).unwrap_or_default();
            let rest = out.get_mut(filled..).unwrap_or_default();
            let count = ready.len().min(rest.len());
            rest[..count].copy_from_slice(&ready[..count]);
            self.read += count;
            filled += count;
        }
        Ok(filled / channels)
    }
}

/// The samples of one stretch, with silence around it.
struct StretchSamples<'a, R> {
    sound: &'a mut Sound<R>,
    stretch: Stretch,
    channels: usize,
    /// The sample of the stretch that is read next; it may lie before 0.
    next: &'a mut i64,
}

impl<R: ReadAt> FrameSource for StretchSamples<'_, R> {
    fn seek(&mut self, sample: i64) -> Result<(), DecodeError> {
        *self.next = sample;
        let inside = self.stretch.audible_before.saturating_add(u64::try_from(sample).unwrap_or(0));
        while self.sound.seek(inside)? == Progress::OnTheWay {}
        Ok(())
    }

    fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError> {
        let frames = out.len() / self.channels;
        let silent = usize::try_from((*self.next).min(0).unsigned_abs()).unwrap_or(usize::MAX).min(frames);
        *self.next = self.next.saturating_add(frames as i64);
        let (before, inside) = out.split_at_mut(silent * self.channels);
        before.fill(0.0);
        let read = self.sound.read(self.stretch.rate_hz, self.channels, inside)?;
        if let Some(rest) = inside.get_mut(read * self.channels..) {
            rest.fill(0.0);
        }
        Ok(())
    }
}
