//! What a rider does, and what comes of it.

use super::super::input::VolumeChange;
use super::super::state::{Phase, PlaylistInfo, Program};
use super::*;
use crate::appliance::StartKind;
use crate::sound_check::Times;
use crate::timetable::Length;
use jaudiosync_time::{Instant, Span};

/// A second of UTC that is not on the grid: 10:00:10, so that the next slot is 10:00:20.
const TEN_O_CLOCK_S: i64 = 1_800_007_210;
const NEXT_SLOT_S: i64 = TEN_O_CLOCK_S + 10;

pub(super) fn playlist(seconds: &[u64]) -> Arc<PlaylistInfo> {
    named_playlist("Ride", seconds)
}

fn named_playlist(name: &str, seconds: &[u64]) -> Arc<PlaylistInfo> {
    let length = |s: &u64| Some(Length { frames: s * 8000, rate_hz: 8000 });
    Arc::new(PlaylistInfo {
        name: name.to_owned(),
        lengths: seconds.iter().map(length).collect(),
        fingerprint: format!("{seconds:?}"),
    })
}

/// A box that was just switched on, in virtual time.
struct Ride {
    appliance: Appliance,
    now: Moment,
}

impl Ride {
    fn new(settings: Settings) -> Self {
        let now = Moment {
            raw: Instant::from_second(5),
            utc: Instant::from_second(TEN_O_CLOCK_S),
            is_trusted: true,
            is_in_sync: true,
        };
        Self { appliance: Appliance::new(settings, now), now }
    }

    /// Boots with this saved state and jumper, the playlist of 10, 20 and 30 s read.
    fn boot(settings: Settings, saved: SavedState, jumper: bool) -> (Self, Vec<Action>) {
        let mut ride = Self::new(settings);
        let mut actions = ride.send(Input::Restored(saved));
        actions.extend(ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[10, 20, 30])))));
        actions.extend(ride.send(Input::Contacts(ContactEvent::JumperAtPowerOn(jumper))));
        (ride, actions)
    }

    fn idle() -> Self {
        Self::boot(Settings::default(), SavedState::default(), false).0
    }

    fn send(&mut self, input: Input) -> Vec<Action> {
        self.appliance.handle(input, self.now)
    }

    fn gesture(&mut self, gesture: Gesture) -> Vec<Action> {
        self.send(Input::Contacts(ContactEvent::Gesture(gesture)))
    }

    fn command(&mut self, command: Command) -> Vec<Action> {
        self.send(Input::Command(command))
    }

    /// Lets time pass, with a tick every 100 ms.
    fn wait(&mut self, seconds: i64) -> Vec<Action> {
        let mut actions = Vec::new();
        for _ in 0..seconds * 10 {
            self.now.raw += Span::from_ms(100);
            self.now.utc += Span::from_ms(100);
            actions.extend(self.send(Input::Tick));
        }
        actions
    }

    fn trust(&mut self, trusted: bool, utc_moves_s: i64) -> Vec<Action> {
        self.now.is_trusted = trusted;
        self.now.is_in_sync = trusted;
        self.now.utc += Span::from_seconds(utc_moves_s);
        self.send(Input::Tick)
    }

    fn phase(&self) -> Phase {
        self.appliance.snapshot(self.now).phase
    }
}

fn played(actions: &[Action]) -> Vec<&Program> {
    actions
        .iter()
        .filter_map(|action| if let Action::Play { program, .. } = action { Some(program) } else { None })
        .collect()
}

fn common(heard_from_utc_s: i64) -> Program {
    Program { session: Session::common(0), heard_from_utc_s, in_sync: true }
}

fn fresh(utc_s: i64, first_track: usize) -> Program {
    let session = Session { anchor_utc_s: utc_s, first_track, repeats: true };
    Program { session, heard_from_utc_s: utc_s, in_sync: true }
}

const START: Command = Command::Start { at_utc_s: None, first_track: None, fresh: false };

#[test]
fn start_joins_the_common_timetable_at_the_next_slot() {
    let mut ride = Ride::idle();
    assert_eq!(ride.phase(), Phase::Idle);
    let actions = ride.gesture(Gesture::Start);
    assert_eq!(played(&actions), [&common(NEXT_SLOT_S)]);
    assert!(actions.contains(&Action::SaveSession(Session::common(0))));
    assert!(actions.contains(&Action::Led(LedPattern::Waiting)) && actions.contains(&Action::Tone(Tone::Accepted)));
    assert_eq!(ride.phase(), Phase::WaitingForSlot { utc_s: NEXT_SLOT_S });
    assert!(ride.wait(11).contains(&Action::Led(LedPattern::InSync)));
    assert_eq!(ride.phase(), Phase::Playing { in_sync: true });
}

