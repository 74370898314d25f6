use proptest::prelude::*;

use super::super::{Gpio, OptionalGpio, RtcChoice, SAMPLE};
use super::*;
use crate::appliance::StartKind;

fn laid(text: &str) -> Layers {
    let mut layers = Layers::default();
    layers.lay(Path::new("a.toml"), text.as_bytes());
    layers
}

#[track_caller]
fn reported(layers: &Layers, line: usize, words: &[&str]) {
    let messages: Vec<_> = layers.problems.iter().filter(|problem| problem.line == Some(line)).collect();
    let found = messages.iter().any(|problem| words.iter().all(|word| problem.message.contains(word)));
    assert!(found, "no {words:?} for line {line} in {:?}", layers.problems);
}

#[test]
fn a_key_that_takes_one_of_several_texts_names_them_also_where_a_number_is_written() {
    let layers = laid("[board]\nbackend = 3\n[time]\nsource = true\n");
    let said: Vec<&str> = layers.problems().iter().map(|problem| problem.message.as_str()).collect();
    let expected = [
        "backend: write one of auto, rppal, gpiocdev, in quotes; \"auto\" stays in effect",
        "source: write rtc or system, in quotes; \"rtc\" stays in effect",
    ];
    assert_eq!(said, expected);
}

#[test]
fn the_sample_has_every_key_with_its_default_and_documents_it() {
    let sample = laid(SAMPLE);
    assert_eq!(sample.problems, []);
    assert_eq!(sample.config, Config::default());
    let lines: Vec<_> = SAMPLE.lines().collect();
    let mut before = 0;
    for (section, keys) in sample.values() {
        for key in keys.as_table().unwrap().keys() {
            let origin = sample.origin(&format!("{section}.{key}"));
            let line = origin.unwrap_or_else(|| panic!("{section}.{key} is not in the sample")).line;
            assert!(line > before, "{section}.{key} is in another order than in the program");
            before = line;
            let comment = lines[..line - 1].iter().rev().find(|line| line.starts_with(['#', '[']));
            assert!(comment.unwrap().starts_with('#'), "{section}.{key} is not documented");
        }
    }
}

#[test]
fn a_later_file_overrides_an_earlier_one_key_by_key() {
    let mut layers = laid("[volume]\nstartup_percent = 30\nstep_percent = 2\n");
    layers.lay(Path::new("b.toml"), b"\xef\xbb\xbf# from a laptop\r\n[volume]\r\nstep_percent = 10\r\n");
    assert_eq!(layers.problems, []);
    assert_eq!((layers.config.volume.startup_percent, layers.config.volume.step_percent), (30, 10));
    assert_eq!(layers.origin("volume.startup_percent").unwrap().to_string(), "a.toml:2");
    assert_eq!(layers.origin("volume.step_percent").unwrap().to_string(), "b.toml:3");
    assert_eq!(layers.origin("volume.remember"), None);
}

#[test]
fn unknown_names_are_reported_with_the_nearest() {
    let layers = laid("[volum]\nstep_percent = 1\n[volume]\nmax_percent = 1\ndevice = \"x\"\nxyz = 1\n[zzz]\n");
    reported(&layers, 1, &["[volum]", "did you mean [volume]?"]);
    reported(&layers, 4, &["max_percent", "did you mean maximum_percent?"]);
    reported(&layers, 5, &["device", "belongs in [sound]"]);
    reported(&layers, 6, &["xyz", "the keys are startup_percent"]);
    reported(&layers, 7, &["[zzz]", "[playlist]"]);
    assert_eq!(layers.config, Config::default());
    reported(&laid("rtc = \"none\"\nvolume = 3\n"), 1, &["rtc belongs in [time]"]);
    reported(&laid("rtc = \"none\"\nvolume = 3\n"), 2, &["write [volume]"]);
}

#[test]
fn a_bad_value_leaves_what_lies_below_and_the_other_keys() {
    let mut layers = laid("[volume]\nstep_percent = 7\n");
    let bad = "[volume]\nstep_percent = 0\nstartup_percent = \"loud\"\nmaximum_percent = 80\n\
               [start]\nbutton = \"maybe\"\njumper = \"fresh\"\n[time]\nrtc = none\nntp_servers = [\"a b\"]\n\
               [board]\nled_gpio = 3\n[playlist]\nname = { a = 1 }\n";
    layers.lay(Path::new("b.toml"), bad.as_bytes());
    reported(&layers, 2, &["step_percent", "1 to 100", "7 stays"]);
    reported(&layers, 3, &["startup_percent", "a whole number", "50 stays"]);
    reported(&layers, 6, &["button", "maybe", "common"]);
    reported(&layers, 9, &["not TOML", "quotes"]);
    reported(&layers, 10, &["ntp_servers", "a b"]);
    reported(&layers, 12, &["led_gpio", "4 to 27"]);
    reported(&layers, 14, &["name", "not a value"]);
    assert_eq!(layers.problems.len(), 7, "{:?}", layers.problems);
    assert_eq!(layers.config.volume.step_percent, 7);
    assert_eq!(layers.config.volume.maximum_percent, 80);
    assert_eq!(layers.config.start.jumper, StartKind::Fresh);
    assert_eq!(layers.config.time.rtc, RtcChoice::Bus(PathBuf::from("/dev/i2c-1")));
}

