//! The terminal that the panel is shown on: drawn on, read from, restored in any case, and seen to be gone.
//!
//! Keys are read here and not by crossterm, whose reader never returns once the terminal has gone: it reads the end of
//! the file again and again (crossterm 0.29, `event/source/unix/mio.rs`).

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

/// A terminal in raw mode with the alternate screen; both end with it, also where the process is left before.
pub(super) struct Screen {
    /// Never dropped: it shows the cursor then, which is done here, and panics where the terminal has gone.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    keys: KeyReader,
    _restored: LastAct,
}

impl Screen {
    /// Takes the terminal over. Until it is given back the log is shown on it.
    pub(super) fn open(log: LogLines) -> io::Result<Self> {
        let restored = last_act(move || {
            restore();
            log.release();
        });
        say_panics();
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(Self { terminal: ManuallyDrop::new(terminal), keys: KeyReader::default(), _restored: restored })
    }

    /// Draws, in the size that the terminal has now.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }

    /// Waits so long for keys.
    ///
    /// # Errors
    /// When the terminal has gone, or can no longer be read.
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

/// Gives the terminal back as it was, unless it has gone.
fn restore() {
    if terminal::is_ours() {
        let _ = disable_raw_mode();
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    }
}

/// A panic of the panel itself is printed on a terminal that is restored; that of any other thread goes to the log, which
/// is shown.
fn say_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        match thread.name() {
            Some("main") => {
                restore();
                print(panic);
            }
            name => log::error!("the thread {} {panic}", name.unwrap_or("without a name")),
        }
    }));
}
