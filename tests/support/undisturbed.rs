//! Measurements that a stalled machine can spoil: a shared machine gives its processors to others
//! for a tenth of a second now and then, and no program that runs on it can play meanwhile.
//!
//! Witnesses notice that. One keeps an eye on the disk, which all programs of a machine wait for
//! together. Of the others one has the priority of the player's own threads, the other that of
//! everything else on the way of the sound, which waits when other programs keep the processors busy:
//! the thread of ALSA's pulse plugin, and the one that reads the recording. A measurement that fails
//! while a stall was seen is repeated; one that fails without a stall, or again and again, has failed.

use std::io::Write;
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

/// A stall of the threads on the way of the sound makes the virtual card report its position wrong.
const STALL_ON_THE_WAY: Duration = Duration::from_millis(10);

/// How often the disk is checked, and what is a stall of it: a player that ends waits for it for 2 s.
const DISK_LOOK: Duration = Duration::from_millis(200);
const DISK_STALL: Duration = Duration::from_millis(500);

/// How many measurements are made at most.
const ATTEMPTS: u32 = 4;

/// Measures and judges, and again if the machine stalled meanwhile.
pub fn undisturbed(measure_and_judge: impl Fn()) {
    for attempt in 1.. {
        let [player, way] = [true, false].map(Witness::of_processors);
        let disk = Witness::of_disk();
        let judged = catch_unwind(AssertUnwindSafe(&measure_and_judge));
        let [longest, longest_on_the_way, longest_sync] = [player, way, disk].map(Witness::finish);
        match judged {
            Ok(()) => return,
            Err(_) if longest >= STALL && attempt < ATTEMPTS => {
                println!("the machine stood still for {:.0} ms: measured again", longest.as_secs_f64() * 1e3);
            }
            Err(_) if longest_on_the_way >= STALL_ON_THE_WAY && attempt < ATTEMPTS => {
                let stall_ms = longest_on_the_way.as_secs_f64() * 1e3;
                println!("threads of ordinary priority stood still for {stall_ms:.0} ms: measured again");
            }
            Err(_) if longest_sync >= DISK_STALL && attempt < ATTEMPTS => {
                println!("the disk took {:.1} s for a byte: measured again", longest_sync.as_secs_f64());
            }
            Err(failure) => resume_unwind(failure),
        }
    }
}

/// A thread that notes the longest time that the machine took for something.
struct Witness {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Witness {
    /// Notes how long a thread was kept from running.
    fn of_processors(realtime: bool) -> Self {
        Self::start(move || {
            if realtime {
                // If that is not granted, the player's threads have not got it either.
                let _ = request_realtime(RealtimeThread::Audio);
            }
            || {
                let before = Instant::now();
                std::thread::sleep(LOOK);
                before.elapsed().saturating_sub(LOOK)
            }
        })
    }

    /// Notes how long a byte took to be on the disk of the temporary folder.
    fn of_disk() -> Self {
        Self::start(|| {
            let mut file = tempfile::tempfile().unwrap();
            move || {
                std::thread::sleep(DISK_LOOK);
                let before = Instant::now();
                file.write_all(b"x").and_then(|()| file.sync_data()).unwrap();
                before.elapsed()
            }
        })
    }

    /// Looks again and again, with what `prepare` makes on the thread.
    fn start<Look: FnMut() -> Duration>(prepare: impl FnOnce() -> Look + Send + 'static) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let has_ended = Arc::clone(&ends);
        let witness = move || {
            let mut look = prepare();
            let mut longest = Duration::ZERO;
            while !has_ended.load(Ordering::Relaxed) {
                longest = longest.max(look());
            }
            longest
        };
        Self { ends, thread: std::thread::spawn(witness) }
    }

    fn finish(self) -> Duration {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
