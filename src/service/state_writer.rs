//! Writes the state that a box needs after a power cut: on a thread of its own, as an SD card may
//! be slow.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jaudiosync_time::Span;

use crate::appliance;
use crate::playlist::playlist_name;
use crate::storage::{
    MeasuredLatency, Persistent, Position, Record, RecordError, Run, Session, Volume, remove_leftovers,
};
use crate::timekeeping::clock_module::{self, SharedModule};
use crate::worker::Task;

/// The pause before a failed write is tried again: a full disk may get room, a card may be made
/// writable.
const RETRY: Duration = Duration::from_secs(5);

/// The pause while there is nothing to write.
const NOTHING: Duration = Duration::from_secs(3600);

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteCommand {
    /// This session; `None` deletes the one that is saved.
    Session(Option<Session>),
    /// This position.
    Position(Position),
    /// This volume.
    Volume(Volume),
    /// This output latency.
    Latency(MeasuredLatency),
    /// The number of the run, after everything that was found newer elsewhere.
    Run(Run),
}

/// What the last run saved, and what was wrong with it.
#[derive(Debug, Default)]
pub struct Restored {
    /// The session that ran.
    pub session: Option<Session>,
    /// Where playing was stopped.
    pub position: Option<Position>,
    /// The volume.
    pub volume: Option<Volume>,
    /// How late the box sounds, as measured.
    pub latency: Option<MeasuredLatency>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
}

/// Where trouble with the disk is reported: what is wrong, or `None` when all is well again.
pub type ReportTrouble = Box<dyn Fn(Option<String>) + Send>;

/// Writes what it is given, and tries again until it is written.
pub struct StateWriter {
    folder: Option<PathBuf>,
    report: ReportTrouble,
    session: Option<Option<Session>>,
    position: Option<Position>,
    volume: Option<Volume>,
    latency: Option<MeasuredLatency>,
    run: Option<Run>,
    trouble: Option<String>,
    module: Option<Arc<SharedModule>>,
}

impl Restored {
    /// Reads the state folder. A damaged file is put aside.
    pub fn read(folder: Option<&Path>) -> Self {
        let mut restored = Self::default();
        let Some(folder) = folder else { return restored };
        if let Err(error) = remove_leftovers(folder) {
            restored.problems.push(format!("{}: {error}", folder.display()));
            return restored;
        }
        restored.session = restored.record(folder);
        restored.position = restored.record(folder);
        restored.volume = restored.record(folder);
        restored.latency = restored.record(folder);
        restored
    }

    fn record<T: Persistent>(&mut self, folder: &Path) -> Option<T> {
        Record::in_folder(folder).read().unwrap_or_else(|error| {
            self.problems.push(error.to_string());
            None
        })
    }

    /// Takes over what the clock module holds if that is newer, and returns what is to be written
    /// to the state folder then.
    pub fn take_over(&mut self, module: clock_module::Restored) -> Vec<WriteCommand> {
        let mut writes = Vec::new();
        if module.is_newer {
            self.session = module.session;
            writes.push(WriteCommand::Session(self.session.clone()));
            self.volume = module.volume.or(self.volume);
            writes.extend(self.volume.map(WriteCommand::Volume));
        }
        writes.push(WriteCommand::Run(Run { number: module.run }));
        writes
    }

    /// Returns what the appliance needs of it, given the playlist's name: what was saved of another
    /// playlist means nothing.
    pub fn for_appliance(&self, playlist: &str, remembers_volume: bool) -> appliance::SavedState {
        let name = playlist_name(playlist);
        let session = self.session.as_ref().filter(|session| session.playlist == name);
        let position = self.position.as_ref().filter(|position| position.playlist == name);
        appliance::SavedState {
            session: session.map(|session| appliance::Session {
                anchor_utc_s: session.anchor_utc_s,
                first_track: session.first_track,
                repeats: session.repeats,
            }),
            position: position.map(|position| appliance::SavedPosition {
                track: position.track,
                offset: Span::from_seconds_f64(position.offset_s.max(0.0)),
            }),
            volume_percent: self.volume.filter(|_| remembers_volume).map(|volume| volume.percent),
        }
    }
}

