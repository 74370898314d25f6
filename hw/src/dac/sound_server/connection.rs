//! A connection to the sound server: just enough of PulseAudio's protocol to play with exact times.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use pulseaudio::protocol::{
    self, AuthParams, AuthReply, Command, CommandReply, DESCRIPTOR_SIZE, Descriptor, DescriptorFlags, LatencyParams,
    PlaybackLatency, Prop, Props, ProtocolError, PulseError, SetClientNameReply, TagStructReader,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::address::Address;
use super::timing::FRAME_BYTES;
use crate::dac::CHANNELS;

/// How long the server may stay silent before it counts as hung.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Older servers (before 2012) report less about a stream.
const OLDEST_VERSION: u16 = 23;

/// Far more than any message of the server has.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// More than what the server sends at a time to a stream that plays.
const READ_BYTES: usize = 512;

/// Why the server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The environment names none.
    #[error("no sound server is known: neither PULSE_SERVER nor XDG_RUNTIME_DIR leads to a local one")]
    Unknown,
    /// It is too old.
    #[error("the sound server's protocol version {0} is too old")]
    TooOld(u16),
    /// It did not do what was requested.
    #[error("the sound server refuses: {0}")]
    Refused(PulseError),
    /// It does not have the sink, or any sink at all.
    #[error("the sound server has no sink \"{0}\"")]
    NoSink(String),
    /// It ended the stream, but not the connection.
    #[error("the sound server ended the stream")]
    Killed,
    /// It exited, or was stopped.
    #[error("the sound server closed the connection")]
    Closed,
    /// It does not answer.
    #[error("the sound server does not answer")]
    Silent,
    /// The socket failed.
    #[error("the connection to the sound server failed: {0}")]
    Io(#[from] io::Error),
    /// It sent something that cannot be understood.
    #[error("the sound server cannot be understood: {0}")]
    Protocol(ProtocolError),
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::ServerError(error) => Self::Refused(error),
            ProtocolError::Io(error) => Self::Io(error),
            error => Self::Protocol(error),
        }
    }
}

/// What the server reports about the stream.
#[derive(Debug)]
pub enum Event {
    /// It wants this many bytes more.
    Wants(u32),
    /// It plays, at the beginning or after an underflow.
    Started,
    /// It had nothing to play.
    Underflow,
    /// It plays on another sink, or on one that was suspended or resumed.
    Moved,
    /// The answer to a question asked with [`Connection::put_question`], by the question's number.
    Timing(u32, PlaybackLatency),
    /// The stream is over.
    Killed,
    /// Anything else.
    Other,
}

/// A client of the sound server.
#[derive(Debug)]
pub struct Connection {
    socket: UnixStream,
    version: u16,
    tag: u32,
    command: Vec<u8>,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// How many bytes of `incoming` have been consumed.
    taken: usize,
    /// The last read took as much as it could.
    filled_buffer: bool,
}

