//! What requests say: headers, cookies, where they come from, and small bodies.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};

use super::answers::{Answer, closing, failure};
use super::hosts::Hosts;
use super::orders;

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(5);

/// What a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaType {
    Json,
    /// A recording, of whatever format.
    Bytes,
}

/// Returns a header that must be there once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() { None } else { Some(value) }
}

pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok())
}

/// Says why a request that changes something does not come from the page; `None` if it may.
///
/// Every browser sends `Origin` with a request to another site, and none sends such a request with
/// one of these types without asking first, which is not answered.
pub(super) fn is_foreign(headers: &HeaderMap, host: &str, wanted: MediaType) -> Option<&'static str> {
    let is_from_here = |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| Hosts::is_same_origin(origin, host));
    if !headers.get_all(header::ORIGIN).iter().all(is_from_here) {
        return Some("the request comes from another site");
    }
    let media_type = only(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let (name, words) = match wanted {
        MediaType::Json => ("application/json", "a request is JSON: Content-Type: application/json"),
        MediaType::Bytes => {
            ("application/octet-stream", "a recording is bytes: Content-Type: application/octet-stream")
        }
    };
    let is_wanted = media_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(name));
    if is_wanted { None } else { Some(words) }
}

/// Reads a body.
pub(super) async fn body(request: Request<Incoming>) -> Result<Bytes, Answer> {
    let limited = Limited::new(request.into_body(), orders::MOST_BYTES).collect();
    match tokio::time::timeout(BODY_TIME, limited).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => {
            Err(closing(failure(StatusCode::PAYLOAD_TOO_LARGE, "a request has at most 4096 bytes, and all of them")))
        }
        Err(_) => Err(closing(failure(StatusCode::REQUEST_TIMEOUT, "the request did not come in time"))),
    }
}
