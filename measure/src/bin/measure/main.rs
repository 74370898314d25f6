//! Measures how exactly `jaudiosync` plays, with a private virtual sound card: the figures in the
//! documents come from here. `scripts/measure-sync` and `scripts/demo` call it.

mod air;
mod card;
mod demo;
mod load;
mod player;
mod service;
mod sync;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;

/// Measure how exactly jaudiosync plays, with a private virtual sound card.
#[derive(Debug, Parser)]
#[command(
    after_help = "Examples:\n  measure sync --runs 5\n  measure demo\n  measure card -- target/release/jaudiosync run --board sim --music Music"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sync(sync::Sync),
    Demo(demo::Demo),
    Load(load::Load),
    Service(service::Service),
    Card(card::Card),
    Air(air::OnAir),
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
        Command::Load(command) => command.run(),
        Command::Service(command) => command.run(),
        Command::Card(command) => command.run(),
        Command::Air(command) => command.run(),
    }
}

/// Returns the files of the playlist, as the program itself finds them.
fn files(subject: &Subject) -> anyhow::Result<Vec<PathBuf>> {
    let output = std::process::Command::new(&subject.program)
        .args(["list", "--json", "--music"])
        .arg(&subject.music)
        .args(["--playlist-name", &subject.playlist_name])
        .output()?;
    let list: Value = serde_json::from_slice(&output.stdout)?;
    let tracks = list["tracks"].as_array().context("no tracks")?;
    Ok(tracks.iter().map(|track| PathBuf::from(track["file"].as_str().unwrap_or_default())).collect())
}
