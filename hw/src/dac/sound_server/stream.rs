//! An open stream: the thread that sends the server the frames it requests, and asks it when they
//! will be heard.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use jaudiosync_time::{Instant, Raw, Span};

use super::connection::{Connection, Event, Failure, PATIENCE};
use super::timing::{FRAME_BYTES, Snapshot};
use super::unavailable;
use crate::clocks::{ClockPair, Clocks, MachineClocks};
use crate::dac::{BufferTiming, CHANNELS, DacError, DacStream, Observed, Renderer, StreamFormat};
use crate::priority::{RealtimeThread, request_realtime};

/// The server is asked about the timing with every buffer that it is sent, and after this long
/// without one: it may hang.
const ASK_INTERVAL: Span = Span::from_ms(100);

/// At the beginning it is asked more often: the player's model knows nothing yet, and an answer that
/// took long, as on a busy machine, would make the music begin a second later.
const FIRST_ASK_INTERVAL: Span = Span::from_ms(10);
const FIRST_ASKED_S: u64 = 2;

/// What the thread plays for.
pub struct Feed {
    /// The connection; the stream is created on it.
    pub connection: Connection,
    /// The stream's number.
    pub channel: u32,
    /// What it was created with.
    pub format: StreamFormat,
    /// What the server requested at once.
    pub wanted_bytes: u32,
    /// The largest buffer.
    pub buffer_frames: usize,
    /// Where the frames come from.
    pub renderer: Box<dyn Renderer>,
    /// Where a fault that ends the stream is sent.
    pub faults: Sender<DacError>,
}

/// A running stream.
pub struct ServerStream {
    format: StreamFormat,
    stop: Arc<AtomicBool>,
    socket: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl ServerStream {
    /// Starts the thread.
    pub fn start(feed: Feed) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let socket = feed.connection.handle()?;
        let format = feed.format;
        let mut player = Player::new(feed);
        let thread = std::thread::Builder::new().name("sound-server".to_owned()).spawn({
            let stop = Arc::clone(&stop);
            move || {
                // Other threads, which ask within the same limit, report whether it was granted.
                let _ = request_realtime(RealtimeThread::Audio);
                let Err(failure) = player.run();
                if !stop.load(Ordering::Acquire) {
                    // The receiver is gone only when the player is, and then nothing needs to know.
                    let _ = player.faults.send(unavailable(&failure));
                }
            }
        })?;
        Ok(Self { format, stop, socket, thread: Some(thread) })
    }
}

impl DacStream for ServerStream {
    fn format(&self) -> StreamFormat {
        self.format
    }
}

impl Drop for ServerStream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the thread, whatever it waits for. The server ends the stream as the connection
        // closes. If that fails, the connection has already ended.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed by the panic hook.
            let _ = thread.join();
        }
    }
}

/// A question about the timing that has not been answered yet.
struct Question {
    tag: u32,
    asked: Instant<Raw>,
    /// Positions have started over since: the answer may be about what was before.
    is_void: bool,
}

struct Player {
    connection: Connection,
    channel: u32,
    rate_hz: u32,
    renderer: Box<dyn Renderer>,
    faults: Sender<DacError>,
    samples: Vec<f32>,
    wanted_bytes: usize,
    /// The first frame of the next buffer.
    frame: u64,
    is_started: bool,
    xruns: u64,
    question: Option<Question>,
    next_question: Instant<Raw>,
    /// The most certain one since the last buffer.
    snapshot: Option<Snapshot>,
}

/// A stream ends only by a failure: a stop closes the connection.
enum Never {}

impl Player {
    fn new(feed: Feed) -> Self {
        Self {
            connection: feed.connection,
            channel: feed.channel,
            rate_hz: feed.format.rate_hz,
            renderer: feed.renderer,
            faults: feed.faults,
            samples: vec![0.0; feed.buffer_frames.max(1) * CHANNELS],
            wanted_bytes: feed.wanted_bytes as usize,
            frame: 0,
            is_started: false,
            xruns: 0,
            question: None,
            next_question: MachineClocks.raw(),
            snapshot: None,
        }
    }

