//! Sources of time for tests: a real chronyd and a real gpsd, each on a port of its own and ended
//! with its handle, and scripted ones that answer as no good server would.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use chrono::DateTime;
use jaudiosync_hw::clocks::{ClockPair, Clocks, MachineClocks};
use jaudiosync_time::{Raw, Span, Utc};
use tempfile::TempDir;

use super::free_address::free_address;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A program and everything it has started: killed when dropped, even by a panic.
pub struct Group(Child);

impl Group {
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        Self(command.process_group(0).stdin(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{name}: {error}")))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// Returns a path that includes daemons, which not every user's path does.
fn path_with_daemons() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// A real chronyd that serves time and touches no clock.
pub struct Chronyd {
    pub address: SocketAddr,
    _process: Group,
    _folder: TempDir,
}

impl Chronyd {
    /// Starts one with these lines in its configuration, under faketime if an offset like
    /// `+100.25s` is given. faketime does not fake kernel stamps, but chronyd does not believe
    /// stamps that are more than a second off.
    pub fn start(configuration: &str, faketime: Option<&str>) -> Self {
        Self::start_at(free_address(), configuration, faketime)
    }

    /// Starts one at this address of 127.0.0.1.
    pub fn start_at(address: SocketAddr, configuration: &str, faketime: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chrony.conf");
        let pid_file = folder.path().join("chronyd.pid");
        let settings = format!(
            "port {}\nbindaddress 127.0.0.1\nallow 127.0.0.1\ncmdport 0\nbindcmdaddress /\npidfile {}\n{configuration}\n",
            address.port(),
            pid_file.display()
        );
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(if faketime.is_some() { "faketime" } else { "chronyd" });
        if let Some(offset) = faketime {
            command.args(["-f", offset, "chronyd"]);
        }
        let user = Command::new("id").arg("-un").output().unwrap();
        command.args(["-x", "-d", "-U", "-u", String::from_utf8_lossy(&user.stdout).trim(), "-f"]).arg(&file);
        command.env("PATH", path_with_daemons());
        let process = Group::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        wait_for_any_answer(address);
        Self { address, _process: process, _folder: folder }
    }
}

/// Sends questions until any answer comes.
fn wait_for_any_answer(address: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut question = [0; 48];
    question[0] = 0x23;
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let _ = socket.send(&question);
        if socket.recv(&mut [0; 100]).is_ok() {
            return;
        }
    }
    panic!("chronyd does not answer: is chrony installed?");
}

/// Answers every datagram with what `answer` makes of it.
pub fn udp_server(address: SocketAddr, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind(address).unwrap();
    let address = socket.local_addr().unwrap();
    // It ends with the test's process; it holds nothing but a socket.
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((size, from)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = answer(&buffer[..size]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}

/// Returns an NTP answer to this question, by a server whose clock is this machine's, with the
/// given first byte, stratum and reference identifier.
pub fn ntp_answer(question: &[u8], leap: u8, stratum: u8, identifier: [u8; 4]) -> Vec<u8> {
    let utc = MachineClocks.system_utc();
    let seconds = ((utc.second() + 2_208_988_800) as u32).to_be_bytes();
    let fraction = (((utc.since_second().ns() << 32) / Span::SECOND.ns()) as u32).to_be_bytes();
    let mut answer = vec![leap << 6 | 0x24, stratum, 6, -20_i8 as u8];
    answer.extend([0; 8]);
    answer.extend(identifier);
    answer.extend([0; 8]);
    answer.extend(&question[40..48]);
    for _ in 0..2 {
        answer.extend(seconds);
        answer.extend(fraction);
    }
    answer
}

/// A second that a receiver began to report when the raw clock showed this.
#[derive(Debug, Clone, Copy)]
pub struct FedSecond {
    pub raw: jaudiosync_time::Instant<Raw>,
    pub second: jaudiosync_time::Instant<Utc>,
}

/// A real gpsd, fed by gpsfake with a receiver's sentences.
pub struct FakeGps {
    pub address: SocketAddr,
    first: FedSecond,
    fed: Receiver<FedSecond>,
    _process: Group,
    _folder: TempDir,
}

impl FakeGps {
    /// Starts one; the receiver's first second is `first_s` since the Unix epoch.
    pub fn start(first_s: i64) -> Self {
        let address = free_address();
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("receiver.nmea");
        fs::write(&log, (first_s..first_s + 60).map(sentences).collect::<String>()).unwrap();
        let mut command = Command::new("gpsfake");
        command.args(["-1", "-l", "-n", "-c", "0.3333", "-P", &address.port().to_string()]).arg(&log);
        command.env("PYTHONUNBUFFERED", "1").env("TMPDIR", folder.path());
        command.env("PATH", path_with_daemons());
        let mut process = Group::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let output = BufReader::new(process.0.stdout.take().unwrap());
        let (sender, fed) = mpsc::channel();
        thread::spawn(move || {
            // gpsfake prints every line just before it feeds it. Three lines make a second.
            for line in output.lines().map_while(Result::ok) {
                let raw = MachineClocks.raw();
                let number = line.strip_prefix("gpsfake: line ").and_then(|rest| rest.split_once(':')?.0.parse().ok());
                if let Some(number) = number.filter(|number: &i64| number % 3 == 1) {
                    let second = jaudiosync_time::Instant::from_second(first_s + number / 3);
                    let _ = sender.send(FedSecond { raw, second });
                }
            }
        });
        // gpsd listens before it is fed. Trying to connect instead might take its port: on the
        // loopback a connection can meet itself.
        let first = fed.recv_timeout(PATIENCE).expect("gpsfake feeds nothing: are gpsd and gpsd-clients installed?");
        Self { address, first, fed, _process: process, _folder: folder }
    }

    /// Returns what the receiver has reported so far.
    pub fn fed(&self) -> Vec<FedSecond> {
        std::iter::once(self.first).chain(self.fed.try_iter()).collect()
    }
}

/// A real gpsd, and a receiver that reports the seconds of this machine's clock to it over TCP, as
/// each begins.
pub struct Gpsd {
    pub address: SocketAddr,
    _process: Group,
}

impl Gpsd {
    pub fn start() -> Self {
        let address = free_address();
        let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
        let device = format!("tcp://{}", receiver.local_addr().unwrap());
        // It ends with the test's process; it holds nothing but a socket.
        thread::spawn(move || {
            for mut stream in receiver.incoming().map_while(Result::ok) {
                loop {
                    let next_s = MachineClocks.system_utc().second() + 1;
                    let until = jaudiosync_time::Instant::from_second(next_s) - MachineClocks.system_utc();
                    thread::sleep(Duration::from_nanos(until.ns().max(0) as u64));
                    if stream.write_all(sentences(next_s).as_bytes()).is_err() {
                        break;
                    }
                }
            }
        });
        let mut command = Command::new("gpsd");
        command.args(["-N", "-n", "-b", "-S", &address.port().to_string(), &device]).env("PATH", path_with_daemons());
        let process = Group::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        let begin = Instant::now();
        while !listens(address) {
            assert!(begin.elapsed() < PATIENCE, "gpsd does not listen: is it installed?");
            thread::sleep(Duration::from_millis(20));
        }
        Self { address, _process: process }
    }
}

/// Returns whether a process listens on a port of 127.0.0.1, which connecting to it would not show: on
/// the loopback a connection can meet itself.
fn listens(address: SocketAddr) -> bool {
    const LISTENING: &str = " 00000000:0000 0A ";
    let local = format!(" 0100007F:{:04X}", address.port());
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    sockets.lines().any(|line| line.contains(&local) && line.contains(LISTENING))
}

/// Returns what a receiver in Munich sends about a second.
fn sentences(utc_s: i64) -> String {
    let utc = DateTime::from_timestamp(utc_s, 0).unwrap();
    let (time, date) = (utc.format("%H%M%S.00"), utc.format("%d%m%y"));
    [
        format!("GPRMC,{time},A,4807.038,N,01131.000,E,000.0,000.0,{date},,,A"),
        format!("GPGGA,{time},4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"),
        format!("GPZDA,{time},{},00,00", utc.format("%d,%m,%Y")),
    ]
    .map(|body| format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte)))
    .concat()
}

/// Runs a gpsd that sends what `script` writes to every client that asks for reports.
pub fn scripted_gpsd(
    address: SocketAddr,
    script: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = String::new();
            let asked = BufReader::new(stream.try_clone().unwrap()).read_line(&mut request);
            if asked.is_ok() && request.starts_with("?WATCH=") {
                let _ = script(&mut stream);
            }
        }
    });
    address
}

