use fastrand::Rng;
use jaudiosync_time::Instant;

use super::*;

fn sample(second: usize, error_ns_f64: Option<f64>, bound: Span) -> BoxSample {
    let timescale_error = error_ns_f64.map(|error_ns_f64| -Span::from_ns_f64(error_ns_f64));
    let edge_error = Span::from_us(10);
    BoxSample {
        dac_error_ns_f64: error_ns_f64,
        timescale_error,
        rtc_error: timescale_error.map(|error| error - edge_error),
        edge_error: Some(edge_error),
        stated_bound: Some(bound),
        stated_agreement: Some(bound),
        group: None,
        stepped: None,
        state: TimeState::Holdover,
        ..BoxSample::off(Instant::from_second(second as i64), 20.0)
    }
}

fn random_fleet(boxes: usize, seconds: usize) -> Vec<Vec<BoxSample>> {
    let mut random = Rng::with_seed(11);
    (0..boxes)
        .map(|index| {
            (0..seconds)
                .map(|second| {
                    let heard = random.u32(0..20) > 0;
                    let error_ns_f64 = (random.f64() - 0.5) * 1e6 * (index + 1) as f64;
                    sample(second, heard.then_some(error_ns_f64), Span::MILLISECOND)
                })
                .collect()
        })
        .collect()
}

/// All pairs, all seconds, sorted: slow and plain.
fn by_brute_force(fleet: &[Vec<BoxSample>], seconds: std::ops::Range<usize>) -> Vec<(f64, [usize; 2])> {
    let mut found = Vec::new();
    for first in 0..fleet.len() {
        for second in first + 1..fleet.len() {
            let mut apart = Vec::new();
            for second_of_ride in seconds.clone() {
                let errors = [first, second].map(|index| fleet[index][second_of_ride].dac_error_ns_f64);
                if let [Some(a), Some(b)] = errors {
                    apart.push((a - b).abs() * 1e-6);
                }
            }
            apart.sort_by(f64::total_cmp);
            let rank = (apart.len() as f64 * 0.99).ceil() as usize;
            found.push((apart[rank - 1], [first + 1, second + 1]));
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found
}

#[test]
fn pairs_are_those_that_brute_force_finds() {
    let fleet = random_fleet(5, 4000);
    let report = Report::new(&Scenario::default(), "test", 1, &fleet);
    let spans = [(report.pairs.unwrap(), 0..4000), (report.pairs_by_hour[1], 3600..4000)];
    for (span, seconds) in spans {
        let expected = by_brute_force(&fleet, seconds);
        let worst = expected.last().unwrap();
        assert!((span.worst_pair.p99_ms - worst.0).abs() < 1e-9 && span.worst_pair.boxes == worst.1, "{span:?}");
        let median = expected[expected.len() / 2];
        assert!((span.median_pair.p99_ms - median.0).abs() < 1e-9 && span.median_pair.boxes == median.1);
    }
    assert_eq!(report.pairs_by_hour.len(), 2);
}

#[test]
fn what_all_boxes_have_in_common_is_not_heard_between_them() {
    let fleet: Vec<Vec<BoxSample>> =
        (0..3).map(|_| (0..100).map(|s| sample(s, Some(5e6), Span::from_ms(6))).collect()).collect();
    let report = Report::new(&Scenario::default(), "test", 1, &fleet);
    assert_eq!(report.pairs.unwrap().max_ms, 0.0);
    let heard = report.shares.iter().find(|share| share.part == Part::Heard).unwrap();
    assert_eq!((heard.p99_ms, heard.worst_pair_p99_ms), (5.0, Some(0.0)));
    assert!(report.shares.iter().all(|share| share.part != Part::Servo), "nothing is known of it");
    assert_eq!(report.by_box[0].median_error_ms, Some(5.0));
}

#[test]
fn bounds_that_do_not_hold_are_counted() {
    let samples: Vec<BoxSample> =
        (0..1000).map(|second| sample(second, Some(second as f64 * 1e3), Span::from_ns(899_999))).collect();
    let report = Report::new(&Scenario::default(), "test", 1, &[samples]);
    let bounds = report.bounds.unwrap();
    assert_eq!((bounds.samples, bounds.covered), (1000, 0.9));
    assert!((bounds.p95_error_ms - 0.949).abs() < 1e-9 && (bounds.median_bound_ms - 0.9).abs() < 1e-5);
    assert!(report.pairs.is_none(), "one box has no other");
}

#[test]
fn a_box_that_says_it_has_no_time_states_no_bound() {
    let mut samples: Vec<BoxSample> = (0..10).map(|second| sample(second, Some(1e9), Span::from_ns(1))).collect();
    for sample in &mut samples {
        sample.state = TimeState::Unset;
    }
    let report = Report::new(&Scenario::default(), "test", 1, &[samples]);
    assert!(report.bounds.is_none());
    assert_eq!((report.by_box[0].unset_s, report.by_box[0].heard_s), (10, 10));
}

#[test]
fn text_and_json_hold_the_figures() {
    let report = Report::new(&Scenario::default(), "ride", 42, &random_fleet(3, 100));
    let text = table(&report);
    for part in ["ride: 3 boxes, 4 h, seed 42", "whole ride", "heard (all)", "bound, median", "worst pair"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["pairs"]["worst_pair"]["boxes"].as_array().unwrap().len(), 2);
    assert!(json["pairs"]["worst_pair"]["p99_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(json["shares"][0]["part"], "rtc");
    assert_eq!(json["policy"], "jaudiosync");
    assert!(line(&report).starts_with("seed   42: worst pair p99"), "{}", line(&report));
    // Nothing was heard, and nobody was on.
    let silent: Vec<Vec<BoxSample>> =
        vec![(0..5).map(|second| BoxSample::off(Instant::from_second(second), 0.0)).collect(); 2];
    assert!(table(&Report::new(&Scenario::default(), "ride", 1, &silent)).contains("no two boxes"));
    assert!(table(&Report::new(&Scenario::default(), "ride", 1, &[])).contains("0 boxes"));
}
