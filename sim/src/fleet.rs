//! Runs boxes, each on its own axis of true time from its first contact to the end of the ride, and
//! all of them at once. They do not hear each other, so nothing else is needed to compare them on a
//! common grid of seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jaudiosync::player::feeder;
use jaudiosync::ride::group::Outgoing;
use jaudiosync::timekeeping::status::IN_SYNC_BOUND;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::world::World;
use jaudiosync_time::{Instant, Raw, Span, True};

use super::air::{Arrival, VirtualAir};
use super::dac::{LockedPlayer, Player, SoundCard, playlist};
use super::gps::GpsReceiver;
use super::network::NtpClients;
use super::policy::{BoxSetup, Published, StepInput, TimePolicy, TrueTime};
use super::python::{PythonPlayer, PythonTime};
use super::randomness::{Purpose, stream};
use super::sample::BoxSample;
use super::scenario::{Policy, RtcFault, Scenario};
use super::schedule::{BoxSchedule, ON_BEFORE_RIDE, PoweredInterval};
use super::service::ServiceTime;
use super::virtual_box::BoxWorld;
use super::weather::weather;
use crate::true_time::utc_error;

/// While a box is off, what runs on a battery is looked at this often.
const OFF_STEP: Span = Span::from_seconds(64);

/// A timescale that differs from what it was by more than this was stepped.
const STEP: Span = Span::from_us(20);

/// A policy that wants to be woken at once is woken after this, so that every simulation ends.
const LEAST_SLEEP: Span = Span::from_us(100);

/// Why a fleet cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// A mistake of this program.
    #[error(
        "a simulated box failed; this is a mistake of the program, please report it with the scenario and the seed"
    )]
    BoxFailed,
}

/// Makes the policy of a box.
pub type MakePolicy<'a> = dyn Fn(&BoxSetup<'_>) -> Box<dyn TimePolicy> + Sync + 'a;

/// The policy that a scenario names.
pub fn make_policy(setup: &BoxSetup<'_>) -> Box<dyn TimePolicy> {
    match setup.scenario.policy {
        Policy::Python => Box::new(PythonTime::new(setup)),
        Policy::TrueTime => Box::new(TrueTime::default()),
        Policy::Jaudiosync => Box::new(ServiceTime::new(setup)),
    }
}

/// Runs all boxes of a scenario on all processors. `progress` receives the part that is done,
/// 0 to 1, several times. The result depends on scenario and seed alone.
///
/// # Errors
/// When a box failed.
pub fn run_fleet(
    scenario: &Scenario,
    seed: u64,
    make_policy: &MakePolicy<'_>,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Vec<Vec<BoxSample>>, FleetError> {
    if scenario.air.is_used() {
        return run_together(scenario, seed, make_policy, progress);
    }
    const PARTS: usize = 1000;
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= scenario.boxes {
                return results;
            }
            let reported = AtomicUsize::new(0);
            let report = |part: f64| {
                let now = (part * PARTS as f64) as usize;
                let gained = now.saturating_sub(reported.swap(now, Ordering::Relaxed));
                let sum = done.fetch_add(gained, Ordering::Relaxed) + gained;
                progress(sum as f64 / (PARTS * scenario.boxes) as f64);
            };
            results.push((index, run_box(scenario, seed, index, make_policy, &report)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(scenario.boxes);
    let mut results = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for handle in handles {
            all.extend(handle.join().map_err(|_| FleetError::BoxFailed)?);
        }
        Ok(all)
    })?;
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, samples)| samples).collect()
}

/// Runs one box, counted from 0, and gives one sample for each second of the ride.
///
/// # Errors
/// When it failed.
pub fn run_box(
    scenario: &Scenario,
    seed: u64,
    index: usize,
    make_policy: &MakePolicy<'_>,
    progress: &dyn Fn(f64),
) -> Result<Vec<BoxSample>, FleetError> {
    let mut run = make_box(scenario, seed, index, make_policy)?;
    let end = run.schedule.ride.to;
    run.advance_to(end, progress);
    progress(1.0);
    Ok(run.samples)
}

