//! Requests of the control socket that concern other boxes: they are sent as commands to the ride,
//! and the client's own thread waits for what comes of them.

use crate::control::protocol::{ErrorCode, Failure, LatencyChange};
use crate::control::{Command, Response};
use crate::ride::command::{Action, Commands, Outcome, Row, Targets};
use crate::sound_check::MINUTES;

/// Has the ride do what concerns other boxes; `None` for what concerns this box alone.
pub(super) fn handle<'a>(command: &Command, ride: impl FnOnce() -> Result<&'a Commands, Failure>) -> Option<Response> {
    let (action, numbers) = match command {
        Command::OutputLatency(LatencyChange { by_us, measurement, number: Some(number) }) => {
            (Action::OutputLatency { by_us: *by_us, measurement: *measurement }, Some(*number))
        }
        Command::SoundCheck { minutes, all: true } => {
            (Action::SoundCheck { minutes: minutes.unwrap_or(MINUTES) }, None)
        }
        _ => return None,
    };
    Some(ride().map_or_else(Response::from, |ride| send(action, numbers, ride)))
}

fn send(action: Action, number: Option<u8>, ride: &Commands) -> Response {
    let targets = match number {
        None => Targets::All,
        Some(number) => {
            let neighbours = ride.report().neighbours;
            let named: Vec<String> = neighbours
                .iter()
                .filter(|other| other.number.is_some_and(|numbered| numbered.number.get() == number))
                .map(|other| other.id.to_string())
                .collect();
            if named.len() != 1 {
                let words = match named.len() {
                    0 => format!("no box {number} is heard; see: jaudiosync ride"),
                    count => format!("{count} boxes have the number {number}; see: jaudiosync status"),
                };
                return Response::failed(ErrorCode::NotNow, words);
            }
            Targets::Named(named)
        }
    };
    match ride.send(action, targets) {
        // The last report is the whole table; the ride's thread ends it within 6 s.
        Ok(progress) => match progress.iter().last() {
            Some(progress) => said(&progress.rows),
            None => Response::failed(ErrorCode::Failed, "other boxes are not heard; see: journalctl -u jaudiosync"),
        },
        Err(error) => Response::failed(ErrorCode::NotNow, error.to_string()),
    }
}

fn said(rows: &[Row]) -> Response {
    let words = |row: &Row| {
        let outcome = match row.outcome {
            Some(Outcome::Done(_)) => "done".to_owned(),
            Some(Outcome::Refused(reason)) => reason.to_string(),
            Some(Outcome::NoAnswer) | None => "no answer".to_owned(),
        };
        format!("{}: {outcome}", row.name)
    };
    let words = rows.iter().map(words).collect::<Vec<_>>().join("; ");
    let is_done = rows.iter().all(|row| matches!(row.outcome, Some(Outcome::Done(_))));
    if is_done { Response::done(words) } else { Response::failed(ErrorCode::NotNow, words) }
}
