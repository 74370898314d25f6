//! The air between boxes, on virtual wires: network namespaces with virtual cables between them.
//! Skipped, with a word, where namespaces cannot be made.
//!
//! Each test runs itself again as root of a user namespace of its own, with a network of its own,
//! and there steps from one box's namespace into the other's.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::File;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jaudiosync::ride::air::{Air, AirConfig, Heard, To, probe};
use jaudiosync::ride::key::RideKey;
use jaudiosync::ride::message::{BoxId, Content, Message, Question, RunId, open, seal};
use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_time::{Instant, Raw, Span};
use nix::sched::{CloneFlags, setns, unshare};
use rustix::time::{ClockId, clock_gettime};

/// Set for the inner run.
const INSIDE: &str = "JAUDIOSYNC_TEST_INSIDE";

const PORT: u16 = 7483;
const CONFIG: AirConfig = AirConfig { port: PORT, neighbours: Vec::new() };

/// Runs `inside` in a network of its own, in another process; or says that it cannot.
#[track_caller]
fn in_a_network_of_its_own(test: &str, inside: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let isolated = ["--user", "--map-root-user", "--net", "--mount"];
    let can = |words: &[&str]| Command::new("unshare").args(isolated).args(words).output();
    if !can(&["ip", "link", "add", "jas0", "type", "veth"]).is_ok_and(|done| done.status.success()) {
        println!("SKIPPED: {test}: network namespaces or veth cannot be made here");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(isolated).arg(program).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let done = command.output().unwrap();
    let (printed, complained) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && printed.contains("1 passed"), "{printed}{complained}");
    print!("{printed}");
}

/// The network namespace of a box.
struct Place(File);

impl Place {
    /// Makes a new one, and stays in it.
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip("link set lo up");
        Self(File::open("/proc/thread-self/ns/net").unwrap())
    }

    /// Steps into it: what this thread does with the network from now on happens there.
    fn enter(&self) {
        setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
    }
}

/// Runs `ip` in the present namespace.
#[track_caller]
fn ip(words: &str) {
    let done = Command::new("ip").args(words.split_whitespace()).output().unwrap();
    assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Lays a wire from the first to the second, with the addresses `10.9.NET.1` and `10.9.NET.2`. Stays
/// in the second.
fn lay_wire(one: &Place, other: &Place, net: u8) {
    // The other end is moved by a process that lives there.
    one.enter();
    let holder = Command::new("sleep").arg("60").spawn();
    other.enter();
    let mut holder_of_other = Command::new("sleep").arg("60").spawn().unwrap();
    one.enter();
    ip(&format!("link add wire{net} type veth peer name wire{net} netns {}", holder_of_other.id()));
    ip(&format!("addr add 10.9.{net}.1/24 dev wire{net}"));
    ip(&format!("link set wire{net} up"));
    other.enter();
    ip(&format!("addr add 10.9.{net}.2/24 dev wire{net}"));
    ip(&format!("link set wire{net} up"));
    for holder in [&mut holder.unwrap(), &mut holder_of_other] {
        holder.kill().unwrap();
        holder.wait().unwrap();
    }
}

/// Two boxes, a wire between them, and an open air on both. Stays in the second.
fn two_boxes() -> [(Place, Air); 2] {
    let places = [Place::new(), Place::new()];
    lay_wire(&places[0], &places[1], 1);
    places.map(|place| {
        place.enter();
        let air = Air::open(&CONFIG, Arc::new(MachineClocks)).unwrap();
        (place, air)
    })
}

fn key() -> RideKey {
    RideKey::from_secret([7; 18])
}

fn message(nonce: u64) -> Vec<u8> {
    let content = Content::Question(Question { to: BoxId(1), nonce });
    seal(&Message { sender: BoxId(3), run: RunId(4), number: 5, content }, &key()).unwrap()
}

/// Returns the processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn now() -> Instant<Raw> {
    MachineClocks.raw()
}

/// Sends from one box to the other until it is heard; returns when it was sent.
fn until_heard(from: &mut (Place, Air), to: &mut (Place, Air), whom: To) -> (Instant<Raw>, Heard) {
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        from.0.enter();
        let sent = from.1.send(&message(1), whom);
        to.0.enter();
        let heard = to.1.recv(now() + Span::from_ms(200));
        // The receiver looks for new interfaces as it waits; so does the sender.
        from.0.enter();
        if let Some(heard) = from.1.recv(now() + Span::from_ms(10)) {
            let is_own = from.1.interfaces().iter().any(|interface| interface.address == heard.from.ip());
            assert!(!is_own, "a box hears itself: {heard:?}");
        }
        if let (Ok(sent), Some(heard)) = (sent, heard) {
            return (sent, heard);
        }
    }
    panic!("not heard: {:?} {:?}, {:?} {:?}", from.1.counts(), from.1.trouble(), to.1.counts(), to.1.interfaces());
}

