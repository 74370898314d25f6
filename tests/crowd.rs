//! A crowd at the control socket of a playing box. Alone in its program, as it takes the whole
//! machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use jaudiosync::control::protocol::PlayState;
use jaudiosync_measure::Sink;
use support::hearing::{Stage, assert_in_phase, sleep_until, slot_s};
use support::now_s;
use support::undisturbed::undisturbed;

/// Acts as one of a thousand clients of the control socket: proper, malformed, oversized, or slow.
fn be_a_client(socket: &Path, number: usize, until_utc_s: f64) -> usize {
    let mut connected = 0;
    while now_s() < until_utc_s {
        let Ok(mut stream) = UnixStream::connect(socket) else { continue };
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
        connected += 1;
        // The service may close at any time: all that counts is that the music continues.
        let _ = match number % 4 {
            0 => stream.write_all(b"{\"v\":1,\"command\":\"status\"}\n"),
            1 => stream.write_all(b"{\"v\":1,\"command\":\"volume\",\"percent\":-3,\"loud\":[[[[{{{\n\xff\xfe\0\n"),
            2 => stream.write_all(&[b'x'; 100_000]),
            _ => stream.write_all(b"{\"v\":1,"),
        };
        let mut answer = String::new();
        let _ = BufReader::new(stream).read_line(&mut answer);
        // A pause, so that the box is judged and not the machine's other programs: some 5,000
        // connections a second.
        std::thread::sleep(Duration::from_millis(150));
    }
    connected
}

#[test]
fn a_thousand_clients_at_the_control_socket_are_not_heard() {
    undisturbed(|| {
        const CLIENTS: usize = 1000;
        let stage = Stage::new();
        let left = stage.switch_on("left", Sink::Left, true);
        let right = stage.switch_on("right", Sink::Right, true);
        let both_s = slot_s(&left).max(slot_s(&right));
        let (from_s, until_s) = (both_s + 6.0, both_s + 14.0);
        sleep_until(from_s);
        let connected: usize = std::thread::scope(|scope| {
            let client = |number| {
                let thread = std::thread::Builder::new().stack_size(128 * 1024);
                let socket = left.socket();
                thread.spawn_scoped(scope, move || be_a_client(socket, number, until_s)).unwrap()
            };
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            clients.into_iter().map(|client| client.join().unwrap()).sum()
        });
        sleep_until(until_s + 4.0);
        let status = left.status();
        assert_eq!(status.play.state, PlayState::Playing);
        assert_eq!(status.volume.percent, 50, "none of their messages was mistaken for a command");
        println!("{connected} connections of {CLIENTS} clients in 8 s, {:?}", status.phase);
        let recording = stage.finish();
        assert_in_phase("before the crowd", &recording, both_s, from_s);
        assert_in_phase("in the crowd", &recording, from_s, until_s);
        assert_in_phase("after the crowd", &recording, until_s, until_s + 3.5);
    });
}
