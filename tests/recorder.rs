//! The flight recorder from outside: a box whose power is cut, that is killed and that ends, and
//! what `doctor --last-ride` says of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use jaudiosync_measure::{Sink, VirtualCard};
use support::service_process::{Make, ServiceProcess};
use support::{Run, Sandbox};

/// Switches the box on, in a boot of this id.
fn switch_on(sandbox: &Sandbox, card: &VirtualCard, boot: &str, prepare: impl FnOnce(&mut Command)) -> ServiceProcess {
    let make = Make { jumper: true, ..Make::default() };
    let prepared = |command: &mut Command| {
        command.env("JAUDIOSYNC_BOOT_ID", boot);
        prepare(command);
    };
    ServiceProcess::switch_on_prepared(sandbox, card, Sink::Left, &make, prepared).ready()
}

/// Asks about the last ride, in a boot of this id.
fn last_ride(sandbox: &Sandbox, boot: &str, arguments: &[&str]) -> Run {
    let mut command = sandbox.command();
    command.env("STATE_DIRECTORY", ServiceProcess::state(sandbox, "box")).env("JAUDIOSYNC_BOOT_ID", boot);
    Run::of(command.arg("doctor").args(arguments).output().unwrap())
}

fn recording(sandbox: &Sandbox) -> std::path::PathBuf {
    ServiceProcess::state(sandbox, "box").join("recorder.jsonl")
}

fn count(text: &str, words: &str) -> usize {
    text.matches(words).count()
}

/// Waits until the service plays, and the recorder has written its beginning `times` times.
fn plays(service: &ServiceProcess, sandbox: &Sandbox, times: usize) {
    service.wait_until("playing", |status| status.phase.is_some());
    support::process::wait_until("recorded", || {
        let text = std::fs::read(recording(sandbox)).unwrap_or_default();
        count(&String::from_utf8_lossy(&text), "\"what\":\"began\"") >= times
    });
}

#[test]
fn a_ride_with_a_power_cut_a_crash_and_a_clean_end_is_told_on_a_page() {
    let (sandbox, card) = (Sandbox::with_one_track(), VirtualCard::start().unwrap());
    last_ride(&sandbox, "aaaaaaaa", &["--last-ride"]).fails(1, &["nothing is recorded in", "has not run yet"]);

    let service = switch_on(&sandbox, &card, "aaaaaaaa", |_| {});
    plays(&service, &sandbox, 1);
    service.cut_power();
    // The cut tears the last line.
    let text = std::fs::read(recording(&sandbox)).unwrap();
    std::fs::write(recording(&sandbox), [&text[..], b"{\"boot\":\"aaaaaaaa\",\"up_s\":12"].concat()).unwrap();

    let service = switch_on(&sandbox, &card, "bbbbbbbb", |_| {});
    plays(&service, &sandbox, 2);
    // Killed, in the same boot; systemd says how.
    service.cut_power();
    let runtime = sandbox.path().join("run");
    std::fs::create_dir(&runtime).unwrap();
    std::fs::write(runtime.join("last-end"), "watchdog killed ABRT\n").unwrap();
    let service = switch_on(&sandbox, &card, "bbbbbbbb", |command| _ = command.env("RUNTIME_DIRECTORY", &runtime));
    plays(&service, &sandbox, 3);
    let under_way = last_ride(&sandbox, "bbbbbbbb", &["--last-ride"]);
    assert!(under_way.succeeds().stdout.contains("still on"), "{under_way:?}");
    assert_eq!(service.end().code(), Some(0));

    let run = last_ride(&sandbox, "cccccccc", &["--last-ride"]);
    let page = &run.succeeds().stdout;
    println!("{page}");
    for words in [
        "Ride of 20",
        "power cut",
        "ended in an orderly way",
        "the watchdog: a part of the program hung",
        "Music",
        "trusted, with an unknown bound",
        "from the system clock",
    ] {
        assert!(page.contains(words), "no {words:?} in\n{page}");
    }
    assert!(page.contains("(1 line of the recording cannot be read"), "{page}");
    assert_eq!((count(page, "switched on"), count(page, "last entry: a power cut")), (2, 1), "{page}");
    assert!(page.lines().count() < 60 && page.lines().all(|line| line.chars().count() < 200), "a page:\n{page}");

    let run = last_ride(&sandbox, "cccccccc", &["--last-ride", "--json"]);
    let ride: serde_json::Value = serde_json::from_str(&run.succeeds().stdout).unwrap();
    assert_eq!((&ride["power_cuts"], &ride["unreadable_lines"]), (&1.into(), &1.into()), "{ride}");
    assert_eq!(ride["ride"]["boots"][0]["ending"], "power_cut");
    assert_eq!(ride["ride"]["boots"][1]["ending"], "asked");
    assert_eq!(ride["ride"]["restarts"].as_array().unwrap().len(), 1);
    assert!(!ride["ride"]["music"].as_array().unwrap().is_empty(), "{ride}");
    for second in [&["--last-ride=2"][..], &["--last-ride", "2"]] {
        last_ride(&sandbox, "cccccccc", second).fails(1, &["there is no ride 2: the recording has 1 ride"]);
    }
    // Without the configuration that was named it would be another box's ride.
    last_ride(&sandbox, "cccccccc", &["--last-ride", "--config", "none.toml"]).fails(1, &["none.toml", "no such file"]);
    std::fs::write(sandbox.path().join("odd.toml"), "[volume]\nloud = 1\n").unwrap();
    let run = last_ride(&sandbox, "cccccccc", &["--last-ride", "--config", "odd.toml"]);
    assert!(run.succeeds().stderr.contains("odd.toml:2"), "{run:?}");
}

