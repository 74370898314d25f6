//! From what a device reports of its position to when a frame is heard.
//!
//! A position and the kernel's stamp of it belong together, but the stamp may be late: an interrupt
//! waits while others are served, and a driver that learns its position in steps is asked between
//! them. It is never early. So of several pairs the earliest says most, and where they differ, the
//! distance to the second earliest says how late the earliest itself is likely to be.
//!
//! What has left the buffer and is not yet heard, some milliseconds on USB, is likewise best known
//! by an extreme: drivers subtract what they believe to be played since, and on some hosts they
//! subtract far too much, as they take 125 µs for a millisecond (decision 18).

use std::collections::VecDeque;

use jaudiosync_time::{Instant, Raw, Span};

use super::pcm::{HardwarePosition, Pair};

/// Pairs of which the earliest is taken: few at first, so that the sound begins soon, and one more
/// every few blocks.
const FIRST_BLOCK: usize = 2;
const LAST_BLOCK: usize = 32;
const BLOCKS_TO_GROW: usize = 4;

/// Positions over which the largest number of frames in flight is taken: some seconds.
const IN_FLIGHT_WINDOW: usize = 256;

/// The earliest pairs of blocks by which the rate is followed.
const RATE_POINTS: usize = 16;

/// A pair that is earlier than the blocks before by this much, or later in a whole block, is of a
/// device that was interrupted: what was learnt of the rate is forgotten.
const JUMP_NS: f64 = 1_000_000.0;

/// A pair as a point: which frame left the buffer when, and by how much later than nominal.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    frame: u64,
    stamp: Instant<Raw>,
    /// How much later it was than the first point's frame rate predicts, in ns.
    late_ns: f64,
}

/// When a frame was heard or will be, by its number since the stream was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeard {
    /// The frame.
    pub frame: u64,
    /// When it reaches the output.
    pub heard: Instant<Raw>,
}

/// Observes one open device.
#[derive(Debug)]
pub struct Observer {
    rate_hz: f64,
    /// A constant that the driver does not report: what its hardware holds.
    latency: Span,
    first: Option<(u64, Instant<Raw>)>,
    last_frame: Option<u64>,
    block: Vec<Point>,
    blocks: usize,
    earliest: VecDeque<Point>,
    in_flight: VecDeque<i64>,
}

impl Observer {
    /// Makes an observer that knows nothing yet; `latency` is added to every observation.
    pub fn new(rate_hz: u32, latency: Span) -> Self {
        Self {
            rate_hz: f64::from(rate_hz.max(1)),
            latency,
            first: None,
            last_frame: None,
            block: Vec::with_capacity(LAST_BLOCK),
            blocks: 0,
            earliest: VecDeque::with_capacity(RATE_POINTS + 1),
            in_flight: VecDeque::with_capacity(IN_FLIGHT_WINDOW + 1),
        }
    }

    /// Forgets everything but what is in flight, as the device starts anew.
    pub fn restart(&mut self) {
        let in_flight = std::mem::take(&mut self.in_flight);
        *self = Self { in_flight, ..Self::new(self.rate_hz as u32, self.latency) };
    }

    /// Returns what is added to every observation.
    pub fn latency(&self) -> Span {
        self.latency
    }

    /// Returns how many frames are in flight as a frame leaves the buffer.
    fn in_flight_frames(&self) -> i64 {
        self.in_flight.iter().copied().max().unwrap_or(0)
    }

    /// Absorbs a position. `written` is how many frames were put into the buffer since the stream
    /// was opened. Returns an observation when a block of positions is complete.
    pub fn observe(&mut self, position: &HardwarePosition, written: u64) -> Option<FrameHeard> {
        if self.in_flight.len() == IN_FLIGHT_WINDOW {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(position.in_flight_frames);
        let (frame, stamp) = self.newest(position, written)?;
        let (first_frame, first_stamp) = *self.first.get_or_insert((frame, stamp));
        let nominal_ns = frame.saturating_sub(first_frame) as f64 * 1e9 / self.rate_hz;
        let late_ns = (stamp - first_stamp).ns_f64() - nominal_ns;
        self.block.push(Point { frame, stamp, late_ns });
        if self.block.len() < (FIRST_BLOCK + self.blocks / BLOCKS_TO_GROW).min(LAST_BLOCK) {
            return None;
        }
        let observed = self.conclude();
        self.block.clear();
        self.blocks = self.blocks.saturating_add(1);
        observed
    }

    /// Returns the frame that left the buffer last, and when: of the interrupt if there was one
    /// since the last call, and otherwise as the driver answers now, if that has moved.
    fn newest(&mut self, position: &HardwarePosition, written: u64) -> Option<(u64, Instant<Raw>)> {
        let point = |pair: Pair| (written.saturating_sub(pair.queued_frames), pair.stamp);
        let is_new = |point: &(u64, Instant<Raw>)| self.last_frame.is_none_or(|last| point.0 > last);
        let newest = position.noted.map(point).filter(is_new).or_else(|| Some(point(position.now)).filter(is_new))?;
        self.last_frame = Some(newest.0);
        Some(newest)
    }

    /// Returns what a block of points says: its earliest one, and a little earlier.
    fn conclude(&mut self) -> Option<FrameHeard> {
        let slope = self.slope_ns_per_frame();
        let origin = self.block.first()?.frame;
        let residual = |point: &Point| point.late_ns - slope * (point.frame - origin) as f64;
        let (mut earliest, mut second) = (None::<(f64, Point)>, f64::INFINITY);
        for point in &self.block {
            let late_ns = residual(point);
            match earliest {
                Some((least, _)) if late_ns >= least => second = second.min(late_ns),
                _ => {
                    second = earliest.map_or(f64::INFINITY, |(least, _)| least);
                    earliest = Some((late_ns, *point));
                }
            }
        }
        let (least_ns, point) = earliest?;
        // For lateness that begins at 0 with some density, the earliest of many is on average as
        // late as the second is later still (Robson and Whitlock, Biometrika 51, 1964).
        let excess_ns = if second.is_finite() { second - least_ns } else { 0.0 };
        if let Some(last) = self.earliest.back() {
            let expected_ns = last.late_ns + slope * (point.frame - last.frame) as f64;
            if (point.late_ns - expected_ns).abs() > JUMP_NS {
                self.earliest.clear();
            }
        }
        if self.earliest.len() == RATE_POINTS {
            self.earliest.pop_front();
        }
        self.earliest.push_back(point);
        let in_flight = Span::from_seconds_f64(self.in_flight_frames() as f64 / self.rate_hz);
        let left = point.stamp - Span::from_ns_f64(excess_ns);
        Some(FrameHeard { frame: point.frame, heard: left + in_flight + self.latency })
    }

    /// Returns by how much a frame lasts longer than nominal, as far as the blocks so far show it.
    fn slope_ns_per_frame(&self) -> f64 {
        let (Some(first), Some(last)) = (self.earliest.front(), self.earliest.back()) else { return 0.0 };
        let frames = (last.frame - first.frame) as f64;
        // Less than a second shows nothing but the scatter.
        if frames < self.rate_hz { 0.0 } else { (last.late_ns - first.late_ns) / frames }
    }
}
