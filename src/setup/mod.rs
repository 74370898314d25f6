//! Setting up a box: from answers to the files to write. Pure: the present files come in as text,
//! and a plan goes out. Nothing is read, written or run here.
//!
//! - [`answers`] holds what an owner chooses, and checks it;
//! - [`config_edit`] changes keys of a configuration and leaves everything else as it is;
//! - [`boot_config`] does the same to the firmware's `config.txt`;
//! - [`pins`] compares the answers' pins with those of the HAT and the overlays;
//! - [`plan`] puts them together.

pub mod answers;
pub mod boot_config;
pub mod config_edit;
pub mod pins;
pub mod plan;
