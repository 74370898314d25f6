//! The player's task: keeps the sound card open and the feeder going, and carries out commands.
//!
//! Each step does what is due and returns when there is something to do again; only a device or a
//! file that is being opened may hold it up. The engine's thread steps it on a box, and tests step
//! it in virtual time.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, atomic::Ordering};
use std::time::Duration;

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::dac::{Dac, DacError, DacStream, StreamFormat};
use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

use super::dac_clock::Crystal;
use super::feeder::{Feeder, FeederEvent, FeederStats, Hearing};
use super::loader::SendToLoader;
use super::program::Program;
use super::renderer::RingRenderer;
use super::ring::{Shared, channel};
use crate::timekeeping::published::UtcSource;
use crate::worker::Task;

/// How long the task rests while something fades out: no device reports when a frame is heard, so
/// the task polls it.
const FADE_STEP: Duration = Duration::from_millis(2);

/// A command comes this much before the instant of a fade that was planned for it, at most.
const COMMANDED_EARLY: Span = Span::from_ms(20);

/// A device that went away is tried again after this long, twice as long each time, up to the last:
/// soon where it is not there, and rarely where it can be opened and does not play.
const REOPEN_FIRST: Span = Span::from_ms(100);
const REOPEN_LAST: Span = Span::from_ms(500);
const REOPEN_LAST_FAULTY: Span = Span::from_seconds(5);

/// A device that was opened again is there once it has reported its timing for this long.
const THERE_AFTER: Span = Span::from_ms(300);

/// A device that has played for this long works: the next time it is tried again soon.
const WORKS_AFTER: Span = Span::from_seconds(5);

/// The frame of a fade that was named is no longer moved this long before it is heard: by then it
/// may be with the device.
const FADE_FIXED: Span = Span::from_ms(500);

/// A device that is fading out counts as silent after this long even if it does not report that.
const FADE_PATIENCE: Span = Span::SECOND;

/// What the player reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The feeder reports something.
    Feeder(FeederEvent),
    /// The figures, every second.
    Stats {
        /// Those of the feeder.
        feeder: FeederStats,
        /// What the sound card was opened with.
        format: StreamFormat,
        /// UTC.
        utc: Instant<Utc>,
    },
    /// What is heard of the timetable has changed.
    Hearing(Hearing),
    /// The sound card went away; the task tries to open it until it is back.
    DeviceLost(DacError),
    /// The sound card is back.
    DeviceBack,
    /// What was played has faded out, at this UTC.
    Stopped(Instant<Utc>),
}

/// Where events go.
pub type ReportEvent = Box<dyn Fn(Event) + Send>;

/// What to do about a device that cannot be opened at the start. Later it is waited for in any
/// case.
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
    /// The source of UTC.
    pub time: Arc<dyn UtcSource>,
    /// Where events go.
    pub report: ReportEvent,
    /// Commands for the loader.
    pub send_to_loader: SendToLoader,
}

/// What the player is commanded to do.
#[derive(Clone)]
pub enum PlayerCommand {
    /// Play this, after what plays now has faded out.
    Play(Program),
    /// Fade out; [`Event::Stopped`] reports when that is done.
    Stop,
    /// Begin to fade out on the frame that is heard at this instant, for a command that will come
    /// then; `None` takes that back.
    FadeAt(Option<Instant<Utc>>),
}

/// An open device and the feeder that belongs to it. The stream is dropped first, so that the
/// renderer never outlives it.
struct Output {
    stream: Box<dyn DacStream>,
    feeder: Feeder,
    faults: Receiver<DacError>,
    pulse: Pulse,
    opened: Instant<Raw>,
}

/// Whether a device that reports no fault still takes sound: a driver may hang.
#[derive(Debug, Default)]
struct Pulse {
    buffers: u64,
    checked: Option<Instant<Raw>>,
    /// How long it has taken nothing, as far as this was running to see it.
    for_span: Span,
}

impl Pulse {
    /// Notes how many buffers were rendered so far; returns whether that has not changed for
    /// [`HUNG`].
    fn is_lost(&mut self, buffers: u64, now: Instant<Raw>) -> bool {
        let since = self.checked.replace(now).map_or(Span::ZERO, |checked| now - checked);
        if std::mem::replace(&mut self.buffers, buffers) == buffers {
            // A process that was stopped has seen nothing meanwhile.
            self.for_span += since.min(SEEN_AT_ONCE);
        } else {
            self.for_span = Span::ZERO;
        }
        self.for_span >= HUNG
    }
}

/// A device that takes no sound for this long hangs. A sound server is given 5 s by its own code,
/// and the service's watchdog would end the service after 8 s.
const HUNG: Span = Span::from_seconds(6);

/// Steps of the player are closer together than this.
const SEEN_AT_ONCE: Span = Span::from_ms(500);

/// What plays fades out, and then the command that came meanwhile is carried out.
struct Fading {
    given_up: Instant<Raw>,
    next: Option<Arc<Program>>,
    reports_stopped: bool,
}

