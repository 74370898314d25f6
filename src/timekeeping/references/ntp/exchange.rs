//! One question to a time server and its answer, through `sntpc`.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};
use sntpc::sync::{sntp_process_response, sntp_send_request};
use sntpc::{KissOfDeathCode, NtpContext, NtpResult, NtpTimestampGenerator, NtpUdpSocket};

use super::burst::{Exchange, LONGEST_DELAY};
use crate::timekeeping::references::worker::StopSignal;

/// UTC at the raw clock's zero, as the stamps on this side assume it: 2026-01-01. The answers' era
/// follows from it: right for 68 years on either side.
const ORIGIN: Instant<Utc> = Instant::from_second(1_767_225_600);

/// Every question shifts the origin by its own random part, up to 2^29 s (17 years). The answer
/// repeats the question's stamp, so nobody who has not seen the question can forge an answer.
const RANDOM_NS: i64 = (1 << 29) * Span::SECOND.ns();

/// How long a read may take before the stop signal is checked.
const PATIENCE: Duration = Duration::from_millis(50);

/// Why there is no usable answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("{0} does not answer ({1}): is the box in its network, and does a time server run there?")]
    Network(SocketAddr, io::Error),
    #[error("no answer from {0} within 1 s: is the box online, and does its network let NTP through?")]
    Timeout(SocketAddr),
    #[error("{0} refuses to serve this box (kiss of death {1}): name another server; it is asked again in a day")]
    Refused(SocketAddr, String),
    #[error("{0} is asked too often (kiss of death RATE): it is asked less often from now on")]
    TooOften(SocketAddr),
    #[error("{0} is not synchronized itself: give it time, or name another server")]
    Unsynchronized(SocketAddr),
    #[error("{0} answers nonsense ({1}): is it a time server?")]
    Nonsense(SocketAddr, &'static str),
}

/// Asks once. It returns within a second, or with a timeout soon after the stop signal.
pub(super) fn ask(server: SocketAddr, clocks: &dyn Clocks, stop: &StopSignal) -> Result<Exchange, ExchangeError> {
    let origin = ORIGIN + Span::from_ns(fastrand::i64(0..RANDOM_NS));
    let stamps = ClockMap { from: Instant::ZERO, to: origin, rate: Rate::ZERO };
    let context = NtpContext::new(RawTimestamps { clocks, stamps, now: Instant::ZERO });
    let network = |error| ExchangeError::Network(server, error);
    let socket = QuestionSocket {
        socket: connect(server).map_err(network)?,
        server,
        clocks,
        deadline: clocks.raw() + LONGEST_DELAY,
        stop,
        failure: RefCell::new(None),
    };
    let explain = |error| explain(error, server, socket.failure.take());
    let question = sntp_send_request(server, &socket, context).map_err(explain)?;
    let mut strangers = false;
    loop {
        let answer = sntp_process_response(server, &socket, context, question);
        let received = clocks.raw();
        match answer {
            Ok(result) => return Ok(to_exchange(&result, received, &stamps)),
            // An answer to another question does not end the wait for ours.
            Err(sntpc::Error::IncorrectOriginTimestamp) if received < socket.deadline => strangers = true,
            Err(error) => {
                return Err(match explain(error) {
                    ExchangeError::Timeout(_) if strangers => {
                        ExchangeError::Nonsense(server, "the answers do not belong to a question of this box")
                    }
                    explained => explained,
                });
            }
        }
    }
}

/// Opens a socket of its own for each question: a new port, and no late answers to old questions.
/// It is connected, so that the kernel drops what others send, and reports when nothing listens
/// there.
fn connect(server: SocketAddr) -> io::Result<UdpSocket> {
    let socket = match server {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
    };
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Makes an exchange of an answer that came at `received`, where `stamps` is what this side's
/// stamps assumed as UTC.
fn to_exchange(result: &NtpResult, received: Instant<Raw>, stamps: &ClockMap<Raw, Utc>) -> Exchange {
    // NTP's short format: seconds in units of 2^-16.
    let short = |value: u32| Span::from_ns((i64::from(value) * Span::SECOND.ns()) >> 16);
    let precision = Span::from_ns((2.0_f64.powi(i32::from(result.precision)) * 1e9) as i64);
    Exchange {
        raw: received,
        utc: stamps.apply(received) + Span::from_us(result.offset),
        delay: Span::from_us(i64::try_from(result.roundtrip).unwrap_or(i64::MAX)),
        root_distance: short(result.root_delay) / 2 + short(result.root_dispersion) + precision,
    }
}

fn explain(error: sntpc::Error, server: SocketAddr, failure: Option<io::Error>) -> ExchangeError {
    use sntpc::Error;
    match error {
        Error::Network => match failure {
            Some(failure) if failure.kind() != ErrorKind::TimedOut => ExchangeError::Network(server, failure),
            _ => ExchangeError::Timeout(server),
        },
        Error::KissOfDeath(KissOfDeathCode::Rate) => ExchangeError::TooOften(server),
        Error::KissOfDeath(code @ (KissOfDeathCode::Deny | KissOfDeathCode::Rstr)) => {
            ExchangeError::Refused(server, code.as_str().to_owned())
        }
        // Stratum 0 with any other code, or with none at all, is how a server says that it has no
        // time yet: chrony sends four zeros, ntpd INIT and STEP.
        Error::KissOfDeath(_) | Error::UnsynchronizedClock => ExchangeError::Unsynchronized(server),
        Error::IncorrectStratumHeaders | Error::ExcessiveRootDistance => ExchangeError::Unsynchronized(server),
        Error::IncorrectPayload => ExchangeError::Nonsense(server, "too short for NTP"),
        Error::IncorrectOriginTimestamp => {
            ExchangeError::Nonsense(server, "it does not belong to a question of this box")
        }
        Error::IncorrectMode => ExchangeError::Nonsense(server, "not a server's mode"),
        Error::IncorrectResponseVersion => ExchangeError::Nonsense(server, "an unknown version of NTP"),
        Error::InvalidTimestamp => ExchangeError::Nonsense(server, "no time in it"),
        Error::BackwardReferenceTimestamp => ExchangeError::Nonsense(server, "set at a time still to come"),
        _ => ExchangeError::Nonsense(server, "not as the protocol says"),
    }
}

/// Stamps from the raw clock, so that nothing depends on the system clock, which may be wrong, or
/// be set in between.
#[derive(Clone, Copy)]
struct RawTimestamps<'a> {
    clocks: &'a dyn Clocks,
    stamps: ClockMap<Raw, Utc>,
    now: Instant<Utc>,
}

