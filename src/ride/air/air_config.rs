//! Where to send and hear, by the configuration.

use crate::config::{Ride, ServerAddress};

/// Where to send and hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AirConfig {
    /// The UDP port of all boxes; 0 for any, in tests.
    pub port: u16,
    /// Boxes that are addressed one by one as well, on `port` unless another is written.
    pub neighbours: Vec<ServerAddress>,
}

impl From<&Ride> for AirConfig {
    fn from(ride: &Ride) -> Self {
        Self { port: ride.port, neighbours: ride.neighbours.clone() }
    }
}
