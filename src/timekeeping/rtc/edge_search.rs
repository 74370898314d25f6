//! The search for an edge: reads the RTC's seconds around the predicted edge and brackets the
//! moment at which they change, or probes the predicted edge with a single read.

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::rtc::{Rtc, RtcError};
use jaudiosync_time::{Instant, Raw, Span};

/// Attempts per read before the search gives up.
const ATTEMPTS: u32 = 3;

/// Waits shorter than this are not worth a sleep, which wakes late by as much.
const MIN_SLEEP: Span = Span::from_us(150);

/// When to read the RTC's seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchPlan {
    /// Read from a moment on until the second changes.
    Bracket {
        /// When the first read begins.
        from: Instant<Raw>,
        /// When to give up.
        until: Instant<Raw>,
        /// From the beginning of one read to that of the next; zero for as fast as possible.
        spacing: Span,
    },
    /// Read once, so that the chip latches its registers at the predicted edge.
    Probe {
        /// When the read begins.
        at: Instant<Raw>,
        /// What such a transfer usually takes.
        usual_transfer: Span,
    },
}

impl SearchPlan {
    /// Returns when the first read begins.
    pub fn begins(&self) -> Instant<Raw> {
        match *self {
            Self::Bracket { from, .. } => from,
            Self::Probe { at, .. } => at,
        }
    }
}

/// What a search found, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What was found.
    pub outcome: Outcome,
    /// How long the bus was in use.
    pub bus_time: Span,
    /// The quickest transfer; `None` if every read failed.
    pub quickest_transfer: Option<Span>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The seconds changed between two reads.
    Edge {
        /// The seconds register after the change.
        second: u8,
        /// The middle of the bracket.
        at: Instant<Raw>,
        /// Half the width of the bracket.
        half_width: Span,
    },
    /// The answer to a probe.
    Probe {
        /// The seconds register.
        second: u8,
        /// When it was latched.
        latched: Instant<Raw>,
        /// How far that can be wrong.
        uncertainty: Span,
    },
    /// No edge: the seconds had changed before the first read, or did not change.
    Missed,
    /// The bus failed at every attempt to read, `ATTEMPTS` times in a row.
    Failed(RtcError),
}

/// One read: the register, and the moment at which the chip latched it, give or take `uncertainty`.
struct Latch {
    second: u8,
    at: Instant<Raw>,
    uncertainty: Span,
}

/// Waits for the beginning of the plan and carries it out.
pub fn search(rtc: &mut dyn Rtc, clocks: &dyn Clocks, plan: &SearchPlan) -> Search {
    clocks.sleep_until(plan.begins());
    let mut reader = Reader { rtc, clocks, bus_time: Span::ZERO, quickest: None };
    let outcome = match *plan {
        SearchPlan::Probe { usual_transfer, .. } => reader.probe(usual_transfer),
        SearchPlan::Bracket { from, until, spacing } => reader.bracket(from, until, spacing),
    };
    Search {
        outcome: outcome.unwrap_or_else(Outcome::Failed),
        bus_time: reader.bus_time,
        quickest_transfer: reader.quickest,
    }
}

/// Reads the seconds and measures what that costs.
struct Reader<'a> {
    rtc: &'a mut dyn Rtc,
    clocks: &'a dyn Clocks,
    bus_time: Span,
    quickest: Option<Span>,
}

impl Reader<'_> {
    fn probe(&mut self, usual_transfer: Span) -> Result<Outcome, RtcError> {
        let Latch { second, at, uncertainty } = self.read()?;
        // What is usual is known; only the extra duration of this transfer is in doubt.
        let uncertainty = (uncertainty - usual_transfer / 2).max(Span::ZERO);
        Ok(Outcome::Probe { second, latched: at, uncertainty })
    }

    fn bracket(&mut self, from: Instant<Raw>, until: Instant<Raw>, spacing: Span) -> Result<Outcome, RtcError> {
        let mut before: Option<Latch> = None;
        let mut due = from;
        loop {
            let latch = self.read()?;
            if let Some(before) = before.filter(|before| before.second != latch.second) {
                // The chip latches its registers at the repeated START, which is the middle of the
                // transfer. What the transfers took longer than the quickest one may have been
                // spent on either side of it.
                let quickest = self.quickest.unwrap_or_default();
                let slack = (before.uncertainty + latch.uncertainty - quickest) / 2;
                let half_width = (latch.at - before.at) / 2;
                return Ok(Outcome::Edge {
                    second: latch.second,
                    at: before.at + half_width,
                    half_width: half_width + slack.max(Span::ZERO),
                });
            }
            if latch.at >= until {
                return Ok(Outcome::Missed);
            }
            due += spacing;
            if due - latch.at > MIN_SLEEP {
                self.clocks.sleep_until(due);
            }
            before = Some(latch);
        }
    }

    fn read(&mut self) -> Result<Latch, RtcError> {
        let mut attempts = 0;
        loop {
            let before = self.clocks.raw();
            let read = self.rtc.read_second();
            let took = self.clocks.raw() - before;
            self.bus_time += took;
            match read {
                Ok(second) => {
                    self.quickest = Some(self.quickest.map_or(took, |quickest| quickest.min(took)));
                    return Ok(Latch { second, at: before + took / 2, uncertainty: took / 2 });
                }
                Err(error) => {
                    attempts += 1;
                    if attempts >= ATTEMPTS {
                        return Err(error);
                    }
                }
            }
        }
    }
}
