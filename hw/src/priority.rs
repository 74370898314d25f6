//! Requests to the scheduler and the memory management: to run a thread at once, and never to swap
//! the process out.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use thread_priority::{
    NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue,
    ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// A thread whose lateness is heard. The numbers are priorities of SCHED_FIFO (sched(7)), below
/// those of the kernel's own interrupt threads, which deliver the events waited for and have 50
/// (`sched_set_fifo` in kernel/sched/syscalls.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RealtimeThread {
    /// Fills the sound card's buffers: if it is late, there is a drop-out.
    Audio = 45,
    /// Stamps the edges of the RTC: if it is late, the time is known less well.
    Edge = 44,
    /// Decodes ahead: if it is half a second late, there is a drop-out.
    Feeder = 40,
}

impl RealtimeThread {
    /// Returns the consequence if the thread is late.
    fn cost_of_delay(self) -> &'static str {
        match self {
            Self::Audio | Self::Feeder => "music may drop out",
            Self::Edge => "the time is known less well",
        }
    }
}

/// Why a thread or the memory gets no special treatment.
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

/// Requests that the calling thread run before everything that is not real-time.
///
/// # Errors
/// When the limit RLIMIT_RTPRIO is lower than its priority. The thread continues as it is.
pub fn request_realtime(thread: RealtimeThread) -> Result<(), PriorityError> {
    let failed = |reason: String| PriorityError::Realtime(thread, reason);
    let value = ThreadPriorityValue::try_from(thread as u8).map_err(|reason| failed(reason.to_owned()))?;
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(value), policy)
        .map_err(|error| failed(format!("{error:?}")))
}

/// Requests the priority as [`request_realtime`] does, and only logs if it is not granted.
pub fn ask_for_realtime(thread: RealtimeThread) {
    if let Err(error) = request_realtime(thread) {
        log::info!("{error}");
    }
}

/// Requests that the calling thread run, and its files be read, only while nothing else needs the
/// processor or the disk. If that is not granted, the thread continues as it is. The kernel treats
/// a SCHED_IDLE thread's disk requests as idle, too (`task_nice_ioclass` in
/// include/linux/ioprio.h).
pub fn ask_for_idle() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let asked = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
    if let Err(error) = asked {
        log::debug!("no idle priority: {error:?}");
    }
}

/// Locks everything that the process has touched, and will touch, into memory.
///
/// # Errors
/// When the limit RLIMIT_MEMLOCK is not infinite: a lower one also counts memory that is only
/// reserved, such as stacks, and would make the process fail later, when it needs more.
pub fn lock_memory() -> Result<(), PriorityError> {
    if let Some(limit) = getrlimit(Resource::Memlock).current {
        return Err(PriorityError::Memory(format!("the limit is {limit} bytes")));
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
        .map_err(|error| PriorityError::Memory(error.to_string()))
}

/// Gives memory that was freed back to the system: glibc keeps up to 64 MB of it for each thread
/// (`M_TRIM_THRESHOLD` in mallopt(3), which grows with what was freed). For after a piece of work that
/// needed far more than all else. With another C library it does nothing.
#[cfg_attr(target_env = "gnu", allow(unsafe_code))]
pub fn give_back_memory() {
    // SAFETY: it may be called by any thread at any time, and only takes what is not in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_its_priority_or_an_error_says_what_to_set() {
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
