//! Setting a box up: from answers to the files that are to be written. Pure: what there is comes in as text, what there shall
//! be goes out as a plan; nothing is read, written or run here.
//!
//! - [`answers`] is what an owner chooses, and what makes no sense;
//! - [`config_edit`] changes keys of a configuration and leaves everything else as it stands;
//! - [`boot_config`] does the same to the firmware's `config.txt`;
//! - [`plan`] puts them together.

pub mod answers;
pub mod boot_config;
pub mod config_edit;
pub mod plan;
