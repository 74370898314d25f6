//! Boxes on a virtual Wi-Fi that play on one virtual card, each into a channel of its own, and how
//! far apart they are heard.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jaudiosync::control::protocol::{RideRole, RideStatus};
use jaudiosync::storage::Record;
use jaudiosync::timekeeping::estimate::calibration::{Calibration, FlywheelModel};
use jaudiosync::timekeeping::saved::SavedTime;
use jaudiosync_measure::air::{Air, Station};
use jaudiosync_measure::{Recorder, Recording, Sink, VirtualCard, best_lag};
use jaudiosync_time::{Instant as AxisInstant, Rtc, Span};

use super::playing::bursts;
use super::service_process::{Make, ServiceProcess};
use super::{Sandbox, now_s};

/// What is compared at a time.
const PIECE_S: f64 = 1.0;
/// RTCs are off by less.
const MOST_LAG_S: f64 = 0.03;
/// Boxes that were together for so long have agreed.
const SETTLED_S: f64 = 8.0;
/// The recording is cut and compared this often.
const CUT_S: f64 = 2.0;
const TRACK_S: usize = 300;
const SEED: u64 = 4711;

/// An RTC, and what its box knows of it.
#[derive(Debug, Clone, Copy)]
pub struct MadeRtc {
    /// By how much it is ahead of UTC when the box is switched on, in ms.
    pub offset_ms: f64,
    /// How much it gains, in ppm.
    pub rate_ppm: f64,
    /// It was calibrated at home, behind a line that made its UTC ahead by this, in ms; `None` if it
    /// never was.
    pub home_ms: Option<f64>,
}

impl MadeRtc {
    /// Returns an RTC that was never compared with anything.
    pub const fn never_compared(offset_ms: f64, rate_ppm: f64) -> Self {
        Self { offset_ms, rate_ppm, home_ms: None }
    }

    /// How far a box states that its home's line can have been wrong.
    const HOME_BOUND_NS: f64 = 9e6;

    /// Returns what such a box has saved. There is no mark in a chip that is made at every start.
    fn saved(&self) -> Option<SavedTime> {
        let utc = AxisInstant::from_ns((now_s() * 1e9) as i64) + Span::from_seconds_f64(self.home_ms? * 1e-3);
        let rtc =
            AxisInstant::<Rtc>::from_ns(utc.ns()) + Span::from_seconds_f64((self.offset_ms - self.home_ms?) * 1e-3);
        let known = Calibration::new(FlywheelModel::DS3231, rtc, utc, 20e3).with_bound(Self::HOME_BOUND_NS);
        let mut calibration = known.save();
        // The rate of UTC by the RTC, and how well it is known.
        calibration.state[1] = -1e3 * self.rate_ppm;
        calibration.covariance[1][1] = 30.0 * 30.0;
        Some(SavedTime {
            utc_s: utc.second() - 1,
            reference_utc_s: Some(utc.second() - 1),
            mark: None,
            aging_offset: 0,
            stamp: None,
            is_ds3231m: false,
            drifts: false,
            calibration: Some(calibration),
            group: None,
        })
    }
}

/// How far the boxes were apart in one second.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When it began.
    pub utc_s: f64,
    /// By box: how far it is behind the first that is heard, in ms.
    pub lags_ms: BTreeMap<usize, f64>,
}

impl std::fmt::Display for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} s:", self.utc_s % 1000.0)?;
        self.lags_ms.iter().try_for_each(|(number, lag_ms)| write!(f, "  box{} {lag_ms:+.4}", number + 1))
    }
}

impl Heard {
    /// Returns how far the two of these boxes are apart that are furthest apart; `None` if any of
    /// them is silent.
    pub fn apart_ms(&self, boxes: &[usize]) -> Option<f64> {
        let lags: Option<Vec<f64>> = boxes.iter().map(|number| self.lags_ms.get(number).copied()).collect();
        let lags = lags?;
        let fold = |least: bool| lags.iter().copied().reduce(|a, b| if (a < b) == least { a } else { b });
        Some(fold(false)? - fold(true)?)
    }
}