#[test]
fn pressing_start_again_loses_no_slot_and_interrupts_nothing() {
    let mut ride = Ride::idle();
    ride.gesture(Gesture::Start);
    ride.wait(7);
    assert_eq!(ride.gesture(Gesture::Start), [Action::Flash(Flash::Accepted), Action::Tone(Tone::Accepted)]);
    ride.wait(60);
    assert_eq!(ride.gesture(Gesture::Start), [Action::Flash(Flash::Accepted)], "and no tone in the music");
    assert!(ride.command(START).is_empty());
}

#[test]
fn start_held_begins_from_the_first_track_in_place_of_what_plays() {
    let mut ride = Ride::idle();
    ride.gesture(Gesture::Start);
    ride.wait(30);
    let actions = ride.gesture(Gesture::StartHeld);
    assert_eq!(actions[0], Action::StopWithFade);
    assert_eq!(played(&actions), [&fresh(NEXT_SLOT_S + 30, 0)], "it is 10:00:40");
}

#[test]
fn stop_fades_out_and_saves_the_position_and_resume_continues_the_track() {
    let mut ride = Ride::idle();
    ride.gesture(Gesture::StartHeld);
    ride.wait(10 + 11 + 4);
    let position = SavedPosition { track: 1, offset: Span::from_seconds(4) };
    let actions = ride.gesture(Gesture::Stop);
    let expected = [
        Action::StopWithFade,
        Action::SavePosition(position),
        Action::ForgetSession,
        Action::Flash(Flash::Accepted),
        Action::Led(LedPattern::Idle),
    ];
    assert_eq!(actions, expected);
    assert_eq!(ride.phase(), Phase::Idle);
    let actions = ride.command(Command::Resume);
    assert_eq!(played(&actions), [&fresh(NEXT_SLOT_S + 30, 1)]);
}

#[test]
fn stop_before_the_slot_saves_no_position_and_starts_nothing() {
    let mut ride = Ride::idle();
    ride.gesture(Gesture::Start);
    let actions = ride.gesture(Gesture::Stop);
    assert!(actions.contains(&Action::StopWithFade) && actions.contains(&Action::ForgetSession));
    assert!(!actions.iter().any(|action| matches!(action, Action::SavePosition(_))));
    assert!(played(&ride.wait(60)).is_empty());
    assert_eq!(ride.command(Command::Resume), [Action::Refuse(Refusal::NoPosition)]);
}

#[test]
fn stop_held_shuts_down_and_then_nothing_begins() {
    let mut ride = Ride::idle();
    ride.gesture(Gesture::Start);
    ride.gesture(Gesture::VolumeUp);
    ride.gesture(Gesture::Stop);
    let actions = ride.gesture(Gesture::StopHeld);
    assert_eq!(actions[..3], [Action::SaveVolume(55), Action::Tone(Tone::ShuttingDown), Action::ShutDown]);
    assert!(ride.gesture(Gesture::Start).is_empty());
    assert_eq!(ride.command(START), [Action::Refuse(Refusal::ShuttingDown)]);
    assert!(played(&ride.wait(30)).is_empty());
    let actions = ride.send(Input::ShutDownFailed("not allowed".to_owned()));
    assert_eq!(actions[0], Action::Warn(Warning::ShutDownFailed("not allowed".to_owned())));
    assert_eq!(played(&ride.gesture(Gesture::Start)).len(), 1, "it continues to work");
}

#[test]
fn the_jumper_makes_it_play_by_itself() {
    let (ride, actions) = Ride::boot(Settings::default(), SavedState::default(), true);
    assert_eq!(played(&actions), [&common(NEXT_SLOT_S)]);
    let mut ride = ride;
    assert!(ride.send(Input::Contacts(ContactEvent::JumperChanged(false))).is_empty(), "removing it stops nothing");
    let settings = Settings { jumper: StartKind::Fresh, ..Settings::default() };
    assert_eq!(played(&Ride::boot(settings, SavedState::default(), true).1), [&fresh(NEXT_SLOT_S, 0)]);
}

