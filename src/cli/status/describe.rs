//! A status in words.

use jaudiosync_time::{Instant, Span};

use super::super::ride::words;
use crate::control::protocol::{
    BoardStatus, ButtonState, EepromState, PhaseStatus, PlayState, PlayStatus, StateStatus, Status, StickStatus,
    TimeState, TimeStatus, TrackStatus,
};
use crate::format;
use crate::timekeeping::status::IN_SYNC_BOUND;

/// Describes a status in lines, without a newline after the last one.
pub(super) fn describe(status: &Status) -> String {
    let mut lines = vec![line("plays", &play(&status.play))];
    if let Some(next) = &status.play.next {
        lines.push(line("next", &format!("{}  {} at {}", next.number, next.title, format::local_time(next.utc_s))));
    }
    lines.extend(status.play.stopped_at.as_ref().map(|stopped_at| line("stopped", &track(stopped_at))));
    lines.extend(status.phase.as_ref().map(|status| line("phase", &phase(status))));
    lines.push(line("time", &time(&status.time)));
    if let Some(ride) = &status.ride {
        lines.push(line("ride", &words::in_short(ride, status.time.error_bound_ms)));
        lines.extend(words::refusals(&ride.refused).map(|refusals| line("", &refusals)));
    }
    let volume = &status.volume;
    let mixer = volume.mixer.as_deref().unwrap_or("in software");
    lines.push(line(
        "volume",
        &format!("{} of at most {} %, {mixer}", format::volume(volume.percent, volume.db), volume.maximum_percent),
    ));
    lines.push(line("board", &board(&status.board)));
    let dac = &status.dac;
    let state = if dac.present {
        let latency = format::hardware_latency(dac.hardware_latency_ms, dac.hardware_latency_complete);
        let set = Some(dac.output_latency_ms).filter(|ms| *ms != 0.0);
        let set = set.map(|ms| format!(", output latency {ms} ms")).unwrap_or_default();
        format!("{} Hz, {latency}{set}", dac.rate_hz)
    } else {
        "not connected".to_owned()
    };
    lines.push(line("sound", &format!("{}, {state}", dac.name)));
    let playlist = status.playlist.as_ref().map_or("none".to_owned(), |playlist| {
        let changed = if playlist.changed { "; changed on disk since" } else { "" };
        format!(
            "{}: {} ({} silent), {}, fingerprint {}{changed}",
            playlist.name,
            format::counted(playlist.tracks, "track"),
            playlist.silent_tracks,
            format::duration(playlist.runtime_s),
            playlist.fingerprint
        )
    });
    lines.push(line("playlist", &playlist));
    if let Some(playlist) = status.playlist.as_ref().filter(|playlist| !playlist.folder.is_empty()) {
        lines.push(line("", &format!("from {}", playlist.folder)));
        lines.extend(playlist.passed_over.iter().map(|other| line("", &format!("not from {other}"))));
    }
    lines.extend(status.sticks.iter().map(|stick| line("stick", &self::stick(stick))));
    lines.extend(status.play.box_number.map(|number| line("number", &format!("box {number} in a sound check"))));
    lines.extend(saved_in(&status.state).map(|words| line("state", &words)));
    lines.extend(status.warnings.iter().map(|warning| line("warning", warning)));
    lines.join("\n")
}

fn line(name: &str, words: &str) -> String {
    format!("{name:<10}{words}")
}

fn play(play: &PlayStatus) -> String {
    let state = match play.state {
        PlayState::Stopped => "nothing; waiting for a start",
        PlayState::WaitingForPlaylist => "nothing yet; waiting for the playlist",
        PlayState::WaitingForTime => "nothing yet; waiting for a trusted time",
        PlayState::WaitingForSlot => "nothing yet; waiting for its first slot",
        PlayState::Gap => "between two tracks",
        PlayState::SoundCheck => "its turns in a sound check",
        PlayState::ShuttingDown => "nothing; the box is being switched off",
        PlayState::Playing => "",
        PlayState::Opening => "nothing yet; opening ",
        PlayState::Silent => "silence in the slot of ",
        PlayState::WaitingForDevice => "nothing; waiting for the sound card to play ",
        PlayState::Other => "in a state this program does not know",
    };
    let timetable = match (play.anchor_utc_s, play.common) {
        (None, _) => String::new(),
        (Some(_), true) => ", on the common timetable".to_owned(),
        (Some(anchor_utc_s), false) => format!(", on a timetable that began at {}", format::local_time(anchor_utc_s)),
    };
    let playing = play.track.as_ref().map_or(String::new(), track);
    format!("{state}{playing}{timetable}")
}

fn track(track: &TrackStatus) -> String {
    let length = track.length_s.map_or(String::new(), |length_s| format!(" of {}", format::duration(length_s as i64)));
    format!("{}  {}, {}{length}", track.number, track.title, format::duration(track.offset_s as i64))
}

