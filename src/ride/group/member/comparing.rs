//! How a box asks its neighbours for the time, compares clocks with them, and judges what they
//! state of UTC.

use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

use super::{Member, OUT_OF_STEP, To, sample};
use crate::ride::group::honesty::{Claim, Standing, judge};
use crate::ride::group::neighbour::{Neighbour, Peer};
use crate::ride::message::{Content, Question};
use crate::timekeeping::estimate::group::{GroupCommand, GroupId};
use crate::timekeeping::estimate::timekeeper::TimeView;

/// A box asks at most this many questions in a second of boxes that have never answered.
const MOST_QUESTIONS_TO_STRANGERS: u32 = 20;

impl<P: Peer> Member<P> {
    /// Asks those whose turn it is. Of those that have never answered, which may be recordings, only
    /// some are asked in a second, beginning with those that have left the fewest questions
    /// unanswered.
    pub(super) fn ask(&mut self, now: Instant<Raw>) {
        let heard = self.neighbours.iter().filter(|neighbour| neighbour.is_heard(now)).count();
        let mut due: Vec<(P, &mut Neighbour<P>)> =
            self.neighbours.iter_mut().filter_map(|neighbour| Some((neighbour.to_be_asked(now)?, neighbour))).collect();
        due.sort_by_key(|(_, neighbour)| neighbour.unanswered());
        let mut questions = Vec::new();
        for (peer, neighbour) in due {
            if !neighbour.is_there(now) && !self.questions_to_strangers.allows(MOST_QUESTIONS_TO_STRANGERS, now) {
                continue;
            }
            let nonce = self.random.u64(..);
            neighbour.ask(nonce, now, self.followed == Some(neighbour.id), heard);
            questions.push((peer, Question { to: neighbour.id, nonce }));
        }
        for (peer, question) in questions {
            self.send(To::One(peer), Content::Question(question));
        }
    }

    /// Compares clocks, and learns from that of the neighbour that is followed.
    pub(super) fn compare(&mut self, now: Instant<Raw>, map: &ClockMap<Raw, Utc>, view: &TimeView) {
        let group = view.group.map(|group| group.id);
        for neighbour in &mut self.neighbours {
            let Some(compared) = neighbour.compare(now, map) else { continue };
            let theirs = neighbour.beacon.as_ref().and_then(|beacon| beacon.group).map(GroupId);
            let is_followed = self.followed == Some(neighbour.id);
            // Whoever is that far off is judged first, and then taken over or not followed.
            let ahead = (compared.utc - map.apply(compared.raw)).abs();
            let known = view.group.map_or(Span::ZERO, |group| group.bound);
            let is_in_step = ahead <= compared.bound + OUT_OF_STEP + known;
            if is_followed && theirs == group && group.is_some() && is_in_step {
                self.commands.push(GroupCommand::Learn(sample(&compared)));
            }
        }
    }

    /// Judges what everybody states of UTC.
    pub(super) fn judge(&mut self, now: Instant<Raw>, map: &ClockMap<Raw, Utc>, view: &TimeView) {
        let own = view.own.map(|(own, bound)| Claim { ahead: own.apply(now) - map.apply(now), bound });
        let mut claims: Vec<Claim> = own.into_iter().collect();
        let mut judged: Vec<usize> = Vec::new();
        for (index, neighbour) in self.neighbours.iter_mut().enumerate() {
            neighbour.standing = Standing::Agrees;
            if let Some(claim) = neighbour.claim(map).filter(|_| neighbour.is_heard(now)) {
                claims.push(claim);
                judged.push(index);
            }
        }
        let mut standings = judge(&claims).into_iter();
        self.standing = if own.is_some() { standings.next().unwrap_or(Standing::Agrees) } else { Standing::Agrees };
        let leader = self.predecessor.map(|before| before.leader);
        for (index, standing) in judged.into_iter().zip(standings) {
            let neighbour = &mut self.neighbours[index];
            neighbour.standing = standing;
            if standing == Standing::Excluded && leader == Some(neighbour.id) {
                self.commands.push(GroupCommand::Distrust);
            }
        }
    }
}
