//! Waits, in the box's own time, for a program's output.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

/// How often the file is read.
const LOOK: Duration = Duration::from_millis(50);

/// Wait until a file that grows has a line with these words
///
/// Prints the number of the line after it, and the line.
#[derive(Debug, Args)]
pub(super) struct AwaitLine {
    file: PathBuf,
    words: String,
    /// Ignore lines before this one, counted from 0
    #[arg(long, default_value_t = 0)]
    from: usize,
    /// How long to wait at most
    #[arg(long, value_name = "SECONDS")]
    within: f64,
}

impl AwaitLine {
    pub(super) fn run(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs_f64(self.within);
        let (mut read_bytes, mut unfinished, mut next_line) = (0, Vec::new(), 0);
        loop {
            read_bytes += read_from(&self.file, read_bytes, &mut unfinished)?;
            while let Some(end) = unfinished.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = unfinished.drain(..=end).collect();
                next_line += 1;
                let line = String::from_utf8_lossy(&line);
                if next_line > self.from && line.contains(&self.words) {
                    print!("{next_line}\n{line}");
                    return Ok(());
                }
            }
            if Instant::now() > deadline {
                bail!("not within {} s", self.within);
            }
            sleep(LOOK);
        }
    }
}

/// Reads a file from an offset on; nothing while it does not exist.
fn read_from(path: &Path, offset: u64, into: &mut Vec<u8>) -> Result<u64> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    file.seek(SeekFrom::Start(offset))?;
    Ok(file.read_to_end(into)? as u64)
}
