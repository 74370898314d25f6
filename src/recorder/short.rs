//! The short form of a recording, for the memory on the clock module: 128 entries of 16 bytes in a
//! ring. On a box whose disk forgets it is all that is left of earlier boots. Pure.
//!
//! An entry has a number, from which its place follows, and a checksum: a write that a power cut
//! has torn costs the entries of one page. Texts are left out.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0, 1 | the entry's number, which grows by 1 and wraps around |
//! | 2, 3 | the first digits of the boot's id |
//! | 4 to 7 | UTC in s since the Unix epoch; 0 if it was not trusted |
//! | 8 to 10 | the time since power-on, in s |
//! | 11 | what happened |
//! | 12, 13 | how much, or how |
//! | 14, 15 | the low half of a CRC-32 of the bytes before |
//!
//! All numbers are little-endian.

use super::boot::BootId;
use super::event::{End, Entry, Event, PreviousEnd, Severity};
use crate::control::protocol::TimeState;

const ENTRY_BYTES: usize = 16;
const ENTRIES: u16 = 128;

/// How many bytes the ring takes.
pub(super) const RING_BYTES: usize = ENTRY_BYTES * ENTRIES as usize;

/// A bound is stored as a logarithm: steps of a decade, from a microsecond on. The largest number
/// means that it is not known.
const STEPS_PER_DECADE: f64 = 400.0;
const SMALLEST_MS: f64 = 1e-3;
const NO_BOUND: u16 = 0xFFF;

/// The version is not stored.
const NO_VERSION: &str = "";

/// Where the next entry goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShortRing {
    next: u16,
}

