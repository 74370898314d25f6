//! Changes keys of a configuration file. Comments, order and everything else stay as they are.

use toml_edit::{DocumentMut, Item, Table, Value};

/// A key and its new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The section, such as `sound`.
    pub section: &'static str,
    /// The key, such as `device`.
    pub key: &'static str,
    /// The value, as TOML.
    pub value: String,
}

/// The head of a new file.
const HEAD: &str = "# Written by `jaudiosync setup`, which can be run again at any time and leaves manual changes alone.\n\
# All keys and their meanings: jaudiosync config --sample\n\n";

/// Returns the file with these keys set.
///
/// # Errors
/// If the file is not TOML, as it must not be overwritten then.
pub fn edit(before: Option<&str>, settings: &[Setting]) -> Result<String, String> {
    let mut document: DocumentMut =
        before.unwrap_or_default().parse().map_err(|error| format!("it is not TOML: {error}"))?;
    for setting in settings {
        let value: Value = setting.value.parse().map_err(|error| format!("{}: {error}", setting.key))?;
        let section = document.entry(setting.section).or_insert_with(|| Item::Table(Table::new()));
        let Some(section) = section.as_table_like_mut() else {
            return Err(format!("{} is not a section in it", setting.section));
        };
        match section.get_mut(setting.key).and_then(Item::as_value_mut) {
            // The rest of the line stays.
            Some(old) => {
                let decor = old.decor().clone();
                *old = value;
                *old.decor_mut() = decor;
            }
            None => _ = section.insert(setting.key, Item::Value(value)),
        }
    }
    let head = if before.is_none() { HEAD } else { "" };
    Ok(format!("{head}{document}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Layers, SAMPLE};

    fn setting(section: &'static str, key: &'static str, value: &str) -> Setting {
        Setting { section, key, value: value.to_owned() }
    }

    #[test]
    fn comments_and_other_keys_stay() {
        let before = "# mine\n[volume]\nstep_percent = 3 # small\n\n[sound] # the DAC\ndevice = \"x\"   # old\n";
        let after = edit(Some(before), &[setting("sound", "device", "\"Audio\""), setting("time", "rtc", "\"none\"")]);
        let expected = "# mine\n[volume]\nstep_percent = 3 # small\n\n[sound] # the DAC\ndevice = \"Audio\"   # old\n\n\
                        [time]\nrtc = \"none\"\n";
        assert_eq!(after.unwrap(), expected);
    }

    #[test]
    fn the_sample_can_be_edited_and_is_then_read_without_a_problem() {
        let after =
            edit(Some(SAMPLE), &[setting("board", "start_gpio", "17"), setting("time", "gpsd", "\"a:1\"")]).unwrap();
        let mut layers = Layers::default();
        layers.lay(Path::new("a.toml"), after.as_bytes());
        assert_eq!(layers.problems(), []);
        assert_eq!(layers.config().board.start_gpio.number(), 17);
        assert_eq!(after.lines().count(), SAMPLE.lines().count());
    }

    #[test]
    fn a_new_file_gets_a_head_and_one_that_is_not_toml_is_left_alone() {
        let new = edit(None, &[setting("sound", "channels", "\"mono\"")]).unwrap();
        assert!(new.starts_with("# Written by") && new.ends_with("[sound]\nchannels = \"mono\"\n"), "{new}");
        assert!(edit(Some("[[["), &[]).is_err());
        assert!(
            edit(Some("sound = 3\n"), &[setting("sound", "device", "\"\"")]).unwrap_err().contains("not a section")
        );
    }
}