    fn run(&mut self) -> Result<Never, Failure> {
        loop {
            // Everything that has arrived is handled before anything is played: an underflow voids
            // the timing.
            while let Some(event) = self.connection.next_event()? {
                self.handle(event)?;
            }
            if self.connection.may_have_more() && self.connection.receive(Duration::ZERO)? {
                continue;
            }
            let has_played = self.put_wanted()?;
            let now = MachineClocks.raw();
            if self.question.is_none() && (has_played || now >= self.next_question) {
                let tag = self.connection.put_question(self.channel)?;
                self.question = Some(Question { tag, asked: now, is_void: false });
                let is_first = self.frame < FIRST_ASKED_S * u64::from(self.rate_hz);
                self.next_question = now + if is_first { FIRST_ASK_INTERVAL } else { ASK_INTERVAL };
            }
            self.connection.flush()?;
            // What is left of the patience, and not all of it again: another clock measures the wait,
            // which may end a moment before the raw clock says that it is over.
            let patience = Span::from_duration(PATIENCE);
            let due = self.question.as_ref().map_or(self.next_question, |question| question.asked + patience);
            let has_arrived = self.connection.receive((due - now).to_duration().unwrap_or_default())?;
            let is_overdue = |question: &Question| MachineClocks.raw() - question.asked >= patience;
            if !has_arrived && self.question.as_ref().is_some_and(is_overdue) {
                return Err(Failure::Silent);
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Wants(bytes) => self.wanted_bytes = self.wanted_bytes.saturating_add(bytes as usize),
            Event::Started => {
                self.is_started = true;
                self.forget_timing();
                // The next buffer has a timing already.
                self.next_question = MachineClocks.raw();
            }
            Event::Underflow => {
                self.xruns += 1;
                self.is_started = false;
                self.forget_timing();
            }
            Event::Moved => {
                self.xruns += u64::from(self.is_started);
                self.forget_timing();
            }
            Event::Timing(tag, answer) => {
                let question = self.question.take_if(|question| question.tag == tag);
                if let Some(question) = question.filter(|question| self.is_started && !question.is_void) {
                    let arrived = ClockPair::read(&MachineClocks);
                    self.take_snapshot(Snapshot::new(&answer, question.asked, arrived));
                }
            }
            Event::Killed => return Err(Failure::Killed),
            Event::Other => {}
        }
        Ok(())
    }

    fn take_snapshot(&mut self, new: Option<Snapshot>) {
        let Some(new) = new else { return };
        if self.snapshot.is_none_or(|best| new.uncertainty < best.uncertainty) {
            self.snapshot = Some(new);
        }
    }

    fn forget_timing(&mut self) {
        self.snapshot = None;
        if let Some(question) = &mut self.question {
            question.is_void = true;
        }
    }

    /// Puts into the connection what the server requested. Returns whether that was anything.
    fn put_wanted(&mut self) -> Result<bool, Failure> {
        let first_frame = self.frame;
        while self.wanted_bytes >= FRAME_BYTES {
            let frames = (self.wanted_bytes / FRAME_BYTES).min(self.samples.len() / CHANNELS);
            let Some(samples) = self.samples.get_mut(..frames * CHANNELS) else { break };
            let raw = MachineClocks.raw();
            let heard = self.snapshot.take().map(|snapshot| snapshot.heard(self.frame, self.rate_hz));
            let observed = heard.map(|heard| Observed { frames_before: 0, heard });
            self.renderer.render(BufferTiming { raw, observed, xruns: self.xruns }, samples);
            self.connection.put_frames(self.channel, samples)?;
            self.wanted_bytes -= frames * FRAME_BYTES;
            self.frame += frames as u64;
        }
        Ok(self.frame > first_frame)
    }
}
