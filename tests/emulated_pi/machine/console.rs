//! The console: everything that the kernel and the programs print, saved as it comes, for messages.

use std::sync::{Arc, Mutex};
use std::thread;

use super::line::Line;

/// How much of the console is shown with a failure.
const TAIL_LINES: usize = 40;

/// The printed lines. If a test fails, the last ones are shown.
pub struct Console(Arc<Mutex<Vec<String>>>);

impl Drop for Console {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{}", self.tail());
        }
    }
}

impl Console {
    pub(super) fn new(mut line: Line) -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&said);
        thread::spawn(move || {
            while let Ok(text) = line.receive() {
                writer.lock().expect("no panic while it is locked").push(text);
            }
        });
        Self(said)
    }

    /// Returns the last lines.
    pub fn tail(&self) -> String {
        let lines = self.0.lock().expect("no panic while it is locked");
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        format!("The console's last lines:\n{tail}")
    }
}
