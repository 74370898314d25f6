//! An air for a test, or a word why there is none. Tests elsewhere may include this file.

use std::io::Write;
use std::process::Command;
use std::thread;

use jaudiosync_measure::Error;
use jaudiosync_measure::air::{Air, AirModel};

const DEFAULT_SEED: u64 = 7;
/// Set in a test that runs as root of a user namespace, so that it does not try that again.
const AS_ROOT: &str = "AIR_AS_ROOT";

/// Starts an air, with the seed `AIR_SEED` or always the same: a bound of three sigma is exceeded by
/// chance once in 370 seeds.
///
/// Returns `None` if the calling test should return. Either there are no namespaces or TAP devices
/// here, which it says; or the user may not make them, and the test has passed in a process of its
/// own, as root of a user namespace.
pub fn start(model: AirModel) -> Option<Air> {
    let seed = std::env::var("AIR_SEED").ok().and_then(|seed| seed.parse().ok());
    match Air::start(model, seed.unwrap_or(DEFAULT_SEED)) {
        Ok(air) => Some(air),
        Err(error @ Error::NoAir(_)) => {
            if !passes_as_root() {
                // Not by a macro, whose output is shown only of tests that fail.
                let word = format!("skipped: {error}\n");
                std::io::stderr().write_all(word.as_bytes()).unwrap();
            }
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs the calling test in a user namespace. Returns whether that is possible here; panics if the
/// test fails.
fn passes_as_root() -> bool {
    // A test runs on a thread that has its name; with one thread alone, on the main one.
    let Some(test) = thread::current().name().filter(|name| *name != "main").map(str::to_owned) else { return false };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--"]);
        command
    };
    let try_it = "exec 3<>/dev/net/tun && unshare --net true";
    let possible = || unshare().args(["sh", "-c", try_it]).output().is_ok_and(|output| output.status.success());
    if std::env::var_os(AS_ROOT).is_some() || !possible() {
        return false;
    }
    let again = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--include-ignored", "--nocapture"])
        .env(AS_ROOT, "1")
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&again.stderr));
    println!("as root of a user namespace: {said}");
    assert!(again.status.success(), "{test} failed as root of a user namespace:\n{said}");
    true
}
