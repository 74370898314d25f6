//! The air between the boxes of a ride: datagrams by multicast and to single boxes, with the
//! instants at which they came. The only part of [`ride`](super) that opens a socket.
//!
//! - [`Air`] sends and hears; `datagram` is what it has heard; `socket` is its UDP socket,
//!   `interfaces` where it is heard;
//! - `admission` limits what is looked into, so that a flood costs little;
//! - `names` resolves configured neighbours; `complaints` logs a trouble once, in `words`;
//! - [`probe`] is for `doctor`: it tries whether datagrams can be sent.
//!
//! Nothing here knows the key or what is in a message, but for how one begins.

mod admission;
mod air_config;
mod complaints;
mod datagram;
mod interfaces;
mod names;
mod probe;
mod socket;
mod words;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use jaudiosync_hw::clocks::{ClockPair, Clocks};
use jaudiosync_time::{Instant, Raw, Span};
use nix::errno::Errno;

pub use air_config::AirConfig;
pub use datagram::{Counts, Heard, To};
pub use interfaces::{Interface, interfaces};
pub use probe::{Probe, probe};

use self::admission::Admission;
use self::complaints::{Act, Complaints};
use self::interfaces::changes;
use self::names::Names;
use self::socket::RideSocket;
use self::words::{cannot_open, in_words};
use super::message::{MAX_DATAGRAM_BYTES, can_be_message};
use crate::timekeeping::clock_history::ClockHistory;

/// The multicast group, of those that every organisation may use for itself (RFC 2365, section
/// 6.1).
pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 74, 83);

/// How often the interfaces are listed.
const INTERFACES_INTERVAL: Span = Span::from_seconds(3);

/// Both clocks are read at least this often while somebody listens. In between the system clock may
/// be slewed by up to 1000 ppm, which would be noticed afterwards as 0.1 ms.
const CLOCKS_INTERVAL: Span = Span::from_ms(100);

/// A stamp of the kernel that may be this wrong, in ns, is not better than the time at which the
/// program got the datagram.
const LARGEST_STAMP_BOUND_NS: f64 = 100_000.0;

/// After the deadline this many datagrams are dropped in one go, which takes less than a
/// millisecond; the others wait.
const MOST_DROPPED: usize = 100;

/// Sends and hears. One thread uses it; nothing waits but [`recv`](Self::recv).
pub struct Air {
    socket: RideSocket,
    port: u16,
    clocks: Arc<dyn Clocks>,
    interfaces: Vec<Interface>,
    interfaces_due: Instant<Raw>,
    names: Names,
    history: ClockHistory,
    clocks_due: Instant<Raw>,
    admission: Admission,
    counts: Counts,
    complaints: Complaints,
    trouble: Option<String>,
    buffer: Box<[u8; MAX_DATAGRAM_BYTES + 1]>,
}

impl Air {
    /// Opens the socket and joins the group wherever that is possible now; where it is not, that is
    /// tried again every 3 s.
    ///
    /// # Errors
    /// When the port is taken, or no socket can be opened; in words, with what to do.
    pub fn open(config: &AirConfig, clocks: Arc<dyn Clocks>) -> io::Result<Self> {
        let opened = RideSocket::open(config.port);
        let socket = opened.map_err(|error| io::Error::new(error.kind(), cannot_open(config.port, &error)))?;
        let port = socket.port()?;
        let now = clocks.raw();
        let mut air = Self {
            names: Names::start(&config.neighbours, port)?,
            socket,
            port,
            clocks,
            interfaces: Vec::new(),
            interfaces_due: now,
            history: ClockHistory::default(),
            clocks_due: now,
            admission: Admission::new(now),
            counts: Counts::default(),
            complaints: Complaints::default(),
            trouble: None,
            buffer: Box::new([0; MAX_DATAGRAM_BYTES + 1]),
        };
        air.keep_up(now);
        Ok(air)
    }