impl StateWriter {
    /// Makes a writer to this folder; without one nothing is saved, and that is reported.
    pub fn new(folder: Option<PathBuf>, report: ReportTrouble) -> Self {
        Self {
            folder,
            report,
            session: None,
            position: None,
            volume: None,
            latency: None,
            run: None,
            trouble: None,
            module: None,
        }
    }

    /// Saves session and volume on the clock module, too.
    pub fn and_in(mut self, module: Arc<SharedModule>) -> Self {
        self.module = Some(module);
        self
    }

    fn has_something(&self) -> bool {
        self.session.is_some()
            || self.position.is_some()
            || self.volume.is_some()
            || self.latency.is_some()
            || self.run.is_some()
    }

    fn write(&mut self) -> Result<(), String> {
        let Some(folder) = &self.folder else {
            return Err("there is no folder for the state: set STATE_DIRECTORY, XDG_STATE_HOME or HOME".to_owned());
        };
        let session = Record::<Session>::in_folder(folder);
        // The session first: a power cut would lose it.
        done(&mut self.session, |wanted| match wanted {
            Some(wanted) => session.write(wanted).map(|_| ()),
            None => session.forget(),
        })?;
        done(&mut self.position, |position| Record::in_folder(folder).write(position).map(|_| ()))?;
        done(&mut self.volume, |volume| Record::in_folder(folder).write(volume).map(|_| ()))?;
        done(&mut self.latency, |latency| Record::in_folder(folder).write(latency).map(|_| ()))?;
        // After all that it stands for: from now on this folder is the newer one.
        done(&mut self.run, |run| Record::in_folder(folder).write(run).map(|_| ()))
    }
}

/// Writes what is wanted, and clears it once it is written.
fn done<T>(wanted: &mut Option<T>, write: impl FnOnce(&T) -> Result<(), RecordError>) -> Result<(), String> {
    if let Some(value) = wanted {
        write(value).map_err(|error| error.to_string())?;
        *wanted = None;
    }
    Ok(())
}

impl Task for StateWriter {
    type Command = WriteCommand;

    fn command(&mut self, command: WriteCommand) {
        if let Some(module) = &self.module {
            match &command {
                WriteCommand::Session(session) => module.save_session(session.clone()),
                WriteCommand::Volume(volume) => module.save_volume(*volume),
                WriteCommand::Position(_) | WriteCommand::Latency(_) | WriteCommand::Run(_) => {}
            }
        }
        match command {
            WriteCommand::Session(session) => self.session = Some(session),
            WriteCommand::Position(position) => self.position = Some(position),
            WriteCommand::Volume(volume) => self.volume = Some(volume),
            WriteCommand::Latency(latency) => self.latency = Some(latency),
            WriteCommand::Run(run) => self.run = Some(run),
        }
    }