#[test]
fn without_the_jumper_it_waits_for_start_even_if_one_is_fitted_later() {
    let (mut ride, actions) = Ride::boot(Settings::default(), SavedState::default(), false);
    assert!(played(&actions).is_empty());
    assert!(actions.contains(&Action::Tone(Tone::Ready)) && actions.contains(&Action::Led(LedPattern::Idle)));
    ride.send(Input::Contacts(ContactEvent::JumperChanged(true)));
    assert!(played(&ride.wait(60)).is_empty());
}

#[test]
fn a_session_that_still_runs_is_rejoined_at_once_with_and_without_the_jumper() {
    let session = Session { anchor_utc_s: TEN_O_CLOCK_S - 15, first_track: 0, repeats: false };
    let saved = || SavedState { session: Some(session), ..SavedState::default() };
    for jumper in [false, true] {
        let (ride, actions) = Ride::boot(Settings::default(), saved(), jumper);
        assert_eq!(played(&actions), [&Program { session, heard_from_utc_s: TEN_O_CLOCK_S, in_sync: true }]);
        assert!(!actions.iter().any(|action| matches!(action, Action::SaveSession(_))), "it is on disk already");
        assert_eq!(ride.phase(), Phase::Playing { in_sync: true });
    }
    let settings = Settings { rejoin_session: false, ..Settings::default() };
    let (_, actions) = Ride::boot(settings, saved(), false);
    assert!(played(&actions).is_empty() && actions.contains(&Action::ForgetSession));
}

#[test]
fn another_playlist_in_mid_session_is_what_a_power_cut_comes_back_to_and_has_no_old_position() {
    let (mut ride, _) = Ride::boot(Settings::default(), SavedState::default(), true);
    let session = Session::common(0);
    let again = ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[10, 20, 30]))));
    assert!(!again.contains(&Action::SaveSession(session)), "it is the same");
    let other = named_playlist("Other", &[40, 50]);
    let actions = ride.send(Input::Playlist(PlaylistEvent::Loaded(other)));
    assert!(played(&actions).len() == 1 && actions.contains(&Action::SaveSession(session)), "{actions:?}");

    let mut ride = Ride::idle();
    ride.gesture(Gesture::Start);
    ride.wait(30);
    ride.gesture(Gesture::Stop);
    assert!(ride.appliance.snapshot(ride.now).position.is_some());
    let other = named_playlist("Other", &[40, 50]);
    ride.send(Input::Playlist(PlaylistEvent::Loaded(other)));
    assert_eq!(ride.appliance.snapshot(ride.now).position, None);
}

#[test]
fn a_volume_that_is_not_saved_yet_can_be_saved_at_the_end() {
    let mut ride = Ride::idle();
    assert_eq!(ride.appliance.unsaved_volume_percent(), None);
    ride.command(Command::Volume(VolumeChange::To(30)));
    assert_eq!(ride.appliance.unsaved_volume_percent(), Some(30));
    ride.wait(10);
    assert_eq!(ride.appliance.unsaved_volume_percent(), None);
}

#[test]
fn a_session_that_is_over_is_forgotten_and_the_jumper_decides() {
    let session = Session { anchor_utc_s: TEN_O_CLOCK_S - 3600, first_track: 0, repeats: false };
    let saved = || SavedState { session: Some(session), ..SavedState::default() };
    let (ride, actions) = Ride::boot(Settings::default(), saved(), false);
    assert!(played(&actions).is_empty() && actions.contains(&Action::ForgetSession));
    assert_eq!(ride.phase(), Phase::Idle);
    let (_, actions) = Ride::boot(Settings::default(), saved(), true);
    assert_eq!(played(&actions), [&common(NEXT_SLOT_S)]);
}

#[test]
fn without_trusted_time_it_waits_then_plays_and_says_that_it_is_not_in_sync() {
    let mut ride = Ride::new(Settings::default());
    ride.trust(false, 0);
    ride.send(Input::Restored(SavedState::default()));
    ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[10, 20]))));
    ride.send(Input::Contacts(ContactEvent::JumperAtPowerOn(true)));
    assert!(played(&ride.wait(59)).is_empty());
    assert_eq!(ride.phase(), Phase::WaitingForTime);
    let actions = ride.wait(1);
    assert!(!played(&actions)[0].in_sync && actions.contains(&Action::Warn(Warning::NotInSync)));
    assert!(!actions.iter().any(|action| matches!(action, Action::SaveSession(_))));
    assert!(ride.wait(20).contains(&Action::Led(LedPattern::NotInSync)));
    assert_eq!(ride.appliance.snapshot(ride.now).warnings, [Warning::NotInSync]);
    // The time turns out to be 3 hours later.
    let actions = ride.trust(true, 3 * 3600);
    assert_eq!(played(&actions), [&common(ride.now.utc.second())], "it jumps to where the others are");
    assert!(actions.contains(&Action::Led(LedPattern::InSync)));
    assert!(actions.contains(&Action::SaveSession(Session::common(0))));
}

