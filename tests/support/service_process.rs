//! A whole box as a process of its own: `jaudiosync run --board sim` on a virtual sound card, with
//! a hand on its buttons.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jaudiosync::control::protocol::ErrorCode;
use jaudiosync::control::{Client, Request, Response, Status};
use jaudiosync_measure::{Sink, VirtualCard};

use super::Sandbox;

/// Longer than any wait here, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a box is set up.
#[derive(Debug, Clone)]
pub struct Make<'a> {
    /// The name of a box's state folder and socket.
    pub name: &'a str,
    pub jumper: bool,
    /// Lines of the configuration, in addition to those that all boxes here have.
    pub config: &'a str,
}

impl Default for Make<'_> {
    fn default() -> Self {
        Self { name: "box", jumper: false, config: "[time]\nsource = \"system\"\n" }
    }
}

/// A box that is switched on.
pub struct ServiceProcess {
    child: Child,
    hand: Option<ChildStdin>,
    log: Receiver<String>,
    seen: Vec<String>,
    socket: PathBuf,
}

impl ServiceProcess {
    /// Switches it on; it is not ready yet.
    pub fn switch_on(sandbox: &Sandbox, card: &VirtualCard, sink: Sink, make: &Make<'_>) -> Self {
        Self::switch_on_prepared(sandbox, card, sink, make, |_| {})
    }

    /// Switches it on after a change of its command.
    pub fn switch_on_prepared(
        sandbox: &Sandbox,
        card: &VirtualCard,
        sink: Sink,
        make: &Make<'_>,
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let socket = sandbox.path().join(format!("{}.sock", make.name));
        let config = sandbox.path().join(format!("{}.toml", make.name));
        std::fs::write(&config, format!("{}\n[control]\ngroup = \"\"\n", make.config)).unwrap();
        let mut command = sandbox.command();
        command.args(["run", "--board", "sim"]);
        // On the command line it would override the configuration.
        if !make.config.contains("[playlist]\nfolder") {
            command.arg("--music").arg(sandbox.music());
        }
        command.arg("--config").arg(config).arg("--socket").arg(&socket);
        command.arg("--state").arg(Self::state(sandbox, make.name)).args(make.jumper.then_some("--jumper"));
        command.envs(card.env(sink)).env_remove("NOTIFY_SOCKET");
        prepare(&mut command);
        Self::spawn(command, socket)
    }

    /// Returns the folder in which a box of this name saves its state.
    pub fn state(sandbox: &Sandbox, name: &str) -> PathBuf {
        sandbox.path().join(format!("{name}-state"))
    }

    fn spawn(mut command: Command, socket: PathBuf) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = mpsc::channel();
        // It ends with the process.
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { hand: child.stdin.take(), child, log, seen: Vec::new(), socket }
    }

    /// Waits for a line of its log that has these words, and returns it.
    #[track_caller]
    pub fn wait_for(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line);
                    let line = &self.seen[self.seen.len() - 1];
                    assert!(!line.contains("panicked"), "{line}");
                    if line.contains(words) {
                        return line.clone();
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no {words:?} in:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Waits for such a line, which may have come already, before another that was waited for.
    #[track_caller]
    pub fn has_or_will_say(&mut self, words: &str) {
        if !self.seen.iter().any(|line| line.contains(words)) {
            self.wait_for(words);
        }
    }

    /// Waits until it is ready.
    pub fn ready(mut self) -> Self {
        self.wait_for("ready ");
        self
    }

    /// Sends a line such as `press start` or `jumper on`, as `run --help` says.
    pub fn hand(&mut self, line: &str) {
        writeln!(self.hand.as_mut().unwrap(), "{line}").unwrap();
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request over the control socket; retries if other clients are in the way.
    pub fn ask(&self, request: impl Into<Request>) -> Response {
        let request = request.into();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut client = Client::connect(std::slice::from_ref(&self.socket)).unwrap();
            match client.request(&request) {
                Ok(response) if response.clone().into_message().is_err_and(|error| error.code == ErrorCode::Busy) => {}
                Ok(response) => return response,
                Err(_) if Instant::now() < deadline => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub fn status(&self) -> Status {
        self.ask(Request::Status { watch: false }).into_status().unwrap().unwrap()
    }

    /// Waits for a status that meets a condition.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut is_so: impl FnMut(&Status) -> bool) -> Status {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never {what}: {status:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Cuts the power.
    pub fn cut_power(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it had ended before: {status}");
    }

    /// Ends it as systemd does.
    pub fn end(self) -> ExitStatus {
        self.signal("-TERM");
        self.wait()
    }

    /// Waits until it has exited by itself.
    pub fn wait(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        let lines: Vec<String> = self.log.try_iter().collect();
        assert!(!lines.iter().any(|line| line.contains("panicked")), "{lines:#?}");
        status
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
