//! The DAC behind a sound server, PulseAudio or PipeWire, through PulseAudio's own protocol, which
//! nothing outside this folder knows.
//!
//! ALSA's pulse plugin plays there too, but the delay that it reports is extrapolated by libpulse
//! and off by up to 0.4 ms for the first 15 s of a stream. The server's own answers are right from
//! the first one on, and scatter by 0.01 ms.

mod address;
mod connection;
mod stream;
mod timing;

use std::ffi::CString;
use std::sync::mpsc::Sender;

use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    ChannelMap, Command, CreatePlaybackStreamReply, GetSinkInfo, PlaybackStreamParams, Prop, Props, PulseError,
    SampleFormat, SampleSpec, ServerInfo, SinkInfo,
};

use self::address::Address;
use self::connection::{Connection, Failure};
use self::stream::{Feed, ServerStream};
use self::timing::FRAME_BYTES;
use super::{CHANNELS, Dac, DacError, DacStream, HardwareLatency, MakeRenderer, RATES_HZ, StreamFormat};

/// The name of the server as a device.
pub const NAME: &str = "server";

/// The server buffers 1/10 s, in the stream and the sink together, and asks for 1/40 s at a time:
/// it rides out the scheduling delays of a busy machine.
const BUFFERS_PER_S: u32 = 10;
const REQUESTS_PER_S: u32 = 40;

/// The description of a server that does not answer.
const HANGS: &str = "a sound server that does not answer";

/// The sound server that the environment leads to.
#[derive(Debug, Clone)]
pub struct SoundServer {
    description: Option<String>,
}

impl SoundServer {
    /// Makes a DAC of the server, whether or not one is running now.
    pub fn new() -> Self {
        Self { description: None }
    }

    /// Returns the server, if one runs, even if it hangs: what plays on it is to be heard there. None
    /// is started.
    pub fn connectable() -> Option<Self> {
        let address = Address::from_environment();
        match describe(&address) {
            Ok(description) => Some(Self { description: Some(description) }),
            Err(Failure::Silent) => Some(Self { description: Some(HANGS.to_owned()) }),
            Err(failure) => {
                log::debug!("{failure}");
                None
            }
        }
    }

    /// Returns the server's name for itself and the name of the sink, as far as they are known.
    pub fn description(&self) -> &str {
        self.description.as_deref().unwrap_or("sound server")
    }
}

impl Default for SoundServer {
    fn default() -> Self {
        Self::new()
    }
}

impl Dac for SoundServer {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn open(&self, make_renderer: MakeRenderer<'_>, faults: Sender<DacError>) -> Result<Box<dyn DacStream>, DacError> {
        let address = Address::from_environment();
        let open = || -> Result<_, Failure> {
            let mut connection = Connection::open(&address)?;
            let rate_hz = sink_rate_hz(&mut connection, &address)?;
            let created = connection.call(&Command::CreatePlaybackStream(parameters(&address, rate_hz)))?;
            Ok((connection, created))
        };
        let (connection, created): (_, CreatePlaybackStreamReply) = open().map_err(|failure| unavailable(&failure))?;
        let spec = created.sample_spec;
        if spec.format != SampleFormat::Float32Le || usize::from(spec.channels) != CHANNELS || spec.sample_rate == 0 {
            return Err(DacError::NoFormat(NAME.to_owned()));
        }
        let format = StreamFormat { rate_hz: spec.sample_rate, hardware_latency: HardwareLatency::UNKNOWN };
        let feed = Feed {
            connection,
            channel: created.channel,
            format,
            wanted_bytes: created.requested_bytes,
            buffer_frames: (spec.sample_rate / BUFFERS_PER_S) as usize,
            renderer: make_renderer(format),
            faults,
        };
        let stream = ServerStream::start(feed).map_err(|failure| unavailable(&failure))?;
        Ok(Box::new(stream))
    }
}

fn describe(address: &Address) -> Result<String, Failure> {
    let mut connection = Connection::open(address)?;
    let info: ServerInfo = connection.call(&Command::GetServerInfo)?;
    let text = |name: Option<CString>| name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let server = format!("{} {}", text(info.server_name), text(info.server_version));
    // A server whose sink does not exist yet is still the server to wait for.
    let Ok(sink) = sink(&mut connection, address) else { return Ok(server) };
    let sink_text = text(sink.description.filter(|description| !description.is_empty()).or(Some(sink.name)));
    Ok(format!("{server}, {sink_text}"))
}

fn sink(connection: &mut Connection, address: &Address) -> Result<SinkInfo, Failure> {
    let question = GetSinkInfo { index: None, name: Some(address.sink.clone()) };
    connection.call(&Command::GetSinkInfo(question)).map_err(|failure| match failure {
        Failure::Refused(PulseError::NoEntity) => Failure::NoSink(address.sink.to_string_lossy().into_owned()),
        failure => failure,
    })
}

/// Returns the sink's own rate if it is a usual one, so that the server need not resample, and
/// otherwise the best of these.
fn sink_rate_hz(connection: &mut Connection, address: &Address) -> Result<u32, Failure> {
    match sink(connection, address) {
        Ok(SinkInfo { sample_spec: SampleSpec { sample_rate, .. }, .. }) if RATES_HZ.contains(&sample_rate) => {
            Ok(sample_rate)
        }
        // A sink whose description this client does not understand can be played on all the same.
        Ok(_) | Err(Failure::Protocol(_)) => Ok(RATES_HZ[0]),
        Err(failure) => Err(failure),
    }
}

/// Returns the parameters of the stream. The volume is left as the server has it, and the stream
/// may be moved to another sink while it plays.
fn parameters(address: &Address, rate_hz: u32) -> PlaybackStreamParams {
    let bytes = |parts_per_s: u32| rate_hz / parts_per_s * FRAME_BYTES as u32;
    let mut props = Props::new();
    props.set(Prop::MediaName, c"jaudiosync");
    PlaybackStreamParams {
        sample_spec: SampleSpec { format: SampleFormat::Float32Le, channels: CHANNELS as u8, sample_rate: rate_hz },
        channel_map: ChannelMap::stereo(),
        sink_name: Some(address.sink.clone()),
        buffer_attr: BufferAttr {
            target_length: bytes(BUFFERS_PER_S),
            // Playback starts with the first buffer, also after an underflow.
            pre_buffering: bytes(REQUESTS_PER_S),
            minimum_request_length: bytes(REQUESTS_PER_S),
            ..BufferAttr::default()
        },
        cvolume: None,
        props,
        // The buffer includes the sink's.
        flags: StreamFlags { adjust_latency: true, ..StreamFlags::default() },
        ..PlaybackStreamParams::default()
    }
}

fn unavailable(failure: &Failure) -> DacError {
    DacError::Unavailable { name: NAME.to_owned(), reason: failure.to_string() }
}
