//! Two slots in the memory on the clock module, written in turn: a power cut at any byte leaves the
//! old contents or the new.
//!
//! A slot is a header of 16 bytes and the contents. The header has a counter that grows with each
//! write and a CRC-32 over itself and the contents. Only the slot that is not the newer one is
//! written to, and pages belong to one slot alone, so that a page that is torn damages nothing that
//! counts.

use std::ops::Range;

use jaudiosync_hw::eeprom::{Eeprom, EepromError, STATE_SLOTS, pieces};

const MAGIC: [u8; 2] = *b"JS";
const HEADER_BYTES: usize = 16;
/// Where the CRC begins in the header; everything before it, and the contents, are in it.
const CRC: Range<usize> = 12..16;

/// A slot has room for this many bytes.
pub const ROOM_BYTES: usize = (STATE_SLOTS[0].end - STATE_SLOTS[0].start) as usize - HEADER_BYTES;
const _: () = assert!(STATE_SLOTS[1].end - STATE_SLOTS[1].start == STATE_SLOTS[0].end - STATE_SLOTS[0].start);

/// The slots: which one is to be written next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    next: usize,
    counter: u32,
}

/// What the slots hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The newest that is whole, with the version of its format; `None` if there is none.
    pub newest: Option<(u8, Vec<u8>)>,
    /// How many newer slots were damaged: a write that a power cut has ended.
    pub damaged: usize,
}

struct Header {
    slot: usize,
    version: u8,
    counter: u32,
    length: usize,
    bytes: [u8; HEADER_BYTES],
}

impl Slots {
    /// Reads both headers, and the contents of the newer slot; only if that is damaged those of the
    /// older one.
    ///
    /// # Errors
    /// If the chip cannot be read.
    pub fn read(eeprom: &mut dyn Eeprom) -> Result<(Self, Contents), EepromError> {
        let mut headers = Vec::new();
        let mut contents = Contents::default();
        for (slot, place) in STATE_SLOTS.iter().enumerate() {
            let mut bytes = [0; HEADER_BYTES];
            eeprom.read(place.start, &mut bytes)?;
            match Header::read(slot, bytes) {
                Some(header) => headers.push(header),
                None if bytes == [0xFF; HEADER_BYTES] => {}
                None => contents.damaged += 1,
            }
        }
        headers.sort_by_key(|header| std::cmp::Reverse(header.counter));
        for header in headers {
            let mut bytes = vec![0; header.length];
            eeprom.read(STATE_SLOTS[header.slot].start + HEADER_BYTES as u16, &mut bytes)?;
            if crc(&header.bytes, &bytes) == header.bytes[CRC] {
                contents.newest = Some((header.version, bytes));
                return Ok((Self { next: 1 - header.slot, counter: header.counter.wrapping_add(1) }, contents));
            }
            contents.damaged += 1;
        }
        Ok((Self { next: 0, counter: 1 }, contents))
    }

    /// Returns the writes that put these contents into the older slot, each within a page; `None`
    /// if there is no room for them.
    pub fn writes(&self, version: u8, contents: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
        if contents.len() > ROOM_BYTES {
            return None;
        }
        let mut bytes = [0; HEADER_BYTES];
        bytes[..2].copy_from_slice(&MAGIC);
        bytes[2] = version;
        bytes[4..8].copy_from_slice(&self.counter.to_le_bytes());
        bytes[8..10].copy_from_slice(&(contents.len() as u16).to_le_bytes());
        let crc = crc(&bytes, contents);
        bytes[CRC].copy_from_slice(&crc);
        let whole = [&bytes[..], contents].concat();
        Some(pieces(STATE_SLOTS[self.next].start, &whole).map(|(at, piece)| (at, piece.to_vec())).collect())
    }

    /// Notes that all of these writes were done: the other slot is next.
    pub fn written(&mut self) {
        self.next = 1 - self.next;
        self.counter = self.counter.wrapping_add(1);
    }
}

impl Header {
    fn read(slot: usize, bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let counter = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let is_one = bytes[..2] == MAGIC && length <= ROOM_BYTES;
        is_one.then_some(Self { slot, version: bytes[2], counter, length, bytes })
    }
}

fn crc(header: &[u8; HEADER_BYTES], contents: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&header[..CRC.start]);
    crc.update(contents);
    crc.finalize().to_le_bytes()
}
