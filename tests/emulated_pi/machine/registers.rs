//! The registers of the box's chip, read and written from outside through QEMU's test socket.

use std::time::Duration;

use super::line::Line;

const TIMEOUT: Duration = Duration::from_secs(60);

/// The line to the registers.
pub struct Registers(Line);

impl Registers {
    pub fn new(line: Line) -> Self {
        line.set_timeout(TIMEOUT);
        Self(line)
    }

    pub fn read(&mut self, address: u64) -> u32 {
        let answer = self.ask(&format!("readl {address:#x}"));
        let digits = answer.trim_start_matches("OK 0x");
        u64::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("QEMU's test socket said: {answer}")) as u32
    }

    pub fn write(&mut self, address: u64, value: u32) {
        let answer = self.ask(&format!("writel {address:#x} {value:#x}"));
        assert_eq!(answer, "OK", "of QEMU's test socket");
    }

    fn ask(&mut self, request: &str) -> String {
        self.0.send(&format!("{request}\n")).expect("a running QEMU");
        self.0.receive().expect("an answer of QEMU's test socket")
    }
}
