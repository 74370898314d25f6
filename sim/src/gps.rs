//! A GPS receiver whose pulse, each second, interrupts the Pi a little late.

use fastrand::Rng;
use jaudiosync_hw::clocks::NS_PER_S;
use jaudiosync_time::Instant;

use super::randomness::{Purpose, exponential, normal, stream};
use super::scenario::{Gps, ReferenceKind, Scenario};
use super::schedule::BoxSchedule;
use super::virtual_box::BoxWorld;
use jaudiosync::timekeeping::references::{Sample, Source, SourceKind};

/// A receiver needs so long for a fix after it has power, or when it sees the sky again.
const FIX_NS: i64 = 30 * NS_PER_S;

/// The pulse has arrived when it is told of, through gpsd's JSON, this much later.
const TELLING_NS: i64 = 20_000_000;

/// The receiver of one box.
pub struct GpsReceiver {
    gps: Gps,
    source: Source,
    random: Rng,
    next_true_ns: i64,
}

impl GpsReceiver {
    /// The receiver of a box, counted from 0.
    pub fn new(scenario: &Scenario, seed: u64, index: usize) -> Self {
        Self {
            gps: scenario.gps.clone(),
            source: Source { kind: SourceKind::GpsPps, name: "receiver".into() },
            random: stream(seed, Some(index), Purpose::Gps),
            next_true_ns: 0,
        }
    }

    /// The box was switched on.
    pub fn boot(&mut self, true_ns: i64) {
        self.next_true_ns = true_ns + FIX_NS;
    }

    /// The samples that have been told of by an instant.
    pub fn samples_until(&mut self, true_ns: i64, world: &BoxWorld, schedule: &BoxSchedule) -> Vec<Sample> {
        let mut samples = Vec::new();
        while let Some(reach_ns) = schedule.next_reach_ns(ReferenceKind::Gps, self.next_true_ns) {
            if reach_ns > self.next_true_ns {
                self.next_true_ns = reach_ns + FIX_NS;
                continue;
            }
            let pulse_ns = self.next_true_ns.div_euclid(NS_PER_S) * NS_PER_S;
            if pulse_ns + TELLING_NS > true_ns {
                break;
            }
            self.next_true_ns = pulse_ns + (self.gps.interval_s.max(1.0) * 1e9) as i64;
            samples.push(self.pulse(pulse_ns, world, schedule));
        }
        samples
    }

    fn pulse(&mut self, pulse_ns: i64, world: &BoxWorld, schedule: &BoxSchedule) -> Sample {
        let early_or_late_ns = self.gps.jitter_us * 1e3 * normal(&mut self.random);
        let interrupt_ns = exponential(&mut self.random, self.gps.interrupt_us * 1e3);
        let usual_ns = (self.gps.jitter_us + self.gps.interrupt_us) * 1e3;
        Sample {
            source: self.source.clone(),
            raw: Instant::from_ns(world.raw_at_ns(pulse_ns + (early_or_late_ns + interrupt_ns) as i64)),
            utc: Instant::from_ns(pulse_ns.saturating_add(schedule.lie_ns(ReferenceKind::Gps, 0, pulse_ns))),
            sigma_ns: usual_ns.max(1e3),
            bound_ns: 10.0 * usual_ns.max(1e3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::parse;
    use super::super::weather::weather;
    use super::*;
    use crate::ride_start::RIDE_START_NS;

    #[test]
    fn pulses_are_late_by_the_interrupt_and_come_while_there_is_a_fix() {
        let text = "[calibration]\ndays_before = 0\n[gps]\navailable_minutes = [[-1, 10], [60, 120]]\n";
        let scenario = parse(text, "test").unwrap();
        let schedule = BoxSchedule::new(&scenario, 0);
        let begin_ns = schedule.whole.from_ns;
        let world = BoxWorld::new(&scenario, 4, 0, weather(&scenario, 4, 0), begin_ns);
        world.power_on(begin_ns);
        let mut receiver = GpsReceiver::new(&scenario, 4, 0);
        receiver.boot(begin_ns);
        let samples = receiver.samples_until(RIDE_START_NS + 2 * 3600 * NS_PER_S, &world, &schedule);
        // 10.5 and 59.5 minutes, every 8 s.
        assert!((520..=527).contains(&samples.len()), "{}", samples.len());
        let late_us: Vec<f64> = samples
            .iter()
            .map(|sample| (world.true_at_raw_ns(sample.raw.ns()) - sample.utc.ns()) as f64 * 1e-3)
            .collect();
        let mean_us = late_us.iter().sum::<f64>() / late_us.len() as f64;
        assert!((mean_us - 15.0).abs() < 3.0, "{mean_us}");
        assert!(samples.iter().zip(&late_us).all(|(sample, late)| late.abs() * 1e3 < sample.bound_ns));
    }
}
