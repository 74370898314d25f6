//! From the server's answer about its timing to the moment at which a frame is heard.
//!
//! The server answers with one snapshot of its sound thread: which byte of the stream the sink takes next, and how long
//! it is until that byte is heard. It is stamped with `CLOCK_REALTIME` just after the snapshot was taken. Nothing here
//! is extrapolated or smoothed: that is the DAC clock model's work, which must see each error only once.

use std::time::UNIX_EPOCH;

use pulseaudio::protocol::PlaybackLatency;

use crate::clocks::ClockPair;

/// Bytes of a frame: two channels of 32-bit float.
pub const FRAME_BYTES: usize = 8;

/// The server stamps in whole microseconds, and the clocks are compared to some; an answer from outside the time
/// between question and arrival by more than this means that `CLOCK_REALTIME` was set in between, or is another one.
const STAMP_MARGIN_NS: i64 = 20_000;

/// Where the sink was in the stream at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// When the byte at `read_index` is heard, on the raw clock.
    heard_raw_ns: i64,
    /// The byte that the sink takes next.
    read_index: i64,
    /// How late the stamp can be at most: the snapshot was taken between the question and the stamp.
    pub uncertainty_ns: i64,
}

impl Snapshot {
    /// Takes an answer to a question of `asked_raw_ns` that has arrived just now. There is no snapshot where the stream
    /// does not play.
    pub fn new(answer: &PlaybackLatency, asked_raw_ns: i64, arrived: ClockPair) -> Option<Self> {
        // A sink that is late just now tells zero, which means nothing.
        if !answer.playing || answer.sink_usec == 0 {
            return None;
        }
        let stamp_utc_ns = i64::try_from(answer.remote_time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()?;
        let age_ns = arrived.utc.ns().checked_sub(stamp_utc_ns)?;
        let mut stamp_raw_ns = arrived.raw.ns().checked_sub(age_ns)?;
        let mut uncertainty_ns = stamp_raw_ns.checked_sub(asked_raw_ns)?;
        if age_ns < -STAMP_MARGIN_NS || uncertainty_ns < -STAMP_MARGIN_NS {
            // The stamp is of another clock than ours, or of another time: all that is known is that the snapshot was
            // taken between question and answer.
            uncertainty_ns = arrived.raw.ns().checked_sub(asked_raw_ns)?.checked_div(2)?;
            stamp_raw_ns = asked_raw_ns.checked_add(uncertainty_ns)?;
        }
        let sink_ns = i64::try_from(answer.sink_usec).ok()?.checked_mul(1000)?;
        let heard_raw_ns = stamp_raw_ns.checked_add(sink_ns)?;
        Some(Self { heard_raw_ns, read_index: answer.read_offset, uncertainty_ns })
    }

    /// When a frame of the stream is heard, on the raw clock.
    pub fn heard_raw_ns(&self, frame: u64, rate_hz: u32) -> i64 {
        let byte = frame as f64 * FRAME_BYTES as f64;
        let ahead_s = (byte - self.read_index as f64) / (FRAME_BYTES as f64 * f64::from(rate_hz.max(1)));
        self.heard_raw_ns.saturating_add((ahead_s * 1e9).round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jaudiosync_time::Instant;

    use super::*;

    const UTC_S: i64 = 1_800_000_000;
    const RAW_NS: i64 = 5_000_000_000;
    const ARRIVED: ClockPair = ClockPair { raw: Instant::from_ns(RAW_NS), utc: Instant::from_second(UTC_S) };

    /// Stamped 100 µs before it arrived.
    fn answer() -> PlaybackLatency {
        PlaybackLatency {
            sink_usec: 20_000,
            source_usec: 0,
            playing: true,
            local_time: UNIX_EPOCH,
            remote_time: UNIX_EPOCH + Duration::from_secs(UTC_S as u64) - Duration::from_micros(100),
            write_offset: 48_000 * 8,
            read_offset: 44_160 * 8,
            underrun_for: 0,
            playing_for: 1,
        }
    }

    fn snapshot(answer: &PlaybackLatency) -> Option<Snapshot> {
        Snapshot::new(answer, RAW_NS - 250_000, ARRIVED)
    }

    #[test]
    fn a_frame_is_heard_after_what_is_in_the_sink_and_in_the_queue() {
        let snapshot = snapshot(&answer()).unwrap();
        // The sink's 20 ms from the stamp on, and 3840 frames of queue.
        assert_eq!(snapshot.heard_raw_ns(48_000, 48_000), RAW_NS - 100_000 + 20_000_000 + 80_000_000);
        assert_eq!(snapshot.heard_raw_ns(44_160, 48_000), RAW_NS - 100_000 + 20_000_000);
        assert_eq!(snapshot.heard_raw_ns(44_112, 48_000), RAW_NS - 100_000 + 19_000_000);
        assert_eq!(snapshot.uncertainty_ns, 150_000);
    }

    #[test]
    fn a_stream_of_days_loses_no_precision() {
        let days = PlaybackLatency { read_offset: 48_000 * 8 * 86_400 * 30, ..answer() };
        let frame = 48_000 * 86_400 * 30 + 48;
        assert_eq!(snapshot(&days).unwrap().heard_raw_ns(frame, 48_000), RAW_NS - 100_000 + 21_000_000);
    }

    #[test]
    fn what_does_not_play_has_no_timing() {
        assert_eq!(snapshot(&PlaybackLatency { playing: false, ..answer() }), None);
        assert_eq!(snapshot(&PlaybackLatency { sink_usec: 0, ..answer() }), None);
    }

    #[test]
    fn a_stamp_of_another_clock_leaves_the_time_between_question_and_answer() {
        for other in [UNIX_EPOCH, answer().remote_time + Duration::from_millis(1)] {
            let snapshot = snapshot(&PlaybackLatency { remote_time: other, ..answer() }).unwrap();
            assert_eq!(snapshot.uncertainty_ns, 125_000);
            assert_eq!(snapshot.heard_raw_ns(44_160, 48_000), RAW_NS - 125_000 + 20_000_000);
        }
    }

    #[test]
    fn absurd_answers_give_no_timing_and_no_panic() {
        assert_eq!(snapshot(&PlaybackLatency { sink_usec: u64::MAX, ..answer() }), None);
        let wild = PlaybackLatency { read_offset: i64::MIN, ..answer() };
        assert_eq!(snapshot(&wild).unwrap().heard_raw_ns(u64::MAX, 0), i64::MAX);
    }
}
