//! The board's pins, opened and read again and again, whatever becomes of them.

use jaudiosync_hw::board::Board;
use jaudiosync_hw::buttons::{BoardError, Levels};
use jaudiosync_hw::clocks::NS_PER_S;

/// Opens the board; called again and again while it cannot be used.
pub type OpenBoard = Box<dyn FnMut() -> Result<Board, BoardError> + Send>;

/// A board that cannot be used is tried again so often.
const RETRY_NS: i64 = NS_PER_S / 2;

/// At boot the device files may come a little later than the service. Only then is it told that there are none: the jumper
/// would else be taken for removed.
const PATIENCE_NS: i64 = 10 * NS_PER_S;

/// What a look at the board has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoardReading {
    /// These levels.
    Levels(Levels),
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// It cannot be read yet, and this is too early to say so.
    NotYet,
}

/// The board of a box.
pub struct PolledBoard {
    open: OpenBoard,
    board: Option<Board>,
    was_open: bool,
    began_raw_ns: i64,
    retry_raw_ns: i64,
    problem: Option<String>,
    /// What is pressed, as it was read last.
    pub levels: Option<Levels>,
    /// Whether the LED is lit; none where there is none.
    pub lit: Option<bool>,
}

impl PolledBoard {
    /// A board that is opened at the first look.
    pub fn new(open: OpenBoard, now_raw_ns: i64) -> Self {
        Self {
            open,
            board: None,
            was_open: false,
            began_raw_ns: now_raw_ns,
            retry_raw_ns: now_raw_ns,
            problem: None,
            levels: None,
            lit: None,
        }
    }

    /// Reads the levels.
    pub fn look(&mut self, now_raw_ns: i64) -> BoardReading {
        if self.board.is_none() && now_raw_ns >= self.retry_raw_ns {
            match (self.open)() {
                Ok(board) => {
                    self.lit = board.has_led.then_some(false);
                    self.board = Some(board);
                    self.was_open = true;
                }
                Err(error) => self.lose(&error, now_raw_ns),
            }
        }
        self.levels = match self.board.as_mut().map(|board| board.inputs.read()) {
            Some(Ok(levels)) => Some(levels),
            Some(Err(error)) => {
                self.lose(&error, now_raw_ns);
                None
            }
            None => None,
        };
        let is_late = self.was_open || now_raw_ns.saturating_sub(self.began_raw_ns) >= PATIENCE_NS;
        match (self.levels, &self.problem) {
            (Some(levels), _) => BoardReading::Levels(levels),
            (None, Some(problem)) if is_late => BoardReading::Unreadable(problem.clone()),
            (None, _) => BoardReading::NotYet,
        }
    }

    /// Switches the LED, where there is one. One that cannot be switched is left alone from then on; the buttons matter more.
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

    fn lose(&mut self, error: &BoardError, now_raw_ns: i64) {
        self.board = None;
        self.lit = None;
        self.retry_raw_ns = now_raw_ns.saturating_add(RETRY_NS);
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
        let mut board = PolledBoard::new(Box::new(open), 0);
        let looked: Vec<BoardReading> = (0..300).map(|step| board.look(step * NS_PER_S / 100)).collect();
        assert!(looked.iter().all(|looked| !matches!(looked, BoardReading::Unreadable(_))));
        let Some(BoardReading::Levels(levels)) = looked.last() else { panic!("{:?}", looked.last()) };
        assert!(levels.jumper_fitted);
    }

    #[test]
    fn a_board_that_is_not_there_is_told_after_a_while_and_one_that_breaks_at_once() {
        let mut board = PolledBoard::new(Box::new(fails), 0);
        assert_eq!(board.look(9 * NS_PER_S), BoardReading::NotYet);
        assert!(matches!(board.look(10 * NS_PER_S), BoardReading::Unreadable(reason) if reason.contains("no gpiomem")));

        let simulated = SimulatedBoard::new();
        let opened = simulated.clone();
        let mut board = PolledBoard::new(Box::new(move || Ok(Board::simulated(&opened))), 0);
        simulated.press(Button::Start);
        assert!(matches!(board.look(0), BoardReading::Levels(levels) if levels.is_pressed(Button::Start)));
        simulated.fail_inputs(Some(BoardError::Failed("broken".into())));
        assert!(matches!(board.look(1), BoardReading::Unreadable(_)));
        simulated.fail_inputs(None);
        assert!(matches!(board.look(NS_PER_S), BoardReading::Levels(_)));
        simulated.fail_led(Some(BoardError::Failed("broken".into())));
        board.light(true);
        assert_eq!(board.lit, None);
        assert!(matches!(board.look(NS_PER_S + 1), BoardReading::Levels(_)), "the buttons still work");
    }
}
