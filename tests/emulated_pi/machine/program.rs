//! A program that runs in the box in the background.

use std::time::Duration;

use super::Machine;

/// Ends only when it is told to, or by itself.
pub struct Program {
    name: &'static str,
    /// The first line of the console that it has not been asked for.
    next_line: usize,
}

impl Program {
    pub(super) fn new(name: &'static str, next_line: usize) -> Self {
        Self { name, next_line }
    }

    /// Waits for a line with these words, of those that were not waited for, and returns it.
    #[track_caller]
    pub fn wait_for(&mut self, machine: &Machine, words: &str, timeout: Duration) -> String {
        let prefix = self.prefix();
        let what = format!("\"{words}\" of {}", self.name);
        let wanted = |line: &str| line.strip_prefix(&prefix).filter(|said| said.contains(words)).map(str::to_owned);
        let (said, next_line) = machine.console().wait_for(self.next_line, &what, timeout, wanted);
        self.next_line = next_line;
        said
    }

    /// Waits for its end and returns its exit code.
    #[track_caller]
    pub fn wait(mut self, machine: &Machine, timeout: Duration) -> i32 {
        let said = self.wait_for(machine, "ended with ", timeout);
        said.trim_start_matches("ended with ").parse().expect("an exit code")
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, machine: &mut Machine, signal: &str) {
        machine.run(&format!("kill -{signal} $(cat /run/{}.pid)", self.name));
    }

    fn prefix(&self) -> String {
        format!("{}: ", self.name)
    }
}
