//! The service's player on a simulated sound card: the player's own model of the DAC's clock and its own phase lock, on a
//! voice that is nothing but its place in the track.
//!
//! What the feeder and the voice do with samples (`player::feeder`, `player::voice`) is followed here step by step with
//! places alone, as decoding and resampling a fleet's four hours would take ten minutes. What decides, `DacClock`,
//! `steer` and the timetable, is the player's own code.

use std::collections::VecDeque;

use fastrand::Rng;

use super::{Heard, Player, SoundCard};
use crate::scenario::{SoundCardKind, SoundCards};
use crate::virtual_box::BoxWorld;
use jaudiosync::player::dac_clock::{DacClock, Observation, Verdict};
use jaudiosync::player::phase_lock::{Steering, steer};
use jaudiosync::player::ring::BLOCK_FRAMES;
use jaudiosync::timekeeping::{InNanoseconds as _, Timescale};
use jaudiosync::timetable::{Place, Start, Timetable};

/// As in `player::feeder`: how far ahead of the DAC the ring is filled, and a track is joined.
const LOOKAHEAD_S: f64 = 0.4;
const JOIN_AHEAD_S: f64 = 0.1;

/// The callback's thread has real-time priority: it wakes so much late.
const WAKE_LATE_NS: (i64, i64) = (10_000, 80_000);

/// Between reading the delay and reading the clock up to this long passes.
const BETWEEN_READINGS_NS: i64 = 15_000;

/// The step in which USB cards tell their position.
const USB_STEP_NS: i64 = 1_000_000;

/// After opening, this many callbacks are predicted and not measured.
const UNMEASURED_CALLBACKS: u64 = 2;

/// A block of the voice, on its way to the ear.
#[derive(Debug, Clone, Copy)]
struct Block {
    first_frame: u64,
    slot: Start,
    /// Of the first frame, in seconds since the track began.
    place_s: f64,
    speed: f64,
    /// What the phase lock found: where the music should have been less where it was, in seconds.
    phase_error_s: f64,
    /// When the clock model had the first frame heard.
    predicted_raw_ns: i64,
    /// One block fades out before a place is taken anew.
    is_fading: bool,
}

#[derive(Debug, Clone, Copy)]
struct Voice {
    slot: Start,
    place_s: f64,
    is_fading_out: bool,
}

/// The service's player.
pub struct LockedPlayer {
    card: SoundCard,
    cards: SoundCards,
    timetable: Timetable,
    random: Rng,
    clock: DacClock,
    /// Callbacks since the stream was opened, and when the next one is.
    callbacks: u64,
    next_callback_true_ns: i64,
    handed_over: u64,
    next_frame: u64,
    voice: Option<Voice>,
    blocks: VecDeque<Block>,
    reseeks: u64,
}

impl LockedPlayer {
    /// The player of one box.
    pub fn new(card: SoundCard, cards: SoundCards, timetable: Timetable, random: Rng) -> Self {
        let clock = DacClock::new(card.rate_hz);
        Self {
            card,
            cards,
            timetable,
            random,
            clock,
            callbacks: 0,
            next_callback_true_ns: i64::MAX,
            handed_over: 0,
            next_frame: 0,
            voice: None,
            blocks: VecDeque::new(),
            reseeks: 0,
        }
    }

    /// How often a place was taken anew.
    pub fn reseeks(&self) -> u64 {
        self.reseeks
    }

    fn period_frames(&self) -> u64 {
        u64::from(self.cards.period_frames.max(1))
    }

    fn frames(&self, seconds: f64) -> u64 {
        (seconds * f64::from(self.card.rate_hz)) as u64
    }

    /// A period begins to be heard, and the callback is asked for the one after it.
    fn callback(&mut self, world: &BoxWorld, timescale: Option<&Timescale>) {
        let period = self.period_frames();
        let began_ns = self.next_callback_true_ns;
        self.callbacks += 1;
        let first_frame = (self.callbacks + 1) * period;
        let heard_true_ns = self.card.heard_true_ns(first_frame);
        self.next_callback_true_ns = heard_true_ns;
        self.handed_over = first_frame + period;
        if self.callbacks > UNMEASURED_CALLBACKS {
            let observation = self.observe(began_ns, first_frame, heard_true_ns, world);
            if self.clock.observe(observation) == Verdict::Restarted {
                self.voice = None;
                self.next_frame = 0;
                self.blocks.clear();
            }
        }
        if let Some(timescale) = timescale.filter(|_| self.clock.is_settled()) {
            self.fill(timescale);
        }
    }

    /// What the driver tells: the delay, and then what time it is.
    fn observe(&mut self, began_ns: i64, frame: u64, heard_true_ns: i64, world: &BoxWorld) -> Observation {
        let read_ns = began_ns + self.random.i64(WAKE_LATE_NS.0..WAKE_LATE_NS.1);
        let delay_ns = match self.cards.kind {
            SoundCardKind::I2s => {
                let frame_ns = 1e9 / f64::from(self.card.rate_hz);
                (((heard_true_ns - read_ns) as f64 / frame_ns).floor() * frame_ns) as i64
            }
            SoundCardKind::Usb => {
                // The position is as of the nearest tick of the bus.
                let tick_ns = (read_ns + USB_STEP_NS / 2).div_euclid(USB_STEP_NS) * USB_STEP_NS;
                heard_true_ns - tick_ns
            }
        };
        let mut stamped_ns = read_ns + self.random.i64(0..BETWEEN_READINGS_NS);
        if self.random.f64() < self.cards.burst_probability {
            stamped_ns += (self.random.f64() * self.cards.burst_ms * 1e6) as i64;
        }
        Observation { frame, heard_raw_ns: world.raw_at_ns(stamped_ns) + delay_ns }
    }

