//! `setup` and `doctor` from outside. The system's own files are never touched: every run names its
//! own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jaudiosync_measure::{Sink, VirtualCard};
use support::{Run, Sandbox, short_mp3};

/// Runs setup without a terminal.
fn setup(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let fixed = ["setup", "--config", "box.toml", "--rtc", "none"];
    sandbox.run(&[&fixed[..], arguments].concat())
}

#[test]
fn it_writes_the_answers_keeps_other_settings_and_does_nothing_twice() {
    let sandbox = Sandbox::new();
    let file = sandbox.path().join("box.toml");
    fs::write(&file, "# my box\n[volume]\nmaximum_percent = 70 # loud enough\n").unwrap();
    let arguments = ["--yes", "--device", "Audio", "--mono", "--gps", "--pins", "24,6,5,16,26,13", "--jumper", "fresh"];
    let run = setup(&sandbox, &arguments);
    assert!(run.succeeds().stdout.contains("+ device = \"Audio\"") && run.stdout.contains("jaudiosync doctor"));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# my box\n[volume]\nmaximum_percent = 70 # loud enough\n"), "{text}");
    let config = sandbox.run(&["config", "--config", "box.toml"]);
    for line in [
        "device = \"Audio\" ",
        "channels = \"mono\" ",
        "gpsd = \"localhost:2947\" ",
        "led_gpio = 13 ",
        "jumper = \"fresh\" ",
    ] {
        assert!(config.succeeds().stdout.contains(line), "no {line:?} in {config:?}");
    }
    assert!(setup(&sandbox, &arguments).succeeds().stdout.contains("nothing to do"));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_dry_run_only_shows_and_without_a_terminal_it_needs_a_yes() {
    let sandbox = Sandbox::new();
    let run = setup(&sandbox, &["--dry-run", "--mono", "--host-name", "bike-3"]);
    assert!(run.succeeds().stdout.contains("+ channels = \"mono\"") && run.stdout.contains("bike-3"), "{run:?}");
    assert!(run.stdout.ends_with("Nothing was changed.\n") && !sandbox.path().join("box.toml").exists());
    setup(&sandbox, &["--mono"]).fails(2, &["no terminal", "--yes"]);
}

#[test]
fn invalid_answers_are_reported_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("short"), "1234567\n").unwrap();
    let refused: [(&[&str], &str); 8] = [
        (&["--pins", "24,6,5,16,26"], "six numbers"),
        (&["--pins", "24,x,6,5,16,26,0"], "six numbers"),
        (&["--pins", "24,6,5,5,26,0"], "GPIO5 is used twice"),
        (&["--host-name", "a b"], "not a host name"),
        (&["--dac-overlay", "../x"], "not an overlay"),
        (&["--jumper", "maybe"], "common or fresh"),
        (&["--wifi-ssid", "Ride", "--wifi-passphrase-file", "short"], "8 to 63"),
        (&["--wifi-ssid", "Ride"], "--wifi-passphrase-file"),
    ];
    for (arguments, word) in refused {
        setup(&sandbox, &[&["--yes"], arguments].concat()).fails(2, &[word]);
    }
    // An answer that the service would ignore.
    setup(&sandbox, &["--yes", "--ntp", "http://pool.ntp.org"])
        .fails(2, &["--ntp", "http://pool.ntp.org", "does not name a server"]);
    assert!(!sandbox.path().join("box.toml").exists());
    // In another encoding: what the file has must not be lost.
    let latin = b"[sound]\nchannels = \"mono\" # L\xfcbeck\n";
    fs::write(sandbox.path().join("box.toml"), latin).unwrap();
    setup(&sandbox, &["--yes", "--gps"]).fails(1, &["is not UTF-8"]);
    assert_eq!(fs::read(sandbox.path().join("box.toml")).unwrap(), latin);
    fs::write(sandbox.path().join("box.toml"), "[[[").unwrap();
    setup(&sandbox, &["--yes", "--mono"]).fails(1, &["box.toml: it is not TOML"]);
    assert_eq!(fs::read_to_string(sandbox.path().join("box.toml")).unwrap(), "[[[");
}

