use proptest::prelude::*;

use super::*;

fn entry(event: Event, up_s: f64) -> Entry {
    Entry { boot: BootId::parse("abcd0000"), up_s, utc_s: Some(1_800_000_000.0 + up_s), event }
}

fn apply(bytes: &mut [u8], writes: &[(usize, Vec<u8>)]) {
    for (at, written) in writes {
        bytes[*at..at + written.len()].copy_from_slice(written);
    }
}

/// Drop-outs, numbered by their count.
fn numbered(count: u16) -> Entry {
    entry(Event::DropOuts { count: count.into() }, f64::from(count))
}

fn counts(bytes: &[u8]) -> Vec<u64> {
    let count = |entry: &Entry| match entry.event {
        Event::DropOuts { count } => count,
        _ => panic!("{entry:?}"),
    };
    ShortRing::read(bytes).1.iter().map(count).collect()
}

#[test]
fn what_has_a_short_form_comes_back_but_for_its_words() {
    let events = [
        Event::Began { version: String::new(), previous: PreviousEnd::Died, why: None },
        Event::Ended { how: End::PowerOff },
        Event::Started {},
        Event::Stopped {},
        Event::DropOuts { count: 300 },
        Event::SoundCard { present: true },
        Event::Power { low: false, was_low: true, was_slowed: true },
        Event::Heat { celsius: 82.0, hot: true },
    ];
    let entries: Vec<Entry> = events.into_iter().enumerate().map(|(at, event)| entry(event, at as f64)).collect();
    let mut bytes = vec![0xFF; RING_BYTES];
    let (mut ring, before) = ShortRing::read(&bytes);
    let note = entry(Event::Note { severity: Severity::Warning, text: "x".into(), times: 1 }, 1.0);
    assert_eq!((before, ring.append(&[note])), (vec![], vec![]));
    apply(&mut bytes, &ring.append(&entries));
    let (again, found) = ShortRing::read(&bytes);
    let expected: Vec<Entry> =
        entries.into_iter().map(|entry| Entry { boot: BootId::parse("abcd"), ..entry }).collect();
    assert_eq!((again, found), (ring, expected));
}

#[test]
fn a_bound_is_stored_to_a_percent_and_never_smaller_than_it_was() {
    for exponent in -25..60 {
        let before_ms = 10_f64.powf(f64::from(exponent) / 10.0);
        let after_ms = bound_ms(bound(Some(before_ms))).unwrap();
        assert!(after_ms >= before_ms * 0.999_999 && after_ms < before_ms * 1.01, "{before_ms} {after_ms}");
    }
    assert_eq!(bound_ms(bound(None)), None);
    assert!(bound_ms(bound(Some(f64::INFINITY))).is_some() && bound_ms(bound(Some(0.0))).is_some());
}

#[test]
fn the_ring_holds_the_last_entries_however_often_its_numbers_wrap() {
    let mut bytes = vec![0; RING_BYTES];
    let mut written: Vec<u64> = Vec::new();
    for number in 0..2_000_u16 {
        let (mut ring, _) = ShortRing::read(&bytes);
        if number == 0 {
            ring.next = u16::MAX - 700;
        }
        let writes = ring.append(&[numbered(number)]);
        assert!(writes.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() == ENTRY_BYTES);
        apply(&mut bytes, &writes);
        written.push(number.into());
        let expected = &written[written.len().saturating_sub(ENTRIES.into())..];
        assert_eq!(counts(&bytes), expected, "{number}");
    }
}

proptest! {
    #[test]
    fn a_torn_page_costs_its_own_entries_alone(
        count in 1..400_u16, more in 1..6_u16, torn in 0..96_usize, garbage in any::<u8>(),
    ) {
        let mut bytes = vec![0xFF; RING_BYTES];
        let (mut ring, _) = ShortRing::read(&bytes);
        (0..count).for_each(|number| apply(&mut bytes, &ring.append(&[numbered(number)])));
        let before = counts(&bytes);
        let entries: Vec<Entry> = (count..count + more).map(numbered).collect();
        // The power goes during a write: some bytes are new, the next is neither.
        let mut left = torn;
        for (at, written) in ring.append(&entries) {
            let whole = left.min(written.len());
            bytes[at..at + whole].copy_from_slice(&written[..whole]);
            if whole < written.len() {
                bytes[at + whole] = garbage;
                break;
            }
            left -= whole;
        }
        let after = counts(&bytes);
        let survivors = before.iter().filter(|number| after.contains(number)).count();
        // Those whose places were written to, and the torn one.
        let overwritten = torn.div_ceil(ENTRY_BYTES) + 1;
        prop_assert!(survivors + overwritten >= before.len(), "{survivors} of {}", before.len());
        prop_assert!(after.windows(2).all(|pair| pair[0] < pair[1]), "{after:?}");
    }

    #[test]
    fn any_content_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..RING_BYTES + 40)) {
        let (mut ring, entries) = ShortRing::read(&bytes);
        prop_assert!(entries.len() <= ENTRIES.into());
        let writes = ring.append(&[numbered(1), numbered(2), numbered(3)]);
        prop_assert!(writes.iter().all(|(at, bytes)| at + bytes.len() <= RING_BYTES));
    }
}
