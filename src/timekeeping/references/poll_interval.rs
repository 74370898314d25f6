//! When a server is asked next. Pure.

use std::time::Duration;

/// The shortest and the longest pause between bursts that work, in s: NTP's usual ones (RFC 5905,
/// section 7.2: poll exponents from 6 to 10).
const SHORTEST_S: u64 = 64;
const LONGEST_S: u64 = 1024;

/// This many bursts are sent at each pause before it doubles: a calibration needs a few close
/// together first.
const BURSTS_AT_EACH: u32 = 4;

/// The first pause after a failure, in s. It doubles up to the shortest regular one, and no
/// further: the phone that is the box's network comes and goes, and must be noticed.
const FIRST_RETRY_S: u64 = 4;

/// A server that refuses must not be asked again (RFC 5905, section 7.4). As a name may lead to
/// another server tomorrow, it is asked once a day.
const REFUSED_S: u64 = 86_400;

/// The result of asking a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is a sample.
    Sample,
    /// There was no usable answer.
    Failure,
    /// The server wants to be asked less often.
    TooOften,
    /// The server refuses to serve this box.
    Refused,
}

/// The recent results of one server, which determine how long to wait.
#[derive(Debug, Default)]
pub struct PollInterval {
    successes: u32,
    failures: u32,
}

impl PollInterval {
    /// Notes an outcome, and returns the pause after it.
    pub fn after(&mut self, outcome: Outcome) -> Duration {
        let doublings = |times: u32, first_s: u64, longest_s: u64| (first_s << times.min(16)).min(longest_s);
        let seconds = match outcome {
            Outcome::Sample => {
                let seconds = doublings(self.successes / BURSTS_AT_EACH, SHORTEST_S, LONGEST_S);
                *self = Self { successes: self.successes.saturating_add(1), failures: 0 };
                seconds
            }
            Outcome::Failure => {
                let seconds = doublings(self.failures, FIRST_RETRY_S, SHORTEST_S);
                *self = Self { successes: 0, failures: self.failures.saturating_add(1) };
                seconds
            }
            Outcome::TooOften => {
                *self = Self { successes: BURSTS_AT_EACH * (LONGEST_S / SHORTEST_S).ilog2(), failures: 0 };
                LONGEST_S
            }
            Outcome::Refused => REFUSED_S,
        };
        Duration::from_secs(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses_s(interval: &mut PollInterval, outcome: Outcome, times: usize) -> Vec<u64> {
        (0..times).map(|_| interval.after(outcome).as_secs()).collect()
    }

    #[test]
    fn pauses_grow_from_64_to_1024_s_and_no_further() {
        let pauses = pauses_s(&mut PollInterval::default(), Outcome::Sample, 100);
        assert_eq!(pauses[..9], [64, 64, 64, 64, 128, 128, 128, 128, 256]);
        assert_eq!(pauses[16..], [1024; 84]);
    }

    #[test]
    fn failures_are_retried_soon_at_first_and_never_more_than_a_minute_later() {
        let pauses = pauses_s(&mut PollInterval::default(), Outcome::Failure, 100);
        assert_eq!(pauses[..6], [4, 8, 16, 32, 64, 64]);
        assert_eq!(pauses[99], 64);
    }

    #[test]
    fn after_an_outage_it_begins_as_after_the_start() {
        let mut interval = PollInterval::default();
        pauses_s(&mut interval, Outcome::Sample, 50);
        assert_eq!(pauses_s(&mut interval, Outcome::Failure, 1), [4]);
        assert_eq!(pauses_s(&mut interval, Outcome::Sample, 5), [64, 64, 64, 64, 128]);
        assert_eq!(pauses_s(&mut interval, Outcome::Failure, 1), [4]);
    }

    #[test]
    fn a_server_that_is_asked_too_often_is_asked_as_rarely_as_possible() {
        let mut interval = PollInterval::default();
        assert_eq!(pauses_s(&mut interval, Outcome::TooOften, 1), [1024]);
        assert_eq!(pauses_s(&mut interval, Outcome::Sample, 2), [1024, 1024]);
    }

    #[test]
    fn a_server_that_refuses_is_left_alone_for_a_day() {
        assert_eq!(pauses_s(&mut PollInterval::default(), Outcome::Refused, 2), [86_400, 86_400]);
    }
}