#[test]
fn two_boxes_hear_each_other_by_multicast_and_one_by_one_with_exact_stamps() {
    in_a_network_of_its_own("two_boxes_hear_each_other_by_multicast_and_one_by_one_with_exact_stamps", || {
        let [mut one, mut other] = two_boxes();
        let (_, heard) = until_heard(&mut one, &mut other, To::All);
        assert_eq!(open(&heard.bytes, &key()), open(&message(1), &key()));
        assert_eq!(heard.from, "10.9.1.1:7483".parse().unwrap());
        let (_, answer) = until_heard(&mut other, &mut one, To::One(heard.from));
        assert_eq!(answer.from, "10.9.1.2:7483".parse().unwrap());
        other.1.authentic(heard.from);
        // Until the clocks have been watched for 2 s the kernel's stamps are not used.
        while !until_heard(&mut one, &mut other, To::All).1.kernel_stamped {}
        for whom in [To::All, To::One("10.9.1.2:7483".parse().unwrap())] {
            let mut delays: Vec<Span> = Vec::new();
            for _ in 0..20 {
                one.0.enter();
                let sent = one.1.send(&message(2), whom).unwrap();
                // It waits in the socket, and the stamp is that of its arrival all the same.
                std::thread::sleep(Duration::from_millis(5));
                other.0.enter();
                let heard = other.1.recv(now() + Span::from_seconds(10)).unwrap();
                assert!(heard.kernel_stamped, "{heard:?}");
                delays.push(heard.stamp - sent);
            }
            delays.sort();
            println!("from send to stamp, {whom:?}: median {:?}, largest {:?}", delays[10], delays[19]);
            assert!(delays[0] > Span::from_us(-20) && delays[10] < Span::from_ms(1), "{delays:?}");
        }
        assert_eq!(other.1.counts().flood, 0);
    });
}

#[test]
fn in_a_forged_flood_a_neighbour_is_heard_and_the_flood_is_counted() {
    in_a_network_of_its_own("in_a_forged_flood_a_neighbour_is_heard_and_the_flood_is_counted", || {
        let [mut one, mut other] = two_boxes();
        // A third address on the wire, for the one who forges.
        one.0.enter();
        ip("addr add 10.9.1.66/24 dev wire1");
        let forger = UdpSocket::bind("10.9.1.66:0").unwrap();
        let (_, heard) = until_heard(&mut one, &mut other, To::All);
        other.1.authentic(heard.from);
        let mut forged = message(9);
        *forged.last_mut().unwrap() ^= 1;
        let to: SocketAddr = "10.9.1.2:7483".parse().unwrap();
        let (mut of_neighbour, mut verified) = (0, 0);
        let before = other.1.counts();
        let mut processor = Duration::ZERO;
        // 2 s at 1,000 a second and a neighbour at 20; without waiting, so that it is a flood on a
        // slow machine, too.
        for step in 0..40 {
            one.0.enter();
            for _ in 0..50 {
                forger.send_to(&forged, to).unwrap();
            }
            one.1.send(&message(step), To::All).unwrap();
            other.0.enter();
            let begun = processor_time();
            while let Some(heard) = other.1.recv(now()) {
                match open(&heard.bytes, &key()) {
                    Ok(_) => of_neighbour += 1,
                    Err(_) => verified += 1,
                }
            }
            processor += processor_time() - begun;
        }
        let counts = other.1.counts();
        assert_eq!(of_neighbour, 40, "all of them: {counts:?}");
        let flood = counts.flood - before.flood;
        assert_eq!(flood + verified, 2_000, "{counts:?}");
        assert!(verified < 200, "{verified} signatures were verified");
        println!("of 2,000 forged datagrams {flood} were dropped early, for {:?} each", processor / 2_040);
        assert!(processor / 2_040 < Duration::from_micros(50), "{processor:?}");
    });
}

#[test]
fn an_interface_that_comes_later_or_changes_its_address_is_joined() {
    in_a_network_of_its_own("an_interface_that_comes_later_or_changes_its_address_is_joined", || {
        let places = [Place::new(), Place::new()];
        let mut boxes = places.map(|place| {
            place.enter();
            let air = Air::open(&CONFIG, Arc::new(MachineClocks)).unwrap();
            (place, air)
        });
        let error = boxes[1].1.send(&message(1), To::All).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NetworkUnreachable, "there is no interface yet");
        lay_wire(&boxes[0].0, &boxes[1].0, 2);
        let [one, other] = &mut boxes;
        assert_eq!(until_heard(one, other, To::All).1.from, "10.9.2.1:7483".parse().unwrap());
        one.0.enter();
        ip("addr flush dev wire2");
        ip("addr add 10.9.2.7/24 dev wire2");
        // Until the change is seen, it may still be sent from the address that has gone.
        let is_new = |heard: &Heard| heard.from.ip() == "10.9.2.7".parse::<IpAddr>().unwrap();
        while !is_new(&until_heard(one, other, To::All).1) {}
        // The wire goes, and another one comes by the same name.
        for _ in 0..2 {
            one.0.enter();
            ip("link del wire2");
            while !one.1.interfaces().is_empty() {
                one.1.recv(now() + Span::from_ms(200));
            }
            lay_wire(&one.0, &other.0, 2);
            until_heard(one, other, To::All);
            until_heard(other, one, To::All);
        }
        assert_eq!((one.1.interfaces().len(), one.1.trouble()), (1, None));
    });
}

