//! What a simulated ride was like in figures: how far apart two boxes are heard, what that comes
//! from, and whether the boxes knew how far off they were.

mod agreement;
mod figures;
mod text;

use jaudiosync_time::Span;
use serde::Serialize;

use self::agreement::agreement;
use self::figures::{Figures, figures, hours_of, percentile};
use super::sample::{BoxSample, TimeState};
use super::scenario::{Policy, Scenario};

pub use agreement::Agreement;
pub use text::{line, table};

/// Nanoseconds of a millisecond.
const NS_PER_MS: f64 = 1e6;

/// A ride in figures. The fields' names, and their units, are the JSON's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Which program ran.
    pub policy: Policy,
    /// Boxes.
    pub boxes: usize,
    /// Length of the ride.
    pub hours: f64,
    /// Two boxes against each other at the DAC, over the whole ride; `None` where no two were heard
    /// at once.
    pub pairs: Option<PairSpan>,
    /// The same, hour by hour.
    pub pairs_by_hour: Vec<PairSpan>,
    /// The same, in the stretches that the scenario names.
    pub pairs_by_window: Vec<PairSpan>,
    /// Where the errors come from.
    pub shares: Vec<Share>,
    /// Whether the stated bounds held; `None` where none was stated.
    pub bounds: Option<Bounds>,
    /// The same, hour by hour.
    pub bounds_by_hour: Vec<Bounds>,
    /// Whether what the boxes stated of each other held; `None` where nothing was stated.
    pub agreement: Option<Agreement>,
    /// Steps of timescales while music played in sync, of all boxes: there should be none.
    pub steps: usize,
    /// Each box.
    pub by_box: Vec<BoxFigures>,
}

/// Pairs of boxes over a stretch of the ride.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairSpan {
    /// From here, in hours since the ride began.
    pub from_hours: f64,
    /// To here.
    pub to_hours: f64,
    /// The pair with the largest 99th percentile.
    pub worst_pair: Pair,
    /// The pair whose 99th percentile is the median of all pairs.
    pub median_pair: Pair,
    /// The largest error of any pair at any time, in ms.
    pub max_ms: f64,
}

/// How far apart two boxes are heard: percentiles over time of the absolute difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pair {
    /// The boxes, counted from 1.
    pub boxes: [usize; 2],
    /// Median, in ms.
    pub p50_ms: f64,
    /// 99th percentile, in ms.
    pub p99_ms: f64,
    /// Largest, in ms.
    pub max_ms: f64,
    /// Seconds in which both were heard.
    pub samples: usize,
}

/// Where an error comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The RTC, and what its calibration does not know.
    Rtc,
    /// Finding the edges, and smoothing them into the timescale.
    Edge,
    /// The timescale as a whole: the RTC and the edge.
    Timescale,
    /// What the phase lock has left.
    Servo,
    /// What is not known of when frames are heard.
    DacClock,
    /// All together: what is heard.
    Heard,
}

/// One part's share, over all boxes and the whole ride.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The part.
    pub part: Part,
    /// Median of the absolute error against UTC, in ms.
    pub p50_ms: f64,
    /// 99th percentile, in ms.
    pub p99_ms: f64,
    /// Largest, in ms.
    pub max_ms: f64,
    /// 99th percentile of the absolute difference between two boxes, of the pair where it is
    /// largest, in ms: what all boxes have in common nobody hears.
    pub worst_pair_p99_ms: Option<f64>,
}

/// Whether the bounds that the boxes stated held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    /// From here, in hours since the ride began.
    pub from_hours: f64,
    /// To here.
    pub to_hours: f64,
    /// Seconds, of all boxes, in which a bound was stated.
    pub samples: usize,
    /// The part of them in which the true error lay within the bound, 0 to 1.
    pub covered: f64,
    /// Median of the bounds, in ms.
    pub median_bound_ms: f64,
    /// 95th percentile of the bounds, in ms.
    pub p95_bound_ms: f64,
    /// 95th percentile of the true error of the timescale, in ms.
    pub p95_error_ms: f64,
    /// The median bound as a multiple of the true error's 95th percentile.
    pub bound_to_p95_error: Option<f64>,
}

