//! The timetable: from an instant to a place in the playlist.

use std::sync::Arc;

use jaudiosync_time::{Instant, Span, Utc};

use super::{Length, slot_s};

/// An anchor and slots: a pure function from UTC to (track, offset). Clones share what is large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    /// The instant at which the first track to be played begins.
    anchor_utc_s: i64,
    /// The instant at which track 0 begins, or would have begun, in the round of the anchor.
    round_utc_s: i64,
    lengths: Arc<[Option<Length>]>,
    /// When each track begins after the round does, in seconds. It has one entry more than there
    /// are tracks: the last is the length of the round.
    offsets_s: Arc<[i64]>,
    repeats: bool,
}

/// The beginning of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The track, as an index into the playlist.
    pub track: usize,
    /// When its first frame is to be heard.
    pub utc_s: i64,
}

impl Start {
    /// Returns when its first frame is to be heard.
    pub fn utc(&self) -> Instant<Utc> {
        Instant::from_second(self.utc_s)
    }
}

/// Where an instant lies on the timetable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the first slot.
    Before {
        /// The first slot.
        next: Start,
    },
    /// Within a track.
    Playing {
        /// The track's slot.
        slot: Start,
        /// Since the slot began; less than the track's length.
        offset: Span,
    },
    /// After a track's end, before the next slot.
    Gap {
        /// The next slot; `None` after the last.
        next: Option<Start>,
    },
    /// After the last slot.
    Finished,
}

impl Place {
    /// Returns where playing resumes when it is stopped here: a track, and how far into it. Between
    /// tracks that is the next one, after the last it is the first.
    pub fn resume_point(self) -> (usize, Span) {
        match self {
            Self::Playing { slot, offset } => (slot.track, offset),
            Self::Before { next } | Self::Gap { next: Some(next) } => (next.track, Span::ZERO),
            Self::Gap { next: None } | Self::Finished => (0, Span::ZERO),
        }
    }
}

/// Why a timetable cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimetableError {
    /// There are no tracks.
    #[error("the playlist has no tracks")]
    Empty,
    /// The first track is not in the playlist.
    #[error("there is no track {track}; the playlist's tracks are 0 to {last}")]
    NoSuchTrack {
        /// The track asked for.
        track: usize,
        /// The playlist's last track.
        last: usize,
    },
}

impl Timetable {
    /// Makes the timetable whose track `first_track` begins at `anchor_utc_s`; the others follow,
    /// each on a whole second. With `repeats` the playlist begins again at track 0 after the last,
    /// for ever. A track without a length has a slot of one second.
    ///
    /// # Errors
    /// When there are no tracks, or `first_track` is not among them.
    pub fn new(
        lengths: impl Into<Arc<[Option<Length>]>>,
        anchor_utc_s: i64,
        first_track: usize,
        repeats: bool,
    ) -> Result<Self, TimetableError> {
        let lengths = lengths.into();
        let last = lengths.len().checked_sub(1).ok_or(TimetableError::Empty)?;
        let mut offsets_s = vec![0];
        let mut offset_s = 0_i64;
        for length in lengths.iter() {
            offset_s = offset_s.saturating_add(slot_s(*length));
            offsets_s.push(offset_s);
        }
        match offsets_s.get(first_track) {
            Some(&first_offset_s) if first_track <= last => {
                let round_utc_s = anchor_utc_s.saturating_sub(first_offset_s);
                Ok(Self { anchor_utc_s, round_utc_s, lengths, offsets_s: offsets_s.into(), repeats })
            }
            _ => Err(TimetableError::NoSuchTrack { track: first_track, last }),
        }
    }

    /// Makes the common timetable: the playlist repeats since a fixed anchor, so that every box is
    /// at the same place whenever it is switched on.
    ///
    /// # Errors
    /// When there are no tracks.
    pub fn common(lengths: Vec<Option<Length>>, anchor_utc_s: i64) -> Result<Self, TimetableError> {
        Self::new(lengths, anchor_utc_s, 0, true)
    }

    /// Returns the instant at which the first track to be played begins, in seconds since the Unix
    /// epoch.
    pub fn anchor_utc_s(&self) -> i64 {
        self.anchor_utc_s
    }