#[test]
fn pins_of_a_hat_are_refused_with_those_that_are_free() {
    let sandbox = Sandbox::new();
    let boss = ["--yes", "--dac-overlay", "allo-boss-dac-pcm512x-audio"];
    setup(&sandbox, &boss)
        .fails(2, &["the Volume down button is on GPIO6", "an Allo Boss uses: mute", "24,13,5,16,26,0"]);
    let miniamp = ["--yes", "--dac-overlay", "hifiberry-dac", "--miniamp"];
    setup(&sandbox, &miniamp).fails(2, &["the jumper is on GPIO26, which a HiFiBerry MiniAmp uses", "24,6,5,13,12,0"]);
    assert!(!sandbox.path().join("box.toml").exists());
    let moved = setup(&sandbox, &[&miniamp[..], &["--pins", "24,6,5,13,12,0"]].concat());
    assert!(moved.succeeds().stdout.contains("+ hat = \"miniamp\"") && moved.stdout.contains("+ jumper_gpio = 12"));
    // Once it is known, it need not be said again, and nothing can be moved back.
    setup(&sandbox, &["--yes", "--pins", "24,6,5,13,26,0"]).fails(2, &["the jumper is on GPIO26"]);
    // It was replaced by another HAT.
    let plus = ["--yes", "--dac-overlay", "hifiberry-dacplus", "--pins", "24,6,5,16,26,0"];
    assert!(setup(&sandbox, &plus).succeeds().stdout.contains("+ hat = \"auto\""));
    // Many HATs have this overlay, and only the owner knows which one it is.
    fs::remove_file(sandbox.path().join("box.toml")).unwrap();
    let unknown = setup(&sandbox, &["--yes", "--dac-overlay", "hifiberry-dac", "--mono"]);
    assert!(unknown.succeeds().stderr.contains("--no-miniamp"), "{unknown:?}");
    let other = setup(&sandbox, &["--yes", "--dac-overlay", "hifiberry-dac", "--no-miniamp"]);
    assert!(!other.succeeds().stderr.contains("MiniAmp"), "{other:?}");
}

#[test]
fn pins_of_an_i2s_dac_are_refused_and_what_may_need_a_pin_is_said() {
    let sandbox = Sandbox::new();
    let on_i2s = ["--yes", "--dac-overlay", "hifiberry-dacplus", "--pins", "24,6,5,19,26,0"];
    setup(&sandbox, &on_i2s)
        .fails(2, &["the Stop button is on GPIO19, which an I2S DAC uses: word clock", "--pins 24,"]);
    // A DAC without inputs leaves GPIO20 alone: the first Pirate Audio boards have a button there.
    let pirate = ["--dry-run", "--dac-overlay", "hifiberry-dac", "--no-miniamp", "--pins", "20,6,5,16,26,0"];
    let run = setup(&sandbox, &pirate);
    assert!(run.succeeds().stderr.contains("GPIO20, which an I2S DAC may use"), "{run:?}");
    let run = setup(&sandbox, &["--yes", "--pins", "24,6,5,18,26,14"]);
    for words in ["GPIO18, which an I2S DAC uses if there is one", "GPIO14, which a serial port"] {
        assert!(run.succeeds().stderr.contains(words), "no {words:?} in {run:?}");
    }
    let run = sandbox.run(&["config", "--check", "--config", "box.toml"]);
    assert!(run.succeeds().stderr.contains("GPIO18, which an I2S DAC uses if there is one"), "{run:?}");
    fs::write(sandbox.path().join("box.toml"), "[board]\nhat = \"miniamp\"\njumper_gpio = 13\n").unwrap();
    sandbox.run(&["config", "--check", "--config", "box.toml"]).fails(1, &["GPIO16, which a HiFiBerry MiniAmp uses"]);
    // What a HAT may use is said, and not refused.
    let run = setup(&sandbox, &["--dry-run", "--no-miniamp", "--dac-overlay", "iqaudio-dacplus"]);
    assert!(run.succeeds().stderr.contains("GPIO24, which an IQaudio DAC or DigiAMP+ may use"), "{run:?}");
}

/// Writes a configuration whose key is in the sandbox, and returns the key's file.
fn with_key_file(sandbox: &Sandbox) -> std::path::PathBuf {
    let file = sandbox.path().join("ride.key");
    fs::write(sandbox.path().join("box.toml"), format!("[ride]\nkey_file = \"{}\"\n", file.display())).unwrap();
    file
}

