//! Measures how exactly `jaudiosync` plays, with a private virtual sound card: the figures in the documents come from
//! here. `scripts/measure-sync` and `scripts/demo` call it.

mod demo;
mod player;
mod reference;
mod sync;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measure how exactly jaudiosync plays, with a private virtual sound card.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:\n  measure sync --runs 5\n  measure demo")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sync(sync::Sync),
    Demo(demo::Demo),
}

/// What is measured.
#[derive(Debug, Args)]
struct Subject {
    /// The program
    #[arg(long, default_value = "target/release/jaudiosync")]
    program: PathBuf,

    /// The Music folder
    #[arg(long, default_value = "Music")]
    music: PathBuf,

    /// The playlist
    #[arg(long, default_value = "Playlist")]
    playlist_name: String,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Sync(command) => command.run(),
        Command::Demo(command) => command.run(),
    }
}
