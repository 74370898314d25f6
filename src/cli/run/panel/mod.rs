//! A box on a terminal: keys for the buttons and the jumper, the LED, what plays and how exactly,
//! and the log.
//!
//! `keys` and `view` are pure; only `screen` touches the terminal. The box itself is the same
//! service as elsewhere.

mod keys;
mod screen;
mod view;

use std::sync::Arc;
use std::time::Duration;

use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_hw::simulated_board::SimulatedBoard;

use self::keys::{Key, KeyAction, meaning};
use self::screen::Screen;
use self::view::{View, draw};
use super::conduct;
use super::scripted_input::{Move, ScriptedInput};
use crate::cli::Failure;
use crate::cli::logging::LogLines;
use crate::control::Status;
use crate::ending;
use crate::service::conductor::{Ending, Message};
use crate::service::running::Service;

/// How often the panel is drawn and the keys are read.
const FRAME: Duration = Duration::from_millis(40);

/// Shows the panel until the service ends, which a key or the loss of the terminal makes it do.
pub(super) fn run(
    service: Service,
    input: ScriptedInput,
    board: SimulatedBoard,
    lines: LogLines,
) -> Result<Ending, Failure> {
    let failed = |error: std::io::Error| Failure::Other(format!("cannot show the panel: {error}"));
    let status = service.status_board();
    let sender = service.sender();
    let end = move || {
        ending::begin(0);
        let _ = sender.send(Message::End);
    };
    let mut screen = Screen::open(lines.clone()).map_err(failed)?;
    let service = std::thread::Builder::new().name("conductor".to_owned()).spawn(move || conduct(service));
    let service = service.map_err(failed)?;
    let mut panel = Panel { input, board, lines };
    while !service.is_finished() {
        let view = panel.view(status.read());
        let keys = screen.draw(|frame| draw(frame, &view)).and_then(|()| screen.keys(FRAME));
        match keys.map(|keys| panel.follow(&keys)) {
            Ok(Wish::GoOn) => {}
            // The service fades out first, and the panel shows it.
            Ok(Wish::Quit) => end(),
            Err(error) => {
                log::info!("the terminal has gone ({error}); ending as if q had been pressed");
                end();
                break;
            }
        }
    }
    drop(screen);
    service.join().map_err(|_| Failure::Other("the service has died of a fault in this program".to_owned()))
}

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    GoOn,
    Quit,
}

struct Panel {
    input: ScriptedInput,
    board: SimulatedBoard,
    lines: LogLines,
}

impl Panel {
    fn view(&self, status: Arc<Status>) -> View {
        View { status, levels: self.board.levels(), lit: self.board.is_lit(), lines: self.lines.clone() }
    }

    /// Carries out what the keys mean.
    fn follow(&mut self, keys: &[Key]) -> Wish {
        self.input.step(MachineClocks.raw());
        for key in keys {
            let what = match meaning(*key) {
                Some(KeyAction::Quit) => return Wish::Quit,
                Some(KeyAction::Move(what)) => what,
                Some(KeyAction::TurnJumper) => Move::Jumper { fitted: !self.board.levels().jumper_fitted },
                None => continue,
            };
            self.input.make(what, MachineClocks.raw());
        }
        Wish::GoOn
    }
}
