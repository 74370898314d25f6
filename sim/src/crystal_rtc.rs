//! A real-time clock without a bus: a crystal, a counter of seconds, and the time that transfers take at 100 kHz.
//!
//! It has what the Python program's `hwclock` meets. The service's own driver runs on the bus-level chip of
//! `jaudiosync-hw`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use jaudiosync_hw::clocks::NS_PER_S;
use jaudiosync_hw::rtc::{ChipMark, Rtc, RtcError, RtcStatus, RtcTime};
use jaudiosync_hw::world::World;
use jaudiosync_time::Span;

use super::oscillator::{Crystal, CrystalModel, Temperature};
use super::policy::BoxSetup;
use super::randomness::{Purpose, normal, stream};
use super::scenario::{RtcFault, RtcSpread};
use super::virtual_box::BoxWorld;

/// The chip measures its temperature, and trims its rate, each so many seconds (DS3231 datasheet, "Temperature
/// Compensated Crystal Oscillator").
const CONVERSION_S: i64 = 64;

/// 36 and 90 bit times, and START and STOP, at 100 kHz: reading one register and reading seven.
const ONE_REGISTER_NS: i64 = 390_000;
const SEVEN_REGISTERS_NS: i64 = 930_000;

/// A stuck bus is given up after this (the timeout of the kernel's i2c-bcm2835 driver).
const STUCK_NS: i64 = NS_PER_S;
const SLOW_NS: i64 = 50_000_000;

/// 2000-01-01 00:00:00 UTC, which the chip shows after its battery was out.
const RESET_UTC_NS: i64 = 946_684_800 * NS_PER_S;

/// The clock of one box.
pub struct CrystalRtc {
    world: Arc<BoxWorld>,
    crystal: Crystal,
    offset_ns: i64,
    has_stopped: bool,
    mark: ChipMark,
    fault: Arc<AtomicU8>,
}

/// Breaks the clock of one box, and repairs it.
#[derive(Debug, Clone)]
pub struct RtcFaultSwitch(Arc<AtomicU8>);

impl RtcFaultSwitch {
    /// Breaks it in this way; none repairs it.
    pub fn set(&self, fault: Option<RtcFault>) {
        self.0.store(fault.map_or(0, |fault| fault as u8 + 1), Ordering::Relaxed);
    }
}

impl CrystalRtc {
    /// The clock of a box, with the spread that its scenario has.
    pub fn new(setup: &BoxSetup<'_>, temperature: Temperature) -> (Self, RtcFaultSwitch) {
        let mut random = stream(setup.seed, Some(setup.index), Purpose::Rtc);
        let spread = &setup.scenario.rtc;
        let model = draw(spread, &mut random);
        let offset_ms = if spread.ideal { 0.0 } else { spread.initial_offset_sigma_ms * normal(&mut random) };
        let true_ns = setup.world.true_ns();
        let fault = Arc::new(AtomicU8::new(0));
        let rtc = Self {
            world: Arc::clone(&setup.world),
            crystal: Crystal::start(model, temperature, random, true_ns, true_ns),
            offset_ns: (offset_ms * 1e6) as i64,
            has_stopped: false,
            mark: ChipMark([0; 4]),
            fault: Arc::clone(&fault),
        };
        (rtc, RtcFaultSwitch(fault))
    }

    /// The battery was out: the time is lost.
    pub fn lose_time(&mut self) {
        self.has_stopped = true;
        self.offset_ns = RESET_UTC_NS - self.crystal.reading_ns(self.world.true_ns());
    }

    /// What it shows beside UTC at an instant, in ns: the truth, which no box knows.
    pub fn rtc_minus_utc_ns(&mut self, true_ns: i64) -> i64 {
        self.crystal.reading_ns(true_ns) + self.offset_ns - true_ns
    }

    fn transfer(&mut self, takes_ns: i64) -> Result<i64, RtcError> {
        // Registers are latched at the START, before the bytes are on the bus.
        let shows_ns = self.crystal.reading_ns(self.world.true_ns()) + self.offset_ns;
        let fault = self.fault.load(Ordering::Relaxed);
        let is = |kind: RtcFault| fault == kind as u8 + 1;
        if is(RtcFault::Nack) {
            self.world.spend(Span::from_ns(ONE_REGISTER_NS / 4));
            return Err(RtcError::NoAnswer);
        }
        if is(RtcFault::Stuck) {
            self.world.spend(Span::from_ns(STUCK_NS));
            return Err(RtcError::Bus("timed out".to_owned()));
        }
        self.world.spend(Span::from_ns(if is(RtcFault::Slow) { SLOW_NS } else { takes_ns }));
        if is(RtcFault::Garbage) {
            return Err(RtcError::BadRegister { register: 0, value: 0x7f });
        }
        Ok(shows_ns)
    }
}

