//! The types of `[playlist]` that are more than a text.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// More than this many folders are a mistake: every one is looked at.
const MAX_FOLDERS: usize = 16;

/// Where the package mounts USB sticks; `packaging/usb-stick` has the same.
pub const STICKS: &str = "/run/jaudiosync-stick";

/// The folders where music may be, in the order in which they are looked at: at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrMany", into = "OneOrMany")]
pub struct Folders(Vec<PathBuf>);

/// As a file writes them.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "write a folder in quotes, or several in [ ]")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Folders {
    /// Makes them of a list; `None` if it is empty, or longer than a configuration may have it.
    pub fn new(folders: Vec<PathBuf>) -> Option<Self> {
        (1..=MAX_FOLDERS).contains(&folders.len()).then_some(Self(folders))
    }

    /// Returns them, at least one.
    pub fn all(&self) -> &[PathBuf] {
        &self.0
    }
}

impl From<PathBuf> for Folders {
    fn from(folder: PathBuf) -> Self {
        Self(vec![folder])
    }
}

impl fmt::Display for Folders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folders: Vec<String> = self.0.iter().map(|folder| folder.display().to_string()).collect();
        formatter.write_str(&folders.join(", "))
    }
}

impl TryFrom<OneOrMany> for Folders {
    type Error = String;

    fn try_from(written: OneOrMany) -> Result<Self, String> {
        let folders = match written {
            OneOrMany::One(folder) => vec![folder],
            OneOrMany::Many(folders) => folders,
        };
        if folders.iter().any(String::is_empty) {
            return Err("it must not be empty".to_owned());
        }
        let count = folders.len();
        Self::new(folders.into_iter().map(PathBuf::from).collect())
            .ok_or_else(|| format!("{count} folders cannot be looked at; name 1 to {MAX_FOLDERS}"))
    }
}

impl From<Folders> for OneOrMany {
    fn from(folders: Folders) -> Self {
        let mut texts: Vec<String> =
            folders.0.into_iter().map(|folder| folder.to_string_lossy().into_owned()).collect();
        match texts.len() {
            1 => Self::One(texts.swap_remove(0)),
            _ => Self::Many(texts),
        }
    }
}

/// Whether USB sticks count, and where they are mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "SwitchOrPlace", into = "SwitchOrPlace")]
pub enum Sticks {
    /// They do not.
    #[default]
    Off,
    /// The package mounts them.
    Mounted,
    /// Something else mounts them below this folder.
    Below(PathBuf),
}

/// As a file writes it.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "write true or false, or in quotes the folder below which sticks are mounted")]
enum SwitchOrPlace {
    Switch(bool),
    Place(String),
}

impl Sticks {
    /// Returns the folder below which each folder is a stick; `None` if they do not count.
    pub fn place(&self) -> Option<&Path> {
        match self {
            Self::Off => None,
            Self::Mounted => Some(Path::new(STICKS)),
            Self::Below(place) => Some(place),
        }
    }
}

impl TryFrom<SwitchOrPlace> for Sticks {
    type Error = String;

    fn try_from(written: SwitchOrPlace) -> Result<Self, String> {
        match written {
            SwitchOrPlace::Switch(false) => Ok(Self::Off),
            SwitchOrPlace::Switch(true) => Ok(Self::Mounted),
            SwitchOrPlace::Place(place) if Path::new(&place).is_absolute() => Ok(Self::Below(place.into())),
            SwitchOrPlace::Place(_) => Err("write true, false or an absolute path".to_owned()),
        }
    }
}

impl From<Sticks> for SwitchOrPlace {
    fn from(sticks: Sticks) -> Self {
        match sticks {
            Sticks::Off => Self::Switch(false),
            Sticks::Mounted => Self::Switch(true),
            Sticks::Below(place) => Self::Place(place.to_string_lossy().into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use toml::Value;

    use super::*;

    fn read_as<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        let table: toml::Table = format!("key = {text}").parse().unwrap();
        table["key"].clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }

    fn read(text: &str) -> Result<Folders, String> {
        read_as(text)
    }

    #[test]
    fn sticks_are_off_or_mounted_by_the_package_or_by_something_else() {
        for (text, place) in [("false", None), ("true", Some(STICKS)), ("\"/media/me\"", Some("/media/me"))] {
            let sticks: Sticks = read_as(text).unwrap();
            assert_eq!(sticks.place(), place.map(Path::new));
            assert_eq!(Value::try_from(sticks).unwrap().to_string(), text);
        }
        assert!(read_as::<Sticks>("\"yes\"").unwrap_err().contains("absolute"));
        assert!(read_as::<Sticks>("1").unwrap_err().contains("true or false"));
    }

    #[test]
    fn one_folder_is_a_text_and_several_are_a_list() {
        for text in ["\"/srv/Music\"", "[\"/boot/firmware/Music\", \"/srv/Music\"]"] {
            assert_eq!(Value::try_from(read(text).unwrap()).unwrap().to_string(), text);
        }
        assert_eq!(read("[\"/srv/Music\"]"), read("\"/srv/Music\""));
        assert_eq!(read("[\"/a\", \"/b\"]").unwrap().to_string(), "/a, /b");
    }

    #[test]
    fn what_names_no_folder_is_refused_in_words() {
        for (text, words) in [
            ("\"\"", "empty"),
            ("[\"/a\", \"\"]", "empty"),
            ("[]", "1 to 16"),
            ("7", "in quotes"),
            ("[\"/a\", 7]", "in quotes"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(read(&format!("[{}]", "\"/a\", ".repeat(17))).unwrap_err().contains("17 folders"));
    }
}
