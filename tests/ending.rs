//! SIGTERM and SIGINT end every command within 2 s, even if a file, a disk, a card or a bus hangs;
//! saved state stays saved, and the message names what hangs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jaudiosync::control::protocol::PlayState;
use jaudiosync::control::{Client, Request, Response, Status, protocol};
use jaudiosync_measure::{Sink, VirtualCard};
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use support::fault::Fault;
use support::playing::{named, this_second};
use support::process::{PATIENCE, Process, wait_until};
use support::pty::Pty;
use support::service_process::ServiceProcess;
use support::{Sandbox, short_mp3};

/// An end is seen within this time after it was requested.
const BOUND: Duration = Duration::from_secs(2);

/// The length of every track in seconds.
const TRACK_S: i64 = 20;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, title) in [("a.mp3", "A"), ("b.mp3", "B")] {
        short_mp3(&sandbox.music().join(name), 44_100 * TRACK_S as usize, title);
    }
    sandbox.playlist("a.mp3\nb.mp3\n");
    sandbox
}

/// A process whose standard error is saved.
struct Running {
    process: Process,
    log: PathBuf,
}

impl Running {
    fn start(sandbox: &Sandbox, command: &mut Command) -> Self {
        let log = sandbox.path().join("log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Self { process: Process::start(command), log }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    #[track_caller]
    fn wait_for(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "no {words:?} in {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it waits: until its first thread sleeps at each of several checks.
    #[track_caller]
    fn wait_until_it_waits(&mut self) {
        let path = format!("/proc/{}/stat", self.process.id());
        let mut asleep = 0;
        wait_until("waiting", || {
            assert!(self.process.try_wait().unwrap().is_none(), "it has ended: {}", self.log());
            let stat = std::fs::read_to_string(&path).unwrap_or_default();
            let sleeps = stat.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with('S'));
            asleep = if sleeps { asleep + 1 } else { 0 };
            asleep > 20
        });
    }

    /// Requests its end, and waits for that, within the bound. Returns its status.
    #[track_caller]
    fn end(&mut self, what: &str, signal: Signal) -> std::process::ExitStatus {
        self.process.send(signal);
        let (status, took) = self.process.wait_for_end();
        println!("{what}: {signal} ended it after {:.3} s: {status}", took.as_secs_f64());
        assert!(took < BOUND, "{what}: {took:?}");
        assert!(!self.log().contains("panicked"), "{what}: {}", self.log());
        status
    }

    /// Ends a command that has nothing to save: the signal itself ends it.
    #[track_caller]
    fn is_ended_by(&mut self, what: &str, signal: Signal) {
        let status = self.end(what, signal);
        assert_eq!(status.signal(), Some(signal as i32), "{what}: {status}: {}", self.log());
    }

    /// Ends a command that exits by itself.
    #[track_caller]
    fn ends_with(&mut self, what: &str, code: i32, words: &[&str]) {
        let status = self.end(what, Signal::SIGTERM);
        assert_eq!(status.code(), Some(code), "{what}: {status}: {}", self.log());
        for words in words {
            assert!(self.log().contains(words), "{what}: no {words:?} in {}", self.log());
        }
    }
}

/// Runs with both signals, each sent to a process of its own.
#[track_caller]
fn both_end(what: &str, mut start: impl FnMut() -> Running) {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        start().is_ended_by(what, signal);
    }
}

#[test]
fn a_file_that_hangs_does_not_delay_a_command() {
    let (sandbox, fault) = (sandbox(), Fault::new());
    std::fs::write(sandbox.path().join("box.toml"), "").unwrap();
    let commands: [(&[&str], (&str, &str)); 7] = [
        (&["index"], ("FAULT_READ", ".mp3")),
        (&["list"], ("FAULT_READ", "b.mp3")),
        (&["list"], ("FAULT_OPEN", ".m3u8")),
        (&["play"], ("FAULT_READ", ".mp3")),
        (&["config", "--config", "box.toml"], ("FAULT_OPEN", "box.toml")),
        (&["run", "--config", "box.toml"], ("FAULT_OPEN", "box.toml")),
        (&["time", "--rtc", "/dev/i2c-of-the-test"], ("FAULT_OPEN", "i2c-of-the-test")),
    ];
    for (arguments, what) in commands {
        both_end(&format!("{arguments:?}"), || {
            fault.forget();
            fault.begin();
            let mut command = sandbox.command();
            fault.add_to(command.args(arguments), &[what]);
            let running = Running::start(&sandbox, &mut command);
            fault.wait_until_it_hangs();
            running
        });
    }
}

#[test]
fn a_pipe_in_place_of_music_does_not_delay_a_command() {
    let sandbox = sandbox();
    std::fs::remove_file(sandbox.music().join("b.mp3")).unwrap();
    nix::unistd::mkfifo(&sandbox.music().join("b.mp3"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut index = Process::start(sandbox.command().arg("index").stdout(Stdio::null()).stderr(Stdio::null()));
    // Whether it waits for a writer or passes over the pipe: it does not hang.
    let began = Instant::now();
    while index.try_wait().unwrap().is_none() && began.elapsed() < BOUND {
        std::thread::sleep(Duration::from_millis(10));
    }
    if index.try_wait().unwrap().is_none() {
        index.send(Signal::SIGTERM);
        let (status, took) = index.wait_for_end();
        assert!(took < BOUND && status.signal() == Some(Signal::SIGTERM as i32), "{status} after {took:?}");
    }
}

#[test]
fn a_sound_server_that_hangs_does_not_delay_a_command() {
    let (sandbox, card) = (sandbox(), VirtualCard::start().unwrap());
    card.freeze().unwrap();
    for arguments in
        [&["devices"][..], &["doctor", "--config", "/dev/null"], &["play"], &["run", "--config", "/dev/null"]]
    {
        both_end(&format!("{arguments:?}"), || {
            let mut command = sandbox.command();
            command.args(arguments).envs(card.env(Sink::Left)).env_remove("NOTIFY_SOCKET");
            if arguments[0] != "devices" && arguments[0] != "play" {
                command.arg("--socket").arg(sandbox.path().join("socket"));
            }
            let mut running = Running::start(&sandbox, &mut command);
            running.wait_until_it_waits();
            running
        });
    }
}

#[test]
fn a_card_that_hangs_when_it_is_opened_does_not_delay_a_command() {
    let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
    let config = "[sound]\ndevice = \"default\"\n[control]\nsocket = \"/nowhere/socket\"\n";
    std::fs::write(sandbox.path().join("box.toml"), config).unwrap();
    for arguments in [
        &["play", "--device", "default"][..],
        &["run", "--config", "box.toml", "--board", "none"],
        &["doctor", "--config", "box.toml"],
    ] {
        both_end(&format!("{arguments:?}"), || {
            fault.forget();
            fault.begin();
            let mut command = sandbox.command();
            command.args(arguments).envs(card.env(Sink::Left)).env("PULSE_SERVER", "unix:/nowhere");
            fault.add_to(&mut command, &[("FAULT_CALLS", "snd_pcm_open")]);
            let running = Running::start(&sandbox, &mut command);
            fault.wait_until_it_hangs();
            running
        });
    }
}

#[test]
fn a_service_that_does_not_answer_does_not_delay_its_clients() {
    let sandbox = sandbox();
    let socket = sandbox.path().join("silent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let commands: [&[&str]; 8] = [
        &["status"],
        &["status", "--watch"],
        &["start"],
        &["stop"],
        &["resume"],
        &["volume", "50"],
        &["reload"],
        &["doctor", "--config", "/dev/null"],
    ];
    for arguments in commands {
        both_end(&format!("{arguments:?}"), || {
            let mut command = sandbox.command();
            let running = Running::start(&sandbox, command.args(arguments).arg("--socket").arg(&socket));
            let (client, _) = listener.accept().unwrap();
            let mut request = String::new();
            BufReader::new(&client).read_line(&mut request).unwrap();
            // It stays open, and is silent.
            std::mem::forget(client);
            running
        });
    }
}

#[test]
fn long_work_is_ended_in_the_middle() {
    let sandbox = sandbox();
    let commands: [&[&str]; 4] = [
        &["time", "--rtc", "simulated", "--watch"],
        &["time", "--rtc", "/dev/i2c-of-nobody", "--wait", "3600"],
        &["time", "set-rtc", "--rtc", "simulated", "--ntp", "127.0.0.1:9", "--wait", "3600"],
        &["play", "--clock", "rtc"],
    ];
    for arguments in commands {
        both_end(&format!("{arguments:?}"), || {
            let mut running = Running::start(&sandbox, sandbox.command().args(arguments));
            running.wait_until_it_waits();
            running
        });
    }
}

#[test]
fn the_questions_of_setup_end_and_give_the_terminal_back() {
    let sandbox = sandbox();
    // Ctrl-C is a byte while single keys are read.
    for (name, ask, by) in [
        ("SIGTERM", (|process, _| Process::send(process, Signal::SIGTERM)) as fn(&Process, &mut Pty), Signal::SIGTERM),
        ("SIGINT", |process, _| process.send(Signal::SIGINT), Signal::SIGINT),
        ("Ctrl-C", |_, pty| pty.type_in(b"\x03"), Signal::SIGINT),
    ] {
        let mut pty = Pty::open();
        let mut command = Command::new("setsid");
        command.args(["-c", env!("CARGO_BIN_EXE_jaudiosync"), "setup", "--dry-run", "--config", "box.toml"]);
        command.current_dir(sandbox.path()).env("TZ", "UTC");
        pty.give_to(&mut command);
        let mut process = Process::start(&mut command);
        drop(command);
        pty.wait_for("Sound card");
        wait_until("asked for a key", || !pty.is_cooked());
        ask(&process, &mut pty);
        let (status, took) = process.wait_for_end();
        assert!(took < BOUND, "{name}: {took:?}");
        assert_eq!(status.signal(), Some(by as i32), "{name}: {status}");
        assert!(pty.is_cooked(), "{name}: the terminal is left in raw mode");
        let shown = pty.into_shown();
        assert!(shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"), "{name}: the cursor is left hidden: {shown:?}");
    }
}

/// Plays the playlist as if begun `ago_s` seconds ago, so that it is heard at once.
fn player(sandbox: &Sandbox, card: &VirtualCard, device: &str, ago_s: i64) -> Command {
    let mut command = sandbox.command();
    command
        .args(["play", "--loop", "-t", &named(this_second() - ago_s), "--device", device])
        .envs(card.env(Sink::Left));
    command
}

/// Starts a player, and waits until it plays.
fn start_playing(sandbox: &Sandbox, command: &mut Command) -> Running {
    let log = File::create(sandbox.path().join("log")).unwrap();
    start_playing_with(sandbox, command, log.into())
}

/// Starts it with a standard error that is not a file.
fn start_playing_with(sandbox: &Sandbox, command: &mut Command, stderr: Stdio) -> Running {
    let log = sandbox.path().join("log");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    let mut process = Process::start(command);
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    for line in lines.map_while(Result::ok) {
        if line.starts_with("At:") {
            return Running { process, log };
        }
        seen.push(line);
    }
    panic!("it does not play: {seen:?}, {}", std::fs::read_to_string(log).unwrap());
}

fn saved_position(sandbox: &Sandbox) -> Option<serde_json::Value> {
    let text = std::fs::read(sandbox.path().join("state/jaudiosync/position.json")).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

#[track_caller]
fn assert_position_saved(sandbox: &Sandbox) {
    let saved = saved_position(sandbox).expect("the position is saved").to_string();
    assert!(saved.contains("\"offset_s\"") && saved.contains("Playlist"), "{saved}");
}

#[test]
fn play_ends_with_its_position_saved_if_only_the_card_hangs() {
    for calls in ["snd_pcm_writei,snd_pcm_close", "snd_pcm_close"] {
        let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
        let mut command = player(&sandbox, &card, "default", 1);
        fault.add_to(&mut command, &[("FAULT_CALLS", calls)]);
        let mut running = start_playing(&sandbox, &mut command);
        fault.begin();
        if calls.contains("writei") {
            fault.wait_until_it_hangs();
        }
        running.ends_with(calls, 0, &["does not answer: feeder; exiting without waiting for it"]);
        assert_position_saved(&sandbox);
    }
}

#[test]
fn play_ends_with_its_position_saved_if_a_file_or_the_sound_server_hangs() {
    let (sandbox, mut card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
    // The second track is opened soon.
    let mut command = player(&sandbox, &card, "server", TRACK_S - 5);
    fault.add_to(&mut command, &[("FAULT_READ", "b.mp3")]);
    let mut running = start_playing(&sandbox, &mut command);
    fault.begin();
    fault.wait_until_it_hangs();
    running.ends_with("a file", 0, &[]);
    assert_position_saved(&sandbox);
    std::fs::remove_dir_all(sandbox.path().join("state")).unwrap();
    let mut running = start_playing(&sandbox, &mut player(&sandbox, &card, "server", 1));
    card.freeze().unwrap();
    running.ends_with("a sound server", 0, &[]);
    assert_position_saved(&sandbox);
    card.restart().unwrap();
}

#[test]
fn play_reports_a_position_that_cannot_be_saved_as_the_disk_hangs() {
    let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
    let mut command = player(&sandbox, &card, "server", 1);
    fault.add_to(&mut command, &[("FAULT_SYNC", "position.json")]);
    let mut running = start_playing(&sandbox, &mut command);
    fault.begin();
    running.ends_with("a disk", 1, &["does not answer: the position in the state folder"]);
    assert!(saved_position(&sandbox).is_none());
}

#[test]
fn a_log_that_nobody_reads_does_not_delay_it() {
    let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
    std::fs::write(sandbox.path().join("log"), "").unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    // Opened once more, so that non-blocking mode is not shared with the player.
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut filling = OpenOptions::new().write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).unwrap();
    let mut command = player(&sandbox, &card, "server", 1);
    fault.add_to(&mut command, &[("FAULT_SYNC", "position.json")]);
    let mut running = start_playing_with(&sandbox, &mut command, writer.into());
    fault.begin();
    while filling.write(&[0; 512]).is_ok() {}
    running.ends_with("a log that is full", 1, &[]);
    drop(reader);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
    let mut command = player(&sandbox, &card, "default", 1);
    fault.add_to(&mut command, &[("FAULT_CALLS", "snd_pcm_writei,snd_pcm_close")]);
    let mut running = start_playing(&sandbox, &mut command);
    fault.begin();
    fault.wait_until_it_hangs();
    running.process.send(Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(100));
    assert!(running.process.try_wait().unwrap().is_none(), "it fades out first");
    let status = running.end("a second signal", Signal::SIGINT);
    assert_eq!(status.signal(), Some(Signal::SIGINT as i32));
}

#[test]
fn a_player_that_ignores_hangups_plays_on_without_its_terminal() {
    let (sandbox, card) = (sandbox(), VirtualCard::start().unwrap());
    let mut command =
        started_by(&["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""], &player(&sandbox, &card, "server", 1));
    let mut running = start_playing(&sandbox, &mut command);
    running.process.send(Signal::SIGHUP);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        assert!(running.process.try_wait().unwrap().is_none(), "nohup means nothing to it");
        std::thread::sleep(Duration::from_millis(10));
    }
    running.ends_with("nohup", 0, &[]);
    // Not ignored, even where these tests themselves are run under nohup.
    let mut command = started_by(&["env", "--default-signal=HUP"], &player(&sandbox, &card, "server", 1));
    let mut running = start_playing(&sandbox, &mut command);
    let status = running.end("a terminal that was closed", Signal::SIGHUP);
    assert_eq!(status.code(), Some(0));
    assert_position_saved(&sandbox);
}

/// A command that another program starts, which replaces itself by it.
fn started_by(program: &[&str], inner: &Command) -> Command {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(inner.get_program()).args(inner.get_args());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = inner.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

/// The service of a box on a desk, whose buttons the test presses.
struct Service {
    running: Running,
    socket: PathBuf,
    state: PathBuf,
}

/// On a desk the system's time is trusted.
const SYSTEM_TIME: &str = "[time]\nsource = \"system\"\n";

impl Service {
    fn start(sandbox: &Sandbox, card: &VirtualCard, config: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let (socket, state) = (sandbox.path().join("box.sock"), ServiceProcess::state(sandbox, "box"));
        std::fs::write(sandbox.path().join("box.toml"), format!("{config}[control]\ngroup = \"\"\n")).unwrap();
        let mut command = sandbox.command();
        command.args(["run", "--board", "sim", "--music", "Music", "--config", "box.toml", "--state"]).arg(&state);
        command.arg("--socket").arg(&socket).envs(card.env(Sink::Left)).env_remove("NOTIFY_SOCKET");
        prepare(&mut command);
        let log = sandbox.path().join("log");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Self { running: Running { process: Process::start(&mut command), log }, socket, state }
    }

    fn ask(&self, request: &Request) -> Option<Response> {
        Client::connect(std::slice::from_ref(&self.socket)).ok()?.request(request).ok()
    }

    #[track_caller]
    fn wait_until(&self, what: &str, is_so: impl Fn(&Status) -> bool) {
        wait_until(what, || {
            let status =
                self.ask(&Request::Status { watch: false }).and_then(|response| response.into_status().ok()?);
            status.is_some_and(|status| is_so(&status))
        });
    }

    /// Starts the playlist as if begun some seconds ago, and waits until it plays.
    #[track_caller]
    fn playing(self, ago_s: i64) -> Self {
        let time = named(this_second() - ago_s).parse().unwrap();
        let start = protocol::Command::Start { time: Some(time), first_track: None, fresh: false }.into();
        wait_until("started", || self.ask(&start).is_some_and(|response| response.into_message().is_ok()));
        self.wait_until("playing", |status| status.play.state == PlayState::Playing);
        wait_until("saved", || self.state.join("session.json").exists());
        self
    }

    /// Sets a volume, which only the end writes down if it comes soon.
    fn set_volume(&self, percent: u8) {
        let answer =
            self.ask(&protocol::Command::Volume { percent: Some(percent), by: None }.into()).expect("an answer");
        answer.into_message().unwrap();
    }

    fn press(&mut self, line: &str) {
        writeln!(self.running.process.stdin.as_mut().unwrap(), "press {line}").unwrap();
    }

    #[track_caller]
    fn has_saved(&self, file: &str, words: &str) {
        let text = std::fs::read_to_string(self.state.join(file)).unwrap_or_default();
        assert!(text.contains(words), "no {words} in {file}: {text}");
    }

    /// Asserts that nothing is left behind if nothing was in the way.
    #[track_caller]
    fn has_let_go(&self) {
        assert!(!self.socket.exists(), "the socket remains");
    }
}

/// The sound card that hangs when ALSA is used.
const ALSA: &str = "[sound]\ndevice = \"default\"\n";
const CARD_HANGS: (&str, &str) = ("FAULT_CALLS", "snd_pcm_writei,snd_pcm_close");

#[test]
fn the_service_ends_with_its_state_saved_if_only_the_card_hangs() {
    let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
    let config = format!("{SYSTEM_TIME}{ALSA}");
    let start = || Service::start(&sandbox, &card, &config, |command| fault.add_to(command, &[CARD_HANGS])).playing(1);
    let mut service = start();
    fault.begin();
    fault.wait_until_it_hangs();
    service.set_volume(23);
    service.running.ends_with("a card", 0, &["does not answer: feeder; exiting without waiting for it"]);
    service.has_saved("session.json", "anchor_utc_s");
    service.has_saved("volume.json", "23");

    // Stop, held for 5 s, has its own exit code.
    fault.forget();
    let mut service = start();
    fault.begin();
    fault.wait_until_it_hangs();
    // A button that is pressed before all were seen released counts as stuck.
    service.press("volume-up");
    service.wait_until("louder", |status| status.volume.percent == 28);
    // Longer than necessary, as a busy machine sees the contact late, and shorter than a stuck
    // button.
    service.press("stop 7");
    service.running.wait_for("switching the box off");
    let (status, took) = service.running.process.wait_for_end();
    println!("switched off after {:.3} s", took.as_secs_f64());
    assert_eq!(status.code(), Some(100), "{}", service.running.log());
    assert!(took < 2 * BOUND, "{took:?}");
    assert!(service.running.log().contains("does not answer: feeder"), "{}", service.running.log());
}

#[test]
fn the_service_ends_if_a_file_hangs_while_it_reads_and_while_it_plays() {
    let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
    let start = |what| Service::start(&sandbox, &card, SYSTEM_TIME, |command| fault.add_to(command, &[what]));
    let mut service = start(("FAULT_READ", "b.mp3")).playing(TRACK_S - 5);
    fault.begin();
    fault.wait_until_it_hangs();
    service.running.ends_with("a file that plays", 0, &[]);
    service.has_saved("session.json", "anchor_utc_s");

    std::fs::remove_file(sandbox.index()).unwrap();
    fault.forget();
    fault.begin();
    let mut service = start(("FAULT_READ", "a.mp3"));
    fault.wait_until_it_hangs();
    // The earlier session is saved for when the playlist can be read again.
    service.running.ends_with("a file that is read", 0, &["does not answer: playlist"]);
    service.has_saved("session.json", "anchor_utc_s");
}

#[test]
fn the_service_ends_if_a_mixer_a_bus_or_a_disk_hangs() {
    let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
    let mixer = format!("{SYSTEM_TIME}[sound]\nmixer_control = \"Master\"\n");
    let bus = "[time]\nrtc = \"/dev/i2c-of-the-test\"\n".to_owned();
    for (what, config, fault_of, words) in [
        ("a mixer", &mixer, ("FAULT_CALLS", "snd_mixer_open"), "does not answer: volume"),
        ("a bus", &bus, ("FAULT_OPEN", "i2c-of-the-test"), "does not answer: clock"),
    ] {
        fault.forget();
        fault.begin();
        let mut service = Service::start(&sandbox, &card, config, |command| fault.add_to(command, &[fault_of]));
        fault.wait_until_it_hangs();
        service.wait_until("ready", |status| status.playlist.is_some());
        service.set_volume(31);
        service.running.ends_with(what, 0, &[words]);
        service.has_saved("volume.json", "31");
    }
    fault.forget();
    let disk = |command: &mut Command| fault.add_to(command, &[("FAULT_SYNC", "volume.json")]);
    let mut service = Service::start(&sandbox, &card, SYSTEM_TIME, disk).playing(1);
    fault.begin();
    service.set_volume(77);
    service.running.ends_with("a disk", 0, &["does not answer: state writer"]);
    // The old file is still there, whole.
    service.has_saved("volume.json", "31");
    service.has_saved("session.json", "anchor_utc_s");
}

#[test]
fn the_service_ends_if_the_sound_server_hangs() {
    let (sandbox, card) = (sandbox(), VirtualCard::start().unwrap());
    let mut service = Service::start(&sandbox, &card, SYSTEM_TIME, |_| {}).playing(1);
    card.freeze().unwrap();
    service.running.ends_with("a sound server", 0, &[]);
    service.has_saved("session.json", "anchor_utc_s");
    service.has_let_go();
}

#[test]
fn a_hang_up_means_reload_to_a_service_without_a_terminal() {
    let (sandbox, card) = (sandbox(), VirtualCard::start().unwrap());
    let mut service = Service::start(&sandbox, &card, SYSTEM_TIME, |_| {});
    service.wait_until("ready", |status| status.playlist.is_some());
    let config = sandbox.path().join("box.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}[volume]\nmaximum_percent = 30\n")).unwrap();
    service.running.process.send(Signal::SIGHUP);
    service.wait_until("quieter", |status| status.volume.maximum_percent == 30);
    service.running.ends_with("after a reload", 0, &[]);
    service.has_let_go();
}

/// Makes Rust's own clock panic on the threads of this name.
fn dies(fault: &Fault, command: &mut Command, thread: &str) {
    fault.add_to(command, &[("FAULT_THREAD", thread)]);
}

#[test]
fn play_ends_with_an_error_if_the_player_has_died() {
    let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
    let mut command = player(&sandbox, &card, "server", 1);
    dies(&fault, &mut command, "feeder");
    let mut running = start_playing(&sandbox, &mut command);
    fault.begin();
    let (status, took) = running.process.wait_for_end();
    println!("the player has died: ended after {:.3} s", took.as_secs_f64());
    assert_eq!(status.code(), Some(1), "{}", running.log());
    let log = running.log();
    assert!(log.contains("error: the player has died of a fault in this program (called `Result::unwrap()`"), "{log}");
    assert!(took < BOUND, "{took:?}");
    assert_position_saved(&sandbox);
}

#[test]
fn a_worker_of_the_service_that_has_died_is_named_once_and_the_watchdog_is_not_fed() {
    let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
    for (thread, name) in [("feeder", "player"), ("playlist", "playlist")] {
        fault.forget();
        let address = sandbox.path().join(format!("notify-{thread}"));
        let notify = UnixDatagram::bind(&address).unwrap();
        let watched = |command: &mut Command| {
            dies(&fault, command, thread);
            command.env("NOTIFY_SOCKET", &address);
        };
        let mut service = Service::start(&sandbox, &card, SYSTEM_TIME, watched).playing(1);
        fault.begin();
        let words = format!("the {name} has died of a fault in this program (called `Result::unwrap()`");
        service.running.wait_for(&words);
        // It notifies systemd every second: by now or never.
        notify.set_nonblocking(true).unwrap();
        let mut bytes = [0; 1024];
        while notify.recv(&mut bytes).is_ok() {}
        notify.set_nonblocking(false).unwrap();
        notify.set_read_timeout(Some(Duration::from_millis(3500))).unwrap();
        assert!(notify.recv(&mut bytes).is_err(), "the watchdog is fed: {}", String::from_utf8_lossy(&bytes));
        assert_eq!(service.running.log().matches(&words).count(), 1, "{}", service.running.log());
        service.running.process.send(Signal::SIGTERM);
        let (status, took) = service.running.process.wait_for_end();
        assert!(status.code() == Some(0) && took < BOUND, "{status} after {took:?}");
        service.has_saved("session.json", "anchor_utc_s");
    }
}
