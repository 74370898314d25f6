//! The thread that carries frames: it reads what stations send, and writes what is due.

use std::hint;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl;
use nix::sys::time::TimeSpec;
use nix::unistd::gettid;

use super::ethernet::{Mac, destination};
use super::medium::{Counts, Delivery, Medium, StationId};
use super::namespace::Tap;
use crate::error::{Error, Result};

/// Larger than any frame of a device whose MTU is 1500.
const MOST_FRAME_BYTES: usize = 2048;
/// How many frames of one station are read before the others have their turn.
const READS_A_TURN: usize = 32;
/// A thread that sleeps wakes up some 50 µs late, so it is woken earlier and waits the rest awake.
const WAKE_EARLY: Duration = Duration::from_micros(60);
/// As for the virtual card: the air does not wait for a processor.
const REALTIME_PRIORITY: &str = "5";

/// A frame's bytes, shared by its copies.
type Frame = Arc<[u8]>;

/// What the carrier and its handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    wake: UnixStream,
    stop: AtomicBool,
    start: Instant,
}

#[derive(Debug)]
struct State {
    medium: Medium<Frame>,
    macs: Vec<Mac>,
    /// By station; `None` if somebody has deleted its device.
    taps: Vec<Option<Arc<Tap>>>,
    timing: Timing,
}

/// How exactly the air carried its frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// How many frames were written to stations.
    pub frames: u64,
    /// By how much they were written later than they were due, in total.
    pub late_sum: Duration,
    /// By how much the latest was.
    pub latest: Duration,
}

impl Timing {
    /// Returns by how much a frame was late in the mean.
    #[must_use]
    pub fn mean_late(&self) -> Duration {
        let frames = u32::try_from(self.frames).unwrap_or(u32::MAX);
        self.late_sum.checked_div(frames).unwrap_or_default()
    }

    fn add(&mut self, late: Duration) {
        self.frames += 1;
        self.late_sum += late;
        self.latest = self.latest.max(late);
    }
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(crate) shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Carrier {
    pub(crate) fn start(medium: Medium<Frame>) -> Result<Self> {
        let action = "start the virtual air's thread";
        let (wake, woken) = UnixStream::pair().map_err(Error::io(action))?;
        for end in [&wake, &woken] {
            end.set_nonblocking(true).map_err(Error::io(action))?;
        }
        let state = State { medium, macs: Vec::new(), taps: Vec::new(), timing: Timing::default() };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), wake, stop: AtomicBool::new(false), start: Instant::now() });
        let of_thread = Arc::clone(&shared);
        let (send_id, id) = mpsc::channel();
        let run = move || {
            let _ = send_id.send(gettid());
            carry(&of_thread, &woken);
        };
        let thread = thread::Builder::new().name("virtual-air".into()).spawn(run).map_err(Error::io(action))?;
        if let Ok(id) = id.recv() {
            // Where it is not granted the air is later on a busy machine, but still an air.
            drop(Command::new("chrt").args(["--rr", "--pid", REALTIME_PRIORITY, &id.to_string()]).output());
        }
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // The devices go even while handles remain.
        self.shared.lock().taps.clear();
    }
}

impl Shared {
    /// Adds a station; its number is that in the medium.
    pub(crate) fn add(&self, mac: Mac, tap: Tap) -> StationId {
        let mut state = self.lock();
        state.macs.push(mac);
        state.taps.push(Some(Arc::new(tap)));
        let station = state.medium.add_station();
        drop(state);
        self.wake();
        station
    }

    /// Changes the air from now on. The call gets the time of the medium.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Medium<Frame>, Duration) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.medium, self.start.elapsed());
        drop(state);
        self.wake();
        result
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().medium.counts()
    }

    pub(crate) fn timing(&self) -> Timing {
        self.lock().timing
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // A full pipe wakes as well.
        let _ = (&self.wake).write(&[0]);
    }
}

fn carry(shared: &Shared, woken: &UnixStream) {
    // Otherwise the kernel rounds up every wait by 50 µs.
    let _ = prctl::set_timerslack(1);
    let mut buffer = [0; MOST_FRAME_BYTES];
    while !shared.is_stopped() {
        deliver(shared);
        let (taps, next_due) = {
            let state = shared.lock();
            let taps = (0..).zip(&state.taps).filter_map(|(number, tap)| Some((number, Arc::clone(tap.as_ref()?))));
            (taps.collect::<Vec<_>>(), state.medium.next_due())
        };
        let mut polled = vec![PollFd::new(woken.as_fd(), PollFlags::POLLIN)];
        polled.extend(taps.iter().map(|(_, tap)| PollFd::new(tap.0.as_fd(), PollFlags::POLLIN)));
        let wait = |due: Duration| due.saturating_sub(shared.start.elapsed() + WAKE_EARLY);
        let timeout = next_due.map(|due| TimeSpec::from(wait(due)));
        match ppoll(&mut polled, timeout, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                eprintln!("virtual air: it carries nothing any more: {error}");
                return;
            }
        }
        let ready = |polled: &PollFd| polled.any().unwrap_or(false);
        if ready(&polled[0]) {
            while matches!((&*woken).read(&mut buffer), Ok(1..)) {}
        }
        for ((number, tap), polled) in taps.iter().zip(&polled[1..]) {
            if ready(polled) && receive(shared, StationId(*number), tap, &mut buffer).is_err() {
                // Polled again, it would be ready for ever.
                if let Some(tap) = shared.lock().taps.get_mut(*number) {
                    *tap = None;
                }
            }
        }
        wait_awake(shared);
    }
}

/// Waits until the next frame is due, if that is soon.
fn wait_awake(shared: &Shared) {
    let next_due = shared.lock().medium.next_due();
    let Some(due) = next_due.filter(|due| due.saturating_sub(shared.start.elapsed()) <= WAKE_EARLY) else { return };
    while shared.start.elapsed() < due {
        hint::spin_loop();
    }
}

/// Writes to stations what is due.
fn deliver(shared: &Shared) {
    loop {
        let now = shared.start.elapsed();
        let (delivery, tap) = {
            let mut state = shared.lock();
            let Some(delivery) = state.medium.take_due(now) else { return };
            let tap = state.taps.get(delivery.to.0).cloned().flatten();
            (delivery, tap)
        };
        let Delivery { due, payload, .. } = delivery;
        if let Some(tap) = tap {
            // A station whose device is down hears nothing; nobody else notices.
            let _ = tap.0.send(&payload);
            let late = shared.start.elapsed().saturating_sub(due);
            shared.lock().timing.add(late);
        }
    }
}

/// Reads what a station sends.
///
/// # Errors
/// When its device is gone.
fn receive(shared: &Shared, from: StationId, tap: &Tap, buffer: &mut [u8]) -> io::Result<()> {
    for _ in 0..READS_A_TURN {
        let length = match tap.0.recv(buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let frame = &buffer[..length];
        let mut state = shared.lock();
        if let Some(to) = destination(frame, &state.macs) {
            state.medium.send(shared.start.elapsed(), from, to, length, frame.into());
        }
    }
    Ok(())
}
