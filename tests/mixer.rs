//! The ALSA mixer against amixer, each on what the other sets: on the mixers of real cards, which a
//! plugin of ALSA's library simulates, and on a private sound server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jaudiosync_hw::mixer::{AlsaMixer, Mixer, MixerError, db_from_percent};
use jaudiosync_measure::{Sink, VirtualCard};
use support::simulated_mixer::{
    self, BCM2835_PCM, PCM512X_AMPLIFIED, PCM512X_DIGITAL, PLAIN, SimulatedControl, SimulatedMixer, USB_SPEAKER,
};
use support::{Run, Sandbox};

/// Set where a test runs in a process whose ALSA has the mixer to be tested.
const INSIDE: &str = "JAUDIOSYNC_TEST_MIXER_INSIDE";

/// The percentages at which cards are compared with each other.
const COMPARED: [u8; 5] = [5, 25, 50, 75, 100];

/// Runs one of these tests in a process with this environment. ALSA reads its configuration from
/// there, and it can be set safely only for a new process.
#[track_caller]
fn run_inside<K: AsRef<std::ffi::OsStr>, V: AsRef<std::ffi::OsStr>>(test: &str, env: impl IntoIterator<Item = (K, V)>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").envs(env).stdin(Stdio::null());
    assert!(command.status().unwrap().success());
}

fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

#[track_caller]
fn run_on(control: &SimulatedControl, test: &str) {
    run_inside(test, [SimulatedMixer::new(control, None).env()]);
}

/// What one percentage is, here and with `amixer -M`.
struct Compared {
    percent: u8,
    /// The control's value that is set here, and that which amixer sets.
    raw: i64,
    raw_of_amixer: i64,
    /// The percentage and the level that `amixer -M` shows for what was set here; minus infinity
    /// where it shows silence.
    shown_percent: u8,
    shown_db: Option<f64>,
    /// What the player adds, in dB.
    player_db: f64,
}

/// Sets every percentage here and with `amixer -M`, and checks what holds on any control.
fn compare_with_amixer(control: &str) -> Vec<Compared> {
    let mut mixer = AlsaMixer::open(None, None).unwrap().unwrap();
    assert_eq!(mixer.name(), format!("{control} of default"));
    let first = mixer.volume().unwrap();
    assert!(first.is_muted && first.percent <= 24, "{first:?}");
    assert!(mixer.set_volume(50).unwrap().was_muted);
    assert!(!mixer.set_volume(50).unwrap().was_muted, "it is open now");
    let compare = |percent: u8| {
        let set = mixer.set_volume(percent).unwrap();
        assert_eq!(mixer.volume().unwrap().percent, percent, "it comes back");
        let shown = amixer(&["-M", "get", control]);
        assert!(shown.contains("[on]") && !shown.contains("[off]"), "{shown}");
        let shown_db = shown.split_once("dB]").map(|(before, _)| before.rsplit_once('[').unwrap().1.parse().unwrap());
        let shown_db = shown_db.map(|db: f64| if db < -99_999.0 { f64::NEG_INFINITY } else { db });
        assert_eq!(mixer.volume().unwrap().db, shown_db, "{percent} %: the same decibels as amixer");
        let set_by_amixer = amixer(&["-M", "set", control, &format!("{percent}%")]);
        Compared {
            percent,
            raw: raw_value(&shown),
            raw_of_amixer: raw_value(&set_by_amixer),
            shown_percent: shown.split_once("%]").unwrap().0.rsplit_once('[').unwrap().1.parse().unwrap(),
            shown_db,
            player_db: 20.0 * f64::from(set.player_gain).log10(),
        }
    };
    let compared: Vec<Compared> = (0..=100).map(compare).collect();
    for here in compared.iter().filter(|here| COMPARED.contains(&here.percent)) {
        let Some(db) = here.shown_db else { continue };
        println!(
            "{control:>8} {:3} %: {db:7.2} dB {:+7.2} in the player; value {}, with amixer -M {}",
            here.percent, here.player_db, here.raw, here.raw_of_amixer
        );
    }
    compared
}

