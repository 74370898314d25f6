//! Any bytes on a connection to the page, and requests of any method, path, headers and body, from
//! somebody who has given the PIN or has not.
//!
//! The page itself is served on ports of the loopback; only what it steers is made up. The first byte
//! says what the rest is: 0: bytes as they are, of a client that is gone at once; otherwise: requests,
//! one after the other on one connection. What must hold:
//!
//! - No panic; the connection ends once the client has said all that it has to say, unless it watches.
//! - What comes back is HTTP. Whatever the page itself answers, and not the parser for it, has the
//!   headers that keep other sites out.
//! - Without the cookie of somebody who has given the PIN nothing is steered and no recording begins.
//! - What is steered is within its limits.

#![no_main]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use jaudiosync::control::Status;
use jaudiosync::control::protocol::RideDifferences;
use jaudiosync::page::orders::{Deed, Request};
use jaudiosync::page::recordings::{Heard, IsSet, MOST_BYTES, Recordings, Setting, Upload};
use jaudiosync::page::{BoxOutcome, Page, PageSetup, Steering, Tracks};
use libfuzzer_sys::fuzz_target;

const PIN: &str = "271828";
/// Longer than an answer takes to come that does not wait for more of the request.
const PAUSE: Duration = Duration::from_millis(20);
/// Longer than the page takes to notice that the client is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// The type of a stream that lasts.
const EVENTS: &[u8] = b"text/event-stream";

/// A request, as a client makes it up.
#[derive(Debug, Arbitrary)]
struct Call<'a> {
    method: Method,
    path: Path<'a>,
    host: Named<'a>,
    origin: Named<'a>,
    media_type: MediaType<'a>,
    has_cookie: bool,
    header: Option<(&'a [u8], &'a [u8])>,
    body: Body<'a>,
    length: Length,
}

#[derive(Debug, Arbitrary)]
enum Method {
    Get,
    Head,
    Post,
    Put,
}

#[derive(Debug, Arbitrary)]
enum Path<'a> {
    State,
    Live,
    Tracks(u32),
    Differences,
    Order,
    Recording,
    Set,
    Leave,
    Pin,
    Any(&'a [u8]),
}

