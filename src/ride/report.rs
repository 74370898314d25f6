//! What a box knows of its ride, for people and programs. Pure.

use std::net::SocketAddr;

use jaudiosync_time::{Instant, Raw, Span};

use super::air::{Air, Counts};
use super::group::election::Role;
use super::group::honesty::Standing;
use super::group::{Member, Neighbour, Presence, agreed};
use super::message::{BoxId, NumberClaim, PlayClaim, Trouble};
use super::task::{Refusals, known};
use crate::sound_check::number::Numbered;
use crate::timekeeping::estimate::timekeeper::TimeView;

/// Everything about the ride.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RideReport {
    /// Its number; `None` before its task has run.
    pub id: Option<BoxId>,
    /// What this box is called.
    pub name: String,
    /// Whom it follows; `None` while it is alone.
    pub role: Option<GroupRole>,
    /// How far it can be from the others of its group, or from what they have kept; `None` if it has
    /// never met anybody.
    pub group_bound: Option<Span>,
    /// Most others exclude what it states of UTC.
    pub is_excluded: bool,
    /// Whom it has heard lately, by name.
    pub neighbours: Vec<NeighbourReport>,
    /// Whom it has heard in the last minute: they may have gone, and get commands.
    pub known: Vec<(BoxId, String)>,
    /// Messages that came before, or in another order than they were sent.
    pub old: u64,
    /// Messages of boxes that had not answered yet.
    pub unproven: u64,
    /// Messages that could not be believed.
    pub refused: Refusals,
    /// Whether a message of another version of the program has come lately.
    pub hears_other_version: bool,
    /// Datagrams.
    pub counts: Counts,
    /// Where it is heard: names and addresses of interfaces.
    pub interfaces: Vec<String>,
    /// Why the last datagram could not be sent.
    pub trouble: Option<String>,
}

/// Whom a box follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRole {
    /// It leads.
    Leads,
    /// It follows the box of this name.
    Follows(String),
}

/// A neighbour.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighbourReport {
    /// Its number.
    pub id: BoxId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// How long ago it was heard.
    pub silent_for: Span,
    /// Whether it hears this box.
    pub hears_us: bool,
    /// By how much its time is ahead of this box's, and how far that can be wrong; `None` until it
    /// was measured.
    pub ahead: Option<(Span, Span)>,
    /// The shortest round trip.
    pub round_trip: Option<Span>,
    /// Whether it has the same group's time.
    pub is_in_group: bool,
    /// Whether it leads.
    pub leads: bool,
    /// How far its own UTC can be wrong.
    pub utc_bound: Option<Span>,
    /// How old its last reference is, in s.
    pub reference_age_s: Option<u32>,
    /// What the others make of what it states of UTC.
    pub standing: Standing,
    /// What it plays.
    pub play: PlayClaim,
    /// Whether it is on the same timetable as this box; `None` if either does not play.
    pub has_same_timetable: Option<bool>,
    /// Whether its playlist is the same as this box's; `None` if either has none.
    pub has_same_playlist: Option<bool>,
    /// Its volume in percent.
    pub volume_percent: Option<u8>,
    /// Whether nothing that it sent to all has come lately, only what it sent to this box alone.
    pub is_unicast_only: bool,
    /// What is wrong with it.
    pub troubles: Vec<Trouble>,
    /// Its number in a sound check.
    pub number: Option<Numbered>,
}

/// More characters of a name are not shown.
const LONGEST_NAME: usize = 32;

impl RideReport {
    /// Returns what a box knows of its ride at a moment.
    pub fn new(member: &Member<SocketAddr>, presence: &Presence, view: &TimeView, now: Instant<Raw>) -> Self {
        let heard = || member.neighbours().iter().filter(|neighbour| neighbour.is_heard(now));
        let name_of = |id: BoxId| {
            // The leader may have gone, and its name is remembered.
            let known = member.neighbours().iter().find(|neighbour| neighbour.id == id);
            let named = known.and_then(|neighbour| neighbour.beacon.as_ref());
            named.map_or_else(|| id.to_string(), |beacon| beacon.name.clone())
        };
        let role = heard().next().map(|_| match member.role() {
            Role::Leads => GroupRole::Leads,
            Role::Follows { leader, .. } => GroupRole::Follows(shown(&name_of(leader))),
        });
        let mut neighbours: Vec<NeighbourReport> =
            heard().filter_map(|neighbour| of_neighbour(neighbour, member, presence, view, now)).collect();
        neighbours.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        let refusals = member.refusals();
        Self {
            id: Some(member.id()),
            name: presence.name.clone(),
            role,
            // Each of the two bounds is one to the leader.
            group_bound: view.group.map(|group| group.bound + widest_bound(heard(), group.id.0)),
            is_excluded: member.standing() == Standing::Excluded,
            neighbours,
            known: known(member, now).map(|(neighbour, name)| (neighbour.id, name)).collect(),
            old: refusals.old,
            unproven: refusals.unproven,
            ..Self::default()
        }
    }

    /// Returns the numbers and names of the boxes that can be commanded, this one first.
    pub fn names(&self) -> Vec<(BoxId, String)> {
        let own = self.id.map(|id| (id, self.name.clone()));
        own.into_iter().chain(self.known.iter().cloned()).collect()
    }

