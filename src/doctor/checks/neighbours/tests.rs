use super::super::super::Level;
use super::*;

fn neighbour(name: &str) -> NeighbourStatus {
    NeighbourStatus {
        name: name.to_owned(),
        hears_this: true,
        in_group: true,
        round_trip_ms: Some(3.2),
        same_playlist: Some(true),
        same_timetable: Some(true),
        ..NeighbourStatus::default()
    }
}

fn ride(neighbours: Vec<NeighbourStatus>) -> RideStatus {
    RideStatus {
        name: "bike-1".to_owned(),
        role: RideRole::Follows,
        leader: Some("bike-2".to_owned()),
        interfaces: vec!["wlan0 (10.42.0.7)".to_owned()],
        neighbours,
        ..RideStatus::default()
    }
}

/// Returns the only warning among the findings: text and advice.
#[track_caller]
fn warning(ride: &RideStatus) -> (String, String) {
    let findings = neighbours(ride);
    let mut warnings = findings.iter().filter(|finding| finding.level == Level::Warning);
    let (Some(one), None) = (warnings.next(), warnings.next()) else { panic!("{findings:#?}") };
    (one.text.clone(), one.advice.clone().unwrap())
}

#[test]
fn boxes_that_hear_each_other_well_are_named() {
    let far = NeighbourStatus { round_trip_ms: Some(8.25), ..neighbour("bike-3") };
    let findings = neighbours(&ride(vec![neighbour("bike-2"), far]));
    let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
    assert_eq!(texts, ["2 boxes heard: bike-2, bike-3; this box follows bike-2", "round trips of 3.2 to 8.2 ms"]);
    assert!(findings.iter().all(|finding| finding.level == Level::Good));
    let one = neighbours(&ride(vec![neighbour("bike-2")]));
    assert!(one[0].text.starts_with("1 box heard: bike-2;"), "{one:?}");
}

#[test]
fn that_nobody_is_heard_has_causes_that_are_said_where_there_is_a_network() {
    let (text, advice) = warning(&ride(vec![]));
    assert_eq!(text, "no other box is heard on wlan0 (10.42.0.7)");
    for cause in ["same key", "client isolation", "multicast", "ride.neighbours"] {
        assert!(advice.contains(cause), "no {cause:?} in {advice}");
    }
    let other_key = RefusedStatus { signature: 3, ..RefusedStatus::default() };
    let (text, advice) = warning(&RideStatus { refused: other_key, ..ride(vec![]) });
    assert!(text.contains("another signature") && advice.contains("--ride-key"), "{text}: {advice}");
    assert_eq!(neighbours(&RideStatus { interfaces: vec![], ..ride(vec![]) }), []);
}

#[test]
fn a_slow_way_and_one_that_goes_only_in_one_direction_are_named_with_what_to_do() {
    let slow = NeighbourStatus { round_trip_ms: Some(55.0), ..neighbour("bike-3") };
    let (text, advice) = warning(&ride(vec![neighbour("bike-2"), slow]));
    assert!(text.ends_with("bike-3 (55 ms)") && advice.contains("power saving"), "{text}: {advice}");
    let deaf = NeighbourStatus { hears_this: false, round_trip_ms: None, ..neighbour("bike-3") };
    let (text, advice) = warning(&ride(vec![neighbour("bike-2"), deaf]));
    assert!(text.contains("bike-3: heard, but does not hear this box"), "{text}");
    assert!(advice.contains("client isolation"), "{advice}");
    let unicast = NeighbourStatus { unicast_only: true, ..neighbour("bike-3") };
    let (text, advice) = warning(&ride(vec![unicast]));
    assert!(text.contains("what bike-3 sends to all") && advice.contains("multicast"), "{text}: {advice}");
}

#[test]
fn what_boxes_play_and_are_called_must_be_alike_and_different() {
    let other = NeighbourStatus { same_playlist: Some(false), same_timetable: Some(false), ..neighbour("bike-3") };
    let (text, advice) = warning(&ride(vec![neighbour("bike-2"), other]));
    assert!(text.contains("another playlist") && text.ends_with("bike-3") && advice.contains("--music"), "{text}");
    let alone = NeighbourStatus { same_timetable: Some(false), ..neighbour("bike-3") };
    let (text, advice) = warning(&ride(vec![alone]));
    assert!(text.contains("another timetable") && advice.contains("Start"), "{text}: {advice}");
    let (text, advice) = warning(&ride(vec![neighbour("bike-1")]));
    assert!(text.contains("two boxes are called bike-1") && advice.contains("--ride-name"), "{text}: {advice}");
    let broken = NeighbourStatus { warnings: vec!["no sound card".to_owned()], ..neighbour("bike-3") };
    assert!(warning(&ride(vec![broken])).0.contains("bike-3 says of itself: no sound card"));
}

#[test]
fn a_contradiction_on_utc_is_named_on_both_sides() {
    let wrong = |utc_standing| ride(vec![NeighbourStatus { utc_standing, ..neighbour("bike-3") }]);
    assert!(warning(&wrong(UtcStanding::Contradicted)).0.contains("bike-3 and this box contradict each other"));
    assert!(warning(&wrong(UtcStanding::Excluded)).0.contains("bike-3 gives a UTC that most others exclude"));
    let (text, advice) = warning(&RideStatus { excluded: true, ..ride(vec![neighbour("bike-2")]) });
    assert!(text.contains("another UTC than this box's own") && advice.contains("jaudiosync time"), "{text}: {advice}");
}

#[test]
fn messages_that_are_not_believed_are_counted_with_what_they_mean() {
    let refused = |refused| RideStatus { refused, ..ride(vec![neighbour("bike-2")]) };
    let none = RefusedStatus::default();
    let (text, advice) = warning(&refused(RefusedStatus { version: 1, ..none }));
    assert!(text.starts_with("1 message of another version") && advice.contains("same version"), "{text}: {advice}");
    let (text, advice) = warning(&refused(RefusedStatus { signature: MANY_SIGNATURES, ..none }));
    assert!(text.contains("another key") && advice.contains("--ride-key"), "{text}: {advice}");
    assert!(warning(&refused(RefusedStatus { flood: MANY_AT_ONCE, ..none })).0.contains("too many at once"));
    let few = RefusedStatus { signature: 5, flood: 20, old: 3, foreign: 100, ..none };
    assert!(neighbours(&refused(few)).iter().all(|finding| finding.level == Level::Good));
    let (text, _) = warning(&RideStatus { trouble: Some("eth0: no route".to_owned()), ..ride(vec![neighbour("b")]) });
    assert!(text.contains("eth0: no route"), "{text}");
}
