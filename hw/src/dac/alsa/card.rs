//! The thread that plays on a device, and the way to it.
//!
//! The device is opened, played on and closed on a thread of its own, because each of these may
//! take for ever with a card that is being pulled out. Whoever waits for the thread waits for a
//! limited time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::kernel::KernelPcm;
use super::latency::{Feed, Hardware};
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

/// The devices in whose drivers a thread is, or hangs. Clones are of the same program.
#[derive(Debug, Clone, Default)]
pub struct CardUse(Arc<Mutex<BTreeSet<String>>>);

/// A device that is in use, until this is dropped.
struct InUse {
    card_use: CardUse,
    name: String,
}

impl CardUse {
    /// Notes that a device is in use; `None` if it is already.
    fn begin(&self, name: String) -> Option<InUse> {
        let is_new = self.devices().insert(name.clone());
        is_new.then(|| InUse { card_use: self.clone(), name })
    }

    fn devices(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.card_use.devices().remove(&self.name);
    }
}

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

    /// Returns what is known of the hardware's latency, as it was opened: behind ALSA's plugins its
    /// format is not known.
    fn latency(&self, pcm: &KernelPcm) -> HardwareLatency {
        let Granted { encoding, rate_hz, .. } = pcm.granted();
        let feed = if pcm.is_hardware() { self.hardware.feed } else { Feed::Unknown };
        Hardware { feed, ..self.hardware }.latency(encoding, rate_hz)
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
        let Some(in_use) = self.card_use.begin(self.name()) else {
            return Err(self.unavailable("its driver does not answer"));
        };
        let (opened_sender, opened) = sync_channel(1);
        let (renderer_sender, renderer) = sync_channel(1);
        let (ended_sender, ended) = sync_channel::<()>(1);
        let is_wanted = Arc::new(AtomicBool::new(true));
        let device = OnItsThread {
            card: self.clone(),
            opened: opened_sender,
            renderer,
            faults,
            is_wanted: Arc::clone(&is_wanted),
        };
        let run = move || {
            // Both are dropped even if the thread panics.
            let _ended = ended_sender;
            let _in_use = in_use;
            device.run();
        };
        if let Err(error) = std::thread::Builder::new().name("sound card".to_owned()).spawn(run) {
            return Err(self.unavailable(&error.to_string()));
        }
        let format = match opened.recv_timeout(PATIENCE) {
            Ok(format) => format?,
            Err(RecvTimeoutError::Timeout) => {
                is_wanted.store(false, Ordering::Release);
                return Err(self.unavailable("its driver does not answer"));
            }
            Err(RecvTimeoutError::Disconnected) => return Err(self.unavailable("its thread ended")),
        };
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
        // A driver that hangs keeps its thread; it is refused until that ends. An end is the sender's.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

struct OnItsThread {
    card: AlsaCard,
    opened: SyncSender<Result<StreamFormat, DacError>>,
    renderer: Receiver<Box<dyn Renderer>>,
    faults: Sender<DacError>,
    is_wanted: Arc<AtomicBool>,
}

impl OnItsThread {
    fn run(&self) {
        let pcm = match quietly(|| self.open()) {
            Ok(pcm) => pcm,
            Err(error) => {
                let _ = self.opened.send(Err(error));
                return;
            }
        };
        let latency = self.card.latency(&pcm);
        let format = StreamFormat { rate_hz: pcm.granted().rate_hz, hardware_latency: latency };
        let _ = self.opened.send(Ok(format));
        let Ok(renderer) = self.renderer.recv() else { return };
        // The feeder's thread reports whether it was granted: it asks within the same limit.
        let _ = request_realtime(RealtimeThread::Audio);
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
        let mut refused = None;
        for name in &self.card.names {
            let opened = KernelPcm::open(name, self.card.buffer_ms, || self.is_wanted.load(Ordering::Acquire));
            if let Some(pcm) = opened.map_err(|error| self.failed(name, &error))? {
                let Granted { rate_hz, encoding, period_frames, buffer_frames } = pcm.granted();
                if let Some(refused) = refused {
                    log::warn!(
                        "{refused} takes no stereo as the player has it, so ALSA converts: its timing is less exact"
                    );
                }
                log::debug!("{name}: {encoding:?}, {rate_hz} Hz, {period_frames} of {buffer_frames} frames");
                return Ok(pcm);
            }
            refused = Some(name);
        }
        Err(DacError::NoFormat(self.card.name()))
    }

    fn failed(&self, name: &str, error: &alsa::Error) -> DacError {
        match error.errno() {
            libc::ENOENT | libc::ENODEV => DacError::NotFound(name.to_owned()),
            libc::EBUSY => self.card.unavailable("another program plays on it"),
            // `ENOTSUPP` of the kernel, which is not one of the C library's.
            524 => self.card.unavailable("no screen is connected, or it plays no sound"),
            errno => self.card.unavailable(&std::io::Error::from_raw_os_error(errno).to_string()),
        }
    }
}

impl Drop for OnItsThread {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.faults.send(self.card.unavailable("its thread died of a fault in this program"));
        }
    }
}
