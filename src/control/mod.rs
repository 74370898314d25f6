//! The control socket: how a box is steered and asked from a shell.
//!
//! `protocol` is pure: what is said, and how it is written. `server` and `client` carry it over a Unix socket. What a
//! request does is decided by whoever implements [`Handler`]; nothing is decided here.
//!
//! # The protocol
//!
//! Each line is one JSON object with the protocol's version `v`. A client sends a request and gets one line for it,
//! then may send the next. `"ok"` tells whether it was done.
//!
//! ```text
//! > {"v":1,"command":"start","time":"18:30:05","first_track":3}
//! < {"v":1,"ok":true,"message":"begins with track 3 at 18:30:05"}
//! > {"v":1,"command":"volume","percent":200}
//! < {"v":1,"ok":false,"error":{"code":"invalid","message":"the volume is 0 to 100 percent"}}
//! ```
//!
//! | command | fields, all optional | what it does |
//! | --- | --- | --- |
//! | `start` | `time`: `"HH:MM:SS"` or `"YYYY-MM-DDTHH:MM:SS"`, also without the seconds or with a space for the `T`, the box's local time; `first_track`: a number from 0, or `"res"`; `fresh`: bool | as a press of Start; with a field, begins the playlist afresh |
//! | `stop` | | stops with a fade and keeps the position |
//! | `resume` | | begins with the track at which it was stopped |
//! | `volume` | one of `percent`: 0 to 100, `by`: -100 to 100 | sets or changes it; `volume_percent` in the answer is what it is now |
//! | `status` | `watch`: bool | `status` in the answer; with `watch` a line each second until the client goes |
//! | `reload` | | takes over a changed playlist, configuration or Music folder |
//!
//! Unknown commands and fields are errors; clients ignore fields they do not know. Error codes: see
//! [`protocol::ErrorCode`].
//!
//! Limits: a request has at most 4 KiB and is complete within 2 s; 32 clients at once, of which 16 may watch; an answer
//! is taken within 2 s. Who exceeds one is told, where that is possible, and the connection is closed.
//!
//! The socket has mode 0660 and belongs to the configured group. The kernel lets nobody else in; the credentials of
//! each client are looked at once more.

mod access;
pub mod client;
mod connection;
mod handler;
mod path;
pub mod protocol;
pub mod server;

pub use client::{Client, ClientError};
pub use handler::Handler;
pub use path::{candidate_sockets, service_socket};
pub use protocol::{Command, Request, Response, Status};
pub use server::{Server, ServerError, ServerOptions};
