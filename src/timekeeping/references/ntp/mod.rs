//! NTP: a thread asks one server from time to time, a burst of questions at once, and sends what it
//! says of the time.
//!
//! `exchange` asks, `burst` judges. Every stamp on this side comes from the raw clock, so that
//! neither a wrong system clock nor one that is set meanwhile does any harm. This thread takes the
//! stamps and not the kernel: what the scheduler adds counts as delay, and so is within the bound.

pub mod burst;
mod exchange;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use jaudiosync_hw::clocks::Clocks;

use self::burst::{BurstPlan, Exchange};
use self::exchange::ExchangeError;
use super::poll_interval::{Outcome, PollInterval};
use super::resolver::resolve;
use super::worker::{EventSender, ReferenceThread, StopSignal, Stopped};
use super::{ReferenceEvent, Source, SourceKind};
use crate::config::ServerAddress;
use crate::timekeeping::rtc::trust::EARLIEST;

/// NTP's port.
pub const NTP_PORT: u16 = 123;

/// At most this many of a name's addresses are tried.
const MOST_ADDRESSES: usize = 4;

/// The burst ends after this many questions in a row without an answer.
const MOST_FAILURES: usize = 2;

/// One NTP server.
///
/// It is asked at once, then every 64 s, with pauses growing to 1024 s; after a failure it is asked
/// again after 4 s, with pauses doubling to 64 s. Its name is resolved again every time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NtpSource {
    /// Without a port it is asked on [`NTP_PORT`].
    pub server: ServerAddress,
}

impl NtpSource {
    /// Starts the thread. It stops when the handle is dropped, or when no one listens.
    pub fn start(&self, clocks: Arc<dyn Clocks>, events: Sender<ReferenceEvent>) -> io::Result<ReferenceThread> {
        let server = self.server.clone();
        let source = Source { kind: SourceKind::Ntp, name: server.to_string().into() };
        let events = EventSender::new(events);
        ReferenceThread::start("ntp", move |stop| Client { server, source, clocks, events, stop }.run())
    }
}

struct Client {
    server: ServerAddress,
    source: Source,
    clocks: Arc<dyn Clocks>,
    events: EventSender,
    stop: StopSignal,
}

/// The result of asking one address.
struct Burst {
    exchanges: Vec<Exchange>,
    error: Option<ExchangeError>,
}

impl Client {
    fn run(mut self) -> Result<Infallible, Stopped> {
        let mut interval = PollInterval::default();
        loop {
            let outcome = self.ask()?;
            self.stop.wait(interval.after(outcome))?;
        }
    }

    /// Asks the server's addresses until one answers, and sends the result.
    fn ask(&mut self) -> Result<Outcome, Stopped> {
        let addresses = match resolve(&self.server, NTP_PORT) {
            Ok(addresses) if !addresses.is_empty() => addresses,
            Ok(_) => return self.fail(format!("\"{}\" has no address", self.server.host)),
            Err(error) => {
                return self.fail(format!("cannot find \"{}\" ({error}): is the box online?", self.server.host));
            }
        };
        let mut first_error = None;
        for address in addresses.into_iter().take(MOST_ADDRESSES) {
            let burst = self.burst(address)?;
            if !burst.exchanges.is_empty() {
                return self.judge(&burst);
            }
            first_error = first_error.or(burst.error);
        }
        let Some(error) = first_error else { return self.fail("no answer".to_owned()) };
        self.events.trouble(&self.source, error.to_string())?;
        Ok(match error {
            ExchangeError::Refused(..) => Outcome::Refused,
            ExchangeError::TooOften(_) => Outcome::TooOften,
            _ => Outcome::Failure,
        })
    }

    fn burst(&self, address: SocketAddr) -> Result<Burst, Stopped> {
        let plan = BurstPlan::for_server(address.ip());
        let mut burst = Burst { exchanges: Vec::with_capacity(plan.exchanges), error: None };
        let mut failures = 0;
        for question in 0..plan.exchanges {
            if question > 0 {
                self.stop.wait(plan.spacing)?;
            }
            match exchange::ask(address, &*self.clocks, &self.stop) {
                Ok(exchange) => {
                    burst.exchanges.push(exchange);
                    failures = 0;
                }
                Err(error) => {
                    self.stop.check()?;
                    log::debug!("{}: {error}", self.source);
                    failures += 1;
                    let lost = matches!(error, ExchangeError::Timeout(_) | ExchangeError::Nonsense(..));
                    burst.error = Some(error);
                    if !lost || failures == MOST_FAILURES {
                        break;
                    }
                }
            }
        }
        Ok(burst)
    }

    fn judge(&mut self, burst: &Burst) -> Result<Outcome, Stopped> {
        let estimate = match burst::estimate(&burst.exchanges, EARLIEST) {
            Ok(estimate) => estimate,
            Err(error) => return self.fail(error.to_string()),
        };
        self.events.sample(estimate.into_sample(self.source.clone()))?;
        Ok(match burst.error {
            Some(ExchangeError::TooOften(_)) => Outcome::TooOften,
            _ => Outcome::Sample,
        })
    }

    fn fail(&mut self, reason: String) -> Result<Outcome, Stopped> {
        self.events.trouble(&self.source, reason)?;
        Ok(Outcome::Failure)
    }
}
