//! An emulated box, a Raspberry Pi 3B or QEMU's own machine (`board`): QEMU with Debian's kernel
//! and the real drivers, driven from outside.
//!
//! Four lines lead in: the console, whose text is saved; the second serial port, where an agent
//! runs commands; QEMU's monitor; and its test socket, through which buttons are pressed.
//! `scripts/pi-image` prepares what is booted.
//!
//! **A box has a time of its own** (`clock`), by which everything it does is judged, and which does
//! not depend on this machine's speed or load, unless it is to live by this machine's. Waiting happens inside the box, as its time leaps
//! ahead of any observer outside; between two commands its time is slower than this machine's.

mod agent;
mod board;
mod card;
mod clock;
mod console;
mod fat_partition;
mod firmware;
mod line;
mod monitor;
mod network;
mod pins;
mod program;
mod qemu;
mod registers;
mod segment;
mod sound_card;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent::Agent;
pub use agent::Answer;
pub use board::Board;
pub use card::SdCard;
use clock::BoxClock;
pub use clock::BoxTime;
use console::Console;
pub use fat_partition::FatPartition;
use jaudiosync_time::{Instant, Utc};
use monitor::Monitor;
pub use network::{Forwarded, Network, THIS_MACHINE};
pub use pins::{Contact, FREE_PIN, Pins};
pub use program::Program;
use qemu::Qemu;
pub use qemu::prepared;
use registers::Registers;
pub use segment::Segment;
use serde_json::json;
pub use sound_card::{RATE_HZ, SoundCard};

/// By this machine's clock: a boot takes 5 s on an idle machine.
const BOOT_TIMEOUT: Duration = Duration::from_secs(900);

/// How long a switched-off box may take to exit, by this machine's clock.
const OFF_TIMEOUT: Duration = Duration::from_secs(900);

/// How often this side checks whether the box has reached some time.
const LOOK: Duration = Duration::from_millis(1);

/// The same where it is not waited for an exact time.
const RARE_LOOK: Duration = Duration::from_millis(50);

/// The shortest time that a box is off, in seconds.
const OFF_S: i64 = 2;

/// A box that is switched on. Dropping it is a power cut.
pub struct Machine {
    qemu: Qemu,
    console: Console,
    agent: Agent,
    monitor: Monitor,
    registers: Registers,
    clock: BoxClock,
    card: SdCard,
}

/// A box that is switched off: its card, and what its RTC will show when it is switched on again.
pub struct SwitchedOff {
    card: SdCard,
    utc_s: i64,
}

/// Puts a card into a new box, whose RTC shows this machine's time.
impl From<SdCard> for SwitchedOff {
    fn from(card: SdCard) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
        Self { card, utc_s: now.as_secs() as i64 }
    }
}

impl SwitchedOff {
    /// Returns the card that is in it.
    pub fn card(&self) -> &SdCard {
        &self.card
    }
}

/// How a box came to be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    PowerCut,
    /// By itself, or to start again.
    Itself,
}

/// What a box has when it is switched on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fitted<'a> {
    /// Which machine it is.
    pub board: Board,
    /// Which contacts are closed. QEMU's own machine has none.
    pub closed: &'a [Contact],
    /// A sound card. Its drivers are not loaded by themselves.
    pub sound: Option<SoundCard>,
    /// A USB stick with the contents of this folder; it cannot be written to. Its drivers are not
    /// loaded by themselves, either.
    pub stick: Option<&'a Path>,
    /// The service finds out that its RTC is a DS1338; otherwise that stands in for a DS3231.
    pub judges_rtc: bool,
    /// An AT24C32 beside the RTC, whose contents are this file.
    pub eeprom: Option<&'a Path>,
    /// What it is connected with. The small guest has no driver for the adapter.
    pub network: Option<Network<'a>>,
    /// By what its time goes.
    pub time: BoxTime,
}

impl Fitted<'_> {
    /// No button is pressed, and nothing is plugged in.
    pub const NOTHING: Self = Self {
        board: Board::RaspberryPi3,
        closed: &[],
        sound: None,
        stick: None,
        judges_rtc: false,
        eeprom: None,
        network: None,
        time: BoxTime::Own,
    };

    /// The jumper is fitted.
    pub const JUMPER: Self = Self { closed: &[Contact::Jumper], ..Self::NOTHING };
}

impl Machine {
    /// Switches a box on, with no button pressed and no jumper fitted, and waits until it answers.
    pub fn boot(off: impl Into<SwitchedOff>) -> Self {
        Self::boot_with(off, Fitted::default())
    }

