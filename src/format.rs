//! Instants and durations as text.

use std::fmt::Display;

use chrono::{DateTime, Local};
use jaudiosync_time::{Instant, Span, Utc};

/// Returns the local time of an instant, like `2026-11-22 18:30:05`.
pub(crate) fn local_time(utc_s: i64) -> String {
    format_local(Instant::from_second(utc_s), "%Y-%m-%d %H:%M:%S")
}

/// Returns the local time of an instant to the millisecond, like `2026-11-22 18:30:05.123`.
pub(crate) fn local_time_ms(utc: Instant<Utc>) -> String {
    format_local(utc, "%Y-%m-%d %H:%M:%S%.3f")
}

fn format_local(utc: Instant<Utc>, format: &str) -> String {
    DateTime::from_timestamp_nanos(utc.ns()).with_timezone(&Local).format(format).to_string()
}

/// Returns a duration like `1:02:03`, or `2:03` below an hour.
pub(crate) fn duration(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Returns a count of things whose plural ends in s: `1 track`, `2 tracks`.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(count: N, thing: &str) -> String {
    let ending = if count == N::from(1) { "" } else { "s" };
    format!("{count} {thing}{ending}")
}

/// Returns a volume like `50 % (-18.1 dB)`, or `50 %` where its level is not known or it is
/// silence.
pub(crate) fn volume(percent: u8, db: Option<f64>) -> String {
    // Adding 0 makes the negative zero positive.
    db.map_or_else(|| format!("{percent} %"), |db| format!("{percent} % ({:.1} dB)", (db * 10.0).round() / 10.0 + 0.0))
}

/// Returns what is known of how long a sound card's hardware takes, like `0.92 ms in its hardware`.
pub(crate) fn hardware_latency(known_ms: Option<f64>, is_complete: bool) -> String {
    match known_ms {
        Some(ms) if is_complete => format!("{ms:.2} ms in its hardware"),
        Some(ms) => format!("{ms:.2} ms in its hardware, and more that is not known"),
        None => "an unknown delay in its hardware".to_owned(),
    }
}

/// Returns the name of a clock chip, and whether it is not known yet which kind of DS3231 it is.
pub(crate) fn chip_words(chip: &str, may_be_ds3231m: bool) -> String {
    if may_be_ds3231m { format!("{chip} (not yet known whether SN or M)") } else { chip.to_owned() }
}

/// Returns a small span of time as people say it, such as `30 ms`, `0.5 s` or `2 min`: rounded up,
/// but for what is far below the last digit.
pub(crate) fn approximately(span: Span) -> String {
    match span.seconds() {
        ..0.1 => format!("{:.0} ms", (span.ms() - 0.05).ceil()),
        seconds @ 0.1..120.0 => format!("{:.1} s", ((seconds - 0.005) * 10.0).ceil() / 10.0),
        seconds => format!("{:.0} min", (seconds / 60.0).ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_thing_is_singular() {
        assert_eq!([0_u64, 1, 2].map(|count| counted(count, "track")), ["0 tracks", "1 track", "2 tracks"]);
    }

    #[test]
    fn a_duration_has_hours_only_where_there_are_any() {
        assert_eq!(
            [0, 59, 60, 3599, 3600, 360_000].map(duration),
            ["0:00", "0:59", "1:00", "59:59", "1:00:00", "100:00:00"]
        );
    }

    #[test]
    fn an_unknown_delay_is_called_unknown() {
        assert_eq!(hardware_latency(Some(0.92), true), "0.92 ms in its hardware");
        assert_eq!(hardware_latency(Some(0.5), false), "0.50 ms in its hardware, and more that is not known");
        assert_eq!(hardware_latency(None, false), "an unknown delay in its hardware");
    }

    #[test]
    fn a_volume_has_decibels_where_they_are_known() {
        assert_eq!(volume(50, Some(-18.0618)), "50 % (-18.1 dB)");
        assert_eq!(volume(100, Some(-0.0)), "100 % (0.0 dB)");
        assert_eq!(volume(100, Some(-0.04)), "100 % (0.0 dB)");
        assert_eq!(volume(0, None), "0 %");
    }

    #[test]
    fn a_bound_is_rounded_up() {
        let said = |us: i64| approximately(Span::from_us(us));
        assert_eq!([said(500_000), said(2_000_000), said(12_300), said(99_000)], ["0.5 s", "2.0 s", "13 ms", "99 ms"]);
        assert_eq!([said(510_000), said(125_000_000)], ["0.6 s", "3 min"]);
    }
}
