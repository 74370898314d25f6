//! State on disk under `kill -9`, a full disk and a read-only folder: it is always the old one or
//! the new one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use jaudiosync::storage::{Record, Session, remove_leftovers};

/// Set for the child: the folder into which it writes.
const FOLDER: &str = "STATE_TEST_FOLDER";
/// Set for the child: how many times it writes; if not set, until it is killed.
const TIMES: &str = "STATE_TEST_TIMES";
const KILLS: usize = 1000;

/// Makes a session that contains its number in two places, with a length that changes from one to
/// the next.
fn session(number: i64) -> Session {
    Session {
        anchor_utc_s: number,
        first_track: 0,
        repeats: true,
        playlist: "x".repeat((number % 97) as usize * 50),
        fingerprint: number.to_string(),
        started_utc_s: -number,
    }
}

/// Plays the child's part, in a process of its own; does nothing in the parent. It prints every
/// number that is on disk.
#[test]
fn child_that_writes() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let times = std::env::var(TIMES).map_or(i64::MAX, |times| times.parse().unwrap());
    let record = Record::<Session>::in_folder(Path::new(&folder));
    let begin = record.read().unwrap().map_or(0, |session| session.anchor_utc_s);
    for number in (begin + 1..).take(times as usize) {
        match record.write(&session(number)) {
            Ok(_) => std::io::stderr().write_all(&number.to_le_bytes()).unwrap(),
            Err(error) => return std::io::stderr().write_all(error.to_string().as_bytes()).unwrap(),
        }
    }
}

fn child_arguments() -> [&'static str; 3] {
    ["--exact", "child_that_writes", "--nocapture"]
}

#[test]
fn a_thousand_kills_leave_the_old_state_or_the_new() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::<Session>::in_folder(folder.path());
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let (began, mut written, mut new_unsaid) = (Instant::now(), 0, 0);
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(child_arguments())
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The moment is random on purpose: there is no event to wait for.
        std::thread::sleep(Duration::from_micros(random.u64(0..30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut said = Vec::new();
        child.stderr.take().unwrap().read_to_end(&mut said).unwrap();
        let said =
            said.chunks_exact(8).next_back().map_or(written, |last| i64::from_le_bytes(last.try_into().unwrap()));
        let found = record.read().unwrap_or_else(|error| panic!("SEED={seed}, kill {kill}: {error}"));
        let number = found.as_ref().map_or(0, |session| session.anchor_utc_s);
        assert!((said..=said + 1).contains(&number), "SEED={seed}, kill {kill}: {said} was said, {number} is there");
        assert_eq!(found, (number > 0).then(|| session(number)), "SEED={seed}, kill {kill}");
        written = number;
        new_unsaid += usize::from(number > said);
    }
    assert!(written > KILLS as i64 / 4, "only {written} writes: the kills came too early to prove anything");
    let leftovers = remove_leftovers(folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half-written stays");
    println!(
        "{KILLS} kills, {written} writes, {new_unsaid} killed between rename and return, {leftovers} leftovers removed, {:.1} s",
        began.elapsed().as_secs_f64()
    );
}

#[test]
fn a_full_disk_is_an_error_and_the_old_state_stays() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::in_folder(folder.path());
    record.write(&session(1)).unwrap();
    // No file may grow, as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let output =
        run_child(Command::new("sh").arg("-c").arg(script).arg(std::env::current_exe().unwrap()), folder.path());
    assert!(String::from_utf8_lossy(&output.stderr).contains("neither full nor read-only"), "{output:?}");
    assert_eq!(record.read().unwrap(), Some(session(1)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half-written stays");
}

#[test]
fn a_read_only_folder_is_an_error_and_the_old_state_stays() {
    let outer = tempfile::tempdir().unwrap();
    fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let folder = outer.path().join("state");
    let record = Record::in_folder(&folder);
    record.write(&session(1)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write anywhere, so a test that runs as root runs the child as nobody.
    let binary = outer.path().join("child");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let script = "if [ \"$(id -u)\" = 0 ]; then exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" \"$@\"; \
                  else exec \"$0\" \"$@\"; fi";
    let output = run_child(Command::new("sh").arg("-c").arg(script).arg(&binary), &folder);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("neither full nor read-only"), "{output:?}");
    assert_eq!(record.read().unwrap(), Some(session(1)));
}

fn run_child(command: &mut Command, folder: &Path) -> Output {
    command.args(child_arguments()).env(FOLDER, folder).env(TIMES, "1").output().unwrap()
}
