//! The edge tracker: from brackets around the RTC's seconds to "RTC time at any reading of the raw clock".
//!
//! The DS3231 tells whole seconds only. What it tells exactly is when one begins: an *edge*. A hunt for an edge gives a
//! bracket in which it lies, as wide as one transfer on the bus. A Kalman filter of two states, the phase and the rate of
//! the one clock against the other, makes some ten microseconds of some hundred such brackets.

use jaudiosync_hw::clocks::NS_PER_S;

use super::Timescale;
use crate::kalman::Kalman;

/// Random walk of the rate between the Pi's crystal and the RTC, in ppb per square root of a second. A crystal of a few
/// tenths of a ppm per degree in a box that warms by a degree a minute moves by some 300 ppb in 100 s.
const RATE_WALK_PPB: f64 = 10.0;

/// The crystal of a Raspberry Pi and the RTC together differ by up to some 20 ppm.
const INITIAL_RATE_SIGMA_PPB: f64 = 20_000.0;

/// Of the time, this share at most is spent on the bus.
const BUS_SHARE: f64 = 0.015;

/// Reads of a hunt at most: at 100 kHz a read takes 0.4 ms, so that a hunt takes at most 1.8 % of a second.
const READS_PER_HUNT: i64 = 45;

/// A transfer of one register at 100 kHz: 39 bits, and the kernel's work. The first guess.
const TRANSFER_NS: i64 = 420_000;

/// How far around the predicted edge is looked: so many standard deviations, and as much in any case.
const WINDOW_SIGMAS: f64 = 4.0;
const MIN_WINDOW_NS: f64 = 150_000.0;

/// Once the edge is known to this, it is looked at by single reads.
const AIM_SIGMA_NS: f64 = 60_000.0;

/// How exactly the latch of a single read is known, as a standard deviation: the kernel's work before and after the
/// transfer is not the same each time.
const LATCH_SIGMA_NS: f64 = 15_000.0;

/// A thread wakes late by this much, but for a few times.
const LATE_WAKE_NS: i64 = 200_000;

/// Hunts that find nothing, in a row, after which the whole second is searched.
const MISSES_TO_SEARCH: u32 = 3;

/// An edge is believed within this many standard deviations of where it is expected.
const GATE_SIGMAS: f64 = 6.0;

/// The tracker may be used once it knows the phase to this, in ns.
const SETTLED_SIGMA_NS: f64 = 100_000.0;

/// What to look for next: reads from `from_raw_ns` on, at least `spacing_ns` apart, until the second changes or
/// `until_raw_ns`; or one read only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HuntPlan {
    /// One read, aimed at the edge.
    pub is_single: bool,
    /// When the first read begins.
    pub from_raw_ns: i64,
    /// When to give up.
    pub until_raw_ns: i64,
    /// From the beginning of a read to that of the next; 0 for as fast as can be.
    pub spacing_ns: i64,
}

/// An edge that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The RTC's second that began, since the Unix epoch.
    pub rtc_s: i64,
    /// The middle of the bracket on the raw clock.
    pub raw_ns: i64,
    /// Half the width of the bracket.
    pub half_width_ns: i64,
}

/// A single read near an edge: the chip latched its registers before the edge, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The second whose beginning is the edge.
    pub rtc_s: i64,
    /// Whether that second had begun.
    pub has_begun: bool,
    /// When the registers were latched, on the raw clock.
    pub raw_ns: i64,
    /// How far that can be wrong.
    pub give_or_take_ns: i64,
}

/// What an edge did to the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeVerdict {
    /// It was taken in.
    Taken,
    /// It is too far off; if it is seen again when the whole second is searched, it is a jump.
    Outlier,
    /// The RTC was set by somebody else, or restarted: its time jumped by so much, in ns, and tracking began anew.
    Jumped {
        /// By how much the RTC is ahead of where it was expected.
        by_ns: i64,
    },
}

/// Follows the RTC's edges on the raw clock.
#[derive(Debug, Clone)]
pub struct EdgeTracker {
    line: Option<Line>,
    misses: u32,
    hunts: u32,
    not_before_raw_ns: i64,
    /// What a transfer takes at best, as learnt.
    transfer_ns: i64,
    /// How late the thread usually wakes, as learnt.
    wake_late_ns: i64,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    rtc_s: i64,
    /// When that second began: a whole part, and the filter's own fraction.
    base_raw_ns: i64,
    /// Phase in ns, and by how much an RTC second lasts longer than one of the raw clock, in ppb.
    filter: Kalman<2>,
    edges: u32,
    /// It was known well enough once, and so is known for as long as nothing jumps: how well, its sigma tells.
    is_settled: bool,
}

