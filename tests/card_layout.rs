//! `packaging/card/lay-out` on a card that is a file, its partitions files beside it: what the table and
//! the file systems are after it has run, also if the power is cut before, during or after any of its
//! steps. That the kernel takes part is tested in the emulated Pi.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MIB: u64 = 1 << 20;
const SECTORS_PER_MIB: u64 = 2048;
/// Like the official image, but smaller.
const TABLE: &str =
    "label: dos\nlabel-id: 0x4e639091\nstart=8192, size=131072, type=c\nstart=139264, size=204800, type=83\n";
const ROOT_START: u64 = 139_264;
const ROOT_END: u64 = 344_064;
const STATE_SECTORS: u64 = 64 * SECTORS_PER_MIB;

/// The steps that change something.
const STEPS: [&str; 7] = ["dd", "e2label", "fatlabel", "mkfs.ext4", "mkfs.vfat", "sfdisk", "sync"];

/// Ends the script before, after, or in the middle of the step whose number is in `CUT`.
const CUT: &str = r#"#!/bin/sh
name=${0##*/}
real=$(PATH=${PATH#*:} command -v "$name")
echo "$name" >>"$CARD.steps"
count=$(wc -l <"$CARD.steps")
if [ "$CUT" = "$count:before" ]; then kill -KILL $PPID; exit; fi
"$real" "$@"
code=$?
case $CUT:$name in
    # The end of the file system has not been written yet, or the beginning.
    $count:late:mkfs*) for last; do :; done; dd if=/dev/zero of="$last" bs=64k seek=1 count=1000 conv=notrunc status=none ;;
    $count:early:mkfs*) for last; do :; done; dd if=/dev/zero of="$last" bs=4k count=1 conv=notrunc status=none ;;
esac
case $CUT in $count:*) kill -KILL $PPID ;; esac
exit $code
"#;

/// As the kernel does: a partition of the table can be seen as a device.
const PARTX: &str = r#"#!/bin/sh
sfdisk --dump "$CARD" | sed -n 's/.*\([34]\) : start= *\([0-9]*\), size= *\([0-9]*\),.*/\1 \2 \3/p' | while read -r number start size; do
    [ -e "$CARD$number" ] || dd if="$CARD" of="$CARD$number" bs=1M iflag=skip_bytes,count_bytes skip=$((start * 512)) count=$((size * 512)) conv=sparse status=none
    truncate -s $((size * 512)) "$CARD$number"
done
"#;

struct Card(tempfile::TempDir);

