//! The player on cards that fall ill, in virtual time: its own thread's task, the sink for ALSA, and
//! a card by script. What is heard is compared with the timetable.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use jaudiosync::player::library::{DecodeError, Library, TrackSource};
use jaudiosync::player::program::Program;
use jaudiosync::player::ring::Shared;
use jaudiosync::player::task::{Event, PlayerCommand, PlayerPorts, PlayerTask, WhenMissing};
use jaudiosync::timekeeping::published::UtcSource;
use jaudiosync::timekeeping::status::{Estimate, TimeState};
use jaudiosync::timetable::{Length, Place, Timetable};
use jaudiosync::worker::Task;
use jaudiosync_hw::clocks::{Clocks, SimulatedClocks};
use jaudiosync_hw::dac::alsa::{Encoding, Pcm, Playback};
use jaudiosync_hw::dac::{Dac, DacError, DacStream, HardwareLatency, MakeRenderer, StreamFormat};
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

use crate::place_tone::{self, PlaceTone};
use crate::scripted_card::{Illness, Kind, Script, ScriptedCard, granted};
use crate::virtual_loader::VirtualLoader;

const RATE_HZ: u32 = 48_000;
const EPOCH: Instant<Utc> = Instant::from_second(1_790_000_000);

/// The tone encodes the place in the track modulo this many seconds.
const PERIOD_S: f64 = 0.2;

/// How long a card may be silent once it is well, and how exact the music is 5 s later.
const RECOVERY: Span = Span::from_seconds(2);
const BOUND_MS: f64 = 0.1;

/// How far the world goes on at once while no card is open.
const STEP: Span = Span::from_ms(5);

struct Tones;

impl Library for Tones {
    fn open(&self, _: usize) -> Result<Option<Box<dyn TrackSource>>, DecodeError> {
        let tone = PlaceTone { rate_hz: RATE_HZ, period_s: PERIOD_S, shift_s: 0.0, length_s: f64::INFINITY, frame: 0 };
        Ok(Some(Box::new(tone)))
    }
}

/// The true time: UTC runs as the raw clock does.
struct TrueTime;

const UTC: ClockMap<Raw, Utc> = ClockMap { from: Instant::ZERO, to: EPOCH, rate: Rate::ZERO };

impl UtcSource for TrueTime {
    fn estimate(&self) -> Estimate {
        let known = Some(Span::MILLISECOND);
        Estimate { utc: UTC, bound: known, agreement: known, state: TimeState::Holdover }
    }

    fn allow_steps(&self, _: bool) {}

    fn step(&self) {}
}

/// The socket of the card: what is in it, and the stream that is open.
#[derive(Default)]
struct Socket {
    is_empty: bool,
    openings: u64,
    stream: Option<(Playback<ScriptedCard>, Sender<DacError>)>,
}

#[derive(Clone)]
struct ScriptedDac {
    socket: Arc<Mutex<Socket>>,
    clocks: Arc<SimulatedClocks>,
}

struct Stream(Arc<Mutex<Socket>>);

const FORMAT: StreamFormat = StreamFormat { rate_hz: RATE_HZ, hardware_latency: HardwareLatency::NONE };

impl DacStream for Stream {
    fn format(&self) -> StreamFormat {
        FORMAT
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.lock().unwrap().stream = None;
    }
}

impl Dac for ScriptedDac {
    fn name(&self) -> String {
        "scripted".to_owned()
    }

    fn open(&self, make_renderer: MakeRenderer<'_>, faults: Sender<DacError>) -> Result<Box<dyn DacStream>, DacError> {
        let mut socket = self.socket.lock().unwrap();
        if socket.is_empty {
            return Err(DacError::NotFound(self.name()));
        }
        socket.openings += 1;
        let granted = granted(Encoding::S32, 480);
        let script = Script { kind: Kind::I2s, rate_error_ppm: 40.0, late: Span::from_us(100), granted };
        let card = ScriptedCard::opened_at(script, socket.openings, self.clocks.raw());
        let mut playback = Playback::new(card, make_renderer(FORMAT), Span::ZERO);
        playback.start().unwrap();
        socket.stream = Some((playback, faults));
        Ok(Box::new(Stream(Arc::clone(&self.socket))))
    }
}

type Events = Arc<Mutex<Vec<(Instant<Raw>, Event)>>>;

/// A player, its card, and what was heard.
struct World {
    clocks: Arc<SimulatedClocks>,
    socket: Arc<Mutex<Socket>>,
    player: PlayerTask,
    player_next: Instant<Raw>,
    loader: VirtualLoader,
    timetable: Timetable,
    events: Events,
    /// When, and how late on the timetable.
    heard: Vec<(Instant<Raw>, f64)>,
}

impl World {
    fn new() -> Self {
        let clocks = Arc::new(SimulatedClocks::new(Instant::ZERO, EPOCH));
        let socket = Arc::<Mutex<Socket>>::default();
        let loader = VirtualLoader::new();
        let events = Events::default();
        let (reported, reporting) = (Arc::clone(&events), Arc::clone(&clocks));
        let ports = PlayerPorts {
            dac: Box::new(ScriptedDac { socket: Arc::clone(&socket), clocks: Arc::clone(&clocks) }),
            clocks: Arc::clone(&clocks) as Arc<dyn Clocks>,
            time: Arc::new(TrueTime),
            report: Box::new(move |event| reported.lock().unwrap().push((reporting.raw(), event))),
            send_to_loader: loader.send_to_loader(),
        };
        let shared = Arc::new(Shared::default());
        shared.set_volume(1.0);
        let mut player = PlayerTask::new(ports, shared, WhenMissing::Fail).unwrap();
        let lengths = vec![Some(Length { frames: 20_000 * u64::from(RATE_HZ), rate_hz: RATE_HZ })];
        let timetable = Timetable::new(lengths, EPOCH.second() - 100, 0, false).unwrap();
        player.command(PlayerCommand::Play(Program {
            timetable: timetable.clone(),
            library: Arc::new(Tones),
            heard_from: None,
            output_latency: Span::ZERO,
        }));
        let player_next = Instant::ZERO;
        Self { clocks, socket, player, player_next, loader, timetable, events, heard: Vec::new() }
    }

