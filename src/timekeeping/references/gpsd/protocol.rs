//! gpsd's messages: one JSON object per line (gpsd_json(5)). Only what the time needs is read.

use jaudiosync_time::{Instant, Span, Utc};
use serde::Deserialize;

/// The request to gpsd: reports in JSON, with those of the pulse.
pub(super) const WATCH: &[u8] = b"?WATCH={\"enable\":true,\"json\":true,\"pps\":true};\n";

/// The major version of the protocol that is understood: all of gpsd since 2.90, of 2009.
pub(super) const PROTOCOL: u32 = 3;

/// A message. Others, and fields not named here, are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "class")]
pub(super) enum Message {
    /// A greeting.
    #[serde(rename = "VERSION")]
    Version { release: String, proto_major: u32 },
    /// A fix, or that there is none.
    #[serde(rename = "TPV")]
    Fix {
        #[serde(default)]
        device: String,
        /// 0 unknown, 1 no fix, 2 in two dimensions, 3 in three.
        mode: u8,
        /// When it was measured, in ISO 8601.
        time: Option<String>,
    },
    /// What second the receiver's messages reported, and when the first of them came.
    #[serde(rename = "TOFF")]
    TimeOffset {
        #[serde(default)]
        device: String,
        #[serde(flatten)]
        stamps: Stamps,
    },
    /// What second the pulse began, and when it came.
    #[serde(rename = "PPS")]
    Pulse {
        #[serde(default)]
        device: String,
        #[serde(flatten)]
        stamps: Stamps,
        /// How well it is stamped: the exponent of 2 of seconds. -20 from the kernel's own pulse
        /// driver.
        #[serde(default = "usual_precision")]
        precision: i32,
    },
    /// The receivers gpsd knows.
    #[serde(rename = "DEVICES")]
    Devices { devices: Vec<Device> },
    /// What gpsd did not understand.
    #[serde(rename = "ERROR")]
    Error { message: String },
    /// Anything else.
    #[serde(other)]
    Other,
}

/// A receiver in a list of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Device {
    #[serde(default)]
    pub path: String,
}

/// The receiver's time and the system clock of gpsd's machine at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Stamps {
    pub real_sec: i64,
    pub real_nsec: i64,
    pub clock_sec: i64,
    pub clock_nsec: i64,
}

impl Stamps {
    /// Returns the receiver's UTC.
    pub(super) fn real(&self) -> Instant<Utc> {
        Instant::from_second(self.real_sec) + Span::from_ns(self.real_nsec)
    }

    /// Returns what the system clock showed.
    pub(super) fn clock(&self) -> Instant<Utc> {
        Instant::from_second(self.clock_sec) + Span::from_ns(self.clock_nsec)
    }
}

/// Returns the precision if gpsd reports none: that of an ordinary system clock.
fn usual_precision() -> i32 {
    -10
}

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Result<Message, serde_json::Error> {
    serde_json::from_slice(line)
}

/// Reads a time in ISO 8601.
pub(super) fn parse_time(time: &str) -> Option<Instant<Utc>> {
    chrono::DateTime::parse_from_rfc3339(time).ok()?.timestamp_nanos_opt().map(Instant::from_ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lines_of_a_real_gpsd_are_read() {
        // Recorded from gpsd 3.22; the pulse as in gpsd_json(5).
        let read = |line: &str| parse(line.as_bytes()).unwrap();
        let version = r#"{"class":"VERSION","release":"3.22","rev":"3.22","proto_major":3,"proto_minor":14}"#;
        assert_eq!(read(version), Message::Version { release: "3.22".to_owned(), proto_major: 3 });
        let devices = r#"{"class":"DEVICES","devices":[{"class":"DEVICE","path":"/dev/pts/1","driver":"NMEA0183",
            "activated":"2026-11-23T00:16:20.958Z","flags":1,"native":0,"bps":4800,"parity":"N","stopbits":1}]}"#;
        assert_eq!(read(devices), Message::Devices { devices: vec![Device { path: "/dev/pts/1".to_owned() }] });
        let offset = r#"{"class":"TOFF","device":"/dev/pts/1","real_sec":1795392980, "real_nsec":0,
            "clock_sec":1795392982,"clock_nsec":626838903}"#;
        let Message::TimeOffset { device, stamps } = read(offset) else { panic!("no TOFF") };
        assert_eq!(device, "/dev/pts/1");
        assert_eq!((stamps.real().ns(), stamps.clock().ns()), (1_795_392_980_000_000_000, 1_795_392_982_626_838_903));
        let fix = r#"{"class":"TPV","device":"/dev/pts/1","mode":3,"time":"2026-11-23T00:16:19.500Z","ept":0.005,
            "lat":48.117300000,"lon":11.516666667,"altHAE":592.3000}"#;
        let Message::Fix { mode: 3, time: Some(time), .. } = read(fix) else { panic!("no TPV") };
        assert_eq!(parse_time(&time), Some(Instant::from_ns(1_795_392_979_500_000_000)));
        let pulse = r#"{"class":"PPS","device":"/dev/ttyS0","real_sec":1330212592, "real_nsec":343182,
            "clock_sec":1330212592,"clock_nsec":343184,"precision":-2}"#;
        assert!(matches!(read(pulse), Message::Pulse { precision: -2, .. }));
        assert_eq!(read(r#"{"class":"SKY","device":"/dev/pts/1","satellites":[]}"#), Message::Other);
    }

    #[test]
    fn absurd_stamps_saturate() {
        let stamps = Stamps { real_sec: i64::MAX, real_nsec: i64::MAX, clock_sec: i64::MIN, clock_nsec: i64::MIN };
        assert_eq!((stamps.real(), stamps.clock()), (Instant::MAX, Instant::MIN));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,40}") {
            let _ = parse(&line);
            let _ = parse_time(&text);
        }
    }
}
