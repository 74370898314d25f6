//! The real thing: a device of ALSA's.

use std::ffi::CString;

use alsa::pcm::{Access, Format, Frames, HwParams, PCM, State, TstampType};
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
    /// Opens a device by ALSA's name, unless `is_wanted` changes meanwhile. Formats that only ALSA's
    /// plugins take are used if nothing else is. Returns `None` if it takes none of them.
    ///
    /// # Errors
    /// When it does not exist, is busy, or fails.
    pub fn open(name: &str, buffer_ms: u32, is_wanted: impl Fn() -> bool) -> alsa::Result<Option<Self>> {
        let c_name = CString::new(name).map_err(|_| alsa::Error::new("snd_pcm_open", libc::ENOENT))?;
        // Not blocking: a busy device is an error, and a full buffer takes 0 frames.
        let pcm = PCM::open(&c_name, Direction::Playback, true)?;
        let granted = agree(buffer_ms, |request| match set(&pcm, request) {
            // A device that fails is not asked on: each of a USB card's refusals may take seconds.
            _ if !is_wanted() => Err(alsa::Error::new("snd_pcm_hw_params", libc::ECANCELED)),
            Ok(granted) => Ok(Some(granted)),
            Err(error) if error.errno() == libc::EINVAL => Ok(None),
            Err(error) => Err(error),
        })?;
        granted.map(|granted| Self::with(pcm, granted, name.starts_with("hw:"))).transpose()
    }

    /// Returns whether it is hardware without any of ALSA's plugins.
    pub fn is_hardware(&self) -> bool {
        self.is_hardware
    }

    #[allow(unsafe_code)]
    fn with(pcm: PCM, granted: Granted, is_hardware: bool) -> Result<Self, alsa::Error> {
        let boundary = set_wake_ups(&pcm, &granted)?;
        let descriptors = if is_hardware { pcm.get()? } else { Vec::new() };
        let kernel = match descriptors.as_slice() {
            // SAFETY: the descriptor is the PCM's own, which lives as long as what is made of it.
            [one] => unsafe { KernelPosition::new(one.fd, u64::try_from(boundary).unwrap_or(0)) },
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
    let period = params.set_period_size_near(frames(period_frames), ValueOr::Nearest)?;
    let buffer = params.set_buffer_size_near(frames(buffer_frames))?;
    pcm.hw_params(&params)?;
    let positive = |frames: Frames| usize::try_from(frames).unwrap_or(0).max(1);
    Ok(Granted { rate_hz, encoding, period_frames: positive(period), buffer_frames: positive(buffer) })
}

/// Returns a number of frames as ALSA counts them, in a C `long`.
fn frames(count: usize) -> Frames {
    Frames::try_from(count).unwrap_or(Frames::MAX)
}

/// Has the device wake its program every period, start only when it is told to, and stamp its
/// positions on the raw clock. Returns where its positions start again from 0.
fn set_wake_ups(pcm: &PCM, granted: &Granted) -> alsa::Result<Frames> {
    let params = pcm.sw_params_current()?;
    let boundary = params.get_boundary()?;
    params.set_avail_min(frames(granted.period_frames))?;
    params.set_start_threshold(boundary)?;
    params.set_stop_threshold(frames(granted.buffer_frames))?;
    params.set_tstamp_mode(true)?;
    // Plugins may know no other clock than their own; their stamps are then not used.
    if params.set_tstamp_type(TstampType::MonotonicRaw).is_err() {
        log::debug!("this device does not stamp its positions on the raw clock");
    }
    pcm.sw_params(&params)?;
    Ok(boundary)
}

/// Returns an instant that the kernel has stamped.
#[allow(clippy::useless_conversion, reason = "on 32-bit machines they are narrower")]
pub(super) fn instant(stamp: libc::timespec) -> Instant<Raw> {
    Instant::from_second(i64::from(stamp.tv_sec)) + Span::from_ns(i64::from(stamp.tv_nsec))
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

    #[allow(clippy::useless_conversion, reason = "on 32-bit machines frames are counted in 32 bits")]
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
        let buffer_frames = frames(self.granted.buffer_frames);
        let room = status.get_avail().clamp(0, buffer_frames);
        if !self.is_hardware {
            let delay_frames = u64::try_from(status.get_delay()).unwrap_or(0);
            return Ok(Position::Estimate { delay_frames, stamp: asked, room_frames: room as u64 });
        }
        let queued = buffer_frames - room;
        let now = Pair { queued_frames: queued as u64, stamp: instant(status.get_htstamp()) };
        let in_flight_frames = i64::from(status.get_delay()) - i64::from(queued);
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
