//! The page itself. Everything is part of the program, and nothing comes from elsewhere.

use sha2::{Digest, Sha256};

/// A file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Where a request finds it.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What is in it.
    pub contents: &'static [u8],
}

/// All files of the page.
pub const ALL: [Asset; 6] = [
    Asset {
        path: "/",
        media_type: "text/html; charset=utf-8",
        contents: include_bytes!(concat!(env!("OUT_DIR"), "/index.html")),
    },
    Asset {
        path: "/page.css",
        media_type: "text/css; charset=utf-8",
        contents: include_bytes!(concat!(env!("OUT_DIR"), "/page.css")),
    },
    Asset {
        path: "/page.js",
        media_type: "text/javascript; charset=utf-8",
        contents: include_bytes!(concat!(env!("OUT_DIR"), "/page.js")),
    },
    Asset { path: "/icon.svg", media_type: "image/svg+xml", contents: include_bytes!("www/icon.svg") },
    Asset { path: "/icon.png", media_type: "image/png", contents: include_bytes!("www/icon.png") },
    Asset {
        path: "/manifest.webmanifest",
        media_type: "application/manifest+json",
        contents: include_bytes!("www/manifest.webmanifest"),
    },
];

impl Asset {
    /// Returns a mark that changes with the contents, for the header `ETag`.
    pub fn mark(&self) -> String {
        let hash = Sha256::digest(self.contents);
        format!("\"{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}\"", hash[0], hash[1], hash[2], hash[3], hash[4], hash[5])
    }
}

/// Returns a file of the page that is text, for tests.
#[cfg(test)]
pub(crate) fn text(path: &str) -> &'static str {
    let asset = ALL.iter().find(|asset| asset.path == path).unwrap();
    std::str::from_utf8(asset.contents).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_weighs_at_most_60_kb() {
        let bytes: usize = ALL.iter().map(|asset| asset.contents.len()).sum();
        assert!(bytes <= 60_000, "{bytes}");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_nothing_that_its_policy_forbids() {
        for asset in ALL.iter().filter(|asset| !asset.path.ends_with("png")) {
            let contents = text(asset.path).replace("http://www.w3.org/2000/svg", "");
            assert!(!contents.contains("http://") && !contents.contains("https://"), "{}", asset.path);
            assert!(!contents.contains("url(") && !contents.contains("@import"), "{}", asset.path);
        }
        let html = text("/");
        assert!(!html.contains("style=") && !html.contains("<style") && !html.contains("onclick"));
        assert_eq!(html.matches("<script").count(), 1);
    }

    #[test]
    fn what_the_page_links_to_is_there() {
        let html = text("/");
        let links = html.split(['"', '\'']).filter(|part| part.starts_with('/') && part.len() > 1);
        let mut count = 0;
        for link in links {
            assert!(ALL.iter().any(|asset| asset.path == link), "{link}");
            count += 1;
        }
        assert!(count >= 4);
    }

    /// What stands between the first of these and the next of those, wherever that is.
    fn between<'a>(text: &'a str, before: &str, after: char) -> impl Iterator<Item = &'a str> {
        text.split(before).skip(1).filter_map(move |rest| rest.split_once(after)).map(|(words, _)| words)
    }

    #[test]
    fn everything_that_it_says_is_also_german() {
        let (german, code) = text("/page.js").split_once("\n};").unwrap();
        let states = between(code, "var STATES = {", '}').next().unwrap();
        let said = between(code, " t(\"", '"').chain(between(code, "(t(\"", '"')).chain(between(states, ": \"", '"'));
        let labels = between(text("/"), "data-t>", '<').chain(between(text("/"), "data-t hidden>", '<'));
        let words: Vec<&str> = said.chain(labels).filter(|words| !words.contains('\\')).collect();
        assert!(words.len() > 80, "{}", words.len());
        for words in words {
            assert!(german.contains(&format!("\"{words}\": ")), "{words}");
        }
    }

    /// Phones of 2016: what came later would stop the whole script.
    #[test]
    fn the_script_is_that_of_2016() {
        let script = text("/page.js");
        for later in
            ["?.", "??", "async ", "await ", "...", "=>", "`", "let ", "const ", "class ", "replaceAll", "fetch("]
        {
            let found = script.lines().find(|line| !line.trim_start().starts_with("//") && line.contains(later));
            assert_eq!(found, None, "{later}");
        }
    }
}
