//! A FAT partition of a card with a whole system, as a laptop sees it while the card is not in a box, and
//! as the firmware does that starts the box.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A FAT within an image, by mtools.
pub struct FatPartition {
    card: PathBuf,
    first_byte: u64,
}

impl FatPartition {
    pub(super) fn at(card: PathBuf, first_byte: u64) -> Self {
        Self { card, first_byte }
    }

    /// Reads a file; `None` if there is none.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let output = self.mtools("mtype").arg(format!("::{name}")).output().expect("mtools is needed");
        output.status.success().then_some(output.stdout)
    }

    /// Reads a file of text, which must be there.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        let bytes = self.read(name).unwrap_or_else(|| panic!("the card has no {name}"));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: &[u8]) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), content).expect("a file that can be written");
        self.copy(file.path(), name);
    }

    /// Copies a file to it.
    pub fn copy(&self, from: &Path, name: &str) {
        self.must("mcopy", &["-o", &from.display().to_string(), &format!("::{name}")]);
    }

    /// Makes a folder.
    pub fn make_folder(&self, name: &str) {
        self.must("mmd", &[&format!("::{name}")]);
    }

    /// Deletes a file.
    pub fn delete(&self, name: &str) {
        self.must("mdel", &[&format!("::{name}")]);
    }

    #[track_caller]
    fn must(&self, tool: &str, arguments: &[&str]) {
        let output = self.mtools(tool).args(arguments).output().expect("mtools is needed");
        assert!(output.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn mtools(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        let place = format!("{}@@{}", self.card.display(), self.first_byte);
        // Without this, mtools refuses partitions that Linux and the Pi take.
        command.args(["-i", &place]).env("MTOOLS_SKIP_CHECK", "1");
        command
    }
}
