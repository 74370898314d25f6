//! From a button's contact to the mixer: the service's own conductor and volume thread in real
//! time, on a simulated board.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jaudiosync::appliance::SavedState;
use jaudiosync::config::Layers;
use jaudiosync::control::protocol::StateStatus;
use jaudiosync::player::files::Files;
use jaudiosync::player::library::Library;
use jaudiosync::service::conductor::{Conductor, Ports, Round};
use jaudiosync::service::time::BoxTime;
use jaudiosync::service::volume::VolumeTask;
use jaudiosync::sound_check::schedule::BoxNumber;
use jaudiosync::worker::Worker;
use jaudiosync_hw::board::Board;
use jaudiosync_hw::buttons::Button;
use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use jaudiosync_hw::mixer::Mixer;
use jaudiosync_hw::simulated_board::SimulatedBoard;

const PRESSES: usize = 200;

fn main() {
    let board = SimulatedBoard::new();
    let mut layers = Layers::default();
    layers.lay(Path::new("bench"), b"[time]\nsource = \"system\"\n[board]\nkind = \"simulated\"\n");
    let time = BoxTime::start(layers.config(), None, Arc::default(), None).unwrap();
    let mixer = board.clone();
    let open = Box::new(move || Ok(Some(Box::new(mixer.clone()) as Box<dyn Mixer>)));
    let volume = Worker::start("volume", VolumeTask::new(open, Box::new(|_| {}), Box::new(|_| {})), || {}).unwrap();
    let ports = Ports {
        ride_status: Box::new(|| None),
        ride_list: Box::new(|_| {}),
        clocks: Arc::new(MachineClocks),
        time: Box::new(time.reader()),
        player: Box::new(|_| {}),
        sound: Box::new(|_| {}),
        library: Box::new(|playlist, mix| Arc::new(Files::of(playlist, mix)) as Arc<dyn Library>),
        volume: Box::new(move |percent| volume.command(percent)),
        state_writer: Box::new(|_| {}),
        state_status: Box::new(StateStatus::default),
        playlists: Box::new(|_| {}),
        box_number: BoxNumber::FIRST,
        load_config: Box::new(Layers::default),
        dac_name: Box::new(String::new),
    };
    let pressed = board.clone();
    let open_board = Box::new(move || Ok(Board::simulated(&pressed)));
    let conductor = Conductor::new(&layers, SavedState::default(), open_board, ports);
    let (end, ends) = mpsc::channel::<()>();
    let service = std::thread::spawn(move || run(conductor, &ends));
    std::thread::sleep(Duration::from_millis(200));

    let mut took_ms: Vec<f64> = (0..PRESSES).map(|number| press(&board, number)).collect();
    took_ms.sort_by(f64::total_cmp);
    let quantile = |part: f64| took_ms[((took_ms.len() - 1) as f64 * part) as usize];
    println!(
        "{PRESSES} presses, from the contact to the mixer: median {:.1} ms, p99 {:.1} ms, largest {:.1} ms",
        quantile(0.5),
        quantile(0.99),
        quantile(1.0)
    );
    drop(end);
    service.join().unwrap();
}

/// Runs the conductor as the service's own loop does.
fn run(mut conductor: Conductor, ends: &mpsc::Receiver<()>) {
    while let Round::Again { at } = conductor.round() {
        let wait = (at - MachineClocks.raw()).to_duration().unwrap_or_default();
        if ends.recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Presses a volume button at some phase of the conductor's rounds, and returns how many ms the
/// mixer took.
fn press(board: &SimulatedBoard, number: usize) -> f64 {
    let button = if number.is_multiple_of(2) { Button::VolumeUp } else { Button::VolumeDown };
    let before = board.volume_percent();
    let began = Instant::now();
    board.press(button);
    while board.volume_percent() == before {
        assert!(began.elapsed() < Duration::from_secs(5), "the press had no effect");
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = began.elapsed();
    board.release(button);
    std::thread::sleep(Duration::from_millis(61) + Duration::from_micros(700 * (number as u64 % 13)));
    took.as_secs_f64() * 1000.0
}
