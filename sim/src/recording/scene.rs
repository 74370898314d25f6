//! A scene drawn from a seed: which boxes sound where, how late each is, and what is recorded.

use fastrand::Rng;
use jaudiosync::sound_check::schedule::{BoxNumber, Mark, ROUND_S, TURN_S, gap_s};
use jaudiosync::sound_check::signal::{SWEEP_S, sweep};

use super::air::{Point, SOUND_M_PER_S, Surroundings, distance_m, response};
use super::filters::{Biquad, convolve};
use super::noise::{crowd, rms, traffic};
use super::recorder::{RATE_HZ, Recorder};

/// A box in a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct SoundingBox {
    /// Its number, and with it its turn.
    pub number: BoxNumber,
    /// What its marks are drawn from.
    pub seed: u64,
    /// Where its speaker is, in m.
    pub place: Point,
    /// How late its sound leaves the speaker, in s.
    pub latency_s: f64,
    /// The amplitude of its sweeps at 1 m.
    pub amplitude: f64,
    /// Below this, the speaker gets weak, in Hz.
    pub speaker_hz: f64,
    /// The part of the direct sound that reaches the microphone: 1 unless the speaker faces away or
    /// somebody stands before it.
    pub direct: f64,
}

/// Everything that makes a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The ride whose boxes are to be measured.
    pub boxes: Vec<SoundingBox>,
    /// Another ride, farther away, that does a sound check of its own.
    pub other_ride: Vec<SoundingBox>,
    /// What reflects the sound.
    pub surroundings: Surroundings,
    /// Where the microphone is, in m.
    pub microphone: Point,
    /// Where it is carried instead: from which second of the recording on it is at which place.
    pub walk: Vec<(f64, Point)>,
    /// How much louder the noise is than the sweeps of the box in the middle, in dB; `None` is silence.
    pub noise_db: Option<f64>,
    /// How fast the recorder's clock is, in parts per million.
    pub clock_ppm: f64,
    /// When the recording begins, in s of UTC since the Unix epoch, and how long it is.
    pub start_utc_s: f64,
    /// How long it is, in s.
    pub length_s: f64,
    /// Its other faults.
    pub recorder: Recorder,
    /// Whether it is compressed by AAC at 64 kbit/s, which the caller has to do.
    pub is_aac: bool,
    noise_seed: u64,
}

/// Where a drawn scene takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In the open.
    Open,
    /// In a room.
    Room,
}

