//! The checks, one file for each. They are pure except for reading files: what devices report is
//! passed in.

mod board;
mod clock;
mod configuration;
mod health;
mod music;
mod neighbours;
mod page;
mod pins;
mod ride;
mod service;
mod sound;
mod wifi;

pub use board::board;
pub use clock::{ClockSeen, clock, daemons};
pub use configuration::configuration;
pub use health::health;
pub use music::{music, sticks};
pub use neighbours::{neighbours, unused_key};
pub use page::{PageSeen, page};
pub use pins::{LeftOut, pins};
pub use ride::{KeySeen, OutSeen, RideSeen, ride};
pub use service::service;
pub use sound::{MixerSeen, SoundSeen, sound};
pub use wifi::{WifiSeen, power_save, wifi};
