//! Which boxes hear each other during a ride, and over what network.

use serde::{Deserialize, Serialize};

/// The network between the boxes. Without contacts they are alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Air {
    /// Who hears whom, and when.
    #[serde(rename = "contact", skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<ContactWindow>,
    /// Every box is in reach of the others for a time, out of it for another, and so on: each
    /// between so many and so many minutes, from the beginning of the ride on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wander_minutes: Option<[f64; 2]>,
    /// The shortest way from one box to another, in ms.
    pub base_delay_ms: f64,
    /// Mean of the random delay on top, in ms.
    pub jitter_ms: f64,
    /// The longest way, in ms.
    pub longest_ms: f64,
    /// The part of packets to one box that is lost, 0 to 1.
    pub loss: f64,
    /// The part of packets to all that one box does not receive, 0 to 1: nobody repeats them.
    pub broadcast_loss: f64,
    /// Whether what is sent to all reaches anybody: an access point that isolates its clients, or
    /// filters multicast, carries only what goes to one box. All boxes are configured to write to all
    /// others then.
    pub broadcasts: bool,
    /// An access point sends what is for all right after its beacons, this far apart, in ms.
    pub beacon_interval_ms: f64,
    /// Mean of what the kernel takes to stamp a packet that has come, in µs.
    pub stamp_us: f64,
    /// Standard deviation of what that differs by from box to box, in µs.
    pub stamp_sigma_us: f64,
}

/// A time in which boxes hear each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactWindow {
    /// From and to, in minutes since the beginning of the ride.
    pub minutes: [f64; 2],
    /// Which boxes, counted from 1; all without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<usize>,
    /// Those of them that hear nobody, though they are heard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deaf: Vec<usize>,
}

impl Air {
    /// Returns whether any two boxes ever hear each other.
    pub fn is_used(&self) -> bool {
        !self.contacts.is_empty() || self.wander_minutes.is_some()
    }
}

impl Default for Air {
    /// A phone's hotspot that is in use.
    fn default() -> Self {
        Self {
            contacts: Vec::new(),
            wander_minutes: None,
            base_delay_ms: 2.0,
            jitter_ms: 4.5,
            longest_ms: 20.0,
            loss: 0.05,
            broadcast_loss: 0.1,
            broadcasts: true,
            beacon_interval_ms: 102.4,
            stamp_us: 20.0,
            stamp_sigma_us: 15.0,
        }
    }
}
