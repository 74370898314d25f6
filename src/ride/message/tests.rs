use proptest::prelude::*;

use super::*;
use crate::ride::key::RideKey;

fn key(byte: u8) -> RideKey {
    RideKey::from_secret([byte; 18])
}

fn beacon(hears: usize) -> Message {
    let beacon = Beacon {
        name: "bike-1".to_owned(),
        sent_ns: 1_800_000_000_000_000_000,
        epoch: 3,
        group: Some(u64::MAX),
        time: TimeClaim { utc_bound_us: Some(3_100), ahead_us: -2_000, reference_age_s: Some(40_000) },
        following: Following {
            leader: BoxId(u64::MAX),
            pulse: 7_000,
            hops: 1,
            leader_class: 5,
            leads_since_s: 1_800_000_000,
            utc_bound_us: Some(900),
            group_bound_ns: 80_000,
            steering_ppb: -50_000,
            steering_from_s: 1_800_000_000,
        },
        play: PlayClaim {
            fingerprint: Some(u64::MAX),
            anchor_s: Some(1_800_000_000),
            track: Some(12),
            first_track: 1,
            repeats: true,
            commanded_s: Some(1_800_000_000),
            is_commanded_to_stop: false,
        },
        volume_percent: Some(50),
        troubles: vec![Trouble::LowVoltage],
        heard: (0..hears)
            .map(|number| HeardBeacon { sender: u32::MAX - number as u32, number: 100_000, ago_ns: 900_000_000 })
            .collect(),
        number: Some(NumberClaim { number: 16, origin: crate::sound_check::number::Origin::Configured }),
    };
    Message {
        sender: BoxId(u64::MAX),
        run: RunId(u64::MAX),
        number: 100_000,
        content: Content::Beacon(Box::new(beacon)),
    }
}

fn question(nonce: u64) -> Message {
    let content = Content::Question(Question { to: BoxId(9), nonce });
    Message { sender: BoxId(1), run: RunId(2), number: 3, content }
}

#[test]
fn a_beacon_of_a_box_among_twenty_is_small() {
    let bytes = seal(&beacon(19), &key(1)).unwrap();
    assert!(bytes.len() < 420, "{} bytes", bytes.len());
    assert_eq!(open(&bytes, &key(1)), Ok(beacon(19)));
    assert_eq!(seal(&beacon(200), &key(1)), Err(Refused::TooLong));
}

#[test]
fn another_key_version_or_program_is_distinguished() {
    let bytes = seal(&question(4), &key(1)).unwrap();
    assert_eq!(open(&bytes, &key(2)), Err(Refused::Signature));
    let mut newer = bytes.clone();
    newer[4] = VERSION + 1;
    assert_eq!(open(&newer, &key(1)), Err(Refused::Version(VERSION + 1)));
    assert_eq!(open(b"GET / HTTP/1.1\r\n\r\n and more", &key(1)), Err(Refused::Foreign));
    assert_eq!(open(&bytes[..3], &key(1)), Err(Refused::Foreign));
}

proptest! {
    #[test]
    fn a_damaged_message_is_refused(nonce: u64, place in 0_usize..1000, bits in 1_u8..) {
        let mut bytes = seal(&question(nonce), &key(1)).unwrap();
        let place = place % bytes.len();
        bytes[place] ^= bits;
        prop_assert!(open(&bytes, &key(1)).is_err());
    }

    #[test]
    fn any_bytes_that_are_signed_are_understood_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = [b"JAuS\x01".as_slice(), &body].concat();
        let signature = key(1).sign(&bytes);
        bytes.extend_from_slice(&signature);
        if let Ok(message) = open(&bytes, &key(1)) {
            prop_assert_eq!(open(&seal(&message, &key(1)).unwrap(), &key(1)), Ok(message));
        }
    }

    #[test]
    fn any_bytes_at_all_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(open(&bytes, &key(1)).is_err());
    }

    #[test]
    fn what_cannot_be_a_message_is_none(nonce: u64, cut in 0_usize..60, place in 0_usize..60, bits: u8) {
        let mut bytes = seal(&question(nonce), &key(1)).unwrap();
        prop_assert!(can_be_message(&bytes));
        bytes.truncate(bytes.len().saturating_sub(cut));
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= bits;
        }
        prop_assert!(can_be_message(&bytes) || open(&bytes, &key(1)).is_err());
    }
}

/// What the fuzzer begins with reaches the contents of messages.
#[test]
fn the_seeds_of_the_fuzzer_are_messages() {
    let seeds = [
        include_bytes!("../../../fuzz/seeds/ride/beacon").as_slice(),
        include_bytes!("../../../fuzz/seeds/ride/answer"),
        include_bytes!("../../../fuzz/seeds/ride/question"),
    ];
    let first = |seed: &'static [u8]| &seed[..3 + usize::from(u16::from_le_bytes([seed[1], seed[2]]))];
    let several = [
        first(include_bytes!("../../../fuzz/seeds/ride/order")),
        first(include_bytes!("../../../fuzz/seeds/ride/reply")),
    ];
    for seed in seeds.into_iter().chain(several) {
        let mut bytes = [b"JAuS\x01".as_slice(), &seed[3..]].concat();
        let signature = key(1).sign(&bytes);
        bytes.extend_from_slice(&signature);
        assert!(open(&bytes, &key(1)).is_ok(), "run fuzz/make-seeds: {seed:?}");
    }
}