    /// Returns the instant at which the last slot ends, in seconds since the Unix epoch; `None` if
    /// the timetable repeats.
    pub fn end_utc_s(&self) -> Option<i64> {
        (!self.repeats).then(|| self.round_utc_s.saturating_add(self.round_s()))
    }

    /// Returns the length of a track, if it is known.
    pub fn length(&self, track: usize) -> Option<Length> {
        self.lengths.get(track).copied().flatten()
    }

    /// Returns where the playlist is at an instant.
    pub fn place_at(&self, utc: Instant<Utc>) -> Place {
        if utc < Instant::from_second(self.anchor_utc_s) {
            return Place::Before { next: self.first() };
        }
        let since_round_s = utc.second().saturating_sub(self.round_utc_s);
        let round = since_round_s.div_euclid(self.round_s());
        if round > 0 && !self.repeats {
            return Place::Finished;
        }
        // The slot is the last one that begins at or before the instant; there is always one, as
        // offset 0 is.
        let within_round_s = since_round_s.rem_euclid(self.round_s());
        let track = self.offsets_s.partition_point(|&offset_s| offset_s <= within_round_s).saturating_sub(1);
        let slot = self.slot_start(round, track);
        let offset = utc - slot.utc();
        if offset < self.length(track).map_or(Span::ZERO, Length::span) {
            Place::Playing { slot, offset }
        } else {
            Place::Gap { next: self.after(slot) }
        }
    }

    /// Returns the slot that follows another; `None` after the last.
    pub fn after(&self, slot: Start) -> Option<Start> {
        let utc_s = slot.utc_s.saturating_add(slot_s(self.length(slot.track)));
        match slot.track + 1 {
            track if track < self.lengths.len() => Some(Start { track, utc_s }),
            _ => self.repeats.then_some(Start { track: 0, utc_s }),
        }
    }

    /// Returns the first slot.
    pub fn first(&self) -> Start {
        let offset_s = self.anchor_utc_s.saturating_sub(self.round_utc_s);
        let track = self.offsets_s.partition_point(|&start_s| start_s <= offset_s).saturating_sub(1);
        Start { track, utc_s: self.anchor_utc_s }
    }

    fn slot_start(&self, round: i64, track: usize) -> Start {
        let offset_s = self.offsets_s.get(track).copied().unwrap_or(0);
        let utc_s = self.round_utc_s.saturating_add(round.saturating_mul(self.round_s())).saturating_add(offset_s);
        Start { track, utc_s }
    }

