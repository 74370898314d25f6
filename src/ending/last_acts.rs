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
        // First done and then forgotten: a process that ends meanwhile waits for it.
        do_once(&self.0);
        ACTS.lock().unwrap_or_else(PoisonError::into_inner).retain(|act| !Arc::ptr_eq(act, &self.0));
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
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use super::*;

    /// The acts are those of the whole process: one test at a time.
    static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn an_act_is_done_once_by_whoever_comes_first() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
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
    #[test]
    fn the_end_waits_for_an_act_that_is_being_done() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let ((began, begun), (go, gone)) = (sync_channel(1), sync_channel(1));
        let act = last_act(move || {
            began.send(()).unwrap();
            gone.recv().unwrap();
        });
        let (end, ended) = sync_channel(1);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(act));
            begun.recv().unwrap();
            scope.spawn(move || {
                do_all();
                end.send(()).unwrap();
            });
            assert!(ended.recv_timeout(Duration::from_millis(100)).is_err(), "it ended in the middle of the act");
            go.send(()).unwrap();
            ended.recv().unwrap();
        });
    }
}
