//! Files, cards and threads that fail in ways that no test could cause otherwise, through a library
//! that is preloaded into the program.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::wait_until;

/// The library, built, and the two files by which a fault begins and is seen.
pub struct Fault {
    folder: TempDir,
}

impl Fault {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fault.c");
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(folder.path().join("fault.so"));
        let output = command.arg(source).args(["-ldl", "-lpthread"]).output();
        let output = output.expect("a C compiler is needed: apt install build-essential");
        assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        Self { folder }
    }

    /// Adds the library to what a command runs, with the fault to cause, such as `("FAULT_READ",
    /// ".mp3")`.
    pub fn add_to(&self, command: &mut Command, what: &[(&str, &str)]) {
        command.env("LD_PRELOAD", self.folder.path().join("fault.so"));
        command.env("FAULT_FROM", self.from()).env("FAULT_SEEN", self.seen()).envs(what.iter().copied());
    }

    /// Begins the fault.
    pub fn begin(&self) {
        std::fs::write(self.from(), "").unwrap();
    }

    /// Removes the fault from what is started from now on, until it begins again.
    pub fn forget(&self) {
        for file in [self.from(), self.seen()] {
            let _ = std::fs::remove_file(file);
        }
    }

    /// Waits until something hangs.
    #[track_caller]
    pub fn wait_until_it_hangs(&self) {
        wait_until("hung", || self.seen().exists());
    }

    fn from(&self) -> PathBuf {
        self.folder.path().join("from")
    }

    fn seen(&self) -> PathBuf {
        self.folder.path().join("seen")
    }
}