    /// Returns the seconds from the beginning of the first slot to the end of the last; at least
    /// one.
    fn round_s(&self) -> i64 {
        self.offsets_s.last().copied().unwrap_or(0).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lengths(seconds: &[u64]) -> Vec<Option<Length>> {
        seconds.iter().map(|&s| Some(Length { frames: s * 8000, rate_hz: 8000 })).collect()
    }

    fn at(table: &Timetable, utc_s: f64) -> Place {
        table.place_at(Instant::from_ns((utc_s * 1e9) as i64))
    }

    #[test]
    fn a_playlist_is_walked_through_once() {
        let table = Timetable::new(lengths(&[10, 20]), 1000, 0, false).unwrap();
        assert_eq!(at(&table, 999.9), Place::Before { next: Start { track: 0, utc_s: 1000 } });
        assert_eq!(at(&table, 1000.0), Place::Playing { slot: Start { track: 0, utc_s: 1000 }, offset: Span::ZERO });
        assert_eq!(at(&table, 1010.0), Place::Gap { next: Some(Start { track: 1, utc_s: 1011 }) });
        let in_second = Place::Playing { slot: Start { track: 1, utc_s: 1011 }, offset: Span::from_ms(1_500) };
        assert_eq!(at(&table, 1012.5), in_second);
        assert_eq!(at(&table, 1031.5), Place::Gap { next: None });
        assert_eq!(at(&table, 1032.0), Place::Finished);
        assert_eq!(table.end_utc_s(), Some(1032));
    }

    #[test]
    fn any_track_may_be_the_first_and_a_loop_continues_at_the_beginning() {
        let table = Timetable::new(lengths(&[10, 20]), 1000, 1, true).unwrap();
        assert_eq!(table.first(), Start { track: 1, utc_s: 1000 });
        assert!(matches!(at(&table, 990.0), Place::Before { .. }));
        assert_eq!(at(&table, 1021.0), Place::Playing { slot: Start { track: 0, utc_s: 1021 }, offset: Span::ZERO });
    }

    #[test]
    fn boxes_on_the_common_timetable_agree_whenever_they_are_switched_on() {
        let table = Timetable::common(lengths(&[10, 20]), 0).unwrap();
        let now_s = 1_800_000_000;
        let expected_offset = now_s % 32;
        match at(&table, now_s as f64) {
            Place::Playing { slot, offset } if slot.track == 0 => {
                assert_eq!(offset.whole_seconds(), expected_offset);
            }
            Place::Playing { offset, .. } => assert_eq!(offset.whole_seconds(), expected_offset - 11),
            other => assert!(matches!(other, Place::Gap { .. }), "{other:?}"),
        }
    }

    #[test]
    fn nothing_to_play_is_an_error() {
        assert_eq!(Timetable::common(vec![], 0), Err(TimetableError::Empty));
        let error = Timetable::new(lengths(&[1, 2]), 0, 2, false);
        assert_eq!(error, Err(TimetableError::NoSuchTrack { track: 2, last: 1 }));
    }

    fn any_lengths() -> impl Strategy<Value = Vec<Option<Length>>> {
        let length = (0_u64..40_000_000, prop::sample::select(vec![8000_u32, 22_050, 44_100, 48_000]));
        prop::collection::vec(prop::option::weighted(0.9, length), 1..20).prop_map(|tracks| {
            tracks.into_iter().map(|track| track.map(|(frames, rate_hz)| Length { frames, rate_hz })).collect()
        })
    }

    proptest! {
        #[test]
        fn the_place_at_any_instant_is_consistent(
            lengths in any_lengths(),
            anchor_utc_s in -2_000_000_000_i64..4_000_000_000,
            first in 0_usize..20,
            since_anchor_ns in -100_000_000_000_i64..50_000_000_000_000,
            repeats: bool,
        ) {
            let first = first % lengths.len();
            let table = Timetable::new(lengths.clone(), anchor_utc_s, first, repeats).unwrap();
            let utc = Instant::from_second(anchor_utc_s) + Span::from_ns(since_anchor_ns);
            match table.place_at(utc) {
                Place::Before { next } => {
                    prop_assert!(since_anchor_ns < 0);
                    prop_assert_eq!(next, Start { track: first, utc_s: anchor_utc_s });
                }
                Place::Playing { slot, offset } => {
                    prop_assert_eq!(slot.utc() + offset, utc);
                    prop_assert!(!offset.is_negative() && offset < lengths[slot.track].unwrap().span());
                }
                Place::Gap { next: Some(next) } => {
                    let ahead = next.utc() - utc;
                    prop_assert!(ahead > Span::ZERO && ahead <= Span::SECOND * 2, "{:?}", ahead);
                }
                Place::Gap { next: None } => prop_assert!(!repeats),
                Place::Finished => {
                    prop_assert!(!repeats);
                    prop_assert!(utc.second() >= table.end_utc_s().unwrap());
                }
            }
        }

        #[test]
        fn each_slot_begins_where_the_one_before_says(lengths in any_lengths(), repeats: bool) {
            let table = Timetable::new(lengths.clone(), 1_700_000_000, 0, repeats).unwrap();
            let mut slot = table.first();
            for _ in 0..2 * lengths.len() {
                match table.place_at(slot.utc()) {
                    Place::Playing { slot: here, offset: Span::ZERO } => prop_assert_eq!(here, slot),
                    Place::Gap { next } => {
                        prop_assert!(lengths[slot.track].is_none_or(|length| length.frames == 0));
                        prop_assert_eq!(next, table.after(slot));
                    }
                    other => prop_assert!(false, "{:?} at {:?}", other, slot),
                }
                let Some(next) = table.after(slot) else { break };
                prop_assert_eq!(next.utc_s - slot.utc_s, slot_s(lengths[slot.track]));
                slot = next;
            }
        }
    }
}
