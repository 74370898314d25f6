//! The Python program that came before, as a policy and a player, for comparison: cron runs `hwclock --hctosys` every
//! five minutes, and each track is started by the system clock and then left alone.

use fastrand::Rng;
use jaudiosync_hw::clocks::{Clocks, NS_PER_S};
use jaudiosync_hw::rtc::{Ds3231, Rtc, RtcError, RtcTime, SimulatedDs3231};
use jaudiosync_hw::world::World;

use super::dac::{Heard, Player, SoundCard};
use super::policy::{BoxSetup, Published, StepInput, TimePolicy};
use super::randomness::{Purpose, stream};
use super::rtc::BoxRtc;
use super::sample::TimeState;
use super::scenario::RtcFault;
use super::virtual_box::BoxWorld;
use jaudiosync::timekeeping::{InNanoseconds as _, Timescale};
use jaudiosync::timetable::{Place, Start, Timetable};
use jaudiosync_time::Span;

/// Cron's entry: at each fifth minute of the system clock, and once after boot.
const CRON_NS: i64 = 300 * NS_PER_S;

/// Starting `hwclock` by way of cron and a shell takes up to this.
const STARTING_NS: i64 = 40_000_000;

/// `hwclock` gives up waiting for the edge after this (`busywait_for_rtc_clock_tick` in util-linux).
const PATIENCE_NS: i64 = 1_500_000_000;

/// From the edge seen to the system clock set, another transfer aside.
const SETTING_NS: (i64, i64) = (100_000, 2_000_000);

/// pygame starts a track up to this late: the audio thread fills its buffers when it comes to it. Measured between two
/// such players: 5 to 16 ms.
const LATE_START_NS: i64 = 16_000_000;

/// The Python program's time: the system clock, as `hwclock` sets it.
pub struct PythonTime {
    rtc: BoxRtc,
    /// The kernel's driver, which asks the chip for what the service's own asks it for.
    driver: Ds3231<SimulatedDs3231>,
    random: Rng,
    map: Option<Timescale>,
    next_cron_utc_ns: i64,
    /// The RTC was set from the network since the box was switched on, as the setup script does.
    has_set_rtc: bool,
}

impl PythonTime {
    /// The time of one box.
    pub fn new(setup: &BoxSetup<'_>) -> Self {
        let rtc = BoxRtc::new(setup);
        let random = stream(setup.seed, Some(setup.index), Purpose::Policy);
        Self { driver: rtc.open(), rtc, random, map: None, next_cron_utc_ns: i64::MIN, has_set_rtc: false }
    }

    /// `hwclock --hctosys`: waits for the RTC's edge by reading it all the time, then sets the whole second.
    fn hctosys(&mut self, world: &BoxWorld) -> Result<(), RtcError> {
        world.spend(Span::from_ns(self.random.i64(0..STARTING_NS)));
        let first = self.driver.read_second()?;
        let until_raw_ns = world.raw_ns() + PATIENCE_NS;
        while self.driver.read_second()? == first {
            if world.raw_ns() > until_raw_ns {
                return Err(RtcError::Bus("no edge".to_owned()));
            }
        }
        let RtcTime::Valid { rtc_s: utc_s } = self.driver.read_time()? else { return Ok(()) };
        world.spend(Span::from_ns(self.random.i64(SETTING_NS.0..SETTING_NS.1)));
        world.set_system_clock(utc_s.saturating_mul(NS_PER_S));
        Ok(())
    }

    /// The system clock from the network, and the RTC from it: once at each contact.
    fn set_from_network(&mut self, world: &BoxWorld, input: StepInput<'_>) {
        let Some(sample) = input.samples.first() else { return };
        world.set_system_clock(sample.utc.ns() + world.raw_ns() - sample.raw.ns());
        if !self.has_set_rtc {
            let now_utc_ns = world.system_utc_ns();
            let next_s = now_utc_ns.div_euclid(NS_PER_S) + 1;
            world.sleep_until_raw(world.raw_ns() + next_s * NS_PER_S - now_utc_ns);
            self.has_set_rtc = self.driver.set_time(next_s).is_ok();
        }
    }
}

impl TimePolicy for PythonTime {
    fn boot(&mut self, world: &BoxWorld, battery_was_out: bool) {
        if battery_was_out {
            self.rtc.lose_time();
        }
        self.has_set_rtc = false;
        self.next_cron_utc_ns = i64::MIN;
        self.map = Some(world.system_clock());
    }

