//! What the tests ask an emulated Raspberry Pi from inside: what its sound card plays and when, and
//! the levels of its pins.

mod await_line;
mod clocks;
mod hold_pin;
mod levels;
mod mixer;
mod rate_shift;
mod record;
mod synchronized;
mod watch;

use clap::Parser;

/// Examine an emulated Raspberry Pi from inside.
#[derive(Debug, Parser)]
enum Probe {
    Await(await_line::AwaitLine),
    Clocks(clocks::Clocks),
    Mixer(mixer::MixerVolume),
    Record(record::Record),
    HoldPin(hold_pin::HoldPin),
    Levels(levels::Levels),
    RateShift(rate_shift::RateShift),
    Synchronized(synchronized::Synchronized),
    Watch(watch::Watch),
}

fn main() -> anyhow::Result<()> {
    match Probe::parse() {
        Probe::Await(command) => command.run(),
        Probe::Clocks(command) => command.run(),
        Probe::Mixer(command) => command.run(),
        Probe::Record(command) => command.run(),
        Probe::HoldPin(command) => command.run(),
        Probe::Levels(command) => command.run(),
        Probe::RateShift(command) => command.run(),
        Probe::Synchronized(command) => command.run(),
        Probe::Watch(command) => command.run(),
    }
}
