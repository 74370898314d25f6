//! The group's time as a function of this box's flywheels.

use jaudiosync_time::{Axis, ClockMap, Instant, Rate, Raw, Rtc, Span, Utc};
use serde::{Deserialize, Serialize};

use super::apart::Apart;
use super::stated::StatedBound;
use super::steering::SteeringPlan;
use crate::timekeeping::estimate::calibration::{Calibration, Correction, FlywheelModel, SavedCalibration};
use crate::timekeeping::status::BOUND_SIGMAS;

/// While the flywheels are not known the last map is carried on; it then becomes uncertain this
/// fast, in ns per s: the crystal of a Pi wanders by a ppm.
const CARRIED_NS_PER_S: f64 = 1_000.0;

/// A sample this many standard deviations off is a surprise.
const SURPRISE_SIGMAS: f64 = 4.0;

/// What all comparisons of two boxes have in common at least, in ns: what the best way leaves (see
/// `ride::group::broadcasts`). And how long that stays alike for a worse one, in s.
const LEAST_BIAS_NS: f64 = 15_000.0 * std::f64::consts::SQRT_2;
const ALIKE_S: f64 = 3_600.0;

/// Nothing is known better than this, in ns.
const LEAST_SIGMA_NS: f64 = 100.0;

/// A leader adopts the rate that its own references have taught it this often, if it is known
/// better.
const ADOPTS_RATE: Span = Span::from_seconds(64);

/// Which group it is: a random number that its first leader made up. A box that parts remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupId(pub u64);

/// The group's time at a moment, as it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupSample {
    /// A reading of the raw clock.
    pub raw: Instant<Raw>,
    /// The group's time then.
    pub utc: Instant<Utc>,
    /// The part of its error that differs from sample to sample: a standard deviation, in ns.
    pub sigma_ns: f64,
    /// The part that does not: a standard deviation, in ns.
    pub bias_sigma_ns: f64,
}

/// What is known of the group while it is heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contact {
    /// Whether this box leads.
    pub leads: bool,
    /// Whether others follow it, and nobody whom it has followed before is out of reach: the group
    /// is where this box is.
    pub is_settled: bool,
    /// Whether anybody has the same time.
    pub is_shared: bool,
    /// How far the neighbour that is followed can be from the group.
    pub way_bound: Span,
    /// How far the group's time can be from UTC, as the leader states; `None` if it knows nothing.
    pub utc_bound: Option<Span>,
}

/// What the ride's side commands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GroupCommand {
    /// Begin a group whose time is this much ahead of this box's own.
    Found(GroupId, Span),
    /// Take another group's time. What it differs by is no drift.
    Join(GroupId, GroupSample),
    /// Learn from a sample of the group that this box is in.
    Learn(GroupSample),
    /// The leader steers like this.
    Steer {
        /// From this second of the group's time on.
        from_s: i64,
        /// At this rate.
        rate: Rate,
    },
    /// Others are heard, or not.
    Contact(Option<Contact>),
    /// What the leader has stated of UTC is not believed any more.
    Distrust,
}

/// The RTC as the timekeeper has it at a moment.
#[derive(Debug, Clone, Copy)]
pub struct RtcView<'a> {
    /// RTC time as a function of the raw clock.
    pub map: ClockMap<Raw, Rtc>,
    /// The standard deviation of that, in ns.
    pub sigma_ns: f64,
    /// The chip's temperature.
    pub temperature_c: f64,
    /// The calibration towards UTC.
    pub calibration: &'a Calibration<Rtc>,
}

/// The group's time, and how far this box can be from the others that have it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupEstimate {
    /// Which group.
    pub id: GroupId,
    /// The group's time.
    pub utc: ClockMap<Raw, Utc>,
    /// How far it can be from the leader's, or from what the others have kept since they parted.
    pub bound: Span,
    /// How far it can be from UTC, as the leader has stated; `None` if that is not known.
    pub utc_bound: Option<Span>,
    /// Whether others are heard.
    pub contact: Option<Contact>,
    /// Whether another box has, or had, this time: otherwise it is a group of one.
    pub is_shared: bool,
    /// How the leader steers.
    pub steering: SteeringPlan,
}

