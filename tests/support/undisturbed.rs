//! Measurements that a stalled machine can spoil: a shared machine gives its processors to others
//! for a tenth of a second now and then, and no program that runs on it can play meanwhile.
//!
//! Two witnesses notice that: one has the priority of the player's own threads, the other that of
//! everything else on the way of the sound, which waits when other programs keep the processors busy:
//! the thread of ALSA's pulse plugin, and the one that reads the recording. A measurement that fails
//! while a stall was seen is repeated; one that fails without a stall, or again and again, has failed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jaudiosync_hw::priority::{RealtimeThread, request_realtime};

/// How often the machine is checked.
const LOOK: Duration = Duration::from_millis(2);

/// A stall longer than this may make a sound server run dry, which buffers 100 ms in all, some of
/// them in transit.
const STALL: Duration = Duration::from_millis(40);

/// How many measurements are made at most.
const ATTEMPTS: u32 = 4;

/// Measures and judges, and again if the machine stalled meanwhile.
pub fn undisturbed(measure_and_judge: impl Fn()) {
    for attempt in 1.. {
        let witnesses = [true, false].map(Witness::start);
        let judged = catch_unwind(AssertUnwindSafe(&measure_and_judge));
        let longest = witnesses.map(Witness::finish).into_iter().max().unwrap();
        match judged {
            Ok(()) => return,
            Err(_) if longest >= STALL && attempt < ATTEMPTS => {
                println!("the machine stood still for {:.0} ms: measured again", longest.as_secs_f64() * 1e3);
            }
            Err(failure) => resume_unwind(failure),
        }
    }
}

/// A thread that notes how long it was kept from running.
struct Witness {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Witness {
    fn start(realtime: bool) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let has_ended = Arc::clone(&ends);
        let look = move || {
            if realtime {
                // If that is not granted, the player's threads have not got it either.
                let _ = request_realtime(RealtimeThread::Audio);
            }
            let (mut longest, mut before) = (Duration::ZERO, Instant::now());
            while !has_ended.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK);
                longest = longest.max(before.elapsed().saturating_sub(LOOK));
                before = Instant::now();
            }
            longest
        };
        Self { ends, thread: std::thread::spawn(look) }
    }

    fn finish(self) -> Duration {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
