//! The group: boxes that hear each other agree on one time. Pure.
//!
//! - [`election`] decides who leads, and by way of whom its time is followed.

pub mod election;