/// The distances of these boxes in the seconds in which all are heard.
#[derive(Debug, Clone, Copy)]
pub struct Apart {
    pub seconds: usize,
    pub median_ms: f64,
    /// 99 % are within this.
    pub p99_ms: f64,
    pub largest_ms: f64,
}

impl Apart {
    /// Sums up what was heard of these boxes, and prints it.
    pub fn of(what: &str, heard: &[Heard], boxes: &[usize]) -> Self {
        let mut apart_ms: Vec<f64> = heard.iter().filter_map(|heard| heard.apart_ms(boxes)).collect();
        assert!(
            apart_ms.len() * 10 >= heard.len() * 8,
            "{what}: all are heard in {} of {} s",
            apart_ms.len(),
            heard.len()
        );
        apart_ms.sort_by(f64::total_cmp);
        let part = |share: f64| apart_ms[((apart_ms.len() - 1) as f64 * share).ceil() as usize];
        let apart = Self { seconds: apart_ms.len(), median_ms: part(0.5), p99_ms: part(0.99), largest_ms: part(1.0) };
        println!(
            "{what}: {} boxes, {} s: median {:.4} ms, 99 % within {:.4} ms, largest {:.4} ms",
            boxes.len(),
            apart.seconds,
            apart.median_ms,
            apart.p99_ms,
            apart.largest_ms
        );
        apart
    }
}

/// What a box has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    pub at: Instant,
    /// Of the thread that hears and sends, in s.
    pub processor_s: f64,
    /// What the box has sent, with Ethernet's headers.
    pub sent_bytes: u64,
}

impl Used {
    /// Returns the share of a processor in percent, and the bytes a second, since an earlier one.
    pub fn since(&self, before: &Self) -> (f64, f64) {
        let seconds = (self.at - before.at).as_secs_f64();
        let processor_s = self.processor_s - before.processor_s;
        (100.0 * processor_s / seconds, (self.sent_bytes - before.sent_bytes) as f64 / seconds)
    }
}

/// Boxes that are switched on, or will be.
pub struct Neighbours {
    pub sandbox: Sandbox,
    pub air: Air,
    stations: Vec<Station>,
    pub boxes: BTreeMap<usize, ServiceProcess>,
    card: VirtualCard,
    recorder: Recorder,
    pub key: String,
    anchor_utc_s: i64,
    pub heard: Vec<Heard>,
}

impl Neighbours {
    /// Makes a place for this many boxes; none is switched on.
    pub fn new(air: Air, boxes: usize) -> Self {
        let sandbox = Sandbox::new();
        let track = bursts(SEED, 48_000, TRACK_S, [1.0, 1.0]);
        track.encode(&sandbox.music().join("long.mp3"), &["-b", "192", "--tt", "Long"]);
        sandbox.playlist("long.mp3\n");
        sandbox.run(&["index"]).succeeds();
        let key = sandbox.run(&["ride", "new-key"]).succeeds().stdout.trim().to_owned();
        let stations = (0..boxes).map(|number| air.station(&name(number)).unwrap()).collect();
        let card = VirtualCard::start_for(boxes).unwrap();
        let recorder = Recorder::start(&card).unwrap();
        let anchor_utc_s = now_s() as i64 - 1;
        Self { sandbox, air, stations, boxes: BTreeMap::new(), card, recorder, key, anchor_utc_s, heard: Vec::new() }
    }

    /// Switches a box on, whose RTC is wrong, and which starts to play by itself.
    pub fn switch_on(&mut self, number: usize, rtc: &MadeRtc) {
        self.switch_on_with(number, rtc, true, "");
    }

