//! Where the log goes: to a terminal with timestamps, to systemd's journal with its priorities, or
//! to the panel; that of the service also to the flight recorder.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use env_logger::{Builder, Env, Logger, Target};
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::recorder::Tap;

/// How many lines are held for the panel; no terminal has more.
const MAX_LINES: usize = 200;

/// Where the log goes.
pub(super) enum Destination {
    StandardError,
    /// The panel.
    Lines(LogLines),
}

/// The last lines of the log, for the panel.
#[derive(Debug, Clone, Default)]
pub(super) struct LogLines(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    whole: VecDeque<String>,
    /// The beginning of the next line.
    begun: Vec<u8>,
    /// Whether the panel has gone, so that new lines go to standard error.
    are_released: bool,
}

impl LogLines {
    /// Returns the last `count` lines, the oldest first.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.whole.iter().skip(lines.whole.len().saturating_sub(count)).cloned().collect()
    }

    /// Sends everything from now on to standard error: the panel has gone.
    pub(super) fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).are_released = true;
    }
}

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.are_released {
            drop(lines);
            return io::stderr().write(bytes);
        }
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8_lossy(&std::mem::take(&mut lines.begun)).into_owned();
                lines.whole.push_back(line);
            } else {
                lines.begun.push(*byte);
            }
        }
        let too_many = lines.whole.len().saturating_sub(MAX_LINES);
        lines.whole.drain(..too_many);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the log. `RUST_LOG` overrides the default level.
pub(super) fn begin(default_level: &str, destination: Destination) {
    let logger = logger(default_level, destination);
    start(logger.filter(), Box::new(logger));
}

/// Starts the log of the service, of which the flight recorder gets a part, whatever `RUST_LOG`
/// says.
pub(super) fn begin_recorded(default_level: &str, destination: Destination, tap: Tap) {
    let shown = logger(default_level, destination);
    start(shown.filter().max(LevelFilter::Info), Box::new(Recorded { shown, tap }));
}

fn start(level: LevelFilter, logger: Box<dyn Log>) {
    // A logger that is already there, as in a test, stays.
    if log::set_boxed_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}

/// Shows lines of the log, and passes those that are wanted to the recorder.
struct Recorded {
    shown: Logger,
    tap: Tap,
}

impl Log for Recorded {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.shown.enabled(metadata) || Tap::wants(metadata.level(), metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if Tap::wants(record.level(), record.target()) {
            self.tap.log(record.level(), record.target(), &record.args().to_string());
        }
        self.shown.log(record);
    }

    fn flush(&self) {
        self.shown.flush();
    }
}

fn logger(default_level: &str, destination: Destination) -> Logger {
    // What symphonia logs of a file says less than the error that it returns.
    let mut builder = Builder::from_env(Env::default().default_filter_or(format!("{default_level},symphonia=off")));
    match destination {
        Destination::Lines(lines) => {
            let short = |out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>| {
                let time = chrono::Local::now().format("%H:%M:%S");
                writeln!(out, "{time} {:<5} {}", record.level(), record.args())
            };
            builder.format(short).target(Target::Pipe(Box::new(lines)));
        }
        // The journal adds its own times, and takes the level from a number in front
        // (sd-daemon(3)).
        Destination::StandardError if is_journal() => {
            builder.format(|out, record| {
                let text = record.args().to_string();
                text.lines().try_for_each(|line| writeln!(out, "<{}>{line}", priority(record.level())))
            });
        }
        Destination::StandardError => {
            builder.format_timestamp_millis().format_target(false);
        }
    }
    builder.build()
}

/// Returns the number of a level in syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// Returns whether standard error is the journal's: `JOURNAL_STREAM` holds its device and inode
/// (systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(expected) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(status) = nix::sys::stat::fstat(io::stderr().as_fd()) else { return false };
    expected == format!("{}:{}", status.st_dev, status.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_held() {
        let mut lines = LogLines::default();
        for number in 0..500 {
            writeln!(lines, "{number}").unwrap();
        }
        assert_eq!(lines.last(2), ["498", "499"]);
        assert_eq!(lines.last(10_000).len(), MAX_LINES);
    }
}