/// Returns a line of a scripted receiver with these stamps.
pub fn stamped(class: &str, real: jaudiosync_time::Instant<Utc>, clock: jaudiosync_time::Instant<Utc>) -> String {
    format!(
        "{{\"class\":\"{class}\",\"device\":\"/dev/ttyS0\",\"real_sec\":{}, \"real_nsec\":{},\"clock_sec\":{},\
         \"clock_nsec\":{},\"precision\":-20}}\r\n",
        real.second(),
        real.since_second().ns(),
        clock.second(),
        clock.since_second().ns()
    )
}

/// Sends as a receiver with a fix whose pulses come four times a second, to shorten the wait, and
/// whose time is `ahead` of this machine's.
pub fn send_pulses(stream: &mut TcpStream, ahead: Span) -> std::io::Result<()> {
    write!(
        stream,
        "{{\"class\":\"VERSION\",\"release\":\"3.22\",\"rev\":\"3.22\",\"proto_major\":3,\"proto_minor\":14}}\r\n"
    )?;
    loop {
        let pulse = ClockPair::read(&MachineClocks);
        MachineClocks.sleep_until(pulse.raw + Span::from_ms(50));
        let real = pulse.utc + ahead;
        let time = DateTime::from_timestamp_nanos(real.ns()).format("%Y-%m-%dT%H:%M:%S%.3fZ");
        write!(stream, "{{\"class\":\"TPV\",\"device\":\"/dev/ttyS0\",\"mode\":3,\"time\":\"{time}\"}}\r\n")?;
        stream.write_all(stamped("PPS", real, pulse.utc).as_bytes())?;
        MachineClocks.sleep_until(pulse.raw + Span::from_ms(250));
    }
}
