//! What answers are made of: bodies that are whole or a stream, the kinds of answers, and their
//! headers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::assets::Asset;
use super::requests::only;

/// What the answers have in common. No script, style or picture comes from elsewhere or stands in
/// the page itself, and nobody may frame it.
pub(super) const HEADERS: [(HeaderName, &str); 5] = [
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

pub(super) type Answer = Response<PageBody>;

/// What is sent after the headers.
#[derive(Debug)]
pub(super) enum PageBody {
    Whole(Option<Bytes>),
    Events { events: mpsc::Receiver<Bytes>, _permit: OwnedSemaphorePermit },
}

impl PageBody {
    pub(super) const fn empty() -> Self {
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

/// What is left of the body is not read.
pub(super) fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

pub(super) fn file(asset: &Asset, mark: &str, headers: &HeaderMap) -> Answer {
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

pub(super) fn whole(status: StatusCode, media_type: &'static str, contents: Vec<u8>) -> Answer {
    let mut answer = Response::new(PageBody::Whole(Some(contents.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

pub(super) fn json_answer(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    whole(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

pub(super) fn failure(status: StatusCode, words: &str) -> Answer {
    json_answer(status, &json!({ "error": words }))
}

pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

pub(super) fn wait_first(wait: Duration) -> Answer {
    let seconds = whole_seconds(wait);
    let words = format!("too many wrong PINs; try again in {seconds} s");
    let mut answer = json_answer(StatusCode::TOO_MANY_REQUESTS, &json!({ "error": words, "wait_s": seconds }));
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

pub(super) fn with_cookie(mut answer: Answer, cookie: &str) -> Answer {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}
