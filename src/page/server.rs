//! The thread of the page.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use super::connections;
use super::hosts::Hosts;
use super::recordings::Recordings;
use super::site::{Looking, Site};
use super::steering::Steering;
use crate::panics::message;

/// How often it is checked whether a box has gone or come, and at which of these times what is shown
/// is made anew and sent in any case: once a second.
const LOOK: Duration = Duration::from_millis(250);
const LOOKS: u32 = 4;
/// Threads that wait, for two orders and a recording, and the bytes of their stacks and of the page's
/// own.
const WAITING_THREADS: usize = 3;
const STACK_BYTES: usize = 512 * 1024;
/// Orders' threads end when there was none for this long.
const ORDER_THREAD_TIME: Duration = Duration::from_secs(5);

/// What a page is started with.
pub struct PageSetup {
    /// Where it is served.
    pub listener: TcpListener,
    /// What it shows and does.
    pub steering: Arc<dyn Steering>,
    /// What hears recordings.
    pub recordings: Arc<dyn Recordings>,
    /// The machine's host name, by which requests may address it.
    pub host_name: String,
    /// The PIN that steering needs, six digits.
    pub pin: String,
    /// Whether looking needs it, too.
    pub looking_needs_pin: bool,
}

/// A page that is served. Dropping it ends it.
#[derive(Debug)]
pub struct Page {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Page {
    /// Begins to serve the page, on a thread of its own.
    ///
    /// # Errors
    /// When the socket cannot be used, or no thread can be started.
    pub fn start(setup: PageSetup) -> io::Result<Self> {
        let PageSetup { listener, steering, recordings, host_name, pin, looking_needs_pin } = setup;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(WAITING_THREADS)
            .thread_keep_alive(ORDER_THREAD_TIME)
            .thread_name("page waits")
            .thread_stack_size(STACK_BYTES)
            .build()?;
        let looking = if looking_needs_pin { Looking::Pin } else { Looking::Open };
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            let site = Arc::new(Site::new(steering, recordings, Hosts::new(&host_name), looking, pin));
            let serve = async {
                tokio::spawn(refresh(Arc::clone(&site)));
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => connections::serve(listener, site, stopped).await,
                    Err(error) => log::error!("the page is not served: {error}"),
                }
            };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| runtime.block_on(serve))) {
                log::error!("the page is no longer served: a fault of the program ({})", message(panic.as_ref()));
            }
            // An order that is under way is not waited for.
            runtime.shutdown_background();
        };
        let thread = Builder::new().name("page".to_owned()).stack_size(STACK_BYTES).spawn(work)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to end, and does not wait.
    pub fn dismiss(&mut self) {
        self.stop = None;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.dismiss();
        if let Some(thread) = self.thread.take() {
            // The panic hook has logged why it panicked.
            let _ = thread.join();
        }
    }
}

async fn refresh(site: Arc<Site>) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for look in (0..LOOKS).cycle() {
        ticks.tick().await;
        if look == 0 {
            site.refresh();
        } else {
            site.refresh_if_somebody_has_gone_or_come();
        }
    }
}