impl Default for EdgeTracker {
    fn default() -> Self {
        Self { line: None, misses: 0, hunts: 0, not_before_raw_ns: i64::MIN, transfer_ns: TRANSFER_NS, wake_late_ns: 0 }
    }
}

impl EdgeTracker {
    /// Where to look for the next edge.
    pub fn plan(&self, now_raw_ns: i64) -> HuntPlan {
        let now_raw_ns = now_raw_ns.max(self.not_before_raw_ns);
        let Some(line) = self.line else {
            let middle_raw_ns = now_raw_ns + NS_PER_S * 55 / 100;
            let search = self.search(now_raw_ns, 0.55e9, middle_raw_ns);
            // The very first hunt reads as fast as can be: a box that comes back after a power cut waits for nothing else.
            return if self.hunts == 0 { HuntPlan { spacing_ns: 0, ..search } } else { search };
        };
        let sigma_ns = line.sigma_ns(now_raw_ns + NS_PER_S);
        // A hunt that missed looks further around the next time, in the end all around the second.
        let mut half_ns = WINDOW_SIGMAS * sigma_ns + MIN_WINDOW_NS;
        if self.misses > 0 {
            half_ns = if self.misses >= MISSES_TO_SEARCH { 0.55e9 } else { half_ns * 4_f64.powf(self.misses.into()) };
        }
        let half_ns = half_ns.min(0.55e9);
        if self.misses == 0 && line.is_settled && sigma_ns < AIM_SIGMA_NS {
            return self.aim(&line, now_raw_ns);
        }
        let ready_ns = now_raw_ns.saturating_add(half_ns as i64).saturating_add(LATE_WAKE_NS + 2 * self.transfer_ns);
        let second = line.map().utc_ns(ready_ns).div_euclid(NS_PER_S) + 1;
        let edge_raw_ns = line.map().raw_ns(second.saturating_mul(NS_PER_S));
        self.search(now_raw_ns, half_ns, edge_raw_ns)
    }

    /// One read whose latch falls on the predicted edge, where the answer tells most.
    fn aim(&self, line: &Line, now_raw_ns: i64) -> HuntPlan {
        let lead_ns = self.transfer_ns / 2 + self.wake_late_ns;
        let second = line.map().utc_ns(now_raw_ns.saturating_add(lead_ns + LATE_WAKE_NS)).div_euclid(NS_PER_S) + 1;
        let edge_raw_ns = line.map().raw_ns(second.saturating_mul(NS_PER_S));
        let from_raw_ns = edge_raw_ns.saturating_sub(lead_ns);
        HuntPlan { is_single: true, from_raw_ns, until_raw_ns: from_raw_ns, spacing_ns: 0 }
    }

    fn search(&self, now_raw_ns: i64, half_ns: f64, middle_raw_ns: i64) -> HuntPlan {
        let half_ns = half_ns as i64;
        let spacing_ns = (2 * half_ns / READS_PER_HUNT).max(self.transfer_ns);
        // Where between two reads the edge falls must not follow from where it is expected, or the prediction would confirm
        // itself. The golden ratio spreads the beginnings evenly over one spacing.
        let dither = (f64::from(self.hunts) * 0.618_033_988_749_895).fract();
        // The first latch must come before the window, however late the thread wakes: edges that are found only where the
        // dither is long would all seem to be late.
        let early_ns = half_ns + LATE_WAKE_NS + self.transfer_ns / 2 + (dither * spacing_ns as f64) as i64;
        let from_raw_ns = middle_raw_ns.saturating_sub(early_ns).max(now_raw_ns);
        let spacing_ns = if spacing_ns <= self.transfer_ns { 0 } else { spacing_ns };
        let until_raw_ns = middle_raw_ns.saturating_add(half_ns).saturating_add(spacing_ns + self.transfer_ns);
        HuntPlan { is_single: false, from_raw_ns, until_raw_ns, spacing_ns }
    }