impl ShortRing {
    /// Reads the entries of a ring, the oldest first. It may have any content.
    pub(super) fn read(bytes: &[u8]) -> (Self, Vec<Entry>) {
        let whole: Vec<(u16, &[u8])> = bytes
            .chunks_exact(ENTRY_BYTES)
            .zip(0..ENTRIES)
            .filter_map(|(bytes, place)| Some((number(bytes)?, bytes, place)))
            .filter(|(number, _, place)| number % ENTRIES == *place)
            .map(|(number, bytes, _)| (number, bytes))
            .collect();
        let Some((first, _)) = whole.first() else { return (Self { next: 0 }, Vec::new()) };
        // Numbers wrap around: which of them is the newest follows from their differences.
        let ahead = |number: u16| number.wrapping_sub(*first).cast_signed();
        let newest = whole.iter().map(|(number, _)| *number).max_by_key(|number| ahead(*number)).unwrap_or(*first);
        let mut entries: Vec<(u16, Entry)> = whole
            .into_iter()
            .map(|(number, bytes)| (newest.wrapping_sub(number), bytes))
            .filter(|(age, _)| *age < ENTRIES)
            .filter_map(|(age, bytes)| Some((age, decode(bytes)?)))
            .collect();
        entries.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
        (Self { next: newest.wrapping_add(1) }, entries.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Returns what is to be written, and at which byte of the ring, to append entries. Those that
    /// have no short form are left out.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Vec<(usize, Vec<u8>)> {
        let mut writes: Vec<(usize, Vec<u8>)> = Vec::new();
        for bytes in entries.iter().filter_map(encode) {
            let at = usize::from(self.next % ENTRIES) * ENTRY_BYTES;
            let bytes = sealed(self.next, bytes);
            self.next = self.next.wrapping_add(1);
            match writes.last_mut().filter(|(begin, written)| begin + written.len() == at) {
                Some((_, written)) => written.extend(bytes),
                None => writes.push((at, bytes.to_vec())),
            }
        }
        writes
    }
}

/// Returns the number of an entry that is whole.
fn number(bytes: &[u8]) -> Option<u16> {
    let checked = bytes.get(..14)?;
    (bytes.get(14..)? == checksum(checked)).then(|| u16::from_le_bytes([checked[0], checked[1]]))
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let [low, high, ..] = crc32fast::hash(bytes).to_le_bytes();
    [low, high]
}

fn sealed(number: u16, mut bytes: [u8; ENTRY_BYTES]) -> [u8; ENTRY_BYTES] {
    bytes[..2].copy_from_slice(&number.to_le_bytes());
    let checksum = checksum(&bytes[..14]);
    bytes[14..].copy_from_slice(&checksum);
    bytes
}

/// Returns an entry without its number and checksum; `None` if it has no short form.
fn encode(entry: &Entry) -> Option<[u8; ENTRY_BYTES]> {
    let (what, value) = short(&entry.event)?;
    let mut bytes = [0; ENTRY_BYTES];
    bytes[2..4].copy_from_slice(&entry.boot.short().to_le_bytes());
    let utc_s = entry.utc_s.map_or(0, |utc_s| utc_s as u32);
    bytes[4..8].copy_from_slice(&utc_s.to_le_bytes());
    let up_s = (entry.up_s as u32).min(0xFF_FFFF);
    bytes[8..11].copy_from_slice(&up_s.to_le_bytes()[..3]);
    bytes[11] = what;
    bytes[12..14].copy_from_slice(&value.to_le_bytes());
    Some(bytes)
}

fn decode(bytes: &[u8]) -> Option<Entry> {
    let bytes: &[u8; ENTRY_BYTES] = bytes.try_into().ok()?;
    let utc_s = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    Some(Entry {
        boot: BootId::of_short(u16::from_le_bytes([bytes[2], bytes[3]])),
        up_s: f64::from(u32::from_le_bytes([bytes[8], bytes[9], bytes[10], 0])),
        utc_s: (utc_s != 0).then(|| f64::from(utc_s)),
        event: long(bytes[11], u16::from_le_bytes([bytes[12], bytes[13]]))?,
    })
}

/// Returns whether an event has a short form.
pub(super) fn has_short_form(event: &Event) -> bool {
    short(event).is_some()
}

fn short(event: &Event) -> Option<(u8, u16)> {
    Some(match event {
        Event::Began { previous, .. } => (
            1,
            match previous {
                PreviousEnd::Unknown | PreviousEnd::Other => 0,
                PreviousEnd::Clean => 1,
                PreviousEnd::PowerCut => 2,
                PreviousEnd::Died => 3,
            },
        ),
        Event::Ended { how } => (2, u16::from(*how == End::PowerOff)),
        Event::Panicked { .. } => (3, 0),
        Event::Time { state, bound_ms, worst_ms, .. } => {
            let bound_ms = (*worst_ms).into_iter().chain(*bound_ms).reduce(f64::max);
            (4, time_state(*state) << 12 | bound(bound_ms))
        }
        Event::Started {} => (5, 0),
        Event::Stopped {} => (6, 0),
        Event::DropOuts { count } => (7, u16::try_from(*count).unwrap_or(u16::MAX)),
        Event::SoundCard { present } => (8, u16::from(*present)),
        Event::Power { low, was_low, was_slowed } => {
            (9, u16::from(*low) | u16::from(*was_low) << 1 | u16::from(*was_slowed) << 2)
        }
        Event::Heat { celsius, hot } => (10, u16::from(*hot) << 15 | celsius.clamp(0.0, 200.0) as u16),
        Event::Note { severity: Severity::Error, times, .. } => (11, u16::try_from(*times).unwrap_or(u16::MAX)),
        Event::Note { .. } | Event::Neighbours { .. } | Event::Suppressed { .. } | Event::Other => return None,
    })
}

fn long(what: u8, value: u16) -> Option<Event> {
    let is_set = |bit: u32| value >> bit & 1 == 1;
    Some(match what {
        1 => Event::Began {
            version: NO_VERSION.to_owned(),
            previous: match value {
                1 => PreviousEnd::Clean,
                2 => PreviousEnd::PowerCut,
                3 => PreviousEnd::Died,
                _ => PreviousEnd::Unknown,
            },
            why: None,
        },
        2 => Event::Ended { how: if is_set(0) { End::PowerOff } else { End::Asked } },
        3 => Event::Panicked { text: "a fault in the program; its words are not saved on this box".to_owned() },
        4 => Event::Time {
            state: state_of_time(value >> 12),
            bound_ms: bound_ms(value & 0xFFF),
            worst_ms: None,
            source: String::new(),
            celsius: None,
        },
        5 => Event::Started {},
        6 => Event::Stopped {},
        7 => Event::DropOuts { count: value.into() },
        8 => Event::SoundCard { present: is_set(0) },
        9 => Event::Power { low: is_set(0), was_low: is_set(1), was_slowed: is_set(2) },
        10 => Event::Heat { celsius: f64::from(value & 0x7FFF), hot: is_set(15) },
        11 => Event::Note {
            severity: Severity::Error,
            text: "an error; its words are not saved on this box".to_owned(),
            times: value.into(),
        },
        _ => return None,
    })
}

fn time_state(state: TimeState) -> u16 {
    match state {
        TimeState::Unset | TimeState::Other => 0,
        TimeState::Untrusted => 1,
        TimeState::Holdover => 2,
        TimeState::Referenced => 3,
        TimeState::System => 4,
    }
}

fn state_of_time(code: u16) -> TimeState {
    match code {
        1 => TimeState::Untrusted,
        2 => TimeState::Holdover,
        3 => TimeState::Referenced,
        4 => TimeState::System,
        _ => TimeState::Unset,
    }
}

/// Returns a bound as it is stored, rounded up.
fn bound(bound_ms: Option<f64>) -> u16 {
    let Some(bound_ms) = bound_ms else { return NO_BOUND };
    let steps = ((bound_ms / SMALLEST_MS).log10() * STEPS_PER_DECADE).ceil();
    steps.clamp(0.0, f64::from(NO_BOUND - 1)) as u16
}

fn bound_ms(steps: u16) -> Option<f64> {
    (steps != NO_BOUND).then(|| SMALLEST_MS * 10_f64.powf(f64::from(steps) / STEPS_PER_DECADE))
}

#[cfg(test)]
mod tests;
