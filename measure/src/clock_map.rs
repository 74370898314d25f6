//! From frames of a recording to UTC and back, fitted through noisy readings of the card's clock.
//! Pure.

/// A reading of the card's clock: this frame was played at this instant or a little earlier, never
/// later.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockSample {
    /// Frames since the recording began.
    pub frame: f64,
    /// Nanoseconds since the Unix epoch, on CLOCK_REALTIME.
    pub utc_ns: i64,
}

/// When every frame was played: a line through the best reading of each second.
///
/// Readings are late by a varying delay and never early, so the earliest of each second, relative
/// to a line of the card's overall rate, is the one to believe. Between these the map is straight,
/// and so follows a rate that drifts.
#[derive(Debug, Clone, PartialEq)]
pub struct ClockMap {
    /// The instant that all of `knots` are relative to, so that f64 keeps nanoseconds, in ns of
    /// UTC.
    epoch_ns: i64,
    /// Nanoseconds per frame over all of the recording.
    period_ns: f64,
    /// (frame, ns since the epoch), ascending in both.
    knots: Vec<(f64, f64)>,
    residual_ns: f64,
}

impl ClockMap {
    /// Fits the map. `rate_hz` is the card's nominal rate.
    ///
    /// `None` without readings, or with readings that are not finite. Fewer than two seconds of
    /// readings give the nominal rate.
    #[must_use]
    pub fn fit(samples: &[ClockSample], rate_hz: u32) -> Option<Self> {
        let epoch_ns = samples.first()?.utc_ns;
        if rate_hz == 0 || samples.iter().any(|s| !s.frame.is_finite()) {
            return None;
        }
        let points: Vec<(f64, f64)> = samples.iter().map(|s| (s.frame, (s.utc_ns - epoch_ns) as f64)).collect();
        let nominal_ns = 1e9 / f64::from(rate_hz);
        let bin_frames = f64::from(rate_hz);
        let period_ns = median_slope(&earliest_per_bin(&points, nominal_ns, bin_frames)).unwrap_or(nominal_ns);
        let knots = earliest_per_bin(&points, period_ns, bin_frames);
        let mut map = Self { epoch_ns, period_ns, knots, residual_ns: 0.0 };
        map.residual_ns = median(map.knots.iter().map(|&(frame, ns)| (ns - map.line_ns(frame)).abs()).collect());
        Some(map)
    }

    /// Returns when `frame` was played, in nanoseconds of UTC since the Unix epoch. Such a number
    /// has steps of 256 ns in f64.
    #[must_use]
    pub fn utc_ns(&self, frame: f64) -> f64 {
        self.epoch_ns as f64 + interpolate(&self.knots, frame, self.period_ns)
    }

    /// Returns the frame that was played at a UTC instant: the inverse of [`ClockMap::utc_ns`].
    #[must_use]
    pub fn frame_at(&self, utc_ns: f64) -> f64 {
        let swapped: Vec<_> = self.knots.iter().map(|&(frame, ns)| (ns, frame)).collect();
        interpolate(&swapped, utc_ns - self.epoch_ns as f64, 1.0 / self.period_ns)
    }

    /// Returns how much faster than `rate_hz` the card ran against CLOCK_REALTIME, in parts per
    /// million.
    #[must_use]
    pub fn rate_error_ppm(&self, rate_hz: u32) -> f64 {
        (1e9 / f64::from(rate_hz) / self.period_ns - 1.0) * 1e6
    }

    /// Returns the noise of the map, in ns: half of the seconds' best readings are closer than this
    /// to a straight line.
    #[must_use]
    pub fn residual_ns(&self) -> f64 {
        self.residual_ns
    }

    /// Returns the straight line through the middle of the knots.
    fn line_ns(&self, frame: f64) -> f64 {
        let offset = median(self.knots.iter().map(|&(f, ns)| ns - self.period_ns * f).collect());
        offset + self.period_ns * frame
    }
}

