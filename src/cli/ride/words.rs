//! What a box knows of its ride, in short: for `ride`, `status`, `time` and the panel. Pure.

use crate::control::protocol::{RefusedStatus, RideRole, RideStatus};
use crate::format::counted;

/// Fewer messages with a wrong signature than this are not worth a word: some are damaged.
pub(in crate::cli) const MANY_REFUSED: u64 = 100;

/// Returns whom the box follows, and both figures: `follows bike-3: ±0.08 ms to 5 neighbours,
/// ±3.1 ms to UTC`.
pub(in crate::cli) fn in_short(ride: &RideStatus, utc_bound_ms: Option<f64>) -> String {
    format!("{}: {}", role(ride), figures(ride, utc_bound_ms))
}

fn role(ride: &RideStatus) -> String {
    match (ride.role, &ride.leader) {
        (RideRole::Alone, _) => "alone".to_owned(),
        (RideRole::Leads, _) => "leads".to_owned(),
        (RideRole::Follows, Some(leader)) => format!("follows {leader}"),
        (RideRole::Follows, None) => "follows another box".to_owned(),
        (RideRole::Other, _) => "in a role that this program does not know".to_owned(),
    }
}

/// Returns how far the box can be from the others, and how far from UTC.
pub(in crate::cli) fn figures(ride: &RideStatus, utc_bound_ms: Option<f64>) -> String {
    let in_group = ride.neighbours.iter().filter(|neighbour| neighbour.in_group).count();
    let to_group = match (ride.role, ride.group_bound_ms, in_group, ride.neighbours.len()) {
        (RideRole::Alone, None, ..) => "no other box was met yet".to_owned(),
        // It led: what the others have kept is its own time.
        (RideRole::Alone, Some(..=0.0), ..) => "the boxes that were met went by its time".to_owned(),
        (RideRole::Alone, Some(bound_ms), ..) => format!("±{} to the boxes that were met", ms(bound_ms)),
        (_, Some(bound_ms), 1.., _) => format!("±{} to {}", ms(bound_ms), counted(in_group as u64, "neighbour")),
        (.., heard) => format!("{} heard, not compared yet", counted(heard as u64, "neighbour")),
    };
    let to_utc = utc_bound_ms.map_or("UTC is not known".to_owned(), |bound_ms| format!("±{} to UTC", ms(bound_ms)));
    format!("{to_group}, {to_utc}")
}

/// Returns how many messages were refused and why; `None` if there are few of them.
pub(in crate::cli) fn refusals(refused: &RefusedStatus) -> Option<String> {
    let kinds = [
        (refused.signature, "damaged or signed with another key"),
        (refused.version, "of another version"),
        (refused.old, "heard before or not believed"),
        (refused.flood, "too many at once"),
        (refused.foreign, "not of this program"),
    ];
    let many: Vec<String> =
        kinds.iter().filter(|(count, _)| *count >= MANY_REFUSED).map(|(count, why)| format!("{count} {why}")).collect();
    (!many.is_empty()).then(|| format!("many messages were refused since the start: {}", many.join(", ")))
}

/// Returns a box's name, with the beginning of its number where several of these names are the same.
pub(super) fn told_apart<'a>(name: &str, id: &str, all: impl Iterator<Item = &'a str>) -> String {
    match all.filter(|other| *other == name).count() {
        ..=1 => name.to_owned(),
        _ => format!("{name} ({})", id.chars().take(4).collect::<String>()),
    }
}

/// Returns a bound with its unit, rounded up: `0.08 ms`, `3.1 ms`, `24 ms`, `1.3 s`.
pub(super) fn ms(bound_ms: f64) -> String {
    match bound_ms {
        ..1000.0 => format!("{} ms", number_ms(bound_ms)),
        _ => format!("{:.1} s", up(bound_ms / 1000.0, 10.0)),
    }
}

/// Returns a bound in ms without its unit, rounded up.
pub(super) fn number_ms(bound_ms: f64) -> String {
    match bound_ms {
        ..1.0 => format!("{:.2}", up(bound_ms, 100.0)),
        1.0..10.0 => format!("{:.1}", up(bound_ms, 10.0)),
        _ => format!("{:.0}", up(bound_ms, 1.0)),
    }
}

/// Rounds up to a fraction, but for what is far below it.
fn up(value: f64, fraction: f64) -> f64 {
    (value * fraction - 1e-6).ceil().max(0.0) / fraction
}

/// Returns how long ago something was.
pub(super) fn age(seconds: u32) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::NeighbourStatus;

    fn ride(role: RideRole, group_bound_ms: Option<f64>, in_group: &[bool]) -> RideStatus {
        let neighbour = |in_group: &bool| NeighbourStatus { in_group: *in_group, ..NeighbourStatus::default() };
        let neighbours = in_group.iter().map(neighbour).collect();
        let leader = (role == RideRole::Follows).then(|| "bike-3".to_owned());
        RideStatus { role, leader, group_bound_ms, neighbours, ..RideStatus::default() }
    }

    #[test]
    fn two_figures_say_how_far_it_can_be_from_the_others_and_from_utc() {
        let words = |role, bound_ms, in_group: &[bool]| in_short(&ride(role, bound_ms, in_group), Some(3.1));
        assert_eq!(
            words(RideRole::Follows, Some(0.08), &[true; 5]),
            "follows bike-3: ±0.08 ms to 5 neighbours, ±3.1 ms to UTC"
        );
        assert_eq!(
            words(RideRole::Leads, Some(0.071), &[true, false]),
            "leads: ±0.08 ms to 1 neighbour, ±3.1 ms to UTC"
        );
        assert_eq!(
            words(RideRole::Alone, Some(0.4), &[]),
            "alone: ±0.40 ms to the boxes that were met, ±3.1 ms to UTC"
        );
        assert_eq!(words(RideRole::Alone, None, &[]), "alone: no other box was met yet, ±3.1 ms to UTC");
        assert_eq!(
            words(RideRole::Leads, Some(0.4), &[false]),
            "leads: 1 neighbour heard, not compared yet, ±3.1 ms to UTC"
        );
        assert!(
            words(RideRole::Alone, Some(0.0), &[]).starts_with("alone: the boxes that were met went by its time, ")
        );
        assert!(figures(&RideStatus::default(), None).ends_with("UTC is not known"));
    }

    #[test]
    fn a_bound_is_rounded_up_and_never_below_nothing() {
        let figures = [0.0, -1.0, 0.0801, 0.999, 1.01, 3.1, 23.2, 999.5, 1250.0];
        let expected = ["0.00 ms", "0.00 ms", "0.09 ms", "1.00 ms", "1.1 ms", "3.1 ms", "24 ms", "1000 ms", "1.3 s"];
        assert_eq!(figures.map(ms), expected);
    }

    #[test]
    fn a_few_refusals_are_not_worth_a_word() {
        let few = RefusedStatus { signature: MANY_REFUSED - 1, ..RefusedStatus::default() };
        assert_eq!(refusals(&few), None);
        let many = RefusedStatus { signature: 1200, flood: 300, ..few };
        let words = refusals(&many).unwrap();
        assert!(words.contains("1200 damaged or signed with another key, 300 too many at once"), "{words}");
    }
}
