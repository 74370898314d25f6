//! The turns of a sound check as tracks that are made in memory: they are played on a timetable like
//! any other, through resampler, phase lock and card, so that what is measured is what music gets.

use std::sync::Arc;

use super::library::{DecodeError, FrameSource, Library, TrackSource};
use crate::sound_check::schedule::{BoxNumber, Mark, ROUND_S, gap_s};
use crate::sound_check::signal::{SWEEP_S, sweep};
use crate::sound_check::{AMPLITUDE, Times};
use crate::timetable::{Length, Timetable, TimetableError};

/// The rate at which sweeps are made, in Hz.
const RATE_HZ: u32 = 48_000;

/// The sweeps of a box, one round in each track.
#[derive(Debug, Clone, Copy)]
pub struct Sweeps {
    number: BoxNumber,
    seed: u64,
    /// When track 0 begins.
    anchor_utc_s: i64,
}

impl Sweeps {
    /// Makes the sound check of a box, whose marks `seed` determines, and its timetable.
    ///
    /// # Errors
    /// When it is over before it begins.
    pub fn on_timetable(number: BoxNumber, seed: u64, times: Times) -> Result<(Arc<Self>, Timetable), TimetableError> {
        let anchor_utc_s = times.from_utc_s.div_euclid(ROUND_S) * ROUND_S;
        let rounds = (times.until_utc_s - anchor_utc_s).max(0).unsigned_abs().div_ceil(ROUND_S.unsigned_abs());
        // A slot is one second longer than its track.
        let length = Length { frames: (ROUND_S - 1).unsigned_abs() * u64::from(RATE_HZ), rate_hz: RATE_HZ };
        let timetable = Timetable::new(vec![Some(length); rounds as usize], anchor_utc_s, 0, false)?;
        Ok((Arc::new(Self { number, seed, anchor_utc_s }), timetable))
    }
}

impl Library for Sweeps {
    fn open(&self, track: usize) -> Result<Option<Box<dyn TrackSource>>, DecodeError> {
        let utc_s = self.anchor_utc_s + track as i64 * ROUND_S + self.number.second();
        let gap_s = gap_s(self.number, Mark::of_turn(self.seed, utc_s));
        Ok(Some(Box::new(Round { begins_s: self.number.second() as f64, gap_s, frame: 0 })))
    }
}

/// One round: silence, but for the box's own turn.
struct Round {
    begins_s: f64,
    gap_s: f64,
    frame: i64,
}

impl Round {
    fn sample(&self, frame: i64) -> f32 {
        let since_s = frame as f64 / f64::from(RATE_HZ) - self.begins_s;
        if !(0.0..self.gap_s + SWEEP_S).contains(&since_s) {
            return 0.0;
        }
        (AMPLITUDE * (sweep(since_s) + sweep(since_s - self.gap_s))) as f32
    }
}

impl FrameSource for Round {
    fn seek(&mut self, frame: i64) -> Result<(), DecodeError> {
        self.frame = frame;
        Ok(())
    }

    fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError> {
        for sample in out {
            *sample = self.sample(self.frame);
            self.frame = self.frame.saturating_add(1);
        }
        Ok(())
    }
}

impl TrackSource for Round {
    fn rate_hz(&self) -> u32 {
        RATE_HZ
    }

    fn channels(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::Instant;

    use super::*;
    use crate::timetable::Place;

    /// Returns the samples that are heard from a second on.
    fn heard(sweeps: &Sweeps, timetable: &Timetable, utc_s: i64, seconds: usize) -> Vec<f32> {
        let mut all = Vec::new();
        for second in 0..seconds as i64 {
            let mut samples = vec![0.0; RATE_HZ as usize];
            if let Place::Playing { slot, offset } = timetable.place_at(Instant::from_second(utc_s + second)) {
                let mut track = sweeps.open(slot.track).unwrap().unwrap();
                track.seek(offset.whole_seconds() * i64::from(RATE_HZ)).unwrap();
                track.read(&mut samples).unwrap();
            }
            all.extend(samples);
        }
        all
    }

    #[test]
    fn the_turns_are_on_the_seconds_of_the_schedule() {
        let number = BoxNumber::new(16).unwrap();
        let from_utc_s = 1_800_000_005;
        let times = Times { from_utc_s, until_utc_s: 1_800_000_180 };
        let (sweeps, timetable) = Sweeps::on_timetable(number, 7, times).unwrap();
        let samples = heard(&sweeps, &timetable, from_utc_s, 190);
        for second in 0..190 {
            let utc_s = from_utc_s + second as i64;
            let own = BoxNumber::at(utc_s) == Some(number) && utc_s < times.until_utc_s;
            let loudest = samples[second * 48_000..(second + 1) * 48_000].iter().fold(0.0_f32, |a, b| a.max(b.abs()));
            if own {
                assert!((0.49..=0.5).contains(&loudest), "{utc_s}: {loudest}");
            } else {
                assert!(loudest < 1e-6, "{utc_s}: {loudest}");
            }
        }
        assert_eq!(timetable.end_utc_s(), Some(times.until_utc_s));
    }

    #[test]
    fn a_turn_is_two_sweeps_whose_gap_names_the_box() {
        let number = BoxNumber::new(3).unwrap();
        let times = Times { from_utc_s: 0, until_utc_s: 20 };
        let (sweeps, timetable) = Sweeps::on_timetable(number, 7, times).unwrap();
        let samples = heard(&sweeps, &timetable, 2, 1);
        let gap = gap_s(number, Mark::of_turn(7, 2));
        for (n, sample) in samples.iter().enumerate() {
            let t = n as f64 / 48_000.0;
            assert!((f64::from(*sample) - 0.5 * (sweep(t) + sweep(t - gap))).abs() < 1e-6);
        }
    }

    #[test]
    fn any_place_can_be_sought_and_a_check_without_time_is_refused() {
        let mut round = Round { begins_s: 4.0, gap_s: 0.35, frame: 0 };
        let mut out = [1.0; 4];
        for frame in [-10, i64::MIN, i64::MAX, 4 * 48_000] {
            round.seek(frame).unwrap();
            round.read(&mut out).unwrap();
            assert!(out.iter().all(|x| x.abs() <= 0.5));
        }
        let none = Times { from_utc_s: 100, until_utc_s: 60 };
        assert!(Sweeps::on_timetable(BoxNumber::new(1).unwrap(), 0, none).is_err());
    }
}