/// The player of one box.
pub struct PlayerTask {
    ports: PlayerPorts,
    shared: Arc<Shared>,
    program: Option<Arc<Program>>,
    output: Option<Output>,
    fading: Option<Fading>,
    /// When what plays will fade out.
    fade_at: Option<Instant<Utc>>,
    /// Why the device is not there, as it was reported; `None` if it is.
    lost: Option<DacError>,
    /// The crystal of the device as it was open last, and the device's name and nominal rate.
    crystal: Option<(String, u32, Crystal)>,
    /// When to try again to open a device that is missing; at once if `None`.
    reopen_at: Option<Instant<Raw>>,
    reopen_after: Span,
    /// When the figures are due; at once if `None`.
    stats_at: Option<Instant<Raw>>,
    /// What is heard, as it was last reported.
    hearing: Hearing,
}

impl PlayerTask {
    /// Opens the device, silent at first.
    ///
    /// # Errors
    /// When the device cannot be opened now, unless it is to be waited for.
    pub fn new(ports: PlayerPorts, shared: Arc<Shared>, when_missing: WhenMissing) -> Result<Self, DacError> {
        let mut task = Self {
            ports,
            shared,
            program: None,
            output: None,
            fading: None,
            fade_at: None,
            lost: None,
            crystal: None,
            reopen_at: None,
            reopen_after: REOPEN_FIRST,
            stats_at: None,
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
        let stream = self.ports.dac.open(make_renderer, fault_sender)?;
        let send_to_loader = Arc::clone(&self.ports.send_to_loader);
        let rate_hz = stream.format().rate_hz;
        let name = self.ports.dac.name();
        let crystal = self.crystal.as_ref().filter(|known| (&known.0, known.1) == (&name, rate_hz));
        let feeder = Feeder::new(self.program.clone(), feeder_ends, rate_hz, send_to_loader)
            .with_crystal(crystal.map(|(_, _, crystal)| crystal.after_reopening()));
        Ok(Output { stream, feeder, faults, pulse: Pulse::default(), opened: self.ports.clocks.raw() })
    }

    fn reopen(&mut self, now: Instant<Raw>) {
        match self.open() {
            Ok(opened) => {
                // Its frames are counted from 0.
                self.shared.fade_from_frame.store(u64::MAX, Ordering::Release);
                self.output = Some(opened);
            }
            Err(error) => {
                log::debug!("{error}");
                self.reopen_after = (self.reopen_after * 2).min(REOPEN_LAST);
                self.reopen_at = Some(now + self.reopen_after);
            }
        }
    }

    fn lose(&mut self, error: DacError) {
        let was_there = self.lost.is_none();
        // First, as closing a device that hangs takes a while. What is known is not repeated.
        if self.lost.as_ref() != Some(&error) {
            (self.ports.report)(Event::DeviceLost(error.clone()));
            self.lost = Some(error);
        }
        if let Some(output) = self.output.take() {
            let rate_hz = output.stream.format().rate_hz;
            let crystal = output.feeder.crystal();
            self.crystal = crystal.map(|crystal| (self.ports.dac.name(), rate_hz, crystal));
        }
        self.reopen_at = Some(self.ports.clocks.raw() + self.reopen_after);
        let last = if was_there { REOPEN_LAST } else { REOPEN_LAST_FAULTY };
        self.reopen_after = (self.reopen_after * 2).min(last);
        self.ports.time.allow_steps(true);
        self.hear(Hearing::Nothing);
    }

    /// Steps the feeder, and passes on its events.
    fn feed(&mut self, now: Instant<Raw>) {
        let utc = self.utc();
        let Some(output) = &mut self.output else { return };
        for event in output.feeder.step(now, &utc) {
            (self.ports.report)(Event::Feeder(event));
        }
        let stats = output.feeder.stats();
        let format = output.stream.format();
        let is_open_for = if stats.phase_sigma_ns.is_finite() { now - output.opened } else { Span::ZERO };
        let hearing = output.feeder.hearing();
        let mut fault = output.faults.try_recv().ok();
        if output.pulse.is_lost(self.shared.buffers.load(Ordering::Relaxed), now) {
            let reason = "it takes no more sound".to_owned();
            fault = fault.or_else(|| Some(DacError::Unavailable { name: self.ports.dac.name(), reason }));
        }
        self.ports.time.allow_steps(stats.playing.is_none());
        self.hear(hearing);
        self.report_stats(stats, format, &utc);
        if is_open_for > WORKS_AFTER {
            self.reopen_after = REOPEN_FIRST;
        }
        if is_open_for > THERE_AFTER && self.lost.take().is_some() {
            (self.ports.report)(Event::DeviceBack);
        }
        if let Some(fault) = fault {
            self.lose(fault);
        }
    }

    /// Begins what comes next, once the last sound has left the device.
    fn finish_fading(&mut self, now: Instant<Raw>) {
        let Some(fading) = &self.fading else { return };
        if let Some(output) = self.output.as_ref().filter(|_| self.program.is_some()) {
            let silent_from = self.shared.silent_from_frame.load(Ordering::Acquire);
            let is_over = || output.feeder.heard(silent_from).is_none_or(|heard| heard < now);
            if !(silent_from > 0 && is_over()) && now <= fading.given_up {
                return;
            }
        }
        let Some(Fading { next, reports_stopped, .. }) = self.fading.take() else { return };
        self.program = next;
        if let Some(output) = &mut self.output {
            output.feeder.set_program(self.program.clone());
        }
        self.fade_at = None;
        self.shared.fade_from_frame.store(u64::MAX, Ordering::Release);
        self.shared.fade_out.store(false, Ordering::Release);
        self.ports.time.allow_steps(true);
        if reports_stopped {
            (self.ports.report)(Event::Stopped(self.utc().apply(now)));
        }
    }

    /// Has the renderer fade out on the frame that is heard at the instant that was named. Once
    /// that is near, it does not move with the model of the device's clock.
    fn plan_fade(&self, now: Instant<Raw>) {
        let Some(at) = self.fade_at.filter(|_| self.fading.is_none()) else { return };
        let utc = self.utc();
        let planned = self.shared.fade_from_frame.load(Ordering::Acquire);
        let is_near = at - utc.apply(now) < FADE_FIXED;
        if (is_near && planned != u64::MAX) || self.program.is_none() {
            return;
        }
        if let Some(frame) = self.output.as_ref().and_then(|output| output.feeder.frame_at(at, now, &utc)) {
            self.shared.silent_from_frame.store(0, Ordering::Release);
            self.shared.fade_from_frame.store(frame, Ordering::Release);
        }
    }

    /// Reports what is heard, if that has changed.
    fn hear(&mut self, hearing: Hearing) {
        if self.hearing != hearing {
            self.hearing = hearing;
            (self.ports.report)(Event::Hearing(hearing));
        }
    }

    fn utc(&self) -> ClockMap<Raw, Utc> {
        self.ports.time.estimate().utc
    }

    /// Reports the figures every second, on whole seconds of UTC, so that the lines of several
    /// boxes can be compared side by side.
    fn report_stats(&mut self, stats: FeederStats, format: StreamFormat, map: &ClockMap<Raw, Utc>) {
        let now = self.ports.clocks.raw();
        if self.stats_at.is_some_and(|stats_at| now < stats_at) {
            return;
        }
        let utc = map.apply(now);
        let next = map.inverse().apply(Instant::from_second(utc.second().saturating_add(1)));
        // A step of UTC must not silence the statistics.
        self.stats_at = Some(next.min(now + Span::SECOND * 2));
        (self.ports.report)(Event::Stats { feeder: stats, format, utc });
    }
}

impl Task for PlayerTask {
    type Command = PlayerCommand;

