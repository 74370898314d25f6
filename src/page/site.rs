//! Answers requests: which path is what, who may have it, and with which headers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::assets::{self, Asset};
use super::guesses::Guesses;
use super::hosts::Hosts;
use super::orders::{self, Offer};
use super::sessions::{self, Sessions, TOKEN_BYTES, Token};
use super::steering::Steering;
use super::view::Memory;

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(5);
/// Streams of events at once, of all that watch.
const MOST_STREAMS: usize = 48;
/// How long a stream lasts; the page then opens another. So nobody holds one for ever.
const STREAM_TIME: Duration = Duration::from_secs(10 * 60);
/// Orders that are carried out at the same time.
const MOST_ORDERS: usize = 2;
/// Tracks in an answer.
const MOST_TRACKS: usize = 100;

/// What the answers have in common. No script, style or picture comes from elsewhere or stands in
/// the page itself, and nobody may frame it.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src \
         'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

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

type Answer = Response<PageBody>;

impl Site {
    pub(super) fn new(steering: Arc<dyn Steering>, hosts: Hosts, looking: Looking, pin: String) -> Self {
        let site = Self {
            steering,
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
        match serde_json::to_vec(&view) {
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
                path => match assets::ALL.iter().zip(&self.marks).find(|(asset, _)| asset.path == path) {
                    Some((asset, mark)) => file(asset, mark, headers),
                    None => failure(StatusCode::NOT_FOUND, "there is nothing here; the page is at /"),
                },
            },
            Method::POST => {
                if let Some(words) = is_foreign(headers, host) {
                    return failure(StatusCode::FORBIDDEN, words);
                }
                match path {
                    "/pin" => self.pin(request, &connection).await,
                    "/order" => self.order(request).await,
                    "/leave" => self.leave(headers),
                    _ => failure(StatusCode::NOT_FOUND, "there is nothing here; the page is at /"),
                }
            }
            _ => failure(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and POST are answered"),
        }
    }

    /// Answers somebody who looks.
    fn look(self: &Arc<Self>, request: &Request<Incoming>, connection: &Connection) -> Answer {
        let may_steer = lock(&self.sessions).knows(cookies(request.headers()), Instant::now());
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

    /// Carries out an order, on a thread that may wait.
    async fn order(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        if !lock(&self.sessions).knows(cookies(request.headers()), Instant::now()) {
            return failure(StatusCode::UNAUTHORIZED, "the PIN is needed");
        }
        let body = match body(request).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let order = match orders::Request::parse(&body) {
            Ok(order) => order,
            Err(words) => return failure(StatusCode::BAD_REQUEST, &words),
        };
        let Ok(permit) = Arc::clone(&self.orders).try_acquire_owned() else {
            return failure(StatusCode::SERVICE_UNAVAILABLE, "the order before this one is still under way; try again");
        };
        let site = Arc::clone(self);
        let carried_out = tokio::task::spawn_blocking(move || {
            let outcomes = site.steering.carry_out(order);
            site.refresh();
            drop(permit);
            outcomes
        });
        match carried_out.await {
            Ok(Ok(outcomes)) => json_answer(StatusCode::OK, &json!({ "boxes": outcomes })),
            Ok(Err(words)) => failure(StatusCode::CONFLICT, &words),
            Err(_) => {
                failure(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the program; see: journalctl -u jaudiosync")
            }
        }
    }
}

/// What is sent after the headers.
#[derive(Debug)]
pub(super) enum PageBody {
    Whole(Option<Bytes>),
    Events { events: mpsc::Receiver<Bytes>, _permit: OwnedSemaphorePermit },
}

impl PageBody {
    const fn empty() -> Self {
        Self::Whole(None)
    }
}

impl Body for PageBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events { events, .. } => events.poll_recv(context).map(|event| Some(Ok(Frame::data(event?)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Events { .. } => SizeHint::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a header that must be there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() { None } else { Some(value) }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok())
}

/// Says why a request that changes something does not come from the page; `None` if it may.
///
/// Every browser sends `Origin` with a request to another site, and none sends such a request with
/// this type without asking first, which is not answered.
fn is_foreign(headers: &HeaderMap, host: &str) -> Option<&'static str> {
    let is_from_here = |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| Hosts::is_same_origin(origin, host));
    if !headers.get_all(header::ORIGIN).iter().all(is_from_here) {
        return Some("the request comes from another site");
    }
    let media_type = only(headers, &header::CONTENT_TYPE).unwrap_or_default();
    if !media_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Some("a request is JSON: Content-Type: application/json");
    }
    None
}

/// Reads a body.
async fn body(request: Request<Incoming>) -> Result<Bytes, Answer> {
    let limited = Limited::new(request.into_body(), orders::MOST_BYTES).collect();
    match tokio::time::timeout(BODY_TIME, limited).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => {
            Err(closing(failure(StatusCode::PAYLOAD_TOO_LARGE, "a request has at most 4096 bytes, and all of them")))
        }
        Err(_) => Err(closing(failure(StatusCode::REQUEST_TIMEOUT, "the request did not come in time"))),
    }
}

/// What is left of the body is not read.
fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn file(asset: &Asset, mark: &str, headers: &HeaderMap) -> Answer {
    let is_known = only(headers, &header::IF_NONE_MATCH).is_some_and(|known| known == mark);
    let (status, contents) =
        if is_known { (StatusCode::NOT_MODIFIED, &[][..]) } else { (StatusCode::OK, asset.contents) };
    let mut answer = Response::new(PageBody::Whole(Some(Bytes::from_static(contents))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(mark) = HeaderValue::from_str(mark) {
        answer.headers_mut().insert(header::ETAG, mark);
    }
    answer
}

fn whole(status: StatusCode, media_type: &'static str, contents: Vec<u8>) -> Answer {
    let mut answer = Response::new(PageBody::Whole(Some(contents.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn json_answer(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    whole(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

fn failure(status: StatusCode, words: &str) -> Answer {
    json_answer(status, &json!({ "error": words }))
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn wait_first(wait: Duration) -> Answer {
    let seconds = whole_seconds(wait);
    let words = format!("too many wrong PINs; try again in {seconds} s");
    let mut answer = json_answer(StatusCode::TOO_MANY_REQUESTS, &json!({ "error": words, "wait_s": seconds }));
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

fn with_cookie(mut answer: Answer, cookie: &str) -> Answer {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}
