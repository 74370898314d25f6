//! The world as one box has it: a cursor of true time, the clocks of its Pi, and the temperature
//! around it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::world::World;

use super::oscillator::{Crystal, Temperature};
use super::randomness::{Purpose, span_between, stream};
use super::scenario::Scenario;
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, True, Utc};

/// The raw clock's reading when the program begins: the kernel has been up for as long.
const BOOT_RAW: Instant<Raw> = Instant::from_second(15);

/// What a reading of a clock takes on a Pi 3; it also keeps a loop that waits for a clock from
/// waiting for ever.
const CLOCK_READING: Span = Span::from_ns(200);

/// How late a sleeping thread usually wakes, from and to: the kernel's default timer slack is 50 µs.
const WAKE_LATE: (Span, Span) = (Span::from_us(50), Span::from_us(100));

/// One wake in this many is late by milliseconds, because the core that the thread needs is busy.
const LONG_DELAY_ONE_IN: u32 = 500;
const LONG_DELAY: (Span, Span) = (Span::from_ms(1), Span::from_ms(5));

struct Machine {
    crystal: Crystal<Raw>,
    /// The system clock, which is set and never slewed here.
    system_clock: ClockMap<Raw, Utc>,
    scheduling: Rng,
}

/// The world of one box. Its clocks, its RTC and its policy share it.
pub struct BoxWorld {
    now_true_ns: AtomicI64,
    temperature: Temperature,
    machine: Mutex<Machine>,
}

impl BoxWorld {
    /// The world of a box, counted from 0, at an instant of true time. The box is off until
    /// [`power_on`](Self::power_on).
    pub fn new(scenario: &Scenario, seed: u64, index: usize, temperature: Temperature, now: Instant<True>) -> Self {
        let mut random = stream(seed, Some(index), Purpose::PiCrystal);
        let model = scenario.pi_crystal.draw(&mut random);
        let crystal = Crystal::start(model, temperature.clone(), random, now, Instant::ZERO);
        let scheduling = stream(seed, Some(index), Purpose::Scheduling);
        let machine = Mutex::new(Machine { crystal, system_clock: unset_clock(), scheduling });
        Self { now_true_ns: AtomicI64::new(now.ns()), temperature, machine }
    }

    /// Switches the box on: the raw clock begins again, and the system clock in 1970, as without a
    /// battery it does.
    pub fn power_on(&self, time: Instant<True>) {
        self.advance_to(time);
        let mut machine = self.machine();
        machine.crystal.restart(self.true_time(), BOOT_RAW);
        machine.system_clock = unset_clock();
    }

    /// Lets true time pass until an instant; nothing happens where that has passed.
    pub fn advance_to(&self, time: Instant<True>) {
        self.now_true_ns.fetch_max(time.ns(), Ordering::Relaxed);
    }

    /// Returns what the raw clock shows at an instant since the box was switched on.
    pub fn raw_at(&self, time: Instant<True>) -> Instant<Raw> {
        self.machine().crystal.reading(time)
    }

    /// Returns the first instant at which the raw clock shows this.
    pub fn time_at_raw(&self, raw: Instant<Raw>) -> Instant<True> {
        self.machine().crystal.time_of(raw)
    }

    /// Returns the system clock as a map from the raw clock.
    pub fn system_clock(&self) -> ClockMap<Raw, Utc> {
        self.machine().system_clock
    }

    /// Sets the system clock, as `clock_settime` does.
    pub fn set_system_clock(&self, utc: Instant<Utc>) {
        let raw = self.raw_at(self.true_time());
        self.machine().system_clock = ClockMap { from: raw, to: utc, rate: Rate::ZERO };
    }

