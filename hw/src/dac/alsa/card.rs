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
    /// Returns the device of the first of these names, such as `hw:CARD=Headphones,DEV=0`, with a
    /// buffer of about this length. If it takes none of the formats, the next name is tried, with a
    /// warning. One that hangs is not opened again until it answers: `card_use` outlives this.
    pub fn new(names: Vec<String>, buffer_ms: u32, hardware: Hardware, card_use: CardUse) -> Self {
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::dac::BufferTiming;

    struct Silence;

    impl Renderer for Silence {
        fn render(&mut self, _: BufferTiming, output: &mut [f32]) {
            output.fill(0.0);
        }
    }

    struct Faulty;

    impl Renderer for Faulty {
        fn render(&mut self, _: BufferTiming, _: &mut [f32]) {
            panic!("a fault of the renderer's");
        }
    }

    /// Opens a device and returns the fault that ends its stream.
    fn fault_of(card: &AlsaCard, renderer: Box<dyn Renderer>) -> String {
        let (sender, faults) = channel();
        let _stream = card.open(Box::new(|_| renderer), sender).unwrap();
        faults.recv_timeout(Duration::from_secs(60)).unwrap().to_string()
    }

    fn card(name: &str) -> AlsaCard {
        AlsaCard::new(vec![name.to_owned()], 50, Hardware::default(), CardUse::default())
    }

    #[test]
    fn a_device_that_takes_everything_at_once_is_closed_and_can_be_opened_again() {
        let card = card("null");
        for _ in 0..2 {
            let fault = fault_of(&card, Box::new(Silence));
            assert!(fault.contains("faster than it can play it"), "{fault}");
        }
    }

    #[test]
    fn a_fault_on_its_thread_is_reported_and_leaves_the_device_usable() {
        let card = card("null");
        let fault = fault_of(&card, Box::new(Faulty));
        assert!(fault.contains("died of a fault"), "{fault}");
        assert!(fault_of(&card, Box::new(Silence)).contains("faster"));
    }

    #[test]
    fn a_name_that_no_device_has_is_an_error() {
        for name in ["x:\0", "hw:CARD=Nowhere,DEV=0"] {
            let opened = card(name).open(Box::new(|_| Box::new(Silence)), channel().0);
            assert!(matches!(opened.err(), Some(DacError::NotFound(_))), "{name:?}");
        }
    }

    #[test]
    fn a_device_that_hangs_is_refused_until_it_answers() {
        let card_use = CardUse::default();
        let hangs = card_use.begin("null".to_owned());
        let card = AlsaCard::new(vec!["null".to_owned()], 50, Hardware::default(), card_use.clone());
        let error = card.open(Box::new(|_| Box::new(Silence)), channel().0).err().unwrap().to_string();
        assert!(error.contains("does not answer"), "{error}");
        let other = AlsaCard::new(vec!["default".to_owned()], 50, Hardware::default(), card_use.clone());
        assert!(card_use.begin(other.name()).is_some(), "another is not refused");
        drop(hangs);
        assert!(fault_of(&card, Box::new(Silence)).contains("faster"));
    }
}
