//! The text after a command's help: examples, exit codes and paragraphs, as a manual page shows
//! them.

use clap_mangen::roff::{Roff, bold, roman};

use super::text::columns;

/// Appends the text. A block whose first line ends with a colon becomes a section, any other block
/// a paragraph of NOTES.
pub(crate) fn render(text: &str, roff: &mut Roff) {
    let mut notes = Vec::new();
    for block in text.split("\n\n") {
        match block.split_once(":\n") {
            Some(("Exit codes", lines)) => exit_codes(lines, roff),
            Some((title, lines)) => section(title, lines, roff),
            None => notes.push(block),
        }
    }
    for (number, note) in notes.iter().enumerate() {
        roff.control(if number == 0 { "SH" } else { "PP" }, (number == 0).then_some("NOTES"));
        roff.text([roman(note.replace('\n', " "))]);
    }
}

/// Appends commands, each with its explanation below it, if there is one.
fn section(title: &str, lines: &str, roff: &mut Roff) {
    roff.control("SH", [title.to_uppercase().as_str()]);
    for line in lines.lines() {
        let columns = columns(line);
        let Some((command, explanation)) = columns.split_first() else { continue };
        roff.control(if explanation.is_empty() { "PP" } else { "TP" }, []);
        roff.text([bold(*command)]);
        if !explanation.is_empty() {
            roff.text([roman(explanation.join(" "))]);
        }
    }
}

/// Appends codes and meanings, which are in several columns, in the order of the codes.
fn exit_codes(lines: &str, roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    let mut pairs: Vec<_> = lines.lines().flat_map(pairs).collect();
    pairs.sort_unstable();
    for (code, meaning) in pairs {
        roff.control("TP", []);
        roff.text([bold(code)]);
        roff.text([roman(meaning)]);
    }
}

fn pairs(line: &str) -> Vec<(&str, &str)> {
    columns(line).chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        let mut roff = Roff::new();
        render(text, &mut roff);
        roff.to_roff()
    }

    #[test]
    fn every_example_is_above_what_it_does() {
        let page = rendered("Examples:\n  play\n  play -p 2     track 2");
        assert_eq!(page, ".SH EXAMPLES\n.PP\n\\fBplay\\fR\n.TP\n\\fBplay \\-p 2\\fR\ntrack 2\n");
    }

    #[test]
    fn exit_codes_are_in_order_and_the_rest_is_notes() {
        let page = rendered("Exit codes:\n  0  done     2  wrong\n  1  failed\n\nSet X to\nsee more.");
        assert_eq!(
            page,
            ".SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\ndone\n.TP\n\\fB1\\fR\nfailed\n.TP\n\\fB2\\fR\nwrong\n.SH NOTES\n\
             Set X to see more.\n"
        );
    }
}
