//! The console: all that the kernel and the programs say, kept as it comes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::line::Line;

/// How much of the console is shown with a failure.
const TAIL_LINES: usize = 40;

/// What was said, one entry a line. Where a test fails, its end is shown.
pub struct Console(Arc<Shared>);

#[derive(Default)]
struct Shared {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    ended: bool,
}

impl Drop for Console {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{}", self.tail());
        }
    }
}

impl Console {
    pub(super) fn new(mut line: Line) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::spawn(move || {
            loop {
                let received = line.receive();
                let mut said = writer.said.lock().expect("no panic while it is locked");
                match received {
                    Ok(text) => said.lines.push(text),
                    Err(_) => said.ended = true,
                }
                writer.changed.notify_all();
                if said.ended {
                    break;
                }
            }
        });
        Self(shared)
    }

    /// How many lines there are by now.
    pub fn length(&self) -> usize {
        self.lock().lines.len()
    }

    /// The lines from this one on.
    pub fn since(&self, first: usize) -> Vec<String> {
        self.lock().lines[first..].to_vec()
    }

    /// Waits for a line that `wanted` finds something in, looking from line `first` on; with it comes the number of the
    /// line after it.
    #[track_caller]
    pub fn wait_for<T>(
        &self,
        first: usize,
        what: &str,
        timeout: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> (T, usize) {
        let deadline = Instant::now() + timeout;
        let mut next = first;
        let mut said = self.lock();
        loop {
            while let Some(line) = said.lines.get(next) {
                next += 1;
                if let Some(found) = wanted(line) {
                    return (found, next);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if said.ended || left.is_zero() {
                let why = if said.ended { "the box is off" } else { "the time is up" };
                drop(said);
                panic!("{what} was not seen, and {why}\n{}", self.tail());
            }
            said = self.0.changed.wait_timeout(said, left).expect("no panic while it is locked").0;
        }
    }

    /// The last lines, for messages.
    pub fn tail(&self) -> String {
        let lines = &self.lock().lines;
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        format!("The console's last lines:\n{tail}")
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.said.lock().expect("no panic while it is locked")
    }
}
