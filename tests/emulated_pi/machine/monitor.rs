//! QEMU's monitor, in its machine protocol.

use std::time::Duration;

use serde_json::{Value, json};

use super::line::Line;

const TIMEOUT: Duration = Duration::from_secs(60);

/// The line to the monitor.
pub struct Monitor(Line);

impl Monitor {
    pub fn new(line: Line) -> Self {
        line.set_timeout(TIMEOUT);
        let mut monitor = Self(line);
        let greeting = monitor.receive();
        assert!(greeting.get("QMP").is_some(), "{greeting}");
        monitor.execute("qmp_capabilities");
        monitor
    }

    /// Executes a command without arguments and returns the monitor's answer.
    pub fn execute(&mut self, command: &str) -> Value {
        self.execute_with(command, &json!({}))
    }

    /// Executes a command and returns the monitor's answer.
    pub fn execute_with(&mut self, command: &str, arguments: &Value) -> Value {
        let request = json!({ "execute": command, "arguments": arguments });
        self.0.send(&format!("{request}\n")).expect("a running QEMU");
        loop {
            let answer = self.receive();
            assert!(answer.get("error").is_none(), "{command}: {answer}");
            // Anything else is an event.
            if let Some(returned) = answer.get("return") {
                return returned.clone();
            }
        }
    }

    fn receive(&mut self) -> Value {
        let line = self.0.receive().expect("an answer of QEMU's monitor");
        serde_json::from_str(&line).expect("JSON of QEMU's monitor")
    }
}
