//! The system clock as a reference, where another daemon (chrony, ntpd, timesyncd) owns it: it is
//! believed as far as the kernel allows. Only read; nothing here sets anything.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use jaudiosync_hw::clocks::{ClockPair, Clocks};
use jaudiosync_hw::kernel_clock::{KernelClockEstimate, read_estimate};

use super::worker::{EventSender, ReferenceThread, StopSignal, Stopped};
use super::{ReferenceEvent, Sample, Source, SourceKind};
use crate::timekeeping::rtc::trust::EARLIEST;

/// The pause between two readings of the clock.
const PAUSE: Duration = Duration::from_secs(16);

/// Some daemons (timesyncd) report to the kernel that there is no error at all, which means that
/// they do not know it. In that case this error is considered possible, in ns: half of a slow round
/// trip to a time server.
const UNREPORTED_NS: i64 = 25_000_000;

/// No reading of two clocks is better than this, in ns.
const READING_NS: i64 = 1_000;

/// The system clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SystemSource;

impl SystemSource {
    /// Starts the thread, which sends a sample every 16 s. It stops when the handle is dropped, or
    /// when no one listens.
    pub fn start(&self, clocks: Arc<dyn Clocks>, events: Sender<ReferenceEvent>) -> std::io::Result<ReferenceThread> {
        let events = EventSender::new(events);
        ReferenceThread::start("system clock", move |stop| run(&*clocks, events, &stop))
    }
}

fn run(clocks: &dyn Clocks, mut events: EventSender, stop: &StopSignal) -> Result<Infallible, Stopped> {
    let source = Source { kind: SourceKind::System, name: "".into() };
    loop {
        let reading = ClockPair::read(clocks);
        let judged = match read_estimate() {
            Ok(estimate) => judge(reading, &estimate),
            Err(error) => Err(format!("the kernel does not report how good its clock is: {error}")),
        };
        match judged {
            Ok(sample) => events.sample(sample)?,
            Err(reason) => events.trouble(&source, reason)?,
        }
        stop.wait(PAUSE)?;
    }
}

/// Returns a sample of the system clock if the kernel calls it synchronized; otherwise why not. The
/// bound is the kernel's `maxerror`, sigma its `esterror`, or a third of the bound if the daemon
/// reports no `esterror`.
pub fn judge(reading: ClockPair, estimate: &KernelClockEstimate) -> Result<Sample, String> {
    if !estimate.synchronized {
        return Err(
            "the system clock is not synchronized: is a time daemon running, and does it reach a server?".into()
        );
    }
    if reading.utc < EARLIEST {
        return Err(
            "the system clock shows a time before this program was built, though it is called synchronized".into()
        );
    }
    let reported_ns = estimate.estimated_error.ns().max(0);
    let least_ns = if reported_ns == 0 { UNREPORTED_NS } else { READING_NS };
    let bound_ns = estimate.maximum_error.ns().max(reported_ns).max(least_ns);
    let sigma_ns = if reported_ns == 0 { bound_ns as f64 / 3.0 } else { reported_ns.max(READING_NS) as f64 };
    Ok(Sample {
        source: Source { kind: SourceKind::System, name: "".into() },
        raw: reading.raw,
        utc: reading.utc,
        sigma_ns: sigma_ns.min(bound_ns as f64),
        bound_ns: bound_ns as f64,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use jaudiosync_hw::clocks::MachineClocks;

    use super::*;
    use jaudiosync_time::{Instant, Span};

    const READING: ClockPair = ClockPair { raw: Instant::from_ns(5), utc: EARLIEST };

    fn estimate(maximum_error_ns: i64, estimated_error_ns: i64) -> KernelClockEstimate {
        let [maximum_error, estimated_error] = [maximum_error_ns, estimated_error_ns].map(Span::from_ns);
        KernelClockEstimate { synchronized: true, maximum_error, estimated_error }
    }

    #[test]
    fn the_kernels_own_estimate_is_taken() {
        let sample = judge(READING, &estimate(4_000_000, 90_000)).unwrap();
        assert_eq!((sample.raw, sample.utc), (READING.raw, READING.utc));
        assert_eq!((sample.sigma_ns, sample.bound_ns), (90_000.0, 4_000_000.0));
    }

    #[test]
    fn a_daemon_that_claims_no_error_at_all_is_not_believed() {
        let sample = judge(READING, &estimate(0, 0)).unwrap();
        assert!(sample.bound_ns >= 20e6 && sample.sigma_ns > 5e6, "{sample:?}");
    }

    #[test]
    fn a_clock_that_nobody_keeps_is_no_reference() {
        let unset = KernelClockEstimate { synchronized: false, ..estimate(1, 1) };
        assert!(judge(READING, &unset).unwrap_err().contains("not synchronized"));
        let old = ClockPair { utc: Instant::from_second(1), ..READING };
        assert!(judge(old, &estimate(1, 1)).unwrap_err().contains("before this program was built"));
    }

    #[test]
    fn the_thread_reports_this_machines_clock_at_once() {
        let (events, listener) = mpsc::channel();
        let thread = SystemSource.start(Arc::new(MachineClocks), events).unwrap();
        let event = listener.recv_timeout(Duration::from_secs(10)).unwrap();
        drop(thread);
        match event {
            ReferenceEvent::Sample(sample) => assert!(sample.sigma_ns <= sample.bound_ns, "{sample:?}"),
            ReferenceEvent::Trouble { reason, .. } => assert!(reason.contains("clock"), "{reason}"),
        }
    }
}
