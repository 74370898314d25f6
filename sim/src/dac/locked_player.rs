//! The service's player on a simulated sound card: its own feeder, with its model of the DAC's clock and its phase lock,
//! on a voice that is nothing but its place in the track.
//!
//! What is simulated is the card, the driver that reports of it, and the audio thread's part: that is here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fastrand::Rng;
use jaudiosync::player::feeder::{Feeder, Program};
use jaudiosync::player::ring::{BLOCK_FRAMES, RendererEnds, RendererReport, Shared, channel};
use jaudiosync::timekeeping::{InNanoseconds as _, Timescale, timescale as timescale_at};
use jaudiosync::timetable::Timetable;
use jaudiosync_hw::dac::BufferTiming;
use jaudiosync_time::{Instant, Span};

use super::place_voice::{NoFiles, PlaceBlock, PlaceVoice};
use super::{Heard, Player, SoundCard};
use crate::scenario::{SoundCardKind, SoundCards};
use crate::virtual_box::BoxWorld;

/// The callback's thread has real-time priority: it wakes so much late.
const WAKE_LATE_NS: (i64, i64) = (10_000, 80_000);

/// Between reading the delay and reading the clock up to this long passes.
const BETWEEN_READINGS_NS: i64 = 15_000;

/// The step in which USB cards report their position.
const USB_STEP_NS: i64 = 1_000_000;

/// After opening, this many callbacks are predicted and not measured.
const UNMEASURED_CALLBACKS: u64 = 2;

/// A block on its way to the ear.
#[derive(Debug, Clone, Copy)]
struct Block {
    first_frame: u64,
    epoch: u32,
    place: PlaceBlock,
    /// What the phase lock found: target minus actual place, in ns.
    phase_error_ns: f64,
    /// When the clock model had the first frame heard.
    predicted_raw_ns: i64,
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
    next_callback_true_ns: i64,
    next_step_true_ns: i64,
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
        let program =
            Program { timetable, library: Arc::new(NoFiles), heard_from_utc_ns: i64::MIN, output_latency_ns: 0 };
        Self { card, cards, program: Arc::new(program), random, stream: None }
    }

    /// Return how often a place was taken anew since the box was switched on.
    pub fn reseeks(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.feeder.stats().reseeks)
    }

    fn period_frames(&self) -> u64 {
        u64::from(self.cards.period_frames.max(1))
    }

    /// A period begins to be heard, and the callback is asked for the one after it.
    fn callback(&mut self, stream: &mut Stream, world: &BoxWorld) {
        let period = self.period_frames();
        let began_ns = stream.next_callback_true_ns;
        stream.callbacks += 1;
        let first_frame = (stream.callbacks + 1) * period;
        let heard_true_ns = self.card.heard_true_ns(first_frame);
        stream.next_callback_true_ns = heard_true_ns;
        let timing = if stream.callbacks > UNMEASURED_CALLBACKS {
            self.timing(began_ns, heard_true_ns, world)
        } else {
            BufferTiming { raw: Instant::from_ns(world.raw_at_ns(began_ns)), delay: None, xruns: 0 }
        };
        // The feeder takes them many times before they are too many.
        let _ = stream.ends.reports.push(RendererReport { timing, first_frame, frames: period as u32 });
    }

    /// What the driver reports: the delay, and then what time it is.
    fn timing(&mut self, began_ns: i64, heard_true_ns: i64, world: &BoxWorld) -> BufferTiming {
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
        BufferTiming {
            raw: Instant::from_ns(world.raw_at_ns(stamped_ns)),
            delay: Some(Span::from_ns(delay_ns)),
            xruns: 0,
        }
    }
}

impl Stream {
    /// Step the feeder, and take over the blocks that it has made.
    fn step(&mut self, program: &Arc<Program>, world: &BoxWorld, timescale: Option<&Timescale>) {
        if self.has_program != timescale.is_some() {
            self.has_program = timescale.is_some();
            self.feeder.set_program(timescale.map(|_| Arc::clone(program)));
        }
        // Without a program the feeder asks for no UTC.
        let timescale = timescale.copied().unwrap_or(timescale_at(0, 0, 0.0));
        self.feeder.step(world.raw_at_ns(self.next_step_true_ns), &timescale);
        self.next_step_true_ns += self.feeder.rest().as_nanos() as i64;
        // As the renderer does: what is of an older epoch is thrown away.
        let epoch = self.ends.shared.epoch.load(Ordering::Relaxed);
        if self.blocks.back().is_some_and(|block| block.epoch != epoch) {
            self.blocks.clear();
        }
        while let Ok(block) = self.ends.blocks.pop() {
            let predicted_raw_ns = self.feeder.heard_raw_ns(block.first_frame);
            let target_ns = timescale.utc_ns(predicted_raw_ns) - block.samples.slot.utc_ns();
            self.blocks.push_back(Block {
                first_frame: block.first_frame,
                epoch: block.epoch,
                place: block.samples,
                phase_error_ns: target_ns as f64 - block.samples.place_s * 1e9,
                predicted_raw_ns,
            });
        }
    }
}

impl Player for LockedPlayer {
    fn power_on(&mut self, true_ns: i64) {
        self.card.open(true_ns);
        let (feeder_ends, ends) = channel(Arc::new(Shared::default()));
        self.stream = Some(Stream {
            feeder: Feeder::new(None, feeder_ends, self.card.rate_hz, ()),
            ends,
            has_program: false,
            callbacks: 0,
            next_callback_true_ns: self.card.heard_true_ns(self.period_frames()),
            next_step_true_ns: true_ns,
            blocks: VecDeque::new(),
        });
    }

    fn advance_to(&mut self, true_ns: i64, world: &BoxWorld, timescale: Option<&Timescale>) {
        let Some(mut stream) = self.stream.take() else { return };
        while stream.next_callback_true_ns.min(stream.next_step_true_ns) <= true_ns {
            if stream.next_callback_true_ns <= stream.next_step_true_ns {
                self.callback(&mut stream, world);
            } else {
                stream.step(&self.program, world, timescale);
            }
        }
        self.stream = Some(stream);
    }

    fn heard(&mut self, true_ns: i64, world: &BoxWorld) -> Option<Heard> {
        let frame = self.card.frame_at(true_ns);
        let blocks = &mut self.stream.as_mut()?.blocks;
        // What is over will not be asked for again.
        while blocks.front().is_some_and(|block| block.end_frame() as f64 <= frame) {
            blocks.pop_front();
        }
        let block = *blocks.front().filter(|block| block.first_frame as f64 <= frame && !block.place.is_fading)?;
        let PlaceBlock { slot, place_s, speed, .. } = block.place;
        let frames_in = frame - block.first_frame as f64;
        let place_s = place_s + frames_in * speed / f64::from(self.card.rate_hz);
        let error_ns = (true_ns - slot.utc_ns()) as f64 - place_s * 1e9;
        let predicted_true_ns = world.true_at_raw_ns(block.predicted_raw_ns);
        let dac_clock_error_ns = (self.card.heard_true_ns(block.first_frame) - predicted_true_ns) as f64;
        Some(Heard {
            error_ns,
            servo_error_ns: Some(block.phase_error_ns),
            dac_clock_error_ns: Some(dac_clock_error_ns),
        })
    }

    fn plays(&self) -> bool {
        // What the service goes by before it lets UTC step.
        self.stream.as_ref().is_some_and(|stream| stream.feeder.stats().playing.is_some())
    }
}

#[cfg(test)]
mod tests;
