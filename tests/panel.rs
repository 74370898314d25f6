//! The panel of `run --board sim` on a terminal: it ends when its terminal goes away, in whatever
//! way, and restores one that stays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use jaudiosync::control::protocol::PlayState;
use jaudiosync::control::{Client, Request, Status};
use jaudiosync_measure::{Sink, VirtualCard};
use nix::sys::signal::Signal;
use support::fault::Fault;
use support::process::{Process, wait_until};
use support::pty::Pty;
use support::service_process::ServiceProcess;
use support::undisturbed::undisturbed;
use support::{Sandbox, short_mp3};

/// An end is seen within this time after it was requested.
const BOUND: Duration = Duration::from_secs(2);

/// The most processor time that ending may take: it fades out and writes a few files. Once it took
/// half a processor, forever.
const PROCESSOR_S: f64 = 0.4;

/// It leads its session, as in a window of its own or over ssh: the kernel sends it SIGHUP.
const LEADER: &[&str] = &["setsid", "-c"];
/// It leads its session, and was started with SIGHUP ignored: the terminal is the only sign.
const DEAF_LEADER: &[&str] = &["setsid", "-c", "sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""];
/// A shell leads the session, and it is the shell's child.
const BELOW_A_SHELL: &[&str] = &["setsid", "-c", "sh", "-c", "\"$0\" \"$@\"; :"];
/// It is in another session than the terminal's: no signal comes at all.
const STRANGER: &[&str] = &["env"];

/// A panel on a terminal of its own.
struct Panel {
    process: Process,
    pty: Pty,
    state: PathBuf,
    socket: PathBuf,
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    short_mp3(&sandbox.music().join("a.mp3"), 44_100 * 60, "A");
    sandbox.playlist("a.mp3\n");
    std::fs::write(sandbox.path().join("panel.toml"), "[time]\nsource = \"system\"\n[control]\ngroup = \"\"\n")
        .unwrap();
    sandbox
}

impl Panel {
    /// Switches on a box with its jumper fitted, so that it plays by itself.
    fn start(sandbox: &Sandbox, card: &VirtualCard, name: &str, below: &[&str]) -> Self {
        Self::prepared(sandbox, card, name, below, |_| {})
    }

    fn prepared(
        sandbox: &Sandbox,
        card: &VirtualCard,
        name: &str,
        below: &[&str],
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let (state, socket) = (ServiceProcess::state(sandbox, name), sandbox.path().join(format!("{name}.sock")));
        let mut command = Command::new(below[0]);
        command.args(&below[1..]).arg(env!("CARGO_BIN_EXE_jaudiosync"));
        command.args(["run", "--board", "sim", "--jumper", "--config", "panel.toml", "--music", "Music", "--state"]);
        command.arg(&state).arg("--socket").arg(&socket);
        command.current_dir(sandbox.path()).env("TZ", "UTC").envs(card.env(Sink::Left)).env_remove("NOTIFY_SOCKET");
        prepare(&mut command);
        let mut pty = Pty::open();
        pty.give_to(&mut command);
        let process = Process::start(&mut command);
        Self { process, pty, state, socket }
    }

    fn status(&self) -> Option<Status> {
        let mut client = Client::connect(std::slice::from_ref(&self.socket)).ok()?;
        client.request(&Request::Status { watch: false }).ok()?.into_status().ok()?
    }

    /// Waits for a status that meets a condition.
    #[track_caller]
    fn wait_until(&self, what: &str, mut is_so: impl FnMut(&Status) -> bool) {
        wait_until(what, || self.status().is_some_and(|status| is_so(&status)));
    }

    /// Waits until it is shown, and plays. Only changes are redrawn, so words are whole only the
    /// first time.
    #[track_caller]
    fn playing(self) -> Self {
        self.pty.wait_for("s Start   x Stop");
        self.wait_until("playing", |status| status.play.state == PlayState::Playing);
        self
    }

    /// Waits until it has ended, as was just requested.
    #[track_caller]
    fn ends(&mut self, what: &str) {
        let (began, before_s) = (Instant::now(), self.process.processor_s().unwrap());
        let mut last_s = before_s;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            last_s = self.process.processor_s().map_or(last_s, |taken_s| taken_s.max(last_s));
            assert!(began.elapsed() < 5 * BOUND, "{what}: it does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let (took, taken_s) = (began.elapsed(), last_s - before_s);
        println!("{what}: ended after {:.3} s, {taken_s:.2} s of a processor", took.as_secs_f64());
        assert_eq!(status.code(), Some(0), "{what}: {status}");
        assert!(took < BOUND, "{what}: {took:?}");
        assert!(taken_s < PROCESSOR_S, "{what}: {taken_s} s");
        self.has_kept(what);
    }

    /// Asserts that the playing session would be rejoined at the next start.
    #[track_caller]
    fn has_kept(&self, what: &str) {
        assert!(self.state.join("session.json").exists(), "{what}: the session is lost");
    }
}

/// Closes the window; the rest of the panel is judged without it.
fn close(panel: &mut Panel) {
    let other = Pty::open();
    std::mem::replace(&mut panel.pty, other).close();
}

#[test]
fn it_ends_when_its_terminal_is_closed_whoever_leads_the_session() {
    let (sandbox, card) = (sandbox(), VirtualCard::start().unwrap());
    let ways = [("leader", LEADER), ("deaf leader", DEAF_LEADER), ("stranger", STRANGER)];
    let panels: Vec<_> = ways.iter().map(|(name, below)| Panel::start(&sandbox, &card, name, below)).collect();
    for ((name, _), panel) in ways.iter().zip(panels) {
        let mut panel = panel.playing();
        close(&mut panel);
        panel.ends(name);
    }
}

#[test]
fn it_ends_when_the_shell_around_it_is_ended_by_the_terminal() {
    let (sandbox, card) = (sandbox(), VirtualCard::start().unwrap());
    let mut panel = Panel::start(&sandbox, &card, "below a shell", BELOW_A_SHELL).playing();
    let shell = panel.process.id();
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
    let child: u32 = children.trim().parse().unwrap();
    // If nothing reaps orphans, it remains as a zombie.
    let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).ok();
    let has_ended = || state().is_none_or(|stat| stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'));
    assert!(!has_ended());
    close(&mut panel);
    let began = Instant::now();
    wait_until("ended", has_ended);
    println!("below a shell: ended after {:.3} s", began.elapsed().as_secs_f64());
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    panel.process.wait_for_end();
    panel.has_kept("below a shell");
}

#[test]
fn signals_and_keys_end_it_and_give_the_terminal_back() {
    let (sandbox, card) = (sandbox(), VirtualCard::start().unwrap());
    for (name, ask) in [
        ("SIGTERM", (|panel: &mut Panel| panel.process.send(Signal::SIGTERM)) as fn(&mut Panel)),
        ("SIGINT", |panel| panel.process.send(Signal::SIGINT)),
        ("SIGHUP", |panel| panel.process.send(Signal::SIGHUP)),
        ("q", |panel| panel.pty.type_in(b"q")),
        ("Escape", |panel| panel.pty.type_in(b"\x1b")),
        ("Ctrl-C", |panel| panel.pty.type_in(b"\x03")),
    ] {
        let mut panel = Panel::start(&sandbox, &card, name, LEADER);
        panel.pty.wait_for("s Start   x Stop");
        panel.wait_until("about to play", |status| status.play.state != PlayState::Stopped);
        assert!(!panel.pty.is_cooked(), "{name}: it reads single keys");
        // An arrow key begins with the byte of Escape and is not Escape, however slowly it comes.
        panel.pty.type_in(b"\x1b[A");
        panel.wait_until("louder", |status| status.volume.percent == 55);
        ask(&mut panel);
        panel.ends(name);
        assert!(panel.pty.is_cooked(), "{name}: the terminal is left in raw mode");
        let shown = panel.pty.into_shown();
        assert!(shown.ends_with("\x1b[?25h") && shown.contains("\x1b[?1049l"), "{name}: {shown:?}");
    }
}

#[test]
fn a_card_that_hangs_delays_neither_the_panel_nor_the_terminal() {
    // The recorder waits for the disk, too.
    undisturbed(|| {
        let (sandbox, card, fault) = (sandbox(), VirtualCard::start().unwrap(), Fault::new());
        let config = std::fs::read_to_string(sandbox.path().join("panel.toml")).unwrap();
        std::fs::write(sandbox.path().join("panel.toml"), format!("{config}[sound]\ndevice = \"default\"\n")).unwrap();
        let hangs = |command: &mut Command| fault.add_to(command, &[("FAULT_CALLS", "snd_pcm_writei,snd_pcm_close")]);
        let mut panel = Panel::prepared(&sandbox, &card, "hanging", LEADER, hangs).playing();
        fault.begin();
        fault.wait_until_it_hangs();
        panel.process.send(Signal::SIGTERM);
        panel.ends("a card that hangs");
        assert!(panel.pty.is_cooked());
        let shown = panel.pty.into_shown();
        let (_, after) = shown.rsplit_once("\x1b[?1049l").expect("the alternate screen is left");
        assert!(after.contains("does not answer: feeder"), "{after:?}");
    });
}
