//! The client: how subcommands talk to the service.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{Command, LatencyChange, MAX_RESPONSE_BYTES, Request, Response};

/// The service answers at once, however busy it is. Only a reload may have to read hundreds of
/// files.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Longer than the service waits for the boxes of a ride.
const RIDE_TIME: Duration = Duration::from_secs(9);
const RELOAD_TIME: Duration = Duration::from_secs(30);

/// Why the service does not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens at the socket.
    #[error("no service answers at {0}; start it with: systemctl start jaudiosync")]
    NoService(PathBuf),
    /// The user may not use the socket.
    #[error(
        "you may not use {0}; join its group, by default jaudiosync (sudo usermod -aG jaudiosync $USER), then log in again"
    )]
    NotAllowed(PathBuf),
    /// Somebody listens, but does not answer in time.
    #[error("the service at {0} does not answer; see: systemctl status jaudiosync")]
    Silent(PathBuf),
    /// The connection broke.
    #[error("the connection to {0} broke: {1}; see: journalctl -u jaudiosync")]
    Broken(PathBuf, io::Error),
    /// The answer cannot be read.
    #[error("cannot understand the answer from {0} ({1}); is the service of another version?")]
    Nonsense(PathBuf, serde_json::Error),
}

/// A connection to the service.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    socket: PathBuf,
}

impl Client {
    /// Connects to the first of these sockets at which somebody listens.
    ///
    /// # Errors
    /// If nobody listens, or the user may not connect.
    pub fn connect(sockets: &[PathBuf]) -> Result<Self, ClientError> {
        // The last failure is reported: its socket is the system's, unless the user named one.
        let mut failure = None;
        for socket in sockets {
            match UnixStream::connect(socket) {
                Ok(stream) => return Self::over(stream, socket),
                Err(error) => failure = Some(explain(socket, error)),
            }
        }
        Err(failure.unwrap_or_else(|| ClientError::NoService(PathBuf::new())))
    }

    fn over(stream: UnixStream, socket: &Path) -> Result<Self, ClientError> {
        let socket = socket.to_owned();
        let timeouts = stream.set_read_timeout(Some(ANSWER_TIME)).and(stream.set_write_timeout(Some(ANSWER_TIME)));
        match timeouts {
            Ok(()) => Ok(Self { stream: BufReader::new(stream), socket }),
            Err(error) => Err(ClientError::Broken(socket, error)),
        }
    }

    /// Sends a request, and waits for the response: at most 5 s, 9 s where other boxes are asked, or 30 s for a
    /// reload.
    ///
    /// # Errors
    /// If the connection breaks, or the response cannot be read or does not come in time.
    pub fn request(&mut self, request: &Request) -> Result<Response, ClientError> {
        let answer_time = match request {
            Request::Command(Command::Reload {}) => RELOAD_TIME,
            Request::Ride(_)
            | Request::RideList(_)
            | Request::Command(
                Command::SoundCheck { all: true, .. } | Command::OutputLatency(LatencyChange { number: Some(_), .. }),
            ) => RIDE_TIME,
            _ => ANSWER_TIME,
        };
        self.stream
            .get_ref()
            .set_read_timeout(Some(answer_time))
            .map_err(|error| ClientError::Broken(self.socket.clone(), error))?;
        let sent = self.stream.get_mut().write_all(request.to_line().as_bytes());
        // A client that is turned away cannot send, but can still read why.
        match self.next_response() {
            Ok(Some(response)) => Ok(response),
            Ok(None) => {
                let error = sent.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
                Err(ClientError::Broken(self.socket.clone(), error))
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for the next response, as when watching the status; `None` when the service ends.
    ///
    /// # Errors
    /// If the connection breaks, or the response cannot be read or does not come in time.
    pub fn next_response(&mut self) -> Result<Option<Response>, ClientError> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(MAX_RESPONSE_BYTES as u64).read_until(b'\n', &mut line);
        match read {
            Ok(0) => Ok(None),
            Ok(_) => match serde_json::from_slice(&line) {
                Ok(response) => Ok(Some(response)),
                Err(error) => Err(ClientError::Nonsense(self.socket.clone(), error)),
            },
            // This is how a socket reports a timeout.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(ClientError::Silent(self.socket.clone())),
            Err(error) => Err(ClientError::Broken(self.socket.clone(), error)),
        }
    }
}

fn explain(socket: &Path, error: io::Error) -> ClientError {
    let socket = socket.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
            ClientError::NoService(socket)
        }
        io::ErrorKind::PermissionDenied => ClientError::NotAllowed(socket),
        _ => ClientError::Broken(socket, error),
    }
}
