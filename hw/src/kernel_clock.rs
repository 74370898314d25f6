//! How good the kernel takes the system clock to be, as the daemon that keeps it has told. Only read: nothing is set.

use std::io;

/// The kernel's estimate of the system clock's error (adjtimex(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelClockEstimate {
    /// Whether a daemon keeps the clock and has done so lately: `STA_UNSYNC` is not set.
    pub synchronized: bool,
    /// `maxerror`, in ns. The kernel lets it grow by 500 ppm since the daemon's last word.
    pub maximum_error_ns: i64,
    /// `esterror`, in ns; 0 where the daemon does not tell.
    pub estimated_error_ns: i64,
}

/// Asks the kernel. This needs no rights and changes nothing.
pub fn read_estimate() -> io::Result<KernelClockEstimate> {
    let timex = read_timex()?;
    // Both are in µs, whatever the unit of the offset is. On 32-bit ARM they are 32 bits wide.
    #[allow(clippy::unnecessary_cast)]
    let to_ns = |microseconds: libc::c_long| (microseconds as i64).saturating_mul(1000);
    Ok(KernelClockEstimate {
        synchronized: timex.status & libc::STA_UNSYNC == 0,
        maximum_error_ns: to_ns(timex.maxerror),
        estimated_error_ns: to_ns(timex.esterror),
    })
}

/// No crate has a safe call for this that only reads.
#[allow(unsafe_code)]
fn read_timex() -> io::Result<libc::timex> {
    // SAFETY: `timex` consists of integers alone, for which all zeros are valid.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // With no mode set the call only reads.
    timex.modes = 0;
    // SAFETY: the pointer is to a whole `timex` that lives and is borrowed by nobody else during the call, which is all
    // adjtimex(2) asks for.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state == -1 { Err(io::Error::last_os_error()) } else { Ok(timex) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_and_its_maximum_is_the_larger_error() {
        let estimate = read_estimate().unwrap();
        assert!(estimate.estimated_error_ns >= 0, "{estimate:?}");
        assert!(!estimate.synchronized || estimate.maximum_error_ns < 16_000_000_000, "{estimate:?}");
    }
}
