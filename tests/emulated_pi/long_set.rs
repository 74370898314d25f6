//! A set of three hours at 320 kbit/s, 432 MB, for which the sound at every place is known.

use std::fs;

use jaudiosync_measure::best_lag;
use jaudiosync_time::{Instant, Raw};

use crate::recording::{RATE_HZ as RECORDED_HZ, Recording};
use crate::support::odd_mp3::{Info, frames, info_frame, lame};
use crate::support::playing::bursts;
use crate::support::{Sandbox, Signal};

const RATE_HZ: u32 = 44_100;
const FRAME_SAMPLES: usize = 1152;

/// LAME's delay, and that of decoders.
const ENCODER_DELAY: u16 = 576;
const DELAY_SAMPLES: usize = ENCODER_DELAY as usize + 529;
const LENGTH_S: usize = 3 * 3600;

/// The length of the music that is repeated for most of the set.
const REPEATED_S: usize = 60;
/// The length of the music that occurs once, which is the part that is joined.
const UNIQUE_S: usize = 120;
pub const UNIQUE_FROM_S: usize = 8000;

/// How far from its place the music is searched for.
const REACH_S: f64 = 0.05;

/// The length of what is judged at once.
pub const WINDOW_S: f64 = 0.5;

/// The Music folder with the set in it, and the music it is made of.
pub struct LongSet {
    pub sandbox: Sandbox,
    music: Signal,
    repeated_frames: usize,
    unique_frames: usize,
    /// How many times the repeated minute comes before the unique part.
    rounds_before: usize,
}

impl LongSet {
    pub fn make() -> Self {
        let music = bursts(77, RATE_HZ, REPEATED_S + UNIQUE_S, [1.0, 0.8]);
        let encoded = frames(&lame(&music, &["-b", "320"]));
        let repeated_frames = RATE_HZ as usize * REPEATED_S / FRAME_SAMPLES;
        let (repeated, unique) = encoded.split_at(repeated_frames);
        let frames_in = |seconds| RATE_HZ as usize * seconds / FRAME_SAMPLES;
        let rounds_before = frames_in(UNIQUE_FROM_S) / repeated_frames;
        let rounds_after = (frames_in(LENGTH_S) - unique.len()) / repeated_frames - rounds_before;
        let unique_frames = unique.len();
        let all_frames = (rounds_before + rounds_after) * repeated_frames + unique_frames;
        let body =
            [repeated.concat().repeat(rounds_before), unique.concat(), repeated.concat().repeat(rounds_after)].concat();
        let info = |bytes: usize| Info {
            tag: b"Info",
            frames: all_frames as u32,
            bytes: Some(bytes as u32),
            delay_padding: Some((ENCODER_DELAY, 1000)),
        };
        let head_bytes = info_frame(&encoded[0], &info(0)).len();
        let head = info_frame(&encoded[0], &info(head_bytes + body.len()));
        let sandbox = Sandbox::new();
        fs::write(sandbox.music().join("set.mp3"), [head, body].concat()).expect("a file");
        sandbox.playlist("set.mp3\n");
        Self { sandbox, music, repeated_frames, unique_frames, rounds_before }
    }

    /// Returns by how much later than at its place in the set something is heard, in ms, over
    /// [`WINDOW_S`]; `None` in silence, and if it is something else.
    pub fn late_ms(&self, recording: &Recording, place_s: f64, due: Instant<Raw>) -> Option<f64> {
        let sound = recording.from(due, WINDOW_S)?;
        let rate_hz = f64::from(RECORDED_HZ);
        // The recording's first frame is a part of a frame later than the due instant.
        let place_s = place_s + sound.after.seconds();
        let expected: Vec<f32> =
            (0..sound.samples.len()).map(|index| self.sample(place_s + index as f64 / rate_hz)).collect();
        let lag = best_lag(&expected, sound.samples, (REACH_S * rate_hz) as usize)?;
        (lag.correlation > 0.5).then_some(lag.frames * 1000.0 / rate_hz)
    }

    /// Returns whether a window that begins here is across a seam, where the decoder has bits of
    /// other music left.
    pub fn has_seam(&self, place_s: f64) -> bool {
        let frame = |seconds: f64| (seconds * f64::from(RATE_HZ)) as usize / FRAME_SAMPLES;
        // The encoder's delay and the decoder's overlap are less than four frames.
        let parts = (frame(place_s).saturating_sub(4)..=frame(place_s + WINDOW_S) + 4).map(|frame| self.part(frame).0);
        let parts: Vec<usize> = parts.collect();
        parts.first() != parts.last()
    }

    /// Returns which part of the set one of its frames belongs to, and which frame of the music it
    /// is.
    fn part(&self, frame: usize) -> (usize, usize) {
        let before = self.rounds_before * self.repeated_frames;
        let later = (frame + self.repeated_frames).checked_sub(before + self.unique_frames);
        match (frame.checked_sub(before), later) {
            (None, _) => (frame / self.repeated_frames, frame % self.repeated_frames),
            (Some(within), _) if within < self.unique_frames => (self.rounds_before, self.repeated_frames + within),
            (_, later) => {
                let later = later.unwrap_or_default();
                (self.rounds_before + later / self.repeated_frames, later % self.repeated_frames)
            }
        }
    }

    /// Returns what is heard at a place, both channels mixed, interpolated linearly between
    /// samples.
    fn sample(&self, place_s: f64) -> f32 {
        let place = place_s * f64::from(RATE_HZ);
        let sample = |place: usize| {
            // A decoder skips the encoder's delay and its own, once, at the beginning of the set.
            let decoded = place + DELAY_SAMPLES;
            let (_, frame) = self.part(decoded / FRAME_SAMPLES);
            let index = (frame * FRAME_SAMPLES + decoded % FRAME_SAMPLES).checked_sub(DELAY_SAMPLES);
            let both = index.and_then(|index| self.music.samples.get(2 * index..2 * index + 2));
            both.map_or(0.0, |both| both.iter().sum::<f32>() / 2.0)
        };
        let whole = place.floor();
        let (first, second) = (sample(whole as usize), sample(whole as usize + 1));
        first + (place - whole) as f32 * (second - first)
    }
}
