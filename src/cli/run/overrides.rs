//! The options of `run` that override the configuration's files. Pure.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use toml::{Table, Value};

use crate::config::{self, BoardKind, Layers};

/// The origin of values from the command line, as `config` would show it.
const COMMAND_LINE: &str = "command line";
/// The origin of values that a simulated board implies.
const SIMULATED_BOARD: &str = "simulated board";

/// The options that override the configuration.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Overrides {
    /// Read this configuration file instead of the system's and the boot partition's
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where the buttons are
    #[arg(long, value_enum)]
    pub board: Option<BoardChoice>,

    /// Folder that holds the music and the playlist; can be given several times: the first that has
    /// a playlist is taken
    #[arg(long, value_name = "DIR")]
    pub music: Vec<PathBuf>,

    /// Name of the playlist in the Music folder, with or without .m3u8 or .m3u
    #[arg(long, value_name = "NAME")]
    pub playlist_name: Option<String>,

    /// Sound output, as listed by `jaudiosync devices`
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,

    /// Path of the control socket
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BoardChoice {
    /// On the header of a Raspberry Pi
    Pi,
    /// Simulated by keys on this terminal, or without one by lines on standard input
    Sim,
    /// Nowhere: the box is controlled through its socket
    None,
}

impl Overrides {
    /// Loads the configuration, with these options over it.
    pub(super) fn load(&self) -> Layers {
        let mut layers = config::load(self.config.as_deref());
        lay(&mut layers, COMMAND_LINE, &self.values());
        if layers.config().board.kind == BoardKind::Simulated {
            // The system clock of a desk is never touched, nor is its RTC, should it have one.
            let rtc = ("time", "rtc", Value::from("simulated"));
            let rtc = Some(rtc).filter(|_| layers.origin("time.rtc").is_none());
            let keep = ("time", "set_system_clock", Value::from(false));
            lay(&mut layers, SIMULATED_BOARD, &rtc.into_iter().chain([keep]).collect::<Vec<_>>());
        }
        layers
    }

    fn values(&self) -> Vec<(&'static str, &'static str, Value)> {
        let path = |path: &Path| Value::from(path.to_string_lossy().into_owned());
        let board = self.board.map(|board| match board {
            BoardChoice::Pi => "pi",
            BoardChoice::Sim => "simulated",
            BoardChoice::None => "none",
        });
        let music = self.music.iter().map(|folder| path(folder)).collect();
        let values = [
            ("board", "kind", board.map(Value::from)),
            ("playlist", "folder", (!self.music.is_empty()).then_some(Value::Array(music))),
            ("playlist", "name", self.playlist_name.clone().map(Value::from)),
            ("sound", "device", self.device.clone().map(Value::from)),
            ("control", "socket", self.socket.as_deref().map(path)),
        ];
        values.into_iter().filter_map(|(section, key, value)| Some((section, key, value?))).collect()
    }
}

/// Lays values over the others as a file would: checked the same way, and with their origin.
fn lay(layers: &mut Layers, name: &str, values: &[(&str, &str, Value)]) {
    let mut table = Table::new();
    for (section, key, value) in values {
        let keys = table.entry(*section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(keys) = keys {
            keys.insert((*key).to_owned(), value.clone());
        }
    }
    layers.lay(Path::new(name), table.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use jaudiosync_hw::rtc::SimulatedRtc;

    use crate::config::RtcChoice;

    fn in_file(text: &str, overrides: Overrides) -> Layers {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Overrides { config: Some(file.path().to_owned()), ..overrides }.load()
    }

    #[test]
    fn the_command_line_overrides_the_files_and_is_checked_the_same_way() {
        let overrides = Overrides {
            music: vec!["/home/a \"quoted\" folder".into(), "/b".into()],
            socket: Some("not-from-the-root.sock".into()),
            ..Overrides::default()
        };
        let layers = in_file("[playlist]\nfolder = \"/srv\"\nname = \"Ride\"\n", overrides);
        assert_eq!(layers.config().playlist.folder.all(), ["/home/a \"quoted\" folder", "/b"].map(PathBuf::from));
        assert_eq!(layers.config().playlist.name, "Ride");
        let origin = layers.origin("playlist.folder").unwrap();
        assert_eq!(origin.file, Path::new("command line"));
        let problems: Vec<String> = layers.problems().iter().map(ToString::to_string).collect();
        assert!(problems.len() == 1 && problems[0].contains("socket"), "{problems:?}");
    }

    #[test]
    fn a_simulated_board_never_sets_a_clock_and_has_a_simulated_one_unless_another_was_chosen() {
        let simulated = || Overrides { board: Some(BoardChoice::Sim), ..Overrides::default() };
        let layers = in_file("[time]\nset_system_clock = true\n", simulated());
        assert!(!layers.config().time.set_system_clock);
        assert_eq!(layers.config().time.rtc, RtcChoice::Simulated(SimulatedRtc::Ds3231));
        let layers = in_file("[time]\nrtc = \"none\"\n", simulated());
        assert_eq!(layers.config().time.rtc, RtcChoice::None);
        let layers = in_file("", Overrides::default());
        assert!(layers.config().time.set_system_clock && layers.problems().is_empty());
    }
}
