//! The hunt for an edge: reads the RTC's seconds around the predicted edge and brackets the moment at which they change.

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::rtc::{Rtc, RtcError};

use super::edge_tracker::HuntPlan;

/// A read that fails is tried so often before the hunt is given up.
const TRIES: u32 = 3;

/// Waits shorter than this are not worth a sleep, which wakes late by as much.
const MIN_SLEEP_NS: i64 = 150_000;

/// What a hunt found, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunt {
    /// What was found.
    pub outcome: Outcome,
    /// How long the bus was in use, in ns.
    pub busy_ns: i64,
    /// The quickest transfer, in ns; the largest value if there was none.
    pub quickest_ns: i64,
}

/// What a hunt found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The seconds changed between two reads.
    Edge {
        /// The seconds register after the change.
        second: u8,
        /// The middle of the bracket on the raw clock, in ns.
        raw_ns: i64,
        /// Half the width of the bracket, in ns.
        half_width_ns: i64,
    },
    /// A single read.
    Look {
        /// The seconds register.
        second: u8,
        /// When it was latched, on the raw clock, in ns.
        raw_ns: i64,
        /// How far that can be wrong, in ns.
        give_or_take_ns: i64,
    },
    /// No edge: the seconds had changed before the first read, or did not change.
    Missed,
    /// The bus failed, three times in a row.
    Failed(RtcError),
}

/// One read: the register, and the raw clock at the moment at which the chip latched it, give or take.
struct Look {
    second: u8,
    raw_ns: i64,
    give_or_take_ns: i64,
}

/// Waits for the hunt's beginning and hunts. `usual_transfer_ns` is what the quickest transfers take.
pub fn hunt(rtc: &mut dyn Rtc, clocks: &dyn Clocks, plan: &HuntPlan, usual_transfer_ns: i64) -> Hunt {
    let mut hunt = Hunt { outcome: Outcome::Missed, busy_ns: 0, quickest_ns: i64::MAX };
    clocks.sleep_until_raw(plan.from_raw_ns);
    let mut previous: Option<Look> = None;
    let mut due_raw_ns = plan.from_raw_ns;
    loop {
        let look = match look(rtc, clocks, &mut hunt) {
            Ok(look) => look,
            Err(error) => {
                hunt.outcome = Outcome::Failed(error);
                return hunt;
            }
        };
        if plan.is_single {
            let Look { second, raw_ns, give_or_take_ns } = look;
            // What is usual is known; only what this transfer took longer is in doubt.
            let give_or_take_ns = give_or_take_ns.saturating_sub(usual_transfer_ns / 2).max(0);
            hunt.outcome = Outcome::Look { second, raw_ns, give_or_take_ns };
            return hunt;
        }
        let now_raw_ns = look.raw_ns;
        if let Some(old) = previous.filter(|old| old.second != look.second) {
            // The chip latches its registers at the repeated START, which is the middle of the transfer. What the
            // transfers took longer than the quickest one may have been spent on either side of it.
            let slack_ns = (old.give_or_take_ns + look.give_or_take_ns).saturating_sub(hunt.quickest_ns) / 2;
            hunt.outcome = Outcome::Edge {
                second: look.second,
                raw_ns: old.raw_ns + (look.raw_ns - old.raw_ns) / 2,
                half_width_ns: (look.raw_ns - old.raw_ns) / 2 + slack_ns.max(0),
            };
            return hunt;
        }
        if now_raw_ns >= plan.until_raw_ns {
            return hunt;
        }
        previous = Some(look);
        due_raw_ns = due_raw_ns.saturating_add(plan.spacing_ns);
        if due_raw_ns - now_raw_ns > MIN_SLEEP_NS {
            clocks.sleep_until_raw(due_raw_ns);
        }
    }
}

fn look(rtc: &mut dyn Rtc, clocks: &dyn Clocks, hunt: &mut Hunt) -> Result<Look, RtcError> {
    let mut tries = 0;
    loop {
        let before_ns = clocks.raw_ns();
        let read = rtc.read_second();
        let took_ns = clocks.raw_ns().saturating_sub(before_ns);
        hunt.busy_ns += took_ns;
        match read {
            Ok(second) => {
                hunt.quickest_ns = hunt.quickest_ns.min(took_ns);
                return Ok(Look { second, raw_ns: before_ns + took_ns / 2, give_or_take_ns: took_ns / 2 });
            }
            Err(error) => {
                tries += 1;
                if tries >= TRIES {
                    return Err(error);
                }
            }
        }
    }
}