    fn step(&mut self) -> Duration {
        if !self.has_something() {
            return NOTHING;
        }
        let trouble = self.write().err();
        if trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            (self.report)(trouble);
        }
        if self.has_something() { RETRY } else { NOTHING }
    }

    /// What cannot be written even now is lost; that was reported.
    fn end(&mut self) {
        self.step();
        (self.session, self.position, self.volume, self.latency, self.run) = (None, None, None, None, None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn session(anchor_utc_s: i64) -> Session {
        Session {
            anchor_utc_s,
            first_track: 1,
            repeats: true,
            playlist: "Playlist".to_owned(),
            fingerprint: "f".to_owned(),
            started_utc_s: 5,
        }
    }

    #[test]
    fn what_was_saved_comes_back_unless_it_is_another_playlists() {
        let folder = tempfile::tempdir().unwrap();
        let mut task = StateWriter::new(Some(folder.path().to_owned()), Box::new(|trouble| panic!("{trouble:?}")));
        task.command(WriteCommand::Session(Some(session(7))));
        task.command(WriteCommand::Volume(Volume { percent: 35 }));
        task.command(WriteCommand::Position(Position { playlist: "Playlist".into(), track: 2, offset_s: 1.5 }));
        assert_eq!(task.step(), NOTHING);
        let restored = Restored::read(Some(folder.path()));
        let saved = restored.for_appliance("Playlist.m3u8", true);
        assert_eq!(saved.session, Some(appliance::Session { anchor_utc_s: 7, first_track: 1, repeats: true }));
        assert_eq!(saved.position, Some(appliance::SavedPosition { track: 2, offset: Span::from_ms(1_500) }));
        assert_eq!(saved.volume_percent, Some(35));
        let other = restored.for_appliance("Other", false);
        assert_eq!(other, appliance::SavedState::default());
        task.command(WriteCommand::Session(None));
        task.step();
        assert!(Restored::read(Some(folder.path())).session.is_none());
    }

    #[test]
    fn what_the_clock_module_knows_later_replaces_what_the_folder_says_there_too() {
        let folder = tempfile::tempdir().unwrap();
        let module = Arc::new(SharedModule::new(3));
        let mut task = StateWriter::new(Some(folder.path().to_owned()), Box::new(|trouble| panic!("{trouble:?}")))
            .and_in(Arc::clone(&module));
        task.command(WriteCommand::Session(Some(session(7))));
        task.command(WriteCommand::Volume(Volume { percent: 35 }));
        task.step();
        let found = |is_newer, session, percent: Option<u8>| clock_module::Restored {
            run: 9,
            is_newer,
            session,
            volume: percent.map(|percent| Volume { percent }),
        };
        let mut restored = Restored::read(Some(folder.path()));
        for write in restored.take_over(found(false, Some(session(1)), Some(1))) {
            task.command(write);
        }
        task.step();
        let restored_again = Restored::read(Some(folder.path()));
        assert_eq!((restored.session.clone(), restored.volume), (restored_again.session, restored_again.volume));
        assert_eq!((restored.session, restored.volume), (Some(session(7)), Some(Volume { percent: 35 })));
        let run = Record::<Run>::in_folder(folder.path());
        assert_eq!(run.read().unwrap(), Some(Run { number: 9 }));
        // It was stopped in a later run: that session must not come back either.
        let mut restored = Restored::read(Some(folder.path()));
        for write in restored.take_over(found(true, None, None)) {
            task.command(write);
        }
        task.step();
        assert_eq!((restored.session, restored.volume), (None, Some(Volume { percent: 35 })));
        assert_eq!(Restored::read(Some(folder.path())).session, None);
    }

    #[test]
    fn what_cannot_be_written_is_reported_once_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        // A file where the folder should be.
        std::fs::write(&state, "").unwrap();
        let (sender, reported) = mpsc::channel();
        let mut task = StateWriter::new(Some(state.clone()), Box::new(move |trouble| sender.send(trouble).unwrap()));
        task.command(WriteCommand::Session(Some(session(1))));
        assert_eq!(task.step(), RETRY);
        task.command(WriteCommand::Session(Some(session(2))));
        // A power cut may come soon after there is room again.
        assert!(task.step() <= Duration::from_secs(5));
        std::fs::remove_file(&state).unwrap();
        assert_eq!(task.step(), NOTHING);
        let reported: Vec<Option<String>> = reported.try_iter().collect();
        assert_eq!(reported.len(), 2, "{reported:?}");
        assert!(reported[0].as_ref().is_some_and(|words| words.contains("session.json")) && reported[1].is_none());
        assert_eq!(Restored::read(Some(&state)).session, Some(session(2)));
    }

    #[test]
    fn without_a_folder_it_reports_that_and_ends() {
        let (sender, reported) = mpsc::channel();
        let mut task = StateWriter::new(None, Box::new(move |trouble| sender.send(trouble).unwrap()));
        task.command(WriteCommand::Volume(Volume { percent: 1 }));
        task.step();
        assert!(reported.try_recv().unwrap().unwrap().contains("STATE_DIRECTORY"));
        task.end();
        assert!(task.has_ended());
    }
}
