//! A network segment for several boxes: a hub, which passes on every frame to all stations but the one
//! that sent it. On it there is a router that gives addresses, as that of a phone's hotspot does.
//!
//! QEMU's own multicast sockets would return a box's frames to itself, which it would take for another
//! station with its address.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

use super::network::user;
use super::qemu::prepared;

/// Its socket.
const ROUTER: &str = "router";

/// More than the largest frame.
const FRAME_BYTES: usize = 65_536;

/// A segment. Its boxes must be gone before it is dropped.
#[derive(Debug)]
pub struct Segment {
    folder: TempDir,
    router: Child,
    hub: Option<JoinHandle<()>>,
}

impl Segment {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = UnixDatagram::bind(folder.path().join("hub")).expect("a socket in the temporary folder");
        let stations = vec![folder.path().join(ROUTER)];
        let hub = thread::spawn(move || pass_on(&socket, stations).expect("a hub"));
        Self { router: start_router(&netdev_in(&folder, ROUTER)), folder, hub: Some(hub) }
    }

    /// Returns a station's end in QEMU's notation, without its name.
    pub(super) fn netdev(&self, station: &str) -> String {
        netdev_in(&self.folder, station)
    }
}

fn netdev_in(folder: &TempDir, station: &str) -> String {
    let path = |name| -> PathBuf { folder.path().join(name) };
    let (own, hub) = (path(station), path("hub"));
    format!("dgram,local.type=unix,local.path={},remote.type=unix,remote.path={}", own.display(), hub.display())
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _ = self.router.kill();
        let _ = self.router.wait();
        // An empty frame ends the hub.
        if let Ok(socket) = UnixDatagram::unbound() {
            let _ = socket.send_to(&[], self.folder.path().join("hub"));
            let _ = self.hub.take().map(JoinHandle::join);
        }
    }
}

/// Starts a QEMU that is a router and nothing else. It dies with the thread that started it even if
/// that is killed.
fn start_router(netdev: &str) -> Child {
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(prepared("qemu-system-aarch64"))
        .args(["-M", "none", "-nodefaults", "-display", "none"])
        .args(["-netdev", &format!("{},id=router", user(&[]))])
        .args(["-netdev", &format!("{netdev},id=cable")])
        .args(["-netdev", "hubport,id=inside,hubid=0,netdev=router"])
        .args(["-netdev", "hubport,id=outside,hubid=0,netdev=cable"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("setpriv is needed: apt install util-linux")
}

/// Passes on frames between stations until an empty one comes. A box becomes one when it sends
/// something; a router sends nothing before it is asked.
fn pass_on(hub: &UnixDatagram, mut stations: Vec<PathBuf>) -> io::Result<()> {
    // One whose queue is full, as its box stands still, loses frames, and holds up nobody.
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    let mut frame = vec![0; FRAME_BYTES];
    loop {
        let (length, from) = hub.recv_from(&mut frame)?;
        if length == 0 {
            return Ok(());
        }
        let Some(from) = from.as_pathname() else { continue };
        if !stations.iter().any(|station| station == from) {
            stations.push(from.to_owned());
        }
        for station in stations.iter().filter(|station| *station != from) {
            // It may be switched off.
            let _ = sender.send_to(&frame[..length], station);
        }
    }
}
