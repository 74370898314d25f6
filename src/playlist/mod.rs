//! From a `.m3u8` or `.m3u` file to tracks with exact lengths: reading the list, finding the files,
//! reading tags and lengths, the saved index that makes this quick, and the fingerprint that shows
//! whether two boxes play the same music.
//!
//! Files are only read here; the index alone is written. Nothing here knows when a track plays.

mod choose;
mod departure;
mod departure_report;
mod every_mp3;
mod fingerprint;
mod folder_lock;
mod folders;
mod foreign;
mod index;
mod index_place;
mod inspect;
mod known_map;
mod load;
mod load_error;
mod load_options;
mod locate;
mod m3u8;
mod notices;
mod pending_track;
mod places;
mod problem;
mod reading;
mod readings;
mod stamp;
mod tags;
mod text;
mod track;

pub use choose::{USUAL_NAME, folders_in, playlist_name};
pub use departure::Departure;
pub use departure_report::describe;
pub use fingerprint::Fingerprint;
pub use foreign::Format;
pub use index::persist_map;
pub use known_map::KnownMap;
pub use load::{Loaded, Progress, load};
pub use load_error::{Listing, LoadError};
pub use load_options::LoadOptions;
pub use m3u8::{Entry, ExtInf, M3u8, ParseError, parse};
pub use places::PassedOver;
pub use problem::Problem;
pub use stamp::{FileStamp, FileState};
pub use track::{Playlist, Track, wants_map};
