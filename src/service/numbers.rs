//! The number of this box in a sound check, which the conductor plays by and the ride settles.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Config;
use crate::control::Status;
use crate::control::protocol::PlayState;
use crate::ride::message::NumberClaim;
use crate::ride::report::RideReport;
use crate::sound_check::neighbours::{Other, OwnNumber, Shared};
use crate::sound_check::number::{Numbered, Origin};
use crate::sound_check::schedule::BoxNumber;

/// The number, shared by those who need it.
#[derive(Clone)]
pub struct Numbers {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// What follows from the box's names.
    derived: Numbered,
    own: OwnNumber,
    shared: Shared,
    warnings: Vec<String>,
}

impl Numbers {
    /// Begins with the configured number, or the one that follows from the box's names.
    pub fn new(config: &Config, derived: Numbered) -> Self {
        let own = OwnNumber::new(first(config, derived));
        let inner = Inner { derived, own, shared: Shared::default(), warnings: Vec::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    fn with<T>(&self, then: impl FnOnce(&mut Inner) -> T) -> T {
        then(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over a configuration that was read again.
    pub fn configure(&self, config: &Config) {
        self.with(|inner| inner.own.set_first(first(config, inner.derived)));
    }

    /// Returns the number.
    pub fn get(&self) -> BoxNumber {
        self.with(|inner| inner.own.get().number)
    }

    /// Returns what this box says of its number.
    pub(super) fn claim(&self) -> NumberClaim {
        self.with(|inner| inner.own.get().into())
    }

    /// Looks at the neighbours, once a second. During a sound check the number stays.
    pub(super) fn look(&self, report: &RideReport, status: &Status) {
        let Some(id) = report.id else { return };
        let others: Vec<Other<'_>> = report
            .neighbours
            .iter()
            .filter_map(|other| Some(Other { rank: (&other.name, other.id.0), numbered: other.number? }))
            .collect();
        self.with(|inner| {
            if status.play.state != PlayState::SoundCheck
                && let Some(name) = inner.own.look((&report.name, id.0), &others)
            {
                log::info!("{name} has this box's number in a sound check; it has {} now", inner.own.get().number);
            }
            let own = (report.name.as_str(), inner.own.get().number);
            let all: Vec<(&str, BoxNumber)> =
                others.iter().map(|other| (other.rank.0, other.numbered.number)).chain([own]).collect();
            inner.shared.look(&all.iter().map(|(_, number)| *number).collect::<Vec<_>>());
            inner.warnings = warnings(&inner.shared, &all);
        });
    }

    /// Returns which boxes have the same number, and what to do.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.with(|inner| inner.warnings.clone())
    }
}

fn first(config: &Config, derived: Numbered) -> Numbered {
    let configured = BoxNumber::new(config.sound_check.number);
    configured.map_or(derived, |number| Numbered { number, origin: Origin::Configured })
}

fn warnings(shared: &Shared, all: &[(&str, BoxNumber)]) -> Vec<String> {
    let mut by_number: BTreeMap<BoxNumber, Vec<&str>> = BTreeMap::new();
    all.iter().for_each(|(name, number)| by_number.entry(*number).or_default().push(name));
    let words = |number: BoxNumber| {
        let names = by_number.get(&number).map(|names| names.join(" and ")).unwrap_or_default();
        format!("{names} have the same number {number} in a sound check; give one of them another (sound_check.number)")
    };
    shared.lasting().map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound_check::number::derived;

    #[test]
    fn what_is_configured_counts_before_what_follows_from_the_names() {
        let mut config = Config::default();
        let numbers = Numbers::new(&config, derived("bike-7", ""));
        assert_eq!((numbers.get().get(), numbers.claim().origin), (7, Origin::HostName));
        config.sound_check.number = 3;
        numbers.configure(&config);
        assert_eq!((numbers.get().get(), numbers.claim().origin), (3, Origin::Configured));
    }

    #[test]
    fn boxes_that_share_a_number_are_named() {
        let number = |n| BoxNumber::new(n).unwrap();
        let all = [("bike-a", number(3)), ("bike-b", number(4)), ("bike-c", number(3))];
        let mut shared = Shared::default();
        (0..30).for_each(|_| shared.look(&all.map(|(_, number)| number)));
        let said = warnings(&shared, &all);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("bike-a and bike-c have the same number 3"), "{said:?}");
    }
}
