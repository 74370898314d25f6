//! The layers: defaults, with files laid over them key by key. Every value knows its origin.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::de::{DeString, DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::check;
use super::nearest::nearest;
use super::repair::{line_of, repair};
use super::sections::Config;

/// What is shown instead of a value that nobody should see.
pub const SET: &str = "(set)";

/// The keys whose values are secret, by their full names.
const SECRET: [(&str, &str); 1] = [("ride", "key")];

/// A configuration has a few kilobytes; anything larger is something else.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.line)
    }
}

/// Something that is wrong with a file. The box goes on without that value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub file: PathBuf,
    /// The line, from 1; `None` if the file as a whole is meant.
    pub line: Option<usize>,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {}", self.file.display(), self.message),
            None => write!(formatter, "{}: {}", self.file.display(), self.message),
        }
    }
}

/// The effective configuration, and where it comes from.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    config: Config,
    origins: HashMap<String, Origin>,
    problems: Vec<Problem>,
    files: Vec<PathBuf>,
}

impl Layers {
    /// Returns the effective configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns what is wrong with the files, in the order of files and lines.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the files that were read, the lowest layer first.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns where the value of a key such as `volume.step_percent` comes from; `None` if it is
    /// the default.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// Returns the effective values as a table of sections, in the order of the sample file. A
    /// secret that is set is [`SET`].
    pub fn values(&self) -> Table {
        let mut table = to_table(&self.config);
        for (section, key) in SECRET {
            let value = table.get_mut(section).and_then(|keys| keys.get_mut(key));
            if let Some(value) = value.filter(|value| value.as_str() != Some("")) {
                *value = Value::String(SET.to_owned());
            }
        }
        table
    }

