//! The messages that ALSA's library writes to standard error by itself: ten lines per attempt if a
//! card is missing. The caller reports the problem in its own words; ALSA's go to the log for a
//! closer look.

use alsa::Output;

/// Does something with ALSA on this thread, and redirects its messages from standard error to the
/// log.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    // From here on ALSA writes this thread's messages into this buffer. The next call replaces it.
    let messages = Output::local_error_handler();
    let done = work();
    if let Ok(messages) = messages {
        messages.borrow().to_string().lines().for_each(|line| log::debug!("ALSA: {line}"));
    }
    done
}
