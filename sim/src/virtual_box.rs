//! The world as one box has it: a cursor of true time, the clocks of its Pi, and the temperature around it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::world::World;

use super::oscillator::{Crystal, Temperature};
use super::randomness::{Purpose, stream};
use super::scenario::Scenario;
use jaudiosync::timekeeping::{Timescale, timescale};
use jaudiosync_time::{Instant, Raw, Span, True, Utc};

/// The raw clock's reading when the program begins: the kernel has been up for as long.
const BOOT_RAW_NS: i64 = 15_000_000_000;

/// What a reading of a clock takes on a Pi 3; it also keeps a loop that waits for a clock from waiting for ever.
const CLOCK_READING: Span = Span::from_ns(200);

/// A thread that sleeps wakes so much late: as a rule between these, as the kernel's default timer slack is 50 µs...
const WAKE_LATE_NS: (i64, i64) = (50_000, 100_000);

/// ...but once in this many times by milliseconds, when the one core it wants is busy.
const LONG_DELAY_ONE_IN: u32 = 500;
const LONG_DELAY_NS: (i64, i64) = (1_000_000, 5_000_000);

struct Machine {
    crystal: Crystal,
    /// The system clock, which is set and never slewed here: what it shows beyond the raw clock, in ns.
    system_less_raw_ns: i64,
    scheduling: Rng,
}

/// The world of one box. Its clocks, its RTC and its policy share it.
pub struct BoxWorld {
    now_true_ns: AtomicI64,
    temperature: Temperature,
    machine: Mutex<Machine>,
}

impl BoxWorld {
    /// The world of a box, counted from 0, at an instant of true time. The box is off until [`power_on`](Self::power_on).
    pub fn new(scenario: &Scenario, seed: u64, index: usize, temperature: Temperature, true_ns: i64) -> Self {
        let mut random = stream(seed, Some(index), Purpose::PiCrystal);
        let model = scenario.pi_crystal.draw(&mut random);
        let crystal = Crystal::start(model, temperature.clone(), random, true_ns, 0);
        let scheduling = stream(seed, Some(index), Purpose::Scheduling);
        let machine = Mutex::new(Machine { crystal, system_less_raw_ns: 0, scheduling });
        Self { now_true_ns: AtomicI64::new(true_ns), temperature, machine }
    }

    /// Switches the box on: the raw clock begins anew, and the system clock in 1970, as without a battery it does.
    pub fn power_on(&self, true_ns: i64) {
        self.advance_to(true_ns);
        let mut machine = self.machine();
        machine.crystal.restart(self.true_ns(), BOOT_RAW_NS);
        machine.system_less_raw_ns = 0;
    }

    /// Lets true time pass until an instant; nothing happens where that has passed.
    pub fn advance_to(&self, true_ns: i64) {
        self.now_true_ns.fetch_max(true_ns, Ordering::Relaxed);
    }

    /// What the raw clock shows at an instant of true time since the box was switched on.
    pub fn raw_at_ns(&self, true_ns: i64) -> i64 {
        self.machine().crystal.reading_ns(true_ns)
    }

    /// The instant of true time at which the raw clock shows this.
    pub fn true_at_raw_ns(&self, raw_ns: i64) -> i64 {
        self.machine().crystal.true_ns(raw_ns)
    }

    /// The system clock as a map from the raw clock.
    pub fn system_clock(&self) -> Timescale {
        timescale(0, self.machine().system_less_raw_ns, 0.0)
    }

    /// Sets the system clock, as `clock_settime` does.
    pub fn set_system_clock(&self, utc_ns: i64) {
        let mut machine = self.machine();
        let raw_ns = machine.crystal.reading_ns(self.true_ns());
        machine.system_less_raw_ns = utc_ns - raw_ns;
    }

    /// The temperature at an instant of true time, in °C.
    pub fn temperature_at(&self, true_ns: i64) -> f64 {
        (self.temperature)(true_ns)
    }

    /// True time now, in ns.
    pub fn true_ns(&self) -> i64 {
        self.now_true_ns.load(Ordering::Relaxed)
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        // A panic elsewhere leaves the clocks as they were, which is all a simulation needs.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World for BoxWorld {
    fn true_time(&self) -> Instant<True> {
        Instant::from_ns(self.now_true_ns.load(Ordering::Relaxed))
    }

    fn spend(&self, span: Span) {
        self.now_true_ns.fetch_add(span.ns().max(0), Ordering::Relaxed);
    }

    fn temperature_c(&self) -> f64 {
        self.temperature_at(self.true_ns())
    }
}

impl Clocks for BoxWorld {
    fn raw(&self) -> Instant<Raw> {
        self.spend(CLOCK_READING);
        Instant::from_ns(self.raw_at_ns(self.true_ns()))
    }

