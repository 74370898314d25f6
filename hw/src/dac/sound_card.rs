//! The real DAC: an ALSA device through cpal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, ErrorKind, I24, OutputCallbackInfo, SampleFormat, StreamConfig, SupportedBufferSize};
use jaudiosync_time::{Instant, Raw, Span};

use super::sample_format::{DeviceSample, convert};
use super::{
    BufferTiming, CHANNELS, Dac, DacError, DacStream, HardwareLatency, MakeRenderer, Observed, RATES_HZ, Renderer,
    StreamFormat,
};
use crate::alsa_messages::quietly;
use crate::clocks::{Clocks, MachineClocks};
use crate::priority::{RealtimeThread, request_realtime};

/// Sample formats, best first.
const FORMATS: [SampleFormat; 4] = [SampleFormat::F32, SampleFormat::I32, SampleFormat::I24, SampleFormat::I16];

/// Frames per period to ask for; ALSA may round it, and cpal buffers two periods: some 50 ms, which
/// rides out the scheduling delays of a busy machine. A prime, so that few periods never make a
/// whole number of milliseconds: USB DACs report their delay in steps of 1 ms, so every period sees
/// another part of the step, and the mean is unbiased.
const PERIOD_FRAMES: u32 = 1193;

/// Calls of the renderer whose timing is predicted and not measured, at the start and after every
/// xrun: the device is not running yet while its two periods are filled.
const PREDICTED_BUFFERS: u32 = 3;

/// A sound card, by name.
#[derive(Debug, Clone)]
pub struct SoundCard {
    name: Option<String>,
}

/// What cpal reports of a device: the name to choose it by, such as
/// `plughw:CARD=Headphones,DEV=0`, and what it calls itself.
struct Described {
    id: String,
    description: String,
}

fn info(device: &cpal::Device) -> Described {
    Described {
        id: device.id().map_or_else(|_| "unknown".to_owned(), |id| id.id().to_owned()),
        description: device.description().map_or_else(|_| String::new(), |text| text.name().to_owned()),
    }
}

impl SoundCard {
    /// Returns the card of this id (or with this text in its description, ignoring case), or the
    /// system's default.
    pub fn new(name: Option<String>) -> Self {
        Self { name: name.filter(|name| name != "default") }
    }

    fn find(&self) -> Result<cpal::Device, DacError> {
        let host = cpal::default_host();
        let Some(name) = &self.name else {
            return host.default_output_device().ok_or_else(|| DacError::NotFound("default".to_owned()));
        };
        let devices: Vec<_> =
            host.devices().map_err(|error| unavailable(name, &error))?.filter(DeviceTrait::supports_output).collect();
        let wanted = name.to_lowercase();
        let by_id = devices.iter().find(|device| info(device).id == *name);
        // A plain name such as `Headphones` means the card; plughw takes any rate and format.
        let by_card = devices.iter().find(|device| {
            let id = info(device).id.to_lowercase();
            id.starts_with("plughw:") && id.contains(&format!("card={wanted},"))
        });
        let by_description = devices.iter().find(|device| info(device).description.to_lowercase().contains(&wanted));
        by_id.or(by_card).or(by_description).cloned().ok_or_else(|| DacError::NotFound(name.clone()))
    }
}

impl Dac for SoundCard {
    fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| "default".to_owned())
    }

    fn open(&self, make_renderer: MakeRenderer<'_>, faults: Sender<DacError>) -> Result<Box<dyn DacStream>, DacError> {
        quietly(|| self.open_device(make_renderer, faults))
    }
}

impl SoundCard {
    fn open_device(
        &self,
        make_renderer: MakeRenderer<'_>,
        faults: Sender<DacError>,
    ) -> Result<Box<dyn DacStream>, DacError> {
        let name = self.name();
        let device = self.find()?;
        let (config, sample_format) = choose_config(&device, &name)?;
        let format = StreamFormat { rate_hz: config.sample_rate, hardware_latency: HardwareLatency::UNKNOWN };
        let renderer = make_renderer(format);
        let opening = Opening { device, config, renderer, faults, name: name.clone() };
        let stream = match sample_format {
            SampleFormat::F32 => opening.build::<f32>(),
            SampleFormat::I32 => opening.build::<i32>(),
            SampleFormat::I24 => opening.build::<I24>(),
            _ => opening.build::<i16>(),
        }?;
        stream.play().map_err(|error| unavailable(&name, &error))?;
        Ok(Box::new(OpenStream { _stream: stream, format }))
    }
}

struct OpenStream {
    _stream: cpal::Stream,
    format: StreamFormat,
}

impl DacStream for OpenStream {
    fn format(&self) -> StreamFormat {
        self.format
    }
}

/// Chooses the best rate and sample format of a device, for two channels.
fn choose_config(device: &cpal::Device, name: &str) -> Result<(StreamConfig, SampleFormat), DacError> {
    let offers: Vec<_> = device
        .supported_output_configs()
        .map_err(|error| unavailable(name, &error))?
        .filter(|offer| usize::from(offer.channels()) == CHANNELS)
        .collect();
    for rate_hz in RATES_HZ {
        for sample_format in FORMATS {
            let fits = |offer: &&cpal::SupportedStreamConfigRange| {
                offer.sample_format() == sample_format
                    && (offer.min_sample_rate()..=offer.max_sample_rate()).contains(&rate_hz)
            };
            if let Some(offer) = offers.iter().find(fits) {
                let period_frames = match offer.buffer_size() {
                    SupportedBufferSize::Range { min, max } => PERIOD_FRAMES.max(*min).min(*max),
                    SupportedBufferSize::Unknown => PERIOD_FRAMES,
                };
                let config = StreamConfig {
                    channels: CHANNELS as u16,
                    sample_rate: rate_hz,
                    buffer_size: BufferSize::Fixed(period_frames),
                };
                return Ok((config, sample_format));
            }
        }
    }
    Err(DacError::NoFormat(name.to_owned()))
}

