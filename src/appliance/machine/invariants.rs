//! What always holds, under random inputs in virtual time. The numbers are those of the list in
//! `appliance/mod.rs`.

use crate::appliance::{PlaylistInfo, StartKind};
use jaudiosync_hw::buttons::{Button, Levels};
use jaudiosync_time::{Instant, Raw, Span};
use proptest::prelude::*;

use super::super::contacts::Contacts;
use super::super::input::VolumeChange;
use super::super::state::{Phase, Program};
use super::tests::playlist;
use super::*;
use crate::timetable::{Place, Timetable};

/// What happens to the box next.
#[derive(Debug, Clone)]
enum Fate {
    Wait { ms: i64 },
    Press(Button, bool),
    Jumper(bool),
    Unreadable,
    Command(Command),
    Player(PlayerEvent),
    Playlist(PlaylistEvent),
    Time { trusted: bool, moves_s: i64 },
    ShutDownFails,
    Restored(SavedState),
    Settings(Settings),
}

fn session() -> impl Strategy<Value = Session> {
    let anchor = prop_oneof![Just(0), 1_799_990_000_i64..1_800_010_000, any::<i64>()];
    (anchor, 0_usize..6, any::<bool>()).prop_map(|(anchor_utc_s, first_track, repeats)| Session {
        anchor_utc_s,
        first_track,
        repeats,
    })
}

fn saved() -> impl Strategy<Value = SavedState> {
    let position =
        (0_usize..9, 0_i64..1_000_000_000).prop_map(|(track, ns)| SavedPosition { track, offset: Span::from_ns(ns) });
    (prop::option::of(session()), prop::option::of(position), prop::option::of(any::<u8>()))
        .prop_map(|(session, position, volume_percent)| SavedState { session, position, volume_percent })
}

fn command() -> impl Strategy<Value = Command> {
    let track = prop_oneof![(0_usize..5).prop_map(FirstTrack::Number), Just(FirstTrack::Resume)];
    let at = prop_oneof![1_799_999_000_i64..1_800_003_000, any::<i64>()];
    prop_oneof![
        (prop::option::of(at), prop::option::of(track), any::<bool>())
            .prop_map(|(at_utc_s, first_track, fresh)| Command::Start { at_utc_s, first_track, fresh }),
        Just(Command::Stop),
        Just(Command::Resume),
        any::<u8>().prop_map(|percent| Command::Volume(VolumeChange::To(percent))),
        any::<i8>().prop_map(|percent| Command::Volume(VolumeChange::By(percent))),
        Just(Command::Reload),
        (0_u8..4).prop_map(|minutes| Command::SoundCheck { minutes }),
        prop::option::of(session()).prop_map(|session| Command::Join { session }),
        (0_u8..=100, 0_u8..=100).prop_map(|(from_percent, to_percent)| {
            Command::Volume(VolumeChange::Scale { from_percent, to_percent })
        }),
        Just(Command::Identify),
    ]
}

fn playlist_change() -> impl Strategy<Value = PlaylistChange> {
    let name = || "Stick".to_owned();
    prop_oneof![
        Just(PlaylistChange::Files),
        Just(PlaylistChange::StickIn { name: name(), tracks: 3 }),
        Just(PlaylistChange::StickOut { name: name() }),
    ]
}

