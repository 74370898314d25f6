//! How the state is encoded: some 550 bytes, in a form of its own, so that a change to what is
//! saved on disk cannot change it unnoticed.

use serde::{Deserialize, Serialize};

use super::state::ModuleState;
use crate::storage::{Session, Volume};
use crate::timekeeping::estimate::calibration::SavedCalibration;
use crate::timekeeping::estimate::group::{GroupId, SavedGroup};
use crate::timekeeping::saved::SavedTime;

/// The version of this encoding. It changes with every field.
pub const VERSION: u8 = 2;

const STATES: usize = 5;
/// A covariance is symmetric: these are its lower triangle, row by row.
const TRIANGLE: usize = STATES * (STATES + 1) / 2;

#[derive(Serialize, Deserialize)]
struct Encoded {
    run: u32,
    utc_s: Option<i64>,
    mark: [u8; 4],
    time: Option<EncodedTime>,
    session: Option<EncodedSession>,
    volume_percent: Option<u8>,
}

#[derive(Serialize, Deserialize)]
struct EncodedTime {
    utc_s: i64,
    reference_utc_s: Option<i64>,
    mark: Option<[u8; 4]>,
    aging_offset: i8,
    stamp: Option<[u8; 3]>,
    is_ds3231m: bool,
    drifts: bool,
    calibration: Option<EncodedCalibration>,
    group: Option<EncodedGroup>,
}

#[derive(Serialize, Deserialize)]
struct EncodedGroup {
    id: u64,
    calibration: EncodedCalibration,
    utc_bound_ns: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct EncodedCalibration {
    flywheel_ns: i64,
    base_offset_ns: i64,
    state: [f64; STATES],
    covariance: [f64; TRIANGLE],
    temperature_c: Option<f64>,
    samples: u64,
    bias_sigma_ns: f64,
    bound_ns: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct EncodedSession {
    anchor_utc_s: i64,
    first_track: u32,
    repeats: bool,
    playlist: String,
    fingerprint: String,
    started_utc_s: i64,
}

/// Returns the state in bytes.
pub fn encode(state: &ModuleState) -> Vec<u8> {
    let encoded = Encoded {
        run: state.run,
        utc_s: state.utc_s,
        mark: state.mark,
        time: state.time.as_ref().map(EncodedTime::of),
        session: state.session.as_ref().and_then(EncodedSession::of),
        volume_percent: state.volume.map(|volume| volume.percent),
    };
    // Only a type that has no length beforehand, or a writer without room, can fail.
    postcard::to_allocvec(&encoded).unwrap_or_default()
}

/// Returns what the bytes say; `None` if they are of another version, or nonsense.
pub fn decode(version: u8, bytes: &[u8]) -> Option<ModuleState> {
    if version != VERSION {
        return None;
    }
    let encoded: Encoded = postcard::from_bytes(bytes).ok()?;
    Some(ModuleState {
        run: encoded.run,
        utc_s: encoded.utc_s,
        mark: encoded.mark,
        time: encoded.time.map(EncodedTime::into_saved),
        session: encoded.session.map(EncodedSession::into_session),
        volume: encoded.volume_percent.filter(|percent| *percent <= 100).map(|percent| Volume { percent }),
    })
}

impl EncodedTime {
    fn of(saved: &SavedTime) -> Self {
        let SavedTime { utc_s, reference_utc_s, mark, aging_offset, stamp, is_ds3231m, drifts, calibration, group } =
            saved;
        Self {
            utc_s: *utc_s,
            reference_utc_s: *reference_utc_s,
            mark: *mark,
            aging_offset: *aging_offset,
            stamp: *stamp,
            is_ds3231m: *is_ds3231m,
            drifts: *drifts,
            calibration: calibration.as_ref().map(EncodedCalibration::of),
            group: group.as_ref().map(|group| EncodedGroup {
                id: group.id.0,
                calibration: EncodedCalibration::of(&group.calibration),
                utc_bound_ns: group.utc_bound_ns,
            }),
        }
    }

    fn into_saved(self) -> SavedTime {
        SavedTime {
            utc_s: self.utc_s,
            reference_utc_s: self.reference_utc_s,
            mark: self.mark,
            aging_offset: self.aging_offset,
            stamp: self.stamp,
            is_ds3231m: self.is_ds3231m,
            drifts: self.drifts,
            calibration: self.calibration.map(EncodedCalibration::into_saved),
            group: self.group.map(|group| SavedGroup {
                id: GroupId(group.id),
                calibration: group.calibration.into_saved(),
                utc_bound_ns: group.utc_bound_ns,
            }),
        }
    }
}

impl EncodedCalibration {
    fn of(saved: &SavedCalibration) -> Self {
        let SavedCalibration {
            flywheel_ns,
            base_offset_ns,
            state,
            covariance,
            temperature_c,
            samples,
            bias_sigma_ns,
            bound_ns,
        } = saved;
        let mut triangle = [0.0; TRIANGLE];
        let lower = (0..STATES).flat_map(|row| (0..=row).map(move |column| covariance[row][column]));
        triangle.iter_mut().zip(lower).for_each(|(place, value)| *place = value);
        Self {
            flywheel_ns: *flywheel_ns,
            base_offset_ns: *base_offset_ns,
            state: *state,
            covariance: triangle,
            temperature_c: *temperature_c,
            samples: *samples,
            bias_sigma_ns: *bias_sigma_ns,
            bound_ns: *bound_ns,
        }
    }

    fn into_saved(self) -> SavedCalibration {
        let mut covariance = [[0.0; STATES]; STATES];
        let places = (0..STATES).flat_map(|row| (0..=row).map(move |column| (row, column)));
        for ((row, column), value) in places.zip(self.covariance) {
            covariance[row][column] = value;
            covariance[column][row] = value;
        }
        SavedCalibration {
            flywheel_ns: self.flywheel_ns,
            base_offset_ns: self.base_offset_ns,
            state: self.state,
            covariance,
            temperature_c: self.temperature_c,
            samples: self.samples,
            bias_sigma_ns: self.bias_sigma_ns,
            bound_ns: self.bound_ns,
        }
    }
}

impl EncodedSession {
    /// Returns `None` for a track that no playlist has.
    fn of(session: &Session) -> Option<Self> {
        let Session { anchor_utc_s, first_track, repeats, playlist, fingerprint, started_utc_s } = session;
        Some(Self {
            anchor_utc_s: *anchor_utc_s,
            first_track: u32::try_from(*first_track).ok()?,
            repeats: *repeats,
            playlist: playlist.clone(),
            fingerprint: fingerprint.clone(),
            started_utc_s: *started_utc_s,
        })
    }

    fn into_session(self) -> Session {
        Session {
            anchor_utc_s: self.anchor_utc_s,
            first_track: self.first_track as usize,
            repeats: self.repeats,
            playlist: self.playlist,
            fingerprint: self.fingerprint,
            started_utc_s: self.started_utc_s,
        }
    }
}