impl Connection {
    /// Connects to the first server that answers, and introduces this client.
    pub fn open(address: &Address) -> Result<Self, Failure> {
        let mut failure = Failure::Unknown;
        for path in &address.sockets {
            match connect(path) {
                Ok(socket) => return Self::introduce(socket, address.cookie.clone()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => failure = Failure::Silent,
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            version: protocol::MAX_VERSION,
            tag: 0,
            command: Vec::new(),
            outgoing: Vec::new(),
            incoming: Vec::with_capacity(2 * READ_BYTES),
            taken: 0,
            filled_buffer: false,
        }
    }

    fn introduce(socket: UnixStream, cookie: Vec<u8>) -> Result<Self, Failure> {
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut connection = Self::new(socket);
        let auth = AuthParams { version: protocol::MAX_VERSION, supports_shm: false, supports_memfd: false, cookie };
        let reply: AuthReply = connection.call(&Command::Auth(auth))?;
        connection.version = protocol::MAX_VERSION.min(reply.version);
        if connection.version < OLDEST_VERSION {
            return Err(Failure::TooOld(connection.version));
        }
        let mut props = Props::new();
        props.set(Prop::ApplicationName, c"jaudiosync");
        let _: SetClientNameReply = connection.call(&Command::SetClientName(props))?;
        Ok(connection)
    }

    /// Returns another handle of the socket, with which another thread can end the connection.
    pub fn handle(&self) -> io::Result<UnixStream> {
        self.socket.try_clone()
    }

    /// Sends a command and waits for its reply. Anything else that arrives meanwhile is discarded,
    /// so this is for use before there is a stream.
    pub fn call<R: CommandReply>(&mut self, command: &Command) -> Result<R, Failure> {
        let asked = self.send(command)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let version = self.version;
            while let Some((_, mut body)) = self.next_message()? {
                match Command::read_tag_prefixed(&mut body, version) {
                    Ok((tag, Command::Reply)) if tag == asked => {
                        return Ok(TagStructReader::new(&mut body, version).read()?);
                    }
                    Ok((tag, Command::Error(error))) if tag == asked => return Err(Failure::Refused(error)),
                    _ => {}
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Silent);
            }
            self.receive(left)?;
        }
    }

    /// Asks for the timing of the stream on `channel`, with the next [`flush`](Self::flush). Returns
    /// the number that the answer will carry.
    pub fn put_question(&mut self, channel: u32) -> Result<u32, Failure> {
        // The server only echoes this time.
        self.put(&Command::GetPlaybackLatency(LatencyParams { channel, now: UNIX_EPOCH }))
    }

    /// Has frames played, with the next [`flush`](Self::flush).
    pub fn put_frames(&mut self, channel: u32, samples: &[f32]) -> Result<(), Failure> {
        let length = (samples.len() / CHANNELS * FRAME_BYTES) as u32;
        let descriptor = Descriptor { length, channel, offset: 0, flags: DescriptorFlags::empty() };
        protocol::write_descriptor(&mut self.outgoing, &descriptor)?;
        self.outgoing.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        Ok(())
    }

    /// Sends what was put, all at once: every time that the server is woken costs both sides more
    /// than what is sent.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let sent = self.socket.write_all(&self.outgoing);
        self.outgoing.clear();
        Ok(sent?)
    }

    /// Returns whether more may have arrived than the last [`receive`](Self::receive) took.
    pub fn may_have_more(&self) -> bool {
        self.filled_buffer
    }