/// Runs boxes that hear each other: all of them a little further, then what they have sent, and so
/// on.
fn run_together(
    scenario: &Scenario,
    seed: u64,
    make_policy: &MakePolicy<'_>,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Vec<Vec<BoxSample>>, FleetError> {
    let mut boxes = Vec::new();
    for index in 0..scenario.boxes {
        boxes.push(make_box(scenario, seed, index, make_policy)?);
    }
    let Some(ride) = boxes.first().map(|run| run.schedule.ride) else { return Ok(Vec::new()) };
    let mut air = VirtualAir::new(scenario, seed, ride.to);
    let mut now = ride.from - ON_BEFORE_RIDE;
    boxes.iter_mut().for_each(|run| run.advance_to(now, &|_| {}));
    while now < ride.to {
        now = (now + air.slice(now)).min(ride.to);
        let mut arrivals = air.arrivals(now);
        for (index, run) in boxes.iter_mut().enumerate() {
            run.advance_to(now, &|_| {});
            let own = arrivals.extract_if(.., |arrival| arrival.to == index).collect();
            for outgoing in run.ride(own) {
                air.send(index, outgoing, run.world.true_time().max(now));
            }
        }
        progress((now - ride.from).seconds().max(0.0) / ride.length().seconds());
    }
    Ok(boxes.into_iter().map(|run| run.samples).collect())
}

fn make_box(scenario: &Scenario, seed: u64, index: usize, make_policy: &MakePolicy<'_>) -> Result<BoxRun, FleetError> {
    let schedule = BoxSchedule::new(scenario, index);
    let begin = schedule.whole.from;
    let temperature = weather(scenario, seed, index);
    let world = Arc::new(BoxWorld::new(scenario, seed, index, temperature.clone(), begin));
    let policy = make_policy(&BoxSetup { scenario, seed, index, world: Arc::clone(&world) });
    let card = SoundCard::new(scenario, seed, index, temperature.clone(), begin);
    let timetable = playlist(seed).ok_or(FleetError::BoxFailed)?;
    let random = stream(seed, Some(index), Purpose::DacDriver);
    let player: Box<dyn Player> = match scenario.policy {
        Policy::Python => Box::new(PythonPlayer::new(card, timetable, random)),
        _ => Box::new(LockedPlayer::new(card, scenario.dac, timetable, random)),
    };
    Ok(BoxRun {
        ntp: NtpClients::new(scenario, seed, index),
        gps: GpsReceiver::new(scenario, seed, index),
        next_sample: schedule.ride.from,
        samples: Vec::with_capacity(schedule.ride.length().whole_seconds() as usize + 1),
        schedule,
        world,
        policy,
        player,
        fault: None,
        boots: 0,
        stepped: None,
        on: None,
    })
}

struct BoxRun {
    schedule: BoxSchedule,
    world: Arc<BoxWorld>,
    policy: Box<dyn TimePolicy>,
    player: Box<dyn Player>,
    ntp: NtpClients,
    gps: GpsReceiver,
    fault: Option<RtcFault>,
    /// The next instant of the grid.
    next_sample: Instant<True>,
    samples: Vec<BoxSample>,
    /// How often it was switched on.
    boots: usize,
    /// By how much the timescale was stepped since the last sample, while music played in sync.
    stepped: Option<Span>,
    /// While it is on.
    on: Option<On>,
}

/// A box that is on.
#[derive(Clone, Copy)]
struct On {
    powered: PoweredInterval,
    /// What it has said of its time at last.
    published: Published,
    /// When it wants to be woken.
    wake: Instant<Raw>,
}

impl BoxRun {
    /// Lets everything happen up to an instant. A step that has begun by then is finished.
    fn advance_to(&mut self, until: Instant<True>, progress: &dyn Fn(f64)) {
        loop {
            if let Some(on) = self.on {
                self.stay_on(on, until, progress);
                if until < on.powered.interval.to {
                    return;
                }
                self.on = None;
            }
            let Some(next) = self.schedule.powered.get(self.boots).copied() else {
                return self.stay_off(until.min(self.schedule.ride.to));
            };
            self.stay_off(next.interval.from.min(until));
            if until <= next.interval.from {
                return;
            }
            self.switch_on(next);
        }
    }

