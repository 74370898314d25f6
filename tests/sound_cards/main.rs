//! The sink for ALSA on cards with the traits and the illnesses of real ones, in virtual time.
//!
//! `timing` is how well it is known when a frame is heard, `recovery` how soon the player is heard
//! again after a card fell ill.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/place_tone.rs"]
mod place_tone;
mod recovery;
#[path = "../support/scripted_card.rs"]
mod scripted_card;
mod timing;
#[path = "../support/virtual_loader.rs"]
mod virtual_loader;