    /// Waits for data to arrive, and buffers it. Returns whether there was any.
    pub fn receive(&mut self, timeout: Duration) -> Result<bool, Failure> {
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(Failure::Io(error.into())),
        }
        self.incoming.drain(..self.taken);
        self.taken = 0;
        let mut bytes = [0; READ_BYTES];
        self.filled_buffer = false;
        match self.socket.read(&mut bytes) {
            Ok(0) => Err(Failure::Closed),
            Ok(count) => {
                self.filled_buffer = count == READ_BYTES;
                self.incoming.extend_from_slice(bytes.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(Failure::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the next event of the stream that has arrived completely.
    pub fn next_event(&mut self) -> Result<Option<Event>, Failure> {
        let version = self.version;
        let Some((channel, mut body)) = self.next_message()? else { return Ok(None) };
        if channel != u32::MAX {
            return Ok(Some(Event::Other));
        }
        let event = match Command::read_tag_prefixed(&mut body, version) {
            Ok((_, Command::Request(request))) => Event::Wants(request.length),
            Ok((_, Command::Started(_))) => Event::Started,
            Ok((_, Command::Underflow(_))) => Event::Underflow,
            Ok((_, Command::PlaybackStreamMoved(_) | Command::PlaybackStreamSuspended(_))) => Event::Moved,
            Ok((_, Command::PlaybackStreamKilled(_))) => Event::Killed,
            Ok((tag, Command::Reply)) => Event::Timing(tag, TagStructReader::new(&mut body, version).read()?),
            Ok((_, Command::Error(error))) => return Err(Failure::Refused(error)),
            // A server may know more than this client: none of it matters here.
            _ => Event::Other,
        };
        Ok(Some(event))
    }

    fn send(&mut self, command: &Command) -> Result<u32, Failure> {
        let tag = self.put(command)?;
        self.flush()?;
        Ok(tag)
    }

    fn put(&mut self, command: &Command) -> Result<u32, Failure> {
        self.tag = self.tag.wrapping_add(1);
        // It is written from the buffer's beginning on.
        self.command.clear();
        protocol::encode_command_message(&mut self.command, self.tag, command, self.version)?;
        self.outgoing.extend_from_slice(&self.command);
        Ok(self.tag)
    }

    /// Takes out the next message that has arrived completely: its channel and its body.
    fn next_message(&mut self) -> Result<Option<(u32, &[u8])>, Failure> {
        let rest = self.incoming.get(self.taken..).unwrap_or_default();
        let Some(mut head) = rest.get(..DESCRIPTOR_SIZE) else { return Ok(None) };
        let descriptor = protocol::read_descriptor(&mut head)?;
        let length = descriptor.length as usize;
        if length > MAX_MESSAGE_BYTES {
            return Err(Failure::Protocol(ProtocolError::Invalid(format!("a message of {length} bytes"))));
        }
        let Some(body) = rest.get(DESCRIPTOR_SIZE..DESCRIPTOR_SIZE + length) else { return Ok(None) };
        self.taken += DESCRIPTOR_SIZE + length;
        Ok(Some((descriptor.channel, body)))
    }
}

/// Connects, or fails at once: a server that accepts nobody any more keeps whoever waits for a place
/// in its queue for as long as it hangs.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let socket = UnixStream::from(socket);
    socket.set_nonblocking(false)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use pulseaudio::protocol::{Request, Underflow};

    use super::*;

    /// Makes a connection, and the server's end of it.
    fn pair() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Connection::new(ours), theirs)
    }

    fn message(command: &Command) -> Vec<u8> {
        let mut bytes = Vec::new();
        protocol::encode_command_message(&mut bytes, 7, command, protocol::MAX_VERSION).unwrap();
        bytes
    }

    #[test]
    fn messages_are_put_together_however_they_arrive() {
        let (mut connection, mut server) = pair();
        let mut bytes = message(&Command::Request(Request { channel: 0, length: 9600 }));
        bytes.extend(message(&Command::Underflow(Underflow { channel: 0, offset: 1 })));
        bytes.extend(message(&Command::Started(0)));
        let mut events = Vec::new();
        for part in bytes.chunks(13) {
            server.write_all(part).unwrap();
            assert!(connection.receive(PATIENCE).unwrap());
            while let Some(event) = connection.next_event().unwrap() {
                events.push(event);
            }
        }
        assert!(matches!(events.as_slice(), [Event::Wants(9600), Event::Underflow, Event::Started]), "{events:?}");
        assert!(!connection.receive(Duration::ZERO).unwrap());
    }

    #[test]
    fn a_server_that_accepts_nobody_any_more_does_not_answer() {
        let path = std::env::temp_dir().join(format!("jaudiosync-sound-server-{}", std::process::id()));
        let server = std::os::unix::net::UnixListener::bind(&path).unwrap();
        // Two places in its queue.
        net::listen(&server, 1).unwrap();
        let held: Vec<_> = (0..2).map(|_| connect(&path).unwrap()).collect();
        let address = Address { sockets: vec![path.clone()], ..Address::from_environment() };
        let opened = Connection::open(&address);
        std::fs::remove_file(path).unwrap();
        assert!(matches!(opened, Err(Failure::Silent)));
        drop(held);
    }

    #[test]
    fn frames_are_sent_as_one_block() {
        let (mut connection, mut server) = pair();
        connection.put_frames(3, &[0.5, -0.5, 1.0, 0.0]).unwrap();
        connection.flush().unwrap();
        let descriptor = protocol::read_descriptor(&mut server).unwrap();
        assert_eq!((descriptor.channel, descriptor.length, descriptor.offset), (3, 16, 0));
        let mut body = [0; 16];
        server.read_exact(&mut body).unwrap();
        assert_eq!(body.get(4..8), Some((-0.5_f32).to_le_bytes().as_slice()));
    }

    #[test]
    fn a_server_that_goes_away_is_distinguished_from_one_that_refuses() {
        let (mut connection, mut server) = pair();
        server.write_all(&message(&Command::Error(PulseError::NoEntity))).unwrap();
        drop(server);
        assert!(connection.receive(PATIENCE).unwrap());
        assert!(matches!(connection.next_event(), Err(Failure::Refused(PulseError::NoEntity))));
        assert!(matches!(connection.receive(PATIENCE), Err(Failure::Closed)));
    }

    #[test]
    fn nonsense_is_an_error_and_what_is_unknown_is_not() {
        let (mut connection, mut server) = pair();
        let mut unknown = message(&Command::Started(0));
        if let Some(tag) = unknown.get_mut(DESCRIPTOR_SIZE + 1..DESCRIPTOR_SIZE + 5) {
            tag.copy_from_slice(&9999_u32.to_be_bytes());
        }
        server.write_all(&unknown).unwrap();
        server.write_all(&[0xff; DESCRIPTOR_SIZE]).unwrap();
        assert!(connection.receive(PATIENCE).unwrap());
        assert!(matches!(connection.next_event(), Ok(Some(Event::Other))));
        assert!(matches!(connection.next_event(), Err(Failure::Protocol(_))));
    }
}