#[test]
fn the_rides_key_is_made_or_taken_from_a_file_and_never_shown_by_accident() {
    let sandbox = Sandbox::new();
    let file = with_key_file(&sandbox);
    let dry = setup(&sandbox, &["--dry-run", "--ride-key", "new", "--ride-name", "Zoë"]);
    assert!(dry.succeeds().stdout.contains("ride.key, readable by root and the service only"), "{dry:?}");
    assert!(dry.stdout.contains("+ name = \"Zoë\"") && !file.exists());
    let run = setup(&sandbox, &["--yes", "--ride-key", "new", "--ride-name", "Zoë"]);
    let key = fs::read_to_string(&file).unwrap();
    assert!(run.succeeds().stdout.contains(&format!("The key of the ride: {key}")), "{run:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o007, 0);
    let config = sandbox.run(&["config", "--config", "box.toml"]);
    assert!(config.succeeds().stdout.contains("name = \"Zoë\""), "{config:?}");
    // A key that there is is not replaced by mistake.
    setup(&sandbox, &["--yes", "--ride-key", "new"]).fails(1, &["--replace"]);
    fs::write(sandbox.path().join("same.key"), format!("# of the ride\n{key}")).unwrap();
    assert!(setup(&sandbox, &["--yes", "--ride-key", "same.key"]).succeeds().stdout.contains("nothing to do"));
    let other = sandbox.run(&["ride", "new-key"]).succeeds().stdout.clone();
    fs::write(sandbox.path().join("other.key"), &other).unwrap();
    let run = setup(&sandbox, &["--yes", "--ride-key", "other.key"]);
    assert!(!run.succeeds().stdout.contains(other.trim()), "{run:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), other);
    setup(&sandbox, &["--yes", "--ride-key", "none"]).succeeds();
    assert!(!file.exists());
    assert!(setup(&sandbox, &["--yes", "--ride-key", "none"]).succeeds().stdout.contains("nothing to do"));
}

#[test]
fn answers_about_the_ride_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    let file = with_key_file(&sandbox);
    fs::write(sandbox.path().join("pass"), "12345678\n").unwrap();
    fs::write(sandbox.path().join("short"), "1234567\n").unwrap();
    let wifi = ["--ride-wifi-ssid", "Ride", "--ride-wifi-passphrase-file"];
    let refused: [(&[&str], &str); 7] = [
        (&["--ride-key", "pass"], "not a ride's key"),
        (&["--ride-key", "nowhere"], "new or none"),
        (&["--ride-wifi", "open"], "--ride-wifi-ssid"),
        (&["--ride-wifi", "both"], "open, join, none"),
        (&["--ride-wifi", "join", "--ride-wifi-ssid", "Ride"], "--ride-wifi-passphrase-file"),
        (&["--ride-wifi", "open", wifi[0], wifi[1], wifi[2], "short"], "8 to 63"),
        (&[wifi[0], wifi[1], wifi[2], "pass"], "--ride-wifi"),
    ];
    for (arguments, words) in refused {
        setup(&sandbox, &[&["--yes"], arguments].concat()).fails(2, &[words]);
    }
    let long = "x".repeat(33);
    setup(&sandbox, &["--yes", "--ride-name", &long]).fails(1, &["too long"]);
    assert!(!file.exists());
    // What is written where there is NetworkManager, the tests of the plan show.
    let run = setup(&sandbox, &["--dry-run", "--ride-wifi", "open", wifi[0], wifi[1], wifi[2], "pass"]);
    assert!(run.succeeds().stdout.contains("Ride") && !run.stdout.contains("12345678"), "{run:?}");
}

#[test]
fn the_help_shows_pins_a_miniamp_and_every_simulated_chip() {
    let sandbox = Sandbox::new();
    let help = sandbox.run(&["setup", "--help"]);
    assert!(help.succeeds().stdout.contains("--miniamp --pins 24,6,5,13,12,0"), "{help:?}");
    for arguments in [["time", "--help"], ["config", "--sample"]] {
        let said = sandbox.run(&arguments);
        for chip in ["ds3231m", "ds1307", "pcf8523", "mpu6050"] {
            let name = format!("simulated:{chip}");
            assert!(said.succeeds().stdout.contains(&name), "no {name} in {arguments:?}");
        }
    }
}

#[test]
fn a_miniamp_with_the_overlay_of_another_hat_is_a_contradiction() {
    let sandbox = Sandbox::new();
    let both = ["--yes", "--dac-overlay", "iqaudio-dacplus", "--miniamp", "--pins", "24,6,5,13,12,0"];
    setup(&sandbox, &both)
        .fails(2, &["a HiFiBerry MiniAmp has the overlay hifiberry-dac, not iqaudio-dacplus", "--no-miniamp"]);
    assert!(!sandbox.path().join("box.toml").exists());
}

#[test]
fn devices_says_which_output_is_taken_and_why() {
    let (sandbox, card) = (Sandbox::new(), VirtualCard::start().unwrap());
    fs::write(sandbox.path().join("empty.toml"), "").unwrap();
    fs::write(sandbox.path().join("named.toml"), "[sound]\ndevice = \"default\"\n").unwrap();
    fs::write(sandbox.path().join("wrong.toml"), "[sound]\ndevice = \"Gramophone\"\n").unwrap();
    let devices = |config: &str, json: &[&str]| {
        let mut command = sandbox.command();
        command.args(["devices", "--config", config]).args(json).envs(card.env(Sink::Both));
        let run = Run::of(command.output().unwrap());
        run.succeeds();
        run
    };
    let run = devices("empty.toml", &[]);
    assert!(run.stdout.starts_with(" Id ") && run.stdout.contains("\n server "), "{run:?}");
    assert!(run.stdout.contains("\ntaken: server, because a sound server runs\n"), "{run:?}");
    let json: serde_json::Value = serde_json::from_str(&devices("empty.toml", &["--json"]).stdout).unwrap();
    let server = &json[0];
    assert_eq!((&server["id"], &server["default"], &server["taken"]), (&"server".into(), &true.into(), &true.into()));
    assert!(server["description"].as_str().unwrap().contains("pulseaudio"), "{server}");
    let run = devices("named.toml", &[]);
    let named = "named.toml:2 names it; without a name: server, because a sound server runs";
    assert!(run.stdout.contains("taken: default, because ") && run.stdout.contains(named), "{run:?}");
    let json: serde_json::Value = serde_json::from_str(&devices("named.toml", &["--json"]).stdout).unwrap();
    let rows = json.as_array().unwrap();
    let taken: Vec<_> = rows.iter().filter(|row| row["taken"] == true).collect();
    assert!(taken.len() == 1 && taken[0]["id"] == "default" && taken[0]["default"] == false, "{json}");
    let run = devices("wrong.toml", &[]);
    assert!(run.stdout.contains("taken: none, because no sound output named \"Gramophone\""), "{run:?}");
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do_about_it() {
    let sandbox = Sandbox::new();
    short_mp3(&sandbox.music().join("a.mp3"), 50_000, "A");
    sandbox.playlist("a.mp3\nmissing.mp3\n");
    let config = "[playlist]\nfolder = \"Music\"\n[time]\nrtc = \"/dev/i2c-99\"\n[board]\nkind = \"none\"\nloud = 1\n";
    fs::write(sandbox.path().join("box.toml"), config).unwrap();
    let mut command = sandbox.command();
    command.args(["doctor", "--config", "box.toml", "--socket", "/nowhere/socket"]);
    // No sound at all, whatever the machine has.
    command.env("ALSA_CONFIG_PATH", "/dev/null").env("PULSE_SERVER", "unix:/nowhere");
    let run = Run::of(command.output().unwrap());
    run.fails(1, &["problems keep this box from playing in sync"]);
    for words in ["box.toml:7", "no service answers", "/dev/i2c-99", "line 2: missing.mp3", "fingerprint", "-> "] {
        assert!(run.stdout.contains(words), "no {words:?} in {}", run.stdout);
    }
    assert!(!run.stdout.contains('\u{1b}'), "colour in a pipe");
    let json = Run::of(command.arg("--json").output().unwrap());
    let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(value["problems"].as_u64() >= Some(2) && value["findings"].as_array().unwrap().len() > 6, "{value}");
}