/// Checks that what is heard is the law's level, on whatever control.
fn assert_by_the_law(compared: &[Compared]) {
    for here in compared.iter().filter(|here| here.percent > 0) {
        let (is_db, should_db) = (here.shown_db.unwrap() + here.player_db, db_from_percent(here.percent));
        // amixer shows hundredths.
        assert!((is_db - should_db).abs() <= 0.26, "{} %: {is_db} dB instead of {should_db}", here.percent);
    }
    let silent = compared[0].shown_db.unwrap() + compared[0].player_db;
    assert_eq!(silent, f64::NEG_INFINITY, "0 %");
}

#[test]
fn on_a_pcm512x_each_percentage_is_that_of_amixer_m() {
    if !is_inside() {
        return run_on(&PCM512X_DIGITAL, "on_a_pcm512x_each_percentage_is_that_of_amixer_m");
    }
    let compared = compare_with_amixer("Digital");
    assert_by_the_law(&compared);
    for here in &compared {
        if here.percent == 1 {
            // amixer rounds to silence; here 1 % never is.
            assert_eq!((here.raw, here.raw_of_amixer), (1, 0));
            continue;
        }
        assert_eq!(here.raw, here.raw_of_amixer, "{} %", here.percent);
        // amixer computes it from the value, even where it has set it: -13.5 dB are its 60 %, and the
        // nearest to 59 %.
        assert!(here.shown_percent.abs_diff(here.percent) <= 1, "{} %: {} %", here.percent, here.shown_percent);
        assert_eq!(here.player_db, 0.0, "{} %: the control alone", here.percent);
    }
}

#[test]
fn on_the_jack_each_percentage_is_that_of_amixer_m_less_the_4_db_that_clip() {
    if !is_inside() {
        return run_on(&BCM2835_PCM, "on_the_jack_each_percentage_is_that_of_amixer_m_less_the_4_db_that_clip");
    }
    let compared = compare_with_amixer("PCM");
    assert_by_the_law(&compared);
    // Below this, 4 dB less are outside the control's range.
    for here in compared.iter().filter(|here| here.percent >= 2) {
        assert_eq!(here.raw, here.raw_of_amixer - 400, "{} %", here.percent);
        assert_eq!(here.player_db, 0.0, "{} %", here.percent);
    }
    assert_eq!((compared[100].raw, compared[0].raw, compared[0].raw_of_amixer), (0, -10_239, -10_239));
}

#[test]
fn what_a_hat_can_amplify_is_left_alone() {
    if !is_inside() {
        return run_on(&PCM512X_AMPLIFIED, "what_a_hat_can_amplify_is_left_alone");
    }
    let compared = compare_with_amixer("Digital");
    assert_by_the_law(&compared);
    for here in compared.iter().filter(|here| here.percent >= 6) {
        assert_eq!(here.raw, here.raw_of_amixer - 48, "{} %: 24 dB less", here.percent);
    }
}

#[test]
fn on_a_usb_speaker_the_player_does_what_the_control_cannot() {
    if !is_inside() {
        return run_on(&USB_SPEAKER, "on_a_usb_speaker_the_player_does_what_the_control_cannot");
    }
    let compared = compare_with_amixer("Speaker");
    assert_by_the_law(&compared);
    assert_eq!((compared[100].raw, compared[100].raw_of_amixer), (37, 37));
    assert_eq!((compared[0].raw, compared[0].raw_of_amixer), (0, 0));
    // amixer spreads the percentages over the control's range: 50 % would be 6 dB louder than on a
    // HAT, and 5 % 45 dB.
    assert_eq!((compared[50].raw, compared[50].raw_of_amixer), (19, 25));
    assert_eq!((compared[5].raw, compared[5].player_db.round()), (0, -41.0));
}

#[test]
fn without_decibels_each_percentage_is_that_of_amixer_with_and_without_m() {
    if !is_inside() {
        return run_on(&PLAIN, "without_decibels_each_percentage_is_that_of_amixer_with_and_without_m");
    }
    for here in compare_with_amixer("Master") {
        let percent = here.percent;
        assert_eq!((here.raw, here.shown_percent, here.shown_db), (here.raw_of_amixer, percent, None), "{percent} %");
        assert_eq!(raw_value(&amixer(&["set", "Master", &format!("{percent}%")])), here.raw, "{percent} %");
        assert_eq!(here.player_db, 0.0, "{percent} %");
    }
}

