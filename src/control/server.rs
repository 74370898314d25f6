//! The server: the socket file, access to it, and a thread for every client.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::connection::{Place, Shared, answer, serve};
use super::protocol::{ErrorCode, Response};
use super::{Handler, access, path};

/// How many clients are served at once.
pub const MAX_CLIENTS: usize = 32;
/// A client's thread holds two lines and the handler's stack frames; the default of 2 MiB would be
/// waste.
const STACK_BYTES: usize = 256 * 1024;
/// A pause after accepting fails, such as for too many open files, leaves the processor to the
/// music.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);
/// The accepting thread makes a round at least this often, to show that it is alive.
const ROUND_MS: u16 = 1000;

/// Where the socket is, and which group may use it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerOptions {
    /// The socket; empty for where [`super::service_socket`] puts it.
    pub socket: PathBuf,
    /// The group that may control the box; if it is empty or unknown, the process's own.
    pub group: String,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Another process serves this socket.
    #[error("already running: another process serves {0}; stop it first, or name another socket")]
    AlreadyRunning(PathBuf),
    /// Something else has its name.
    #[error("{0} exists and is not a socket; remove it, or name another socket")]
    NoSocket(PathBuf),
    /// The socket cannot be created.
    #[error("cannot create the control socket {0}: {1}")]
    Io(PathBuf, io::Error),
}

/// A socket that exists, but serves nobody yet.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    socket: PathBuf,
    group: u32,
    /// Locked while the server lives. A kill unlocks it, which distinguishes a stale socket from a
    /// live one.
    lock: File,
}

impl Server {
    /// Creates the socket, and replaces a stale one.
    ///
    /// # Errors
    /// If another process serves this socket, or it cannot be created.
    pub fn bind(options: &ServerOptions) -> Result<Self, ServerError> {
        let socket = path::service_socket(&options.socket);
        let failed = |error| ServerError::Io(socket.clone(), error);
        if let Some(folder) = socket.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(failed)?;
        }
        let lock_file = with_suffix(&socket, ".lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock_file);
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ServerError::AlreadyRunning(socket)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        match std::fs::symlink_metadata(&socket) {
            Ok(found) if !found.file_type().is_socket() => return Err(ServerError::NoSocket(socket)),
            _ => {}
        }
        let listener = make_socket(&socket, &options.group).map_err(failed)?;
        let group = std::fs::metadata(&socket).map_err(failed)?.gid();
        Ok(Self { listener, socket, group, lock })
    }

    /// Returns the socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Starts to serve.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn serve(self, handler: Arc<dyn Handler>) -> io::Result<RunningServer> {
        let shared = Arc::new(Shared::default());
        let accepting = self.listener.try_clone()?;
        let (theirs, group) = (Arc::clone(&shared), self.group);
        let thread = Builder::new()
            .name("control".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || accept(&accepting, group, &handler, &theirs))?;
        Ok(RunningServer { server: self, shared, thread: Some(thread) })
    }
}

/// A running server. Dropping it stops it; clients still get the response that they wait for.
#[derive(Debug)]
pub struct RunningServer {
    server: Server,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl RunningServer {
    /// Returns the socket's path.
    pub fn socket(&self) -> &Path {
        self.server.socket()
    }

    /// Returns how many rounds the accepting thread has made: at least one every second while it is
    /// alive.
    pub fn progress(&self) -> u64 {
        self.shared.rounds.load(Ordering::Relaxed)
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        // On Linux this wakes the accepting thread with an error.
        let _ = nix::sys::socket::shutdown(self.server.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.server.socket);
        let _ = self.server.lock.unlock();
    }
}

/// Creates the socket under a temporary name, sets its permissions, then renames it: nobody can
/// find it before it is safe.
fn make_socket(socket: &Path, group: &str) -> io::Result<UnixListener> {
    let new = with_suffix(socket, ".new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    // A client may go before it is accepted; accepting must not block then.
    listener.set_nonblocking(true)?;
    match access::group_number(group) {
        Some(number) => {
            if let Err(error) = chown(&new, None, Some(number)) {
                log::warn!("cannot give the control socket to the group {group} ({error}); only its owner can use it");
            }
        }
        None if group.is_empty() => {}
        None => log::warn!("there is no group {group:?}; only its owner can use the control socket"),
    }
    std::fs::set_permissions(&new, Permissions::from_mode(0o660))?;
    std::fs::rename(&new, socket)?;
    Ok(listener)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn accept(listener: &UnixListener, group: u32, handler: &Arc<dyn Handler>, shared: &Arc<Shared>) {
    while !shared.stopping.load(Ordering::Acquire) {
        shared.rounds.fetch_add(1, Ordering::Relaxed);
        let mut waited_for = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waited_for, PollTimeout::from(ROUND_MS)) {
            Ok(0) | Err(Errno::EINTR) => continue,
            // Accepting reports anything else.
            Ok(_) | Err(_) => {}
        }
        match listener.accept() {
            Ok((client, _)) => welcome(client, group, handler, shared),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if !shared.stopping.load(Ordering::Acquire) => {
                log::warn!("control socket: {error}");
                std::thread::sleep(PAUSE_AFTER_ERROR);
            }
            Err(_) => {}
        }
    }
}

/// Starts a client's thread, or turns the client away.
fn welcome(client: UnixStream, group: u32, handler: &Arc<dyn Handler>, shared: &Arc<Shared>) {
    if !access::is_allowed(&client, group) {
        return turn_away(client, ErrorCode::Forbidden, "you are not in the group that may control this box");
    }
    // Taken here, not in the thread: otherwise every client of a crowd would get a thread.
    let Some(place) = Place::of_client(shared, MAX_CLIENTS) else {
        return turn_away(client, ErrorCode::Busy, "too many clients at once; try again");
    };
    let (handler, theirs) = (Arc::clone(handler), Arc::clone(shared));
    let serve = move || {
        let _place = place;
        if let Err(error) = serve(client, handler.as_ref(), &theirs) {
            log::debug!("a control client was dropped: {error}");
        }
    };
    let thread = Builder::new().name("control-client".to_owned()).stack_size(STACK_BYTES).spawn(serve);
    if let Err(error) = thread {
        log::warn!("cannot start a thread for a control client: {error}");
    }
}

/// Sends a client the reason why it is not served. Never waits: the accepting thread has other
/// clients.
fn turn_away(mut client: UnixStream, code: ErrorCode, message: &str) {
    if client.set_nonblocking(true).is_ok() {
        let _ = answer(&mut client, &Response::failed(code, message));
    }
}