#[test]
fn a_fresh_start_without_trusted_time_goes_on_where_it_is_when_the_time_comes() {
    let mut ride = Ride::idle();
    ride.trust(false, 0);
    ride.wait(60);
    let began_s = played(&ride.gesture(Gesture::StartHeld))[0].session.anchor_utc_s;
    ride.wait(30);
    let actions = ride.trust(true, 7200);
    assert_eq!(played(&actions), [&fresh(began_s + 7200, 0)]);
    assert!(!actions.contains(&Action::StopWithFade));
}

#[test]
fn a_session_waits_on_disk_for_the_time_to_be_trusted() {
    let session = Session { anchor_utc_s: TEN_O_CLOCK_S + 7200 - 10, first_track: 0, repeats: false };
    let mut ride = Ride::new(Settings::default());
    ride.trust(false, 0);
    ride.send(Input::Restored(SavedState { session: Some(session), ..SavedState::default() }));
    ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[100, 200]))));
    ride.send(Input::Contacts(ContactEvent::JumperAtPowerOn(false)));
    let actions = ride.wait(61);
    assert_eq!(played(&actions)[0].session, Session::common(0), "something plays meanwhile");
    assert!(!actions.contains(&Action::ForgetSession));
    assert_eq!(played(&ride.trust(true, 7200))[0].session, session);
}

#[test]
fn a_time_that_is_believed_and_not_exact_is_played_by_and_never_called_in_sync() {
    let mut ride = Ride::new(Settings::default());
    ride.now.is_in_sync = false;
    ride.send(Input::Restored(SavedState::default()));
    ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[10, 20]))));
    let actions = ride.send(Input::Contacts(ContactEvent::JumperAtPowerOn(true)));
    assert!(played(&actions)[0].in_sync, "the jumper plays at once, from the common timetable");
    let actions = ride.wait(20);
    assert!(actions.contains(&Action::Led(LedPattern::NotInSync)), "{actions:?}");
    assert!(!actions.contains(&Action::Led(LedPattern::InSync)), "{actions:?}");
    assert_eq!(ride.appliance.snapshot(ride.now).warnings, []);
    // A reference makes it exact: the lamp says so, and nothing begins again.
    ride.now.is_in_sync = true;
    assert_eq!(ride.wait(1), [Action::Led(LedPattern::InSync)]);
}

#[test]
fn losing_the_time_stops_nothing_and_is_reported() {
    let mut ride = Ride::idle();
    ride.gesture(Gesture::Start);
    ride.wait(20);
    let actions = ride.trust(false, 0);
    assert_eq!(actions, [Action::Warn(Warning::NotInSync), Action::Led(LedPattern::NotInSync)]);
    assert_eq!(ride.trust(true, 0), [Action::Led(LedPattern::InSync)]);
}

#[test]
fn a_named_time_that_has_passed_is_joined_under_way_and_refused_once_it_is_over() {
    let once = Settings { repeats: false, ..Settings::default() };
    let (mut ride, _) = Ride::boot(once, SavedState::default(), false);
    let at = |ago_s| Command::Start { at_utc_s: Some(TEN_O_CLOCK_S - ago_s), first_track: None, fresh: false };
    let begins = |utc_s, heard_from_utc_s| Program {
        session: Session { anchor_utc_s: utc_s, first_track: 0, repeats: false },
        heard_from_utc_s,
        in_sync: true,
    };
    let joined = begins(TEN_O_CLOCK_S - 15, TEN_O_CLOCK_S);
    assert_eq!(played(&ride.command(at(15))), [&joined]);
    assert_eq!(ride.command(at(70)), [Action::Refuse(Refusal::AlreadyOver)]);
    assert_eq!(ride.phase(), Phase::Playing { in_sync: true }, "and what plays continues");
    let later = ride.command(at(-3600));
    assert_eq!(played(&later), [&begins(TEN_O_CLOCK_S + 3600, TEN_O_CLOCK_S + 3600)]);
}

