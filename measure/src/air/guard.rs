//! A process that outlives this one: it kills what is left in the namespaces when this one ends,
//! however it ends. They then vanish by themselves, as they have no names.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::error::{Error, Result};

const SCRIPT: &str = include_str!("guard.sh");

/// The guard of one air. Dropping it kills what is left, and waits until that is done.
#[derive(Debug)]
pub(crate) struct Guard {
    process: Child,
    input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guard {
    pub(crate) fn start() -> Result<Self> {
        let mut process = Command::new("bash")
            .args(["-c", SCRIPT, "virtual-air-guard"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C, and a signal to a test's process group, are not for the guard.
            .process_group(0)
            .spawn()
            .map_err(Error::io("start bash, which guards the virtual air"))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Error::Air("its guard has no pipes".into()));
        };
        Ok(Self { process, input: Some(input), answers: BufReader::new(output) })
    }

    /// Has the guard hold the namespace at `path`.
    pub(crate) fn hold(&mut self, path: &Path) -> Result<()> {
        let action = "have the guard of the virtual air hold a namespace";
        let Some(input) = &mut self.input else { return Err(Error::Air("it has ended".into())) };
        writeln!(input, "{}", path.display()).map_err(Error::io(action))?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(Error::io(action))?;
        if answer.trim() == "held" { Ok(()) } else { Err(Error::Air("its guard cannot open a namespace".into())) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}
