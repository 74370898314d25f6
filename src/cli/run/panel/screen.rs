//! The panel's terminal: drawing, reading keys, restoring it in every case, and noticing that it
//! has gone.
//!
//! Keys are read here, not by crossterm, whose reader never returns once the terminal has gone: it
//! reads the end of the file again and again (crossterm 0.29, `event/source/unix/mio.rs`).

use std::io::{self, Stdout, stdin, stdout};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::read;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::prelude::CrosstermBackend;
use ratatui::{Frame, Terminal};

use super::keys::{Key, KeyReader};
use crate::cli::logging::LogLines;
use crate::cli::terminal;
use crate::ending::{LastAct, last_act};

/// More than anybody types at once.
const READ_BYTES: usize = 1024;

/// A terminal in raw mode, on its alternate screen. Both end with this value, or when the process
/// exits.
pub(super) struct Screen {
    /// Never dropped: its destructor shows the cursor, which [`restore`] does, and panics if the
    /// terminal has gone.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    keys: KeyReader,
    _restored: LastAct,
}

impl Screen {
    /// Takes over the terminal. Until it is given back, it shows the log.
    pub(super) fn open(log: LogLines) -> io::Result<Self> {
        let restored = last_act(move || {
            restore();
            log.release();
        });
        report_panics();
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(Self { terminal: ManuallyDrop::new(terminal), keys: KeyReader::default(), _restored: restored })
    }

    /// Draws a frame in the terminal's present size.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }

    /// Waits for keys, at most this long.
    ///
    /// # Errors
    /// If the terminal has gone or can no longer be read.
    pub(super) fn keys(&mut self, timeout: Duration) -> io::Result<Vec<Key>> {
        let input = stdin();
        let mut waited_for = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO);
        match poll(&mut waited_for, timeout) {
            Ok(0) => return Ok(self.keys.idle().into_iter().collect()),
            Err(Errno::EINTR) => return Ok(vec![]),
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let seen = waited_for[0].revents().unwrap_or(PollFlags::POLLERR);
        if seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut bytes = [0; READ_BYTES];
        match read(input.as_fd(), &mut bytes) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => Ok(self.keys.take(bytes.get(..count).unwrap_or_default())),
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(vec![]),
            Err(error) => Err(error.into()),
        }
    }
}

/// Restores the terminal, unless it has gone.
fn restore() {
    if terminal::is_ours() {
        let _ = disable_raw_mode();
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    }
}

/// Restores the terminal before a panic of the panel itself is printed. Panics of other threads go
/// to the log, which the panel shows.
fn report_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        match thread.name() {
            Some("main") => {
                restore();
                print(panic);
            }
            name => log::error!("thread {} {panic}", name.unwrap_or("(unnamed)")),
        }
    }));
}
