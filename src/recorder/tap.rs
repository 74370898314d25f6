//! The log's lines on their way to the recorder. No thread that logs is ever held up: where the
//! recorder does not keep pace, lines are counted and dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_time::{Instant, Raw};
use log::Level;

use super::event::Severity;

/// The target of a line that says that the sound was interrupted: it is counted as a drop-out.
pub const UNDERRUN: &str = "jaudiosync::underrun";

/// Lines worth knowing are recorded of this part of the program alone: what happens to the clock.
const INFORMATIVE: &str = "jaudiosync::timekeeping";

/// What the recorder says of itself is not recorded.
const OWN: &str = "jaudiosync::recorder";

/// How many lines wait for the recorder at most.
const WAITING: usize = 256;

/// The longest text that is recorded, in bytes.
const MAX_TEXT_BYTES: usize = 300;

/// A line of the log, a drop-out, or a panic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tapped {
    /// `None` if it is to be stamped when it is taken out.
    pub(super) at: Option<Instant<Raw>>,
    pub(super) line: Line,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    DropOut,
    Panic(String),
    Note(Severity, String),
}

/// Where the log's lines are put in. Clones are the same.
#[derive(Clone)]
pub struct Tap {
    clocks: Arc<dyn Clocks>,
    lines: SyncSender<Tapped>,
    missed: Arc<AtomicU64>,
}

/// Where the recorder takes them out.
#[derive(Debug)]
pub struct Notes {
    lines: Receiver<Tapped>,
    missed: Arc<AtomicU64>,
}

/// Makes both ends; lines are stamped by these clocks.
pub fn tap(clocks: Arc<dyn Clocks>) -> (Tap, Notes) {
    let (sender, lines) = sync_channel(WAITING);
    let missed = Arc::new(AtomicU64::new(0));
    (Tap { clocks, lines: sender, missed: Arc::clone(&missed) }, Notes { lines, missed })
}

impl Tap {
    /// Returns whether lines of this level and target are recorded.
    pub fn wants(level: Level, target: &str) -> bool {
        let is_of =
            |parent: &str| target.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        !is_of(OWN) && (level <= Level::Warn || level == Level::Info && is_of(INFORMATIVE))
    }

    /// Records a line of the log, if it is wanted.
    pub fn log(&self, level: Level, target: &str, text: &str) {
        if !Self::wants(level, target) {
            return;
        }
        let severity = match level {
            Level::Error => Severity::Error,
            Level::Warn => Severity::Warning,
            _ => Severity::Info,
        };
        let is_underrun = target == UNDERRUN;
        self.put(
            Some(self.clocks.raw()),
            if is_underrun { Line::DropOut } else { Line::Note(severity, shortened(text)) },
        );
    }

    /// Records a panic. Reads no clock: where that is what panicked, the process would be aborted.
    pub fn panicked(&self, text: &str) {
        self.put(None, Line::Panic(shortened(text)));
    }

    fn put(&self, at: Option<Instant<Raw>>, line: Line) {
        if self.lines.try_send(Tapped { at, line }).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Notes {
    /// Takes out what has come in. The number of lines that there was no room for comes last.
    pub(super) fn take(&self) -> (Vec<Tapped>, u64) {
        (self.lines.try_iter().take(WAITING).collect(), self.missed.swap(0, Ordering::Relaxed))
    }
}

/// Returns a text on one line, and not longer than is recorded.
fn shortened(text: &str) -> String {
    let one_line = text.trim().replace(['\n', '\r', '\t'], " ");
    if one_line.len() <= MAX_TEXT_BYTES {
        return one_line;
    }
    let mut end = MAX_TEXT_BYTES;
    while !one_line.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", one_line.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_wanted_and_of_the_rest_only_what_happens_to_the_clock() {
        assert!(Tap::wants(Level::Warn, "jaudiosync::player") && Tap::wants(Level::Error, "alsa"));
        assert!(Tap::wants(Level::Info, "jaudiosync::timekeeping::task::rtc"));
        assert!(!Tap::wants(Level::Info, "jaudiosync::service::mapper"));
        assert!(!Tap::wants(Level::Debug, "jaudiosync::timekeeping"));
        assert!(!Tap::wants(Level::Warn, "jaudiosync::recorder::task"));
        assert!(Tap::wants(Level::Warn, "jaudiosync::recorders"));
    }

    #[test]
    fn nobody_waits_for_a_recorder_that_does_not_keep_pace() {
        let (tap, notes) = tap(Arc::new(jaudiosync_hw::clocks::SimulatedClocks::default()));
        for _ in 0..WAITING + 5 {
            tap.log(Level::Warn, "x", &"ä".repeat(400));
        }
        let (lines, missed) = notes.take();
        assert_eq!((lines.len(), missed), (WAITING, 5));
        assert!(matches!(&lines[0].line, Line::Note(Severity::Warning, text) if text.len() == MAX_TEXT_BYTES + 3));
        tap.log(Level::Warn, UNDERRUN, "audio underrun");
        tap.panicked("thread x\npanicked");
        let lines: Vec<Line> = notes.take().0.into_iter().map(|tapped| tapped.line).collect();
        assert_eq!(lines, [Line::DropOut, Line::Panic("thread x panicked".to_owned())]);
        drop(notes);
        tap.log(Level::Warn, "x", "after the end");
    }
}