fn draw(spread: &RtcSpread, random: &mut fastrand::Rng) -> CrystalModel {
    let ideal = CrystalModel {
        rate_ppm: 0.0,
        turnover_c: 25.0,
        parabola_ppm_per_c2: 0.0,
        slope_ppm_per_c: 0.0,
        white_fm_ppm: 0.0,
        walk_fm_ppm: 0.0,
        aging_ppb_per_day: 0.0,
        grid_s: CONVERSION_S,
    };
    if spread.ideal {
        return ideal;
    }
    let limit_ppm = spread.rate_limit_ppm;
    CrystalModel {
        rate_ppm: (spread.rate_sigma_ppm * normal(random)).clamp(-limit_ppm, limit_ppm),
        // All of the residual is used up some 25 degrees away from room temperature.
        slope_ppm_per_c: spread.residual_ppm / 25.0 * (2.0 * random.f64() - 1.0),
        aging_ppb_per_day: spread.aging_sigma_ppb_per_day * normal(random),
        white_fm_ppm: 0.002,
        ..ideal
    }
}

impl Rtc for CrystalRtc {
    fn read_time(&mut self) -> Result<RtcTime, RtcError> {
        let shows_ns = self.transfer(SEVEN_REGISTERS_NS)?;
        Ok(RtcTime::Valid { rtc_s: shows_ns.div_euclid(NS_PER_S) })
    }

    fn read_second(&mut self) -> Result<u8, RtcError> {
        let shows_ns = self.transfer(ONE_REGISTER_NS)?;
        Ok(shows_ns.div_euclid(NS_PER_S).rem_euclid(60) as u8)
    }

    fn read_status(&mut self) -> Result<RtcStatus, RtcError> {
        self.transfer(SEVEN_REGISTERS_NS)?;
        let temperature_c = (self.world.temperature_c() * 4.0).round() / 4.0;
        Ok(RtcStatus { oscillator_stopped: self.has_stopped, temperature_c, aging_offset: 0, mark: self.mark })
    }

    fn set_time(&mut self, utc_s: i64) -> Result<(), RtcError> {
        self.transfer(SEVEN_REGISTERS_NS)?;
        // The seconds register is the third byte on the bus.
        let at_ns = self.world.true_ns() - SEVEN_REGISTERS_NS * 2 / 3;
        self.offset_ns = utc_s.saturating_mul(NS_PER_S) - self.crystal.reading_ns(at_ns);
        self.has_stopped = false;
        Ok(())
    }

    fn write_mark(&mut self, mark: ChipMark) -> Result<(), RtcError> {
        self.transfer(SEVEN_REGISTERS_NS)?;
        self.mark = mark;
        Ok(())
    }

    fn is_writable(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::{RIDE_START_NS, Scenario};
    use super::super::weather::weather;
    use super::*;

    fn rtc(scenario: &Scenario, index: usize) -> (CrystalRtc, RtcFaultSwitch, Arc<BoxWorld>) {
        let temperature = weather(scenario, 1, index);
        let world = Arc::new(BoxWorld::new(scenario, 1, index, temperature.clone(), RIDE_START_NS));
        let (rtc, switch) =
            CrystalRtc::new(&BoxSetup { scenario, seed: 1, index, world: Arc::clone(&world) }, temperature);
        (rtc, switch, world)
    }

    #[test]
    fn a_set_clock_shows_the_time_it_was_set_to_and_gains_within_the_datasheet() {
        let scenario = Scenario::default();
        for index in 0..50 {
            let (mut rtc, _, world) = rtc(&scenario, index);
            rtc.set_time(RIDE_START_NS / NS_PER_S).unwrap();
            assert_eq!(rtc.read_time().unwrap(), RtcTime::Valid { rtc_s: RIDE_START_NS / NS_PER_S });
            let at_first_ns = rtc.rtc_minus_utc_ns(world.true_ns());
            assert!(at_first_ns.abs() < 1_000_000, "{at_first_ns}");
            let later_ns = RIDE_START_NS + 4 * 3600 * NS_PER_S;
            let gained_ppm = (rtc.rtc_minus_utc_ns(later_ns) - at_first_ns) as f64 / 14.4e6;
            assert!(gained_ppm.abs() < 3.0, "{gained_ppm}");
        }
    }

    #[test]
    fn faults_are_met_and_go_away() {
        let (mut rtc, switch, world) = rtc(&Scenario::default(), 0);
        switch.set(Some(RtcFault::Nack));
        assert_eq!(rtc.read_second(), Err(RtcError::NoAnswer));
        switch.set(Some(RtcFault::Stuck));
        let before_ns = world.true_ns();
        assert!(rtc.read_second().is_err());
        assert_eq!(world.true_ns() - before_ns, STUCK_NS);
        switch.set(Some(RtcFault::Garbage));
        assert!(matches!(rtc.read_second(), Err(RtcError::BadRegister { .. })));
        switch.set(None);
        assert!(rtc.read_second().is_ok());
        rtc.lose_time();
        assert!(rtc.read_status().unwrap().oscillator_stopped);
        assert!(matches!(rtc.read_time().unwrap(), RtcTime::Valid { rtc_s: 946_684_800..946_684_802 }));
    }
}