/// What is saved of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedGroup {
    /// Which one.
    pub id: GroupId,
    /// The RTC's calibration towards its time.
    pub calibration: SavedCalibration,
    /// How far its time could be from UTC, in ns.
    pub utc_bound_ns: Option<i64>,
}

impl SavedGroup {
    /// Returns what the RTC showed when it was saved.
    pub fn begins(&self) -> Instant<Rtc> {
        Instant::from_ns(self.calibration.flywheel_ns)
    }
}

/// The time of the group that this box is in, or was in when the others were last heard.
#[derive(Debug, Clone)]
pub struct GroupClock {
    id: GroupId,
    rtc: Option<Calibration<Rtc>>,
    crystal: Option<Calibration<Raw>>,
    /// The last estimate, and its standard deviation in ns.
    last: Option<(ClockMap<Raw, Utc>, f64)>,
    /// What the samples that were learnt from have in common: a standard deviation, in ns.
    bias_sigma_ns: f64,
    learnt_at: Option<Instant<Raw>>,
    contact: Option<Contact>,
    apart: Apart,
    /// Whether another box has, or had, this time: otherwise it is a group of one.
    is_shared: bool,
    utc_bound: StatedBound,
    /// Whether this box has known UTC by itself at the last update.
    knows_utc: bool,
    steering: SteeringPlan,
    /// Up to when the steering is part of the calibrations.
    steered_to: Option<Instant<Raw>>,
    adopted_at: Option<Instant<Raw>>,
}

impl GroupClock {
    fn new(id: GroupId) -> Self {
        Self {
            id,
            rtc: None,
            crystal: None,
            last: None,
            bias_sigma_ns: LEAST_BIAS_NS,
            learnt_at: None,
            contact: None,
            apart: Apart::default(),
            is_shared: false,
            utc_bound: StatedBound::default(),
            knows_utc: false,
            steering: SteeringPlan::default(),
            steered_to: None,
            adopted_at: None,
        }
    }

    /// Begins a group whose time is this.
    pub fn found(id: GroupId, now: Instant<Raw>, utc: ClockMap<Raw, Utc>, rtc: Option<RtcView<'_>>) -> Self {
        let mut group = Self::new(id);
        group.last = Some((utc.anchored_at(now), 0.0));
        group.adopt_rtc(now, rtc);
        group
    }

    /// Joins a group whose time is this.
    pub fn join(id: GroupId, sample: &GroupSample, rtc: Option<RtcView<'_>>) -> Self {
        let mut group = Self::new(id);
        group.is_shared = true;
        group.apart.learn(sample.raw, 0.0, Span::ZERO);
        let sigma_ns = sample.sigma_ns;
        group.bias_sigma_ns = sample.bias_sigma_ns.max(LEAST_BIAS_NS);
        let rate = rtc.map_or(Rate::ZERO, |rtc| rtc.map.then(&rtc.calibration.at(rtc.map.to).map).rate);
        group.last = Some((ClockMap { from: sample.raw, to: sample.utc, rate }, sigma_ns));
        group.crystal = Some(Calibration::new(FlywheelModel::CRYSTAL, sample.raw, sample.utc, sigma_ns));
        group.adopt_rtc(sample.raw, rtc);
        group
    }

    /// Goes on with the group that was saved. `model` is that of the RTC, which shows `shown` now.
    pub fn restore(saved: &SavedGroup, model: FlywheelModel, shown: Instant<Rtc>) -> Option<Self> {
        let mut group = Self::new(saved.id);
        group.is_shared = true;
        group.apart = Apart::after(shown - saved.begins());
        group.rtc = Some(Calibration::restore(model.seen_from_another(), &saved.calibration)?);
        let off = shown - saved.begins();
        group.utc_bound = saved.utc_bound_ns.map(|ns| StatedBound::after(off, Span::from_ns(ns))).unwrap_or_default();
        Some(group)
    }

