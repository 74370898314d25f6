use super::*;
use crate::appliance::StartKind;
use crate::config::ChannelChoice;

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
        has_raspi_config: true,
        has_package: false,
        service_runs: true,
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
