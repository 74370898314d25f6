//! The bytes of a file by their place, read in large pieces and counted.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// Bytes read at once at a new place: enough to recognize a file by, so that a thousand files are
/// inspected quickly.
const FIRST_WINDOW_BYTES: usize = 16 * 1024;

/// Bytes read at once while reading continues: as many as Linux reads ahead by default.
const LARGEST_WINDOW_BYTES: usize = 128 * 1024;

/// Unreadable bytes are stepped over in pieces of this size: a page, which is some sectors of a
/// card.
const PAGE_BYTES: u64 = 4096;

/// If more than this in a row cannot be read, the file itself is gone, as with a stick that was
/// pulled out.
const MAX_UNREADABLE_BYTES: u64 = 128 * 1024;

/// Bytes that are kept before the current place: a reader that looks ahead comes back.
const KEPT_BYTES: u64 = 8 * 1024;

/// Something whose bytes can be read at any place.
pub trait ReadAt {
    /// Reads into `buffer` from a place. Returns how many bytes there were; 0 at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Returns its length in bytes.
    ///
    /// # Errors
    /// When its length cannot be determined.
    fn length(&self) -> io::Result<u64>;
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }

    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// A window on a file, which moves to the place that is read.
#[derive(Debug)]
pub struct Bytes<R> {
    source: R,
    length: u64,
    /// Where the window begins.
    begin: u64,
    window: Vec<u8>,
    window_bytes: usize,
    read_bytes: u64,
    unreadable: Unreadable,
}

/// The bytes that could not be read.
#[derive(Debug, Default)]
struct Unreadable {
    /// How many in all.
    bytes: u64,
    /// Where the last stretch of them begins and ends.
    begin: u64,
    end: u64,
}

impl Unreadable {
    /// Notes that a stretch cannot be read. Returns whether it is a damaged place rather than the
    /// whole file.
    fn note(&mut self, begin: u64, end: u64) -> bool {
        self.bytes += end - begin;
        if begin != self.end {
            self.begin = begin;
        }
        self.end = end;
        // A file whose beginning cannot be read cannot be played.
        begin > 0 && end - self.begin <= MAX_UNREADABLE_BYTES
    }
}

impl<R: ReadAt> Bytes<R> {
    /// Makes a window on `source`, of which nothing has been read yet.
    ///
    /// # Errors
    /// When its length cannot be determined.
    pub fn new(source: R) -> io::Result<Self> {
        Ok(Self {
            length: source.length()?,
            source,
            begin: 0,
            window: Vec::new(),
            window_bytes: 0,
            read_bytes: 0,
            unreadable: Unreadable::default(),
        })
    }

    /// Returns the length of the file in bytes when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns the number of bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Returns the number of bytes that could not be read so far and were replaced by zeros.
    pub fn unreadable_bytes(&self) -> u64 {
        self.unreadable.bytes
    }

    /// Returns `count` bytes from a place; fewer at the end of the file. A damaged place on a card
    /// or disk reads as zeros.
    ///
    /// # Errors
    /// When the beginning of the file cannot be read, or too much of it.
    pub fn get(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        let end = offset.saturating_add(count as u64).min(self.length);
        let window_end = self.begin + self.window.len() as u64;
        if offset < self.begin || end > window_end {
            self.move_to(offset, count)?;
        }
        let from = usize::try_from(offset.saturating_sub(self.begin)).unwrap_or(usize::MAX).min(self.window.len());
        let to = from.saturating_add(count).min(self.window.len());
        Ok(self.window.get(from..to).unwrap_or_default())
    }

