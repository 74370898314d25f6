//! The control socket, by which a shell controls a box and asks for its status.
//!
//! `protocol` is pure: the messages and how they are written. `server` and `client` carry them over
//! a Unix socket. The implementation of [`Handler`] decides what a request does; nothing is decided
//! here.
//!
//! # The protocol
//!
//! Every line is one JSON object with the protocol's version `v`. A client sends a request, gets
//! one line in response, and may then send the next. `"ok"` says whether the request was carried
//! out.
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
//! | `start` | `time`: `"HH:MM:SS"` or `"YYYY-MM-DDTHH:MM:SS"`, also without the seconds or with a space for the `T`, the box's local time; `first_track`: a number from 0, or `"res"`; `fresh`: bool | does what a press of Start does; with a field, starts the playlist fresh |
//! | `stop` | | stops with a fade and saves the position |
//! | `resume` | | begins with the track at which playing was stopped |
//! | `volume` | one of `percent`: 0 to 100, `by`: -100 to 100 | sets or changes it; `volume_percent` in the response is the volume now, and `volume_db` the same in dB where that is known |
//! | `status` | `watch`: bool | `status` in the response; with `watch` a line every second until the client disconnects |
//! | `reload` | | reloads the playlist, Music folder and configuration |
//! | `output_latency` | required: `by_us`: -100000 to 100000, `measurement`: any whole number from 0; optional: `number`: 1 to 16 | changes the output latency by what a recording has shown, saves it and plays on with it; the same `measurement` counts once; with `number` that of another box, by the ride's messages |
//! | `sound_check` | `minutes`: 1 to 30; `all`: bool | takes part in a sound check from the next slot of the start grid until so many minutes after the present one are over |
//! | `ride` | `action` (required): `start`, `start_afresh`, `stop`, `resume`, `volume`, `reload` or `identify`; `boxes`: names, without it all; `time`, `first_track`: as for `start`, with `start_afresh`; one of `percent`, `by`, with `volume`, and `equal`: bool | has boxes of the ride do it at the same instant: `ride` in every response is the table of the boxes, and one comes whenever it has changed, for 6 s at most, the last with `"over":true` |
//! | `ride_list` | `box` (required): a name | says what differs between this box's playlist and that of another: `ride_list` in the response has `lines`, and how many `more` there are |
//!
//! Unknown commands and fields are errors; clients ignore fields that they do not know. Error
//! codes: see [`protocol::ErrorCode`].
//!
//! Limits: a request has at most 4 KiB and must be complete within 2 s; there are at most 32
//! clients, of which 16 may watch; a client must accept a response within 2 s. A client that
//! exceeds a limit gets an error, where that is possible, and is disconnected.
//!
//! The socket has mode 0660 and belongs to the configured group. The kernel lets nobody else in,
//! and the server checks every client's credentials once more.

mod access;
pub mod client;
mod connection;
mod handler;
mod path;
pub mod protocol;
pub mod server;

pub use client::{Client, ClientError};
pub use handler::Handler;
pub use path::{SYSTEM_SOCKET, candidate_sockets, service_socket};
pub use protocol::{Command, Request, Response, Status};
pub use server::{Server, ServerError, ServerOptions};
