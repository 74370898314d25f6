//! The edge tracker: from brackets around the RTC's seconds to RTC time at any reading of the raw
//! clock.
//!
//! The DS3231 shows whole seconds only. What it shows exactly is when one begins: an *edge*. A
//! search for an edge gives a bracket in which it lies, as wide as one transfer on the bus. A
//! Kalman filter of two states, the phase and the rate of the RTC against the raw clock, turns
//! about a hundred such brackets into about ten microseconds.

mod line;

use jaudiosync_time::{ClockMap, Instant, PhaseRate, Raw, Rtc, Span};

use self::line::{Line, PHASE};
use super::edge_search::{Search, SearchPlan};
use super::normal::density_over_probability;

/// The crystal of a Raspberry Pi and the RTC together differ by up to about 20 ppm.
const INITIAL_RATE_SIGMA_PPB: f64 = 20_000.0;

/// After a jump the crystals are still the same, and their rate is known to this at best.
const RATE_SIGMA_AFTER_JUMP_PPB: f64 = 200.0;

/// At most this fraction of the time is spent on the bus.
const BUS_SHARE: f64 = 0.015;

/// At most this many reads per search: at 100 kHz a read takes 0.4 ms, so that a search takes at
/// most 1.8 % of a second.
const READS_PER_SEARCH: i64 = 45;

/// The first guess for a transfer of one register at 100 kHz: 39 bits, and the kernel's work.
const FIRST_TRANSFER: Span = Span::from_us(420);

/// A faster transfer is not believed.
const MIN_TRANSFER: Span = Span::from_us(20);

/// A search reaches this many standard deviations around the predicted edge, and at least the
/// minimum.
const WINDOW_SIGMAS: f64 = 4.0;
const MIN_WINDOW_NS: f64 = 150_000.0;

/// Half of a window in which the whole second is searched.
const WHOLE_SECOND_HALF_NS: f64 = 0.55e9;

/// Once the edge is known to this, it is probed by single reads.
const PROBE_SIGMA_NS: f64 = 60_000.0;

/// How accurately the latch of a single read is known, as a standard deviation: the kernel's work
/// before and after the transfer varies.
const LATCH_SIGMA_NS: f64 = 15_000.0;

/// A thread hardly ever wakes later than this.
const LATE_WAKE: Span = Span::from_us(200);

/// After this many searches in a row that find nothing, the whole second is searched.
const MISSES_TO_SEARCH: u32 = 3;

/// An edge is believed within this many standard deviations of where it is expected.
const GATE_SIGMAS: f64 = 6.0;

/// The variance of what brackets do not account for, in ns².
const EXTRA_VARIANCE: f64 = 1e8;

/// An edge that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The RTC's second that began, since the Unix epoch.
    pub second: i64,
    /// The middle of the bracket.
    pub at: Instant<Raw>,
    /// Half the width of the bracket.
    pub half_width: Span,
}

/// A single read near an edge: the chip latched its registers before the edge, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// The second whose beginning is the edge.
    pub second: i64,
    /// Whether that second had begun.
    pub has_begun: bool,
    /// When the registers were latched.
    pub latched: Instant<Raw>,
    /// How far that can be wrong.
    pub uncertainty: Span,
    /// When the read was to begin.
    pub planned: Instant<Raw>,
}

/// What an edge did to the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeVerdict {
    /// It was absorbed.
    Absorbed,
    /// It is too far off; if a search of the whole second finds it again, it is a jump.
    Outlier,
    /// Another program set the RTC, or it restarted: its time jumped, and tracking started over.
    Jumped {
        /// By how much the RTC is ahead of where it was expected.
        by: Span,
    },
}

/// Follows the RTC's edges on the raw clock.
#[derive(Debug, Clone)]
pub struct EdgeTracker {
    line: Option<Line>,
    misses: u32,
    searches: u32,
    /// No search begins earlier than this, so that the bus has its rest.
    not_before: Option<Instant<Raw>>,
    /// The shortest duration of a transfer, as estimated.
    transfer: Span,
    /// How late the thread usually wakes, as estimated.
    late_wake: Span,
}

impl Default for EdgeTracker {
    fn default() -> Self {
        Self { line: None, misses: 0, searches: 0, not_before: None, transfer: FIRST_TRANSFER, late_wake: Span::ZERO }
    }
}

