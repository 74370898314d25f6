//! What the page shows, made of the status. Pure; time is an argument.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::control::Status;
use crate::control::protocol::{NeighbourStatus, PlayState, TimeState, UtcStanding};

/// A neighbour sends something every second or so. After this, in s, it is shown as gone.
pub const GONE_S: f64 = 4.0;

/// Boxes that have gone are shown for this long.
const REMEMBERED: Duration = Duration::from_secs(30 * 60);

/// Boxes that are remembered.
const MOST_REMEMBERED: usize = 40;

/// Everything that the page shows, besides the playlist's tracks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// The program's version: a page of another one reloads itself.
    pub version: &'static str,
    /// What this box is called.
    pub name: String,
    /// What plays here.
    pub play: PlayView,
    /// The playlist; `None` if it cannot be loaded.
    pub playlist: Option<PlaylistView>,
    /// How far this box can be from the others of its group, in ms; `None` if it has met nobody.
    pub group_bound_ms: Option<f64>,
    /// This box first, then the others by name.
    pub boxes: Vec<BoxView>,
    /// What is wrong with this box, in words.
    pub warnings: Vec<String>,
}

/// What plays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlayView {
    /// What the box is doing.
    pub state: PlayState,
    /// Whether it is on the common timetable.
    pub common: bool,
    /// The track's number, from 0.
    pub track: Option<usize>,
    /// Artist and title, or the file's name.
    pub title: Option<String>,
    /// The position in it, in seconds.
    pub offset_s: Option<f64>,
    /// Its length in seconds; `None` if it is unknown.
    pub length_s: Option<f64>,
    /// The next track: its number, title and how soon it begins, in seconds.
    pub next: Option<(usize, String, f64)>,
    /// The track and place at which playing was stopped.
    pub stopped_at: Option<(usize, String, f64)>,
}

/// The playlist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlaylistView {
    /// Its name.
    pub name: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// How many tracks it has.
    pub tracks: usize,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoxView {
    /// Its number, by which orders name it; empty for this box while it hears nobody.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is this one.
    pub here: bool,
    /// How long ago it was heard, in s, if it is gone.
    pub gone_s: Option<f64>,
    /// By how much its time is ahead of this box's, in ms; `None` until it was measured.
    pub ahead_ms: Option<f64>,
    /// How far that can be wrong, in ms.
    pub bound_ms: Option<f64>,
    /// Whether it is in this box's group.
    pub in_group: bool,
    /// Whether it leads.
    pub leads: bool,
    /// Whether it hears this box.
    pub hears: bool,
    /// Where its time comes from, in words; `None` for other boxes, which do not say so.
    pub source: Option<String>,
    /// How far its UTC can be wrong, in ms; `None` while it knows nothing.
    pub utc_bound_ms: Option<f64>,
    /// How long ago it compared that with a reference, in s; `None` if never.
    pub checked_s: Option<i64>,
    /// Whether its UTC is contradicted or excluded.
    pub standing: UtcStanding,
    /// Whether it plays.
    pub plays: bool,
    /// Whether it is at the same place as this one; `None` if either does not play.
    pub same_timetable: Option<bool>,
    /// Whether its playlist is the same; `None` if either has none.
    pub same_playlist: Option<bool>,
    /// In percent.
    pub volume: Option<u8>,
    /// What is wrong with it, in the words of the ride's messages.
    pub troubles: Vec<String>,
}

/// The boxes that were heard lately, of which some have gone.
#[derive(Debug, Default)]
pub struct Memory {
    boxes: Vec<Remembered>,
    /// The numbers of those that the last view shows as there.
    there: Vec<String>,
}

#[derive(Debug)]
struct Remembered {
    neighbour: NeighbourStatus,
    heard: Instant,
}

