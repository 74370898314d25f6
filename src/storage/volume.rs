//! The last volume of a box.

use serde::{Deserialize, Serialize};

use super::Persistent;

/// The volume as last set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// In percent, 0 to 100. The reader clamps it to the present maximum.
    pub percent: u8,
}

impl Persistent for Volume {
    const FILE: &'static str = "volume.json";
    const VERSION: u32 = 1;
}
