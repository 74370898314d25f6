//! Where the RTC's edges lie on the raw clock.

use jaudiosync_time::{ClockMap, Instant, Kalman, PhaseFilter, PhaseRate, Rate, Raw, Rtc, Span};

use super::Edge;

/// Random walk of the rate between the Pi's crystal and the RTC, in ppb per square root of a
/// second. A crystal of a few tenths of a ppm per degree in a box that warms by a degree a minute
/// moves by about 300 ppb in 100 s.
const RATE_WALK_PPB: f64 = 10.0;

/// The tracker may be used once it knows the phase to this.
const SETTLED_SIGMA_NS: f64 = 100_000.0;

/// If the bus is too slow for that, the tracker is used after this many edges.
const EDGES_TO_SETTLE: u32 = 30;

/// The weights that pick the phase.
pub(super) const PHASE: [f64; 2] = Kalman::<PhaseRate, 2>::PHASE;

/// Where the edges lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// The second that began at the filter's phase.
    pub(super) second: i64,
    /// When that second began, and by how much an RTC second lasts longer than one of the raw
    /// clock, in ppb.
    pub(super) filter: PhaseFilter<Raw, PhaseRate, 2>,
    pub(super) edges: u32,
    /// Whether it was known well enough once; it then stays known while nothing jumps, and its
    /// sigma says how well.
    pub(super) is_settled: bool,
}

impl Line {
    pub(super) fn new(edge: Edge, rate_ppb: f64, rate_sigma_ppb: f64) -> Self {
        let sigma_ns = edge.half_width.ns_f64() / 3_f64.sqrt();
        let kalman = Kalman::new([0.0, rate_ppb], [sigma_ns, rate_sigma_ppb]);
        let filter = PhaseFilter::new(edge.at, kalman);
        Self { second: edge.second, filter, edges: 1, is_settled: false }
    }

    pub(super) fn is_good_enough(&self) -> bool {
        // Two that agree are hardly chance; more make it better.
        self.edges >= 2 && self.filter.kalman().sigma_of(&PHASE) < SETTLED_SIGMA_NS || self.edges >= EDGES_TO_SETTLE
    }

    pub(super) fn map(&self) -> ClockMap<Raw, Rtc> {
        let longer = Rate::from_ppb(self.filter.kalman().get(PhaseRate::Rate));
        ClockMap { from: self.filter.phase(), to: Instant::from_second(self.second), rate: longer.inverse() }
    }

    /// Returns the first edge after a moment.
    pub(super) fn next_edge(&self, after: Instant<Raw>) -> Instant<Raw> {
        let map = self.map();
        let second = map.apply(after).second().saturating_add(1);
        map.inverse().apply(Instant::from_second(second))
    }

    pub(super) fn drift(kalman: &mut Kalman<PhaseRate, 2>, elapsed_s: f64) {
        kalman.drift(elapsed_s, RATE_WALK_PPB * RATE_WALK_PPB * elapsed_s);
    }

    pub(super) fn advance_to(&mut self, second: i64) {
        let elapsed_s = second.saturating_sub(self.second);
        // An RTC that was set may show any second, also an earlier one.
        Self::drift(self.filter.kalman_mut(), elapsed_s.clamp(0, 86_400 * 365) as f64);
        self.filter.advance(Span::from_seconds(elapsed_s), 0.0);
        self.second = self.second.saturating_add(elapsed_s);
    }

    pub(super) fn sigma_ns(&self, at: Instant<Raw>) -> f64 {
        let elapsed_s = (at - self.filter.whole()).seconds().max(0.0);
        let mut kalman = *self.filter.kalman();
        Self::drift(&mut kalman, elapsed_s);
        kalman.sigma_of(&PHASE)
    }
}
