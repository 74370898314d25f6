//! Carries requests: accepts connections within limits of number, size and time.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::places::{Admission, Places};
use super::site::{Connection, Site};

/// How long the head of a request may take, and a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(8);
/// Bytes of a head, which hyper's buffer limits; it is no smaller.
const MOST_HEAD_BYTES: usize = 8 * 1024;
/// Headers of a request; a browser sends some 15.
const MOST_HEADERS: usize = 48;
/// How long a connection lasts, and one that carries a stream of events. It then ends after the
/// answer that is under way.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
const STREAM_TIME: Duration = Duration::from_secs(11 * 60);
const LAST_ANSWER_TIME: Duration = Duration::from_secs(10);
/// What the kernel holds for a client that does not read, in bytes.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// A client that has gone without a word is noticed after so many ms.
const GONE_MS: u32 = 15_000;
/// A pause after accepting fails, such as for too many open files.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);

/// The connections that there are.
#[derive(Default)]
struct Open {
    places: Places,
    handles: HashMap<u64, AbortHandle>,
}

/// Accepts connections until `stop` says so.
pub(super) async fn serve(listener: TcpListener, site: Arc<Site>, mut stop: oneshot::Receiver<()>) {
    let open: Arc<Mutex<Open>> = Arc::default();
    let mut number = 0_u64;
    loop {
        // Whoever holds the other end and is gone has said so, too.
        let accepted = poll_fn(|context| match pin!(&mut stop).poll(context) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => listener.poll_accept(context).map(Some),
        });
        match accepted.await {
            None => return,
            Some(Ok((stream, peer))) => {
                number += 1;
                welcome(stream, peer, number, &site, &open);
            }
            Some(Err(error)) => {
                log::debug!("the page: {error}");
                sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

fn welcome(stream: TcpStream, peer: SocketAddr, number: u64, site: &Arc<Site>, open: &Arc<Mutex<Open>>) {
    let Ok(local) = stream.local_addr() else { return };
    // Ended before the next lock: what is dropped takes it, too.
    let admission = lock(open).places.admit(number, peer.ip());
    match admission {
        Admission::Refused => return,
        Admission::Served => {}
        Admission::InsteadOf(other) => {
            let handle = lock(open).handles.remove(&other);
            handle.iter().for_each(AbortHandle::abort);
        }
    }
    let _ = stream.set_nodelay(true);
    let _ = setsockopt(&stream, sockopt::SndBuf, &SEND_BUFFER_BYTES);
    let _ = setsockopt(&stream, sockopt::TcpUserTimeout, &GONE_MS);
    let connection = Connection { peer, local, is_stream: Arc::new(AtomicBool::new(false)) };
    let place = Place { open: Arc::clone(open), number };
    let site = Arc::clone(site);
    let task = tokio::spawn(async move {
        let _place = place;
        carry(stream, connection, site).await;
    });
    lock(open).handles.insert(number, task.abort_handle());
}

async fn carry(stream: TcpStream, connection: Connection, site: Arc<Site>) {
    let is_stream = Arc::clone(&connection.is_stream);
    let service = service_fn(move |request| Arc::clone(&site).answer(request, connection.clone()));
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(MOST_HEAD_BYTES)
            .max_headers(MOST_HEADERS)
            .serve_connection(TokioIo::new(stream), service)
    );
    if timeout(CONNECTION_TIME, served.as_mut()).await.is_ok() {
        return;
    }
    if is_stream.load(Ordering::Relaxed) && timeout(STREAM_TIME, served.as_mut()).await.is_ok() {
        return;
    }
    served.as_mut().graceful_shutdown();
    let _ = timeout(LAST_ANSWER_TIME, served).await;
}

/// A place of a connection. Dropping it gives it back.
struct Place {
    open: Arc<Mutex<Open>>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.places.leave(self.number);
        open.handles.remove(&self.number);
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
