//! The ride's task: hears and sends the messages of this box, and connects it with the clock.
//!
//! One step takes in what has come, does what is due, and waits for the next datagram, for a
//! twentieth of a second at most.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_time::{Instant, Raw, Span};

use super::air::{Air, Heard, To};
use super::command::Request;
use super::group::{self, Member, Outgoing, Presence};
use super::key::RideKey;
use super::message::{BoxId, Refused, RunId, open, seal};
use super::report::RideReport;
use crate::timekeeping::estimate::group::GroupCommand;
use crate::timekeeping::estimate::timekeeper::TimeView;
use crate::worker::Task;

/// A step waits for at most this long.
const LONGEST_WAIT: Span = Span::from_ms(50);

/// A step takes in at most this many datagrams before it does what is due.
const MOST_AT_ONCE: usize = 64;

/// How often the report is renewed.
const REPORT_INTERVAL: Span = Span::from_ms(500);

/// A neighbour of which nothing that it sent to all has come for this long, while other messages of
/// it came, is heard only where it addresses this box alone.
const GROUP_SILENCE: Span = Span::from_seconds(20);

/// More neighbours than this are not watched for that.
const MOST_WATCHED: usize = 64;

/// A box of another version is there for this long after its last message.
const OTHER_VERSION_LASTS: Span = Span::from_seconds(60);

/// What is shared with the rest of the program.
#[derive(Debug, Default)]
pub struct RideBoard {
    presence: Mutex<Presence>,
    report: Mutex<RideReport>,
}

impl RideBoard {
    /// Sets what the box says of itself besides the time.
    pub fn set_presence(&self, presence: Presence) {
        *self.presence.lock().unwrap_or_else(PoisonError::into_inner) = presence;
    }

    /// Returns the last report.
    pub fn report(&self) -> RideReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What connects the task with the clock.
pub struct ClockLink {
    /// What the clock has to do.
    pub commands: Sender<GroupCommand>,
    /// What the clock knows, after every of its steps.
    pub view: Arc<Mutex<TimeView>>,
}

/// The ride's task.
pub struct RideTask {
    air: Air,
    key: RideKey,
    clocks: Arc<dyn Clocks>,
    clock: ClockLink,
    board: Arc<RideBoard>,
    requests: Receiver<Request>,
    member: Member<SocketAddr>,
    refused: Refusals,
    /// When a message of another version was last heard.
    other_version_at: Option<Instant<Raw>>,
    reported_at: Instant<Raw>,
    /// When messages of neighbours came last.
    last_heard: HashMap<SocketAddr, LastHeard>,
}

/// When messages of a neighbour came.
#[derive(Debug, Clone, Copy)]
struct LastHeard {
    /// The last one that was sent to all; at first, when it was heard.
    to_all: Instant<Raw>,
    /// The last one.
    any: Instant<Raw>,
}

/// Messages that were refused since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refusals {
    /// They were damaged, or signed with another key.
    pub signature: u64,
    /// They are of another version of the program.
    pub version: u64,
    /// They are signed, and yet not understood.
    pub nonsense: u64,
}

impl RideTask {
    /// Begins as a box that has heard nobody yet.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub fn new(
        air: Air,
        key: RideKey,
        clocks: Arc<dyn Clocks>,
        clock: ClockLink,
        board: Arc<RideBoard>,
        requests: Receiver<Request>,
    ) -> Result<Self, getrandom::Error> {
        let [id, run, seed] = [getrandom::u64()?, getrandom::u64()?, getrandom::u64()?];
        let now = clocks.raw();
        let member = Member::new(BoxId(id), RunId(run), seed, now);
        Ok(Self {
            air,
            key,
            clocks,
            clock,
            board,
            requests,
            member,
            refused: Refusals::default(),
            other_version_at: None,
            reported_at: now,
            last_heard: HashMap::new(),
        })
    }

    fn view(&self) -> TimeView {
        *self.clock.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&mut self, heard: Heard) {
        let Heard { bytes, from, is_to_group, stamp, .. } = heard;
        let message = match open(&bytes, &self.key) {
            Ok(message) => message,
            Err(Refused::Version(_)) => {
                self.other_version_at = Some(stamp);
                return self.refused.version += 1;
            }
            Err(Refused::Nonsense) => return self.refused.nonsense += 1,
            Err(_) => return self.refused.signature += 1,
        };
        let (sender, run) = (message.sender, message.run);
        let view = self.view();
        self.member.hear(message, from, stamp, self.clocks.raw(), &view);
        // An answer goes out at once: its stamp says when that was.
        self.send();
        // Somebody who repeats what a neighbour has said does so from elsewhere.
        let is_proven = |neighbour: &group::Neighbour<SocketAddr>| {
            neighbour.id == sender && neighbour.run == Some(run) && neighbour.peer == from
        };
        if self.member.neighbours().iter().any(is_proven) {
            self.air.authentic(from);
            self.note_to_all(from, is_to_group, stamp);
        }
    }

    fn note_to_all(&mut self, from: SocketAddr, is_to_group: bool, stamp: Instant<Raw>) {
        if self.last_heard.len() >= MOST_WATCHED && !self.last_heard.contains_key(&from) {
            return;
        }
        let last = self.last_heard.entry(from).or_insert(LastHeard { to_all: stamp, any: stamp });
        last.any = stamp;
        if is_to_group {
            last.to_all = stamp;
        }
    }

    fn send(&mut self) {
        for Outgoing { to, message } in self.member.take_outgoing() {
            let to = match to {
                group::To::All => To::All,
                group::To::One(peer) => To::One(peer),
            };
            match seal(&message, &self.key) {
                // What could not be sent is counted and logged where it failed.
                Ok(bytes) => _ = self.air.send(&bytes, to),
                Err(error) => log::debug!("a message was not sent: {error}"),
            }
        }
    }

    fn report(&mut self) {
        let now = self.clocks.raw();
        if now - self.reported_at < REPORT_INTERVAL {
            return;
        }
        self.reported_at = now;
        let presence = self.board.presence.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let report = RideReport::new(&self.member, &presence, &self.view(), now)
            .with_network(&self.air, self.refused)
            .with_unicast_only(|address| {
                self.last_heard.get(&address).is_some_and(|last| last.any - last.to_all > GROUP_SILENCE)
            });
        // Who has gone begins anew when it comes back.
        self.last_heard.retain(|_, last| now - last.any <= GROUP_SILENCE);
        let hears_other_version = self.other_version_at.is_some_and(|at| now - at <= OTHER_VERSION_LASTS);
        let report = RideReport { hears_other_version, ..report };
        self.member.set_presence(presence);
        let mut shown = self.board.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.log_changes(&shown);
        *shown = report;
    }
}

impl Task for RideTask {
    type Command = ();

    fn command(&mut self, (): ()) {}

    fn step(&mut self) -> Duration {
        let deadline = self.clocks.raw() + LONGEST_WAIT;
        let mut taken = 0;
        while taken < MOST_AT_ONCE
            && let Some(heard) = self.air.recv(if taken == 0 { deadline } else { self.clocks.raw() })
        {
            taken += 1;
            self.hear(heard);
        }
        self.member.set_configured(self.air.configured());
        let view = self.view();
        self.member.step(self.clocks.raw(), &view);
        self.send();
        for command in self.member.take_commands() {
            // The clock's thread ends before this one.
            let _ = self.clock.commands.send(command);
        }
        self.report();
        Duration::ZERO
    }
}
