//! Makes the sound of the short tones by which a box answers. They are made in the audio callback,
//! so nothing here may allocate or wait.

use std::f32::consts::TAU;
use std::sync::atomic::{AtomicU32, Ordering};

use jaudiosync_hw::dac::CHANNELS;

use crate::appliance::answer::{Note, Tone};

/// Level of the tones: -20 dB of full scale, clearly heard without startling anybody.
const AMPLITUDE: f32 = 0.1;

/// How long a tone rises and falls, in seconds: it must not click.
const EDGE_S: f32 = 0.005;

impl Tone {
    /// Returns its number in [`Shared::tone`](super::ring::Shared::tone), from 1; 0 is none.
    pub fn number(self) -> u32 {
        self as u32 + 1
    }

    fn of_number(number: u32) -> Option<Self> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        Self::ALL.get(index).copied()
    }
}

/// Plays the tone that was asked for.
#[derive(Debug)]
pub(super) struct TonePlayer {
    rate_hz: f32,
    notes: &'static [Note],
    /// Frames of the first note that were played.
    frame: f32,
    phase: f32,
}

impl TonePlayer {
    pub(super) fn new(rate_hz: u32) -> Self {
        Self { rate_hz: rate_hz.max(1) as f32, notes: &[], frame: 0.0, phase: 0.0 }
    }

    /// Adds the tone to a buffer, and takes the next one from `wanted`.
    pub(super) fn add(&mut self, wanted: &AtomicU32, output: &mut [f32]) {
        if wanted.load(Ordering::Relaxed) != 0 {
            self.notes = Tone::of_number(wanted.swap(0, Ordering::Relaxed)).map_or(&[], Tone::notes);
            self.frame = 0.0;
        }
        for frame in output.chunks_exact_mut(CHANNELS) {
            let Some(note) = self.notes.first() else { return };
            let at_s = self.frame / self.rate_hz;
            let left_s = note.duration_ms as f32 * 1e-3 - at_s;
            let edge = (at_s.min(left_s) / EDGE_S).clamp(0.0, 1.0);
            let sample = AMPLITUDE * edge * (TAU * self.phase).sin();
            frame.iter_mut().for_each(|out| *out += sample);
            self.phase = (self.phase + note.frequency_hz as f32 / self.rate_hz).fract();
            self.frame += 1.0;
            if left_s <= 0.0 {
                self.notes = self.notes.get(1..).unwrap_or(&[]);
                self.frame = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_heard_once_does_not_click_and_ends() {
        for (index, tone) in Tone::ALL.into_iter().enumerate() {
            assert_eq!(tone.number() as usize, index + 1);
            let mut player = TonePlayer::new(48_000);
            let wanted = AtomicU32::new(tone.number());
            let mut sound = vec![0.0_f32; 48_000 * 2];
            sound.chunks_mut(480).for_each(|buffer| player.add(&wanted, buffer));
            let loudest = sound.iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
            assert!((0.9 * AMPLITUDE..=AMPLITUDE).contains(&loudest), "{tone:?}: {loudest}");
            let left: Vec<f32> = sound.iter().step_by(2).copied().collect();
            let steepest = left.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            assert!(steepest < AMPLITUDE * TAU * 1800.0 / 48_000.0 * 1.1, "{tone:?}: {steepest}");
            assert!(left[40_000..].iter().all(|sample| *sample == 0.0));
            assert_eq!(wanted.load(Ordering::Relaxed), 0);
        }
    }
}