    /// Reads a window that contains the `count` bytes from `offset`. Bytes that are there already
    /// are not read again.
    fn move_to(&mut self, offset: u64, count: usize) -> io::Result<()> {
        let window_end = self.begin + self.window.len() as u64;
        let goes_on = (self.begin..=window_end).contains(&offset);
        if goes_on {
            let begin = offset.saturating_sub(KEPT_BYTES).max(self.begin);
            self.window.drain(..(begin - self.begin) as usize);
            self.begin = begin;
            self.window_bytes = (2 * self.window_bytes).clamp(FIRST_WINDOW_BYTES, LARGEST_WINDOW_BYTES);
        } else {
            self.window.clear();
            self.begin = offset;
            self.window_bytes = FIRST_WINDOW_BYTES;
        }
        let mut filled = self.window.len();
        let wanted_end = offset.saturating_add(count.max(self.window_bytes) as u64).min(self.length);
        self.window.resize(usize::try_from(wanted_end.saturating_sub(self.begin)).unwrap_or(0).max(filled), 0);
        let mut at_once = usize::MAX;
        while let Some(rest) = self.window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let here = self.begin + filled as u64;
            let count = rest.len().min(at_once);
            match self.source.read_at(&mut rest[..count], here) {
                // The file has become shorter.
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    self.read_bytes += read as u64;
                    at_once = if at_once == usize::MAX { at_once } else { PAGE_BYTES as usize };
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // There is a damaged place in it: it is found page by page.
                Err(_) if at_once == usize::MAX => at_once = (PAGE_BYTES - here % PAGE_BYTES) as usize,
                Err(_) if self.unreadable.note(here, here + count as u64) => {
                    rest[..count].fill(0);
                    filled += count;
                    at_once = PAGE_BYTES as usize;
                }
                Err(error) => {
                    self.window.truncate(filled);
                    return Err(error);
                }
            }
        }
        self.window.truncate(filled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_places_in_any_order_are_read(
            length in 0_usize..300_000,
            looks in prop::collection::vec((0_u64..310_000, 0_usize..100_000), 1..20),
        ) {
            let file: Vec<u8> = (0..length).map(|place| ((place * 7919) >> 5) as u8).collect();
            let mut bytes = Bytes::new(&file[..]).unwrap();
            for (offset, count) in looks {
                let from = (offset as usize).min(length);
                let expected = &file[from..(from + count).min(length)];
                prop_assert_eq!(bytes.get(offset, count).unwrap(), expected);
            }
        }
    }

    /// A file of 0x01 bytes with a place that cannot be read.
    struct Damaged(std::ops::Range<u64>);

    impl ReadAt for Damaged {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let end = offset + buffer.len() as u64;
            if self.0.start < end && offset < self.0.end {
                return Err(io::Error::other("bad sector"));
            }
            buffer.fill(1);
            Ok(buffer.len())
        }

        fn length(&self) -> io::Result<u64> {
            Ok(1_000_000)
        }
    }

    #[test]
    fn a_damaged_place_is_zeros_and_a_lost_file_an_error() {
        let mut bytes = Bytes::new(Damaged(409_600..410_112)).unwrap();
        let mut read = Vec::new();
        for offset in (0..1_000_000).step_by(417) {
            read.extend_from_slice(bytes.get(offset, 417).unwrap());
        }
        let zeros: Vec<usize> = (0..1_000_000).filter(|place| read[*place] == 0).collect();
        assert_eq!((zeros[0], zeros.len()), (409_600, 4096), "one page");
        assert_eq!(bytes.unreadable_bytes(), 4096);
        assert!(Bytes::new(Damaged(0..512)).unwrap().get(0, 10).is_err(), "the beginning");
        let mut lost = Bytes::new(Damaged(500_000..1_000_000)).unwrap();
        assert!((0..1_000_000).step_by(417).any(|offset| lost.get(offset, 417).is_err()), "half the file");
    }

    #[test]
    fn bytes_that_are_read_in_order_are_read_once() {
        let file = vec![1; 1_000_000];
        let mut bytes = Bytes::new(&file[..]).unwrap();
        for offset in (0..1_000_000).step_by(417) {
            bytes.get(offset, 421).unwrap();
        }
        assert_eq!(bytes.read_bytes(), 1_000_000);
    }
}
