//! The references against the real thing: chronyd on a loopback port, gpsd fed by gpsfake; and
//! against servers that are broken, refuse, or are not there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/free_address.rs"]
mod free_address;
#[path = "support/time_servers.rs"]
mod time_servers;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use free_address::free_address;
use jaudiosync::config::ServerAddress;
use jaudiosync::timekeeping::references::{GpsdSource, NtpSource, ReferenceEvent, ReferenceThread, Sample, SourceKind};
use jaudiosync_hw::clocks::{ClockPair, MachineClocks};
use jaudiosync_time::{self as time, ClockMap, Rate, Raw, Span, Utc};
use time_servers::{Chronyd, FakeGps, PATIENCE, ntp_answer, scripted_gpsd, send_pulses, stamped, udp_server};

/// Returns port 0 of the loopback: any free one.
fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn address(server: impl ToString) -> ServerAddress {
    server.to_string().parse().unwrap()
}

fn ntp(server: impl ToString) -> (ReferenceThread, Receiver<ReferenceEvent>) {
    at_first();
    let (events, listener) = mpsc::channel();
    (NtpSource { server: address(server) }.start(Arc::new(MachineClocks), events).unwrap(), listener)
}

fn gpsd(server: impl ToString) -> (ReferenceThread, Receiver<ReferenceEvent>) {
    at_first();
    let (events, listener) = mpsc::channel();
    (GpsdSource { server: address(server) }.start(Arc::new(MachineClocks), events).unwrap(), listener)
}

/// Returns the next sample of this kind; troubles before it are printed.
fn sample(listener: &Receiver<ReferenceEvent>, kind: SourceKind) -> Sample {
    let begin = Instant::now();
    loop {
        match listener.recv_timeout(PATIENCE.saturating_sub(begin.elapsed())) {
            Ok(ReferenceEvent::Sample(sample)) if sample.source.kind == kind => return sample,
            Ok(event) => println!("{event:?}"),
            Err(error) => panic!("no sample of {kind:?}: {error}"),
        }
    }
}

/// Returns the first event, which must be a trouble.
#[track_caller]
fn trouble(listener: &Receiver<ReferenceEvent>) -> String {
    match listener.recv_timeout(PATIENCE).expect("neither a sample nor a trouble") {
        ReferenceEvent::Trouble { reason, .. } => reason,
        ReferenceEvent::Sample(sample) => panic!("believed: {sample:?}"),
    }
}

/// The clocks when the first source began.
fn at_first() -> ClockPair {
    static FIRST: OnceLock<ClockPair> = OnceLock::new();
    *FIRST.get_or_init(|| ClockPair::read(&MachineClocks))
}

/// Returns this machine's UTC, as a map from its raw clock. Where a program keeps the system clock, it
/// runs at another rate: 14 µs a second were seen, more than the bound of a server on the loopback.
fn machine_utc() -> ClockMap<Raw, Utc> {
    let (first, now) = (at_first(), ClockPair::read(&MachineClocks));
    let since = (now.raw - first.raw).ns_f64();
    let gained = (now.utc - first.utc).ns_f64() - since;
    ClockMap { from: now.raw, to: now.utc, rate: Rate::from_ppb(1e9 * gained / since.max(1e9)) }
}

/// How far the sample is from this machine's clock plus `ahead`.
fn error(sample: &Sample, ahead: Span) -> Span {
    sample.utc - machine_utc().apply(sample.raw) - ahead
}

#[track_caller]
fn assert_within_bound(sample: &Sample, ahead: Span, largest_bound_ns: f64) {
    let error = error(sample, ahead);
    println!("{}: error {error:?}, sigma {:.0} ns, bound {:.0} ns", sample.source, sample.sigma_ns, sample.bound_ns);
    assert!(error.abs().ns_f64() <= sample.bound_ns, "{error:?} {sample:?}");
    assert!(sample.bound_ns < largest_bound_ns, "{sample:?}");
    assert!(sample.sigma_ns > 0.0 && sample.sigma_ns <= sample.bound_ns, "{sample:?}");
}

#[test]
fn the_offset_of_a_real_chronyd_is_found_within_the_bound() {
    for (faketime, ahead) in [("+100.25s", Span::from_ms(100_250)), ("-7200.5s", Span::from_ms(-7_200_500))] {
        let server = Chronyd::start("local stratum 8", Some(faketime));
        let (_thread, listener) = ntp(server.address);
        assert_within_bound(&sample(&listener, SourceKind::Ntp), ahead, 5e6);
    }
}

