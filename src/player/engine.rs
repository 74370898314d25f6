//! Opens the sound card, keeps the feeder running on a thread of its own, and opens the card again when it goes away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use jaudiosync_hw::clocks::{Clocks, NS_PER_S};
use jaudiosync_hw::dac::{Dac, DacError, DacStream};

use super::feeder::{Feeder, FeederEvent, FeederStats, Program};
use super::renderer::RingRenderer;
use super::ring::{Shared, channel};
use crate::timekeeping::Timescale;
use crate::timekeeping::source::UtcSource;

/// How often the feeder looks around: a tenth of what it looks ahead.
const STEP: Duration = Duration::from_millis(40);

/// A device that went away is tried again after this long, twice as long each time, up to the last.
const REOPEN_FIRST: Duration = Duration::from_millis(100);
const REOPEN_LAST: Duration = Duration::from_secs(2);

/// A device that faded out is closed after this long even if it does not say that it is silent.
const FADE_PATIENCE_NS: i64 = NS_PER_S;

/// What the engine tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The feeder has something to tell.
    Feeder(FeederEvent),
    /// Once a second: the numbers, and UTC in ns.
    Stats(FeederStats, i64),
    /// The sound card went away; it is looked for until it is back.
    DeviceLost(DacError),
    /// The sound card is back.
    DeviceBack,
    /// The sound has faded out and the card is closed, at this UTC in ns.
    Stopped(i64),
}

/// Where events go.
pub type Tell = Box<dyn Fn(Event) + Send>;

/// A running player.
pub struct Engine {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Opens the device and plays the program, and tells what happens.
    ///
    /// # Errors
    /// When the device cannot be opened now. Later it is waited for.
    pub fn start(
        dac: Box<dyn Dac>,
        clocks: Arc<dyn Clocks>,
        time: Arc<dyn UtcSource>,
        program: Program,
        tell: Tell,
    ) -> Result<Self, DacError> {
        let (stop, stopped) = mpsc::channel();
        let player = Player {
            dac,
            clocks,
            program: Arc::new(program),
            shared: Arc::new(Shared::default()),
            time,
            tell,
            next_stats_raw_ns: 0,
        };
        let output = player.open()?;
        let thread = std::thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || player.run(output, &stopped))
            .map_err(|error| DacError::Unavailable { name: "feeder".to_owned(), reason: error.to_string() })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Fades out and closes the device; [`Event::Stopped`] tells when that is done.
    pub fn stop(&self) {
        // A player that has ended by itself needs no telling.
        let _ = self.stop.send(());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed by the panic hook.
            let _ = thread.join();
        }
    }
}

/// An open device and the feeder that belongs to it. The stream is dropped first, so the renderer never outlives it.
struct Output {
    stream: Box<dyn DacStream>,
    feeder: Feeder,
    faults: Receiver<DacError>,
}

struct Player {
    dac: Box<dyn Dac>,
    clocks: Arc<dyn Clocks>,
    program: Arc<Program>,
    shared: Arc<Shared>,
    time: Arc<dyn UtcSource>,
    tell: Tell,
    next_stats_raw_ns: i64,
}

impl Player {
    fn open(&self) -> Result<Output, DacError> {
        let (fault_sender, faults) = mpsc::channel();
        let (feeder_ends, renderer_ends) = channel(Arc::clone(&self.shared));
        let make_renderer = Box::new(move |format| -> Box<dyn jaudiosync_hw::dac::Renderer> {
            Box::new(RingRenderer::new(renderer_ends, format))
        });
        let stream = self.dac.open(make_renderer, fault_sender)?;
        let feeder = Feeder::new(Arc::clone(&self.program), feeder_ends, stream.format().rate_hz);
        Ok(Output { stream, feeder, faults })
    }

    fn run(mut self, output: Output, stop: &Receiver<()>) {
        let mut output = Some(output);
        let mut wait = STEP;
        let mut reopen_after = REOPEN_FIRST;
        loop {
            match stop.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return self.fade_out(output),
            }
            wait = STEP;
            let timescale = self.timescale();
            if let Some(playing) = &mut output {
                for event in playing.feeder.step(self.clocks.raw_ns(), &timescale) {
                    (self.tell)(Event::Feeder(event));
                }
                let stats = playing.feeder.stats();
                self.time.allow_steps(stats.playing.is_none());
                if stats.phase_sigma_ns.is_finite() {
                    reopen_after = REOPEN_FIRST;
                }
                self.tell_stats(stats, &timescale);
                if let Ok(fault) = playing.faults.try_recv() {
                    output = None;
                    (self.tell)(Event::DeviceLost(fault));
                    wait = reopen_after;
                }
            } else {
                match self.open() {
                    Ok(opened) => {
                        output = Some(opened);
                        (self.tell)(Event::DeviceBack);
                    }
                    Err(error) => {
                        log::debug!("{error}");
                        reopen_after = (reopen_after * 2).min(REOPEN_LAST);
                        wait = reopen_after;
                    }
                }
            }
        }
    }

    fn timescale(&self) -> Timescale {
        self.time.estimate().timescale
    }

    /// Once a second, on whole seconds of UTC, so that the lines of several boxes can be laid side by side.
    fn tell_stats(&mut self, stats: FeederStats, timescale: &Timescale) {
        let now_raw_ns = self.clocks.raw_ns();
        if now_raw_ns < self.next_stats_raw_ns {
            return;
        }
        let utc_ns = timescale.utc_ns(now_raw_ns);
        let next_utc_ns = (utc_ns.div_euclid(NS_PER_S) + 1) * NS_PER_S;
        self.next_stats_raw_ns = timescale.raw_ns(next_utc_ns);
        (self.tell)(Event::Stats(stats, utc_ns));
    }

    /// Lets the renderer fade out, and closes the device once the last sound has left it.
    fn fade_out(self, output: Option<Output>) {
        if let Some(mut output) = output {
            self.shared.fade_out.store(true, Ordering::Release);
            let given_up_raw_ns = self.clocks.raw_ns() + FADE_PATIENCE_NS;
            loop {
                let now_raw_ns = self.clocks.raw_ns();
                let timescale = self.timescale();
                output.feeder.step(now_raw_ns, &timescale);
                let silent_from = self.shared.silent_from_frame.load(Ordering::Acquire);
                let is_silent = silent_from > 0 && output.feeder.heard_raw_ns(silent_from) < now_raw_ns;
                if is_silent || now_raw_ns > given_up_raw_ns {
                    break;
                }
                // There is no event to wait for: a device does not tell when a frame is heard.
                std::thread::sleep(Duration::from_millis(2));
            }
            drop(output.stream);
        }
        self.time.allow_steps(true);
        let now_raw_ns = self.clocks.raw_ns();
        let utc_ns = self.timescale().utc_ns(now_raw_ns);
        (self.tell)(Event::Stopped(utc_ns));
    }
}