    /// Switches a box on with something else fitted.
    pub fn boot_with(off: impl Into<SwitchedOff>, fitted: Fitted<'_>) -> Self {
        let mut machine = Self::switch_on(off, fitted);
        machine.agent.wait_until_ready(BOOT_TIMEOUT, &machine.console);
        machine
    }

    /// Switches a box on, and cuts its power after this time of its own, wherever it is by then. Returns
    /// also when that was, earlier if it has switched itself off.
    pub fn on_for(off: impl Into<SwitchedOff>, fitted: Fitted<'_>, seconds: f64) -> (SwitchedOff, End) {
        let mut machine = Self::switch_on(off, fitted);
        let mut on_for_s = 0.0;
        let end = loop {
            let Ok(on_for) = machine.clock.if_on(&mut machine.registers) else { break End::Itself };
            on_for_s = on_for.seconds();
            if on_for_s >= seconds {
                break End::PowerCut;
            }
            // The box stands still while it is asked.
            sleep(RARE_LOOK);
        };
        machine.qemu.kill();
        let utc_s = machine.clock.on_since_utc_s as f64 + on_for_s;
        (Self::off(machine.card, utc_s), end)
    }

    fn switch_on(off: impl Into<SwitchedOff>, fitted: Fitted<'_>) -> Self {
        let SwitchedOff { card, utc_s } = off.into();
        let (qemu, lines) = Qemu::start(&card, utc_s, fitted);
        let console = Console::new(lines.console);
        let mut registers = Registers::new(lines.test);
        if fitted.board == Board::RaspberryPi3 {
            Pins::fit(&mut registers, fitted.closed);
        }
        let mut monitor = Monitor::new(lines.monitor);
        monitor.execute("cont");
        let clock = BoxClock { board: fitted.board, on_since_utc_s: utc_s, time: fitted.time };
        Self { qemu, console, agent: Agent::new(lines.agent), monitor, registers, clock, card }
    }

    /// Cuts the power, at once.
    pub fn cut_power(mut self) -> SwitchedOff {
        let utc_s = self.utc_s();
        self.qemu.kill();
        Self::off(self.card, utc_s)
    }

    /// Shuts the box down properly.
    pub fn shut_down(mut self) -> SwitchedOff {
        self.agent.send("poweroff", &self.console);
        self.wait_until_off()
    }

    /// Waits until the box has switched itself off.
    pub fn wait_until_off(self) -> SwitchedOff {
        self.wait_until_off_within(60.0)
    }

    /// Waits until the box has switched itself off, which takes no longer than this by its own time. A
    /// whole system that restarts is off then, too.
    pub fn wait_until_off_within(mut self, seconds: f64) -> SwitchedOff {
        let utc_s = self.utc_s();
        // The box has nothing else to do, so its time can leap.
        self.agent.send("sleep 1000", &self.console);
        assert!(self.qemu.wait(OFF_TIMEOUT), "it did not switch itself off\n{}", self.console.tail());
        // The moment was not observed: the box is off for longer.
        Self::off(self.card, utc_s + seconds)
    }

    /// Waits like that while a program on this machine works with the box, whose time must therefore not
    /// leap. Returns `None` if the program ends first.
    pub fn wait_until_off_beside(mut self, seconds: f64, mut works: impl FnMut() -> bool) -> Option<SwitchedOff> {
        let utc_s = self.utc_s();
        if !self.qemu.wait_while(OFF_TIMEOUT, &mut works) {
            assert!(!works(), "it did not switch itself off\n{}", self.console.tail());
            return None;
        }
        Some(Self::off(self.card, utc_s + seconds))
    }

    fn off(card: SdCard, utc_s: f64) -> SwitchedOff {
        SwitchedOff { card, utc_s: utc_s.ceil() as i64 + OFF_S }
    }

    /// Restarts the box properly, and waits until it answers.
    pub fn reboot(&mut self) {
        self.agent.send("reboot", &self.console);
        self.agent.wait_until_ready(BOOT_TIMEOUT, &self.console);
    }

