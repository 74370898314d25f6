//! The program from outside: what it prints, the files it writes, its exit codes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jaudiosync-sim")).current_dir(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_short_ride_is_reported_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let ride = ["simulate", "--scenario", "ideal-rtc", "--boxes", "2", "--hours", "0.1"];
    let output = run(folder.path(), &[&ride[..], &["--json", "--plot", "fleet.svg"]].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stderr), "", "simulated boxes log nothing unless asked to");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["by_box"].as_array().map(Vec::len), Some(2), "{report}");
    let picture = std::fs::read_to_string(folder.path().join("fleet.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
}

#[test]
fn statistics_are_drawn_beside_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let second = |utc_s| {
        format!(
            "{{\"event\":\"stats\",\"utc_s\":{utc_s},\"phase_error_ms\":0.01,\"phase_bound_ms\":0.03,\
             \"speed_ppm\":-80.5}}\n"
        )
    };
    std::fs::write(folder.path().join("stats.jsonl"), second(100) + &second(101)).unwrap();
    let output = run(folder.path(), &["plot", "stats.jsonl"]);
    assert_eq!(text(&output.stdout), "stats.svg: 2 s\n", "{output:?}");
    assert!(std::fs::read_to_string(folder.path().join("stats.svg")).unwrap().contains("<polyline"));
}

#[test]
fn what_cannot_be_done_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.jsonl"), "{}\n").unwrap();
    for (arguments, code, words) in [
        (&["simulate", "--scenario", "no-such-ride"][..], 2, "ride, ideal-rtc"),
        (&["simulate", "--scenario", "faults", "--boxes", "2"], 2, "use --boxes 7 or more"),
        (&["simulate", "--hours", "nan"], 2, "48 hours"),
        (&["plot", "empty.jsonl"], 1, "jaudiosync play --stats --json > FILE"),
        (&["plot", "missing.jsonl"], 1, "missing.jsonl cannot be read"),
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert!(text(&output.stderr).contains(words), "{arguments:?}: {output:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}
