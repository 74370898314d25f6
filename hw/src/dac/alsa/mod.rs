//! A sound card by ALSA itself: the device is opened in its own format, its position and the
//! kernel's stamp of it are taken as they are, and a device that falls ill is closed.
//!
//! - `pcm` is the thin face of ALSA; `kernel` and `sync_ptr` are the real thing behind it;
//! - `agreement` is what a device is asked for;
//! - `encoding`, `observer` and `playback` do the work, and know no device;
//! - `latency` is what hardware holds and no driver reports;
//! - `card` is the thread that plays.
//!
//! Which card it is, and how it is named, is not decided here.

mod agreement;
mod card;
mod encoding;
mod kernel;
mod latency;
mod observer;
mod pcm;
mod playback;
mod sync_ptr;

pub use agreement::{Request, agree};
pub use card::{AlsaCard, CardUse};
pub use encoding::Encoding;
pub use latency::{Converter, Feed, Hardware};
pub use pcm::{Granted, HardwarePosition, Pair, Pcm, PcmError, Position};
pub use playback::{Playback, PlaybackError};
