//! The resampler's filter: a sinc, windowed, tabulated for places between two frames.
//!
//! A polyphase filter with [`PHASES`] phases. Within a phase each tap is a parabola in the place
//! (Farrow's structure), which needs a table of 37 kB instead of the megabytes of one that is
//! interpolated linearly, so that it stays in the processor's nearest cache. Both channels share
//! the taps of a place. [`wide`] makes it SSE2 on x86-64 and NEON on aarch64.

use std::f64::consts::PI;

use wide::f32x4;

/// Length of the filter, in frames of the slower of the two rates.
const TAPS: usize = 48;

/// Middle of the filter's edge, relative to the slower rate. With [`TAPS`] and [`STOPBAND_DB`] the
/// edge of 44.1 kHz begins at 17.6 kHz (-0.03 dB at 18.5 kHz, -1.6 dB at 20 kHz) and ends at
/// 24.3 kHz. A tone below 19.8 kHz, as high as an encoder leaves any, has its mirror beyond that.
const CUTOFF: f64 = 0.475;

/// How far the filter suppresses what is mirrored.
const STOPBAND_DB: f64 = 112.0;

/// Phases between two frames; a power of two. A parabola on a phase is wrong by at most
/// 2 (pi / 4 / PHASES)^3 / 3! of full scale, -124 dB, at the highest frequency.
const PHASES: usize = 1 << PHASE_BITS;
const PHASE_BITS: u32 = 6;

/// Rates further apart than the slowest and the fastest of MPEG audio get the filter of this ratio.
const MAX_STEP: f64 = 6.0;

/// Taps that are computed at a time.
const GROUP: usize = 8;

/// Places and steps are counted in parts of a frame: `1 << FRACTION_BITS` are one frame. Sums are
/// exact, and the frames of a block fit above, at any two rates.
pub(super) const FRACTION_BITS: u32 = 40;

/// Bits of a place within its phase that are used.
const WITHIN_BITS: u32 = 24;

/// The parabolas of [`GROUP`] neighbouring taps: for the place z within the phase, -1 to 1, a tap
/// is `c[0] + c[1] z + c[2] z^2`.
type Parabolas = [[f32x4; GROUP / 4]; 3];

/// The filter from one rate to another.
pub(super) struct PolyphaseFilter {
    groups_per_phase: usize,
    /// The groups of the first phase, then those of the second.
    table: Vec<Parabolas>,
}

impl PolyphaseFilter {
    /// Makes the filter that reads the input in steps of this many of its frames.
    pub(super) fn new(step: f64) -> Self {
        // A slower output needs a longer and lower filter, in frames of the input.
        let stretch = step.clamp(1.0, MAX_STEP);
        let groups_per_phase = (TAPS as f64 * stretch / GROUP as f64).ceil() as usize;
        let sinc = WindowedSinc::new((groups_per_phase * GROUP) as f64, CUTOFF / stretch);
        let table = (0..PHASES * groups_per_phase)
            .map(|index| {
                let (phase, first_tap) = (index / groups_per_phase, index % groups_per_phase * GROUP);
                let parabolas: [[f64; 3]; GROUP] = std::array::from_fn(|tap| sinc.parabola(first_tap + tap, phase));
                std::array::from_fn(|power| {
                    std::array::from_fn(|part| {
                        f32x4::new(std::array::from_fn(|lane| parabolas[4 * part + lane][power] as f32))
                    })
                })
            })
            .collect();
        Self { groups_per_phase, table }
    }

    /// Returns how many frames one output depends on. Of these, one less than half lie before the
    /// frame at or before the output.
    pub(super) fn taps(&self) -> usize {
        self.groups_per_phase * GROUP
    }

