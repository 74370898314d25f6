//! Setting up a box: from answers to the files to write. Pure: the present files come in as text,
//! and a plan goes out. Nothing is read, written or run here.
//!
//! - [`answers`] holds what an owner chooses, and checks it;
//! - [`config_edit`] changes keys of a configuration and leaves everything else as it is;
//! - [`boot_config`] does the same to the firmware's `config.txt`;
//! - [`pins`] compares the answers' pins with those of the HAT and the overlays;
//! - [`ride`] has the steps for the ride's key, and [`ride_wifi`] those for a Wi-Fi that one of its
//!   boxes opens;
//! - [`plan`] puts them together.

pub mod answers;
pub mod boot_config;
pub mod config_edit;
pub mod pins;
pub mod plan;
pub mod ride;
pub mod ride_wifi;
