//! How accurate the kernel takes the system clock to be, as the daemon that keeps it has reported.
//! Only read: nothing is set.

use std::io;

use jaudiosync_time::Span;

/// The kernel's estimate of the system clock's error (adjtimex(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelClockEstimate {
    /// Whether a daemon keeps the clock and has done so recently: `STA_UNSYNC` is not set.
    pub synchronized: bool,
    /// `maxerror`. The kernel lets it grow by 500 ppm since the daemon's last update.
    pub maximum_error: Span,
    /// `esterror`; zero where the daemon does not report it.
    pub estimated_error: Span,
}

/// Asks the kernel. This needs no privileges and changes nothing.
pub fn read_estimate() -> io::Result<KernelClockEstimate> {
    let timex = read_timex()?;
    // Both are in µs, whatever the unit of the offset is. On 32-bit ARM they are 32 bits wide.
    #[allow(clippy::unnecessary_cast)]
    let span = |microseconds: libc::c_long| Span::from_us(microseconds as i64);
    Ok(KernelClockEstimate {
        synchronized: timex.status & libc::STA_UNSYNC == 0,
        maximum_error: span(timex.maxerror),
        estimated_error: span(timex.esterror),
    })
}

/// Reads only, which no crate has a safe call for.
#[allow(unsafe_code)]
fn read_timex() -> io::Result<libc::timex> {
    // SAFETY: `timex` consists of integers alone, for which all zeros are valid.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // With no mode set the call only reads.
    timex.modes = 0;
    // SAFETY: the pointer is to a whole `timex` that lives, and that nothing else borrows, during
    // the call, which is all adjtimex(2) asks for.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state == -1 { Err(io::Error::last_os_error()) } else { Ok(timex) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers_and_its_maximum_is_bounded_while_a_daemon_keeps_the_clock() {
        let estimate = read_estimate().unwrap();
        assert!(estimate.estimated_error >= Span::ZERO, "{estimate:?}");
        assert!(!estimate.synchronized || estimate.maximum_error < Span::from_seconds(16), "{estimate:?}");
    }
}
