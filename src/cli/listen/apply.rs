//! `listen --apply`: sets what was heard on the boxes, this one and those of its ride.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::super::service_options::ServiceOptions;
use super::super::{Failure, output};
use super::files::in_file;
use super::input::Input;
use super::show::is_worth_it;
use crate::control::protocol::{APPLIED_BEFORE, LatencyChange};
use crate::control::{Command, Status};
use crate::listen::findings::Offset;
use crate::sound_check::schedule::BoxNumber;

/// What was done about a box.
#[derive(Debug, Serialize)]
pub(super) struct Applied {
    number: u8,
    /// By how much its output latency was changed, in ms; 0 if it stays as it is, `None` if it
    /// could not be changed.
    by_ms: Option<f64>,
    /// What came of it, in words.
    message: String,
    /// Whether the box was asked, and did not do it.
    #[serde(skip)]
    has_failed: bool,
}

/// Sets the box on which this runs, by its service, and others by the ride's messages.
pub(super) fn apply(
    service: &ServiceOptions,
    inputs: &[Input],
    together: &BTreeMap<BoxNumber, Offset>,
) -> Result<Vec<Applied>, Failure> {
    let status = status(service)?;
    let own = status.play.box_number.and_then(BoxNumber::new);
    let measurement = measurement(inputs)?;
    let mut applied = Vec::new();
    for (number, offset) in together {
        applied.push(match own == Some(*number) {
            _ if !is_worth_it(*offset) => Applied {
                number: number.get(),
                by_ms: Some(0.0),
                message: "stays as it is: it is not further off than that is uncertain".to_owned(),
                has_failed: false,
            },
            true => set(service, *number, None, *offset, measurement),
            false if is_neighbour(&status, *number) => set(service, *number, Some(number.get()), *offset, measurement),
            false => Applied {
                number: number.get(),
                by_ms: None,
                message: "not set: it is not a neighbour of this box; copy the recording to it, and run the same there"
                    .to_owned(),
                has_failed: false,
            },
        });
    }
    Ok(applied)
}

fn status(service: &ServiceOptions) -> Result<Status, Failure> {
    let mut client = service.connect()?;
    let response = client.request(&crate::control::Request::Status { watch: false })?;
    response.into_status()?.ok_or_else(|| Failure::Other("the service gave no status".to_owned()))
}

/// Sets a box; `other` is its number if it is not the one on which this runs.
fn set(service: &ServiceOptions, number: BoxNumber, other: Option<u8>, offset: Offset, measurement: u64) -> Applied {
    let by_us = (offset.ms * 1e3).round() as i32;
    let change = LatencyChange { by_us, measurement, number: other };
    let answer = service.ask(Command::OutputLatency(change)).and_then(|response| Ok(response.into_message()?));
    let (by_ms, message) = match answer {
        Ok(message) if message.contains(APPLIED_BEFORE) => (Some(0.0), message),
        Ok(message) => (Some(f64::from(by_us) / 1e3), message),
        Err(failure) => (None, format!("not set: {failure}")),
    };
    Applied { number: number.get(), by_ms, message, has_failed: by_ms.is_none() }
}

fn is_neighbour(status: &Status, number: BoxNumber) -> bool {
    let neighbours = status.ride.iter().flat_map(|ride| &ride.neighbours);
    neighbours.into_iter().any(|one| one.box_number == Some(number.get()))
}

/// Returns the number by which boxes know these recordings again, in whatever order they are given.
fn measurement(inputs: &[Input]) -> Result<u64, Failure> {
    let mut digests = Vec::new();
    for input in inputs {
        let mut hash = Sha256::new();
        hash_bytes(input, &mut hash).map_err(|error| in_file(&input.name, &error))?;
        digests.push(hash.finalize());
    }
    digests.sort();
    digests.dedup();
    let digest = match &digests[..] {
        [one] => *one,
        _ => digests.iter().fold(Sha256::new(), |hash, digest| hash.chain_update(digest)).finalize(),
    };
    let first: [u8; 8] = std::array::from_fn(|index| digest[index]);
    Ok(u64::from_le_bytes(first))
}

fn hash_bytes(input: &Input, hash: &mut Sha256) -> io::Result<()> {
    let mut bytes = input.bytes()?;
    let mut buffer = [0; 65_536];
    loop {
        match bytes.read(&mut buffer)? {
            0 => return Ok(()),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// Prints what was done.
pub(super) fn show(applied: &[Applied]) {
    for Applied { number, message, .. } in applied {
        output::say(format_args!("box {number}: {message}"));
    }
}

/// Fails if a box did not do it, or if there is none in reach.
pub(super) fn check(applied: &[Applied]) -> Result<(), Failure> {
    let numbers = |is_meant: fn(&&Applied) -> bool| -> Vec<String> {
        applied.iter().filter(is_meant).map(|one| format!("box {}", one.number)).collect()
    };
    let (failed, missing) = (numbers(|one| one.has_failed), numbers(|one| one.by_ms.is_none()));
    if failed.is_empty() && (missing.is_empty() || missing.len() < applied.len()) {
        return Ok(());
    }
    Err(Failure::Other(format!("not set: {}", missing.join(", "))))
}
