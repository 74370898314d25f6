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
use super::command::{Action, Desk, Effects, Hearing, Present, Request, Target, Targets, newest};
use super::group::honesty::Standing;
use super::group::{self, Member, Outgoing, Presence};
use super::key::RideKey;
use super::lists::{Lists, OwnTrack};
use super::message::{BoxId, CommandId, Content, Message, Refused, RunId, open, seal};
use super::report::{RideReport, shown};
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

/// What the others make of a box is warned of this often at most: two bounds that just touch go to and
/// fro.
const QUIET: Span = Span::from_seconds(3_600);

/// More neighbours than this are not watched for that.
const MOST_WATCHED: usize = 64;

/// A box that was heard within this time gets the commands to all, and is shown as not answering if
/// it has gone.
const KNOWN_FOR: Span = Span::from_seconds(60);

/// What a box has missed it does this soon: time enough for its player to be prepared.
const CAUGHT_UP_AFTER: Span = Span::from_ms(1_500);

/// A box of another version is there for this long after its last message.
const OTHER_VERSION_LASTS: Span = Span::from_seconds(60);

/// What is shared with the rest of the program.
#[derive(Debug, Default)]
pub struct RideBoard {
    presence: Mutex<Presence>,
    report: Mutex<RideReport>,
    stopped_track: Mutex<Option<u32>>,
    list: Mutex<Arc<[OwnTrack]>>,
}

impl RideBoard {
    /// Sets what the box says of itself besides the time.
    pub fn set_presence(&self, presence: Presence) {
        *self.presence.lock().unwrap_or_else(PoisonError::into_inner) = presence;
    }

    /// Sets the tracks of this box's playlist.
    pub fn set_list(&self, list: Arc<[OwnTrack]>) {
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = list;
    }

    fn list(&self) -> Arc<[OwnTrack]> {
        Arc::clone(&self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets the track at which playing was stopped, from 0.
    pub fn set_stopped_track(&self, track: Option<u32>) {
        *self.stopped_track.lock().unwrap_or_else(PoisonError::into_inner) = track;
    }

    fn stopped_track(&self) -> Option<u32> {
        *self.stopped_track.lock().unwrap_or_else(PoisonError::into_inner)
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
    desk: Desk<SocketAddr>,
    lists: Lists<SocketAddr>,
    /// How many messages of the desk and the lists were sent in this run.
    sent: u32,
    run: RunId,
    follows: bool,
    member: Member<SocketAddr>,
    refused: Refusals,
    /// When a message of another version was last heard.
    other_version_at: Option<Instant<Raw>>,
    reported_at: Instant<Raw>,
    /// Which boxes were warned of, and when.
    warned: HashMap<(BoxId, Standing), Instant<Raw>>,
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
        effects: Effects,
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
            desk: Desk::new(BoxId(id), now, effects),
            lists: Lists::new(now),
            sent: 0,
            run: RunId(run),
            follows: false,
            member,
            refused: Refusals::default(),
            other_version_at: None,
            reported_at: now,
            warned: HashMap::new(),
            last_heard: HashMap::new(),
        })
    }

    /// Sets whether it takes over what the ride plays once it is in reach again.
    #[must_use]
    pub fn following(self, follows: bool) -> Self {
        Self { follows, ..self }
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
        match &message.content {
            Content::Order(order) => {
                let hearing = Hearing { sender, peer: from, ahead: self.ahead(sender, &view), order };
                if self.desk.hear(&hearing, self.present(&view)) {
                    self.air.authentic(from);
                }
                return self.send();
            }
            Content::Reply(reply) => return self.desk.hear_reply(sender, reply),
            Content::ListQuestion(question) => {
                // A recording costs nothing but this look.
                if question.to == self.member.id() && self.is_proven(sender, run, from) {
                    self.lists.answer(&self.board.list(), sender, from, question, self.clocks.raw());
                    self.send();
                }
                return;
            }
            Content::ListPart(part) => {
                if part.to == self.member.id() {
                    self.lists.hear(sender, part, self.clocks.raw());
                }
                return;
            }
            _ => {}
        }
        self.member.hear(message, from, stamp, self.clocks.raw(), &view);
        // An answer goes out at once: its stamp says when that was.
        self.send();
        // Somebody who repeats what a neighbour has said does so from elsewhere.
        if self.is_proven(sender, run, from) {
            self.air.authentic(from);
            self.note_to_all(from, is_to_group, stamp);
        }
    }

