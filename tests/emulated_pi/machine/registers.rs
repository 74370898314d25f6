//! The registers of the box's chip, read and written from outside through QEMU's test socket.

use std::io;
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
        self.try_read(address).expect("a running QEMU")
    }

    /// Reads a register; an error if QEMU has ended.
    pub fn try_read(&mut self, address: u64) -> io::Result<u32> {
        let answer = self.ask(&format!("readl {address:#x}"))?;
        let digits = answer.trim_start_matches("OK 0x");
        let value = u64::from_str_radix(digits, 16);
        Ok(value.unwrap_or_else(|_| panic!("QEMU's test socket said: {answer}")) as u32)
    }

    pub fn write(&mut self, address: u64, value: u32) {
        let answer = self.ask(&format!("writel {address:#x} {value:#x}")).expect("a running QEMU");
        assert_eq!(answer, "OK", "of QEMU's test socket");
    }

    fn ask(&mut self, request: &str) -> io::Result<String> {
        self.0.send(&format!("{request}\n"))?;
        self.0.receive()
    }
}
