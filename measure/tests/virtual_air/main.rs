//! The virtual air as programs on its stations see it: by ping, by UDP with the kernel's receive
//! stamps, and by what is left of it in /proc.
//!
//! Skipped, with a word, where there are no network namespaces or TAP devices (`rights.rs`). The
//! seed is `AIR_SEED`, or always the same; it is printed. Figures: `-- --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod figures;
mod remains;
mod rights;
mod sockets;

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use jaudiosync_measure::air::{AirModel, Delay, Link, PowerSaving, Station};
use rights::start;
use sockets::{GROUP, Received, hears, receive, send, socket};

const SECOND: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn lossless(model: AirModel) -> AirModel {
    AirModel { link: Link { loss: 0.0, group_loss: 0.0, ..model.link }, ..model }
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

/// Returns the round trips of the pings that were answered. An earlier one has found the address.
fn ping(from: &Station, to: &Station, count: u32, interval_s: &str) -> Vec<Duration> {
    let run = |count: &str| {
        let mut command = from.command("ping");
        command.args(["-n", "-c", count, "-i", interval_s, "-W", "2"]).arg(to.address().to_string());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let time = |line: &str| line.split("time=").nth(1)?.split(' ').next()?.parse::<f64>().ok();
    let deadline = Instant::now() + 20 * SECOND;
    while run("1").lines().find_map(time).is_none() {
        assert!(Instant::now() < deadline, "no answer from {}", to.name());
    }
    let mut times: Vec<_> =
        run(&count.to_string()).lines().filter_map(time).map(|ms| Duration::from_secs_f64(ms / 1000.0)).collect();
    times.sort();
    times
}

/// Has a station know another's Ethernet address for good: to look it up costs frames, too.
fn know(from: &Station, to: &Station) {
    let shown = to.command("ip").args(["-br", "link", "show", "wlan0"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let mac = shown.split_whitespace().nth(2).unwrap();
    let address = to.address().to_string();
    let neighbour = ["neigh", "replace", &address, "lladdr", mac, "nud", "permanent", "dev", "wlan0"];
    assert!(from.command("ip").args(neighbour).status().unwrap().success());
}

/// Sends datagrams one way, and returns those that arrived.
fn one_way(from: &UdpSocket, to: &Station, at: &UdpSocket, count: u32, interval: Duration) -> Vec<Received> {
    at.set_read_timeout(Some(2 * SECOND)).unwrap();
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let mut all = Vec::new();
            while let Some(received) = receive(at) {
                // Others are left from finding out whether it hears anything.
                if received.number < count {
                    all.push(received);
                }
                if received.number + 1 == count {
                    break;
                }
            }
            all
        });
        for number in 0..count {
            // Without catching up after a pause: a burst could be more than the socket holds.
            send(from, to.address(), number);
            thread::sleep(interval);
        }
        receiver.join().unwrap()
    })
}

#[test]
fn pings_take_as_long_as_the_model_says() {
    for (model, shortest_ms, median_ms) in
        [(AirModel::hotspot(), 4.0, 7.2), (AirModel::quiet(), 2.0, 2.9), (AirModel::wire(), 0.2, 0.28)]
    {
        let Some(air) = start(model) else { return };
        let (a, b) = (air.station("a").unwrap(), air.station("b").unwrap());
        let times = ping(&a, &b, 60, "0.05");
        let found = [0.0, 0.5, 1.0].map(|share| quantile(&times, share).as_secs_f64() * 1000.0);
        println!(
            "ping, {} of 60 answered: shortest, median, longest {found:.3?} ms; asked for: from {shortest_ms} ms, median {median_ms} ms; {:?}",
            times.len(),
            air.timing()
        );
        assert!(times.len() >= 40, "{} of 60", times.len());
        assert!(found[0] >= shortest_ms, "{found:?}");
        // A busy machine adds milliseconds of its own.
        assert!(found[1] < 2.0 * median_ms + 2.0, "{found:?}");
    }
}

