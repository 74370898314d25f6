//! The partitions of a card that is not in a box, judged from outside.

use std::ops::Range;
use std::path::Path;
use std::process::Command;

use crate::machine::SdCard;

/// What a check of a journaling file system has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Its journal was replayed: it was written to when the power was cut.
    pub replayed: bool,
}

/// Checks a copy of the ext4 in a partition as a box does at its start, and then whether anything is left
/// that is wrong.
///
/// # Panics
/// If there is.
#[track_caller]
pub fn check_ext4(card: &SdCard, number: u64, what: &str) -> Checked {
    let copy = copy_of(card, card.partition(number));
    let preened = run("e2fsck", &["-p"], copy.path());
    // e2fsck(8): 0, no errors; 1, errors were corrected, as a journal that is replayed is not.
    assert!(preened.code <= 1, "{what}: e2fsck -p: {preened:?}");
    // What e2fsck may mend without asking is no damage: a file that was deleted when the root was mounted,
    // in 1970, has a time of deletion that e2fsck takes for the number of another file.
    let forced = run("e2fsck", &["-fp"], copy.path());
    assert!(forced.code <= 1, "{what}: e2fsck -fp: {forced:?}");
    let clean = run("e2fsck", &["-fn"], copy.path());
    assert_eq!(clean.code, 0, "{what}: {clean:?}");
    Checked { replayed: preened.said.contains("recovering journal") }
}

/// What a check of a FAT has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedFat {
    /// It counts itself as being written to.
    pub dirty: bool,
    /// Something had to be mended, such as a file that had no name yet.
    pub mended: bool,
}

/// Checks a copy of the FAT in a partition as a box does at its start, and then whether anything is left
/// that is wrong.
///
/// # Panics
/// If there is.
#[track_caller]
pub fn check_fat(card: &SdCard, number: u64, what: &str) -> CheckedFat {
    let copy = copy_of(card, card.partition(number));
    // fsck.vfat(8): 0, no errors; 1, errors were found that can be mended.
    let mended = run("fsck.vfat", &["-a"], copy.path());
    assert!(mended.code <= 1, "{what}: {mended:?}");
    let clean = run("fsck.vfat", &["-n"], copy.path());
    assert_eq!(clean.code, 0, "{what}: {clean:?}");
    let dirty = mended.said.contains("Dirty bit is set");
    let words = ["Reclaimed", "Orphan", "orphan", "Truncating", "Free cluster summary wrong", "differs"];
    CheckedFat { dirty, mended: words.iter().any(|word| mended.said.contains(word)) }
}

/// Returns a checksum of a partition.
pub fn checksum(card: &SdCard, number: u64) -> String {
    let said = run("sha256sum", &[], copy_of(card, card.partition(number)).path()).said;
    said.split(' ').next().unwrap_or_default().to_owned()
}

#[derive(Debug)]
struct Said {
    code: i32,
    said: String,
}

fn run(program: &str, options: &[&str], file: &Path) -> Said {
    let output = Command::new(program)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(options)
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
    let said = [output.stdout, output.stderr].concat();
    Said { code: output.status.code().unwrap_or(-1), said: String::from_utf8_lossy(&said).into_owned() }
}

/// Copies a range of a card, of which most is empty, which the copy leaves out.
fn copy_of(card: &SdCard, bytes: Range<u64>) -> tempfile::NamedTempFile {
    const BLOCK: u64 = 1 << 20;
    let copy = tempfile::NamedTempFile::new_in(card.path().parent().expect("a folder")).expect("a file");
    let number = |count: u64| (count / BLOCK).to_string();
    assert!(bytes.start.is_multiple_of(BLOCK), "partitions begin on whole megabytes");
    let status = Command::new("dd")
        .arg(format!("if={}", card.path().display()))
        .arg(format!("of={}", copy.path().display()))
        .args(["bs=1M", "conv=sparse", "status=none"])
        .arg(format!("skip={}", number(bytes.start)))
        .arg(format!("count={}", number((bytes.end - bytes.start).next_multiple_of(BLOCK))))
        .status();
    assert!(status.is_ok_and(|status| status.success()), "cannot copy a partition");
    copy.as_file().set_len(bytes.end - bytes.start).expect("a file of that length");
    copy
}
