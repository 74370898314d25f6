//! A terminal whose window is the test: it reads what is shown, types, and closes it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{LocalFlags, tcgetattr};

use super::process::wait_until;

const POLL_MS: u16 = 20;

/// The window's side of a pseudo-terminal.
pub struct Pty {
    master: File,
    slave: Option<File>,
    shown: Arc<Mutex<Vec<u8>>>,
    is_closing: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Pty {
    pub fn open() -> Self {
        // No child may have either side open unintentionally: a window is closed when no process
        // has it open.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname_r(&master).unwrap();
        let slave = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&path).unwrap();
        let sized = Command::new("stty").args(["-F", &path, "rows", "24", "cols", "80"]).status().unwrap();
        assert!(sized.success(), "stty: {sized}");
        let master = File::from(OwnedFd::from(master));
        let (shown, is_closing) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<AtomicBool>::default());
        let read = {
            let (mut master, shown, is_closing) = (master.try_clone().unwrap(), shown.clone(), is_closing.clone());
            move || {
                let mut bytes = [0; 4096];
                while !is_closing.load(Ordering::Acquire) {
                    let mut waited_for = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
                    if poll(&mut waited_for, PollTimeout::from(POLL_MS)) == Ok(0) {
                        continue;
                    }
                    match master.read(&mut bytes) {
                        Ok(count) => shown.lock().unwrap().extend_from_slice(&bytes[..count]),
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        // No process has the other side open any more.
                        Err(_) => return,
                    }
                }
            }
        };
        let reader = Some(std::thread::spawn(read));
        Self { master, slave: Some(slave), shown, is_closing, reader }
    }

    /// Gives a command the terminal's side. Only processes in it have that open, once the command
    /// itself is dropped.
    pub fn give_to(&mut self, command: &mut Command) {
        let slave = self.slave.take().expect("given once");
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(stdio()).stdout(stdio()).stderr(stdio()).env("TERM", "xterm");
    }

    pub fn type_in(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// Returns everything shown so far, with its escape sequences.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    #[track_caller]
    pub fn wait_for(&self, words: &str) {
        wait_until(&format!("{words:?} on the terminal"), || self.shown().contains(words));
    }

    /// Returns everything shown, to the last byte, once no process has the terminal open any more.
    pub fn into_shown(mut self) -> String {
        drop(self.slave.take());
        let has_ended = || self.reader.as_ref().is_none_or(JoinHandle::is_finished);
        wait_until("the end of what is shown: a process has the terminal open", has_ended);
        self.shown()
    }

    /// Returns whether lines are edited and typed characters are shown: a shell that comes back
    /// here finds its terminal as it was.
    pub fn is_cooked(&self) -> bool {
        let flags = tcgetattr(&self.master).unwrap().local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    /// Closes the window.
    pub fn close(mut self) {
        self.end_reader();
    }

    fn end_reader(&mut self) {
        self.is_closing.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.end_reader();
    }
}