    fn step(&mut self, world: &BoxWorld, input: StepInput<'_>) -> i64 {
        self.set_from_network(world, input);
        if world.system_utc_ns() >= self.next_cron_utc_ns {
            // A clock that cannot be read leaves the system clock as it is; nobody is told.
            let _ = self.hctosys(world);
            self.next_cron_utc_ns = (world.system_utc_ns().div_euclid(CRON_NS) + 1).saturating_mul(CRON_NS);
        }
        self.map = Some(world.system_clock());
        world.raw_ns() + NS_PER_S
    }

    fn published(&self) -> Published {
        Published { timescale: self.map, bound_ns: None, state: TimeState::Holdover }
    }

    fn rtc_error_ns(&mut self, _: &BoxWorld, _: i64) -> Option<f64> {
        // The chip is looked at now, which is less than a microsecond of its time away from the instant asked for.
        self.rtc.rtc_minus_utc().map(|by| by.ns_f64())
    }

    fn set_rtc_fault(&mut self, fault: Option<RtcFault>) {
        self.rtc.set_fault(fault);
    }

    fn pass_while_off(&mut self, _: &BoxWorld) {
        self.rtc.catch_up();
    }
}

/// The Python program's player: starts each track by the system clock, a little late, and lets it run.
pub struct PythonPlayer {
    card: SoundCard,
    timetable: Timetable,
    random: Rng,
    playing: Option<Playing>,
    next: Option<Start>,
    last_true_ns: i64,
}

#[derive(Debug, Clone, Copy)]
struct Playing {
    slot: Start,
    begin_true_ns: i64,
    /// What the card's crystal showed then.
    begin_card_ns: i64,
    length_ns: i64,
}

impl PythonPlayer {
    /// The player of one box.
    pub fn new(card: SoundCard, timetable: Timetable, random: Rng) -> Self {
        Self { card, timetable, random, playing: None, next: None, last_true_ns: 0 }
    }

    fn start_after(&self, utc_ns: i64) -> Option<Start> {
        match self.timetable.place_at(utc_ns) {
            Place::Before { next } => Some(next),
            Place::Playing { slot, .. } => self.timetable.after(slot),
            Place::Gap { next } => next,
            Place::Finished => None,
        }
    }
}

impl Player for PythonPlayer {
    fn power_on(&mut self, true_ns: i64) {
        self.card.open(true_ns);
        self.playing = None;
        self.next = None;
        self.last_true_ns = true_ns;
    }

    fn advance_to(&mut self, true_ns: i64, world: &BoxWorld, timescale: Option<&Timescale>) {
        let Some(timescale) = timescale else { return };
        let now_utc_ns = timescale.utc_ns(world.raw_at_ns(true_ns));
        if self.next.is_none() {
            // The scheduler's jobs are made when the program starts; before the clock is set that is in 1970.
            self.next = self.start_after(now_utc_ns);
        }
        while let Some(slot) = self.next.filter(|slot| slot.utc_ns() <= now_utc_ns) {
            // Where the clock was set past the start meanwhile, the job runs at once.
            let due_ns = world.true_at_raw_ns(timescale.raw_ns(slot.utc_ns())).max(self.last_true_ns);
            let begin_true_ns = due_ns + self.random.i64(0..=LATE_START_NS);
            let begin_card_ns = self.card.reading_ns(begin_true_ns);
            let length_ns = self.timetable.length(slot.track).map_or(0, |length| length.ns());
            // A job that missed its time by more than a second is dropped (apscheduler's misfire_grace_time).
            if now_utc_ns - slot.utc_ns() <= NS_PER_S {
                self.playing = Some(Playing { slot, begin_true_ns, begin_card_ns, length_ns });
                self.next = self.timetable.after(slot);
            } else {
                self.next = self.start_after(now_utc_ns);
            }
        }
        self.last_true_ns = true_ns;
    }

    fn heard(&mut self, true_ns: i64, _: &BoxWorld) -> Option<Heard> {
        let playing = self.playing.filter(|playing| playing.begin_true_ns <= true_ns)?;
        let place_ns = self.card.reading_ns(true_ns) - playing.begin_card_ns;
        if place_ns >= playing.length_ns {
            return None;
        }
        let error_ns = (true_ns - playing.slot.utc_ns() - place_ns) as f64;
        Some(Heard { error_ns, servo_error_ns: None, dac_clock_error_ns: None })
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
            // A track is a run of seconds with sound; all of them end in a second of silence at least.
            for track in samples.split(|sample| sample.dac_error_ns.is_none()).filter(|track| track.len() > 60) {
                let errors: Vec<f64> = track.iter().filter_map(|sample| sample.dac_error_ns).collect();
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
