//! A running `jaudiosync play --json`, and the track starts that it reports.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use jaudiosync_measure::{Sink, VirtualCard};
use serde_json::Value;

use super::Subject;

/// A track as the player announced it.
#[derive(Debug, Clone)]
pub(super) struct Announced {
    pub track: usize,
    pub name: String,
    /// When it was due to begin, in seconds since the Unix epoch.
    pub utc_s: i64,
}

/// A running player; dropping it ends it.
pub(super) struct Player {
    child: Child,
    reader: Option<JoinHandle<Vec<Announced>>>,
}

impl Player {
    /// Starts it on one side of the card. Calls `each` for every track as it is announced.
    pub(super) fn start(
        subject: &Subject,
        card: &VirtualCard,
        sink: Sink,
        arguments: &[&str],
        each: impl Fn(&Value) + Send + 'static,
    ) -> Result<Self> {
        let mut child = Command::new(&subject.program)
            .args(["play", "--json", "--music"])
            .arg(&subject.music)
            .args(["--playlist-name", &subject.playlist_name])
            .args(arguments)
            .envs(card.env(sink))
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}; build it first", subject.program.display()))?;
        let stdout = child.stdout.take().context("no output")?;
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let mut announced = Vec::new();
            for event in lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok()) {
                each(&event);
                announced.extend(track_of(&event));
            }
            announced
        });
        Ok(Self { child, reader: Some(reader) })
    }

    /// Waits until it has played everything.
    pub(super) fn finish(mut self) -> Result<Vec<Announced>> {
        let status = self.child.wait()?;
        ensure!(status.success(), "the player failed: {status}");
        let reader = self.reader.take().context("finished twice")?;
        reader.join().map_err(|_| anyhow::anyhow!("the reader of the player's output failed"))
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn track_of(event: &Value) -> Option<Announced> {
    if event["event"] != "track" {
        return None;
    }
    Some(Announced {
        track: usize::try_from(event["track"].as_u64()?).ok()?,
        name: event["name"].as_str()?.to_owned(),
        utc_s: event["utc_s"].as_i64()?,
    })
}
