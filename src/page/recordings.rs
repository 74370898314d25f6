//! Recordings of a sound check that a phone uploads: what the page may do with them, and what it
//! shows of what was heard. The service decides where they lie and how they are heard.

use std::io;

use serde::{Deserialize, Serialize};

/// The largest recording that is taken, in bytes: some minutes of WAV, or an hour of what phones
/// write.
pub const MOST_BYTES: u64 = 30_000_000;

/// Takes recordings, one at a time, and says what is heard in them. Called from several threads at
/// once.
pub trait Recordings: Send + Sync {
    /// Makes room for a recording.
    ///
    /// # Errors
    /// When another one is under way, or there is no room: why, in words.
    fn begin(&self) -> Result<Box<dyn Upload>, String>;

    /// Returns how far the latest recording has come.
    fn heard(&self) -> Heard;

    /// Sets the output latency of a box by what was heard, and returns what came of it. It may take
    /// some seconds: the caller waits.
    ///
    /// # Errors
    /// When it was not set: why, in words.
    fn set(&self, wanted: &Setting) -> Result<IsSet, String>;
}

/// A recording that is being uploaded. Dropping it before its end forgets it.
pub trait Upload: Send {
    /// Takes the bytes that follow. It may wait for a disk.
    ///
    /// # Errors
    /// When there is no room for them.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Begins to hear it: it is whole. Does not wait for the result.
    fn finish(self: Box<Self>);
}

/// How far a recording has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Heard {
    /// There is none.
    Nothing,
    /// It is being uploaded.
    Receiving,
    /// It is being read and heard.
    Hearing {
        /// How much of it was read, in percent; `None` if that is not known.
        percent: Option<u8>,
    },
    /// What was heard.
    Boxes(HeardBoxes),
    /// Nothing can be said.
    Failed {
        /// Why, as a word that the page has its own words for.
        kind: &'static str,
        /// Why, in words, and what to do.
        words: String,
    },
}

/// What was heard in a recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeardBoxes {
    /// The recording's number, in hexadecimal digits.
    pub recording: String,
    /// How long it is, in s; `None` if too little was heard to say anything.
    pub duration_s: Option<f64>,
    /// The boxes, by number.
    pub boxes: Vec<HeardBox>,
}

/// What was heard of a box.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeardBox {
    /// Its number in a sound check, 1 to 16.
    pub number: u8,
    /// Its name; `None` if no box of the ride that is heard has this number.
    pub name: Option<String>,
    /// By how much it is later than the box in the middle, in ms: its `output_latency_ms` has to grow
    /// by this. `None` if that cannot be said.
    pub offset_ms: Option<f64>,
    /// The truth is within this of it, in ms.
    pub plus_minus_ms: Option<f64>,
    /// How sure that is: `sure`, `fair` or `rough`.
    pub sure: Option<&'static str>,
    /// Why nothing is said, as a word that the page has its own words for.
    pub no_answer: Option<&'static str>,
    /// Why nothing is said, in words, and what to do.
    pub words: Option<&'static str>,
    /// Whether the offset is certain and large enough to set it.
    pub worth: bool,
    /// Whether it was set.
    pub is_set: bool,
}

/// The output latency of a box is to be set by what was heard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The number of the recording that the page shows: another one may have come since.
    pub recording: String,
    /// The box's number in a sound check.
    #[serde(rename = "box")]
    pub number: u8,
}

/// What came of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IsSet {
    /// It was set.
    Set,
    /// This recording counts already: nothing was changed.
    Before,
}

impl Setting {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| format!("this is no setting of a box: {error}"))
    }
}