    /// Returns the temperature at an instant, in °C.
    pub fn temperature_at(&self, time: Instant<True>) -> f64 {
        (self.temperature)(time)
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        // A panic elsewhere leaves the clocks as they were, which is all a simulation needs.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The system clock after boot: it counts from 1970 with the raw clock.
fn unset_clock() -> ClockMap<Raw, Utc> {
    ClockMap { from: Instant::ZERO, to: Instant::ZERO, rate: Rate::ZERO }
}

impl World for BoxWorld {
    fn true_time(&self) -> Instant<True> {
        Instant::from_ns(self.now_true_ns.load(Ordering::Relaxed))
    }

    fn spend(&self, span: Span) {
        self.now_true_ns.fetch_add(span.ns().max(0), Ordering::Relaxed);
    }

    fn temperature_c(&self) -> f64 {
        self.temperature_at(self.true_time())
    }
}

impl Clocks for BoxWorld {
    fn raw(&self) -> Instant<Raw> {
        self.spend(CLOCK_READING);
        self.raw_at(self.true_time())
    }

    fn system_utc(&self) -> Instant<Utc> {
        let raw = self.raw();
        self.system_clock().apply(raw)
    }

    fn sleep_until(&self, due: Instant<Raw>) {
        let mut machine = self.machine();
        let due = machine.crystal.time_of(due);
        if due <= self.true_time() {
            return;
        }
        let late = match machine.scheduling.u32(0..LONG_DELAY_ONE_IN) {
            0 => span_between(&mut machine.scheduling, LONG_DELAY),
            _ => span_between(&mut machine.scheduling, WAKE_LATE),
        };
        drop(machine);
        self.advance_to(due + late);
    }
}

#[cfg(test)]
mod tests {
    use super::super::weather::weather;
    use super::*;
    use crate::true_time::{RIDE_START, utc_at};

    fn world(seed: u64) -> BoxWorld {
        let scenario = Scenario::default();
        let world = BoxWorld::new(&scenario, seed, 0, weather(&scenario, seed, 0), RIDE_START - Span::MINUTE);
        world.power_on(RIDE_START);
        world
    }

    #[test]
    fn sleeping_lets_true_time_pass_and_wakes_a_little_late() {
        let world = world(1);
        let mut late_us = Vec::new();
        for second in 1..5000_i64 {
            let due = BOOT_RAW + Span::from_seconds(second);
            world.sleep_until(due);
            late_us.push((world.raw_at(world.true_time()) - due).ns_f64() * 1e-3);
        }
        late_us.sort_by(f64::total_cmp);
        assert!((50.0..100.002).contains(&late_us[0]) && late_us[2500] < 100.002, "{:?}", &late_us[..3]);
        let long = late_us.iter().filter(|&&late| late > 900.0).count();
        assert!((2..25).contains(&long), "{long} times by milliseconds");
    }

    #[test]
    fn the_raw_clock_is_off_as_its_crystal_is_and_can_be_inverted() {
        let world = world(2);
        let later = RIDE_START + Span::HOUR;
        let raw = world.raw_at(later);
        let gained_ppm = (raw - BOOT_RAW - Span::HOUR).ns_f64() / 3.6e6;
        assert!(gained_ppm.abs() < 40.0 && gained_ppm != 0.0, "{gained_ppm}");
        assert!((world.time_at_raw(raw) - later).abs() <= Span::from_ns(1));
    }

    #[test]
    fn the_system_clock_can_be_set() {
        let world = world(3);
        assert!(world.system_utc() < Instant::from_second(100), "1970 after boot");
        let set_to = utc_at(RIDE_START);
        world.set_system_clock(set_to);
        let read = world.system_utc();
        assert!((set_to..set_to + Span::MICROSECOND).contains(&read), "{read:?}");
        assert_eq!(world.system_clock().apply(world.raw_at(world.true_time())), read);
    }

    #[test]
    fn a_power_cut_begins_the_raw_clock_anew() {
        let world = world(4);
        let cut = RIDE_START + Span::from_seconds(1_000);
        world.advance_to(cut);
        world.power_on(cut);
        assert_eq!(world.raw_at(world.true_time()), BOOT_RAW);
        assert_eq!(world.system_clock().apply(BOOT_RAW), Instant::from_second(15));
    }

    #[test]
    fn a_loop_that_waits_for_a_clock_ends() {
        let world = world(5);
        let until = world.raw() + Span::MILLISECOND;
        while world.raw() < until {}
        assert!(world.true_time() - RIDE_START < Span::from_us(1_100));
    }
}
