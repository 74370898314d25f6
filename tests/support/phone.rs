//! A phone that opens a box's page: HTTP over a plain connection, from an address of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use std::os::fd::AsRawFd;

/// No answer takes longer, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A phone at 127.0.0.`number`.
pub struct Phone {
    pub page: SocketAddr,
    /// The name by which it calls the box, if not that address.
    pub name: Option<&'static str>,
    pub number: u8,
    pub cookie: Option<String>,
}

/// What the page answers.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Phone {
    pub fn new(page: SocketAddr, number: u8) -> Self {
        Self { page, name: None, number, cookie: None }
    }

    /// Returns what it has for the box's name.
    fn host(&self) -> String {
        self.name.map_or_else(|| self.page.to_string(), str::to_owned)
    }

    /// Opens a connection from its address.
    pub fn connect(&self) -> nix::Result<TcpStream> {
        let own = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let address = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, self.number), 0);
        bind(own.as_raw_fd(), &SockaddrIn::from(address))?;
        let SocketAddr::V4(page) = self.page else { panic!("{} is IPv6", self.page) };
        connect(own.as_raw_fd(), &SockaddrIn::from(page))?;
        let stream = TcpStream::from(own);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Ok(stream)
    }

    /// Sends bytes, and returns all that comes back until the box closes the connection.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let Ok(mut stream) = self.connect() else { return String::new() };
        // The box may close before it has read all.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends a request with these further lines of the head.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, head: &str, body: &str) -> Answer {
        let host = if head.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.host()) };
        let cookie = self.cookie.as_ref().map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let text = self.raw(
            format!("{method} {path} HTTP/1.1\r\n{host}{cookie}{length}{head}Connection: close\r\n\r\n{body}")
                .as_bytes(),
        );
        parse(&text).unwrap_or_else(|| panic!("{method} {path}: no answer but {text:?}"))
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "", "")
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &str) -> Answer {
        let head = format!("Origin: http://{}\r\nContent-Type: application/json\r\n", self.host());
        self.request("POST", path, &head, body)
    }

    /// Returns the head of an upload of so many bytes.
    pub fn upload_head(&self, bytes: usize) -> String {
        let cookie = self.cookie.as_ref().map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
        format!(
            "POST /recording HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\n{cookie}Content-Type: \
             application/octet-stream\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n",
            self.host()
        )
    }

    /// Uploads a recording.
    #[track_caller]
    pub fn upload(&self, recording: &[u8]) -> Answer {
        let text = self.raw(&[self.upload_head(recording.len()).as_bytes(), recording].concat());
        parse(&text).unwrap_or_else(|| panic!("no answer but {text:?}"))
    }

    /// Gives a PIN.
    #[track_caller]
    pub fn give_pin(&mut self, pin: &str) -> Answer {
        let answer = self.post("/pin", &format!("{{\"pin\":\"{pin}\"}}"));
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        answer
    }

    /// Begins to watch; the lines of the stream follow the head.
    pub fn watch(&self) -> impl Iterator<Item = String> {
        let mut stream = self.connect().unwrap();
        let cookie = self.cookie.as_ref().map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
        // After the stream there is nothing to wait for.
        write!(stream, "GET /live HTTP/1.1\r\nHost: {}\r\n{cookie}Connection: close\r\n\r\n", self.host()).unwrap();
        BufReader::new(stream).lines().map_while(Result::ok)
    }
}

/// Parses an answer that is whole.
fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Answer { status, headers: lines.filter_map(header).collect(), body: body.to_owned() })
}
