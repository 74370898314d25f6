//! The status, as the control socket and the terminal panel show it.

use jaudiosync_hw::buttons::Button;
use jaudiosync_hw::dac::HardwareLatency;
use jaudiosync_hw::gpio::{PinPurpose, PinTrouble};
use jaudiosync_time::{Instant, Raw, Span, Utc};

use super::{Conductor, TIME_STATUS};
use crate::appliance::{Phase, Session, Snapshot, Warning};
use crate::config::{BoardKind, TimeSource};
use crate::control::Status;
use crate::control::protocol::{
    BoardStatus, ButtonState, ButtonStates, DacStatus, NextSlot, PhaseStatus, PlayState, PlayStatus, PlaylistStatus,
    RideStatus, StateStatus, TimeState, TimeStatus, TrackStatus, UnusablePinStatus, VolumeStatus,
};
use crate::player::feeder::Hearing;
use crate::service::volume::VolumeReport;
use crate::timekeeping::status::{self, BOUND_SIGMAS, RtcReport, TimeState as Known};
use crate::timetable::{Place, Start};

/// Figures of the player that are older than this are no longer valid.
const STATS_AGE: Span = Span::from_seconds(3);

/// A device that takes no more sound has no phase: what was prepared is overdue by this. At the end
/// of a track it is by the output latency.
const OVERDUE: Span = Span::SECOND;

impl Conductor {
    pub(super) fn publish(&mut self, now_raw: Instant<Raw>) {
        if self.time_status.as_ref().is_none_or(|(_, at)| now_raw - *at >= TIME_STATUS) {
            self.time_status = Some((self.ports.time.status(), now_raw));
        }
        let now = self.now();
        let snapshot = self.appliance.snapshot(now);
        let time = self.time_status.as_ref().map(|(status, _)| status);
        let play = self.play_status(&snapshot, now.utc);
        let state = self.state_status();
        let ride = (self.ports.ride_status)();
        let status = Status {
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            phase: self
                .phase_status(now_raw)
                .filter(|_| matches!(play.state, PlayState::Playing | PlayState::SoundCheck)),
            play,
            time: time.map_or_else(TimeStatus::default, |time| self.time_status(time, now.utc)),
            volume: VolumeStatus {
                percent: snapshot.volume_percent,
                maximum_percent: snapshot.maximum_percent,
                mixer: self.volume.as_ref().and_then(VolumeReport::mixer).map(str::to_owned),
                db: self.volume_db(snapshot.volume_percent),
            },
            board: self.board_status(&snapshot),
            dac: self.dac_status(),
            playlist: self.playlist_status(&snapshot),
            sticks: self.stick_statuses(),
            warnings: self.all_warnings(&snapshot, time, &state, ride.as_ref()),
            ride,
            state,
        };
        self.status.write(status);
    }

    /// Returns where the state is saved, and what is wrong with that.
    pub(super) fn state_status(&self) -> StateStatus {
        StateStatus { folder_trouble: self.state_trouble.clone(), ..(self.ports.state_status)() }
    }

    fn dac_status(&self) -> DacStatus {
        let latency = self.format.map_or(HardwareLatency::UNKNOWN, |format| format.hardware_latency);
        DacStatus {
            name: (self.ports.dac_name)(),
            present: self.has_device,
            rate_hz: self.format.map_or(0, |format| format.rate_hz),
            hardware_latency_ms: latency.known_ms(),
            hardware_latency_complete: latency.is_complete,
            output_latency_ms: self.audio.output_latency.ms(),
        }
    }

    /// Returns how loud a percentage is, in dB to two decimals.
    pub(super) fn volume_db(&self, percent: u8) -> Option<f64> {
        let db = self.volume.as_ref()?.db(percent)?;
        Some((db * 100.0).round() / 100.0)
    }

