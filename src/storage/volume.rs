//! The volume a box had.

use serde::{Deserialize, Serialize};

use super::Persistent;

/// The volume, as it was set last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// In percent, 0 to 100; whoever reads it clamps it to the maximum that holds now.
    pub percent: u8,
}

impl Persistent for Volume {
    const FILE: &'static str = "volume.json";
    const VERSION: u32 = 1;
}