    /// Runs a command in the box's shell and waits for its end. It must succeed.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> Answer {
        let answer = self.try_run(command);
        assert_eq!(answer.code, 0, "`{command}`: {answer:?}\n{}", self.console.tail());
        answer
    }

    /// Runs a command, whether or not it succeeds.
    pub fn try_run(&mut self, command: &str) -> Answer {
        self.agent.run(command, &self.console)
    }

    /// Starts a program that continues in the background; `name` marks its output on the console.
    pub fn spawn(&mut self, name: &'static str, command: &str) -> Program {
        self.run(&format!("spawn {name} '{}'", command.replace('\'', r"'\''")));
        Program::new(name)
    }

    /// Follows a program that the box has started by itself, and whose output goes where that of a
    /// spawned one does.
    pub fn follow(&self, name: &'static str) -> Program {
        Program::new(name)
    }

    /// Waits while the box's time passes.
    pub fn sleep(&mut self, seconds: f64) {
        if seconds > 0.0 {
            self.run(&format!("sleep {seconds:.6}"));
        }
    }

    /// Waits until the box's time reaches this instant of UTC, in seconds since the Unix epoch.
    pub fn sleep_until(&mut self, utc_s: f64) {
        let now_s = self.utc_s();
        self.sleep(utc_s - now_s);
    }

    /// Waits until at least that much of the box's time has passed, without asking the box
    /// anything.
    pub fn wait_outside(&mut self, seconds: f64) {
        let until_s = self.since_power_on_s() + seconds;
        while self.since_power_on_s() < until_s {
            sleep(LOOK);
        }
    }

    /// Returns how often a pin goes high while this much of the box's time passes.
    pub fn rises(&mut self, pin: u32, seconds: f64) -> u32 {
        let until_s = self.since_power_on_s() + seconds;
        let (mut was_high, mut rises) = (self.pins().is_high(pin), 0);
        while self.since_power_on_s() < until_s {
            sleep(LOOK);
            let is_high = self.pins().is_high(pin);
            rises += u32::from(is_high && !was_high);
            was_high = is_high;
        }
        rises
    }

    /// Returns UTC in the box, in seconds since the Unix epoch. None of its programs takes part in
    /// that.
    pub fn utc_s(&mut self) -> f64 {
        (self.clock.utc(&mut self.registers) - Instant::ZERO).seconds()
    }

    /// Returns whether the box's time does not depend on this machine.
    pub fn has_own_time(&self) -> bool {
        self.clock.time == BoxTime::Own
    }

    /// Returns what the box's system clock shows, as its programs see it.
    pub fn system_clock(&mut self) -> Instant<Utc> {
        let clocks = self.run("pi-probe clocks").stdout;
        let system_ns = clocks.split_whitespace().last().and_then(|ns| ns.parse().ok());
        Instant::from_ns(system_ns.unwrap_or_else(|| panic!("the clocks show {clocks}")))
    }

    /// Returns how long the box has been on.
    pub fn since_power_on_s(&mut self) -> f64 {
        self.clock.since_power_on(&mut self.registers).seconds()
    }

    /// Writes a file on the box, executable if it is executable here.
    pub fn push(&mut self, from: &Path, to: &str) {
        let bytes = std::fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        self.card.write_exchange(&bytes);
        let length = bytes.len();
        let exchange = self.clock.board.exchange_device();
        self.run(&format!("blockdev --flushbufs {exchange} && head -c {length} {exchange} >'{to}'"));
        if is_executable(from) {
            self.run(&format!("chmod +x '{to}'"));
        }
    }

    /// Reads a file from the box.
    pub fn pull(&mut self, from: &str) -> Vec<u8> {
        if !self.card.has_exchange() {
            return self.agent.read(from, &self.console);
        }
        let exchange = self.clock.board.exchange_device();
        let length = self.run(&format!("stat -c %s '{from}' && dd if='{from}' of={exchange} bs=64k conv=fsync"));
        self.card.read_exchange(length.stdout.trim().parse().expect("the size of a file"))
    }

    /// Returns the buttons, the jumper and all other pins.
    pub fn pins(&mut self) -> Pins<'_> {
        assert_eq!(self.clock.board, Board::RaspberryPi3, "no other machine has pins");
        Pins { registers: &mut self.registers, monitor: &mut self.monitor, clock: self.clock }
    }

    /// Pulls the USB sound card out.
    pub fn pull_usb_sound(&mut self) {
        self.monitor.execute_with("device_del", &json!({ "id": "sound" }));
    }

    /// Plugs the USB sound card in again. QEMU begins its recording anew.
    pub fn plug_usb_sound(&mut self) {
        self.monitor.execute_with("device_add", &sound_card::usb_card());
    }

    /// Returns what the sound card has played since it was plugged in; see [`Qemu::recorded`].
    pub fn recorded(&self) -> Vec<i16> {
        self.qemu.recorded()
    }

    /// Returns how much of that there is; see [`Qemu::recorded_frames`].
    pub fn recorded_frames(&self) -> u64 {
        self.qemu.recorded_frames()
    }

    /// Presses a button for this long, or a little longer.
    pub fn hold(&mut self, contact: Contact, seconds: f64) {
        self.pins().press(contact);
        self.sleep(seconds);
        self.pins().release(contact);
    }

    /// Returns what the kernel and the programs have printed.
    pub fn console(&self) -> &Console {
        &self.console
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0)
}
