//! Whether this process may change the terminal.

use std::io::stdin;
use std::os::fd::AsFd;

use nix::unistd::{getpgrp, tcgetpgrp};

/// Returns whether the terminal is still ours, as far as can be known. Once another job is in the
/// foreground, the terminal's settings belong to that job.
pub(super) fn is_ours() -> bool {
    tcgetpgrp(stdin().as_fd()).map_or(true, |foreground| foreground == getpgrp())
}