    /// Lays a file over the values so far. It is not a problem if the file does not exist.
    pub fn read(&mut self, file: &Path) {
        match read_text(file) {
            Ok(bytes) => self.lay(file, &bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.problem(file, None, format!("cannot be read: {error}")),
        }
    }

    /// Lays a file that the user named over the values so far. It is a problem if it does not
    /// exist.
    pub fn read_named(&mut self, file: &Path) {
        match file.exists() {
            true => self.read(file),
            false => self.problem(file, None, "there is no such file".to_owned()),
        }
    }

    /// Lays the contents of a file over the values so far.
    pub fn lay(&mut self, file: &Path, contents: &[u8]) {
        self.files.push(file.to_owned());
        let before = self.config.clone();
        let lines = contents.split(|byte| *byte == b'\n').enumerate().map(|(index, line)| {
            std::str::from_utf8(line).unwrap_or_else(|_| {
                self.problem(
                    file,
                    Some(index + 1),
                    "this is not UTF-8 and is ignored; save the file as UTF-8".to_owned(),
                );
                ""
            })
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        let (text, damages) = repair(&text);
        for damage in damages {
            self.problem(
                file,
                Some(damage.line),
                format!("this is not TOML and is ignored: {}; texts need quotes", damage.message),
            );
        }
        // It parses: `repair` takes out everything that does not.
        let table = DeTable::parse(&text).map(Spanned::into_inner).unwrap_or_default();
        for (section, keys) in &table {
            self.lay_section(file, &text, section, keys);
        }
        self.part_shared_pins(&before);
        self.problems.sort_by_key(|problem| (self.files.iter().position(|file| *file == problem.file), problem.line));
    }

    fn lay_section(&mut self, file: &Path, text: &str, section: &Spanned<DeString<'_>>, keys: &Spanned<DeValue<'_>>) {
        let known = self.values();
        let line = line_of(text, section.span().start);
        let name: &str = section.get_ref();
        let (Some(Value::Table(known_keys)), DeValue::Table(keys)) = (known.get(name), keys.get_ref()) else {
            let message = match (known.get(name), section_with(&known, name)) {
                (Some(_), _) => format!("{name} is a section; write [{name}] and its keys below"),
                (None, Some(home)) => format!("{name} belongs in [{home}]; it is ignored here"),
                (None, None) => {
                    let hint = match nearest(name, known.keys().map(String::as_str)) {
                        Some(name) => format!("did you mean [{name}]?"),
                        None => format!(
                            "the sections are {}",
                            known.keys().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ")
                        ),
                    };
                    format!("there is no section [{name}]; it is ignored; {hint}")
                }
            };
            return self.problem(file, Some(line), message);
        };
        for (key, value) in keys {
            let line = line_of(text, key.span().start);
            let key: &str = key.get_ref();
            if known_keys.contains_key(key) {
                self.lay_value(file, line, name, key, value.get_ref());
                continue;
            }
            let hint = match (section_with(&known, key), nearest(key, known_keys.keys().map(String::as_str))) {
                (Some(home), _) => format!("it belongs in [{home}]"),
                (None, Some(key)) => format!("did you mean {key}?"),
                (None, None) => {
                    format!("the keys are {}", known_keys.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
                }
            };
            self.problem(file, Some(line), format!("there is no key {key} in [{name}]; it is ignored; {hint}"));
        }
    }

    /// Lays one value. It is tried in a whole configuration, so it must have the right type and be
    /// within its range.
    fn lay_value(&mut self, file: &Path, line: usize, section: &str, key: &str, value: &DeValue<'_>) {
        let mut table = to_table(&self.config);
        if let (Some(Value::Table(keys)), Some(value)) = (table.get_mut(section), plain(value)) {
            keys.insert(key.to_owned(), value);
        }
        let choices = || self.choices(section, key);
        let tried = table.try_into::<Config>().map_err(|error| match error.message() {
            message if message.contains("unit variant") => choices(),
            message => in_plain_words(message),
        });
        let tried = tried.and_then(|config| match check::out_of_range(&config) {
            Some(words) => Err(words),
            None => Ok(config),
        });
        match tried {
            Ok(config) if plain(value).is_some() => {
                self.config = config;
                self.origins.insert(format!("{section}.{key}"), Origin { file: file.to_owned(), line });
            }
            Ok(_) => self.problem(file, Some(line), format!("{key}: this is not a value; it is ignored")),
            Err(words) => {
                let present = self.values().get(section).and_then(|keys| keys.get(key)).map(Value::to_string);
                let present = present.unwrap_or_default();
                self.problem(file, Some(line), format!("{key}: {words}; {present} stays in effect"));
            }
        }
    }

    /// Says which texts a key that takes one of several can have.
    fn choices(&self, section: &str, key: &str) -> String {
        let mut table = self.values();
        if let Some(Value::Table(keys)) = table.get_mut(section) {
            keys.insert(key.to_owned(), Value::String(String::new()));
        }
        let error = table.try_into::<Config>().err();
        let message = error.as_ref().map_or("", |error| error.message().trim());
        match message.split_once("expected ") {
            Some((_, choices)) => format!("write {choices}, in quotes").replace('`', ""),
            None => "write a text in quotes".to_owned(),
        }
    }

    /// Resolves pins that are used twice: the pins that this file names go back to their values
    /// before it.
    fn part_shared_pins(&mut self, before: &Config) {
        while let Some([one, other]) = check::shared_pin(&self.config) {
            // At least one of the two is from this file, as all pins differed before it.
            let newest = self.files.last().cloned().unwrap_or_default();
            let mine: Vec<_> = [one, other]
                .into_iter()
                .filter(|key| self.origins.get(*key).is_some_and(|origin| origin.file == newest))
                .collect();
            let line = mine.last().and_then(|key| self.origins.get(*key)).map(|origin| origin.line);
            self.problem(
                &newest,
                line,
                format!("{one} and {other} are the same pin; all pins of this file are ignored"),
            );
            self.config.board = super::Board {
                kind: self.config.board.kind,
                hat: self.config.board.hat,
                backend: self.config.board.backend,
                led: self.config.board.led,
                tones: self.config.board.tones,
                ..before.board.clone()
            };
            self.config.time.sqw_gpio = before.time.sqw_gpio;
            self.origins.retain(|key, origin| !(key.ends_with("_gpio") && origin.file == newest));
            if mine.is_empty() {
                break;
            }
        }
    }

    fn problem(&mut self, file: &Path, line: Option<usize>, message: String) {
        self.problems.push(Problem { file: file.to_owned(), line, message });
    }
}

fn read_text(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Replaces Rust's names of types by words for people who write a configuration.
fn in_plain_words(message: &str) -> String {
    let types = [
        ("u8", "a whole number from 0 to 255"),
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0"),
        ("i64", "a whole number"),
    ];
    let types = types.into_iter().chain([("f64", "a number"), ("a sequence", "a list in [ ]")]);
    types.fold(message.trim().to_owned(), |message, (name, words)| {
        message.replace(&format!("expected {name}"), &format!("expected {words}"))
    })
}

/// Returns the configuration as a table. Every value has a form in TOML, which a test ensures.
fn to_table(config: &Config) -> Table {
    Table::try_from(config).unwrap_or_default()
}

fn section_with<'a>(known: &'a Table, key: &str) -> Option<&'a str> {
    let has = |keys: &Value| keys.as_table().is_some_and(|keys| keys.contains_key(key));
    known.iter().find(|(_, keys)| has(keys)).map(|(section, _)| section.as_str())
}

/// Returns a value without its position in the text; `None` for a table. An instant becomes a text,
/// so that it may be written with or without quotes.
fn plain(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => Value::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(instant) => Value::String(instant.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| plain(item.get_ref())).collect::<Option<_>>()?),
        DeValue::Table(_) => return None,
    })
}

#[cfg(test)]
mod tests;
