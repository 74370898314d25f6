//! What the box does when a button is pressed, a command arrives, or the power is switched on: one
//! state machine.
//!
//! Everything here is pure: levels, commands, the state of the player and the time come in as
//! arguments, and what is to be done goes out as a list of [`Action`]s. No code here reads a clock
//! or opens a device, a file or a socket; the owner of the machine, the service, does that.
//!
//! ```text
//! levels, every 5 to 10 ms -> Contacts (debounce, gestures) --+
//! commands, player, playlist, saved state, ticks -------------+-> Appliance -> actions
//! raw clock, UTC and whether it is trusted -------------------+
//! ```
//!
//! # What always holds
//!
//! `machine/invariants.rs` tests these with random inputs in virtual time:
//!
//! 1. The volume is within 0 and the maximum, also in every [`Action::SetVolume`].
//! 2. At most one program runs: [`Action::Play`] replaces, [`Action::StopWithFade`] ends; a stop
//!    without a program never comes. A sound check is heard in place of the program and ends
//!    before the next action on it.
//! 3. After Stop, by button or command, nothing runs and nothing is about to, and no sound check.
//! 4. A program always has a timetable that can be played: tracks, a first track among them, and
//!    not over yet.
//! 5. A program begins on the start grid, at a time that was named, or at once if it joins what
//!    runs already.
//! 6. The saved session is the program that runs, exactly while it runs on trusted time. Until the
//!    time is trusted, the session that was saved before the power was lost stays.
//! 7. A button that is stuck or was held at power-on does nothing.
//! 8. While the Pi shuts down nothing begins.
//! 9. The volume is saved at most once in 5 s.
//! 10. Nothing is played before the time is trusted or the configured wait is over.
//! 11. What began without a trusted time is commanded again, in sync, as soon as the time is
//!     trusted and the playlist is there.

mod action;
pub mod answer;
mod contacts;
mod debounce;
mod gesture;
mod input;
mod machine;
mod settings;
mod state;
mod volume;
mod warning;

pub use action::Action;
pub use contacts::{ContactEvent, Contacts};
pub use debounce::{Change, DEBOUNCE, Debounce};
pub use gesture::{
    BOTH_HELD, Gesture, IgnoredBecause, START_HELD, STOP_HELD, STUCK, VOLUME_FIRST_REPEAT, VOLUME_REPEAT,
};
pub use input::{
    Command, Delivery, FirstTrack, Input, Moment, PlayerEvent, PlaylistChange, PlaylistEvent, SavedState, VolumeChange,
};
pub use machine::Appliance;
pub use settings::{Settings, StartKind};
pub use state::{Phase, PlaylistInfo, Program, SavedPosition, Session, Snapshot};
pub use volume::Volume;
pub use warning::{Refusal, Warning};
