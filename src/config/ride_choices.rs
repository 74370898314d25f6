//! The types of `[ride]` that are more than a number or a text.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::sections::Ride;
use crate::ride_key::RideKey;

/// The longest name of a box, in bytes of UTF-8.
const MAX_NAME_BYTES: usize = 32;

/// A file with a key has one line.
const MAX_KEY_FILE_BYTES: u64 = 1024;

/// An optional key: an empty text means none. What `Debug` shows does not give it away.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OptionalKey(pub Option<RideKey>);

impl TryFrom<String> for OptionalKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(Self(None)),
            text => text.parse().map(|key| Self(Some(key))).map_err(|error| format!("{error}, or \"\" for none")),
        }
    }
}

impl From<OptionalKey> for String {
    fn from(key: OptionalKey) -> Self {
        key.0.map(|key| key.to_string()).unwrap_or_default()
    }
}

/// What a box is called: at most 32 bytes of UTF-8 without control characters; empty for the host
/// name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RideName(String);

impl TryFrom<String> for RideName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = text.trim();
        if name.len() > MAX_NAME_BYTES {
            let bytes = name.len();
            return Err(format!("a name of {bytes} bytes is too long; write at most {MAX_NAME_BYTES} bytes of UTF-8"));
        }
        if name.contains(char::is_control) {
            return Err("a name has no control characters; write letters and digits".to_owned());
        }
        Ok(Self(name.to_owned()))
    }
}

impl From<RideName> for String {
    fn from(name: RideName) -> Self {
        name.0
    }
}

impl RideName {
    /// Returns the name, or else the host name, cut to what a name may have; `"?"` on a machine
    /// without one.
    pub fn or_host_name(&self) -> String {
        let host = || nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
        let name = if self.0.is_empty() { host() } else { self.0.clone() };
        let mut cut = String::new();
        for letter in name.chars().filter(|letter| !letter.is_control()) {
            if cut.len() + letter.len_utf8() > MAX_NAME_BYTES {
                break;
            }
            cut.push(letter);
        }
        if cut.is_empty() { "?".to_owned() } else { cut }
    }
}

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// `ride.key`.
    Configuration,
    /// The file of `ride.key_file`.
    File(PathBuf),
}

impl Ride {
    /// Returns the ride's key and where it is from: `key`, or the file of `key_file` if there is
    /// one; `None` without either.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or has no key in it. The words say what to do, and
    /// do not repeat what is in it.
    pub fn find_key(&self) -> Result<Option<(RideKey, KeyPlace)>, String> {
        if let Some(key) = &self.key.0 {
            return Ok(Some((key.clone(), KeyPlace::Configuration)));
        }
        let file = &self.key_file;
        let text = match read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let file = file.display();
                return Err(format!(
                    "{file} cannot be read: {error}; it must belong to the group of the service: sudo chgrp \
                     jaudiosync {file} && sudo chmod 640 {file}"
                ));
            }
            Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
        };
        // A comment may say what it is.
        let line = text.lines().map(str::trim).find(|line| !(line.is_empty() || line.starts_with('#')));
        match line.unwrap_or_default().parse() {
            Ok(key) => Ok(Some((key, KeyPlace::File(file.clone())))),
            Err(error) => Err(format!("{}: {error}", file.display())),
        }
    }
}

fn read(file: &std::path::Path) -> io::Result<String> {
    let file = File::open(file)?;
    // A pipe could make the box wait for ever.
    if !file.metadata()?.is_file() {
        return Err(Errno::EINVAL.into());
    }
    let mut text = String::new();
    file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_key_of_the_configuration_comes_before_that_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (RideKey::generate().unwrap(), RideKey::generate().unwrap());
        let mut ride = Ride { key_file: folder.path().join("ride.key"), ..Ride::default() };
        assert_eq!(ride.find_key(), Ok(None), "it need not exist");
        std::fs::write(&ride.key_file, format!("# of the ride\n\n  {one}\n")).unwrap();
        assert_eq!(ride.find_key(), Ok(Some((one, KeyPlace::File(ride.key_file.clone())))));
        ride.key = OptionalKey(Some(other.clone()));
        assert_eq!(ride.find_key(), Ok(Some((other, KeyPlace::Configuration))));
    }

    #[test]
    fn a_file_without_a_key_is_a_problem_that_does_not_repeat_it() {
        let folder = tempfile::tempdir().unwrap();
        let ride = Ride { key_file: folder.path().join("ride.key"), ..Ride::default() };
        for text in ["", "a3kd-aaaa", "\u{0}\n"] {
            std::fs::write(&ride.key_file, text).unwrap();
            let words = ride.find_key().unwrap_err();
            assert!(words.contains("ride.key: ") && words.contains("new-key") && !words.contains("a3kd"), "{words}");
        }
        std::fs::write(&ride.key_file, [0xFF; 2000]).unwrap();
        assert!(ride.find_key().unwrap_err().contains("cannot be read"));
        let folder = Ride { key_file: folder.path().to_owned(), ..Ride::default() };
        assert!(folder.find_key().unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn a_name_has_at_most_32_bytes() {
        let name = |text: &str| RideName::try_from(text.to_owned());
        assert_eq!(name(" Zoë's bike ").unwrap().or_host_name(), "Zoë's bike");
        assert!(name(&"é".repeat(17)).unwrap_err().contains("34 bytes"));
        assert!(name("a\u{1b}[2J").is_err());
        assert!(!name("").unwrap().or_host_name().is_empty());
    }

    proptest! {
        #[test]
        fn any_name_that_is_accepted_fits_into_a_message(text in "\\PC{0,40}") {
            if let Ok(name) = RideName::try_from(text) {
                prop_assert!(name.or_host_name().len() <= MAX_NAME_BYTES);
                prop_assert_eq!(RideName::try_from(String::from(name.clone())), Ok(name));
            }
        }
    }
}
