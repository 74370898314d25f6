//! `docs/make-wiring` from outside: what it refuses, and how it says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

/// Draws in a folder, of which arguments may name files.
fn make_wiring(folder: &Path, arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/make-wiring");
    Command::new(script).args(arguments).current_dir(folder).output().expect("Python is installed")
}

#[test]
fn what_cannot_be_drawn_is_refused_in_a_line_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("broken.toml", b"[board\n");
    write("latin.toml", b"# L\xfcbeck\n");
    write("text.toml", b"[board]\nstop_gpio = \"13\"\n");
    let refused: [(&[&str], &str); 12] = [
        (&["--pins", "stop=13,stop=12", "box.svg"], "stop is there twice, with GPIO13 and GPIO12"),
        (&["--pins", "stop=13,start=13", "box.svg"], "GPIO13 is used twice"),
        (&["--pins", "stop=\u{b2}", "box.svg"], "write NAME=NUMBER"),
        (&["--pins", "stop", "box.svg"], "write NAME=NUMBER"),
        (&["--pins", "stop=19", "box.svg"], "belongs to an I2S sound card"),
        (&["--pins", "stop=13"], "the file to draw them in"),
        (&["--pins", "stop=13", "nowhere/box.svg"], "cannot write nowhere/box.svg"),
        (&["--pins", "stop=13", "."], "cannot write ."),
        (&["--config", "none.toml", "box.svg"], "cannot read none.toml"),
        (&["--config", "broken.toml", "box.svg"], "broken.toml is not TOML"),
        (&["--config", "latin.toml", "box.svg"], "latin.toml is not UTF-8"),
        (&["--config", "text.toml", "box.svg"], "board.stop_gpio = '13' is not the number of a GPIO"),
    ];
    for (arguments, words) in refused {
        let output = make_wiring(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "no {words:?} in {said}");
        assert!(!said.contains("Traceback"), "{arguments:?}: {said}");
    }
    assert!(!folder.path().join("box.svg").exists());
}

#[test]
fn the_pins_of_a_box_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("box.toml"), "[board]\nstop_gpio = 13\njumper_gpio = 12\n").unwrap();
    let output = make_wiring(folder.path(), &["--config", "box.toml", "box.svg"]);
    assert!(output.status.success(), "{output:?}");
    assert!(std::fs::read_to_string(folder.path().join("box.svg")).unwrap().starts_with("<svg"));
}
