//! Answers requests: which path is what, who may have it, and with which headers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, watch};

use super::answers::{
    Answer, HEADERS, PageBody, closing, failure, file, json_answer, wait_first, whole, whole_seconds, with_cookie,
};
use super::assets::{self, Asset};
use super::guesses::Guesses;
use super::hosts::Hosts;
use super::orders::{self, Offer};
use super::recordings::{Recordings, Setting};
use super::requests::{MediaType, body, cookies, is_foreign, only};
use super::sessions::{self, Sessions, TOKEN_BYTES, Token};
use super::steering::Steering;
use super::upload::{self, UploadError};
use super::view::{Memory, View};

/// Streams of events at once, of all that watch.
const MOST_STREAMS: usize = 48;
/// How long a stream lasts; the page then opens another. So nobody holds one for ever.
const STREAM_TIME: Duration = Duration::from_secs(10 * 60);
/// Orders that are carried out at the same time.
const MOST_ORDERS: usize = 2;
/// Tracks in an answer.
const MOST_TRACKS: usize = 100;

/// Who may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looking {
    /// Anybody on the network.
    Open,
    /// Those who have given the PIN.
    Pin,
}

/// Everything that answers are made of.
pub(super) struct Site {
    steering: Arc<dyn Steering>,
    recordings: Arc<dyn Recordings>,
    hosts: Hosts,
    looking: Looking,
    pin: String,
    guesses: Mutex<Guesses>,
    sessions: Mutex<Sessions>,
    memory: Mutex<Memory>,
    now_shown: watch::Sender<Bytes>,
    streams: Arc<Semaphore>,
    orders: Arc<Semaphore>,
    marks: Vec<String>,
}

/// Where a request came from.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// Set once a stream of events is sent on it, which lasts.
    pub(super) is_stream: Arc<AtomicBool>,
}

impl Site {
    pub(super) fn new(
        steering: Arc<dyn Steering>,
        recordings: Arc<dyn Recordings>,
        hosts: Hosts,
        looking: Looking,
        pin: String,
    ) -> Self {
        let site = Self {
            steering,
            recordings,
            hosts,
            looking,
            pin,
            guesses: Mutex::new(Guesses::new(Instant::now())),
            sessions: Mutex::default(),
            memory: Mutex::default(),
            now_shown: watch::Sender::new(Bytes::new()),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            orders: Arc::new(Semaphore::new(MOST_ORDERS)),
            marks: assets::ALL.iter().map(Asset::mark).collect(),
        };
        site.refresh();
        site
    }

    /// Makes what is shown of the present status, and sends it to all that watch.
    pub(super) fn refresh(&self) {
        let view = lock(&self.memory).view(&self.steering.status(), Instant::now());
        self.show(&view);
    }

    /// Does so if other boxes are there than those that are shown.
    pub(super) fn refresh_if_somebody_has_gone_or_come(&self) {
        let mut memory = lock(&self.memory);
        let shown = memory.there();
        let view = memory.view(&self.steering.status(), Instant::now());
        if memory.there() != shown {
            drop(memory);
            self.show(&view);
        }
    }

    fn show(&self, view: &View) {
        match serde_json::to_vec(view) {
            Ok(shown) => _ = self.now_shown.send_replace(shown.into()),
            Err(error) => log::debug!("the page cannot be made: {error}"),
        }
    }

