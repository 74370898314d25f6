//! What a burst of exchanges with a server says of the time. Pure.

use std::net::IpAddr;
use std::time::Duration;

use jaudiosync_time::{Instant, Raw, Span, Utc};

use crate::timekeeping::references::{Sample, Source};

/// A longer round trip is not worth using.
pub(super) const LONGEST_DELAY: Span = Span::SECOND;

/// No round trip is this short: such a server claims to have held the question longer than it was
/// away.
const SHORTEST_DELAY: Span = Span::from_us(2);

/// A server may be this far from its own source: NTP's distance threshold (RFC 5905, MAXDIST,
/// section 11.2.1).
const LARGEST_ROOT_DISTANCE: Span = Span::from_ms(1500);

/// The stamps on this side are in whole µs, two of them, in ns.
const STAMPS_NS: f64 = 2_000.0;

/// The raw clock is not disciplined, but no crystal is more than 100 ppm off: in ns per ns.
const RAW_CLOCK_ERROR: f64 = 100e-6;

/// One question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The raw clock when the answer came.
    pub raw: Instant<Raw>,
    /// UTC then, if both ways took equally long.
    pub utc: Instant<Utc>,
    /// The round trip without the time at the server.
    pub delay: Span,
    /// How far the server may be from UTC: half the root delay, the root dispersion, and its
    /// precision.
    pub root_distance: Span,
}

impl Exchange {
    /// Returns by how much this server is ahead of what another exchange says.
    fn ahead_of(&self, other: &Self) -> Span {
        self.utc - other.utc - (self.raw - other.raw)
    }

    /// Returns half the delay, as one way may have taken all of it, and the errors of stamping, in
    /// ns.
    fn path_bound_ns(&self) -> f64 {
        let delay_ns = self.delay.ns_f64();
        delay_ns / 2.0 + STAMPS_NS + delay_ns * RAW_CLOCK_ERROR
    }
}

/// What the burst says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The raw clock.
    pub raw: Instant<Raw>,
    /// UTC then.
    pub utc: Instant<Utc>,
    /// The expected error, in ns.
    pub sigma_ns: f64,
    /// The largest possible error if the server is honest, in ns.
    pub bound_ns: f64,
}

impl Estimate {
    /// Makes it the sample of a source.
    pub fn into_sample(self, source: Source) -> Sample {
        let Self { raw, utc, sigma_ns, bound_ns } = self;
        Sample { source, raw, utc, sigma_ns, bound_ns }
    }
}

/// Why a burst has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BurstError {
    /// There is no exchange.
    #[error("no usable answer")]
    Empty,
    /// Every round trip is too long.
    #[error("the answers are slower than 1 s: the network is too busy for a usable time")]
    TooSlow,
    /// A round trip is impossibly short.
    #[error("the answers claim to have been on their way for no time at all: the server's clock is not to be trusted")]
    TooFast,
    /// The server states too large a root distance.
    #[error("the server reports that it may be more than 1.5 s off: wait until it is synchronized, or name another")]
    TooFarFromRoot,
    /// The server reports a time that has long passed.
    #[error("the server's time is before this program was built: its clock is wrong")]
    TooOld,
    /// The exchanges exclude each other.
    #[error(
        "the answers contradict each other: the server's clock was just set, or several servers share this address"
    )]
    Contradiction,
}

/// Estimates UTC from the exchange with the shortest round trip: queues only ever make it longer,
/// and the error is what makes one way longer than the other (NTP's clock filter, RFC 5905,
/// section 10).
///
/// The bound is half that round trip, plus the server's root distance, plus the stamps. Sigma has
/// three independent parts: a third of half the round trip and a third of the root distance (bounds
/// are rarely met: they are taken for three standard deviations), and by how much the quicker half
/// of the others differ from the chosen one (root mean square). A lone answer cannot distinguish
/// queues from distance: anywhere within half its round trip is equally likely.
///
/// # Errors
/// When the burst has no result that may be believed. Times before `earliest` may not.
pub fn estimate(exchanges: &[Exchange], earliest: Instant<Utc>) -> Result<Estimate, BurstError> {
    let best = *exchanges.iter().min_by_key(|exchange| exchange.delay).ok_or(BurstError::Empty)?;
    if best.delay > LONGEST_DELAY {
        return Err(BurstError::TooSlow);
    }
    if best.delay < SHORTEST_DELAY {
        return Err(BurstError::TooFast);
    }
    if !(Span::ZERO..=LARGEST_ROOT_DISTANCE).contains(&best.root_distance) {
        return Err(BurstError::TooFarFromRoot);
    }
    if best.utc < earliest {
        return Err(BurstError::TooOld);
    }
    let difference_ns = |other: &Exchange| other.ahead_of(&best).ns_f64();
    let contradicts = |other: &&Exchange| {
        let apart_ns = (other.raw - best.raw).abs().ns_f64();
        let allowed_ns = other.path_bound_ns() + best.path_bound_ns() + apart_ns * RAW_CLOCK_ERROR;
        difference_ns(other).abs() > allowed_ns
    };
    if exchanges.iter().any(|other| contradicts(&other)) {
        return Err(BurstError::Contradiction);
    }
    let path_ns = best.path_bound_ns();
    let root_ns = best.root_distance.ns_f64();
    let path_sigma_ns = if exchanges.len() == 1 { path_ns / 3.0_f64.sqrt() } else { path_ns / 3.0 };
    let bound_ns = path_ns + root_ns;
    let sigma_ns = path_sigma_ns.hypot(root_ns / 3.0).hypot(jitter_ns(exchanges, difference_ns));
    Ok(Estimate { raw: best.raw, utc: best.utc, sigma_ns: sigma_ns.min(bound_ns), bound_ns })
}

/// Returns the root mean square of the differences of the quicker half, which holds the chosen one
/// itself and at least one more.
fn jitter_ns(exchanges: &[Exchange], difference_ns: impl Fn(&Exchange) -> f64) -> f64 {
    let mut by_delay: Vec<&Exchange> = exchanges.iter().collect();
    by_delay.sort_by_key(|exchange| exchange.delay);
    by_delay.truncate(by_delay.len().div_ceil(2).max(2));
    let others = by_delay.len().saturating_sub(1);
    if others == 0 {
        return 0.0;
    }
    let sum: f64 = by_delay.iter().map(|exchange| difference_ns(exchange).powi(2)).sum();
    (sum / others as f64).sqrt()
}

/// How a burst is spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurstPlan {
    /// How many questions it has.
    pub exchanges: usize,
    /// How long after one question the next one is sent.
    pub spacing: Duration,
}

impl BurstPlan {
    /// For a box or a phone in the same network, which accepts 8 questions in a second.
    pub const NEARBY: Self = Self { exchanges: 8, spacing: Duration::from_millis(150) };

    /// For a public server. These count questions: many drop what comes within 2 s of the last one
    /// (ntpd's `limited`), so there are 4, 2 s apart, as `iburst` does.
    pub const PUBLIC: Self = Self { exchanges: 4, spacing: Duration::from_secs(2) };

    /// Returns the plan for a server at this address.
    pub(super) fn for_server(address: IpAddr) -> Self {
        let nearby = match address.to_canonical() {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        };
        if nearby { Self::NEARBY } else { Self::PUBLIC }
    }
}

#[cfg(test)]
#[path = "burst_tests.rs"]
mod tests;