#[test]
fn tracks_are_named_from_zero_and_a_wrong_one_is_refused() {
    let mut ride = Ride::idle();
    let track = |track| Command::Start { at_utc_s: None, first_track: Some(FirstTrack::Number(track)), fresh: false };
    assert_eq!(ride.command(track(3)), [Action::Refuse(Refusal::NoSuchTrack { track: 3, last: 2 })]);
    assert_eq!(played(&ride.command(track(2))), [&fresh(NEXT_SLOT_S, 2)]);
}

#[test]
fn after_the_last_slot_it_is_idle() {
    let once = Settings { repeats: false, ..Settings::default() };
    let (mut ride, _) = Ride::boot(once, SavedState::default(), false);
    ride.gesture(Gesture::StartHeld);
    assert!(!ride.wait(10 + 62).contains(&Action::StopWithFade));
    let actions = ride.wait(1);
    assert!(actions.contains(&Action::StopWithFade) && actions.contains(&Action::ForgetSession), "{actions:?}");
    assert_eq!(ride.phase(), Phase::Idle);
}

#[test]
fn a_changed_playlist_is_taken_over_at_the_next_start() {
    let mut ride = Ride::idle();
    let changed = ride.send(Input::Playlist(PlaylistEvent::Changed(PlaylistChange::Files)));
    assert_eq!(changed, [Action::Warn(Warning::PlaylistChanged)]);
    let actions = ride.gesture(Gesture::Start);
    assert!(actions.contains(&Action::Reload) && played(&actions).is_empty());
    assert_eq!(ride.phase(), Phase::WaitingForPlaylist);
    let actions = ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[40]))));
    let Action::Play { timetable, .. } = &actions[0] else { panic!("{actions:?}") };
    assert_eq!(timetable.length(0).unwrap().seconds(), 40.0);
}

fn stick(change: PlaylistChange) -> Input {
    Input::Playlist(PlaylistEvent::Changed(change))
}

#[test]
fn a_stick_is_taken_at_once_while_nothing_plays_and_offered_while_music_plays() {
    let put_in = || PlaylistChange::StickIn { name: "RIDE".to_owned(), tracks: 2 };
    let pulled_out = || PlaylistChange::StickOut { name: "RIDE".to_owned() };
    let its_list = || Input::Playlist(PlaylistEvent::Loaded(playlist(&[40, 50])));
    let own_list = || Input::Playlist(PlaylistEvent::Loaded(playlist(&[10, 20, 30])));
    let mut ride = Ride::idle();
    assert_eq!(ride.send(stick(put_in())), [Action::Reload]);
    ride.send(its_list());
    assert_eq!(ride.send(stick(pulled_out())), [Action::Reload]);
    ride.send(own_list());
    assert_eq!(ride.appliance.warnings(), []);

    ride.gesture(Gesture::Start);
    ride.wait(30);
    let offered = Warning::StickOffered { name: "RIDE".to_owned(), tracks: 2 };
    assert_eq!(ride.send(stick(put_in())), [Action::Warn(offered.clone())]);
    assert_eq!(ride.appliance.warnings(), [offered]);
    assert!(played(&ride.wait(30)).is_empty());
    // The next start takes it, although what plays is what is wanted already.
    assert!(ride.gesture(Gesture::Start).contains(&Action::Reload));
    assert_eq!(played(&ride.send(its_list())).len(), 1);
    ride.wait(30);
    // It is gone: silence, until the music is stopped.
    assert_eq!(ride.send(stick(pulled_out())), [Action::Warn(Warning::StickGone("RIDE".to_owned()))]);
    assert!(matches!(ride.phase(), Phase::Playing { .. }));
    let actions = ride.gesture(Gesture::Stop);
    assert!(actions.contains(&Action::StopWithFade) && actions.contains(&Action::Reload), "{actions:?}");
    ride.send(own_list());
    assert_eq!((ride.phase(), ride.appliance.warnings()), (Phase::Idle, vec![]));
}

#[test]
fn a_stick_that_is_put_in_while_the_time_is_awaited_is_what_begins() {
    let mut ride = Ride::idle();
    ride.now.is_trusted = false;
    ride.gesture(Gesture::Start);
    assert_eq!(ride.phase(), Phase::WaitingForTime);
    let actions = ride.send(stick(PlaylistChange::StickIn { name: "RIDE".to_owned(), tracks: 1 }));
    assert!(actions.contains(&Action::Reload), "{actions:?}");
    ride.now.is_trusted = true;
    assert!(played(&ride.send(Input::Tick)).is_empty(), "before it is read");
    assert_eq!(played(&ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[40]))))).len(), 1);
}

