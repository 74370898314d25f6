//! From samples, each at its own rate, to frames of the sound at one rate, and back: a file may
//! change its rate on the way.

use super::head::Trim;
use super::map::Section;

/// The least common multiple of all rates of MPEG audio, so that sections are added up without
/// rounding: otherwise half a frame would be rounded one way before a section and the other way
/// after it.
const TICKS_PER_S: u128 = 14_112_000;

/// A section on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Audible samples before it.
    pub audible_before: u64,
    /// Audible samples of it and all before it; `None` if its end is not known.
    pub audible_end: Option<u64>,
    /// The sample rate, in Hz.
    pub rate_hz: u32,
    /// Frames before it, at the timeline's rate.
    pub first_frame: u64,
}

/// Where the sections of a file lie at one rate.
#[derive(Debug, Clone)]
pub struct Timeline {
    rate_hz: u32,
    stretches: Vec<Stretch>,
}

impl Timeline {
    /// Makes the timeline, at one rate, of the known sections, the last of which ends at
    /// `end_sample`, if that is known.
    ///
    /// A section begins on a whole frame. It is moved by at most half a frame, the same for every
    /// player.
    pub fn new(rate_hz: u32, sections: &[Section], trim: &Trim, end_sample: Option<u64>) -> Self {
        let mut before_ticks: u128 = 0;
        let ends = sections.iter().skip(1).map(|section| Some(section.first_sample)).chain([end_sample]);
        let stretches = sections.iter().zip(ends).map(|(section, end_sample)| {
            let audible_before = trim.audible_before(section.first_sample);
            let audible_end = end_sample.map(|sample| trim.audible_before(sample));
            let first_frame = (before_ticks * u128::from(rate_hz) + TICKS_PER_S / 2) / TICKS_PER_S;
            let first_frame = u64::try_from(first_frame).unwrap_or(u64::MAX);
            let audible = audible_end.unwrap_or(audible_before).saturating_sub(audible_before);
            before_ticks += u128::from(audible) * TICKS_PER_S / u128::from(section.rate_hz.max(1));
            Stretch { audible_before, audible_end, rate_hz: section.rate_hz, first_frame }
        });
        Self { rate_hz, stretches: stretches.collect() }
    }

    /// Returns the rate that most of the sound has.
    pub fn prevailing_rate_hz(sections: &[Section], end_sample: u64) -> Option<u32> {
        let mut seconds: Vec<(u32, f64)> = Vec::new();
        let ends = sections.iter().skip(1).map(|section| section.first_sample).chain([end_sample]);
        for (section, end_sample) in sections.iter().zip(ends) {
            let long_s = end_sample.saturating_sub(section.first_sample) as f64 / f64::from(section.rate_hz.max(1));
            match seconds.iter_mut().find(|(rate_hz, _)| *rate_hz == section.rate_hz) {
                Some((_, sum_s)) => *sum_s += long_s,
                None => seconds.push((section.rate_hz, long_s)),
            }
        }
        // Of several that last equally long, the first.
        let longest = seconds.into_iter().reduce(|longest, next| if next.1 > longest.1 { next } else { longest });
        longest.map(|(rate_hz, _)| rate_hz)
    }

    /// Returns the frames of the whole sound; `None` if its end is not known.
    pub fn frames(&self) -> Option<u64> {
        let last = self.stretches.last()?;
        let audible = last.audible_end?.saturating_sub(last.audible_before);
        Some(last.first_frame + (audible as f64 / f64::from(last.rate_hz) * f64::from(self.rate_hz)).round() as u64)
    }

    /// Returns the stretch to which a frame belongs, and the frame at which the next one begins or
    /// the sound ends, if that is known.
    pub fn stretch_at(&self, frame: u64) -> Option<(Stretch, Option<u64>)> {
        let next = self.stretches.partition_point(|stretch| stretch.first_frame <= frame);
        let stretch = self.stretches.get(next.checked_sub(1)?)?;
        Some((*stretch, self.stretches.get(next).map(|stretch| stretch.first_frame).or_else(|| self.frames())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_jingle_at_another_rate_takes_its_time() {
        let sections =
            [Section { first_sample: 0, rate_hz: 48_000 }, Section { first_sample: 48_384, rate_hz: 44_100 }];
        let end = 48_384 + 442_368;
        assert_eq!(Timeline::prevailing_rate_hz(&sections, end), Some(44_100));
        let timeline = Timeline::new(44_100, &sections, &Trim::default(), Some(end));
        // 1.008 s are 44,452.8 frames.
        assert_eq!(timeline.frames(), Some(44_453 + 442_368));
        assert_eq!(timeline.stretch_at(44_452).unwrap().1, Some(44_453));
        let (stretch, next) = timeline.stretch_at(44_453).unwrap();
        assert_eq!((stretch.audible_before, stretch.rate_hz, next), (48_384, 44_100, timeline.frames()));
    }

    #[test]
    fn half_a_frame_is_rounded_alike_on_both_sides_of_a_stretch() {
        let rates = [(312_800, 32_000), (1_411_247, 44_100), (1, 48_000)];
        let starts = rates.iter().scan(0, |start, (length, _)| Some(std::mem::replace(start, *start + length)));
        let sections: Vec<Section> = starts
            .zip(&rates)
            .map(|(first_sample, (_, rate_hz))| Section { first_sample, rate_hz: *rate_hz })
            .collect();
        let timeline = Timeline::new(44_100, &sections, &Trim::default(), Some(1_724_048));
        let first_frames: Vec<u64> = timeline.stretches.iter().map(|stretch| stretch.first_frame).collect();
        // 312,800 samples at 32 kHz are 431,077.5 frames.
        assert_eq!(first_frames, [0, 431_078, 431_078 + 1_411_247]);
    }

    proptest! {
        #[test]
        fn stretches_of_the_own_rate_are_as_long_as_their_samples(
            lengths in prop::collection::vec((1_u64..3_000_000, prop::sample::select(vec![32_000_u32, 44_100, 48_000])), 1..8),
        ) {
            let mut sections: Vec<Section> = Vec::new();
            let mut first_sample = 0;
            for (length, rate_hz) in lengths {
                if sections.last().is_none_or(|section| section.rate_hz != rate_hz) {
                    sections.push(Section { first_sample, rate_hz });
                }
                first_sample += length;
            }
            let timeline = Timeline::new(44_100, &sections, &Trim::default(), Some(first_sample));
            for pair in timeline.stretches.windows(2).filter(|pair| pair[0].rate_hz == 44_100) {
                prop_assert_eq!(pair[1].first_frame - pair[0].first_frame, pair[1].audible_before - pair[0].audible_before);
            }
        }
    }
}