#[test]
fn a_twentieth_of_the_datagrams_is_lost_and_the_others_are_as_late_as_asked_for() {
    let Some(air) = start(AirModel::hotspot()) else { return };
    let (a, b) = (air.station("a").unwrap(), air.station("b").unwrap());
    let (from, at) = (socket(&a, 2 * SECOND), socket(&b, 2 * SECOND));
    know(&a, &b);
    assert!(hears(&from, b.address(), &at));
    let count = 4000;
    let received = one_way(&from, &b, &at, count, ms(2));
    let lost = 1.0 - received.len() as f64 / f64::from(count);
    let sigma = (0.05 * 0.95 / f64::from(count)).sqrt();
    println!("lost: {:.2} % ± {:.2} %, {:?}, {:?}", 100.0 * lost, 300.0 * sigma, air.counts(), air.timing());
    let kernel =
        String::from_utf8(b.command("grep").args(["Udp:", "/proc/net/snmp"]).output().unwrap().stdout).unwrap();
    assert!((lost - 0.05).abs() < 3.0 * sigma, "{lost}\n{kernel}");
    assert!(received.windows(2).all(|pair| pair[0].number < pair[1].number), "a frame was overtaken");
    let mut delays: Vec<_> = received.iter().map(|received| received.delay).collect();
    delays.sort();
    assert!(delays[0] >= ms(2), "{:?}", delays[0]);
    assert!(quantile(&delays, 0.95) < ms(30), "{:?}", quantile(&delays, 0.95));
}

#[test]
fn each_way_has_its_own_delay() {
    let Some(air) = start(lossless(AirModel::quiet())) else { return };
    let (a, b) = (air.station("a").unwrap(), air.station("b").unwrap());
    let (at_a, at_b) = (socket(&a, SECOND), socket(&b, SECOND));
    let constant = |delay| Link { delay: Delay::constant(ms(delay)), loss: 0.0, group_loss: 0.0 };
    air.set_link(&a, &b, constant(30));
    air.set_link(&b, &a, constant(5));
    assert!(hears(&at_a, b.address(), &at_b) && hears(&at_b, a.address(), &at_a));
    for (from, to, at, asked) in [(&at_a, &b, &at_b, ms(30)), (&at_b, &a, &at_a, ms(5))] {
        let mut delays: Vec<_> = one_way(from, to, at, 100, ms(3)).iter().map(|received| received.delay).collect();
        delays.sort();
        let median = quantile(&delays, 0.5);
        println!("asked for {asked:?}: median {median:?}, longest {:?}", delays[delays.len() - 1]);
        assert!(delays[0] >= asked && median < asked + ms(3), "{median:?}");
    }
}

#[test]
fn a_multicast_is_heard_by_all_but_its_sender_at_one_instant_after_a_beacon() {
    let Some(air) = start(lossless(AirModel::hotspot())) else { return };
    let stations: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| air.station(name).unwrap()).collect();
    let sockets: Vec<_> = stations.iter().map(|station| socket(station, ms(700))).collect();
    let count = 40;
    let heard: Vec<Vec<Received>> = thread::scope(|scope| {
        let receivers: Vec<_> =
            sockets.iter().map(|at| scope.spawn(|| std::iter::from_fn(|| receive(at)).collect::<Vec<_>>())).collect();
        for number in 0..count {
            send(&sockets[0], GROUP, number);
            thread::sleep(ms(130));
        }
        receivers.into_iter().map(|receiver| receiver.join().unwrap()).collect()
    });
    assert!(heard[0].is_empty(), "the sender hears itself");
    for others in &heard[1..] {
        assert_eq!(others.iter().map(|received| received.number).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
    }
    let mut delays: Vec<_> = heard[1].iter().map(|received| received.delay).collect();
    delays.sort();
    // Waiting for a beacon takes half an interval in the mean, on top of the way up.
    assert!(delays[0] >= ms(1) && quantile(&delays, 0.5) > ms(25) && quantile(&delays, 0.9) < ms(150), "{delays:?}");
    let mut apart: Vec<_> =
        heard[1].iter().zip(&heard[2]).map(|(b, c)| b.stamp.max(c.stamp) - b.stamp.min(c.stamp)).collect();
    apart.sort();
    println!("two receivers of one multicast: median {:?} apart", quantile(&apart, 0.5));
    assert!(quantile(&apart, 0.5) < ms(1), "{apart:?}");
    // All come at the same phase of the beacons.
    let steps = heard[1].windows(2).map(|pair| (pair[1].stamp - pair[0].stamp).as_secs_f64() / 0.1024);
    let on_beacon = steps.filter(|steps| (steps - steps.round()).abs() < 0.03).count();
    assert!(on_beacon as u32 * 10 > count * 7, "{on_beacon} of {count}");
}

