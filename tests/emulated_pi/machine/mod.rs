//! An emulated Raspberry Pi 3B: QEMU with Debian's kernel and the real drivers, driven from outside.
//!
//! Four lines lead in: the console, whose text is kept; the second serial port, where an agent runs commands; QEMU's
//! monitor; and its test socket, through which buttons are pressed. `scripts/pi-image` prepares what is booted.

#![allow(dead_code)]

mod agent;
mod card;
mod console;
mod line;
mod monitor;
mod pins;
mod program;
mod qemu;

use std::path::Path;
use std::time::{Duration, Instant};

use agent::Agent;
pub use agent::Answer;
pub use card::SdCard;
use console::Console;
use monitor::Monitor;
pub use pins::{Contact, FREE_PIN, Pins};
pub use program::Program;
use qemu::Qemu;

/// A boot takes 3 s on a machine that does nothing else.
const BOOT_TIMEOUT: Duration = Duration::from_secs(90);

/// How long a switched-off box may take to end.
const OFF_TIMEOUT: Duration = Duration::from_secs(60);

/// A box that is switched on. Dropping it is a power cut.
pub struct Machine {
    qemu: Qemu,
    console: Console,
    agent: Agent,
    monitor: Monitor,
    pins: Pins,
    card: SdCard,
    /// From the start of QEMU until the agent answered.
    pub boot_time: Duration,
}

/// What a box has when it is switched on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fitted<'a> {
    /// What is pressed or fitted.
    pub closed: &'a [Contact],
    /// A USB sound card. Its drivers are not loaded by themselves.
    pub usb_sound: bool,
}

impl Machine {
    /// Switches a box on with this card in it, no button pressed and no jumper fitted, and waits until it answers.
    pub fn boot(card: SdCard) -> Self {
        Self::boot_with(card, Fitted::default())
    }

    /// The same with something else fitted.
    pub fn boot_with(card: SdCard, fitted: Fitted<'_>) -> Self {
        let started = Instant::now();
        let (qemu, lines) = Qemu::start(card.path(), fitted.usb_sound);
        let console = Console::new(lines.console);
        let pins = Pins::new(lines.test, fitted.closed);
        let monitor = Monitor::new(lines.monitor);
        let agent = Agent::new(lines.agent, BOOT_TIMEOUT, &console);
        Self { qemu, console, agent, monitor, pins, card, boot_time: started.elapsed() }
    }

    /// Takes the power away, at once, and gives back the card as it is then.
    pub fn cut_power(mut self) -> SdCard {
        self.qemu.kill();
        self.card
    }

    /// Has the box shut down properly, and gives back the card.
    pub fn shut_down(mut self) -> SdCard {
        self.agent.send("poweroff", &self.console);
        self.wait_until_off()
    }

    /// Waits until the box has switched itself off, and gives back the card.
    pub fn wait_until_off(mut self) -> SdCard {
        assert!(self.qemu.wait(OFF_TIMEOUT), "it did not switch itself off\n{}", self.console.tail());
        self.card
    }

    /// Ends QEMU through its monitor: to the box a power cut, but QEMU tidies up.
    pub fn quit(mut self) -> SdCard {
        self.monitor.execute("quit");
        assert!(self.qemu.wait(OFF_TIMEOUT), "QEMU did not quit");
        self.card
    }

    /// Starts the box anew, properly, and waits until it answers.
    pub fn reboot(&mut self) {
        self.agent.send("reboot", &self.console);
        self.agent.wait_until_ready(BOOT_TIMEOUT, &self.console);
    }

    /// Has a command run in the box's shell and waits for its end. It must succeed.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> Answer {
        let answer = self.try_run(command);
        assert_eq!(answer.code, 0, "`{command}`: {answer:?}\n{}", self.console.tail());
        answer
    }

    /// The same, whether or not it succeeds.
    pub fn try_run(&mut self, command: &str) -> Answer {
        self.agent.run(command, &self.console)
    }

    /// Starts a program that goes on in the background; `name` marks what it says on the console.
    pub fn spawn(&mut self, name: &'static str, command: &str) -> Program {
        let said_before = self.console.length();
        self.run(&format!("spawn {name} '{}'", command.replace('\'', r"'\''")));
        Program::new(name, said_before)
    }

    /// A program that the box has started by itself, of which each line on the console begins with this name.
    pub fn follow(&self, name: &'static str) -> Program {
        Program::new(name, 0)
    }

    /// Writes a file on the box, executable if it is so here.
    pub fn push(&mut self, from: &Path, to: &str) {
        let bytes = std::fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        self.card.write_exchange(&bytes);
        let length = bytes.len();
        let exchange = card::EXCHANGE_DEVICE;
        self.run(&format!("blockdev --flushbufs {exchange} && head -c {length} {exchange} >'{to}'"));
        if is_executable(from) {
            self.run(&format!("chmod +x '{to}'"));
        }
    }

    /// Reads a file of the box.
    pub fn pull(&mut self, from: &str) -> Vec<u8> {
        let exchange = card::EXCHANGE_DEVICE;
        let length = self.run(&format!("stat -c %s '{from}' && dd if='{from}' of={exchange} bs=64k conv=fsync"));
        self.card.read_exchange(length.stdout.trim().parse().expect("the size of a file"))
    }

    /// The buttons, the jumper and all other pins.
    pub fn pins(&mut self) -> &mut Pins {
        &mut self.pins
    }

    /// What the kernel and the programs have said.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The processor time that QEMU has taken.
    pub fn processor_time(&self) -> Duration {
        self.qemu.processor_time()
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0)
}
