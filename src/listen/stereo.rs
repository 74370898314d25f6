//! Two boxes, one in the left channel and one in the right: how far apart they are, moment by moment.

use jaudiosync_correlation::{WindowLag, lag_by_window};

/// How often there is a figure, in s.
pub const STEP_S: f64 = 0.1;
/// How much sound one figure is made of, in s.
pub const WINDOW_S: f64 = 0.5;
/// The largest lag that is found, in ms.
pub const MOST_MS: f64 = 100.0;
/// With a lower correlation, the two do not play the same.
pub const LEAST_CORRELATION: f64 = 0.7;
/// How much is looked at together, in s. It is a whole number of steps.
const BATCH_S: usize = 10;

/// Measures a recording as it comes.
pub struct StereoLag {
    rate_hz: u32,
    left: Vec<f32>,
    right: Vec<f32>,
    /// How much precedes what is held, in s.
    before_s: f64,
    windows: Vec<WindowLag>,
}

impl StereoLag {
    /// Begins with a recording of this rate.
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz, left: Vec::new(), right: Vec::new(), before_s: 0.0, windows: Vec::new() }
    }

    /// Takes the samples that follow, as many left as right.
    pub fn push(&mut self, left: &[f32], right: &[f32]) {
        self.left.extend_from_slice(left);
        self.right.extend_from_slice(right);
        let batch = BATCH_S * self.rate_hz as usize;
        // What a window needs after the last step of the batch.
        let window = (WINDOW_S * f64::from(self.rate_hz)).round() as usize;
        let step = (STEP_S * f64::from(self.rate_hz)).round() as usize;
        let held = batch / step * step;
        while self.left.len() >= held - step + window {
            self.measure(held - step + window);
            self.left.drain(..held);
            self.right.drain(..held);
            self.before_s += held as f64 / f64::from(self.rate_hz);
        }
    }

    /// Returns every figure.
    pub fn finish(mut self) -> Vec<WindowLag> {
        self.measure(self.left.len());
        self.windows
    }

    fn measure(&mut self, length: usize) {
        let found =
            lag_by_window(&self.left[..length], &self.right[..length], self.rate_hz, (STEP_S, WINDOW_S, MOST_MS));
        let before_s = self.before_s;
        self.windows.extend(found.into_iter().map(|window| WindowLag { at_s: before_s + window.at_s, ..window }));
    }
}

/// The figures in few numbers; lags are those of the right channel behind the left, in ms.
#[derive(Debug, Clone, PartialEq)]
pub struct StereoSummary {
    /// How many figures there are.
    pub windows: usize,
    /// How many of them are silent in one channel or in both.
    pub silent: usize,
    /// How many compare two things that are not the same.
    pub unlike: usize,
    /// The median.
    pub median_ms: f64,
    /// Half of all lie between these.
    pub quartiles_ms: (f64, f64),
    /// The smallest and the largest.
    pub extremes_ms: (f64, f64),
    /// How much the lag grows, in ms per hour.
    pub drift_ms_per_h: f64,
}

/// Returns whether a figure counts.
pub fn counts(window: &WindowLag) -> bool {
    window.lag_ms.is_some() && window.correlation >= LEAST_CORRELATION
}

/// Returns the summary, or `None` if no figure counts.
pub fn summary(windows: &[WindowLag]) -> Option<StereoSummary> {
    let counted: Vec<(f64, f64)> = windows
        .iter()
        .filter(|window| counts(window))
        .filter_map(|window| Some((window.at_s, window.lag_ms?)))
        .collect();
    let mut lags: Vec<f64> = counted.iter().map(|(_, lag_ms)| *lag_ms).collect();
    lags.sort_by(f64::total_cmp);
    let at = |part: f64| lags[((lags.len() - 1) as f64 * part).round() as usize];
    if lags.is_empty() {
        return None;
    }
    let silent = windows.iter().filter(|window| window.lag_ms.is_none()).count();
    Some(StereoSummary {
        windows: windows.len(),
        silent,
        unlike: windows.len() - silent - counted.len(),
        median_ms: at(0.5),
        quartiles_ms: (at(0.25), at(0.75)),
        extremes_ms: (at(0.0), at(1.0)),
        drift_ms_per_h: slope(&counted) * 3600.0,
    })
}

/// Returns the slope of the straight line through points; 0 of fewer than two.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let squares: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let products: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    if squares > 0.0 { products / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use jaudiosync_correlation::lag_by_second;
    use jaudiosync_correlation::test_signals::music;

    use super::*;

    #[test]
    fn pieces_of_any_size_give_the_figures_of_the_whole() {
        let (left, right) = (music(8000, 25.0, 0.0, 0.5), music(8000, 25.0, 0.00037, 0.5));
        let whole = lag_by_window(&left, &right, 8000, (STEP_S, WINDOW_S, MOST_MS));
        for size in [777, 8000, 90_000] {
            let mut stereo = StereoLag::new(8000);
            left.chunks(size).zip(right.chunks(size)).for_each(|(left, right)| stereo.push(left, right));
            let found = stereo.finish();
            assert_eq!(found.len(), whole.len());
            for (a, b) in found.iter().zip(&whole) {
                assert!((a.at_s - b.at_s).abs() < 1e-9 && a.lag_ms == b.lag_ms, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn the_figures_are_those_of_every_second() {
        let (left, right) = (music(48_000, 8.0, 0.0, 0.5), music(48_000, 8.0, 0.001_234, 0.5));
        let mut stereo = StereoLag::new(48_000);
        stereo.push(&left, &right);
        let windows = stereo.finish();
        for second in lag_by_second(&left, &right, 48_000) {
            let inside = windows.iter().filter(|window| window.at_s.floor() == second.second as f64);
            for window in inside {
                assert!((window.lag_ms.unwrap() - second.lag_ms.unwrap()).abs() < 0.002, "{window:?} {second:?}");
            }
        }
        let summary = summary(&windows).unwrap();
        assert!((summary.median_ms - 1.234).abs() < 0.001 && summary.drift_ms_per_h.abs() < 0.5, "{summary:?}");
    }

    #[test]
    fn silence_and_different_music_do_not_count() {
        assert_eq!(summary(&[]), None);
        let window = |lag_ms, correlation| WindowLag { at_s: 1.0, lag_ms, correlation };
        assert_eq!(summary(&[window(None, 0.0), window(Some(3.0), 0.2)]), None);
        let some = summary(&[window(None, 0.0), window(Some(3.0), 0.2), window(Some(0.5), 0.99)]).unwrap();
        assert_eq!((some.windows, some.silent, some.unlike, some.median_ms), (3, 1, 1, 0.5));
    }
}