    /// Returns what is to be saved; `None` while the RTC has no part in it, or nobody else.
    pub fn save(&self) -> Option<SavedGroup> {
        let calibration = self.rtc.as_ref().filter(|_| self.is_shared)?.save();
        Some(SavedGroup { id: self.id, calibration, utc_bound_ns: self.utc_bound.last().map(Span::ns) })
    }

    /// Returns which group it is.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// Takes the rates that this box's own references have taught it, and the group's phase.
    fn adopt_rtc(&mut self, now: Instant<Raw>, rtc: Option<RtcView<'_>>) {
        let (Some(rtc), Some((last, sigma_ns))) = (rtc, self.carried(now)) else { return };
        let mut calibration = rtc.calibration.clone();
        // The others know the rates of their RTCs no better than this box does.
        calibration.lose_confidence(2.0);
        calibration.set_model(calibration.model().seen_from_another());
        calibration.advance(rtc.map.apply(now), Some(rtc.temperature_c));
        calibration.restart(rtc.map.apply(now), last.apply(now), sigma_ns.hypot(rtc.sigma_ns).max(LEAST_SIGMA_NS), 0.0);
        self.rtc = Some(calibration);
    }

    /// Returns the last estimate carried on to a moment, and its standard deviation in ns.
    fn carried(&self, now: Instant<Raw>) -> Option<(ClockMap<Raw, Utc>, f64)> {
        let (map, sigma_ns) = self.last?;
        let since_s = (now - map.from).seconds().abs();
        Some((map.anchored_at(now), sigma_ns + CARRIED_NS_PER_S * since_s))
    }

    /// Follows an RTC that shows `by` more than before, which is known to a standard deviation.
    pub fn rtc_shifted(&mut self, by: Span, sigma_ns: f64) {
        self.rtc.iter_mut().for_each(|calibration| calibration.shift(by, sigma_ns));
    }

    /// Notes that the RTC is another one, or that nothing is known of how it was set.
    pub fn rtc_lost(&mut self) {
        self.rtc = None;
    }

    /// Learns from a sample.
    pub fn learn(&mut self, sample: &GroupSample, rtc: Option<RtcView<'_>>) {
        let GroupSample { raw, utc, sigma_ns, bias_sigma_ns } = *sample;
        let sigma_ns = sigma_ns.hypot(self.follow_bias(raw, bias_sigma_ns));
        let way = self.contact.map_or(Span::ZERO, |contact| contact.way_bound);
        let crystal = self.crystal.get_or_insert_with(|| Calibration::new(FlywheelModel::CRYSTAL, raw, utc, sigma_ns));
        crystal.advance(raw, None);
        let mut left = absorb(crystal, raw, utc, sigma_ns);
        if let (Some(rtc), Some(calibration)) = (rtc, &mut self.rtc) {
            let at = rtc.map.apply(raw);
            calibration.advance(at, Some(rtc.temperature_c));
            left = absorb(calibration, at, utc, sigma_ns.hypot(rtc.sigma_ns));
        }
        self.apart.learn(raw, left, way);
    }

    /// Follows a change of what samples have in common, in ns, and returns what that adds to this
    /// one's standard deviation. A worse way of comparing teaches little to whoever knows a better
    /// one: what its samples have in common counts once in an hour.
    fn follow_bias(&mut self, raw: Instant<Raw>, bias_sigma_ns: f64) -> f64 {
        let since_s = self.learnt_at.replace(raw).map_or(ALIKE_S, |at| (raw - at).seconds());
        let known_ns = self.bias_sigma_ns;
        let differs_ns = (bias_sigma_ns.powi(2) - known_ns.powi(2)).abs().sqrt();
        if bias_sigma_ns > known_ns {
            return differs_ns * (ALIKE_S / since_s.max(1.0)).max(1.0).sqrt();
        }
        if differs_ns > 0.0 {
            // What it was measured by until now had an error of its own, which is no drift.
            self.rtc.iter_mut().for_each(|calibration| calibration.change_reference(differs_ns));
            self.crystal.iter_mut().for_each(|calibration| calibration.change_reference(differs_ns));
            self.bias_sigma_ns = bias_sigma_ns;
        }
        0.0
    }