#[test]
fn a_playlist_that_is_as_it_was_again_has_not_changed() {
    let mut ride = Ride::idle();
    ride.send(Input::Playlist(PlaylistEvent::Changed(PlaylistChange::Files)));
    assert!(ride.send(Input::Playlist(PlaylistEvent::Unchanged)).is_empty());
    assert_eq!(ride.appliance.warnings(), []);
    let actions = ride.gesture(Gesture::Start);
    assert_eq!(played(&actions), [&common(NEXT_SLOT_S)], "without being read again");
    // A playlist that could not be read, and is there again.
    ride.command(Command::Reload);
    ride.send(Input::Playlist(PlaylistEvent::Failed("gone".to_owned())));
    assert_ne!(ride.appliance.warnings(), []);
    ride.send(Input::Playlist(PlaylistEvent::Unchanged));
    assert_eq!(ride.appliance.warnings(), []);
}

#[test]
fn reload_takes_a_changed_playlist_over_at_once_and_an_unchanged_one_not_at_all() {
    let mut ride = Ride::idle();
    ride.gesture(Gesture::Start);
    ride.wait(30);
    assert_eq!(ride.command(Command::Reload), [Action::Reload]);
    assert!(ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[10, 20, 30])))).is_empty());
    ride.command(Command::Reload);
    let actions = ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[10, 20]))));
    assert_eq!(played(&actions), [&common(TEN_O_CLOCK_S + 30)], "heard at once");
}

#[test]
fn a_playlist_that_cannot_be_read_is_reported_and_waited_for() {
    let mut ride = Ride::new(Settings::default());
    ride.send(Input::Restored(SavedState::default()));
    ride.send(Input::Contacts(ContactEvent::JumperAtPowerOn(true)));
    let actions = ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[]))));
    assert!(actions.contains(&Action::Warn(Warning::PlaylistFailed("the playlist has no tracks".to_owned()))));
    assert!(actions.contains(&Action::Led(LedPattern::Fault)));
    assert_eq!(ride.send(Input::Playlist(PlaylistEvent::Changed(PlaylistChange::Files)))[0], Action::Reload);
    let actions = ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[10]))));
    assert_eq!(played(&actions), [&common(NEXT_SLOT_S)]);
}

#[test]
fn a_sound_card_that_comes_back_gets_its_volume() {
    let mut ride = Ride::idle();
    let lost = ride.send(Input::Player(PlayerEvent::DeviceLost("unplugged".to_owned())));
    assert!(lost.contains(&Action::Led(LedPattern::Fault)));
    let back = ride.send(Input::Player(PlayerEvent::DeviceBack));
    assert_eq!(back, [Action::SetVolume(50), Action::Led(LedPattern::Idle)]);
}

#[test]
fn a_card_that_is_not_taken_yet_is_not_called_gone() {
    let mut ride = Ride::idle();
    let warning = Warning::DeviceAwaited("Headphones is taken 20 s after power-on".to_owned());
    let awaited =
        ride.send(Input::Player(PlayerEvent::DeviceAwaited("Headphones is taken 20 s after power-on".to_owned())));
    assert!(awaited.contains(&Action::Warn(warning.clone())));
    assert_eq!(ride.appliance.warnings(), [warning]);
    ride.send(Input::Player(PlayerEvent::DeviceBack));
    assert_eq!(ride.appliance.warnings(), []);
}

#[test]
fn the_led_does_not_say_in_sync_where_nothing_is_heard() {
    let (mut ride, _) = Ride::boot(Settings::default(), SavedState::default(), true);
    ride.wait(30);
    let mut led = |heard| ride.send(Input::Player(PlayerEvent::Delivery(heard)));
    assert_eq!(led(Delivery::Opening), [Action::Led(LedPattern::Waiting)]);
    assert_eq!(led(Delivery::AsPlanned), [Action::Led(LedPattern::InSync)]);
    assert_eq!(led(Delivery::Silence), [Action::Led(LedPattern::Fault)]);
    assert_eq!(led(Delivery::AsPlanned), [Action::Led(LedPattern::InSync)]);
    // What the player reports about the end of what was stopped changes nothing.
    ride.command(Command::Stop);
    assert_eq!(ride.send(Input::Player(PlayerEvent::Delivery(Delivery::Silence))), []);
}