fn stick(stick: &StickStatus) -> String {
    let what = match (stick.tracks, &stick.trouble) {
        (Some(tracks), _) if stick.taken => format!("is taken, with {}", format::counted(tracks, "track")),
        (Some(tracks), _) => format!("is offered, with {}", format::counted(tracks, "track")),
        (None, Some(why)) => format!("is not taken: {why}"),
        (None, None) => "is in".to_owned(),
    };
    format!("{} {what}", stick.name)
}

/// Describes where the state is saved, if that is known.
fn saved_in(state: &StateStatus) -> Option<String> {
    if state.folder.is_empty() && state.eeprom == EepromState::Unknown {
        return None;
    }
    let folder = match state.lies_on.words() {
        Some(words) => format!("{} is {words}", state.folder),
        None => state.folder.clone(),
    };
    let eeprom = match (state.eeprom, state.eeprom_saved_utc_s) {
        (EepromState::Used, Some(utc_s)) => {
            format!("; in the clock module's EEPROM, too, saved at {}", format::local_time(utc_s))
        }
        (EepromState::Used, None) => "; in the clock module's EEPROM, too".to_owned(),
        (EepromState::LeftAlone, _) => "; the chip beside the clock is left alone".to_owned(),
        _ => String::new(),
    };
    let trouble = state.eeprom_trouble.as_ref().map_or(String::new(), |trouble| format!(" ({trouble})"));
    Some(format!("{folder}{eeprom}{trouble}"))
}

/// Describes how exactly it plays.
pub(in crate::cli) fn phase(phase: &PhaseStatus) -> String {
    format!(
        "{:+.3} ms (±{:.3}), speed {:+.1} ppm, {}",
        phase.error_ms,
        phase.bound_ms,
        phase.speed_ppm,
        format::counted(phase.drop_outs, "drop-out")
    )
}

/// Describes the time, and how far it can be trusted.
pub(in crate::cli) fn time(time: &TimeStatus) -> String {
    let state = match time.state {
        TimeState::Unset => "unset",
        TimeState::Untrusted => "not trusted: this box is not in sync",
        TimeState::Holdover => "holdover",
        TimeState::Referenced => "referenced",
        TimeState::System => "from another program",
        TimeState::Other => "in a state this program does not know",
    };
    let agreement = time.agreement_ms.or(time.error_bound_ms).map(Span::from_ms_f64);
    let bound = time.error_bound_ms.map_or("unknown error".to_owned(), |bound_ms| {
        // More is heard as an echo, and should not have to be read out of digits.
        if agreement.is_some_and(|agreement| agreement < IN_SYNC_BOUND) {
            format!("±{bound_ms:.3} ms")
        } else {
            format!("may be up to {} off", format::approximately(Span::from_ms_f64(bound_ms)))
        }
    });
    let from_others =
        agreement.filter(|_| time.agreement_ms.is_some()).map(|agreement| match agreement < IN_SYNC_BOUND {
            true => format!("±{:.3} ms", agreement.ms()),
            false => format!("up to {} off", format::approximately(agreement)),
        });
    // That need not be said twice.
    let from_others = from_others.filter(|words| !bound.ends_with(words.as_str()));
    let from_others =
        from_others.map_or(String::new(), |words| format!(" ({words} from boxes compared with the same reference)"));
    let since = time.since_reference_s.map_or(String::new(), |since_s| format!(", {} ago", format::duration(since_s)));
    let source = if time.source.is_empty() { String::new() } else { format!(", {}{since}", time.source) };
    let chip = format::chip_words(time.rtc_chip.as_deref().unwrap_or("RTC"), time.rtc_may_be_ds3231m);
    let celsius = match time.rtc_temperature_celsius {
        Some(celsius) => format!(", {chip} at {celsius:.2} °C"),
        None => time.rtc_chip.as_ref().map_or(String::new(), |chip| format!(", {chip} at the RTC's address")),
    };
    let rate = match time.rtc_rate_ppb {
        Some(rate_ppb) => format!(", RTC off by {:+.3} ppm", rate_ppb / 1000.0),
        None if time.rtc_temperature_celsius.is_some() => ", the RTC's rate is not known".to_owned(),
        None => String::new(),
    };
    format!(
        "{}, {state}, {bound}{from_others}{source}{rate}{celsius}",
        format::local_time_ms(Instant::from_ns(time.utc_ns))
    )
}