impl Scene {
    /// Draws a scene with eight boxes, of which one may be silent. Two of five recordings are of 40 to
    /// 70 s, the others of 85 to 115 s.
    pub fn draw(kind: Kind, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed.wrapping_mul(2).wrapping_add(u64::from(kind == Kind::Room)));
        let r = &mut random;
        let (surroundings, microphone, places) = match kind {
            Kind::Open => open(r),
            Kind::Room => room(r),
        };
        let mut boxes: Vec<_> =
            places.into_iter().zip(BoxNumber::all()).map(|(place, n)| sounding(r, n, place)).collect();
        if r.f64() < 0.5 {
            boxes.remove(r.usize(..boxes.len()));
        }
        let other_ride = if kind == Kind::Open && r.f64() < 0.5 { other_ride(r, microphone) } else { Vec::new() };
        let mut recorder = Recorder {
            has_gain_control: r.f64() < 0.5,
            clips_at: (r.f64() < 0.5).then(|| 0.15 + 0.5 * r.f64()),
            is_telephone: r.f64() < 0.3,
            gaps_s: if r.f64() < 0.3 { vec![(30.0 + 30.0 * r.f64(), 0.001 + 0.05 * r.f64())] } else { Vec::new() },
        };
        let clock_ppm = between(r, -80.0, 80.0);
        let start_utc_s = 1_784_000_000.0 + 1000.0 * r.f64();
        let long_s = between(r, 85.0, 115.0);
        let (is_aac, noise_seed) = (r.f64() < 0.7, r.u64(..));
        // Drawn last, so that the other scenes are those that were judged before there were short ones.
        let is_short = r.f64() < 0.4;
        let length_s = if is_short { between(r, 40.0, 70.0) } else { long_s };
        if is_short {
            recorder.gaps_s.iter_mut().for_each(|(from_s, _)| *from_s = length_s * between(r, 0.1, 0.9));
        }
        Self {
            boxes,
            other_ride,
            surroundings,
            microphone,
            walk: Vec::new(),
            noise_db: Some(0.0),
            clock_ppm,
            start_utc_s,
            length_s,
            recorder,
            is_aac,
            noise_seed,
        }
    }

    /// Returns whether the recording is shorter than the guide asks for.
    pub fn is_short(&self) -> bool {
        self.length_s < 80.0
    }

    /// Returns when the sound of a box arrives at the microphone after its turn began, in s.
    pub fn truth_s(&self, sounding: &SoundingBox) -> f64 {
        sounding.latency_s + distance_m(sounding.place, self.microphone) / SOUND_M_PER_S
    }

    /// Returns what is recorded, and its rate, in Hz.
    pub fn record(&self) -> (Vec<f32>, u32) {
        let rate_hz = f64::from(RATE_HZ);
        let length = (self.length_s * rate_hz) as usize;
        let mut sound = vec![0.0; length];
        let mut levels = Vec::new();
        for sounding in &self.boxes {
            let level = self.add(sounding, &mut sound);
            levels.push(level);
        }
        for sounding in &self.other_ride {
            self.add(sounding, &mut sound);
        }
        levels.sort_by(f64::total_cmp);
        if let (Some(db), Some(middle)) = (self.noise_db, levels.get(levels.len() / 2)) {
            let mut random = Rng::with_seed(self.noise_seed);
            let mut noise = traffic(&mut random, rate_hz, length);
            let voices = crowd(&mut random, rate_hz, length);
            let share = rms(&noise) / rms(&voices).max(1e-9);
            noise.iter_mut().zip(&voices).for_each(|(noise, voices)| *noise += share * voices);
            let gain = middle * 10_f64.powf(db / 20.0) / rms(&noise).max(1e-12);
            sound.iter_mut().zip(&noise).for_each(|(sound, noise)| *sound += gain * noise);
        }
        self.recorder.record(sound)
    }

    /// Adds everything that is heard of a box; returns the level of its sweeps.
    fn add(&self, sounding: &SoundingBox, sound: &mut [f64]) -> f64 {
        let rate_hz = f64::from(RATE_HZ);
        // A second of UTC is that many seconds of the recorder's clock.
        let fast = 1.0 + self.clock_ppm * 1e-6;
        let air_at = |microphone: Point| {
            let mut arrivals = self.surroundings.arrivals(sounding.place, microphone);
            // The direct sound is the first.
            arrivals.iter_mut().take(1).for_each(|direct| direct.amplitude *= sounding.direct);
            // Room for a latency below zero.
            let mut air = response(&arrivals, rate_hz * fast, 0.05 + sounding.latency_s);
            Biquad::high_pass(rate_hz, sounding.speaker_hz).apply(&mut air);
            Biquad::low_pass(rate_hz, 14_000.0).apply(&mut air);
            air
        };
        let mut air = air_at(self.microphone);
        let mut level: f64 = 0.0;
        let first = (self.start_utc_s as i64).div_euclid(ROUND_S) * ROUND_S + sounding.number.second();
        let turns = (0..)
            .map(|round| first + round * ROUND_S)
            .take_while(|&utc_s| (utc_s as f64) < self.start_utc_s + self.length_s);
        for utc_s in turns {
            let since_start_s = utc_s as f64 - self.start_utc_s;
            if let Some((_, place)) = self.walk.iter().rev().find(|(from_s, _)| *from_s <= since_start_s) {
                air = air_at(*place);
            }
            let gap = gap_s(sounding.number, Mark::of_turn(sounding.seed, utc_s));
            // The turn's beginning in the recording, and the sample from which it is made.
            let at = (utc_s as f64 - self.start_utc_s) * fast * rate_hz;
            let from = at.floor() as i64 - (0.05 * rate_hz) as i64;
            let late_s = (from as f64 + 0.05 * rate_hz * fast - at) / rate_hz / fast;
            let turn: Vec<f64> = (0..((TURN_S + 0.01) * rate_hz) as usize + air.len())
                .map(|n| n as f64 / (rate_hz * fast) + late_s)
                .map(|t| sounding.amplitude * (sweep(t) + sweep(t - gap)))
                .collect();
            let heard = convolve(&turn, &air);
            level = level.max(rms(&heard[(0.05 * rate_hz) as usize..((0.05 + SWEEP_S) * rate_hz) as usize]));
            for (n, value) in heard.iter().enumerate() {
                if let Some(sample) = usize::try_from(from + n as i64).ok().and_then(|n| sound.get_mut(n)) {
                    *sample += value;
                }
            }
        }
        level
    }
}

