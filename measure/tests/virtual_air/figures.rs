//! What docs/measurements.md says of the virtual air. Not tests: they show how good this machine is.
//!
//!     cargo test -p jaudiosync-measure --test virtual_air -- --ignored figures --nocapture

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use jaudiosync_measure::air::{AirModel, Delay, Link};

use crate::rights::start;
use crate::sockets::{GROUP, hears, send, socket};
use crate::{lossless, ms, one_way, quantile};

/// Returns how long the thread that carries frames has run. There is one air in this process.
fn carrier_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let mut carriers = tasks.filter(|task| fs::read_to_string(task.join("comm")).unwrap() == "virtual-air\n");
    let schedstat = fs::read_to_string(carriers.next().expect("an air").join("schedstat")).unwrap();
    Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap())
}

#[test]
#[ignore = "figures"]
fn figures() {
    for (name, model, interval) in [
        ("hotspot", AirModel::hotspot(), ms(21)),
        ("quiet", AirModel::quiet(), ms(4)),
        ("wire", AirModel::wire(), ms(4)),
    ] {
        let Some(air) = start(lossless(model)) else { return };
        let (a, b) = (air.station("a").unwrap(), air.station("b").unwrap());
        let (from, at) = (socket(&a, ms(1000)), socket(&b, ms(1000)));
        assert!(hears(&from, b.address(), &at));
        let mut delays: Vec<_> =
            one_way(&from, &b, &at, 2000, interval).iter().map(|received| received.delay).collect();
        delays.sort();
        println!("{name}: one-way delay of {} datagrams, in ms", delays.len());
        for share in [0.0, 0.1, 0.5, 0.9, 0.99, 1.0] {
            let [asked, found] =
                [model.link.delay.quantile(share), quantile(&delays, share)].map(|delay| delay.as_secs_f64() * 1000.0);
            println!("  {:4} %: asked for {asked:7.3}, found {found:7.3}, {:+.3}", 100.0 * share, found - asked);
        }
        let timing = air.timing();
        println!("  written late by {:?} in the mean, at most {:?}", timing.mean_late(), timing.latest);
    }
    let constant = Link { delay: Delay::constant(ms(3)), loss: 0.0, group_loss: 0.0 };
    let Some(air) = start(AirModel { link: constant, ..AirModel::quiet() }) else { return };
    let (a, b) = (air.station("a").unwrap(), air.station("b").unwrap());
    let (from, at) = (socket(&a, ms(1000)), socket(&b, ms(1000)));
    assert!(hears(&from, b.address(), &at));
    let mut late: Vec<_> = one_way(&from, &b, &at, 2000, ms(5)).iter().map(|received| received.delay - ms(3)).collect();
    late.sort();
    let [shortest, median, most, longest] = [0.0, 0.5, 0.99, 1.0].map(|share| quantile(&late, share));
    println!("3 ms asked for: later by {shortest:?}; median {median:?}; 99 % {most:?}; at most {longest:?}");
    drop((from, at, air));
    for count in [5, 20] {
        let Some(air) = start(AirModel::hotspot()) else { return };
        let stations: Vec<_> = (0..count).map(|number| air.station(&number.to_string()).unwrap()).collect();
        let sockets: Vec<_> = stations.iter().map(|station| socket(station, ms(100))).collect();
        let duration = ms(10_000);
        let before = carrier_time();
        // Each sends 1 kB/s to all: 200 bytes and their headers, four times a second.
        let begin = Instant::now();
        let rounds = 40;
        for number in 0..rounds {
            for (station, socket) in (0..).zip(&sockets) {
                let due = begin + duration * (number * count + station) / (rounds * count);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                send(socket, GROUP, number);
            }
        }
        let used = carrier_time() - before;
        let share = 100.0 * used.as_secs_f64() / begin.elapsed().as_secs_f64();
        println!("{count} stations, each 1 kB/s to all: {share:.2} % of a core; {:?}", air.counts());
        let before = carrier_time();
        let begin = Instant::now();
        for number in 0..rounds {
            for (station, socket) in (0..).zip(&sockets) {
                let due = begin + duration * (number * count + station) / (rounds * count);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let to = &stations[(station as usize + 1 + number as usize) % stations.len()];
                send(socket, to.address(), number);
            }
        }
        let used = carrier_time() - before;
        let share = 100.0 * used.as_secs_f64() / begin.elapsed().as_secs_f64();
        println!("{count} stations, each 1 kB/s to one: {share:.2} % of a core; {:?}", air.timing());
    }
}
