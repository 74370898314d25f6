//! Mixers of real cards without the cards: a control plugin for ALSA's library, which this program
//! and amixer open alike.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// `SNDRV_CTL_TLVT_DB_SCALE` and `SNDRV_CTL_TLVT_DB_MINMAX` of include/uapi/sound/tlv.h.
const DB_SCALE: i64 = 1;
const DB_MINMAX: i64 = 4;
/// `TLV_DB_SCALE_MUTE`: the lowest value is silence.
const MUTES: i64 = 0x1_0000;

/// A card's volume control: its values, and its decibels in hundredths as its driver describes
/// them.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedControl {
    pub name: &'static str,
    pub min: i64,
    pub max: i64,
    /// Type, length in bytes, and two words; none if the driver describes no decibels.
    tlv: Option<[i64; 4]>,
}

/// `pcm512x.c`: digital_tlv, limited to 0 dB by the drivers of most HATs.
pub const PCM512X_DIGITAL: SimulatedControl =
    SimulatedControl { name: "Digital", min: 0, max: 207, tlv: Some([DB_SCALE, 8, -10_350, 50 + MUTES]) };
/// The same without that limit, as with `24db_digital_gain`.
pub const PCM512X_AMPLIFIED: SimulatedControl = SimulatedControl { max: 255, ..PCM512X_DIGITAL };
/// `bcm2835-ctl.c`: snd_bcm2835_db_scale, CTRL_VOL_MIN and CTRL_VOL_MAX.
pub const BCM2835_PCM: SimulatedControl =
    SimulatedControl { name: "PCM", min: -10_239, max: 400, tlv: Some([DB_SCALE, 8, -10_239, 1 + MUTES]) };
/// A usual USB speaker, as `mixer.c` of snd-usb-audio describes it.
pub const USB_SPEAKER: SimulatedControl =
    SimulatedControl { name: "Speaker", min: 0, max: 37, tlv: Some([DB_MINMAX, 8, -3700, 0]) };
/// A control without decibels.
pub const PLAIN: SimulatedControl = SimulatedControl { name: "Master", min: 0, max: 65_536, tlv: None };

/// A mixer with one control, the default one of programs that are started with its environment.
pub struct SimulatedMixer {
    folder: TempDir,
}

impl SimulatedMixer {
    /// Makes it at its lowest value, muted. `base` is the configuration of ALSA in which it becomes
    /// the default mixer, such as that of a virtual card; none if it is the machine's own.
    pub fn new(control: &SimulatedControl, base: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mixer.c");
        let mut command = Command::new("cc");
        command
            .args(["-shared", "-fPIC", "-DPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(folder.path().join("mixer.so"));
        let output = command.arg(source).arg("-lasound").output();
        let output = output.expect("a C compiler is needed: apt install build-essential");
        assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));

        let SimulatedControl { name, min, max, tlv } = control;
        let tlv =
            tlv.map_or(String::new(), |words| format!("tlv [ {} ]", words.map(|word| word.to_string()).join(" ")));
        let default = format!(
            "ctl_type.simulated_mixer {{ lib \"{path}/mixer.so\" }}\nctl.!default {{ type simulated_mixer \
             state \"{path}/state\" control \"{name}\" min {min} max {max} {tlv} }}\n"
        );
        std::fs::write(folder.path().join("default.conf"), default).unwrap();
        // The hook after those that there are. alsa.conf itself has one.
        let (base, hook) = base.map_or(("/usr/share/alsa/alsa.conf".into(), 1), |base| (base.to_owned(), 2));
        let base: PathBuf = base;
        let loads = format!(
            "<{}>\n@hooks.{hook} {{\n\tfunc load\n\tfiles [ \"{path}/default.conf\" ]\n\terrors true\n}}\n",
            base.display()
        );
        std::fs::write(folder.path().join("alsa.conf"), loads).unwrap();
        let mixer = Self { folder };
        mixer.write([*min, *min, 0, 0]);
        mixer
    }

    /// Returns the environment of programs that open it.
    pub fn env(&self) -> (&'static str, PathBuf) {
        ("ALSA_CONFIG_PATH", self.folder.path().join("alsa.conf"))
    }

    /// Returns its values: left, right, and whether each is switched on.
    pub fn read(&self) -> [i64; 4] {
        let bytes = std::fs::read(self.folder.path().join("state")).unwrap();
        std::array::from_fn(|place| i64::from_ne_bytes(bytes[8 * place..8 * (place + 1)].try_into().unwrap()))
    }

    fn write(&self, values: [i64; 4]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        std::fs::write(self.folder.path().join("state"), bytes).unwrap();
    }
}

/// Runs amixer with this environment of its own and returns what it prints.
pub fn amixer<'a>(arguments: &[&str], env: impl IntoIterator<Item = (&'a str, PathBuf)>) -> String {
    let output = Command::new("amixer").args(arguments).envs(env).stdin(Stdio::null()).output();
    let output = output.expect("amixer is needed (package alsa-utils)");
    assert!(output.status.success(), "amixer {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