    /// Follows what the leader announces.
    pub fn steer(&mut self, now: Instant<Raw>, from_s: i64, rate: Rate) {
        let Some((map, _)) = self.carried(now) else { return };
        let now_utc = map.apply(now);
        let plan = self.steering.announced(from_s, rate, now_utc);
        if plan != self.steering {
            // Whatever a sample has shown since needs no making up for, but that is little.
            let missed = if self.steered_to.is_some() { plan.missed(&self.steering, now_utc) } else { Span::ZERO };
            self.steering = plan;
            self.slew(missed);
        }
    }

    fn slew(&mut self, by: Span) {
        self.rtc.iter_mut().for_each(|calibration| calibration.slew(by));
        self.crystal.iter_mut().for_each(|calibration| calibration.slew(by));
        self.last.iter_mut().for_each(|(map, _)| map.to += by);
    }

    /// Notes whether others are heard, and what the leader says.
    pub fn contact(&mut self, now: Instant<Raw>, contact: Option<Contact>) {
        let led = self.contact.is_some_and(|contact| contact.leads);
        // Another leader steers, or nobody: whoever is alone has nobody to say when it is enough.
        if contact.is_none() || (led && contact.is_some_and(|contact| !contact.leads)) {
            self.steering = SteeringPlan::default();
        }
        self.contact = contact;
        if let Some(contact) = contact {
            if contact.leads {
                self.utc_bound.lead(now, contact.utc_bound);
            } else {
                self.utc_bound.follow(now, contact.utc_bound);
            }
            self.is_shared |= contact.is_shared;
            if contact.leads && contact.is_settled {
                self.apart.in_step(now);
            }
        }
    }

    /// Forgets how far the group's time is said to be from UTC: whoever has stated it is not believed.
    pub fn distrust(&mut self) {
        self.utc_bound.forget();
    }

    /// Carries it on to a moment. `own` is this box's own UTC and how far that can be wrong.
    pub fn update(&mut self, now: Instant<Raw>, own: Option<(ClockMap<Raw, Utc>, Span)>, rtc: Option<RtcView<'_>>) {
        self.knows_utc = own.is_some();
        let leads = self.contact.is_some_and(|contact| contact.leads);
        if let Some(rtc) = rtc {
            if self.rtc.is_none() {
                self.adopt_rtc(now, Some(rtc));
            }
            if let Some(calibration) = &mut self.rtc {
                calibration.advance(rtc.map.apply(now), Some(rtc.temperature_c));
            }
        }
        self.crystal.iter_mut().for_each(|calibration| calibration.advance(now, None));
        self.steer_on(now);
        self.last = self.best(now, rtc).or_else(|| self.carried(now));
        if leads {
            self.lead(now, own, rtc);
        }
    }

    /// Makes what is steered since the last time part of the calibrations.
    fn steer_on(&mut self, now: Instant<Raw>) {
        let from = self.steered_to.replace(now);
        if let (Some(from), Some((map, _))) = (from, self.last)
            && from < now
        {
            self.slew(self.steering.moves(map.apply(from), map.apply(now)));
        }
    }

    fn lead(&mut self, now: Instant<Raw>, own: Option<(ClockMap<Raw, Utc>, Span)>, rtc: Option<RtcView<'_>>) {
        let Some((map, _)) = self.last else { return };
        if self.adopted_at.is_none_or(|at| now - at >= ADOPTS_RATE)
            && let (Some(rtc), Some(calibration)) = (rtc, &mut self.rtc)
        {
            self.adopted_at = Some(now);
            let at = rtc.map.apply(now);
            let known = calibration.at(at);
            let own_rate = rtc.calibration.at(at);
            if own_rate.rate_sigma_ppb < known.rate_sigma_ppb {
                *calibration = rtc.calibration.clone();
                calibration.set_model(calibration.model().seen_from_another());
            }
            // Whoever leads is where the group is: only what comes after counts.
            calibration.restart(at, known.map.to, rtc.sigma_ns.max(LEAST_SIGMA_NS), 0.0);
            self.bias_sigma_ns = LEAST_BIAS_NS;
        }
        let utc = map.apply(now);
        // Without UTC of its own it steers nowhere: what the leader before it has begun ends.
        let (ahead, bound) = own.map_or((Span::ZERO, Span::ZERO), |(own, bound)| (own.apply(now) - utc, bound));
        self.steering = self.steering.decided(ahead, bound, utc);
    }

