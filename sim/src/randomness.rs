//! Randomness that depends on the seed alone: each box and each purpose has a stream of its own, so
//! that neither the order of threads nor another box changes what happens to this one.

use fastrand::Rng;
pub use jaudiosync_hw::randomness::{exponential, normal};
use jaudiosync_time::Span;

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The Pi's crystal.
    PiCrystal,
    /// The DAC's crystal.
    DacCrystal,
    /// What the sound card's driver reports, and when.
    DacDriver,
    /// The RTC's crystal.
    Rtc,
    /// Waking late, and other delays of the machine.
    Scheduling,
    /// The way to the time server.
    Network,
    /// The GPS receiver.
    Gps,
    /// The weather, and where the box stands in it.
    Weather,
    /// The playlist.
    Playlist,
    /// Anything the time policy itself is to be seeded with.
    Policy,
    /// The line that a box is behind.
    Line,
    /// The network between the boxes.
    Air,
    /// What a box makes up at every start, such as its number.
    Member,
}

/// The seed of one stream: `owner` is the box's number, or `None` for what all boxes share.
pub fn seed_of(seed: u64, owner: Option<usize>, purpose: Purpose) -> u64 {
    let owner = owner.map_or(0, |number| number as u64 + 1);
    mix(mix(mix(seed) ^ owner) ^ (purpose as u64 + 1))
}

/// One stream, see [`seed_of`].
pub fn stream(seed: u64, owner: Option<usize>, purpose: Purpose) -> Rng {
    Rng::with_seed(seed_of(seed, owner, purpose))
}

/// Returns a span from the first of these until before the second, all equally likely.
pub fn span_between(random: &mut Rng, (least, most): (Span, Span)) -> Span {
    Span::from_ns(random.i64(least.ns()..most.ns()))
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
/// 2014): near seeds give unrelated streams.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_boxes_and_purposes_differ_and_repeat() {
        let mut seeds = Vec::new();
        for seed in 0..4 {
            for owner in [None, Some(0), Some(1)] {
                for purpose in [Purpose::PiCrystal, Purpose::DacCrystal, Purpose::Rtc] {
                    assert_eq!(seed_of(seed, owner, purpose), seed_of(seed, owner, purpose));
                    seeds.push(seed_of(seed, owner, purpose));
                }
            }
        }
        let all = seeds.len();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), all);
    }
}
