//! The temperature around each box: indoors before the ride, then outdoors; a smooth function of
//! time alone.

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use super::oscillator::Temperature;
use super::randomness::{Purpose, normal, stream};
use super::scenario::{Scenario, TemperatureProfile};
use crate::true_time::ride_minutes;

const MINUTES_PER_DAY: f64 = 1440.0;

/// Sun and shade come and go with these periods, in minutes: no common multiple within a ride.
const SUN_MINUTES: [f64; 3] = [7.3, 17.9, 41.0];

/// The weather at one box.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Weather {
    profile: TemperatureProfile,
    ride_minutes: f64,
    /// 1: from warm to cold, -1: from cold to warm.
    direction: f64,
    /// A cloud over all.
    gust_phase: f64,
    box_offset_c: f64,
    sun_phases: [f64; 3],
}

/// The weather at a box, counted from 0, as a function of true time.
pub fn weather(scenario: &Scenario, seed: u64, index: usize) -> Temperature {
    let mut shared = stream(seed, None, Purpose::Weather);
    let mut own = stream(seed, Some(index), Purpose::Weather);
    let weather = Weather {
        profile: scenario.temperature,
        ride_minutes: scenario.hours * 60.0,
        direction: if shared.bool() { 1.0 } else { -1.0 },
        gust_phase: shared.f64() * TAU,
        box_offset_c: scenario.temperature.box_sigma_c * normal(&mut own),
        sun_phases: [own.f64() * TAU, own.f64() * TAU, own.f64() * TAU],
    };
    Arc::new(move |time| weather.at_minutes(ride_minutes(time)))
}

impl Weather {
    /// Returns the temperature this many minutes after the ride began.
    fn at_minutes(&self, minutes: f64) -> f64 {
        if minutes <= 0.0 {
            return self.indoors(minutes);
        }
        // The box takes on the temperature outside as anything does.
        let indoor_part = (-minutes / self.profile.box_time_constant_minutes).exp();
        indoor_part * self.indoors(minutes) + (1.0 - indoor_part) * self.outdoors(minutes)
    }

    fn indoors(&self, minutes: f64) -> f64 {
        let day = self.profile.indoor_swing_c * (TAU * minutes / MINUTES_PER_DAY).sin();
        self.profile.indoor_c + day + 0.3 * self.box_offset_c
    }

    fn outdoors(&self, minutes: f64) -> f64 {
        let middle_c = 0.5 * (self.profile.min_c + self.profile.max_c);
        let half_c = 0.5 * (self.profile.max_c - self.profile.min_c);
        let progress = (minutes / self.ride_minutes).min(1.0);
        // From one end to the other in the course of the ride, not quite steadily.
        let trend = self.direction * (PI * progress).cos();
        let wave = (TAU * 2.5 * progress + self.gust_phase).sin();
        let sun: f64 = SUN_MINUTES
            .iter()
            .zip(self.sun_phases)
            .map(|(period, phase)| (TAU * minutes / period + phase).sin() / SUN_MINUTES.len() as f64)
            .sum();
        middle_c + half_c * (0.9 * trend + 0.1 * wave) + self.box_offset_c + self.profile.sun_c * sun
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::true_time::at_ride_minutes;

    fn at(temperature: &Temperature, minutes: f64) -> f64 {
        temperature(at_ride_minutes(minutes))
    }

    #[test]
    fn a_ride_goes_over_the_range_it_was_given() {
        let scenario = Scenario::default();
        for seed in 0..20 {
            let temperature = weather(&scenario, seed, 0);
            let ride: Vec<f64> = (40..=240).map(|minute| at(&temperature, f64::from(minute))).collect();
            let (least, most) = ride.iter().fold((99.0_f64, -99.0_f64), |(a, b), &c| (a.min(c), b.max(c)));
            assert!((-1.0..13.0).contains(&least) && (22.0..36.0).contains(&most), "seed {seed}: {least} to {most}");
        }
    }

    #[test]
    fn it_is_smooth_and_the_same_each_time() {
        let scenario = Scenario::default();
        let (temperature, again) = (weather(&scenario, 5, 2), weather(&scenario, 5, 2));
        for second in -7200..14_400 {
            let (now, next) = (f64::from(second) / 60.0, f64::from(second + 1) / 60.0);
            assert_eq!(at(&temperature, now), at(&again, now));
            let change_c = (at(&temperature, next) - at(&temperature, now)).abs();
            assert!(change_c < 0.05, "{change_c} degrees in second {second}");
        }
    }

    #[test]
    fn boxes_differ_as_the_scenario_says() {
        let mut scenario = Scenario::default();
        scenario.temperature.sun_c = 0.0;
        let squares: f64 = (0..200)
            .map(|index| {
                (at(&weather(&scenario, 1, index), 150.0) - at(&weather(&scenario, 1, index + 200), 150.0)).powi(2)
            })
            .sum();
        // The difference of two boxes with a standard deviation of 1 °C each.
        let sigma_c = (squares / 200.0).sqrt();
        assert!((sigma_c - 2.0_f64.sqrt()).abs() < 0.2, "{sigma_c}");
    }
}
