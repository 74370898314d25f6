//! What an examination has found.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// It works, but not as well as it could, or not for ever.
    Warning,
    /// It keeps the box from playing, or from playing in sync.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, such as `clock`.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What there is.
    pub text: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn good(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, level: Level::Good, text: text.into(), advice: None }
    }

    /// Something could be better.
    pub fn warning(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, text: text.into(), advice: Some(advice.into()) }
    }

    /// Something is in the way.
    pub fn problem(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Problem, text: text.into(), advice: Some(advice.into()) }
    }
}
