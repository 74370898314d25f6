//! A network namespace with a TAP device, an address and routes: the machine of one station.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::ethernet::mac_of;
use crate::error::{Error, Result};

/// What each station calls its network device.
pub(crate) const DEVICE: &str = "wlan0";

const TUN: &str = "/dev/net/tun";

/// A namespace without a name: it is there while this, or a process or socket inside, is.
#[derive(Debug)]
pub(crate) struct Namespace {
    file: File,
    address: Ipv4Addr,
}

/// The other end of a station's network device: frames that it sends are read from it.
pub(crate) struct Tap(pub(crate) SyncDevice);

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tap")
    }
}

impl Namespace {
    /// Makes a namespace whose device has `address`, with /24 around it.
    pub(crate) fn make(address: Ipv4Addr) -> Result<(Self, Tap)> {
        // The library would make the file itself, which is for the owner of the machine to do.
        if !Path::new(TUN).exists() {
            return Err(Error::NoAir(format!("there is no {TUN}")));
        }
        on_a_thread(move || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|error| Error::NoAir(format!("network namespaces: {error}")))?;
            let file = File::open("/proc/thread-self/ns/net").map_err(Error::io("open a network namespace"))?;
            let tap = DeviceBuilder::new()
                .name(DEVICE)
                .layer(Layer::L2)
                .enable(false)
                .build_sync()
                .and_then(|tap| tap.set_nonblocking(true).map(|()| tap))
                .map_err(|error| Error::NoAir(format!("a TAP device by {TUN}: {error}")))?;
            let mac = mac_of(address).map(|byte| format!("{byte:02x}")).join(":");
            // Without an address of IPv6's own nothing looks for routers and neighbours by itself.
            let setup = format!(
                "link set lo up\nlink set {DEVICE} addrgenmode none\nlink set {DEVICE} address {mac}\n\
                 link set {DEVICE} up\n{}",
                addresses(address)
            );
            // A process belongs to the namespace of the thread that starts it.
            ip(Command::new("ip"), &setup)?;
            Ok((Self { file, address }, Tap(tap)))
        })
    }

    /// Returns the path by which other processes enter the namespace, while this process lives.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    /// Runs `call` on a thread inside.
    pub(crate) fn inside<T: Send>(&self, call: impl FnOnce() -> T + Send) -> Result<T> {
        on_a_thread(|| {
            setns(&self.file, CloneFlags::CLONE_NEWNET)
                .map_err(|error| Error::Air(format!("a namespace cannot be entered: {error}")))?;
            Ok(call())
        })
    }

    /// Takes the device's connection and address away, or gives them back, as a network manager
    /// does.
    pub(crate) fn connect(&self, connected: bool) -> Result<()> {
        let changes = if connected {
            format!("link set {DEVICE} carrier on\n{}", addresses(self.address))
        } else {
            format!("addr flush dev {DEVICE}\nlink set {DEVICE} carrier off\n")
        };
        self.inside(|| ip(Command::new("ip"), &changes))?
    }
}

fn addresses(address: Ipv4Addr) -> String {
    format!("addr replace {address}/24 brd + dev {DEVICE}\nroute replace 224.0.0.0/4 dev {DEVICE}\n")
}

/// Runs a call that changes its thread's namespace: the thread ends with it.
fn on_a_thread<T: Send>(call: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("namespace".into()).spawn_scoped(scope, call);
        let thread = thread.map_err(Error::io("start a thread"))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Has iproute2's `ip` make changes, a line each.
fn ip(mut command: Command, changes: &str) -> Result<()> {
    let action = "run ip";
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { what: "ip", package: "iproute2" },
            _ => Error::Io { action, source },
        })?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(changes.as_bytes()).map_err(Error::io(action))?;
    }
    let output = child.wait_with_output().map_err(Error::io(action))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Air(format!("ip cannot set up a station: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
