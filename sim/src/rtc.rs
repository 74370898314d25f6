//! The real-time clock of one box: a simulated DS3231 down to the bytes on its bus, one of the
//! spread that a scenario has, and what goes wrong with it.

use std::time::Duration;

use fastrand::Rng;
use jaudiosync_hw::rtc::{
    Ds3231, Ds3231Model, RtcError, SimulatedDs3231, SimulatedDs3231Handle, StandIn, TemperatureResidual,
};
use jaudiosync_time::Span;

use super::policy::BoxSetup;
use super::randomness::{Purpose, normal, stream};
use super::scenario::{RtcFault, RtcSpread};

/// Any transfer on a stuck bus is given up after this (the timeout of the kernel's i2c-bcm2835
/// driver).
const STUCK: Duration = Duration::from_secs(1);

/// What a transfer takes on a slow bus.
const SLOW: Duration = Duration::from_millis(50);

/// The hours register, and what it holds when it holds no hour.
const HOURS: u8 = 0x02;
const NO_HOUR: u8 = 0x7f;

/// The clock of one box. Clones are of the same clock.
#[derive(Clone)]
pub struct BoxRtc {
    bus: SimulatedDs3231,
    chip: SimulatedDs3231Handle,
}

impl BoxRtc {
    /// Make the clock of a box.
    pub fn new(setup: &BoxSetup<'_>) -> Self {
        let model = draw(&setup.scenario.rtc, &mut stream(setup.seed, Some(setup.index), Purpose::Rtc));
        let (bus, chip) = SimulatedDs3231::new(setup.world.clone(), model, setup.seed_for(Purpose::Policy));
        Self { bus, chip }
    }

    /// Open it, with the service's own driver.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn open(&self) -> Result<Ds3231<SimulatedDs3231>, RtcError> {
        Ds3231::recognize(self.bus.clone(), StandIn::Nothing)
    }

    /// The battery was out: the time is lost.
    pub fn lose_time(&self) {
        self.chip.power_cut(true);
        self.chip.power_on();
    }

    /// Returns by how much it is ahead of true UTC now, which no box knows; `None` if it stands
    /// still.
    pub fn rtc_minus_utc(&self) -> Option<Span> {
        self.chip.rtc_minus_utc()
    }

    /// Break it in this way; none repairs it, but for a register that holds garbage until the clock
    /// is set.
    pub fn set_fault(&self, fault: Option<RtcFault>) {
        self.chip.set_silent(fault == Some(RtcFault::Nack));
        self.chip.set_stuck((fault == Some(RtcFault::Stuck)).then_some(STUCK));
        self.chip.set_slow((fault == Some(RtcFault::Slow)).then_some(SLOW));
        if fault == Some(RtcFault::Garbage) {
            self.chip.corrupt_register(HOURS, NO_HOUR);
        }
    }

    /// Let it measure its temperature for the time that has passed.
    pub fn catch_up(&self) {
        self.chip.catch_up();
    }
}

fn draw(spread: &RtcSpread, random: &mut Rng) -> Ds3231Model {
    if spread.ideal {
        return Ds3231Model::default();
    }
    let residual = TemperatureResidual::random(random);
    let largest_ppb = (-10..=50).map(|celsius| residual.at(f64::from(celsius)).abs()).fold(1e-3, f64::max);
    // Most chips leave less than the worst.
    let scale = spread.residual_ppm * 1e3 * random.f64() / largest_ppb;
    let rate_ppm = loop {
        let rate_ppm = spread.rate_sigma_ppm * normal(random);
        if rate_ppm.abs() <= spread.rate_limit_ppm {
            break rate_ppm;
        }
    };
    Ds3231Model {
        rate_ppb: rate_ppm * 1e3,
        aging_ppb_per_day: spread.aging_sigma_ppb_per_day * normal(random),
        residual: TemperatureResidual { coefficients_ppb: residual.coefficients_ppb.map(|ppb| ppb * scale) },
        offset: Span::from_ns((spread.initial_offset_sigma_ms * normal(random) * 1e6) as i64),
        ..Ds3231Model::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jaudiosync_hw::rtc::{Rtc, RtcTime};
    use jaudiosync_hw::world::World;

    use super::*;
    use crate::scenario::Scenario;
    use crate::true_time::RIDE_START;
    use crate::virtual_box::BoxWorld;
    use crate::weather::weather;

    fn rtc(index: usize) -> (BoxRtc, Arc<BoxWorld>) {
        let scenario = Scenario::default();
        let world = Arc::new(BoxWorld::new(&scenario, 1, index, weather(&scenario, 1, index), RIDE_START));
        let setup = BoxSetup { scenario: &scenario, seed: 1, index, world: Arc::clone(&world) };
        (BoxRtc::new(&setup), world)
    }

    #[test]
    fn a_set_clock_shows_the_time_it_was_set_to_and_gains_within_the_datasheet() {
        for index in 0..50 {
            let (rtc, world) = rtc(index);
            let mut driver = rtc.open().unwrap();
            // Opening it has taken some milliseconds.
            let set_to = RIDE_START + Span::SECOND;
            world.advance_to(set_to);
            driver.set_time(set_to.second()).unwrap();
            let read = driver.read_time().unwrap();
            assert!(matches!(read, RtcTime::Valid { rtc_s } if rtc_s == set_to.second()));
            let at_first = rtc.rtc_minus_utc().unwrap();
            assert!(at_first.abs() < Span::from_ms(5), "{at_first:?}");
            world.spend(Span::HOUR * 4);
            let gained_ppm = (rtc.rtc_minus_utc().unwrap() - at_first).ns_f64() / 14.4e6;
            assert!(gained_ppm.abs() < 3.0, "{gained_ppm}");
        }
    }

    #[test]
    fn faults_are_met_and_go_away() {
        let (rtc, world) = rtc(0);
        let mut driver = rtc.open().unwrap();
        rtc.set_fault(Some(RtcFault::Nack));
        assert!(driver.read_second().is_err());
        rtc.set_fault(Some(RtcFault::Stuck));
        let before = world.true_time();
        assert!(driver.read_second().is_err());
        assert!(world.true_time() - before >= Span::from_duration(STUCK));
        rtc.set_fault(Some(RtcFault::Garbage));
        assert!(!matches!(driver.read_time(), Ok(RtcTime::Valid { .. })));
        rtc.set_fault(None);
        assert!(driver.read_second().is_ok());
        rtc.lose_time();
        assert!(driver.read_status().unwrap().oscillator_stopped);
    }
}
