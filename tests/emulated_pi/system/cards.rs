//! Cards as `scripts/image` makes them, and their first start.

use std::path::{Path, PathBuf};
use std::process::Command;

use jaudiosync::ride_key::RideKey;

use crate::installed::{boot, music};
use crate::machine::{Fitted, Machine, SdCard, SwitchedOff, prepared};
use crate::service::CONFIG;

/// The program for this machine.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_jaudiosync");

/// A small card. QEMU wants a power of two.
const CARD_BYTES: u64 = 4 << 30;

/// The partitions of a card, by their numbers: the system, and of one that is only read what the box
/// remembers and its music.
pub const ROOT: u64 = 2;
pub const STATE: u64 = 3;
pub const MUSIC: u64 = 4;

/// By the box's time: what first-boot does, and the end of a system.
const LONGEST_FIRST_BOOT_S: f64 = 600.0;

/// A desk with what a card is made of.
pub struct Desk(tempfile::TempDir);

impl Desk {
    pub fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a temporary folder"));
        desk.write("box.toml", CONFIG);
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).expect("a file that can be written");
    }

    /// Runs `scripts/image` on the stand-in, with these arguments beside package, music and
    /// configuration. The images are on the desk then.
    fn make_images(&self, arguments: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/image");
        let output = Command::new(script)
            .arg(prepared("system.img"))
            .arg("--package")
            .arg(prepared("jaudiosync_arm64.deb"))
            .arg("--music")
            .arg(music())
            .args(["--config", "box.toml", "--output", "."])
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("Python is installed");
        assert!(output.status.success(), "scripts/image {arguments:?}: {output:?}");
    }

    /// Makes a ride's key, which is then in this file.
    pub fn make_ride_key(&self, name: &str) -> RideKey {
        let made = Command::new(PROGRAM).args(["ride", "new-key"]).output().expect("the program");
        let key = String::from_utf8(made.stdout).expect("a key");
        self.write(name, &key);
        key.trim().parse().expect("a key")
    }

    /// Makes an ssh key: the secret one in this file, the public one beside it with `.pub`.
    pub fn make_ssh_key(&self, name: &str) {
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.path(name)).status();
        assert!(made.expect("ssh-keygen is needed: apt install openssh-client").success());
    }

    /// Makes the image of one box and flashes it.
    pub fn flash(&self, arguments: &[&str]) -> SdCard {
        let [card] = self.flash_boxes(["bike-1"], &[&["--hostname", "bike-1"], arguments].concat());
        card
    }

    /// Makes the images of boxes by one command, in which they have these names, and flashes them.
    pub fn flash_boxes<const COUNT: usize>(&self, names: [&str; COUNT], arguments: &[&str]) -> [SdCard; COUNT] {
        self.make_images(arguments);
        names.map(|name| {
            let image = self.path(&format!("system-{name}.img"));
            let card = SdCard::flashed(&image, CARD_BYTES);
            std::fs::remove_file(image).expect("an image that was made");
            card
        })
    }
}

/// Starts a card for the first time, and waits until it has set itself up.
pub fn set_up(card: impl Into<SwitchedOff>) -> SwitchedOff {
    let machine = boot(card, Fitted::default());
    let off = machine.wait_until_off_within(LONGEST_FIRST_BOOT_S);
    let boot = off.card().boot_partition().expect("a whole system");
    let log = boot.text("jaudiosync/first-boot.log");
    println!("{log}");
    assert!(log.contains("done; the Pi starts again"), "{log}");
    assert!(!boot.text("cmdline.txt").contains("first-boot"), "it would set itself up again");
    off
}

/// Starts a box that is to be sealed for the first time as usual, at the end of which its card is, and
/// switches it off.
pub fn seal(off: impl Into<SwitchedOff>) -> SwitchedOff {
    let mut machine = boot(off, Fitted::default());
    wait_until_started(&mut machine);
    let said = machine.run("jaudiosync-card status").stdout;
    assert!(said.contains("only read from the next start on"), "{said}");
    machine.shut_down()
}

/// Waits until a box has started everything that it starts.
pub fn wait_until_started(machine: &mut Machine) {
    let state = machine.try_run("systemctl is-system-running --wait");
    assert_eq!(state.stdout.trim(), "running", "{}", machine.run("systemctl --failed").stdout);
}