#[test]
fn the_volume_steps_stops_at_the_maximum_and_is_saved_once() {
    let settings = Settings { maximum_percent: 80, startup_percent: 70, ..Settings::default() };
    let (mut ride, actions) = Ride::boot(settings, SavedState::default(), false);
    assert_eq!(actions[0], Action::SetVolume(70));
    assert_eq!(ride.gesture(Gesture::VolumeUp)[0], Action::SetVolume(75));
    ride.gesture(Gesture::VolumeUp);
    let limit = ride.gesture(Gesture::VolumeUp);
    assert_eq!(limit, [Action::SetVolume(80), Action::Flash(Flash::Refused), Action::Tone(Tone::VolumeLimit)]);
    assert_eq!(ride.wait(30), [Action::SaveVolume(80)]);
    assert_eq!(ride.command(Command::Volume(VolumeChange::To(100))), [Action::SetVolume(80)]);
    assert_eq!(ride.command(Command::Volume(VolumeChange::By(-100))), [Action::SetVolume(0)]);
}

#[test]
fn the_saved_volume_is_the_startup_volume_but_no_louder_than_allowed() {
    let settings = Settings { maximum_percent: 60, ..Settings::default() };
    let (_, actions) = Ride::boot(settings, SavedState { volume_percent: Some(90), ..SavedState::default() }, false);
    assert_eq!(actions[0], Action::SetVolume(60));
}

#[test]
fn settings_that_change_take_effect_at_once() {
    let mut ride = Ride::idle();
    ride.gesture(Gesture::Start);
    ride.wait(30);
    let settings = Settings { maximum_percent: 40, common_anchor_utc_s: 1000, ..Settings::default() };
    let actions = ride.send(Input::Settings(settings.clone()));
    assert_eq!(actions[0], Action::SetVolume(40));
    let moved = Program { session: Session::common(1000), ..common(TEN_O_CLOCK_S + 30) };
    assert_eq!(played(&actions), [&moved], "all boxes with this anchor are there");
    assert!(ride.send(Input::Settings(settings)).iter().all(|action| matches!(action, Action::Led(_))));
}

#[test]
fn it_is_armed_once_the_playlist_and_the_jumper_are_known() {
    let mut ride = Ride::new(Settings::default());
    ride.send(Input::Restored(SavedState::default()));
    ride.send(Input::Contacts(ContactEvent::JumperAtPowerOn(false)));
    assert!(!ride.appliance.is_armed());
    ride.send(Input::Playlist(PlaylistEvent::Failed("none".to_owned())));
    assert!(ride.appliance.is_armed());
}

#[test]
fn tones_can_be_turned_off() {
    let settings = Settings { tones: false, ..Settings::default() };
    let (mut ride, mut actions) = Ride::boot(settings, SavedState::default(), false);
    for gesture in [Gesture::VolumeUp, Gesture::Start, Gesture::Stop, Gesture::StopHeld] {
        actions.extend(ride.gesture(gesture));
    }
    assert!(!actions.iter().any(|action| matches!(action, Action::Tone(_))));
}

#[test]
fn a_box_whose_buttons_cannot_be_read_still_rejoins_and_obeys_commands() {
    let mut ride = Ride::new(Settings::default());
    ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[10]))));
    ride.send(Input::Restored(SavedState { session: Some(Session::common(0)), ..SavedState::default() }));
    let actions = ride.send(Input::Contacts(ContactEvent::Unreadable("broken".to_owned())));
    assert_eq!(played(&actions), [&common(TEN_O_CLOCK_S)]);
    ride.command(Command::Stop);
    assert_eq!(played(&ride.command(START)).len(), 1);
}

#[test]
fn a_press_before_what_was_saved_is_read_counts() {
    let mut ride = Ride::new(Settings::default());
    ride.send(Input::Playlist(PlaylistEvent::Loaded(playlist(&[10]))));
    ride.gesture(Gesture::Stop);
    let saved = SavedState { session: Some(Session::common(0)), ..SavedState::default() };
    let mut actions = ride.send(Input::Restored(saved));
    actions.extend(ride.send(Input::Contacts(ContactEvent::JumperAtPowerOn(true))));
    assert!(played(&actions).is_empty() && actions.contains(&Action::ForgetSession));
}

const CHECK: Command = Command::SoundCheck { minutes: 2 };

fn checks(actions: &[Action]) -> Vec<Times> {
    actions
        .iter()
        .filter_map(|action| if let Action::SoundCheck(times) = action { Some(*times) } else { None })
        .collect()
}

