//! Boxes of which only the ride runs, each on a thread in the network of a station: for more boxes
//! than whole services could be started here.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Moment};

use jaudiosync::ride::air::{Air, AirConfig};
use jaudiosync::ride::group::Presence;
use jaudiosync::ride::key::RideKey;
use jaudiosync::ride::task::{ClockLink, RideBoard, RideTask};
use jaudiosync::timekeeping::estimate::group::{GroupClock, GroupCommand};
use jaudiosync::timekeeping::estimate::timekeeper::TimeView;
use jaudiosync::worker::Task;
use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_measure::air::Station;
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};
use rustix::time::{ClockId, clock_gettime};

use crate::support::neighbours::PORT;
use crate::support::now_s;

/// How far a box states that its UTC can be wrong.
const OWN_BOUND: Span = Span::from_ms(5);

/// What such a box did while it was measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// What it sent, with Ethernet's headers.
    pub bytes_per_s: f64,
    /// Of a core.
    pub processor_percent: f64,
    /// Whom it heard at the end.
    pub neighbours: usize,
    /// The group that it was in at the end.
    pub group: Option<u64>,
    /// How far the group's time was ahead of UTC at the end.
    pub ahead: Option<Span>,
}

/// A box.
struct RideThread {
    task: RideTask,
    board: Arc<RideBoard>,
    commands: std::sync::mpsc::Receiver<GroupCommand>,
    view: Arc<Mutex<TimeView>>,
    clocks: Arc<dyn Clocks>,
    /// UTC, and what the box takes for it.
    utc: ClockMap<Raw, Utc>,
    own: ClockMap<Raw, Utc>,
    group: Option<GroupClock>,
    processor: Duration,
}

/// Runs a box on this thread, whose UTC is ahead by so much, and measures it at the end.
pub fn run(station: &Station, key: RideKey, ahead: Span, settle: Duration, measure: Duration) -> Measured {
    let name = station.name().to_owned();
    let inside = || {
        let mut ride = RideThread::new(name, key, ahead);
        ride.pass(settle);
        let (sent, processor, began) = (sent_bytes(), ride.processor, Moment::now());
        ride.pass(measure);
        let seconds = began.elapsed().as_secs_f64();
        let now = ride.clocks.raw();
        let estimate = ride.group.as_ref().and_then(|group| group.estimate(now));
        Measured {
            bytes_per_s: (sent_bytes() - sent) as f64 / seconds,
            processor_percent: 100.0 * (ride.processor - processor).as_secs_f64() / seconds,
            neighbours: ride.board.report().neighbours.len(),
            group: estimate.map(|estimate| estimate.id.0),
            ahead: estimate.map(|estimate| estimate.utc.apply(now) - ride.utc.apply(now)),
        }
    };
    station.inside(inside).unwrap()
}

impl RideThread {
    fn new(name: String, key: RideKey, ahead: Span) -> Self {
        let clocks: Arc<dyn Clocks> = Arc::new(MachineClocks);
        let air = Air::open(&AirConfig { port: PORT, neighbours: Vec::new() }, Arc::clone(&clocks)).unwrap();
        let (sender, commands) = channel();
        let view = Arc::new(Mutex::new(TimeView::default()));
        let board = Arc::new(RideBoard::default());
        board.set_presence(Presence { name, ..Presence::default() });
        let link = ClockLink { commands: sender, view: Arc::clone(&view) };
        // Nobody commands it.
        let (_, requests) = channel();
        let (of_clock, of_board) = (Arc::clone(&clocks), Arc::clone(&board));
        let task = RideTask::new(air, key, of_clock, link, of_board, requests, Box::new(|_| {})).unwrap();
        let utc = ClockMap { from: clocks.raw(), to: Instant::from_ns((now_s() * 1e9) as i64), rate: Rate::ZERO };
        let own = ClockMap { to: utc.to + ahead, ..utc };
        Self { task, board, commands, view, clocks, utc, own, group: None, processor: Duration::ZERO }
    }

    fn pass(&mut self, time: Duration) {
        let until = Moment::now() + time;
        while Moment::now() < until {
            let before = processor_time();
            self.task.step();
            self.processor += processor_time() - before;
            self.keep_time();
        }
    }

    /// Does what the clock's thread does.
    fn keep_time(&mut self) {
        let now = self.clocks.raw();
        for command in self.commands.try_iter() {
            match (command, &mut self.group) {
                (GroupCommand::Found(id, ahead), group) => {
                    let utc = ClockMap { to: self.own.to + ahead, ..self.own };
                    *group = Some(GroupClock::found(id, now, utc, None));
                }
                (GroupCommand::Join(id, sample), group) => *group = Some(GroupClock::join(id, &sample, None)),
                (GroupCommand::Learn(sample), Some(group)) => group.learn(&sample, None),
                (GroupCommand::Steer { from_s, rate }, Some(group)) => group.steer(now, from_s, rate),
                (GroupCommand::Contact(contact), Some(group)) => group.contact(now, contact),
                (GroupCommand::Distrust, Some(group)) => group.distrust(),
                (_, None) => {}
            }
        }
        let own = Some((self.own, OWN_BOUND));
        if let Some(group) = &mut self.group {
            group.update(now, own, None);
        }
        let group = self.group.as_ref().and_then(|group| group.estimate(now));
        *self.view.lock().unwrap() = TimeView { own, group, ..TimeView::default() };
    }
}

/// Returns the processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Returns what was sent from the network of this thread.
fn sent_bytes() -> u64 {
    let devices = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let wlan = devices.lines().find_map(|line| line.trim().strip_prefix("wlan0:")).unwrap();
    wlan.split_whitespace().nth(8).unwrap().parse().unwrap()
}
