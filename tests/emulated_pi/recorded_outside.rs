//! What QEMU has recorded of a box's sound card: which music it is, how loud, and when it was
//! played by the box's system clock.

use jaudiosync::timetable::Place;
use jaudiosync_measure::{find_start, stretch};
use jaudiosync_time::{Instant, Span, Utc};

use crate::installed::track;
use crate::machine::{Machine, RATE_HZ};
use crate::service::common_timetable;

/// How much of the music is searched for and measured.
const STRETCH: Span = Span::SECOND;

/// How late the music may be recorded. QEMU holds up to 45 ms between card and file, and reports
/// nothing of it; so this is for what is grossly wrong.
const PLACE_BOUND: Span = Span::from_ms(100);

/// How soon after now a stretch of music may begin: a change of the volume is heard by then.
const SOON: Span = Span::from_ms(400);

/// How much later than it was played it is in QEMU's file for certain.
const WRITTEN: Span = Span::from_ms(400);

/// How often the box's clock is compared with the length of QEMU's file.
const COMPARISONS: u32 = 12;

/// By how much QEMU's file may be shorter than what it has played: it plays every 10 ms, and its C
/// library writes 1,024 frames at once.
const NOT_WRITTEN_FRAMES: u64 = 480 + 1_024;

/// A stretch of the timetable's music in the recording.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// By how much louder than the file it is.
    pub level_db: f64,
    /// When the recording began if this stretch is where it should be.
    began: Instant<Utc>,
}

impl Heard {
    /// Waits for the next stretch of music that the timetable has, by the box's system clock, and
    /// finds it in what is recorded.
    #[track_caller]
    pub fn next(machine: &mut Machine) -> Self {
        let now = machine.system_clock();
        let due = music_at(now + SOON);
        machine.sleep((due + STRETCH + WRITTEN - now).seconds());
        Self::find(&mixed(&machine.recorded()), due)
    }

    /// Finds the music that is due at an instant.
    #[track_caller]
    fn find(recorded: &[f32], due: Instant<Utc>) -> Self {
        let Place::Playing { slot, offset } = common_timetable().place_at(due) else { panic!("a gap at {due:?}") };
        let offset_s = offset.seconds();
        let reference = stretch(&track(slot.track), RATE_HZ, offset_s, STRETCH.seconds()).expect("a track");
        let start = find_start(recorded, &reference, RATE_HZ, 0..recorded.len()).unwrap_or_else(|| {
            let loudest = recorded.iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
            let seconds = lasting(recorded.len() as f64).seconds();
            panic!(
                "track {} is not heard from {offset_s:.1} s on; {seconds:.1} s, the loudest sample {loudest}",
                slot.track
            )
        });
        let level_db = level_db(&recorded[start.round() as usize..][..reference.len()]) - level_db(&reference);
        Self { level_db, began: due - lasting(start) }
    }

    /// Returns by how much later than another stretch of the same recording it was played, against
    /// the box's system clock.
    pub fn later_than(&self, other: &Self) -> Span {
        other.began - self.began
    }

    /// Asserts that it was recorded about when it was due, by the box's system clock, and prints how
    /// much later that was, at least and at most.
    #[track_caller]
    pub fn assert_in_place(&self, began: (Instant<Utc>, Instant<Utc>)) {
        let (least, most) = (began.0 - self.began, began.1 - self.began);
        println!("recorded {:.1} to {:.1} ms after it was due by the box's clock", least.ms(), most.ms());
        assert!(least > -PLACE_BOUND && most < PLACE_BOUND);
    }
}

/// Returns between which instants of the box's system clock the recording began. It has no clock of
/// its own, but becomes longer as the box's time passes; the card must be playing, and not have
/// stopped since.
pub fn recording_began(machine: &mut Machine) -> (Instant<Utc>, Instant<Utc>) {
    let (mut earliest, mut latest) = (Instant::MIN, Instant::MAX);
    for _ in 0..COMPARISONS {
        let least_frames = machine.recorded_frames();
        let now = machine.system_clock();
        let most_frames = machine.recorded_frames() + NOT_WRITTEN_FRAMES;
        earliest = earliest.max(now - lasting(most_frames as f64));
        latest = latest.min(now - lasting(least_frames as f64));
    }
    assert!(earliest <= latest, "the recording does not follow the box's clock: {earliest:?}, {latest:?}");
    (earliest, latest)
}

/// Returns how long so many frames last.
fn lasting(frames: f64) -> Span {
    Span::from_seconds_f64(frames / f64::from(RATE_HZ))
}

/// Returns an instant at or soon after another at which a stretch of music begins.
fn music_at(from: Instant<Utc>) -> Instant<Utc> {
    let timetable = common_timetable();
    let slot_at = |utc| match timetable.place_at(utc) {
        Place::Playing { slot, .. } => Some(slot),
        _ => None,
    };
    let mut utc = from;
    while slot_at(utc).is_none() || slot_at(utc) != slot_at(utc + STRETCH) {
        utc += Span::from_ms(250);
    }
    utc
}

/// Returns both channels mixed, as references are.
fn mixed(samples: &[i16]) -> Vec<f32> {
    let mix = |frame: &[i16; 2]| (f32::from(frame[0]) + f32::from(frame[1])) / 2.0 / 32_768.0;
    samples.as_chunks().0.iter().map(mix).collect()
}

fn level_db(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    10.0 * (sum / samples.len() as f64).log10()
}
