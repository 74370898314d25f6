use std::path::Path;

use super::*;
use crate::appliance::StartKind;
use crate::config::ChannelChoice;
use crate::setup::ride::KeyAnswer;
use crate::setup::ride_wifi::{PROFILE_FILE, RideWifi};

fn file(path: &str, text: Option<&str>) -> TextFile {
    TextFile { path: PathBuf::from(path), text: text.map(str::to_owned) }
}

fn pi(config: &str, boot_partition: &str) -> (Layers, HostFacts) {
    let mut layers = Layers::default();
    layers.lay(Path::new("/etc/config.toml"), config.as_bytes());
    layers.lay(Path::new("/boot/jaudiosync.toml"), boot_partition.as_bytes());
    let host = HostFacts {
        config_files: vec![file("/etc/config.toml", Some(config)), file("/boot/jaudiosync.toml", Some(boot_partition))],
        boot_config: Some(file("/boot/config.txt", Some("dtparam=audio=on\n"))),
        has_network_manager: true,
        network_manager_runs: true,
        has_raspi_config: true,
        has_package: false,
        ride_key: KeyNow::None,
        has_ride_profile: false,
        lacks_wifi_country: false,
        service_runs: true,
        card: Card::Written,
    };
    (layers, host)
}

fn written<'a>(steps: &'a [Step], name: &str) -> Option<&'a str> {
    steps.iter().find_map(|step| match step {
        Step::Write { path, after, .. } if path.ends_with(name) => Some(after.as_str()),
        _ => None,
    })
}

#[test]
fn answers_in_effect_need_no_step() {
    let (layers, mut host) = pi("[sound]\nchannels = \"mono\"\n", "");
    host.boot_config = Some(file("/boot/config.txt", Some("dtparam=i2c_arm=on\n")));
    let answers = Answers::current(layers.config());
    assert_eq!(plan(&layers, &answers, &host), Ok(vec![]));
}

#[test]
fn every_key_goes_to_the_file_it_comes_from_and_the_service_is_restarted() {
    let (layers, mut host) = pi("[sound]\nchannels = \"mono\"\n", "[sound]\ndevice = \"Headphones\" # my own\n");
    host.boot_config = None;
    let answers = Answers {
        device: "Audio".to_owned(),
        channels: ChannelChoice::Stereo,
        jumper: StartKind::Fresh,
        ..Answers::current(layers.config())
    };
    let steps = plan(&layers, &answers, &host).unwrap();
    assert_eq!(written(&steps, "config.toml"), Some("[sound]\nchannels = \"stereo\"\n\n[start]\njumper = \"fresh\"\n"));
    assert_eq!(written(&steps, "jaudiosync.toml"), Some("[sound]\ndevice = \"Audio\" # my own\n"));
    assert_eq!(steps.last(), Some(&run(&["systemctl", "restart", "jaudiosync"])));
}

#[test]
fn changes_that_are_gone_with_the_power_are_said_to_be() {
    let (layers, mut host) = pi("", "");
    host.boot_config = None;
    let current = Answers::current(layers.config());
    let answers = Answers { channels: ChannelChoice::Mono, ..current.clone() };
    for (card, remedy) in [
        (Card::Written, None),
        (Card::OnlyRead { has_tool: true }, Some("jaudiosync-card run")),
        (Card::OnlyRead { has_tool: false }, Some("raspi-config")),
    ] {
        host.card = card;
        assert!(plan(&layers, &current, &host).unwrap().is_empty(), "nothing is to be lost");
        let steps = plan(&layers, &answers, &host).unwrap();
        let said = steps.iter().find_map(|step| match step {
            Step::Say(words) if words.contains("lost at the next restart") => Some(words),
            _ => None,
        });
        assert_eq!(said.is_some(), remedy.is_some());
        assert!(said.is_none_or(|words| words.contains(remedy.unwrap())));
    }
}

#[test]
fn without_a_boot_configuration_there_is_nothing_to_reboot_for() {
    let (layers, mut host) = pi("", "");
    host.boot_config = None;
    let answers = Answers { overlay: Some("hifiberry-dac".to_owned()), ..Answers::current(layers.config()) };
    let words = "There is no boot configuration here, so the overlay was not set.";
    assert_eq!(plan(&layers, &answers, &host), Ok(vec![Step::Say(words.to_owned())]));
}

