//! The way to the end of the process, the same for every command.
//!
//! A signal that asks for an end ends a command at once that has nothing to keep. One that has is told ([`orderly`]), and
//! then has a little time (`plan::BOUND`): what does not let go until then (a card, a disk or a bus that hangs) is named
//! in the log, and the process is left all the same, with its right exit code. An end that comes by itself ([`begin`])
//! has the same bound.
//!
//! Leaving must not hang itself. So it is done by a thread that does nothing else, that takes no lock under which anybody
//! waits for a device, and that runs no destructor; whatever may block, which is the terminal and the log, another thread
//! is asked to do, and is not waited for but for a moment.

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

/// The terminal is restored, and the log says why, within this time, or not at all.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Who asks, by what signal.
const SIGNALS: [(i32, Asked); 3] = [(SIGTERM, Asked::Terminate), (SIGINT, Asked::Interrupt), (SIGHUP, Asked::HangUp)];

/// What a command is told that ends in an orderly way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// To end.
    End,
    /// That there was a SIGHUP, which means something else to it.
    HangUp,
}

type Tell = Box<dyn Fn(Told) + Send>;

struct Watch {
    plan: Mutex<Plan>,
    tell: Mutex<Option<Tell>>,
    /// Wakes the thread that leaves.
    wake: UnixStream,
    /// Whether any signal has asked for an end.
    was_asked: Arc<AtomicBool>,
}

/// There is one for the process, from the beginning of a command on. Without it (in tests within one process) nothing is
/// bounded.
static WATCH: OnceLock<Watch> = OnceLock::new();

/// Begins to attend to signals: to be called once, before anything else is done.
///
/// # Errors
/// When there can be no more threads, or a signal cannot be caught. Signals then do what they do by default.
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
        tell: Mutex::new(None),
        wake,
        was_asked: Arc::clone(&was_asked),
    };
    let watch = WATCH.get_or_init(|| watch);
    let attended = flags.clone();
    let attend = move || watch.attend(woken, &attended, &last_words);
    std::thread::Builder::new().name("ending".to_owned()).spawn(attend)?;
    std::thread::Builder::new().name("last words".to_owned()).spawn(speaker)?;
    for (((signal, asked), (flag, _)), handle) in SIGNALS.into_iter().zip(flags).zip(handles) {
        // In this order: who is woken must find the flags.
        if !(asked == Asked::HangUp && hang_up_is_ignored) {
            signal_hook::flag::register(signal, Arc::clone(&was_asked))?;
        }
        signal_hook::flag::register(signal, flag)?;
        pipe::register(signal, handle?)?;
    }
    Ok(())
}

/// From now on a signal does not end the command at once: `tell` is called, and the command ends by itself within the
/// bound, or is left with this exit code. `tell` must not block.
pub fn orderly(hang_up: HangUp, code: u8, tell: impl Fn(Told) + Send + 'static) {
    let Some(watch) = WATCH.get() else { return };
    *lock(&watch.tell) = Some(Box::new(tell));
    lock(&watch.plan).set_orderly(hang_up, code);
}

/// The end has begun: it comes within the bound, counted from the first signal or from now, and then with this exit code
/// at the latest.
pub fn begin(code: u8) {
    let Some(watch) = WATCH.get() else { return };
    lock(&watch.plan).begin(code, Instant::now());
    // It is full only of what wakes as well.
    let _ = (&watch.wake).write(&[0]);
}

/// Waits to be ended, if a signal has asked for it and the command has no end of its own: what the signal has interrupted
/// is no failure.
pub fn wait_if_asked() {
    let Some(watch) = WATCH.get() else { return };
    if watch.was_asked.load(Ordering::Acquire) && !lock(&watch.plan).is_orderly() {
        std::thread::sleep(BOUND);
    }
}

impl Watch {
    fn attend(&self, mut woken: UnixStream, flags: &[(Arc<AtomicBool>, Asked); 3], last_words: &LastWords) {
        // Whoever has started this process may have blocked them, and here they are wanted.
        let _ = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]).thread_unblock();
        loop {
            let left = lock(&self.plan).time_left(Instant::now());
            if left.is_some_and(|left| left.is_zero()) {
                last_words.say(Some(words(&holds::held())));
                exit(lock(&self.plan).code().into());
            }
            // A timeout of zero would mean to wait for ever.
            let timeout = left.map(|left| left.max(Duration::from_millis(1)));
            let read = woken.set_read_timeout(timeout).and_then(|()| woken.read(&mut [0; 64]));
            if read.is_err_and(|error| !is_in_passing(&error)) {
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
        let tell = |what| lock(&self.tell).iter().for_each(|tell| tell(what));
        match step {
            Step::Nothing => {}
            Step::TellEnd => tell(Told::End),
            Step::TellHangUp => tell(Told::HangUp),
            Step::Leave(asked) => {
                last_words.say(None);
                let signal = SIGNALS.iter().find(|(_, by)| *by == asked).map_or(SIGTERM, |(signal, _)| *signal);
                // A shell sees what has ended it.
                let _ = emulate_default_handler(signal);
                exit(128 + signal);
            }
        }
    }
}

/// The thread that does what may block: it restores the terminal and says what does not let go.
struct LastWords {
    ask: Sender<Option<String>>,
    is_done: Receiver<()>,
}

impl LastWords {
    /// With what the thread is to do.
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
            // Whether it was said or not: there is no more time.
            let _ = self.is_done.recv_timeout(LAST_WORDS);
        }
    }
}

fn words(held: &[String]) -> String {
    match held {
        [] => "the program does not come to its end: a device or a file does not answer; it is ended all the same"
            .to_owned(),
        held => {
            format!(
                "held up by a device or a file that does not answer: {}; ended without waiting for it",
                held.join(", ")
            )
        }
    }
}

/// Whether a signal was ignored when the process began (nohup). The kernel says so in hexadecimal, bit n - 1 for signal
/// n.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as i32 - 1) & 1 == 1
}

fn is_in_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_let_go_is_named() {
        let both = words(&["the player".to_owned(), "the volume".to_owned()]);
        assert!(both.contains("the player, the volume"), "{both}");
        assert!(words(&[]).contains("does not come to its end"));
    }

    #[test]
    fn a_process_without_a_watch_is_not_bounded() {
        orderly(HangUp::Ends, 1, |_| {});
        begin(0);
        wait_if_asked();
        assert!(WATCH.get().is_none());
    }
}
