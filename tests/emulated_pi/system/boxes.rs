//! The boxes of a ride, made by one command: each is a box of its own, and they are one ride.

use std::collections::BTreeSet;
use std::thread;

use jaudiosync::control::protocol::{NeighbourStatus, PlayState, PlayStatus, RideRole};

use super::cards::{Desk, set_up};
use crate::installed::boot;
use crate::machine::{BoxTime, Fitted, Machine, Network, Segment, SwitchedOff};
use crate::service::Service;

const NAMES: [&str; 3] = ["bike-1", "bike-2", "bike-3"];

/// What a box says of itself.
#[derive(Debug)]
struct Identity {
    name: String,
    fingerprint: String,
    /// The digest of the ride's key, and who may read that.
    ride_key: String,
    machine_id: String,
    /// The digest of what ssh knows it by.
    ssh_key: String,
}

impl Identity {
    fn of(machine: &mut Machine, service: &Service) -> Self {
        let playlist = service.wait_until(machine, "with its playlist", |status| status.playlist.is_some()).playlist;
        let mut says = |command: &str| machine.run(command).stdout.trim().to_owned();
        let identity = Self {
            name: says("hostname"),
            fingerprint: playlist.expect("a playlist").fingerprint,
            ride_key: says("sha256sum </etc/jaudiosync/ride.key; stat -c '%a %U:%G' /etc/jaudiosync/ride.key"),
            machine_id: says("cat /etc/machine-id"),
            // It makes its keys before it starts.
            ssh_key: says("systemctl start ssh.service && sha256sum </etc/ssh/ssh_host_ed25519_key.pub"),
        };
        println!("{identity:#?}");
        let listed = says("jaudiosync list --json");
        assert!(listed.contains(&identity.fingerprint), "{listed}");
        identity
    }
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn three_boxes_made_by_one_command_are_one_ride() {
    let desk = Desk::new();
    desk.make_ride_key("ride.key");
    let cards = desk.flash_boxes(NAMES, &["--boxes", "bike-1..bike-3", "--ride-key", "ride.key"]);
    // Each has a time of its own: they disturb each other only in ours.
    let [one, two, three] = thread::scope(|scope| {
        cards.map(|card| scope.spawn(|| set_up(card))).map(|box_| box_.join().expect("a box that sets itself up"))
    });

    let segment = Segment::new();
    let (mut one, service_one) = on(&segment, 1, one);
    let (mut two, service_two) = on(&segment, 2, two);
    let mut identities = vec![Identity::of(&mut one, &service_one), Identity::of(&mut two, &service_two)];
    hear_each_other((&mut one, &service_one), (&mut two, &service_two));

    // The first begins afresh, and the second with it; the second stops, and so does the first.
    command(&mut one, "start --fresh");
    let [first, second] = [(&mut one, &service_one), (&mut two, &service_two)].map(|(machine, service)| {
        service.wait_until(machine, "on a timetable", |status| status.play.anchor_utc_s.is_some()).play
    });
    println!("bike-1: {first:#?}\nbike-2: {second:#?}");
    assert_eq!(anchor(&first), anchor(&second));
    assert!(first.commanded_utc_s.is_some() && first.commanded_utc_s == second.commanded_utc_s);
    command(&mut two, "stop");
    let [first, second] = [(&mut one, &service_one), (&mut two, &service_two)].map(|(machine, service)| {
        service.wait_until(machine, "stopped", |status| status.play.state == PlayState::Stopped).play
    });
    assert!(first.commanded_to_stop && second.commanded_to_stop, "{first:#?} {second:#?}");
    assert_eq!(first.commanded_utc_s, second.commanded_utc_s);
    for (machine, service) in [(&mut one, &service_one), (&mut two, &service_two)] {
        println!("{}\n{}", machine.run("jaudiosync ride").stdout, service.log(machine));
    }
    drop((one, two));

    let mut three = boot(three, Fitted::NOTHING);
    let service = Service::of_system(&mut three);
    identities.push(Identity::of(&mut three, &service));
    assert_eq!(identities.iter().map(|identity| identity.name.as_str()).collect::<Vec<_>>(), NAMES);
    let different = |what: fn(&Identity) -> &str| identities.iter().map(what).collect::<BTreeSet<_>>().len();
    assert_eq!(different(|identity| &identity.fingerprint), 1);
    assert_eq!(different(|identity| &identity.ride_key), 1);
    assert_eq!(different(|identity| &identity.machine_id), 3);
    assert_eq!(different(|identity| &identity.ssh_key), 3);
    assert!(identities[0].ride_key.ends_with("640 root:jaudiosync"), "{:?}", identities[0]);
}

/// Switches a box on that is on a segment, by this machine's time.
fn on(segment: &Segment, station: u8, off: SwitchedOff) -> (Machine, Service) {
    let network = Some(Network::Segment(segment, station));
    let time = BoxTime::ThisMachines { rtc_ahead_s: 0 };
    let mut machine = boot(off, Fitted { network, time, ..Fitted::NOTHING });
    let service = Service::of_system(&mut machine);
    (machine, service)
}

/// Waits until each of two boxes hears the other, and one follows the other.
fn hear_each_other((one, service_one): (&mut Machine, &Service), (two, service_two): (&mut Machine, &Service)) {
    let mut heard = [None, None];
    for (number, (machine, service, other)) in
        [(one, service_one, NAMES[1]), (two, service_two, NAMES[0])].into_iter().enumerate()
    {
        let is_heard =
            |neighbour: &NeighbourStatus| neighbour.name == other && neighbour.hears_this && neighbour.in_group;
        let status = service.wait_until(machine, "in a group with the other", |status| {
            status.ride.as_ref().is_some_and(|ride| ride.neighbours.iter().any(is_heard))
        });
        heard[number] = status.ride;
        println!("{}", machine.run("jaudiosync ride").stdout);
    }
    let [Some(one), Some(two)] = heard else { panic!("they are in no ride") };
    println!("{one:#?}\n{two:#?}");
    for ride in [&one, &two] {
        let neighbour = &ride.neighbours[0];
        assert_eq!((ride.neighbours.len(), neighbour.same_playlist), (1, Some(true)), "{ride:#?}");
        assert!(!neighbour.unicast_only, "nothing is heard of what is sent to all: {ride:#?}");
        let (ahead_ms, bound_ms) = (neighbour.ahead_ms.expect("compared"), neighbour.ahead_bound_ms.expect("compared"));
        // Both go by this machine's clock, and it is its load that they measure.
        assert!(ahead_ms.abs() <= bound_ms + 2.0, "{ride:#?}");
    }
    assert_eq!(one.leader, two.leader);
    let mut roles = [one.role, two.role];
    roles.sort_by_key(|role| *role != RideRole::Leads);
    assert_eq!(roles, [RideRole::Leads, RideRole::Follows]);
}

/// Gives a command to the ride, which all boxes must do.
fn command(machine: &mut Machine, command: &str) {
    let answer = machine.run(&format!("jaudiosync ride {command}"));
    println!("ride {command}:\n{}", answer.stdout);
    assert!(["bike-1", "bike-2"].iter().all(|name| answer.stdout.contains(name)), "{answer:?}");
}

/// Returns with what a timetable began, and when.
fn anchor(play: &PlayStatus) -> (Option<i64>, Option<usize>) {
    (play.anchor_utc_s, play.first_track)
}
