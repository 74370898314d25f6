//! Nothing is left of an air: not its namespaces, not what ran in them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jaudiosync_measure::air::{Air, AirModel};

use crate::rights::start;

/// Returns paths to all network namespaces that a process is in or holds open, each once.
fn namespaces() -> Vec<PathBuf> {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    let entries = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    for process in entries("/proc".into()) {
        // Not /proc/self, which is another process to nsenter.
        if !process.to_string_lossy().ends_with(|last: char| last.is_ascii_digit()) {
            continue;
        }
        let files = entries(process.join("fd"));
        for path in files.chain([process.join("ns/net")]) {
            let Ok(target) = fs::read_link(&path) else { continue };
            if target.to_string_lossy().starts_with("net:[") && known.insert(target) {
                found.push(path);
            }
        }
    }
    found
}

/// How many network namespaces are marked with this word. Numbers of namespaces are used again.
fn marked(word: &str) -> usize {
    let is_marked = |path: &PathBuf| {
        let mut net = std::ffi::OsString::from("--net=");
        net.push(path);
        let output = Command::new("nsenter").arg(net).args(["ip", "link", "show", "lo"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(word)
    };
    namespaces().iter().filter(|path| is_marked(path)).count()
}

/// Adds two stations whose namespaces are marked, with a process that ignores signals in each.
fn inhabit(air: &Air, word: &str) -> Vec<Child> {
    let inhabit = |name| {
        let station = air.station(name).unwrap();
        assert!(station.command("ip").args(["link", "set", "lo", "alias", word]).status().unwrap().success());
        let sleep = "trap '' HUP INT TERM; echo ready; sleep 1000 & wait";
        let mut child = station.command("bash").args(["-c", sleep]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        child
    };
    ["a", "b"].map(inhabit).into()
}

#[test]
fn nothing_is_left_of_a_dropped_air() {
    let word = format!("dropped-{}", std::process::id());
    let Some(air) = start(AirModel::wire()) else { return };
    let mut children = inhabit(&air, &word);
    let station = air.station("c").unwrap();
    assert_eq!(marked(&word), 2);
    drop(air);
    assert_eq!(marked(&word), 0);
    for child in &mut children {
        assert!(!child.wait().unwrap().success());
    }
    assert!(station.inside(|| ()).is_err() && !station.command("true").status().unwrap().success());
}

#[test]
fn nothing_is_left_after_a_panic() {
    let word = format!("panicked-{}", std::process::id());
    let Some(air) = start(AirModel::wire()) else { return };
    let mut children = Vec::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let air = air;
        children = inhabit(&air, &word);
        panic!("a test that fails, which this one is to survive");
    }));
    assert!(panicked.is_err());
    assert_eq!(marked(&word), 0);
    for child in &mut children {
        child.wait().unwrap();
    }
}

#[test]
#[ignore = "not a test: the process that the next one kills"]
fn process_with_an_air() {
    let air = start(AirModel::wire()).unwrap();
    let _children = inhabit(&air, &std::env::var("AIR_WORD").unwrap());
    println!("inhabited");
    thread::sleep(Duration::from_secs(1000));
}

#[test]
fn nothing_is_left_when_the_program_is_killed() {
    if start(AirModel::wire()).is_none() {
        return;
    }
    let word = format!("killed-{}", std::process::id());
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "remains::process_with_an_air", "--nocapture"])
        .env("AIR_WORD", &word)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("inhabited")));
    assert_eq!(marked(&word), 2);
    program.kill().unwrap();
    program.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while marked(&word) > 0 {
        assert!(Instant::now() < deadline, "{} namespaces are left", marked(&word));
        thread::sleep(Duration::from_millis(50));
    }
}