    /// The same, and whether its jumper is fitted, and more lines of `[ride]`.
    pub fn switch_on_with(&mut self, number: usize, rtc: &MadeRtc, jumper: bool, more: &str) {
        let MadeRtc { offset_ms, rate_ppm, .. } = rtc;
        let anchor = chrono::DateTime::from_timestamp(self.anchor_utc_s, 0).unwrap().to_rfc3339();
        let (name, key) = (name(number), &self.key);
        let config = format!(
            "start.anchor = \"{anchor}\"\n[time]\nrtc = \"simulated:offset={offset_ms}ms,rate={rate_ppm}ppm\"\n\
             ntp_servers = []\n[ride]\nkey = \"{key}\"\nname = \"{name}\"\n{more}"
        );
        if let Some(saved) = rtc.saved() {
            let folder = ServiceProcess::state(&self.sandbox, &name);
            std::fs::create_dir_all(&folder).unwrap();
            Record::in_folder(&folder).write(&saved).unwrap();
        }
        let station = &self.stations[number];
        let prepare = |command: &mut Command| *command = inside(station, command);
        let make = Make { name: &name, jumper, config: &config };
        let made =
            ServiceProcess::switch_on_prepared(&self.sandbox, &self.card, Sink::Box(number), &make, prepare).ready();
        self.boxes.insert(number, made);
    }

    /// Returns a box's address on the air.
    pub fn address(&self, number: usize) -> Ipv4Addr {
        self.stations[number].address()
    }

    /// Returns the ride's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Listens for so long, and returns what was heard. Boxes that are silent are not compared.
    pub fn listen(&mut self, seconds: f64) -> Vec<Heard> {
        let (from, until) = (self.heard.len(), Instant::now() + Duration::from_secs_f64(seconds));
        while Instant::now() < until {
            std::thread::sleep(Duration::from_secs_f64(CUT_S).min(until - Instant::now()));
            let recording = self.recorder.cut().unwrap();
            self.compare(&recording);
        }
        self.heard[from..].to_vec()
    }

    /// Returns what was recorded since the last call, or since something was listened to.
    pub fn recorded(&mut self) -> Recording {
        self.recorder.cut().unwrap()
    }

    fn compare(&mut self, recording: &Recording) {
        let rate = f64::from(recording.rate_hz);
        let piece = (PIECE_S * rate) as usize;
        for first in (0..recording.left.len().saturating_sub(piece - 1)).step_by(piece) {
            let channel = |number: &usize| Some(&recording.channel(*number)?[first..first + piece]);
            let mut lags_ms = BTreeMap::new();
            let mut reference = None;
            for number in self.boxes.keys() {
                let Some(channel) = channel(number) else { continue };
                let reference = *reference.get_or_insert(channel);
                match best_lag(reference, channel, (MOST_LAG_S * rate) as usize) {
                    Some(lag) if lag.correlation > 0.5 => {
                        lags_ms.insert(*number, lag.frames * 1000.0 / rate);
                    }
                    _ => {}
                }
            }
            let heard = Heard { utc_s: recording.utc_ns_of_frame(first as f64) * 1e-9, lags_ms };
            println!("{heard}");
            self.heard.push(heard);
        }
    }

    /// Listens until these boxes have agreed to `bound_ms` for [`SETTLED_S`], at most for
    /// `longest_s`. Returns when that began; `None` if they have not.
    pub fn listen_until_agreed(&mut self, boxes: &[usize], bound_ms: f64, longest_s: f64) -> Option<f64> {
        let (from, began) = (self.heard.len(), Instant::now());
        loop {
            self.listen(CUT_S);
            let is_agreed = |heard: &&Heard| heard.apart_ms(boxes).is_some_and(|apart_ms| apart_ms <= bound_ms);
            let agreed: Vec<&Heard> = self.heard[from..].iter().rev().take_while(is_agreed).collect();
            if agreed.len() as f64 * PIECE_S >= SETTLED_S {
                return agreed.last().map(|first| first.utc_s);
            }
            if began.elapsed().as_secs_f64() >= longest_s {
                return None;
            }
        }
    }

    /// Returns the numbers of the boxes that are on.
    pub fn numbers(&self) -> Vec<usize> {
        self.boxes.keys().copied().collect()
    }

    /// Returns what a box shows of its ride.
    pub fn ride(&self, number: usize) -> RideStatus {
        self.boxes[&number].status().ride.unwrap()
    }

    /// Cuts a box's power.
    pub fn cut_power(&mut self, number: usize) {
        self.boxes.remove(&number).unwrap().cut_power();
    }

    /// Returns a station without a box.
    pub fn stranger(&self) -> Station {
        self.air.station("stranger").unwrap()
    }

