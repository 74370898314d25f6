//! How the process ends: the same way for every command.
//!
//! A signal that asks for an end ends a command at once if it has nothing to save. A command that
//! has is notified ([`orderly`]), and then has a limited time (`plan::BOUND`). If something still
//! blocks it after that (a card, a disk or a bus that hangs), the log names it, and the process
//! exits all the same, with the right exit code. An end without a signal ([`begin`]) has the same
//! bound.
//!
//! Exiting itself must not hang. So it is done by a thread that does nothing else, takes no lock
//! under which anybody waits for a device, and runs no destructor. Anything that may block, namely
//! the terminal and the log, is left to another thread, which gets only a moment.
//!
//! Nothing here knows what a command saves or which devices it holds; they register by name.

mod holds;
mod last_acts;
mod plan;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::{emulate_default_handler, exit, pipe};

pub use self::holds::{Hold, hold, hold_act};
pub use self::last_acts::{LastAct, last_act};
pub use self::plan::HangUp;
use self::plan::{Asked, BOUND, Plan, Step};

/// How long restoring the terminal and the last log message may take.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// The signals that ask for an end.
const SIGNALS: [(i32, Asked); 3] = [(SIGTERM, Asked::Terminate), (SIGINT, Asked::Interrupt), (SIGHUP, Asked::HangUp)];

/// What a command that ends in an orderly way is notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// It should end.
    End,
    /// There was a SIGHUP, which means something else to it.
    HangUp,
}

type Notify = Box<dyn Fn(Notice) + Send>;

struct Watch {
    plan: Mutex<Plan>,
    notify: Mutex<Option<Notify>>,
    /// Wakes the thread that ends the process.
    wake: UnixStream,
    /// Whether any signal has asked for an end.
    was_asked: Arc<AtomicBool>,
}

/// The watch of the process, from the beginning of a command. Without it, as in tests within one
/// process, there is no bound.
static WATCH: OnceLock<Watch> = OnceLock::new();

/// Starts to handle signals. Call it once, before anything else.
///
/// # Errors
/// If a thread cannot be started, or a signal cannot be caught. Signals then act as by default.
pub fn watch() -> io::Result<()> {
    let (wake, woken) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    let hang_up_is_ignored = is_ignored(Signal::SIGHUP);
    let was_asked = Arc::new(AtomicBool::new(false));
    let flags = SIGNALS.map(|(_, asked)| (Arc::new(AtomicBool::new(false)), asked));
    let (last_words, speaker) = LastWords::start()?;
    let handles = SIGNALS.map(|_| wake.try_clone());
    let watch = Watch {
        plan: Mutex::new(Plan::new(hang_up_is_ignored)),
        notify: Mutex::new(None),
        wake,
        was_asked: Arc::clone(&was_asked),
    };
    let watch = WATCH.get_or_init(|| watch);
    let attended = flags.clone();
    let attend = move || watch.attend(woken, &attended, &last_words);
    std::thread::Builder::new().name("ending".to_owned()).spawn(attend)?;
    std::thread::Builder::new().name("last words".to_owned()).spawn(speaker)?;
    for (((signal, asked), (flag, _)), handle) in SIGNALS.into_iter().zip(flags).zip(handles) {
        // In this order: the woken thread must find the flags.
        if !(asked == Asked::HangUp && hang_up_is_ignored) {
            signal_hook::flag::register(signal, Arc::clone(&was_asked))?;
        }
        signal_hook::flag::register(signal, flag)?;
        pipe::register(signal, handle?)?;
    }
    Ok(())
}

/// Makes the command end in an orderly way. From now on a signal calls `notify`, which must not
/// block; the command then ends by itself within the bound, or the process exits with this code.
pub fn orderly(hang_up: HangUp, code: u8, notify: impl Fn(Notice) + Send + 'static) {
    let Some(watch) = WATCH.get() else { return };
    *lock(&watch.notify) = Some(Box::new(notify));
    lock(&watch.plan).set_orderly(hang_up, code);
}