#[test]
fn a_box_between_two_networks_sends_into_both() {
    in_a_network_of_its_own("a_box_between_two_networks_sends_into_both", || {
        let [one, middle, other] = [Place::new(), Place::new(), Place::new()];
        lay_wire(&one, &middle, 1);
        lay_wire(&middle, &other, 3);
        let mut boxes = [one, middle, other].map(|place| {
            place.enter();
            let air = Air::open(&CONFIG, Arc::new(MachineClocks)).unwrap();
            (place, air)
        });
        let [one, middle, other] = &mut boxes;
        assert_eq!(until_heard(middle, one, To::All).1.from, "10.9.1.2:7483".parse().unwrap());
        assert_eq!(until_heard(middle, other, To::All).1.from, "10.9.3.1:7483".parse().unwrap());
        assert_eq!(until_heard(other, middle, To::All).1.from, "10.9.3.2:7483".parse().unwrap());
        // Nothing is passed on: the group ends at the own network.
        one.0.enter();
        while one.1.recv(now() + Span::from_ms(100)).is_some() {}
        other.0.enter();
        other.1.send(&message(1), To::All).unwrap();
        one.0.enter();
        assert_eq!(one.1.recv(now() + Span::from_ms(300)), None);
        middle.0.enter();
        let probes = probe(PORT).unwrap();
        assert!(probes.len() == 2 && probes.iter().all(|probe| probe.sent.is_ok()), "{probes:?}");
    });
}

#[test]
fn a_box_is_found_by_its_configured_address_where_multicast_is_filtered() {
    in_a_network_of_its_own("a_box_is_found_by_its_configured_address_where_multicast_is_filtered", || {
        let [mut one, mut other] = two_boxes();
        one.0.enter();
        // Without the flag the interface is not used for the group.
        ip("link set wire1 multicast off");
        drop(one.1);
        let neighbours = vec!["10.9.1.2".parse().unwrap()];
        one.1 = Air::open(&AirConfig { port: PORT, neighbours }, Arc::new(MachineClocks)).unwrap();
        assert_eq!(one.1.interfaces(), []);
        let configured = one.1.configured()[0];
        let (_, heard) = until_heard(&mut one, &mut other, To::One(configured));
        assert_eq!(until_heard(&mut other, &mut one, To::One(heard.from)).1.from, "10.9.1.2:7483".parse().unwrap());
    });
}

#[test]
fn what_is_refused_is_counted_and_tried_again() {
    in_a_network_of_its_own("what_is_refused_is_counted_and_tried_again", || {
        let [mut one, mut other] = two_boxes();
        let to = To::One("10.9.1.2:7483".parse().unwrap());
        until_heard(&mut one, &mut other, to);
        one.0.enter();
        // A route that forbids it answers as a firewall does.
        ip("route add prohibit 10.9.1.2/32");
        let before = one.1.counts();
        for _ in 0..5 {
            let error = one.1.send(&message(1), to).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        }
        assert_eq!(one.1.counts().failed - before.failed, 5);
        assert!(one.1.trouble().unwrap().contains("firewall"), "{:?}", one.1.trouble());
        ip("route del prohibit 10.9.1.2/32");
        until_heard(&mut one, &mut other, to);
        assert_eq!(one.1.trouble(), None);
    });
}

#[test]
fn doctor_says_where_other_boxes_can_be_reached_if_there_is_a_key() {
    in_a_network_of_its_own("doctor_says_where_other_boxes_can_be_reached_if_there_is_a_key", || {
        let places = [Place::new(), Place::new()];
        lay_wire(&places[0], &places[1], 1);
        let folder = tempfile::tempdir().unwrap();
        let (config, key_file) = (folder.path().join("box.toml"), folder.path().join("ride.key"));
        let rest = "[time]\nrtc = \"none\"\n[board]\nkind = \"none\"\n";
        std::fs::write(&config, format!("[ride]\nkey_file = \"{}\"\n{rest}", key_file.display())).unwrap();
        let doctor = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_jaudiosync"));
            command.args(["doctor", "--json", "--config"]).arg(&config).current_dir(&folder);
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        let without = doctor();
        assert!(without.contains("it has no key") && !without.contains("wire1"), "{without}");
        std::fs::write(&key_file, key().to_string()).unwrap();
        let with = doctor();
        assert!(with.contains("other boxes can be reached through wire1 (10.9.1.2)"), "{with}");
        assert!(with.contains("ride.key") && !with.contains(&key().to_string()), "{with}");
    });
}
