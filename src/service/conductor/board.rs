//! The board's pins: opened, and read repeatedly, whatever happens to them.

use jaudiosync_hw::board::Board;
use jaudiosync_hw::buttons::{BoardError, Levels};
use jaudiosync_time::{Instant, Raw, Span};

/// Opens the board; called repeatedly while it cannot be used.
pub type OpenBoard = Box<dyn FnMut() -> Result<Board, BoardError> + Send>;

/// The pause before a board that cannot be used is tried again.
const RETRY: Span = Span::from_ms(500);

/// At boot the device files may appear a little later than the service. Their absence is reported
/// only after this time; otherwise the jumper would be taken for removed.
const PATIENCE: Span = Span::from_seconds(10);

/// The result of reading the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoardReading {
    /// The levels.
    Levels(Levels),
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// It cannot be read yet, and it is too early to report that.
    NotYet,
}

/// The board of a box.
pub struct PolledBoard {
    open: OpenBoard,
    board: Option<Board>,
    was_open: bool,
    began: Instant<Raw>,
    retry_at: Instant<Raw>,
    problem: Option<String>,
    /// The levels as they were last read.
    pub levels: Option<Levels>,
    /// Whether the LED is lit; `None` if there is none.
    pub lit: Option<bool>,
}

impl PolledBoard {
    /// Returns a board that is opened when it is first read.
    pub fn new(open: OpenBoard, now_raw: Instant<Raw>) -> Self {
        Self {
            open,
            board: None,
            was_open: false,
            began: now_raw,
            retry_at: now_raw,
            problem: None,
            levels: None,
            lit: None,
        }
    }

    /// Reads the levels.
    pub fn look(&mut self, now_raw: Instant<Raw>) -> BoardReading {
        if self.board.is_none() && now_raw >= self.retry_at {
            match (self.open)() {
                Ok(board) => {
                    self.lit = board.has_led.then_some(false);
                    self.board = Some(board);
                    self.was_open = true;
                }
                Err(error) => self.lose(&error, now_raw),
            }
        }
        self.levels = match self.board.as_mut().map(|board| board.inputs.read()) {
            Some(Ok(levels)) => Some(levels),
            Some(Err(error)) => {
                self.lose(&error, now_raw);
                None
            }
            None => None,
        };
        let is_late = self.was_open || (now_raw - self.began) >= PATIENCE;
        match (self.levels, &self.problem) {
            (Some(levels), _) => BoardReading::Levels(levels),
            (None, Some(problem)) if is_late => BoardReading::Unreadable(problem.clone()),
            (None, _) => BoardReading::NotYet,
        }
    }

    /// Switches the LED, if there is one. An LED that cannot be switched is left alone from then
    /// on; the buttons matter more.
    pub fn light(&mut self, lit: bool) {
        let Some(board) = self.board.as_mut().filter(|_| self.lit.is_some_and(|before| before != lit)) else { return };
        self.lit = match board.led.set(lit) {
            Ok(()) => Some(lit),
            Err(error) => {
                log::warn!("the LED cannot be switched: {error}");
                None
            }
        };
    }

    fn lose(&mut self, error: &BoardError, now_raw: Instant<Raw>) {
        self.board = None;
        self.lit = None;
        self.retry_at = now_raw + RETRY;
        self.problem = Some(error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use jaudiosync_hw::buttons::Button;
    use jaudiosync_hw::simulated_board::SimulatedBoard;

    use super::*;

    fn fails() -> Result<Board, BoardError> {
        Err(BoardError::Failed("no gpiomem".into()))
    }

    #[test]
    fn device_files_that_come_late_are_waited_for_before_the_jumper_is_taken_for_removed() {
        let simulated = SimulatedBoard::new();
        simulated.set_jumper(true);
        let mut tries = 0;
        let open = move || {
            tries += 1;
            if tries > 4 { Ok(Board::simulated(&simulated)) } else { fails() }
        };
        let mut board = PolledBoard::new(Box::new(open), Instant::ZERO);
        let looked: Vec<BoardReading> =
            (0..300).map(|step| board.look(Instant::ZERO + Span::from_ms(10) * step)).collect();
        assert!(looked.iter().all(|looked| !matches!(looked, BoardReading::Unreadable(_))));
        let Some(BoardReading::Levels(levels)) = looked.last() else { panic!("{:?}", looked.last()) };
        assert!(levels.jumper_fitted);
    }

    #[test]
    fn a_missing_board_is_reported_after_a_while_and_one_that_breaks_at_once() {
        let mut board = PolledBoard::new(Box::new(fails), Instant::ZERO);
        assert_eq!(board.look(Instant::from_second(9)), BoardReading::NotYet);
        assert!(
            matches!(board.look(Instant::from_second(10)), BoardReading::Unreadable(reason) if reason.contains("no gpiomem"))
        );

        let simulated = SimulatedBoard::new();
        let opened = simulated.clone();
        let mut board = PolledBoard::new(Box::new(move || Ok(Board::simulated(&opened))), Instant::ZERO);
        simulated.press(Button::Start);
        assert!(matches!(board.look(Instant::ZERO), BoardReading::Levels(levels) if levels.is_pressed(Button::Start)));
        simulated.fail_inputs(Some(BoardError::Failed("broken".into())));
        assert!(matches!(board.look(Instant::from_ns(1)), BoardReading::Unreadable(_)));
        simulated.fail_inputs(None);
        assert!(matches!(board.look(Instant::from_second(1)), BoardReading::Levels(_)));
        simulated.fail_led(Some(BoardError::Failed("broken".into())));
        board.light(true);
        assert_eq!(board.lit, None);
        assert!(
            matches!(board.look(Instant::from_ns(1_000_000_001)), BoardReading::Levels(_)),
            "the buttons still work"
        );
    }
}
