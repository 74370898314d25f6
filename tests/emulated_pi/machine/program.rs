//! A program that runs in the box in the background.

use super::Machine;

/// A program in the background. It exits only on a signal, or by itself.
pub struct Program {
    name: &'static str,
    /// The first line of its output that was not yet returned.
    next_line: usize,
}

impl Program {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, next_line: 0 }
    }

    /// Waits for a line with these words, after those already returned, and returns it. The time is
    /// the box's.
    #[track_caller]
    pub fn wait_for(&mut self, machine: &mut Machine, words: &str, within_s: f64) -> String {
        let Self { name, next_line } = self;
        let words = words.replace('\'', r"'\''");
        let answer = machine
            .try_run(&format!("pi-probe await /run/{name}.log '{words}' --from {next_line} --within {within_s}"));
        let found = answer.stdout.split_once('\n').and_then(|(next, line)| Some((next.parse().ok()?, line.trim_end())));
        let Some((next_line, line)) = found.filter(|_| answer.code == 0) else {
            let console = machine.console().tail();
            panic!("{name} does not print \"{words}\" after its line {next_line}: {}\n{console}", answer.stderr.trim());
        };
        self.next_line = next_line;
        line.to_owned()
    }

    /// Returns all of its output.
    pub fn log(&self, machine: &mut Machine) -> String {
        machine.run(&format!("cat /run/{}.log", self.name)).stdout
    }

    /// Waits until it exits and returns its exit code.
    #[track_caller]
    pub fn wait(&mut self, machine: &mut Machine, within_s: f64) -> i32 {
        let said = self.wait_for(machine, "ended with ", within_s);
        said.trim_start_matches("ended with ").parse().expect("an exit code")
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, machine: &mut Machine, signal: &str) {
        machine.run(&format!("kill -{signal} $(cat /run/{}.pid)", self.name));
    }
}