struct Opening {
    device: cpal::Device,
    config: StreamConfig,
    renderer: Box<dyn Renderer>,
    faults: Sender<DacError>,
    name: String,
}

impl Opening {
    fn build<T: DeviceSample>(self) -> Result<cpal::Stream, DacError> {
        let Self { device, config, mut renderer, faults, name } = self;
        let xruns = Arc::new(AtomicU64::new(0));
        let xruns_seen_by_errors = Arc::clone(&xruns);
        let error_name = name.clone();
        let mut timing = TimingFilter::default();
        // Allocated here, so that the callback never allocates: no period is longer than this.
        let mut floats = vec![0.0_f32; CHANNELS * config.sample_rate as usize];
        let mut has_asked = false;
        let data = move |output: &mut [T], info: &OutputCallbackInfo| {
            // Once, before the first sound, as the thread is cpal's own. The feeder's thread
            // reports whether it was granted: it asks within the same limit, and may log.
            if !std::mem::replace(&mut has_asked, true) {
                let _ = request_realtime(RealtimeThread::Audio);
            }
            let timing = timing.read(info, xruns.load(Ordering::Relaxed));
            for part in output.chunks_mut(floats.len()) {
                let floats = &mut floats[..part.len()];
                renderer.render(timing, floats);
                convert(floats, part);
            }
        };
        let errors = move |error: cpal::Error| match error.kind() {
            ErrorKind::Xrun => {
                xruns_seen_by_errors.fetch_add(1, Ordering::Relaxed);
            }
            // Being denied real-time, or following another default device, does not end the stream.
            ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged => {}
            // The receiver is gone only when the player is, and then nothing needs to know.
            _ => _ = faults.send(unavailable(&error_name, &error)),
        };
        device.build_output_stream(config, data, errors, None).map_err(|error| unavailable(&name, &error))
    }
}

/// Turns cpal's timestamps into observations, and separates measured ones from predicted ones.
#[derive(Default)]
struct TimingFilter {
    xruns: u64,
    buffers_since_start: u32,
    origin: Option<Origin>,
}

impl TimingFilter {
    /// Takes the timing of a buffer. cpal reports `playback = callback + delay`, where `callback`
    /// is the kernel's own stamp of the position, on a clock of private origin.
    fn read(&mut self, info: &OutputCallbackInfo, xruns: u64) -> BufferTiming {
        if xruns != self.xruns {
            *self = Self { xruns, buffers_since_start: 0, origin: self.origin };
        }
        let raw = MachineClocks.raw();
        let timestamp = info.timestamp();
        let stamped = Span::from_ns(i64::try_from(timestamp.callback.as_nanos()).unwrap_or(i64::MAX));
        let origin = self.origin.get_or_insert(Origin(raw - stamped));
        let callback = origin.learn(raw, stamped) + stamped;
        let delay = timestamp.playback.duration_since(timestamp.callback);
        let measured = self.buffers_since_start >= PREDICTED_BUFFERS;
        self.buffers_since_start = self.buffers_since_start.saturating_add(1);
        let heard = callback + Span::from_duration(delay);
        BufferTiming { raw, observed: measured.then_some(Observed { frames_before: 0, heard }), xruns }
    }
}

/// What the raw clock showed when cpal's showed 0. Each reading of the raw clock comes later than
/// the stamp that it is compared with, so the earliest is the truest.
#[derive(Debug, Clone, Copy)]
struct Origin(Instant<Raw>);

impl Origin {
    /// By how much it is let go forwards with every buffer, in case that cpal's clock is another
    /// one than the raw clock, and drifts.
    const LEAK: Span = Span::MICROSECOND;

    fn learn(&mut self, raw: Instant<Raw>, stamped: Span) -> Instant<Raw> {
        self.0 = (self.0 + Self::LEAK).min(raw - stamped);
        self.0
    }
}

fn unavailable(name: &str, error: &cpal::Error) -> DacError {
    DacError::Unavailable { name: name.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_readings_of_the_raw_clock_do_not_move_the_origin() {
        let mut random = fastrand::Rng::with_seed(1);
        let truth = Instant::from_second(1000);
        let mut origin = Origin(truth + Span::from_ms(5));
        let mut worst = Span::ZERO;
        for buffer in 0..10_000 {
            let stamped = Span::from_ms(25) * buffer;
            // Up to 0.2 ms late, and now and then 5 ms.
            let burst = if random.u8(..10) == 0 { Span::from_us(random.i64(0..5000)) } else { Span::ZERO };
            let late = Span::from_us(random.i64(0..200)) + burst;
            let learnt = origin.learn(truth + stamped + late, stamped);
            if buffer > 100 {
                worst = worst.max((learnt - truth).abs());
            }
        }
        assert!(worst < Span::from_us(60), "{worst:?}");
    }
}