    /// Answers a request.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: Connection,
    ) -> Result<Answer, Infallible> {
        let is_head = request.method() == Method::HEAD;
        let mut answer = self.answer_any(request, connection).await;
        for (name, value) in HEADERS {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        if is_head {
            *answer.body_mut() = PageBody::empty();
        }
        Ok(answer)
    }

    async fn answer_any(self: Arc<Self>, request: Request<Incoming>, connection: Connection) -> Answer {
        let headers = request.headers();
        let host = match only(headers, &header::HOST) {
            Some(host) if self.hosts.is_ours(host, connection.local) => host,
            _ => {
                let words = "this is not the address of this box: use its name, as in bike-1.local, or its IP address";
                return failure(StatusCode::MISDIRECTED_REQUEST, words);
            }
        };
        let path = request.uri().path();
        match *request.method() {
            Method::GET | Method::HEAD => match path {
                "/state" | "/live" | "/tracks" => self.look(&request, &connection),
                "/recording" if !self.may_steer(headers) => failure(StatusCode::UNAUTHORIZED, "the PIN is needed"),
                "/recording" => json_answer(StatusCode::OK, &self.recordings.heard()),
                path => match assets::ALL.iter().zip(&self.marks).find(|(asset, _)| asset.path == path) {
                    Some((asset, mark)) => file(asset, mark, headers),
                    None => failure(StatusCode::NOT_FOUND, "there is nothing here; the page is at /"),
                },
            },
            Method::POST => {
                let media_type = if path == "/recording" { MediaType::Bytes } else { MediaType::Json };
                if let Some(words) = is_foreign(headers, host, media_type) {
                    return closing(failure(StatusCode::FORBIDDEN, words));
                }
                match path {
                    "/pin" => self.pin(request, &connection).await,
                    "/order" => self.order(request).await,
                    "/differences" => self.differences(request).await,
                    "/recording" => self.upload(request, &connection).await,
                    "/recording/set" => self.set(request).await,
                    "/leave" => self.leave(headers),
                    _ => failure(StatusCode::NOT_FOUND, "there is nothing here; the page is at /"),
                }
            }
            _ => failure(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and POST are answered"),
        }
    }

    /// Answers somebody who looks.
    fn look(self: &Arc<Self>, request: &Request<Incoming>, connection: &Connection) -> Answer {
        let may_steer = self.may_steer(request.headers());
        if self.looking == Looking::Pin && !may_steer {
            return failure(StatusCode::UNAUTHORIZED, "the PIN is needed");
        }
        match request.uri().path() {
            "/live" => self.live(request.headers(), connection),
            "/tracks" => {
                let from = request.uri().query().and_then(|query| query.strip_prefix("from=")?.parse().ok());
                json_answer(StatusCode::OK, &self.steering.tracks(from.unwrap_or(0), MOST_TRACKS))
            }
            _ => {
                let mut answer = b"{\"steer\":".to_vec();
                answer.extend_from_slice(may_steer.to_string().as_bytes());
                answer.extend_from_slice(b",\"view\":");
                answer.extend_from_slice(&self.now_shown.borrow());
                answer.push(b'}');
                whole(StatusCode::OK, "application/json", answer)
            }
        }
    }

    /// Begins a stream of events: what is shown, every second. Where looking needs the PIN, it ends
    /// when whoever has given it locks the page again.
    fn live(self: &Arc<Self>, headers: &HeaderMap, connection: &Connection) -> Answer {
        let Ok(permit) = Arc::clone(&self.streams).try_acquire_owned() else {
            return failure(StatusCode::SERVICE_UNAVAILABLE, "too many phones watch; try again");
        };
        connection.is_stream.store(true, Ordering::Relaxed);
        let (sender, events) = mpsc::channel(1);
        let mut shown = self.now_shown.subscribe();
        shown.mark_changed();
        let cookies: Vec<String> = cookies(headers).map(str::to_owned).collect();
        let site = Arc::clone(self);
        let may_look = move || {
            let cookies = cookies.iter().map(String::as_str);
            site.looking == Looking::Open || lock(&site.sessions).knows(cookies, Instant::now())
        };
        tokio::spawn(async move {
            let until = Instant::now() + STREAM_TIME;
            let mut retry = "retry: 1000\n";
            // Who does not take an event in time gets a later one instead of a queue of them.
            while shown.changed().await.is_ok() && Instant::now() < until && may_look() {
                let mut event = Vec::from(retry);
                retry = "";
                event.extend_from_slice(b"data: ");
                event.extend_from_slice(&shown.borrow_and_update());
                event.extend_from_slice(b"\n\n");
                if sender.send(event.into()).await.is_err() {
                    break;
                }
            }
        });
        let mut answer = Response::new(PageBody::Events { events, _permit: permit });
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    /// Takes a PIN.
    async fn pin(&self, request: Request<Incoming>, connection: &Connection) -> Answer {
        let body = match body(request).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let offer = match Offer::parse(&body) {
            Ok(offer) => offer,
            Err(words) => return failure(StatusCode::BAD_REQUEST, &words),
        };
        let (from, now) = (connection.peer.ip(), Instant::now());
        let mut guesses = lock(&self.guesses);
        if let Err(wait) = guesses.admit(from, now) {
            return wait_first(wait);
        }
        if !offer.is(&self.pin) {
            guesses.wrong(from, now);
            log::info!("a wrong PIN for the page from {from}");
            let wait = guesses.admit(from, now).err().unwrap_or_default();
            let answer = json!({ "error": "the PIN is wrong", "wait_s": whole_seconds(wait) });
            return json_answer(StatusCode::FORBIDDEN, &answer);
        }
        guesses.right(from);
        drop(guesses);
        let mut token: Token = [0; TOKEN_BYTES];
        if let Err(error) = getrandom::fill(&mut token) {
            log::error!("the page lets nobody in: the system has no randomness: {error}");
            return failure(StatusCode::SERVICE_UNAVAILABLE, "the box has no random numbers; try again");
        }
        lock(&self.sessions).add(token, now);
        log::info!("{from} has given the PIN, and may steer the ride on the page");
        with_cookie(json_answer(StatusCode::OK, &json!({ "steer": true })), &sessions::set_cookie(&token))
    }

    fn leave(&self, headers: &HeaderMap) -> Answer {
        lock(&self.sessions).remove(cookies(headers));
        with_cookie(json_answer(StatusCode::OK, &json!({ "steer": false })), &sessions::remove_cookie())
    }

    /// Carries out an order.
    async fn order(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        let act = |site: &Self, order| {
            let outcomes = site.steering.carry_out(order);
            site.refresh();
            outcomes.map(|boxes| json!({ "boxes": boxes }))
        };
        self.do_as_asked(request, orders::Request::parse, act).await
    }

    /// Asks a box for its playlist, and says what differs.
    async fn differences(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        let act = |site: &Self, which: orders::Which| {
            site.steering.differences(&which.name).map(|found| json!({ "lines": found.lines, "more": found.more }))
        };
        self.do_as_asked(request, orders::Which::parse, act).await
    }

    /// Sets a box by what was heard.
    async fn set(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        let act = |site: &Self, wanted: Setting| site.recordings.set(&wanted).map(|is_set| json!({ "set": is_set }));
        self.do_as_asked(request, Setting::parse, act).await
    }

    /// Does what somebody asks for who has given the PIN, on a thread that may wait.
    async fn do_as_asked<T: Send + 'static>(
        self: &Arc<Self>,
        request: Request<Incoming>,
        parse: fn(&[u8]) -> Result<T, String>,
        act: fn(&Self, T) -> Result<Value, String>,
    ) -> Answer {
        if !self.may_steer(request.headers()) {
            return failure(StatusCode::UNAUTHORIZED, "the PIN is needed");
        }
        let body = match body(request).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let asked = match parse(&body) {
            Ok(asked) => asked,
            Err(words) => return failure(StatusCode::BAD_REQUEST, &words),
        };
        let Ok(permit) = Arc::clone(&self.orders).try_acquire_owned() else {
            return failure(StatusCode::SERVICE_UNAVAILABLE, "the order before this one is still under way; try again");
        };
        let site = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let done = act(&site, asked);
            drop(permit);
            done
        });
        match done.await {
            Ok(Ok(answer)) => json_answer(StatusCode::OK, &answer),
            Ok(Err(words)) => failure(StatusCode::CONFLICT, &words),
            Err(_) => {
                failure(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the program; see: journalctl -u jaudiosync")
            }
        }
    }

    /// Takes a recording of a sound check. It is heard after the answer.
    async fn upload(&self, request: Request<Incoming>, connection: &Connection) -> Answer {
        if !self.may_steer(request.headers()) {
            return closing(failure(StatusCode::UNAUTHORIZED, "the PIN is needed"));
        }
        let upload = match self.recordings.begin() {
            Ok(upload) => upload,
            Err(words) => return closing(failure(StatusCode::CONFLICT, &words)),
        };
        // It takes longer than a page.
        connection.is_stream.store(true, Ordering::Relaxed);
        let taken = upload::take(request.into_body(), upload).await;
        match taken {
            Ok(()) => json_answer(StatusCode::ACCEPTED, &self.recordings.heard()),
            Err(error) => {
                let status = match error {
                    UploadError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                    UploadError::CutOff => StatusCode::BAD_REQUEST,
                    UploadError::TooSlow => StatusCode::REQUEST_TIMEOUT,
                    UploadError::NoRoom(_) => StatusCode::INSUFFICIENT_STORAGE,
                };
                closing(failure(status, &error.to_string()))
            }
        }
    }

    fn may_steer(&self, headers: &HeaderMap) -> bool {
        lock(&self.sessions).knows(cookies(headers), Instant::now())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
