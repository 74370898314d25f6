//! Writes the manual pages and the completions of the command line into a folder: `manual FOLDER`.
//!
//! It is a program of its own, so that none of it goes onto a box, and so that the pages can be
//! made on one machine for a program that runs only on another.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod after_help;
mod command_page;
mod configuration_page;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::CommandFactory;
use clap_complete::Shell;
use jaudiosync::cli::Cli;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("Usage: manual FOLDER");
        return ExitCode::from(2);
    };
    match write_all(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(folder: &Path) -> io::Result<()> {
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;

    let command = command_page::complete(Cli::command());
    for (name, page) in command_page::all(&command) {
        fs::write(man.join(format!("{name}.1")), page)?;
    }
    fs::write(man.join(format!("{}.5", configuration_page::NAME)), configuration_page::page())?;

    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "jaudiosync", &completions)?;
    }
    Ok(())
}
