//! The player's task: keeps the sound card open and the feeder going, and does what is ordered.
//!
//! Each step does what is due and returns when there is something to do again; only a device or a file that is being
//! opened may keep it waiting. It is stepped by the engine's thread on a box, and by tests in virtual time.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, atomic::Ordering};
use std::time::Duration;

use jaudiosync_hw::clocks::{Clocks, NS_PER_S};
use jaudiosync_hw::dac::{Dac, DacError, DacStream};

use super::feeder::{Feeder, FeederEvent, FeederStats, Hearing, Program};
use super::loader::OrderLoader;
use super::renderer::RingRenderer;
use super::ring::{Shared, channel};
use crate::timekeeping::published::UtcSource;
use crate::timekeeping::{InNanoseconds as _, Timescale};
use crate::worker::Task;

/// How long the task rests while something fades out: no device reports when a frame is heard, so it is asked.
const FADE_STEP: Duration = Duration::from_millis(2);

/// A device that went away is tried again after this long, twice as long each time, up to the last.
const REOPEN_FIRST_NS: i64 = NS_PER_S / 10;
const REOPEN_LAST_NS: i64 = NS_PER_S;

/// A device that faded out is taken for silent after this long even if it does not say so.
const FADE_PATIENCE_NS: i64 = NS_PER_S;

/// What the player reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The feeder reports something.
    Feeder(FeederEvent),
    /// Every second: the numbers, and UTC in ns.
    Stats(FeederStats, i64),
    /// Something else is heard of the timetable than before.
    Hearing(Hearing),
    /// The sound card went away; it is looked for until it is back.
    DeviceLost(DacError),
    /// The sound card is back.
    DeviceBack,
    /// What was played has faded out, at this UTC in ns.
    Stopped(i64),
}

/// Where events go.
pub type Tell = Box<dyn Fn(Event) + Send>;

/// What is to be done about a device that cannot be opened at the start. Later it is waited for in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenMissing {
    /// Starting fails.
    Fail,
    /// It is reported as lost, and waited for.
    Wait,
}

/// What the player works with.
pub struct PlayerPorts {
    /// The sound card.
    pub dac: Box<dyn Dac>,
    /// The machine's clocks.
    pub clocks: Arc<dyn Clocks>,
    /// Who knows UTC.
    pub time: Arc<dyn UtcSource>,
    /// Where events go.
    pub tell: Tell,
    /// Orders for the loader.
    pub order_loader: OrderLoader,
}

/// What the player is ordered to do.
#[derive(Clone)]
pub enum Order {
    /// Play this, after what plays now has faded out.
    Play(Program),
    /// Fade out; [`Event::Stopped`] reports when that is done.
    Stop,
}

/// An open device and the feeder that belongs to it. The stream is dropped first, so the renderer never outlives it.
struct Output {
    _stream: Box<dyn DacStream>,
    feeder: Feeder,
    faults: Receiver<DacError>,
}

/// What plays fades out, and then comes what was ordered meanwhile.
struct Fading {
    given_up_raw_ns: i64,
    next: Option<Arc<Program>>,
    reports_stopped: bool,
}

/// The player of one box.
pub struct PlayerTask {
    outside: PlayerPorts,
    shared: Arc<Shared>,
    program: Option<Arc<Program>>,
    output: Option<Output>,
    fading: Option<Fading>,
    reopen_raw_ns: i64,
    reopen_after_ns: i64,
    next_stats_raw_ns: i64,
    /// What is heard, as it was last reported.
    hearing: Hearing,
}

impl PlayerTask {
    /// Open the device, silent at first.
    ///
    /// # Errors
    /// When the device cannot be opened now, unless it is to be waited for.
    pub fn new(outside: PlayerPorts, shared: Arc<Shared>, when_missing: WhenMissing) -> Result<Self, DacError> {
        let mut task = Self {
            outside,
            shared,
            program: None,
            output: None,
            fading: None,
            reopen_raw_ns: i64::MIN,
            reopen_after_ns: REOPEN_FIRST_NS,
            next_stats_raw_ns: 0,
            hearing: Hearing::Nothing,
        };
        match task.open() {
            Ok(output) => task.output = Some(output),
            Err(error) if when_missing == WhenMissing::Fail => return Err(error),
            Err(error) => task.lose(error),
        }
        Ok(task)
    }

    fn open(&self) -> Result<Output, DacError> {
        let (fault_sender, faults) = mpsc::channel();
        let (feeder_ends, renderer_ends) = channel(Arc::clone(&self.shared));
        let make_renderer = Box::new(move |format| -> Box<dyn jaudiosync_hw::dac::Renderer> {
            Box::new(RingRenderer::new(renderer_ends, format))
        });
        let stream = self.outside.dac.open(make_renderer, fault_sender)?;
        let order_loader = Arc::clone(&self.outside.order_loader);
        let feeder = Feeder::new(self.program.clone(), feeder_ends, stream.format().rate_hz, order_loader);
        Ok(Output { _stream: stream, feeder, faults })
    }

    fn reopen(&mut self, now_raw_ns: i64) {
        match self.open() {
            Ok(opened) => {
                self.output = Some(opened);
                (self.outside.tell)(Event::DeviceBack);
            }
            Err(error) => {
                log::debug!("{error}");
                self.reopen_after_ns = (self.reopen_after_ns * 2).min(REOPEN_LAST_NS);
                self.reopen_raw_ns = now_raw_ns.saturating_add(self.reopen_after_ns);
            }
        }
    }