fn playlist_event() -> impl Strategy<Value = PlaylistEvent> {
    prop_oneof![
        4 => prop::collection::vec(0_u64..100, 0..5).prop_map(|seconds| PlaylistEvent::Loaded(playlist(&seconds))),
        1 => Just(PlaylistEvent::Failed("gone".to_owned())),
        1 => playlist_change().prop_map(PlaylistEvent::Changed),
        1 => Just(PlaylistEvent::Unchanged),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    let button = || prop::sample::select(Button::ALL.to_vec());
    let player = prop_oneof![
        Just(PlayerEvent::DeviceLost("unplugged".to_owned())),
        Just(PlayerEvent::DeviceAwaited("a better one may appear".to_owned())),
        Just(PlayerEvent::DeviceBack),
        Just(PlayerEvent::Delivery(Delivery::Opening)),
        Just(PlayerEvent::Delivery(Delivery::Silence)),
        Just(PlayerEvent::Delivery(Delivery::AsPlanned)),
    ];
    let moves = prop_oneof![4 => Just(0_i64), 1 => -100_000_i64..100_000];
    prop_oneof![
        6 => (1_i64..8_000).prop_map(|ms| Fate::Wait { ms }),
        2 => (8_000_i64..120_000).prop_map(|ms| Fate::Wait { ms }),
        12 => (button(), any::<bool>()).prop_map(|(button, pressed)| Fate::Press(button, pressed)),
        1 => any::<bool>().prop_map(Fate::Jumper),
        1 => Just(Fate::Unreadable),
        4 => command().prop_map(Fate::Command),
        2 => player.prop_map(Fate::Player),
        4 => playlist_event().prop_map(Fate::Playlist),
        2 => (any::<bool>(), moves).prop_map(|(trusted, moves_s)| Fate::Time { trusted, moves_s }),
        2 => Just(Fate::ShutDownFails),
        1 => saved().prop_map(Fate::Restored),
        1 => settings().prop_map(Fate::Settings),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let behaviour = || prop::sample::select(vec![StartKind::Common, StartKind::Fresh]);
    let anchor = prop_oneof![3 => Just(0_i64), 1 => 0_i64..2_000_000_000];
    (any::<(u8, u8, u8, bool, bool)>(), behaviour(), behaviour(), 0_u32..90, anchor).prop_map(
        |(
            (startup_percent, maximum_percent, step_percent, rejoin_session, repeats),
            start_button,
            jumper,
            wait_s,
            common_anchor_utc_s,
        )| {
            Settings {
                common_anchor_utc_s,
                startup_percent,
                maximum_percent,
                step_percent,
                rejoin_session,
                repeats,
                start_button,
                jumper,
                untrusted_wait_s: wait_s,
                ..Settings::default()
            }
        },
    )
}

/// The world around the machine: carries out its actions and checks them.
struct Watched {
    appliance: Appliance,
    contacts: Contacts,
    levels: Levels,
    ignored: ByButton<bool>,
    now: Moment,
    settings: Settings,
    power_on: Instant<Raw>,
    running: Option<(Program, Timetable)>,
    checking: bool,
    on_disk: Option<Session>,
    restored: bool,
    loaded: Option<Arc<PlaylistInfo>>,
    shutting_down: bool,
    volume_saved_at: Option<Instant<Raw>>,
    named_utc_s: Vec<i64>,
}

impl Watched {
    fn new(settings: Settings, saved: &SavedState) -> Self {
        let now = Moment {
            raw: Instant::from_second(7),
            utc: Instant::from_second(1_800_000_003),
            is_trusted: true,
            is_in_sync: true,
        };
        Self {
            appliance: Appliance::new(settings.clone(), now),
            contacts: Contacts::new(),
            levels: Levels::default(),
            ignored: ByButton::default(),
            now,
            settings,
            power_on: now.raw,
            running: None,
            checking: false,
            on_disk: saved.session,
            restored: false,
            loaded: None,
            shutting_down: false,
            volume_saved_at: None,
            named_utc_s: vec![],
        }
    }

    fn suffer(&mut self, fate: Fate) -> Result<(), TestCaseError> {
        match fate {
            Fate::Wait { ms } => {
                // Long waits are polled less often, to be quick: a button is still seen to be held.
                let step_ms = if ms < 8_000 { 10 } else { 50 };
                for _ in 0..ms / step_ms {
                    self.now.raw += Span::from_ms(step_ms);
                    self.now.utc += Span::from_ms(step_ms);
                    let events = self.contacts.poll(self.levels, self.now.raw);
                    self.contact_events(events)?;
                    self.send(Input::Tick)?;
                }
                Ok(())
            }
            Fate::Press(button, pressed) => {
                self.levels = self.levels.with(button, pressed);
                Ok(())
            }
            Fate::Jumper(fitted) => {
                self.levels.jumper_fitted = fitted;
                Ok(())
            }
            Fate::Unreadable => {
                let events = self.contacts.unreadable("broken");
                self.ignored = ByButton::default();
                self.contact_events(events)
            }
            Fate::Command(command) => self.send(Input::Command(command)),
            Fate::Player(event) => self.send(Input::Player(event)),
            Fate::Playlist(event) => {
                if let PlaylistEvent::Loaded(info) = &event {
                    self.loaded = Some(info.clone()).filter(|info| !info.lengths.is_empty()).or(self.loaded.take());
                }
                self.send(Input::Playlist(event))
            }
            Fate::Time { trusted, moves_s } => {
                // A trusted time does not jump; one that becomes trusted, or never was, may.
                if !self.now.is_trusted {
                    self.now.utc += Span::from_seconds(moves_s);
                }
                self.now.is_trusted = trusted;
                self.now.is_in_sync = trusted;
                self.send(Input::Tick)
            }
            Fate::ShutDownFails if self.shutting_down => {
                self.shutting_down = false;
                self.send(Input::ShutDownFailed("not allowed".to_owned()))
            }
            Fate::Restored(saved) if !self.restored => {
                self.restored = true;
                // What is on the disk by now is what is read.
                let session = self.on_disk;
                self.send(Input::Restored(SavedState { session, ..saved }))
            }
            Fate::Settings(settings) => {
                self.settings = settings.clone();
                self.send(Input::Settings(settings))
            }
            Fate::ShutDownFails | Fate::Restored(_) => Ok(()),
        }
    }

    fn contact_events(&mut self, events: Vec<ContactEvent>) -> Result<(), TestCaseError> {
        for event in events {
            match &event {
                ContactEvent::Ignored(button, _) => self.ignored[*button] = true,
                ContactEvent::Released(button) => self.ignored[*button] = false,
                ContactEvent::Gesture(gesture) => {
                    let buttons: &[Button] = match gesture {
                        Gesture::VolumeUp => &[Button::VolumeUp],
                        Gesture::VolumeDown => &[Button::VolumeDown],
                        Gesture::Start | Gesture::StartHeld => &[Button::Start],
                        Gesture::Stop | Gesture::StopHeld => &[Button::Stop],
                        Gesture::BothHeld => &[Button::Start, Button::Stop],
                    };
                    prop_assert!(buttons.iter().all(|button| !self.ignored[*button]), "7: {:?}", gesture);
                }
                _ => {}
            }
            self.send(Input::Contacts(event))?;
        }
        Ok(())
    }

    fn send(&mut self, input: Input) -> Result<(), TestCaseError> {
        if let Input::Command(Command::Start { at_utc_s: Some(utc_s), .. }) = input {
            self.named_utc_s.push(utc_s);
        }
        let stops = matches!(
            input,
            Input::Command(Command::Stop) | Input::Contacts(ContactEvent::Gesture(Gesture::Stop | Gesture::StopHeld))
        );
        for action in self.appliance.handle(input, self.now) {
            self.act(action)?;
        }
        let snapshot = self.appliance.snapshot(self.now);
        prop_assert!(snapshot.volume_percent <= self.settings.maximum_percent.min(100), "1");
        prop_assert_eq!(snapshot.program.as_ref(), self.running.as_ref().map(|(program, _)| program), "2");
        if stops {
            prop_assert!(self.running.is_none() && !self.checking, "3");
            prop_assert!(matches!(snapshot.phase, Phase::Idle | Phase::ShuttingDown), "3: {:?}", snapshot.phase);
        }
        match (&self.running, snapshot.phase) {
            (Some((program, _)), _) if program.in_sync => prop_assert_eq!(self.on_disk, Some(program.session), "6"),
            (None, Phase::Idle) if self.restored && snapshot.jumper_fitted.is_some() => {
                prop_assert_eq!(self.on_disk, None, "6");
            }
            _ => {}
        }
        if let Some((_, timetable)) = &self.running {
            // A program may be over only while its successor waits for a new playlist or the time.
            let over = timetable.place_at(self.now.utc) == Place::Finished;
            prop_assert!(!over || self.appliance.due || self.checking, "4: what is over ends");
        }
        let in_sync = self.running.as_ref().is_none_or(|(program, _)| program.in_sync);
        prop_assert!(in_sync || !self.now.is_trusted || self.appliance.due, "11");
        prop_assert_eq!(self.shutting_down, snapshot.phase == Phase::ShuttingDown, "8");
        Ok(())
    }

    fn act(&mut self, action: Action) -> Result<(), TestCaseError> {
        match action {
            Action::Play { program, timetable, playlist } => {
                prop_assert!(!self.shutting_down, "8");
                prop_assert!(!self.checking, "2: a sound check is heard");
                prop_assert_eq!(Some(&playlist), self.loaded.as_ref(), "4: another playlist");
                prop_assert!(timetable.place_at(self.now.utc) != Place::Finished, "4: over already");
                let made = self.loaded.as_ref().map(|loaded| program.session.timetable(loaded));
                prop_assert_eq!(made, Some(Ok(timetable.clone())), "4: another playlist's");
                let now_utc_s = self.now.utc.second();
                let heard_s = program.heard_from_utc_s;
                let on_grid = [5, 20, 35, 50].contains(&heard_s.rem_euclid(60)) && heard_s > now_utc_s;
                let named = self.named_utc_s.contains(&heard_s);
                // A program that is commanded again keeps its slot, or moves with a time that has
                // become trusted.
                let before = self.running.as_ref().map(|(before, _)| before);
                let anew = before.is_some_and(|before| before.heard_from_utc_s == heard_s || !before.in_sync);
                let joins = heard_s == now_utc_s;
                prop_assert!(on_grid || named || anew || joins, "5: {:?} at {}", program, now_utc_s);
                let waited_s = (self.now.raw - self.power_on).whole_seconds();
                prop_assert!(self.now.is_trusted || waited_s >= i64::from(self.settings.untrusted_wait_s), "10");
                prop_assert!(!self.now.is_trusted || program.in_sync);
                self.running = Some((program, timetable));
            }
            Action::StopWithFade => {
                prop_assert!(!self.checking, "2: a sound check is heard");
                prop_assert!(self.running.take().is_some(), "2: nothing to stop");
            }
            Action::SoundCheck(times) => {
                prop_assert!(!self.shutting_down, "8");
                prop_assert!(self.now.is_trusted && times.from_utc_s < times.until_utc_s);
                self.checking = true;
            }
            Action::EndSoundCheck => prop_assert!(std::mem::take(&mut self.checking), "2: no sound check to end"),
            Action::SaveSession(session) => self.on_disk = Some(session),
            Action::ForgetSession => prop_assert!(self.on_disk.take().is_some(), "6: a needless write"),
            Action::SetVolume(percent) => prop_assert!(percent <= self.settings.maximum_percent.min(100), "1"),
            Action::SaveVolume(_) => {
                let last = self.volume_saved_at.replace(self.now.raw);
                let since = last.map_or(Span::MAX, |last| self.now.raw - last);
                let shuts_down = self.levels.is_pressed(Button::Stop);
                prop_assert!(since >= Span::from_seconds(5) || shuts_down, "9: {:?}", since);
            }
            Action::ShutDown => {
                prop_assert!(self.running.is_none() && !self.checking, "8");
                self.shutting_down = true;
            }
            Action::SavePosition(position) => prop_assert!(!position.offset.is_negative()),
            _ => {}
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_always_holds(
        settings in settings(),
        saved in saved(),
        jumper: bool,
        boots_in_order in prop::bool::weighted(0.8),
        fates in prop::collection::vec(fate(), 1..150),
    ) {
        let mut watched = Watched::new(settings, &saved);
        watched.levels.jumper_fitted = jumper;
        if boots_in_order {
            watched.suffer(Fate::Restored(saved))?;
            watched.suffer(Fate::Playlist(PlaylistEvent::Loaded(playlist(&[10, 20, 30]))))?;
        }
        for fate in fates {
            watched.suffer(fate)?;
        }
        // Whatever came before, Stop stops and, once the buttons are released and read, Start
        // starts again.
        watched.suffer(Fate::ShutDownFails)?;
        watched.suffer(Fate::Command(Command::Stop))?;
        watched.suffer(Fate::Time { trusted: true, moves_s: 0 })?;
        watched.levels = Levels { jumper_fitted: watched.levels.jumper_fitted, ..Levels::default() };
        watched.suffer(Fate::Wait { ms: 1000 })?;
        watched.suffer(Fate::ShutDownFails)?;
        watched.suffer(Fate::Command(Command::Stop))?;
        watched.suffer(Fate::Press(Button::Start, true))?;
        watched.suffer(Fate::Wait { ms: 300 })?;
        watched.suffer(Fate::Press(Button::Start, false))?;
        watched.suffer(Fate::Wait { ms: 300 })?;
        watched.suffer(Fate::Playlist(PlaylistEvent::Loaded(playlist(&[10, 20]))))?;
        prop_assert!(watched.running.is_some(), "no stuck state");
    }
}
