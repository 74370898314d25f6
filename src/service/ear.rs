//! Hears the recordings of a sound check that phones upload: one at a time, from a file without a
//! name, on a thread that gets only what nobody else needs of the processor and the disk.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jaudiosync_hw::priority::{ask_for_idle, give_back_memory};
use sha2::{Digest, Sha256};

use super::handler::ControlHandler;
use crate::control::protocol::{APPLIED_BEFORE, LatencyChange};
use crate::control::{Command, Handler, Status};
use crate::digest;
use crate::listen::analysis::Known;
use crate::listen::findings::{Doubt, Findings, ListenError, Offset};
use crate::listen::recording::{Recording, RecordingError};
use crate::listen::report::{reason, sureness};
use crate::listen::{AnalyseError, hear};
use crate::page::recordings::{Heard, HeardBox, HeardBoxes, IsSet, Recordings, Setting, Upload};
use crate::panics;

/// The longest recording that is heard, in s. While it is, it takes 0.3 MB of memory for every second
/// and 20 MB (100 MB at 384 kHz), so at most some 110 MB beside the music.
const LONGEST_S: u64 = 5 * 60;

/// How long that may take. A small Pi needs half a second for every second.
const MOST_TIME: Duration = Duration::from_secs(15 * 60);

/// What is said of a box that is heard where no other one is.
const NO_OTHER: &str = "it is heard, and no other box that it could be compared with";

/// Hears recordings.
pub(super) struct Ear {
    latest: Latest,
    handler: Arc<ControlHandler>,
}

/// The latest recording, shared with the thread that hears it.
#[derive(Clone)]
struct Latest(Arc<Mutex<Stage>>);

/// How far it has come.
enum Stage {
    Nothing,
    Receiving,
    Hearing { percent: Option<u8> },
    Heard(HeardRecording),
    Failed { kind: &'static str, words: String },
}

struct HeardRecording {
    /// By this the boxes know it again; `listen --apply` has the same for the same file.
    measurement: u64,
    duration_s: Option<f64>,
    rows: Vec<Row>,
}

struct Row {
    number: u8,
    /// `Err(None)` where no other box is heard.
    result: Result<Offset, Option<Doubt>>,
    is_set: bool,
}

impl Latest {
    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, kind: &'static str, words: impl Into<String>) {
        *self.lock() = Stage::Failed { kind, words: words.into() };
    }
}

impl Ear {
    /// Makes one that sets boxes by this handler.
    pub(super) fn new(handler: Arc<ControlHandler>) -> Self {
        Self { latest: Latest(Arc::new(Mutex::new(Stage::Nothing))), handler }
    }

    /// Returns the offset that is to be set, and by which recording.
    fn wanted(&self, wanted: &Setting) -> Result<(Offset, u64), String> {
        let stage = self.latest.lock();
        let Stage::Heard(heard) = &*stage else { return Err("there is no recording; send it again".to_owned()) };
        if digits(heard.measurement) != wanted.recording {
            return Err("another recording has come since; look at what it says".to_owned());
        }
        let row = heard.rows.iter().find(|row| row.number == wanted.number);
        match row.map(|row| row.result) {
            Some(Ok(offset)) if offset.is_worth_setting() => Ok((offset, heard.measurement)),
            Some(Ok(_)) => Err("the box stays as it is: it is not late for certain".to_owned()),
            _ => Err(format!("the recording says nothing of box {}", wanted.number)),
        }
    }

    fn note_set(&self, measurement: u64, number: u8) {
        if let Stage::Heard(heard) = &mut *self.latest.lock()
            && heard.measurement == measurement
        {
            heard.rows.iter_mut().filter(|row| row.number == number).for_each(|row| row.is_set = true);
        }
    }
}

impl Recordings for Ear {
    fn begin(&self) -> Result<Box<dyn Upload>, String> {
        let mut stage = self.latest.lock();
        if matches!(*stage, Stage::Receiving | Stage::Hearing { .. }) {
            return Err("another recording is being heard; try again when it is done".to_owned());
        }
        // It has no name, so that nothing is left of it however this ends, a power cut included.
        let file = tempfile::tempfile().map_err(|error| format!("the box has no room for the recording: {error}"))?;
        *stage = Stage::Receiving;
        Ok(Box::new(Received { file: Some(file), hash: Sha256::new(), bytes: 0, latest: self.latest.clone() }))
    }