    /// Fills `output`, whose first frame is at `place` and which goes on in steps of `step`, both in
    /// parts of a frame (see [`FRACTION_BITS`]). At place 0 the output depends on the first
    /// [`taps`](Self::taps) samples of each channel. Where too few are given, the rest of the output
    /// stays as it was.
    pub(super) fn run<const CHANNELS: usize>(
        &self,
        input: [&[f32]; CHANNELS],
        mut place: u64,
        step: u64,
        output: &mut [[f32; CHANNELS]],
    ) {
        let taps = self.taps();
        for frame in output {
            let first = (place >> FRACTION_BITS) as usize;
            let phase = (place >> (FRACTION_BITS - PHASE_BITS)) as usize % PHASES;
            let within = (place >> (FRACTION_BITS - PHASE_BITS - WITHIN_BITS)) as u32 % (1 << WITHIN_BITS);
            let z = f32x4::splat(within as f32 * (2.0 / (1 << WITHIN_BITS) as f32) - 1.0);
            place = place.wrapping_add(step);
            let windows = input.map(|channel| channel.get(first..first + taps).unwrap_or_default().as_chunks().0);
            let Some(groups) = self.table.get(phase * self.groups_per_phase..(phase + 1) * self.groups_per_phase)
            else {
                return;
            };
            if windows.iter().any(|window| window.len() != groups.len()) {
                return;
            }
            *frame = convolve(groups, windows, z);
        }
    }
}

/// Returns the sum of taps times samples, for each channel.
#[inline(always)]
fn convolve<const CHANNELS: usize>(
    groups: &[Parabolas],
    windows: [&[[f32; GROUP]]; CHANNELS],
    z: f32x4,
) -> [f32; CHANNELS] {
    let mut sums = [[f32x4::ZERO; GROUP / 4]; CHANNELS];
    for (index, [constant, linear, square]) in groups.iter().enumerate() {
        for part in 0..GROUP / 4 {
            let tap = square[part].mul_add(z, linear[part]).mul_add(z, constant[part]);
            for (sum, window) in sums.iter_mut().zip(windows) {
                let samples = f32x4::new(window[index].as_chunks().0[part]);
                sum[part] = tap.mul_add(samples, sum[part]);
            }
        }
    }
    sums.map(|[first, second]| (first + second).reduce_add())
}

/// A sinc under Kaiser's window.
struct WindowedSinc {
    /// Length, in frames.
    taps: f64,
    /// Middle of its edge, relative to the rate.
    cutoff: f64,
    beta: f64,
}

impl WindowedSinc {
    fn new(taps: f64, cutoff: f64) -> Self {
        // Kaiser's formula for more than 50 dB: Oppenheim and Schafer, Discrete-Time Signal
        // Processing, section 7.6.
        Self { taps, cutoff, beta: 0.1102 * (STOPBAND_DB - 8.7) }
    }

    /// Returns the height at a distance from the middle, in frames.
    fn at(&self, distance: f64) -> f64 {
        let relative = 2.0 * distance / self.taps;
        if relative.abs() >= 1.0 {
            return 0.0;
        }
        let angle = 2.0 * PI * self.cutoff * distance;
        let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
        let window = bessel_i0(self.beta * (1.0 - relative * relative).sqrt()) / bessel_i0(self.beta);
        2.0 * self.cutoff * sinc * window
    }

    /// Returns the parabola of a tap within a phase: through Chebyshev's points, which is nearly
    /// the best one.
    fn parabola(&self, tap: usize, phase: usize) -> [f64; 3] {
        let point = (PI / 6.0).cos();
        let [low, middle, high] = [-point, 0.0, point].map(|z| {
            let fraction = (phase as f64 + 0.5 + 0.5 * z) / PHASES as f64;
            self.at(tap as f64 - (self.taps / 2.0 - 1.0) - fraction)
        });
        [middle, (high - low) / (2.0 * point), (high + low - 2.0 * middle) / (2.0 * point * point)]
    }
}

/// Returns the modified Bessel function of the first kind of order 0, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut index) = (1.0, 1.0, 1.0);
    while term > sum * f64::EPSILON {
        term *= (x / 2.0 / index).powi(2);
        sum += term;
        index += 1.0;
    }
    sum
}
