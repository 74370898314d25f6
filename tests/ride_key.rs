//! The key of a ride from outside: made, saved, never shown by accident.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::{Run, Sandbox};

/// A configuration whose key is in the sandbox.
fn with_key_file(sandbox: &Sandbox) -> std::path::PathBuf {
    let file = sandbox.path().join("etc/ride.key");
    let text = format!("[ride]\nkey_file = \"{}\"\n", file.display());
    fs::write(sandbox.path().join("box.toml"), text).unwrap();
    file
}

fn new_key(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.run(&[&["ride", "new-key", "--config", "box.toml"], arguments].concat())
}

#[test]
fn a_key_is_printed_alone_for_a_program() {
    let sandbox = Sandbox::new();
    let file = with_key_file(&sandbox);
    let run = new_key(&sandbox, &[]);
    let key = run.succeeds().stdout.trim();
    let groups: Vec<_> = key.split('-').collect();
    assert!(groups.len() == 8 && groups.iter().all(|group| group.len() == 4), "{key}");
    assert_eq!(run.stderr, "");
    assert!(!file.exists());
    assert_ne!(new_key(&sandbox, &[]).stdout, run.stdout);
}

#[test]
fn a_key_is_saved_for_the_service_alone_and_not_replaced_by_mistake() {
    let sandbox = Sandbox::new();
    let file = with_key_file(&sandbox);
    let run = new_key(&sandbox, &["--write"]);
    assert!(run.succeeds().stderr.contains("systemctl restart"), "{run:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), run.stdout);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o007, 0);
    let again = new_key(&sandbox, &["--write"]);
    again.fails(1, &["--replace"]);
    assert_eq!((fs::read_to_string(&file).unwrap(), &*again.stdout), (run.stdout.clone(), ""));
    let replaced = new_key(&sandbox, &["--write", "--replace"]);
    assert_ne!(replaced.succeeds().stdout, run.stdout);
    assert_eq!(fs::read_to_string(&file).unwrap(), replaced.stdout);
    new_key(&sandbox, &["--replace"]).fails(2, &["--write"]);
}

#[test]
fn a_key_for_a_laptop_is_in_a_file_that_its_owner_alone_can_read() {
    let sandbox = Sandbox::new();
    with_key_file(&sandbox);
    let run = new_key(&sandbox, &["--output", "laptop.key"]);
    assert_eq!(run.succeeds().stdout, "");
    let file = sandbox.path().join("laptop.key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let key = fs::read_to_string(&file).unwrap();
    assert!(key.trim().parse::<jaudiosync::ride_key::RideKey>().is_ok());
    new_key(&sandbox, &["--output", "laptop.key"]).fails(2, &["laptop.key is there already"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), key);
    new_key(&sandbox, &["--output", "other.key", "--write"]).fails(2, &["--write"]);
}

#[test]
fn a_key_in_the_configuration_comes_first_and_is_never_shown() {
    let sandbox = Sandbox::new();
    let file = with_key_file(&sandbox);
    let key = new_key(&sandbox, &[]).stdout.trim().to_owned();
    let config = sandbox.path().join("box.toml");
    fs::write(&config, format!("{}key = \"{key}\"\n", fs::read_to_string(&config).unwrap())).unwrap();
    let refused = new_key(&sandbox, &["--write", "--replace"]);
    refused.fails(1, &["box.toml:3"]);
    assert!(!file.exists());
    for arguments in [&["config", "--config", "box.toml"][..], &["config", "--config", "box.toml", "--json"]] {
        let run = sandbox.run(arguments);
        assert!(run.succeeds().stdout.contains("(set)"), "{run:?}");
        assert!(!run.stdout.contains(&key) && !run.stderr.contains(&key), "{run:?}");
    }
    // With a mistake in it, and without the quotes.
    let wrong = if key.starts_with('a') { key.replacen('a', "b", 1) } else { format!("a{}", &key[1..]) };
    for line in [format!("key = \"{wrong}\""), format!("key = {key}"), format!("key = [\"{key}\"]")] {
        fs::write(&config, format!("[ride]\n{line}\n")).unwrap();
        let run = sandbox.run(&["config", "--config", "box.toml", "--check"]);
        run.fails(1, &["box.toml:2"]);
        let secret = [&key, &wrong];
        assert!(secret.iter().all(|secret| !run.stderr.contains(*secret)), "{run:?}");
    }
}
