//! What a device is asked to be opened with, and what is asked for next if it refuses.

use super::encoding::Encoding;
use super::pcm::Granted;
use crate::dac::RATES_HZ;

/// How samples are stored, best first. A float has 24 bits: S32 loses nothing. Floats themselves are
/// what only ALSA's plugins take.
const ENCODINGS: [Encoding; 5] = [Encoding::S32, Encoding::S24, Encoding::S24Packed, Encoding::S16, Encoding::F32];

/// Periods to ask for, in ms, best first: short ones show the position often. Most devices take the
/// first, or name the nearest that they take. Some refuse whatever is not theirs: a Raspberry Pi 5
/// with more than 512 frames on some kernels (raspberrypi/linux#6256), a dmix all but one length.
const PERIODS_MS: [u32; 4] = [10, 5, 21, 43];

/// Periods of a buffer, at least: with two of them a late wake-up is heard. Two are taken where a
/// device has no more.
const PERIODS: [usize; 2] = [4, 2];

/// What a device is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Frames per second, exactly.
    pub rate_hz: u32,
    /// How samples are stored.
    pub encoding: Encoding,
    /// Frames of a period, or near that.
    pub period_frames: usize,
    /// Frames of the buffer, or near that.
    pub buffer_frames: usize,
}

/// Finds what a device can be opened with. `ask` asks it, and returns what it would grant, which may
/// be another length of the period and the buffer than asked for, or `None` if it does not take the
/// request; `buffer_ms` is the wanted length of the buffer. Returns the first grant with enough
/// periods; `None` if there is none.
///
/// # Errors
/// The first error of `ask`: such a device is not asked any more.
pub fn agree<E>(
    buffer_ms: u32,
    mut ask: impl FnMut(&Request) -> Result<Option<Granted>, E>,
) -> Result<Option<Granted>, E> {
    // A short buffer has short periods.
    let first_ms = (buffer_ms / PERIODS[0] as u32).clamp(1, PERIODS_MS[0]);
    let periods_ms = || std::iter::once(first_ms).chain(PERIODS_MS.into_iter().filter(|ms| *ms != first_ms));
    for rate_hz in RATES_HZ {
        let frames = |ms: u32| (u64::from(ms) * u64::from(rate_hz) / 1000) as usize;
        for encoding in ENCODINGS {
            for periods in PERIODS {
                for period_ms in periods_ms() {
                    let period_frames = frames(period_ms);
                    let buffer_frames = frames(buffer_ms).max(period_frames * periods);
                    let request = Request { rate_hz, encoding, period_frames, buffer_frames };
                    if let Some(granted) = ask_for_periods(periods, request, &mut ask)? {
                        return Ok(Some(granted));
                    }
                }
            }
        }
    }
    Ok(None)
}

/// Asks for a buffer of at least this many periods: again if the device's periods are longer than
/// asked for. Returns `None` if it has no such buffer.
fn ask_for_periods<E>(
    periods: usize,
    request: Request,
    ask: &mut impl FnMut(&Request) -> Result<Option<Granted>, E>,
) -> Result<Option<Granted>, E> {
    let has_them = |granted: &Granted| granted.buffer_frames / granted.period_frames.max(1) >= periods;
    let Some(granted) = ask(&request)? else { return Ok(None) };
    if has_them(&granted) {
        return Ok(Some(granted));
    }
    let buffer_frames = granted.period_frames.saturating_mul(periods);
    Ok(ask(&Request { buffer_frames, ..request })?.filter(has_them))
}