    /// Hears what has arrived, and returns what is to be sent. A box that is off does neither.
    fn ride(&mut self, arrivals: Vec<Arrival>) -> Vec<Outgoing<usize>> {
        if self.on.is_some() { self.policy.ride(&self.world, arrivals) } else { Vec::new() }
    }

    fn stay_off(&mut self, until: Instant<True>) {
        while self.world.true_time() < until {
            self.world.advance_to(until.min(self.world.true_time() + OFF_STEP));
            self.policy.pass_while_off(&self.world);
        }
        while self.next_sample < until.min(self.schedule.ride.to) {
            let temperature_c = self.world.temperature_at(self.next_sample);
            self.samples.push(BoxSample::off(self.next_sample, temperature_c));
            self.next_sample += Span::SECOND;
        }
    }

    fn switch_on(&mut self, powered: PoweredInterval) {
        self.boots += 1;
        self.world.power_on(powered.interval.from);
        let on = self.world.true_time();
        self.policy.boot(&self.world, powered.battery_was_out);
        self.ntp.boot(on);
        self.gps.boot(on);
        self.player.power_on(on);
        let wake = self.world.raw_at(self.world.true_time());
        self.on = Some(On { powered, published: self.policy.published(), wake });
    }

    /// Steps whenever the policy wants to, until an instant or until the power goes.
    fn stay_on(&mut self, on: On, until: Instant<True>, progress: &dyn Fn(f64)) {
        let On { powered, mut published, mut wake } = on;
        let (whole, off) = (self.schedule.whole, powered.interval.to);
        let until = until.min(off);
        let mut reported = self.world.true_time();
        loop {
            if self.world.time_at_raw(wake) >= until {
                self.world.advance_to(until);
                break;
            }
            self.world.sleep_until(wake);
            let now = self.world.true_time();
            if now >= off {
                break;
            }
            self.break_or_repair(now);
            let mut samples = self.ntp.samples_until(now, &self.world, &self.schedule);
            samples.extend(self.gps.samples_until(now, &self.world, &self.schedule));
            let music_plays = powered.is_ride && self.player.plays();
            let input = StepInput { samples: &samples, music_plays };
            let next = self.policy.step(&self.world, input);
            // While the step lasted the player used what was published before, except for a
            // correction that waited until nothing played.
            let stepped = self.world.true_time().min(off);
            let mut at = now;
            while at < stepped {
                at = (at + Span::from_duration(feeder::STEP)).min(stepped);
                self.play_until(at, powered, &published);
                if powered.is_ride && !self.player.plays() && self.policy.nothing_plays() {
                    published = self.policy.published();
                }
            }
            let before = std::mem::replace(&mut published, self.policy.published());
            // Music that has begun meanwhile is placed by what is published now: in the service the
            // player forbids steps from its first block on, at any moment of the clock's step.
            if music_plays && self.player.plays() {
                self.note_step(&before, &published);
            }
            let earliest = self.world.raw_at(self.world.true_time()) + LEAST_SLEEP;
            wake = next.max(earliest);
            if self.world.true_time() - reported > Span::MINUTE {
                reported = self.world.true_time();
                progress((reported - whole.from).seconds() / whole.length().seconds());
            }
        }
        self.play_until(until, powered, &published);
        self.on = Some(On { powered, published, wake });
    }

    /// Notes a step of the timescale. A box that did not agree with anybody may step.
    fn note_step(&mut self, before: &Published, after: &Published) {
        let (Some(old), Some(new)) = (before.utc, after.utc) else { return };
        let now = self.world.raw_at(self.world.true_time());
        let by = new.apply(now) - old.apply(now);
        if by.abs() > STEP && before.agreement.is_some_and(|agreement| agreement < IN_SYNC_BOUND) {
            self.stepped = Some(self.stepped.unwrap_or_default() + by);
        }
    }

    fn break_or_repair(&mut self, now: Instant<True>) {
        let fault = self.schedule.fault(now);
        if fault != self.fault {
            self.fault = fault;
            self.policy.set_rtc_fault(fault);
        }
    }

    fn play_until(&mut self, time: Instant<True>, powered: PoweredInterval, published: &Published) {
        if !powered.is_ride {
            return;
        }
        let end = self.schedule.ride.to;
        while self.next_sample <= time && self.next_sample < end {
            let at = self.next_sample;
            self.player.advance_to(at, &self.world, published.utc.as_ref());
            self.sample(at, published);
            self.next_sample += Span::SECOND;
        }
        self.player.advance_to(time, &self.world, published.utc.as_ref());
    }

