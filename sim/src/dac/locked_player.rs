//! The service's player on a simulated sound card: its own feeder, with its model of the DAC's
//! clock and its phase lock, on a voice that is nothing but its place in the track.
//!
//! What is simulated is the card, the driver that reports of it, and the audio thread's part: that
//! is here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fastrand::Rng;
use jaudiosync::player::feeder::Feeder;
use jaudiosync::player::program::Program;
use jaudiosync::player::ring::{BLOCK_FRAMES, RendererEnds, RendererReport, Shared, channel};
use jaudiosync::timetable::Timetable;
use jaudiosync_hw::dac::{BufferTiming, Observed};
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, True, Utc};

use super::place_voice::{NoFiles, PlaceBlock, PlaceVoice};
use super::{Heard, Player, SoundCard};
use crate::randomness::span_between;
use crate::scenario::{SoundCardKind, SoundCards};
use crate::true_time::utc_at;
use crate::virtual_box::BoxWorld;

/// The callback's thread has real-time priority: it wakes so much late.
const WAKE_LATE: (Span, Span) = (Span::from_us(10), Span::from_us(80));

/// Between reading the delay and reading the clock up to this long passes.
const BETWEEN_READINGS: (Span, Span) = (Span::ZERO, Span::from_us(15));

/// The step in which USB cards report their position.
const USB_STEP: Span = Span::MILLISECOND;

/// After opening, this many callbacks are predicted and not measured.
const UNMEASURED_CALLBACKS: u64 = 2;

/// A block on its way to the ear.
#[derive(Debug, Clone, Copy)]
struct Block {
    first_frame: u64,
    epoch: u32,
    place: PlaceBlock,
    /// What the phase lock found: target minus actual place, in ns.
    phase_error_ns_f64: f64,
    /// When the clock model had the first frame heard.
    predicted: Instant<Raw>,
}

impl Block {
    fn end_frame(&self) -> u64 {
        self.first_frame + BLOCK_FRAMES as u64
    }
}

/// What the player has of an open stream.
struct Stream {
    feeder: Feeder<PlaceVoice>,
    ends: RendererEnds<PlaceBlock>,
    /// Whether the feeder has the timetable: it has none as long as the box does not know the time.
    has_program: bool,
    /// Callbacks so far, and when the next one is.
    callbacks: u64,
    next_callback: Instant<True>,
    next_step: Instant<True>,
    blocks: VecDeque<Block>,
}

/// The service's player.
pub struct LockedPlayer {
    card: SoundCard,
    cards: SoundCards,
    program: Arc<Program>,
    random: Rng,
    /// None until the box is switched on.
    stream: Option<Stream>,
}

impl LockedPlayer {
    /// Make the player of one box.
    pub fn new(card: SoundCard, cards: SoundCards, timetable: Timetable, random: Rng) -> Self {
        let program = Program { timetable, library: Arc::new(NoFiles), heard_from: None, output_latency: Span::ZERO };
        Self { card, cards, program: Arc::new(program), random, stream: None }
    }

    /// Returns how often a place was taken again since the box was switched on.
    pub fn reseeks(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.feeder.stats().reseeks)
    }

    fn period_frames(&self) -> u64 {
        u64::from(self.cards.period_frames.max(1))
    }

    /// A period begins to be heard, and the callback is asked for the one after it.
    fn callback(&mut self, stream: &mut Stream, world: &BoxWorld) {
        let period = self.period_frames();
        let began = stream.next_callback;
        stream.callbacks += 1;
        let first_frame = (stream.callbacks + 1) * period;
        let heard = self.card.heard(first_frame);
        stream.next_callback = heard;
        let timing = if stream.callbacks > UNMEASURED_CALLBACKS {
            self.timing(began, heard, world)
        } else {
            BufferTiming { raw: world.raw_at(began), observed: None, xruns: 0 }
        };
        // The feeder takes them many times before they are too many.
        let _ = stream.ends.reports.push(RendererReport { timing, first_frame, frames: period as u32 });
    }

    /// What the driver reports: the delay, and then what time it is.
    fn timing(&mut self, began: Instant<True>, heard: Instant<True>, world: &BoxWorld) -> BufferTiming {
        let read = began + span_between(&mut self.random, WAKE_LATE);
        let delay = match self.cards.kind {
            SoundCardKind::I2s => {
                let frame_ns_f64 = 1e9 / f64::from(self.card.rate_hz);
                let frames = ((heard - read).ns_f64() / frame_ns_f64).floor();
                Span::from_ns((frames * frame_ns_f64) as i64)
            }
            SoundCardKind::Usb => {
                // The position is as of the nearest tick of the bus.
                let nearest = read + USB_STEP / 2;
                heard - (nearest - (nearest - Instant::ZERO) % USB_STEP)
            }
        };
        let mut stamped = read + span_between(&mut self.random, BETWEEN_READINGS);
        if self.random.f64() < self.cards.burst_probability {
            stamped += Span::from_ns((self.random.f64() * self.cards.burst_ms * 1e6) as i64);
        }
        let raw = world.raw_at(stamped);
        BufferTiming { raw, observed: Some(Observed { frames_before: 0, heard: raw + delay }), xruns: 0 }
    }
}

