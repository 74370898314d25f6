use proptest::prelude::*;

use super::*;

/// Boxes that send a beacon every second, and hear some of each other.
struct Air {
    elections: Vec<Election>,
    bounds: Vec<Option<Span>>,
    beacons: Vec<Vec<Option<Heard>>>,
    second: i64,
    random: fastrand::Rng,
    loss: f64,
}

impl Air {
    fn new(bounds: &[Option<Span>], loss: f64, seed: u64) -> Self {
        let count = bounds.len();
        Self {
            elections: (0..count).map(|number| Election::new(id(number))).collect(),
            bounds: bounds.to_vec(),
            beacons: vec![vec![None; count]; count],
            second: 0,
            random: fastrand::Rng::with_seed(seed),
            loss,
        }
    }

    /// Lets seconds pass in which those hear each other that `reach` says.
    fn pass(&mut self, seconds: i64, reach: impl Fn(usize, usize) -> bool) {
        for _ in 0..seconds {
            self.second += 1;
            for number in 0..self.elections.len() {
                let now = Instant::from_second(self.second);
                let heard: Vec<Heard> = self.beacons[number].iter().flatten().copied().collect();
                let knowledge = self.bounds[number].map_or(Knowledge::Nothing, Knowledge::Within);
                let group_s = Some(1_000_000 + self.second);
                let role = self.elections[number].decide(now, knowledge, group_s, &heard);
                let followed = match role {
                    Role::Follows { by_way_of, .. } => heard.iter().find(|beacon| beacon.neighbour == by_way_of),
                    Role::Leads => None,
                };
                let followed = followed.map(|beacon| beacon.following);
                let following = self.elections[number].following(followed.as_ref(), Span::ZERO, None, (0, 0));
                for to in 0..self.elections.len() {
                    if to != number && reach(number, to) && self.random.f64() >= self.loss {
                        let hears_us = reach(to, number);
                        let neighbour = id(number);
                        self.beacons[to][number] =
                            Some(Heard { neighbour, following, at: now, hears_us, sigma_ns: 1.0 });
                    }
                }
            }
        }
    }

    fn leader(&self, number: usize) -> usize {
        match self.elections[number].role() {
            Role::Leads => number,
            Role::Follows { leader, .. } => leader.0 as usize,
        }
    }

    /// Whether following a box's neighbours leads to a box that leads.
    fn arrives(&self, number: usize) -> bool {
        let mut at = number;
        for _ in 0..=self.elections.len() {
            match self.elections[at].role() {
                Role::Leads => return at == self.leader(number),
                Role::Follows { by_way_of, .. } => at = by_way_of.0 as usize,
            }
        }
        false
    }
}

fn id(number: usize) -> BoxId {
    BoxId(number as u64)
}

fn ms(ms: &[i64]) -> Vec<Option<Span>> {
    ms.iter().map(|ms| Some(Span::from_ms(*ms))).collect()
}

#[test]
fn the_best_bound_leads_and_is_followed_by_way_of_others() {
    let mut air = Air::new(&ms(&[500, 20, 1, 40, 500]), 0.0, 1);
    let chain = |from: usize, to: usize| from.abs_diff(to) == 1;
    air.pass(20, chain);
    assert_eq!((0..5).map(|number| air.leader(number)).collect::<Vec<_>>(), [2; 5]);
    assert!((0..5).all(|number| air.arrives(number)));
}

#[test]
fn a_leader_that_rides_away_is_replaced_once_and_joins_when_it_comes_back() {
    let mut air = Air::new(&ms(&[3, 4, 4]), 0.0, 1);
    air.pass(20, |_, _| true);
    assert_eq!([0, 1, 2].map(|number| air.leader(number)), [0, 0, 0]);
    let gone = |from: usize, to: usize| from != 0 && to != 0;
    air.pass(PULSE_PATIENCE.whole_seconds() + 3, gone);
    let next = air.leader(1);
    assert!(next != 0 && air.leader(2) == next);
    air.pass(100, gone);
    assert_eq!(air.leader(1), next, "it leads on");
    air.pass(10, |_, _| true);
    assert_eq!([0, 1, 2].map(|number| air.leader(number)), [0; 3], "as good as the new one, and it has led for longer");
}

#[test]
fn a_box_that_is_little_better_does_not_take_over_and_a_much_better_one_does() {
    let mut air = Air::new(&ms(&[3, 4]), 0.0, 1);
    air.pass(5, |_, _| false);
    air.bounds.push(Some(Span::from_ms(2)));
    air.elections.push(Election::new(id(2)));
    air.beacons.iter_mut().for_each(|beacons| beacons.push(None));
    air.beacons.push(vec![None; 3]);
    air.pass(20, |_, _| true);
    let first = air.leader(2);
    assert!(first != 2);
    air.bounds[2] = Some(Span::from_us(90));
    air.pass(10, |_, _| true);
    assert_eq!([0, 1, 2].map(|number| air.leader(number)), [2; 3]);
}

#[test]
fn who_is_not_heard_follows_nobody() {
    let mut air = Air::new(&ms(&[1, 50]), 0.0, 1);
    air.pass(20, |from, _| from == 0);
    assert_eq!([air.leader(0), air.leader(1)], [0, 1], "it hears the leader, which does not hear it");
}

proptest! {
    #[test]
    fn in_any_network_all_that_are_connected_follow_one_leader(
        bounds_us in prop::collection::vec(prop::option::weighted(0.8, 10_i64..600_000), 1..9),
        links in prop::collection::vec(any::<bool>(), 81),
        loss in 0.0..0.15_f64,
        seed: u64,
    ) {
        let count = bounds_us.len();
        let bounds: Vec<_> = bounds_us.iter().map(|us| us.map(Span::from_us)).collect();
        let mut air = Air::new(&bounds, loss, seed);
        let reach = |from: usize, to: usize| links[from.min(to) * 9 + from.max(to)];
        air.pass(60, reach);
        // Those that are connected.
        let mut group: Vec<usize> = (0..count).collect();
        for _ in 0..count {
            for (one, other) in (0..count).flat_map(|one| (0..count).map(move |other| (one, other))) {
                if one != other && reach(one, other) {
                    let least = group[one].min(group[other]);
                    (group[one], group[other]) = (least, least);
                }
            }
        }
        for (one, other) in (0..count).flat_map(|one| (0..one).map(move |other| (one, other))) {
            if group[one] == group[other] {
                prop_assert_eq!(air.leader(one), air.leader(other), "{} and {}", one, other);
            }
        }
        for number in 0..count {
            prop_assert!(air.arrives(number), "{}", number);
        }
        // The leader is nearly the best of its group.
        let us = |number: usize| bounds_us[number].unwrap_or(i64::MAX / 4).max(50);
        for number in 0..count {
            prop_assert!(us(air.leader(number)) <= 4 * us(number), "{} leads, {} would be better", air.leader(number), number);
        }
    }
}
