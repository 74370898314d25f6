//! The page from outside: a whole box with a key, phones that are friendly, curious, hostile, slow
//! and many. Phones have addresses of their own, 127.0.0.2 and so on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jaudiosync_measure::{Sink, VirtualCard};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde_json::{Value, json};
use support::Sandbox;
use support::free_address::free_address;
use support::page_box::{Box, with_key};
use support::phone::Phone;
use support::service_process::{Make, ServiceProcess};

#[test]
fn a_phone_looks_gives_the_pin_and_steers() {
    let bike = Box::new();
    let mut phone = bike.phone(2);
    let page = phone.get("/");
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with("<!DOCTYPE html>"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    for (name, value) in [("x-content-type-options", "nosniff"), ("referrer-policy", "same-origin")] {
        assert_eq!(page.header(name), Some(value));
    }
    assert_eq!(page.header("server"), None, "nobody needs to know");
    let again = phone.request("GET", "/", &format!("If-None-Match: {}\r\n", page.header("etag").unwrap()), "");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = phone.request("HEAD", "/page.js", "", "");
    assert_eq!((head.status, head.body.len()), (200, 0));

    bike.service.wait_until("has read the playlist", |status| status.playlist.is_some());
    // What is shown is made once a second.
    let mut states = std::iter::repeat_with(|| phone.get("/state").json());
    let state = states.find(|state| !state["view"]["playlist"].is_null()).unwrap();
    assert_eq!(state["steer"], false);
    assert_eq!(state["view"]["name"], "bike-1");
    assert_eq!(state["view"]["boxes"][0]["here"], true);
    assert_eq!(state["view"]["playlist"]["tracks"], 1);
    let tracks = phone.get("/tracks?from=0").json();
    assert_eq!(tracks["tracks"][0]["title"], "A - Test");
    assert_eq!(tracks["fingerprint"], state["view"]["playlist"]["fingerprint"]);
    assert_eq!(phone.get("/tracks?from=99999999999999999999").json()["from"], 0);
    assert_eq!(phone.get("/tracks?from=7").json()["tracks"], json!([]));

    let order = r#"{"order":{"set_volume":37}}"#;
    assert_eq!(phone.post("/order", order).status, 401, "without the PIN");
    let answer = phone.give_pin(&bike.pin);
    assert_eq!(answer.status, 200);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict") && cookie.contains("; Max-Age="));
    assert_eq!(phone.get("/state").json()["steer"], true);
    assert_eq!(bike.phone(3).get("/state").json()["steer"], false, "another phone");

    let answer = phone.post("/order", order);
    assert_eq!(answer.status, 200, "{answer:?}");
    let boxes = answer.json();
    assert_eq!((&boxes["boxes"][0]["outcome"], &boxes["boxes"][0]["volume"]), (&json!("done"), &json!(37)), "{boxes}");
    bike.service.wait_until("is that loud", |status| status.volume.percent == 37);
    assert_eq!(phone.post("/order", r#"{"order":"stop","boxes":["bike-9"]}"#).status, 409);
    assert_eq!(phone.post("/order", r#"{"order":{"set_volume":101}}"#).status, 400);
    assert_eq!(phone.post("/order", "[[[[[").status, 400);

    assert_eq!(phone.post("/leave", "{}").status, 200);
    assert_eq!(phone.post("/order", order).status, 401, "the cookie is worth nothing any more");
}

#[test]
fn a_wrong_pin_five_times_is_slowed_and_nobody_else_is() {
    let bike = Box::new();
    let mut guesser = bike.phone(2);
    let guesses: Vec<u16> = (0..5).map(|_| guesser.give_pin(bike.wrong_pin()).status).collect();
    assert_eq!(guesses, [403, 403, 403, 429, 429]);
    let answer = guesser.give_pin(&bike.pin);
    assert_eq!(answer.status, 429, "not even the right one, now");
    let wait_s: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&wait_s));
    assert_eq!(bike.phone(3).give_pin(&bike.pin).status, 200, "another phone");
    std::thread::sleep(Duration::from_secs(wait_s));
    assert_eq!(guesser.give_pin(&bike.pin).status, 200);
    for body in ["", "{}", "{\"pin\":123456}", "{\"pin\":\"1\",\"x\":1}", "\u{0}"] {
        assert_eq!(guesser.post("/pin", body).status, 400, "{body:?}");
    }
}

#[test]
fn many_addresses_do_not_guess_more_than_one_budget_allows() {
    let bike = Box::new();
    let wrong = (2..60).filter(|number| bike.phone(*number).give_pin(bike.wrong_pin()).status == 403).count();
    assert!((20..=22).contains(&wrong), "{wrong}");
}

#[test]
fn another_name_or_another_site_gets_nothing() {
    let bike = Box::new();
    let mut phone = bike.phone(2);
    phone.give_pin(&bike.pin);
    let port = bike.page.port();
    for host in ["evil.example", "10.0.0.9", "bike-1.evil.example", "127.0.0.2", ""] {
        for path in ["/", "/state", "/live"] {
            let answer = phone.request("GET", path, &format!("Host: {host}:{port}\r\n"), "");
            assert_eq!(answer.status, 421, "{host} {path}");
            assert!(!answer.body.contains("bike-1\""), "{answer:?}");
        }
    }
    let two = format!("Host: 127.0.0.1:{port}\r\nHost: evil.example\r\n");
    assert_eq!(phone.request("GET", "/", &two, "").status, 421);
    assert!(phone.raw(b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 421"), "without a host");

    let post = |head: &str| phone.request("POST", "/order", head, r#"{"order":"stop"}"#).status;
    let json = "Content-Type: application/json\r\n";
    for origin in ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"] {
        assert_eq!(post(&format!("Origin: {origin}\r\n{json}")), 403, "{origin}");
    }
    let own = format!("Origin: http://127.0.0.1:{port}\r\n");
    assert_eq!(post(&own), 403, "what a form could send");
    assert_eq!(post(&format!("{own}Content-Type: text/plain\r\n")), 403);
    assert_eq!(post(&format!("{own}Origin: http://evil.example\r\n{json}")), 403);
    assert_eq!(phone.request("OPTIONS", "/order", "Origin: http://evil.example\r\n", "").status, 405);
    assert_eq!(phone.get("/state").header("access-control-allow-origin"), None);
}

#[test]
fn no_path_reaches_a_file() {
    let bike = Box::new();
    let phone = bike.phone(2);
    let paths = [
        "/etc/passwd",
        "/../../../../etc/passwd",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/page.js/..",
        "/Music/a.mp3",
        "/.",
        "/%00",
        "/index.html",
        "/www/page.js",
        "/PAGE.JS",
        "/page.js%20",
        "/..%5c..%5cetc",
    ];
    for path in paths {
        let answer = phone.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains("root:"), "{path}");
    }
    assert_eq!(phone.get("/page.js?x=/etc/passwd").status, 200);
    assert_eq!(phone.request("DELETE", "/page.js", "", "").status, 405);
    assert_eq!(phone.post("/etc/passwd", "{}").status, 404);
}

#[test]
fn looking_can_need_the_pin_too() {
    let bike = Box::with("view = \"pin\"");
    let mut phone = bike.phone(2);
    assert_eq!(phone.get("/").status, 200, "the page asks for the PIN");
    for path in ["/state", "/live", "/tracks?from=0"] {
        let answer = phone.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.body.contains("bike-1"), "{path}");
    }
    phone.give_pin(&bike.pin);
    assert_eq!(phone.get("/state").json()["view"]["name"], "bike-1");

    let mut events = phone.watch();
    assert!(events.any(|line| line.starts_with("data: ")));
    assert_eq!(phone.post("/leave", "{}").status, 200);
    let left = Instant::now();
    assert!(events.count() < 100, "the stream has ended");
    assert!(left.elapsed() < Duration::from_secs(20), "and soon: {:?}", left.elapsed());
}

#[test]
fn what_happens_is_shown_within_a_second_and_a_box_that_is_gone_is_noticed() {
    let mut bike = Box::new();
    let phone = bike.phone(2);
    let mut events = phone.watch().filter_map(|line| {
        let view: Value = serde_json::from_str(line.strip_prefix("data: ")?).unwrap();
        Some(view)
    });
    let first = events.next().unwrap();
    assert_eq!(first["play"]["state"], "stopped");
    let (mut last, began) = (Instant::now(), Instant::now());
    for _ in 0..4 {
        events.next().unwrap();
        last = Instant::now();
    }
    let every = (last - began).as_secs_f64() / 4.0;
    assert!(every < 2.0, "an event every {every} s");
    bike.service.hand("press start");
    let began = Instant::now();
    let starts = events.find(|view| view["play"]["state"] != "stopped").unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{starts}");
    bike.service.cut_power();
    assert!(events.next().is_none() || events.next().is_none(), "the stream ends with the box");
}

/// What a whole process may take, in kB.
const MOST_MEMORY_KB: u64 = 25_000;
/// By how much that may grow in an attack. This is not the release build.
const MOST_GROWTH_KB: u64 = 6_000;

#[test]
fn an_attack_costs_little_and_others_are_answered() {
    let bike = Box::new();
    let others = bike.phone(200);
    assert_eq!(others.get("/state").status, 200);
    let before_kb = bike.memory_kb("VmRSS");
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut waits = Vec::new();
    std::thread::scope(|scope| {
        // 200 connections of ten phones that send a byte a second, again whenever they are closed.
        for number in 0..10 {
            let (phone, stop, sent) = (bike.phone(10 + number), &stop, &sent);
            scope.spawn(move || {
                let head =
                    b"GET /state HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
                let mut open: Vec<(TcpStream, usize)> = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    open.retain_mut(|(stream, at)| {
                        *at = (*at + 1) % head.len();
                        stream.write_all(&head[*at..=*at]).is_ok()
                    });
                    while open.len() < 20 && !stop.load(Ordering::Relaxed) {
                        let Ok(stream) = phone.connect() else { break };
                        open.push((stream, 0));
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                    std::thread::sleep(Duration::from_secs(1));
                }
            });
        }
        // Garbage, heads without end, bodies without end, and a thousand page views a minute.
        for number in 0..5_u8 {
            let (phone, stop, sent) = (bike.phone(30 + number), &stop, &sent);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(number.into());
                while !stop.load(Ordering::Relaxed) {
                    let garbage: Vec<u8> = (0..2000).map(|_| random.u8(..)).collect();
                    let endless = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; 100_000]].concat();
                    let headers = "X-Many: 1\r\n".repeat(500);
                    let body = [
                        format!("POST /pin HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n", phone.page)
                            .as_bytes(),
                        b"Content-Length: 99999999\r\n\r\n",
                        &[b'{'; 200_000],
                    ]
                    .concat();
                    let attack = match number {
                        0 => garbage,
                        1 => endless,
                        2 => format!("GET / HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", phone.page).into_bytes(),
                        3 => body,
                        _ => format!("GET /page.js HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", phone.page)
                            .into_bytes(),
                    };
                    let answer = phone.raw(&attack);
                    assert!(number == 4 || !answer.starts_with("HTTP/1.1 200"), "{answer}");
                    sent.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(60));
                }
            });
        }
        let until = Instant::now() + Duration::from_secs(15);
        while Instant::now() < until {
            let asked = Instant::now();
            assert_eq!(others.get("/state").status, 200);
            waits.push(asked.elapsed());
            std::thread::sleep(Duration::from_millis(200));
        }
        stop.store(true, Ordering::Relaxed);
    });
    waits.sort();
    let (most_kb, median, longest) = (bike.memory_kb("VmHWM"), waits[waits.len() / 2], waits[waits.len() - 1]);
    println!(
        "{} attacks in 15 s: {before_kb} kB before, {most_kb} kB at most; others waited {median:?}, at most {longest:?}",
        sent.load(Ordering::Relaxed)
    );
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    assert!(most_kb <= before_kb + MOST_GROWTH_KB && most_kb <= MOST_MEMORY_KB, "{before_kb} kB, then {most_kb} kB");
    assert_eq!(bike.service.status().volume.percent, 50);
}

