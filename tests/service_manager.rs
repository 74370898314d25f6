//! What systemd and its journal receive from the service, and what an owner does to a running one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jaudiosync_measure::{Sink, VirtualCard};
use nix::sys::signal::Signal;
use support::process::Process;
use support::service_process::{Make, ServiceProcess};
use support::{Sandbox, short_mp3};

/// Collects notifications until a line with these words.
fn notified(socket: &UnixDatagram, line: &str) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut seen = Vec::new();
    while !seen.iter().any(|seen| seen == line) {
        assert!(Instant::now() < deadline, "no {line:?} in {seen:?}");
        let mut bytes = [0; 1024];
        let count = socket.recv(&mut bytes).unwrap();
        seen.extend(String::from_utf8_lossy(&bytes[..count]).lines().map(str::to_owned));
    }
    seen
}

#[test]
fn systemd_is_notified_when_it_is_ready_that_it_lives_what_it_does_and_that_it_ends() {
    let sandbox = Sandbox::with_one_track();
    let card = VirtualCard::start().unwrap();
    let address = sandbox.path().join("notify");
    let socket = UnixDatagram::bind(&address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let log = sandbox.path().join("journal");
    let file = File::create(&log).unwrap();
    let metadata = file.metadata().unwrap();
    let mut command = sandbox.command();
    command.args(["run", "--board", "none", "--music", "Music", "--socket"]).arg(sandbox.path().join("socket"));
    command.args(["--config", "/dev/null"]).envs(card.env(Sink::Left)).env("NOTIFY_SOCKET", &address);
    // As systemd says that standard error is the journal.
    command.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()));
    command.env("RUST_LOG", "info");
    let mut child = Process::start(command.stdin(Stdio::null()).stderr(file));
    let seen = notified(&socket, "READY=1");
    assert!(!seen.iter().any(|line| line == "STOPPING=1"));
    let seen = notified(&socket, "WATCHDOG=1");
    assert!(!seen.contains(&"STOPPING=1".to_owned()));
    notified(&socket, "STATUS=Waiting for a start");
    child.send(Signal::SIGTERM);
    notified(&socket, "STOPPING=1");
    assert_eq!(child.wait_for_end().0.code(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.lines().any(|line| line.starts_with("<6>ready ")), "{log}");
    assert!(log.lines().all(|line| line.starts_with('<')), "every line has its level: {log}");
}

#[test]
fn a_changed_playlist_is_noticed_and_taken_over_by_reload_and_a_changed_configuration_too() {
    let sandbox = Sandbox::with_one_track();
    let card = VirtualCard::start().unwrap();
    let made = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &Make::default()).ready();
    let socket = made.socket().to_str().unwrap().to_owned();
    let first = made.status().playlist.unwrap();
    assert_eq!((first.tracks, first.changed), (1, false));
    short_mp3(&sandbox.music().join("b.mp3"), 200_000, "B");
    sandbox.playlist("a.mp3\nb.mp3\n");
    let changed = |status: &jaudiosync::control::Status| status.playlist.as_ref().is_some_and(|list| list.changed);
    let status = made.wait_until("changed", changed);
    assert!(status.warnings.iter().any(|warning| warning.contains("jaudiosync reload")), "{:?}", status.warnings);
    let config = sandbox.path().join("box.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[volume]\nmaximum_percent = 30\nloud = 3\n[board]\nled_gpio = 13\n"))
        .unwrap();
    let run = sandbox.run(&["reload", "--socket", &socket]);
    assert!(run.succeeds().stdout.contains("2 tracks, fingerprint"), "{run:?}");
    assert!(run.stdout.contains("pins of [board] will take effect after: systemctl restart"), "{run:?}");
    // What needs a restart still needs it.
    let run = sandbox.run(&["reload", "--socket", &socket]);
    assert!(run.succeeds().stdout.contains("pins of [board] will take effect after: systemctl restart"), "{run:?}");
    let status = made.status();
    let second = status.playlist.clone().unwrap();
    assert!(second.tracks == 2 && !second.changed && second.fingerprint != first.fingerprint);
    assert_eq!((status.volume.percent, status.volume.maximum_percent), (30, 30));
    assert!(status.warnings.iter().any(|warning| warning.contains("box.toml") && warning.contains("loud")));
    // The playlist is gone: the one that was read stays.
    std::fs::remove_file(sandbox.music().join("Playlist.m3u8")).unwrap();
    sandbox.run(&["reload", "--socket", &socket]).fails(1, &["there is no playlist", "Playlist.m3u8"]);
    sandbox.run(&["start", "--socket", &socket]).succeeds();
    sandbox.run(&["start", "-t", "2199-11-30 18:30", "--socket", &socket]).succeeds();
    // A volume that was set just before the end is saved.
    sandbox.run(&["volume", "20", "--socket", &socket]).succeeds();
    assert_eq!(made.end().code(), Some(0));
    let volume = std::fs::read_to_string(ServiceProcess::state(&sandbox, "box").join("volume.json")).unwrap();
    assert!(volume.contains("20"), "{volume}");
}