    /// Decides for each frame up to the look-ahead, as the feeder does.
    fn fill(&mut self, timescale: &Timescale) {
        let until = self.handed_over + self.frames(LOOKAHEAD_S);
        loop {
            let Some(voice) = self.voice.take().or_else(|| self.begin(until, timescale)) else { return };
            if self.next_frame < self.handed_over {
                // Too late to be heard: the place is taken anew.
                continue;
            }
            if self.next_frame >= until {
                self.voice = Some(voice);
                return;
            }
            let predicted_raw_ns = self.clock.heard_raw_ns(self.next_frame);
            let heard_utc_ns = timescale.utc_ns(predicted_raw_ns);
            let offset_ns = heard_utc_ns - voice.slot.utc_ns();
            if offset_ns >= self.timetable.length(voice.slot.track).map_or(0, |length| length.ns()) {
                continue;
            }
            self.voice = Some(self.next_block(voice, offset_ns as f64 * 1e-9, predicted_raw_ns, timescale));
        }
    }

    /// The next track, or the one under way, if it is to be heard before `until`.
    fn begin(&mut self, until: u64, timescale: &Timescale) -> Option<Voice> {
        let earliest = self.next_frame.max(self.handed_over + self.frames(JOIN_AHEAD_S));
        let utc_ns = timescale.utc_ns(self.clock.heard_raw_ns(earliest));
        let (slot, first_frame) = match self.timetable.place_at(utc_ns) {
            Place::Playing { slot, .. } => (slot, earliest),
            Place::Before { next } | Place::Gap { next: Some(next) } => {
                let frame = self.clock.frame_at(timescale.raw_ns(next.utc_ns())).round();
                // As a place in the stream it is positive and exact, or too far away to matter.
                (next, if frame.is_finite() { frame.max(0.0) as u64 } else { u64::MAX })
            }
            Place::Gap { next: None } | Place::Finished => return None,
        };
        if first_frame > until {
            return None;
        }
        self.next_frame = first_frame;
        let heard_utc_ns = timescale.utc_ns(self.clock.heard_raw_ns(first_frame));
        let place_s = (heard_utc_ns - slot.utc_ns()) as f64 * 1e-9;
        Some(Voice { slot, place_s, is_fading_out: false })
    }

    fn next_block(&mut self, mut voice: Voice, target_s: f64, predicted_raw_ns: i64, timescale: &Timescale) -> Voice {
        let drift = (1.0 + self.clock.rate_ppb() * 1e-9) * (1.0 + timescale.rate.ppb() * 1e-9) - 1.0;
        let mut phase_error_s = target_s - voice.place_s;
        let mut is_fading = false;
        let speed = match steer(phase_error_s, drift) {
            Steering::Speed(speed) => {
                voice.is_fading_out = false;
                speed
            }
            Steering::Reseek if !voice.is_fading_out => {
                voice.is_fading_out = true;
                is_fading = true;
                1.0
            }
            Steering::Reseek => {
                voice.is_fading_out = false;
                voice.place_s = target_s;
                phase_error_s = 0.0;
                self.reseeks += 1;
                1.0
            }
        };
        let Voice { slot, place_s, .. } = voice;
        let first_frame = self.next_frame;
        self.blocks.push_back(Block { first_frame, slot, place_s, speed, phase_error_s, predicted_raw_ns, is_fading });
        voice.place_s += BLOCK_FRAMES as f64 * speed / f64::from(self.card.rate_hz);
        self.next_frame += BLOCK_FRAMES as u64;
        voice
    }
}

impl Player for LockedPlayer {
    fn power_on(&mut self, true_ns: i64) {
        self.card.open(true_ns);
        self.clock = DacClock::new(self.card.rate_hz);
        self.callbacks = 0;
        self.next_callback_true_ns = self.card.heard_true_ns(self.period_frames());
        self.handed_over = 2 * self.period_frames();
        self.next_frame = 0;
        self.voice = None;
        self.blocks.clear();
    }

    fn advance_to(&mut self, true_ns: i64, world: &BoxWorld, timescale: Option<&Timescale>) {
        while self.next_callback_true_ns <= true_ns {
            self.callback(world, timescale);
        }
    }

    fn heard(&mut self, true_ns: i64, world: &BoxWorld) -> Option<Heard> {
        let frame = self.card.frame_at(true_ns);
        // What is over will not be asked for again.
        while self.blocks.front().is_some_and(|block| (block.first_frame + BLOCK_FRAMES as u64) as f64 <= frame) {
            self.blocks.pop_front();
        }
        let block = *self.blocks.front().filter(|block| block.first_frame as f64 <= frame && !block.is_fading)?;
        let frames_in = frame - block.first_frame as f64;
        let place_s = block.place_s + frames_in * block.speed / f64::from(self.card.rate_hz);
        let error_ns = (true_ns - block.slot.utc_ns()) as f64 - place_s * 1e9;
        let predicted_true_ns = world.true_at_raw_ns(block.predicted_raw_ns);
        let dac_clock_error_ns = (self.card.heard_true_ns(block.first_frame) - predicted_true_ns) as f64;
        Some(Heard {
            error_ns,
            servo_error_ns: Some(block.phase_error_s * 1e9),
            dac_clock_error_ns: Some(dac_clock_error_ns),
        })
    }

    fn plays(&self) -> bool {
        self.voice.is_some() || !self.blocks.is_empty()
    }
}

#[cfg(test)]
mod tests;
