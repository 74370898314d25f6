//! The service's own timekeeping as a policy: the clock's task and the RTC's driver as they run on
//! a bike, on a simulated DS3231 down to the bytes on its bus.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use jaudiosync::ride::group::{Member, Outgoing};
use jaudiosync::ride::message::{BoxId, RunId};
use jaudiosync::timekeeping::estimate::group::GroupCommand;
use jaudiosync::timekeeping::estimate::timekeeper::TimeView;
use jaudiosync::worker::Task as _;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_time::{Instant, Raw, Span, True};

use super::air::Arrival;
use super::policy::{BoxSetup, Published, StepInput, TimePolicy};
use super::randomness::Purpose;
use super::rtc::BoxRtc;
use super::sample::TimeState;
use super::scenario::RtcFault;
use super::virtual_box::BoxWorld;
use crate::true_time::{rtc_at, utc_error};
use jaudiosync::timekeeping::published::{SharedEstimate, UtcSource};
use jaudiosync::timekeeping::references::ReferenceEvent;
use jaudiosync::timekeeping::saved::SavedTime;
use jaudiosync::timekeeping::status;
use jaudiosync::timekeeping::task::{ClockDevices, ClockTask, RideLink};

/// The timekeeping of one box.
pub struct ServiceTime {
    rtc: BoxRtc,
    /// What the box has on its disk.
    disk: Arc<Mutex<Option<SavedTime>>>,
    /// Its disk is as it was at the last boot, as under an overlay.
    forgets: bool,
    mark: u32,
    /// Its number among its neighbours; `None` if it has none.
    id: Option<BoxId>,
    /// Where its messages go besides to all.
    configured: Vec<usize>,
    random: Rng,
    world: Arc<BoxWorld>,
    running: Option<Running>,
}

/// What is gone with the power.
struct Running {
    task: ClockTask,
    events: Sender<ReferenceEvent>,
    shared: Arc<SharedEstimate>,
    was_in_sync: bool,
    neighbours: Option<Neighbours>,
}

/// What connects a box with the others.
struct Neighbours {
    member: Member<usize>,
    commands: Sender<GroupCommand>,
    view: Arc<Mutex<TimeView>>,
}

impl ServiceTime {
    /// The timekeeping of a box, with an RTC of the spread that its scenario has.
    pub fn new(setup: &BoxSetup<'_>) -> Self {
        let mark = setup.seed_for(Purpose::Policy) as u32;
        Self {
            rtc: BoxRtc::new(setup),
            disk: Arc::default(),
            forgets: false,
            mark,
            id: setup.scenario.air.is_used().then(|| BoxId(setup.seed_for(Purpose::Member))),
            configured: if setup.scenario.air.broadcasts {
                Vec::new()
            } else {
                (0..setup.scenario.boxes).filter(|other| *other != setup.index).collect()
            },
            random: Rng::with_seed(setup.seed_for(Purpose::Member) ^ 1),
            world: Arc::clone(&setup.world),
            running: None,
        }
    }

    /// The same of a box that has lost its state folder whenever it boots, as one with a read-only
    /// root has. Its RTC is what is left.
    pub fn without_state(setup: &BoxSetup<'_>) -> Self {
        Self { forgets: true, ..Self::new(setup) }
    }
}