impl Stream {
    /// Step the feeder, and take over the blocks that it has made.
    fn step(&mut self, program: &Arc<Program>, world: &BoxWorld, utc: Option<&ClockMap<Raw, Utc>>) {
        if self.has_program != utc.is_some() {
            self.has_program = utc.is_some();
            self.feeder.set_program(utc.map(|_| Arc::clone(program)));
        }
        // Without a program the feeder asks for no UTC.
        let unset = ClockMap { from: Instant::ZERO, to: Instant::ZERO, rate: Rate::ZERO };
        let utc = utc.copied().unwrap_or(unset);
        self.feeder.step(world.raw_at(self.next_step), &utc);
        self.next_step += Span::from_duration(self.feeder.rest());
        // As the renderer does: what is of an older epoch is thrown away.
        let epoch = self.ends.shared.epoch.load(Ordering::Relaxed);
        if self.blocks.back().is_some_and(|block| block.epoch != epoch) {
            self.blocks.clear();
        }
        while let Ok(block) = self.ends.blocks.pop() {
            let Some(predicted) = self.feeder.heard(block.first_frame) else { continue };
            let target = utc.apply(predicted) - block.samples.slot.utc();
            self.blocks.push_back(Block {
                first_frame: block.first_frame,
                epoch: block.epoch,
                place: block.samples,
                phase_error_ns_f64: target.ns_f64() - block.samples.place_s * 1e9,
                predicted,
            });
        }
    }
}

impl Player for LockedPlayer {
    fn power_on(&mut self, now: Instant<True>) {
        self.card.open(now);
        let (feeder_ends, ends) = channel(Arc::new(Shared::default()));
        self.stream = Some(Stream {
            feeder: Feeder::new(None, feeder_ends, self.card.rate_hz, ()),
            ends,
            has_program: false,
            callbacks: 0,
            next_callback: self.card.heard(self.period_frames()),
            next_step: now,
            blocks: VecDeque::new(),
        });
    }

    fn advance_to(&mut self, time: Instant<True>, world: &BoxWorld, utc: Option<&ClockMap<Raw, Utc>>) {
        let Some(mut stream) = self.stream.take() else { return };
        while stream.next_callback.min(stream.next_step) <= time {
            if stream.next_callback <= stream.next_step {
                self.callback(&mut stream, world);
            } else {
                stream.step(&self.program, world, utc);
            }
        }
        self.stream = Some(stream);
    }

    fn heard(&mut self, time: Instant<True>, world: &BoxWorld) -> Option<Heard> {
        let frame = self.card.frame_at(time);
        let blocks = &mut self.stream.as_mut()?.blocks;
        // What is over will not be asked for again.
        while blocks.front().is_some_and(|block| block.end_frame() as f64 <= frame) {
            blocks.pop_front();
        }
        let block = *blocks.front().filter(|block| block.first_frame as f64 <= frame && !block.place.is_fading)?;
        let PlaceBlock { slot, place_s, speed, .. } = block.place;
        let frames_in = frame - block.first_frame as f64;
        let place_s = place_s + frames_in * speed / f64::from(self.card.rate_hz);
        let error_ns_f64 = (utc_at(time) - slot.utc()).ns_f64() - place_s * 1e9;
        let dac_clock_error = self.card.heard(block.first_frame) - world.time_at_raw(block.predicted);
        Some(Heard {
            error_ns_f64,
            servo_error_ns_f64: Some(block.phase_error_ns_f64),
            dac_clock_error: Some(dac_clock_error),
        })
    }

    fn plays(&self) -> bool {
        // What the service checks before it steps UTC.
        self.stream.as_ref().is_some_and(|stream| stream.feeder.stats().playing.is_some())
    }
}

#[cfg(test)]
mod tests;