/// One box over the ride.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BoxFigures {
    /// The box, counted from 1.
    pub number: usize,
    /// Median of what is heard against the timetable; positive is late. In ms.
    pub median_error_ms: Option<f64>,
    /// 99th percentile of its absolute value, in ms.
    pub p99_ms: Option<f64>,
    /// Largest, in ms.
    pub max_ms: Option<f64>,
    /// Seconds in which it was heard.
    pub heard_s: usize,
    /// Seconds in which it was on and said that it has no trustworthy time.
    pub unset_s: usize,
}

/// Returns the field of a sample that a part is, in ns.
fn error_of(part: Part, sample: &BoxSample) -> Option<f64> {
    match part {
        Part::Rtc => sample.rtc_error.map(Span::ns_f64),
        Part::Edge => sample.edge_error.map(Span::ns_f64),
        Part::Timescale => sample.timescale_error.map(Span::ns_f64),
        Part::Servo => sample.servo_error_ns_f64,
        Part::DacClock => sample.dac_clock_error.map(Span::ns_f64),
        Part::Heard => sample.dac_error_ns_f64,
    }
}

impl Report {
    /// The figures of a ride: `fleet` has, for each box, one sample for each second of the ride,
    /// all on the same grid. A second in which a box states that it has no trustworthy time counts
    /// among what is heard, but not among bounds.
    pub fn new(scenario: &Scenario, name: &str, seed: u64, fleet: &[Vec<BoxSample>]) -> Self {
        let seconds = fleet.iter().map(Vec::len).min().unwrap_or(0);
        let whole = 0..seconds;
        let hours = hours_of(seconds);
        let second = |minutes: f64| (minutes * 60.0) as usize;
        let windows = scenario.windows_minutes.iter().map(|[from, to]| second(*from)..second(*to).min(seconds));
        const PARTS: [Part; 6] = [Part::Rtc, Part::Edge, Part::Timescale, Part::Servo, Part::DacClock, Part::Heard];
        Self {
            scenario: name.to_owned(),
            seed,
            policy: scenario.policy,
            boxes: fleet.len(),
            hours: scenario.hours,
            pairs: pair_span(fleet, whole.clone(), Part::Heard),
            pairs_by_hour: hours.iter().filter_map(|hour| pair_span(fleet, hour.clone(), Part::Heard)).collect(),
            pairs_by_window: windows.filter_map(|window| pair_span(fleet, window, Part::Heard)).collect(),
            shares: PARTS.into_iter().filter_map(|part| share(fleet, whole.clone(), part)).collect(),
            bounds: bounds(fleet, whole.clone()),
            agreement: agreement(fleet, whole),
            steps: fleet.iter().flatten().filter(|sample| sample.stepped.is_some()).count(),
            bounds_by_hour: hours.into_iter().filter_map(|hour| bounds(fleet, hour)).collect(),
            by_box: fleet.iter().enumerate().map(|(index, samples)| box_figures(index, samples)).collect(),
        }
    }
}

type Seconds = std::ops::Range<usize>;

fn within(samples: &[BoxSample], seconds: Seconds) -> &[BoxSample] {
    samples.get(seconds).unwrap_or_default()
}

fn to_hours(seconds: usize) -> f64 {
    seconds as f64 / 3600.0
}