    fn command(&mut self, command: PlayerCommand) {
        let (next, stops) = match command {
            PlayerCommand::Play(program) => (Some(Arc::new(program)), false),
            PlayerCommand::Stop => (None, true),
            PlayerCommand::FadeAt(at) => {
                self.fade_at = at;
                if self.fading.is_none() {
                    self.shared.fade_from_frame.store(u64::MAX, Ordering::Release);
                }
                return;
            }
        };
        match &mut self.fading {
            Some(fading) => {
                fading.next = next;
                fading.reports_stopped |= stops;
            }
            None => {
                let is_audible = self.program.is_some() && self.output.is_some();
                let now = self.ports.clocks.raw();
                let given_up = if is_audible { now + FADE_PATIENCE } else { now };
                // What was planned for this instant is under way, or with the device.
                let is_planned = self.shared.fade_from_frame.load(Ordering::Acquire) != u64::MAX
                    && self.fade_at.is_some_and(|at| at <= self.utc().apply(now) + COMMANDED_EARLY);
                if is_audible && !is_planned {
                    self.shared.silent_from_frame.store(0, Ordering::Release);
                    self.shared.fade_out.store(true, Ordering::Release);
                }
                self.fading = Some(Fading { given_up, next, reports_stopped: stops });
            }
        }
    }

    fn step(&mut self) -> Duration {
        let now = self.ports.clocks.raw();
        if self.output.is_none() && self.reopen_at.is_none_or(|reopen_at| now >= reopen_at) {
            self.reopen(now);
        }
        self.feed(now);
        self.plan_fade(now);
        self.finish_fading(now);
        let until_reopen = || self.reopen_at.and_then(|reopen_at| (reopen_at - now).to_duration()).unwrap_or_default();
        match (&self.fading, &self.output) {
            (Some(_), _) => FADE_STEP,
            (None, Some(output)) => output.feeder.rest(),
            (None, None) => until_reopen(),
        }
    }

    fn end(&mut self) {
        self.command(PlayerCommand::Stop);
    }

    fn has_ended(&self) -> bool {
        self.fading.is_none()
    }
}
