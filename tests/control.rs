//! The control socket from outside: the commands, and clients that are malformed, oversized, slow,
//! many, or not allowed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jaudiosync::control::protocol::{ErrorCode, MAX_REQUEST_BYTES, Response};
use jaudiosync::control::server::{MAX_CLIENTS, RunningServer};
use jaudiosync::control::{Handler, Request, Server, ServerError, ServerOptions, Status, protocol};
use support::Run;
use support::process::Process;
use tempfile::TempDir;

/// Records what it was asked for.
#[derive(Default)]
struct TestBox {
    asked: Mutex<Vec<protocol::Command>>,
    warning: String,
}

impl Handler for TestBox {
    fn handle(&self, command: protocol::Command) -> Response {
        self.asked.lock().unwrap().push(command.clone());
        match command {
            protocol::Command::Volume { percent, .. } => Response::volume(percent.unwrap_or(40), Some(-36.12)),
            protocol::Command::Resume {} => {
                Response::failed(ErrorCode::NotNow, "nothing was stopped; use: jaudiosync start")
            }
            _ => Response::done("as requested"),
        }
    }

    fn status(&self) -> Status {
        Status { program_version: "test".to_owned(), warnings: vec![self.warning.clone()], ..Status::default() }
    }
}

struct Service {
    folder: TempDir,
    handler: Arc<TestBox>,
    running: Option<RunningServer>,
}

impl Service {
    fn new() -> Self {
        Self::with(TestBox::default(), "")
    }

    fn with(handler: TestBox, group: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let options = ServerOptions { socket: folder.path().join("control.sock"), group: group.to_owned() };
        let handler = Arc::new(handler);
        let running = Server::bind(&options).unwrap().serve(Arc::clone(&handler) as Arc<dyn Handler>).unwrap();
        Self { folder, handler, running: Some(running) }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends bytes and returns everything that comes until the server closes, or one line.
    fn say(&self, bytes: &[u8], whole: bool) -> String {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        let mut answer = String::new();
        let mut reader = BufReader::new(stream);
        // Bytes that were not read when the server closed cause a reset after the answer.
        let _ = if whole { reader.read_to_string(&mut answer) } else { reader.read_line(&mut answer) };
        answer
    }

    /// Asserts that the server answers, once it has seen that earlier clients have gone.
    fn lives(&self) {
        let began = Instant::now();
        let mut answer = String::new();
        while began.elapsed() < Duration::from_secs(10) {
            answer = self.say(b"{\"v\":1,\"command\":\"status\"}\n", false);
            if !answer.contains("\"busy\"") {
                break;
            }
        }
        assert!(answer.starts_with("{\"v\":1,\"ok\":true,\"status\":{"), "{answer}");
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jaudiosync"));
        Run::of(command.args(arguments).arg("--socket").arg(self.socket()).output().unwrap())
    }
}

#[test]
fn each_command_reaches_the_service_and_its_answer_the_user() {
    let service = Service::new();
    assert_eq!(service.run(&["start", "-t", "18:30:05", "-p", "res"]).succeeds().stdout, "as requested\n");
    service.run(&["stop"]).succeeds();
    service.run(&["reload"]).succeeds();
    service.run(&["resume"]).fails(1, &["nothing was stopped"]);
    assert_eq!(service.run(&["volume", "25"]).succeeds().stdout, "25 % (-36.1 dB)\n");
    service.run(&["volume", "-5"]).succeeds();
    service.run(&["volume", "lots"]).fails(2, &["+5 or -5"]);
    let asked: Vec<_> = service
        .handler
        .asked
        .lock()
        .unwrap()
        .iter()
        .cloned()
        .map(|command| Request::Command(command).to_line())
        .collect();
    let expected = [
        r#"{"command":"start","first_track":"res","time":"18:30:05","v":1}"#,
        r#"{"command":"stop","v":1}"#,
        r#"{"command":"reload","v":1}"#,
        r#"{"command":"resume","v":1}"#,
        r#"{"command":"volume","percent":25,"v":1}"#,
        r#"{"by":-5,"command":"volume","v":1}"#,
    ];
    assert_eq!(asked.iter().map(|line| line.trim_end()).collect::<Vec<_>>(), expected);
    let status = service.run(&["status", "--json"]);
    let status: Status = serde_json::from_str(&status.succeeds().stdout).unwrap();
    assert_eq!(status.program_version, "test");
    assert!(service.run(&["status"]).succeeds().stdout.starts_with("plays     nothing"));
}

#[test]
fn without_a_service_the_message_says_how_to_start_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let mut command = Command::new(env!("CARGO_BIN_EXE_jaudiosync"));
    let run = Run::of(command.args(["stop", "--socket"]).arg(&socket).output().unwrap());
    run.fails(5, &["no service answers at", "none.sock", "systemctl start jaudiosync"]);
}

