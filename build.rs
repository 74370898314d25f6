//! Records when this program was built, for `timekeeping::trust`: a clock that shows an earlier
//! time cannot be right. Takes indentation and comments out of the page, so that phones need not
//! load them.

use std::path::Path;
use std::process::Command;

/// 2026-11-01, shortly before version 0.1.0. It is used for a build from an archive, where neither
/// the environment nor git knows a date. It is also the minimum: SOURCE_DATE_EPOCH may be 0, or
/// 1980 as in Nix, which says nothing.
const NO_BUILD_IS_EARLIER_UTC_S: i64 = 1_793_491_200;

/// The clock of the computer that built or committed may itself have been ahead, by up to this.
const MARGIN_S: i64 = 86_400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Not at every commit, which would compile everything again: an older date is only less strict,
    // and packages are built with SOURCE_DATE_EPOCH.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let built_utc_s = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => {
            text.trim().parse().map_err(|_| format!("SOURCE_DATE_EPOCH is {text:?}; it must be seconds since 1970"))?
        }
        Err(_) => committed_utc_s().unwrap_or(NO_BUILD_IS_EARLIER_UTC_S),
    };
    let earliest_utc_s = built_utc_s.saturating_sub(MARGIN_S).max(NO_BUILD_IS_EARLIER_UTC_S);
    let file = Path::new(&std::env::var("OUT_DIR")?).join("earliest_utc_s");
    std::fs::write(file, earliest_utc_s.to_string())?;
    for name in ["index.html", "page.css", "page.js"] {
        let source = Path::new("src/page/www").join(name);
        println!("cargo::rerun-if-changed={}", source.display());
        let text = std::fs::read_to_string(source)?;
        let text = without_indentation(&text);
        let text = if name.ends_with("css") { without_spaces(text) } else { text };
        std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join(name), text)?;
    }
    Ok(())
}

/// Returns a text without indentation, empty lines, and lines that are a comment. No text of the
/// page goes over the end of a line.
fn without_indentation(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Returns a style sheet without the spaces that nobody needs but who reads it here.
fn without_spaces(css: String) -> String {
    let spaces = [(" { ", "{"), (" {", "{"), ("; }", "}"), (" }", "}"), ("; ", ";"), (": ", ":"), (", ", ",")];
    spaces.into_iter().fold(css, |css, (with, without)| css.replace(with, without))
}

/// Returns the date of the commit that this source is from, if git knows it. The repository must
/// begin here: an unpacked archive may lie in another one.
fn committed_utc_s() -> Option<i64> {
    let git = |args: &[&str]| String::from_utf8(Command::new("git").args(args).output().ok()?.stdout).ok();
    let here = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let is_ours = Path::new(top.trim_end()).canonicalize().ok()? == Path::new(&here).canonicalize().ok()?;
    if is_ours { git(&["log", "-1", "--format=%ct"])?.trim().parse().ok() } else { None }
}