#[test]
fn a_ride_that_cannot_be_is_reported() {
    let bad = format!(
        "[ride]\nport = 0\nkey_file = \"ride.key\"\nname = \"{}\"\nneighbours = [\"fe80::1\"]\nkey = \"a3kd\"\n",
        "n".repeat(33)
    );
    let layers = laid(&bad);
    reported(&layers, 2, &["port", "1 to 65535", "7483 stays"]);
    reported(&layers, 3, &["key_file", "absolute path"]);
    reported(&layers, 4, &["name", "33 bytes", "at most 32"]);
    reported(&layers, 5, &["neighbours", "fe80::1", "IPv4"]);
    reported(&layers, 6, &["key", "new-key"]);
    assert_eq!(layers.config, Config::default());
    reported(&laid("[ride]\nport = 70000\n"), 2, &["port", "a whole number from 0 to 65535"]);
    reported(&laid(&format!("[ride]\nneighbours = [{}]\n", "\"a\",".repeat(33))), 2, &["33 neighbours", "at most 32"]);
    let layers = laid("[ride]\nport = 7000\nneighbours = [\"10.42.0.7\", \"bike-2.local:7483\"]\nname = \"Zoë\"\n");
    assert_eq!(layers.problems, []);
    assert_eq!((layers.config.ride.port, layers.config.ride.neighbours.len()), (7000, 2));
}

#[test]
fn values_may_be_written_as_toml_allows() {
    let layers = laid(
        "volume.step_percent = 0x0A\nsound = { output_latency_ms = 12 }\nstart.anchor = 2026-01-01T00:00:00Z\n\
         board.led_gpio = 17\n",
    );
    assert_eq!(layers.problems, []);
    assert_eq!(layers.config.volume.step_percent, 10);
    assert!((layers.config.sound.output_latency_ms - 12.0).abs() < 1e-9);
    assert_eq!(layers.config.start.anchor.utc_s, 1_767_225_600);
    assert_eq!(layers.config.board.led_gpio, OptionalGpio(Gpio::new(17)));
}

#[test]
fn two_uses_of_one_pin_are_reported_and_go_back() {
    let layers = laid("[board]\nstart_gpio = 24\nstop_gpio = 7\ntones = false\n");
    reported(&layers, 2, &["board.volume_up_gpio", "board.start_gpio", "same pin"]);
    assert_eq!(layers.config.board, super::super::Board { tones: false, ..Default::default() });
    assert_eq!(layers.origin("board.stop_gpio"), None);
    let swapped = laid("[board]\nvolume_up_gpio = 6\nvolume_down_gpio = 24\n");
    assert_eq!(swapped.problems, []);
}

#[test]
fn unusable_files_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut layers = Layers::default();
    layers.read(&folder.path().join("missing.toml"));
    assert_eq!(layers.problems, []);
    layers.read(folder.path());
    assert!(layers.problems[0].message.contains("cannot be read"));
    let large = folder.path().join("large.toml");
    std::fs::write(&large, vec![b'#'; 100_000]).unwrap();
    layers.read(&large);
    assert!(layers.problems[1].message.contains("larger than"));
    layers.read_named(&folder.path().join("missing.toml"));
    assert!(layers.problems[2].message.contains("no such file"));
    layers.lay(Path::new("latin1.toml"), b"[playlist]\nname = \"\xe9\"\n[volume]\nstep_percent = 9\n");
    assert!(layers.problems[3].to_string().starts_with("latin1.toml:2: this is not UTF-8"), "{:?}", layers.problems);
    assert_eq!(layers.config.volume.step_percent, 9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sample_with_bytes_changed_gives_a_usable_configuration(
        changes in prop::collection::vec((0_usize..SAMPLE.len(), any::<u8>()), 1..12),
    ) {
        let mut bytes = SAMPLE.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let mut layers = Layers::default();
        layers.lay(Path::new("damaged.toml"), &bytes);
        prop_assert_eq!(check::out_of_range(&layers.config), None);
        prop_assert_eq!(check::shared_pin(&layers.config), None);
        // The effective values can be written and read again.
        let again = laid(&layers.values().to_string());
        prop_assert_eq!(&again.problems, &[]);
        prop_assert_eq!(again.config, layers.config);
    }
}
