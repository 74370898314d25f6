//! What the feeder is given to play.

use std::sync::Arc;

use jaudiosync_time::{Instant, Span, Utc};

use super::library::Library;
use crate::timetable::Timetable;

/// What is played, and how.
#[derive(Clone)]
pub struct Program {
    /// When each track plays.
    pub timetable: Timetable,
    /// Where the tracks come from.
    pub library: Arc<dyn Library>,
    /// Silence before this instant: a timetable that is under way is joined then, on the exact
    /// frame. With `None` it is joined as soon as possible.
    pub heard_from: Option<Instant<Utc>>,
    /// How much later than the DAC's frames the sound is heard (amplifiers, cables, Bluetooth): the
    /// music is played that much earlier. Negative plays it later.
    pub output_latency: Span,
}

impl Program {
    /// Returns the first instant from `utc` on at which anything may be heard.
    pub(super) fn audible_from(&self, utc: Instant<Utc>) -> Instant<Utc> {
        self.heard_from.map_or(utc, |heard_from| utc.max(heard_from))
    }
}