impl NtpTimestampGenerator for RawTimestamps<'_> {
    fn init(&mut self) {
        self.now = self.stamps.apply(self.clocks.raw()).max(Instant::ZERO);
    }

    fn timestamp_sec(&self) -> u64 {
        self.now.second().unsigned_abs()
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        (self.now.since_second().ns() / 1000) as u32
    }
}

/// A UDP socket that gives up at a deadline or when asked to stop, and remembers why.
struct QuestionSocket<'a> {
    socket: UdpSocket,
    server: SocketAddr,
    clocks: &'a dyn Clocks,
    deadline: Instant<Raw>,
    stop: &'a StopSignal,
    failure: RefCell<Option<io::Error>>,
}

impl QuestionSocket<'_> {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.socket.recv(buffer) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.clocks.raw() >= self.deadline || self.stop.check().is_err() {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn remember(&self, result: io::Result<usize>) -> sntpc::Result<usize> {
        result.map_err(|error| {
            self.failure.replace(Some(error));
            sntpc::Error::Network
        })
    }
}

impl NtpUdpSocket for QuestionSocket<'_> {
    async fn send_to(&self, buffer: &[u8], _: SocketAddr) -> sntpc::Result<usize> {
        self.remember(self.socket.send(buffer))
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        self.remember(self.receive(buffer)).map(|size| (size, self.server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jaudiosync_hw::clocks::SimulatedClocks;

    fn stamps(origin: Instant<Utc>) -> ClockMap<Raw, Utc> {
        ClockMap { from: Instant::ZERO, to: origin, rate: Rate::ZERO }
    }

    fn result() -> NtpResult {
        NtpResult::new(0, 0, 1_500, -250, 2, -20, 0, 0x0000_8000, 0x0000_4000, [0; 4], 0, 6, 0)
    }

    #[test]
    fn an_answer_is_turned_into_ns() {
        let exchange = to_exchange(&result(), Instant::from_ns(7), &stamps(Instant::from_second(1_800_000_000)));
        assert_eq!(exchange.utc, Instant::from_ns(1_799_999_999_999_750_007));
        assert_eq!(exchange.delay, Span::from_us(1_500));
        assert_eq!(exchange.root_distance, Span::from_ns(250_000_000 + 250_000_000 + 953));
    }

    #[test]
    fn absurd_figures_of_a_server_saturate() {
        let absurd = NtpResult {
            offset: i64::MIN,
            roundtrip: u64::MAX,
            precision: i8::MAX,
            root_delay: u32::MAX,
            root_dispersion: u32::MAX,
            ..result()
        };
        let exchange = to_exchange(&absurd, Instant::MAX, &stamps(Instant::MAX));
        assert_eq!((exchange.delay, exchange.root_distance), (Span::MAX, Span::MAX));
    }

    #[test]
    fn stamps_come_from_the_raw_clock_alone() {
        let clocks = SimulatedClocks::new(Instant::from_ns(3_000_250_999), Instant::from_ns(-5));
        let mut stamps =
            RawTimestamps { clocks: &clocks, stamps: stamps(Instant::from_second(10)), now: Instant::ZERO };
        stamps.init();
        assert_eq!((stamps.timestamp_sec(), stamps.timestamp_subsec_micros()), (13, 250));
        clocks.set(Instant::MAX, Instant::ZERO);
        stamps.init();
        assert_eq!(stamps.timestamp_sec(), Instant::<Utc>::MAX.second() as u64, "and saturate");
    }

    #[test]
    fn a_silent_server_is_distinguished_from_one_that_is_not_there() {
        let server: SocketAddr = "192.0.2.1:123".parse().unwrap();
        let timeout = explain(sntpc::Error::Network, server, Some(ErrorKind::TimedOut.into()));
        assert!(matches!(timeout, ExchangeError::Timeout(_)), "{timeout}");
        let refused = explain(sntpc::Error::Network, server, Some(ErrorKind::ConnectionRefused.into()));
        assert!(refused.to_string().contains("connection refused"), "{refused}");
    }
}
