//! `jaudiosync run`: the service of a box, on a bike or on a desk.

mod overrides;
mod panel;
mod scripted_input;

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use clap::Args;
use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_hw::simulated_board::SimulatedBoard;

use self::overrides::{BoardChoice, Overrides};
use self::scripted_input::{Move, ScriptedInput};
use super::logging::{Destination, LogLines, begin_recorded};
use super::{Failure, exit_code, output};
use crate::ending::{self, HangUp, Notice};
use crate::recorder::{self, Tap};
use crate::service::conductor::{Ending, Message};
use crate::service::running::{Service, ServiceOptions};

/// How often scripted presses are checked, which is how exactly they are released.
const INPUT_STEP: Duration = Duration::from_millis(10);

/// Run the service of a box: buttons, jumper, volume, playlist, control socket
///
/// It never needs a screen. On a box systemd runs it, and the configuration sets everything it
/// does. On a desk `--board sim` shows the whole box on the terminal, with keys for the buttons and
/// the jumper.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync run                                    as systemd runs it on a box
  jaudiosync run --board sim --music Music          a box on a desk, with keys as buttons
  jaudiosync run --board none --device Headphones   no buttons, only `jaudiosync start` and so on

Without a terminal, `--board sim` reads standard input, one action per line:
  press start              press BUTTON [SECONDS]: start, stop, volume-up, volume-down
  press stop 5.5           held for 5.5 s
  jumper on                jumper on|off

SIGTERM and SIGINT fade out and exit within 2 s; the next start rejoins what played. SIGHUP acts
like `jaudiosync reload`, but ends `--board sim` on a terminal, as does closing the terminal.

Exit code 100: Stop was held for 5 s, and the box should be switched off.")]
pub(super) struct Run {
    #[command(flatten)]
    overrides: Overrides,

    /// Folder for session, position, volume, calibration and flight recorder
    /// [default: the configuration's state.folder, otherwise STATE_DIRECTORY or the user's state
    /// folder]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// On a simulated board: fit the jumper at power-on
    #[arg(long)]
    jumper: bool,
}

impl Run {
    pub(super) fn run(&self) -> Result<Ending, Failure> {
        let is_simulated = self.overrides.board == Some(BoardChoice::Sim);
        let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let lines = (is_simulated && has_terminal).then(LogLines::default);
        let destination = lines.clone().map_or(Destination::StandardError, Destination::Lines);
        let (tap, notes) = recorder::tap(Arc::new(MachineClocks));
        record_panics(tap.clone());
        begin_recorded("info", destination, tap);
        log::info!("jaudiosync {}", env!("CARGO_PKG_VERSION"));

        let simulated = SimulatedBoard::new();
        simulated.set_jumper(self.jumper);
        let overrides = self.overrides.clone();
        let options = ServiceOptions {
            load_config: Box::new(move || overrides.load()),
            state_folder: self.state.clone(),
            simulated: simulated.clone(),
            notes,
        };
        let service = Service::start(options).map_err(|error| Failure::Other(error.to_string()))?;
        follow_signals(service.sender(), if lines.is_some() { HangUp::AlwaysEnds } else { HangUp::IsPassedOn });
        let input = ScriptedInput::new(simulated.clone());
        let ending = match lines {
            Some(lines) => panel::run(service, input, simulated, lines)?,
            None => {
                if is_simulated {
                    follow_lines(input)?;
                }
                conduct(service)
            }
        };
        if ending == Ending::PowerOff && is_simulated {
            output::say("A real box would now switch off.");
        }
        Ok(ending)
    }
}

/// Passes panics to the flight recorder before they are printed. Those that are expected of a
/// library do not come here (see [`crate::panics`]).
fn record_panics(tap: Tap) {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        tap.panicked(&format!("thread {} {panic}", thread.name().unwrap_or("(unnamed)")));
        print(panic);
    }));
}

/// Runs the service to its end. From then on the process has a limited time to exit, whatever
/// hangs.
fn conduct(mut service: Service) -> Ending {
    let ending = service.run();
    ending::begin(exit_code(ending));
    drop(service);
    ending
}

fn follow_signals(sender: Sender<Message>, hang_up: HangUp) {
    ending::orderly(hang_up, exit_code(Ending::Asked), move |notice| {
        let message = match notice {
            Notice::End => Message::End,
            Notice::HangUp => Message::Reload,
        };
        // An error means that the service has already ended.
        let _ = sender.send(message);
    });
}

/// Starts doing what the lines on standard input say. The box goes on after the last one.
fn follow_lines(mut input: ScriptedInput) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Other(format!("cannot read standard input: {error}"));
    let (sender, moves) = mpsc::channel::<Move>();
    let read = move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.parse() {
                Ok(what) if sender.send(what).is_ok() => {}
                Ok(_) => return,
                Err(reason) => output::warn(reason),
            }
        }
    };
    let press = move || {
        loop {
            input.step(MachineClocks.raw());
            match moves.recv_timeout(INPUT_STEP) {
                Ok(what) => input.make(what, MachineClocks.raw()),
                Err(RecvTimeoutError::Timeout) => {}
                // No more lines: held buttons are still released, then the thread ends.
                Err(RecvTimeoutError::Disconnected) if input.holds_nothing() => return,
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(INPUT_STEP),
            }
        }
    };
    std::thread::Builder::new().name("lines".to_owned()).spawn(read).map_err(failed)?;
    std::thread::Builder::new().name("input".to_owned()).spawn(press).map_err(failed)?;
    Ok(())
}
