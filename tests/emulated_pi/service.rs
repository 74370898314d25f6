//! The service in a box: what it reports, and what is heard of it.

use jaudiosync::control::Status;
use jaudiosync::control::protocol::PlayState;
use jaudiosync::playlist::{LoadOptions, load};
use jaudiosync::timetable::{Place, Timetable};
use jaudiosync_measure::stretch;
use jaudiosync_time::{Instant, Span};

use crate::clock_comparison::ClockComparison;
use crate::installed::{music, track};
use crate::machine::{Machine, Program};
use crate::recording::{RATE_HZ, Recording};

/// The configuration of all boxes here. Another line begins a section.
pub const CONFIG: &str = "sound.device = \"Loopback\"\n";

/// The same for QEMU's own machine: its only clock is the system clock, and it plays all the same, on
/// whatever card comes.
pub const CONFIG_WITHOUT_BOARD: &str = "start.untrusted_wait_s = 1\ntime.rtc = \"none\"\nboard.kind = \"none\"\n";

/// The largest deviation from the timetable. Playback is exact except for wake-ups, by which the
/// player's readings of the card are late, some 0.02 ms.
pub const PLACE_BOUND_MS: f64 = 0.25;

/// The longest wait is for the next slot of the grid.
const PATIENCE_S: f64 = 90.0;

/// A box that goes by this machine's clock takes longer when that is busy.
const PATIENCE_WITH_THIS_MACHINE_S: f64 = 300.0;

fn patience_s(machine: &Machine) -> f64 {
    if machine.has_own_time() { PATIENCE_S } else { PATIENCE_WITH_THIS_MACHINE_S }
}

/// Between two requests of the status.
const LOOK_S: f64 = 0.1;

/// The length of a sound that is searched for: it occurs once, and most of it may be lost in a
/// drop-out.
const STRETCH_S: f64 = 1.0;

/// The service of a box.
pub struct Service {
    log: Program,
}

impl Service {
    /// Returns the service that starts with the box, once it is ready.
    pub fn of_boot(machine: &mut Machine) -> Self {
        Self::ready(machine.follow("box"), machine)
    }

    /// Returns the service of a whole system, once it is ready.
    pub fn of_system(machine: &mut Machine) -> Self {
        let journal = "journalctl --follow --boot --output cat --lines all --unit jaudiosync.service";
        Self::ready(machine.spawn("box", journal), machine)
    }

    /// Starts one now, with this configuration, and waits until it is ready.
    pub fn start(machine: &mut Machine, name: &'static str, config: &str) -> Self {
        machine.run(&format!("printf %s '{config}' >/run/{name}.toml; mkdir -p /run/jaudiosync /run/{name}.state"));
        let command = format!("jaudiosync run --config /run/{name}.toml --state /run/{name}.state");
        let log = machine.spawn(name, &format!("env RUNTIME_DIRECTORY=/run/jaudiosync RUST_LOG=info {command}"));
        Self::ready(log, machine)
    }

    fn ready(log: Program, machine: &mut Machine) -> Self {
        let mut service = Self { log };
        let said = service.wait_for(machine, "ready ");
        println!("{}", said.split(']').next_back().unwrap_or_default().trim());
        service
    }

    /// Waits for a line of its log.
    #[track_caller]
    pub fn wait_for(&mut self, machine: &mut Machine, words: &str) -> String {
        self.wait_for_within(machine, words, patience_s(machine))
    }

    /// Waits for a line of its log that may take so long.
    #[track_caller]
    pub fn wait_for_within(&mut self, machine: &mut Machine, words: &str, seconds: f64) -> String {
        self.log.wait_for(machine, words, seconds)
    }

    /// Ends it as systemd does.
    pub fn end(mut self, machine: &mut Machine) {
        self.log.signal(machine, "TERM");
        let patience_s = patience_s(machine);
        assert_eq!(self.log.wait(machine, patience_s), 0);
    }

    /// Asserts that nothing has disturbed the music so far.
    #[track_caller]
    pub fn assert_undisturbed(&self, machine: &mut Machine) {
        let log = self.log.log(machine);
        let trouble = ["audio underrun", "jumped to", "not read fast enough", "makes no progress", "has died"];
        assert!(!trouble.iter().any(|words| log.contains(words)), "{log}");
    }

    /// Returns what it has logged so far.
    pub fn log(&self, machine: &mut Machine) -> String {
        self.log.log(machine)
    }

    pub fn status(&self, machine: &mut Machine) -> Status {
        serde_json::from_str(&machine.run("jaudiosync status --json").stdout).expect("a status")
    }

    /// Waits for a status that meets a condition.
    #[track_caller]
    pub fn wait_until(&self, machine: &mut Machine, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let deadline_utc_s = machine.utc_s() + patience_s(machine);
        loop {
            let status = self.status(machine);
            if is_so(&status) {
                return status;
            }
            assert!(machine.utc_s() < deadline_utc_s, "never {what}: {status:#?}\n{}", machine.console().tail());
            machine.sleep(LOOK_S);
        }
    }

    /// Waits until its slot is reported, and returns when that is.
    #[track_caller]
    pub fn slot_utc_s(&self, machine: &mut Machine) -> i64 {
        let is_waiting = |status: &Status| status.play.state == PlayState::WaitingForSlot;
        self.wait_until(machine, "waiting for its slot", is_waiting).play.next.expect("a slot").utc_s
    }
}

/// Returns the common timetable of the demo playlist, made here.
pub fn common_timetable() -> Timetable {
    let options = LoadOptions {
        folders: vec![music()],
        name: "Playlist".to_owned(),
        index_elsewhere: None,
        every_mp3: true,
        trust_index: false,
        rebuild: false,
        make_maps: false,
    };
    let playlist = load(&options, &|_, _| {}).expect("the demo playlist").playlist;
    Timetable::common(playlist.lengths(), 0).expect("a timetable")
}

/// Returns by how much later than on a timetable a box is heard, in ms, at or soon after an instant
/// of UTC: if a track ends there, in the next one.
#[track_caller]
pub fn late_ms(recording: &Recording, compared: &ClockComparison, timetable: &Timetable, from_utc_s: f64) -> f64 {
    let mut utc = Instant::ZERO + Span::from_seconds_f64(from_utc_s);
    let room = Span::from_seconds_f64(STRETCH_S);
    loop {
        match (timetable.place_at(utc), timetable.place_at(utc + room)) {
            (Place::Playing { slot, offset }, Place::Playing { slot: later, .. }) if slot == later => {
                let sound = stretch(&track(slot.track), RATE_HZ, offset.seconds(), STRETCH_S).expect("a track");
                let due = compared.raw(utc);
                let heard = recording.heard(&sound, due).unwrap_or_else(|| {
                    let loudest = recording.loudest(due, due + room);
                    let offset_s = offset.seconds();
                    panic!(
                        "track {} is not heard at {offset_s:.1} s; the loudest sample there is {loudest}",
                        slot.track
                    )
                });
                return (heard - due).ms();
            }
            _ => utc += Span::from_ms(250),
        }
    }
}
