//! The ride's key: what an owner chooses, and the steps that follow. Pure.

use super::plan::Step;
use crate::config::Layers;
use crate::ride_key::RideKey;

/// What an owner chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyAnswer {
    /// What there is, or none.
    Unchanged,
    /// A new one that was made for this ride.
    New(RideKey),
    /// That of another box.
    Given(RideKey),
    /// None: other boxes are neither heard nor sent to.
    None,
}

/// The key that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyNow {
    /// None.
    None,
    /// One that can be used.
    Here(RideKey),
    /// A file that cannot be read, or has no key in it.
    Unusable,
}

/// Returns the steps that put the answer into effect.
///
/// # Errors
/// If it would have no effect, as the configuration has a key, or if a new key would replace one.
pub(super) fn key_steps(layers: &Layers, answer: &KeyAnswer, now: &KeyNow) -> Result<Vec<Step>, String> {
    let ride = &layers.config().ride;
    let path = ride.key_file.clone();
    let (key, is_new) = match (answer, now) {
        (KeyAnswer::Unchanged, _) | (KeyAnswer::None, KeyNow::None) => return Ok(Vec::new()),
        (KeyAnswer::Given(key), KeyNow::Here(here)) if key == here => return Ok(Vec::new()),
        (KeyAnswer::New(key), _) => (Some(key), true),
        (KeyAnswer::Given(key), _) => (Some(key), false),
        (KeyAnswer::None, _) => (None, false),
    };
    if ride.key.0.is_some() {
        let place = layers.origin("ride.key").map(|origin| format!(" ({origin})")).unwrap_or_default();
        return Err(format!(
            "nothing was changed: the configuration has a ride.key{place}, which comes before that of a file; remove \
             it there first"
        ));
    }
    // Even one that cannot be read: it may be the ride's, mistyped.
    if is_new && *now != KeyNow::None {
        return Err(format!(
            "nothing was changed: {} is there already; to replace it, on all boxes of the ride: sudo jaudiosync ride \
             new-key --write --replace",
            path.display()
        ));
    }
    Ok(vec![key.map_or_else(
        || Step::Remove { path: path.clone() },
        |key| Step::WriteKey { path: path.clone(), key: key.clone() },
    )])
}
