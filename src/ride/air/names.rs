//! The addresses of the neighbours that the configuration names: a thread asks the resolver, which
//! may take long, again and again, as boxes come and go.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::config::ServerAddress;
use crate::timekeeping::references::resolver::resolve;

/// How often names are resolved: a box may have another address at its next start.
const INTERVAL: Duration = Duration::from_secs(60);

/// How soon a name is tried again that could not be resolved.
const RETRY: Duration = Duration::from_secs(10);

/// The configured neighbours' addresses, as far as they are known. Dropping it ends the thread once
/// the resolver has answered; nothing waits for that.
#[derive(Debug)]
pub(super) struct Names {
    known: Arc<Mutex<Vec<SocketAddr>>>,
    _keep_running: Option<Sender<Infallible>>,
}

impl Names {
    /// Begins to resolve. Addresses need no resolver and are known at once.
    pub(super) fn start(neighbours: &[ServerAddress], port: u16) -> io::Result<Self> {
        let is_address = |neighbour: &&ServerAddress| neighbour.host.parse::<Ipv4Addr>().is_ok();
        let (addresses, names): (Vec<_>, Vec<_>) = neighbours.iter().partition(is_address);
        let literal: Vec<SocketAddr> = addresses.into_iter().flat_map(|address| ask(address, port)).collect();
        let known = Arc::new(Mutex::new(literal.clone()));
        if names.is_empty() {
            return Ok(Self { known, _keep_running: None });
        }
        let (keep_running, stop) = mpsc::channel();
        let names: Vec<ServerAddress> = names.into_iter().cloned().collect();
        let shared = Arc::clone(&known);
        let work = move || follow(&names, port, &literal, &shared, &stop);
        thread::Builder::new().name("ride names".to_owned()).spawn(work)?;
        Ok(Self { known, _keep_running: Some(keep_running) })
    }

    /// Returns the addresses.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Resolves all names until nobody needs them any more. A name that can no longer be resolved keeps
/// its address: without a name server a box may still be there.
fn follow(
    names: &[ServerAddress],
    port: u16,
    literal: &[SocketAddr],
    known: &Mutex<Vec<SocketAddr>>,
    stop: &Receiver<Infallible>,
) {
    let mut found: Vec<Vec<SocketAddr>> = vec![Vec::new(); names.len()];
    loop {
        let mut all_are_found = true;
        for (name, found) in names.iter().zip(&mut found) {
            let answer = ask(name, port);
            all_are_found &= !answer.is_empty();
            if !answer.is_empty() && answer != *found {
                log::debug!("the neighbour {name} is at {}", answer[0]);
                *found = answer;
            }
        }
        let all = literal.iter().chain(found.iter().flatten()).copied().collect();
        *known.lock().unwrap_or_else(PoisonError::into_inner) = all;
        match stop.recv_timeout(if all_are_found { INTERVAL } else { RETRY }) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(never) => match never {},
        }
    }
}

/// Returns the first IPv4 address of a name, if it has one.
fn ask(name: &ServerAddress, port: u16) -> Vec<SocketAddr> {
    let addresses = resolve(name, port).inspect_err(|error| log::debug!("the neighbour {name}: {error}"));
    addresses.unwrap_or_default().into_iter().filter(SocketAddr::is_ipv4).take(1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_at_once_and_names_soon() {
        let neighbours: Vec<ServerAddress> =
            ["10.42.0.7", "localhost:9"].iter().map(|text| text.parse().unwrap()).collect();
        let names = Names::start(&neighbours, 7483).unwrap();
        let first: SocketAddr = "10.42.0.7:7483".parse().unwrap();
        assert_eq!(names.addresses()[0], first);
        while names.addresses().len() < 2 {
            thread::yield_now();
        }
        assert_eq!(names.addresses(), [first, "127.0.0.1:9".parse().unwrap()]);
    }
}
