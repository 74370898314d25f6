//! Responses of the service.

use serde::{Deserialize, Serialize};

use super::VERSION;
use super::ride_command::{RideDifferences, RideProgress};
use super::status::Status;

/// The response to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The protocol's version.
    v: u32,
    ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    volume_percent: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    volume_db: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Box<Status>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ride: Option<RideProgress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ride_list: Option<RideDifferences>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what happened, and what to do about it.
    pub message: String,
}

impl Failure {
    /// Makes a failure with its message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The line is not a request.
    Malformed,
    /// The line is longer than a request may be.
    TooLong,
    /// The line was not complete in time.
    TooSlow,
    /// The client speaks another version of the protocol.
    Version,
    /// Too many clients at once; try again.
    Busy,
    /// The client may not control this box.
    Forbidden,
    /// A value is out of its range, or excludes another.
    Invalid,
    /// It cannot be done now, such as resuming when nothing was stopped.
    NotNow,
    /// The playlist cannot be loaded or played.
    Playlist,
    /// The service tried, and failed.
    Failed,
    /// A code from a later version.
    #[serde(other)]
    Other,
}

impl Response {
    const fn empty(ok: bool) -> Self {
        Self {
            v: VERSION,
            ok,
            message: None,
            volume_percent: None,
            volume_db: None,
            status: None,
            ride: None,
            ride_list: None,
            error: None,
        }
    }

    /// Makes the response to a command that was carried out; the message says what happens now.
    pub fn done(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::empty(true) }
    }

    /// Makes a response with the present volume: in percent, and in dB if that is known.
    pub fn volume(percent: u8, db: Option<f64>) -> Self {
        Self { volume_percent: Some(percent), volume_db: db, ..Self::empty(true) }
    }

    /// Makes a response with the status.
    pub fn status(status: Status) -> Self {
        Self { status: Some(Box::new(status)), ..Self::empty(true) }
    }

    /// Makes a response with the progress of a command to the ride.
    pub fn ride(progress: RideProgress) -> Self {
        Self { ride: Some(progress), ..Self::empty(true) }
    }

    /// Makes a response with what differs between two playlists.
    pub fn ride_list(differences: RideDifferences) -> Self {
        Self { ride_list: Some(differences), ..Self::empty(true) }
    }

    /// Makes the response to a request that was not carried out.
    pub fn failed(code: ErrorCode, message: impl Into<String>) -> Self {
        Failure::new(code, message).into()
    }

    /// Returns the message; empty if there is none.
    ///
    /// # Errors
    /// The failure, if the request was not carried out.
    pub fn into_message(self) -> Result<String, Failure> {
        self.checked().map(|response| response.message.unwrap_or_default())
    }

    /// Returns the volume, if the response has one: in percent, and in dB if that is known.
    ///
    /// # Errors
    /// The failure, if the request was not carried out.
    pub fn into_volume(self) -> Result<Option<(u8, Option<f64>)>, Failure> {
        self.checked().map(|response| Some((response.volume_percent?, response.volume_db)))
    }

    /// Returns the status, if the response has one.
    ///
    /// # Errors
    /// The failure, if the request was not carried out.
    pub fn into_status(self) -> Result<Option<Status>, Failure> {
        self.checked().map(|response| response.status.map(|status| *status))
    }

    /// Returns the progress of a command to the ride, if the response has it.
    ///
    /// # Errors
    /// The failure, if the request was not carried out.
    pub fn into_ride(self) -> Result<Option<RideProgress>, Failure> {
        self.checked().map(|response| response.ride)
    }

    /// Returns what differs between two playlists, if the response has it.
    ///
    /// # Errors
    /// The failure, if the request was not carried out.
    pub fn into_ride_list(self) -> Result<Option<RideDifferences>, Failure> {
        self.checked().map(|response| response.ride_list)
    }

    fn checked(self) -> Result<Self, Failure> {
        match self {
            Self { ok: true, .. } => Ok(self),
            Self { error: Some(failure), .. } => Err(failure),
            _ => Err(Failure::new(ErrorCode::Other, "the service gave no reason")),
        }
    }

    /// Returns the response's line, with its newline.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

impl From<Failure> for Response {
    fn from(failure: Failure) -> Self {
        Self { error: Some(failure), ..Self::empty(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_written_as_documented() {
        let documentation = include_str!("../mod.rs");
        let done = Response::done("begins with track 3 at 18:30:05").to_line();
        let failed = Response::failed(ErrorCode::Invalid, "the volume is 0 to 100 percent").to_line();
        for line in [done, failed] {
            assert!(documentation.contains(&format!("//! < {line}")), "{line}");
        }
    }

    #[test]
    fn a_response_of_a_later_version_is_still_understood() {
        let line = r#"{"v":1,"ok":false,"error":{"code":"rain","message":"wet"},"umbrella":true}"#;
        let response: Response = serde_json::from_str(line).unwrap();
        assert_eq!(response.into_message(), Err(Failure::new(ErrorCode::Other, "wet")));
    }

    #[test]
    fn a_status_comes_back_and_one_with_fewer_fields_too() {
        let status = Status { warnings: vec!["not in sync".to_owned()], ..Status::default() };
        let response: Response = serde_json::from_str(&Response::status(status.clone()).to_line()).unwrap();
        assert_eq!(response.into_status(), Ok(Some(status)));
        let little: Response = serde_json::from_str(r#"{"v":1,"ok":true,"status":{}}"#).unwrap();
        assert_eq!(little.into_status(), Ok(Some(Status::default())));
    }
}
