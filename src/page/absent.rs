//! What a phone gets on the port of the page of a box that has no page: a line that says so.
//!
//! The socket is systemd's, which listens on it whatever the service does. Unanswered, a phone would
//! wait for a minute; shut down, it would count as a failed unit.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{Builder, sleep};
use std::time::Duration;

/// How long a request is waited for, and how long an answer may take.
const PATIENCE: Duration = Duration::from_millis(200);
/// A pause where no connection can be taken, as when the process has no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);
const REQUEST_BYTES: usize = 4096;

/// Answers every request on a socket with a sentence, on a thread that lives as long as the process.
///
/// # Errors
/// When no thread can be started.
pub fn answer(listener: TcpListener, sentence: &str) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{sentence}\n",
        sentence.len() + 1
    );
    listener.set_nonblocking(false)?;
    Builder::new().name("no page".to_owned()).spawn(move || {
        loop {
            match listener.accept() {
                // Whoever leaves early needs no answer.
                Ok((caller, _)) => _ = say(caller, answer.as_bytes()),
                Err(_) => sleep(PAUSE),
            }
        }
    })?;
    Ok(())
}

fn say(mut caller: TcpStream, answer: &[u8]) -> io::Result<()> {
    caller.set_read_timeout(Some(PATIENCE))?;
    caller.set_write_timeout(Some(PATIENCE))?;
    // An answer that overtakes the request would be discarded with it.
    _ = caller.read(&mut [0; REQUEST_BYTES]);
    caller.write_all(answer)
}
