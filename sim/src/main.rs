//! `jaudiosync-sim`: simulated fleets and pictures of runs, for developers. Nothing of it goes onto
//! a box.

use std::process::ExitCode;

fn main() -> ExitCode {
    jaudiosync_sim::cli::main()
}