    fn play_status(&self, snapshot: &Snapshot, now_utc: Instant<Utc>) -> PlayStatus {
        let timetable = self.playing.as_ref().map(|(_, timetable, _)| timetable);
        let place_at = |utc| timetable.map(|timetable| timetable.place_at(utc));
        let (state, track, next) = match snapshot.phase {
            Phase::Idle => (PlayState::Stopped, None, None),
            Phase::WaitingForPlaylist => (PlayState::WaitingForPlaylist, None, None),
            Phase::WaitingForTime => (PlayState::WaitingForTime, None, None),
            Phase::ShuttingDown => (PlayState::ShuttingDown, None, None),
            Phase::SoundCheck { .. } => (PlayState::SoundCheck, None, None),
            Phase::WaitingForSlot { utc_s } => {
                // A program that is joined under way is heard from the slot on, whenever it began.
                let next = match place_at(Instant::from_second(utc_s)) {
                    Some(Place::Playing { slot, .. }) => Some(Start { utc_s, ..slot }),
                    Some(Place::Before { next } | Place::Gap { next: Some(next) }) => Some(next),
                    _ => None,
                };
                (PlayState::WaitingForSlot, None, next)
            }
            Phase::Playing { .. } => match place_at(now_utc) {
                Some(Place::Playing { slot, offset }) => match self.play_state(slot) {
                    PlayState::Gap => (PlayState::Gap, None, Some(slot)),
                    state => (
                        state,
                        Some(self.track_status(slot.track, offset.seconds())),
                        timetable.and_then(|timetable| timetable.after(slot)),
                    ),
                },
                Some(Place::Before { next }) => (PlayState::Gap, None, Some(next)),
                Some(Place::Gap { next }) => (PlayState::Gap, None, next),
                Some(Place::Finished) | None => (PlayState::Gap, None, None),
            },
        };
        let session = snapshot.program.as_ref().map(|program| program.session);
        let position = snapshot.position.filter(|_| state == PlayState::Stopped);
        let commanded = self.commanded();
        PlayStatus {
            state,
            common: session == Some(Session::common(self.config.start.anchor.utc_s)),
            anchor_utc_s: session.map(|session| session.anchor_utc_s),
            first_track: session.map(|session| session.first_track),
            repeats: session.is_some_and(|session| session.repeats),
            commanded_utc_s: commanded.map(|commanded| commanded.at_s),
            commanded_to_stop: commanded.is_some_and(|commanded| commanded.is_stop),
            track,
            next: next.map(|slot| NextSlot { number: slot.track, title: self.title(slot.track), utc_s: slot.utc_s }),
            stopped_at: position.map(|position| self.track_status(position.track, position.offset.seconds())),
            box_number: Some(self.box_number().get()),
        }
    }

    /// Returns what is heard of a slot that is under way. The player reports that within its next
    /// steps; until then it is still the gap before, or something else that fades out.
    fn play_state(&self, slot: Start) -> PlayState {
        match self.hearing {
            _ if !self.has_device => PlayState::WaitingForDevice,
            Hearing::Music(here) if here == slot => PlayState::Playing,
            Hearing::Silence(here) if here == slot => PlayState::Silent,
            Hearing::Opening(here) if here == slot => PlayState::Opening,
            _ => PlayState::Gap,
        }
    }

    fn track_status(&self, number: usize, offset_s: f64) -> TrackStatus {
        let length_s = self.track(number).and_then(|track| track.length).map(|length| length.seconds());
        TrackStatus { number, title: self.title(number), offset_s, length_s }
    }

    fn phase_status(&self, now_raw: Instant<Raw>) -> Option<PhaseStatus> {
        let (stats, at) = self.stats?;
        stats.playing.filter(|_| now_raw - at < STATS_AGE && stats.buffered > -OVERDUE)?;
        Some(PhaseStatus {
            error_ms: stats.phase_error_ns * 1e-6,
            // JSON has no infinity; nothing plays before this is known.
            bound_ms: (BOUND_SIGMAS * stats.phase_sigma_ns * 1e-6).min(1e6),
            speed_ppm: stats.speed_ppb * 1e-3,
            drop_outs: stats.xruns,
        })
    }

    fn time_status(&self, time: &status::TimeStatus, now_utc: Instant<Utc>) -> TimeStatus {
        let is_system = self.begun_with.time.source == TimeSource::System;
        let state = match time.state {
            Known::Unset if time.rtc.is_some() => TimeState::Untrusted,
            Known::Unset => TimeState::Unset,
            _ if is_system => TimeState::System,
            Known::Holdover => TimeState::Holdover,
            Known::Referenced => TimeState::Referenced,
        };
        let source = match &time.reference {
            Some(reference) => format!("{}, calibrated by {reference}", time.flywheel),
            None => time.flywheel.to_string(),
        };
        TimeStatus {
            state,
            source,
            utc_ns: now_utc.ns(),
            error_bound_ms: time.bound_ms,
            agreement_ms: time.agreement_ms,
            since_reference_s: time.reference_age_s.map(|age_s| age_s as i64),
            rtc_rate_ppb: time.rtc.as_ref().and_then(RtcReport::known_rate_ppb),
            rtc_chip: time.rtc_chip.clone(),
            rtc_may_be_ds3231m: time.rtc_may_be_ds3231m,
            rtc_temperature_celsius: time.rtc.as_ref().and_then(|rtc| rtc.temperature_c),
        }
    }

