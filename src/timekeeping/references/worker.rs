//! The thread of a source: it stops when its handle is dropped or when no one listens any more.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{ReferenceEvent, Sample, Source};

/// Long enough for every wait that can be cut short. Resolving a name cannot, and takes as long as
/// the resolver needs: such a thread is left to end by itself.
const LONGEST_GOODBYE: Duration = Duration::from_secs(1);

/// A running source. Dropping it stops the source, usually within a tenth of a second.
#[derive(Debug)]
pub struct ReferenceThread {
    state: Mutex<State>,
    ended: Receiver<Infallible>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum State {
    /// It runs until this is dropped.
    Runs { _keep_running: Sender<Infallible> },
    /// It was asked to stop at this time.
    IsToStop(Instant),
}

impl ReferenceThread {
    /// Runs `work` on a thread until it returns [`Stopped`].
    pub(super) fn start(
        name: &str,
        work: impl FnOnce(StopSignal) -> Result<Infallible, Stopped> + Send + 'static,
    ) -> io::Result<Self> {
        let (keep_running, stop) = mpsc::channel();
        let (alive, ended) = mpsc::channel::<Infallible>();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Dropped when the thread ends, however it ends: this is how the handle notices.
            let _alive = alive;
            let Err(Stopped) = work(StopSignal(stop));
        })?;
        let state = Mutex::new(State::Runs { _keep_running: keep_running });
        Ok(Self { state, ended, thread: Some(thread) })
    }

    /// Asks it to stop, and does not wait for that, so that several can stop at the same time.
    pub(crate) fn dismiss(&self) {
        self.stopped_at();
    }

    /// Asks it to stop, unless it was asked already, and returns when it was asked.
    fn stopped_at(&self) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::IsToStop(at) = *state {
            return at;
        }
        let now = Instant::now();
        *state = State::IsToStop(now);
        now
    }
}

impl Drop for ReferenceThread {
    fn drop(&mut self) {
        let patience = LONGEST_GOODBYE.saturating_sub(self.stopped_at().elapsed());
        match self.ended.recv_timeout(patience) {
            Err(RecvTimeoutError::Disconnected) => {
                if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
                    log::error!("a time source has died of a fault in this program");
                }
            }
            Err(RecvTimeoutError::Timeout) => log::debug!("a time source is left to end by itself"),
            Ok(never) => match never {},
        }
    }
}

/// The owner has dropped the handle, or no one listens to the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopped;

/// Shows the thread when to stop.
#[derive(Debug)]
pub(super) struct StopSignal(Receiver<Infallible>);

impl StopSignal {
    /// Returns an error if it is time to stop.
    pub(super) fn check(&self) -> Result<(), Stopped> {
        match self.0.try_recv() {
            Err(TryRecvError::Disconnected) => Err(Stopped),
            Err(TryRecvError::Empty) => Ok(()),
            Ok(never) => match never {},
        }
    }

    /// Waits this long, unless it is time to stop.
    pub(super) fn wait(&self, time: Duration) -> Result<(), Stopped> {
        match self.0.recv_timeout(time) {
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(never) => match never {},
        }
    }
}

/// Where the thread's events go. It does not repeat a trouble that it has already sent.
#[derive(Debug)]
pub(super) struct EventSender {
    events: Sender<ReferenceEvent>,
    reported: Option<String>,
}

impl EventSender {
    pub(super) fn new(events: Sender<ReferenceEvent>) -> Self {
        Self { events, reported: None }
    }

    pub(super) fn sample(&mut self, sample: Sample) -> Result<(), Stopped> {
        self.reported = None;
        self.events.send(ReferenceEvent::Sample(sample)).map_err(|_| Stopped)
    }

    pub(super) fn trouble(&mut self, source: &Source, reason: String) -> Result<(), Stopped> {
        if self.reported.as_ref() == Some(&reason) {
            return Ok(());
        }
        log::info!("{source}: {reason}");
        self.reported = Some(reason.clone());
        self.events.send(ReferenceEvent::Trouble { source: source.clone(), reason }).map_err(|_| Stopped)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use jaudiosync_time::Instant as At;

    use super::super::SourceKind;
    use super::*;

    fn source() -> Source {
        Source { kind: SourceKind::Ntp, name: "time.example".into() }
    }

    #[test]
    fn a_waiting_thread_stops_when_its_handle_is_dropped() {
        let (sender, reported) = mpsc::channel();
        let thread = ReferenceThread::start("waiting", move |stop| {
            let stopped = stop.wait(Duration::from_secs(3600));
            sender.send(stopped).unwrap();
            Err(Stopped)
        });
        let before = Instant::now();
        drop(thread.unwrap());
        assert!(before.elapsed() < Duration::from_secs(1));
        assert_eq!(reported.try_recv(), Ok(Err(Stopped)), "dropping waits for the thread");
    }

    #[test]
    fn threads_that_cannot_be_cut_short_are_waited_for_together() {
        let (sender, release) = mpsc::channel::<()>();
        let release = std::sync::Arc::new(Mutex::new(release));
        let threads: Vec<_> = (0..5)
            .map(|number| {
                let release = std::sync::Arc::clone(&release);
                let look_up_a_name = move |_: StopSignal| {
                    let _ = release.lock().unwrap().recv();
                    Err(Stopped)
                };
                ReferenceThread::start(&format!("held up {number}"), look_up_a_name).unwrap()
            })
            .collect();
        let before = Instant::now();
        threads.iter().for_each(ReferenceThread::dismiss);
        drop(threads);
        assert!((LONGEST_GOODBYE..2 * LONGEST_GOODBYE).contains(&before.elapsed()), "{:?}", before.elapsed());
        drop(sender);
    }

    #[test]
    fn a_thread_stops_when_nobody_listens() {
        let (events, listener) = mpsc::channel();
        drop(listener);
        assert_eq!(EventSender::new(events).trouble(&source(), "late".into()), Err(Stopped));
    }

    #[test]
    fn a_trouble_is_reported_once_for_each_change() {
        let (events, listener) = mpsc::channel();
        let mut sender = EventSender::new(events);
        let sample =
            Sample { source: source(), raw: At::from_ns(1), utc: At::from_ns(2), sigma_ns: 3.0, bound_ns: 4.0 };
        for reason in ["late", "late", "later", "later", "late"] {
            sender.trouble(&source(), reason.into()).unwrap();
        }
        sender.sample(sample).unwrap();
        sender.trouble(&source(), "late".into()).unwrap();
        let reported: Vec<Option<String>> = listener
            .try_iter()
            .map(|event| match event {
                ReferenceEvent::Trouble { reason, .. } => Some(reason),
                ReferenceEvent::Sample(_) => None,
            })
            .collect();
        let reported: Vec<_> = reported.iter().map(Option::as_deref).collect();
        assert_eq!(reported, [Some("late"), Some("later"), Some("late"), None, Some("late")]);
    }
}
