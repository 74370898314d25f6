//! The page of section 5: the configuration, made from the sample that documents every key.

use clap_mangen::roff::{Roff, bold, roman};
use jaudiosync::config::SAMPLE;

use super::text::with_bold;

/// The page's name: that of the file on the boot partition.
pub(crate) const NAME: &str = "jaudiosync.toml";

/// Returns the text of the page.
pub(crate) fn page() -> String {
    let mut roff = Roff::new();
    let source = format!("JAudioSync {}", env!("CARGO_PKG_VERSION"));
    roff.control("TH", [NAME, "5", "", source.as_str(), "JAudioSync"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("jaudiosync.toml - the configuration of a JAudioSync box")]);
    let mut comment = Comment::default();
    let mut is_introduction = true;
    for line in SAMPLE.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.add(text);
        } else if line.starts_with('[') {
            roff.control("SH", [line]);
            comment.render(&mut roff);
        } else if line.contains(" = ") {
            roff.control("TP", []);
            roff.text([bold(line)]);
            comment.render(&mut roff);
        } else if is_introduction {
            roff.control("SH", ["DESCRIPTION"]);
            comment.render(&mut roff);
            is_introduction = false;
        }
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("`jaudiosync`(1), `jaudiosync-config`(1), `jaudiosync-devices`(1)")]);
    with_bold(&roff.to_roff())
}

/// Comment lines that belong together, in paragraphs.
#[derive(Default)]
struct Comment(Vec<String>);

impl Comment {
    fn add(&mut self, line: &str) {
        match (line.trim(), self.0.last_mut()) {
            ("", _) => self.0.push(String::new()),
            (line, Some(paragraph)) => {
                paragraph.push_str(if paragraph.is_empty() { "" } else { " " });
                paragraph.push_str(line);
            }
            (line, None) => self.0.push(line.to_owned()),
        }
    }

    /// Appends the paragraphs to the page, and clears them.
    fn render(&mut self, roff: &mut Roff) {
        for (number, paragraph) in self.0.drain(..).enumerate() {
            if number > 0 {
                roff.control("PP", []);
            }
            roff.text([roman(paragraph)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_above_its_comment() {
        let page = page();
        assert!(
            page.contains(".SH [volume]\n.TP\n\\fBstartup_percent = 50\\fR\nThe volume after power\\-on"),
            "{page}"
        );
        let keys = SAMPLE.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count();
        assert_eq!(page.matches(".TP\n").count(), keys);
    }

    #[test]
    fn the_introduction_has_paragraphs() {
        let page = page();
        let description = page.split(".SH ").nth(2).unwrap();
        assert!(description.starts_with("DESCRIPTION\n") && description.contains("\n.PP\nTwo files"), "{description}");
    }
}