#[test]
fn the_air_can_be_changed_while_it_is_used() {
    let Some(air) = start(lossless(AirModel::quiet())) else { return };
    let (a, b) = (air.station("a").unwrap(), air.station("b").unwrap());
    let (at_a, at_b) = (socket(&a, SECOND), socket(&b, SECOND));
    // Unicast and multicast from a to b, and back.
    let all = || {
        [
            hears(&at_a, b.address(), &at_b),
            hears(&at_a, GROUP, &at_b),
            hears(&at_b, a.address(), &at_a),
            hears(&at_b, GROUP, &at_a),
        ]
    };
    assert_eq!(all(), [true; 4]);
    air.isolate(true);
    assert_eq!(all(), [false; 4], "isolated");
    air.isolate(false);
    air.filter_group_traffic(true);
    assert_eq!(all(), [true, false, true, false], "filtered");
    air.filter_group_traffic(false);
    air.set_link(&a, &b, Link::DEAF);
    let one_way = all();
    assert_eq!((&one_way[..2], one_way[3]), (&[false, false][..], true), "b does not hear a");
    air.reset_link(&a, &b);
    assert_eq!(all(), [true; 4]);
    air.outage(true);
    assert_eq!(all(), [false; 4], "outage");
    air.outage(false);
    b.set_in_reach(false);
    assert_eq!(all(), [false; 4], "out of reach");
    b.set_in_reach(true);
    assert_eq!(all(), [true; 4]);
}

#[test]
fn a_station_leaves_and_joins_and_programs_see_it() {
    let Some(air) = start(lossless(AirModel::quiet())) else { return };
    let (a, b) = (air.station("a").unwrap(), air.station("b").unwrap());
    let (at_a, at_b) = (socket(&a, SECOND), socket(&b, SECOND));
    let device = || {
        let output = b.command("ip").args(["-4", "address", "show", "wlan0"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let address = b.address().to_string();
    assert!(hears(&at_a, GROUP, &at_b) && device().contains(&address), "{}", device());
    b.leave().unwrap();
    assert!(!device().contains(&address), "{}", device());
    assert!(at_b.send_to(b"x", (a.address(), sockets::PORT)).is_err());
    assert!(!hears(&at_a, GROUP, &at_b));
    b.join().unwrap();
    assert!(device().contains(&address) && !device().contains("NO-CARRIER"), "{}", device());
    // A membership lasts; the route is there again.
    assert!(hears(&at_a, GROUP, &at_b) && hears(&at_b, GROUP, &at_a));
    assert!(hears(&at_b, a.address(), &at_a));
}

#[test]
fn a_station_that_loses_its_device_disturbs_no_other() {
    let Some(air) = start(lossless(AirModel::quiet())) else { return };
    let [a, b, c] = ["a", "b", "c"].map(|name| air.station(name).unwrap());
    let (at_b, at_c) = (socket(&b, SECOND), socket(&c, SECOND));
    assert!(a.command("ip").args(["link", "delete", "wlan0"]).status().unwrap().success());
    assert!(hears(&at_b, c.address(), &at_c) && hears(&at_c, GROUP, &at_b));
    b.command("ip").args(["link", "set", "wlan0", "down"]).status().unwrap();
    assert!(!hears(&at_c, GROUP, &at_b));
    b.command("ip").args(["link", "set", "wlan0", "up"]).status().unwrap();
    assert!(hears(&at_b, c.address(), &at_c) && hears(&at_c, GROUP, &at_b));
}

#[test]
fn a_station_that_saves_power_answers_late() {
    let Some(air) = start(lossless(AirModel::quiet())) else { return };
    let (a, b) = (air.station("a").unwrap(), air.station("b").unwrap());
    b.set_power_saving(Some(PowerSaving::DEEP));
    let times = ping(&a, &b, 25, "0.317");
    let [shortest, median, longest] = [0.0, 0.5, 1.0].map(|share| quantile(&times, share));
    println!("ping to a station that sleeps: {shortest:?}, {median:?}, {longest:?}");
    assert!(times.len() >= 24, "{}", times.len());
    assert!(median > ms(30) && longest > ms(120) && quantile(&times, 0.9) < ms(260), "{times:?}");
    b.set_power_saving(None);
    let times = ping(&a, &b, 25, "0.05");
    assert!(quantile(&times, 0.5) < ms(20), "{times:?}");
}

#[test]
fn the_same_files_are_there_on_each_station() {
    let Some(air) = start(AirModel::wire()) else { return };
    let (a, b) = (air.station("a").unwrap(), air.station("b").unwrap());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let write = a.command("sh").args(["-c", "echo hello >$0"]).arg(&file).status().unwrap();
    let read = b.command("cat").arg(&file).output().unwrap();
    assert!(write.success() && read.stdout == b"hello\n");
    // The process that is spawned is the program.
    let child = b.command("sh").args(["-c", "echo $$"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim(), pid.to_string());
}
