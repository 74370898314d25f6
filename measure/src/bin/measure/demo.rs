//! One player on the virtual card, and how exact every start was, for machines without a sound
//! card.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use jaudiosync_measure::{Recorder, Recording, Sink, VirtualCard, find_start, first_seconds};
use serde_json::Value;

use super::player::{Announced, Player};
use super::{Subject, files};

/// Play the playlist into a virtual sound card, record it, and report how exact every start was
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    subject: Subject,

    /// Keep the recording as a WAV file
    #[arg(long, value_name = "FILE")]
    wav: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(&self) -> Result<()> {
        let card = VirtualCard::start()?;
        let recorder = Recorder::start(&card)?;
        let player = Player::start(&self.subject, &card, Sink::Left, &[], print_event)?;
        let tracks = player.finish()?;
        let recording = recorder.finish()?;
        println!("\nHow exact the starts were, in the recording:");
        let files = files(&self.subject)?;
        for track in &tracks {
            let file = files.get(track.track).context("a track without a file")?;
            match lateness_ms(&recording, track, file)? {
                Some(late_ms) => println!("  {:<40} {late_ms:+.3} ms", track.name),
                None => println!("  {:<40} not found in the recording", track.name),
            }
        }
        println!("(The clock of the virtual card itself is known to some 0.1 ms.)");
        if let Some(wav) = &self.wav {
            recording.save_wav(wav)?;
            println!("The recording is in {}", wav.display());
        }
        Ok(())
    }
}

fn print_event(event: &Value) {
    match event["event"].as_str() {
        Some("start") => {
            println!("{} tracks, fingerprint {}; waiting for the start", event["tracks"], event["fingerprint"]);
        }
        Some("track") => println!("Playing: {}", event["name"].as_str().unwrap_or_default()),
        Some("finished") => println!("Playlist finished playing."),
        _ => {}
    }
}

/// Returns how much later than announced a track is heard, in ms.
fn lateness_ms(recording: &Recording, track: &Announced, file: &std::path::Path) -> Result<Option<f64>> {
    let reference = first_seconds(file, recording.rate_hz)?;
    let expected = recording.frame_at_utc_ns(track.utc_s as f64 * 1e9);
    let near = recording.rate_hz as usize / 10;
    let middle = expected.round().max(0.0) as usize;
    let start = find_start(&recording.left, &reference, recording.rate_hz, middle.saturating_sub(near)..middle + near);
    Ok(start.map(|start| (recording.utc_ns_of_frame(start) - track.utc_s as f64 * 1e9) / 1e6))
}
