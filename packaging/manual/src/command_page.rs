//! The pages of section 1: one for the program, and one for every subcommand.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::text::with_bold;
use super::{after_help, configuration_page};

const FILES: [(&str, &str); 6] = [
    ("/etc/jaudiosync/config.toml", "the configuration; see `jaudiosync.toml`(5)"),
    ("/boot/firmware/jaudiosync.toml", "overrides it; any laptop can edit it with the SD card in it"),
    ("/srv/jaudiosync/Music", "the music and the playlist of a box"),
    ("/var/lib/jaudiosync", "the state of a box: calibration, session, position, volume"),
    ("/run/jaudiosync/control.sock", "the socket by which members of the group `jaudiosync` control the service"),
    ("/usr/share/doc/jaudiosync/README.Debian", "what the package changes on a Raspberry Pi, and how it undoes that"),
];

/// Returns the command line as the pages show it: without the subcommand `help`.
pub(crate) fn complete(command: Command) -> Command {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    command
}

/// Returns the names and texts of the pages of a command and its subcommands.
pub(crate) fn all(command: &Command) -> Vec<(String, String)> {
    below(command, None)
}

fn below(command: &Command, above: Option<&str>) -> Vec<(String, String)> {
    let name = name(command);
    let mut pages = vec![(name.clone(), page(command, above))];
    pages.extend(shown(command).flat_map(|command| below(command, Some(&name))));
    pages
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|below| !below.is_hide_set())
}

fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn page(command: &Command, above: Option<&str>) -> String {
    let version = command.get_version().unwrap_or_default();
    // The usage comes from --help, which names the values of options.
    let usage = command.clone().render_usage().to_string().replace("Usage: ", "");
    let man = Man::new(command.clone().override_usage(usage))
        .title(name(command))
        .source(format!("JAudioSync {version}"))
        .manual("JAudioSync");
    let mut page = Vec::new();
    let mut render = |part: fn(&Man, &mut dyn std::io::Write) -> std::io::Result<()>| {
        part(&man, &mut page).unwrap_or_else(|error| unreachable!("memory takes every byte: {error}"));
    };
    render(Man::render_title);
    render(Man::render_name_section);
    render(Man::render_synopsis_section);
    render(Man::render_description_section);
    render(Man::render_options_section);
    if command.has_subcommands() {
        render(Man::render_subcommands_section);
    }
    let mut rest = Roff::new();
    if let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        after_help::render(&text.to_string(), &mut rest);
    }
    if above.is_none() {
        files(&mut rest);
    }
    see_also(command, above, &mut rest);
    with_bold(&(String::from_utf8_lossy(&page) + rest.to_roff().as_str()))
}

fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    for (file, meaning) in FILES {
        roff.control("TP", []);
        roff.text([bold(file)]);
        roff.text([roman(meaning)]);
    }
}

/// Appends the pages above and below this one, and the configuration's.
fn see_also(command: &Command, above: Option<&str>, roff: &mut Roff) {
    let mut pages: Vec<_> = above.into_iter().map(|above| (above.to_owned(), 1)).collect();
    pages.extend(shown(command).map(|below| (name(below), 1)));
    pages.push((configuration_page::NAME.to_owned(), 5));
    let mut line: Vec<Inline> = Vec::new();
    for (name, section) in pages {
        line.push(roman(if line.is_empty() { "" } else { ", " }));
        line.extend([bold(name), roman(format!("({section})"))]);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text(line);
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use jaudiosync::cli::Cli;

    use super::*;

    fn pages() -> Vec<(String, String)> {
        all(&complete(Cli::command()))
    }

    #[test]
    fn every_subcommand_has_a_page_and_help_has_none() {
        let names: Vec<_> = pages().into_iter().map(|(name, _)| name).collect();
        for name in ["jaudiosync", "jaudiosync-play", "jaudiosync-run", "jaudiosync-time", "jaudiosync-time-set-rtc"] {
            assert!(names.contains(&name.to_owned()), "{name} is not among {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
    }

    #[test]
    fn every_page_has_the_sections_that_readers_look_for() {
        for (name, page) in pages() {
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "\"SEE ALSO\""] {
                assert!(page.contains(&format!(".SH {section}\n")), "{name} lacks {section}:\n{page}");
            }
            assert!(!page.contains('`'), "{name} has backticks:\n{page}");
        }
    }

    #[test]
    fn a_page_leads_to_the_one_above() {
        let pages = pages();
        let see_also =
            |name: &str| pages.iter().find(|page| page.0 == name).unwrap().1.rsplit_once("SEE ALSO").unwrap().1;
        assert!(see_also("jaudiosync-time-set-rtc").contains("\\fBjaudiosync\\-time\\fR(1)"));
        assert!(see_also("jaudiosync-play").contains("\\fBjaudiosync\\fR(1)"));
    }
}