    fn system_utc(&self) -> Instant<Utc> {
        self.spend(CLOCK_READING);
        let mut machine = self.machine();
        let raw_ns = machine.crystal.reading_ns(self.true_ns());
        Instant::from_ns(raw_ns + machine.system_less_raw_ns)
    }

    fn sleep_until(&self, due: Instant<Raw>) {
        let mut machine = self.machine();
        let due_ns = machine.crystal.true_ns(due.ns());
        if due_ns <= self.true_ns() {
            return;
        }
        let late_ns = match machine.scheduling.u32(0..LONG_DELAY_ONE_IN) {
            0 => machine.scheduling.i64(LONG_DELAY_NS.0..LONG_DELAY_NS.1),
            _ => machine.scheduling.i64(WAKE_LATE_NS.0..WAKE_LATE_NS.1),
        };
        drop(machine);
        self.advance_to(due_ns + late_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::super::weather::weather;
    use jaudiosync::timekeeping::InNanoseconds as _;

    use super::*;
    use crate::ride_start::RIDE_START_NS;

    fn world(seed: u64) -> BoxWorld {
        let scenario = Scenario::default();
        let world = BoxWorld::new(&scenario, seed, 0, weather(&scenario, seed, 0), RIDE_START_NS - 60_000_000_000);
        world.power_on(RIDE_START_NS);
        world
    }

    #[test]
    fn sleeping_lets_true_time_pass_and_wakes_a_little_late() {
        let world = world(1);
        let mut late_ns = Vec::new();
        for second in 1..5000_i64 {
            let due_raw_ns = BOOT_RAW_NS + second * 1_000_000_000;
            world.sleep_until_raw(due_raw_ns);
            late_ns.push(world.raw_at_ns(world.true_ns()) - due_raw_ns);
        }
        late_ns.sort_unstable();
        assert!((50_000..100_002).contains(&late_ns[0]) && late_ns[2500] < 100_002, "{:?}", &late_ns[..3]);
        let long = late_ns.iter().filter(|&&late| late > 900_000).count();
        assert!((2..25).contains(&long), "{long} times by milliseconds");
    }

    #[test]
    fn the_raw_clock_is_off_as_its_crystal_is_and_can_be_inverted() {
        let world = world(2);
        let later_ns = RIDE_START_NS + 3600 * 1_000_000_000;
        let raw_ns = world.raw_at_ns(later_ns);
        let gained_ppm = (raw_ns - BOOT_RAW_NS - 3600 * 1_000_000_000) as f64 / 3.6e6;
        assert!(gained_ppm.abs() < 40.0 && gained_ppm != 0.0, "{gained_ppm}");
        assert!((world.true_at_raw_ns(raw_ns) - later_ns).abs() <= 1);
    }

    #[test]
    fn the_system_clock_can_be_set() {
        let world = world(3);
        assert!(world.system_utc_ns() < 100_000_000_000, "1970 after boot");
        world.set_system_clock(RIDE_START_NS);
        let read_ns = world.system_utc_ns();
        assert!((RIDE_START_NS..RIDE_START_NS + 1_000).contains(&read_ns), "{read_ns}");
        assert_eq!(world.system_clock().utc_ns(world.raw_at_ns(world.true_ns())), read_ns);
    }

    #[test]
    fn a_power_cut_begins_the_raw_clock_anew() {
        let world = world(4);
        world.advance_to(RIDE_START_NS + 1_000_000_000_000);
        world.power_on(RIDE_START_NS + 1_000_000_000_000);
        assert_eq!(world.raw_at_ns(world.true_ns()), BOOT_RAW_NS);
        assert_eq!(world.system_clock().utc_ns(BOOT_RAW_NS), BOOT_RAW_NS);
    }

    #[test]
    fn a_loop_that_waits_for_a_clock_ends() {
        let world = world(5);
        let until_ns = world.raw_ns() + 1_000_000;
        while world.raw_ns() < until_ns {}
        assert!(world.true_ns() - RIDE_START_NS < 1_100_000);
    }
}