    fn heard(&self) -> Heard {
        let status = self.handler.status();
        match &*self.latest.lock() {
            Stage::Nothing => Heard::Nothing,
            Stage::Receiving => Heard::Receiving,
            Stage::Hearing { percent } => Heard::Hearing { percent: *percent },
            Stage::Failed { kind, words } => Heard::Failed { kind, words: words.clone() },
            Stage::Heard(heard) => Heard::Boxes(HeardBoxes {
                recording: digits(heard.measurement),
                duration_s: heard.duration_s,
                boxes: heard.rows.iter().map(|row| shown(row, &status)).collect(),
            }),
        }
    }

    fn set(&self, wanted: &Setting) -> Result<IsSet, String> {
        let (offset, measurement) = self.wanted(wanted)?;
        let is_own = self.handler.status().play.box_number == Some(wanted.number);
        let number = Some(wanted.number).filter(|_| !is_own);
        let change = LatencyChange { by_us: offset.change_us(), measurement, number };
        let answer = self.handler.handle(Command::OutputLatency(change)).into_message();
        let words = answer.map_err(|failure| failure.message)?;
        self.note_set(measurement, wanted.number);
        Ok(if words.contains(APPLIED_BEFORE) { IsSet::Before } else { IsSet::Set })
    }
}

/// A recording that comes in. Dropped before its end, it is forgotten.
struct Received {
    file: Option<File>,
    hash: Sha256,
    bytes: u64,
    latest: Latest,
}

impl Upload for Received {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.as_ref().map_or(Ok(()), |mut file| file.write_all(bytes))
    }

    fn finish(mut self: Box<Self>) {
        let Some(file) = self.file.take() else { return };
        let measurement = digest::first_number(&self.hash.clone().finalize());
        let (latest, kilobytes) = (self.latest.clone(), self.bytes / 1000);
        *latest.lock() = Stage::Hearing { percent: None };
        let work = move || hear_and_note(file, measurement, kilobytes, &latest);
        if let Err(error) = thread::Builder::new().name("ear".to_owned()).spawn(work) {
            self.latest.fail("machine", format!("no thread can be started: {error}"));
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if self.file.is_some() {
            self.latest.fail("cut_off", "the recording was cut off; send it again");
        }
    }
}

fn hear_and_note(file: File, measurement: u64, kilobytes: u64, latest: &Latest) {
    ask_for_idle();
    let began = Instant::now();
    // A fault in here costs the recording alone.
    let heard = panics::catch(|| hear_file(file, latest, began));
    let took_s = began.elapsed().as_secs_f64();
    let (stage, words) = match heard {
        Ok(Ok(findings)) => {
            let rows: Vec<Row> = findings
                .boxes
                .iter()
                .map(|found| Row { number: found.number.get(), result: found.result.map_err(Some), is_set: false })
                .collect();
            let words = format!("{} boxes are heard", rows.len());
            (Stage::Heard(HeardRecording { measurement, duration_s: Some(findings.duration_s), rows }), words)
        }
        Ok(Err(AnalyseError::Nothing(ListenError::TooFewBoxes { boxes }))) if !boxes.is_empty() => {
            let row = |number: u8, result| Row { number, result, is_set: false };
            let rows: Vec<Row> = boxes.iter().map(|(number, doubt)| row(number.get(), Err(*doubt))).collect();
            let words = "there are no two boxes to compare".to_owned();
            (Stage::Heard(HeardRecording { measurement, duration_s: None, rows }), words)
        }
        Ok(Err(error)) => (Stage::Failed { kind: kind(&error), words: error.to_string() }, error.to_string()),
        Err(panic) => (Stage::Failed { kind: "machine", words: panic.to_string() }, panic.to_string()),
    };
    give_back_memory();
    log::info!("a recording of {kilobytes} kB was heard in {took_s:.1} s: {words}");
    *latest.lock() = stage;
}

fn hear_file(mut file: File, latest: &Latest, began: Instant) -> Result<Findings, AnalyseError> {
    file.rewind().map_err(RecordingError::from)?;
    // The format is found by what is in it.
    let recording = Recording::read_from(file, Path::new(""), LONGEST_S)?;
    let carry_on = |part: Option<f64>| {
        *latest.lock() = Stage::Hearing { percent: part.map(|part| (part * 100.0) as u8) };
        began.elapsed() < MOST_TIME
    };
    hear(recording, None, &Known::default(), carry_on).map(|(findings, _)| findings)
}

