//! `listen --apply`: sets what was heard on the boxes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::super::service_options::ServiceOptions;
use super::super::{Failure, output};
use super::files::in_file;
use super::show::is_worth_it;
use crate::control::protocol::LatencyChange;
use crate::control::{Command, Status};
use crate::listen::findings::Offset;
use crate::sound_check::schedule::BoxNumber;

/// What was done about a box.
#[derive(Debug, Serialize)]
pub(super) struct Applied {
    number: u8,
    /// By how much its output latency was changed, in ms; 0 if it stays as it is, `None` if it could not be
    /// changed.
    by_ms: Option<f64>,
    /// What came of it, in words.
    message: String,
}

/// Sets the box on which this runs, by its service.
pub(super) fn apply(
    service: &ServiceOptions,
    files: &[PathBuf],
    together: &BTreeMap<BoxNumber, Offset>,
) -> Result<Vec<Applied>, Failure> {
    let status = status(service)?;
    let own = status.play.box_number.and_then(BoxNumber::new);
    let measurement = measurement(files)?;
    let mut applied = Vec::new();
    for (number, offset) in together {
        applied.push(match own == Some(*number) {
            _ if !is_worth_it(*offset) => Applied {
                number: number.get(),
                by_ms: Some(0.0),
                message: "as it is: it is not later than is certain".to_owned(),
            },
            true => set_own(service, *number, *offset, measurement)?,
            false => Applied { number: number.get(), by_ms: None, message: elsewhere(&status, *number) },
        });
    }
    if own.is_none_or(|own| !together.contains_key(&own)) {
        let own = own.map_or("no number".to_owned(), |own| format!("number {own}"));
        return Err(Failure::Other(format!(
            "this box has {own}, of which nothing is known from the recording: nothing is set; run this on a box \
             that is heard in it"
        )));
    }
    Ok(applied)
}

fn status(service: &ServiceOptions) -> Result<Status, Failure> {
    let mut client = service.connect()?;
    let response = client.request(&crate::control::Request::Status { watch: false })?;
    response.into_status()?.ok_or_else(|| Failure::Other("the service gave no status".to_owned()))
}

fn set_own(service: &ServiceOptions, number: BoxNumber, offset: Offset, measurement: u64) -> Result<Applied, Failure> {
    let by_us = (offset.ms * 1e3).round() as i32;
    let message = service.ask(Command::OutputLatency(LatencyChange { by_us, measurement }))?.into_message()?;
    Ok(Applied { number: number.get(), by_ms: Some(f64::from(by_us) / 1e3), message })
}

/// Returns what to do about a box that is not this one.
fn elsewhere(status: &Status, number: BoxNumber) -> String {
    let neighbours = status.ride.iter().flat_map(|ride| &ride.neighbours);
    let name = neighbours.filter(|one| one.box_number == Some(number.get())).map(|one| one.name.as_str()).next();
    match name {
        Some(name) => format!("not set: run the same on {name}"),
        None => "not set: run the same on that box".to_owned(),
    }
}

/// Returns the number by which boxes know a recording again.
fn measurement(files: &[PathBuf]) -> Result<u64, Failure> {
    let mut hash = Sha256::new();
    for file in files {
        hash_file(file, &mut hash).map_err(|error| in_file(file, &error))?;
    }
    let digest = hash.finalize();
    let first: [u8; 8] = std::array::from_fn(|index| digest[index]);
    Ok(u64::from_le_bytes(first))
}

fn hash_file(file: &Path, hash: &mut Sha256) -> io::Result<()> {
    let mut file = File::open(file)?;
    let mut buffer = [0; 65_536];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
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
