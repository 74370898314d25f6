//! `scripts/image` from outside: what is on the boot partition afterwards, of images and of cards. The
//! images are a partition table and a FAT, with what Raspberry Pi OS has on it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FIRST_SECTOR: u32 = 2048;
/// Some more than `scripts/image` leaves free.
const FAT_MIB: u64 = 72;

/// As the images of bookworm and of trixie have it.
const BOOKWORM: &str = "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes \
                        rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n";
const TRIXIE: &str = "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes \
                      rootwait resize cfg80211.ieee80211_regdom=GB ds=nocloud;i=rpi-imager-1\n";
/// By which the system takes the whole card at its first start.
const GROWS: &str = "init=/usr/lib/raspberrypi-sys-mods/firstboot";
/// What starts the script.
const RUN: &str = "systemd.run=/boot/firmware/jaudiosync/first-boot systemd.run_success_action=reboot \
                   systemd.run_failure_action=reboot systemd.unit=kernel-command-line.target";

/// A temporary folder with a package, music, a configuration and keys.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.write("jaudiosync_0.1.0-1_arm64.deb", b"!<arch>\nnot really");
        desk.write("jaudiosync_0.1.0-1_amd64.deb", b"!<arch>\nnot really");
        desk.write("libasound2_1.2.8_arm64.deb", b"!<arch>\nneither");
        desk.write("broken.deb", b"<html>");
        desk.write("Music/Playlist.m3u8", b"What? Now!.mp3\n");
        desk.write("Music/What? Now!.mp3", b"music");
        desk.write("Music/B-sides/b.mp3", b"more");
        desk.write("Music/._b.mp3", b"a Mac's");
        desk.write("Music/.Trashes/c.mp3", b"a Mac's");
        desk.write("Music/System Volume Information/d.mp3", b"of Windows");
        desk.write("no-music/Playlist.m3u8", b"a.mp3\n");
        desk.write("ride.toml", b"\xef\xbb\xbf[volume]\r\nstartup_percent = 30\r\n");
        desk.write("broken.toml", b"[volume\n");
        desk.write("ride.key", b"a3kd-a3kd-a3kd-a3kd-a3kd-a3kd-a3kd-a3kd\r\n");
        desk.write("id.pub", b"ssh-ed25519 AAAAC3Nza me@laptop\n");
        desk.write("id", b"-----BEGIN OPENSSH PRIVATE KEY-----\n");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Makes the folder at which a card's boot partition is mounted.
    fn card(&self, name: &str, cmdline: &str) {
        self.write(&format!("{name}/cmdline.txt"), cmdline.as_bytes());
        self.write(&format!("{name}/config.txt"), b"dtparam=audio=on\n");
    }

    /// Makes an image whose first partition is a FAT, behind which nothing is.
    fn image(&self, name: &str, cmdline: &str) {
        let path = self.path(name);
        let mut table = [0_u8; 512];
        table[450] = 0x0c;
        table[454..458].copy_from_slice(&FIRST_SECTOR.to_le_bytes());
        table[458..462].copy_from_slice(&((FAT_MIB << 11) as u32).to_le_bytes());
        table[510..].copy_from_slice(&[0x55, 0xaa]);
        fs::write(&path, table).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_len(u64::from(FIRST_SECTOR) * 512 + (FAT_MIB << 20)).unwrap();
        self.card("of-image", cmdline);
        mtools(&path, "mformat", &["-F", "-T", &(FAT_MIB << 11).to_string(), "::"]);
        for file in ["cmdline.txt", "config.txt"] {
            mtools(&path, "mcopy", &[self.path("of-image").join(file).to_str().unwrap(), &format!("::{file}")]);
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/image");
        Command::new(script).args(arguments).current_dir(self.0.path()).output().expect("Python is installed")
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn read(&self, path: &str) -> String {
        String::from_utf8(fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))).unwrap()
    }

    /// Reads a file of an image's boot partition; `None` if there is none.
    fn read_in(&self, image: &str, file: &str) -> Option<String> {
        let place = format!("{}@@{}", self.path(image).display(), FIRST_SECTOR * 512);
        let output = Command::new("mtype").args(["-i", &place, &format!("::{file}")]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

fn mtools(image: &Path, tool: &str, arguments: &[&str]) {
    let place = format!("{}@@{}", image.display(), FIRST_SECTOR * 512);
    let output = Command::new(tool).args(["-i", &place]).args(arguments).output().expect("mtools is installed");
    assert!(output.status.success(), "{tool} {arguments:?}: {output:?}");
}

const PACKAGE: [&str; 2] = ["--package", "jaudiosync_0.1.0-1_arm64.deb"];

#[test]
fn an_image_becomes_that_of_a_box_and_the_other_one_stays() {
    let desk = Desk::new();
    desk.image("pi.img", BOOKWORM);
    let before = fs::read(desk.path("pi.img")).unwrap();
    let said = desk.succeeds(&[
        "pi.img",
        "--package",
        "libasound2_1.2.8_arm64.deb",
        "jaudiosync_0.1.0-1_arm64.deb",
        "--music",
        "Music",
        "--config",
        "ride.toml",
        "--hostname",
        "bike-1",
        "--user",
        "rider",
        "--password-hash",
        "$6$salt$hash",
        "--ssh-key",
        "id.pub",
        "--wifi",
        "Café; 1",
        " pedals\\",
        "--wifi",
        "open",
        "",
        "--country",
        "de",
        "--time-zone",
        "Europe/Berlin",
        "--ride-key",
        "ride.key",
        "--dac-overlay",
        "hifiberry-dac",
    ]);
    assert!(said.contains("music: 3 files") && said.contains("pi-bike-1.img is ready"), "{said}");
    assert!(fs::read(desk.path("pi.img")).unwrap() == before, "the image that was given has changed");
    let read = |file: &str| desk.read_in("pi-bike-1.img", file).unwrap_or_else(|| panic!("{file} is missing"));
    let ours = |file: &str| read(&format!("jaudiosync/{file}"));
    assert_eq!(read("cmdline.txt"), format!("{} cfg80211.ieee80211_regdom=DE {RUN}\n", BOOKWORM.trim()));
    assert_eq!(read("jaudiosync.toml"), "[volume]\nstartup_percent = 30\n", "as Windows wrote it");
    assert_eq!(read("config.txt"), "dtparam=audio=on\n");
    assert_eq!(ours("first-boot"), fs::read_to_string("packaging/card/first-boot").unwrap());
    assert_eq!(ours("hostname"), "bike-1\n");
    assert_eq!(ours("user"), "rider:$6$salt$hash\n");
    assert_eq!(ours("authorized_keys"), "ssh-ed25519 AAAAC3Nza me@laptop\n");
    assert_eq!(ours("time-zone"), "Europe/Berlin\n");
    assert_eq!(ours("ride.key"), "a3kd-a3kd-a3kd-a3kd-a3kd-a3kd-a3kd-a3kd\n");
    assert_eq!(ours("dac-overlay"), "hifiberry-dac\n");
    assert!(ours("package-1.deb").contains("not really") && ours("package-0.deb").contains("neither"));
    let wifi = ours("wifi-1.nmconnection");
    assert!(wifi.contains("ssid=67;97;102;195;169;59;32;49;\n") && wifi.contains("psk=\\spedals\\\\\n"), "{wifi}");
    assert!(wifi.contains("autoconnect-priority=99"), "{wifi}");
    assert!(!ours("wifi-2.nmconnection").contains("wifi-security"), "an open one");
    desk.write("music.tar", desk.read_in("pi-bike-1.img", "jaudiosync/music.tar").unwrap().as_bytes());
    let listed = Command::new("tar").arg("-tf").arg(desk.path("music.tar")).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, ["B-sides/b.mp3", "Playlist.m3u8", "What? Now!.mp3"], "nothing that a laptop leaves there");
}

#[test]
fn several_boxes_differ_in_their_names_alone() {
    let desk = Desk::new();
    desk.image("pi.img", TRIXIE);
    assert!(Command::new("xz").arg("-0").arg(desk.path("pi.img")).status().unwrap().success());
    let arguments =
        [&["pi.img.xz", "--boxes", "bike-08..bike-10", "--ride-key", "ride.key", "--output", "cards"], &PACKAGE[..]];
    let said = desk.succeeds(&arguments.concat());
    assert!(said.contains("[2/3]"), "{said}");
    let mut ids = Vec::new();
    for name in ["bike-08", "bike-09", "bike-10"] {
        let image = format!("cards/pi-{name}.img");
        let read = |file: &str| desk.read_in(&image, file).unwrap();
        assert_eq!(read("jaudiosync/hostname"), format!("{name}\n"));
        assert!(read("jaudiosync/ride.key").starts_with("a3kd-"));
        assert_eq!(
            read("cmdline.txt"),
            format!("{} {RUN}\n", TRIXIE.trim()),
            "the card still grows at its first start"
        );
        ids.push(read("jaudiosync/id"));
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(fs::read_dir(desk.path("cards")).unwrap().count(), 3, "nothing half made is left");
}

#[test]
fn cards_that_are_mounted_are_made_in_the_order_in_which_they_are_named() {
    let desk = Desk::new();
    desk.card("bootfs", &BOOKWORM.replace('\n', "\r\n"));
    // Raspberry Pi Imager's own script removes its first word and all that is behind it.
    let imager = "systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot \
                  systemd.unit=kernel-command-line.target";
    desk.card("bootfs1", &format!("{} {imager}\n", BOOKWORM.trim()));
    let arguments = [&["bootfs", "bootfs1", "--boxes", "red,green"], &PACKAGE[..]].concat();
    desk.succeeds(&arguments);
    assert_eq!(desk.read("bootfs/jaudiosync/hostname"), "red\n");
    assert_eq!(desk.read("bootfs1/jaudiosync/hostname"), "green\n");
    assert_eq!(desk.read("bootfs/cmdline.txt"), format!("{} {RUN}\n", BOOKWORM.trim()));
    let words = desk.read("bootfs1/cmdline.txt");
    let (ours, theirs) = (words.find("jaudiosync/first-boot").unwrap(), words.find("firstrun.sh").unwrap());
    assert!(ours < theirs && words.matches("kernel-command-line").count() == 1, "{words}");

    desk.write("bootfs/jaudiosync/first-boot.log", b"of before");
    desk.write("bootfs/jaudiosync/user", b"of before");
    let once = desk.read("bootfs/cmdline.txt");
    desk.succeeds(&arguments);
    assert_eq!((desk.read("bootfs/cmdline.txt"), desk.read("bootfs1/cmdline.txt")), (once, words), "twice is as once");
    assert!(!desk.path("bootfs/jaudiosync/user").exists(), "something of before is left");
}

#[test]
fn music_can_stay_where_any_laptop_changes_it() {
    let desk = Desk::new();
    fs::rename(desk.path("Music/What? Now!.mp3"), desk.path("Music/What, Café.mp3")).unwrap();
    desk.image("pi.img", BOOKWORM);
    desk.card("card", BOOKWORM);
    desk.write("list.toml", b"[playlist]\r\nname = \"Ride\"\r\n[volume]\r\nstep_percent = 3\r\n");
    let stays = ["--music", "Music", "--music-stays", "--config"];
    desk.succeeds(&[&["pi.img"], &PACKAGE[..], &stays, &["list.toml"]].concat());
    desk.succeeds(&[&["card"], &PACKAGE[..], &stays, &["ride.toml"]].concat());
    let read = |file: &str| desk.read_in("pi-jaudiosync.img", file);
    assert_eq!(read("Music/What, Café.mp3").as_deref(), Some("music"));
    assert_eq!(read("Music/B-sides/b.mp3").as_deref(), Some("more"));
    assert_eq!((read("jaudiosync/music.tar"), read("Music/._b.mp3")), (None, None));
    let folder = "folder = \"/boot/firmware/Music\"\n";
    let list = format!("[playlist]\n{folder}name = \"Ride\"\n[volume]\nstep_percent = 3\n");
    assert_eq!(read("jaudiosync.toml"), Some(list));
    assert_eq!(desk.read("card/Music/B-sides/b.mp3"), "more");
    assert_eq!(desk.read("card/jaudiosync.toml"), format!("[volume]\nstartup_percent = 30\n[playlist]\n{folder}"));
    let before = desk.read("card/jaudiosync.toml");
    desk.succeeds(&[&["card"], &PACKAGE[..], &stays[..3]].concat());
    assert_eq!(desk.read("card/jaudiosync.toml"), before, "a configuration that is there stays");
    desk.write("list.toml", "[playlist]\nfolder = \"/media\"\n".as_bytes());
    let refuses = |config: &str, words: &str| {
        let output = desk.run(&[&["card"], &PACKAGE[..], &stays, &[config]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "no {words:?} in {said}");
    };
    refuses("list.toml", "has a playlist.folder");
    desk.write("Music/Why?.mp3", b"music");
    refuses("ride.toml", "'Why?.mp3'; rename it");
}

#[test]
fn a_card_that_is_only_read_is_laid_out_at_its_first_start() {
    let desk = Desk::new();
    fs::rename(desk.path("Music/What? Now!.mp3"), desk.path("Music/What, Café.mp3")).unwrap();
    let appliance = ["--appliance", "--music", "Music"];
    // The words by which the root takes the whole card are gone.
    let plain =
        "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes rootwait";
    let bookworm = format!("{plain} quiet {RUN}\n");
    let trixie = format!("{plain} cfg80211.ieee80211_regdom=GB ds=nocloud;i=rpi-imager-1 {RUN}\n");
    for (name, before, after) in [("bookworm.img", BOOKWORM, bookworm), ("trixie.img", TRIXIE, trixie)] {
        desk.image(name, before);
        desk.succeeds(&[&[name], &PACKAGE[..], &appliance].concat());
        let read = |file: &str| desk.read_in(&name.replace(".img", "-jaudiosync.img"), file);
        assert_eq!(read("cmdline.txt"), Some(after));
        for file in fs::read_dir("packaging/card").unwrap() {
            let file = file.unwrap().path();
            let there = read(&format!("jaudiosync/{}", file.file_name().unwrap().display()));
            assert_eq!(there, Some(fs::read_to_string(&file).unwrap()), "{}", file.display());
        }
        assert!(read("jaudiosync/music.tar").is_some());
    }

    // A card that is only read already: what first-boot writes there would not last.
    let overlay = "init=/usr/local/sbin/jaudiosync-overlay";
    desk.card("sealed", &format!("{plain} {overlay}\n"));
    let output = desk.run(&[&["sealed"], &PACKAGE[..]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains(&format!("--appliance as well, or delete the word {overlay}")),
        "{said}"
    );
    assert_eq!(desk.read("sealed/cmdline.txt"), format!("{plain} {overlay}\n"));
    desk.succeeds(&[&["sealed"], &PACKAGE[..], &appliance[..1]].concat());
    assert_eq!(desk.read("sealed/cmdline.txt"), format!("{plain} {RUN}\n"));

    // The music is to be on a FAT.
    desk.write("Music/Why?.mp3", b"music");
    let output = desk.run(&[&["sealed"], &PACKAGE[..], &appliance].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("'Why?.mp3'; rename it"), "{said}");
}

#[test]
fn a_second_run_that_fails_leaves_a_card_that_starts_as_usual() {
    let desk = Desk::new();
    desk.card("card", BOOKWORM);
    desk.succeeds(&[&["card", "--appliance"], &PACKAGE[..]].concat());
    assert!(desk.read("card/cmdline.txt").contains(RUN) && !desk.read("card/cmdline.txt").contains(GROWS));
    // A name that a card can have, but not while it is written.
    let name = format!("long/{}.mp3", "n".repeat(251));
    desk.write(&name, b"music");
    let output = desk.run(&[&["card"], &PACKAGE[..], &["--music", "long", "--music-stays"]].concat());
    assert!(!output.status.success(), "{output:?}");
    let words = desk.read("card/cmdline.txt");
    assert!(
        words.contains("rootwait quiet") && !words.contains("systemd."),
        "nothing starts that is not there: {words}"
    );
    desk.card("card", BOOKWORM);
    desk.succeeds(&[&["card", "--appliance"], &PACKAGE[..]].concat());
    desk.succeeds(&[&["card"], &PACKAGE[..]].concat());
    assert_eq!(desk.read("card/cmdline.txt"), format!("{} {RUN}\n", BOOKWORM.trim()), "its root grows again");
}

#[test]
fn links_in_the_music_lead_nowhere_else_and_not_for_ever() {
    let desk = Desk::new();
    let music = desk.path("Music");
    symlink(".", music.join("again")).unwrap();
    symlink("..", music.join("B-sides/up")).unwrap();
    symlink("gone.mp3", music.join("broken.mp3")).unwrap();
    desk.card("card", BOOKWORM);
    let said = desk.succeeds(&[&["card"], &PACKAGE[..], &["--music", "Music"]].concat());
    assert!(said.contains("music: 3 files"), "{said}");
    assert!(said.lines().any(|line| line.contains("leads nowhere") && line.contains("broken.mp3")), "{said}");
}

#[test]
fn what_a_playlist_names_and_the_music_lacks_is_reported() {
    let desk = Desk::new();
    desk.card("card", BOOKWORM);
    desk.write("Music/Cafe\u{301}.mp3", b"music");
    let said = |list: &[u8]| {
        desk.write("Music/Playlist.m3u8", list);
        desk.succeeds(&[&["card"], &PACKAGE[..], &["--music", "Music"]].concat())
    };
    // As the programs that wrote it had them.
    let there = "#EXTM3U\nC:\\Users\\me\\B.MP3\r\nfile:///home/me/What%3F%20Now!.mp3\nCAF\u{c9}.mp3\n";
    assert!(!said(there.as_bytes()).contains("silent"));
    let utf16: Vec<u8> = "\u{feff}b.mp3\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for list in
        [&utf16[..], b"Don\x92t.mp3\n\"b.mp3\"\n", b"[playlist]\nFile1=c.mp3\n", b"b.mp3\n\0\0\0", b"\x1b[1m.mp3\n"]
    {
        assert!(!said(list).contains("silent"), "{list:?}");
    }
    let missing = said(b"b.mp3\nold/Gone.mp3\n\xff.mp3\nx/Lost 1.mp3\r\n2.mp3\r3.mp3\n");
    assert!(
        missing.contains("not in Music, and therefore silent: old/Gone.mp3, x/Lost 1.mp3, 2.mp3, and 1 more"),
        "{missing}"
    );
}

#[test]
fn what_cannot_be_is_refused_in_a_line_and_changes_nothing() {
    let desk = Desk::new();
    desk.card("card", BOOKWORM);
    desk.card("no-pi", "quiet\n");
    desk.card("old", BOOKWORM);
    desk.write("old/issue.txt", b"Raspberry Pi reference 2023-05-03\nGenerated using pi-gen\n");
    desk.write("noise.img", &[7; 4096]);
    desk.write("noise.img.xz", &[7; 4096]);
    desk.image("full.img", BOOKWORM);
    desk.write("cases/a.mp3", b"music");
    desk.write("cases/A.mp3", b"music");
    desk.write("device/con.mp3", b"music");
    let latin = desk.path("latin");
    fs::create_dir(&latin).unwrap();
    fs::write(latin.join(OsStr::from_bytes(b"Caf\xe9.mp3")), b"music").unwrap();
    desk.write("large/Playlist.m3u8", b"a.mp3\n");
    desk.write("large/a.mp3", &vec![0; 20 << 20]);
    let with = |more: &[&'static str]| [&["card"], &PACKAGE[..], more].concat();
    let refused: [(Vec<&str>, &str); 29] = [
        ([&["nowhere"], &PACKAGE[..]].concat(), "there is no nowhere"),
        ([&["no-pi"], &PACKAGE[..]].concat(), "not the boot partition of Raspberry Pi OS"),
        ([&["noise.img"], &PACKAGE[..]].concat(), "its first partition is not a FAT"),
        ([&["noise.img.xz"], &PACKAGE[..]].concat(), "download it again"),
        (vec!["card", "--package", "jaudiosync_0.1.0-1_amd64.deb"], "is for a PC (amd64)"),
        (vec!["card", "--package", "broken.deb"], "exactly one"),
        (vec!["card", "--package", "none/jaudiosync.deb"], "cannot be read"),
        ([&["full.img", "--music", "large"], &PACKAGE[..]].concat(), "once it has set itself up"),
        ([&["/dev/null"], &PACKAGE[..]].concat(), "/dev/null is a device"),
        ([&["card", "card", "--boxes", "a,b"], &PACKAGE[..]].concat(), "the same card is named twice"),
        (with(&["--appliance", "--music", "cases"]), "differ in the case of letters alone"),
        (with(&["--appliance", "--music", "latin"]), "is not in UTF-8"),
        (with(&["--appliance", "--music", "device"]), "'con.mp3'"),
        ([&["old"], &PACKAGE[..]].concat(), "older than Raspberry Pi OS 12"),
        (with(&["--appliance", "--music", "Music", "--music-stays"]), "leave --music-stays away"),
        (with(&["--music", "nowhere"]), "there is no Music folder nowhere"),
        (with(&["--music", "no-music"]), "there is no MP3 in no-music"),
        (with(&["--config", "broken.toml"]), "broken.toml"),
        (with(&["--hostname", "my bike"]), "'my bike' is not a host name"),
        (with(&["--boxes", "bike-1..bike-3"]), "1 cards and 3 boxes"),
        (with(&["--boxes", "bike-3..bike-1"]), "not a range of names"),
        (with(&["--boxes", "a,A"]), "a name twice"),
        (with(&["--user", "rider"]), "nobody could log in"),
        (with(&["--user", "rider", "--password-hash", "secret"]), "openssl passwd -6"),
        (with(&["--ssh-key", "id"]), "private key"),
        (with(&["--wifi", "Home", "12345678"]), "--country"),
        (with(&["--wifi", "Home", "short", "--country", "DE"]), "8 to 63 characters"),
        (with(&["--country", "Germany"]), "two letters"),
        (with(&["--ride-key", "id.pub"]), "has not a ride's key"),
    ];
    for (arguments, words) in refused {
        let output = desk.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "no {words:?} in {said}");
        assert!(!said.contains("Traceback"), "{arguments:?}: {said}");
        assert_eq!(desk.read("card/cmdline.txt"), BOOKWORM);
        assert!(!desk.path("card/jaudiosync").exists(), "{arguments:?} has written something");
    }
    assert!(!desk.path("full-jaudiosync.img").exists() && !desk.path("full-jaudiosync.img.part").exists());
}
