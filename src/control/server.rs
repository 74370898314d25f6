//! The server: the socket file, who is let in, and a thread for each client.

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

/// So many clients are served at once.
pub const MAX_CLIENTS: usize = 32;
/// A client's thread holds two lines and the handler's own frames; the default of 2 MiB would be for nothing.
const STACK_BYTES: usize = 256 * 1024;
/// After an error of accepting, such as too many open files, a pause keeps the processor free for the music.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);
/// The accepting thread goes round at least so often, to show that it is alive.
const ROUND_MS: u16 = 1000;

/// Where the socket is and whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerOptions {
    /// The socket; empty: as [`super::service_socket`] finds it.
    pub socket: PathBuf,
    /// The group that may steer the box; empty or unknown: the process's own.
    pub group: String,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Another process serves there.
    #[error("already running: another process serves {0}; stop it first, or name another socket")]
    AlreadyRunning(PathBuf),
    /// Something else has the name.
    #[error("{0} exists and is no socket; remove it, or name another socket")]
    NoSocket(PathBuf),
    /// The socket cannot be made.
    #[error("the control socket {0} cannot be made: {1}")]
    Io(PathBuf, io::Error),
}

/// A socket at which nobody is served yet.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    socket: PathBuf,
    group: u32,
    /// Locked as long as the server lives. A kill unlocks it, so a stale socket is told from a live one.
    lock: File,
}

impl Server {
    /// Makes the socket. A stale one is replaced.
    ///
    /// # Errors
    /// When another process serves there, or the socket cannot be made.
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

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Begins to serve.
    ///
    /// # Errors
    /// When no thread can be started.
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

/// A server at work; it stops when it is dropped. Clients that are being served get the answer they wait for.
#[derive(Debug)]
pub struct RunningServer {
    server: Server,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl RunningServer {
    /// The socket's path.
    pub fn socket(&self) -> &Path {
        self.server.socket()
    }

    /// How often the accepting thread has gone round: at least once a second for as long as it is alive.
    pub fn progress(&self) -> u64 {
        self.shared.rounds.load(Ordering::Relaxed)
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        // This wakes the accepting thread, on Linux, with an error.
        let _ = nix::sys::socket::shutdown(self.server.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.server.socket);
        let _ = self.server.lock.unlock();
    }
}

/// A socket under another name gets its rights first and its own name then: nobody finds it before it is safe.
fn make_socket(socket: &Path, group: &str) -> io::Result<UnixListener> {
    let new = with_suffix(socket, ".new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    // A client may have gone before it is accepted: then nobody must be waited for.
    listener.set_nonblocking(true)?;
    match access::group_number(group) {
        Some(number) => {
            if let Err(error) = chown(&new, None, Some(number)) {
                log::warn!("the control socket cannot be given to the group {group} ({error}); only its owner gets in");
            }
        }
        None if group.is_empty() => {}
        None => log::warn!("there is no group {group:?}; only the owner gets in at the control socket"),
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
            // Whatever else there is, accepting tells.
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

/// Starts a client's thread, or sends the client away.
fn welcome(client: UnixStream, group: u32, handler: &Arc<dyn Handler>, shared: &Arc<Shared>) {
    if !access::is_allowed(&client, group) {
        return send_away(client, ErrorCode::Forbidden, "you are not in the group that may steer this box");
    }
    // Taken here and not in the thread, or a crowd would get a thread each.
    let Some(place) = Place::of_client(shared, MAX_CLIENTS) else {
        return send_away(client, ErrorCode::Busy, "too many clients at once; try again");
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
        log::warn!("no thread for a control client: {error}");
    }
}

/// Tells a client why it is not served. It never waits: the accepting thread has others to look after.
fn send_away(mut client: UnixStream, code: ErrorCode, message: &str) {
    if client.set_nonblocking(true).is_ok() {
        let _ = answer(&mut client, &Response::failed(code, message));
    }
}