#[test]
fn a_service_that_hangs_is_reported_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    // Nothing accepts the connection or reads from it.
    let _listener = UnixListener::bind(&socket).unwrap();
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_jaudiosync"));
    let run = Run::of(command.args(["status", "--socket"]).arg(&socket).output().unwrap());
    assert!(run.code != Some(0) && run.stderr.contains("does not answer"), "{run:?}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn a_watching_client_gets_a_line_every_second_until_the_service_ends() {
    let mut service = Service::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_jaudiosync"));
    command.args(["status", "--watch", "--json", "--socket"]).arg(service.socket());
    let mut watch = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let first = Instant::now();
    assert!(serde_json::from_str::<Status>(&lines.next().unwrap().unwrap()).is_ok());
    assert!((700..2000).contains(&first.elapsed().as_millis()), "{:?}", first.elapsed());
    drop(service.running.take());
    assert!(!service.socket().exists());
    lines.for_each(drop);
    assert_eq!(watch.wait().unwrap().code(), Some(1));
}

#[test]
fn malformed_requests_are_answered_and_the_connection_stays() {
    let service = Service::new();
    let lines = b"\xff\xfe\n{\n\n{\"v\":9}\n{\"v\":1,\"command\":\"stop\"}\n";
    let mut stream = BufReader::new(service.connect());
    stream.get_mut().write_all(lines).unwrap();
    for word in ["malformed", "malformed", "malformed", "version", "as requested"] {
        let mut answer = String::new();
        stream.read_line(&mut answer).unwrap();
        assert!(answer.contains(word), "no {word:?} in {answer}");
    }
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..random.usize(1..3000)).map(|_| random.u8(..)).collect();
        let _ = service.connect().write_all(&bytes);
    }
    // Clients that closed at once have left no threads behind.
    service.lives();
}

#[test]
fn an_oversized_request_is_answered_and_closed() {
    let service = Service::new();
    let longest = format!("{:<MAX_REQUEST_BYTES$}\n", "{\"v\":1,\"command\":\"stop\"}");
    assert!(service.say(longest.as_bytes(), false).contains("as requested"));
    let answer = service.say(&vec![b'x'; 1_000_000], true);
    assert!(answer.contains("too_long") && answer.lines().count() == 1, "{answer}");
    service.lives();
}