    /// Adds what the network says.
    pub fn with_network(self, air: &Air, refused: Refusals) -> Self {
        let interfaces =
            air.interfaces().iter().map(|interface| format!("{} ({})", interface.name, interface.address)).collect();
        Self { refused, counts: air.counts(), interfaces, trouble: air.trouble().map(str::to_owned), ..self }
    }

    /// Adds who is heard only where it addresses this box alone.
    pub fn with_unicast_only(mut self, is_so: impl Fn(SocketAddr) -> bool) -> Self {
        for neighbour in &mut self.neighbours {
            neighbour.is_unicast_only = is_so(neighbour.address);
        }
        self
    }

    /// Logs what has changed since another report. `may_warn` says whether to warn once more of what
    /// the others make of a box: that can go to and fro.
    pub fn log_changes(&self, before: &Self, mut may_warn: impl FnMut(BoxId, Standing) -> bool) {
        let find = |report: &Self, id| report.neighbours.iter().any(|neighbour| neighbour.id == id);
        for neighbour in self.neighbours.iter().filter(|neighbour| !find(before, neighbour.id)) {
            log::info!("{} is heard ({})", neighbour.name, neighbour.address.ip());
        }
        for neighbour in before.neighbours.iter().filter(|neighbour| !find(self, neighbour.id)) {
            log::info!("{} is no longer heard", neighbour.name);
        }
        if self.role != before.role {
            match &self.role {
                None => log::info!("no other box is heard: the time that they had in common is kept"),
                Some(GroupRole::Leads) => log::info!("this box leads: the others follow its time"),
                Some(GroupRole::Follows(leader)) => log::info!("this box follows the time of {leader}"),
            }
        }
        if self.is_excluded && !before.is_excluded && self.id.is_some_and(|own| may_warn(own, Standing::Excluded)) {
            log::warn!("the other boxes agree on another time than this box's own, which does not count");
        }
        for neighbour in &self.neighbours {
            let same = before.neighbours.iter().find(|other| other.id == neighbour.id);
            let (id, standing) = (neighbour.id, neighbour.standing);
            let is_new = standing != Standing::Agrees && same.is_none_or(|other| other.standing != standing);
            let is_new = is_new && may_warn(id, standing);
            match neighbour.standing {
                Standing::Excluded if is_new => {
                    log::warn!("{} gives a time that most others exclude; it is not followed", neighbour.name);
                }
                Standing::Contradicted if is_new => {
                    log::warn!("{} and this box contradict each other on UTC: one of them is wrong", neighbour.name);
                }
                _ => {}
            }
        }
    }
}

fn of_neighbour(
    neighbour: &Neighbour<SocketAddr>,
    member: &Member<SocketAddr>,
    presence: &Presence,
    view: &TimeView,
    now: Instant<Raw>,
) -> Option<NeighbourReport> {
    let beacon = neighbour.beacon.as_ref()?;
    let map = view.group.map(|group| group.utc).or_else(|| view.own.map(|(own, _)| own));
    let group = view.group.filter(|group| Some(group.id.0) == beacon.group);
    // Each of the two bounds is one to the leader.
    let known = group.map(|group| group.bound + Span::from_ns(beacon.following.group_bound_ns.into()));
    let measured = map.and_then(|map| neighbour.distance(&map, now));
    Some(NeighbourReport {
        id: neighbour.id,
        name: shown(&beacon.name),
        address: neighbour.peer,
        silent_for: now - neighbour.beacon_at,
        hears_us: neighbour.hears(member.id()),
        ahead: measured.map(|measured| known.map_or(measured, |known| agreed(measured, known))),
        round_trip: neighbour.round_trip(),
        is_in_group: group.is_some(),
        leads: beacon.following.leader == neighbour.id,
        utc_bound: beacon.time.utc_bound_us.map(|us| Span::from_us(i64::from(us))),
        reference_age_s: beacon.time.reference_age_s,
        standing: neighbour.standing,
        play: beacon.play,
        has_same_timetable: presence.play.anchor_s.zip(beacon.play.anchor_s).map(|(own, theirs)| own == theirs),
        has_same_playlist: presence.play.fingerprint.zip(beacon.play.fingerprint).map(|(own, theirs)| own == theirs),
        volume_percent: beacon.volume_percent,
        is_unicast_only: false,
        troubles: beacon.troubles.clone(),
        number: beacon.number.and_then(NumberClaim::numbered),
    })
}

/// Returns the largest bound to the leader that others of a group state; zero if there are none.
fn widest_bound<'a>(heard: impl Iterator<Item = &'a Neighbour<SocketAddr>>, group: u64) -> Span {
    let beacons = heard.filter_map(|neighbour| neighbour.beacon.as_ref());
    let bounds = beacons.filter(|beacon| beacon.group == Some(group)).map(|beacon| beacon.following.group_bound_ns);
    Span::from_ns(bounds.max().unwrap_or(0).into())
}

/// Returns a name as it is shown: what another box sends must not move the cursor of a terminal.
pub(super) fn shown(name: &str) -> String {
    let shown: String = name.chars().filter(|letter| !letter.is_control()).take(LONGEST_NAME).collect();
    if shown.is_empty() { "?".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_change_the_terminal_or_be_without_end() {
        assert_eq!(shown("Zoë's bike"), "Zoë's bike");
        assert_eq!(shown("a\u{1b}[2Jb\n"), "a[2Jb");
        assert_eq!((shown(""), shown(&"x".repeat(100)).len()), ("?".to_owned(), LONGEST_NAME));
    }
}
