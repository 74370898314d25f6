//! From a `.m3u8` file to tracks with exact lengths: reading the list, finding the files, reading tags and lengths,
//! the saved index that makes it quick, and the fingerprint that tells whether two boxes play the same.
//!
//! Files are only read here, and only the index is written. Nothing here knows when a track plays.

mod fingerprint;
mod index;
mod inspect;
mod load;
mod locate;
mod m3u8;
mod tags;
mod text;
mod track;

pub use fingerprint::Fingerprint;
pub use load::{Listing, LoadError, LoadOptions, Loaded, Progress, load, playlist_name};
pub use m3u8::{Entry, ExtInf, ParseError, parse};
pub use track::{Playlist, Problem, Track};
