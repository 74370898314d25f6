//! When a neighbour is asked for the time, and which answers were asked for. Pure.

use jaudiosync_time::{Instant, Raw, Span};

/// A question that is not answered within this time is lost.
const PATIENCE: Span = Span::SECOND;

/// The first answers come quickly, so that the time is known soon: of this many.
const FIRST_ANSWERS: u32 = 8;
const FIRST_INTERVAL: Span = Span::from_ms(120);

/// How often the neighbour that is followed is asked, multiplied by the number of those that are
/// heard: whoever leads twenty answers no more often than whoever leads one.
const FOLLOWED_INTERVAL: Span = Span::from_ms(250);

/// How often everybody else is asked.
const OTHERS_INTERVAL: Span = Span::from_seconds(20);

/// After this many questions without an answer every further one doubles the interval, up to a
/// longest one.
const QUICK_QUESTIONS: u32 = 8;
const LONGEST_INTERVAL: Span = Span::from_seconds(2);
/// A box that has never answered may be a recording, which can be repeated without end.
const LONGEST_INTERVAL_OF_STRANGERS: Span = Span::from_seconds(10);

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The neighbour that is followed.
    Followed,
    /// Another one that has proven that it is there.
    Other,
    /// One that has not.
    Stranger,
}

/// The questions to one neighbour.
#[derive(Debug, Clone)]
pub(super) struct Questions {
    /// Numbers of questions that may still be answered, and when they were asked.
    asked: Vec<(u64, Instant<Raw>)>,
    ask_at: Instant<Raw>,
    answers: u32,
    /// Questions since the last answer.
    unanswered: u32,
}

impl Questions {
    /// Asks at once.
    pub(super) fn new(now: Instant<Raw>) -> Self {
        Self { asked: Vec::new(), ask_at: now, answers: 0, unanswered: 0 }
    }

    /// Returns whether it is time for the next one.
    pub(super) fn is_due(&self, now: Instant<Raw>) -> bool {
        now >= self.ask_at
    }

    /// Returns how many there were since the last answer.
    pub(super) fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// Returns whether the answer to one may still come.
    pub(super) fn may_be_answered(&self, now: Instant<Raw>) -> bool {
        self.asked.iter().any(|(_, at)| now - *at <= PATIENCE)
    }

    /// Notes that a question is asked. `heard` is the number of boxes that are heard.
    pub(super) fn ask(&mut self, nonce: u64, now: Instant<Raw>, whom: Asked, heard: usize) {
        self.asked.retain(|(_, at)| now - *at <= PATIENCE);
        self.asked.push((nonce, now));
        let interval = match (self.answers, whom) {
            (..FIRST_ANSWERS, _) | (_, Asked::Stranger) => FIRST_INTERVAL * heard.clamp(1, 4) as i64,
            (_, Asked::Followed) => FOLLOWED_INTERVAL * heard.max(1) as i64,
            (_, Asked::Other) => OTHERS_INTERVAL,
        };
        let longest = if whom == Asked::Stranger { LONGEST_INTERVAL_OF_STRANGERS } else { LONGEST_INTERVAL };
        let doublings = self.unanswered.saturating_sub(QUICK_QUESTIONS).min(10);
        self.unanswered = self.unanswered.saturating_add(1);
        self.ask_at = now + (interval * (1 << doublings)).min(longest).max(interval);
    }

    /// Notes an answer. Returns when its question was asked; `None` if it was not.
    pub(super) fn answered(&mut self, nonce: u64) -> Option<Instant<Raw>> {
        let place = self.asked.iter().position(|(asked, _)| *asked == nonce)?;
        let (_, asked) = self.asked.swap_remove(place);
        self.unanswered = 0;
        Some(asked)
    }

    /// Notes that an answer was of use.
    pub(super) fn count_answer(&mut self) {
        self.answers = self.answers.saturating_add(1);
    }

    /// Begins anew, because a clock was moved.
    pub(super) fn begin_anew(&mut self, now: Instant<Raw>) {
        self.answers = 0;
        // It is asked at once, and not when it would have been asked next.
        self.ask_at = self.ask_at.min(now);
    }

    /// Notes that the neighbour has come back after a silence.
    pub(super) fn came_back(&mut self, now: Instant<Raw>) {
        self.unanswered = 0;
        self.ask_at = self.ask_at.min(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the questions of a minute that nobody answers.
    fn of_a_minute(questions: &mut Questions, whom: Asked, from_s: i64) -> usize {
        let mut count = 0;
        for step in 0..1_200 {
            let now = Instant::from_second(from_s) + Span::from_ms(50) * step;
            if questions.is_due(now) {
                questions.ask(step as u64, now, whom, 2);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_box_that_never_answers_is_asked_less_and_less_often() {
        let mut questions = Questions::new(Instant::ZERO);
        let first = of_a_minute(&mut questions, Asked::Stranger, 0);
        let second = of_a_minute(&mut questions, Asked::Stranger, 60);
        assert!((14..=22).contains(&first) && second <= 7, "{first} and {second} questions");
        let mut questions = Questions::new(Instant::ZERO);
        let followed = of_a_minute(&mut questions, Asked::Followed, 0);
        assert!((30..=50).contains(&followed), "{followed} questions");
    }

    #[test]
    fn after_an_answer_or_a_silence_it_is_asked_often_again() {
        let mut questions = Questions::new(Instant::ZERO);
        of_a_minute(&mut questions, Asked::Stranger, 0);
        assert!(!questions.is_due(Instant::from_second(60)));
        questions.came_back(Instant::from_second(60));
        let again = of_a_minute(&mut questions, Asked::Stranger, 60);
        assert!((14..=22).contains(&again), "{again} questions");
        questions.ask(7_000_000, Instant::from_second(200), Asked::Stranger, 1);
        assert_eq!(questions.answered(7_000_000), Some(Instant::from_second(200)));
        assert_eq!((questions.answered(7_000_000), questions.unanswered()), (None, 0));
    }
}
