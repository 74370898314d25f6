//! The program: reads the command line, runs the command, turns errors into messages and exit
//! codes.

use std::process::ExitCode;

fn main() -> ExitCode {
    jaudiosync::cli::main()
}