impl EdgeTracker {
    /// Plans the search for the next edge.
    pub fn plan(&self, now: Instant<Raw>) -> SearchPlan {
        let now = self.not_before.map_or(now, |not_before| now.max(not_before));
        let Some(line) = self.line else {
            let middle = now + Span::from_ms(550);
            // The very first search reads as fast as possible: a box that comes back after a power
            // cut waits for nothing else.
            return self.bracket(now, WHOLE_SECOND_HALF_NS, middle, self.searches == 0);
        };
        let sigma_ns = line.sigma_ns(now + Span::SECOND);
        // After a miss the next search reaches further, in the end around the whole second.
        let half_ns = match self.misses {
            0 if line.is_settled && sigma_ns < PROBE_SIGMA_NS => return self.probe_plan(&line, now),
            MISSES_TO_SEARCH.. => WHOLE_SECOND_HALF_NS,
            misses => (WINDOW_SIGMAS * sigma_ns + MIN_WINDOW_NS) * 4_f64.powf(misses.into()),
        };
        let half_ns = half_ns.min(WHOLE_SECOND_HALF_NS);
        let ready = now + Span::from_ns(half_ns as i64) + LATE_WAKE + self.transfer * 2;
        self.bracket(now, half_ns, line.next_edge(ready), false)
    }

    /// Plans one read whose latch falls on the predicted edge, where the answer is worth most.
    fn probe_plan(&self, line: &Line, now: Instant<Raw>) -> SearchPlan {
        let lead = self.transfer / 2 + self.late_wake;
        let at = line.next_edge(now + lead + LATE_WAKE) - lead;
        SearchPlan::Probe { at, usual_transfer: self.transfer }
    }

    fn bracket(&self, now: Instant<Raw>, half_ns: f64, middle: Instant<Raw>, is_urgent: bool) -> SearchPlan {
        let half = Span::from_ns(half_ns as i64);
        let spacing = (half * 2 / READS_PER_SEARCH).max(self.transfer);
        // Where between two reads the edge falls must not follow from where it is expected;
        // otherwise the prediction would confirm itself. The golden ratio spreads the beginnings
        // evenly over one spacing.
        let dither = (f64::from(self.searches) * 0.618_033_988_749_895).fract();
        // The first latch must come before the window, however late the thread wakes: otherwise
        // edges would be found only where the dither is long, and all seem to be late.
        let early = half + LATE_WAKE + self.transfer / 2 + Span::from_ns((dither * spacing.ns_f64()) as i64);
        let from = (middle - early).max(now);
        let spacing = if spacing <= self.transfer { Span::ZERO } else { spacing };
        let until = middle + half + spacing + self.transfer;
        SearchPlan::Bracket { from, until, spacing: if is_urgent { Span::ZERO } else { spacing } }
    }

    /// Learns from what a search cost, and lets the bus rest accordingly.
    pub fn searched(&mut self, ended: Instant<Raw>, search: &Search) {
        let Some(quickest) = search.quickest_transfer else { return };
        // The very first search must not be paid for with a minute of rest.
        let bus_time = if self.searches == 0 { Span::ZERO } else { search.bus_time };
        self.searches = self.searches.wrapping_add(1);
        let rest = Span::from_ns((bus_time.ns_f64() / BUS_SHARE) as i64);
        self.not_before = Some(ended + rest - Span::SECOND * 9 / 10);
        // It follows a quicker one at once, a slower one slowly.
        let slower = self.transfer + (quickest - self.transfer) / 8;
        self.transfer = quickest.min(slower).clamp(MIN_TRANSFER, Span::SECOND);
    }

    /// Searches the whole second from now on, and believes an edge anywhere, because the RTC shows
    /// another date than the one followed.
    pub fn doubt(&mut self) {
        self.misses = self.misses.max(MISSES_TO_SEARCH);
    }

    /// Notes that a search found no edge.
    pub fn missed(&mut self) {
        self.misses = self.misses.saturating_add(1);
    }

    /// Begins again with an edge: of what was known, only the rate is left.
    fn begin_again(&mut self, edge: Edge) {
        let known = self.line.as_ref().map(|line| *line.filter.kalman());
        let (rate_ppb, rate_sigma_ppb) = known.map_or((0.0, INITIAL_RATE_SIGMA_PPB), |known| {
            (known.get(PhaseRate::Rate), known.sigma(PhaseRate::Rate).max(RATE_SIGMA_AFTER_JUMP_PPB))
        });
        self.line = Some(Line::new(edge, rate_ppb, rate_sigma_ppb));
        self.misses = 0;
    }