/// Begins the end. The process exits within the bound, counted from the first signal or otherwise
/// from now; with this code, if the command has not exited by itself.
pub fn begin(code: u8) {
    let Some(watch) = WATCH.get() else { return };
    lock(&watch.plan).begin(code, Instant::now());
    // If it is full, what is in it wakes the thread as well.
    let _ = (&watch.wake).write(&[0]);
}

/// Waits for the process to be ended, if a signal has asked for that and the command has no orderly
/// end: whatever the signal has interrupted is not a failure.
pub fn wait_if_asked() {
    let Some(watch) = WATCH.get() else { return };
    if watch.was_asked.load(Ordering::Acquire) && !lock(&watch.plan).is_orderly() {
        std::thread::sleep(BOUND);
    }
}

impl Watch {
    fn attend(&self, mut woken: UnixStream, flags: &[(Arc<AtomicBool>, Asked); 3], last_words: &LastWords) {
        // The process that started this one may have blocked them; here they are needed.
        let _ = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]).thread_unblock();
        loop {
            let left = lock(&self.plan).time_left(Instant::now());
            if left.is_some_and(|left| left.is_zero()) {
                last_words.say(Some(words(&holds::held())));
                exit(lock(&self.plan).code().into());
            }
            // A timeout of zero would mean none.
            let timeout = left.map(|left| left.max(Duration::from_millis(1)));
            let read = woken.set_read_timeout(timeout).and_then(|()| woken.read(&mut [0; 64]));
            if read.is_err_and(|error| !is_transient(&error)) {
                std::thread::sleep(Duration::from_millis(10));
            }
            for (flag, asked) in flags {
                if flag.swap(false, Ordering::AcqRel) {
                    self.heed(*asked, last_words);
                }
            }
        }
    }

    fn heed(&self, asked: Asked, last_words: &LastWords) {
        let step = lock(&self.plan).signal(asked, Instant::now());
        let notify = |notice| lock(&self.notify).iter().for_each(|notify| notify(notice));
        match step {
            Step::Nothing => {}
            Step::NotifyEnd => notify(Notice::End),
            Step::NotifyHangUp => notify(Notice::HangUp),
            Step::Leave(asked) => {
                last_words.say(None);
                let signal = SIGNALS.iter().find(|(_, by)| *by == asked).map_or(SIGTERM, |(signal, _)| *signal);
                // The shell should see which signal ended the process.
                let _ = emulate_default_handler(signal);
                exit(128 + signal);
            }
        }
    }
}

/// The thread for everything that may block: it restores the terminal and logs what blocks the end.
struct LastWords {
    ask: Sender<Option<String>>,
    is_done: Receiver<()>,
}

impl LastWords {
    /// Returns the handle, and the function that the thread should run.
    fn start() -> io::Result<(Self, impl FnOnce() + Send + 'static)> {
        let (ask, asked) = mpsc::channel::<Option<String>>();
        let (done, is_done) = mpsc::channel();
        let speak = move || {
            for words in asked {
                last_acts::do_all();
                if let Some(words) = words {
                    log::error!("{words}");
                }
                let _ = done.send(());
            }
        };
        Ok((Self { ask, is_done }, speak))
    }

    fn say(&self, words: Option<String>) {
        if self.ask.send(words).is_ok() {
            // Whether that was done or not: there is no more time.
            let _ = self.is_done.recv_timeout(LAST_WORDS);
        }
    }
}

fn words(held: &[String]) -> String {
    match held {
        [] => "the program does not end: a device or a file does not answer; exiting all the same".to_owned(),
        held => {
            format!(
                "held up by a device or a file that does not answer: {}; exiting without waiting for it",
                held.join(", ")
            )
        }
    }
}

/// Returns whether a signal was ignored when the process started (nohup). The kernel shows a
/// hexadecimal mask, with bit n - 1 for signal n.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as i32 - 1) & 1 == 1
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_that_blocks_the_end_is_named() {
        let both = words(&["the player".to_owned(), "the volume".to_owned()]);
        assert!(both.contains("the player, the volume"), "{both}");
        assert!(words(&[]).contains("does not end"));
    }

    #[test]
    fn a_process_without_a_watch_is_not_bounded() {
        orderly(HangUp::Ends, 1, |_| {});
        begin(0);
        wait_if_asked();
        assert!(WATCH.get().is_none());
    }
}
