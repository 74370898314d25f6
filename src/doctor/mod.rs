//! What a rider can get wrong, and what to do about it: `jaudiosync doctor`.
//!
//! Each check looks at one thing and returns [`Finding`]s. What the files of the machine show comes from [`crate::host`];
//! what devices report is passed in by whoever has opened them. Nothing is changed here, and nothing printed.

pub mod checks;
mod finding;

pub use finding::{Finding, Level};
