//! References: sources of absolute time outside the box, each with its own error bound. All are
//! optional, and may come and go at any time.
//!
//! The code here queries the sources, each on a thread of its own; whether a sample is believed is
//! decided in `estimate`, and nothing here sets a clock.

pub mod gpsd;
pub mod ntp;
pub mod poll_interval;
pub(crate) mod resolver;
pub mod system;
mod worker;

use std::fmt;
use std::sync::Arc;

use jaudiosync_time::{Instant, Raw, Utc};

pub use gpsd::GpsdSource;
pub use ntp::NtpSource;
pub use system::SystemSource;
pub use worker::ReferenceThread;

/// What a source's thread sends.
#[derive(Debug, Clone, PartialEq)]
pub enum ReferenceEvent {
    /// The time.
    Sample(Sample),
    /// Why there is no sample. It is sent once for each change: the same reason is not repeated
    /// until a sample came between.
    Trouble {
        /// Which source has the trouble.
        source: Source,
        /// What happened and what can be done, for people.
        reason: String,
    },
}

/// What a source says: when the raw clock showed `raw`, it was `utc`, within the error.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The source.
    pub source: Source,
    /// A reading of the raw clock.
    pub raw: Instant<Raw>,
    /// UTC at that reading.
    pub utc: Instant<Utc>,
    /// The expected error, by which samples are weighed: a standard deviation, in ns.
    pub sigma_ns: f64,
    /// The largest possible error if the source is honest (for NTP: half the round trip and the
    /// server's own root distance), in ns.
    pub bound_ns: f64,
}

/// One source, by kind and name: two servers are two sources.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// What kind of source it is.
    pub kind: SourceKind,
    /// Which one: the server's name, the GPS receiver's device.
    pub name: Arc<str>,
}

/// The kinds of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKind {
    /// A network time server.
    Ntp,
    /// A GPS receiver's pulse every second, through gpsd.
    GpsPps,
    /// A GPS receiver's messages alone, through gpsd: good to some tenths of a second.
    GpsMessages,
    /// The system clock, which another daemon keeps.
    System,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SourceKind::Ntp => "NTP",
            SourceKind::GpsPps => "GPS pulse",
            SourceKind::GpsMessages => "GPS",
            SourceKind::System => "system clock",
        };
        write!(formatter, "{kind}")?;
        if self.name.is_empty() { Ok(()) } else { write!(formatter, " {}", self.name) }
    }
}