#[test]
fn who_reads_nothing_holds_no_memory_and_no_place_of_others() {
    let bike = Box::new();
    let before_kb = bike.memory_kb("VmRSS");
    // Streams and large answers, of which nothing is read.
    let mut idle = Vec::new();
    for number in 0..8 {
        let phone = bike.phone(50 + number);
        for turn in 0..20 {
            let path = if turn % 2 == 0 { "/live" } else { "/page.js" };
            let Ok(mut stream) = phone.connect() else { continue };
            let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", bike.page);
            idle.push(stream);
        }
    }
    std::thread::sleep(Duration::from_secs(3));
    for number in 0..20 {
        assert_eq!(bike.phone(100 + number).get("/state").status, 200);
    }
    let after_kb = bike.memory_kb("VmHWM");
    println!("{} idle connections: {before_kb} kB, then {after_kb} kB", idle.len());
    assert!(after_kb <= before_kb + MOST_GROWTH_KB);
}

/// Makes the box inherit a listening socket as systemd passes it. Dash knows no descriptor above 9.
fn pass(command: &Command, listener: &TcpListener) -> Command {
    fcntl(listener, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let mut shell = Command::new("bash");
    let script =
        format!("LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec \"$@\" 3<&{}", listener.as_raw_fd());
    shell.args(["-c", &script, "bash"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

#[test]
fn the_page_is_served_on_the_socket_that_systemd_passes_which_says_so_where_there_is_none() {
    let (sandbox, card) = (Sandbox::with_one_track(), VirtualCard::start().unwrap());
    // The last two are served elsewhere, and nowhere.
    let pages = ["", "enabled = false", "listen = \"127.0.0.1:0\"", "listen = \"192.0.2.1:1\""];
    for (page, is_served) in pages.into_iter().zip([true, false, false, false]) {
        let (_, config) = with_key(&sandbox, page);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let make = Make { config: &config, ..Make::default() };
        let prepare = |command: &mut Command| *command = pass(command, &listener);
        let service = ServiceProcess::switch_on_prepared(&sandbox, &card, Sink::Left, &make, prepare).ready();
        if is_served {
            assert_eq!(Phone::new(address, 2).get("/state").json()["view"]["name"], "bike-1");
        } else {
            let answer = Phone::new(address, 2).get("/");
            let said = answer.body;
            assert_eq!(answer.status, 503, "{said}");
            assert!(said.contains(if page.contains("127.0.0.1") { "another port" } else { "no page" }), "{said}");
            // systemd takes a socket that is shut down for one that has failed.
            assert!(TcpStream::connect(address).is_ok());
        }
        assert!(service.end().success());
    }
}

#[test]
fn doctor_says_whether_the_page_answers() {
    let bike = Box::with("view = \"pin\"");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free_address();
    let address = other.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut call = other.accept().unwrap().0;
        let _ = call.read(&mut [0; 1024]);
        let _ = call.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    let key = bike.sandbox.run(&["ride", "new-key"]).succeeds().stdout.trim().to_owned();
    for (listen, level, says) in [
        (bike.page, "good", "it is served on port"),
        (address, "warning", "something else answers"),
        (nobody, "warning", "phones do not find the page"),
    ] {
        let config = format!("[ride]\nkey = \"{key}\"\n[page]\nlisten = \"{listen}\"\n");
        std::fs::write(bike.sandbox.path().join("doctor.toml"), config).unwrap();
        let socket = bike.service.socket().to_str().unwrap();
        let run = bike.sandbox.run(&["doctor", "--json", "--config", "doctor.toml", "--socket", socket]);
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["check"] == "page").unwrap();
        assert_eq!(finding["level"], level, "{finding}");
        assert!(finding["text"].as_str().unwrap().contains(says), "{finding}");
    }
}

#[test]
fn without_a_key_there_is_no_page() {
    let (sandbox, card) = (Sandbox::with_one_track(), VirtualCard::start().unwrap());
    let address = free_address();
    let config = format!("[time]\nrtc = \"simulated\"\n[page]\nlisten = \"{address}\"\n");
    let make = Make { config: &config, ..Make::default() };
    let _service = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &make).ready();
    assert!(TcpStream::connect(address).is_err());
}