    fn sample(&mut self, time: Instant<True>, published: &Published) {
        let heard = self.player.heard(time, &self.world);
        let raw = self.world.raw_at(time);
        let timescale_error = published.utc.map(|utc| utc_error(utc.apply(raw), time));
        let rtc_error = self.policy.rtc_error(&self.world, time);
        self.samples.push(BoxSample {
            time,
            dac_error_ns_f64: heard.map(|heard| heard.error_ns_f64),
            timescale_error,
            rtc_error,
            edge_error: timescale_error.zip(rtc_error).map(|(timescale, rtc)| timescale - rtc),
            servo_error_ns_f64: heard.and_then(|heard| heard.servo_error_ns_f64),
            dac_clock_error: heard.and_then(|heard| heard.dac_clock_error),
            stated_bound: published.bound,
            stated_agreement: published.agreement,
            group: published.group,
            stepped: self.stepped.take(),
            state: published.state,
            temperature_c: self.world.temperature_at(time),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::TimeState;
    use super::super::scenario::parse;
    use super::*;

    const SHORT: &str = "policy = \"true_time\"\nboxes = 3\nhours = 0.5\n[calibration]\ndays_before = 0\n";

    #[test]
    fn each_box_has_a_sample_for_each_second_of_the_ride_whatever_happens_to_it() {
        let events = "[[event]]\nkind = \"boots_late\"\nbox = 1\nat_minutes = 5\n\
            [[event]]\nkind = \"power_cut\"\nbox = 2\nat_minutes = 10\noff_s = 61.5\n";
        let scenario = parse(&format!("{SHORT}{events}"), "test").unwrap();
        let fleet = run_fleet(&scenario, 1, &make_policy, &|_| {}).unwrap();
        for samples in &fleet {
            assert_eq!(samples.len(), 1800);
            assert!(samples.windows(2).all(|pair| pair[1].time - pair[0].time == Span::SECOND));
        }
        let off = |samples: &[BoxSample]| samples.iter().filter(|sample| sample.state == TimeState::Off).count();
        assert_eq!([off(&fleet[0]), off(&fleet[1]), off(&fleet[2])], [300, 61, 0]);
        let heard = |samples: &[BoxSample]| samples.iter().filter(|sample| sample.dac_error_ns_f64.is_some()).count();
        assert!(heard(&fleet[0]) > 1450 && heard(&fleet[1]) > 1700 && heard(&fleet[2]) > 1780);
    }

    #[test]
    fn a_box_that_knows_the_time_is_heard_on_time() {
        let scenario = parse(SHORT, "test").unwrap();
        for samples in run_fleet(&scenario, 2, &make_policy, &|_| {}).unwrap() {
            let errors: Vec<f64> = samples[60..].iter().filter_map(|sample| sample.dac_error_ns_f64).collect();
            assert!(errors.iter().all(|error| error.abs() < 100_000.0));
            let is_right = |error: Span| error.abs() < Span::from_ns(500);
            assert!(samples.iter().all(|sample| sample.timescale_error.is_some_and(is_right)));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_and_another_one_something_else() {
        let scenario = parse(SHORT, "test").unwrap();
        let run = |seed| run_fleet(&scenario, seed, &make_policy, &|_| {}).unwrap();
        let first = run(7);
        assert_eq!(first, run(7));
        assert_ne!(first, run(8));
        // A box is the same, no matter which others ride with it.
        let alone = Scenario { boxes: 1, ..scenario.clone() };
        assert_eq!(run_fleet(&alone, 7, &make_policy, &|_| {}).unwrap()[0], first[0]);
    }

    #[test]
    fn progress_reaches_its_end() {
        let scenario = parse(SHORT, "test").unwrap();
        let most = AtomicUsize::new(0);
        run_fleet(&scenario, 7, &make_policy, &|part| {
            most.fetch_max((part * 1000.0) as usize, Ordering::Relaxed);
        })
        .unwrap();
        assert_eq!(most.into_inner(), 1000);
    }
}
