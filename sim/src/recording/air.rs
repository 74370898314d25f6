//! How sound gets from a speaker to a microphone: the images of a speaker in the ground or in the
//! walls of a room, each as an arrival (J. Allen, D. Berkley: Image method for efficiently simulating
//! small-room acoustics, JASA 65, 1979).

use std::f64::consts::PI;

/// The speed of sound at 20 °C, in m/s.
pub const SOUND_M_PER_S: f64 = 343.0;
/// Samples on either side of an arrival that its band-limited pulse takes.
const REACH: usize = 40;

/// A place, in m.
pub type Point = [f64; 3];

/// Where the boxes and the recorder are.
#[derive(Debug, Clone, PartialEq)]
pub enum Surroundings {
    /// In the open: the ground reflects, and perhaps the front of a house (the plane y = this).
    Open {
        /// The part of the amplitude that the ground reflects.
        ground: f64,
        /// The plane and the part of the amplitude that the front of a house reflects.
        front: Option<(f64, f64)>,
    },
    /// A rectangular room from the origin to `size`.
    Room {
        /// Its size, in m.
        size: Point,
        /// The part of the amplitude that every wall reflects.
        reflection: f64,
        /// How long sound is followed, in s.
        length_s: f64,
    },
}

/// Sound that arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// The length of its path, in m.
    pub path_m: f64,
    /// Its amplitude; 1 is that at 1 m.
    pub amplitude: f64,
}

impl Surroundings {
    /// Returns everything that arrives from a speaker; the direct sound is first.
    pub fn arrivals(&self, speaker: Point, microphone: Point) -> Vec<Arrival> {
        let arrival = |image: Point, factor: f64| {
            let path_m = distance_m(image, microphone);
            Arrival { path_m, amplitude: factor / path_m.max(0.05) }
        };
        match *self {
            Self::Open { ground, front } => {
                let [x, y, z] = speaker;
                let mut arrivals = vec![arrival(speaker, 1.0), arrival([x, y, -z], ground)];
                if let Some((plane, factor)) = front {
                    let mirrored = 2.0 * plane - y;
                    arrivals.push(arrival([x, mirrored, z], factor));
                    arrivals.push(arrival([x, mirrored, -z], factor * ground));
                }
                arrivals
            }
            Self::Room { size, reflection, length_s } => {
                let mut arrivals = vec![arrival(speaker, 1.0)];
                let longest_m = length_s * SOUND_M_PER_S;
                let reach = size.map(|side| (longest_m / side / 2.0).ceil() as i32);
                // The images along one axis: mirrored or not, and how many walls are in between.
                let along = |axis: usize, index: i32| {
                    let even = speaker[axis] + 2.0 * f64::from(index) * size[axis];
                    let odd = -speaker[axis] + 2.0 * f64::from(index) * size[axis];
                    [(even, 2 * index.abs()), (odd, (2 * index - 1).abs())]
                };
                let images = |axis: usize| (-reach[axis]..=reach[axis]).flat_map(move |index| along(axis, index));
                for (x, walls_x) in images(0) {
                    for (y, walls_y) in images(1) {
                        for (z, walls_z) in images(2) {
                            let walls = walls_x + walls_y + walls_z;
                            let image = [x, y, z];
                            if walls > 0 && distance_m(image, microphone) < longest_m {
                                arrivals.push(arrival(image, reflection.powi(walls)));
                            }
                        }
                    }
                }
                arrivals
            }
        }
    }
}

/// Returns how far two places are apart, in m.
pub fn distance_m(a: Point, b: Point) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// Returns the response of the air at a rate, and all of it `delay_s` later: band-limited pulses, so
/// that every fraction of a sample is exact.
pub fn response(arrivals: &[Arrival], rate_hz: f64, delay_s: f64) -> Vec<f64> {
    let place = |arrival: &Arrival| (arrival.path_m / SOUND_M_PER_S + delay_s) * rate_hz;
    let last = arrivals.iter().map(place).fold(0.0, f64::max);
    let mut response = vec![0.0; last.ceil() as usize + REACH + 1];
    for arrival in arrivals {
        let place = place(arrival);
        let first = (place.floor() as usize).saturating_sub(REACH - 1);
        for (n, value) in response.iter_mut().enumerate().skip(first).take(2 * REACH) {
            let x = n as f64 - place;
            let window = (0.5 + 0.5 * (PI * x / REACH as f64).cos()).max(0.0);
            let sinc = if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) };
            *value += arrival.amplitude * window * sinc;
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ground_is_heard_after_the_direct_sound() {
        let open = Surroundings::Open { ground: 0.5, front: None };
        let arrivals = open.arrivals([0.0, 0.0, 1.5], [4.0, 0.0, 1.5]);
        assert_eq!(arrivals, [Arrival { path_m: 4.0, amplitude: 0.25 }, Arrival { path_m: 5.0, amplitude: 0.1 }]);
    }

    #[test]
    fn a_room_has_six_first_reflections_and_the_direct_sound_is_first() {
        let room = Surroundings::Room { size: [6.0, 5.0, 3.0], reflection: 0.7, length_s: 0.2 };
        let (speaker, microphone) = ([1.0, 2.0, 1.0], [4.0, 3.0, 1.2]);
        let arrivals = room.arrivals(speaker, microphone);
        assert!((arrivals[0].path_m - distance_m(speaker, microphone)).abs() < 1e-12);
        assert!(arrivals[1..].iter().all(|arrival| arrival.path_m > arrivals[0].path_m));
        let walls = |arrival: &Arrival| (arrival.amplitude * arrival.path_m).ln() / 0.7_f64.ln();
        assert_eq!(arrivals.iter().filter(|arrival| (walls(arrival) - 1.0).abs() < 0.01).count(), 6);
        // As many images as fit: one in each room of the size of this one.
        let rooms = 4.0 / 3.0 * PI * (0.2 * SOUND_M_PER_S).powi(3) / (6.0 * 5.0 * 3.0);
        assert!((arrivals.len() as f64 / rooms - 1.0).abs() < 0.1, "{} and {rooms}", arrivals.len());
    }

    #[test]
    fn a_pulse_is_centred_on_its_arrival() {
        let arrival = Arrival { path_m: 3.43, amplitude: 2.0 };
        let pulse = response(&[arrival], 48e3, 0.000_13);
        let sum: f64 = pulse.iter().sum();
        let centre: f64 = pulse.iter().enumerate().map(|(n, x)| n as f64 * x).sum::<f64>() / sum;
        assert!((sum - 2.0).abs() < 0.01);
        assert!((centre - 0.010_13 * 48e3).abs() < 0.02, "{centre}");
    }
}