#[test]
fn a_slow_request_is_answered_and_a_silent_client_is_closed() {
    let service = Service::new();
    let mut silent = service.connect();
    let began = Instant::now();
    let answer = std::thread::scope(|scope| {
        let slow = scope.spawn(|| service.say(b"{\"v\":1", true));
        // One byte every 100 ms makes progress, and is still too slow.
        let drip = scope.spawn(|| {
            let mut stream = service.connect();
            let mut sent = 0;
            while stream.write_all(b" ").is_ok() && sent < 200 {
                sent += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            sent
        });
        assert!(drip.join().unwrap() < 60);
        slow.join().unwrap()
    });
    assert!(answer.contains("too_slow"), "{answer}");
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    service.lives();
}

#[test]
fn clients_that_do_not_read_their_answers_are_dropped() {
    let service = Service::with(TestBox { warning: "x".repeat(100_000), ..TestBox::default() }, "");
    let deaf: Vec<_> = (0..MAX_CLIENTS)
        .map(|_| {
            let mut stream = service.connect();
            stream.write_all(&b"{\"v\":1,\"command\":\"status\"}\n".repeat(40)).unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    while !service.say(b"{\"v\":1,\"command\":\"stop\"}\n", false).contains("as requested") {
        assert!(began.elapsed() < Duration::from_secs(15), "the deaf keep their places");
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{} deaf clients were dropped after {:.1} s", deaf.len(), began.elapsed().as_secs_f64());
}

#[test]
fn watchers_leave_places_for_commands() {
    let service = Service::new();
    let watchers: Vec<_> = (0..MAX_CLIENTS / 2)
        .map(|_| {
            let mut stream = BufReader::new(service.connect());
            stream.get_mut().write_all(b"{\"v\":1,\"command\":\"status\",\"watch\":true}\n").unwrap();
            stream.read_line(&mut String::new()).unwrap();
            stream
        })
        .collect();
    assert!(service.say(b"{\"v\":1,\"command\":\"status\",\"watch\":true}\n", true).contains("busy"));
    service.lives();
    drop(watchers);
}

/// Set for the child: the socket.
const SOCKET: &str = "CONTROL_TEST_SOCKET";
const CROWD: usize = 1000;

/// Acts as the crowd, in a process of its own, so that the server's memory is counted without the
/// clients'; does nothing in the parent.
#[test]
fn child_that_is_a_thousand_clients() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    let barrier = std::sync::Barrier::new(CROWD);
    let outcomes = Mutex::new(std::collections::BTreeMap::<String, usize>::new());
    std::thread::scope(|scope| {
        for number in 0..CROWD {
            let client = || {
                barrier.wait();
                let outcome = one_of_a_crowd(Path::new(&socket));
                *outcomes.lock().unwrap().entry(outcome).or_default() += 1;
            };
            let thread = std::thread::Builder::new().name(number.to_string()).stack_size(64 * 1024);
            thread.spawn_scoped(scope, client).unwrap();
        }
    });
    eprintln!("{}", serde_json::to_string(&*outcomes.lock().unwrap()).unwrap());
}

fn one_of_a_crowd(socket: &Path) -> String {
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) => return format!("connecting: {error}"),
    };
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let _ = stream.write_all(b"{\"v\":1,\"command\":\"status\"}\n");
    let mut answer = String::new();
    match BufReader::new(stream).read_line(&mut answer) {
        Ok(_) if answer.contains("\"ok\":true") => "answered".to_owned(),
        Ok(_) if answer.contains("\"busy\"") => "busy".to_owned(),
        Ok(_) => format!("{answer:?}"),
        Err(error) => format!("reading: {error}"),
    }
}

fn resident_kib(key: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_thousand_clients_at_once_are_answered_or_sent_away() {
    let service = Service::new();
    let before_kib = resident_kib("VmRSS");
    let began = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_a_thousand_clients", "--nocapture"])
        .env(SOCKET, service.socket())
        .output()
        .unwrap();
    let took = began.elapsed();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let outcomes = stderr.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{stderr}"));
    let outcomes: std::collections::BTreeMap<String, usize> = serde_json::from_str(outcomes).unwrap();
    let count = |outcome: &str| outcomes.get(outcome).copied().unwrap_or(0);
    assert_eq!(count("answered") + count("busy"), CROWD, "{outcomes:?}");
    assert!(count("answered") >= 1);
    service.lives();
    let grown_kib = resident_kib("VmHWM").saturating_sub(before_kib);
    println!("{outcomes:?} in {:.2} s, peak memory {grown_kib} KiB above that before", took.as_secs_f64());
    // The other tests of this process are included.
    assert!(grown_kib < 24 * 1024, "{grown_kib} KiB");
}

/// Runs `jaudiosync status` as user nobody with this main group.
fn as_nobody(service: &Service, group: u32) -> Run {
    let binary = service.folder.path().join("jaudiosync");
    support::copy_program(&binary);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", &format!("--regid={group}"), "--clear-groups"]).arg(&binary);
    Run::of(command.args(["status", "--socket"]).arg(service.socket()).output().unwrap())
}

#[test]
fn only_the_group_gets_in() {
    let service = Service::with(TestBox::default(), "daemon");
    let socket = fs::metadata(service.socket()).unwrap();
    assert_eq!(socket.mode() & 0o7777, 0o660);
    if socket.uid() != 0 {
        println!("skipped: only root can become another user");
        return;
    }
    as_nobody(&service, 65_534).fails(5, &["you may not use", "usermod -aG"]);
    as_nobody(&service, socket.gid()).succeeds();
    // The socket was opened to everybody: the credentials are checked as well.
    fs::set_permissions(service.socket(), Permissions::from_mode(0o666)).unwrap();
    as_nobody(&service, 65_534).fails(1, &["not in the group"]);
    as_nobody(&service, socket.gid()).succeeds();
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let service = Service::new();
    let options = ServerOptions { socket: service.socket(), group: String::new() };
    let error = Server::bind(&options).unwrap_err();
    assert!(matches!(error, ServerError::AlreadyRunning(_)), "{error}");
    assert!(error.to_string().contains("already running"));
    service.lives();
    drop(service.running);
    // A kill leaves behind a socket on which nothing listens.
    drop(UnixListener::bind(&options.socket).unwrap());
    drop(Server::bind(&options).unwrap());
    fs::remove_file(&options.socket).unwrap();
    fs::write(&options.socket, "precious").unwrap();
    assert!(matches!(Server::bind(&options), Err(ServerError::NoSocket(_))));
    assert_eq!(fs::read(&options.socket).unwrap(), b"precious");
}
