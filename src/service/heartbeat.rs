//! Whether all loops of the service make progress: only then is the watchdog fed. Pure.

use jaudiosync_time::{Instant, Raw, Span};

/// A loop that makes no progress for this long is stuck. The clock's loop may wait for seconds on a
/// bus that hangs; systemd's watchdog is set to 10 s.
const STUCK: Span = Span::from_seconds(8);

/// A loop that counts its rounds.
#[derive(Debug, Clone, Copy)]
struct Watched {
    name: &'static str,
    rounds: u64,
    /// When that number was first seen, or when the loop was last excused.
    since: Instant<Raw>,
}

/// Watches loops by their names.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat {
    watched: Vec<Watched>,
}

impl Heartbeat {
    /// Notes how many rounds a loop has made.
    pub fn saw(&mut self, name: &'static str, rounds: u64, now_raw: Instant<Raw>) {
        match self.watched.iter_mut().find(|watched| watched.name == name) {
            Some(watched) if watched.rounds == rounds => {}
            Some(watched) => *watched = Watched { name, rounds, since: now_raw },
            None => self.watched.push(Watched { name, rounds, since: now_raw }),
        }
    }

    /// Notes that a loop has nothing to do for now, such as that of a sound card which is not
    /// there.
    pub fn excuse(&mut self, name: &'static str) {
        self.watched.retain(|watched| watched.name != name);
    }

    /// Returns the loop that is stuck, or `None` if all is well.
    pub fn stuck(&self, now_raw: Instant<Raw>) -> Option<&'static str> {
        let is_stuck = |watched: &&Watched| now_raw - watched.since >= STUCK;
        self.watched.iter().find(is_stuck).map(|watched| watched.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_without_progress_is_stuck_and_one_that_is_excused_is_not() {
        let mut heartbeat = Heartbeat::default();
        for second in 0..20 {
            let now_raw = Instant::from_second(second);
            heartbeat.saw("clock", second as u64, now_raw);
            heartbeat.saw("audio", 5, now_raw);
            if second == 4 {
                heartbeat.excuse("audio");
            }
            assert_eq!(heartbeat.stuck(now_raw), (second >= 13).then_some("audio"), "{second}");
        }
        heartbeat.saw("audio", 6, Instant::from_second(20));
        assert_eq!(heartbeat.stuck(Instant::from_second(20)), None);
    }
}
