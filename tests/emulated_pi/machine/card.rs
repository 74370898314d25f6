//! The SD card. That of the small guest is an image with a journaling file system, and a partition
//! through which files go in and out while the box runs; that of a whole system is as it was flashed.

use std::env;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempPath;

use super::fat_partition::FatPartition;
use super::qemu::prepared;

/// Where an image's partition table has its entries, and where an entry has its first sector and
/// number of sectors.
const PARTITIONS: u64 = 446;
const ENTRY_BYTES: u64 = 16;
const FIRST_SECTOR: u64 = 8;
const SECTORS: u64 = 12;
const SECTOR_BYTES: u64 = 512;

/// Returns a folder in memory: while a transfer waits for this machine's disk the whole box stands
/// still, and the music drops out.
fn memory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { env::temp_dir() }
}

/// A card, which may be in a box or not. Dropping it deletes it.
pub struct SdCard {
    path: TempPath,
    image: File,
    /// A whole system is on it. Otherwise its first partition has what the small guest keeps, and through
    /// the second one files go in and out.
    is_system: bool,
}

impl SdCard {
    /// Makes a card as `scripts/pi-image` made it.
    pub fn new() -> Self {
        Self::copy_of(&prepared("card.img"), false)
    }

    /// Flashes an image of a whole system to a card of this size.
    pub fn flashed(image: &Path, card_bytes: u64) -> Self {
        let card = Self::copy_of(image, true);
        card.image.set_len(card_bytes).expect("a larger file");
        card
    }

    fn copy_of(image: &Path, is_system: bool) -> Self {
        let path = tempfile::Builder::new().prefix("card-").suffix(".img").tempfile_in(memory()).expect("a file");
        let path = path.into_temp_path();
        // Most of it is empty, which cp leaves out.
        let copied = Command::new("cp").arg("--sparse=always").arg(image).arg(&path).status();
        assert!(copied.is_ok_and(|status| status.success()), "cannot copy the card's image");
        let image = OpenOptions::new().read(true).write(true).open(&path).expect("the card's image");
        Self { path, image, is_system }
    }

    /// Returns a number of sectors in the partition table, in bytes.
    fn bytes_at(&self, offset: u64) -> u64 {
        let mut sectors = [0; 4];
        self.image.read_exact_at(&mut sectors, PARTITIONS + offset).expect("a partition table");
        u64::from(u32::from_le_bytes(sectors)) * SECTOR_BYTES
    }

    /// Returns where a partition of the card begins, by its number from 1 to 4, and its length, in
    /// bytes.
    pub fn partition(&self, number: u64) -> Range<u64> {
        let entry = (number - 1) * ENTRY_BYTES;
        let first = self.bytes_at(entry + FIRST_SECTOR);
        first..first + self.bytes_at(entry + SECTORS)
    }

    /// Returns the card's boot partition, if a whole system is on it.
    pub fn boot_partition(&self) -> Option<FatPartition> {
        self.is_system.then(|| self.fat(1))
    }

    /// Returns a partition, by its number, that is a FAT.
    pub fn fat(&self, number: u64) -> FatPartition {
        FatPartition::at(self.path.to_path_buf(), self.partition(number).start)
    }

    /// Installs files before the card is in a box: pairs of a file here and its place there. Makes
    /// folders; a file is executable if it is executable here.
    pub fn install<'a>(&self, files: impl IntoIterator<Item = (&'a Path, &'a str)>) {
        self.write_files(self.partition(1).start, files);
    }

    /// The same on the root of a whole system.
    pub fn install_on_root<'a>(&self, files: impl IntoIterator<Item = (&'a Path, &'a str)>) {
        self.write_files(self.partition(2).start, files);
    }

    /// Writes files to the ext4 that begins at this byte.
    fn write_files<'a>(&self, first_byte: u64, files: impl IntoIterator<Item = (&'a Path, &'a str)>) {
        let mut script = String::new();
        for (from, to) in files {
            assert!(from.exists(), "{} is missing", from.display());
            for (end, _) in to.match_indices('/').skip(1) {
                let _ = writeln!(script, "mkdir \"{}\"", &to[..end]);
            }
            let _ = writeln!(script, "write \"{}\" \"{to}\"", from.display());
        }
        // It always exits with success: its complaints are checked.
        let mut debugfs = Command::new("debugfs")
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .args(["-w", "-f", "-"])
            .arg(format!("{}?offset={first_byte}", self.path.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("debugfs is needed: apt install e2fsprogs");
        debugfs.stdin.take().expect("its input").write_all(script.as_bytes()).expect("debugfs listens");
        let output = debugfs.wait_with_output().expect("debugfs ends");
        let complaints = String::from_utf8_lossy(&output.stderr);
        let mut complaints = complaints.lines().skip(1).filter(|line| !line.contains("directory already exists"));
        assert_eq!(complaints.next(), None, "debugfs, of {script}");
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes bytes where the box reads them from its exchange partition. QEMU and this process
    /// share the host's file cache.
    pub(super) fn write_exchange(&self, bytes: &[u8]) {
        let place = self.exchange(bytes.len());
        self.image.write_all_at(bytes, place).expect("a write to the card's image");
    }

    /// Reads what the box has written there.
    pub(super) fn read_exchange(&self, length: usize) -> Vec<u8> {
        let place = self.exchange(length);
        let mut bytes = vec![0; length];
        self.image.read_exact_at(&mut bytes, place).expect("a read from the card's image");
        bytes
    }

    /// Returns where the exchange partition begins, into which so many bytes must fit.
    fn exchange(&self, length: usize) -> u64 {
        assert!(!self.is_system, "a card with a whole system has no exchange partition");
        let Range { start, end } = self.partition(2);
        assert!(length as u64 <= end - start, "{length} bytes do not fit into the exchange partition");
        start
    }

    pub(super) fn has_exchange(&self) -> bool {
        !self.is_system
    }
}
