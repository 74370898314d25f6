//! The service's own timekeeping as a policy: the clock's task and the RTC's driver as they run on a bike, on a simulated
//! DS3231 down to the bytes on its bus.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::rtc::{Ds3231, Ds3231Model, SimulatedDs3231, SimulatedDs3231Handle, TemperatureResidual};
use jaudiosync_time::{Instant, Span};

use super::policy::{BoxSetup, Published, StepInput, TimePolicy};
use super::randomness::{Purpose, normal, stream};
use super::sample::TimeState;
use super::scenario::{RtcFault, RtcSpread};
use super::virtual_box::BoxWorld;
use jaudiosync::timekeeping::published::{SharedEstimate, UtcSource};
use jaudiosync::timekeeping::references::ReferenceEvent;
use jaudiosync::timekeeping::saved::SavedTime;
use jaudiosync::timekeeping::status;
use jaudiosync::timekeeping::task::{ClockDevices, ClockTask};
use jaudiosync::worker::Task as _;

/// Any transfer on a stuck bus is given up after this (the timeout of the kernel's i2c-bcm2835 driver).
const STUCK: Duration = Duration::from_secs(1);

/// What a transfer takes on a slow bus.
const SLOW: Duration = Duration::from_millis(50);

/// The hours register, and what it holds when it holds no hour.
const HOURS: u8 = 0x02;
const NO_HOUR: u8 = 0x7f;

/// The timekeeping of one box.
pub struct ServiceTime {
    bus: SimulatedDs3231,
    chip: SimulatedDs3231Handle,
    /// What the box has on its disk.
    disk: Arc<Mutex<Option<SavedTime>>>,
    mark: u32,
    world: Arc<BoxWorld>,
    running: Option<Running>,
}

/// What is gone with the power.
struct Running {
    task: ClockTask,
    events: Sender<ReferenceEvent>,
    shared: Arc<SharedEstimate>,
}

impl ServiceTime {
    /// The timekeeping of a box, with an RTC of the spread that its scenario has.
    pub fn new(setup: &BoxSetup<'_>) -> Self {
        let model = draw(&setup.scenario.rtc, &mut stream(setup.seed, Some(setup.index), Purpose::Rtc));
        let (bus, chip) = SimulatedDs3231::new(setup.world.clone(), model, setup.seed_for(Purpose::Policy));
        let mark = setup.seed_for(Purpose::Policy) as u32;
        Self { bus, chip, disk: Arc::default(), mark, world: Arc::clone(&setup.world), running: None }
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

impl TimePolicy for ServiceTime {
    fn boot(&mut self, world: &BoxWorld, battery_was_out: bool) {
        if battery_was_out {
            self.chip.power_cut(true);
            self.chip.power_on();
        }
        let (events, receiver) = channel();
        let shared = Arc::new(SharedEstimate::unset(world));
        let (bus, disk) = (self.bus.clone(), Arc::clone(&self.disk));
        let devices = ClockDevices {
            clocks: self.world.clone(),
            open_rtc: Some(Box::new(move || Ok(Box::new(Ds3231::new(bus.clone()))))),
            second_edge: None,
            system_clock: None,
            events: receiver,
            persist: Box::new(move |saved| *disk.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved.clone())),
            random: self.mark,
            may_set_rtc: true,
        };
        let saved = self.disk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let task = ClockTask::new(devices, saved, Arc::clone(&shared));
        self.running = Some(Running { task, events, shared });
    }

    fn step(&mut self, world: &BoxWorld, input: StepInput<'_>) -> i64 {
        if let Some(running) = &mut self.running {
            for sample in input.samples {
                // The task that listens lives as long as the sender.
                let _ = running.events.send(ReferenceEvent::Sample(sample.clone()));
            }
            running.shared.allow_steps(!input.music_plays);
            let rest = running.task.step();
            return (world.raw() + Span::from_duration(rest)).ns();
        }
        world.raw_ns()
    }

    fn nothing_plays(&mut self) -> bool {
        let Some(running) = &self.running else { return false };
        let before = running.shared.estimate();
        running.shared.allow_steps(true);
        let was_stepped = running.shared.estimate() != before;
        running.shared.allow_steps(false);
        was_stepped
    }

    fn published(&self) -> Published {
        let Some(running) = &self.running else {
            return Published { timescale: None, bound_ns: None, state: TimeState::Off };
        };
        let estimate = running.shared.estimate();
        let state = match estimate.state {
            status::TimeState::Unset => TimeState::Unset,
            status::TimeState::Holdover => TimeState::Holdover,
            status::TimeState::Referenced => TimeState::Referenced,
        };
        let is_set = state != TimeState::Unset;
        Published {
            timescale: is_set.then_some(estimate.utc),
            bound_ns: estimate.bound.filter(|_| is_set).map(Span::ns_f64),
            state,
        }
    }

    fn rtc_error_ns(&mut self, _: &BoxWorld, true_ns: i64) -> Option<f64> {
        // The chip is looked at now, and is off by less than a microsecond more or less at the instant that is asked for.
        let rtc = Instant::from_ns(true_ns) + self.chip.rtc_minus_utc()?;
        let utc = self.running.as_ref()?.task.timekeeper().calibrated_utc(rtc)?;
        Some(utc.ns().saturating_sub(true_ns) as f64)
    }

    fn set_rtc_fault(&mut self, fault: Option<RtcFault>) {
        self.chip.set_silent(fault == Some(RtcFault::Nack));
        self.chip.set_stuck((fault == Some(RtcFault::Stuck)).then_some(STUCK));
        self.chip.set_slow((fault == Some(RtcFault::Slow)).then_some(SLOW));
        if fault == Some(RtcFault::Garbage) {
            self.chip.corrupt_register(HOURS, NO_HOUR);
        }
    }

    fn pass_while_off(&mut self, _: &BoxWorld) {
        self.running = None;
        self.chip.catch_up();
    }
}