    fn lose(&mut self, error: DacError) {
        self.output = None;
        self.reopen_raw_ns = self.outside.clocks.raw_ns().saturating_add(self.reopen_after_ns);
        // One that opens and fails at once must not be tried ten times a second for ever.
        self.reopen_after_ns = (self.reopen_after_ns * 2).min(REOPEN_LAST_NS);
        self.outside.time.allow_steps(true);
        self.hear(Hearing::Nothing);
        (self.outside.tell)(Event::DeviceLost(error));
    }

    /// Let the feeder do a step, and report what it says.
    fn feed(&mut self, now_raw_ns: i64) {
        let timescale = self.timescale();
        let Some(output) = &mut self.output else { return };
        for event in output.feeder.step(now_raw_ns, &timescale) {
            (self.outside.tell)(Event::Feeder(event));
        }
        let stats = output.feeder.stats();
        let hearing = output.feeder.hearing();
        let fault = output.faults.try_recv();
        self.outside.time.allow_steps(stats.playing.is_none());
        self.hear(hearing);
        self.report_stats(stats, &timescale);
        if stats.phase_sigma_ns.is_finite() {
            // It has reported its timing, and so works.
            self.reopen_after_ns = REOPEN_FIRST_NS;
        }
        if let Ok(fault) = fault {
            self.lose(fault);
        }
    }

    /// Begin what comes next, once the last sound has left the device.
    fn finish_fading(&mut self, now_raw_ns: i64) {
        let Some(fading) = &self.fading else { return };
        if let Some(output) = self.output.as_ref().filter(|_| self.program.is_some()) {
            let silent_from = self.shared.silent_from_frame.load(Ordering::Acquire);
            let is_silent = silent_from > 0 && output.feeder.heard_raw_ns(silent_from) < now_raw_ns;
            if !is_silent && now_raw_ns <= fading.given_up_raw_ns {
                return;
            }
        }
        let Some(Fading { next, reports_stopped, .. }) = self.fading.take() else { return };
        self.program = next;
        if let Some(output) = &mut self.output {
            output.feeder.set_program(self.program.clone());
        }
        self.shared.fade_out.store(false, Ordering::Release);
        self.outside.time.allow_steps(true);
        if reports_stopped {
            (self.outside.tell)(Event::Stopped(self.timescale().utc_ns(now_raw_ns)));
        }
    }

    /// Report what is heard, if that has changed.
    fn hear(&mut self, hearing: Hearing) {
        if self.hearing != hearing {
            self.hearing = hearing;
            (self.outside.tell)(Event::Hearing(hearing));
        }
    }

    fn timescale(&self) -> Timescale {
        self.outside.time.estimate().utc
    }

    /// Report the numbers every second, on whole seconds of UTC, so that the lines of several boxes can be laid side by
    /// side.
    fn report_stats(&mut self, stats: FeederStats, timescale: &Timescale) {
        let now_raw_ns = self.outside.clocks.raw_ns();
        if now_raw_ns < self.next_stats_raw_ns {
            return;
        }
        let utc_ns = timescale.utc_ns(now_raw_ns);
        let next_utc_ns = (utc_ns.div_euclid(NS_PER_S) + 1) * NS_PER_S;
        // A step of UTC must not silence the statistics.
        self.next_stats_raw_ns = timescale.raw_ns(next_utc_ns).min(now_raw_ns.saturating_add(2 * NS_PER_S));
        (self.outside.tell)(Event::Stats(stats, utc_ns));
    }
}

impl Task for PlayerTask {
    type Order = Order;

    fn order(&mut self, order: Order) {
        let (next, stops) = match order {
            Order::Play(program) => (Some(Arc::new(program)), false),
            Order::Stop => (None, true),
        };
        match &mut self.fading {
            Some(fading) => {
                fading.next = next;
                fading.reports_stopped |= stops;
            }
            None => {
                let is_audible = self.program.is_some() && self.output.is_some();
                let now_raw_ns = self.outside.clocks.raw_ns();
                let given_up_raw_ns = if is_audible { now_raw_ns + FADE_PATIENCE_NS } else { now_raw_ns };
                if is_audible {
                    self.shared.silent_from_frame.store(0, Ordering::Release);
                    self.shared.fade_out.store(true, Ordering::Release);
                }
                self.fading = Some(Fading { given_up_raw_ns, next, reports_stopped: stops });
            }
        }
    }

    fn step(&mut self) -> Duration {
        let now_raw_ns = self.outside.clocks.raw_ns();
        if self.output.is_none() && now_raw_ns >= self.reopen_raw_ns {
            self.reopen(now_raw_ns);
        }
        self.feed(now_raw_ns);
        self.finish_fading(now_raw_ns);
        let until_reopen = || u64::try_from(self.reopen_raw_ns.saturating_sub(now_raw_ns)).unwrap_or_default();
        match (&self.fading, &self.output) {
            (Some(_), _) => FADE_STEP,
            (None, Some(output)) => output.feeder.rest(),
            (None, None) => Duration::from_nanos(until_reopen()),
        }
    }

    fn end(&mut self) {
        self.order(Order::Stop);
    }

    fn has_ended(&self) -> bool {
        self.fading.is_none()
    }
}