#[test]
fn an_rtc_turns_the_bus_on_with_a_copy_of_the_file_and_asks_for_a_reboot() {
    let (layers, host) = pi("", "");
    let answers = Answers { overlay: Some("hifiberry-dac".to_owned()), ..Answers::current(layers.config()) };
    let steps = plan(&layers, &answers, &host).unwrap();
    assert_eq!(written(&steps, "config.txt"), Some("dtparam=audio=on\ndtparam=i2c_arm=on\ndtoverlay=hifiberry-dac\n"));
    assert!(matches!(steps[0], Step::Write { keeps_copy: true, .. }));
    let said: Vec<&String> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Say(words) => Some(words),
            _ => None,
        })
        .collect();
    assert!(said.len() == 2 && said[0].contains("reboot") && said[1].contains("sound card"), "{said:?}");
}

#[test]
fn with_the_package_i2c_is_left_to_it() {
    let (layers, mut host) = pi("", "");
    host.has_package = true;
    let prepare = run(&[PREPARE_PI, "take"]);
    let mut answers = Answers::current(layers.config());
    let steps = plan(&layers, &answers, &host).unwrap();
    assert!(steps.contains(&prepare) && written(&steps, "config.txt").is_none(), "I2C is off: {steps:?}");
    host.boot_config = Some(file("/boot/config.txt", Some("dtparam=i2c_arm=on\n")));
    assert_eq!(plan(&layers, &answers, &host), Ok(vec![]));
    answers.rtc = RtcChoice::None;
    let steps = plan(&layers, &answers, &host).unwrap();
    assert!(steps.iter().position(|step| *step == prepare) > Some(0), "after the configuration: {steps:?}");
}

#[test]
fn a_passphrase_is_in_a_file_that_others_cannot_read_and_on_no_command_line() {
    let (layers, mut host) = pi("", "");
    host.boot_config = None;
    let wifi = Wifi { ssid: " a;b\\c".to_owned(), passphrase: "secret; words".to_owned() };
    let host_name = Some("bike-3".to_owned());
    let answers = Answers { wifi: Some(wifi), host_name, ..Answers::current(layers.config()) };
    let steps = plan(&layers, &answers, &host).unwrap();
    let Some(Step::Write { after, is_secret: true, .. }) = steps.get(1) else { panic!("{steps:?}") };
    assert!(after.contains("ssid=\\sa\\;b\\\\c\n") && after.contains("psk=secret; words\n"), "{after}");
    let in_commands =
        steps.iter().any(|step| matches!(step, Step::Run(words) if words.iter().any(|word| word.contains("secret"))));
    assert!(!in_commands && steps.contains(&run(&["raspi-config", "nonint", "do_hostname", "bike-3"])));
}

#[test]
fn a_file_that_would_be_damaged_is_left_alone() {
    let (layers, mut host) = pi("", "");
    host.config_files[0].text = Some("[[[".to_owned());
    let answers = Answers { device: "Audio".to_owned(), ..Answers::current(layers.config()) };
    assert!(plan(&layers, &answers, &host).unwrap_err().starts_with("/etc/config.toml: it is not TOML"));
}

fn desk() -> (Layers, HostFacts) {
    let (layers, mut host) = pi("", "");
    host.boot_config = None;
    (layers, host)
}

#[test]
fn a_key_is_written_for_the_service_alone_and_restarts_it() {
    let (layers, mut host) = desk();
    let key = RideKey::from_secret([7; 18]);
    let with = |ride_key: KeyAnswer| Answers { ride_key, ..Answers::current(layers.config()) };
    let path = PathBuf::from("/etc/jaudiosync/ride.key");
    let restart = run(&["systemctl", "restart", "jaudiosync"]);
    let written = vec![Step::WriteKey { path: path.clone(), key: key.clone() }, restart.clone()];
    assert_eq!(plan(&layers, &with(KeyAnswer::New(key.clone())), &host), Ok(written.clone()));
    assert_eq!(plan(&layers, &with(KeyAnswer::Given(key.clone())), &host), Ok(written.clone()));
    assert_eq!(plan(&layers, &with(KeyAnswer::None), &host), Ok(vec![]));
    host.ride_key = KeyNow::Here(key.clone());
    assert_eq!(plan(&layers, &with(KeyAnswer::Given(key.clone())), &host), Ok(vec![]));
    let other = RideKey::from_secret([8; 18]);
    assert!(plan(&layers, &with(KeyAnswer::New(other.clone())), &host).unwrap_err().contains("--replace"));
    let steps = plan(&layers, &with(KeyAnswer::Given(other)), &host).unwrap();
    assert!(matches!(steps[0], Step::WriteKey { .. }));
    assert!(!format!("{steps:?}").contains(&key.to_string()[..4]), "{steps:?}");
    assert_eq!(plan(&layers, &with(KeyAnswer::None), &host), Ok(vec![Step::Remove { path }, restart]));
    host.ride_key = KeyNow::Unusable;
    assert!(plan(&layers, &with(KeyAnswer::New(key.clone())), &host).is_err());
    assert_eq!(plan(&layers, &with(KeyAnswer::Given(key)), &host), Ok(written));
}

