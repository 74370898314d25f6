//! The box and the world around it, and how time passes for both.

use std::fs;
use std::ops::AddAssign;
use std::path::Path;

use fastrand::Rng;
use jaudiosync::control::protocol::PlayState;
use jaudiosync::service::conductor::Ending;
use jaudiosync_hw::buttons::Button;
use jaudiosync_hw::dac::{Imperfections, SimulatedDac};
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

use super::appliance_harness::{ApplianceHarness, Environment, RATE_HZ};
use super::files::Tracks;
use super::{BEGIN, S};

/// How often each thing was seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Samples of music in their place.
    pub in_phase: u64,
    /// Samples of silence where silence was due.
    pub silent: u64,
    /// Presses obeyed within 50 ms.
    pub obeyed: u64,
    pub power_cuts: u64,
    /// Power cuts after which the box rejoined the common timetable.
    pub rejoined: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.in_phase += other.in_phase;
        self.silent += other.silent;
        self.obeyed += other.obeyed;
        self.power_cuts += other.power_cuts;
        self.rejoined += other.rejoined;
    }
}

/// An hour of one box: the world around it, what is broken in it, and what was seen.
pub struct Hour<'a> {
    pub random: Rng,
    pub tracks: &'a Tracks,
    pub around: Environment,
    /// `None` only while the power is off.
    pub appliance: Option<ApplianceHarness>,
    /// What recovers, and when.
    pub recoveries: Vec<(Instant<Raw>, Recovery)>,
    /// The last time at which something disturbed the sound.
    pub disturbed: Instant<Raw>,
    pub is_plugged: bool,
    /// The last time at which the player's volume was 0.
    pub muted: Instant<Raw>,
    /// From when on presses are read.
    pub readable_from: Instant<Raw>,
    /// UTC as the box assumed it, at the last reading.
    pub utc_map: ClockMap<Raw, Utc>,
    pub edits: u64,
    pub tally: Tally,
}

/// Something that was broken, and comes back.
#[derive(Debug, Clone, Copy)]
pub enum Recovery {
    ReleaseButton(Button),
    CardPluggedIn,
    InputsReadable,
    MixerBack,
    LedBack,
    StateWritable,
    TimeKnown,
}

impl<'a> Hour<'a> {
    pub fn new(seed: u64, folder: &Path, tracks: &'a Tracks) -> Self {
        let mut random = Rng::with_seed(seed);
        let imperfections = Imperfections {
            rate_error_ppm: random.f64() * 200.0 - 100.0,
            wander_ppm: 0.01,
            delay_step: if random.bool() { Span::MILLISECOND } else { Span::from_ns(20_833) },
            jitter: Span::from_us(50),
            burst_probability: 0.001,
            burst: Span::from_ms(5),
            wild_probability: 0.0001,
        };
        let dac = SimulatedDac::new(RATE_HZ, (RATE_HZ as usize * 25 / 1000) | 1, imperfections, seed);
        let around = Environment::new(folder, dac, BEGIN, random.bool());
        around.board.set_jumper(random.bool());
        let appliance = Some(ApplianceHarness::switch_on(&around));
        let mut hour = Self {
            random,
            tracks,
            around,
            appliance,
            recoveries: Vec::new(),
            disturbed: Instant::ZERO,
            is_plugged: true,
            muted: Instant::ZERO - S,
            readable_from: Instant::ZERO + S,
            utc_map: ClockMap { from: Instant::ZERO, to: Instant::ZERO, rate: Rate::ZERO },
            edits: 0,
            tally: Tally::default(),
        };
        hour.edit_playlist(3);
        hour
    }

    pub fn now(&self) -> Instant<Raw> {
        self.around.now()
    }

    pub fn appliance(&self) -> &ApplianceHarness {
        self.appliance.as_ref().expect("switched on")
    }

    /// Advances time, checking throughout.
    pub fn run(&mut self, span: Span) {
        let until = self.now() + span;
        while self.now() < until {
            self.recover_what_is_due();
            let Self { appliance, around, .. } = self;
            let ending = appliance.as_mut().unwrap().round(around);
            self.check();
            match ending {
                Some(Ending::PowerOff) => self.power_cycle(S * 5),
                Some(Ending::Asked) => self.power_cycle(S / 5),
                None => {}
            }
        }
    }

    /// Restores everything that has been broken for long enough.
    fn recover_what_is_due(&mut self) {
        let now = self.now();
        let is_due = |(at, _): &(Instant<Raw>, Recovery)| *at <= now;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.recoveries).into_iter().partition(is_due);
        self.recoveries = later;
        for (_, recovery) in due {
            match recovery {
                Recovery::ReleaseButton(button) => self.around.board.release(button),
                Recovery::CardPluggedIn => {
                    self.around.dac.plug_in();
                    self.is_plugged = true;
                    self.note_disturbance();
                }
                Recovery::InputsReadable => {
                    self.around.board.fail_inputs(None);
                    // It is looked for every half second, and presses at that moment are ignored.
                    self.readable_from = now + S;
                }
                Recovery::MixerBack => self.around.board.fail_mixer(None),
                Recovery::LedBack => self.around.board.fail_led(None),
                Recovery::StateWritable => self.unblock_state(),
                Recovery::TimeKnown => {
                    self.around.time.know();
                    self.note_disturbance();
                }
            }
        }
    }

    /// Notes that something disturbs the sound now.
    pub fn note_disturbance(&mut self) {
        self.disturbed = self.now();
    }

    /// Restores something after a while.
    pub fn recover_after(&mut self, after: Span, recovery: Recovery) {
        self.recoveries.push((self.now() + after, recovery));
    }

    /// Cuts the power, and restores it.
    pub fn power_cycle(&mut self, after: Span) {
        self.tally.power_cuts += 1;
        let before = self.appliance().status();
        let knows_the_time = self.recoveries.iter().all(|(_, recovery)| !matches!(recovery, Recovery::TimeKnown));
        let saved = fs::read_to_string(self.around.state.join("session.json"));
        let is_saved = saved.is_ok_and(|saved| saved.contains("\"anchor_utc_s\":0,"));
        let rejoins = before.play.common && before.play.state == PlayState::Playing && knows_the_time && is_saved;
        self.around.clocks.advance(after);
        self.around.dac.advance_to(self.now());
        self.around.dac.take_heard();
        // The clock of a box without an RTC is behind by as long as it was off.
        if self.random.u8(..4) == 0 && !rejoins {
            self.around.time.be_off(-after);
            let known_after = self.random_span(S, S * 120);
            self.recover_after(known_after, Recovery::TimeKnown);
        }
        // The old one first: two cannot have the card.
        self.appliance = None;
        // A disk that cannot be written to can be read.
        self.unblock_state();
        self.appliance = Some(ApplianceHarness::switch_on(&self.around));
        self.readable_from = self.now() + S;
        self.note_disturbance();
        if rejoins {
            self.tally.rejoined += 1;
            self.run(S / 5);
            let play = self.appliance().status().play.clone();
            let waits = play.state == PlayState::WaitingForPlaylist;
            assert!(
                play.common && matches!(play.state, PlayState::Playing | PlayState::Opening | PlayState::Gap) || waits,
                "{play:?}"
            );
        }
    }

    pub fn random_span(&mut self, from: Span, to: Span) -> Span {
        Span::from_ns(self.random.i64(from.ns()..to.ns()))
    }
}
