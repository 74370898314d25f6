//! The recordings that are named: files, and what comes through a pipe or from standard input.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::super::Failure;
use super::files::in_file;
use crate::listen::recording::{Recording, RecordingError};

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";
/// The most that is taken from a pipe, in bytes: half an hour at 96 kHz, in two channels of 32 bit.
const MOST_FROM_PIPE: u64 = 2 << 30;

/// A recording that was named.
pub(super) struct Input {
    /// As it was named.
    pub(super) name: PathBuf,
    /// The file itself, or the temporary one that holds what came through a pipe.
    file: File,
    /// Which file was named.
    identity: (u64, u64),
}

impl Input {
    /// Opens what was named. What cannot be read twice is kept in a temporary file that has no name: most
    /// phones write at the end of a recording what is in it.
    pub(super) fn open(name: &Path) -> Result<Self, Failure> {
        let failure = |error: io::Error| in_file(name, &error);
        let file = if name == Path::new(STANDARD_INPUT) {
            File::from(io::stdin().as_fd().try_clone_to_owned().map_err(failure)?)
        } else {
            File::open(name).map_err(failure)?
        };
        let metadata = file.metadata().map_err(failure)?;
        let kind = metadata.file_type();
        if file.is_terminal() {
            return Err(in_file(
                name,
                &"it is a terminal; send a recording into it, such as with `cat recording.m4a | jaudiosync listen -`",
            ));
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Err(in_file(name, &"it is a device, not a recording"));
        }
        if kind.is_dir() {
            return Err(failure(io::ErrorKind::IsADirectory.into()));
        }
        let is_pipe = !metadata.is_file();
        let file = if is_pipe { kept(file).map_err(|error| in_file(name, &error))? } else { file };
        Ok(Self { name: name.to_owned(), file, identity: identity(&metadata) })
    }

    /// Opens the recording in it, of which at most `longest_s` are read.
    pub(super) fn recording(&self, longest_s: u64) -> Result<Recording, RecordingError> {
        Recording::read_from(self.file.try_clone()?, &self.name, longest_s)
    }

    /// Returns its bytes from the beginning on. Only one reader may be used at a time.
    pub(super) fn bytes(&self) -> io::Result<impl Read> {
        let mut file = self.file.try_clone()?;
        io::Seek::rewind(&mut file)?;
        Ok(file)
    }
}

/// Refuses to write a picture over one of the recordings, by whatever name.
pub(super) fn check_picture(picture: &Path, inputs: &[Input]) -> Result<(), Failure> {
    let Ok(metadata) = fs::metadata(picture) else { return Ok(()) };
    match inputs.iter().find(|input| input.identity == identity(&metadata)) {
        Some(input) => Err(Failure::Usage(format!(
            "--svg {} would overwrite the recording {}; name another file for the picture",
            picture.display(),
            input.name.display()
        ))),
        None => Ok(()),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Returns a temporary file with everything that comes through a pipe.
fn kept(pipe: File) -> Result<File, String> {
    let cannot = |error: io::Error| {
        format!(
            "it comes through a pipe and cannot be kept in {}: {error}; save it as a file, and name that",
            std::env::temp_dir().display()
        )
    };
    let mut kept = tempfile::tempfile().map_err(cannot)?;
    let length = io::copy(&mut pipe.take(MOST_FROM_PIPE + 1), &mut kept).map_err(cannot)?;
    if length == 0 {
        return Err("nothing comes through the pipe; does the program before it say why?".to_owned());
    }
    if length > MOST_FROM_PIPE {
        return Err(format!(
            "more than {} GiB come through the pipe; save the recording as a file, and name that",
            MOST_FROM_PIPE >> 30
        ));
    }
    Ok(kept)
}
