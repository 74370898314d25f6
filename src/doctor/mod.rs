//! What a rider can get wrong, and what to do about it: `jaudiosync doctor`.
//!
//! Each check looks at one thing and returns [`Finding`]s. [`machine`] reads the files of `/proc`, `/sys` and the boot
//! partition below a root that tests put elsewhere; what devices tell is passed in by whoever has opened them. Nothing is
//! changed here, and nothing printed.

pub mod checks;
mod finding;
pub mod machine;

pub use finding::{Finding, Level};