fn board(board: &BoardStatus) -> String {
    let buttons = board.buttons.as_ref().map_or("no buttons".to_owned(), |buttons| {
        let states = [
            ("volume up", buttons.volume_up),
            ("volume down", buttons.volume_down),
            ("start", buttons.start),
            ("stop", buttons.stop),
        ];
        let active = states.iter().filter_map(|(name, state)| match state {
            ButtonState::Released => None,
            ButtonState::Pressed => Some(format!("{name} pressed")),
            ButtonState::Stuck => Some(format!("{name} stuck and ignored")),
            ButtonState::Unusable => Some(format!("{name} without a pin")),
            ButtonState::Other => Some(format!("{name} unknown")),
        });
        let active: Vec<_> = active.collect();
        if active.is_empty() { "no button pressed".to_owned() } else { active.join(", ") }
    });
    let jumper = match board.jumper {
        Some(true) => ", jumper fitted",
        Some(false) => ", no jumper",
        None => "",
    };
    let led = board.led.map_or("", |on| if on { ", LED on" } else { ", LED off" });
    format!("{}: {buttons}{jumper}{led}", board.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{
        ButtonStates, NeighbourStatus, PlaylistStatus, RefusedStatus, RideRole, RideStatus,
    };

    #[test]
    fn a_box_that_plays_is_described() {
        let status = Status {
            play: PlayStatus {
                state: PlayState::Playing,
                common: true,
                anchor_utc_s: Some(0),
                track: Some(TrackStatus { number: 3, title: "Rain".into(), offset_s: 61.5, length_s: Some(185.2) }),
                ..PlayStatus::default()
            },
            phase: Some(PhaseStatus { error_ms: -0.0123, bound_ms: 0.05, speed_ppm: 12.0, drop_outs: 1 }),
            board: BoardStatus {
                kind: "pi".into(),
                buttons: Some(ButtonStates { stop: ButtonState::Stuck, ..ButtonStates::default() }),
                jumper: Some(true),
                ..BoardStatus::default()
            },
            playlist: Some(PlaylistStatus { changed: true, ..PlaylistStatus::default() }),
            warnings: vec!["the RTC's battery is empty".into()],
            ..Status::default()
        };
        let words = describe(&status);
        for part in [
            "plays     3  Rain, 1:01 of 3:05, on the common timetable",
            "phase     -0.012 ms (±0.050), speed +12.0 ppm, 1 drop-out",
            ", unknown error",
            "pi: stop stuck and ignored, jumper fitted",
            "changed on disk since",
            "warning   the RTC's battery is empty",
        ] {
            assert!(words.contains(part), "no {part:?} in:\n{words}");
        }
    }

    #[test]
    fn a_box_with_a_key_says_how_far_it_is_from_the_others_and_from_utc() {
        let neighbour = NeighbourStatus { in_group: true, ..NeighbourStatus::default() };
        let ride = RideStatus {
            role: RideRole::Follows,
            leader: Some("bike-3".into()),
            group_bound_ms: Some(0.08),
            neighbours: vec![neighbour; 5],
            ..RideStatus::default()
        };
        let time = TimeStatus { error_bound_ms: Some(3.1), ..TimeStatus::default() };
        let mut status = Status { ride: Some(ride.clone()), time, ..Status::default() };
        let words = describe(&status);
        assert!(words.contains("\nride      follows bike-3: ±0.08 ms to 5 neighbours, ±3.1 ms to UTC\n"), "{words}");
        let refused = RefusedStatus { signature: 1000, ..RefusedStatus::default() };
        let parted = RideStatus { role: RideRole::Alone, neighbours: vec![], refused, ..ride };
        status.ride = Some(parted);
        let words = describe(&status);
        assert!(words.contains("±0.08 ms to the boxes that were met") && words.contains("1000 damaged or"), "{words}");
        status.ride = None;
        assert!(!describe(&status).contains("\nride"));
    }

    #[test]
    fn a_time_that_may_be_heard_to_be_wrong_says_so_in_words() {
        let words = |bound_ms| time(&TimeStatus { error_bound_ms: Some(bound_ms), ..TimeStatus::default() });
        assert!(words(1.5).contains("±1.500 ms"), "{}", words(1.5));
        assert!(words(500.0).contains("may be up to 0.5 s off"), "{}", words(500.0));
        assert!(words(25.0).contains("may be up to 25 ms off"), "{}", words(25.0));
        let never = TimeStatus {
            error_bound_ms: Some(2000.025),
            agreement_ms: Some(2000.025),
            rtc_chip: Some("DS3231".into()),
            rtc_may_be_ds3231m: true,
            rtc_temperature_celsius: Some(20.0),
            ..TimeStatus::default()
        };
        let never = time(&never);
        for part in [
            "may be up to 2.0 s off, the RTC's rate is not known",
            "DS3231 (not yet known whether SN or M) at 20.00 °C",
        ] {
            assert!(never.contains(part), "no {part:?} in {never}");
        }
        let refused = TimeStatus { rtc_chip: Some("PCF8523".into()), ..TimeStatus::default() };
        assert!(time(&refused).contains("PCF8523"), "{}", time(&refused));
    }

    #[test]
    fn a_status_of_nothing_but_defaults_is_described_too() {
        let words = describe(&Status::default());
        assert!(words.starts_with("plays     nothing; waiting for a start\n"), "{words}");
    }
}