#[test]
fn a_key_that_would_have_no_effect_is_refused() {
    let (_, mut host) = desk();
    let key = RideKey::from_secret([7; 18]);
    let text = format!("[ride]\nkey = \"{key}\"\n");
    let mut layers = Layers::default();
    layers.lay(Path::new("/etc/config.toml"), text.as_bytes());
    host.ride_key = KeyNow::Here(key);
    let other = KeyAnswer::Given(RideKey::from_secret([8; 18]));
    for ride_key in [other, KeyAnswer::None] {
        let refused = plan(&layers, &Answers { ride_key, ..Answers::current(layers.config()) }, &host).unwrap_err();
        assert!(refused.contains("/etc/config.toml:2"), "{refused}");
    }
}

#[test]
fn a_box_that_opens_the_rides_wifi_does_so_only_where_it_knows_no_network() {
    let (layers, mut host) = desk();
    let wifi = Wifi { ssid: "Ride; 7".to_owned(), passphrase: " secret\\words".to_owned() };
    let with = |ride_wifi| Answers { ride_wifi, ..Answers::current(layers.config()) };
    let opens = with(RideWifi::Opens(wifi.clone()));
    let steps = plan(&layers, &opens, &host).unwrap();
    let Some(Step::Write { path, after, is_secret: true, .. }) = steps.first() else { panic!("{steps:?}") };
    assert_eq!(path, Path::new(PROFILE_FILE));
    for line in [
        "mode=ap\n",
        "autoconnect=true\n",
        "autoconnect-priority=-200\n",
        "ssid=Ride\\; 7\n",
        "key-mgmt=wpa-psk\n",
        "proto=rsn;\n",
        "psk=\\ssecret\\\\words\n",
        "[ipv4]\nmethod=shared\n",
    ] {
        assert!(after.contains(line), "no {line:?} in {after}");
    }
    assert_eq!(steps[1], run(&["nmcli", "connection", "reload"]));
    assert!(matches!(&steps[2], Step::Say(words) if words.contains("--ride-wifi none")), "how to undo it: {steps:?}");
    let joins = plan(&layers, &with(RideWifi::Joins(wifi)), &host).unwrap();
    let Some(Step::Write { after, .. }) = joins.first() else { panic!("{joins:?}") };
    assert!(after.contains("mode=infrastructure\n") && after.contains("autoconnect-priority=-100\n"), "{after}");
    assert!(after.contains("[ipv4]\nmethod=auto\n") && !after.contains("band="), "{after}");

    host.lacks_wifi_country = true;
    let steps = plan(&layers, &opens, &host).unwrap();
    assert!(
        steps.iter().any(|step| matches!(step, Step::Say(words) if words.contains("do_wifi_country"))),
        "{steps:?}"
    );
    assert_eq!(plan(&layers, &with(RideWifi::None), &host), Ok(vec![]), "there is none to remove");
    host.has_ride_profile = true;
    let removed = vec![Step::Remove { path: PROFILE_FILE.into() }, run(&["nmcli", "connection", "reload"])];
    assert_eq!(plan(&layers, &with(RideWifi::None), &host), Ok(removed));
    host.has_network_manager = false;
    let steps = plan(&layers, &opens, &host).unwrap();
    assert!(matches!(&steps[..], [Step::Say(words)] if words.contains("cannot open Ride; 7")), "{steps:?}");
}

#[test]
fn a_name_of_the_ride_is_a_key_of_the_configuration() {
    let (layers, host) = desk();
    let answers = Answers { ride_name: "Zoë's bike".to_owned(), ..Answers::current(layers.config()) };
    let steps = plan(&layers, &answers, &host).unwrap();
    assert_eq!(written(&steps, "config.toml"), Some("[ride]\nname = \"Zoë's bike\"\n"));
    let answers = Answers { ride_name: "x".repeat(33), ..answers };
    assert!(plan(&layers, &answers, &host).unwrap_err().contains("too long"));
}
