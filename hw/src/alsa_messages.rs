//! What ALSA's library writes to standard error by itself: where a card is missing, ten lines at each try. Whoever tries says
//! what is wrong in words of its own; these go to the log for those who look closer.

use alsa::Output;

/// Does something with ALSA on this thread, and keeps its messages off standard error.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    // From here on ALSA writes what this thread does into this buffer. A new one takes its place the next time.
    let messages = Output::local_error_handler();
    let done = work();
    if let Ok(messages) = messages {
        messages.borrow().to_string().lines().for_each(|line| log::debug!("ALSA: {line}"));
    }
    done
}