    /// Takes in what a hunt cost: how long the bus was in use, and the quickest of its transfers.
    pub fn hunted(&mut self, ended_raw_ns: i64, busy_ns: i64, quickest_ns: i64) {
        // The very first hunt is not to be paid for with a minute of rest.
        let busy_ns = if self.hunts == 0 { 0 } else { busy_ns };
        self.hunts = self.hunts.wrapping_add(1);
        self.not_before_raw_ns = ended_raw_ns.saturating_add((busy_ns as f64 / BUS_SHARE) as i64 - NS_PER_S * 9 / 10);
        // Follows at once to the quicker, slowly to the slower.
        let slower_ns = self.transfer_ns + (quickest_ns - self.transfer_ns) / 8;
        self.transfer_ns = quickest_ns.min(slower_ns).clamp(20_000, NS_PER_S);
    }

    /// The RTC tells another date than the one followed: the whole second is searched, and an edge elsewhere believed.
    pub fn doubt(&mut self) {
        self.misses = self.misses.max(MISSES_TO_SEARCH);
    }

    /// Takes in that a hunt found no edge.
    pub fn missed(&mut self) {
        self.misses = self.misses.saturating_add(1);
    }

    /// Takes an edge in. Its second is checked against the RTC's own date by the caller.
    pub fn found(&mut self, edge: Edge) -> EdgeVerdict {
        let Some(line) = &mut self.line else {
            self.line = Some(Line::new(edge, INITIAL_RATE_SIGMA_PPB, 0.0));
            self.misses = 0;
            return EdgeVerdict::Taken;
        };
        let mut next = *line;
        next.advance_to(edge.rtc_s);
        // Uniform within the bracket.
        let variance = (edge.half_width_ns as f64).powi(2) / 3.0 + 1e8;
        let innovation_ns = (edge.raw_ns.saturating_sub(next.base_raw_ns)) as f64 - next.filter.state[0];
        let gate_ns = GATE_SIGMAS * (next.filter.variance_of(&Kalman::PHASE) + variance).sqrt() + MIN_WINDOW_NS;
        if innovation_ns.abs() > gate_ns {
            if self.misses < MISSES_TO_SEARCH {
                self.misses += 1;
                return EdgeVerdict::Outlier;
            }
            let rate_ppb = line.filter.state[1];
            let rate_sigma_ppb = line.filter.covariance[1][1].sqrt().max(200.0);
            self.line = Some(Line::new(edge, rate_sigma_ppb, rate_ppb));
            self.misses = 0;
            return EdgeVerdict::Jumped { by_ns: -innovation_ns.clamp(-1e18, 1e18) as i64 };
        }
        next.filter.correct(&Kalman::PHASE, innovation_ns, variance);
        next.edges = next.edges.saturating_add(1);
        next.is_settled |= next.is_good_enough();
        *line = next;
        self.misses = 0;
        EdgeVerdict::Taken
    }

    /// Takes a single look in. It tells one bit, and where the edge is about as likely before the latch as after it, that
    /// bit is worth more than a bracket ten times as wide as what is known already.
    ///
    /// The edge is normally distributed, and so is the error of the latch; the posterior's mean and variance are those of
    /// probit regression (Rasmussen and Williams, Gaussian Processes for Machine Learning, 3.6.1).
    pub fn looked(&mut self, look: Look, planned_raw_ns: i64) {
        let late_ns = look.raw_ns.saturating_sub(planned_raw_ns).saturating_sub(self.transfer_ns / 2);
        self.wake_late_ns += (late_ns.clamp(0, LATE_WAKE_NS) - self.wake_late_ns) / 16;
        let Some(line) = &mut self.line else { return };
        let mut next = *line;
        next.advance_to(look.rtc_s);
        let variance = next.filter.variance_of(&Kalman::PHASE);
        let noise_ns = LATCH_SIGMA_NS.hypot(look.give_or_take_ns as f64);
        let spread_ns = variance.sqrt().hypot(noise_ns);
        // By how many standard deviations the latch came after the edge, if the answer is as expected.
        let after_ns = look.raw_ns.saturating_sub(next.base_raw_ns) as f64 - next.filter.state[0];
        let sign = if look.has_begun { 1.0 } else { -1.0 };
        let z = sign * after_ns / spread_ns;
        if z < -GATE_SIGMAS {
            // The second began where it cannot have: look further around.
            self.misses += 1;
            return;
        }
        let ratio = density_over_probability(z);
        next.filter.correct_by_likelihood(
            &Kalman::PHASE,
            -sign * ratio / spread_ns,
            ratio * (ratio + z) / spread_ns.powi(2),
        );
        *line = next;
    }

