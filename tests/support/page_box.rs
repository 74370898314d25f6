//! A whole box with a page, on this machine's own address. Its temporary files are in a folder of its
//! own, `temporary` in the sandbox.

use std::net::{SocketAddr, UdpSocket};

use jaudiosync::ride_key::RideKey;
use jaudiosync_measure::{Sink, VirtualCard};

use super::Sandbox;
use super::phone::Phone;
use super::service_process::{Make, ServiceProcess};

/// A box with a page.
pub struct Box {
    pub service: ServiceProcess,
    pub page: SocketAddr,
    pub pin: String,
    // Dropped last.
    _card: VirtualCard,
    pub sandbox: Sandbox,
}

/// Makes a key and the lines of a configuration that has it, and returns both.
pub fn with_key(sandbox: &Sandbox, page: &str) -> (RideKey, String) {
    let key = sandbox.run(&["ride", "new-key"]).succeeds().stdout.trim().to_owned();
    let port = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "[time]\nrtc = \"simulated\"\n[ride]\nname = \"bike-1\"\nkey = \"{key}\"\nport = {port}\n[page]\n{page}\n"
    );
    (key.parse().unwrap(), config)
}

impl Box {
    pub fn new() -> Self {
        Self::with("")
    }

    /// Switches one on, with further lines of `[page]`, and what may follow.
    pub fn with(page: &str) -> Self {
        let (sandbox, card) = (Sandbox::with_one_track(), VirtualCard::start().unwrap());
        let (key, config) = with_key(&sandbox, &format!("listen = \"127.0.0.1:0\"\n{page}"));
        let make = Make { config: &config, ..Make::default() };
        let mut service = ServiceProcess::switch_on_prepared(&sandbox, &card, Sink::Left, &make, |command| {
            let folder = sandbox.path().join("temporary");
            std::fs::create_dir(&folder).unwrap();
            command.env("TMPDIR", folder);
        });
        let line = service.wait_for("the page is served on ");
        let page = line.rsplit(' ').next().unwrap().parse().unwrap();
        Self { service: service.ready(), page, pin: key.pin(), _card: card, sandbox }
    }

    /// Returns a phone at 127.0.0.`number`.
    pub fn phone(&self, number: u8) -> Phone {
        Phone::new(self.page, number)
    }

    /// Returns a PIN that is not the right one.
    pub fn wrong_pin(&self) -> &'static str {
        if self.pin == "123456" { "654321" } else { "123456" }
    }

    /// Returns a line of /proc/PID/status in kB, such as `VmRSS`.
    pub fn memory_kb(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.service.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}