    /// Returns the better of what the flywheels say, and its standard deviation in ns.
    fn best(&self, now: Instant<Raw>, rtc: Option<RtcView<'_>>) -> Option<(ClockMap<Raw, Utc>, f64)> {
        if let (Some(rtc), Some(calibration)) = (rtc, &self.rtc) {
            let raw_to_rtc = rtc.map.anchored_at(now);
            let known = calibration.at(raw_to_rtc.to);
            return Some((raw_to_rtc.then(&known.map), known.sigma_ns.hypot(rtc.sigma_ns)));
        }
        let known = self.crystal.as_ref()?.at(now);
        let carried = self.carried(now).filter(|(_, sigma_ns)| *sigma_ns < known.sigma_ns);
        Some(carried.unwrap_or((known.map, known.sigma_ns)))
    }

    /// Returns the group's time as it was at the last update; `None` until it is known.
    pub fn estimate(&self, now: Instant<Raw>) -> Option<GroupEstimate> {
        let (map, sigma_ns) = self.carried(now)?;
        let rate = Rate::from_ppb(map.rate.ppb() + self.steering.rate_at(map.to).ppb());
        let apart_ns = self.apart.sigma_ns(now);
        let chance = |sigma_ns: f64| Span::from_ns_f64(BOUND_SIGMAS * sigma_ns);
        let bound = match self.contact {
            Some(contact) if contact.leads && contact.is_settled => Span::ZERO,
            Some(contact) if contact.leads => chance(self.bias_sigma_ns.hypot(apart_ns)) + self.apart.way(),
            Some(contact) => chance(sigma_ns.hypot(self.bias_sigma_ns).hypot(apart_ns)) + contact.way_bound,
            None => chance(sigma_ns.hypot(self.bias_sigma_ns).hypot(apart_ns)) + self.apart.way(),
        };
        let utc_bound = if self.knows_utc { self.utc_bound.at(now) } else { self.utc_bound.unproven(now) };
        Some(GroupEstimate {
            id: self.id,
            utc: ClockMap { rate, ..map },
            bound,
            utc_bound: utc_bound.map(|utc_bound| utc_bound + bound),
            contact: self.contact,
            is_shared: self.is_shared,
            steering: self.steering,
        })
    }
}

/// Absorbs a sample into a calibration. A surprising one moves the phase alone: a stamp that came
/// late, or edges that have just been found, must not be taken for a rate. Returns the part of what
/// was uncertain of the phase before that is left of it.
fn absorb<F: Axis>(calibration: &mut Calibration<F>, at: Instant<F>, utc: Instant<Utc>, sigma_ns: f64) -> f64 {
    let known = calibration.at(at);
    let innovation_ns = (utc - known.map.to).ns_f64();
    let expected_ns = known.sigma_ns.hypot(sigma_ns);
    if innovation_ns.abs() > SURPRISE_SIGMAS * expected_ns {
        calibration.change_reference(innovation_ns / SURPRISE_SIGMAS);
    }
    // What the samples have in common is counted apart.
    let before_ns = calibration.at(at).sigma_ns;
    calibration.correct(at, Correction { utc, sigma_ns, bias_sigma_ns: 0.0, bound_ns: BOUND_SIGMAS * sigma_ns });
    let after_ns = calibration.at(at).sigma_ns;
    // A filter that weighs a sample by K leaves 1 - K of the variance, and of an error.
    (after_ns / before_ns.max(1.0)).powi(2)
}
