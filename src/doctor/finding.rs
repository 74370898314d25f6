//! The findings of checks.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// It works, but not as well as it could, or not for long.
    Warning,
    /// It keeps the box from playing, or from playing in sync.
    Problem,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked, such as `clock`.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub text: String,
    /// What to do about it; `None` if nothing is wrong.
    pub advice: Option<String>,
}

impl Finding {
    /// Makes a finding that all is well.
    pub fn good(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, level: Level::Good, text: text.into(), advice: None }
    }

    /// Makes a finding that something could be better.
    pub fn warning(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, text: text.into(), advice: Some(advice.into()) }
    }

    /// Makes a finding that something keeps the box from playing in sync.
    pub fn problem(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Problem, text: text.into(), advice: Some(advice.into()) }
    }
}
