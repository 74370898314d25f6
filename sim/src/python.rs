//! The Python program that came before, as a policy and a player, for comparison: cron runs
//! `hwclock --hctosys` every five minutes, and each track is started by the system clock and then
//! left alone.

use fastrand::Rng;
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::rtc::{Ds3231, Rtc, RtcError, RtcTime, SimulatedDs3231};
use jaudiosync_hw::world::World;

use super::dac::{Card, Heard, Player, SoundCard};
use super::policy::{BoxSetup, Published, StepInput, TimePolicy};
use super::randomness::{Purpose, span_between, stream};
use super::rtc::BoxRtc;
use super::sample::TimeState;
use super::scenario::RtcFault;
use super::virtual_box::BoxWorld;
use crate::true_time::utc_at;
use jaudiosync::timetable::{Place, Start, Timetable};
use jaudiosync_time::{ClockMap, Instant, Raw, Span, True, Utc};

/// Cron's entry: at each fifth minute of the system clock, and once after boot.
const CRON: Span = Span::from_seconds(300);

/// Starting `hwclock` by way of cron and a shell takes up to this.
const STARTING: (Span, Span) = (Span::ZERO, Span::from_ms(40));

/// `hwclock` gives up waiting for the edge after this (`busywait_for_rtc_clock_tick` in
/// util-linux).
const PATIENCE: Span = Span::from_ms(1_500);

/// From the edge seen to the system clock set, another transfer aside.
const SETTING: (Span, Span) = (Span::from_us(100), Span::from_ms(2));

/// pygame starts a track up to this late: the audio thread fills its buffers when it comes to it.
/// Measured between two such players: 5 to 16 ms.
const LATE_START: Span = Span::from_ms(16);

/// The Python program's time: the system clock, as `hwclock` sets it.
pub struct PythonTime {
    rtc: BoxRtc,
    /// The kernel's driver, which asks the chip for what the service's own asks it for.
    driver: Option<Ds3231<SimulatedDs3231>>,
    random: Rng,
    utc: Option<ClockMap<Raw, Utc>>,
    next_cron: Instant<Utc>,
    /// The RTC was set from the network since the box was switched on, as the setup script does.
    has_set_rtc: bool,
}

impl PythonTime {
    /// The time of one box.
    pub fn new(setup: &BoxSetup<'_>) -> Self {
        let rtc = BoxRtc::new(setup);
        let random = stream(setup.seed, Some(setup.index), Purpose::Policy);
        Self { driver: rtc.open().ok(), rtc, random, utc: None, next_cron: Instant::MIN, has_set_rtc: false }
    }

    /// `hwclock --hctosys`: waits for the RTC's edge by reading it all the time, then sets the
    /// whole second.
    fn hctosys(&mut self, world: &BoxWorld) -> Result<(), RtcError> {
        world.spend(span_between(&mut self.random, STARTING));
        let driver = self.driver.as_mut().ok_or(RtcError::NoAnswer)?;
        let first = driver.read_second()?;
        let until = world.raw() + PATIENCE;
        while driver.read_second()? == first {
            if world.raw() > until {
                return Err(RtcError::Bus("no edge".to_owned()));
            }
        }
        let RtcTime::Valid { rtc_s: utc_s } = driver.read_time()? else { return Ok(()) };
        world.spend(span_between(&mut self.random, SETTING));
        world.set_system_clock(Instant::from_second(utc_s));
        Ok(())
    }

    /// The system clock from the network, and the RTC from it: once at each contact.
    fn set_from_network(&mut self, world: &BoxWorld, input: StepInput<'_>) {
        let Some(sample) = input.samples.first() else { return };
        world.set_system_clock(sample.utc + (world.raw() - sample.raw));
        if !self.has_set_rtc {
            let now = world.system_utc();
            let next_s = now.second() + 1;
            world.sleep_until(world.raw() + (Instant::from_second(next_s) - now));
            self.has_set_rtc = self.driver.as_mut().is_some_and(|driver| driver.set_time(next_s).is_ok());
        }
    }
}

impl TimePolicy for PythonTime {
    fn boot(&mut self, world: &BoxWorld, battery_was_out: bool) {
        if battery_was_out {
            self.rtc.lose_time();
        }
        self.has_set_rtc = false;
        self.next_cron = Instant::MIN;
        self.utc = Some(world.system_clock());
    }

    fn step(&mut self, world: &BoxWorld, input: StepInput<'_>) -> Instant<Raw> {
        self.set_from_network(world, input);
        if world.system_utc() >= self.next_cron {
            // A clock that cannot be read leaves the system clock as it is; nobody is informed.
            let _ = self.hctosys(world);
            let now = world.system_utc();
            self.next_cron = now + CRON - (now - Instant::ZERO) % CRON;
        }
        self.utc = Some(world.system_clock());
        world.raw() + Span::SECOND
    }

    fn published(&self) -> Published {
        Published { utc: self.utc, bound: None, agreement: None, group: None, state: TimeState::Holdover }
    }

    fn rtc_error(&mut self, _: &BoxWorld, _: Instant<True>) -> Option<Span> {
        // The chip is looked at now, which is less than a microsecond of its time away from the
        // instant asked for.
        self.rtc.rtc_minus_utc()
    }

    fn set_rtc_fault(&mut self, fault: Option<RtcFault>) {
        self.rtc.set_fault(fault);
    }

    fn pass_while_off(&mut self, _: &BoxWorld) {
        self.rtc.catch_up();
    }
}

/// The Python program's player: starts each track by the system clock, a little late, and then
/// leaves it alone.
pub struct PythonPlayer {
    card: SoundCard,
    timetable: Timetable,
    random: Rng,
    playing: Option<Playing>,
    next: Option<Start>,
    last: Instant<True>,
}

