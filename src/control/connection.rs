//! One client: its requests, one at a time, within limits of size and time.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::Handler;
use super::protocol::{ErrorCode, MAX_REQUEST_BYTES, Request, Response, RideProgress, RideRequest, parse_request};

/// How long a request may take, from the previous response to its newline.
const REQUEST_TIME: Duration = Duration::from_secs(2);
/// How long a client may take to accept a response before it is dropped.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// How often a watching client gets the status.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How soon a client that waits for the ride is let go when the server stops.
const RIDE_WAIT: Duration = Duration::from_millis(200);
/// How many clients may watch: half of all, so that there is always room for a command.
const MAX_WATCHERS: usize = 16;

/// What all clients of a server share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub stopping: AtomicBool,
    /// How many rounds the accepting thread has made.
    pub rounds: AtomicU64,
    clients: AtomicUsize,
    watchers: AtomicUsize,
}

/// One of a limited number of places. Dropping it gives it back.
pub(super) struct Place {
    shared: Arc<Shared>,
    which: fn(&Shared) -> &AtomicUsize,
}

impl Place {
    /// Takes a place among the clients; `None` if all are taken.
    pub fn of_client(shared: &Arc<Shared>, limit: usize) -> Option<Self> {
        Self::take(shared, |shared| &shared.clients, limit)
    }

    fn take(shared: &Arc<Shared>, which: fn(&Shared) -> &AtomicUsize, limit: usize) -> Option<Self> {
        let more = |taken| (taken < limit).then_some(taken + 1);
        let taken = which(shared).fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.ok().map(|_| Self { shared: Arc::clone(shared), which })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        (self.which)(&self.shared).fetch_sub(1, Ordering::AcqRel);
    }
}

/// Why there is no further request.
enum End {
    /// The client has gone, or sends nothing more.
    Gone,
    /// The client exceeded a limit, and gets this failure.
    Limit(ErrorCode, String),
}

/// Serves a client until it goes or exceeds a limit, or the server stops.
pub(super) fn serve(mut stream: UnixStream, handler: &dyn Handler, shared: &Arc<Shared>) -> io::Result<()> {
    let mut pending = Vec::with_capacity(MAX_REQUEST_BYTES + 1);
    while !shared.stopping.load(Ordering::Acquire) {
        let line = match next_line(&mut stream, &mut pending) {
            Ok(line) => line,
            Err(End::Gone) => break,
            Err(End::Limit(code, message)) => return answer(&mut stream, &Response::failed(code, message)),
        };
        match parse_request(&line) {
            Ok(Request::Status { watch: true }) => return watch(&mut stream, handler, shared),
            Ok(Request::Status { watch: false }) => answer(&mut stream, &Response::status(handler.status()))?,
            Ok(Request::RideList(name)) => {
                let response = handler.ride_list(&name).map_or_else(Response::from, Response::ride_list);
                answer(&mut stream, &response)?;
            }
            Ok(Request::Ride(request)) => ride(&mut stream, handler, shared, &request)?,
            Ok(Request::Command(command)) => answer(&mut stream, &handler.handle(command))?,
            Err(failure) => answer(&mut stream, &failure.into())?,
        }
    }
    Ok(())
}

/// Sends a response's line.
pub(super) fn answer(stream: &mut UnixStream, response: &Response) -> io::Result<()> {
    let line = response.to_line();
    let mut left = line.as_bytes();
    let deadline = Instant::now() + ANSWER_TIME;
    while !left.is_empty() {
        stream.set_write_timeout(Some(time_left(deadline).ok_or(io::ErrorKind::TimedOut)?))?;
        match stream.write(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => left = left.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads the next line, without its newline. Bytes after it stay pending.
fn next_line(stream: &mut UnixStream, pending: &mut Vec<u8>) -> Result<Vec<u8>, End> {
    let deadline = Instant::now() + REQUEST_TIME;
    let mut searched = 0;
    loop {
        if let Some(end) = pending.iter().skip(searched).position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = pending.drain(..=searched + end).collect();
            line.pop();
            return Ok(line);
        }
        searched = pending.len();
        if searched > MAX_REQUEST_BYTES {
            return Err(End::Limit(ErrorCode::TooLong, format!("a request has at most {MAX_REQUEST_BYTES} bytes")));
        }
        let too_slow = || match searched {
            0 => End::Gone,
            _ => End::Limit(
                ErrorCode::TooSlow,
                format!("a request must be complete within {} s", REQUEST_TIME.as_secs()),
            ),
        };
        let left = time_left(deadline).ok_or_else(too_slow)?;
        stream.set_read_timeout(Some(left)).map_err(|_| End::Gone)?;
        // Never more than a request and its newline are held.
        let mut bytes = [0; MAX_REQUEST_BYTES + 1];
        let room = (bytes.len() - searched).min(bytes.len());
        match stream.read(&mut bytes[..room]) {
            Ok(0) => return Err(End::Gone),
            Ok(read) => pending.extend_from_slice(&bytes[..read]),
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(End::Gone),
        }
    }
}

/// Sends the progress of a command to the ride, until nothing more will come.
fn ride(stream: &mut UnixStream, handler: &dyn Handler, shared: &Arc<Shared>, request: &RideRequest) -> io::Result<()> {
    let progress = match handler.ride(request) {
        Ok(progress) => progress,
        Err(failure) => return answer(stream, &failure.into()),
    };
    while !shared.stopping.load(Ordering::Acquire) {
        match progress.recv_timeout(RIDE_WAIT) {
            Ok(reached) => {
                answer(stream, &Response::ride(RideProgress::from(&reached)))?;
                if reached.is_over {
                    return Ok(());
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    answer(stream, &Response::failed(ErrorCode::Failed, "the ride does not answer; see: journalctl -u jaudiosync"))
}

/// Sends the status every second, until the client disconnects or sends anything.
fn watch(stream: &mut UnixStream, handler: &dyn Handler, shared: &Arc<Shared>) -> io::Result<()> {
    let Some(_place) = Place::take(shared, |shared| &shared.watchers, MAX_WATCHERS) else {
        let message = format!("{MAX_WATCHERS} clients are watching already; request single states, or try again later");
        return answer(stream, &Response::failed(ErrorCode::Busy, message));
    };
    let mut next = Instant::now();
    while !shared.stopping.load(Ordering::Acquire) {
        answer(stream, &Response::status(handler.status()))?;
        // After a delay the interval starts again: nobody wants what was missed.
        next = (next + WATCH_INTERVAL).max(Instant::now());
        // Waiting by reading from the client shows at once that it has gone.
        while let Some(left) = time_left(next) {
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut [0; 64]) {
                Ok(_) => return Ok(()),
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Returns the time until the deadline; `None` once it has passed, as a timeout of zero means no
/// timeout.
fn time_left(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
