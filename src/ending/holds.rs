//! What an end waits for, by name: threads and acts that a device or a file may hold up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Something that an end waits for while it lives.
#[derive(Debug)]
pub struct Hold {
    name: String,
    is_asked: AtomicBool,
}

impl Hold {
    /// It was asked to end: from now on it is named where it does not.
    pub fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
    }
}

static HOLDS: Mutex<Vec<Weak<Hold>>> = Mutex::new(Vec::new());

/// A name for as long as it lives, in words that fit "is held up by a device or a file". It is to be asked to end first.
pub fn hold(name: impl Into<String>) -> Arc<Hold> {
    let hold = Arc::new(Hold { name: name.into(), is_asked: AtomicBool::new(false) });
    let mut holds = HOLDS.lock().unwrap_or_else(PoisonError::into_inner);
    holds.retain(|other| other.strong_count() > 0);
    holds.push(Arc::downgrade(&hold));
    hold
}

/// The same for an act that nobody has to ask to end, such as writing a file.
pub fn hold_act(name: impl Into<String>) -> Arc<Hold> {
    let hold = hold(name);
    hold.ask();
    hold
}

/// The names of all that was asked to end and has not.
pub(super) fn held() -> Vec<String> {
    let holds = HOLDS.lock().unwrap_or_else(PoisonError::into_inner);
    let holds = holds.iter().filter_map(Weak::upgrade);
    holds.filter(|hold| hold.is_asked.load(Ordering::Acquire)).map(|hold| hold.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_to_end_is_named_until_it_has() {
        // Other tests have holds of their own meanwhile.
        let named = |name: &str| held().contains(&name.to_owned());
        let first = hold("first of the test");
        let second = hold_act("second of the test");
        assert!(!named("first of the test") && named("second of the test"));
        first.ask();
        assert!(named("first of the test"));
        drop((first, second));
        assert!(!named("first of the test") && !named("second of the test"));
    }
}