    /// Notes that the RTC was set: this second began about then. Its edges need not be searched for
    /// in the whole second.
    pub fn was_set(&mut self, edge: Edge) {
        self.begin_again(edge);
        self.not_before = None;
    }

    /// Returns how long before the moment at which a second is to begin its registers must be
    /// written: the thread wakes late, and the second begins as the chip acknowledges its register,
    /// 28 of the 39 bits of a read of the seconds after the START.
    pub fn write_lead(&self) -> Span {
        self.late_wake + self.transfer * 28 / 39
    }

    /// Absorbs an edge. The caller has checked its second against the RTC's own date.
    pub fn edge(&mut self, edge: Edge) -> EdgeVerdict {
        let Some(line) = &mut self.line else {
            self.line = Some(Line::new(edge, 0.0, INITIAL_RATE_SIGMA_PPB));
            self.misses = 0;
            return EdgeVerdict::Absorbed;
        };
        let mut next = *line;
        next.advance_to(edge.second);
        // Uniform within the bracket.
        let variance = edge.half_width.ns_f64().powi(2) / 3.0 + EXTRA_VARIANCE;
        let innovation_ns = next.filter.since_phase_ns(edge.at);
        let kalman = next.filter.kalman_mut();
        let gate_ns = GATE_SIGMAS * (kalman.variance_of(&PHASE) + variance).sqrt() + MIN_WINDOW_NS;
        if innovation_ns.abs() > gate_ns {
            if self.misses < MISSES_TO_SEARCH {
                self.misses += 1;
                return EdgeVerdict::Outlier;
            }
            self.begin_again(edge);
            return EdgeVerdict::Jumped { by: Span::from_ns(-innovation_ns.clamp(-1e18, 1e18) as i64) };
        }
        kalman.correct(&PHASE, innovation_ns, variance);
        next.edges = next.edges.saturating_add(1);
        next.is_settled |= next.is_good_enough();
        *line = next;
        self.misses = 0;
        EdgeVerdict::Absorbed
    }

    /// Absorbs a probe. It gives one bit. If the edge is about equally likely before the latch and
    /// after it, that bit is worth more than a bracket ten times as wide as what is known already.
    ///
    /// The edge is normally distributed, and so is the error of the latch; the posterior's mean and
    /// variance are those of probit regression (Rasmussen and Williams, Gaussian Processes for
    /// Machine Learning, 3.6.1).
    pub fn probe(&mut self, probe: Probe) {
        let late = probe.latched - probe.planned - self.transfer / 2;
        self.late_wake += (late.clamp(Span::ZERO, LATE_WAKE) - self.late_wake) / 16;
        let Some(line) = &mut self.line else { return };
        let mut next = *line;
        next.advance_to(probe.second);
        // By how much the latch came after the edge, if the answer is as expected.
        let after_ns = next.filter.since_phase_ns(probe.latched);
        let kalman = next.filter.kalman_mut();
        let noise_ns = LATCH_SIGMA_NS.hypot(probe.uncertainty.ns_f64());
        let spread_ns = kalman.sigma_of(&PHASE).hypot(noise_ns);
        let sign = if probe.has_begun { 1.0 } else { -1.0 };
        let z = sign * after_ns / spread_ns;
        if z < -GATE_SIGMAS {
            // The second cannot have begun there: search further around.
            self.misses += 1;
            return;
        }
        let ratio = density_over_probability(z);
        let slope = -sign * ratio / spread_ns;
        kalman.correct_by_likelihood(&PHASE, slope, ratio * (ratio + z) / spread_ns.powi(2));
        *line = next;
    }

    /// Returns RTC time as a function of the raw clock, once it is known well enough.
    pub fn map(&self) -> Option<ClockMap<Raw, Rtc>> {
        let line = self.line.filter(|line| line.is_settled)?;
        Some(line.map())
    }

    /// Returns RTC time as far as it is known at all, to find out which second an edge begins.
    pub fn rough_map(&self) -> Option<ClockMap<Raw, Rtc>> {
        self.line.map(|line| line.map())
    }

    /// Returns the standard deviation of [`map`](Self::map) at a reading of the raw clock, in ns;
    /// infinite before the first edge. It grows while no edge is found.
    pub fn sigma_ns(&self, at: Instant<Raw>) -> f64 {
        self.line.map_or(f64::INFINITY, |line| line.sigma_ns(at))
    }

    /// Returns whether the whole second is searched, and an edge anywhere believed.
    pub fn is_in_doubt(&self) -> bool {
        self.misses >= MISSES_TO_SEARCH
    }
}