#[test]
fn a_music_folder_that_was_away_and_is_back_as_it_was_is_not_a_change() {
    let sandbox = Sandbox::with_one_track();
    let card = VirtualCard::start().unwrap();
    let made = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &Make::default()).ready();
    let before = made.status().playlist.unwrap();
    let changed = |status: &jaudiosync::control::Status| status.playlist.as_ref().is_some_and(|list| list.changed);
    let away = sandbox.path().join("away");
    std::fs::rename(sandbox.music(), &away).unwrap();
    made.wait_until("changed", changed);
    std::fs::rename(&away, sandbox.music()).unwrap();
    let status = made.wait_until("as it was", |status| !changed(status));
    assert_eq!(status.playlist.unwrap(), before);
    assert!(!status.warnings.iter().any(|warning| warning.contains("playlist")), "{:?}", status.warnings);
    // A file added afterwards is a change again.
    sandbox.playlist("a.mp3\na.mp3\n");
    made.wait_until("changed", changed);
    assert_eq!(made.end().code(), Some(0));
}

#[test]
fn obstacles_to_a_start_are_reported() {
    let sandbox = Sandbox::with_one_track();
    let card = VirtualCard::start().unwrap();
    let made = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &Make::default()).ready();
    let socket = made.socket().to_str().unwrap();
    let arguments = ["run", "--board", "none", "--config", "/dev/null", "--socket", socket];
    let second = support::Run::of(sandbox.command().args(arguments).envs(card.env(Sink::Right)).output().unwrap());
    second.fails(1, &["already running", "stop it first"]);
    // Nothing sets the clock, or discards what is known about it, while the service runs.
    let config = sandbox.path().join("clock.toml");
    std::fs::write(&config, format!("[control]\nsocket = \"{socket}\"\n")).unwrap();
    let config = config.to_str().unwrap();
    sandbox.run(&["time", "forget", "--config", config]).fails(1, &["the service controls the RTC", "systemctl stop"]);
    let arguments = ["time", "set-rtc", "--config", config, "--rtc", "/dev/i2c-9", "--from-system"];
    sandbox.run(&arguments).fails(1, &["the service controls the RTC"]);
    sandbox.run(&["run", "--board", "moon"]).fails(2, &["possible values", "sim"]);
    // It runs even without music, a sound card or a folder for its state.
    let state = sandbox.path().join("no-folder");
    std::fs::write(&state, "").unwrap();
    let mut command = sandbox.command();
    command.args(["run", "--board", "none", "--config", "/dev/null", "--music", "Nowhere", "--state"]).arg(&state);
    command.arg("--socket").arg(sandbox.path().join("other")).env("ALSA_CONFIG_PATH", "/dev/null");
    let log = sandbox.path().join("log");
    command.env("PULSE_SERVER", "unix:/nowhere").stdin(Stdio::null()).stderr(File::create(&log).unwrap());
    let mut child = Process::start(&mut command);
    let other = sandbox.path().join("other");
    let deadline = Instant::now() + Duration::from_secs(30);
    let status = loop {
        let run = sandbox.run(&["status", "--json", "--socket", other.to_str().unwrap()]);
        if run.stdout.contains("Nowhere") {
            break run.stdout;
        }
        assert!(Instant::now() < deadline, "{run:?}");
    };
    for words in ["there is no Music folder at Nowhere", "the sound card is gone"] {
        assert!(status.contains(words), "no {words:?} in {status}");
    }
    child.send(Signal::SIGTERM);
    let (status, _) = child.wait_for_end();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(status.success() && !log.contains("panicked"), "{status}: {log}");
}