impl Memory {
    /// Takes in a status, and returns what the page shows.
    pub fn view(&mut self, status: &Status, now: Instant) -> View {
        self.take_in(status, now);
        let utc_ms = status.time.utc_ns / 1_000_000;
        let in_s = |utc_s: i64| (utc_s * 1000 - utc_ms) as f64 / 1000.0;
        let play = &status.play;
        let name = status.ride.as_ref().map(|ride| ride.name.clone()).unwrap_or_default();
        let mut boxes = vec![this_box(status, &name)];
        boxes.extend(self.boxes.iter().map(|remembered| other_box(remembered, now)));
        self.there = boxes.iter().filter(|shown| shown.gone_s.is_none()).map(|shown| shown.id.clone()).collect();
        boxes[1..].sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        View {
            version: env!("CARGO_PKG_VERSION"),
            play: PlayView {
                state: play.state,
                common: play.common,
                track: play.track.as_ref().map(|track| track.number),
                title: play.track.as_ref().map(|track| track.title.clone()),
                offset_s: play.track.as_ref().map(|track| track.offset_s),
                length_s: play.track.as_ref().and_then(|track| track.length_s),
                next: play.next.as_ref().map(|next| (next.number, next.title.clone(), in_s(next.utc_s))),
                stopped_at: play.stopped_at.as_ref().map(|at| (at.number, at.title.clone(), at.offset_s)),
            },
            playlist: status.playlist.as_ref().map(|playlist| PlaylistView {
                name: playlist.name.clone(),
                fingerprint: playlist.fingerprint.clone(),
                tracks: playlist.tracks,
            }),
            group_bound_ms: status.ride.as_ref().and_then(|ride| ride.group_bound_ms),
            boxes,
            warnings: status.warnings.clone(),
            name,
        }
    }

    /// Returns the numbers of the boxes that the last view shows as there.
    pub fn there(&self) -> Vec<String> {
        self.there.clone()
    }

    fn take_in(&mut self, status: &Status, now: Instant) {
        let neighbours = status.ride.as_ref().map_or(&[][..], |ride| &ride.neighbours);
        for neighbour in neighbours {
            let ago = Duration::try_from_secs_f64(neighbour.silent_for_s).unwrap_or_default();
            let fresh = Remembered { neighbour: neighbour.clone(), heard: now.checked_sub(ago).unwrap_or(now) };
            match self.boxes.iter_mut().find(|known| known.neighbour.id == neighbour.id) {
                Some(known) => *known = fresh,
                None => self.boxes.push(fresh),
            }
        }
        // A box makes up another number at every start: what was known of it before is no other box.
        let is_heard = |known: &Remembered| neighbours.iter().any(|heard| heard.id == known.neighbour.id);
        let is_again_there = |known: &Remembered| neighbours.iter().any(|heard| heard.name == known.neighbour.name);
        self.boxes.retain(|known| is_heard(known) || !is_again_there(known));
        self.boxes.retain(|known| now.saturating_duration_since(known.heard) < REMEMBERED);
        while self.boxes.len() > MOST_REMEMBERED {
            let oldest = self.boxes.iter().enumerate().min_by_key(|(_, known)| known.heard).map(|(index, _)| index);
            oldest.map(|index| self.boxes.remove(index));
        }
    }
}

impl Remembered {
    fn gone_s(&self, now: Instant) -> Option<f64> {
        Some(now.saturating_duration_since(self.heard).as_secs_f64()).filter(|silent_s| *silent_s > GONE_S)
    }
}

fn this_box(status: &Status, name: &str) -> BoxView {
    let time = &status.time;
    let ride = status.ride.as_ref();
    let mut troubles = Vec::new();
    if !status.dac.present {
        troubles.push("no sound card".to_owned());
    }
    if status.playlist.as_ref().is_some_and(|playlist| playlist.silent_tracks > 0) {
        troubles.push("a track is missing or broken".to_owned());
    }
    BoxView {
        id: ride.map(|ride| ride.id.clone()).unwrap_or_default(),
        name: name.to_owned(),
        here: true,
        gone_s: None,
        ahead_ms: Some(0.0),
        bound_ms: None,
        in_group: true,
        leads: ride.is_some_and(|ride| ride.leader.as_ref() == Some(&ride.name)),
        hears: true,
        source: Some(time.source.clone()).filter(|_| !matches!(time.state, TimeState::Unset)),
        utc_bound_ms: time.error_bound_ms,
        checked_s: time.since_reference_s,
        standing: if ride.is_some_and(|ride| ride.excluded) { UtcStanding::Excluded } else { UtcStanding::Agrees },
        plays: !matches!(status.play.state, PlayState::Stopped | PlayState::ShuttingDown),
        same_timetable: None,
        same_playlist: None,
        volume: Some(status.volume.percent),
        troubles,
    }
}