#[test]
fn a_recording_with_any_content_is_shown_without_a_panic() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(ServiceProcess::state(&sandbox, "box")).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    let whole =
        "{\"boot\":\"aaaaaaaa\",\"up_s\":1.0,\"what\":\"note\",\"severity\":\"error\",\"text\":\"\\u001b[2J\"}\n";
    for _ in 0..40 {
        let mut bytes = whole.repeat(5).into_bytes();
        for _ in 0..random.usize(..30) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        bytes.truncate(random.usize(..bytes.len()));
        std::fs::write(recording(&sandbox), bytes).unwrap();
        let run = last_ride(&sandbox, "bbbbbbbb", &["--last-ride"]);
        run.does_not_panic();
        assert!(matches!(run.code, Some(0 | 1)) && !run.stdout.contains('\u{1b}'), "{run:?}");
    }
    std::fs::remove_file(recording(&sandbox)).unwrap();
    std::fs::create_dir(recording(&sandbox)).unwrap();
    last_ride(&sandbox, "bbbbbbbb", &["--last-ride"]).fails(1, &["cannot read", "recorder.jsonl"]);
    last_ride(&sandbox, "bbbbbbbb", &["--last-ride=0"]).fails(2, &["--last-ride"]);
    // A pipe is not waited for.
    std::fs::remove_dir(recording(&sandbox)).unwrap();
    nix::unistd::mkfifo(&recording(&sandbox), nix::sys::stat::Mode::S_IRWXU).unwrap();
    last_ride(&sandbox, "bbbbbbbb", &["--last-ride"]).fails(1, &["recorder.jsonl: it is not a file"]);
    // Nothing but what cannot be read.
    std::fs::remove_file(recording(&sandbox)).unwrap();
    for noise in [vec![0; 4096], vec![b'x'; 300_000]] {
        std::fs::write(recording(&sandbox), noise).unwrap();
        last_ride(&sandbox, "bbbbbbbb", &["--last-ride"]).fails(1, &["1 line of the recording cannot be read"]);
    }
}

#[test]
fn a_ride_without_the_time_has_no_date() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(ServiceProcess::state(&sandbox, "box")).unwrap();
    let began = "{\"boot\":\"aaaaaaaa\",\"up_s\":5.0,\"what\":\"began\",\"version\":\"1\",\"previous\":\"unknown\"}\n";
    let time = "{\"boot\":\"aaaaaaaa\",\"up_s\":59155.0,\"what\":\"time\",\"state\":\"holdover\",\"bound_ms\":7.0,\
                \"source\":\"RTC\"}\n";
    std::fs::write(recording(&sandbox), format!("{began}{time}")).unwrap();
    let run = last_ride(&sandbox, "bbbbbbbb", &["--last-ride"]);
    let page = &run.succeeds().stdout;
    assert!(page.starts_with("Ride on an unknown date, from 0:05 to 16:25:55 after power-on, version 1\n"), "{page}");
    assert!(page.contains("within ±7.00 ms at worst, 16:25:55 after power-on"), "{page}");
    // After a boot that knew it.
    let known = began.replace("aaaaaaaa", "99999999").replace("\"up_s\":5.0", "\"up_s\":5.0,\"utc_s\":1800000000.0");
    std::fs::write(recording(&sandbox), format!("{known}{began}{time}")).unwrap();
    let run = last_ride(&sandbox, "bbbbbbbb", &["--last-ride"]);
    let page = &run.succeeds().stdout;
    let heading = page.lines().next().unwrap();
    assert!(heading.starts_with("Ride of 2027-01-15 "), "{page}");
    assert!(heading.ends_with(" to 16:25:55 after the last power-on, on an unknown date, version 1"), "{page}");
}