    /// Returns whether it is a neighbour that has proven that it is there, in this run of it.
    fn is_proven(&self, sender: BoxId, run: RunId, from: SocketAddr) -> bool {
        let mut neighbours = self.member.neighbours().iter();
        neighbours.any(|neighbour| neighbour.id == sender && neighbour.run == Some(run) && neighbour.peer == from)
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

    fn present(&self, view: &TimeView) -> Present {
        let raw = self.clocks.raw();
        Present { raw, time: view.given(raw) }
    }

    /// Returns by how much another box's time is ahead of this box's, as far as that is known:
    /// within a group they have one time.
    fn ahead(&self, sender: BoxId, view: &TimeView) -> Span {
        let neighbour = self.member.neighbours().iter().find(|neighbour| neighbour.id == sender);
        let apart = neighbour.filter(|neighbour| {
            let theirs = neighbour.beacon.as_ref().and_then(|beacon| beacon.group);
            theirs.is_none() || theirs != view.group.map(|group| group.id.0)
        });
        let map = view.given(self.clocks.raw());
        apart.and_then(|neighbour| neighbour.ahead(&map)).map_or(Span::ZERO, |(ahead, _)| ahead)
    }

    /// Begins to send what the rest of the program wants to be sent.
    fn take_requests(&mut self) {
        while let Ok(request) = self.requests.try_recv() {
            let now = self.clocks.raw();
            let (action, targets, progress) = match request {
                Request::Command { action, targets, progress } => (action, targets, progress),
                Request::Compare { name, answer } => {
                    let is_named = |id: BoxId, known: &str| known == name || id.to_string() == name;
                    let found = known(&self.member, now).find(|(neighbour, known)| is_named(neighbour.id, known));
                    let found = found.map(|(neighbour, _)| (neighbour.id, neighbour.peer));
                    self.lists.ask(found, answer, now);
                    continue;
                }
            };
            let presence = self.board.presence.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let own = (self.member.id(), presence.name, None, presence.volume_percent);
            let others = known(&self.member, now).map(|(neighbour, name)| {
                // One that has gone is not the loudest.
                let beacon = neighbour.beacon.as_ref().filter(|_| neighbour.is_heard(now));
                let volume = beacon.and_then(|beacon| beacon.volume_percent);
                (neighbour.id, name, Some(neighbour.peer), volume)
            });
            let mut boxes: Vec<_> = std::iter::once(own).chain(others).collect();
            if let Targets::Named(names) = &targets {
                boxes.retain(|(id, name, ..)| names.iter().any(|named| named == name || *named == id.to_string()));
            }
            boxes.sort_by(|one, other| (&one.1, one.0).cmp(&(&other.1, other.0)));
            let volume = |id, said| self.desk.volume(id, now).or(said);
            // One alone needs no ratio, and what others know of it may be old.
            let loudest = match boxes.as_slice() {
                [_] => None,
                boxes => boxes.iter().filter_map(|(id, .., said)| volume(*id, *said)).max(),
            };
            let is_for_all = targets == Targets::All;
            let targets = boxes.into_iter().map(|(id, name, peer, _)| Target { id, name, peer }).collect();
            let action = match action {
                Action::Resume { track: None } => Action::Resume { track: self.board.stopped_track() },
                action => action.for_boxes(loudest),
            };
            match getrandom::u64() {
                Ok(id) => {
                    let now = self.present(&self.view());
                    self.desk.send(CommandId(id), action, is_for_all, targets, progress, now);
                }
                // It ends without having begun.
                Err(error) => log::error!("a command to the ride was not sent: no random numbers ({error})"),
            }
        }
    }

    /// Takes over what the ride was commanded while this box was out of reach.
    fn catch_up(&mut self) {
        let now = self.clocks.raw();
        let view = self.view();
        let Some(group) = view.group.filter(|_| self.follows) else { return };
        let heard = self.member.neighbours().iter().filter(|neighbour| neighbour.is_heard(now));
        let beacons = heard.filter_map(|neighbour| neighbour.beacon.as_ref());
        let claims = beacons.filter(|beacon| beacon.group == Some(group.id.0)).map(|beacon| &beacon.play);
        let own = self.board.presence.lock().unwrap_or_else(PoisonError::into_inner).play;
        let missed = newest(&own, self.desk.commanded_s(), claims, group.utc.apply(now).second());
        if let Some((action, commanded_s)) = missed {
            log::info!("takes over what the ride was commanded while this box was out of reach");
            self.desk.catch_up(action, commanded_s, CAUGHT_UP_AFTER, self.present(&view));
        }
    }

    fn send(&mut self) {
        for (to, content) in self.desk.take_outgoing().into_iter().chain(self.lists.take_outgoing()) {
            self.sent = self.sent.wrapping_add(1);
            let message = Message { sender: self.member.id(), run: self.run, number: self.sent, content };
            self.seal_and_send(to, &message);
        }
        for Outgoing { to, message } in self.member.take_outgoing() {
            self.seal_and_send(to, &message);
        }
    }

    fn seal_and_send(&mut self, to: group::To<SocketAddr>, message: &Message) {
        let to = match to {
            group::To::All => To::All,
            group::To::One(peer) => To::One(peer),
        };
        match seal(message, &self.key) {
            // What could not be sent is counted and logged where it failed.
            Ok(bytes) => _ = self.air.send(&bytes, to),
            Err(error) => log::debug!("a message was not sent: {error}"),
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
        let old = report.old + self.desk.old();
        let report = RideReport { hears_other_version, old, ..report };
        self.member.set_presence(presence);
        let mut shown = self.board.report.lock().unwrap_or_else(PoisonError::into_inner);
        self.warned.retain(|_, at| now - *at < QUIET);
        report.log_changes(&shown, |id, standing| self.warned.insert((id, standing), now).is_none());
        *shown = report;
        drop(shown);
        self.catch_up();
    }
}

/// Returns the boxes that were heard lately, with their names: also those that may have gone, but not
/// what a box was before it was started again.
pub(super) fn known(
    member: &Member<SocketAddr>,
    now: Instant<Raw>,
) -> impl Iterator<Item = (&group::Neighbour<SocketAddr>, String)> {
    member.neighbours().iter().filter_map(move |neighbour| {
        let beacon = neighbour.beacon.as_ref().filter(|_| now - neighbour.beacon_at <= KNOWN_FOR)?;
        let has_begun_anew = |other: &group::Neighbour<SocketAddr>| {
            let is_named_alike = other.beacon.as_ref().is_some_and(|newer| newer.name == beacon.name);
            is_named_alike && other.is_heard(now) && other.peer.ip() == neighbour.peer.ip()
        };
        let is_there = neighbour.is_heard(now) || !member.neighbours().iter().any(has_begun_anew);
        is_there.then(|| (neighbour, shown(&beacon.name)))
    })
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
        self.take_requests();
        self.desk.step(self.clocks.raw());
        self.lists.step(&self.board.list(), self.clocks.raw());
        self.send();
        for command in self.member.take_commands() {
            // The clock's thread ends before this one.
            let _ = self.clock.commands.send(command);
        }
        self.report();
        Duration::ZERO
    }
}
