//! Carries out the steps of a plan.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::ride::save;
use super::super::{Failure, output};
use crate::setup::plan::Step;
use crate::storage::{write_atomically, write_secret};

/// The ending of the copy that is made before a file is first changed.
const COPY: &str = ".before-jaudiosync";

/// Carries out a step.
pub(super) fn apply(step: &Step) -> Result<(), Failure> {
    match step {
        Step::Write { path, after, is_secret, keeps_copy, .. } => {
            write(path, after, *is_secret, *keeps_copy).map_err(|error| explain(path, &error))
        }
        Step::WriteKey { path, key } => save(path, key).map_err(|error| explain(path, &error)),
        Step::Remove { path } => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(explain(path, &error)),
            _ => Ok(()),
        },
        Step::Run(words) => run(words),
        Step::Say(_) => Ok(()),
    }
}

fn write(path: &Path, text: &str, is_secret: bool, keeps_copy: bool) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut copy = path.as_os_str().to_owned();
    copy.push(COPY);
    let copy = PathBuf::from(copy);
    if keeps_copy && path.exists() && !copy.exists() {
        fs::copy(path, copy)?;
    }
    if is_secret {
        return write_secret(path, text.as_bytes(), None);
    }
    write_atomically(path, text.as_bytes())
}

fn run(words: &[String]) -> Result<(), Failure> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let failed = |reason: String| Failure::Other(format!("{program}: {reason}; the steps before it were done"));
    let status = Command::new(program).args(arguments).status().map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}

fn explain(path: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => "; run it as root: sudo jaudiosync setup",
        _ => "",
    };
    output::warn("not every step was done");
    Failure::Other(format!("{}: {error}{advice}", path.display()))
}
