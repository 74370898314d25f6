//! `scripts/release` from outside: what the zip for cards holds, that the script in it makes cards
//! wherever it is unpacked, and that a damaged release is found. The packages are no real ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CMDLINE: &str = "console=tty1 root=PARTUUID=4e639091-02 rootwait quiet\n";
const ARM64: &str = "jaudiosync_0.2.0-1_arm64.deb";

/// A temporary folder with packages.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for name in [ARM64, "jaudiosync_0.2.0-1_armhf.deb", "jaudiosync_0.3.0-1_armhf.deb", "other_1_arm64.deb"] {
            fs::write(desk.path(name), format!("!<arch>\n{name}")).unwrap();
        }
        fs::write(desk.path("jaudiosync_0.4.0-1_arm64.deb"), "<html>").unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn release(&self, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/release");
        Command::new(script).args(arguments).current_dir(self.0.path()).output().expect("Python is installed")
    }

    fn makes(&self, output: &str) {
        let made = self.release(&["--deb", ARM64, "jaudiosync_0.2.0-1_armhf.deb", "--output", output]);
        assert!(made.status.success(), "{made:?}");
    }

    /// Unpacks the zip, as any system does, and returns the folder in it.
    fn unpacked(&self) -> PathBuf {
        self.makes("made");
        let zip = self.path("made/jaudiosync-card-0.2.0.zip");
        let mut python = Command::new("python3");
        python.args(["-m", "zipfile", "-e"]).arg(zip).arg(self.path("elsewhere"));
        assert!(python.status().unwrap().success());
        let folders: Vec<_> = fs::read_dir(self.path("elsewhere")).unwrap().collect();
        assert_eq!(folders.len(), 1, "it is unpacked into one folder");
        self.path("elsewhere/jaudiosync-card-0.2.0")
    }

    /// Returns the names and the texts of the guide in the zip; pictures have none.
    fn unpacked_guide(&self) -> Vec<(String, String)> {
        let files = fs::read_dir(self.unpacked().join("guide")).unwrap().map(|file| file.unwrap());
        files
            .map(|file| {
                let name = file.file_name().into_string().unwrap();
                (name, String::from_utf8(fs::read(file.path()).unwrap()).unwrap_or_default())
            })
            .collect()
    }

    /// Makes the folder at which a card's boot partition is mounted.
    fn card(&self) -> PathBuf {
        let card = self.path("card");
        fs::create_dir(&card).unwrap();
        fs::write(card.join("cmdline.txt"), CMDLINE).unwrap();
        fs::write(card.join("config.txt"), "dtparam=audio=on\n").unwrap();
        card
    }
}

fn image(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("python3").arg(folder.join("image")).args(arguments).output().unwrap()
}

fn error(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_zip_makes_cards_wherever_it_is_unpacked() {
    let desk = Desk::new();
    let folder = desk.unpacked();
    let card = desk.card();
    let made = image(&folder, &[card.to_str().unwrap(), "--hostname", "bike-1"]);
    assert!(made.status.success(), "{made:?}");
    let said = String::from_utf8_lossy(&made.stdout);
    assert!(said.contains(&format!("package: {ARM64}, which lies beside this script")), "{said}");
    let ours = card.join("jaudiosync");
    assert_eq!(fs::read(ours.join("package-0.deb")).unwrap(), fs::read(desk.path(ARM64)).unwrap());
    assert_eq!(fs::read(ours.join("first-boot")).unwrap(), fs::read("packaging/card/first-boot").unwrap());
    assert!(fs::read_to_string(card.join("cmdline.txt")).unwrap().contains("jaudiosync/first-boot"));
    for file in fs::read_dir("packaging/card").unwrap() {
        let name = file.unwrap().file_name();
        assert!(folder.join("packaging/card").join(&name).exists(), "{name:?} is not in the zip");
    }
    let help = String::from_utf8(image(&folder, &["--help"]).stdout).unwrap();
    assert!(help.contains("  ./image /media/me/bootfs") && !help.contains("scripts/image"), "{help}");
    let guide = fs::read_to_string(folder.join("guide/flash-a-card.html")).unwrap();
    let options: Vec<&str> = guide
        .split("<pre><code>")
        .skip(1)
        .map(|code| code.split("</code>").next().unwrap())
        .filter(|code| code.contains("image "))
        .flat_map(str::split_whitespace)
        .filter(|word| word.starts_with("--"))
        .collect();
    assert!(options.len() > 10, "{options:?}");
    assert!(options.iter().all(|option| help.contains(option)), "one of {options:?} is not in {help}");
    let sample = fs::read_to_string(folder.join("jaudiosync.toml")).unwrap();
    let set = sample.lines().find(|line| line.contains(" = ") && !line.starts_with('#'));
    assert_eq!(set, None, "every key of the sample is a comment");
    assert!(fs::read_to_string(folder.join("licences/LICENSE-MIT.txt")).unwrap().contains("Permission"));
}

/// Returns what stands between a word and the next quote, wherever the word is.
fn quoted<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap())
}

#[test]
fn the_pages_of_the_guide_lead_nowhere_else() {
    let guide = Desk::new().unpacked_guide();
    let mut links = 0;
    for (name, text) in guide.iter().filter(|(name, _)| name.ends_with(".html")) {
        for target in quoted(text, "href=\"").chain(quoted(text, "src=\"")).filter(|link| !link.contains("://")) {
            let (file, part) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { name } else { file };
            let page = guide.iter().find(|(name, _)| name == file).map(|(_, text)| text);
            let page = page.unwrap_or_else(|| panic!("{name}: {target} is not there"));
            let known = part.is_empty() || quoted(page, " id=\"").any(|id| id == part);
            assert!(known, "{name}: {target}: there is no such heading");
            links += 1;
        }
        assert!(!text.contains("](") && !text.contains('\0'), "{name} has Markdown in it");
    }
    assert!(links > 30, "{links} links");
}

