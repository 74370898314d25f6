//! The board's pins: opened, and read repeatedly, whatever happens to them.

use jaudiosync_hw::board::Board;
use jaudiosync_hw::buttons::{BoardError, Levels};
use jaudiosync_hw::gpio::{Backend, PinPurpose, UnusablePin};
use jaudiosync_time::{Instant, Raw, Span};

/// Opens the board; called repeatedly while it cannot be used.
pub type OpenBoard = Box<dyn FnMut() -> Result<Board, BoardError> + Send>;

/// The pause before a board that cannot be used is tried again.
const RETRY: Span = Span::from_ms(500);

/// At boot the device files may appear a little later than the service. Their absence is reported
/// only after this time; otherwise the jumper would be taken for removed.
const PATIENCE: Span = Span::from_seconds(10);

/// How often the kernel is asked again who uses the pins: a sound card's driver may take its pin
/// some seconds after this program has begun.
const REVIEW: Span = Span::from_seconds(5);

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
    review_at: Instant<Raw>,
    led_has_failed: bool,
    /// Through what the pins are read, as it was last logged.
    backend: Option<Backend>,
    /// The pins that are left out, because something else uses them.
    pub unusable: Vec<UnusablePin>,
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
            review_at: now_raw,
            led_has_failed: false,
            backend: None,
            unusable: Vec::new(),
            levels: None,
            lit: None,
        }
    }

    /// Reads the levels.
    pub fn look(&mut self, now_raw: Instant<Raw>) -> BoardReading {
        if self.board.is_none() && now_raw >= self.retry_at {
            match (self.open)() {
                Ok(board) => {
                    self.introduce(&board);
                    self.board = Some(board);
                    self.was_open = true;
                    self.led_has_failed = false;
                    self.take_stock(now_raw);
                }
                Err(error) => self.lose(&error, now_raw),
            }
        }
        if let Some(board) = self.board.as_mut().filter(|_| now_raw >= self.review_at) {
            board.review();
            self.take_stock(now_raw);
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
                self.led_has_failed = true;
                None
            }
        };
    }

    /// Returns through what the pins are read and driven; `None` without pins.
    pub fn backend(&self) -> Option<Backend> {
        self.board.as_ref()?.backend
    }

    /// Logs through what the pins are read, if that is new.
    fn introduce(&mut self, board: &Board) {
        let Some(backend) = board.backend.filter(|backend| self.backend.replace(*backend) != Some(*backend)) else {
            return;
        };
        match &board.instead {
            None => log::info!("the pins are read through {}", backend.name()),
            Some(error) => log::info!("the pins are read through {}, as rppal cannot: {error}", backend.name()),
        }
    }

    /// Takes in which pins are left out, and logs what has changed.
    fn take_stock(&mut self, now_raw: Instant<Raw>) {
        self.review_at = now_raw + REVIEW;
        let Some(board) = &self.board else { return };
        let unusable = board.unusable();
        for pin in unusable.iter().filter(|pin| !self.unusable.contains(pin)) {
            log::warn!("{pin}");
        }
        let is_back = |pin: &&UnusablePin| !unusable.iter().any(|other| other.purpose == pin.purpose);
        for pin in self.unusable.iter().filter(is_back) {
            log::info!("GPIO{} is free: {} works", pin.gpio, pin.purpose.words());
        }
        let has_led = board.has_led && !unusable.iter().any(|pin| pin.purpose == PinPurpose::Led);
        self.lit = if has_led && !self.led_has_failed { self.lit.or(Some(false)) } else { None };
        self.unusable = unusable;
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
    use jaudiosync_hw::buttons::{Button, Pins};
    use jaudiosync_hw::gpio::{BackendChoice, SimulatedHeader};
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
    fn a_pin_that_a_driver_takes_or_frees_is_noticed_within_seconds() {
        let header = SimulatedHeader::new();
        let opened = header.clone();
        let pins = Pins { led_gpio: Some(13), ..Pins::default() };
        let open = move || Board::on_header(&opened.known_board(BackendChoice::Auto)?, &pins);
        let mut board = PolledBoard::new(Box::new(open), Instant::ZERO);
        let look = |board: &mut PolledBoard, second| {
            let BoardReading::Levels(levels) = board.look(Instant::from_second(second)) else {
                panic!("at {second} s")
            };
            levels
        };
        header.ground(5, true);
        assert!(look(&mut board, 0).is_pressed(Button::Start));
        assert_eq!((board.backend(), board.unusable.len(), board.lit), (Some(Backend::Rppal), 0, Some(false)));
        board.light(true);
        // A sound card's driver comes; it also wants the LED's pin.
        header.give_to(6, Some("mute"));
        header.give_to(13, Some("reset"));
        assert!(look(&mut board, 6).is_pressed(Button::Start), "the others work");
        let gpios: Vec<u8> = board.unusable.iter().map(|pin| pin.gpio).collect();
        assert_eq!((gpios, board.lit), (vec![6, 13], None));
        header.give_to(6, None);
        header.give_to(13, None);
        look(&mut board, 12);
        assert_eq!((board.unusable.len(), board.lit), (0, Some(false)));
        header.ground(6, true);
        header.ground(6, false);
        look(&mut board, 13);
        header.ground(6, true);
        assert!(look(&mut board, 14).is_pressed(Button::VolumeDown));
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