impl TimePolicy for ServiceTime {
    fn boot(&mut self, world: &BoxWorld, battery_was_out: bool) {
        if battery_was_out {
            self.rtc.lose_time();
        }
        let (events, receiver) = channel();
        let shared = Arc::new(SharedEstimate::unset(world));
        let (rtc, disk) = (self.rtc.clone(), Arc::clone(&self.disk));
        let (neighbours, ride) = match self.id {
            None => (None, None),
            Some(id) => {
                let mut member = Member::new(id, RunId(self.random.u64(..)), self.random.u64(..), world.raw());
                member.set_configured(self.configured.clone());
                let (commands, receiver) = channel();
                let view = Arc::new(Mutex::new(TimeView::default()));
                let link = RideLink { commands: receiver, view: Arc::clone(&view) };
                (Some(Neighbours { member, commands, view }), Some(link))
            }
        };
        let devices = ClockDevices {
            clocks: self.world.clone(),
            open_rtc: Some(Box::new(move || Ok(Box::new(rtc.open()?)))),
            second_edge: None,
            system_clock: None,
            events: receiver,
            persist: Box::new(move |saved| *disk.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved.clone())),
            random: self.mark,
            may_set_rtc: true,
            ride,
        };
        if self.forgets {
            *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        let saved = self.disk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let task = ClockTask::new(devices, saved, Arc::clone(&shared));
        self.running = Some(Running { task, events, shared, was_in_sync: false, neighbours });
    }

    fn step(&mut self, world: &BoxWorld, input: StepInput<'_>) -> Instant<Raw> {
        if let Some(running) = &mut self.running {
            for sample in input.samples {
                // The task that listens lives as long as the sender.
                let _ = running.events.send(ReferenceEvent::Sample(sample.clone()));
            }
            running.shared.allow_steps(!input.music_plays);
            let rest = running.task.step();
            // As the conductor does: what is not in sync with anybody need not wait.
            if !running.was_in_sync && running.shared.estimate().state != status::TimeState::Unset {
                running.shared.step();
            }
            running.was_in_sync = running.shared.estimate().is_in_sync(running.was_in_sync);
            return world.raw() + Span::from_duration(rest);
        }
        world.raw()
    }

    fn ride(&mut self, world: &BoxWorld, arrivals: Vec<Arrival>) -> Vec<Outgoing<usize>> {
        let Some(neighbours) = self.running.as_mut().and_then(|running| running.neighbours.as_mut()) else {
            return Vec::new();
        };
        let view = *neighbours.view.lock().unwrap_or_else(PoisonError::into_inner);
        let now = world.raw();
        for arrival in arrivals {
            let stamped = world.raw_at(arrival.stamped);
            neighbours.member.hear(arrival.message, arrival.from, stamped, now, &view);
        }
        neighbours.member.step(now, &view);
        for command in neighbours.member.take_commands() {
            let _ = neighbours.commands.send(command);
        }
        neighbours.member.take_outgoing()
    }

    fn nothing_plays(&mut self) -> bool {
        let Some(running) = &self.running else { return false };
        let before = running.shared.estimate();
        running.shared.allow_steps(true);
        let was_stepped = running.shared.estimate() != before;
        running.shared.allow_steps(false);
        was_stepped
    }

    fn published(&self) -> Published {
        let Some(running) = &self.running else {
            return Published { utc: None, bound: None, agreement: None, group: None, state: TimeState::Off };
        };
        let estimate = running.shared.estimate();
        let state = match estimate.state {
            status::TimeState::Unset => TimeState::Unset,
            status::TimeState::Holdover => TimeState::Holdover,
            status::TimeState::Referenced => TimeState::Referenced,
        };
        let is_set = state != TimeState::Unset;
        Published {
            utc: is_set.then_some(estimate.utc),
            bound: estimate.bound.filter(|_| is_set),
            agreement: estimate.agreement.filter(|_| is_set),
            group: running.task.timekeeper().group().map(|group| group.0),
            state,
        }
    }

    fn rtc_error(&mut self, _: &BoxWorld, time: Instant<True>) -> Option<Span> {
        // The chip is looked at now, and is off by less than a microsecond more or less at the
        // instant that is asked for.
        let rtc = rtc_at(time, self.rtc.rtc_minus_utc()?);
        let utc = self.running.as_ref()?.task.timekeeper().calibrated_utc(rtc)?;
        Some(utc_error(utc, time))
    }

    fn set_rtc_fault(&mut self, fault: Option<RtcFault>) {
        self.rtc.set_fault(fault);
    }

    fn pass_while_off(&mut self, _: &BoxWorld) {
        self.running = None;
        self.rtc.catch_up();
    }
}
