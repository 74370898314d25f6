//! Whether the terminal may be touched.

use std::io::stdin;
use std::os::fd::AsFd;

use nix::unistd::{getpgrp, tcgetpgrp};

/// Whether no other job has the terminal by now, as far as is known: what it has set there is its own.
pub(super) fn is_ours() -> bool {
    tcgetpgrp(stdin().as_fd()).map_or(true, |foreground| foreground == getpgrp())
}
