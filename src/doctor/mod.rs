//! The checks of `jaudiosync doctor`: what a rider can get wrong, and how to fix it.
//!
//! Every check examines one thing and returns [`Finding`]s. It reads the machine's files through
//! [`crate::host`]; what devices report is passed in by the caller that opened them. Nothing is
//! changed or printed here.

pub mod checks;
mod finding;

pub use finding::{Finding, Level};