fn pairs_of(fleet: &[Vec<BoxSample>], seconds: Seconds, part: Part) -> Vec<Pair> {
    // Once for each box and not once for each pair.
    let errors: Vec<Vec<f64>> = fleet
        .iter()
        .map(|samples| {
            let all = within(samples, seconds.clone()).iter();
            all.map(|sample| error_of(part, sample).unwrap_or(f64::NAN)).collect()
        })
        .collect();
    let mut pairs = Vec::new();
    for (first, of_first) in errors.iter().enumerate() {
        for (second, of_second) in errors.iter().enumerate().skip(first + 1) {
            let apart = of_first.iter().zip(of_second).map(|(a, b)| (a - b).abs()).filter(|apart| !apart.is_nan());
            let apart: Vec<f64> = apart.collect();
            let samples = apart.len();
            if let Some(Figures { p50_ms, p99_ms, max_ms }) = figures(apart) {
                pairs.push(Pair { boxes: [first + 1, second + 1], p50_ms, p99_ms, max_ms, samples });
            }
        }
    }
    pairs.sort_by(|a, b| a.p99_ms.total_cmp(&b.p99_ms));
    pairs
}

fn pair_span(fleet: &[Vec<BoxSample>], seconds: Seconds, part: Part) -> Option<PairSpan> {
    let pairs = pairs_of(fleet, seconds.clone(), part);
    Some(PairSpan {
        from_hours: to_hours(seconds.start),
        to_hours: to_hours(seconds.end),
        worst_pair: *pairs.last()?,
        median_pair: *pairs.get(pairs.len() / 2)?,
        max_ms: pairs.iter().fold(0.0, |most, pair| pair.max_ms.max(most)),
    })
}

fn share(fleet: &[Vec<BoxSample>], seconds: Seconds, part: Part) -> Option<Share> {
    let all = fleet.iter().flat_map(|samples| within(samples, seconds.clone()));
    let Figures { p50_ms, p99_ms, max_ms } =
        figures(all.filter_map(|sample| error_of(part, sample)).map(f64::abs).collect())?;
    let worst_pair_p99_ms = pair_span(fleet, seconds, part).map(|span| span.worst_pair.p99_ms);
    Some(Share { part, p50_ms, p99_ms, max_ms, worst_pair_p99_ms })
}

fn bounds(fleet: &[Vec<BoxSample>], seconds: Seconds) -> Option<Bounds> {
    let all = fleet.iter().flat_map(|samples| within(samples, seconds.clone()));
    let stated = all.filter(|sample| !matches!(sample.state, TimeState::Off | TimeState::Unset));
    let (mut errors, mut bounds): (Vec<f64>, Vec<f64>) = stated
        .filter_map(|sample| Some((sample.timescale_error?.abs().ns_f64(), sample.stated_bound?.ns_f64())))
        .unzip();
    let samples = bounds.len();
    let covered = errors.iter().zip(&bounds).filter(|(error, bound)| error <= bound).count();
    let median_bound_ms = percentile(&mut bounds, 0.5)? / NS_PER_MS;
    let p95_error_ms = percentile(&mut errors, 0.95)? / NS_PER_MS;
    Some(Bounds {
        from_hours: to_hours(seconds.start),
        to_hours: to_hours(seconds.end),
        samples,
        covered: covered as f64 / samples as f64,
        median_bound_ms,
        p95_bound_ms: percentile(&mut bounds, 0.95)? / NS_PER_MS,
        p95_error_ms,
        bound_to_p95_error: (p95_error_ms > 0.0).then(|| median_bound_ms / p95_error_ms),
    })
}

fn box_figures(index: usize, samples: &[BoxSample]) -> BoxFigures {
    let mut errors: Vec<f64> = samples.iter().filter_map(|sample| sample.dac_error_ns_f64).collect();
    let heard_s = errors.len();
    let median_error_ms = percentile(&mut errors, 0.5).map(|error_ns_f64| error_ns_f64 / NS_PER_MS);
    let absolute = figures(errors.into_iter().map(f64::abs).collect());
    BoxFigures {
        number: index + 1,
        median_error_ms,
        p99_ms: absolute.map(|figures| figures.p99_ms),
        max_ms: absolute.map(|figures| figures.max_ms),
        heard_s,
        unset_s: samples.iter().filter(|sample| sample.state == TimeState::Unset).count(),
    }
}

#[cfg(test)]
mod tests;
