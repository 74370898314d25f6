//! From the server's answer about its timing to the moment at which a frame is heard.
//!
//! The server answers with one snapshot of its sound thread: which byte of the stream the sink
//! takes next, and how long it takes until that byte is heard. It is stamped with `CLOCK_REALTIME`
//! just after the snapshot was taken. Nothing is extrapolated or smoothed here: that is up to the
//! model of the DAC's clock, which must see every error only once.

use std::time::UNIX_EPOCH;

use jaudiosync_time::{Instant, Raw, Span, Utc};
use pulseaudio::protocol::PlaybackLatency;

use crate::clocks::ClockPair;

/// Bytes of a frame: two channels of 32-bit float.
pub const FRAME_BYTES: usize = 8;

/// The server stamps in whole microseconds, and comparing the clocks costs a few more. A stamp that
/// lies outside the time between question and answer by more than this means that `CLOCK_REALTIME`
/// was set in between, or is another one.
const STAMP_MARGIN: Span = Span::from_us(20);

/// Where the sink was in the stream at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// When the byte at `read_index` is heard.
    heard: Instant<Raw>,
    /// The byte that the sink takes next.
    read_index: i64,
    /// How late the stamp can be at most: the snapshot was taken between the question and the
    /// stamp.
    pub uncertainty: Span,
}

impl Snapshot {
    /// Takes the answer, which has just arrived, to a question of the moment `asked`. There is no
    /// snapshot while the stream does not play.
    pub fn new(answer: &PlaybackLatency, asked: Instant<Raw>, arrived: ClockPair) -> Option<Self> {
        // A sink that is late at this moment reports zero, which means nothing.
        if !answer.playing || answer.sink_usec == 0 {
            return None;
        }
        let stamp = Instant::<Utc>::ZERO + Span::from_duration(answer.remote_time.duration_since(UNIX_EPOCH).ok()?);
        let age = arrived.utc - stamp;
        let mut stamp_raw = arrived.raw - age;
        let mut uncertainty = stamp_raw - asked;
        if age < -STAMP_MARGIN || uncertainty < -STAMP_MARGIN {
            // The stamp is of another clock than ours, or of another time: all that is known is
            // that the snapshot was taken between question and answer.
            uncertainty = (arrived.raw - asked) / 2;
            stamp_raw = asked + uncertainty;
        }
        let sink = Span::from_us(i64::try_from(answer.sink_usec).ok()?);
        let heard = stamp_raw + sink;
        // What saturated was not a time.
        (heard < Instant::MAX).then_some(Self { heard, read_index: answer.read_offset, uncertainty })
    }

    /// Returns when a frame of the stream is heard.
    pub fn heard(&self, frame: u64, rate_hz: u32) -> Instant<Raw> {
        let byte = frame as f64 * FRAME_BYTES as f64;
        let ahead_s = (byte - self.read_index as f64) / (FRAME_BYTES as f64 * f64::from(rate_hz.max(1)));
        self.heard + Span::from_seconds_f64(ahead_s)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const UTC_S: i64 = 1_800_000_000;
    const RAW: Instant<Raw> = Instant::from_second(5);
    const ARRIVED: ClockPair = ClockPair { raw: RAW, utc: Instant::from_second(UTC_S) };

    /// Returns an answer that was stamped 100 µs before it arrived.
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
        Snapshot::new(answer, RAW - Span::from_us(250), ARRIVED)
    }

    #[test]
    fn a_frame_is_heard_after_what_is_in_the_sink_and_in_the_queue() {
        let snapshot = snapshot(&answer()).unwrap();
        let stamp = RAW - Span::from_us(100);
        // The sink's 20 ms from the stamp on, and 3840 frames of queue.
        assert_eq!(snapshot.heard(48_000, 48_000), stamp + Span::from_ms(100));
        assert_eq!(snapshot.heard(44_160, 48_000), stamp + Span::from_ms(20));
        assert_eq!(snapshot.heard(44_112, 48_000), stamp + Span::from_ms(19));
        assert_eq!(snapshot.uncertainty, Span::from_us(150));
    }

    #[test]
    fn a_stream_of_days_loses_no_precision() {
        let days = PlaybackLatency { read_offset: 48_000 * 8 * 86_400 * 30, ..answer() };
        let frame = 48_000 * 86_400 * 30 + 48;
        assert_eq!(snapshot(&days).unwrap().heard(frame, 48_000), RAW - Span::from_us(100) + Span::from_ms(21));
    }

    #[test]
    fn what_does_not_play_has_no_timing() {
        assert_eq!(snapshot(&PlaybackLatency { playing: false, ..answer() }), None);
        assert_eq!(snapshot(&PlaybackLatency { sink_usec: 0, ..answer() }), None);
    }

    #[test]
    fn a_stamp_of_another_clock_leaves_the_time_between_question_and_answer() {
        let far_future = UNIX_EPOCH + Duration::from_secs(9_000_000_000);
        for other in [UNIX_EPOCH, answer().remote_time + Duration::from_millis(1), far_future] {
            let snapshot = snapshot(&PlaybackLatency { remote_time: other, ..answer() }).unwrap();
            assert_eq!(snapshot.uncertainty, Span::from_us(125));
            assert_eq!(snapshot.heard(44_160, 48_000), RAW - Span::from_us(125) + Span::from_ms(20));
        }
    }

    #[test]
    fn absurd_answers_give_no_timing_and_no_panic() {
        for sink_usec in [u64::MAX, i64::MAX as u64] {
            assert_eq!(snapshot(&PlaybackLatency { sink_usec, ..answer() }), None);
        }
        let wild = PlaybackLatency { read_offset: i64::MIN, ..answer() };
        assert_eq!(snapshot(&wild).unwrap().heard(u64::MAX, 0), Instant::MAX);
    }
}
