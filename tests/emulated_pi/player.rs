//! A running `jaudiosync play` in a box.

use std::time::Duration;

use serde_json::Value;

use crate::machine::{Machine, Program};

/// From one track to the next, or to the first grid slot.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Player(Program);

/// A track that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Its number in the playlist.
    pub track: usize,
    /// When it was to begin.
    pub utc_s: i64,
}

impl Player {
    /// Plays the demo playlist over and over.
    pub fn start(machine: &mut Machine, arguments: &str) -> Self {
        let command = "jaudiosync play --json --loop --music /srv/jaudiosync/Music --device Loopback";
        Self(machine.spawn("player", &format!("{command} {arguments}")))
    }

    /// Waits for a track that is played from its first frame on: on a busy machine there may be a drop-out just then.
    pub fn next_whole_track(&mut self, machine: &Machine) -> Begun {
        loop {
            let event = self.0.wait_for(machine, r#""event":"track""#, PATIENCE);
            let event: Value = serde_json::from_str(&event).expect("JSON of the player");
            if event["offset_s"].as_f64() == Some(0.0) {
                let track = event["track"].as_u64().expect("a number") as usize;
                return Begun { track, utc_s: event["utc_s"].as_i64().expect("a number") };
            }
        }
    }
}