#[test]
fn without_one_package_beside_it_the_script_asks_for_it() {
    let desk = Desk::new();
    let (folder, card) = (desk.unpacked(), desk.card());
    fs::copy(desk.path(ARM64), folder.join("jaudiosync_0.1.0-1_arm64.deb")).unwrap();
    let said = error(&image(&folder, &[card.to_str().unwrap()]));
    assert!(said.contains("several packages") && said.contains("0.1.0-1_arm64") && said.contains(ARM64), "{said}");
    let package = folder.join("jaudiosync_0.1.0-1_arm64.deb");
    let made = image(&folder, &[card.to_str().unwrap(), "--package", package.to_str().unwrap()]);
    assert!(made.status.success(), "one that is named counts: {made:?}");
    for name in [ARM64, "jaudiosync_0.1.0-1_arm64.deb"] {
        fs::remove_file(folder.join(name)).unwrap();
    }
    let said = error(&image(&folder, &[card.to_str().unwrap()]));
    assert!(said.starts_with("./image: --package is missing") && said.contains("beside this script"), "{said}");
}

#[test]
fn what_was_changed_is_missing_or_does_not_belong_to_a_release_is_found() {
    let desk = Desk::new();
    desk.makes("made");
    let zip = desk.path("made/jaudiosync-card-0.2.0.zip");
    let check = || desk.release(&["--check", "made"]);
    assert!(check().status.success());
    let mut sums = Command::new("sha256sum");
    sums.args(["--check", "--strict", "SHA256SUMS"]).current_dir(desk.path("made"));
    assert!(sums.output().unwrap().status.success(), "everybody else can check it");

    let whole = fs::read(&zip).unwrap();
    let mut changed = whole.clone();
    changed[1000] ^= 1;
    fs::write(&zip, changed).unwrap();
    assert!(error(&check()).contains("jaudiosync-card-0.2.0.zip differs from its checksum"));
    fs::remove_file(&zip).unwrap();
    assert!(error(&check()).contains("jaudiosync-card-0.2.0.zip is missing"));
    fs::write(&zip, whole).unwrap();
    fs::write(desk.path("made/more.deb"), "").unwrap();
    assert!(error(&check()).contains("more.deb has no checksum"));
}

#[test]
fn the_same_commit_makes_the_same_release() {
    let desk = Desk::new();
    desk.makes("made");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/release");
    let mut again = Command::new(script);
    again.args(["--deb", "jaudiosync_0.2.0-1_armhf.deb", ARM64, "--output", "again"]);
    let again = again.current_dir(desk.0.path()).env("TZ", "Asia/Tokyo").env("LC_ALL", "C").output().unwrap();
    assert!(again.status.success(), "{again:?}");
    let sums = |folder: &str| fs::read_to_string(desk.path(folder).join("SHA256SUMS")).unwrap();
    assert_eq!(sums("made"), sums("again"));
    assert_eq!(sums("made").lines().count(), 3);
    desk.makes("made");
    assert_eq!(sums("made"), sums("again"), "an earlier release is replaced");
}

#[test]
fn what_cannot_be_a_release_is_refused_and_nothing_is_removed() {
    let desk = Desk::new();
    fs::create_dir(desk.path("mine")).unwrap();
    fs::write(desk.path("mine/letter.txt"), "dear").unwrap();
    let refused: [(&[&str], &str); 6] = [
        (&["--deb", ARM64, "--output", "mine"], "has other files in it"),
        (&["--deb", "nothing.deb"], "there is no package nothing.deb"),
        (&["--deb", "jaudiosync_0.4.0-1_arm64.deb"], "is not a Debian package"),
        (&["--deb", "other_1_arm64.deb"], "is not a package for a Pi"),
        (&["--deb", ARM64, "jaudiosync_0.3.0-1_armhf.deb"], "different versions"),
        (&["--deb", "jaudiosync_0.3.0-1_armhf.deb"], "one package for arm64"),
    ];
    for (arguments, words) in refused {
        let output = if arguments.contains(&"--output") { vec![] } else { vec!["--output", "new"] };
        let said = error(&desk.release(&[arguments, &output].concat()));
        assert!(said.contains(words) && !said.contains("Traceback"), "no {words:?} in {said}");
    }
    assert!(desk.path("mine/letter.txt").exists() && !desk.path("new").exists());
}

#[test]
fn a_long_copy_shows_how_far_it_is_on_a_terminal_alone() {
    let desk = Desk::new();
    let (folder, card) = (desk.unpacked(), desk.card());
    fs::create_dir(desk.path("Music")).unwrap();
    fs::write(desk.path("Music/a.mp3"), vec![0; 20 << 20]).unwrap();
    let music = desk.path("Music");
    let arguments = [card.to_str().unwrap(), "--music", music.to_str().unwrap()];
    let plain = image(&folder, &arguments);
    assert!(plain.status.success() && plain.stderr.is_empty(), "{plain:?}");
    let command = format!("python3 '{}/image' '{}' --music '{}'", folder.display(), arguments[0], arguments[2]);
    let shown =
        Command::new("script").args(["--quiet", "--return", "--command", &command, "/dev/null"]).output().unwrap();
    let said = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success(), "{said}");
    for words in ["packing the music [####", "music.tar [####", "100 %"] {
        assert!(said.contains(words), "no {words:?} in {said:?}");
    }
}