    fn board_status(&self, snapshot: &Snapshot) -> BoardStatus {
        let kind = match self.begun_with.board.kind {
            BoardKind::Pi => "pi",
            BoardKind::Simulated => "simulated",
            BoardKind::None => "none",
        };
        let has_buttons = self.begun_with.board.kind != BoardKind::None;
        let levels = self.board.levels.filter(|_| has_buttons);
        let is_unusable = |purpose| self.board.unusable.iter().any(|pin| pin.purpose == purpose);
        let buttons = levels.map(|levels| {
            let state = |button| match levels.is_pressed(button) {
                _ if is_unusable(PinPurpose::Button(button)) => ButtonState::Unusable,
                _ if snapshot.ignored_buttons.contains(&button) => ButtonState::Stuck,
                true => ButtonState::Pressed,
                false => ButtonState::Released,
            };
            ButtonStates {
                volume_up: state(Button::VolumeUp),
                volume_down: state(Button::VolumeDown),
                start: state(Button::Start),
                stop: state(Button::Stop),
            }
        });
        let jumper = snapshot.jumper_fitted.filter(|_| has_buttons && !is_unusable(PinPurpose::Jumper));
        let unusable_pins = self.board.unusable.iter().map(|pin| UnusablePinStatus {
            gpio: pin.gpio,
            key: pin.purpose.key().to_owned(),
            user: match &pin.trouble {
                PinTrouble::Taken(user) => Some(user.name.clone()),
                PinTrouble::Failed(_) => None,
            },
            message: pin.to_string(),
        });
        BoardStatus {
            kind: kind.to_owned(),
            buttons,
            jumper,
            led: self.board.lit,
            backend: self.board.backend().map(|backend| backend.name().to_owned()),
            unusable_pins: unusable_pins.collect(),
        }
    }

    fn playlist_status(&self, snapshot: &Snapshot) -> Option<PlaylistStatus> {
        let playlist = self.playlist.as_ref()?;
        Some(PlaylistStatus {
            name: playlist.name.clone(),
            fingerprint: playlist.info.fingerprint.clone(),
            tracks: playlist.tracks.len(),
            silent_tracks: playlist.silent_tracks,
            runtime_s: playlist.runtime_s(),
            changed: snapshot.warnings.contains(&crate::appliance::Warning::PlaylistChanged),
            folder: playlist.from.folder.display().to_string(),
            passed_over: playlist.from.passed_over.clone(),
        })
    }

    /// Returns the warnings: first what keeps the music from playing, then what makes it inexact,
    /// then the rest.
    fn all_warnings(
        &self,
        snapshot: &Snapshot,
        time: Option<&status::TimeStatus>,
        state_status: &StateStatus,
        ride: Option<&RideStatus>,
    ) -> Vec<String> {
        let machine = snapshot.warnings.iter().map(ToString::to_string);
        // While the card is away, so is its mixer.
        let volume =
            self.volume.as_ref().filter(|volume| self.has_device || !matches!(volume, VolumeReport::Trouble(_)));
        let volume = volume.and_then(VolumeReport::trouble).map(str::to_owned);
        // While it plays without the time, the machine's own warning says what to do about that.
        let not_in_sync = snapshot.warnings.contains(&Warning::NotInSync);
        let time = time.map_or(&[][..], |time| &time.warnings).iter().cloned();
        let time = time.filter(|warning| !not_in_sync || warning != status::NO_TRUSTWORTHY_TIME);
        let silent = self.playlist.as_ref().map_or(0, |playlist| playlist.silent_tracks);
        let silent = (silent > 0)
            .then(|| format!("{silent} tracks are missing or broken, and stay silent; see: jaudiosync list"));
        let playlist = self.playlist.as_ref().map_or(&[][..], |playlist| &playlist.from.warnings).iter().cloned();
        let state = state_status.trouble();
        let pins = self.board.unusable.iter().map(ToString::to_string);
        machine
            .chain(pins)
            .chain(volume)
            .chain(time)
            .chain(ride.map_or(&[][..], |ride| &ride.warnings).iter().cloned())
            .chain(silent)
            .chain(state)
            .chain(state_status.warning())
            .chain(playlist)
            .chain(self.stick_warnings())
            .chain(self.config_problems.iter().cloned())
            .collect()
    }
}
