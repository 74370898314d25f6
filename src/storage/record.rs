//! Records: small values, saved as JSON with a version and a checksum.
//!
//! A record is written whole or not at all, so a power cut leaves the old one or the new one. Only
//! the SD card can still damage it: the damaged file is then put aside, once, and its owner goes on
//! with a default. There is no older copy beside it: that would double the writes that wear out the
//! card, and every record has a safe default.

use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::digest::short_hex;

/// A record has a few hundred bytes; anything larger is something else.
const MAX_BYTES: u64 = 64 * 1024;

/// A value that can be saved as a record.
pub trait Persistent: Serialize + DeserializeOwned {
    /// The name of its file in the state folder.
    const FILE: &'static str;
    /// The version of its format, from 1.
    const VERSION: u32;

    /// Reads data that an earlier program saved, in another version or, if `version` is none,
    /// without an envelope. Returns `None` if it cannot be read.
    fn from_earlier(version: Option<u32>, data: &[u8]) -> Option<Self> {
        let _ = (version, data);
        None
    }
}

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is damaged, or of an unknown version.
    #[error("{path} is damaged and cannot be used; {}", aside(.put_aside.as_deref()))]
    Damaged {
        path: PathBuf,
        /// Where it is now; `None` if it could not be put aside.
        put_aside: Option<PathBuf>,
    },
    /// The file cannot be read or written. What was saved before is still there.
    #[error("{path}: {error}; {}", advice(.error))]
    Io {
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "its folder is a file: remove that",
        _ => "check that the disk is neither full nor read-only",
    }
}

fn aside(put_aside: Option<&Path>) -> String {
    match put_aside {
        Some(path) => format!("it was put aside as {}", path.display()),
        None => "it could not be put aside".to_owned(),
    }
}

/// Whether a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was written.
    Yes,
    /// The disk holds the same already.
    Unchanged,
}

