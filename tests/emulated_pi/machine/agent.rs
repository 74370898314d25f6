//! The agent in the box, which runs commands that come over the second serial line.

use std::time::Duration;

use super::console::Console;
use super::line::Line;

/// By this machine's clock. The box's clock judges how long a command may take: this is for an
/// emulator that stands still.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(900);

/// The line to the agent.
pub struct Agent {
    line: Line,
    number: u32,
}

/// The output of a command.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Agent {
    pub fn new(line: Line) -> Self {
        Self { line, number: 0 }
    }

    /// Waits until the agent reports that it is there. The kernel's probe of the port may have left
    /// a character before.
    pub fn wait_until_ready(&mut self, timeout: Duration, console: &Console) {
        self.line.set_timeout(timeout);
        loop {
            match self.line.receive() {
                Ok(said) if said.ends_with("ready") => break,
                Ok(_) => {}
                Err(error) => panic!("the box does not answer: {error}\n{}", console.tail()),
            }
        }
        self.line.set_timeout(COMMAND_TIMEOUT);
    }

    /// Runs a command.
    pub fn run(&mut self, command: &str, console: &Console) -> Answer {
        let (code, stdout, stderr) = self.ask(command, console);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Answer { code, stdout: text(stdout), stderr: text(stderr) }
    }

    /// Reads a file through the line itself. A megabyte takes some seconds.
    pub fn read(&mut self, path: &str, console: &Console) -> Vec<u8> {
        let (code, content, stderr) = self.ask(&format!("cat '{path}'"), console);
        assert_eq!(code, 0, "{path}: {}", String::from_utf8_lossy(&stderr));
        content
    }

    /// Runs a command, and returns its exit code and what it printed to standard output and error.
    fn ask(&mut self, command: &str, console: &Console) -> (i32, Vec<u8>, Vec<u8>) {
        self.send(command, console);
        self.receive().unwrap_or_else(|error| panic!("no answer to `{command}`: {error}\n{}", console.tail()))
    }

    /// Sends a command that leaves nothing running to answer.
    pub fn send(&mut self, command: &str, console: &Console) {
        self.number += 1;
        let request = format!("{} {}\n", self.number, base64(command.as_bytes()));
        self.line.send(&request).unwrap_or_else(|error| panic!("`{command}`: {error}\n{}", console.tail()));
    }

    fn receive(&mut self) -> std::io::Result<(i32, Vec<u8>, Vec<u8>)> {
        let head = self.line.receive()?;
        let fields: Vec<i32> = head.split(' ').filter_map(|field| field.parse().ok()).collect();
        let [number, code, stdout, stderr] = fields[..] else { panic!("the agent said: {head}") };
        assert_eq!(number, self.number as i32, "an answer to another command");
        let mut bytes = |length| self.line.receive_bytes(length as usize);
        Ok((code, bytes(stdout)?, bytes(stderr)?))
    }
}

/// Encodes as base64, so that a command of several lines travels as one.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(DIGITS[(bits & 63) as usize]);
    bytes
        .chunks(3)
        .flat_map(|three| {
            let bits = three.iter().chain([0; 2].iter()).take(3).fold(0, |bits, &byte| bits << 8 | u32::from(byte));
            let mut four = [18, 12, 6, 0].map(|shift| digit(bits >> shift));
            four[three.len() + 1..].fill('=');
            four
        })
        .collect()
}
