//! The SD card: an image with a journaling file system, and a partition through which files go in
//! and out while the box runs.

use std::env;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempPath;

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
    /// Where that file system begins, and from where to where the exchange partition extends, in
    /// bytes.
    kept: u64,
    exchange: Range<u64>,
}

impl SdCard {
    /// Makes a card as `scripts/pi-image` made it.
    pub fn new() -> Self {
        let path = tempfile::Builder::new().prefix("card-").suffix(".img").tempfile_in(memory()).expect("a file");
        let path = path.into_temp_path();
        // Most of it is empty, which cp leaves out.
        let copied = Command::new("cp").arg("--sparse=always").arg(prepared("card.img")).arg(&path).status();
        assert!(copied.is_ok_and(|status| status.success()), "cannot copy the card's image");
        let image = OpenOptions::new().read(true).write(true).open(&path).expect("the card's image");
        let bytes_at = |offset| {
            let mut sectors = [0; 4];
            image.read_exact_at(&mut sectors, PARTITIONS + offset).expect("a partition table");
            u64::from(u32::from_le_bytes(sectors)) * SECTOR_BYTES
        };
        let kept = bytes_at(FIRST_SECTOR);
        let exchange = bytes_at(ENTRY_BYTES + FIRST_SECTOR);
        let exchange = exchange..exchange + bytes_at(ENTRY_BYTES + SECTORS);
        Self { path, image, kept, exchange }
    }

    /// Installs files before the card is in a box: pairs of a file here and its place there. Makes
    /// folders; a file is executable if it is executable here.
    pub fn install<'a>(&self, files: impl IntoIterator<Item = (&'a Path, &'a str)>) {
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
            .arg(format!("{}?offset={}", self.path.display(), self.kept))
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
        self.assert_fits(bytes.len());
        self.image.write_all_at(bytes, self.exchange.start).expect("a write to the card's image");
    }

    /// Reads what the box has written there.
    pub(super) fn read_exchange(&self, length: usize) -> Vec<u8> {
        self.assert_fits(length);
        let mut bytes = vec![0; length];
        self.image.read_exact_at(&mut bytes, self.exchange.start).expect("a read from the card's image");
        bytes
    }

    fn assert_fits(&self, length: usize) {
        let room = self.exchange.end - self.exchange.start;
        assert!(length as u64 <= room, "{length} bytes do not fit into the exchange partition of {room}");
    }
}
