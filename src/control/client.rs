//! The client: what the subcommands speak to the service with.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{Command, MAX_RESPONSE_BYTES, Request, Response};

/// The service answers at once, however much it has to do; a reload may look into some hundred files.
const ANSWER_TIME: Duration = Duration::from_secs(5);
const RELOAD_TIME: Duration = Duration::from_secs(30);

/// Why the service gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no service answers at {0}; start it with: systemctl start jaudiosync")]
    NoService(PathBuf),
    /// The user may not.
    #[error("you may not use {0}; become a member of its group (sudo usermod -aG jaudiosync $USER), then log in again")]
    NotAllowed(PathBuf),
    /// Somebody listens, and does not answer.
    #[error("the service at {0} does not answer; see: systemctl status jaudiosync")]
    Silent(PathBuf),
    /// The connection broke.
    #[error("the connection to {0} broke: {1}; see: journalctl -u jaudiosync")]
    Broken(PathBuf, io::Error),
    /// The answer is none.
    #[error("{0} answers what is not understood here ({1}); is the service of another version?")]
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
    /// When nobody does, or the user may not.
    pub fn connect(sockets: &[PathBuf]) -> Result<Self, ClientError> {
        // What to say if none answers: the last is the system's, unless another was named.
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

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is none.
    pub fn request(&mut self, request: &Request) -> Result<Response, ClientError> {
        let answer_time =
            if matches!(request, Request::Command(Command::Reload {})) { RELOAD_TIME } else { ANSWER_TIME };
        self.stream
            .get_ref()
            .set_read_timeout(Some(answer_time))
            .map_err(|error| ClientError::Broken(self.socket.clone(), error))?;
        let sent = self.stream.get_mut().write_all(request.to_line().as_bytes());
        // A client that is sent away cannot send, but finds an answer that says why.
        match self.next_response() {
            Ok(Some(response)) => Ok(response),
            Ok(None) => {
                let error = sent.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
                Err(ClientError::Broken(self.socket.clone(), error))
            }
            Err(error) => Err(error),
        }
    }

    /// The next of several answers, as after a status that is watched; none when the service ends.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is none.
    pub fn next_response(&mut self) -> Result<Option<Response>, ClientError> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(MAX_RESPONSE_BYTES as u64).read_until(b'\n', &mut line);
        match read {
            Ok(0) => Ok(None),
            Ok(_) => match serde_json::from_slice(&line) {
                Ok(response) => Ok(Some(response)),
                Err(error) => Err(ClientError::Nonsense(self.socket.clone(), error)),
            },
            // What a socket's time limit is reported as.
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