impl Card {
    /// Makes a card of this size, with a table as the image has it, and the tools that stand in.
    fn new(mib: u64) -> Self {
        let card = Self(tempfile::tempdir().unwrap());
        fs::File::create(card.path("card")).unwrap().set_len(mib * MIB).unwrap();
        card.write_table(TABLE);
        fs::create_dir(card.path("tools")).unwrap();
        let size = format!("#!/bin/sh\necho {}\n", mib * SECTORS_PER_MIB);
        for (name, script) in
            [("partx", PARTX), ("udevadm", "#!/bin/sh\n"), ("resize2fs", "#!/bin/sh\n"), ("blockdev", &size)]
        {
            card.tool(name, script);
        }
        for step in STEPS {
            card.tool(step, CUT);
        }
        card
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn tool(&self, name: &str, script: &str) {
        let path = self.path("tools").join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn write_table(&self, table: &str) {
        fs::write(self.path("table"), table).unwrap();
        let table = fs::File::open(self.path("table")).unwrap();
        let done = Command::new("/usr/sbin/sfdisk").arg("--quiet").arg(self.path("card")).stdin(table).status();
        assert!(done.expect("fdisk is installed").success());
    }

    /// Runs a program that finds the tools that stand in before the others.
    fn run(&self, program: &str, arguments: &[&str], cut: &str) -> Output {
        let tools = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("tools").display());
        fs::write(self.path("card.steps"), "").unwrap();
        let mut command = Command::new(program);
        command.args(arguments).env("PATH", tools).env("CARD", self.path("card")).env("CUT", cut);
        command.output().unwrap()
    }

    /// Starts the Pi: the kernel sees what is in the table, and then the script runs.
    fn start(&self, cut: &str) -> Output {
        self.run("partx", &[], "");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/card/lay-out");
        self.run("sh", &[script.to_str().unwrap(), self.path("card").to_str().unwrap(), "2"], cut)
    }

    /// Returns the steps that the last run has come to.
    fn steps(&self) -> Vec<String> {
        fs::read_to_string(self.path("card.steps")).unwrap().lines().map(str::to_owned).collect()
    }

    fn first_sector(&self) -> [u8; 512] {
        let mut sector = [0; 512];
        fs::File::open(self.path("card")).unwrap().read_exact(&mut sector).unwrap();
        sector
    }

    /// Reads the entries of the table: first sector, sectors, type.
    fn table(&self) -> Vec<(u64, u64, u8)> {
        let sector = self.first_sector();
        let number = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes.try_into().unwrap()));
        let entries =
            sector[446..510].chunks(16).map(|entry| (number(&entry[8..12]), number(&entry[12..16]), entry[4]));
        entries.filter(|entry| entry.1 > 0).collect()
    }

    /// Reads the name of a file system.
    fn label(&self, number: u32) -> String {
        self.tag(number, "LABEL")
    }

    fn tag(&self, number: u32, tag: &str) -> String {
        let partition = self.path(&format!("card{number}"));
        let output = Command::new("/usr/sbin/blkid").args(["-p", "-o", "value", "-s", tag]).arg(partition).output();
        String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
    }

    fn is_whole(&self, checker: &str, number: u32) -> bool {
        let partition = self.path(&format!("card{number}"));
        let arguments: &[&str] = if checker == "e2fsck" { &["-f", "-n"] } else { &["-n"] };
        Command::new(Path::new("/usr/sbin").join(checker))
            .args(arguments)
            .arg(partition)
            .output()
            .unwrap()
            .status
            .success()
    }

    fn is_laid_out(&self) {
        let table = self.table();
        assert_eq!(
            self.first_sector()[440..444],
            [0x91, 0x90, 0x63, 0x4e],
            "the disk's id has changed, and nothing finds the root"
        );
        assert_eq!(table.len(), 4, "{table:?}");
        assert_eq!((table[0], table[1].0), ((8192, 131_072, 0x0c), ROOT_START), "what was there has moved");
        assert_eq!((table[2].1, table[2].2, table[3].2), (STATE_SECTORS, 0x83, 0x0c), "{table:?}");
        assert_eq!((self.label(3), self.label(4)), ("jas-state".to_owned(), "MUSIC".to_owned()));
        assert!(self.is_whole("e2fsck", 3) && self.is_whole("fsck.vfat", 4), "a file system is not whole");
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_power_may_be_cut_at_any_moment() {
    let whole = Card::new(384);
    assert!(whole.start("").status.success());
    whole.is_laid_out();
    let steps = whole.steps();
    assert!(steps.len() >= 10, "the steps are not counted: {steps:?}");
    for (number, step) in steps.iter().enumerate() {
        let moments: &[&str] =
            if step.starts_with("mkfs") { &["before", "early", "late", "after"] } else { &["before", "after"] };
        for moment in moments {
            let card = Card::new(384);
            let first = card.start(&format!("{}:{moment}", number + 1));
            assert!(!first.status.success(), "not cut {moment} {step}: {}", said(&first));
            let second = card.start("");
            assert!(second.status.success(), "cut {moment} {step}: {}", said(&second));
            card.is_laid_out();
        }
    }
}

#[test]
fn what_is_on_the_partitions_stays() {
    let card = Card::new(384);
    assert!(card.start("").status.success());
    let write = |name: &str| {
        let status = Command::new("mlabel").arg("-i").arg(card.path("card4")).arg(format!("::{name}")).status();
        assert!(status.expect("mtools is installed").success());
    };
    // As a laptop may name it.
    write("TUNES");
    let table = card.table();
    let before = (card.tag(3, "UUID"), fs::read(card.path("card4")).unwrap());
    let again = card.start("");
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(card.table(), table);
    assert!((card.tag(3, "UUID"), fs::read(card.path("card4")).unwrap()) == before, "it was made again");
}

#[test]
fn a_state_that_a_start_cannot_mend_is_mended() {
    let card = Card::new(384);
    assert!(card.start("").status.success());
    // Among the inodes.
    let file = fs::File::options().write(true).open(card.path("card3")).unwrap();
    file.write_all_at(&vec![0xff; 300 << 10], 1 << 20).unwrap();
    file.write_all_at(&vec![0xff; 64 << 10], 256 << 10).unwrap();
    assert!(!card.is_whole("e2fsck", 3), "it is not damaged");
    let output = card.start("");
    assert!(output.status.success() && said(&output).contains("is mended"), "{}", said(&output));
    card.is_laid_out();
}

#[test]
fn a_card_that_was_a_boxs_before_is_not_taken_for_one() {
    let card = Card::new(384);
    assert!(card.start("").status.success());
    let table = card.table();
    // The file systems are on the card itself, as they really are, and then it is flashed again.
    for (number, entry) in [(3, table[2]), (4, table[3])] {
        let partition = card.path(&format!("card{number}"));
        let (input, output) = (format!("if={}", partition.display()), format!("of={}", card.path("card").display()));
        let place = format!("seek={}", entry.0);
        let copied = Command::new("/usr/bin/dd")
            .args([&input, &output, "bs=512", &place, "conv=notrunc", "status=none"])
            .status();
        assert!(copied.unwrap().success());
        fs::remove_file(partition).unwrap();
    }
    card.write_table(TABLE);
    let output = card.start("");
    assert!(said(&output).contains("made the partition of the state"), "{}", said(&output));
    card.is_laid_out();
}

#[test]
fn the_root_takes_less_on_a_small_card_and_other_cards_stay_as_they_are() {
    let grown = |mib: u64| {
        let card = Card::new(mib);
        let output = card.start("");
        assert!(output.status.success(), "{mib} MiB: {}", said(&output));
        card.is_laid_out();
        let table = card.table();
        assert_eq!(table[3].0 + table[3].1, mib * SECTORS_PER_MIB, "{mib} MiB: the music does not have the rest");
        ((table[1].1 - (ROOT_END - ROOT_START)) / SECTORS_PER_MIB, table[3].1 / SECTORS_PER_MIB)
    };
    assert_eq!(grown(4096), (512, 4096 - 168 - 512 - 64));
    assert_eq!(grown(1024), (280, 512));
    assert_eq!(grown(304), (0, 72));
    let refused = |mib: u64, table: &str, words: &str| {
        let card = Card::new(mib);
        card.write_table(table);
        let before = card.table();
        let output = card.start("");
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        assert!(said(&output).contains(words), "no {words:?} in {}", said(&output));
        assert_eq!(card.table(), before);
    };
    refused(290, TABLE, "there is no room");
    let grown = TABLE.replace("204800", "700000");
    refused(430, &grown, "grown over the whole card");
    refused(1024, &format!("{TABLE}start=400000, size=2048, type=83\n"), "other partitions");
    refused(1024, "label: gpt\nstart=8192, size=131072\nstart=139264, size=204800\n", "not an MBR but gpt");
}
