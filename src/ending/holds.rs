//! What an end waits for, by name: threads and actions that a device or a file may block.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Something that an end waits for while it exists.
#[derive(Debug)]
pub struct Hold {
    name: String,
    is_asked: AtomicBool,
}

impl Hold {
    /// Notes that it was asked to end. If it does not, the log names it.
    pub fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
    }
}

static HOLDS: Mutex<Vec<Weak<Hold>>> = Mutex::new(Vec::new());

/// Registers a name while the result lives. It must fit "held up by a device or a file: ...".
/// [`Hold::ask`] comes first.
pub fn hold(name: impl Into<String>) -> Arc<Hold> {
    let hold = Arc::new(Hold { name: name.into(), is_asked: AtomicBool::new(false) });
    let mut holds = HOLDS.lock().unwrap_or_else(PoisonError::into_inner);
    holds.retain(|other| other.strong_count() > 0);
    holds.push(Arc::downgrade(&hold));
    hold
}

/// Registers the name of an action that ends without being asked, such as writing a file.
pub fn hold_act(name: impl Into<String>) -> Arc<Hold> {
    let hold = hold(name);
    hold.ask();
    hold
}

/// Returns the names of everything that was asked to end and has not ended.
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
        // Other tests may have holds at the same time.
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
