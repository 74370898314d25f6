//! Requests of clients.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::response::{ErrorCode, Failure};
use super::ride_command::RideRequest;
use super::{MAX_REQUEST_BYTES, VERSION};
use crate::sound_check::MOST_MINUTES;
use crate::timetable::local_time::NamedTime;

/// A client's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Report what plays, and how well.
    Status {
        /// Report it every second, until the client disconnects.
        watch: bool,
    },
    /// Carry out a command.
    Command(Command),
    /// Have boxes of the ride carry out a command, and report its progress.
    Ride(RideRequest),
    /// Report what differs between this box's playlist and another's, by the name or number of that
    /// box.
    RideList(String),
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Start as a press of Start does; with any field set, start the playlist fresh.
    Start {
        /// When the first track begins, in the box's local time; `None` for the next grid slot.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "named_time")]
        time: Option<NamedTime>,
        /// The first track; `None` for track 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_track: Option<FirstTrack>,
        /// Start fresh, whatever is configured for the button.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        fresh: bool,
    },
    /// Stop with a short fade, and save the position.
    Stop {},
    /// Begin with the track at which playing was stopped.
    Resume {},
    /// Set or change the volume; without a field, report it.
    Volume {
        /// The new volume, 0 to 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
        /// The change of the volume, -100 to 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<i8>,
    },
    /// Reload the playlist, Music folder and configuration.
    Reload {},
    /// Take part in a sound check.
    SoundCheck {
        /// For how many whole minutes after the present one, 1 to 30; `None` for 2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        minutes: Option<u8>,
        /// Have all boxes of the ride take part.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all: bool,
    },
    /// Change the output latency by what a recording of a sound check has shown, and save it.
    OutputLatency(LatencyChange),
}

/// A change of the output latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyChange {
    /// By how much it grows, in µs, at most 100,000 in either direction.
    pub by_us: i32,
    /// Which recording has shown it: any number; the same one counts once.
    pub measurement: u64,
    /// The number of another box, which is then commanded by the ride's messages; `None` for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u8>,
}

/// The track with which playing begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum FirstTrack {
    /// The track with this number, from 0.
    Number(u32),
    /// The track at which playing was stopped.
    Resume,
}

impl std::str::FromStr for FirstTrack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "res" | "resume" => Ok(Self::Resume),
            number => number.parse().map(Self::Number).map_err(|_| "write a track number from 0, or res".to_owned()),
        }
    }
}

impl TryFrom<Value> for FirstTrack {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match &value {
            Value::String(text) if text == "res" => Ok(Self::Resume),
            number => {
                let number = number.as_u64().and_then(|number| u32::try_from(number).ok());
                number.map(Self::Number).ok_or_else(|| "first_track is a number from 0, or \"res\"".to_owned())
            }
        }
    }
}

impl From<FirstTrack> for Value {
    fn from(track: FirstTrack) -> Self {
        match track {
            FirstTrack::Number(number) => Self::from(number),
            FirstTrack::Resume => Self::from("res"),
        }
    }
}

/// Writes and reads named times as riders write them.
pub(super) mod named_time {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::NamedTime;

    pub(in super::super) fn serialize<S: Serializer>(
        time: &Option<NamedTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(NamedTime::OfDay(time)) => serializer.collect_str(&time.format("%H:%M:%S")),
            Some(NamedTime::OnDate(time)) => serializer.collect_str(&time.format("%Y-%m-%dT%H:%M:%S")),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<NamedTime>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

/// No sound card is later than that, in µs.
pub const MOST_CHANGE_US: u32 = 100_000;
/// What a box answers, among other words, if it changed nothing because the recording counts already.
pub const APPLIED_BEFORE: &str = "this recording was applied before";

/// The value of `command` that requests the status.
const STATUS: &str = "status";

/// All values of `command`.
const COMMANDS: [&str; 10] =
    ["start", "stop", "resume", "volume", STATUS, "reload", "sound_check", "output_latency", RIDE, RIDE_LIST];

/// The value of `command` for boxes of the ride.
const RIDE: &str = "ride";

/// The value of `command` that asks for another box's list.
const RIDE_LIST: &str = "ride_list";

/// The fields of a request for the status.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusFields {
    #[serde(default)]
    watch: bool,
}

/// The fields of a request for another box's list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFields {
    #[serde(rename = "box")]
    name: String,
}

