use proptest::prelude::*;

use super::*;
use crate::air::Delay;

const A: StationId = StationId(0);
const B: StationId = StationId(1);
const C: StationId = StationId(2);
const ALL: Destination = Destination::Group { finds_addresses: false };
const BYTES: usize = 300;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn air(model: AirModel, seed: u64) -> Medium<u32> {
    let mut air = Medium::new(model, seed);
    for _ in 0..3 {
        air.add_station();
    }
    air
}

fn all_due(air: &mut Medium<u32>) -> Vec<Delivery<u32>> {
    std::iter::from_fn(|| air.take_due(Duration::MAX)).collect()
}

fn lossless(model: AirModel) -> AirModel {
    AirModel { link: Link { loss: 0.0, group_loss: 0.0, ..model.link }, ..model }
}

#[test]
fn unicast_frames_take_as_long_and_get_lost_as_often_as_the_model_says() {
    let mut air = air(AirModel::hotspot(), 1);
    let mut delays = Vec::new();
    for number in 0..20_000 {
        let now = ms(100 * u64::from(number));
        air.send(now, A, Destination::Station(B), BYTES, number);
        if let Some(delivery) = air.take_due(now + ms(99)) {
            assert_eq!((delivery.to, delivery.payload), (B, number));
            delays.push(delivery.due - now);
        }
    }
    // 3 sigma of 20,000 frames at 5 %.
    assert!((18_908..=19_092).contains(&delays.len()), "{}", delays.len());
    assert_eq!(air.counts().lost + air.counts().delivered, 20_000);
    delays.sort();
    for share in [0.0, 0.1, 0.5, 0.9, 0.99] {
        let (found, asked) =
            (delays[(share * delays.len() as f64) as usize], Delay::from_micros(2000, 20_000).quantile(share));
        assert!((found.as_secs_f64() / asked.as_secs_f64() - 1.0).abs() < 0.07, "{share}: {found:?}, {asked:?}");
    }
}

#[test]
fn a_multicast_is_heard_by_all_others_at_one_instant_after_a_beacon() {
    let mut air = air(lossless(AirModel::hotspot()), 2);
    let interval = GroupDelivery::WIFI.interval.as_secs_f64();
    let mut phases = Vec::new();
    for number in 0..200 {
        let now = ms(1000 + 737 * number);
        air.send(now, B, ALL, BYTES, 0);
        let heard = all_due(&mut air);
        let mut by: Vec<_> = heard.iter().map(|delivery| delivery.to).collect();
        by.sort();
        assert_eq!(by, [A, C]);
        assert!(heard[0].due - now <= ms(10 + 103 + 7), "{:?}", heard[0].due - now);
        assert!(heard[1].due - heard[0].due < ms(1));
        phases.push((heard[0].due.as_secs_f64() - heard[0].due.as_secs_f64().div_euclid(interval) * interval) * 1000.0);
    }
    phases.sort_by(f64::total_cmp);
    assert!(phases[199] - phases[0] < 1.0, "{} to {} ms after the beacon", phases[0], phases[199]);
}

