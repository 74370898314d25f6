//! The real thing: a device of ALSA's.

use alsa::pcm::{Access, Format, HwParams, PCM, State, TstampType};
use alsa::poll::Descriptors;
use alsa::{Direction, ValueOr};
use jaudiosync_time::{Instant, Raw, Span};

use super::agreement::{Request, agree};
use super::encoding::Encoding;
use super::pcm::{Granted, HardwarePosition, Pair, Pcm, PcmError, Position};
use super::sync_ptr::KernelPosition;
use crate::clocks::{Clocks, MachineClocks};
use crate::dac::CHANNELS;

/// A device of ALSA's that was opened.
pub struct KernelPcm {
    pcm: PCM,
    granted: Granted,
    /// Whether it is hardware without any of ALSA's plugins, whose positions are their own.
    is_hardware: bool,
    /// `None` where the kernel cannot be asked.
    kernel: Option<KernelPosition>,
    /// Frames since the device was prepared.
    written: u64,
}

impl KernelPcm {
    /// Opens a device by ALSA's name. Formats that only ALSA's plugins take are used if nothing
    /// else is.
    ///
    /// # Errors
    /// When it does not exist, is busy, or takes none of the formats.
    pub fn open(name: &str, buffer_ms: u32) -> Result<Self, alsa::Error> {
        // Not blocking: a busy device is an error, and a full buffer takes 0 frames.
        let pcm = PCM::new(name, Direction::Playback, true)?;
        let granted = agree(buffer_ms, |request| set(&pcm, request))
            .map_err(|refusal| refusal.unwrap_or_else(|| alsa::Error::unsupported("snd_pcm_hw_params")))?;
        Self::with(pcm, granted, name.starts_with("hw:"))
    }

    fn with(pcm: PCM, granted: Granted, is_hardware: bool) -> Result<Self, alsa::Error> {
        let boundary = set_wake_ups(&pcm, &granted)?;
        let descriptors = if is_hardware { pcm.get()? } else { Vec::new() };
        let kernel = match descriptors.as_slice() {
            [one] => KernelPosition::new(one.fd, u64::try_from(boundary).unwrap_or(0)),
            _ => None,
        };
        Ok(Self { pcm, granted, is_hardware, kernel, written: 0 })
    }
}

/// Sets up a device as requested, or near that.
fn set(pcm: &PCM, request: &Request) -> alsa::Result<Granted> {
    let &Request { rate_hz, encoding, period_frames, buffer_frames } = request;
    let params = HwParams::any(pcm)?;
    // A resampler of ALSA's would be one more, and its position another.
    params.set_rate_resample(false)?;
    params.set_access(Access::RWInterleaved)?;
    params.set_format(format(encoding))?;
    params.set_channels(CHANNELS as u32)?;
    params.set_rate(rate_hz, ValueOr::Nearest)?;
    let period = params.set_period_size_near(period_frames as i64, ValueOr::Nearest)?;
    let buffer = params.set_buffer_size_near(buffer_frames as i64)?;
    pcm.hw_params(&params)?;
    let positive = |frames: i64| usize::try_from(frames).unwrap_or(0).max(1);
    Ok(Granted { rate_hz, encoding, period_frames: positive(period), buffer_frames: positive(buffer) })
}

/// Has the device wake its program every period, start only when it is told to, and stamp its
/// positions on the raw clock. Returns where its positions start again from 0.
fn set_wake_ups(pcm: &PCM, granted: &Granted) -> alsa::Result<i64> {
    let params = pcm.sw_params_current()?;
    let boundary = params.get_boundary()?;
    params.set_avail_min(granted.period_frames as i64)?;
    params.set_start_threshold(boundary)?;
    params.set_stop_threshold(granted.buffer_frames as i64)?;
    params.set_tstamp_mode(true)?;
    // Plugins may know no other clock than their own; their stamps are then not used.
    if params.set_tstamp_type(TstampType::MonotonicRaw).is_err() {
        log::debug!("this device does not stamp its positions on the raw clock");
    }
    pcm.sw_params(&params)?;
    Ok(boundary)
}

fn format(encoding: Encoding) -> Format {
    match encoding {
        Encoding::S32 => Format::S32LE,
        Encoding::S24 => Format::S24LE,
        Encoding::S24Packed => Format::S243LE,
        Encoding::S16 => Format::S16LE,
        Encoding::F32 => Format::FloatLE,
    }
}

/// What is reported of a card that was pulled out while it played.
const UNPLUGGED: &str = "it is no longer connected";

fn failed(error: alsa::Error) -> PcmError {
    match error.errno() {
        libc::EPIPE | libc::ESTRPIPE => PcmError::Xrun,
        libc::ENODEV => PcmError::Failed(UNPLUGGED.to_owned()),
        errno => PcmError::Failed(std::io::Error::from_raw_os_error(errno).to_string()),
    }
}

impl Pcm for KernelPcm {
    fn granted(&self) -> Granted {
        self.granted
    }

    fn now(&self) -> Instant<Raw> {
        MachineClocks.raw()
    }

    fn wait(&mut self, patience: Span) -> Result<(), PcmError> {
        let ms = patience.whole_ms().clamp(1, 10_000) as u32;
        match self.pcm.wait(Some(ms)) {
            Ok(_) => Ok(()),
            Err(error) if error.errno() == libc::EINTR => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    fn sleep(&mut self, span: Span) {
        if let Some(duration) = span.to_duration() {
            std::thread::sleep(duration);
        }
    }

    fn position(&mut self) -> Result<Position, PcmError> {
        // First, as the question after it makes the kernel read the position anew.
        let noted = self.kernel.as_ref().and_then(|kernel| kernel.read(self.written));
        let asked = self.now();
        let status = self.pcm.status().map_err(failed)?;
        match status.get_state() {
            State::Running | State::Prepared => {}
            State::XRun | State::Suspended => return Err(PcmError::Xrun),
            State::Disconnected => return Err(PcmError::Failed(UNPLUGGED.to_owned())),
            state => return Err(PcmError::Failed(format!("it is {state:?}"))),
        }
        let buffer_frames = self.granted.buffer_frames as i64;
        let room = status.get_avail().clamp(0, buffer_frames);
        if !self.is_hardware {
            let delay_frames = u64::try_from(status.get_delay()).unwrap_or(0);
            return Ok(Position::Estimate { delay_frames, stamp: asked, room_frames: room as u64 });
        }
        let queued = buffer_frames - room;
        let stamp = status.get_htstamp();
        let stamp = Instant::from_second(stamp.tv_sec) + Span::from_ns(stamp.tv_nsec);
        let now = Pair { queued_frames: queued as u64, stamp };
        let in_flight_frames = status.get_delay() - queued;
        Ok(Position::Hardware(HardwarePosition { noted, now, in_flight_frames }))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, PcmError> {
        match self.pcm.io_bytes().writei(bytes) {
            Ok(frames) => {
                self.written += frames as u64;
                Ok(frames)
            }
            Err(error) if matches!(error.errno(), libc::EAGAIN | libc::EINTR) => Ok(0),
            Err(error) => Err(failed(error)),
        }
    }

    fn start(&mut self) -> Result<(), PcmError> {
        self.pcm.start().map_err(failed)
    }

    fn prepare(&mut self) -> Result<(), PcmError> {
        self.written = 0;
        self.pcm.prepare().map_err(failed)
    }
}
