//! Actions that must happen in any case: at the end of a scope or just before the process exits,
//! whichever comes first.

use std::sync::{Arc, Mutex, PoisonError};

type Act = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

static ACTS: Mutex<Vec<Act>> = Mutex::new(Vec::new());

/// An action that is done exactly once: when this is dropped, or before.
#[must_use]
pub struct LastAct(Act);

/// Registers an action, such as restoring the terminal. The last one added is done first.
pub fn last_act(act: impl FnOnce() + Send + 'static) -> LastAct {
    let act: Act = Arc::new(Mutex::new(Some(Box::new(act))));
    ACTS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&act));
    LastAct(act)
}

impl Drop for LastAct {
    fn drop(&mut self) {
        ACTS.lock().unwrap_or_else(PoisonError::into_inner).retain(|act| !Arc::ptr_eq(act, &self.0));
        do_once(&self.0);
    }
}

/// Does all actions that are left.
pub(super) fn do_all() {
    let acts = ACTS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    acts.iter().rev().for_each(do_once);
}

/// Does an action unless it is done. A second caller waits until the first has done it.
fn do_once(act: &Act) {
    let mut act = act.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(act) = act.take() {
        act();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn an_act_is_done_once_by_whoever_comes_first() {
        let count = Arc::new(AtomicUsize::new(0));
        let counting = || {
            let count = Arc::clone(&count);
            move || _ = count.fetch_add(1, Ordering::Relaxed)
        };
        let early = last_act(counting());
        drop(last_act(counting()));
        assert_eq!(count.load(Ordering::Relaxed), 1);
        do_all();
        assert_eq!(count.load(Ordering::Relaxed), 2);
        drop(early);
        do_all();
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}