#[derive(Debug, Clone, Copy)]
struct Playing {
    slot: Start,
    begin: Instant<True>,
    /// What the card's crystal showed then.
    begin_card: Instant<Card>,
    length: Span,
}

impl PythonPlayer {
    /// The player of one box.
    pub fn new(card: SoundCard, timetable: Timetable, random: Rng) -> Self {
        Self { card, timetable, random, playing: None, next: None, last: Instant::ZERO }
    }

    fn start_after(&self, utc: Instant<Utc>) -> Option<Start> {
        match self.timetable.place_at(utc) {
            Place::Before { next } => Some(next),
            Place::Playing { slot, .. } => self.timetable.after(slot),
            Place::Gap { next } => next,
            Place::Finished => None,
        }
    }
}

impl Player for PythonPlayer {
    fn power_on(&mut self, now: Instant<True>) {
        self.card.open(now);
        self.playing = None;
        self.next = None;
        self.last = now;
    }

    fn advance_to(&mut self, time: Instant<True>, world: &BoxWorld, utc: Option<&ClockMap<Raw, Utc>>) {
        let Some(utc) = utc else { return };
        let now = utc.apply(world.raw_at(time));
        if self.next.is_none() {
            // The scheduler's jobs are made when the program starts; before the clock is set that
            // is in 1970.
            self.next = self.start_after(now);
        }
        while let Some(slot) = self.next.filter(|slot| slot.utc() <= now) {
            // Where the clock was set past the start meanwhile, the job runs at once.
            let due = world.time_at_raw(utc.inverse().apply(slot.utc())).max(self.last);
            let begin = due + Span::from_ns(self.random.i64(0..=LATE_START.ns()));
            let begin_card = self.card.reading(begin);
            let length = self.timetable.length(slot.track).map_or(Span::ZERO, |length| length.span());
            // A job that missed its time by more than a second is dropped (apscheduler's
            // misfire_grace_time).
            if now - slot.utc() <= Span::SECOND {
                self.playing = Some(Playing { slot, begin, begin_card, length });
                self.next = self.timetable.after(slot);
            } else {
                self.next = self.start_after(now);
            }
        }
        self.last = time;
    }

    fn heard(&mut self, time: Instant<True>, _: &BoxWorld) -> Option<Heard> {
        let playing = self.playing.filter(|playing| playing.begin <= time)?;
        let place = self.card.reading(time) - playing.begin_card;
        if place >= playing.length {
            return None;
        }
        let error = utc_at(time) - playing.slot.utc() - place;
        Some(Heard { error_ns_f64: error.ns_f64(), servo_error_ns_f64: None, dac_clock_error: None })
    }

    fn plays(&self) -> bool {
        self.playing.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fleet::run_box;
    use super::super::scenario::{Policy, parse};

    #[test]
    fn tracks_start_up_to_sixteen_ms_late_and_then_drift_with_the_card() {
        let text = "policy = \"python\"\nhours = 1\n[calibration]\ndays_before = 0\n[rtc]\nideal = true\n\
            [pi_crystal]\nrate_sigma_ppm = 0\nrate_limit_ppm = 0\nturnover_c = 25\nparabola_ppm_per_c2 = 0\n\
            slope_sigma_ppm_per_c = 0\nwhite_fm_ppm = 0\nwalk_fm_ppm = 0\naging_sigma_ppb_per_day = 0\n\
            [dac_crystal]\nrate_sigma_ppm = 60\nrate_limit_ppm = 60\nturnover_c = 25\nparabola_ppm_per_c2 = 0\n\
            slope_sigma_ppm_per_c = 0\nwhite_fm_ppm = 0\nwalk_fm_ppm = 0\naging_sigma_ppb_per_day = 0\n";
        let scenario = parse(text, "test").unwrap();
        assert_eq!(scenario.policy, Policy::Python);
        let mut starts_ms = Vec::new();
        let mut drifts_ppm = Vec::new();
        for index in 0..8 {
            let samples = run_box(&scenario, 3, index, &super::super::fleet::make_policy, &|_| {}).unwrap();
            // A track is a run of seconds with sound; all of them end in a second of silence at
            // least.
            for track in samples.split(|sample| sample.dac_error_ns_f64.is_none()).filter(|track| track.len() > 60) {
                let errors: Vec<f64> = track.iter().filter_map(|sample| sample.dac_error_ns_f64).collect();
                let seconds = (errors.len() - 1) as f64;
                starts_ms.push(errors[0] * 1e-6);
                drifts_ppm.push((errors[errors.len() - 1] - errors[0]) / seconds * 1e-3);
            }
        }
        assert!(starts_ms.len() > 8 * 10, "{} tracks", starts_ms.len());
        // The system clock is late by a few ms of hwclock, and the start by up to 16 ms.
        assert!(starts_ms.iter().all(|start| (-0.1..22.0).contains(start)), "{starts_ms:?}");
        let mean_ms = starts_ms.iter().sum::<f64>() / starts_ms.len() as f64;
        assert!((8.0..12.5).contains(&mean_ms), "{mean_ms}");
        let spread_ms = starts_ms.iter().fold(0.0_f64, |most, start| most.max((start - mean_ms).abs()));
        assert!(spread_ms > 6.0, "{spread_ms}");
        // No lock within a track: it drifts by the card's whole rate.
        assert!(drifts_ppm.iter().any(|drift| drift.abs() > 30.0), "{drifts_ppm:?}");
        assert!(drifts_ppm.iter().all(|drift| drift.abs() < 61.0), "{drifts_ppm:?}");
    }
}
