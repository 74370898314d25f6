//! What a burst of exchanges with a server says of the time. Pure.

use std::net::IpAddr;
use std::time::Duration;

use crate::timekeeping::references::{Sample, Source};

/// A round trip longer than this tells nothing worth having, in ns.
pub(super) const LONGEST_DELAY_NS: i64 = 1_000_000_000;

/// No round trip is this short, in ns: such a server claims to have held the question longer than it was away.
const SHORTEST_DELAY_NS: i64 = 2_000;

/// A server may be this far from its own source, in ns: NTP's distance threshold (RFC 5905, MAXDIST, section 11.2.1).
const LARGEST_ROOT_DISTANCE_NS: i64 = 1_500_000_000;

/// The stamps on this side are in whole µs, two of them, in ns.
const STAMPS_NS: i64 = 2_000;

/// The raw clock is not disciplined, but no crystal is more than 100 ppm off: in ns per ns.
const RAW_CLOCK_ERROR: f64 = 100e-6;

/// One question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The raw clock when the answer came, in ns.
    pub raw_ns: i64,
    /// UTC then, if both ways took equally long, in ns since the Unix epoch.
    pub utc_ns: i64,
    /// The round trip without the time at the server, in ns.
    pub delay_ns: i64,
    /// How far the server may be from UTC: half the root delay, the root dispersion, and its precision; in ns.
    pub root_distance_ns: i64,
}

impl Exchange {
    fn raw_to_utc_ns(&self) -> i64 {
        self.utc_ns.saturating_sub(self.raw_ns)
    }

    /// Half the delay, as one way may have taken all of it, and the errors of stamping.
    fn path_bound_ns(&self) -> f64 {
        let delay_ns = self.delay_ns as f64;
        delay_ns / 2.0 + STAMPS_NS as f64 + delay_ns * RAW_CLOCK_ERROR
    }
}

/// What the burst says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The raw clock, in ns.
    pub raw_ns: i64,
    /// UTC then, in ns since the Unix epoch.
    pub utc_ns: i64,
    /// The expected error, in ns.
    pub sigma_ns: f64,
    /// The error possible at all if the server is honest, in ns.
    pub bound_ns: f64,
}

impl Estimate {
    /// Make it the sample of a source.
    pub fn into_sample(self, source: Source) -> Sample {
        let Self { raw_ns, utc_ns, sigma_ns, bound_ns } = self;
        Sample { source, raw_ns, utc_ns, sigma_ns, bound_ns }
    }
}

/// Why a burst says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BurstError {
    /// There is no exchange.
    #[error("no usable answer")]
    Empty,
    /// Every round trip is too long.
    #[error("the answers are slower than 1 s: the network is too busy to tell the time")]
    TooSlow,
    /// A round trip is impossibly short.
    #[error("the answers claim to have been on their way for no time at all: the server's clock is not to be trusted")]
    TooFast,
    /// The server states too large a root distance.
    #[error("the server may itself be more than 1.5 s off, it says: wait until it is synchronized, or name another")]
    TooFarFromRoot,
    /// The server reports a time from before this program was built.
    #[error("the server's time lies before this program was built: its clock is wrong")]
    TooOld,
    /// The exchanges exclude each other.
    #[error(
        "the answers contradict each other: the server's clock was just set, or several servers share this address"
    )]
    Contradiction,
}

/// Estimate the time by the exchange with the shortest round trip: queues only ever make it longer, and what makes one way longer than
/// the other makes the error (NTP's clock filter, RFC 5905, section 10).
///
/// The bound is half that round trip, plus the server's root distance, plus the stamps. Sigma is made of three
/// independent parts: a third of half the round trip and a third of the root distance (bounds are rarely met: they are
/// taken for three standard deviations), and what the quicker half of the others differ from the chosen one (root mean
/// square). A lone answer cannot tell queues from distance: anywhere within half its round trip is equally likely.
///
/// # Errors
/// When the burst says nothing that may be believed. Times before `earliest_utc_ns` may not.
pub fn estimate(exchanges: &[Exchange], earliest_utc_ns: i64) -> Result<Estimate, BurstError> {
    let best = *exchanges.iter().min_by_key(|exchange| exchange.delay_ns).ok_or(BurstError::Empty)?;
    if best.delay_ns > LONGEST_DELAY_NS {
        return Err(BurstError::TooSlow);
    }
    if best.delay_ns < SHORTEST_DELAY_NS {
        return Err(BurstError::TooFast);
    }
    if !(0..=LARGEST_ROOT_DISTANCE_NS).contains(&best.root_distance_ns) {
        return Err(BurstError::TooFarFromRoot);
    }
    if best.utc_ns < earliest_utc_ns {
        return Err(BurstError::TooOld);
    }
    let difference_ns = |other: &Exchange| other.raw_to_utc_ns().saturating_sub(best.raw_to_utc_ns()) as f64;
    let contradicts = |other: &&Exchange| {
        let apart_ns = other.raw_ns.saturating_sub(best.raw_ns).saturating_abs() as f64;
        let allowed_ns = other.path_bound_ns() + best.path_bound_ns() + apart_ns * RAW_CLOCK_ERROR;
        difference_ns(other).abs() > allowed_ns
    };
    if exchanges.iter().any(|other| contradicts(&other)) {
        return Err(BurstError::Contradiction);
    }
    let path_ns = best.path_bound_ns();
    let root_ns = best.root_distance_ns as f64;
    let path_sigma_ns = if exchanges.len() == 1 { path_ns / 3.0_f64.sqrt() } else { path_ns / 3.0 };
    let bound_ns = path_ns + root_ns;
    let sigma_ns = path_sigma_ns.hypot(root_ns / 3.0).hypot(jitter_ns(exchanges, difference_ns));
    Ok(Estimate { raw_ns: best.raw_ns, utc_ns: best.utc_ns, sigma_ns: sigma_ns.min(bound_ns), bound_ns })
}

/// The root mean square of the differences of the quicker half, which holds the chosen one itself and at least one
/// more.
fn jitter_ns(exchanges: &[Exchange], difference_ns: impl Fn(&Exchange) -> f64) -> f64 {
    let mut by_delay: Vec<&Exchange> = exchanges.iter().collect();
    by_delay.sort_by_key(|exchange| exchange.delay_ns);
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
    /// How long after one question the next is asked.
    pub spacing: Duration,
}

impl BurstPlan {
    /// For a box or a phone in the same network, which takes 8 questions in a second.
    pub const NEARBY: Self = Self { exchanges: 8, spacing: Duration::from_millis(150) };

    /// For a public server. These count questions: many drop what comes within 2 s of the last one (ntpd's `limited`),
    /// so there are 4, 2 s apart, as `iburst` does.
    pub const PUBLIC: Self = Self { exchanges: 4, spacing: Duration::from_secs(2) };

    /// Return the plan for a server at this address.
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