#[test]
fn a_sound_check_is_heard_at_a_safe_volume_and_then_the_music_goes_on() {
    let mut ride = Ride::idle();
    ride.command(Command::Volume(VolumeChange::To(90)));
    ride.gesture(Gesture::Start);
    ride.wait(30);
    let actions = ride.command(CHECK);
    let times = Times { from_utc_s: TEN_O_CLOCK_S + 40, until_utc_s: TEN_O_CLOCK_S + 170 };
    assert_eq!(actions, [Action::SetVolume(50), Action::SoundCheck(times), Action::Led(LedPattern::Waiting)]);
    assert_eq!(ride.phase(), Phase::SoundCheck { times });
    // The timetable goes on, and so does the rest of the box.
    let meanwhile = ride.wait(100);
    assert!(played(&meanwhile).is_empty() && !meanwhile.contains(&Action::StopWithFade), "{meanwhile:?}");
    assert_eq!(ride.command(Command::Volume(VolumeChange::To(80)))[0], Action::SetVolume(50), "it waits");
    let after = ride.wait(41);
    let end = after.iter().position(|action| *action == Action::EndSoundCheck).expect("its end");
    assert_eq!(after[end + 1], Action::SetVolume(80));
    assert_eq!(played(&after), [&common(TEN_O_CLOCK_S + 170)], "joined at once");
    assert_eq!(ride.phase(), Phase::Playing { in_sync: true });
}

#[test]
fn both_buttons_begin_a_sound_check_and_then_what_stop_ended_goes_on() {
    let mut ride = Ride::idle();
    ride.gesture(Gesture::Start);
    ride.wait(30);
    ride.gesture(Gesture::Stop);
    ride.wait(3);
    let actions = ride.gesture(Gesture::BothHeld);
    assert_eq!(checks(&actions).len(), 1);
    assert!(actions.contains(&Action::Flash(Flash::Accepted)));
    assert_eq!(played(&ride.wait(200)).len(), 1);
    assert_eq!(ride.phase(), Phase::Playing { in_sync: true });

    // A box that did nothing does nothing afterwards, and a stop of long ago is one.
    let mut idle = Ride::idle();
    idle.gesture(Gesture::Start);
    idle.wait(30);
    idle.gesture(Gesture::Stop);
    idle.wait(10);
    idle.gesture(Gesture::BothHeld);
    assert_eq!(played(&idle.wait(200)).len(), 0);
    assert_eq!(idle.phase(), Phase::Idle);
}

#[test]
fn stop_and_start_end_a_sound_check() {
    let mut ride = Ride::idle();
    ride.command(CHECK);
    ride.wait(20);
    let actions = ride.gesture(Gesture::Stop);
    assert_eq!(actions[..2], [Action::EndSoundCheck, Action::SetVolume(50)]);
    assert_eq!(ride.phase(), Phase::Idle);
    assert!(ride.wait(300).iter().all(|action| !matches!(action, Action::Play { .. } | Action::SoundCheck(_))));

    ride.gesture(Gesture::Start);
    ride.wait(30);
    ride.command(CHECK);
    ride.wait(20);
    let actions = ride.gesture(Gesture::Start);
    assert_eq!(actions[0], Action::EndSoundCheck);
    assert_eq!(played(&actions).len(), 1, "it is heard again at once");
}

#[test]
fn a_box_without_the_time_takes_part_in_no_sound_check() {
    let mut ride = Ride::idle();
    ride.trust(false, 0);
    assert_eq!(ride.command(CHECK), [Action::Refuse(Refusal::NoTimeForSoundCheck)]);
    let actions = ride.gesture(Gesture::BothHeld);
    assert_eq!(actions, [Action::Flash(Flash::Refused), Action::Refuse(Refusal::NoTimeForSoundCheck)]);
}

#[test]
fn a_playlist_that_is_over_during_a_sound_check_has_ended_afterwards() {
    let settings = Settings { repeats: false, ..Settings::default() };
    let mut ride = Ride::boot(settings, SavedState::default(), false).0;
    ride.gesture(Gesture::StartHeld);
    ride.wait(30);
    ride.command(CHECK);
    assert!(!ride.wait(100).contains(&Action::EndSoundCheck), "its 63 s are over");
    let after = ride.wait(80);
    assert!(after.contains(&Action::EndSoundCheck) && played(&after).is_empty());
    assert_eq!(ride.phase(), Phase::Idle);
}
