//! The number of the run, by which two places with state know which of them is older.

use serde::{Deserialize, Serialize};

use super::Persistent;

/// Which run of the service last had this state folder. Each run has a number greater than any that
/// it finds, here or in the memory on the clock module: so a folder that a read-only root has put
/// back, or a new SD card, is known by its smaller number, whatever the time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Run {
    /// From 1; 0 if there was none.
    pub number: u32,
}

impl Persistent for Run {
    const FILE: &'static str = "run.json";
    const VERSION: u32 = 1;
}