    fn now(&self) -> Instant<Raw> {
        self.clocks.raw()
    }

    fn run(&mut self, span: Span) {
        let until = self.now() + span;
        while self.now() < until {
            let now = self.turn().unwrap_or_else(|| self.now() + STEP);
            self.clocks.advance(now - self.clocks.raw());
            if now >= self.player_next {
                self.player_next = now + Span::from_duration(self.player.step());
            }
            self.loader.work(now);
        }
    }

    /// Lets the card's thread take a turn, as `AlsaCard` does: after a fault it ends. Returns when
    /// the turn ended, if a card is open.
    fn turn(&mut self) -> Option<Instant<Raw>> {
        let mut socket = self.socket.lock().unwrap();
        let (playback, faults) = socket.stream.as_mut()?;
        let result = playback.turn();
        let heard = playback.pcm_mut().take_heard();
        let now = playback.pcm().now();
        if let Err(error) = result {
            let _ = faults.send(DacError::Unavailable { name: "scripted".to_owned(), reason: error.to_string() });
            socket.stream = None;
            // What is still in its buffer is never heard.
            self.heard.retain(|(at, _)| *at < now);
        }
        drop(socket);
        for (at_ns, frame) in heard {
            if let Some(place_s) = place_tone::place_s(&frame, PERIOD_S, 0.01) {
                let at = Instant::from_ns(at_ns as i64);
                let Place::Playing { offset, .. } = self.timetable.place_at(UTC.apply(at)) else { continue };
                self.heard.push((at, place_tone::late_ms(offset.seconds(), place_s, PERIOD_S)));
            }
        }
        Some(now)
    }

    fn fall_ill(&mut self, illness: Illness) {
        self.socket.lock().unwrap().stream.as_mut().unwrap().0.pcm_mut().fall_ill(illness);
    }

    fn lost(&self) -> usize {
        self.events.lock().unwrap().iter().filter(|(_, event)| matches!(event, Event::DeviceLost(_))).count()
    }

    /// Asserts that the music is heard within 2 s of an instant, and is exact 5 s after it.
    fn assert_recovers(&mut self, well: Instant<Raw>, what: &str) {
        self.run(Span::from_seconds(8));
        let again = self.heard.windows(2).filter(|pair| pair[1].0 >= well).max_by_key(|pair| pair[1].0 - pair[0].0);
        let again = again.expect("it is heard again")[1].0;
        let worst_ms = self
            .heard
            .iter()
            .filter(|(at, _)| *at >= well + Span::from_seconds(5))
            .fold(0.0_f64, |worst_ms, (_, late_ms)| worst_ms.max(late_ms.abs()));
        assert!(again - well <= RECOVERY, "{what}");
        assert!(worst_ms <= BOUND_MS, "{what}: {worst_ms} ms");
    }
}

#[test]
fn a_card_that_falls_ill_is_heard_again_within_two_seconds() {
    let illnesses = [Illness::TakesNothing, Illness::Stands, Illness::Vanished, Illness::Stopped(Span::from_ms(400))];
    for illness in illnesses {
        let mut world = World::new();
        world.run(Span::from_seconds(20));
        let fell_ill = world.now();
        world.fall_ill(illness);
        world.assert_recovers(fell_ill, &format!("{illness:?}"));
        // An xrun is no loss: the same stream goes on.
        assert_eq!(world.lost(), usize::from(!matches!(illness, Illness::Stopped(_))), "{illness:?}");
    }
}

#[test]
fn a_card_that_is_pulled_out_is_heard_within_two_seconds_of_its_return() {
    let mut world = World::new();
    world.run(Span::from_seconds(20));
    world.fall_ill(Illness::Vanished);
    world.socket.lock().unwrap().is_empty = true;
    world.run(Span::from_seconds(30));
    assert_eq!(world.lost(), 1);
    world.socket.lock().unwrap().is_empty = false;
    let well = world.now();
    world.assert_recovers(well, "pulled out for 30 s");
    let back = world.events.lock().unwrap().iter().filter(|(_, event)| matches!(event, Event::DeviceBack)).count();
    assert_eq!(back, 1);
}

#[test]
fn a_card_that_fails_again_and_again_is_tried_with_growing_pauses() {
    let mut world = World::new();
    world.run(Span::from_seconds(5));
    let before = world.socket.lock().unwrap().openings;
    for _ in 0..600 {
        if let Some((playback, _)) = &mut world.socket.lock().unwrap().stream {
            playback.pcm_mut().fall_ill(Illness::Vanished);
        }
        world.run(Span::from_ms(50));
    }
    let openings = world.socket.lock().unwrap().openings - before;
    println!("opened {openings} times in 30 s, reported as lost {} times", world.lost());
    // The longest pause is 5 s.
    assert!((7..=14).contains(&openings), "{openings}");
    assert_eq!(world.lost(), 1);
}
