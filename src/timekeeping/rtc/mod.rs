//! From the RTC's registers to RTC time on the raw clock: finding the edges of its seconds,
//! following them, and deciding whether the date it shows can be true. What UTC is at such a time
//! belongs in `estimate`.

pub mod edge_search;
pub mod edge_tracker;
pub mod mark;
mod normal;
pub mod second;
pub mod stamp;
pub mod trust;