impl From<Command> for Request {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl Request {
    /// Returns the request's line, with its newline.
    pub fn to_line(&self) -> String {
        let mut value = match self {
            Self::Status { watch: false } => json!({ "command": STATUS }),
            Self::Status { watch: true } => json!({ "command": STATUS, "watch": true }),
            Self::Command(command) => serde_json::to_value(command).unwrap_or_default(),
            Self::RideList(name) => json!({ "command": RIDE_LIST, "box": name }),
            Self::Ride(request) => {
                let mut value = serde_json::to_value(request).unwrap_or_default();
                if let Value::Object(fields) = &mut value {
                    fields.insert("command".to_owned(), Value::from(RIDE));
                }
                value
            }
        };
        if let Value::Object(fields) = &mut value {
            fields.insert("v".to_owned(), Value::from(VERSION));
        }
        format!("{value}\n")
    }
}

/// Reads a request from its line, without the newline.
///
/// # Errors
/// The failure to respond with, if it is not a request.
pub fn parse_request(line: &[u8]) -> Result<Request, Failure> {
    if line.len() > MAX_REQUEST_BYTES {
        return Err(Failure::new(ErrorCode::TooLong, format!("a request has at most {MAX_REQUEST_BYTES} bytes")));
    }
    let malformed = |what: String| Failure::new(ErrorCode::Malformed, what);
    let value: Value = serde_json::from_slice(line).map_err(|error| malformed(format!("this is not JSON: {error}")))?;
    let Value::Object(mut fields) = value else {
        return Err(malformed("a request is a JSON object, such as {\"v\":1,\"command\":\"status\"}".to_owned()));
    };
    match fields.remove("v") {
        Some(version) if version == VERSION => {}
        Some(version) => {
            return Err(Failure::new(
                ErrorCode::Version,
                format!("this service speaks version {VERSION}, not {version}"),
            ));
        }
        None => return Err(malformed(format!("\"v\" is missing: the protocol's version, {VERSION}"))),
    }
    match fields.get("command").and_then(Value::as_str) {
        Some(STATUS) => {
            fields.remove("command");
            let StatusFields { watch } =
                StatusFields::deserialize(Value::Object(fields)).map_err(|error| malformed(error.to_string()))?;
            Ok(Request::Status { watch })
        }
        Some(RIDE_LIST) => {
            fields.remove("command");
            let ListFields { name } =
                ListFields::deserialize(Value::Object(fields)).map_err(|error| malformed(error.to_string()))?;
            Ok(Request::RideList(name))
        }
        Some(RIDE) => {
            fields.remove("command");
            let request =
                RideRequest::deserialize(Value::Object(fields)).map_err(|error| malformed(error.to_string()))?;
            request.check().map(Request::Ride)
        }
        Some(name) if !COMMANDS.contains(&name) => {
            Err(malformed(format!("there is no command {name:?}; there are: {}", COMMANDS.join(", "))))
        }
        _ => {
            let command = Command::deserialize(Value::Object(fields)).map_err(|error| malformed(error.to_string()))?;
            check(command).map(Request::Command)
        }
    }
}

/// Refuses values that exclude each other or are out of their range.
fn check(command: Command) -> Result<Command, Failure> {
    let invalid = |what: &str| Err(Failure::new(ErrorCode::Invalid, what));
    match command {
        Command::Volume { percent: Some(_), by: Some(_) } => invalid("percent and by exclude each other"),
        Command::Volume { percent: Some(101..), .. } => invalid("the volume is 0 to 100 percent"),
        Command::Volume { by: Some(by), .. } if by.unsigned_abs() > 100 => {
            invalid("the volume changes by -100 to 100 percent")
        }
        Command::SoundCheck { minutes: Some(minutes), .. } if !(1..=MOST_MINUTES).contains(&minutes) => {
            invalid("a sound check lasts 1 to 30 minutes")
        }
        Command::OutputLatency(change) if change.by_us.unsigned_abs() > MOST_CHANGE_US => {
            invalid("the output latency changes by at most 100 ms at a time")
        }
        command => Ok(command),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ride_command::RideAction;
    use super::*;

    fn any_request() -> impl Strategy<Value = Request> {
        prop_oneof![
            5 => any_command().prop_map(Request::Command),
            1 => any::<bool>().prop_map(|watch| Request::Status { watch }),
            2 => any_ride_request().prop_map(Request::Ride),
            1 => "[a-z0-9-]{1,12}".prop_map(Request::RideList),
        ]
    }

    fn any_ride_request() -> impl Strategy<Value = RideRequest> {
        let boxes = prop::collection::vec("[a-z0-9-]{1,12}", 0..4);
        let afresh = prop::option::of(any::<u32>())
            .prop_map(|first_track| RideRequest { first_track, ..RideRequest::new(RideAction::StartAfresh) });
        let volume = (0_u8..=100, any::<bool>()).prop_map(|(percent, equal)| RideRequest {
            percent: Some(percent),
            equal,
            ..RideRequest::new(RideAction::Volume)
        });
        let plain = prop::sample::select(vec![RideAction::Start, RideAction::Stop, RideAction::Identify]);
        (prop_oneof![afresh, volume, plain.prop_map(RideRequest::new)], boxes)
            .prop_map(|(request, boxes)| RideRequest { boxes, ..request })
    }

    fn any_command() -> impl Strategy<Value = Command> {
        let time = prop::sample::select(vec!["18:30:05", "2026-12-31T23:59:50"]).prop_map(|text| text.parse().unwrap());
        let first = prop_oneof![any::<u32>().prop_map(FirstTrack::Number), Just(FirstTrack::Resume)];
        prop_oneof![
            (prop::option::of(time), prop::option::of(first), any::<bool>())
                .prop_map(|(time, first_track, fresh)| Command::Start { time, first_track, fresh }),
            Just(Command::Stop {}),
            Just(Command::Resume {}),
            prop::option::of(0_u8..=100).prop_map(|percent| Command::Volume { percent, by: None }),
            (-100_i8..=100).prop_map(|by| Command::Volume { percent: None, by: Some(by) }),
            Just(Command::Reload {}),
            (prop::option::of(1_u8..=30), any::<bool>())
                .prop_map(|(minutes, all)| Command::SoundCheck { minutes, all }),
            (-100_000..=100_000, any::<u64>(), prop::option::of(1_u8..=16)).prop_map(|(by_us, measurement, number)| {
                Command::OutputLatency(LatencyChange { by_us, measurement, number })
            }),
        ]
    }

    #[track_caller]
    fn refused(line: &str, code: ErrorCode, word: &str) {
        let failure = parse_request(line.as_bytes()).unwrap_err();
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.message.contains(word), "{failure:?}");
    }

    #[test]
    fn a_request_is_written_as_documented() {
        let request = Command::Start {
            time: Some("18:30:05".parse().unwrap()),
            first_track: Some(FirstTrack::Number(3)),
            fresh: false,
        };
        let documented = br#"{"v":1,"command":"start","time":"18:30:05","first_track":3}"#;
        assert_eq!(parse_request(documented), Ok(Request::Command(request)));
        assert_eq!(parse_request(br#"{"v":1,"command":"stop"}"#), Ok(Request::Command(Command::Stop {})));
        assert_eq!(Request::Command(Command::Stop {}).to_line(), "{\"command\":\"stop\",\"v\":1}\n");
    }

    #[test]
    fn anything_that_is_not_a_request_is_refused_with_the_reason() {
        refused("", ErrorCode::Malformed, "not JSON");
        refused("[1]", ErrorCode::Malformed, "JSON object");
        refused("{}", ErrorCode::Malformed, "\"v\" is missing");
        refused(r#"{"v":2,"command":"stop"}"#, ErrorCode::Version, "speaks version 1, not 2");
        refused(r#"{"v":1}"#, ErrorCode::Malformed, "command");
        refused(r#"{"v":1,"command":"dance"}"#, ErrorCode::Malformed, "there is no command \"dance\"");
        refused(r#"{"v":1,"command":"status","often":true}"#, ErrorCode::Malformed, "often");
        refused(r#"{"v":1,"command":"stop","now":true}"#, ErrorCode::Malformed, "now");
        refused(r#"{"v":1,"command":"start","time":"25:00:00"}"#, ErrorCode::Malformed, "HH:MM:SS");
        refused(r#"{"v":1,"command":"start","first_track":-1}"#, ErrorCode::Malformed, "from 0");
        refused(r#"{"v":1,"command":"volume","percent":101}"#, ErrorCode::Invalid, "0 to 100");
        refused(r#"{"v":1,"command":"volume","percent":300}"#, ErrorCode::Malformed, "300");
        refused(r#"{"v":1,"command":"volume","by":-101}"#, ErrorCode::Invalid, "-100 to 100");
        refused(r#"{"v":1,"command":"volume","percent":1,"by":1}"#, ErrorCode::Invalid, "exclude");
        refused(r#"{"v":1,"command":"sound_check","minutes":31}"#, ErrorCode::Invalid, "1 to 30");
        let far = r#"{"v":1,"command":"output_latency","by_us":100001,"measurement":1}"#;
        refused(far, ErrorCode::Invalid, "at most 100 ms");
        refused(r#"{"v":1,"command":"ride"}"#, ErrorCode::Malformed, "action");
        refused(r#"{"v":1,"command":"ride","action":"dance"}"#, ErrorCode::Malformed, "dance");
        refused(r#"{"v":1,"command":"ride","action":"stop","first_track":1}"#, ErrorCode::Invalid, "start_afresh");
        refused(r#"{"v":1,"command":"ride","action":"stop","percent":1}"#, ErrorCode::Invalid, "for volume");
        refused(r#"{"v":1,"command":"ride","action":"volume"}"#, ErrorCode::Invalid, "percent or by");
        refused(r#"{"v":1,"command":"ride","action":"volume","percent":101}"#, ErrorCode::Invalid, "0 to 100");
        refused(&"[".repeat(4000), ErrorCode::Malformed, "recursion");
        refused(&" ".repeat(5000), ErrorCode::TooLong, "4096");
    }

    #[test]
    fn every_command_is_among_those_that_are_known() {
        let unknown = Command::deserialize(json!({ "command": "dance" })).unwrap_err().to_string();
        // serde lists the variants: unknown variant `dance`, expected one of `start`, `stop`, ...
        let listed = unknown.split('`').skip(1).step_by(2).skip(1);
        assert_eq!(
            listed.collect::<Vec<_>>(),
            COMMANDS
                .into_iter()
                .filter(|&name| name != STATUS && name != RIDE && name != RIDE_LIST)
                .collect::<Vec<_>>()
        );
    }

    proptest! {
        #[test]
        fn every_request_comes_back_as_it_was(request in any_request()) {
            let line = request.to_line();
            prop_assert!(line.ends_with('\n') && line.len() < MAX_REQUEST_BYTES);
            prop_assert_eq!(parse_request(line.trim_end().as_bytes()), Ok(request));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_request(&bytes);
        }
    }
}
