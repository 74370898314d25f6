//! At which frame of a recording a sound begins. Pure.

use std::ops::Range;

use jaudiosync_correlation::{MARGIN, best_match};

/// Below this the reference is not in the recording.
const LEAST_CORRELATION: f64 = 0.5;

/// Returns the frame of `recording_channel` at which `reference` begins, to a fraction of a frame.
///
/// `reference` is mono at the recording's rate `rate_hz`; its first second is used. The sinks for
/// one box play the mean of left and right, so this mean is the reference for a stereo track. The
/// beginning is searched for in `near_frame_range`. `None` if it does not begin there: too little
/// was recorded, or silence, or another sound.
#[must_use]
pub fn find_start(
    recording_channel: &[f32],
    reference: &[f32],
    rate_hz: u32,
    near_frame_range: Range<usize>,
) -> Option<f64> {
    let template: Vec<f64> = reference.iter().take(rate_hz as usize).map(|&x| f64::from(x)).collect();
    let last = recording_channel.len().checked_sub(template.len())?;
    let (first, end) = (near_frame_range.start, near_frame_range.end.min(last.checked_add(1)?));
    if first >= end {
        return None;
    }
    // The signal, with a margin of silence where the recording has none.
    let signal: Vec<f64> = (first..end + template.len() + 2 * MARGIN)
        .map(|i| i.checked_sub(MARGIN).and_then(|i| recording_channel.get(i)).map_or(0.0, |&x| f64::from(x)))
        .collect();
    let found = best_match(&template, &signal, MARGIN..=MARGIN + end - 1 - first, None)?;
    (found.correlation >= LEAST_CORRELATION).then_some(found.position + first as f64 - MARGIN as f64)
}

/// Returns the first frame that is louder than `threshold` (of full scale, 1), in either direction.
#[must_use]
pub fn first_sound(channel: &[f32], threshold: f32) -> Option<usize> {
    channel.iter().position(|x| x.abs() > threshold)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use jaudiosync_correlation::test_signals::{music, noise};

    const RATE: u32 = 48_000;

    /// Returns three seconds of silence, then the track, which begins at frame `start`.
    fn recording(start: f64) -> Vec<f32> {
        let whole = start.floor() as usize;
        let fraction = start - whole as f64;
        let mut frames = vec![0.0; whole];
        frames.extend(music(RATE, 2.0, fraction / f64::from(RATE), 0.2));
        frames
    }

    #[test]
    fn finds_the_start_to_a_hundredth_of_a_frame() {
        let reference = music(RATE, 3.0, 0.0, 0.9);
        for start in [144_000.0, 144_000.25, 150_123.5] {
            let found = find_start(&recording(start), &reference, RATE, 100_000..190_000).unwrap();
            assert!((found - start).abs() < 0.02, "{start}: {found}");
        }
    }

    #[test]
    fn finds_a_start_at_the_very_edges() {
        let track = noise(100_000, 0.0, 0.5);
        assert!(find_start(&track, &track, RATE, 0..10).unwrap().abs() < 0.01);
        assert!(find_start(&track, &track[..48_000], RATE, 0..usize::MAX).unwrap().abs() < 0.01);
        let end = find_start(&track, &track[52_000..], RATE, 50_000..60_000).unwrap();
        assert!((end - 52_000.0).abs() < 0.01, "{end}");
    }

    #[test]
    fn finds_nothing_elsewhere_or_in_other_sound() {
        let reference = music(RATE, 1.0, 0.0, 0.9);
        let recording = recording(144_000.0);
        assert_eq!(find_start(&recording, &reference, RATE, 0..1000), None);
        assert_eq!(find_start(&recording, &noise(48_000, 0.0, 0.5), RATE, 140_000..150_000), None);
        assert_eq!(find_start(&recording, &reference, RATE, 0..0), None);
        assert_eq!(find_start(&recording[..100], &reference, RATE, 0..1000), None);
        assert_eq!(find_start(&recording, &[], RATE, 0..1000), None);
    }

    #[test]
    fn first_sound_is_the_first_above_the_threshold() {
        assert_eq!(first_sound(&[0.0, 0.1, -0.6, 0.9], 0.5), Some(2));
        assert_eq!(first_sound(&[0.0, 0.1], 0.5), None);
        assert_eq!(first_sound(&[], 0.5), None);
    }
}