/// Returns the word by which the page knows an error. Of what it does not know it shows the words.
fn kind(error: &AnalyseError) -> &'static str {
    match error {
        AnalyseError::Recording(error) => match error {
            RecordingError::Io(_) => "unreadable",
            RecordingError::NoBytes
            | RecordingError::NotSound(_)
            | RecordingError::OtherFormat(_)
            | RecordingError::UnknownFormat => "format",
            RecordingError::OtherCodec(_) | RecordingError::UnknownCodec => "codec",
            RecordingError::CutOff => "cut_off",
            RecordingError::Rate(_) => "rate",
            RecordingError::TooLong(_) => "too_long",
            RecordingError::NoSoundTrack | RecordingError::Empty => "empty",
            RecordingError::Damaged(_) => "unreadable",
        },
        AnalyseError::Nothing(error) => match error {
            ListenError::NoSweeps | ListenError::Quiet { .. } => "no_sweeps",
            ListenError::Silent => "empty",
            ListenError::NoSchedule { .. } => "no_schedule",
            ListenError::TooShort | ListenError::Short { .. } => "too_short",
            ListenError::Lost => "lost",
            ListenError::NotConnected => "not_connected",
            ListenError::TooFewBoxes { .. } | ListenError::NoReference(_) => "too_few",
            ListenError::Stopped => "too_slow",
        },
        AnalyseError::CutOff { .. } => "cut_off",
        AnalyseError::Stopped => "too_slow",
    }
}

/// Returns the word by which the page knows a doubt.
fn doubt_kind(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::TwoBoxes => "two_boxes",
        Doubt::TooLate => "too_late",
        Doubt::HeardOnce => "heard_once",
        Doubt::Disturbed => "disturbed",
        Doubt::Unclear => "unclear",
    }
}

fn shown(row: &Row, status: &Status) -> HeardBox {
    let offset = row.result.ok();
    HeardBox {
        number: row.number,
        name: name(row.number, status),
        offset_ms: offset.map(|offset| offset.ms),
        plus_minus_ms: offset.map(|offset| offset.plus_minus_ms),
        sure: offset.map(sureness),
        no_answer: row.result.err().map(|doubt| doubt.map_or("alone", doubt_kind)),
        words: row.result.err().map(|doubt| doubt.map_or(NO_OTHER, reason)),
        worth: offset.is_some_and(Offset::is_worth_setting),
        is_set: row.is_set,
    }
}

/// Returns the names of the boxes that have a number; `None` if there is none.
fn name(number: u8, status: &Status) -> Option<String> {
    let ride = status.ride.as_ref()?;
    let own = Some(ride.name.as_str()).filter(|_| status.play.box_number == Some(number));
    let others = ride.neighbours.iter().filter(|other| other.box_number == Some(number));
    let names: Vec<&str> = own.into_iter().chain(others.map(|other| other.name.as_str())).collect();
    Some(names.join(", ")).filter(|names| !names.is_empty())
}

fn digits(measurement: u64) -> String {
    format!("{measurement:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::assets;
    use crate::sound_check::schedule::BoxNumber;

    #[test]
    fn the_page_has_its_own_words_for_every_reason_in_both_languages() {
        let script = assets::text("/page.js");
        let doubts = [Doubt::TwoBoxes, Doubt::TooLate, Doubt::HeardOnce, Doubt::Disturbed, Doubt::Unclear];
        for doubt in doubts.map(doubt_kind).into_iter().chain(["alone"]) {
            assert!(script.contains(&format!("{doubt}: [0, \"")), "{doubt}");
        }
        let number = BoxNumber::new(1).unwrap();
        let recordings = [
            RecordingError::Io(io::Error::other("x")),
            RecordingError::NoBytes,
            RecordingError::NotSound("text"),
            RecordingError::OtherFormat("an AMR file"),
            RecordingError::UnknownFormat,
            RecordingError::CutOff,
            RecordingError::OtherCodec("Opus"),
            RecordingError::UnknownCodec,
            RecordingError::NoSoundTrack,
            RecordingError::Rate(1),
            RecordingError::TooLong(LONGEST_S),
            RecordingError::Empty,
            RecordingError::Damaged(String::new()),
        ];
        let nothing = [
            ListenError::NoSweeps,
            ListenError::Silent,
            ListenError::Quiet { peak_db: -70.0 },
            ListenError::Short { duration_s: 3.0 },
            ListenError::NoSchedule { turns: 1, strays: 2 },
            ListenError::TooShort,
            ListenError::Lost,
            ListenError::NotConnected,
            ListenError::TooFewBoxes { boxes: Vec::new() },
            ListenError::NoReference(number),
            ListenError::Stopped,
        ];
        let errors = recordings.into_iter().map(AnalyseError::from).chain(nothing.into_iter().map(AnalyseError::from));
        let kinds = errors.map(|error| kind(&error)).chain(["machine", "cut_off"]);
        for kind in kinds {
            assert!(script.contains(&format!("{kind}: [\"")), "{kind}");
        }
    }
}