/// Returns, for every `bin_frames` frames, the point that is earliest relative to a line of the
/// given slope.
fn earliest_per_bin(points: &[(f64, f64)], period_ns: f64, bin_frames: f64) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lateness = |p: &(f64, f64)| p.1 - period_ns * p.0;
    sorted
        .chunk_by(|a, b| (a.0 / bin_frames).floor() == (b.0 / bin_frames).floor())
        .filter_map(|bin| bin.iter().copied().min_by(|a, b| lateness(a).total_cmp(&lateness(b))))
        .collect()
}

/// Returns the median of the slopes of all pairs of points (Theil and Sen): outliers do not move
/// it.
fn median_slope(points: &[(f64, f64)]) -> Option<f64> {
    // A few hundred points are plenty and keep the pairs few.
    let step = points.len().div_ceil(400).max(1);
    let points: Vec<_> = points.iter().step_by(step).collect();
    let slopes: Vec<f64> = points
        .iter()
        .enumerate()
        .flat_map(|(i, a)| points[i + 1..].iter().map(move |b| (b.1 - a.1) / (b.0 - a.0)))
        .filter(|slope| slope.is_finite())
        .collect();
    (!slopes.is_empty()).then(|| median(slopes))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Returns the piecewise straight line through `knots`, continued at both ends with `slope`.
fn interpolate(knots: &[(f64, f64)], x: f64, slope: f64) -> f64 {
    let after = knots.partition_point(|k| k.0 <= x);
    match (after.checked_sub(1).and_then(|i| knots.get(i)), knots.get(after)) {
        (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0),
        (Some(end), None) | (None, Some(end)) => end.1 + slope * (x - end.0),
        (None, None) => f64::NAN,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;
    const START_NS: i64 = 1_800_000_000_123_456_789;

    /// Returns twenty readings a second of a card that is fast by `ppm`, each late by up to 200 us.
    fn readings(ppm: f64, seconds: u32) -> Vec<ClockSample> {
        let mut noise = 1_u64;
        (0..seconds * 20)
            .map(|i| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let late_ns = (noise >> 33) % 200_000;
                let frame = f64::from(i) * f64::from(RATE) / 20.0;
                let exact_ns = frame * 1e9 / f64::from(RATE) / (1.0 + ppm * 1e-6);
                ClockSample { frame, utc_ns: START_NS + exact_ns as i64 + late_ns as i64 }
            })
            .collect()
    }

    #[test]
    fn finds_instants_and_rate_among_late_readings() {
        let map = ClockMap::fit(&readings(80.0, 60), RATE).unwrap();
        assert!((map.rate_error_ppm(RATE) - 80.0).abs() < 1.0, "{}", map.rate_error_ppm(RATE));
        for second in [-1.0, 0.0, 0.5, 17.3, 59.9, 61.0] {
            let exact_ns = START_NS as f64 + second * 1e9 / (1.0 + 80e-6);
            let error_ns = map.utc_ns(second * f64::from(RATE)) - exact_ns;
            assert!(error_ns.abs() < 50_000.0, "{second} s: {error_ns} ns");
        }
        assert!(map.residual_ns() < 20_000.0);
    }

    #[test]
    fn one_wild_reading_does_no_harm() {
        let mut all = readings(0.0, 10);
        all[50].utc_ns += 500_000_000;
        let map = ClockMap::fit(&all, RATE).unwrap();
        assert!((map.utc_ns(2.5 * 48_000.0) - (START_NS as f64 + 2.5e9)).abs() < 50_000.0);
    }

    #[test]
    fn frame_at_reverses_utc_ns() {
        let map = ClockMap::fit(&readings(-30.0, 5), RATE).unwrap();
        for frame in [-100.0, 0.0, 12_345.6, 300_000.0] {
            assert!((map.frame_at(map.utc_ns(frame)) - frame).abs() < 0.05);
        }
    }

    #[test]
    fn too_little_to_fit() {
        assert_eq!(ClockMap::fit(&[], RATE), None);
        assert_eq!(ClockMap::fit(&readings(0.0, 1), 0), None);
        let one = ClockMap::fit(&[ClockSample { frame: 48.0, utc_ns: START_NS }], RATE).unwrap();
        assert!((one.utc_ns(96.0) - (START_NS as f64 + 1e6)).abs() < 300.0);
    }
}