    /// Returns the box that says that it leads; `None` if that is not one.
    pub fn leader(&self) -> Option<usize> {
        let leaders: Vec<usize> =
            self.numbers().into_iter().filter(|number| self.ride(*number).role == RideRole::Leads).collect();
        let [leader] = leaders[..] else { return None };
        Some(leader)
    }

    /// Prints what the boxes say.
    pub fn print(&self, when: &str) {
        for number in self.numbers() {
            let status = self.boxes[&number].status();
            let ride = status.ride.unwrap();
            let ahead: Vec<String> = ride
                .neighbours
                .iter()
                .map(|other| {
                    format!(
                        "{} {:+.3} ±{:.3}",
                        other.name,
                        other.ahead_ms.unwrap_or(f64::NAN),
                        other.ahead_bound_ms.unwrap_or(f64::NAN)
                    )
                })
                .collect();
            println!(
                "{when}: {} {:?} {}, group ±{:.3} ms, agreement ±{:.3} ms, {:?}; {}",
                ride.name,
                ride.role,
                ride.leader.unwrap_or_default(),
                ride.group_bound_ms.unwrap_or(f64::NAN),
                status.time.agreement_ms.unwrap_or(f64::NAN),
                status.play.state,
                ahead.join(", ")
            );
        }
    }

    /// Returns what a box has used so far.
    pub fn used(&self, number: usize) -> Used {
        let pid = self.boxes[&number].pid();
        let read = |path: String| std::fs::read_to_string(path).unwrap();
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let tid = threads
            .map(|thread| thread.unwrap().file_name().into_string().unwrap())
            .find(|tid| read(format!("/proc/{pid}/task/{tid}/comm")).trim() == "ride")
            .expect("a thread of the ride");
        // How long it ran, in ns (Documentation/scheduler/sched-stats.rst of the kernel).
        let ran_ns: f64 = read(format!("/proc/{pid}/task/{tid}/schedstat")).split(' ').next().unwrap().parse().unwrap();
        let devices = read(format!("/proc/{pid}/net/dev"));
        let wlan = devices.lines().find_map(|line| line.trim().strip_prefix("wlan0:")).unwrap();
        let sent_bytes = wlan.split_whitespace().nth(8).unwrap().parse().unwrap();
        Used { at: Instant::now(), processor_s: ran_ns * 1e-9, sent_bytes }
    }

    /// Begins to send this many forged messages a second to each of these boxes, from another
    /// station.
    pub fn flood(&self, from: &Station, to: &[usize], per_second: u32) -> Flood {
        let targets: Vec<SocketAddr> =
            to.iter().map(|number| SocketAddr::from((self.stations[*number].address(), PORT))).collect();
        let socket = from.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).unwrap()).unwrap();
        Flood::start(socket, targets, per_second)
    }
}

/// The port of all boxes, unless it is configured.
pub const PORT: u16 = 7483;

/// Forged messages that are being sent.
pub struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn start(socket: UdpSocket, targets: Vec<SocketAddr>, per_second: u32) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = std::thread::spawn({
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            move || {
                // As long as a beacon is, and with its beginning.
                let mut forged = [0x5a; 200];
                forged[..5].copy_from_slice(b"JAuS\x01");
                let began = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    let due = (began.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
                    for number in sent.load(Ordering::Relaxed)..due {
                        forged[8..16].copy_from_slice(&number.to_le_bytes());
                        for target in &targets {
                            // A full queue loses it, as the air would.
                            let _ = socket.send_to(&forged, target);
                        }
                    }
                    sent.store(due, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        Self { stop, sent, thread: Some(thread) }
    }

    /// Ends it, and returns how many each box was sent.
    pub fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().into_iter().for_each(|thread| thread.join().unwrap());
        self.sent.load(Ordering::Relaxed)
    }
}

fn name(number: usize) -> String {
    format!("box{}", number + 1)
}

/// Returns the same command on a station.
fn inside(station: &Station, command: &Command) -> Command {
    let mut inside = station.command(command.get_program());
    inside.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        inside.current_dir(folder);
    }
    inside
}
