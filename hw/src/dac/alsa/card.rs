//! The thread that plays on a device, and the way to it.
//!
//! The device is opened, played on and closed on a thread of its own, because each of these may
//! take for ever with a card that is being pulled out. Whoever waits for the thread waits for a
//! limited time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::time::Duration;

use super::kernel::KernelPcm;
use super::latency::Hardware;
use super::pcm::{Granted, Pcm};
use super::playback::Playback;
use crate::alsa_messages::quietly;
use crate::dac::{Dac, DacError, DacStream, HardwareLatency, MakeRenderer, Renderer, StreamFormat};
use crate::priority::{RealtimeThread, request_realtime};

/// How long opening a device may take, and closing it.
const PATIENCE: Duration = Duration::from_secs(2);

/// A device of ALSA's, by its name there.
#[derive(Debug, Clone)]
pub struct AlsaCard {
    /// Names to try in this order, all of the same card.
    names: Vec<String>,
    buffer_ms: u32,
    hardware: Hardware,
    card_use: CardUse,
}

/// Whether a thread is inside a driver, or hangs there. Clones are of the same output.
#[derive(Debug, Clone, Default)]
pub struct CardUse(Arc<AtomicBool>);

impl AlsaCard {
    /// Returns the device of this name, such as `hw:CARD=Headphones,DEV=0`, with a buffer of about
    /// this length. If hardware (`hw:`) takes none of the formats, `plughw:` is tried, with a
    /// warning. One that hangs is not opened again until it answers: `card_use` outlives this.
    pub fn new(name: &str, buffer_ms: u32, hardware: Hardware, card_use: CardUse) -> Self {
        let mut names = vec![name.to_owned()];
        if name.starts_with("hw:") {
            names.push(format!("plug{name}"));
        }
        Self { names, buffer_ms, hardware, card_use }
    }

    fn latency(&self, granted: &Granted) -> HardwareLatency {
        self.hardware.latency(granted.encoding, granted.rate_hz)
    }

    fn unavailable(&self, reason: &str) -> DacError {
        DacError::Unavailable { name: self.name(), reason: reason.to_owned() }
    }
}

impl Dac for AlsaCard {
    fn name(&self) -> String {
        self.names.first().cloned().unwrap_or_default()
    }

    fn open(&self, make_renderer: MakeRenderer<'_>, faults: Sender<DacError>) -> Result<Box<dyn DacStream>, DacError> {
        if self.card_use.0.swap(true, Ordering::AcqRel) {
            return Err(self.unavailable("its driver does not answer"));
        }
        let (opened_sender, opened) = sync_channel(1);
        let (renderer_sender, renderer) = sync_channel(1);
        let (ended_sender, ended) = sync_channel(1);
        let is_wanted = Arc::new(AtomicBool::new(true));
        let device = OnItsThread {
            card: self.clone(),
            opened: opened_sender,
            renderer,
            faults,
            is_wanted: Arc::clone(&is_wanted),
        };
        let card_use = self.card_use.clone();
        let run = move || {
            device.run();
            card_use.0.store(false, Ordering::Release);
            let _ = ended_sender.send(());
        };
        if let Err(error) = std::thread::Builder::new().name("sound card".to_owned()).spawn(run) {
            self.card_use.0.store(false, Ordering::Release);
            return Err(self.unavailable(&error.to_string()));
        }
        let granted = match opened.recv_timeout(PATIENCE) {
            Ok(granted) => granted?,
            Err(RecvTimeoutError::Timeout) => {
                is_wanted.store(false, Ordering::Release);
                return Err(self.unavailable("its driver does not answer"));
            }
            Err(RecvTimeoutError::Disconnected) => return Err(self.unavailable("its thread ended")),
        };
        let format = StreamFormat { rate_hz: granted.rate_hz, hardware_latency: self.latency(&granted) };
        let _ = renderer_sender.send(make_renderer(format));
        Ok(Box::new(OpenStream { format, is_wanted, ended }))
    }
}

struct OpenStream {
    format: StreamFormat,
    is_wanted: Arc<AtomicBool>,
    ended: Receiver<()>,
}

impl DacStream for OpenStream {
    fn format(&self) -> StreamFormat {
        self.format
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.is_wanted.store(false, Ordering::Release);
        // A driver that hangs keeps its thread; it is refused until that ends.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

struct OnItsThread {
    card: AlsaCard,
    opened: SyncSender<Result<Granted, DacError>>,
    renderer: Receiver<Box<dyn Renderer>>,
    faults: Sender<DacError>,
    is_wanted: Arc<AtomicBool>,
}

impl OnItsThread {
    fn run(self) {
        let pcm = match quietly(|| self.open()) {
            Ok(pcm) => pcm,
            Err(error) => {
                let _ = self.opened.send(Err(error));
                return;
            }
        };
        let _ = self.opened.send(Ok(pcm.granted()));
        let Ok(renderer) = self.renderer.recv() else { return };
        // The feeder's thread reports whether it was granted: it asks within the same limit.
        let _ = request_realtime(RealtimeThread::Audio);
        let latency = self.card.latency(&pcm.granted());
        let mut playback = Playback::new(pcm, renderer, latency.known);
        let mut result = playback.start();
        while result.is_ok() && self.is_wanted.load(Ordering::Acquire) {
            result = playback.turn();
        }
        if let Err(error) = result {
            // The receiver is gone only when the player is, and then nothing needs to know.
            let _ = self.faults.send(self.card.unavailable(&error.to_string()));
        }
    }

    fn open(&self) -> Result<KernelPcm, DacError> {
        let mut first_error = None;
        for name in &self.card.names {
            match KernelPcm::open(name, self.card.buffer_ms) {
                Ok(pcm) => {
                    let Granted { rate_hz, encoding, period_frames, buffer_frames } = pcm.granted();
                    if first_error.is_some() {
                        log::warn!(
                            "{} takes none of the formats, so ALSA converts: its timing is less exact",
                            self.card.name()
                        );
                    }
                    log::debug!("{name}: {encoding:?}, {rate_hz} Hz, {period_frames} of {buffer_frames} frames");
                    return Ok(pcm);
                }
                Err(error) => {
                    let no_device = matches!(error.errno(), libc::ENOENT | libc::ENODEV);
                    let is_final = no_device || error.errno() == libc::EBUSY;
                    let error = if no_device {
                        DacError::NotFound(name.clone())
                    } else {
                        self.card.unavailable(&std::io::Error::from_raw_os_error(error.errno()).to_string())
                    };
                    first_error.get_or_insert(error);
                    if is_final {
                        break;
                    }
                }
            }
        }
        Err(first_error.unwrap_or_else(|| DacError::NoFormat(self.card.name())))
    }
}
