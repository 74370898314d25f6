//! `jaudiosync ride`, and what the other commands say of the ride, from outside: a whole box with a
//! key, which is alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use jaudiosync_measure::{Sink, VirtualCard};
use serde_json::Value;
use support::Sandbox;
use support::free_address::free_address;
use support::process::Process;
use support::service_process::{Make, ServiceProcess};

/// Makes a key, and returns the lines of a configuration that has it.
fn with_key(sandbox: &Sandbox) -> String {
    let key = sandbox.run(&["ride", "new-key"]).succeeds().stdout.clone();
    let file = sandbox.path().join("ride.key");
    fs::write(&file, key).unwrap();
    let (file, port) = (file.display(), free_address().port());
    format!("[time]\nrtc = \"simulated\"\n[ride]\nname = \"bike-1\"\nkey_file = \"{file}\"\nport = {port}\n")
}

#[test]
fn a_box_with_a_key_that_hears_nobody_says_so_everywhere() {
    let (sandbox, card) = (Sandbox::with_one_track(), VirtualCard::start().unwrap());
    let config = with_key(&sandbox);
    let make = Make { config: &config, ..Make::default() };
    let service = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &make).ready();
    let socket = service.socket().to_str().unwrap();
    service.wait_until("has a time", |status| status.time.error_bound_ms.is_some());

    let run = sandbox.run(&["ride", "--socket", socket]);
    let first = run.succeeds().stdout.lines().next().unwrap();
    assert!(first.starts_with("bike-1 is alone: no other box was met yet, ±"), "{run:?}");
    assert!(first.ends_with(" to UTC") && !run.stdout.contains('\u{1b}'), "{run:?}");
    assert!(["Nobody is heard on ", "There is no network now"].iter().any(|why| run.stdout.contains(why)), "{run:?}");

    let json: Value = serde_json::from_str(&sandbox.run(&["ride", "--json", "--socket", socket]).stdout).unwrap();
    assert_eq!((&json["name"], &json["role"]), (&"bike-1".into(), &"alone".into()));
    assert_eq!(
        (&json["leader"], &json["group_bound_ms"], &json["neighbours"]),
        (&Value::Null, &Value::Null, &Value::Array(vec![]))
    );
    assert_eq!((&json["refused"]["signature"], &json["excluded"]), (&0.into(), &false.into()), "{json}");

    let status = sandbox.run(&["status", "--socket", socket]);
    assert!(status.succeeds().stdout.contains("\nride      alone: no other box was met yet, ±"), "{status:?}");
    assert!(service.status().ride.is_some_and(|ride| ride.neighbours.is_empty()));

    // What doctor reads of the box itself may be wrong on this machine.
    let file = sandbox.path().join("box.toml");
    let doctor = sandbox.run(&["doctor", "--json", "--config", file.to_str().unwrap(), "--socket", socket]);
    let findings: Value = serde_json::from_str(&doctor.stdout).unwrap();
    let findings = findings["findings"].as_array().unwrap();
    let texts: Vec<&str> = findings
        .iter()
        .filter(|finding| ["ride", "neighbours"].contains(&finding["check"].as_str().unwrap()))
        .map(|finding| finding["text"].as_str().unwrap())
        .collect();
    let why = ["no other box is heard on ", "there is no network now"];
    assert!(texts.iter().any(|text| why.iter().any(|why| text.contains(why))), "{texts:?}");

    let socket_line = format!("[control]\nsocket = \"{socket}\"\n");
    fs::write(sandbox.path().join("time.toml"), format!("[time]\nrtc = \"simulated\"\n{socket_line}")).unwrap();
    let time: Value = serde_json::from_str(&sandbox.run(&["time", "--json", "--config", "time.toml"]).stdout).unwrap();
    assert!(time["state"].is_string() && time["ride"]["role"] == "alone", "{time}");
    let time = sandbox.run(&["time", "--config", "time.toml"]);
    assert!(time.succeeds().stdout.contains("\nRide         alone: no other box was met yet, ±"), "{time:?}");
}

#[test]
fn with_watch_it_is_shown_again_until_the_service_ends() {
    let (sandbox, card) = (Sandbox::with_one_track(), VirtualCard::start().unwrap());
    let config = with_key(&sandbox);
    let make = Make { config: &config, ..Make::default() };
    let service = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &make).ready();
    let mut command = sandbox.command();
    command.args(["ride", "--watch", "--socket"]).arg(service.socket()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut watching = Process::start(&mut command);
    let mut pages = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    for _ in 0..2 {
        assert!(pages.any(|line| line.starts_with("bike-1 is alone: ")));
    }
    assert!(service.end().success());
    assert_eq!(watching.wait_for_end().0.code(), Some(1), "the service has ended");
}

#[test]
fn a_box_without_a_key_says_how_to_get_one_and_no_service_is_an_error() {
    let (sandbox, card) = (Sandbox::with_one_track(), VirtualCard::start().unwrap());
    let service = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &Make::default()).ready();
    let socket = service.socket().to_str().unwrap();
    let run = sandbox.run(&["ride", "--socket", socket]);
    assert!(run.succeeds().stdout.starts_with("This box neither hears other boxes nor is heard: "), "{run:?}");
    assert_eq!(sandbox.run(&["ride", "--json", "--socket", socket]).succeeds().stdout, "null\n");
    assert!(!sandbox.run(&["status", "--socket", socket]).succeeds().stdout.contains("\nride "));
    sandbox.run(&["ride", "--socket", "/nowhere/socket"]).fails(5, &["no service answers"]);
    sandbox.run(&["ride", "--watch", "new-key"]).fails(2, &["new-key"]);
}

#[test]
fn a_key_that_is_broken_is_named_and_options_that_contradict_each_other_are_refused() {
    let (sandbox, card) = (Sandbox::with_one_track(), VirtualCard::start().unwrap());
    fs::write(sandbox.path().join("ride.key"), "a3kd-aaaa\n").unwrap();
    let file = sandbox.path().join("ride.key");
    let config = format!("[time]\nrtc = \"simulated\"\n[ride]\nkey_file = \"{}\"\n", file.display());
    let make = Make { config: &config, ..Make::default() };
    let service = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &make).ready();
    let socket = service.socket().to_str().unwrap();
    for command in [["ride", "start"], ["ride", "stop"], ["sound-check", "--all"]] {
        sandbox.run(&[&command[..], &["--socket", socket]].concat()).fails(1, &["ride.key: "]);
    }
    sandbox.run(&["ride", "start", "-p", "2", "--fresh"]).fails(2, &["--fresh"]);
}

#[test]
fn the_help_and_the_completions_have_every_option() {
    let sandbox = Sandbox::new();
    let help = sandbox.run(&["ride", "--help"]);
    for words in ["--watch", "--json", "--socket", "new-key", "Examples:"] {
        assert!(help.succeeds().stdout.contains(words), "no {words:?} in {help:?}");
    }
    let completions = sandbox.run(&["completions", "bash"]);
    for words in ["--ride-key", "--ride-name", "--ride-wifi", "--ride-wifi-passphrase-file", "jaudiosync__subcmd__ride"]
    {
        assert!(completions.succeeds().stdout.contains(words), "no {words:?}");
    }
}
