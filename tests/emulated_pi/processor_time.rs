//! The processor time of playing, compared with mpg123 in the same box. Both convert 44.1 to 48
//! kHz.
//!
//! It runs only when `MPG123` names a folder with Debian's mpg123:
//!
//!     scripts/unpack-packages target/mpg123 arm64 mpg123 libmpg123-0 libout123-0 libsyn123-0
//!     MPG123=$PWD/target/mpg123 scripts/emulated-pi processor_time
//!
//! The box's processor takes the same time for every instruction, so this compares how many each of
//! them executes, in the kernel too, and repeats to a hundredth.

use std::env;
use std::path::Path;

use crate::installed::installed_box;
use crate::machine::Machine;

const LIBRARIES: &str = "/usr/lib/aarch64-linux-gnu";
const FILES: [&str; 4] = ["libmpg123.so.0", "libout123.so.0", "libsyn123.so.0", "mpg123/output_alsa.so"];

const OURS: &str = "jaudiosync play --device Loopback --music /srv/jaudiosync/Music";
/// It writes what we write, and not the floats that no card of a Raspberry Pi takes.
const THEIRS: &str =
    "mpg123.bin -r 48000 -e s32 -o alsa -a hw:Loopback,0,0 \"/srv/jaudiosync/Music/01 Chain and Sprocket.mp3\"";

/// Of the 19 s of the first track.
const FROM_S: f64 = 2.0;
const SECONDS: f64 = 15.0;

const RUNS: u32 = 3;
/// The longest wait is for the next slot of the grid.
const PATIENCE_S: f64 = 30.0;

/// Prints the processor time of each of a player's threads and returns the sum, in ms per second of
/// music.
fn measure(machine: &mut Machine, command: &str) -> f64 {
    let mut player = machine.spawn("player", command);
    player.wait_for(machine, "Playing", PATIENCE_S);
    machine.sleep(FROM_S);
    let began = used(machine);
    machine.sleep(SECONDS);
    let ended = used(machine);
    assert_eq!(began.len(), ended.len(), "threads");
    let during_ms = |(began, ended): (&(String, f64), &(String, f64))| {
        let (name, to_ns) = ended;
        (name.clone(), (to_ns - began.1) / 1e6 / SECONDS)
    };
    let threads: Vec<_> = began.iter().zip(&ended).map(during_ms).collect();
    player.signal(machine, "INT");
    player.wait(machine, PATIENCE_S);
    let sum = threads.iter().map(|(_, ms)| ms).sum();
    println!("{sum:.1} ms per second: {threads:.1?}");
    sum
}

/// Returns the names of a player's threads, and the processor time that each has used so far, in ns.
fn used(machine: &mut Machine) -> Vec<(String, f64)> {
    let printed = machine
        .run("for thread in /proc/$(cat /run/player.pid)/task/*; do echo $(cat $thread/schedstat $thread/comm); done");
    let thread = |line: &str| {
        let [ns, _, _, name] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        (name.to_owned(), ns.parse().unwrap())
    };
    printed.stdout.lines().map(thread).collect()
}

#[test]
#[ignore = "needs an emulated Raspberry Pi and mpg123: see its file"]
fn it_takes_no_more_processor_time_than_mpg123() {
    let Some(mpg123) = env::var_os("MPG123") else {
        println!("not compared: MPG123 is not set");
        return;
    };
    let mpg123 = Path::new(&mpg123);
    let mut machine = installed_box();
    machine.run(&format!("mkdir -p {LIBRARIES}/mpg123"));
    machine.push(&mpg123.join("usr/bin/mpg123.bin"), "/usr/bin/mpg123.bin");
    for file in FILES {
        machine.push(&mpg123.join(format!("usr/lib/aarch64-linux-gnu/{file}")), &format!("{LIBRARIES}/{file}"));
    }
    // Until the kernel has gathered randomness, it computes some at every system call, for 20
    // microseconds. A real Raspberry Pi has a generator.
    machine.run("head -c 1 /dev/random");
    for _ in 0..RUNS {
        let ratio = measure(&mut machine, OURS) / measure(&mut machine, THEIRS);
        println!("a ratio of {ratio:.3}");
        assert!(ratio < 1.0);
    }
}