/// The file of one kind of record.
#[derive(Debug, Clone)]
pub struct Record<T> {
    path: PathBuf,
    kind: PhantomData<fn() -> T>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    version: u32,
    checksum: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<T: Persistent> Record<T> {
    /// Returns the record in a state folder. Reads nothing.
    pub fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(T::FILE), kind: PhantomData }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the saved value; `None` if nothing was saved.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged. A damaged one is put aside, so the error comes
    /// only once.
    pub fn read(&self) -> Result<Option<T>, RecordError> {
        let Some(bytes) = self.bytes().map_err(|error| self.io_error(error))? else { return Ok(None) };
        decode(&bytes).map(Some).ok_or_else(|| {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".damaged");
            let put_aside = std::fs::rename(&self.path, &aside).is_ok().then(|| PathBuf::from(aside));
            RecordError::Damaged { path: self.path.clone(), put_aside }
        })
    }

    /// Saves a value, and creates the folder if necessary. Writes nothing if the disk already holds
    /// the same value.
    ///
    /// # Errors
    /// If it cannot be written; the value saved before stays.
    pub fn write(&self, value: &T) -> Result<Written, RecordError> {
        let write = || {
            let bytes = encode(value)?;
            if self.bytes().is_ok_and(|before| before.as_ref() == Some(&bytes)) {
                return Ok(Written::Unchanged);
            }
            std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
            super::write_atomically(&self.path, &bytes)?;
            Ok(Written::Yes)
        };
        write().map_err(|error| self.io_error(error))
    }

    /// Removes the saved value, if there is one.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn forget(&self) -> Result<(), RecordError> {
        let remove = || {
            std::fs::remove_file(&self.path)?;
            std::fs::File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        match remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io_error(error)),
            _ => Ok(()),
        }
    }

    fn bytes(&self) -> io::Result<Option<Vec<u8>>> {
        use std::io::Read;
        let mut bytes = Vec::new();
        match super::open_file(&self.path) {
            Ok(file) => file.take(MAX_BYTES).read_to_end(&mut bytes).map(|_| Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn io_error(&self, error: io::Error) -> RecordError {
        RecordError::Io { path: self.path.clone(), error }
    }
}

fn encode<T: Persistent>(value: &T) -> io::Result<Vec<u8>> {
    let data = serde_json::value::to_raw_value(value)?;
    let checksum = checksum(T::VERSION, data.get());
    let mut bytes = serde_json::to_vec(&Envelope { version: T::VERSION, checksum, data: &data })?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn decode<T: Persistent>(bytes: &[u8]) -> Option<T> {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(bytes) else { return T::from_earlier(None, bytes) };
    let data = envelope.data.get();
    if envelope.checksum != checksum(envelope.version, data) {
        return None;
    }
    match envelope.version {
        version if version == T::VERSION => serde_json::from_str(data).ok(),
        version => T::from_earlier(Some(version), data.as_bytes()),
    }
}

/// Returns the checksum over the version and the exact bytes of the data.
fn checksum(version: u32, data: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(version.to_le_bytes());
    hash.update(data.as_bytes());
    short_hex(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Sample {
        number: i64,
        share: f64,
        text: String,
    }

    impl Persistent for Sample {
        const FILE: &'static str = "sample.json";
        const VERSION: u32 = 2;

        fn from_earlier(version: Option<u32>, data: &[u8]) -> Option<Self> {
            let number = serde_json::from_slice(data).ok()?;
            (version == Some(1)).then_some(Self { number, share: 0.0, text: String::new() })
        }
    }

    fn sample() -> Sample {
        Sample { number: -3, share: 0.1, text: "Tail Lights \u{1F6B2}".to_owned() }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::write(&state, "").unwrap();
        let record = Record::<Sample>::in_folder(&state);
        let said = [record.read().unwrap_err(), record.write(&sample()).unwrap_err()];
        assert!(said.iter().all(|error| error.to_string().ends_with("its folder is a file: remove that")), "{said:?}");
    }

    #[test]
    fn a_saved_value_comes_back_and_can_be_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::<Sample>::in_folder(&folder.path().join("not yet there"));
        assert_eq!(record.read().unwrap(), None);
        assert_eq!(record.write(&sample()).unwrap(), Written::Yes);
        assert_eq!(record.read().unwrap(), Some(sample()));
        record.forget().unwrap();
        record.forget().unwrap();
        assert_eq!(record.read().unwrap(), None);
    }

    #[test]
    fn the_same_value_is_not_written_again() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let record = Record::in_folder(folder.path());
        record.write(&sample()).unwrap();
        let inode = std::fs::metadata(record.path()).unwrap().ino();
        assert_eq!(record.write(&sample()).unwrap(), Written::Unchanged);
        assert_eq!(std::fs::metadata(record.path()).unwrap().ino(), inode);
        assert_eq!(record.write(&Sample { number: 4, ..sample() }).unwrap(), Written::Yes);
    }

    #[test]
    fn a_damaged_file_is_put_aside_and_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::<Sample>::in_folder(folder.path());
        std::fs::write(record.path(), b"\0\0\0\0").unwrap();
        let error = record.read().unwrap_err();
        assert!(error.to_string().contains("put aside as"), "{error}");
        assert_eq!(names(folder.path()), ["sample.json.damaged"]);
        assert_eq!(record.read().unwrap(), None);
    }

    #[test]
    fn an_earlier_version_is_understood_and_a_later_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::<Sample>::in_folder(folder.path());
        for (version, readable) in [(1, true), (3, false)] {
            let checksum = checksum(version, "7");
            let file = format!("{{\"version\": {version}, \"checksum\": \"{checksum}\", \"data\": 7}}");
            std::fs::write(record.path(), file).unwrap();
            assert_eq!(record.read().is_ok_and(|found| found.is_some_and(|found| found.number == 7)), readable);
        }
    }

    proptest! {
        #[test]
        fn no_changed_byte_goes_unnoticed(number: i64, share in -1e9..1e9_f64, text: String, at: prop::sample::Index, change in 1_u8..) {
            let saved = Sample { number, share, text };
            let mut bytes = encode(&saved).unwrap();
            prop_assert_eq!(decode::<Sample>(&bytes).unwrap().text, saved.text.clone());
            // Only white space follows the data, and may become other white space.
            let at = at.index(bytes.len() - 1);
            bytes[at] ^= change;
            let decoded = decode::<Sample>(&bytes);
            prop_assert!(decoded.is_none_or(|decoded| decoded.number == saved.number && decoded.text == saved.text));
        }
    }
}
