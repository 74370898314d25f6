//! A box without music in virtual time: the service's clock task on a simulated DS3231, in a world
//! that the test rules.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jaudiosync::timekeeping::published::{SharedEstimate, UtcSource};
use jaudiosync::timekeeping::references::{ReferenceEvent, Sample, Source, SourceKind};
use jaudiosync::timekeeping::saved::SavedTime;
use jaudiosync::timekeeping::status::{Estimate, TimeStatus};
use jaudiosync::timekeeping::task::{ClockCommand, ClockDevices, ClockTask, OpenRtc};
use jaudiosync::worker::Task as _;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::rtc::{
    Chip, Ds3231, Ds3231Model, Rtc, RtcError, SimulatedDs3231, SimulatedDs3231Handle, SimulatedWrongChip, StandIn,
};
use jaudiosync_hw::world::World;
use jaudiosync_time::{Axis, Instant, Raw, Span, True, Utc};

/// The whole second of true UTC in which a test begins: 2045-12-06, so that no build is later.
pub const START_S: i64 = 2_396_131_200;

/// A test begins in the middle of its second.
const START: Instant<True> = Instant::from_ns(START_S * 1_000_000_000 + 318_412_077);

/// What a perfect clock shows.
pub fn perfect<A: Axis>(time: Instant<True>) -> Instant<A> {
    Instant::from_ns(time.ns())
}

/// True time, a crystal that is `rate_ppb` fast, and 20 °C.
pub struct TestWorld {
    true_ns: AtomicI64,
    rate_ppb: f64,
    booted: Instant<True>,
    random: Mutex<fastrand::Rng>,
}

impl World for TestWorld {
    fn true_time(&self) -> Instant<True> {
        Instant::from_ns(self.true_ns.load(Ordering::Relaxed))
    }

    fn spend(&self, span: Span) {
        self.true_ns.fetch_add(span.ns(), Ordering::Relaxed);
    }

    fn temperature_c(&self) -> f64 {
        20.0
    }
}

impl Clocks for TestWorld {
    fn raw(&self) -> Instant<Raw> {
        let since = self.true_time() - self.booted;
        Instant::ZERO + since + Span::from_ns((since.ns_f64() * self.rate_ppb * 1e-9) as i64)
    }

    /// Returns nonsense, as on a Pi that has just booted.
    fn system_utc(&self) -> Instant<Utc> {
        Instant::<Utc>::ZERO + Span::DAY + (self.raw() - Instant::ZERO)
    }

    fn sleep_until(&self, due: Instant<Raw>) {
        // The scheduler wakes a thread late, sometimes by much.
        let mut random = self.random.lock().unwrap();
        let late_ns = if random.u8(..) < 3 { random.i64(0..2_000_000) } else { random.i64(40_000..110_000) };
        self.spend((due - self.raw()).max(Span::ZERO) + Span::from_ns(late_ns));
    }
}

/// The box.
pub struct ClockHarness {
    pub world: Arc<TestWorld>,
    pub chip: SimulatedDs3231Handle,
    pub samples: Sender<ReferenceEvent>,
    pub shared: Arc<SharedEstimate>,
    /// What was persisted last.
    pub persisted: Arc<Mutex<Option<SavedTime>>>,
    pub task: ClockTask,
    bus: SimulatedDs3231,
    rest: Duration,
}

impl ClockHarness {
    /// Makes a box that boots with this chip and with what an earlier run has saved.
    pub fn new(model: Ds3231Model, saved: Option<SavedTime>, seed: u64) -> Self {
        Self::prepared(model, saved, seed, |_| {})
    }

    /// Makes a box whose chip is changed before it boots.
    pub fn prepared(
        model: Ds3231Model,
        saved: Option<SavedTime>,
        seed: u64,
        prepare: impl FnOnce(&SimulatedDs3231Handle),
    ) -> Self {
        println!("seed {seed}");
        let world = Self::world(seed);
        let (bus, chip) = SimulatedDs3231::new(world.clone(), model, seed);
        prepare(&chip);
        Self::assembled(Wired::new(world, bus, chip), saved, seed, true)
    }

    /// Boots again, with what is on disk now, on the same board: what the task had learnt is gone,
    /// as after a power cut.
    #[allow(dead_code)] // not in every test program
    pub fn boot_again(self, saved: Option<SavedTime>, seed: u64) -> Self {
        Self::assembled(Wired::new(self.world, self.bus, self.chip), saved, seed, true)
    }

    /// Makes a box with another chip than a DS3231 on its bus, which is returned as well.
    pub fn with_wrong_chip(kind: Chip, saved: Option<SavedTime>, seed: u64) -> (Self, SimulatedWrongChip) {
        let world = Self::world(seed);
        let wrong = SimulatedWrongChip::new(world.clone(), kind, seed);
        let opened = wrong.clone();
        let open_rtc = opener(move || Ds3231::recognize(opened.clone(), StandIn::Nothing));
        // Nothing is wired to this one.
        let (bus, chip) = SimulatedDs3231::new(world.clone(), Ds3231Model::default(), seed);
        let wired = Wired { open_rtc, ..Wired::new(world, bus, chip) };
        (Self::assembled(wired, saved, seed, true), wrong)
    }

