//! What comes and goes: a datagram that was heard, to whom one is sent, and how many there were.

use std::net::SocketAddr;

use jaudiosync_time::{Instant, Raw};

/// To whom a datagram is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// To the group, out of every interface. Configured neighbours are not among them: whoever compares
    /// clocks by a datagram must know that it came to all at once.
    All,
    /// To one box, usually where it was [heard](Heard) from.
    One(SocketAddr),
}

/// A datagram that may be a message of a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What was sent, at most `MAX_DATAGRAM_BYTES`. It begins as a message does; whether it is
    /// one is not known.
    pub bytes: Vec<u8>,
    /// Where it came from: also where an answer goes.
    pub from: SocketAddr,
    /// Whether it was sent to the group, and not to this box alone.
    pub is_to_group: bool,
    /// When it came.
    pub stamp: Instant<Raw>,
    /// Whether `stamp` is the kernel's, some µs after the frame, and within 0.1 ms. Otherwise it is
    /// when the program got the datagram, which may be later by any time: in the first 2 s, after
    /// the system clock was set, and where the kernel has no stamps.
    pub kernel_stamped: bool,
}

/// What has happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Datagrams that were passed on.
    pub heard: u64,
    /// Of these, without a stamp of the kernel.
    pub unstamped: u64,
    /// Dropped: they do not begin as a message, or are too short or too long for one.
    pub foreign: u64,
    /// Dropped: too many came from there, and their signatures were not verified.
    pub flood: u64,
    /// Times that sending or receiving failed, each interface counted by itself.
    pub failed: u64,
    /// Datagrams sent, each interface counted by itself.
    pub sent: u64,
}
