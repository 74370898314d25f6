//! The program itself, as scripts/package runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

fn manual() -> Command {
    Command::new(env!("CARGO_BIN_EXE_manual"))
}

#[test]
fn it_writes_what_the_package_needs() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manual");
    let _ = fs::remove_dir_all(&folder);
    assert!(manual().arg(&folder).status().unwrap().success());
    let man = ["man/jaudiosync.1", "man/jaudiosync-play.1", "man/jaudiosync.toml.5"];
    let completions = ["completions/jaudiosync.bash", "completions/_jaudiosync", "completions/jaudiosync.fish"];
    for file in man.iter().chain(&completions) {
        assert!(!fs::read(folder.join(file)).unwrap().is_empty(), "{file} is empty");
    }
}

#[test]
fn without_a_folder_it_prints_its_usage() {
    let output = manual().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "Usage: manual FOLDER\n");
}