#[test]
fn a_real_chronyd_is_found_within_the_bound_by_its_kernels_stamps_too() {
    let server = Chronyd::start("local stratum 8", None);
    let (_thread, listener) = ntp(server.address);
    assert_within_bound(&sample(&listener, SourceKind::Ntp), Span::ZERO, 5e6);
}

/// Set for the process that asks under faketime: the server's address.
const ASK: &str = "JAUDIOSYNC_TEST_ASK";

#[test]
fn a_system_clock_that_is_off_and_races_does_no_harm() {
    if let Ok(server) = std::env::var(ASK) {
        // Here the system clock is 1000 s ahead and runs 5 % fast.
        let (_thread, listener) = ntp(server);
        let found = sample(&listener, SourceKind::Ntp);
        println!("\nfound {} {} {}", found.raw.ns(), found.utc.ns(), found.bound_ns);
        let system_ahead_s = -error(&found, Span::ZERO).seconds();
        assert!(system_ahead_s > 900.0, "faketime fakes nothing: {system_ahead_s}");
        return;
    }
    let server = Chronyd::start("local stratum 8", None);
    let name = "a_system_clock_that_is_off_and_races_does_no_harm";
    let child = Command::new("faketime")
        .args(["-f", "+1000s x1.05"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(ASK, server.address.to_string())
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .stderr(Stdio::inherit())
        .output()
        .expect("faketime is needed: apt install faketime");
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}");
    let found = output.lines().find_map(|line| line.strip_prefix("found ")).expect(&output);
    let figures: Vec<f64> = found.split(' ').map(|figure| figure.parse().unwrap()).collect();
    let [raw_ns, utc_ns]: [i64; 2] = [0, 1].map(|index| found.split(' ').nth(index).unwrap().parse().unwrap());
    let error = time::Instant::from_ns(utc_ns) - machine_utc().apply(time::Instant::from_ns(raw_ns));
    assert!(error.abs().ns_f64() <= figures[2] && figures[2] < 5e6, "{error:?} {found}");
}

#[test]
fn a_real_chronyd_without_a_source_is_not_believed() {
    let server = Chronyd::start("", None);
    let (_thread, listener) = ntp(server.address);
    let reason = trouble(&listener);
    assert!(reason.contains("not synchronized"), "{reason}");
}

#[test]
fn a_missing_server_is_reported_and_found_when_it_comes() {
    let address = free_address();
    let (_thread, listener) = ntp(address);
    let reason = trouble(&listener);
    assert!(reason.contains("refused") && reason.contains(&address.to_string()), "{reason}");
    udp_server(address, |question| Some(ntp_answer(question, 0, 2, [127, 0, 0, 1])));
    assert_within_bound(&sample(&listener, SourceKind::Ntp), Span::ZERO, 5e6);
}

#[test]
fn servers_that_answer_wrongly_are_reported_with_what_they_do() {
    type Answer = fn(&[u8]) -> Option<Vec<u8>>;
    let wrong: [(Answer, &str); 9] = [
        (|_| Some(b"hello".to_vec()), "nonsense (too short for NTP)"),
        (|_| Some(vec![0x24; 48]), "do not belong to a question of this box"),
        (|_| Some(vec![0xff; 500]), "do not belong to a question of this box"),
        (|question| Some(ntp_answer(question, 0, 0, *b"DENY")), "refuses to serve this box (kiss of death DENY)"),
        (|question| Some(ntp_answer(question, 3, 0, *b"RSTR")), "refuses to serve this box (kiss of death RSTR)"),
        (|question| Some(ntp_answer(question, 0, 0, *b"RATE")), "asked too often"),
        (|question| Some(ntp_answer(question, 3, 2, [0; 4])), "not synchronized"),
        (|question| Some(ntp_answer(question, 0, 16, [0; 4])), "not synchronized"),
        (|_| None, "no answer from"),
    ];
    let asked: Vec<_> = wrong.map(|(answer, words)| (ntp(udp_server(any_port(), answer)), words)).into_iter().collect();
    for ((_thread, listener), words) in &asked {
        let reason = trouble(listener);
        assert!(reason.contains(words), "no \"{words}\" in: {reason}");
    }
}

#[test]
fn a_server_whose_clock_is_of_the_last_century_is_not_believed() {
    let address = udp_server(any_port(), |question| {
        let mut answer = ntp_answer(question, 0, 2, [127, 0, 0, 1]);
        // 1999 in NTP's seconds.
        for stamp in [32, 40] {
            answer[stamp..stamp + 4].copy_from_slice(&(2_208_988_800_u32 + 930_000_000).to_be_bytes());
        }
        Some(answer)
    });
    let reason = trouble(&ntp(address).1);
    assert!(reason.contains("before this program was built"), "{reason}");
}

#[test]
fn a_name_that_does_not_resolve_is_reported() {
    let reason = trouble(&ntp("no-such-bike.invalid").1);
    assert!(reason.contains("cannot find \"no-such-bike.invalid\""), "{reason}");
}

#[test]
fn a_source_stops_at_once_in_the_middle_of_a_question() {
    let (asked, question) = mpsc::channel();
    let (thread, _listener) = ntp(udp_server(any_port(), move |_| {
        let _ = asked.send(());
        None
    }));
    question.recv_timeout(PATIENCE).unwrap();
    let begin = Instant::now();
    drop(thread);
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
}

#[test]
fn the_time_of_a_real_gpsd_is_found_within_the_bound() {
    // The receiver lives 5000 s in the future, and starts to report a second 0.2 s after its
    // beginning.
    const LATENCY: Span = Span::from_ms(200);
    let ahead_s = 5_000;
    let first_s = ClockPair::read(&MachineClocks).utc.second() + ahead_s;
    let server = FakeGps::start(first_s);
    let (_thread, listener) = gpsd(server.address);
    let found = sample(&listener, SourceKind::GpsMessages);
    let fed = server.fed();
    let nearest = fed.iter().min_by_key(|fed| (fed.raw - found.raw).abs()).expect("gpsfake reports nothing");
    let error = found.utc - nearest.second - LATENCY - (found.raw - nearest.raw);
    println!("{}: error {error:?}, bound {} ns", found.source, found.bound_ns);
    assert!(error.abs().ns_f64() <= found.bound_ns, "{error:?} {found:?}");
    assert!(found.bound_ns < 1e9, "the stamps of the messages are used: {found:?}");
    assert!(error.abs() < Span::from_ms(300), "{error:?}");
    assert!(found.source.name.starts_with("/dev/"), "{found:?}");
}

#[test]
fn pulses_through_gpsd_give_the_time_within_microseconds() {
    const AHEAD: Span = Span::from_ns(3_600_123_456_789);
    let address = scripted_gpsd(any_port(), |stream| send_pulses(stream, AHEAD));
    let (_thread, listener) = gpsd(address);
    assert_within_bound(&sample(&listener, SourceKind::GpsPps), AHEAD, 1e5);
}

#[test]
fn a_missing_gpsd_is_reported_once_and_found_when_it_comes() {
    let address = free_address();
    let (_thread, listener) = gpsd(address);
    let reason = trouble(&listener);
    assert!(reason.contains("no gpsd at") && reason.contains("refused"), "{reason}");
    scripted_gpsd(address, |stream| send_pulses(stream, Span::ZERO));
    match listener.recv_timeout(PATIENCE).unwrap() {
        ReferenceEvent::Sample(sample) => {
            assert!(error(&sample, Span::ZERO).abs().ns_f64() <= sample.bound_ns, "{sample:?}")
        }
        trouble => panic!("reported again: {trouble:?}"),
    }
}

#[test]
fn what_a_gpsd_lacks_is_reported() {
    use std::io::Write;
    let now = ClockPair::read(&MachineClocks).utc;
    let no_fix = "{\"class\":\"TPV\",\"device\":\"/dev/ttyS0\",\"mode\":1}\r\n".to_owned();
    let scripts = [
        (no_fix + &stamped("PPS", now, now), "no fix"),
        ("{\"class\":\"DEVICES\",\"devices\":[]}\r\n".to_owned(), "no receiver"),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "does not speak gpsd's protocol"),
        ("x".repeat(70_000), "longer than 64 KiB"),
        (String::new(), "closed the connection"),
    ];
    let asked: Vec<_> = scripts
        .into_iter()
        .map(|(script, words)| {
            (gpsd(scripted_gpsd(any_port(), move |stream| stream.write_all(script.as_bytes()))), words)
        })
        .collect();
    for ((_thread, listener), words) in &asked {
        let reason = trouble(listener);
        assert!(reason.contains(words), "no \"{words}\" in: {reason}");
    }
}
