//! A box on a terminal: the buttons and the jumper on keys, the LED, what plays and how exactly, the log.

mod keys;
mod view;

use std::time::Duration;

use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_hw::simulated_board::SimulatedBoard;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use self::keys::{Meaning, meaning};
use self::view::{View, draw};
use super::hand::{Hand, Move};
use crate::cli::Failure;
use crate::cli::logging::LogLines;
use crate::service::conductor::{Ending, Message};
use crate::service::running::Service;

/// How often the panel is drawn, and the keys are looked at.
const FRAME: Duration = Duration::from_millis(40);

/// Shows the panel until the service ends.
pub(super) fn run(mut service: Service, hand: Hand, board: SimulatedBoard, lines: LogLines) -> Result<Ending, Failure> {
    let failed = |error: std::io::Error| Failure::Other(format!("the panel cannot be shown: {error}"));
    let status = service.status_board();
    let sender = service.sender();
    let service = std::thread::Builder::new().name("conductor".to_owned()).spawn(move || service.run());
    let service = service.map_err(failed)?;
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let mut panel = Panel { hand, board, lines };
    let shown = loop {
        let view = panel.view(status.read());
        if let Err(error) = terminal.draw(|frame| draw(frame, &view)) {
            break Err(error);
        }
        if service.is_finished() {
            break Ok(());
        }
        match panel.follow_keys() {
            Ok(true) => {}
            // It fades out first; the panel shows it.
            Ok(false) => _ = sender.send(Message::End),
            Err(error) => break Err(error),
        }
    };
    end(&mut terminal);
    let _ = sender.send(Message::End);
    let ending =
        service.join().map_err(|_| Failure::Other("the service died of a fault in this program".to_owned()))?;
    shown.map_err(failed).map(|()| ending)
}

struct Panel {
    hand: Hand,
    board: SimulatedBoard,
    lines: LogLines,
}

impl Panel {
    fn view(&self, status: std::sync::Arc<crate::control::Status>) -> View {
        View { status, levels: self.board.levels(), lit: self.board.is_lit(), lines: self.lines.clone() }
    }

    /// Waits for keys for a moment, and does what they say. `false` where the panel is to end.
    fn follow_keys(&mut self) -> std::io::Result<bool> {
        self.hand.step(MachineClocks.raw_ns());
        if !event::poll(FRAME)? {
            return Ok(true);
        }
        let Event::Key(key) = event::read()? else { return Ok(true) };
        if key.kind == KeyEventKind::Release {
            return Ok(true);
        }
        let what = match meaning(key) {
            Some(Meaning::Quit) => return Ok(false),
            Some(Meaning::Move(what)) => what,
            Some(Meaning::TurnJumper) => Move::Jumper { fitted: !self.board.levels().jumper_fitted },
            None => return Ok(true),
        };
        self.hand.make(what, MachineClocks.raw_ns());
        Ok(true)
    }
}

fn end(terminal: &mut DefaultTerminal) {
    let _ = terminal.show_cursor();
    ratatui::restore();
}