    /// Makes a box whose chip can be swapped for one of another kind, which is returned with the
    /// switch.
    #[allow(dead_code)] // not in every test program
    pub fn swappable(model: Ds3231Model, kind: Chip, seed: u64) -> (Self, SimulatedWrongChip, Arc<AtomicBool>) {
        let world = Self::world(seed);
        let (bus, chip) = SimulatedDs3231::new(world.clone(), model, seed);
        let wrong = SimulatedWrongChip::new(world.clone(), kind, seed);
        let is_swapped = Arc::new(AtomicBool::new(false));
        let (right, other, swapped) = (bus.clone(), wrong.clone(), is_swapped.clone());
        let open_rtc: OpenRtc = Box::new(move || {
            if swapped.load(Ordering::Relaxed) {
                return Ok(Box::new(Ds3231::recognize(other.clone(), StandIn::Nothing)?));
            }
            Ok(Box::new(Ds3231::recognize(right.clone(), StandIn::Nothing)?))
        });
        let wired = Wired { world, bus, chip, open_rtc };
        (Self::assembled(wired, None, seed, true), wrong, is_swapped)
    }

    /// Makes the clock of a command that only shows the time.
    #[allow(dead_code)] // not in every test program
    pub fn watching(model: Ds3231Model, seed: u64) -> Self {
        let world = Self::world(seed);
        let (bus, chip) = SimulatedDs3231::new(world.clone(), model, seed);
        Self::assembled(Wired::new(world, bus, chip), None, seed, false)
    }

    fn world(seed: u64) -> Arc<TestWorld> {
        Arc::new(TestWorld {
            true_ns: START.ns().into(),
            rate_ppb: 7_300.0,
            booted: START - Span::from_seconds(20),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        })
    }

    fn assembled(wired: Wired, saved: Option<SavedTime>, seed: u64, may_set_rtc: bool) -> Self {
        let Wired { world, bus, chip, open_rtc } = wired;
        let shared = Arc::new(SharedEstimate::unset(world.as_ref()));
        let (samples, receiver) = channel();
        let persisted = Arc::new(Mutex::new(saved.clone()));
        let last = persisted.clone();
        let devices = ClockDevices {
            clocks: world.clone(),
            open_rtc: Some(open_rtc),
            second_edge: None,
            system_clock: None,
            events: receiver,
            persist: Box::new(move |saved| *last.lock().unwrap() = Some(saved.clone())),
            random: seed as u32,
            may_set_rtc,
            ride: None,
        };
        let task = ClockTask::new(devices, saved, shared.clone());
        Self { world, chip, samples, shared, persisted, task, bus, rest: Duration::ZERO }
    }

    /// Asks for the RTC to be set, as `jaudiosync time set-rtc` does.
    pub fn set_rtc(&mut self) {
        self.task.command(ClockCommand::SetRtc);
    }

    /// Advances the world by the task's rest, and does its next step.
    pub fn step(&mut self) {
        if !self.rest.is_zero() {
            self.world.sleep_until(self.world.raw() + Span::from_duration(self.rest));
        }
        self.rest = self.task.step();
    }

    /// Runs for some seconds.
    pub fn run(&mut self, seconds: i64) {
        let until = self.world.true_time() + Span::from_seconds(seconds);
        while self.world.true_time() < until {
            self.step();
        }
    }

    /// Runs for some seconds while music plays, as it does afterwards. Returns by how much UTC
    /// jumped at most from one step to the next.
    pub fn run_playing(&mut self, seconds: i64) -> Span {
        self.shared.allow_steps(false);
        let until = self.world.true_time() + Span::from_seconds(seconds);
        let mut largest = Span::ZERO;
        while self.world.true_time() < until {
            let before = self.shared.estimate().utc;
            self.step();
            let after = self.shared.estimate().utc;
            // A slew is no jump: at most 100 ppm, from some moment of the step on.
            let slewed = (after.from - before.from).scaled(100e-6);
            largest = largest.max((after.to - before.apply(after.from)).abs() - slewed);
        }
        largest
    }

    /// Sends a sample from a source that is `ahead` of true UTC, and may be wrong by `bound_ns`.
    pub fn send_sample(&self, name: &str, ahead: Span, bound_ns: f64) {
        let sample = Sample {
            source: Source { kind: SourceKind::Ntp, name: name.into() },
            raw: self.world.raw(),
            utc: perfect(self.world.true_time()) + ahead,
            sigma_ns: bound_ns / 4.0,
            bound_ns,
        };
        self.samples.send(ReferenceEvent::Sample(sample)).unwrap();
    }

    /// Returns the current estimate of UTC, which all threads share.
    pub fn estimate(&self) -> Estimate {
        self.shared.estimate()
    }

    /// Returns the estimate of UTC minus the true one, in ms.
    pub fn error_ms(&self) -> f64 {
        (self.estimate().utc.apply(self.world.raw()) - perfect(self.world.true_time())).ms()
    }

    pub fn status(&self) -> TimeStatus {
        self.task.status()
    }

    /// Returns all warnings in one text.
    pub fn warnings(&self) -> String {
        self.status().warnings.join("\n")
    }
}

/// A board, before its program runs.
struct Wired {
    world: Arc<TestWorld>,
    bus: SimulatedDs3231,
    chip: SimulatedDs3231Handle,
    open_rtc: OpenRtc,
}

impl Wired {
    fn new(world: Arc<TestWorld>, bus: SimulatedDs3231, chip: SimulatedDs3231Handle) -> Self {
        let opened = bus.clone();
        let open_rtc = opener(move || Ds3231::recognize(opened.clone(), StandIn::Nothing));
        Self { world, bus, chip, open_rtc }
    }
}

/// Opens the RTC, as often as the task asks for it.
fn opener<Opened: Rtc + 'static>(open: impl Fn() -> Result<Opened, RtcError> + Send + 'static) -> OpenRtc {
    Box::new(move || Ok(Box::new(open()?)))
}