/// A header that names the box.
#[derive(Debug, Arbitrary)]
enum Named<'a> {
    Ours,
    None,
    Any(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
enum MediaType<'a> {
    Json,
    Bytes,
    Any(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
enum Body<'a> {
    Any(&'a [u8]),
    Start(u32),
    SetVolume(u8),
    ChangeVolume(i8),
    Boxes(Vec<&'a str>),
    Which(&'a str),
    Setting(&'a str, u8),
    Offer(&'a str),
    /// So many bytes.
    Long(u16),
}

#[derive(Debug, Arbitrary)]
enum Length {
    True,
    None,
    Chunked,
    Said(u64),
}

/// What is made up behind the page.
#[derive(Debug, Default)]
struct Behind {
    /// How often something was steered, or a recording begun.
    deeds: AtomicUsize,
}

impl Steering for Behind {
    fn status(&self) -> Arc<Status> {
        Arc::default()
    }

    fn tracks(&self, _: usize, most: usize) -> Tracks {
        assert!(most <= 100, "{most}");
        Tracks::default()
    }

    fn carry_out(&self, request: Request) -> Result<Vec<BoxOutcome>, String> {
        self.deeds.fetch_add(1, Ordering::SeqCst);
        match request.order {
            Deed::SetVolume(percent) => assert!(percent <= 100, "{percent}"),
            Deed::ChangeVolume(by) => assert!((-100..=100).contains(&by), "{by}"),
            _ => {}
        }
        assert!(request.boxes.is_none_or(|boxes| !boxes.is_empty() && boxes.len() <= 64));
        Ok(Vec::new())
    }

    fn differences(&self, _: &str) -> Result<RideDifferences, String> {
        self.deeds.fetch_add(1, Ordering::SeqCst);
        Err("nobody says".to_owned())
    }
}

impl Recordings for Behind {
    fn begin(&self) -> Result<Box<dyn Upload>, String> {
        self.deeds.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Taken(0)))
    }

    fn heard(&self) -> Heard {
        Heard::Nothing
    }

    fn set(&self, _: &Setting) -> Result<IsSet, String> {
        self.deeds.fetch_add(1, Ordering::SeqCst);
        Ok(IsSet::Set)
    }
}

struct Taken(u64);

impl Upload for Taken {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0 += bytes.len() as u64;
        assert!(self.0 <= MOST_BYTES, "{}", self.0);
        Ok(())
    }

    fn finish(self: Box<Self>) {}
}

/// A page.
struct Served {
    _page: Page,
    address: SocketAddr,
    behind: Arc<Behind>,
}

/// Returns the page that only strangers call, and one that is steered, with the cookie for it. What
/// somebody has ordered on that one may still be under way when the next input comes.
fn pages() -> &'static (Served, Served, String) {
    static PAGES: OnceLock<(Served, Served, String)> = OnceLock::new();
    PAGES.get_or_init(|| {
        // Rust's own beginning of a program ignores it; LLVM's fuzzer has another.
        let broken_pipe = signal_hook::flag::register(signal_hook::consts::SIGPIPE, Arc::default());
        broken_pipe.expect("a signal is handled");
        let steered = Served::start();
        let cookie = steered.cookie();
        (Served::start(), steered, cookie)
    })
}

impl Served {
    fn start() -> Self {
        let behind = Arc::new(Behind::default());
        let setup = PageSetup {
            listener: TcpListener::bind("127.0.0.1:0").expect("a port is free"),
            steering: Arc::<Behind>::clone(&behind),
            recordings: Arc::<Behind>::clone(&behind),
            host_name: "bike-1".to_owned(),
            pin: PIN.to_owned(),
            looking_needs_pin: false,
        };
        let page = Page::start(setup).expect("the page is served");
        Self { address: page.address(), _page: page, behind }
    }

    /// Gives the PIN, and returns the cookie.
    fn cookie(&self) -> String {
        let body = format!("{{\"pin\":\"{PIN}\"}}");
        let request = format!(
            "POST /pin HTTP/1.1\r\nHost: bike-1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // The port is another one than 80.
        let request = request.replace("bike-1", &self.address.to_string());
        let answer = String::from_utf8(self.say(request.as_bytes(), false)).expect("it is text");
        let cookie = answer.split_once("set-cookie: ").and_then(|(_, rest)| rest.split(';').next());
        cookie.expect("the PIN is right").to_owned()
    }

    /// Says this on a connection, and returns what comes back until the page ends it. A client that
    /// `has_gone` does not wait; another says so only when nothing comes any more.
    fn say(&self, bytes: &[u8], has_gone: bool) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).expect("the page accepts");
        // The page may end the connection before it has read everything.
        let _ = stream.write_all(bytes);
        let mut waits = !has_gone;
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            if !waits {
                let _ = stream.shutdown(Shutdown::Write);
            }
            let patience = if waits { PAUSE } else { PATIENCE };
            stream.set_read_timeout(Some(patience)).expect("it is not zero");
            match stream.read(&mut piece) {
                Ok(0) => return answer,
                Ok(bytes) => answer.extend_from_slice(&piece[..bytes]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return answer,
                // The fuzzer's own clock.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if waits && error.kind() == ErrorKind::WouldBlock => waits = false,
                Err(error) => panic!("the page does not end the connection: {error}"),
            }
            // It lasts as long as somebody reads.
            if answer.windows(EVENTS.len()).any(|words| words == EVENTS) {
                return answer;
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let (strangers, steered, cookie) = pages();
    let answer = match data.split_first() {
        None => return,
        Some((0, bytes)) => strangers.say(bytes, true),
        Some((_, calls)) => {
            let Ok(calls) = Vec::<Call<'_>>::arbitrary(&mut Unstructured::new(calls)) else { return };
            let page = if calls.iter().any(|call| call.has_cookie) { steered } else { strangers };
            let last = calls.len().saturating_sub(1);
            let calls = calls.iter().enumerate();
            let said: Vec<u8> = calls.flat_map(|(at, call)| call.bytes(page.address, cookie, at == last)).collect();
            page.say(&said, false)
        }
    };
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
    let head = String::from_utf8_lossy(&answer);
    let head = head.split("\r\n\r\n").next().unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or_default();
    // hyper itself answers what it cannot read, and that it waits for a body.
    if !answer.is_empty() && !matches!(status, "100" | "400" | "408" | "414" | "431") {
        assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
        assert!(head.contains("x-frame-options: DENY"), "{head}");
    }
    assert_ne!(status, "500", "{head}");
    assert_eq!(strangers.behind.deeds.load(Ordering::SeqCst), 0, "somebody without the PIN steers");
});

impl Call<'_> {
    fn bytes(&self, address: SocketAddr, cookie: &str, is_last: bool) -> Vec<u8> {
        let method = match self.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
        };
        let body = self.body.bytes();
        let mut bytes = [method.as_bytes(), b" ", &self.path.bytes(), b" HTTP/1.1\r\n"].concat();
        let ours = address.to_string();
        let mut header = |name: &[u8], value: &[u8]| bytes.extend([name, b": ", value, b"\r\n"].concat());
        match self.host {
            Named::Ours => header(b"Host", ours.as_bytes()),
            Named::None => {}
            Named::Any(host) => header(b"Host", host),
        }
        match self.origin {
            Named::Ours => header(b"Origin", format!("http://{ours}").as_bytes()),
            Named::None => {}
            Named::Any(origin) => header(b"Origin", origin),
        }
        match self.media_type {
            MediaType::Json => header(b"Content-Type", b"application/json"),
            MediaType::Bytes => header(b"Content-Type", b"application/octet-stream"),
            MediaType::Any(media_type) => header(b"Content-Type", media_type),
        }
        // Locking the page would end what later inputs begin with.
        if self.has_cookie && !matches!(self.path, Path::Leave) {
            header(b"Cookie", cookie.as_bytes());
        }
        if let Some((name, value)) = self.header {
            header(name, value);
        }
        if is_last {
            header(b"Connection", b"close");
        }
        match self.length {
            Length::True => header(b"Content-Length", body.len().to_string().as_bytes()),
            Length::None => {}
            Length::Chunked => header(b"Transfer-Encoding", b"chunked"),
            Length::Said(length) => header(b"Content-Length", length.to_string().as_bytes()),
        }
        bytes.extend(b"\r\n");
        if matches!(self.length, Length::Chunked) {
            bytes.extend(format!("{:x}\r\n", body.len()).as_bytes());
            bytes.extend(&body);
            bytes.extend(b"\r\n0\r\n\r\n");
        } else {
            bytes.extend(&body);
        }
        bytes
    }
}

impl Path<'_> {
    fn bytes(&self) -> Vec<u8> {
        let path = match self {
            Self::State => "/state",
            Self::Live => "/live",
            Self::Tracks(from) => return format!("/tracks?from={from}").into_bytes(),
            Self::Differences => "/differences",
            Self::Order => "/order",
            Self::Recording => "/recording",
            Self::Set => "/recording/set",
            Self::Leave => "/leave",
            Self::Pin => "/pin",
            Self::Any(path) => return [b"/", *path].concat(),
        };
        path.as_bytes().to_vec()
    }
}

impl Body<'_> {
    fn bytes(&self) -> Vec<u8> {
        let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let body = match self {
            Self::Any(bytes) => return bytes.to_vec(),
            Self::Start(track) => format!("{{\"order\":{{\"start_fresh\":{track}}}}}"),
            Self::SetVolume(percent) => format!("{{\"order\":{{\"set_volume\":{percent}}}}}"),
            Self::ChangeVolume(by) => format!("{{\"order\":{{\"change_volume\":{by}}}}}"),
            Self::Boxes(boxes) => {
                let boxes = serde_json::to_string(boxes).unwrap_or_default();
                format!("{{\"order\":\"identify\",\"boxes\":{boxes}}}")
            }
            Self::Which(name) => format!("{{\"box\":{}}}", text(name)),
            Self::Setting(recording, number) => format!("{{\"recording\":{},\"box\":{number}}}", text(recording)),
            Self::Offer(pin) => format!("{{\"pin\":{}}}", text(pin)),
            Self::Long(bytes) => return vec![b' '; usize::from(*bytes)],
        };
        body.into_bytes()
    }
}