fn between(random: &mut Rng, least: f64, most: f64) -> f64 {
    least + (most - least) * random.f64()
}

fn sounding(r: &mut Rng, number: BoxNumber, place: Point) -> SoundingBox {
    SoundingBox {
        number,
        seed: r.u64(..),
        place,
        latency_s: between(r, -0.002, 0.012),
        amplitude: between(r, 0.6, 1.2),
        speaker_hz: between(r, 160.0, 200.0),
        direct: if r.f64() < 0.25 { between(r, 0.35, 0.8) } else { 1.0 },
    }
}

/// Boxes on bikes in an arc around a person who holds the phone, some 2 to 5 m away.
fn open(r: &mut Rng) -> (Surroundings, Point, Vec<Point>) {
    let front = (r.f64() < 0.5).then(|| (between(r, 6.0, 20.0), between(r, 0.3, 0.8)));
    let surroundings = Surroundings::Open { ground: between(r, 0.3, 0.8), front };
    let radius = between(r, 2.0, 4.0);
    let places = (0..8)
        .map(|n| {
            let angle = std::f64::consts::PI * (f64::from(n) + 0.3 * r.f64()) / 8.0;
            let radius = radius * between(r, 0.8, 1.25);
            [radius * angle.cos(), radius * angle.sin(), between(r, 0.7, 1.2)]
        })
        .collect();
    (surroundings, [0.0, 0.0, between(r, 1.2, 1.6)], places)
}

/// Boxes somewhere in a room, 1 to 4 m from the phone.
fn room(r: &mut Rng) -> (Surroundings, Point, Vec<Point>) {
    let size = [between(r, 6.0, 12.0), between(r, 5.0, 9.0), between(r, 2.6, 4.0)];
    let surroundings = Surroundings::Room { size, reflection: between(r, 0.5, 0.85), length_s: 0.3 };
    let microphone = [between(r, 0.4, 0.6) * size[0], between(r, 0.4, 0.6) * size[1], between(r, 1.2, 1.5)];
    let mut places = Vec::new();
    while places.len() < 8 {
        let place = [between(r, 0.7, size[0] - 0.7), between(r, 0.7, size[1] - 0.7), between(r, 0.7, 1.3)];
        if (1.0..4.0).contains(&distance_m(place, microphone)) {
            places.push(place);
        }
    }
    (surroundings, microphone, places)
}

/// Four boxes with numbers of this ride, 25 to 60 m away.
fn other_ride(r: &mut Rng, microphone: Point) -> Vec<SoundingBox> {
    let (distance, number) = (between(r, 25.0, 60.0), r.u8(1..=5));
    (number..number + 4)
        .filter_map(BoxNumber::new)
        .map(|number| {
            let place = [microphone[0] - distance, microphone[1] + between(r, -5.0, 5.0), 1.0];
            sounding(r, number, place)
        })
        .collect()
}
