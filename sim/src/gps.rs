//! A GPS receiver whose pulse, every second, interrupts the Pi a little late.

use fastrand::Rng;
use jaudiosync_time::{Instant, Span, True};

use super::randomness::{Purpose, exponential, normal, stream};
use super::scenario::{Gps, ReferenceKind, Scenario};
use super::schedule::BoxSchedule;
use super::virtual_box::BoxWorld;
use crate::true_time::utc_at;
use jaudiosync::timekeeping::references::{Sample, Source, SourceKind};

/// A receiver needs so long for a fix after it has power, or when it sees the sky again.
const FIRST_FIX: Span = Span::from_seconds(30);

/// gpsd reports a pulse, as JSON, this much later.
const REPORT_DELAY: Span = Span::from_ms(20);

/// The receiver of one box.
pub struct GpsReceiver {
    gps: Gps,
    source: Source,
    random: Rng,
    next: Instant<True>,
}

impl GpsReceiver {
    /// The receiver of a box, counted from 0.
    pub fn new(scenario: &Scenario, seed: u64, index: usize) -> Self {
        Self {
            gps: scenario.gps.clone(),
            source: Source { kind: SourceKind::GpsPps, name: "receiver".into() },
            random: stream(seed, Some(index), Purpose::Gps),
            next: Instant::ZERO,
        }
    }

    /// The box was switched on.
    pub fn boot(&mut self, now: Instant<True>) {
        self.next = now + FIRST_FIX;
    }

    /// The samples that have been reported by an instant.
    pub fn samples_until(&mut self, now: Instant<True>, world: &BoxWorld, schedule: &BoxSchedule) -> Vec<Sample> {
        let mut samples = Vec::new();
        while let Some(reach) = schedule.next_reach(ReferenceKind::Gps, self.next) {
            if reach > self.next {
                self.next = reach + FIRST_FIX;
                continue;
            }
            let pulse = Instant::from_second(self.next.second());
            if pulse + REPORT_DELAY > now {
                break;
            }
            self.next = pulse + Span::from_ns((self.gps.interval_s.max(1.0) * 1e9) as i64);
            samples.push(self.sample(pulse, world, schedule));
        }
        samples
    }

    fn sample(&mut self, pulse: Instant<True>, world: &BoxWorld, schedule: &BoxSchedule) -> Sample {
        let jitter_ns_f64 = self.gps.jitter_us * 1e3 * normal(&mut self.random);
        let interrupt_ns_f64 = exponential(&mut self.random, self.gps.interrupt_us * 1e3);
        let usual_ns_f64 = (self.gps.jitter_us + self.gps.interrupt_us) * 1e3;
        Sample {
            source: self.source.clone(),
            raw: world.raw_at(pulse + Span::from_ns((jitter_ns_f64 + interrupt_ns_f64) as i64)),
            utc: utc_at(pulse) + schedule.lie(ReferenceKind::Gps, 0, pulse),
            sigma_ns: usual_ns_f64.max(1e3),
            bound_ns: 10.0 * usual_ns_f64.max(1e3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::parse;
    use super::super::weather::weather;
    use super::*;
    use crate::true_time::{RIDE_START, utc_error};

    #[test]
    fn pulses_are_late_by_the_interrupt_and_come_while_there_is_a_fix() {
        let text = "[calibration]\ndays_before = 0\n[gps]\navailable_minutes = [[-1, 10], [60, 120]]\n";
        let scenario = parse(text, "test").unwrap();
        let schedule = BoxSchedule::new(&scenario, 0);
        let begin = schedule.whole.from;
        let world = BoxWorld::new(&scenario, 4, 0, weather(&scenario, 4, 0), begin);
        world.power_on(begin);
        let mut receiver = GpsReceiver::new(&scenario, 4, 0);
        receiver.boot(begin);
        let samples = receiver.samples_until(RIDE_START + Span::HOUR * 2, &world, &schedule);
        // 10.5 and 59.5 minutes, every 8 s.
        assert!((520..=527).contains(&samples.len()), "{}", samples.len());
        let late_us: Vec<f64> = samples
            .iter()
            .map(|sample| -utc_error(sample.utc, world.time_at_raw(sample.raw)).ns_f64() * 1e-3)
            .collect();
        let mean_us = late_us.iter().sum::<f64>() / late_us.len() as f64;
        assert!((mean_us - 15.0).abs() < 3.0, "{mean_us}");
        assert!(samples.iter().zip(&late_us).all(|(sample, late)| late.abs() * 1e3 < sample.bound_ns));
    }
}
