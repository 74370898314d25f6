//! From the float samples of a renderer to the sample type a device wants.

use cpal::{FromSample, I24, SizedSample};

/// A sample type that a device may want.
pub(super) trait DeviceSample: SizedSample + FromSample<f32> + Send + 'static {}

impl DeviceSample for f32 {}
impl DeviceSample for i32 {}
impl DeviceSample for I24 {}
impl DeviceSample for i16 {}

/// Writes `samples` (±1.0, clipped) into `output`; the two have the same length.
pub(super) fn convert<T: DeviceSample>(samples: &[f32], output: &mut [T]) {
    for (to, &from) in output.iter_mut().zip(samples) {
        *to = T::from_sample(from.clamp(-1.0, 1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_clips_and_does_not_wrap() {
        let mut integers = [0i16; 4];
        convert(&[2.0, -2.0, 0.0, 0.5], &mut integers);
        assert_eq!(integers, [i16::MAX, i16::MIN, 0, 16384]);
    }
}
