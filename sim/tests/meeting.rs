//! Boxes that meet agree on one time, keep it when they part, and state how far apart they can be:
//! one short ride of each scenario here, twenty whole ones by `jaudiosync-sim simulate --seeds 20`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jaudiosync_sim::fleet::{make_policy, run_fleet};
use jaudiosync_sim::report::Report;
use jaudiosync_sim::scenario::{ContactWindow, Event, Scenario, load};

/// What is asked of bounds.
const COVERED: f64 = 0.999;

/// Runs a scenario and checks what holds of all of them: no step while music plays, and bounds that
/// cover the errors.
fn run(scenario: &Scenario, name: &str, seed: u64) -> Report {
    let fleet = run_fleet(scenario, seed, &make_policy, &|_| {}).unwrap();
    let report = Report::new(scenario, name, seed, &fleet);
    let (bounds, agreement) = (report.bounds.unwrap(), report.agreement.unwrap());
    let apart_ms: Vec<f64> = report.pairs_by_window.iter().map(|window| window.worst_pair.p99_ms).collect();
    println!(
        "{name}, seed {seed}: worst pair, p99 {apart_ms:.3?} ms; bound held {:.3} %, agreement {:.3} %; {} steps",
        bounds.covered * 100.0,
        agreement.covered * 100.0,
        report.steps
    );
    assert_eq!(report.steps, 0, "{name}: steps while music plays");
    assert!(bounds.covered >= COVERED, "{name}: bound held {}", bounds.covered);
    assert!(agreement.covered >= COVERED, "{name}: agreement held {}", agreement.covered);
    report
}

/// Checks the p99 of the worst pair in every stretch that the scenario names, in ms.
fn assert_apart(report: &Report, most_ms: &[f64]) {
    assert_eq!(report.pairs_by_window.len(), most_ms.len());
    for (window, most_ms) in report.pairs_by_window.iter().zip(most_ms) {
        let p99_ms = window.worst_pair.p99_ms;
        assert!(p99_ms <= *most_ms, "{} from hour {}: {p99_ms} ms", report.scenario, window.from_hours);
    }
}

fn together(minutes: [f64; 2], boxes: &[usize]) -> ContactWindow {
    ContactWindow { minutes, boxes: boxes.to_vec(), deaf: Vec::new() }
}

/// A scenario with fewer boxes, for fewer minutes, and with other stretches and contacts.
fn short(name: &str, boxes: usize, windows_minutes: &[[f64; 2]], contacts: Vec<ContactWindow>) -> Scenario {
    let mut scenario = load(name).unwrap();
    scenario.hours = windows_minutes.last().unwrap()[1] / 60.0;
    scenario.boxes = boxes;
    scenario.windows_minutes = windows_minutes.to_vec();
    scenario.air.contacts = contacts;
    scenario
}

#[test]
fn boxes_that_were_together_for_half_an_hour_are_close_an_hour_later() {
    let contacts = vec![together([-1.0, 30.0], &[])];
    let scenario = short("homes-then-meet", 5, &[[1.0, 30.0], [85.0, 90.0]], contacts);
    assert_apart(&run(&scenario, "homes-then-meet", 1), &[0.15, 0.5]);
}

#[test]
fn boxes_that_were_never_calibrated_agree_from_the_second_minute_on() {
    let contacts = vec![together([-1.0, 10.0], &[]), together([20.0, 21.0], &[])];
    let scenario = short("fresh-from-the-shop", 4, &[[1.0, 30.0]], contacts);
    assert_apart(&run(&scenario, "fresh-from-the-shop", 2), &[0.5]);
}

#[test]
fn boxes_that_are_in_reach_half_of_the_time_stay_together() {
    let scenario = short("ride-together", 5, &[[1.0, 40.0]], Vec::new());
    assert_apart(&run(&scenario, "ride-together", 3), &[0.3]);
}

#[test]
fn nothing_jumps_when_a_box_with_gps_rides_up() {
    let mut scenario = short("gps-joins", 4, &[[1.0, 10.0], [10.0, 25.0]], vec![together([-1.0, 25.0], &[])]);
    for event in &mut scenario.events {
        if let Event::ReferenceComes { at_minutes, .. } = event {
            *at_minutes = 10.0;
        }
    }
    assert_apart(&run(&scenario, "gps-joins", 4), &[0.15, 0.15]);
}

#[test]
fn nothing_jumps_when_the_leader_rides_away_and_comes_back() {
    let contacts = vec![together([-1.0, 10.0], &[]), together([10.0, 25.0], &[2, 3, 4]), together([25.0, 35.0], &[])];
    let scenario = short("leader-leaves", 4, &[[1.0, 10.0], [10.0, 25.0], [25.0, 35.0]], contacts);
    assert_apart(&run(&scenario, "leader-leaves", 5), &[0.15, 0.3, 0.3]);
}

#[test]
fn two_groups_that_meet_become_one() {
    let contacts = vec![together([-1.0, 10.0], &[1, 2]), together([-1.0, 10.0], &[3, 4]), together([10.0, 30.0], &[])];
    let scenario = short("groups-merge", 4, &[[20.0, 30.0]], contacts);
    assert_apart(&run(&scenario, "groups-merge", 6), &[0.15]);
}

#[test]
fn a_box_that_lies_pulls_nobody_and_what_it_states_is_not_repeated() {
    let mut scenario = short("liar", 5, &[[1.0, 10.0], [10.0, 15.0]], vec![together([-1.0, 15.0], &[])]);
    for seed in [1, 2] {
        for number in [1, 3] {
            scenario.events = vec![Event::NeighbourLies { at_minutes: 10.0, number, by_ms: 300.0, for_minutes: 5.0 }];
            assert_apart(&run(&scenario, "liar", seed), &[0.15, 0.15]);
        }
    }
}

#[test]
fn halves_of_a_group_find_together_again() {
    let contacts = vec![
        together([-1.0, 10.0], &[]),
        together([10.0, 25.0], &[1, 2]),
        together([10.0, 25.0], &[3, 4]),
        together([25.0, 35.0], &[]),
    ];
    let scenario = short("partition", 4, &[[1.0, 10.0], [10.0, 25.0], [26.0, 35.0]], contacts);
    assert_apart(&run(&scenario, "partition", 7), &[0.15, 0.3, 0.3]);
}

#[test]
fn two_boxes_that_only_hear_a_third_one_agree() {
    let contacts = vec![together([-1.0, 25.0], &[1, 2]), together([-1.0, 25.0], &[2, 3])];
    let scenario = short("hidden", 3, &[[1.0, 25.0]], contacts);
    assert_apart(&run(&scenario, "hidden", 8), &[0.5]);
}

#[test]
fn a_box_that_hears_nobody_for_a_while_harms_nobody() {
    let deaf = ContactWindow { deaf: vec![2], ..together([10.0, 20.0], &[]) };
    let contacts = vec![together([-1.0, 10.0], &[]), deaf, together([20.0, 30.0], &[])];
    let scenario = short("one-way", 4, &[[1.0, 10.0], [10.0, 20.0], [21.0, 30.0]], contacts);
    assert_apart(&run(&scenario, "one-way", 9), &[0.15, 0.3, 0.3]);
}