#[test]
fn what_amixer_sets_is_seen() {
    if !is_inside() {
        return run_on(&USB_SPEAKER, "what_amixer_sets_is_seen");
    }
    let mut mixer = AlsaMixer::open(None, None).unwrap().unwrap();
    // Three percentages that are one value of the control.
    for percent in [7, 3, 12] {
        mixer.set_volume(percent).unwrap();
        assert_eq!(mixer.volume().unwrap().percent, percent);
    }
    amixer(&["--", "set", "Speaker", "-18dB", "mute"]);
    let volume = mixer.volume().unwrap();
    assert_eq!((volume.percent, volume.db, volume.is_muted), (50, Some(-18.0), true));
    assert_eq!(AlsaMixer::open(None, None).unwrap().unwrap().volume().unwrap(), volume);
}

#[test]
fn doctor_shows_a_card_s_volume_and_that_it_is_muted() {
    let mixer = SimulatedMixer::new(&USB_SPEAKER, None);
    let sandbox = Sandbox::new();
    let config = "[time]\nsource = \"system\"\n[board]\nkind = \"simulated\"\n[sound]\nmixer_card = \"default\"\nmixer_control = \"Speaker\"\n";
    std::fs::write(sandbox.path().join("box.toml"), config).unwrap();
    let doctor = || {
        let mut command = sandbox.command();
        command.args(["doctor", "--config", "box.toml", "--socket", "/nowhere/socket"]).envs([mixer.env()]);
        // It finds what else is missing here.
        Run::of(command.output().unwrap()).stdout
    };
    let printed = doctor();
    let muted = "Speaker of default sets the volume: 24 % (-37.0 dB), but muted; the service switches it on";
    assert!(printed.contains(muted), "{printed}");
    simulated_mixer::amixer(&["--", "set", "Speaker", "-18dB", "unmute"], [mixer.env()]);
    let printed = doctor();
    assert!(printed.contains("Speaker of default sets the volume: 50 % (-18.0 dB)\n"), "{printed}");
}

#[test]
fn on_a_sound_server_percents_mute_and_names_are_those_of_amixer() {
    if is_inside() {
        return compare_on_a_sound_server();
    }
    let card = VirtualCard::start().unwrap();
    run_inside("on_a_sound_server_percents_mute_and_names_are_those_of_amixer", card.env(Sink::Both));
}

fn compare_on_a_sound_server() {
    let mut mixer = AlsaMixer::open(None, None).unwrap().unwrap();
    assert_eq!(mixer.name(), "Master of default");
    for percent in (0..=100).step_by(5).chain([1, 33, 49, 51, 99]) {
        let set = mixer.set_volume(percent).unwrap();
        assert_eq!((set.top_db, set.player_gain), (None, 1.0), "it reports no decibels");
        let set_here = amixer(&["get", "Master"]);
        assert!(set_here.contains(&format!("[{percent}%]")), "{percent}: {set_here}");
        amixer(&["set", "Master", "17%"]);
        wait_until_it_shows(&mut mixer, 17);
        let set_by_amixer = amixer(&["set", "Master", &format!("{percent}%")]);
        assert_eq!(raw_value(&set_here), raw_value(&set_by_amixer), "{percent} %: the very same step");
    }
    assert!(amixer(&["set", "Master", "mute"]).contains("[off]"));
    mixer.set_volume(40).unwrap();
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
    while mixer.volume().unwrap().percent != percent {
        assert!(Instant::now() < deadline, "{percent} % was never seen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn amixer(arguments: &[&str]) -> String {
    simulated_mixer::amixer(arguments, [])
}

/// Returns the value of all channels in amixer's output.
#[track_caller]
fn raw_value(printed: &str) -> i64 {
    let values: Vec<i64> = printed
        .lines()
        .filter_map(|line| line.split_once(": Playback ")?.1.split_once(" ["))
        .map(|(raw, _)| raw.parse().unwrap())
        .collect();
    assert!(!values.is_empty() && values.iter().all(|value| *value == values[0]), "{printed}");
    values[0]
}
