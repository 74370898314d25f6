//! A connection to the private PulseAudio: just enough of its protocol to record with exact times.
//!
//! The protocol is spoken directly because only the raw timing reply contains the data of
//! [`Event::Position`]; `parec` and ALSA's pulse plugin both give a latency that is rounded,
//! extrapolated or stripped of its sign.

use std::ffi::{CStr, CString};
use std::io::{BufReader, Cursor, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

use pulseaudio::protocol::{
    self, AuthParams, AuthReply, ChannelMap, ChannelPosition, ChannelVolume, Command, CommandReply,
    CreateRecordStreamReply, LatencyParams, LookupReply, Prop, Props, RecordLatency, RecordStreamParams, SampleFormat,
    SampleSpec, SetClientNameReply, TagStructReader, stream::BufferAttr, stream::StreamFlags,
};

use crate::error::{Error, Result};
use crate::sink::MOST_BOXES;

/// How long the server may stay silent before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server admits everyone, but requires a cookie of this length all the same.
const COOKIE_BYTES: usize = 256;

/// Bytes of one recorded sample: a 32-bit float.
pub const SAMPLE_BYTES: usize = 4;

/// The channels as [`crate::sink::Sink::channel`] names them.
const POSITIONS: [ChannelPosition; MOST_BOXES] = [
    ChannelPosition::FrontLeft,
    ChannelPosition::FrontRight,
    ChannelPosition::Aux2,
    ChannelPosition::Aux3,
    ChannelPosition::Aux4,
    ChannelPosition::Aux5,
    ChannelPosition::Aux6,
    ChannelPosition::Aux7,
];

/// What the server sends while it records.
pub enum Event {
    /// Raw little-endian f32 samples, one of each channel after another; not necessarily whole
    /// frames.
    Data(Vec<u8>),
    /// The answer to [`Connection::ask_position`].
    Position(RecordLatency),
    /// Anything else.
    Other,
}

/// A client of the private PulseAudio.
pub struct Connection {
    socket: BufReader<UnixStream>,
    version: u16,
    tag: u32,
}

impl Connection {
    /// Connects to the server's socket and introduces this client.
    pub fn open(path: &Path) -> Result<Self> {
        let socket = UnixStream::connect(path).map_err(Error::io("connect to the private PulseAudio"))?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(Error::io("set a timeout"))?;
        let mut connection = Self { socket: BufReader::new(socket), version: protocol::MAX_VERSION, tag: 0 };
        let auth = AuthParams {
            version: protocol::MAX_VERSION,
            supports_shm: false,
            supports_memfd: false,
            cookie: vec![0; COOKIE_BYTES],
        };
        let reply: AuthReply = connection.call(&Command::Auth(auth))?;
        connection.version = protocol::MAX_VERSION.min(reply.version);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, c"jaudiosync-measure");
        let _: SetClientNameReply = connection.call(&Command::SetClientName(props))?;
        Ok(connection)
    }

    /// Fails unless the server has a sink of this name.
    pub fn require_sink(&mut self, name: &str) -> Result<()> {
        let name = CString::new(name).unwrap_or_default();
        let _: LookupReply = self.call(&Command::LookupSink(name))?;
        Ok(())
    }

    /// Begins to record a source of this many channels as f32 without resampling. Returns the
    /// stream's number.
    ///
    /// The source works in blocks of `block_frames`, or of fewer if a player asks for that.
    pub fn record(&mut self, source: &CStr, channels: u8, rate_hz: u32, block_frames: u32) -> Result<u32> {
        let fragment_size = block_frames.saturating_mul(SAMPLE_BYTES as u32 * u32::from(channels));
        let params = RecordStreamParams {
            sample_spec: SampleSpec { format: SampleFormat::Float32Le, channels, sample_rate: rate_hz },
            channel_map: ChannelMap::new(POSITIONS.into_iter().take(channels.into())),
            source_name: Some(source.to_owned()),
            buffer_attr: BufferAttr { fragment_size, ..BufferAttr::default() },
            flags: StreamFlags { adjust_latency: true, no_move: true, ..StreamFlags::default() },
            cvolume: Some(ChannelVolume::norm(channels)),
            ..RecordStreamParams::default()
        };
        let reply: CreateRecordStreamReply = self.call(&Command::CreateRecordStream(params))?;
        Ok(reply.channel)
    }

    /// Asks how far the recording of `channel` has got; the answer comes as [`Event::Position`].
    pub fn ask_position(&mut self, channel: u32) -> Result<()> {
        self.send(&Command::GetRecordLatency(LatencyParams { channel, now: SystemTime::now() }))
    }

    /// Waits for the next message from the server.
    pub fn next(&mut self) -> Result<Event> {
        let (channel, body) = self.read_message()?;
        if channel != u32::MAX {
            return Ok(Event::Data(body));
        }
        let mut body = Cursor::new(body.as_slice());
        match Command::read_tag_prefixed(&mut body, self.version) {
            Ok((_, Command::Reply)) => {
                Ok(Event::Position(TagStructReader::new(&mut body, self.version).read::<RecordLatency>()?))
            }
            _ => Ok(Event::Other),
        }
    }

    fn call<R: CommandReply>(&mut self, command: &Command) -> Result<R> {
        self.send(command)?;
        Ok(protocol::read_reply_message(&mut self.socket, self.version)?.1)
    }

    fn send(&mut self, command: &Command) -> Result<()> {
        self.tag = self.tag.wrapping_add(1);
        protocol::write_command_message(self.socket.get_mut(), self.tag, command, self.version)?;
        Ok(())
    }

    fn read_message(&mut self) -> Result<(u32, Vec<u8>)> {
        let descriptor = protocol::read_descriptor(&mut self.socket)?;
        let mut body = Vec::new();
        let wanted = u64::from(descriptor.length);
        (&mut self.socket)
            .take(wanted)
            .read_to_end(&mut body)
            .map_err(Error::io("read from the private PulseAudio"))?;
        if (body.len() as u64) < wanted {
            return Err(Error::Recording("the card went away in the middle of a message"));
        }
        Ok((descriptor.channel, body))
    }
}