#[test]
fn multicasts_that_wait_for_one_beacon_are_sent_one_after_another() {
    let mut air = air(lossless(AirModel::hotspot()), 3);
    for number in 0..10 {
        air.send(ms(5000), A, ALL, BYTES, number);
    }
    let heard: Vec<_> = all_due(&mut air).into_iter().filter(|delivery| delivery.to == B).collect();
    assert_eq!(heard.iter().map(|delivery| delivery.payload).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    // Some may have missed a beacon; within one they are an airtime apart, but for the receiver's
    // own delay.
    let airtime = GroupDelivery::WIFI.airtime(BYTES);
    let apart = heard[9].due - heard[8].due;
    assert!(apart > airtime - ms(1) && apart < airtime + ms(1), "{apart:?}");
}

#[test]
fn a_flood_of_multicasts_is_dropped_and_not_delayed_for_ever() {
    let mut air = air(lossless(AirModel::hotspot()), 4);
    let mut worst = Duration::ZERO;
    for number in 0..5000 {
        air.send(ms(number), A, ALL, BYTES, number as u32);
        while let Some(delivery) = air.take_due(ms(number)) {
            worst = worst.max(delivery.due - ms(u64::from(delivery.payload)));
        }
    }
    assert!(worst > ms(500) && worst < ms(1200), "{worst:?}");
    assert!(air.counts().lost > 2000, "{:?}", air.counts());
}

#[test]
fn frames_for_a_station_that_sleeps_wait_until_it_listens_or_sends() {
    let mut air = air(lossless(AirModel::power_saving()), 5);
    let mut longest = Duration::ZERO;
    for number in 1..200 {
        let now = ms(1013 * number);
        air.send(now, A, Destination::Station(B), BYTES, 0);
        longest = longest.max(all_due(&mut air)[0].due - now);
    }
    assert!(longest > ms(180) && longest <= ms(225), "{longest:?}");
    // C is awake as it has just sent something; nothing waits for it.
    air.send(ms(300_000), C, Destination::Station(A), BYTES, 0);
    all_due(&mut air);
    air.set_link(A, C, Some(Link { delay: Delay::constant(ms(3)), loss: 0.0, group_loss: 0.0 }));
    air.send(ms(300_001), A, Destination::Station(C), BYTES, 7);
    assert_eq!(air.take_due(ms(300_004)).map(|delivery| delivery.payload), Some(7));
    // It sleeps, and wakes up to send: what waits for it comes at once.
    let mut waits = 0;
    for number in 0..20 {
        let now = ms(400_000 + 1000 * number);
        air.send(now, A, Destination::Station(C), BYTES, 8);
        if air.take_due(now + ms(4)).is_none() {
            waits += 1;
            air.send(now + ms(5), C, Destination::Station(A), BYTES, 9);
            assert_eq!(air.take_due(now + ms(5)).map(|delivery| delivery.payload), Some(8));
        }
        all_due(&mut air);
    }
    assert!(waits > 10, "{waits}");
}

#[test]
fn isolation_filters_outages_and_absence_stop_what_they_should() {
    let mut air = air(lossless(AirModel::hotspot()), 6);
    let mut heard = |change: &dyn Fn(&mut Medium<u32>), to| {
        change(&mut air);
        air.send(ms(1), A, to, BYTES, 0);
        let heard: Vec<_> = all_due(&mut air).into_iter().map(|delivery| delivery.to.0).collect();
        heard.len()
    };
    let find = Destination::Group { finds_addresses: true };
    let to_b = Destination::Station(B);
    assert_eq!([heard(&|_| (), to_b), heard(&|_| (), ALL)], [1, 2]);
    assert_eq!([heard(&|air| air.set_isolated(true), to_b), heard(&|_| (), ALL), heard(&|_| (), find)], [0, 0, 0]);
    heard(&|air| air.set_isolated(false), to_b);
    let filtered = [heard(&|air| air.set_group_filtered(true), ALL), heard(&|_| (), find), heard(&|_| (), to_b)];
    assert_eq!(filtered, [0, 2, 1]);
    heard(&|air| air.set_group_filtered(false), to_b);
    assert_eq!([heard(&|air| air.set_outage(true), to_b), heard(&|air| air.set_outage(false), to_b)], [0, 1]);
    assert_eq!([heard(&|air| air.set_joined(B, false), to_b), heard(&|_| (), ALL)], [0, 1]);
    assert_eq!(heard(&|air| air.set_joined(B, true), ALL), 2);
    assert_eq!([heard(&|air| air.set_link(A, B, Some(Link::DEAF)), to_b), heard(&|_| (), ALL)], [0, 1]);
    assert_eq!([heard(&|air| air.set_link(A, B, None), to_b), heard(&|_| (), ALL)], [1, 2]);
}

#[test]
fn frames_under_way_are_lost_in_an_outage() {
    let mut air = air(lossless(AirModel::quiet()), 7);
    air.send(ms(1), A, Destination::Station(B), BYTES, 0);
    air.set_outage(true);
    assert_eq!(all_due(&mut air), []);
    assert_eq!(air.counts().blocked, 1);
}

proptest! {
    /// The same seed and calls make the same air; no frame comes early, twice, to its sender or out
    /// of order; every copy is counted once.
    #[test]
    fn every_copy_has_one_fate(
        seed: u64,
        preset in 0..AirModel::presets().len(),
        frames in prop::collection::vec((0..50_000_u64, 0..4_usize, 0..4_usize), 1..80),
    ) {
        let (_, model) = AirModel::presets()[preset];
        let run = || {
            let mut air = air(model, seed);
            let mut now = Duration::ZERO;
            let mut sent = Vec::new();
            let mut heard = Vec::new();
            for (number, (pause_us, from, to)) in (0..).zip(&frames) {
                now += Duration::from_micros(*pause_us);
                while let Some(delivery) = air.take_due(now) {
                    heard.push(delivery);
                }
                let to = if *to == 3 { ALL } else { Destination::Station(StationId(*to)) };
                air.send(now, StationId(*from), to, BYTES, number);
                sent.push((now, *from, to));
            }
            heard.extend(all_due(&mut air));
            (air.counts(), sent, heard)
        };
        let (counts, sent, heard) = run();
        prop_assert_eq!(&run(), &(counts, sent.clone(), heard.clone()));
        let copies = |(_, from, to): &(Duration, usize, Destination)| match (from, to) {
            (3, _) => 0,
            (_, Destination::Group { .. }) => 2,
            _ => 1,
        };
        prop_assert_eq!(counts.delivered + counts.lost + counts.blocked, sent.iter().map(copies).sum::<u64>());
        let mut last = HashMap::new();
        for delivery in &heard {
            let (at, from, to) = sent[delivery.payload as usize];
            prop_assert!(delivery.due > at && delivery.to.0 != from);
            prop_assert!(to == ALL || to == Destination::Station(delivery.to));
            let way = (from, delivery.to, to == ALL);
            prop_assert!(last.insert(way, delivery.payload).is_none_or(|before| before < delivery.payload));
        }
    }
}