    /// Waits for the next datagram, at most until the raw clock shows `deadline`, and 1 ms more; with
    /// one in the past it only takes what has come already. A datagram that has waited for more than
    /// 2 s has no stamp of the kernel.
    pub fn recv(&mut self, deadline: Instant<Raw>) -> Option<Heard> {
        let mut dropped = 0;
        loop {
            let now = self.clocks.raw();
            self.keep_up(now);
            match self.socket.receive(&mut self.buffer[..]) {
                Ok(Some(received)) => {
                    if let Some(heard) = self.judge(received) {
                        return Some(heard);
                    }
                    // Other work must go on while a flood comes.
                    dropped += 1;
                    if dropped >= MOST_DROPPED && self.clocks.raw() >= deadline {
                        return None;
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => self.failed(Act::Receive, "the ride", &error),
            }
            if now >= deadline {
                return None;
            }
            let until = deadline.min(self.interfaces_due).min(self.clocks_due);
            self.socket.wait(until - now);
        }
    }

    /// Sends a datagram, and returns what the raw clock showed right before.
    ///
    /// To all it is sent as often as there are interfaces; the instant is that before the first.
    ///
    /// # Errors
    /// When it could not be sent to anybody, as there is no network, a firewall refuses it (`EPERM`)
    /// or a queue is full (`ENOBUFS`). It is counted and logged, and nothing has to be done: the
    /// next datagram may pass.
    pub fn send(&mut self, bytes: &[u8], to: To) -> io::Result<Instant<Raw>> {
        let now = self.clocks.raw();
        match to {
            To::One(to) => {
                let sent = self.clocks.raw();
                let done = self.socket.unicast(bytes, to);
                self.note(Act::Unicast, &to.to_string(), done).map(|()| sent)
            }
            To::All => {
                self.keep_up(now);
                let mut done = Err(Errno::ENETUNREACH.into());
                let interfaces = std::mem::take(&mut self.interfaces);
                let sent = self.clocks.raw();
                for interface in &interfaces {
                    let one = self.socket.multicast(bytes, self.port, interface);
                    done = one_of(done, self.note(Act::Multicast, &interface.name, one));
                }
                self.interfaces = interfaces;
                done.map(|()| sent)
            }
        }
    }

    /// Notes that a message that came from there was signed with the ride's key and was new: it is
    /// a neighbour, whose messages come through while others flood. A message that was only signed
    /// may have been recorded by somebody else.
    pub fn authentic(&mut self, from: SocketAddr) {
        self.admission.authentic(from.ip(), self.clocks.raw());
    }

    /// Returns the interfaces that are used now.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Returns the addresses of the configured neighbours, as far as they are known.
    pub fn configured(&self) -> Vec<SocketAddr> {
        self.names.addresses()
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns what has happened since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns why the last datagram could not be sent, for people; `None` if it was sent.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Lists the interfaces and reads the clocks, if that is due.
    fn keep_up(&mut self, now: Instant<Raw>) {
        if now >= self.clocks_due {
            self.history.push(ClockPair::read(&*self.clocks));
            self.clocks_due = now + CLOCKS_INTERVAL;
        }
        if now >= self.interfaces_due {
            self.interfaces_due = now + INTERFACES_INTERVAL;
            match interfaces() {
                Ok(listed) => self.join(listed),
                Err(error) => self.failed(Act::List, "the network's interfaces", &error),
            }
        }
    }

    /// Joins the group where interfaces have come, and leaves it where they have gone. Those that
    /// cannot be joined are tried again next time.
    fn join(&mut self, listed: Vec<Interface>) {
        let (gone, come) = changes(&self.interfaces, &listed);
        let (gone, come): (Vec<Interface>, Vec<Interface>) = (gone.cloned().collect(), come.cloned().collect());
        for interface in &gone {
            log::info!("the ride is no longer heard on {} ({})", interface.name, interface.address);
            self.socket.leave(interface);
        }
        self.interfaces.retain(|interface| !gone.contains(interface));
        for interface in come {
            match self.socket.join(&interface) {
                Ok(()) => {
                    log::info!("the ride is heard on {} ({})", interface.name, interface.address);
                    self.interfaces.push(interface);
                }
                Err(error) => self.failed(Act::Join, &interface.name, &error),
            }
        }
    }

    /// Decides whether what has come is passed on, and when it came.
    fn judge(&mut self, received: socket::Received) -> Option<Heard> {
        let bytes = self.buffer.get(..received.bytes).unwrap_or_default();
        if !can_be_message(bytes) {
            self.counts.foreign += 1;
            return None;
        }
        if !self.admission.admits(received.from.ip(), self.clocks.raw()) {
            self.counts.flood += 1;
            return None;
        }
        let bytes = bytes.to_vec();
        let now = ClockPair::read(&*self.clocks);
        self.history.push(now);
        let moment = received.stamp.and_then(|stamp| self.history.raw_at(stamp));
        let moment = moment.filter(|moment| moment.bound_ns <= LARGEST_STAMP_BOUND_NS);
        self.counts.heard += 1;
        self.counts.unstamped += u64::from(moment.is_none());
        let stamp = moment.map_or(now.raw, |moment| moment.raw);
        let socket::Received { from, is_to_group, .. } = received;
        Some(Heard { bytes, from, is_to_group, stamp, kernel_stamped: moment.is_some() })
    }

    fn note(&mut self, act: Act, whom: &str, done: io::Result<()>) -> io::Result<()> {
        match &done {
            Ok(()) => {
                self.counts.sent += 1;
                self.trouble = None;
            }
            Err(error) => self.failed(act, whom, error),
        }
        done
    }

    fn failed(&mut self, act: Act, whom: &str, error: &io::Error) {
        self.counts.failed += 1;
        let words = format!("{whom}: {}", in_words(act, error));
        if self.complaints.is_due(act, error, self.clocks.raw()) {
            log::warn!("{words}; this is tried again, and logged once an hour");
        }
        if matches!(act, Act::Multicast | Act::Unicast) {
            self.trouble = Some(words);
        }
    }
}

/// Returns success if one of the two was successful, otherwise the later error.
fn one_of(one: io::Result<()>, other: io::Result<()>) -> io::Result<()> {
    if one.is_ok() { one } else { other }
}

#[cfg(test)]
mod tests;