    /// RTC time as a function of the raw clock, once it is known well enough.
    pub fn map(&self) -> Option<Timescale> {
        let line = self.line.filter(|line| line.is_settled)?;
        Some(line.map())
    }

    /// RTC time as far as it is known at all: to tell which second an edge begins.
    pub fn rough_map(&self) -> Option<Timescale> {
        self.line.map(|line| line.map())
    }

    /// Standard deviation of [`map`](Self::map) at a reading of the raw clock, in ns. It grows while no edge is found.
    pub fn sigma_ns(&self, raw_ns: i64) -> f64 {
        self.line.map_or(f64::INFINITY, |line| line.sigma_ns(raw_ns))
    }

    /// What a transfer takes at best, as learnt, in ns.
    pub fn transfer_ns(&self) -> i64 {
        self.transfer_ns
    }

    /// Whether the whole second is searched, and an edge anywhere believed.
    pub fn is_in_doubt(&self) -> bool {
        self.misses >= MISSES_TO_SEARCH
    }
}

/// The normal distribution's density over its integral up to there.
fn density_over_probability(z: f64) -> f64 {
    // Far out the quotient is nearly -z; there the integral has no digits left.
    if z < -5.0 {
        return -z + 1.0 / -z;
    }
    let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    density / normal_integral(z)
}

/// Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.17: exact to 7.5e-8.
fn normal_integral(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let polynomial =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt() * polynomial;
    if z < 0.0 { tail } else { 1.0 - tail }
}

impl Line {
    fn new(edge: Edge, rate_sigma_ppb: f64, rate_ppb: f64) -> Self {
        let sigma_ns = edge.half_width_ns as f64 / 3_f64.sqrt();
        let filter = Kalman::new([0.0, rate_ppb], [sigma_ns, rate_sigma_ppb]);
        Self { rtc_s: edge.rtc_s, base_raw_ns: edge.raw_ns, filter, edges: 1, is_settled: false }
    }

    fn is_good_enough(&self) -> bool {
        // Two that agree are no chance; more make it better.
        self.edges >= 2 && self.filter.variance_of(&Kalman::PHASE).sqrt() < SETTLED_SIGMA_NS
            // A bus too slow for that is used for what it is worth.
            || self.edges >= 30
    }

    fn map(&self) -> Timescale {
        let rate = self.filter.state[1] * 1e-9;
        let raw_ns = self.base_raw_ns.saturating_add(self.filter.state[0].round() as i64);
        Timescale { raw_ns, utc_ns: self.rtc_s.saturating_mul(NS_PER_S), rate_ppb: -rate / (1.0 + rate) * 1e9 }
    }

    fn drift(filter: &mut Kalman<2>, elapsed_s: f64) {
        filter.drift(elapsed_s, RATE_WALK_PPB * RATE_WALK_PPB * elapsed_s);
    }

    fn advance_to(&mut self, rtc_s: i64) {
        let elapsed_s = rtc_s.saturating_sub(self.rtc_s);
        // An RTC that was set may tell any second, also one of before.
        Self::drift(&mut self.filter, elapsed_s.clamp(0, 86_400 * 365) as f64);
        // The fraction is kept small, where it is most exact.
        let carry_ns = self.filter.state[0].round();
        self.filter.state[0] -= carry_ns;
        let moved_ns = elapsed_s.saturating_mul(NS_PER_S).saturating_add(carry_ns as i64);
        self.base_raw_ns = self.base_raw_ns.saturating_add(moved_ns);
        self.rtc_s = self.rtc_s.saturating_add(elapsed_s);
    }

    fn sigma_ns(&self, raw_ns: i64) -> f64 {
        let elapsed_s = (raw_ns.saturating_sub(self.base_raw_ns) as f64 * 1e-9).max(0.0);
        let mut filter = self.filter;
        Self::drift(&mut filter, elapsed_s);
        filter.variance_of(&Kalman::PHASE).sqrt()
    }
}
