//! The ALSA mixer against amixer, on a private sound server: each shows what the other sets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jaudiosync_hw::mixer::{AlsaMixer, Mixer, MixerError};
use jaudiosync_measure::{Sink, VirtualCard};

/// Set where the test runs in a process whose ALSA is that of the virtual card.
const INSIDE: &str = "JAUDIOSYNC_TEST_MIXER_INSIDE";

#[test]
fn percents_mute_and_names_are_those_of_amixer() {
    if std::env::var_os(INSIDE).is_some() {
        return compare_with_amixer();
    }
    let card = VirtualCard::start().unwrap();
    // ALSA reads its configuration from the environment, which can be set safely only for a new
    // process.
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "percents_mute_and_names_are_those_of_amixer", "--nocapture"])
        .env(INSIDE, "1")
        .envs(card.env(Sink::Both))
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

fn compare_with_amixer() {
    let mut mixer = AlsaMixer::open(None, None).unwrap().unwrap();
    assert_eq!(mixer.name(), "Master of default");
    for percent in (0..=100).step_by(5).chain([1, 33, 49, 51, 99]) {
        mixer.set_volume_percent(percent).unwrap();
        let set_here = amixer(&["get", "Master"]);
        assert!(set_here.contains(&format!("[{percent}%]")), "{percent}: {set_here}");
        amixer(&["set", "Master", "17%"]);
        wait_until_it_shows(&mut mixer, 17);
        let set_by_amixer = amixer(&["set", "Master", &format!("{percent}%")]);
        assert_eq!(raw_values(&set_here), raw_values(&set_by_amixer), "{percent} %: the very same step");
    }
    assert!(amixer(&["set", "Master", "mute"]).contains("[off]"));
    mixer.set_volume_percent(40).unwrap();
    let unmuted = amixer(&["get", "Master"]);
    assert!(unmuted.contains("[40%] [on]") && !unmuted.contains("[off]"), "{unmuted}");

    let error = AlsaMixer::open(None, Some("Bass")).err().unwrap();
    let existing = vec!["Master".to_owned()];
    assert_eq!(error, MixerError::NoControl { card: "default".to_owned(), wanted: "Bass".to_owned(), existing });
    let error = AlsaMixer::open(Some("no such card"), None).err().unwrap();
    assert!(matches!(error, MixerError::NoCard { .. }), "{error}");
}

/// Waits until what another program has set is seen. The sound server reports it when it gets to
/// it; a card's driver at once.
fn wait_until_it_shows(mixer: &mut AlsaMixer, percent: u8) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while mixer.volume_percent().unwrap() != percent {
        assert!(Instant::now() < deadline, "{percent} % was never seen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn amixer(arguments: &[&str]) -> String {
    let output = Command::new("amixer").args(arguments).output().expect("amixer is needed (package alsa-utils)");
    assert!(output.status.success(), "amixer {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the channels' values in amixer's output.
fn raw_values(printed: &str) -> Vec<&str> {
    printed.lines().filter_map(|line| line.split_once(": Playback ")?.1.split_once(" [")).map(|(raw, _)| raw).collect()
}
