//! GPS through gpsd: a thread listens to its reports and sends what its receivers say of the time.
//!
//! `connection` reads lines, `protocol` understands them, `clock_history` turns gpsd's stamps into
//! readings of the raw clock, `receivers` and `pulse_filter` judge. gpsd has to run on this machine
//! for its pulses to be useful: it stamps them with its own system clock.

mod connection;
mod protocol;
mod pulse_filter;
mod receivers;

use crate::config::ServerAddress;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use jaudiosync_hw::clocks::{ClockPair, Clocks};
use jaudiosync_time::Span;

use self::connection::{Connection, Line};
use self::receivers::{Receivers, Report};
use super::poll_interval::{Outcome, PollInterval};
use super::resolver::resolve;
use super::worker::{EventSender, ReferenceThread, StopSignal, Stopped};
use super::{ReferenceEvent, Source, SourceKind};

/// gpsd's port.
pub const GPSD_PORT: u16 = 2947;

/// Silence for this long is reported, and ends the connection: receivers report something every
/// second.
const LONGEST_SILENCE: Span = Span::from_seconds(60);

/// A gpsd and its receivers. If there is no gpsd the connection is tried again, after 4 s at first
/// and every 64 s in the end.
///
/// A receiver's pulses become [`SourceKind::GpsPps`], one sample of eight pulses; its messages
/// become [`SourceKind::GpsMessages`], one sample every 16 s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpsdSource {
    /// Without a port it is [`GPSD_PORT`].
    pub server: ServerAddress,
}

impl GpsdSource {
    /// Starts the thread. It stops when the handle is dropped, or when no one listens.
    pub fn start(&self, clocks: Arc<dyn Clocks>, events: Sender<ReferenceEvent>) -> io::Result<ReferenceThread> {
        let server = ServerAddress { port: self.server.port.or(Some(GPSD_PORT)), ..self.server.clone() };
        let source = Source { kind: SourceKind::GpsMessages, name: server.to_string().into() };
        let events = EventSender::new(events);
        ReferenceThread::start("gpsd", move |stop| Client { server, source, clocks, events, stop }.run())
    }
}

struct Client {
    server: ServerAddress,
    source: Source,
    clocks: Arc<dyn Clocks>,
    events: EventSender,
    stop: StopSignal,
}

impl Client {
    fn run(mut self) -> Result<Infallible, Stopped> {
        let mut interval = PollInterval::default();
        loop {
            match self.connect() {
                Ok(connection) => {
                    let (reported_something, reason) = self.listen(connection)?;
                    if reported_something {
                        interval = PollInterval::default();
                    }
                    self.events.trouble(&self.source, reason)?;
                }
                Err(error) => {
                    let reason = format!("no gpsd at {} ({error}): is it running?", self.source.name);
                    self.events.trouble(&self.source, reason)?;
                }
            }
            self.stop.wait(interval.after(Outcome::Failure))?;
        }
    }

    fn connect(&self) -> io::Result<Connection> {
        let mut error = io::Error::from(io::ErrorKind::NotFound);
        for address in resolve(&self.server, GPSD_PORT)? {
            match Connection::open(address) {
                Ok(connection) => return Ok(connection),
                Err(failure) => error = failure,
            }
        }
        Err(error)
    }

    /// Listens until the connection is no longer usable; returns whether it ever reported anything,
    /// and why it ended.
    fn listen(&mut self, mut connection: Connection) -> Result<(bool, String), Stopped> {
        let mut receivers = Receivers::new(connection.same_machine);
        let mut heard = self.clocks.raw();
        let mut reported_something = false;
        loop {
            self.stop.check()?;
            let line = connection.read();
            let now = ClockPair::read(&*self.clocks);
            receivers.clocks(now);
            let line = match line {
                Ok(Line::Whole(line)) => line,
                Ok(Line::NotYet) if now.raw - heard > LONGEST_SILENCE => {
                    return Ok((
                        reported_something,
                        "gpsd is silent: is a receiver connected and switched on?".to_owned(),
                    ));
                }
                Ok(Line::NotYet) => continue,
                Ok(Line::Closed) => return Ok((reported_something, "gpsd has closed the connection".to_owned())),
                Err(error) => return Ok((reported_something, format!("the connection to gpsd is lost: {error}"))),
            };
            heard = now.raw;
            let message = match protocol::parse(&line) {
                Ok(message) => message,
                Err(error) => {
                    let reason = format!("{} does not speak gpsd's protocol ({error})", self.source.name);
                    self.events.trouble(&self.source, reason)?;
                    continue;
                }
            };
            match receivers.message(message, now) {
                Some(Report::Sample(sample)) => {
                    reported_something = true;
                    self.events.sample(sample)?;
                }
                Some(Report::Trouble { mut source, reason }) => {
                    if source.name.is_empty() {
                        source.name = self.source.name.clone();
                    }
                    self.events.trouble(&source, reason)?;
                }
                None => {}
            }
        }
    }
}