fn other_box(known: &Remembered, now: Instant) -> BoxView {
    let neighbour = &known.neighbour;
    BoxView {
        id: neighbour.id.clone(),
        name: neighbour.name.clone(),
        here: false,
        gone_s: known.gone_s(now),
        ahead_ms: neighbour.ahead_ms,
        bound_ms: neighbour.ahead_bound_ms,
        in_group: neighbour.in_group,
        leads: neighbour.leads,
        hears: neighbour.hears_this,
        source: None,
        utc_bound_ms: neighbour.utc_bound_ms,
        checked_s: neighbour.reference_age_s.map(i64::from),
        standing: neighbour.utc_standing,
        plays: neighbour.plays,
        same_timetable: neighbour.same_timetable,
        same_playlist: neighbour.same_playlist,
        volume: neighbour.volume_percent,
        troubles: neighbour.warnings.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::RideStatus;

    fn status(neighbours: &[(&str, f64)]) -> Status {
        let neighbours = neighbours.iter().map(|(name, silent_for_s)| NeighbourStatus {
            id: (*name).to_owned(),
            name: (*name).to_owned(),
            silent_for_s: *silent_for_s,
            ..NeighbourStatus::default()
        });
        let ride = RideStatus { name: "bike-1".to_owned(), neighbours: neighbours.collect(), ..RideStatus::default() };
        Status { ride: Some(ride), ..Status::default() }
    }

    fn shown(view: &View) -> Vec<(&str, bool)> {
        view.boxes.iter().map(|shown| (shown.name.as_str(), shown.gone_s.is_some())).collect()
    }

    #[test]
    fn a_box_that_has_gone_is_shown_as_gone_for_a_while_and_then_no_more() {
        let (mut memory, began) = (Memory::default(), Instant::now());
        let second = |number: u64| began + Duration::from_secs(number);
        let view = memory.view(&status(&[("bike-3", 0.5), ("bike-2", 3.0)]), second(0));
        assert_eq!(shown(&view), [("bike-1", false), ("bike-2", false), ("bike-3", false)]);
        let all_there = memory.there();
        let view = memory.view(&status(&[("bike-3", 5.0)]), second(5));
        assert_eq!(shown(&view), [("bike-1", false), ("bike-2", true), ("bike-3", true)]);
        assert_eq!((all_there.len(), memory.there().len()), (3, 1));
        let view = memory.view(&status(&[("bike-3", 0.1)]), second(6));
        assert_eq!(shown(&view), [("bike-1", false), ("bike-2", true), ("bike-3", false)]);
        let view = memory.view(&status(&[]), second(3600));
        assert_eq!(shown(&view), [("bike-1", false)]);
    }

    #[test]
    fn a_box_that_was_started_again_is_one_box() {
        let (mut memory, began) = (Memory::default(), Instant::now());
        memory.view(&status(&[("bike-2", 0.0)]), began);
        let mut back = status(&[("bike-2", 0.0)]);
        back.ride.as_mut().unwrap().neighbours[0].id = "another".to_owned();
        let view = memory.view(&back, began + Duration::from_secs(2));
        assert_eq!(shown(&view), [("bike-1", false), ("bike-2", false)]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut memory, began) = (Memory::default(), Instant::now());
        for number in 0..100 {
            memory.view(&status(&[(&format!("bike-{number}"), 0.0)]), began + Duration::from_secs(number));
        }
        assert_eq!(memory.boxes.len(), MOST_REMEMBERED);
    }
}
