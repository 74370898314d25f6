//! What a thread asks of the scheduler, and the process of the memory: to be run at once, and never to be swapped out.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use thread_priority::{
    NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue,
    ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// A thread whose lateness is heard. The numbers are priorities of SCHED_FIFO (sched(7)), below those of the kernel's own
/// interrupt threads, which bring what is waited for and have 50 (`sched_set_fifo` in kernel/sched/syscalls.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RealtimeThread {
    /// Fills the sound card's buffers: late, it is a drop-out.
    Audio = 45,
    /// Stamps the edges of the RTC: late, the time is known less well.
    Edge = 44,
    /// Decodes ahead: half a second late, it is a drop-out.
    Feeder = 40,
}

impl RealtimeThread {
    /// What comes of it where the thread is late.
    fn cost_of_delay(self) -> &'static str {
        match self {
            Self::Audio | Self::Feeder => "music may drop out",
            Self::Edge => "the time is known less well",
        }
    }
}

/// Why a thread or the memory is treated as any other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriorityError {
    /// The limit is too low.
    #[error(
        "no real-time priority for the {0:?} thread ({1}): {cost} on a busy machine; set LimitRTPRIO=50",
        cost = .0.cost_of_delay()
    )]
    Realtime(RealtimeThread, String),
    /// The limit is too low.
    #[error("memory is not locked ({0}): music may drop out where memory is short; set LimitMEMLOCK=infinity")]
    Memory(String),
}

/// Asks for the calling thread to be run before all that is not real-time.
///
/// # Errors
/// When the limit RLIMIT_RTPRIO is lower than that. The thread goes on as it is.
pub fn request_realtime(thread: RealtimeThread) -> Result<(), PriorityError> {
    let failed = |reason: String| PriorityError::Realtime(thread, reason);
    let value = ThreadPriorityValue::try_from(thread as u8).map_err(|reason| failed(reason.to_owned()))?;
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(value), policy)
        .map_err(|error| failed(format!("{error:?}")))
}

/// The same for a thread that goes on all the same: where it is not granted, that is logged.
pub fn ask_for_realtime(thread: RealtimeThread) {
    if let Err(error) = request_realtime(thread) {
        log::info!("{error}");
    }
}

/// Ask for the calling thread to be run, and its files to be read, only where nobody else has anything to do. A thread that is
/// not granted that goes on as it is. The kernel takes a SCHED_IDLE thread's requests to disks as idle, too
/// (`task_nice_ioclass` in include/linux/ioprio.h).
pub fn ask_for_idle() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let asked = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
    if let Err(error) = asked {
        log::debug!("no idle priority: {error:?}");
    }
}

/// Keeps everything that the process has touched, and will touch, in memory.
///
/// # Errors
/// When the limit RLIMIT_MEMLOCK is not infinite: a lower one counts what is only reserved, such as stacks, and would
/// make the process fail later, when it needs more.
pub fn lock_memory() -> Result<(), PriorityError> {
    if let Some(limit) = getrlimit(Resource::Memlock).current {
        return Err(PriorityError::Memory(format!("the limit is {limit} bytes")));
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
        .map_err(|error| PriorityError::Memory(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_its_priority_or_says_what_to_set() {
        let asked = std::thread::spawn(|| {
            let asked = request_realtime(RealtimeThread::Edge);
            (asked, thread_priority::get_current_thread_priority())
        });
        match asked.join().unwrap() {
            (Ok(()), Ok(ThreadPriority::Crossplatform(value))) => assert_eq!(u8::from(value), 44),
            (Err(error), _) => assert!(error.to_string().contains("LimitRTPRIO"), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}
