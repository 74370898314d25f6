//! The page: what a phone on the same network sees of the ride, and how it steers it. A small web
//! server on a thread of its own, which the music never waits for.
//!
//! - [`hosts`], [`guesses`], [`sessions`], [`places`] and [`orders`] are pure: whose name a request
//!   may use, how often a PIN may be guessed, who has given it, how many connections there may be,
//!   and what a request asks for;
//! - [`view`] is what the page shows, made of the status; [`assets`] is the page itself, which is
//!   part of the program;
//! - [`steering`] is what the page may do, and [`recordings`] what it may do with recordings of a
//!   sound check; the service decides how it is done;
//! - `site` answers requests, of which `requests` reads the parts, with `answers`; `upload` takes a
//!   recording; `connections` carries all of them, within limits of size, time and number;
//!   [`server`] is the thread;
//! - [`absent`] is what a box without a page answers.
//!
//! Nothing here opens a file, starts a program or plays anything, and no path of a request is ever
//! one of a file. Nothing here decides what is played: that belongs in `appliance` and `ride`. The
//! async runtime stays in this folder.

pub mod absent;
mod answers;
pub mod assets;
mod connections;
pub mod guesses;
pub mod hosts;
pub mod orders;
pub mod places;
pub mod recordings;
mod requests;
pub mod server;
pub mod sessions;
mod site;
pub mod steering;
mod upload;
pub mod view;

pub use self::server::{Page, PageSetup};
pub use self::steering::{BoxOutcome, ListedTrack, OutcomeKind, Steering, Tracks};
