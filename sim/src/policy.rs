//! What keeps a box's time in the simulation: the seam between the simulated world and the code
//! under test.

use std::sync::Arc;

use super::air::Arrival;
use super::randomness::{Purpose, seed_of};
use super::sample::TimeState;
use super::scenario::{RtcFault, Scenario};
use super::virtual_box::BoxWorld;
use crate::true_time::utc_at;
use jaudiosync::ride::group::Outgoing;
use jaudiosync::timekeeping::references::Sample;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::world::World;
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, True, Utc};

/// One box, for what makes its policy.
pub struct BoxSetup<'a> {
    /// The fleet and its day.
    pub scenario: &'a Scenario,
    /// The fleet's seed.
    pub seed: u64,
    /// The box, counted from 0.
    pub index: usize,
    /// Its clocks, and its surroundings.
    pub world: Arc<BoxWorld>,
}

impl BoxSetup<'_> {
    /// A seed of this box's own.
    pub fn seed_for(&self, purpose: Purpose) -> u64 {
        seed_of(self.seed, Some(self.index), purpose)
    }
}

/// What a policy is given at each step.
#[derive(Debug, Clone, Copy)]
pub struct StepInput<'a> {
    /// What references have reported since the last step.
    pub samples: &'a [Sample],
    /// Music is heard now, so that nothing may step.
    pub music_plays: bool,
}

/// What a policy says of its time; it holds until the next step is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// The map that the player uses; without one there is no music.
    pub utc: Option<ClockMap<Raw, Utc>>,
    /// The bound of its error.
    pub bound: Option<Span>,
    /// How far it can be from others that were compared with the same references.
    pub agreement: Option<Span>,
    /// Which group's time it has.
    pub group: Option<u64>,
    /// What the box says of its time.
    pub state: TimeState,
}

/// Keeps the time of one box from before its first contact to the end of the ride. State that would
/// be on disk has to survive [`boot`](Self::boot), and nothing else.
pub trait TimePolicy: Send {
    /// The box was switched on; the program begins. If the RTC's battery was out, the RTC has lost
    /// its time.
    fn boot(&mut self, world: &BoxWorld, battery_was_out: bool);

    /// Does what is due, which may take time, and returns when to be woken next.
    fn step(&mut self, world: &BoxWorld, input: StepInput<'_>) -> Instant<Raw>;

    /// Hears what has arrived over the air, and returns what is to be sent.
    fn ride(&mut self, _world: &BoxWorld, _arrivals: Vec<Arrival>) -> Vec<Outgoing<usize>> {
        Vec::new()
    }

    /// Nothing plays now: a correction that has waited for it may be made. Says whether one was.
    fn nothing_plays(&mut self) -> bool {
        false
    }

    /// What it says of its time now.
    fn published(&self) -> Published;

    /// Returns what it would be off by at an instant if it knew the RTC's edges exactly; `None`
    /// where no RTC is used. For the report alone: it may use what no box knows.
    fn rtc_error(&mut self, world: &BoxWorld, time: Instant<True>) -> Option<Span>;

    /// The RTC breaks in this way, or is well again.
    fn set_rtc_fault(&mut self, fault: Option<RtcFault>);

    /// The box is off; called repeatedly, at least every 64 s, so that what runs on a battery
    /// sees the temperature.
    fn pass_while_off(&mut self, _world: &BoxWorld) {}
}

/// A box that knows UTC exactly, which no box does: what is left is the player's error and the
/// sound card's.
#[derive(Debug, Default)]
pub struct TrueTime {
    utc: Option<ClockMap<Raw, Utc>>,
}

impl TimePolicy for TrueTime {
    fn boot(&mut self, world: &BoxWorld, _: bool) {
        self.update(world);
    }

    fn step(&mut self, world: &BoxWorld, _: StepInput<'_>) -> Instant<Raw> {
        self.update(world);
        world.raw() + Span::from_ms(250)
    }

    fn published(&self) -> Published {
        Published { utc: self.utc, bound: None, agreement: None, group: None, state: TimeState::Referenced }
    }

    fn rtc_error(&mut self, _: &BoxWorld, _: Instant<True>) -> Option<Span> {
        None
    }

    fn set_rtc_fault(&mut self, _: Option<RtcFault>) {}
}

impl TrueTime {
    fn update(&mut self, world: &BoxWorld) {
        const BASELINE: Span = Span::SECOND;
        let now = world.true_time();
        let raw = world.raw_at(now);
        let raw_elapsed = world.raw_at(now + BASELINE) - raw;
        let rate = Rate::from_fraction((BASELINE - raw_elapsed).ns_f64() / raw_elapsed.ns_f64());
        self.utc = Some(ClockMap { from: raw, to: utc_at(now), rate });
    }
}
