//! The questions about the other boxes of the ride, and where its key comes from.

use std::path::Path;

use dialoguer::Input;

use super::super::Failure;
use super::questions::{failed, network, select, text};
use crate::config::{Ride, RideName};
use crate::ride_key::RideKey;
use crate::setup::answers::Answers;
use crate::setup::ride::{KeyAnswer, KeyNow};
use crate::setup::ride_wifi::RideWifi;

/// Returns the key that there is.
pub(super) fn key_now(ride: &Ride) -> KeyNow {
    match ride.find_key() {
        Ok(None) => KeyNow::None,
        Ok(Some((key, _))) => KeyNow::Here(key),
        Err(_) => KeyNow::Unusable,
    }
}

/// Reads the answer of the command line.
pub(super) fn key_answer(option: &str) -> Result<KeyAnswer, String> {
    match option {
        "new" => new_key().map(KeyAnswer::New),
        "none" => Ok(KeyAnswer::None),
        file => {
            let path = Path::new(file);
            if !path.exists() {
                return Err(format!("--ride-key takes the name of a file, new or none; there is no file {file}"));
            }
            // As from `ride.key_file`, comments may be around it.
            let ride = Ride { key_file: path.to_owned(), ..Ride::default() };
            let (key, _) = ride.find_key()?.ok_or_else(|| format!("{file}: there is no key in it"))?;
            Ok(KeyAnswer::Given(key))
        }
    }
}

fn new_key() -> Result<RideKey, String> {
    RideKey::generate().map_err(|error| format!("the system has no randomness: {error}"))
}

/// Says what to do with a new key.
pub(super) fn what_next(key: &RideKey) -> String {
    format!(
        "The key of the ride: {key}\nGive it to the other boxes, and to nobody else: sudo jaudiosync setup on each, or \
         scripts/deploy --keep-package --ride-key KEY HOST...\nThe PIN for the boxes' page: {}; later: jaudiosync ride pin",
        key.pin()
    )
}

/// Asks for the ride's name, key and Wi-Fi, as far as the command line has not said.
pub(super) fn ask(answers: &mut Answers, now: &KeyNow) -> Result<(), Failure> {
    answers.ride_key = match &answers.ride_key {
        KeyAnswer::Unchanged => key(now)?,
        said => said.clone(),
    };
    let hears = match &answers.ride_key {
        KeyAnswer::Unchanged => *now != KeyNow::None,
        KeyAnswer::New(_) | KeyAnswer::Given(_) => true,
        KeyAnswer::None => false,
    };
    if !hears {
        return Ok(());
    }
    let question = "What other boxes call this one (empty: its name on the network)";
    answers.ride_name = text(question, &answers.ride_name, |name| RideName::try_from(name.to_owned()).map(drop))?;
    if answers.ride_wifi == RideWifi::Unchanged {
        answers.ride_wifi = wifi()?;
    }
    Ok(())
}

fn key(now: &KeyNow) -> Result<KeyAnswer, Failure> {
    let given = "paste the key of another box";
    // Replacing a key is for `ride new-key --write --replace`.
    let chosen = match now {
        KeyNow::None => {
            let items = ["none: hear no other box", "make a new key, for the other boxes too", given];
            select("The key that the boxes of a ride share", &items, 0)?
        }
        KeyNow::Here(_) | KeyNow::Unusable => {
            let present = if *now == KeyNow::Unusable { "leave the file, which has no usable key" } else { "keep it" };
            match select(
                "The key that the boxes of a ride share",
                &[present, given, "remove it: hear no other box"],
                0,
            )? {
                0 => return Ok(KeyAnswer::Unchanged),
                1 => 2,
                _ => return Ok(KeyAnswer::None),
            }
        }
    };
    match chosen {
        0 => Ok(KeyAnswer::Unchanged),
        1 => new_key().map(KeyAnswer::New).map_err(Failure::Other),
        _ => {
            let input = Input::<RideKey>::new().with_prompt("Its key: eight groups of four letters and digits");
            input.interact_text().map(KeyAnswer::Given).map_err(failed)
        }
    }
}

fn wifi() -> Result<RideWifi, Failure> {
    let items = [
        "no change",
        "this box opens it where it finds no network that it knows (one box of a ride does)",
        "this box joins the one that another box opens",
        "none: remove it",
    ];
    let opens = match select("A Wi-Fi of the ride's own", &items, 0)? {
        0 => return Ok(RideWifi::Unchanged),
        1 => true,
        2 => false,
        _ => return Ok(RideWifi::None),
    };
    Ok(match network("Its name (empty: no change)")? {
        None => RideWifi::Unchanged,
        Some(wifi) if opens => RideWifi::Opens(wifi),
        Some(wifi) => RideWifi::Joins(wifi),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_key_of_a_file_is_read_and_what_is_wrong_with_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ride.key");
        let key = RideKey::generate().unwrap();
        fs::write(&file, format!("# of the ride\n{key}\n")).unwrap();
        assert_eq!(key_answer(file.to_str().unwrap()), Ok(KeyAnswer::Given(key)));
        fs::write(&file, "nothing").unwrap();
        assert!(key_answer(file.to_str().unwrap()).unwrap_err().contains("not a ride's key"));
        assert!(key_answer("/nowhere/ride.key").unwrap_err().contains("new or none"));
        assert!(matches!(key_answer("new"), Ok(KeyAnswer::New(_))));
        assert_eq!(key_answer("none"), Ok(KeyAnswer::None));
    }
}
